//! Where the debug information of a module is: in itself, under its build-id, behind its
//! `.gnu_debuglink`; and the supplementary file that dwz moved common parts to.
use super::Places;
use super::elf::Elf;
use object::Object;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The module's own file, unless its build-id shows that it is another one by now: below the sysroot,
/// where it was, or by its name in a debug directory.
pub fn own(path: &Path, build_id: Option<&[u8]>, places: &Places) -> Result<Elf, &'static str> {
    let below = places.sysroot.iter().map(|root| root.join(path.strip_prefix("/").unwrap_or(path)));
    let mut why = "cannot be read";
    for candidate in below.chain([path.to_owned()]) {
        let Some(elf) = Elf::open(&candidate) else { continue };
        let ours = places.sysroot.is_some() && candidate == path;
        match (elf.build_id(), build_id) {
            // This machine's file of that path: only what the build-id vouches for.
            (found, recorded) if ours && (recorded.is_none() || found != recorded) => {}
            (Some(found), Some(recorded)) if found != recorded => {
                why = "was changed since it ran (its build-id differs)";
            }
            _ => return Ok(elf),
        }
    }
    // Elsewhere only what the build-id vouches for.
    let name = path.file_name().map(Path::new);
    let named = name.into_iter().flat_map(|name| places.debug_dirs.iter().map(move |dir| dir.join(name)));
    usable(named, |elf| build_id.is_some() && elf.build_id() == build_id).ok_or(why)
}

/// The separate debug file of a module.
pub fn separate(own: Option<&Elf>, build_id: Option<&[u8]>, dirs: &[PathBuf]) -> Option<Elf> {
    let build_id = build_id.or_else(|| own?.build_id());
    by_build_id(build_id, dirs).or_else(|| by_link(own?, build_id, dirs))
}

fn by_build_id(build_id: Option<&[u8]>, dirs: &[PathBuf]) -> Option<Elf> {
    let build_id = build_id.filter(|id| id.len() > 1)?;
    let name = format!("{:02x}/{}.debug", build_id[0], hex(&build_id[1..]));
    let candidates = dirs.iter().map(|dir| dir.join(".build-id").join(&name));
    usable(candidates, |elf| elf.build_id().is_none_or(|id| id == build_id))
}

/// Beside the module, in `.debug` there, or under a debug directory at the module's own path.
fn by_link(own: &Elf, build_id: Option<&[u8]>, dirs: &[PathBuf]) -> Option<Elf> {
    let (name, checksum) = own.file.gnu_debuglink().ok()??;
    let name = Path::new(OsStr::from_bytes(name));
    let real = own.path.canonicalize().unwrap_or_else(|_| own.path.clone());
    let home = real.parent()?;
    let local = [home.join(name), home.join(".debug").join(name)];
    let below = home.strip_prefix("/").unwrap_or(home);
    let central = dirs.iter().map(|dir| dir.join(below).join(name));
    let flat = dirs.iter().map(|dir| dir.join(name));
    usable(local.into_iter().chain(central).chain(flat), |elf| match (build_id, elf.build_id()) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => crc32(elf.bytes) == checksum,
    })
}

/// The supplementary file (`.gnu_debugaltlink`) of a debug file.
pub fn supplementary(debug: &Elf, dirs: &[PathBuf]) -> Option<Elf> {
    let (name, build_id) = debug.file.gnu_debugaltlink().ok()??;
    let name = Path::new(OsStr::from_bytes(name));
    let real = debug.path.canonicalize().unwrap_or_else(|_| debug.path.clone());
    let beside = real.parent()?.join(name);
    // The link is relative to where the debug file was installed; elsewhere its tail may still fit.
    let tail = name.file_name().map(Path::new)?;
    let dwz = dirs.iter().map(|dir| dir.join(".dwz").join(tail));
    let named = dirs.iter().map(|dir| dir.join(".dwz/x86_64-linux-gnu").join(tail));
    let matches = |elf: &Elf| elf.build_id() == Some(build_id);
    let found =
        [beside].into_iter().chain(dwz).chain(named).find_map(|path| Elf::open(&path).filter(matches));
    found.or_else(|| by_build_id(Some(build_id), dirs))
}

fn usable(mut candidates: impl Iterator<Item = PathBuf>, fits: impl Fn(&Elf) -> bool) -> Option<Elf> {
    candidates.find_map(|path| Elf::open(&path).filter(|elf| fits(elf)))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The checksum of `.gnu_debuglink`: CRC-32 of the whole file.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut crc, mut bit) = (byte as u32, 0);
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(super::hex(&[0, 0xff]), "00ff");
    }
}
