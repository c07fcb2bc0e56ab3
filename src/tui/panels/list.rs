//! The list of journeys, one a row, by themselves or in groups.
//!
//! ```text
//!  ▸ 12:03:20.002  pod→pod  cart ⇒ stock-7d9c  SYN ×3  ①②③④⑧⑨⑩✗      ✗ lost kappa2 host
//! ```

use ratatui::layout::Rect;

use crate::model::Journey;
use crate::timeline::headline::{
    Detail, duration_text, ends_line, exchange_text, is_bad, marks_line, path_name, verdict_mark,
};
use crate::timeline::listing::{Grouping, Order, Row};
use crate::timeline::units::time_of_day;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};
use crate::tui::paint::Canvas;
use crate::tui::panels::groups::{Figures, Shown};
use crate::tui::screen::{Focus, Screen};

/// Cells by which the journeys of a group stand further in.
const INDENT: usize = 2;

/// Widths of the columns, made from the width of the list alone, so that nothing moves when journeys come; 0 leaves
/// a column out.
#[derive(Clone, Copy, Debug)]
struct Columns {
    time: usize,
    path: usize,
    ends: usize,
    exchange: usize,
    marks: usize,
    duration: usize,
    verdict: usize,
}

impl Columns {
    fn new(width: usize) -> Columns {
        let mut columns =
            Columns { time: 12, path: 0, ends: 0, exchange: 0, marks: 0, duration: 8, verdict: 10 };
        if width >= 130 {
            (columns.path, columns.verdict) = (16, 24);
        }
        // The sign of choice, and two cells between columns.
        let gaps = 2 + 2 * if width >= 130 { 6 } else { 4 };
        let rest =
            width.saturating_sub(columns.time + columns.path + columns.duration + columns.verdict + gaps);
        if width >= 130 {
            columns.marks = rest / 3;
        }
        columns.exchange = (rest - columns.marks) / 3;
        columns.ends = rest - columns.marks - columns.exchange;
        if width < 60 {
            columns =
                Columns { time: 0, exchange: 0, duration: 0, ends: width.saturating_sub(14), ..columns };
        }
        columns
    }
}

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let manner = screen.manner;
    let (number, count) = screen.list.count();
    let mut right = Line::new();
    right.push(Tone::Dim, &format!("{number}/{count}"));
    let inner = canvas.frame(area, &title(screen), &right, screen.focus == Focus::List);
    let width = usize::from(inner.width);
    let grouping = screen.listing.grouping();
    let indent = if grouping == Grouping::None { 0 } else { INDENT };
    let (columns, figures) = (Columns::new(width - indent.min(width)), Figures::new(width));
    let head = match grouping {
        Grouping::None => head(columns, manner),
        Grouping::Path => figures.head(Word::Path, manner),
        Grouping::Ends => figures.head(Word::ClientToServer, manner),
    };
    canvas.line(inner, 0, 0, &head);
    let rows = Rect { y: inner.y + 1.min(inner.height), height: inner.height.saturating_sub(1), ..inner };
    if count == 0 {
        return draw_nothing(screen, rows, canvas);
    }
    for (index, row) in (0..rows.height).zip(screen.list.window(&screen.listing)) {
        let is_chosen = usize::from(index) == screen.list.row();
        let line = match row {
            Row::Journey(journey) => {
                // While the list is held still, there may be a newer revision than the one that is listed.
                let journey = screen.present(screen.store.get(journey.id).unwrap_or(journey));
                journey_row(screen, &journey, columns, is_chosen)
            }
            Row::Group { key, group, is_open } => {
                let name = key.line(&screen.context());
                figures.row(&Shown { name, group, is_open, is_chosen, nanos: screen.listed }, manner)
            }
        };
        canvas.line(rows, 0, index, &line);
        if is_chosen {
            let style = canvas.theme.chosen();
            canvas.shade(Rect { y: rows.y + index, height: 1, ..rows }, style);
        }
    }
}

