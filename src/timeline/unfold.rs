//! What lies behind a row of the timeline: the handshake, the packets of a stage with their retransmissions, the
//! rest of the exchange.

use crate::model::{Journey, Sighting, Stage, State, Timestamp, Visit, Way};
use crate::timeline::packets::{Row, aligned, row_of};
use crate::timeline::units::duration;
use crate::timeline::waterfall::{Waterfall, last_seen, origin};
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Tone};

/// A row of the timeline, by a name that it keeps while others come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fold {
    /// What came before the packet that is followed.
    Lead,
    /// A stage, and which of its visits.
    Visit(Stage, usize),
    /// What came after it.
    Tail,
}

/// A packet behind a row, and how it is drawn there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub sighting: Sighting,
    pub line: Line,
}

/// The names of a waterfall's rows, in their order. `journey` is what the waterfall was made of.
pub fn folds(journey: &Journey, waterfall: &Waterfall<'_>, shows_skipped: bool) -> Vec<Fold> {
    let lead = waterfall.lead.iter().map(|_| Fold::Lead);
    let tail = waterfall.tail.iter().map(|_| Fold::Tail);
    let is_shown = |visit: &Visit| shows_skipped || !matches!(visit.state, State::Skipped);
    let visits = named(journey).filter(|(_, visit)| is_shown(visit)).map(|(fold, _)| fold);
    lead.chain(visits).chain(tail).collect()
}

fn named(journey: &Journey) -> impl Iterator<Item = (Fold, &Visit)> {
    journey.visits().enumerate().map(|(index, visit)| {
        let before = journey.visits().take(index).filter(|it| it.stage == visit.stage).count();
        (Fold::Visit(visit.stage, before), visit)
    })
}

/// The packets behind a row, each with its line of at most `width` cells.
pub fn packets(journey: &Journey, fold: Fold, context: &Context<'_>, width: usize) -> Vec<Packet> {
    let trail = &journey.trail;
    let (first, last) = followed(journey);
    let is_wanted: Box<dyn Fn(&Sighting) -> bool> = match fold {
        Fold::Lead => Box::new(|it| aligned(it, context) < first),
        Fold::Tail => Box::new(|it| aligned(it, context) > last),
        Fold::Visit(..) => {
            let Some((_, visit)) = named(journey).find(|&(name, _)| name == fold) else { return Vec::new() };
            match visit.sighting.and_then(|index| trail.sightings.get(index as usize)) {
                Some(seen) => {
                    // Between a lookup and the request lies the handshake, which no row of its own is for.
                    let is_first = journey.visits().find(|it| it.sighting.is_some()) == Some(visit);
                    let start = aligned(seen, context);
                    Box::new(move |it| {
                        let time = aligned(it, context);
                        is_same_packet(seen, it) || is_first && (first..start).contains(&time)
                    })
                }
                None => return looked_up(journey, visit, context, width),
            }
        }
    };
    let mut found: Vec<(Timestamp, usize)> = trail
        .sightings
        .iter()
        .enumerate()
        .filter(|(_, sighting)| is_wanted(sighting))
        .map(|(index, sighting)| (aligned(sighting, context), index))
        .collect();
    found.sort_unstable();
    let rows = found.into_iter().filter_map(|(_, index)| row_of(journey, index, context));
    rows.map(|row| Packet { sighting: row.sighting, line: line(&row, context, width) }).collect()
}

/// What is told of a row that no packets are behind.
pub fn nothing(context: &Context<'_>, width: usize) -> Line {
    let mut line = indented(context);
    line.push(Tone::Faint, context.manner.word(Word::NoPacketHere));
    line.truncate(width, context.manner.ellipsis());
    line
}

/// The first and the last time that is followed.
fn followed(journey: &Journey) -> (Timestamp, Timestamp) {
    (origin(journey), last_seen(journey).unwrap_or(journey.ended))
}

/// The same bytes at the same place, the first time or again.
fn is_same_packet(one: &Sighting, other: &Sighting) -> bool {
    let of = |it: &Sighting| (it.vantage, it.direction, it.way, it.leg, it.part, it.seq);
    of(one) == of(other)
}

