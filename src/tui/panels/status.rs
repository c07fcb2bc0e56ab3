//! The line at the top: mode, position, counts, filter. Where it is narrow the less important parts go.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::timeline::units::{duration, time_of_day};
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::paint::Canvas;
use crate::tui::playback::Speed;
use crate::tui::screen::Screen;

const BAR: usize = 12;
/// Cells between parts.
const GAP: usize = 2;
/// Cells that a filter may take.
const FILTER: usize = 36;

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let width = usize::from(area.width);
    let mut line = Line::new();
    for (_, part) in fitting(parts(screen), width) {
        line.space(if line.width() == 0 { 1 } else { GAP }).append(&part);
    }
    line.truncate(width, screen.manner.ellipsis());
    canvas.line(area, 0, 0, &line);
}

/// The parts that fit, the most important first, in the order they stand in.
fn fitting(mut parts: Vec<(u8, Line)>, width: usize) -> Vec<(u8, Line)> {
    while parts.iter().map(|(_, part)| part.width() + GAP).sum::<usize>() > width + GAP - 1 && parts.len() > 1
    {
        let least = parts.iter().map(|&(importance, _)| importance).max();
        parts.retain(|&(importance, _)| Some(importance) != least);
    }
    parts
}

/// Each part with its importance: 0 stays longest, and no two are equal.
fn parts(screen: &Screen) -> Vec<(u8, Line)> {
    let manner = screen.manner;
    let mut parts = Vec::new();
    let mut add = |importance: u8, tone: Tone, text: &str| {
        let mut line = Line::new();
        line.push(tone, text);
        parts.push((importance, line));
    };
    add(6, Tone::Strong, "hopline");
    let (mode, tone) = mode(screen);
    add(0, tone, &mode);
    if let Some(tracing) = screen.tracing_shown() {
        add(1, Tone::Own, &tracing);
    }
    if screen.playback.range().is_some() {
        add(4, Tone::Plain, &format!("{} UTC", time_of_day(screen.playback.position())));
        add(7, Tone::Accent, &progress(screen));
    }
    let counted = |word: Word, count: u64| format!("{} {count}", manner.word(word));
    let packets: u64 = screen.sources.iter().map(|source| source.packets).sum();
    if packets > 0 {
        add(8, Tone::Plain, &counted(Word::Packets, packets));
    }
    add(5, Tone::Plain, &counted(Word::Journeys, screen.tally.journeys as u64));
    let bad = format!("{} {}", manner.cross(), screen.tally.bad);
    add(2, if screen.tally.bad > 0 { Tone::Bad } else { Tone::Dim }, &bad);
    let damaged: u64 = screen.sources.iter().map(|source| source.damaged).sum();
    let dropped: u64 = screen.sources.iter().filter_map(|source| source.dropped).sum();
    for (importance, word, count) in [
        (5, Word::Damaged, damaged),
        (9, Word::Dropped, dropped),
        (10, Word::Evicted, screen.store.evicted()),
    ] {
        if count > 0 {
            add(importance, Tone::Bad, &counted(word, count));
        }
    }
    if let Some((text, _)) = &screen.filter {
        let mut filter = Line::new();
        filter.push(Tone::Accent, manner.word(Word::Filter)).push(Tone::Accent, ": ");
        filter.fitted(Tone::Accent, text, FILTER, manner.ellipsis());
        parts.push((3, filter));
    }
    parts
}

/// `‖ frozen -12.4 s  34 newer`: how far back, and what came since.
fn frozen(screen: &Screen) -> String {
    let manner = screen.manner;
    let mut text = format!("{} {}", if manner.is_ascii() { "||" } else { "‖" }, manner.word(Word::Frozen));
    if !screen.playback.is_at_end() {
        let newer = screen.store.len().saturating_sub(screen.tally.journeys);
        let _ = write!(
            text,
            " -{}  {newer} {}",
            duration(screen.playback.behind(), manner),
            manner.word(Word::Newer)
        );
    }
    text
}

/// `► replay 10×`, `‖ paused`, `■ end`.
fn mode(screen: &Screen) -> (String, Tone) {
    let manner = screen.manner;
    if screen.playback.is_paused() && screen.playback.speed() == Speed::Max {
        return (frozen(screen), Tone::Own);
    }
    let sign = |drawn: &'static str, ascii: &'static str| if manner.is_ascii() { ascii } else { drawn };
    let speed = match screen.playback.speed() {
        Speed::Max => manner.word(Word::MaxSpeed).to_owned(),
        Speed::Times(times) => format!("{times}{}", manner.times()),
    };
    let (sign, word, tone) = if screen.playback.is_paused() {
        (sign("‖", "||"), Word::Paused, Tone::Own)
    } else if !screen.playback.is_at_end() {
        (sign("►", ">"), Word::Replay, Tone::Good)
    } else if screen.is_reading {
        (sign("►", ">"), Word::Reading, Tone::Accent)
    } else {
        (sign("■", "#"), Word::Ended, Tone::Dim)
    };
    (format!("{sign} {} {speed}", manner.word(word)), tone)
}

/// `████░░░░░░░░ 33 %`.
fn progress(screen: &Screen) -> String {
    let share = screen.playback.progress();
    let full = ((share * BAR as f64) as usize).min(BAR);
    let (done, open) = if screen.manner.is_ascii() { ("#", ".") } else { ("█", "░") };
    format!("{}{} {:>3} %", done.repeat(full), open.repeat(BAR - full), (share * 100.0) as u8)
}
