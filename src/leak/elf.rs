//! ELF images as they lie in memory: segments, unwind tables, build-ids, one symbol.
//!
//! Only what the loader mapped is read, never a file: the file may be gone or replaced. An image
//! is given by the address of its first page, where linkers put the ELF header; whatever does
//! not look right there yields `None`, and the caller does without.
//!
//! # Safety
//! Reads go through [`Image::slice`], which admits only ranges inside one readable segment of
//! the image. That the image stays mapped meanwhile is the caller's promise, made once in
//! [`Image::at`]: it is executing in that module, or it is the loader or libc.
#![allow(unsafe_code)]
use crate::pure::addr::{Addr, PAGE_SIZE};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const NT_GNU_BUILD_ID: u32 = 3;
/// Segment flags: executable and readable.
const PF_X: u32 = 1;
const PF_R: u32 = 4;
/// More program headers than any linker writes; the first page holds them all.
const MAX_HEADERS: usize = 64;
/// The longest build-id kept: SHA-256. Linkers write 8, 16 or 20 bytes.
pub const BUILD_ID_MAX: usize = 32;

#[derive(Clone, Copy)]
#[repr(C)]
struct FileHeader {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    phoff: u64,
    shoff: u64,
    flags: u32,
    ehsize: u16,
    phentsize: u16,
    phnum: u16,
    rest: [u16; 3],
}

/// One program header.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub paddr: u64,
    pub filesz: u64,
    pub memsz: u64,
    pub align: u64,
}

/// A loaded ELF image: its headers, and the difference between addresses and link addresses.
#[derive(Clone, Copy)]
pub struct Image {
    segments: &'static [Segment],
    pub bias: usize,
    pub start: usize,
    pub end: usize,
}

/// A build-id, or none (`len` 0).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BuildId {
    pub bytes: [u8; BUILD_ID_MAX],
    pub len: u8,
}

impl Image {
    /// The image whose first page is at `base`.
    ///
    /// # Safety
    /// `base` must be the start of a mapped, readable page that stays mapped, as does the
    /// image it belongs to, while the result is in use.
    pub unsafe fn at(base: usize) -> Option<Image> {
        if base == 0 || !base.is_multiple_of(PAGE_SIZE) {
            return None;
        }
        // SAFETY: the page at `base` is readable (the caller's promise).
        let header: FileHeader = unsafe { Addr(base).ptr::<FileHeader>().read() };
        let count = header.phnum as usize;
        let in_page = (header.phoff as usize).checked_add(count * size_of::<Segment>())? <= PAGE_SIZE;
        let sound = header.ident[..6] == *b"\x7fELF\x02\x01"
            && header.phentsize as usize == size_of::<Segment>()
            && header.phoff.is_multiple_of(8)
            && count <= MAX_HEADERS
            && in_page;
        if !sound {
            return None;
        }
        // SAFETY: aligned and inside the page, as just checked; code and headers do not change.
        let segments =
            unsafe { core::slice::from_raw_parts(Addr(base).add(header.phoff as usize).ptr(), count) };
        Image::from_segments(segments, base)
    }

    fn from_segments(segments: &'static [Segment], base: usize) -> Option<Image> {
        let loads = || segments.iter().filter(|s| s.kind == PT_LOAD);
        let low = loads().map(|s| s.vaddr as usize).min()? & !(PAGE_SIZE - 1);
        let high = loads().map(|s| (s.vaddr as usize).wrapping_add(s.memsz as usize)).max()?;
        let bias = base.wrapping_sub(low);
        let end = Addr(bias.wrapping_add(high)).align_up(PAGE_SIZE).0;
        (end > base).then_some(Image { segments, bias, start: base, end })
    }

