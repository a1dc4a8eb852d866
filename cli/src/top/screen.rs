//! What is drawn: a line on the process, the table, a line on the keys; a stack or the help over it.
use super::sites::{Row, Sites, Sort, bars, rate, size};
use crate::record::Pc;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as Shown, Table, TableState, Wrap};
use std::time::Duration;

/// How the user looks at it.
pub struct View {
    pub sort: Sort,
    pub interval: Duration,
    pub paused: bool,
    pub help: bool,
    /// The whole stack of the chosen site is shown.
    pub stack: bool,
    /// By its stack: it stays chosen while rows change places.
    pub chosen: Option<Vec<Pc>>,
    /// Rows that fit.
    pub page: usize,
    pub asking: bool,
    /// The first row that is shown.
    pub offset: usize,
}

impl Default for View {
    fn default() -> View {
        View {
            sort: Sort::Bytes,
            interval: Duration::from_secs(2),
            paused: false,
            help: false,
            stack: false,
            chosen: None,
            page: 10,
            asking: false,
            offset: 0,
        }
    }
}

impl View {
    fn at(&self, rows: &[&Row]) -> usize {
        let is = |row: &&Row| Some(&row.site.key) == self.chosen.as_ref();
        rows.iter().position(is).unwrap_or(0)
    }
    /// So many rows down.
    pub fn go(&mut self, sites: &Sites, by: isize) {
        let rows = sites.sorted(self.sort);
        let last = rows.len().saturating_sub(1);
        let at = self.at(&rows).saturating_add_signed(by).min(last);
        self.chosen = rows.get(at).map(|row| row.site.key.clone());
    }
}

const KEYS: &str = " q quit  s sort  p pause  ↑↓ choose  enter stack  space check now  +- interval  ? help";
const HELP: &str = "\
q            quit; closes a window first
s            sort by bytes, growth, objects, lost, name
p            pause: no more checks until p is pressed again
space        check now
+ -          double or halve the interval
↑ ↓ j k      choose a place; page up, page down, home, end
enter        the whole stack of the chosen place
?            this help
ctrl-z       suspend

bytes and objects are what the place has allocated and the program can
still reach; now is the change since the check before, since the change
since the place was first seen here; lost is what nothing points to.
The bars are the last checks, each row to its own scale.";

pub fn draw(frame: &mut Frame, sites: &Sites, view: &mut View) {
    let rows = sites.sorted(view.sort);
    let parts = Layout::vertical([Constraint::Length(2), Constraint::Min(3), Constraint::Length(1)]);
    let [top, middle, bottom] = parts.areas(frame.area());
    frame.render_widget(Paragraph::new(head(sites, view)), top);
    table(frame, middle, &rows, view);
    frame.render_widget(Paragraph::new(KEYS).style(Style::new().fg(Color::DarkGray)), bottom);
    if view.stack
        && let Some(row) = rows.get(view.at(&rows))
    {
        let lines = row.site.frames.iter().enumerate().map(|(at, name)| Line::from(format!("#{at} {name}")));
        let mut lines: Vec<Line> = lines.collect();
        lines.insert(0, Line::from(bars(&row.history, 60)).style(Style::new().fg(Color::Cyan)));
        window(frame, middle, &row.site.label, lines);
    }
    if view.help {
        window(frame, middle, "gleaner top", HELP.lines().map(Line::from).collect());
    }
}

fn head(sites: &Sites, view: &View) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let how = match (view.paused, view.asking) {
        (true, _) => "paused".to_owned(),
        (false, true) => "checking".to_owned(),
        (false, false) => format!("every {} s", view.interval.as_secs_f64()),
    };
    let first = Line::from(vec![
        Span::styled(format!(" {} {}", sites.pid, sites.exe), bold),
        Span::raw(format!("  {} live  ", size(sites.total() as f64))),
        Span::styled(rate(sites.rate()), Style::new().fg(colour(sites.rate()))),
        Span::raw(format!("  {} lost  {} ", size(sites.lost as f64), bars(&sites.totals, 20))),
    ]);
    let second = format!(" check {}, {how}, by {}  {}", sites.checks, view.sort.name(), sites.note);
    vec![first, Line::styled(second, Style::new().fg(Color::DarkGray))]
}

fn colour(rate: f64) -> Color {
    match rate {
        rate if rate > 0.5 => Color::Red,
        rate if rate < -0.5 => Color::Green,
        _ => Color::Reset,
    }
}

fn table(frame: &mut Frame, area: Rect, rows: &[&Row], view: &mut View) {
    view.page = usize::from(area.height.saturating_sub(1)).max(1);
    let bars_width: u16 = if area.width > 100 { 20 } else { 10 };
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let shown = rows.iter().map(|row| {
        let site = &row.site;
        let lost = if site.lost > 0 { size(site.lost as f64) } else { String::new() };
        Shown::new([
            right(size(site.bytes as f64)),
            right(site.objects.to_string()),
            right(rate(row.now)).style(Style::new().fg(colour(row.now))),
            right(rate(row.all)).style(Style::new().fg(colour(row.all))),
            right(lost).style(Style::new().fg(Color::Red)),
            Cell::from(bars(&row.history, bars_width.into())).style(Style::new().fg(Color::Cyan)),
            Cell::from(site.label.clone()),
        ])
    });
    let title = |name: &str, sort: Option<Sort>| {
        let name = if sort == Some(view.sort) { format!("{name}▾") } else { name.to_owned() };
        right(name)
    };
    let left = |name: &str, sort: Sort| {
        Cell::from(if sort == view.sort { format!("{name}▾") } else { name.to_owned() })
    };
    let head = Shown::new([
        title("bytes", Some(Sort::Bytes)),
        title("objects", Some(Sort::Objects)),
        title("now", None),
        title("since", Some(Sort::Growth)),
        title("lost", Some(Sort::Lost)),
        Cell::from("history"),
        left("place", Sort::Name),
    ]);
    let widths = [7, 9, 9, 9, 7, bars_width].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    let table = Table::new(shown, widths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let at = (!rows.is_empty()).then(|| view.at(rows));
    let mut state = TableState::new().with_offset(view.offset).with_selected(at);
    frame.render_stateful_widget(table, area, &mut state);
    view.offset = state.offset();
}

/// Over the table.
fn window(frame: &mut Frame, area: Rect, title: &str, lines: Vec<Line>) {
    let width = area.width.saturating_sub(6).clamp(20, 110).min(area.width);
    let height = (lines.len() as u16 + 2).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let text =
        Paragraph::new(lines).wrap(Wrap { trim: false }).block(Block::bordered().title(format!(" {title} ")));
    frame.render_widget(text, place);
}