/// `journeys  newest first  by path  held still  12 more since`.
fn title(screen: &Screen) -> Line {
    let (manner, listing) = (screen.manner, &screen.listing);
    let mut line = Line::new();
    line.push(Tone::Head, manner.word(Word::Journeys)).space(2);
    line.push(Tone::Dim, manner.word(order_word(listing.order())));
    if let Order::Stage(stage) = listing.order() {
        line.space(1).push(Tone::Dim, &manner.stage(stage));
    }
    match listing.grouping() {
        Grouping::None => {}
        Grouping::Path => _ = line.space(2).push(Tone::Dim, manner.word(Word::ByPath)),
        Grouping::Ends => _ = line.space(2).push(Tone::Dim, manner.word(Word::ByEnds)),
    }
    if let Some(more) = screen.held {
        line.space(2).push(Tone::Own, manner.word(Word::HeldStill));
        if more > 0 {
            line.space(1).push(Tone::Own, &format!("{more} {}", manner.word(Word::MoreCame)));
        }
    }
    line
}

const fn order_word(order: Order) -> Word {
    match order {
        Order::Start => Word::OldestFirst,
        Order::Newest => Word::NewestFirst,
        Order::Delay => Word::LongestFirst,
        Order::Errors => Word::ErrorsFirst,
        Order::Stage(_) => Word::LongestAt,
    }
}

fn draw_nothing(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let word = match (&screen.filter, screen.is_reading) {
        (_, true) => Word::Reading,
        (Some(_), false) => Word::NoneMatch,
        (None, false) => Word::NoJourneys,
    };
    let mut line = Line::new();
    line.space(2).push(Tone::Dim, screen.manner.word(word));
    canvas.line(area, 0, 0, &line);
}

fn head(columns: Columns, manner: Manner) -> Line {
    let mut line = Line::new();
    line.space(2);
    let mut text = |word: Word, width: usize| {
        if width > 0 {
            line.column(Tone::Head, manner.word(word), width, "").space(2);
        }
    };
    text(Word::Time, columns.time);
    text(Word::Path, columns.path);
    text(Word::ClientToServer, columns.ends);
    text(Word::Exchange, columns.exchange);
    text(Word::Stages, columns.marks);
    if columns.duration > 0 {
        line.number(Tone::Head, manner.word(Word::Duration), columns.duration).space(2);
    }
    line.column(Tone::Head, manner.word(Word::Verdict), columns.verdict, "");
    line
}

fn journey_row(screen: &Screen, journey: &Journey, columns: Columns, is_chosen: bool) -> Line {
    let (manner, context) = (screen.manner, screen.context());
    let ellipsis = manner.ellipsis();
    let text_tone = if is_bad(journey.verdict.outcome) { Tone::Bad } else { Tone::Plain };
    let mut line = Line::new();
    line.push(Tone::Accent, if is_chosen { manner.chosen() } else { " " });
    line.push(Tone::Accent, screen.sign(journey));
    if screen.listing.grouping() != Grouping::None {
        line.space(INDENT);
    }
    if columns.time > 0 {
        line.column(text_tone, &time_of_day(journey.started), columns.time, ellipsis).space(2);
    }
    if columns.path > 0 {
        line.column(Tone::Dim, &path_name(&journey.path, manner), columns.path, ellipsis).space(2);
    }
    let ends = fitting_ends(journey, &context, columns.ends);
    if screen.is_found(journey) {
        line.column(Tone::Found, ends.text(), columns.ends, ellipsis).space(2);
    } else {
        part(&mut line, &ends, columns.ends, ellipsis);
    }
    if columns.exchange > 0 {
        line.column(Tone::Plain, &exchange_text(&journey.trail, manner), columns.exchange, ellipsis).space(2);
    }
    if columns.marks > 0 {
        part(&mut line, &marks_line(journey, manner), columns.marks, ellipsis);
    }
    if columns.duration > 0 {
        line.number(Tone::Plain, &duration_text(journey, manner), columns.duration).space(2);
    }
    part(&mut line, &verdict_mark(journey, &context), columns.verdict, ellipsis);
    line
}

/// Client, target and server; without the target where they would not fit.
fn fitting_ends(journey: &Journey, context: &Context<'_>, width: usize) -> Line {
    let whole = ends_line(journey, context, Detail::Names);
    if whole.width() <= width { whole } else { ends_line(journey, context, Detail::Ends) }
}

/// A line of its own tones in a column.
fn part(line: &mut Line, part: &Line, width: usize, ellipsis: &str) {
    let end = line.width() + width;
    let mut cut = part.clone();
    cut.truncate(width, ellipsis);
    line.append(&cut).pad_to(end).space(2);
}
