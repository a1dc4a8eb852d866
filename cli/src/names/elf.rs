//! An ELF file, mapped for good.
//!
//! # Safety
//! A mapping shows the file as it is: if another process truncates the file while it is read, this
//! command gets SIGBUS and ends, as any reader of mapped debug information does. No Rust
//! invariant rests on the bytes staying the same but that of the borrowed parser, which checks
//! bounds against the mapped length at every access.
#![allow(unsafe_code)]
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

pub type Slice = gimli::EndianSlice<'static, gimli::LittleEndian>;

pub struct Elf {
    pub path: PathBuf,
    pub file: ElfFile64<'static, LittleEndian>,
    /// The whole file, for its checksum.
    pub bytes: &'static [u8],
}

impl Elf {
    /// The file at `path`, if it is a 64-bit little-endian ELF file.
    pub fn open(path: &Path) -> Option<Elf> {
        let file = File::open(path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        // SAFETY: see the chapter above.
        let map = unsafe { memmap2::Mmap::map(&file) }.ok()?;
        let bytes: &'static [u8] = Box::leak(Box::new(map));
        let file = ElfFile64::parse(bytes).ok()?;
        Some(Elf { path: path.to_owned(), file, bytes })
    }

    pub fn build_id(&self) -> Option<&'static [u8]> {
        self.file.build_id().ok().flatten()
    }

    /// Whether there is DWARF for lines and functions.
    pub fn has_dwarf(&self) -> bool {
        let holds = |name| {
            self.file
                .section_by_name(name)
                .is_some_and(|s| s.size() > 0 && s.data().is_ok_and(|d| !d.is_empty()))
        };
        holds(".debug_info") || holds(".zdebug_info")
    }

    /// A section's bytes, unpacked; empty if there is none.
    pub fn section(&self, name: &str) -> Slice {
        let data = self.file.section_by_name(name).and_then(|section| section.uncompressed_data().ok());
        let bytes: &'static [u8] = match data {
            Some(Cow::Borrowed(bytes)) => bytes,
            Some(Cow::Owned(bytes)) => bytes.leak(),
            None => &[],
        };
        Slice::new(bytes, gimli::LittleEndian)
    }

    /// All DWARF sections.
    pub fn dwarf(&self) -> gimli::Dwarf<Slice> {
        let load = |id: gimli::SectionId| Ok::<_, std::convert::Infallible>(self.section(id.name()));
        match gimli::Dwarf::load(load) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }
}