/// The lookup's query or answer, which is of another exchange.
fn looked_up(journey: &Journey, visit: &Visit, context: &Context<'_>, width: usize) -> Vec<Packet> {
    let (Some(lookup), State::Seen { time }) = (&journey.trail.resolution, visit.state) else {
        return Vec::new();
    };
    // What the client has in mind has no capture point.
    let of_visit = |it: &&Sighting| {
        Some(it.vantage) == visit.vantage
            && Some(it.direction) == visit.direction
            && aligned(it, context) == time
    };
    let both = [lookup.query, lookup.answer];
    let found = both.iter().find(of_visit);
    let told = |sighting: &Sighting| {
        let tone = if sighting.way == Way::Request { Tone::Request } else { Tone::Reply };
        let mut line = indented(context);
        line.push(tone, "DNS").space(2).push(Tone::Plain, &lookup.name).space(2);
        line.push(Tone::Dim, "len ").push(Tone::Plain, &sighting.len.to_string());
        line.truncate(width, context.manner.ellipsis());
        Packet { sighting: *sighting, line }
    };
    found.map(told).into_iter().collect()
}

fn indented(context: &Context<'_>) -> Line {
    let mut line = Line::new();
    line.space(5).push(Tone::Faint, if context.manner.is_ascii() { "`- " } else { "└ " });
    line
}

/// `└ PSH ACK  seq 0  ack 128  len 128  ttl 62  again  +1.01 s  kappa1 bond1 out`.
fn line(row: &Row, context: &Context<'_>, width: usize) -> Line {
    let manner = context.manner;
    let mut line = indented(context);
    line.column(row.tone, &row.what, 8, manner.ellipsis()).space(1);
    line.number(Tone::Plain, &signed(row.at, context), 10).space(2);
    let numbers = [
        ("seq", row.seq.clone()),
        ("ack", row.ack.clone()),
        ("len", row.len.to_string()),
        ("ttl", row.ttl.to_string()),
    ];
    for (name, value) in numbers.iter().filter(|(_, value)| !value.is_empty()) {
        line.push(Tone::Dim, name).space(1).push(Tone::Plain, value).space(2);
    }
    if row.is_repeat {
        line.push(Tone::Bad, manner.word(Word::Repeat)).space(2);
    }
    line.push(Tone::Dim, &format!("{} {} {}", row.node, row.interface, row.direction));
    line.truncate(width, manner.ellipsis());
    line
}

fn signed(nanos: i64, context: &Context<'_>) -> String {
    let text = duration(nanos, context.manner);
    if nanos > 0 { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MILLIS, Part};
    use crate::timeline::{Manner, sample, with_points};

    fn unfolded(journey: &Journey, context: &Context<'_>, width: usize) -> String {
        let whole = with_points(journey, context);
        let waterfall = Waterfall::new(&whole, context, false);
        let (_, rows) = waterfall.lines(context, width, 0);
        let folds = folds(&whole, &waterfall, false);
        assert_eq!(folds.len(), rows.len());
        let mut out = String::new();
        for (row, fold) in rows.iter().zip(folds) {
            out += row.text().trim_end();
            out.push('\n');
            let packets = packets(&whole, fold, context, width);
            if packets.is_empty() {
                out += nothing(context, width).text();
                out.push('\n');
            }
            for packet in packets {
                assert!(packet.line.width() <= width);
                out += packet.line.text();
                out.push('\n');
            }
        }
        out
    }

    #[test]
    fn rows_unfold_into_their_packets() {
        sample::with_context(Manner::default(), |context| {
            let mut with_handshake = sample::same_node(1, sample::START.plus(MILLIS));
            let early = with_handshake.trail.sightings[0];
            let trail = std::sync::Arc::make_mut(&mut with_handshake.trail);
            let earlier = |nanos: i64| early.time.plus(-nanos);
            trail
                .sightings
                .insert(0, Sighting { time: earlier(400_000), part: Part::Handshake, flags: 2, ..early });
            for visit in with_handshake.request.iter_mut().chain(&mut with_handshake.reply) {
                visit.sighting = visit.sighting.map(|index| index + 1);
            }
            with_handshake.started = earlier(400_000);
            let all = [with_handshake, sample::lost(2, sample::START), sample::other_node(3, sample::START)];
            let drawn: Vec<String> = all.iter().map(|journey| unfolded(journey, context, 110)).collect();
            insta::assert_snapshot!("unfolded", drawn.join("\n"));
        });
    }

    #[test]
    fn every_stage_of_the_same_number_has_a_name_of_its_own() {
        sample::with_context(Manner::ascii(), |context| {
            for journey in sample::proxies::all() {
                let whole = with_points(&journey, context);
                let mut folds = folds(&whole, &Waterfall::new(&whole, context, true), true);
                let count = folds.len();
                folds.sort_unstable();
                folds.dedup();
                assert_eq!(folds.len(), count);
                assert!(unfolded(&journey, context, 60).is_ascii());
            }
        });
    }
}
