//! The schedule: every allocator is checked first, then all are run in turn, round by round, so that
//! what disturbs the machine disturbs them alike.
use super::allocators::Allocator;
use super::figures::{Cell, Metric, Outcome, Sample};
use super::run::{End, Errand, Purpose, Ran, run};
use super::staged::Stage;
use super::work::Work;
use crate::Failure;
use crate::failure::TROUBLE;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub struct Plan<'a> {
    pub stage: &'a Stage,
    pub works: &'a [Work],
    pub rounds: u32,
    pub seconds: u32,
}

/// What is known of one work under one allocator while it is measured.
#[derive(Default, Clone)]
struct Record {
    ends: Vec<End>,
    digests: BTreeSet<u64>,
    complaint: String,
    samples: Vec<Sample>,
}

pub struct Measured {
    pub outcomes: Vec<Outcome>,
    pub notes: Vec<String>,
    pub interrupted: bool,
    /// The allocators that could be preloaded.
    pub allocators: Vec<Allocator>,
}

/// Runs everything.
pub fn measure(plan: &Plan<'_>, allocators: Vec<Allocator>) -> Result<Measured, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // Without it an interrupt ends us at once, and leaves a directory behind.
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    let mut notes = Vec::new();
    let allocators = loadable(plan, allocators, &mut notes)?;
    let mut table = Table {
        plan,
        allocators: &allocators,
        records: vec![vec![Record::default(); allocators.len()]; plan.works.len()],
        millis: vec![vec![0; allocators.len()]; plan.works.len()],
        without: BTreeMap::new(),
        notes,
        stop: &stop,
        bar: bar(),
    };
    table.check_all()?;
    table.rounds()?;
    table.bar.finish_and_clear();
    let interrupted = stop.load(Ordering::Relaxed);
    let Table { records, mut notes, .. } = table;
    if interrupted {
        notes.push("interrupted: the figures are those of the runs before".to_owned());
    }
    let outcomes = plan
        .works
        .iter()
        .zip(records)
        .map(|(work, records)| outcome(work, &allocators, records, &mut notes))
        .collect();
    Ok(Measured { outcomes, notes, interrupted, allocators })
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {eta_precise} left  {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Those whose library the loader takes. One that the user named must be; another is left out with a note.
fn loadable(
    plan: &Plan<'_>,
    allocators: Vec<Allocator>,
    notes: &mut Vec<String>,
) -> Result<Vec<Allocator>, Failure> {
    let probe = plan.stage.path("suite");
    let mut kept = Vec::new();
    for one in allocators {
        let environment = one.environment();
        let errand = Errand {
            program: &probe,
            arguments: &[],
            environment: &environment,
            dir: plan.stage.dir(),
            seconds: 60,
        };
        let ran = run(plan.stage, &errand, Purpose::Check)?;
        let why = match (&ran.mapped, &one.library) {
            _ if ran.end != End::Exit(0) => format!("a program under it {}", ran.end.text()),
            (Some(mapped), Some(library)) if !is_mapped(mapped, library) => {
                "the loader did not take it".to_owned()
            }
            _ => {
                kept.push(one);
                continue;
            }
        };
        let said = if ran.complaint.is_empty() { String::new() } else { format!(": {}", ran.complaint) };
        let text = format!("{} cannot be preloaded: {why}{said}", one.name);
        if one.named || one.library.is_none() {
            return Err(Failure::new(TROUBLE, text));
        }
        notes.push(format!("{text}; it is left out"));
    }
    Ok(kept)
}

fn is_mapped(mapped: &[PathBuf], library: &Path) -> bool {
    let real = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    mapped.contains(&real)
}

struct Table<'a> {
    plan: &'a Plan<'a>,
    allocators: &'a [Allocator],
    /// By work, then by allocator.
    records: Vec<Vec<Record>>,
    /// What the last run took, for the time left.
    millis: Vec<Vec<u64>>,
    /// What the first allocator is run with where the program brings an allocator of its own.
    without: BTreeMap<usize, PathBuf>,
    notes: Vec<String>,
    stop: &'a AtomicBool,
    bar: ProgressBar,
}

impl Table<'_> {
    /// Each work once under each allocator with a look at what is mapped.
    fn check_all(&mut self) -> Result<(), Failure> {
        let works = self.plan.works;
        let looked: Vec<usize> = (0..works.len()).filter(|&at| works[at].idle.is_none()).collect();
        self.bar.set_length((looked.len() * self.allocators.len()) as u64);
        let mut untraced = false;
        for &at in &looked {
            for allocator in 0..self.allocators.len() {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let ran = self.once(at, allocator, Purpose::Check)?;
                untraced |= ran.mapped.is_none();
                if let Some(mapped) = &ran.mapped
                    && ran.end == End::Exit(0)
                {
                    self.look_at(at, allocator, mapped)?;
                }
                self.note(at, allocator, ran, Purpose::Check);
                self.bar.inc(1);
            }
        }
        if untraced {
            self.notes.push(
                "what was preloaded could not be looked at in every program: ptrace is refused, or it \
                 did not end by itself"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Nothing is measured under a wrong name.
    fn look_at(&mut self, at: usize, allocator: usize, mapped: &[PathBuf]) -> Result<(), Failure> {
        let (work, one) = (&self.plan.works[at], &self.allocators[allocator]);
        if let Some(library) = &one.library {
            if is_mapped(mapped, library) {
                return Ok(());
            }
            let text = format!(
                "{} ran without {}: does it clear its environment, or become a static program?",
                work.name, one.name
            );
            return Err(Failure::new(TROUBLE, text));
        }
        let own = mapped.iter().find(|path| super::allocators::is_known(path));
        if let Some(own) = own {
            let libc = mapped.iter().find(|path| path.ends_with("libc.so.6")).cloned();
            let file = own.file_name().unwrap_or_default().to_string_lossy();
            self.notes.push(match &libc {
                Some(_) => format!("{} is linked with {file}: for glibc, libc.so.6 is preloaded", work.name),
                None => format!("{} brings {file}: what is called {} there is that", work.name, one.name),
            });
            self.without.extend(libc.map(|libc| (at, libc)));
        }
        Ok(())
    }

    fn rounds(&mut self) -> Result<(), Failure> {
        self.bar.reset();
        for round in 0..self.plan.rounds {
            for at in 0..self.plan.works.len() {
                for allocator in 0..self.allocators.len() {
                    if round >= self.plan.works[at].rounds || self.gave_up(at, allocator) {
                        continue;
                    }
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    let left = self.time_left(round);
                    self.bar.set_length(self.bar.position() + left);
                    let (work, one) = (&self.plan.works[at], &self.allocators[allocator]);
                    let of = self.plan.rounds;
                    self.bar.set_message(format!(
                        "round {} of {of}: {} under {}",
                        round + 1,
                        work.name,
                        one.name
                    ));
                    let begin = Instant::now();
                    let ran = self.once(at, allocator, Purpose::Measure)?;
                    self.millis[at][allocator] = begin.elapsed().as_millis() as u64 + 1;
                    self.bar.inc(self.millis[at][allocator]);
                    self.note(at, allocator, ran, Purpose::Measure);
                }
            }
        }
        Ok(())
    }

    /// One that was stopped for its length would be so again.
    fn gave_up(&self, at: usize, allocator: usize) -> bool {
        self.records[at][allocator].ends.iter().any(|end| matches!(end, End::Timeout(_)))
    }

    /// Milliseconds to the end, by what each took last; what did not run yet takes as long as the others.
    fn time_left(&self, round: u32) -> u64 {
        let known: Vec<u64> = self.millis.iter().flatten().copied().filter(|&millis| millis > 0).collect();
        let usual = known.iter().sum::<u64>() / (known.len() as u64).max(1);
        let mut left = 0;
        for (work, row) in self.plan.works.iter().zip(&self.millis) {
            for (&millis, _) in row.iter().zip(self.allocators) {
                let rounds = u64::from(self.plan.rounds.min(work.rounds).saturating_sub(round));
                left += rounds * if millis > 0 { millis } else { usual.max(200) };
            }
        }
        left
    }

    fn once(&self, at: usize, allocator: usize, purpose: Purpose) -> Result<Ran, Failure> {
        let work = &self.plan.works[at];
        let mut environment = work.environment.clone();
        environment.extend(self.allocators[allocator].environment());
        if let Some(libc) = self.without.get(&at).filter(|_| self.allocators[allocator].library.is_none()) {
            let mut word = std::ffi::OsString::from("LD_PRELOAD=");
            word.push(libc);
            environment.push(word);
        }
        let errand = Errand {
            program: &work.program,
            arguments: &work.arguments,
            environment: &environment,
            dir: &work.dir,
            seconds: self.plan.seconds,
        };
        run(self.plan.stage, &errand, purpose)
    }

    fn note(&mut self, at: usize, allocator: usize, ran: Ran, purpose: Purpose) {
        if ran.end == End::Interrupted {
            self.stop.store(true, Ordering::Relaxed);
            return;
        }
        if let Some(errno) = ran.uncounted {
            let why = uncounted(errno);
            if !self.notes.contains(&why) {
                self.notes.push(why);
            }
        }
        let work = &self.plan.works[at];
        let record = &mut self.records[at][allocator];
        record.ends.push(ran.end);
        record.digests.insert(ran.digest);
        if ran.end != End::Exit(0) {
            record.complaint = ran.complaint;
        }
        if purpose == Purpose::Measure {
            let mut sample = ran.sample;
            own_figures(work, &ran.out, &mut sample);
            record.samples.push(sample);
        }
    }
}

/// What our own programs print: a word and a number.
fn own_figures(work: &Work, out: &str, sample: &mut Sample) {
    for line in out.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [word, number] = words[..] else { continue };
        let metric = match (work.suite, word) {
            ("micro", name) if name == work.name => Metric::NsPerOp,
            ("steps", name) if name == work.name => Metric::InstructionsPerOp,
            ("programs", "before_kib") => Metric::BeforeKib,
            ("programs", "freed_kib") => Metric::FreedKib,
            ("programs", "idle_kib") => Metric::IdleKib,
            _ => continue,
        };
        sample.extend(number.parse().ok().map(|value| (metric, value)));
    }
    if work.suite == "steps" {
        // What a program takes that is traced all the time is nobody's business.
        sample.retain(|metric, _| *metric == Metric::InstructionsPerOp);
    }
}

fn uncounted(errno: i32) -> String {
    let why = match errno {
        libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV => "this machine shows no counter of the processor",
        libc::EACCES | libc::EPERM => "the kernel refuses (/proc/sys/kernel/perf_event_paranoid)",
        libc::ENOSYS => "the kernel has no perf_event_open",
        0 => "the counter never ran",
        _ => "perf_event_open failed",
    };
    format!("user instructions are not counted: {why}; those of suite micro are stepped")
}

/// What the runs of one work come to.
fn outcome(work: &Work, allocators: &[Allocator], records: Vec<Record>, notes: &mut Vec<String>) -> Outcome {
    let native = records.first().cloned().unwrap_or_default();
    let usual = native.ends.first().copied().unwrap_or(End::Exit(0));
    let steady = native.ends.iter().all(|end| *end == usual);
    if !steady {
        notes.push(format!("{} does not end the same way each time under {}", work.name, allocators[0].name));
    } else if usual != End::Exit(0) {
        notes.push(format!("{} {} under {}", work.name, usual.text(), allocators[0].name));
    }
    let varies = native.digests.len() > 1;
    if work.prints_the_same && varies {
        notes.push(format!("what {} prints differs from run to run: not compared", work.name));
    }
    let cell = |(record, one): (Record, &Allocator)| {
        let bad: Vec<End> =
            record.ends.iter().copied().filter(|end| steady && *end != usual || hopeless(*end)).collect();
        let failure = bad.first().map(|end| {
            let (text, of) = (end.text(), record.ends.len());
            let times =
                if bad.len() < of { format!(" in {} of {of} runs", bad.len()) } else { String::new() };
            let said = if record.complaint.is_empty() { "" } else { ": " };
            format!("{text}{times}{said}{}", record.complaint)
        });
        let other = !varies && !record.digests.is_subset(&native.digests);
        let differs = (work.prints_the_same && failure.is_none() && other)
            .then(|| format!("prints something else than under {}", allocators[0].name));
        Cell { allocator: one.name.clone(), failure, differs, samples: record.samples, ..Cell::default() }
    };
    let results = records.into_iter().zip(allocators).map(cell).collect();
    let mut outcome = Outcome { suite: work.suite, name: work.name.clone(), about: work.about, results };
    outcome.settle();
    outcome
}

/// An end that leaves nothing to measure, whoever comes to it.
fn hopeless(end: End) -> bool {
    matches!(end, End::Timeout(_))
}
