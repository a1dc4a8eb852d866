//! What a program keeps while it sleeps: looked at from outside, ten times a second.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(100);

/// Watches the descendants of a process.
pub struct Watch {
    of: u32,
    next: Instant,
    /// Ticks of processor time that each had used at the last look.
    before: BTreeMap<u32, u64>,
    idle: Option<f64>,
}

/// A row of /proc/PID/stat.
struct Look {
    asleep: bool,
    ticks: u64,
    resident_kib: f64,
}

impl Watch {
    pub fn new(of: u32) -> Watch {
        Watch { of, next: Instant::now() + PERIOD, before: BTreeMap::new(), idle: None }
    }

    /// Looks, if it is time. What is resident counts if all processes slept from the last look to this one.
    pub fn look(&mut self) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + PERIOD;
        let mut all = BTreeMap::new();
        descend(self.of, &mut all);
        let ticks: BTreeMap<u32, u64> = all.iter().map(|(&pid, look)| (pid, look.ticks)).collect();
        if !all.is_empty() && ticks == self.before && all.values().all(|look| look.asleep) {
            self.idle = Some(all.values().map(|look| look.resident_kib).sum());
        }
        self.before = ticks;
    }

    /// Resident when it was last seen asleep, all processes together; none if it never was.
    pub fn idle_kib(&self) -> Option<f64> {
        self.idle
    }
}

fn descend(pid: u32, all: &mut BTreeMap<u32, Look>) {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            // Whoever ends just now is left out; a process is its own ancestor never.
            if let Some(look) = understood(&stat)
                && all.insert(child, look).is_none()
            {
                descend(child, all);
            }
        }
    }
}

fn understood(stat: &str) -> Option<Look> {
    // The name may hold anything, blanks and brackets as well.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let state = *fields.first()?;
    (state != "Z").then_some(Look {
        asleep: state == "S",
        ticks: number(11)? + number(12)?,
        resident_kib: number(21)? as f64 * 4.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_stat() {
        let row = "42 (a) b) S 1 42 42 0 -1 4194304 97 0 0 0 7 3 0 0 20 0 1 0 5 2621440 250 1 2";
        let look = understood(row).unwrap();
        assert!(look.asleep);
        assert_eq!((look.ticks, look.resident_kib), (10, 1000.0));
        assert!(understood("42 (a) Z 1").is_none() && understood("").is_none());
    }
}
