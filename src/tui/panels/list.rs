//! The list of journeys, one a row, by themselves or in groups.
//!
//! ```text
//!  ▸ 12:03:20.002  pod→pod  cart ⇒ stock-7d9c  SYN ×3  ①②③④⑧⑨⑩✗      ✗ lost kappa2 host
//! ```

use ratatui::layout::Rect;

use crate::model::Journey;
use crate::timeline::headline::{
    Detail, duration_text, ends_line, exchange_text, is_bad, marks_line, path_name, verdict_mark,
    verdict_text,
};
use crate::timeline::listing::{Grouping, Order, Row};
use crate::timeline::units::time_of_day;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};
use crate::tui::columns::{self, Column};
use crate::tui::paint::Canvas;
use crate::tui::panels::groups::{Figures, Shown};
use crate::tui::screen::{Focus, Screen};

/// Cells by which the journeys of a group stand further in.
const INDENT: usize = 2;

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let manner = screen.manner;
    let (number, count) = screen.list.count();
    let mut right = Line::new();
    right.push(Tone::Dim, &format!("{number}/{count}"));
    let inner = canvas.frame(area, &title(screen), &right, screen.focus == Focus::List);
    let width = usize::from(inner.width);
    let grouping = screen.listing.grouping();
    let indent = if grouping == Grouping::None { 0 } else { INDENT };
    let columns = columns::laid(&screen.look.columns, width - indent.min(width));
    let figures = Figures::new(width);
    let head = match grouping {
        Grouping::None => head(&columns, manner),
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
                journey_row(screen, &journey, &columns, is_chosen)
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

fn head(columns: &[(Column, usize)], manner: Manner) -> Line {
    let mut line = Line::new();
    for &(column, width) in columns {
        line.space(2);
        if column == Column::Duration {
            line.number(Tone::Head, manner.word(column.word()), width);
        } else {
            line.column(Tone::Head, manner.word(column.word()), width, "");
        }
    }
    line
}

fn journey_row(screen: &Screen, journey: &Journey, columns: &[(Column, usize)], is_chosen: bool) -> Line {
    let mut line = Line::new();
    line.push(Tone::Accent, if is_chosen { screen.manner.chosen() } else { " " });
    line.push(Tone::Accent, screen.sign(journey));
    if screen.listing.grouping() != Grouping::None {
        line.space(INDENT);
    }
    for (index, &(column, width)) in columns.iter().enumerate() {
        // The two signs are what stands before the first.
        line.space(if index == 0 { 0 } else { 2 });
        cell(screen, journey, column, width, &mut line);
    }
    line
}

fn cell(screen: &Screen, journey: &Journey, column: Column, width: usize, line: &mut Line) {
    let (manner, context) = (screen.manner, screen.context());
    let ellipsis = manner.ellipsis();
    let text_tone = if is_bad(journey.verdict.outcome) { Tone::Bad } else { Tone::Plain };
    match column {
        Column::Time => _ = line.column(text_tone, &time_of_day(journey.started), width, ellipsis),
        Column::Path => _ = line.column(Tone::Dim, &path_name(&journey.path, manner), width, ellipsis),
        Column::Route => _ = line.column(Tone::Dim, &journey.route, width, ellipsis),
        Column::Ends => {
            let ends = fitting_ends(journey, &context, width);
            if screen.is_found(journey) {
                line.column(Tone::Found, ends.text(), width, ellipsis);
            } else {
                part(line, &ends, width, ellipsis);
            }
        }
        Column::Exchange => {
            line.column(Tone::Plain, &exchange_text(&journey.trail, manner), width, ellipsis);
        }
        Column::Stages => part(line, &marks_line(journey, manner), width, ellipsis),
        Column::Duration => _ = line.number(Tone::Plain, &duration_text(journey, manner), width),
        Column::Verdict => part(line, &verdict_mark(journey, &context), width, ellipsis),
        Column::Detail => {
            _ = line.column(Tone::Plain, &verdict_text(&journey.verdict, manner), width, ellipsis);
        }
    }
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
    line.append(&cut).pad_to(end);
}
