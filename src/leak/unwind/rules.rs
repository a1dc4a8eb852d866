//! Compact unwind rules, and the cache that finds them by code address.
//!
//! # Shape
//! Nearly every frame of compiled code unwinds by one rule: the frame's end (CFA) is `rsp + n`
//! or `rbp + n`, the return address lies just below it, and rbp was saved at a small distance
//! below it or not at all. A [`Rule`] is that in 64 bits:
//!
//! ```text
//! 63        32 31      16 15     8 7    0
//! │ offset i32 │    0    │ rbp at │ kind │     rbp at: words below the CFA, 0 = unchanged
//! ```
//!
//! [`Cache`] is direct-mapped: 16,384 entries of 16 bytes (256 KiB of .bss, touched as used); what another rule drives out of its place
//! goes to another one, where only a miss looks: two call sites in one place would be looked up in the tables again and again. An
//! entry is the pair (key ^ rule, rule): two words written by racing threads without a lock. A
//! reader that sees halves of two writes computes a key that is not its own, and misses. The
//! key holds the address, whether it is exact, and the generation of the loaded modules, so that
//! unloading a module empties the cache by counting.
//!
//! A cache per thread was rejected: threads mostly run the same code, and every new one would
//! start cold with its own quarter of a megabyte.
use core::sync::atomic::{AtomicU64, Ordering};

/// How to find the caller's frame. Numbers are the low byte of a [`Rule`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Not a rule: an empty cache entry.
    None = 0,
    /// CFA = rsp + offset.
    Rsp = 1,
    /// CFA = rbp + offset.
    Rbp = 2,
    /// CFA = the word at rbp + offset: functions that align their stack.
    AtRbp = 3,
    /// The kernel's signal frame: the interrupted registers lie at rsp.
    Signal = 4,
    /// No table covers the address: try the frame-pointer chain.
    FramePointer = 5,
    /// The outermost frame.
    End = 6,
    /// Needs every register, or an expression: see `dwarf::step`.
    Full = 7,
}

/// One packed rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rule(pub u64);

impl Rule {
    pub const fn of(kind: Kind) -> Rule {
        Rule(kind as u64)
    }
    /// A rule of the three CFA kinds; `rbp_words` = how far below the CFA rbp was saved.
    pub const fn frame(kind: Kind, offset: i32, rbp_words: u8) -> Rule {
        Rule((offset as u32 as u64) << 32 | (rbp_words as u64) << 8 | kind as u64)
    }
    #[inline(always)]
    pub fn kind(self) -> Kind {
        match self.0 as u8 {
            1 => Kind::Rsp,
            2 => Kind::Rbp,
            3 => Kind::AtRbp,
            4 => Kind::Signal,
            5 => Kind::FramePointer,
            6 => Kind::End,
            7 => Kind::Full,
            _ => Kind::None,
        }
    }
    #[inline(always)]
    pub fn kind_number(self) -> u8 {
        self.0 as u8
    }
    /// What is added to the base register, as a wrapping word.
    #[inline(always)]
    pub fn offset(self) -> usize {
        (self.0 as i64 >> 32) as usize
    }
    #[inline(always)]
    pub fn rbp_words(self) -> usize {
        (self.0 >> 8) as u8 as usize
    }
}

impl core::fmt::Debug for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}{:+}, rbp@{}", self.kind(), self.offset() as isize, self.rbp_words())
    }
}

/// A code address is a return address (the call is before it) or exact (it was interrupted).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Site {
    Return,
    Exact,
}

/// What an entry is found by: `pc | exact << 47 | generation << 48`. Never 0 for a real pc.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    #[inline(always)]
    pub fn new(pc: usize, site: Site, generation: u64) -> Key {
        let exact = matches!(site, Site::Exact) as u64;
        Key(pc as u64 ^ exact << 47 ^ generation << 48)
    }
    /// The low bits, which differ most between call sites; a better hash costs more in the
    /// chain of dependent loads than the misses that it saves.
    #[inline(always)]
    fn slot(self) -> usize {
        self.0 as usize & (SLOTS - 1)
    }
    /// Where it is if another one took its slot.
    fn other_slot(self) -> usize {
        (self.0.wrapping_mul(0x9fb2_1c65_1e98_df25) >> (u64::BITS - SLOTS.ilog2())) as usize
    }
}

const SLOTS: usize = 1 << 14;

struct Entry {
    mixed: AtomicU64,
    rule: AtomicU64,
}

