//! Every sighting of a journey's trail as a row: what was captured, where, and under which addresses.

use std::fmt::Write as _;

use crate::model::{Journey, Part, Protocol, Sighting, Timestamp, Trail, Tuple, Way};
use crate::timeline::line::text_width;
use crate::timeline::units::Unit;
use crate::timeline::waterfall::origin;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};

/// A sighting, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of the trail, or of the lookup before it.
    pub sighting: Sighting,
    /// The stage it is followed for, where it is.
    pub stage: String,
    /// Which leg it is of, from 1, where there are several.
    pub leg: String,
    /// Nanoseconds from the journey's [`origin`], on the reference clock.
    pub at: i64,
    pub node: String,
    pub interface: String,
    pub direction: &'static str,
    /// The 5-tuple the packet carried here.
    pub addresses: String,
    pub what: String,
    /// Relative to the first byte of its way, where that is known.
    pub seq: String,
    pub ack: String,
    pub len: u32,
    pub ttl: u8,
    pub is_repeat: bool,
    pub tone: Tone,
}

/// The rows in the order of their aligned times.
pub fn rows(journey: &Journey, context: &Context<'_>) -> Vec<Row> {
    let trail = &journey.trail;
    let mut order: Vec<(Timestamp, usize)> = trail
        .sightings
        .iter()
        .enumerate()
        .map(|(index, sighting)| (aligned(sighting, context), index))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(time, index)| row(journey, index, time, context)).collect()
}

/// The row of one of the trail's sightings.
pub fn row_of(journey: &Journey, index: usize, context: &Context<'_>) -> Option<Row> {
    let sighting = journey.trail.sightings.get(index)?;
    Some(row(journey, index, aligned(sighting, context), context))
}

/// When it was seen, on the reference clock.
pub(super) fn aligned(sighting: &Sighting, context: &Context<'_>) -> Timestamp {
    context.node_of(sighting.vantage).map_or(sighting.time, |node| context.clocks.align(node, sighting.time))
}

fn row(journey: &Journey, index: usize, time: Timestamp, context: &Context<'_>) -> Row {
    let trail = &journey.trail;
    let sighting = &trail.sightings[index];
    let manner = context.manner;
    let stage = journey.visits().find(|visit| visit.sighting == Some(index as u32));
    let node = context.node_of(sighting.vantage).map_or("?", |node| context.node(node));
    let (seq, ack) = relative(trail, sighting);
    let leg = if trail.legs.len() > 1 { (sighting.leg + 1).to_string() } else { String::new() };
    Row {
        sighting: *sighting,
        stage: stage.map_or_else(String::new, |visit| manner.stage(visit.stage)),
        leg,
        at: time.since(origin(journey)),
        node: manner.text(node).into_owned(),
        interface: manner.text(context.interface(sighting.vantage)).into_owned(),
        direction: manner.direction(sighting.direction),
        addresses: carried(trail, sighting).map_or_else(|| "?".to_owned(), |tuple| tuple.to_string()),
        what: match trail.inside(sighting) {
            Some(inside) => format!("{} {} {}", what(trail, sighting), manner.dot(), inside.name()),
            None => what(trail, sighting),
        },
        seq,
        ack,
        len: sighting.len,
        ttl: sighting.ttl,
        is_repeat: sighting.is_repeat,
        tone: tone(sighting),
    }
}

const fn tone(sighting: &Sighting) -> Tone {
    match (sighting.part, sighting.way) {
        (Part::Reset | Part::IcmpError, _) => Tone::Bad,
        (_, Way::Request) => Tone::Request,
        (_, Way::Reply) => Tone::Reply,
    }
}

fn carried(trail: &Trail, sighting: &Sighting) -> Option<Tuple> {
    let face = *trail.legs.get(sighting.leg as usize)?.faces.get(sighting.face as usize)?;
    Some(if sighting.way == Way::Request { face } else { face.reversed() })
}

fn what(trail: &Trail, sighting: &Sighting) -> String {
    match (sighting.part, trail.legs.get(sighting.leg as usize).map(|leg| leg.protocol)) {
        (Part::IcmpError, _) => "ICMP error".to_owned(),
        (Part::NeighbourRequest, _) => "ARP/ND".to_owned(),
        (_, Some(Protocol::Tcp)) => tcp_flags(sighting.flags),
        (_, Some(Protocol::Udp)) => "UDP".to_owned(),
        (_, Some(Protocol::Icmp | Protocol::Icmp6)) if sighting.way == Way::Request => "echo".to_owned(),
        (_, Some(Protocol::Icmp | Protocol::Icmp6)) => "echo reply".to_owned(),
        (_, Some(Protocol::Other(number))) => format!("proto {number}"),
        (_, None) => String::new(),
    }
}

