//! Values that are sets of signals: `TERM,INT`.
use super::value::{Fault, Kind, Value};

/// A set of signals, as the kernel's: bit `n - 1` is signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Signals(pub u64);

/// Which signals make sense in a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Faults {
    With,
    /// A handler that returns from a fault would meet it again.
    Without,
}

/// Those that end a process by default and can be handled, without glibc's own. Faults last.
const NAMES: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("ABRT", libc::SIGABRT),
    ("SEGV", libc::SIGSEGV),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("ILL", libc::SIGILL),
    ("SYS", libc::SIGSYS),
    ("TRAP", libc::SIGTRAP),
];
const FAULTS: usize = 7;
const REAL_TIME: core::ops::RangeInclusive<i32> = 34..=64;

impl Signals {
    pub fn has(self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.0 >> (signal - 1) & 1 != 0
    }
    pub fn each(self) -> impl Iterator<Item = i32> {
        (1..=64).filter(move |&signal| self.has(signal))
    }
}

fn one(text: &[u8], faults: Faults) -> Option<i32> {
    let text = text.trim_ascii();
    let text = match text {
        [b's' | b'S', b'i' | b'I', b'g' | b'G', rest @ ..] => rest,
        text => text,
    };
    let digits = |text: &[u8]| core::str::from_utf8(text).ok()?.parse::<i32>().ok();
    let known = match faults {
        Faults::With => NAMES,
        Faults::Without => &NAMES[..NAMES.len() - FAULTS],
    };
    if let Some(n) = digits(text) {
        return (known.iter().any(|known| known.1 == n) || REAL_TIME.contains(&n)).then_some(n);
    }
    if text.len() >= 5 && text[..5].eq_ignore_ascii_case(b"RTMIN") {
        let above = match &text[5..] {
            [] => 0,
            [b'+', rest @ ..] => digits(rest)?,
            _ => return None,
        };
        return REAL_TIME.start().checked_add(above).filter(|n| REAL_TIME.contains(n));
    }
    known.iter().find(|known| known.0.as_bytes().eq_ignore_ascii_case(text)).map(|known| known.1)
}

impl Value for Signals {
    fn read(text: &[u8], kind: &Kind) -> Result<Signals, Fault> {
        let Kind::Signals { faults } = *kind else { return Err(Fault::Value) };
        if text == b"none" {
            return Ok(Signals(0));
        }
        let mut all = 0;
        for piece in text.split(|&b| b == b',') {
            all |= 1 << (one(piece, faults).ok_or(Fault::Value)? - 1);
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
            match NAMES.iter().find(|known| known.1 == signal) {
                Some(known) => out(known.0.as_bytes()),
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
