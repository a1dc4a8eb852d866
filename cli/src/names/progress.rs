//! A bar on the terminal while names are looked up for longer than one likes to wait without a word.
//!
//! It is drawn by a thread of its own, because the first address of a large module alone may take a second. Nothing is drawn where standard error
//! is no terminal, nor in the first half second; nothing stays of it.
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Before anything is drawn, and between two times.
const PATIENCE: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(100);

/// Ends with its last line taken back when it is dropped.
pub struct Progress(Option<Running>);

struct Running {
    state: Arc<State>,
    /// Closed, it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    done: AtomicU64,
    module: Mutex<String>,
}

impl Progress {
    /// Of `total` addresses; on standard error, if a person looks at it.
    pub fn begin(total: u64) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress(None);
        }
        Progress::on(ProgressDrawTarget::stderr(), total, PATIENCE)
    }

    fn on(target: ProgressDrawTarget, total: u64, patience: Duration) -> Progress {
        let state = Arc::new(State::default());
        let (end, ended) = mpsc::channel();
        let shown = state.clone();
        let draw = move || {
            let mut wait = patience;
            let mut bar: Option<ProgressBar> = None;
            let mut target = Some(target);
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let bar = bar.get_or_insert_with(|| bar_on(target.take(), total));
                bar.set_position(shown.done.load(Ordering::Relaxed).min(total));
                bar.set_message(shown.module.lock().unwrap_or_else(PoisonError::into_inner).clone());
                bar.tick();
                wait = STEP;
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        };
        // Without a thread there is no bar.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(draw).ok();
        Progress(Some(Running { state, end: Some(end), thread }))
    }

    /// An address of this module comes next.
    pub fn next(&self, module: &str) {
        if let Some(Running { state, .. }) = &self.0 {
            state.done.fetch_add(1, Ordering::Relaxed);
            let mut now = state.module.lock().unwrap_or_else(PoisonError::into_inner);
            if *now != module {
                module.clone_into(&mut now);
            }
        }
    }
}

fn bar_on(target: Option<ProgressDrawTarget>, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target.unwrap_or_else(ProgressDrawTarget::hidden));
    let style = ProgressStyle::with_template("names {bar:24} {pos}/{len}  {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(running) = &mut self.0 {
            drop(running.end.take());
            // It ends in any case; a panic in there took nothing along.
            let _ = running.thread.take().map(JoinHandle::join);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    fn begun(terminal: &InMemoryTerm, patience: Duration) -> Progress {
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        Progress::on(target, 20, patience)
    }

    #[test]
    fn says_where_it_is_and_goes_away() {
        let terminal = InMemoryTerm::new(10, 80);
        let progress = begun(&terminal, Duration::ZERO);
        (0..7).for_each(|_| progress.next("/usr/lib/libbig.so"));
        let shows = || terminal.contents().contains("7/20") && terminal.contents().contains("libbig.so");
        assert!((0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            shows()
        }));
        drop(progress);
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn is_silent_at_first() {
        let terminal = InMemoryTerm::new(10, 80);
        let progress = begun(&terminal, Duration::from_secs(3600));
        progress.next("libbig.so");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(terminal.contents(), "");
        drop(progress);
    }
}
