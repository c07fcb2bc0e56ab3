//! The page of statistics: which row is chosen, and what choosing it does to the list.

use ratatui::layout::Rect;

use crate::timeline::filter::{Expr, Field, Op, Value};
use crate::timeline::listing::Order;
use crate::timeline::stats::Measure;
use crate::timeline::tables::{self, Entry};
use crate::timeline::{Context, Line};
use crate::tui::screen::{Focus, Screen};

/// From this width on the chosen measure is drawn beside the tables, else below them.
const WIDE: u16 = 130;
/// Columns of the chosen measure beside the tables, and its rows below them.
const BESIDE: u16 = 56;
const BELOW: u16 = 12;
/// Cells of a row's sparkline, where the tables leave room for it.
pub(super) const SPARK: usize = 18;
const FRAME: u16 = 2;

/// Lines of the tables, and which of them is chosen.
#[derive(Debug, Default)]
pub(super) struct StatisticsPage {
    pub(super) entries: Vec<Entry>,
    /// The chosen line.
    pub(super) line: usize,
    /// What the chosen line is of; it stays chosen while others come.
    pub(super) measure: Option<Measure>,
    /// The first line in view.
    pub(super) first: usize,
    /// In each table the row with the largest 99th percentile is first.
    pub(super) is_longest_first: bool,
}

impl StatisticsPage {
    /// Takes new lines; what was chosen stays so.
    fn replace(&mut self, entries: Vec<Entry>, rows: usize, is_drawn: impl Fn(&Measure) -> bool) {
        self.entries = entries;
        let is_chosen = |entry: &Entry| entry.measure.is_some() && entry.measure == self.measure;
        let again = self.entries.iter().position(is_chosen);
        // At first the first one that can be drawn, with its table's title at the top.
        let begin = || self.entries.iter().position(|entry| entry.measure.as_ref().is_some_and(&is_drawn));
        if let Some(line) = again {
            self.choose(line);
        } else if let (None, 0, Some(line)) = (&self.measure, self.line, begin()) {
            let title = self.entries[..line].iter().rposition(|entry| !entry.is_row).unwrap_or(line);
            self.first = title.saturating_sub(1);
            self.choose(line);
        } else {
            self.choose(self.line);
        }
        self.show(rows);
    }

    /// Chooses the row at `line`, or the nearest before it.
    fn choose(&mut self, line: usize) {
        let rows = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_row);
        let before = rows.clone().take_while(|&(at, _)| at <= line).last().or_else(|| rows.clone().next());
        self.line = before.map_or(0, |(at, _)| at);
        self.measure = self.entries.get(self.line).and_then(|entry| entry.measure.clone());
    }

    /// Moves by `steps` rows.
    fn step(&mut self, steps: isize, rows: usize) {
        let lines: Vec<usize> = (0..self.entries.len()).filter(|&line| self.entries[line].is_row).collect();
        let place = lines.partition_point(|&line| line < self.line);
        let place = place.saturating_add_signed(steps).min(lines.len().saturating_sub(1));
        self.choose(lines.get(place).copied().unwrap_or(0));
        self.show(rows);
    }

    /// Keeps the chosen line in view, and a table's title and head with its first row.
    fn show(&mut self, rows: usize) {
        let last_page = self.entries.len().saturating_sub(rows);
        let is_first = self.line >= 2 && !self.entries.get(self.line - 1).is_some_and(|entry| entry.is_row);
        let top = if is_first { self.line - 2 } else { self.line };
        self.first = self.first.min(top).max((self.line + 1).saturating_sub(rows)).min(last_page);
    }
}

impl Screen {
    /// The areas of tables and of the chosen measure, with their frames.
    pub(super) fn statistics_areas(page: Rect) -> (Rect, Rect) {
        if page.width >= WIDE {
            let left = page.width - BESIDE;
            (Rect { width: left, ..page }, Rect { x: page.x + left, width: BESIDE, ..page })
        } else {
            let below = BELOW.min(page.height / 2);
            let top = page.height - below;
            (Rect { height: top, ..page }, Rect { y: page.y + top, height: below, ..page })
        }
    }