/// See the chapter on shape.
pub struct Cache {
    entries: [Entry; SLOTS],
}

impl Cache {
    pub const fn new() -> Cache {
        Cache { entries: [const { Entry { mixed: AtomicU64::new(0), rule: AtomicU64::new(0) } }; SLOTS] }
    }
    /// The rule in the place of `key`, and whether it is that of `key`. Two answers, so that the
    /// comparison becomes a branch, foreseen, and not a link in the chain of dependent loads.
    #[inline(always)]
    pub fn probe(&self, key: Key) -> (Rule, bool) {
        let entry = &self.entries[key.slot()];
        let rule = entry.rule.load(Ordering::Relaxed);
        (Rule(rule), entry.mixed.load(Ordering::Relaxed) ^ rule == key.0)
    }
    /// The rule for `key`, if it is here.
    #[inline(always)]
    pub fn get(&self, key: Key) -> Option<Rule> {
        let (rule, is) = self.probe(key);
        if is { Some(rule) } else { self.aside(key) }
    }
    #[cold]
    #[inline(never)]
    fn aside(&self, key: Key) -> Option<Rule> {
        let entry = &self.entries[key.other_slot()];
        let rule = entry.rule.load(Ordering::Relaxed);
        (entry.mixed.load(Ordering::Relaxed) ^ rule == key.0).then_some(Rule(rule))
    }
    pub fn put(&self, key: Key, rule: Rule) {
        let entry = &self.entries[key.slot()];
        let (mixed, rule_there) = (entry.mixed.load(Ordering::Relaxed), entry.rule.load(Ordering::Relaxed));
        if mixed != 0 {
            let other = &self.entries[Key(mixed ^ rule_there).other_slot()];
            other.mixed.store(mixed, Ordering::Relaxed);
            other.rule.store(rule_there, Ordering::Relaxed);
        }
        entry.mixed.store(key.0 ^ rule.0, Ordering::Relaxed);
        entry.rule.store(rule.0, Ordering::Relaxed);
    }
}
impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_keep_their_fields() {
        for (kind, offset, words) in [(Kind::Rsp, 8, 0), (Kind::Rbp, 16, 2), (Kind::AtRbp, -8, 255)] {
            let rule = Rule::frame(kind, offset, words);
            assert_eq!(
                (rule.kind(), rule.offset() as isize, rule.rbp_words()),
                (kind, offset as isize, words as usize)
            );
        }
        assert_eq!(Rule::of(Kind::Signal).kind(), Kind::Signal);
    }

    #[test]
    fn an_entry_answers_its_own_key_only() {
        let cache = Box::leak(Box::new(Cache::new()));
        let key = Key::new(0x5555_1234_5678, Site::Return, 3);
        assert_eq!(cache.get(key), None);
        cache.put(key, Rule::frame(Kind::Rsp, 64, 2));
        assert_eq!(cache.get(key), Some(Rule::frame(Kind::Rsp, 64, 2)));
        assert_eq!(cache.get(Key::new(0x5555_1234_5678, Site::Exact, 3)), None);
        assert_eq!(cache.get(Key::new(0x5555_1234_5678, Site::Return, 4)), None);
    }

    /// One that was driven out is found still.
    #[test]
    fn two_in_one_slot() {
        let cache = Box::leak(Box::new(Cache::new()));
        let keys = [0x1000usize, 0x1000 + SLOTS, 0x1000 + 2 * SLOTS].map(|pc| Key::new(pc, Site::Return, 0));
        let rule = |words| Rule::frame(Kind::Rsp, 64, words);
        cache.put(keys[0], rule(0));
        cache.put(keys[1], rule(1));
        cache.put(keys[2], rule(2));
        assert_eq!(keys.map(|key| cache.get(key)), [Some(rule(0)), Some(rule(1)), Some(rule(2))]);
    }

    /// Halves of two writes never look like an entry.
    #[test]
    fn torn_entries_miss() {
        let cache = Box::leak(Box::new(Cache::new()));
        let (a, b) = (Key::new(0x1000, Site::Return, 0), Key::new(0x1000, Site::Return, 1));
        cache.put(a, Rule::frame(Kind::Rsp, 64, 2));
        let slot = &cache.entries[b.slot()];
        slot.rule.store(Rule::frame(Kind::Rbp, 16, 2).0, Ordering::Relaxed);
        assert_eq!(cache.get(a), None);
    }
}
