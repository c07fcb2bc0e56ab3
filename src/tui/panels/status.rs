//! The line at the top: mode, position, counts, filter. Where it is narrow the less important parts go.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::model::{RecordingState, Role, StreamState};
use crate::timeline::interfaces::amount;
use crate::timeline::standing::stream_text;
use crate::timeline::units::{bytes, duration, time_of_day};
use crate::timeline::words::Word;
use crate::timeline::{Line, Manner, Tone};
use crate::tui::paint::Canvas;
use crate::tui::playback::Speed;
use crate::tui::screen::Screen;

const BAR: usize = 12;
/// Nodes that are named while they are away, and how important the first of them is.
const MOST_STREAMS: usize = 8;
const MOST_IMPORTANT_STREAM: u8 = 20;
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
    add(if screen.live.is_some() { u8::MAX } else { 6 }, Tone::Strong, "hopline");
    let (mode, tone) = mode(screen);
    add(0, tone, &mode);
    if screen.live.is_some() {
        parts.extend(tracing_part(screen));
        parts.extend(live_parts(screen));
        parts.extend(filter_part(screen));
        return parts;
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
    parts.extend(filter_part(screen));
    parts
}

/// While packets are traced in the kernel this stays longest.
fn tracing_part(screen: &Screen) -> Option<(u8, Line)> {
    let mut line = Line::new();
    line.push(Tone::Own, &screen.tracing_shown()?);
    Some((0, line))
}

fn filter_part(screen: &Screen) -> Option<(u8, Line)> {
    let (text, _) = screen.filter.as_ref()?;
    let mut filter = Line::new();
    filter.push(Tone::Accent, screen.manner.word(Word::Filter)).push(Tone::Accent, ": ");
    filter.fitted(Tone::Accent, text, FILTER, screen.manner.ellipsis());
    Some((2, filter))
}

/// What is said while packets are captured: what was lost, what is written and what went wrong stay longest.
fn live_parts(screen: &Screen) -> Vec<(u8, Line)> {
    let Some(live) = &screen.live else { return Vec::new() };
    let manner = screen.manner;
    let mut parts = Vec::new();
    let mut add = |importance: u8, tone: Tone, text: &str| {
        let mut line = Line::new();
        line.push(tone, &manner.text(text));
        parts.push((importance, line));
    };
    if let Some(recording) = &live.recording {
        let (text, tone) = recording_text(recording, manner);
        add(4, tone, &text);
    }
    let streams = live.streams();
    if !streams.is_empty() {
        let away: Vec<_> = streams.iter().filter(|stream| stream.state != StreamState::Flowing).collect();
        let text = format!("{} {}/{}", manner.word(Word::Streams), streams.len() - away.len(), streams.len());
        add(6, if away.is_empty() { Tone::Good } else { Tone::Bad }, &text);
        // Of many the first; the notices have all.
        for (place, stream) in away.iter().take(MOST_STREAMS).enumerate() {
            let (text, tone) = stream_text(stream, manner);
            add(MOST_IMPORTANT_STREAM + place as u8, tone, &text);
        }
    }
    add(12, Tone::Dim, &interfaces_text(screen));
    if let Some(rate) = screen.rates.total() {
        let rate = format!("{} {}", amount(rate.packets.round() as u64), manner.word(Word::PacketRate));
        add(11, Tone::Plain, &rate);
    }
    let lost: u64 = screen.sources.iter().filter_map(|source| source.dropped).sum();
    let counted = |word: Word, count: u64| format!("{} {}", manner.word(word), amount(count));
    add(3, if lost > 0 { Tone::Bad } else { Tone::Dim }, &counted(Word::LostPackets, lost));
    let evicted = screen.closed_early + screen.store.evicted();
    if evicted > 0 {
        add(7, Tone::Bad, &counted(Word::Evicted, evicted));
    }
    let damaged: u64 = screen.sources.iter().map(|source| source.damaged).sum();
    if damaged > 0 {
        add(8, Tone::Bad, &counted(Word::Damaged, damaged));
    }
    add(10, Tone::Plain, &format!("{} {}", manner.word(Word::Journeys), screen.tally.journeys));
    let bad = format!("{} {}", manner.cross(), screen.tally.bad);
    add(1, if screen.tally.bad > 0 { Tone::Bad } else { Tone::Dim }, &bad);
    if live.unread > 0 {
        add(5, Tone::Bad, &format!("! {}", live.unread));
    }
    if screen.playback.range().is_some() {
        add(9, Tone::Plain, &format!("{} UTC", time_of_day(screen.playback.position())));
    }
    parts
}

/// `● 14.2 kB`, or what hinders it.
fn recording_text(recording: &RecordingState, manner: Manner) -> (String, Tone) {
    let sign = if manner.is_ascii() { "rec" } else { "⏺" };
    if recording.is_stuck {
        return (format!("{sign} {}", manner.word(Word::Stuck)), Tone::Bad);
    }
    let tone = if recording.lost > 0 { Tone::Bad } else { Tone::Accent };
    (format!("{sign} {}", bytes(recording.bytes)), tone)
}

/// `bond1 pod×14`: uplinks by name, what leads to pods by count.
fn interfaces_text(screen: &Screen) -> String {
    let there = screen.sources.iter().flat_map(|source| &source.interfaces).filter(|it| it.gone.is_none());
    let mut pods = 0;
    let mut uplinks: Vec<&str> = Vec::new();
    for vantage in there.filter_map(|it| screen.topology.vantages.get(usize::from(it.vantage.0))) {
        match vantage.role {
            Role::Workload => pods += 1,
            Role::Uplink if !uplinks.contains(&vantage.interface.as_str()) => {
                uplinks.push(&vantage.interface);
            }
            _ => {}
        }
    }
    let pods = format!("{}{}{pods}", screen.manner.word(Word::WorkloadRole), screen.manner.times());
    uplinks.into_iter().take(2).chain([pods.as_str()]).collect::<Vec<_>>().join(" ")
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
    if let Some(live) = screen.live.as_ref().filter(|_| screen.is_reading && screen.playback.is_at_end()) {
        let text = format!("{} {} {}", sign("●", "*"), manner.word(Word::Live), live.node);
        return (manner.text(text).into_owned(), Tone::Good);
    }
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
