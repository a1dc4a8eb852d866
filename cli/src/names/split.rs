//! Split DWARF: the `.dwo` file of a compilation unit, or the `.dwp` package beside a program.
use super::elf::{Elf, Slice};
use addr2line::SplitDwarfLoad;
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Finds the other half of a unit.
pub struct Halves {
    program: PathBuf,
    package: OnceCell<Option<gimli::DwarfPackage<Slice>>>,
}

impl Halves {
    pub fn new(program: &Path) -> Halves {
        Halves { program: program.to_owned(), package: OnceCell::new() }
    }

    /// What addr2line asks for.
    pub fn load(&self, wanted: &SplitDwarfLoad<Slice>) -> Option<Arc<gimli::Dwarf<Slice>>> {
        let packed = self.package.get_or_init(|| self.open_package()).as_ref();
        let packed = packed.and_then(|package| package.find_cu(wanted.dwo_id, &wanted.parent).ok().flatten());
        packed.or_else(|| self.loose(wanted)).map(Arc::new)
    }

    fn open_package(&self) -> Option<gimli::DwarfPackage<Slice>> {
        let mut name = self.program.clone().into_os_string();
        name.push(".dwp");
        let elf = Elf::open(Path::new(&name))?;
        let load = |id: gimli::SectionId| Ok::<_, gimli::Error>(half(&elf, id));
        gimli::DwarfPackage::load(load, Slice::new(&[], gimli::LittleEndian)).ok()
    }

    /// At the path that the compiler wrote, else beside the program.
    fn loose(&self, wanted: &SplitDwarfLoad<Slice>) -> Option<gimli::Dwarf<Slice>> {
        let path = Path::new(OsStr::from_bytes(wanted.path?.slice()));
        let built = wanted.comp_dir.map(|dir| Path::new(OsStr::from_bytes(dir.slice())).join(path));
        let beside = self.program.parent().zip(path.file_name()).map(|(dir, name)| dir.join(name));
        let elf = [built, beside].into_iter().flatten().find_map(|path| Elf::open(&path))?;
        let load = |id: gimli::SectionId| Ok::<_, gimli::Error>(half(&elf, id));
        let mut dwarf = gimli::Dwarf::load(load).ok()?;
        dwarf.make_dwo(&wanted.parent);
        Some(dwarf)
    }
}

fn half(elf: &Elf, id: gimli::SectionId) -> Slice {
    id.dwo_name().map_or(Slice::new(&[], gimli::LittleEndian), |name| elf.section(name))
}
