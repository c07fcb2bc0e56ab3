//! The report as a picture: the lines of the text report, drawn, for light and for dark.
//!
//! A picture says how high it is where it begins. So its beginning is made last, and the journeys of a part are drawn
//! from the part's own first row and moved down when the parts are joined.

use std::fmt::Write as _;

use crate::model::{Journey, SourceSummary};
use crate::report::{Part, Totals};
use crate::timeline::markup::TONES;
use crate::timeline::sheet::Sheet;
use crate::timeline::{Context, Line, Statistics, svg, tables};

/// Cells that a line may take.
const WIDTH: usize = 140;

/// The picture's beginning, once its journeys are drawn: what was read.
pub fn head(whole: &Part, sources: &[SourceSummary], context: &Context<'_>) -> Vec<u8> {
    let lines = tables::sources(sources, context, WIDTH);
    let rows = lines.len() + whole.totals.rows + statistics(&whole.statistics, context).len();
    let mut out = String::new();
    svg::open(&mut out, WIDTH, rows, TONES, "class=\"ground\"");
    draw(&mut out, 0, &lines);
    move_down(&mut out, lines.len());
    out.into_bytes()
}

/// Draws one more journey below those of `part`.
pub fn journey(part: &mut Part, id: u64, journey: &Journey, context: &Context<'_>, is_whole: bool) {
    let mut lines = vec![Line::new()];
    lines.extend(Sheet { number: Some(id), journey, is_whole }.lines(context, WIDTH));
    let mut out = String::with_capacity(lines.len() * 2048);
    draw(&mut out, part.totals.rows, &lines);
    part.bytes.extend_from_slice(out.as_bytes());
    part.totals.rows += lines.len();
}

/// What stands before a part, below what is drawn by then.
pub fn join(before: Totals) -> Vec<u8> {
    let mut out = String::new();
    if before.journeys > 0 {
        out.push_str("</g>\n");
    }
    move_down(&mut out, before.rows);
    out.into_bytes()
}

/// The picture's end: the statistics.
pub fn tail(whole: &Part, context: &Context<'_>) -> Vec<u8> {
    let mut out = String::new();
    if whole.totals.journeys > 0 {
        out.push_str("</g>\n");
    }
    draw(&mut out, whole.totals.rows, &statistics(&whole.statistics, context));
    out.push_str("</g>\n");
    svg::close(&mut out);
    out.into_bytes()
}

fn statistics(statistics: &Statistics, context: &Context<'_>) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    lines.extend(tables::statistics(statistics, context, WIDTH));
    lines
}

fn draw(out: &mut String, first: usize, lines: &[Line]) {
    for (row, line) in (first..).zip(lines) {
        svg::line(out, row, line);
    }
}

fn move_down(out: &mut String, rows: usize) {
    let _ = writeln!(out, "<g transform=\"translate(0 {})\">", svg::offset(rows));
}
