//! Addresses → names: function, file, line, with inlined calls as frames of their own.
//!
//! A module is opened on its first address; its symbol table is read only where DWARF has no
//! answer. Files stay mapped until the command ends, which is soon: so every slice of them is
//! `'static`, and nothing is copied. One record, one thread: a 100 MB program costs what its few
//! compilation units cost.
//!
//! A name is never guessed: a file whose build-id is not the recorded one was changed since, and
//! is not asked.
use crate::record::{Module, Pc, Record, Typed};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

mod elf;
mod image;
mod progress;
mod search;
mod split;
mod symbols;
mod types;
use image::Image;
use progress::Progress;
pub use search::hex;

/// One line of a report's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The address that was looked up.
    pub pc: u64,
    /// Demangled.
    pub function: Option<String>,
    /// As the compiler wrote it, where that differs.
    pub linkage: Option<String>,
    pub source: Option<Source>,
    /// Index of the record's module, and the address in its file.
    pub place: Option<(usize, u64)>,
    /// The next frame is the function that this one was inlined into.
    pub inlined: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub file: String,
    /// 0: unknown.
    pub line: u32,
    pub column: u32,
}

/// Where files of the program are, when it ran elsewhere.
#[derive(Clone, Default)]
pub struct Places {
    /// Searched before /usr/lib/debug.
    pub debug_dirs: Vec<PathBuf>,
    /// Below it lie the files of the machine that the program ran on.
    pub sysroot: Option<PathBuf>,
}

/// The names of one record's addresses.
pub struct Names<'a> {
    modules: &'a [Module],
    places: Places,
    /// By path and build-id: a module that is mapped twice is opened once.
    images: HashMap<(&'a Path, Option<&'a [u8]>), Rc<Image>>,
    known: HashMap<u64, Rc<[Frame]>>,
    progress: Option<Progress>,
}

impl<'a> Names<'a> {
    pub fn new(record: &'a Record, places: &Places) -> Names<'a> {
        let mut places = places.clone();
        places.debug_dirs.extend(places.sysroot.iter().map(|root| root.join("usr/lib/debug")));
        places.debug_dirs.push(PathBuf::from("/usr/lib/debug"));
        Names {
            modules: &record.modules,
            places,
            images: HashMap::new(),
            known: HashMap::new(),
            progress: None,
        }
    }

    /// Somebody waits: says how far it is, until [`Names::waited`].
    pub fn wait_for(&mut self, record: &Record) {
        let all: HashSet<u64> = record.stacks.values().flatten().map(|pc| pc.lookup()).collect();
        self.progress = Some(Progress::begin(all.len() as u64));
    }
    pub fn waited(&mut self) {
        self.progress = None;
    }

    /// The frames of one address, innermost first; at least one.
    pub fn frames(&mut self, record: &Record, pc: Pc) -> Rc<[Frame]> {
        let lookup = pc.lookup();
        if let Some(frames) = self.known.get(&lookup) {
            return frames.clone();
        }
        let frames: Rc<[Frame]> = self.look_up(record, lookup).into();
        self.known.insert(lookup, frames.clone());
        frames
    }

    fn look_up(&mut self, record: &Record, pc: u64) -> Vec<Frame> {
        let unknown = Frame { pc, function: None, linkage: None, source: None, place: None, inlined: false };
        let Some(index) = record.module_of(pc) else { return vec![unknown] };
        let module = &self.modules[index];
        if let Some(progress) = &self.progress {
            progress.next(&module.path.to_string_lossy());
        }
        let address = pc.wrapping_sub(module.bias);
        let bare = Frame { place: Some((index, address)), ..unknown };
        let named = self.image(module).frames(address, &bare);
        if named.is_empty() { vec![bare] } else { named }
    }

    fn image(&mut self, module: &'a Module) -> Rc<Image> {
        let key = (module.path.as_path(), module.build_id.as_deref());
        let places = &self.places;
        self.images.entry(key).or_insert_with(|| Rc::new(Image::open(module, places))).clone()
    }

    /// What objects are called that begin with the address of a vtable: by the name in the program, else by the symbol there.
    pub fn class(&mut self, record: &Record, of: &Typed) -> Option<String> {
        if let Some(name) = &of.name {
            return types::class(name);
        }
        let module = &self.modules[record.module_of(of.vtable)?];
        self.image(module).class(of.vtable.wrapping_sub(module.bias))
    }

    /// The variable at an address.
    pub fn variable(&mut self, record: &Record, address: u64) -> Option<String> {
        let module = &self.modules[record.module_of(address)?];
        self.image(module).variable(address.wrapping_sub(module.bias))
    }

    /// What kept modules from being named, for the reader of the report.
    pub fn troubles(&self) -> Vec<String> {
        let mut all: Vec<String> = self.images.values().filter_map(|image| image.trouble()).collect();
        all.sort();
        all
    }
}

/// The build-id of a file, in hex.
pub fn build_id(path: &Path) -> Option<String> {
    elf::Elf::open(path)?.build_id().map(hex)
}
