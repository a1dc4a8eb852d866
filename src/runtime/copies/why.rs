//! Why a program was stopped while its memory was marked, although a copy of it was wanted.
use super::super::start;
use crate::gc::stats::Count;
use crate::ground::out;
use crate::pure::options::Mode;

/// Why the program was stopped while its memory was marked, although a copy was wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Why {
    Forbidden = 1,
    /// The copy of another check is still at work.
    Busy,
    /// The kernel made none: limits on processes or memory.
    Refused,
    /// Children would live in another namespace.
    Namespace,
    /// Page faults of the program's are handled by a stopped thread, and a copy would wait for it.
    Userfault,
    /// Stacks, objects or named roots in shared memory.
    Shared,
    /// Some memory is not for copies.
    Absent,
    /// The last copy came to a bad end.
    Died,
    NoMemory,
    /// What the kernel holds could not be learnt.
    Kernel,
    /// Adopted memory, weak handles or cleanups: the program hears of what becomes of them.
    More,
}
impl Why {
    pub(super) const ALL: [Why; 11] = [
        Why::Forbidden,
        Why::Busy,
        Why::Refused,
        Why::Namespace,
        Why::Userfault,
        Why::Shared,
        Why::Absent,
        Why::Died,
        Why::NoMemory,
        Why::Kernel,
        Why::More,
    ];
    pub fn reason(self) -> &'static str {
        match self {
            Why::Forbidden => "the program's sandbox forbids it",
            Why::Busy => "another one is at work",
            Why::Refused => "the kernel refused",
            Why::Namespace => "it would live in another namespace",
            Why::Userfault => "the program handles its page faults",
            Why::Shared => "stacks, objects or roots are in shared memory",
            Why::Absent => "some memory is not copied (MADV_DONTFORK, MADV_WIPEONFORK)",
            Why::Died => "the last one did not end its work",
            Why::NoMemory => "no memory",
            Why::Kernel => "what the kernel holds for the program is not known",
            Why::More => "there is adopted memory, or objects with weak handles or cleanups",
        }
    }
}

/// How often.
static FELL_BACK: [Count; Why::ALL.len()] = [const { Count::new() }; Why::ALL.len()];

/// The program was stopped, although a copy was wanted.
pub fn fell_back(why: Why) {
    FELL_BACK[why as usize - 1].add(1);
}

/// Writes the counters, if there is anything to tell.
pub fn print(fd: i32) {
    let what = if start::options().mode == Mode::Gc { "gc: collections" } else { "checks" };
    let made = super::made();
    if made != 0 {
        out::say(fd, format_args!("{what}: {made} by a copy of the process"));
    }
    for why in Why::ALL {
        let n = FELL_BACK[why as usize - 1].get();
        if n != 0 {
            out::say(fd, format_args!("{what}: stopped, since no copy could be made, {}: {n}", why.reason()));
        }
    }
}
