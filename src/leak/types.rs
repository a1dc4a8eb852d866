//! The type of a C++ object, told by its first word.
//!
//! An object whose class has virtual functions begins with the address of its class's vtable, in the data of some
//! module. Two words below that address stand in every vtable of the Itanium ABI:
//!
//! ```text
//! vtable  -2  offset to the whole object: 0, for a block begins with a whole object
//!         -1  type_info, or 0 without RTTI ──►  0  vtable of the class type_info
//!          0  the first virtual function         1  the mangled name  ──►  "N2ns6WidgetE"
//! ```
//! The name is there whether or not the file has symbols. Without RTTI the address alone is told, if a function stands
//! there, and the command looks for `_ZTV…` at it. An array of objects with destructors begins with their number.
//! Rust keeps the vtable beside the pointer (`Box<dyn Trait>`), so nothing in the object tells its type.
//!
//! All of it is read through the kernel: any word may look like a vtable's address, and none can make us fault. Numbers
//! of types are 16 bits; 1,024 types are kept, names of up to 1,000 bytes, and so many words are looked up at most
//! that a check is not held up: what begins with ever new words into modules is no object with a vtable.
use super::elf::Image;
use super::modules;
use super::scratch::List;
use super::unwind::{EXACT, find};
use crate::ground::critical::Critical;
use crate::pure::addr::Addr;
use crate::sys::memory::Memory;

/// One type: where its vtable is, and its name in the text of all names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Type {
    vtable: usize,
    from: u32,
    len: u16,
    many: Many,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Many {
    One,
    /// `new T[n]`.
    Array,
}

/// The types of one check.
pub struct Types<'c> {
    critical: &'c Critical,
    memory: Memory,
    kept: List<'c, Type>,
    text: List<'c, u8>,
    /// Words that were looked up, each where its hash leads, and their numbers.
    memo: List<'c, (usize, u16)>,
    lookups: u32,
}

/// The types' addresses and names, for the record.
#[derive(Clone, Copy, Default)]
pub struct Names<'a> {
    kept: &'a [Type],
    text: &'a [u8],
}

/// No type is known.
pub const NONE: u16 = 0;
const MOST: usize = 1024;
const LONGEST: usize = 1000;
const MEMO: usize = 1024;
const _: () = assert!(MEMO.is_power_of_two());
const LOOKUPS: u32 = 1 << 16;
/// Where each look-up reads the kernel's list of mappings (glibc before 2.35).
const SLOW_LOOKUPS: u32 = 256;

impl<'c> Types<'c> {
    pub fn new(critical: &'c Critical) -> Types<'c> {
        Types {
            critical,
            memory: Memory::open(),
            kept: List::new(critical),
            text: List::new(critical),
            memo: List::filled(critical, (0, NONE), MEMO).unwrap_or(List::new(critical)),
            lookups: if find::has_loader() { LOOKUPS } else { SLOW_LOOKUPS },
        }
    }

    /// The number of the type of an object that begins with these words, or [`NONE`].
    pub fn of(&mut self, first: usize, second: usize, size: usize) -> u16 {
        const WORD: usize = size_of::<usize>();
        match self.number(first, Many::One) {
            // The number of elements, of which each begins with the vtable.
            NONE if (1..=size / WORD).contains(&first) && (size - WORD).is_multiple_of(first) => {
                self.number(second, Many::Array)
            }
            number => number,
        }
    }

    fn number(&mut self, word: usize, many: Many) -> u16 {
        const LOWEST: usize = 1 << 16;
        if !word.is_multiple_of(size_of::<usize>()) || word < LOWEST || self.memo.is_empty() {
            return NONE;
        }
        // One memo for both: the lowest bit of an address is free.
        let key = word | usize::from(many == Many::Array);
        let place = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) & (MEMO - 1);
        let (known, number) = self.memo[place];
        if known == key {
            return number;
        }
        let kept = self.kept.iter().position(|one| (one.vtable, one.many) == (word, many));
        let number = match kept {
            Some(at) => at as u16 + 1,
            None => self.look_up(word, many).unwrap_or(NONE),
        };
        self.memo[place] = (key, number);
        number
    }

    fn look_up(&mut self, word: usize, many: Many) -> Option<u16> {
        self.lookups = self.lookups.checked_sub(1)?;
        let image = holding(word)?;
        let [offset, info, function] = self.read(word - 16)?;
        if offset != 0 || self.kept.len() == MOST {
            return None;
        }
        let mut name = [0; LONGEST];
        let len = match info {
            0 => image.executes(function).then_some(0)?,
            _ => self.name(info, &mut name)?,
        };
        let from = self.text.len() as u32;
        name[..len].iter().try_for_each(|&byte| self.text.push(byte)).ok()?;
        self.kept.push(Type { vtable: word, from, len: len as u16, many }).ok()?;
        // The record shall have its module, which no stack may lead through.
        modules::note(self.critical, &[word | EXACT]);
        Some(self.kept.len() as u16)
    }

    /// The name that a `type_info` at `info` leads to; its length.
    fn name(&self, info: usize, name: &mut [u8; LONGEST]) -> Option<usize> {
        holding(info).filter(|_| info.is_multiple_of(size_of::<usize>()))?;
        let [class, text] = self.read(info)?;
        holding(class)?;
        holding(text)?;
        // It may end just before a page that cannot be read.
        let read = self.memory.read(Addr(text), name).ok()?;
        // A star marks a name that is compared by address.
        let star = usize::from(name[0] == b'*');
        let end = name[..read].iter().position(|&byte| byte == 0)?;
        name.copy_within(star..end, 0);
        let len = end.checked_sub(star).filter(|&len| len > 0)?;
        name[..len].iter().all(u8::is_ascii_graphic).then_some(len)
    }

    fn read<const N: usize>(&self, at: usize) -> Option<[usize; N]> {
        let mut words = [0; N];
        let read = self.memory.read_words(Addr(at), &mut words).ok()?;
        (read == N).then_some(words)
    }

    pub fn names(&self) -> Names<'_> {
        Names { kept: &self.kept, text: &self.text }
    }
}

/// The image whose data, not code, are at `at`.
fn holding(at: usize) -> Option<Image> {
    let image = find::object(at)?.image;
    (image.is_readable(at) && !image.executes(at)).then_some(image)
}

impl Names<'_> {
    /// Where the record says that the vtable is, and the mangled name: that of an array with `A_` before it. Empty: only
    /// the address is known.
    pub fn get(&self, number: u16) -> Option<(usize, &str, &[u8])> {
        let one = self.kept.get(usize::from(number).checked_sub(1)?)?;
        let name = self.text.get(one.from as usize..)?.get(..one.len.into())?;
        let array = if one.many == Many::Array && !name.is_empty() { "A_" } else { "" };
        Some((modules::report_address(one.vtable | EXACT, modules::overlay().0), array, name))
    }
}

#[cfg(test)]
mod tests;
