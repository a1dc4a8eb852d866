//! Values that are signals, or sets of them: `TERM,INT`.
use super::value::{Fault, Kind, Value, decimal};

/// A set of signals, as the kernel's: bit `n - 1` is signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signals(pub u64);

/// Which signals make sense in a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Faults {
    With,
    /// A handler that returns from a fault would meet it again.
    Without,
}

/// By name, without SIG, those that a handler can take but glibc's own 32 and 33, and what they do to a process by default: the
/// kernel raises faults at an instruction, which a handler that returns would repeat.
const KNOWN: &[(&str, i32, Action)] = &[
    ("HUP", libc::SIGHUP, Action::Ends),
    ("INT", libc::SIGINT, Action::Ends),
    ("QUIT", libc::SIGQUIT, Action::Ends),
    ("USR1", libc::SIGUSR1, Action::Ends),
    ("USR2", libc::SIGUSR2, Action::Ends),
    ("PIPE", libc::SIGPIPE, Action::Ends),
    ("ALRM", libc::SIGALRM, Action::Ends),
    ("TERM", libc::SIGTERM, Action::Ends),
    ("STKFLT", libc::SIGSTKFLT, Action::Ends),
    ("CHLD", libc::SIGCHLD, Action::GoesOn),
    ("CONT", libc::SIGCONT, Action::GoesOn),
    ("TSTP", libc::SIGTSTP, Action::GoesOn),
    ("TTIN", libc::SIGTTIN, Action::GoesOn),
    ("TTOU", libc::SIGTTOU, Action::GoesOn),
    ("URG", libc::SIGURG, Action::GoesOn),
    ("XCPU", libc::SIGXCPU, Action::Ends),
    ("XFSZ", libc::SIGXFSZ, Action::Ends),
    ("VTALRM", libc::SIGVTALRM, Action::Ends),
    ("PROF", libc::SIGPROF, Action::Ends),
    ("WINCH", libc::SIGWINCH, Action::GoesOn),
    ("IO", libc::SIGIO, Action::Ends),
    ("PWR", libc::SIGPWR, Action::Ends),
    ("ABRT", libc::SIGABRT, Action::Faults),
    ("SEGV", libc::SIGSEGV, Action::Faults),
    ("BUS", libc::SIGBUS, Action::Faults),
    ("FPE", libc::SIGFPE, Action::Faults),
    ("ILL", libc::SIGILL, Action::Faults),
    ("SYS", libc::SIGSYS, Action::Faults),
    ("TRAP", libc::SIGTRAP, Action::Faults),
];
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Ends,
    /// It is ignored, or the process stops.
    GoesOn,
    Faults,
}
/// The first real-time signal that glibc leaves to programs, and the last.
const REAL_TIME: core::ops::RangeInclusive<i32> = 34..=64;

/// The usual name of a signal, without SIG.
pub fn signal_name(number: i32) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.1 == number).map(|known| known.0)
}

/// The signal that may stop threads, by name or number.
pub(super) fn stopping(text: &[u8]) -> Option<u64> {
    let is_fit = |what| what != Action::Faults;
    one(text.strip_prefix(b"SIG").unwrap_or(text), is_fit, |name, text| name == text).map(|n| n as u64)
}

/// One of those that are fit (real-time signals are) by its name, which `is` compares, or number.
fn one(text: &[u8], is_fit: impl Fn(Action) -> bool, is: impl Fn(&[u8], &[u8]) -> bool) -> Option<i32> {
    let number = |text: &[u8]| decimal(text).and_then(|n| i32::try_from(n).ok());
    let mut known = KNOWN.iter().filter(|known| is_fit(known.2));
    if let Some(n) = number(text) {
        return (known.any(|known| known.1 == n) || REAL_TIME.contains(&n)).then_some(n);
    }
    if let Some((first, above)) = text.split_at_checked("RTMIN".len())
        && is(b"RTMIN", first)
    {
        let above = if above.is_empty() { 0 } else { number(above.strip_prefix(b"+")?)? };
        return REAL_TIME.start().checked_add(above).filter(|n| REAL_TIME.contains(n));
    }
    known.find(|known| is(known.0.as_bytes(), text)).map(|known| known.1)
}

impl Signals {
    pub fn has(self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.0 >> (signal - 1) & 1 != 0
    }
    pub fn each(self) -> impl Iterator<Item = i32> {
        (1..=64).filter(move |&signal| self.has(signal))
    }
}

fn in_set(text: &[u8], faults: Faults) -> Option<i32> {
    let text = text.trim_ascii();
    let text = match text {
        [b's' | b'S', b'i' | b'I', b'g' | b'G', rest @ ..] => rest,
        text => text,
    };
    let is_fit = |what| match what {
        Action::Ends => true,
        Action::GoesOn => false,
        Action::Faults => faults == Faults::With,
    };
    one(text, is_fit, <[u8]>::eq_ignore_ascii_case)
}

impl Value for Signals {
    fn read(text: &[u8], kind: &Kind) -> Result<Signals, Fault> {
        let Kind::Signals { faults } = *kind else { return Err(Fault::Value) };
        if text == b"none" {
            return Ok(Signals(0));
        }
        let mut all = 0;
        for piece in text.split(|&b| b == b',') {
            all |= 1 << (in_set(piece, faults).ok_or(Fault::Value)? - 1);
        }
        Ok(Signals(all))
    }
    fn emit(&self, _: &Kind, out: &mut dyn FnMut(&[u8])) {
        if self.0 == 0 {
            return out(b"none");
        }
        for (place, signal) in self.each().enumerate() {
            if place > 0 {
                out(b",");
            }
            match signal_name(signal) {
                Some(name) => out(name.as_bytes()),
                None => out(&[b'0' + (signal / 10) as u8, b'0' + (signal % 10) as u8]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Kind = Kind::Signals { faults: Faults::With };

    #[test]
    fn sets() {
        let read = |text: &str| Signals::read(text.as_bytes(), &ALL);
        let set = |list: &[i32]| Ok(Signals(list.iter().fold(0, |set, n| set | 1 << (n - 1))));
        assert_eq!(read("none"), set(&[]));
        assert_eq!(read("term,SEGV, sigabrt"), set(&[15, 11, 6]));
        assert_eq!(read("RTMIN+2,40,2"), set(&[36, 40, 2]));
        for bad in ["", "KILL", "9", "CHLD", "term,", "RTMIN+31", "RTMIN-1", "33", "all"] {
            assert_eq!(read(bad), Err(Fault::Value), "{bad}");
        }
        let kind = Kind::Signals { faults: Faults::Without };
        assert_eq!(Signals::read(b"usr2", &kind), set(&[12]));
        assert_eq!(Signals::read(b"segv", &kind), Err(Fault::Value));
        assert_eq!(Signals::read(b"11", &kind), Err(Fault::Value));
    }
    #[test]
    fn what_is_emitted_reads_back() {
        for bits in [0, 1 << 14, 1 << 14 | 1 << 10 | 1 << 5 | 1 << 63, 1 << 33] {
            let mut text = std::vec::Vec::new();
            Signals(bits).emit(&ALL, &mut |piece| text.extend_from_slice(piece));
            assert_eq!(Signals::read(&text, &ALL), Ok(Signals(bits)));
        }
    }
}
