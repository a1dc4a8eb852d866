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
    /// The kernel does not tell what is written.
    Untold,
    /// Memory of the heap's that the program made other than readable and writable.
    Protected,
    /// More roots than are to be read in a stop.
    Roots,
    /// An option that is not for it.
    Option,
    /// Somebody else could not wait.
    Ended,
}
impl Why {
    pub(super) const ALL: [Why; 16] = [
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
        Why::Untold,
        Why::Protected,
        Why::Roots,
        Why::Option,
        Why::Ended,
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
            Why::Untold => "the kernel does not tell what is written",
            Why::Protected => "some of the heap is not readable and writable",
            Why::Roots => "there are too many roots",
            Why::Option => "another option is in its way",
            Why::Ended => "another collection or an exec came in between",
        }
    }
}

/// How often.
static FELL_BACK: [Count; Why::ALL.len()] = [const { Count::new() }; Why::ALL.len()];

/// The program was stopped, although a copy was wanted.
pub fn fell_back(why: Why) {
    FELL_BACK[why as usize - 1].add(1);
}

/// How often marking was tracked, and why not although it was wanted.
static TRACKED: Count = Count::new();
static NOT_TRACKED: [Count; Why::ALL.len()] = [const { Count::new() }; Why::ALL.len()];

pub fn tracked() {
    TRACKED.add(1);
}
pub fn not_tracked(why: Why) {
    NOT_TRACKED[why as usize - 1].add(1);
}

/// Writes the counters, if there is anything to tell.
pub fn print(fd: i32) {
    let what = if start::options().mode == Mode::Gc { "gc: collections" } else { "checks" };
    let made = super::made();
    if made != 0 {
        out::say(fd, format_args!("{what}: {made} by a copy of the process"));
    }
    let tracked = TRACKED.get();
    if tracked != 0 {
        out::say(fd, format_args!("{what}: {tracked} marked beside the program"));
    }
    for why in Why::ALL {
        let n = NOT_TRACKED[why as usize - 1].get();
        if n != 0 {
            out::say(fd, format_args!("{what}: not tracked, {}: {n}", why.reason()));
        }
    }
    for why in Why::ALL {
        let n = FELL_BACK[why as usize - 1].get();
        if n != 0 {
            out::say(fd, format_args!("{what}: stopped, since no copy could be made, {}: {n}", why.reason()));
        }
    }
}
