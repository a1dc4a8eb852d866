//! The terminal: what a key does, and how the terminal is given back, whatever ends us.
use super::Order;
use super::asking::Reader;
use super::screen::{self, View};
use super::sites::{Sites, Snapshot};
use crate::Failure;
use crate::failure::{TROUBLE, plain};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// The terminal is ours as long as this lives. A panic gives it back by ratatui's hook, before it is told.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Result<Screen, Failure> {
        let opened = ratatui::try_init();
        opened.map(Screen).map_err(|error| {
            Failure::new(TROUBLE, format_args!("cannot use the terminal: {}", plain(&error)))
        })
    }
}
impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What a key asked for beyond the view.
#[derive(PartialEq, Eq, Debug)]
pub enum Wish {
    Nothing,
    Quit,
    Suspend,
    /// A check at once.
    Check,
}

pub fn run(order: &Order, reader: Reader, first: Snapshot) -> Result<u8, Failure> {
    // Not SIGHUP: then there is no terminal to give back, and reading from one that is gone never ends.
    let (signal, came) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for number in [SIGINT, SIGTERM, SIGQUIT] {
        // The second one ends us, whatever the first found us at.
        let kept = flag::register_conditional_shutdown(number, 128 + number, came.clone())
            .and_then(|_| flag::register(number, came.clone()))
            .and_then(|_| flag::register_usize(number, signal.clone(), number as usize));
        kept.map_err(|error| {
            Failure::new(TROUBLE, format_args!("cannot handle signals: {}", plain(&error)))
        })?;
    }
    let mut sites = Sites::default();
    sites.take(first);
    let mut view = View { sort: order.sort, interval: order.interval, ..View::default() };
    let (ask, answers) = asker(reader);
    let mut screen = Screen::open()?;
    let ended = attend(&mut screen, &mut sites, &mut view, &signal, &ask, &answers);
    drop(screen);
    match ended? {
        End::Quit => Ok(0),
        // As it would have ended without a screen to give back.
        End::Signal(number) => {
            let _ = signal_hook::low_level::emulate_default_handler(number as i32);
            Ok(128 + number as u8)
        }
        End::Told(text) => Err(Failure::new(TROUBLE, text)),
    }
}

enum End {
    Quit,
    Signal(usize),
    Told(String),
}

/// A check may take as long as it likes: it is made beside.
fn asker(mut reader: Reader) -> (Sender<()>, Receiver<Result<Snapshot, String>>) {
    let (ask, asked) = channel();
    let (answer, answers) = channel();
    std::thread::spawn(move || while asked.recv().is_ok() && answer.send(reader.check()).is_ok() {});
    (ask, answers)
}

fn attend(
    screen: &mut Screen,
    sites: &mut Sites,
    view: &mut View,
    signal: &AtomicUsize,
    ask: &Sender<()>,
    answers: &Receiver<Result<Snapshot, String>>,
) -> Result<End, Failure> {
    let fail = |error: std::io::Error| {
        Failure::new(TROUBLE, format_args!("cannot use the terminal: {}", plain(&error)))
    };
    let mut waits = Duration::ZERO;
    loop {
        screen.0.draw(|frame| screen::draw(frame, sites, view)).map_err(fail)?;
        let number = signal.load(Ordering::Relaxed);
        if number != 0 {
            return Ok(End::Signal(number));
        }
        let turn = Duration::from_millis(100);
        if event::poll(turn).map_err(fail)? {
            match event::read().map_err(fail)? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match pressed(key, view, sites) {
                    Wish::Quit => return Ok(End::Quit),
                    Wish::Check => waits = view.interval,
                    Wish::Suspend => {
                        ratatui::restore();
                        let _ = signal_hook::low_level::emulate_default_handler(SIGTSTP);
                        screen.0 = ratatui::try_init().map_err(fail)?;
                    }
                    Wish::Nothing => {}
                },
                // Any other, a resize too: drawn anew.
                _ => {}
            }
        } else {
            waits += turn;
        }
        match answers.try_recv() {
            Ok(Ok(snapshot)) => {
                sites.take(snapshot);
                (view.asking, waits) = (false, Duration::ZERO);
            }
            Ok(Err(text)) => return Ok(End::Told(text)),
            Err(_) => {}
        }
        if !view.asking && !view.paused && waits >= view.interval && ask.send(()).is_ok() {
            view.asking = true;
        }
    }
}

/// What a key does.
pub fn pressed(key: KeyEvent, view: &mut View, sites: &Sites) -> Wish {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return Wish::Quit,
        KeyCode::Char('z') if control => return Wish::Suspend,
        // What lies over the table goes first.
        KeyCode::Esc | KeyCode::Char('q') if view.help || view.stack => {
            (view.help, view.stack) = (false, false)
        }
        KeyCode::Char('q') => return Wish::Quit,
        KeyCode::Char('?' | 'h') => view.help = !view.help,
        KeyCode::Char('s') => (view.sort, view.chosen) = (view.sort.next(), None),
        KeyCode::Char('p') => view.paused = !view.paused,
        KeyCode::Char(' ') => return Wish::Check,
        KeyCode::Char('+') => view.interval = (view.interval * 2).min(Duration::from_secs(3600)),
        KeyCode::Char('-') => view.interval = (view.interval / 2).max(Duration::from_millis(250)),
        KeyCode::Enter => view.stack = !view.stack,
        KeyCode::Up | KeyCode::Char('k') => view.go(sites, -1),
        KeyCode::Down | KeyCode::Char('j') => view.go(sites, 1),
        KeyCode::PageUp => view.go(sites, -(view.page as isize)),
        KeyCode::PageDown => view.go(sites, view.page as isize),
        KeyCode::Home => view.go(sites, isize::MIN / 2),
        KeyCode::End => view.go(sites, isize::MAX / 2),
        _ => {}
    }
    Wish::Nothing
}