/// The names of the flags that are set (RFC 9293 §3.1), SYN first as in speech.
fn tcp_flags(flags: u8) -> String {
    const NAMES: [(u8, &str); 8] =
        [(2, "SYN"), (1, "FIN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG"), (64, "ECE"), (128, "CWR")];
    let mut out = String::new();
    for (bit, name) in NAMES {
        if flags & bit != 0 {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(name);
        }
    }
    out
}

/// Sequence and acknowledgement numbers, counted from the first byte of request and answer.
fn relative(trail: &Trail, sighting: &Sighting) -> (String, String) {
    let protocol = trail.legs.get(sighting.leg as usize).map(|leg| leg.protocol);
    match protocol {
        Some(Protocol::Tcp) => {}
        Some(Protocol::Icmp | Protocol::Icmp6) => return (sighting.seq.to_string(), String::new()),
        _ => return (String::new(), String::new()),
    }
    let (request, reply) = match trail.hop_to(usize::from(sighting.leg)) {
        Some(hop) => (hop.request_seq, hop.reply_seq),
        None => (trail.request_seq, trail.reply_seq),
    };
    let (own, other) = match sighting.way {
        Way::Request => (request, reply),
        Way::Reply => (reply, request),
    };
    let count = |number: u32, base: Option<u32>| match base {
        Some(base) => (number.wrapping_sub(base) as i32).to_string(),
        None => number.to_string(),
    };
    let ack = if sighting.flags & 16 == 0 { String::new() } else { count(sighting.ack, other) };
    (count(sighting.seq, own), ack)
}

/// Head and rows as lines of at most `width` cells; `ack`, `ttl`, `seq` and `node` go first where it is narrow.
pub fn lines(journey: &Journey, context: &Context<'_>, width: usize) -> (Line, Vec<Line>) {
    let rows = rows(journey, context);
    let span = rows.iter().map(|row| row.at.abs()).max().unwrap_or(0);
    let unit = Unit::for_largest(span);
    let table = Table::new(&rows, context.manner, width);
    let mut head = Line::new();
    table.head(&mut head, context.manner, unit);
    head.truncate(width, "");
    let mut lines: Vec<Line> = rows.iter().map(|row| table.line(row, context.manner, unit, width)).collect();
    if journey.trail.left_out > 0 {
        let mut line = Line::new();
        let note = format!(" {} {}", journey.trail.left_out, context.manner.word(Word::LeftOut));
        line.fitted(Tone::Dim, &note, width, context.manner.ellipsis());
        lines.push(line);
    }
    (head, lines)
}

/// Widths of the columns; 0 leaves one out.
struct Table {
    stage: usize,
    leg: usize,
    node: usize,
    interface: usize,
    direction: usize,
    addresses: usize,
    what: usize,
    seq: usize,
    ack: usize,
    ttl: usize,
}

const AT_WIDTH: usize = 9;

impl Table {
    fn new(rows: &[Row], manner: Manner, width: usize) -> Table {
        let widest = |text: fn(&Row) -> &str| rows.iter().map(|row| text_width(text(row))).max().unwrap_or(0);
        let column = |text: fn(&Row) -> &str, word: Word| widest(text).max(text_width(manner.word(word)));
        let mut table = Table {
            stage: widest(|row| &row.stage).max(2),
            leg: if widest(|row| &row.leg) > 0 { column(|row| &row.leg, Word::LegColumn) } else { 0 },
            node: column(|row| &row.node, Word::Node),
            interface: column(|row| &row.interface, Word::Interface),
            direction: widest(|row| row.direction),
            addresses: column(|row| &row.addresses, Word::Addresses),
            what: column(|row| &row.what, Word::What),
            seq: column(|row| &row.seq, Word::Sequence),
            ack: column(|row| &row.ack, Word::Acknowledged),
            ttl: 3,
        };
        let drops: [fn(&mut Table); 4] = [|t| t.ack = 0, |t| t.ttl = 0, |t| t.seq = 0, |t| t.node = 0];
        for drop in drops {
            if table.width() > width {
                drop(&mut table);
            }
        }
        table.addresses = table.addresses.saturating_sub(table.width().saturating_sub(width)).max(8);
        table
    }

    fn columns(&self) -> [usize; 10] {
        [
            self.stage,
            self.leg,
            self.node,
            self.interface,
            self.direction,
            self.addresses,
            self.what,
            self.seq,
            self.ack,
            self.ttl,
        ]
    }

    fn width(&self) -> usize {
        let columns = self.columns();
        let gaps = columns.iter().filter(|&&wide| wide > 0).count();
        1 + AT_WIDTH + 6 + columns.iter().sum::<usize>() + gaps + 4
    }

