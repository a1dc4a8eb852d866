//! The report as a gzipped profile of the pprof tool: `go tool pprof -http=: FILE`.
//!
//! Samples are leaks, in the terms that the tool knows from heap profiles (`inuse_objects`,
//! `inuse_space`), labelled by kind. A location is an address with its inlined frames.
use super::{Findings, flat, kind_name};
use crate::names::{Frame, hex};
use flate2::{Compression, write::GzEncoder};
use prost::Message;
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;

/// The messages of `profile.proto`, as far as they are used here.
pub mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub sample: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub mapping: Vec<Mapping>,
        #[prost(message, repeated, tag = "4")]
        pub location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub string_table: Vec<String>,
        #[prost(int64, repeated, tag = "13")]
        pub comment: Vec<i64>,
        #[prost(int64, tag = "14")]
        pub default_sample_type: i64,
    }
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct ValueType {
        #[prost(int64, tag = "1")]
        pub kind: i64,
        #[prost(int64, tag = "2")]
        pub unit: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub label: Vec<Label>,
    }
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Label {
        #[prost(int64, tag = "1")]
        pub key: i64,
        #[prost(int64, tag = "2")]
        pub str: i64,
        #[prost(int64, tag = "3")]
        pub num: i64,
    }
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Mapping {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub memory_start: u64,
        #[prost(uint64, tag = "3")]
        pub memory_limit: u64,
        #[prost(uint64, tag = "4")]
        pub file_offset: u64,
        #[prost(int64, tag = "5")]
        pub filename: i64,
        #[prost(int64, tag = "6")]
        pub build_id: i64,
        #[prost(bool, tag = "7")]
        pub has_functions: bool,
        #[prost(bool, tag = "8")]
        pub has_filenames: bool,
        #[prost(bool, tag = "9")]
        pub has_line_numbers: bool,
        #[prost(bool, tag = "10")]
        pub has_inline_frames: bool,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Location {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub mapping_id: u64,
        #[prost(uint64, tag = "3")]
        pub address: u64,
        #[prost(message, repeated, tag = "4")]
        pub line: Vec<Line>,
    }
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Line {
        #[prost(uint64, tag = "1")]
        pub function_id: u64,
        #[prost(int64, tag = "2")]
        pub line: i64,
        #[prost(int64, tag = "3")]
        pub column: i64,
    }
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Function {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "2")]
        pub name: i64,
        #[prost(int64, tag = "3")]
        pub system_name: i64,
        #[prost(int64, tag = "4")]
        pub filename: i64,
    }
}
use proto::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

pub fn write(out: &mut dyn Write, all: &[Findings<'_>]) -> io::Result<()> {
    let mut packed = GzEncoder::new(out, Compression::default());
    packed.write_all(&profile(all).encode_to_vec())?;
    packed.finish().map(drop)
}

pub fn profile(all: &[Findings<'_>]) -> Profile {
    let mut making = Making::default();
    making.text("");
    let (objects, count) = (making.text("inuse_objects"), making.text("count"));
    let (space, bytes) = (making.text("inuse_space"), making.text("bytes"));
    making.profile.sample_type =
        vec![ValueType { kind: objects, unit: count }, ValueType { kind: space, unit: bytes }];
    making.profile.default_sample_type = space;
    for (number, found) in all.iter().enumerate() {
        let base = making.modules(found);
        for leak in &found.leaks {
            let what = ("kind", kind_name(leak.kind), leak.objects, leak.bytes);
            making.sample(number, base, found, &leak.stack, what);
        }
        for one in &found.hidden {
            let what = ("hidden", &*one.of.call, one.of.objects, one.of.bytes);
            making.sample(number, base, found, &one.allocated, what);
        }
        for note in &found.notes {
            let note = making.text(note);
            making.profile.comment.push(note);
        }
    }
    making.profile
}

/// A profile that grows; each text, function and location is in it once.
#[derive(Default)]
struct Making {
    profile: Profile,
    texts: HashMap<String, i64>,
    functions: HashMap<(i64, i64, i64), u64>,
    locations: HashMap<(usize, u64), u64>,
}

impl Making {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(&at) = self.texts.get(text) {
            return at;
        }
        let at = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), at);
        at
    }
    /// The mappings of a record; how many there were before.
    fn modules(&mut self, found: &Findings<'_>) -> u64 {
        let base = self.profile.mapping.len() as u64;
        for (module, id) in found.record.modules.iter().zip(base + 1..) {
            let filename = self.text(&module.path.to_string_lossy());
            let build_id = module.build_id.as_deref().map(hex).unwrap_or_default();
            let build_id = self.text(&build_id);
            self.profile.mapping.push(Mapping {
                id,
                memory_start: module.start,
                memory_limit: module.end,
                file_offset: module.start.wrapping_sub(module.bias),
                filename,
                build_id,
                // Or the tool would look for the binaries to name what is named already.
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            });
        }
        base
    }
    fn sample(
        &mut self,
        record: usize,
        base: u64,
        found: &Findings<'_>,
        stack: &[Rc<[Frame]>],
        (key, word, objects, bytes): (&str, &str, u64, u64),
    ) {
        let location_id = stack.iter().map(|frames| self.location(record, base, frames)).collect();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut label = vec![Label { key: self.text(key), str: self.text(word), num: 0 }];
        label.push(Label { key: self.text("pid"), str: 0, num: number(found.record.pid) });
        self.profile.sample.push(Sample { location_id, value: vec![number(objects), number(bytes)], label });
    }
    /// One address; its frames innermost first, as the tool wants them.
    fn location(&mut self, record: usize, base: u64, frames: &Rc<[Frame]>) -> u64 {
        let address = frames.first().map_or(0, |frame| frame.pc);
        if let Some(&id) = self.locations.get(&(record, address)) {
            return id;
        }
        let id = self.profile.location.len() as u64 + 1;
        let named = flat(std::slice::from_ref(frames)).filter(|f| f.function.is_some() || f.source.is_some());
        let line: Vec<Line> = named.map(|frame| self.line(frame)).collect();
        let mapping_id =
            frames.first().and_then(|frame| frame.place).map_or(0, |(at, _)| base + at as u64 + 1);
        self.profile.location.push(Location { id, mapping_id, address, line });
        self.locations.insert((record, address), id);
        id
    }
    fn line(&mut self, frame: &Frame) -> Line {
        let name = frame.function.as_deref().unwrap_or("??");
        let (name, system) = (self.text(name), self.text(frame.linkage.as_deref().unwrap_or(name)));
        let filename = self.text(frame.source.as_ref().map_or("", |source| &source.file));
        let function_id = match self.functions.get(&(name, system, filename)) {
            Some(&id) => id,
            None => {
                let id = self.profile.function.len() as u64 + 1;
                self.profile.function.push(Function { id, name, system_name: system, filename });
                self.functions.insert((name, system, filename), id);
                id
            }
        };
        let source = frame.source.as_ref();
        let number = |n: Option<u32>| i64::from(n.unwrap_or(0));
        Line { function_id, line: number(source.map(|s| s.line)), column: number(source.map(|s| s.column)) }
    }
}
