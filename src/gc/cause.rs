//! Why a collection begins.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cause {
    /// The heap grew by the goal.
    Growth,
    /// So many bytes were allocated (`collect_every`).
    Stress,
    /// So many were allocated in audit mode.
    Audit,
    /// There is no more memory.
    Pressure,
    /// The program asks.
    Request,
    /// The control group's memory is nearly used up ([`super::early`]).
    Limit,
    /// Tasks wait for memory.
    Stalls,
}

impl Cause {
    pub const COUNT: usize = 7;
    pub const ALL: [Cause; Cause::COUNT] = [
        Cause::Growth,
        Cause::Stress,
        Cause::Audit,
        Cause::Pressure,
        Cause::Request,
        Cause::Limit,
        Cause::Stalls,
    ];
    /// For messages and figures.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Growth => "growth",
            Cause::Stress => "collect_every",
            Cause::Audit => "audit",
            Cause::Pressure => "no memory",
            Cause::Request => "asked for",
            Cause::Limit => "cgroup limit",
            Cause::Stalls => "memory pressure",
        }
    }
    /// Before the heap has grown by the goal.
    pub fn is_early(self) -> bool {
        matches!(self, Cause::Limit | Cause::Stalls)
    }
}
