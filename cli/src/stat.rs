//! `gleaner stat PID`: the figures that the library in a running program keeps of itself.
//!
//! It is asked as for a check (`check`), at a socket of another name, and answers with a line of JSON
//! (docs/stat.schema.json) without stopping anybody.
use crate::Failure;
use crate::check::Asker;
use crate::failure::{TROUBLE, print};
use crate::top::{rate, size};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

pub mod grammar;

/// What was asked.
pub struct Order {
    pub pid: i32,
    pub signal: Option<i32>,
    /// Once without.
    pub interval: Option<Duration>,
    pub count: Option<u64>,
    pub json: bool,
    pub timeout: Duration,
}

/// What the library answers.
#[derive(Deserialize)]
struct Answer {
    version: u32,
    pid: i64,
    mode: String,
    metrics: BTreeMap<String, Value>,
}
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    One(u64),
    ByWord(BTreeMap<String, u64>),
}

impl Answer {
    fn read(text: &str) -> Result<Answer, String> {
        let answer: Answer =
            serde_json::from_str(text).map_err(|_| "its answer is not understood".to_owned())?;
        if answer.version == 1 { Ok(answer) } else { Err("its library is of another version".to_owned()) }
    }
    fn one(&self, name: &str) -> u64 {
        match self.metrics.get(name) {
            Some(Value::One(value)) => *value,
            Some(Value::ByWord(all)) => all.values().sum(),
            None => 0,
        }
    }
    fn bytes(&self, name: &str) -> String {
        size(self.one(name) as f64)
    }
    fn ms(&self, name: &str) -> String {
        format!("{:.1} ms", self.one(name) as f64 / 1000.0)
    }
}

/// Asks, prints, and again if wanted.
pub fn stat(order: &Order) -> Result<u8, Failure> {
    let fail = |text: String| Failure::new(TROUBLE, text);
    let asker = Asker::open(order.pid, order.signal).map_err(fail)?;
    let mut before: Option<(Instant, Answer)> = None;
    let mut done = 0;
    loop {
        let text = asker.figures(order.timeout).map_err(fail)?;
        let answer = Answer::read(&text).map_err(|why| fail(format!("process {}: {why}", order.pid)))?;
        let Some(interval) = order.interval else {
            print(&if order.json { text } else { whole(&answer) })?;
            return Ok(0);
        };
        let now = Instant::now();
        if order.json {
            print(&text)?;
        } else {
            if done % 20 == 0 {
                print(HEAD)?;
            }
            print(&line(&answer, before.as_ref().map(|(at, answer)| (now - *at, answer))))?;
        }
        done += 1;
        if order.count.is_some_and(|wanted| done >= wanted) {
            return Ok(0);
        }
        before = Some((now, answer));
        std::thread::sleep(interval);
    }
}

const HEAD: &str =
    "    live     free   cycles abandoned     last  longest    limbo  reclaimed   freed/s resurrected\n";

/// What changed since the one before is told by the second.
fn line(now: &Answer, before: Option<(Duration, &Answer)>) -> String {
    let freed = before.map_or(0.0, |(time, before)| {
        now.one("reclaimed_bytes").saturating_sub(before.one("reclaimed_bytes")) as f64 / time.as_secs_f64()
    });
    format!(
        "{:>8} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8} {:>10} {:>9} {:>11}\n",
        now.bytes("heap_live_bytes"),
        now.bytes("heap_free_bytes"),
        now.one("cycles"),
        now.one("cycles_abandoned"),
        now.ms("pause_last_microseconds"),
        now.ms("pause_longest_microseconds"),
        now.bytes("limbo_bytes"),
        now.bytes("reclaimed_bytes"),
        rate(freed),
        now.one("resurrected_objects"),
    )
}