    fn head(&self, line: &mut Line, manner: Manner, unit: Unit) {
        let ellipsis = manner.ellipsis();
        let at = format!("{} {}", manner.word(Word::At), unit.name(manner));
        line.space(1).column(Tone::Head, "", self.stage, ellipsis).number(Tone::Head, &at, AT_WIDTH).space(2);
        let mut text = |word: Word, wide: usize| {
            if wide > 0 {
                line.column(Tone::Head, manner.word(word), wide, ellipsis).space(1);
            }
        };
        text(Word::LegColumn, self.leg);
        text(Word::Node, self.node);
        text(Word::Interface, self.interface + 1 + self.direction);
        text(Word::Addresses, self.addresses);
        text(Word::What, self.what);
        for (word, wide) in [
            (Word::Sequence, self.seq),
            (Word::Acknowledged, self.ack),
            (Word::Length, 5),
            (Word::Ttl, self.ttl),
        ] {
            if wide > 0 {
                line.number(Tone::Head, manner.word(word), wide).space(1);
            }
        }
    }

    fn line(&self, row: &Row, manner: Manner, unit: Unit, width: usize) -> Line {
        let ellipsis = manner.ellipsis();
        let mut line = Line::new();
        let mut len = String::new();
        let _ = write!(len, "{}", row.len);
        line.space(1).column(row.tone, &row.stage, self.stage, ellipsis);
        line.number(Tone::Plain, &unit.number(row.at), AT_WIDTH).space(2);
        if self.leg > 0 {
            line.column(Tone::Own, &row.leg, self.leg, ellipsis).space(1);
        }
        if self.node > 0 {
            line.column(Tone::Dim, &row.node, self.node, ellipsis).space(1);
        }
        line.column(Tone::Plain, &row.interface, self.interface, ellipsis).space(1);
        line.column(Tone::Dim, row.direction, self.direction, ellipsis).space(1);
        line.column(Tone::Plain, &row.addresses, self.addresses, ellipsis).space(1);
        line.column(row.tone, &row.what, self.what, ellipsis).space(1);
        for (text, wide) in
            [(row.seq.as_str(), self.seq), (&row.ack, self.ack), (&len, 5), (&row.ttl.to_string(), self.ttl)]
        {
            if wide > 0 {
                line.number(Tone::Plain, text, wide).space(1);
            }
        }
        if row.is_repeat {
            line.push(Tone::Bad, manner.word(Word::Repeat));
        }
        line.truncate(width, ellipsis);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::sample;

    #[test]
    fn every_sighting_is_a_row_with_its_addresses_there() {
        sample::with_context(Manner::default(), |context| {
            let rows = rows(&sample::other_node(1, sample::START), context);
            assert_eq!(rows.len(), 8);
            let at =
                |index: usize| (rows[index].stage.as_str(), rows[index].at, rows[index].addresses.as_str());
            assert_eq!(at(0), ("④", 530_000, "10.244.1.17:45700 > 10.43.7.7:80"));
            assert_eq!(at(1), ("⑦", 604_000, "10.244.1.17:45700 > 10.244.2.33:8080"));
            assert_eq!(at(4), ("(1)", 1_400_000, "10.244.2.33:8080 > 10.244.1.17:45700"));
            assert_eq!((rows[4].seq.as_str(), rows[4].ack.as_str()), ("0", "128"));
        });
    }

    #[test]
    fn packets_of_several_legs_name_theirs_and_count_from_its_first_byte() {
        sample::with_context(Manner::default(), |context| {
            let mut journey = sample::proxies::ingress(1, sample::START);
            std::sync::Arc::make_mut(&mut journey.trail).hops[1].request_seq = Some(900);
            let rows = rows(&journey, context);
            let told: Vec<_> = rows
                .iter()
                .take(6)
                .map(|row| (row.leg.as_str(), row.stage.as_str(), row.seq.as_str()))
                .collect();
            assert_eq!(
                told,
                [
                    ("1", "②", "0"),
                    ("2", "", "0"),
                    ("2", "⑮", "0"),
                    ("3", "⑫", "100"),
                    ("3", "⑮", "100"),
                    ("3", "⑩", "100")
                ]
            );
        });
    }

    #[test]
    fn flags_have_names() {
        assert_eq!([tcp_flags(0x12), tcp_flags(0x11), tcp_flags(0)], ["SYN ACK", "FIN ACK", ""]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_wider_than_asked(width in 0usize..260) {
            sample::with_context(Manner::new(crate::timeline::Language::Zh), |context| {
                for journey in sample::all() {
                    let (head, rows) = lines(&journey, context, width);
                    assert!(head.width() <= width && rows.iter().all(|row| row.width() <= width));
                }
            });
        }
    }
}
