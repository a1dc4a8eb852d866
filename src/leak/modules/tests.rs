use super::super::depot;
use super::*;
use crate::ground::critical;
use std::ffi::CString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// The list is one per process: tests that unload take turns.
static ALONE: Mutex<()> = Mutex::new(());

/// So often is it tried to have two libraries in one place.
const TRIES: usize = 20;

struct Plugin(*mut core::ffi::c_void);

impl Plugin {
    /// A library whose only function is called `name`; all of them are laid out alike.
    fn build(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("gleaner-modules-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (c, so) = (dir.join(format!("{name}.c")), dir.join(format!("{name}.so")));
        std::fs::write(&c, format!("int {name}(int n) {{ return n * 3 + 1; }}")).unwrap();
        let status =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&so).arg(&c).status().unwrap();
        assert!(status.success());
        so
    }
    fn load(path: &std::path::Path) -> Plugin {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a library without constructors.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        Plugin(handle)
    }
    fn function(&self, name: &str) -> usize {
        let name = CString::new(name).unwrap();
        // SAFETY: a live handle.
        unsafe { libc::dlsym(self.0, name.as_ptr()) as usize }
    }
}
impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: a live handle, closed once.
        unsafe { libc::dlclose(self.0) };
        refresh(&critical::enter());
    }
}

fn name_of(frame: usize, overlay: u32) -> String {
    let path = resolve(frame, overlay).map(|(_, m)| m.path()).unwrap_or_default();
    String::from_utf8_lossy(path).rsplit('/').next().unwrap().to_string()
}

fn stored(id: u32) -> (Vec<usize>, u32) {
    let mut out = [0; depot::MAX_FRAMES];
    let (frames, overlay) = depot::get(id, &mut out);
    (frames.to_vec(), overlay)
}

/// Two plug-ins in one place, in turns: each stack keeps its own module, and coming back does not
/// make new numbers.
#[test]
fn unloaded_modules_keep_their_frames() {
    let _alone = ALONE.lock().unwrap();
    let paths = ["first", "second"].map(|name| (name, Plugin::build(name)));
    let here = unloaded_modules_keep_their_frames as fn() as usize + 4;
    let rounds = || -> Vec<(&str, u32, usize)> {
        let round = |round: usize| {
            let (name, path) = &paths[round % 2];
            let plugin = Plugin::load(path);
            let frame = plugin.function(name) + 2;
            (*name, depot::intern(&[frame, here]), frame)
        };
        (0..6).map(round).collect()
    };
    // Other tests' threads map memory meanwhile.
    let in_place = |seen: &Vec<(&str, u32, usize)>| seen.iter().all(|one| one.2 == seen[0].2);
    let seen = (0..TRIES).map(|_| rounds()).find(in_place).expect("the loader never reuses the place");
    for &(name, id, frame) in &seen {
        let (frames, overlay) = stored(id);
        assert_eq!(frames[0], frame);
        assert_eq!(name_of(frame, overlay), format!("{name}.so"));
        assert!(name_of(frames[1], overlay).starts_with("gleaner_core"));
    }
    let at = |i: usize| (seen[i].1, seen[i].2);
    assert_ne!(at(0).0, at(1).0);
    // From the third round on nothing is new.
    assert_eq!((at(2), at(3)), (at(4), at(5)));
    // In the record they lie apart, and our own code where it is.
    let (frames, overlay) = stored(seen[0].1);
    let (_, other) = stored(seen[1].1);
    assert_ne!(report_address(frames[0], overlay), report_address(frames[0], other));
    assert_eq!(report_address(frames[1], overlay), frames[1]);
    let (index, module) = resolve(frames[0], overlay).unwrap();
    let distance = report_address(frames[0], overlay) - report_start(index, module);
    assert_eq!(distance, frames[0] - module.start);
    assert!(!module.is_loaded());
}

/// Nobody told us of the unloading (libc closes its own plug-ins silently): a new stack finds out.
#[test]
fn silent_replacement_is_noticed() {
    let _alone = ALONE.lock().unwrap();
    let paths = ["third", "fourth"].map(|name| (name, Plugin::build(name)));
    let round = |attempt: usize| {
        let ids = [0, 1].map(|i| {
            let (name, path) = &paths[i];
            let plugin = Plugin::load(path);
            let frame = plugin.function(name) + 2;
            // A call stack that the others did not have: a hit would be served from the old one.
            let id = depot::intern(&[frame, 0x10 + 2 * attempt + i]);
            // SAFETY: a live handle, closed once, behind our back.
            unsafe { libc::dlclose(plugin.0) };
            core::mem::forget(plugin);
            (id, frame)
        });
        refresh(&critical::enter());
        ids
    };
    let ids =
        (0..TRIES).map(round).find(|ids| ids[0].1 == ids[1].1).expect("the loader never reuses the place");
    let (_, first) = stored(ids[0].0);
    assert_eq!(name_of(ids[0].1, first), "third.so");
}

#[test]
fn generated_code_is_in_no_module() {
    let heap = Box::new(0u8);
    let frame = &raw const *heap as usize;
    note(&critical::enter(), &[frame]);
    assert!(resolve(frame, 0).is_none());
    assert_eq!(report_address(frame | EXACT, 0), frame);
}