fn whole(a: &Answer) -> String {
    let (objects, bytes) =
        (|name: &str| a.one(&format!("{name}_objects")), |name: &str| a.bytes(&format!("{name}_bytes")));
    let mut out = format!("process {}, mode {}\n", a.pid, a.mode);
    let _ = writeln!(
        out,
        "heap         {} live, {} free, {} mapped; {} huge objects of {}",
        bytes("heap_live"),
        bytes("heap_free"),
        bytes("heap_mapped"),
        objects("heap_huge"),
        bytes("heap_huge")
    );
    let _ = writeln!(
        out,
        "collections  {} complete, {} of them by a copy, {} abandoned; the program was stopped for {} at last, {} at most, {} in all",
        a.one("cycles"),
        a.one("cycles_copied"),
        a.one("cycles_abandoned"),
        a.ms("pause_last_microseconds"),
        a.ms("pause_longest_microseconds"),
        a.ms("pause_microseconds")
    );
    for (name, what) in [("cycles_by_cause", "began"), ("cycles_abandoned", "abandoned")] {
        if let Some(Value::ByWord(words)) = a.metrics.get(name) {
            for (word, count) in words {
                let _ = writeln!(out, "  {what:<9}  {count}: {word}");
            }
        }
    }
    if a.one("memory_limit_bytes") != 0 {
        let (used, limit) = (a.bytes("memory_used_bytes"), a.bytes("memory_limit_bytes"));
        let _ = writeln!(out, "cgroup       {used} of {limit} when it was looked at last");
    }
    for (name, what) in [("reachable", "reachable"), ("limbo", "limbo"), ("reclaimed", "reclaimed")] {
        let _ = writeln!(out, "{what:<12} {} in {} objects", bytes(name), objects(name));
    }
    let (words, integers) = (a.one("root_heap_words"), a.one("root_integers"));
    let _ = writeln!(
        out,
        "roots        {}; of about {words} words that point into the heap {} % are integers, which point to {}",
        bytes("root"),
        integers * 100 / words.max(1),
        bytes("chance")
    );
    let _ = writeln!(
        out,
        "kept after all: {} objects for pointers found later, {} for pointers in disguise, {} that the program used",
        objects("revived"),
        objects("disguised"),
        objects("resurrected")
    );
    if a.mode == "gc" && a.one("reclaims") == 0 {
        out.push_str("the program hides pointers: nothing more is reclaimed\n");
    }
    let _ = writeln!(
        out,
        "stops        {} of all threads, {} given up; {} calls begun again, {} not; {} checks by a copy",
        a.one("stops"),
        a.one("stops_given_up"),
        a.one("calls_begun_again"),
        a.one("calls_not_begun_again"),
        a.one("checks_copied")
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version":1,"pid":7,"mode":"gc","metrics":{"heap_live_bytes":2048,"cycles":3,"cycles_copied":1,"root_bytes":512,"root_heap_words":200,"root_integers":50,"chance_bytes":1536,"reclaims":0,"reclaimed_bytes":3072,"pause_last_microseconds":1500,"memory_limit_bytes":4096,"memory_used_bytes":1024,"cycles_by_cause":{"growth":1,"cgroup limit":2},"cycles_abandoned":{"no memory":2}}}"#;

    #[test]
    fn an_answer_is_told() {
        let answer = Answer::read(TEXT).unwrap();
        let text = whole(&answer);
        assert!(text.starts_with("process 7, mode gc\n"), "{text}");
        assert!(
            text.contains("3 complete, 1 of them by a copy, 2 abandoned")
                && text.contains("  abandoned  2: no memory\n"),
            "{text}"
        );
        assert!(
            text.contains("  began      2: cgroup limit\n") && text.contains("  1.0K of 4.0K when"),
            "{text}"
        );
        assert!(
            text.contains("512; of about 200 words")
                && text.contains("25 % are integers, which point to 1.5K\n"),
            "{text}"
        );
        assert!(text.contains("for 1.5 ms at last") && text.contains("nothing more is reclaimed"), "{text}");
        let older = Answer::read(&TEXT.replace("3072", "1024")).unwrap();
        let told = line(&answer, Some((Duration::from_secs(2), &older)));
        assert_eq!(told.len(), HEAD.len(), "{told}{HEAD}");
        assert!(told.contains(&rate(1024.0)), "{told}");
    }
    /// The library's own writers, in this process.
    #[test]
    fn what_the_library_writes_fits_the_schema_and_both_formats_have_the_same() {
        use gleaner_core::runtime::metrics;
        let (mut json, mut prometheus) = (Vec::new(), Vec::new());
        metrics::json(&mut |text| json.extend_from_slice(text));
        metrics::prometheus(&mut |text| prometheus.extend_from_slice(text));
        let (json, prometheus) = (String::from_utf8(json).unwrap(), String::from_utf8(prometheus).unwrap());
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let schema = include_str!("../../docs/stat.schema.json");
        let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty() && json.lines().count() == 1, "{faults:?}: {json}");
        let answer = Answer::read(&json).unwrap();
        for name in answer.metrics.keys() {
            let sample = |line: &&str| {
                let Some(rest) = line.strip_prefix(&format!("gleaner_{name}")) else { return false };
                let rest = rest.strip_prefix("_total").unwrap_or(rest);
                rest.starts_with(&format!("{{pid=\"{}\"", std::process::id()))
            };
            let line = prometheus.lines().find(sample).unwrap_or_else(|| panic!("{name}: {prometheus}"));
            assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok(), "{line}");
            let told = &schema["properties"]["metrics"]["properties"][name]["description"];
            let help =
                format!("# HELP gleaner_{name}{{}} {}\n", told.as_str().unwrap_or("(not in the schema)"));
            assert!(
                ["", "_total"].iter().any(|total| prometheus.contains(&help.replace("{}", total))),
                "{help}{prometheus}"
            );
        }
        for block in prometheus.split("# HELP ").skip(1) {
            let name = block.split(' ').next().unwrap();
            assert!(block.contains(&format!("\n# TYPE {name} ")), "{block}");
        }
    }
    #[test]
    fn another_answer_is_refused() {
        assert!(Answer::read("{}").is_err() && Answer::read("").is_err());
        assert!(Answer::read(&TEXT.replace("\"version\":1", "\"version\":2")).is_err());
    }
}
