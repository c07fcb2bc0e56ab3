//! The chosen journey: its head, its timeline, ladder, packets or evidence, and the verdict below.

use ratatui::layout::Rect;

use crate::model::Journey;
use crate::timeline::headline::{
    Detail, duration_text, ends_line, exchange_text, path_name, verdict_line, verdict_mark,
};
use crate::timeline::words::Word;
use crate::timeline::{Ladder, Line, Map, Tone, Waterfall, evidence, packets, with_points};
use crate::tui::inspect::Target;
use crate::tui::paint::Canvas;
use crate::tui::screen::{Body, Focus, Screen};

/// Lines that the verdict may take.
const MOST_VERDICT: usize = 3;

/// What is shown of a journey at a certain width.
pub(in crate::tui) struct Content {
    /// These stay in place while the rows are scrolled.
    pub(in crate::tui) head: Vec<Line>,
    pub(in crate::tui) rows: Vec<Line>,
    /// A row that must be in view as long as nobody scrolls: where the journey stopped.
    stop: Option<usize>,
    pub(in crate::tui) verdict: Vec<Line>,
    /// What each row opens into; none where rows cannot be chosen.
    targets: Vec<Option<Target>>,
}

impl Content {
    /// Rows shown at once inside a panel of `height`; the verdict takes the last lines.
    pub(in crate::tui) fn rows_in(&self, height: u16) -> usize {
        usize::from(height).saturating_sub(self.head.len() + self.verdict.len())
    }

    /// The first row shown.
    pub(in crate::tui) fn first(&self, scroll: Option<usize>, rows: usize) -> usize {
        let wanted = scroll.unwrap_or_else(|| self.stop.map_or(0, |stop| (stop + 2).saturating_sub(rows)));
        wanted.min(self.rows.len().saturating_sub(rows))
    }

    /// Whether rows can be chosen and opened.
    pub(in crate::tui) fn has_rows_to_open(&self) -> bool {
        !self.targets.is_empty()
    }

    /// The chosen row: where nobody chose one, that where the journey stopped, else the first.
    pub(in crate::tui) fn cursor(&self, chosen: Option<usize>) -> usize {
        chosen.or(self.stop).unwrap_or(0).min(self.rows.len().saturating_sub(1))
    }

    /// The last of the rows that the one at `row` opened.
    pub(in crate::tui) fn last_of(&self, row: usize) -> usize {
        let is_of_row = |target: &&Option<Target>| !matches!(target, Some(Target::Fold(_)));
        row + self.targets.iter().skip(row + 1).take_while(is_of_row).count()
    }

    /// What the chosen row opens into.
    pub(in crate::tui) fn target(&self, chosen: Option<usize>) -> Option<Target> {
        self.targets.get(self.cursor(chosen)).copied().flatten()
    }
}

impl Screen {
    /// What is shown of `journey`.
    fn body_of(&self, journey: &Journey) -> Body {
        let has_stages = journey.visits().next().is_some();
        match self.body {
            // Another journey was chosen meanwhile.
            Body::Packet if !self.has_opened(journey) => Body::Waterfall,
            body @ (Body::Evidence | Body::Comparison | Body::Packet) => body,
            body if has_stages => body,
            // What fits no path has no stages; its sightings are shown instead.
            _ => Body::Packets,
        }
    }