    /// The cells that the tables may take, and whether sparklines stand behind them.
    pub(super) fn table_width(inner: u16) -> (usize, bool) {
        let inner = usize::from(inner);
        if inner >= usize::from(WIDE - BESIDE) + SPARK { (inner - SPARK - 2, true) } else { (inner, false) }
    }

    /// Makes the page ready to be drawn.
    pub(super) fn update_statistics(&mut self) {
        if self.focus != Focus::Statistics {
            return;
        }
        let Some(page) = self.areas(self.whole()).page else { return };
        let (tables, _) = Screen::statistics_areas(page);
        let (width, _) = Screen::table_width(tables.width.saturating_sub(FRAME));
        let context = Context::new(&self.topology, &self.clocks, self.manner);
        let mut entries = tables::source_entries(&self.sources, &context, width);
        if !entries.is_empty() {
            entries.push(Entry::text(Line::new()));
        }
        entries.extend(tables::entries(
            &self.counts.statistics,
            &context,
            width,
            self.statistics.is_longest_first,
        ));
        let rows = usize::from(tables.height.saturating_sub(FRAME));
        let series = |measure: &Measure| self.counts.statistics.series(measure);
        self.statistics.replace(entries, rows, |measure| series(measure).is_some_and(|it| !it.is_empty()));
    }

    pub(super) fn step_statistics(&mut self, steps: isize) {
        let rows = self.statistics_rows();
        self.statistics.step(steps, rows);
    }

    /// Chooses the row that is drawn at `y`; the one that is chosen already is listed.
    pub(super) fn choose_statistics_at(&mut self, page: Rect, y: u16) {
        let (tables, _) = Screen::statistics_areas(page);
        let inside = tables.y + 1..tables.bottom().saturating_sub(1);
        let line = self.statistics.first + usize::from(y.saturating_sub(inside.start));
        if !inside.contains(&y) || !self.statistics.entries.get(line).is_some_and(|entry| entry.is_row) {
            return;
        }
        if line == self.statistics.line {
            self.list_measure();
        } else {
            self.statistics.choose(line);
        }
    }

    /// Lines of the tables that are in view.
    pub(super) fn statistics_rows(&self) -> usize {
        let page = self.areas(self.whole()).page;
        page.map_or(0, |page| usize::from(Screen::statistics_areas(page).0.height.saturating_sub(FRAME)))
    }

    /// Lists what the chosen measure is of, the longest first.
    pub(super) fn list_measure(&mut self) {
        let Some(measure) = self.statistics.measure.clone() else { return };
        let (expr, order) = self.journeys_of(&measure);
        if let Order::Stage(stage) = order {
            self.stage = Some(stage);
        }
        self.filter = Some((expr.to_string(), expr));
        self.filter_changed();
        self.order_by(order);
        self.scroll = None;
        self.focus = Focus::List;
    }

    /// The filter that a measure's journeys fit, and the order that has the longest first.
    fn journeys_of(&self, measure: &Measure) -> (Expr, Order) {
        let is = |field, text: &str| {
            let value = Value::Text(text.to_lowercase().into());
            Expr::Compare { field, op: Op::Equal, value }
        };
        let on = |node| is(Field::Node, self.topology.node_name(node));
        let all = |mut parts: Vec<Expr>| if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) };
        match measure {
            Measure::Path(path, route) => {
                (all(vec![is(Field::Path, path), is(Field::Route, route)]), Order::Delay)
            }
            Measure::Chains(node, _) => (on(*node), Order::Delay),
            Measure::Proxy(key) => {
                let proxy = is(Field::Proxy, key.kind.name());
                (all(std::iter::once(proxy).chain(key.node.map(on)).collect()), Order::Delay)
            }
            Measure::Stage(key) => {
                let path = is(Field::Path, &key.path);
                (all(std::iter::once(path).chain(key.node.map(on)).collect()), Order::Stage(key.stage))
            }
        }
    }
}
