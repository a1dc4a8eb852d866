use super::keys::{Wish, pressed};
use super::screen::{View, draw};
use super::sites::{Site, Sites, Snapshot, Sort, bars, rate, size};
use crate::record::{Pc, PcKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::{Duration, Instant};

fn site(number: u64, bytes: u64, lost: u64) -> Site {
    Site {
        key: vec![Pc { address: number, kind: PcKind::Return }],
        label: format!("place{number}, x.c:{number}"),
        frames: vec![format!("inner{number}"), "main".to_owned()],
        bytes,
        objects: bytes / 10,
        lost,
    }
}
fn checks(all: &[&[Site]]) -> Sites {
    let (mut sites, begun) = (Sites::default(), Instant::now());
    for (at, one) in all.iter().enumerate() {
        sites.take(Snapshot {
            at: begun + Duration::from_secs(2 * at as u64),
            pid: 42,
            exe: "/bin/x".into(),
            sites: one.to_vec(),
            lost: one.iter().map(|site| site.lost).sum(),
            note: "the program was stopped for 3 ms".into(),
        });
    }
    sites
}

#[test]
fn sizes_and_rates() {
    let sizes = [0.0, 999.0, 1000.0, 1024.0, 102_400.0, 1_500_000.0, 1e12, 5e15];
    assert_eq!(sizes.map(size), ["0", "999", "1.0K", "1.0K", "100K", "1.4M", "931G", "4547.5T"]);
    assert_eq!([0.0, 2048.0, -2048.0].map(rate), ["·", "+2.0K/s", "-2.0K/s"]);
    assert_eq!(bars(&[5, 5, 5], 10), "▁▁▁");
    assert_eq!(bars(&[0, 50, 100], 2), "▁█");
    assert_eq!(bars(&[0, u64::MAX / 2, u64::MAX], 9), "▁▄█");
}

#[test]
fn rates_are_of_two_checks_and_of_all() {
    let sites = checks(&[&[site(1, 1000, 0)], &[site(1, 5000, 0), site(2, 300, 7)], &[site(1, 5000, 0)]]);
    let rows = sites.sorted(Sort::Bytes);
    assert_eq!((rows[0].now, rows[0].all), (0.0, 1000.0));
    assert_eq!(rows[0].history, [1000, 5000, 5000]);
    // What a check does not tell has gone: it shrinks, and is not forgotten at once.
    assert_eq!((rows[1].site.bytes, rows[1].now, rows[1].history.clone()), (0, -150.0, vec![300, 0]));
    assert_eq!((sites.total(), sites.totals.clone()), (5000, vec![1000, 5300, 5000]));
}

#[test]
fn orders() {
    let mut small = site(3, 10, 900);
    small.objects = 1000;
    let before = [site(1, 500, 0), site(2, 100, 0), small.clone()];
    let sites = checks(&[&before, &[site(1, 500, 0), site(2, 300, 0), small]]);
    let first = |sort| sites.sorted(sort)[0].site.label.clone();
    let firsts = Sort::ALL.map(first);
    let places = [1, 2, 3, 3, 1].map(|n| format!("place{n}, x.c:{n}"));
    assert_eq!(firsts, places);
}

#[test]
fn keys() {
    let sites = checks(&[&[site(1, 500, 0), site(2, 400, 0), site(3, 300, 0)]]);
    let mut view = View::default();
    let press = |view: &mut View, code| pressed(KeyEvent::new(code, KeyModifiers::NONE), view, &sites);
    for (code, chosen) in [
        (KeyCode::Down, 2),
        (KeyCode::Char('j'), 3),
        (KeyCode::Down, 3),
        (KeyCode::Up, 2),
        (KeyCode::Home, 1),
        (KeyCode::End, 3),
    ] {
        assert_eq!(press(&mut view, code), Wish::Nothing);
        assert_eq!(view.chosen.as_ref().unwrap()[0].address, chosen);
    }
    press(&mut view, KeyCode::Char('s'));
    assert_eq!((view.sort, view.chosen.clone()), (Sort::Growth, None));
    press(&mut view, KeyCode::Char('p'));
    assert!(view.paused);
    press(&mut view, KeyCode::Enter);
    // A window is closed first.
    assert_eq!((view.stack, press(&mut view, KeyCode::Char('q')), view.stack), (true, Wish::Nothing, false));
    assert_eq!(press(&mut view, KeyCode::Char('q')), Wish::Quit);
    assert_eq!(
        pressed(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL), &mut view, &sites),
        Wish::Quit
    );
}

/// Every size is drawn, and what is chosen can be seen.
#[test]
fn drawn() {
    let many: Vec<Site> = (1..200).map(|n| site(n, 100_000 - n, 0)).collect();
    let sites = checks(&[&many]);
    for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        for (help, stack) in [(false, false), (true, false), (false, true)] {
            let mut view = View { help, stack, ..View::default() };
            view.go(&sites, 150);
            terminal.draw(|frame| draw(frame, &sites, &mut view)).unwrap();
            let text = terminal.backend().to_string();
            let wanted = match (help, stack) {
                (false, false) => "place151, x.c:151",
                (true, _) => "double or halve the interval",
                _ => "#0 inner151",
            };
            assert!(width < 80 || text.contains(wanted), "{width}x{height}: {text}");
        }
    }
}
