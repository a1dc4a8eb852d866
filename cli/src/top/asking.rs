//! Checks in a row.
use super::Order;
use super::sites::{Site, Snapshot};
use crate::check::Asker;
use crate::names::{Frame, Names, Places};
use crate::record::{self, Kind, Pc, Record};
use crate::report::{flat, site};
use std::collections::HashMap;
use std::io::Read;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What is shown of a stack, once it was named.
#[derive(Clone)]
struct Named {
    label: String,
    frames: Vec<String>,
}

/// Asks and names; keeps what was named.
pub struct Reader {
    asker: Asker,
    timeout: Duration,
    places: Places,
    named: HashMap<Vec<Pc>, Named>,
}

impl Reader {
    pub fn new(asker: Asker, order: &Order) -> Reader {
        let mut places = order.places.clone();
        places.sysroot = asker.root().or(places.sysroot);
        Reader { asker, timeout: order.timeout, places, named: HashMap::new() }
    }

    /// One check; the error says in one line why there is none.
    pub fn check(&mut self) -> Result<Snapshot, String> {
        let mut file = self.asker.record(self.timeout)?;
        let at = Instant::now();
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| format!("cannot read the record: {error}"))?;
        let records = record::parse(&text).map_err(|why| format!("the record {why}"))?;
        let record = records.last().ok_or("the record is empty")?;
        Ok(self.snapshot(record, at))
    }

    fn snapshot(&mut self, record: &Record, at: Instant) -> Snapshot {
        let mut names: Option<Names> = None;
        let empty = Vec::new();
        let mut sites: Vec<Site> = Vec::new();
        let mut by_stack: HashMap<u64, usize> = HashMap::new();
        let living = record.sites.iter().map(|site| (site.stack, site.bytes, site.objects, 0));
        let lost = record.leaks.iter().filter(|leak| leak.kind != Kind::Mapping);
        let lost = lost.map(|leak| (leak.stack, 0, 0, leak.bytes));
        for (stack, bytes, objects, lost) in living.chain(lost) {
            let index = *by_stack.entry(stack).or_insert_with(|| {
                let pcs = record.stacks.get(&stack).unwrap_or(&empty);
                let named = match self.named.get(pcs) {
                    Some(named) => named.clone(),
                    None => {
                        let names = names.get_or_insert_with(|| Names::new(record, &self.places));
                        let named = name(record, names, pcs);
                        self.named.insert(pcs.clone(), named.clone());
                        named
                    }
                };
                sites.push(Site {
                    key: pcs.clone(),
                    label: named.label,
                    frames: named.frames,
                    ..Site::default()
                });
                sites.len() - 1
            });
            let site = &mut sites[index];
            site.bytes += bytes;
            site.objects += objects;
            site.lost += lost;
        }
        let note = record.notes.iter().find(|note| note.contains("the program was stopped"));
        Snapshot {
            at,
            pid: record.pid,
            exe: record.exe.clone(),
            sites,
            lost: record.leaks.iter().map(|leak| leak.bytes).sum(),
            note: note.cloned().unwrap_or_default(),
        }
    }
}

/// A stack's own frame, and all of its lines.
fn name(record: &Record, names: &mut Names, pcs: &[Pc]) -> Named {
    let stack: Vec<Rc<[Frame]>> = pcs.iter().map(|&pc| names.frames(record, pc)).collect();
    let frames: Vec<&Frame> = flat(&stack).collect();
    let label = match site::own(record, &frames) {
        Some(at) => site::label(record, frames[at]),
        None => "no stack was taken".to_owned(),
    };
    Named { label, frames: frames.iter().map(|frame| site::label(record, frame)).collect() }
}
