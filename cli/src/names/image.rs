//! One module's files, and what they say about an address of it.
use super::elf::{Elf, Slice};
use super::split::Halves;
use super::symbols::{Sort, Symbols, VTABLE};
use super::{Frame, Places, Source, search, types};
use crate::record::Module;
use addr2line::{Context, LookupContinuation, LookupResult, demangle_auto};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::PathBuf;

pub struct Image {
    own: Option<Elf>,
    debug: Option<Elf>,
    lines: Option<(Context<Slice>, Halves)>,
    symbols: OnceCell<Symbols>,
    vtables: OnceCell<Symbols>,
    variables: OnceCell<Symbols>,
    trouble: Option<String>,
}

impl Image {
    pub fn open(module: &Module, places: &Places) -> Image {
        let build_id = module.build_id.as_deref();
        let dirs = &places.debug_dirs[..];
        let (own, why) = match search::own(&module.path, build_id, places) {
            Ok(elf) => (Some(elf), None),
            Err(why) => (None, Some(why)),
        };
        let home = own.as_ref().map_or(&module.path, |elf| &elf.path);
        let has_dwarf = own.as_ref().is_some_and(Elf::has_dwarf);
        let debug = if has_dwarf { None } else { search::separate(own.as_ref(), build_id, dirs) };
        let lines = match debug.as_ref().or(own.as_ref()) {
            Some(elf) if elf.has_dwarf() => context(elf, dirs).map(|lines| (lines, Halves::new(home))),
            _ => None,
        };
        // The vDSO and its like have no file and need no remark.
        let trouble = why.filter(|_| debug.is_none() && module.path.is_absolute());
        let trouble =
            trouble.map(|why| format!("{} {why}: its functions have no names here", module.path.display()));
        Image {
            own,
            debug,
            lines,
            symbols: OnceCell::new(),
            vtables: OnceCell::new(),
            variables: OnceCell::new(),
            trouble,
        }
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    /// The frames at `address` of the file, innermost first, each a copy of `bare` with names; empty
    /// if nothing is known.
    pub fn frames(&self, address: u64, bare: &Frame) -> Vec<Frame> {
        let mut frames = self.by_lines(address, bare).unwrap_or_default();
        if frames.last().is_none_or(|frame| frame.function.is_none())
            && let Some(name) = self.symbols().find(address)
        {
            if frames.is_empty() {
                frames.push(bare.clone());
            }
            if let Some(frame) = frames.last_mut() {
                name_it(frame, &String::from_utf8_lossy(name));
            }
        }
        frames
    }

    fn symbols(&self) -> &Symbols {
        self.symbols.get_or_init(|| Symbols::of(&self.files(), Sort::Functions))
    }
    fn files(&self) -> Vec<&Elf> {
        self.debug.iter().chain(&self.own).collect()
    }

    /// The class whose vtable is at `address` of the file.
    pub fn class(&self, address: u64) -> Option<String> {
        let vtables = self.vtables.get_or_init(|| Symbols::of(&self.files(), Sort::Vtables));
        let name = String::from_utf8_lossy(vtables.find(address)?);
        types::class(name.strip_prefix(VTABLE)?)
    }

    /// The variable that `address` of the file lies in.
    pub fn variable(&self, address: u64) -> Option<String> {
        let variables = self.variables.get_or_init(|| Symbols::of(&self.files(), Sort::Variables));
        let name = String::from_utf8_lossy(variables.find(address)?);
        Some(if name.starts_with("_Z") || name.starts_with("_R") {
            demangle_auto(name, None).into_owned()
        } else {
            name.into_owned()
        })
    }

    fn by_lines(&self, address: u64, bare: &Frame) -> Option<Vec<Frame>> {
        let (context, halves) = self.lines.as_ref()?;
        let mut step = context.find_frames(address);
        let mut found = loop {
            match step {
                LookupResult::Output(result) => break result.ok()?,
                LookupResult::Load { load, continuation } => step = continuation.resume(halves.load(&load)),
            }
        };
        let mut frames = Vec::new();
        while let Ok(Some(found)) = found.next() {
            let mut frame = bare.clone();
            if let Some(name) = found.function.as_ref().and_then(|function| function.raw_name().ok()) {
                name_it(&mut frame, &name);
            }
            frame.source = found.location.and_then(|at| {
                let file = at.file?.to_owned();
                Some(Source { file, line: at.line.unwrap_or(0), column: at.column.unwrap_or(0) })
            });
            frames.push(frame);
        }
        // Each but the last was inlined into the next.
        let count = frames.len();
        frames.iter_mut().take(count.saturating_sub(1)).for_each(|frame| frame.inlined = true);
        Some(frames)
    }
}

fn context(elf: &Elf, dirs: &[PathBuf]) -> Option<Context<Slice>> {
    let mut dwarf = elf.dwarf();
    if let Some(supplementary) = search::supplementary(elf, dirs) {
        dwarf.set_sup(supplementary.dwarf());
    }
    Context::from_dwarf(dwarf).ok()
}

fn name_it(frame: &mut Frame, linkage: &str) {
    // Whatever the unit's language is called: both schemes have prefixes of their own.
    let mangled = linkage.starts_with("_Z") || linkage.starts_with("_R");
    let plain = if mangled { demangle_auto(Cow::from(linkage), None) } else { Cow::from(linkage) };
    frame.linkage = (*plain != *linkage).then(|| linkage.to_owned());
    frame.function = Some(plain.into_owned());
}