    pub(in crate::tui) fn journey_content(&self, journey: &Journey, width: usize) -> Content {
        let context = self.context();
        let mut verdict = Line::new();
        verdict.space(1).append(&verdict_line(journey, &context));
        let body = self.body_of(journey);
        let mut targets = Vec::new();
        let (head, rows, stop) = match body {
            Body::Waterfall => {
                let whole = with_points(journey, &context);
                let waterfall = Waterfall::new(&whole, &context, self.shows_skipped).aged(&whole, self.now());
                if waterfall.hidden > 0 {
                    let hidden = format!("{} {}", waterfall.hidden, self.manner.word(Word::SkippedHidden));
                    verdict.space(2).push(Tone::Faint, &hidden);
                }
                let (head, rows) = waterfall.lines(&context, width, self.beat);
                let (rows, opened) = self.unfolded(&whole, &waterfall, rows, width);
                targets = opened;
                let stop = waterfall.stop().and_then(|at| nth_fold(&targets, at));
                (vec![head], rows, stop)
            }
            Body::Ladder => {
                let ladder = Ladder::new(journey, &context);
                let (head, rows) = ladder.lines(journey, &context, width);
                (head, rows, ladder.stop())
            }
            Body::Map => {
                let map = Map::new(journey, &context, self.now());
                (Vec::new(), map.lines(&context, width), map.stop(width))
            }
            Body::Packets => {
                let (head, rows) = packets::lines(journey, &context, width);
                let sightings = packets::rows(journey, &context).into_iter().map(|row| row.sighting);
                targets = sightings.map(|sighting| Some(Target::Packet(sighting))).collect();
                (vec![head], rows, None)
            }
            Body::Comparison => {
                let (head, rows, largest, sentence) = self.comparison_lines(journey, width);
                verdict = Line::new();
                verdict.space(1).append(&sentence);
                (head, rows, largest)
            }
            Body::Packet => {
                let (head, rows) = self.packet_lines(journey, width);
                (head, rows, None)
            }
            Body::Evidence => (Vec::new(), evidence::lines(journey, &context, width), None),
        };
        let mut verdict = verdict.wrapped(width, 1);
        verdict.truncate(MOST_VERDICT);
        targets.resize(if targets.is_empty() { 0 } else { rows.len() }, None);
        Content { head, rows, stop, verdict, targets }
    }
}

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let is_active = screen.focus == Focus::Journey;
    let Some(journey) = screen.chosen() else {
        canvas.frame(area, &Line::new(), &Line::new(), is_active);
        return;
    };
    let inner = canvas.frame(area, &title(screen, &journey), &result(screen, &journey), is_active);
    let content = screen.journey_content(&journey, usize::from(inner.width));
    canvas.lines(inner, &content.head, 0);
    let head = content.head.len() as u16;
    let rows = content.rows_in(inner.height);
    let body = Rect { y: inner.y + head.min(inner.height), height: rows as u16, ..inner };
    let first = content.first(screen.scroll, rows);
    canvas.lines(body, &content.rows, first);
    if is_active && content.has_rows_to_open() {
        draw_cursor(&content, screen.cursor, first, body, canvas);
    }
    let foot = Rect { y: body.bottom(), height: inner.bottom().saturating_sub(body.bottom()), ..inner };
    canvas.lines(foot, &content.verdict, 0);
    if foot.height > 0 {
        let last = Rect { y: foot.bottom() - 1, height: 1, ..foot };
        draw_more(screen, &content, first, rows, last, canvas);
    }
}

/// The chosen row.
fn draw_cursor(content: &Content, chosen: Option<usize>, first: usize, body: Rect, canvas: &mut Canvas<'_>) {
    let Some(row) = content.cursor(chosen).checked_sub(first).and_then(|row| u16::try_from(row).ok()) else {
        return;
    };
    if row < body.height {
        let style = canvas.theme.chosen();
        canvas.shade(Rect { y: body.y + row, height: 1, ..body }, style);
    }
}

/// The row of the fold `at`, when others are unfolded before it.
fn nth_fold(targets: &[Option<Target>], at: usize) -> Option<usize> {
    let folds = targets.iter().enumerate().filter(|(_, target)| matches!(target, Some(Target::Fold(_))));
    folds.map(|(row, _)| row).nth(at)
}

/// How much there is above and below, where not all is in view.
fn draw_more(
    screen: &Screen,
    content: &Content,
    first: usize,
    rows: usize,
    foot: Rect,
    canvas: &mut Canvas<'_>,
) {
    let below = content.rows.len().saturating_sub(first + rows);
    if first == 0 && below == 0 {
        return;
    }
    let (up, down) = if screen.manner.is_ascii() { ("^", "v") } else { ("↑", "↓") };
    let mut more = Line::new();
    more.space(1).push(Tone::Accent, &format!("{up}{first} {down}{below}")).space(1);
    canvas.line(foot, foot.width.saturating_sub(more.width() as u16), 0, &more);
}

/// `timeline  pod→service · other-node  cart … → … ⇒ …  GET /r/17  200`.
fn title(screen: &Screen, journey: &Journey) -> Line {
    let manner = screen.manner;
    let mut line = Line::new();
    let body = manner.word(match screen.body_of(journey) {
        Body::Waterfall => Word::Waterfall,
        Body::Ladder => Word::Ladder,
        Body::Map => Word::Map,
        Body::Packets => Word::Packets,
        Body::Evidence => Word::Evidence,
        Body::Comparison => Word::Comparison,
        Body::Packet => Word::Packet,
    });
    let detail = if screen.is_wide() { Detail::Addresses } else { Detail::Names };
    line.push(Tone::Head, body).space(2).push(Tone::Strong, &path_name(&journey.path, manner));
    line.space(1).push(Tone::Dim, manner.dot()).space(1).push(Tone::Plain, &journey.route).space(2);
    line.append(&ends_line(journey, &screen.context(), detail)).space(2);
    line.push(Tone::Plain, &exchange_text(&journey.trail, manner));
    line
}

fn result(screen: &Screen, journey: &Journey) -> Line {
    let mut line = Line::new();
    let took = duration_text(journey, screen.manner);
    if !took.is_empty() {
        line.push(Tone::Strong, &took).space(1);
    }
    let mark = verdict_mark(journey, &screen.context());
    if screen.is_wide() || mark.width() < 4 {
        line.append(&mark);
    } else {
        line.push(Tone::Bad, screen.manner.cross());
    }
    line
}