    /// The bytes from `start` to the end of the readable loaded segment that holds it.
    pub fn slice(&self, start: usize) -> Option<&'static [u8]> {
        let link = start.wrapping_sub(self.bias);
        let segment = self.segments.iter().find(|s| {
            s.kind == PT_LOAD
                && s.flags & PF_R != 0
                && link.wrapping_sub(s.vaddr as usize) < s.filesz as usize
        })?;
        let len = segment.filesz as usize - (link - segment.vaddr as usize);
        // SAFETY: inside the file part of a readable loaded segment of a mapped image.
        Some(unsafe { core::slice::from_raw_parts(Addr(start).ptr(), len) })
    }

    /// Whether `at` lies in a readable segment.
    pub fn is_readable(&self, at: usize) -> bool {
        let link = at.wrapping_sub(self.bias);
        self.segments.iter().any(|s| {
            s.kind == PT_LOAD && s.flags & PF_R != 0 && link.wrapping_sub(s.vaddr as usize) < s.memsz as usize
        })
    }

    /// Like [`Image::slice`], exactly `len` bytes.
    fn exactly(&self, start: usize, len: usize) -> Option<&'static [u8]> {
        self.slice(start)?.get(..len)
    }

    /// Whether `pc` lies in an executable segment.
    pub fn executes(&self, pc: usize) -> bool {
        let link = pc.wrapping_sub(self.bias);
        self.segments.iter().any(|s| {
            s.kind == PT_LOAD && s.flags & PF_X != 0 && link.wrapping_sub(s.vaddr as usize) < s.memsz as usize
        })
    }

    fn segment(&self, kind: u32) -> Option<(usize, usize)> {
        let s = self.segments.iter().find(|s| s.kind == kind)?;
        Some((self.bias.wrapping_add(s.vaddr as usize), s.memsz as usize))
    }

    /// The address of `.eh_frame_hdr`.
    pub fn eh_frame_hdr(&self) -> Option<usize> {
        self.segment(PT_GNU_EH_FRAME).map(|(at, _)| at)
    }

    pub fn build_id(&self) -> BuildId {
        let notes = self.segments.iter().filter(|s| s.kind == PT_NOTE);
        notes
            .filter_map(|s| self.exactly(self.bias.wrapping_add(s.vaddr as usize), s.memsz as usize))
            .find_map(build_id_in)
            .unwrap_or_default()
    }

    /// The address of the exported symbol `name`, by the image's GNU hash table.
    pub fn symbol(&self, name: &[u8]) -> Option<usize> {
        let dynamic = Dynamic::of(self)?;
        let buckets = word32(dynamic.hash, 0)? as usize;
        let first = word32(dynamic.hash, 4)? as usize;
        let bloom = word32(dynamic.hash, 8)? as usize;
        let bucket_at = 16 + bloom * 8;
        let chain_at = bucket_at + buckets * 4;
        let wanted = gnu_hash(name);
        let mut index =
            word32(dynamic.hash, bucket_at + (wanted as usize).checked_rem(buckets)? * 4)? as usize;
        while index >= first {
            let hash = word32(dynamic.hash, chain_at + (index - first) * 4)?;
            if hash | 1 == wanted | 1 {
                let entry = dynamic.symbols.get(index * 24..index * 24 + 24)?;
                let text = dynamic.strings.get(word32(entry, 0)? as usize..)?;
                let section = u16::from_le_bytes([entry[6], entry[7]]);
                if section != 0 && text.starts_with(name) && text.get(name.len()) == Some(&0) {
                    return Some(self.bias.wrapping_add(word64(entry, 8)? as usize));
                }
            }
            if hash & 1 != 0 {
                return None;
            }
            index += 1;
        }
        None
    }
}

/// The tables that a symbol look-up needs.
struct Dynamic {
    hash: &'static [u8],
    symbols: &'static [u8],
    strings: &'static [u8],
}

impl Dynamic {
    fn of(image: &Image) -> Option<Dynamic> {
        let (at, len) = image.segment(PT_DYNAMIC)?;
        let bytes = image.exactly(at, len)?;
        let entry = |tag: u64| {
            let pair = bytes.chunks_exact(16).find(|pair| word64(pair, 0) == Some(tag))?;
            let value = word64(pair, 8)? as usize;
            // The loader relocates these in place for most images; not for the vdso.
            image.slice(value).or_else(|| image.slice(image.bias.wrapping_add(value)))
        };
        const DT_STRTAB: u64 = 5;
        const DT_SYMTAB: u64 = 6;
        const DT_GNU_HASH: u64 = 0x6fff_fef5;
        Some(Dynamic { hash: entry(DT_GNU_HASH)?, symbols: entry(DT_SYMTAB)?, strings: entry(DT_STRTAB)? })
    }
}

fn gnu_hash(name: &[u8]) -> u32 {
    name.iter().fold(5381u32, |h, &c| h.wrapping_mul(33).wrapping_add(c as u32))
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}
fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

/// The build-id in a run of notes, if it is there.
fn build_id_in(mut notes: &'static [u8]) -> Option<BuildId> {
    loop {
        let (name, desc) = (word32(notes, 0)? as usize, word32(notes, 4)? as usize);
        let kind = word32(notes, 8)?;
        let desc_at = 12usize.checked_add(name.checked_next_multiple_of(4)?)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..16) == Some(b"GNU\0") {
            let text = notes.get(desc_at..desc_at.checked_add(desc.min(BUILD_ID_MAX))?)?;
            let mut id = BuildId { bytes: [0; BUILD_ID_MAX], len: text.len() as u8 };
            id.bytes[..text.len()].copy_from_slice(text);
            return Some(id);
        }
        notes = notes.get(desc_at.checked_add(desc.checked_next_multiple_of(4)?)?..)?;
    }
}

impl BuildId {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}
impl core::fmt::Display for BuildId {
    /// Lower-case hex, as tools print it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
