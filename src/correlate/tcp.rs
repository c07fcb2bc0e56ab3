//! TCP: which connection a segment belongs to, what it carries, and when an exchange is over.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::found::{Asked, Carries, Context, MAX_ASKED};
use super::join::{Located, can_be_followed, sender_is_client};
use super::leg::{LegState, key_of};
use super::ongoing::{Ongoing, Token};
use super::stream::before;
use super::{Correlator, Crossing};
use crate::decode::http;
use crate::model::{Application, Part, Phase, Sighting, TcpSegment, Way};

/// How far a SYN may lie before the first byte known of its connection, when records come out of order.
const SYN_SLACK: u32 = 1 << 20;
/// A segment this far from where its connection stands belongs to an older one with the same addresses.
const FAR: u32 = 1 << 26;

impl Correlator {
    pub(super) fn handle_tcp(&mut self, crossing: Crossing<'_>, segment: TcpSegment) {
        let packet = crossing.packet;
        if !can_be_followed(packet.tuple.src.ip, packet.tuple.dst.ip) {
            return;
        }
        let known = self.known_connection(crossing, segment);
        let said = if segment.len > 0 { http::way_of(crossing.payload) } else { None };
        let client_is_src = said.map_or_else(|| sender_is_client(packet), |way| way == Way::Request);
        let mut located = self.locate(crossing, known, client_is_src);
        if said == Some(located.way.opposite()) && self.legs[located.leg as usize].may_turn() {
            self.turn(located.leg);
            located.way = located.way.opposite();
        }
        let leg = &mut self.legs[located.leg as usize];
        let way = located.way;
        if segment.is(TcpSegment::SYN) {
            leg.stream(way).open(segment.seq);
        } else if leg.exchanges == 0 {
            leg.is_mid_stream = true;
        }
        if segment.is(TcpSegment::ACK) {
            leg.stream(way.opposite()).note_ack(segment.ack);
        }
        let is_repeat = leg.note_point(crossing.of(way), segment.seq, segment.span());
        if is_repeat && segment.is_syn() {
            located = self.reopen(crossing, located);
            self.wait(crossing, located);
        }
        let leg = &self.legs[located.leg as usize];
        if leg.exchanges == 0 {
            self.begin(located.leg, Token::Whole, Application::Tcp);
        }
        if segment.len > 0 {
            self.read(located, segment, crossing.payload);
        }
        self.note_segment(crossing, located, segment, is_repeat);
        self.note_closing(located, segment);
        self.complete_answered(located.leg);
    }

    /// The connection the table gives for the segment's addresses, unless the segment opens a new one.
    fn known_connection(&self, crossing: Crossing<'_>, segment: TcpSegment) -> Option<(u32, u8)> {
        let (key, _) = key_of(&crossing.packet.tuple, crossing.node);
        let slot = self.table.get(&key)?;
        let src = crossing.packet.tuple.src;
        let newest = (slot.leg, slot.face);
        let fits = |(leg, face): (u32, u8)| {
            let leg = self.legs.get(leg as usize)?;
            leg.faces.get(face as usize)?;
            Some(leg.fits(leg.way_of(face, src), segment))
        };
        if fits(newest)? {
            return Some(newest);
        }
        match slot.older {
            Some(older) if fits(older) == Some(true) => Some(older),
            _ if segment.is_syn() => None,
            _ => Some(newest),
        }
    }

    /// Reads the segment's payload and applies what it tells to the leg's exchanges.
    fn read(&mut self, located: Located, segment: TcpSegment, payload: &[u8]) {
        let Located { leg: leg_slot, way, .. } = located;
        let asked = match way {
            Way::Request => ArrayVec::new(),
            Way::Reply => self.asked(leg_slot),
        };
        let mut events = std::mem::take(&mut self.events);
        let leg = &mut self.legs[leg_slot as usize];
        let mut carries = leg.carries;
        let mut context = Context {
            way,
            is_mid_stream: leg.is_mid_stream,
            asked,
            carries: &mut carries,
            events: &mut events,
        };
        leg.stream(way).feed(&mut context, segment.seq, segment.len, payload);
        leg.carries = carries;
        for (token, event) in events.drain(..) {
            self.apply(located, token, event, payload);
        }
        self.events = events;
    }

    /// By what the answers that are not over were asked.
    fn asked(&self, leg: u32) -> ArrayVec<Asked, MAX_ASKED> {
        let live = &self.legs[leg as usize].live;
        live.iter()
            .map(|&slot| &self.trails[slot as usize])
            .filter(|trail| trail.reply_end.is_none())
            .map(|trail| Asked::by(trail.exchange.method.as_deref()))
            .take(MAX_ASKED)
            .collect()
    }

    fn note_segment(
        &mut self,
        crossing: Crossing<'_>,
        located: Located,
        segment: TcpSegment,
        is_repeat: bool,
    ) {
        for (slot, part) in self.exchanges_of(located, segment) {
            let sighting = Sighting {
                time: crossing.packet.time,
                vantage: crossing.packet.vantage,
                direction: crossing.direction,
                way: located.way,
                part,
                face: located.face,
                leg: 0,
                ttl: crossing.packet.ttl,
                flags: segment.flags,
                ip_id: crossing.packet.ip_id,
                seq: segment.seq,
                ack: segment.ack,
                len: segment.len,
                is_repeat,
            };
            self.note(slot, sighting);
        }
    }

    /// The exchanges a segment belongs to, and what part it is of each: those whose bytes it carries, else the
    /// newest.
    fn exchanges_of(&self, located: Located, segment: TcpSegment) -> SmallVec<[(u32, Part); 2]> {
        let leg = &self.legs[located.leg as usize];
        let trail = |slot: u32| &self.trails[slot as usize];
        let slots: SmallVec<[u32; 2]> = if segment.is(TcpSegment::SYN) {
            leg.live.first().copied().filter(|&slot| trail(slot).is_first_of_leg).into_iter().collect()
        } else if segment.len > 0 && leg.carries == Carries::Http2 {
            return self.streams_of(located, segment);
        } else if segment.len > 0 {
            self.carried(located, segment)
        } else {
            // A reset ends all that is not over yet.
            let ends = |slot: u32| segment.is(TcpSegment::RST) && !trail(slot).answer_is_whole;
            let newest = leg.live.last().copied();
            leg.live.iter().copied().filter(|&slot| Some(slot) == newest || ends(slot)).collect()
        };
        slots.into_iter().map(|slot| (slot, part_of(trail(slot), located.way, segment))).collect()
    }

    /// The exchanges whose bytes a segment carries.
    fn carried(&self, located: Located, segment: TcpSegment) -> SmallVec<[u32; 2]> {
        let live = &self.legs[located.leg as usize].live;
        let segment_end = segment.seq.wrapping_add(segment.len);
        let mut owners = SmallVec::new();
        for &slot in live.iter().rev() {
            let (start, end) = self.trails[slot as usize].range(located.way);
            let has_begun = start.is_some_and(|start| before(start, segment_end));
            // Of those whose end is not known, only the newest can go on here.
            let goes_on = owners.is_empty() || end.is_some_and(|end| before(segment.seq, end));
            if has_begun && goes_on {
                owners.push(slot);
            }
        }
        if owners.is_empty() {
            // Bytes before everything known belong to an exchange that is closed already, unless the only one
            // there is has not shown its first byte yet.
            let waiting = live.first().copied().filter(|&slot| {
                let trail = &self.trails[slot as usize];
                trail.range(located.way).0.is_none() && trail.phase == Phase::Open
            });
            owners.extend(waiting);
        }
        owners
    }

    /// The same in HTTP/2, by streams.
    fn streams_of(&self, located: Located, segment: TcpSegment) -> SmallVec<[(u32, Part); 2]> {
        let stream = &self.legs[located.leg as usize].streams[located.way as usize];
        let part_of = |slot: u32| part_of(&self.trails[slot as usize], located.way, segment);
        let mut owners: SmallVec<[(u32, Part); 2]> = SmallVec::new();
        for share in stream.shares(segment.seq, segment.seq.wrapping_add(segment.len)) {
            let Some(slot) = self.live_with(located.leg, Token::Stream(share.stream)) else { continue };
            let part = match part_of(slot) {
                Part::Body if share.has_reset => Part::Reset,
                part => part,
            };
            owners.push((slot, part));
        }
        if owners.is_empty() {
            // The preface and the settings belong to the connection, as long as there is nothing else.
            owners.extend(self.live_with(located.leg, Token::Whole).map(|slot| (slot, part_of(slot))));
        }
        owners
    }

    fn note_closing(&mut self, located: Located, segment: TcpSegment) {
        let leg = &mut self.legs[located.leg as usize];
        if segment.is(TcpSegment::FIN) {
            leg.stream(located.way).fin = Some(segment.seq.wrapping_add(segment.len));
        }
        leg.is_reset |= segment.is(TcpSegment::RST);
    }

    /// Completes the exchanges whose answer was acknowledged whole, and all of them when the connection is over.
    fn complete_answered(&mut self, leg_slot: u32) {
        let leg = &self.legs[leg_slot as usize];
        let is_over = leg.is_over();
        // Completing takes none of them away.
        for index in 0..leg.live.len() {
            let leg = &self.legs[leg_slot as usize];
            let slot = leg.live[index];
            let trail = &self.trails[slot as usize];
            if trail.answer_is_whole {
                continue;
            }
            let acknowledged =
                trail.reply_end.is_some_and(|end| leg.streams[Way::Reply as usize].has_acked(end));
            if acknowledged {
                self.complete(slot, true);
            } else if is_over && trail.phase == Phase::Open {
                let is_whole = leg.closed_whole(trail);
                self.complete(slot, is_whole);
            }
        }
    }
}

impl LegState {
    /// Whether a segment can be of this connection rather than of another one with the same addresses.
    fn fits(&self, way: Way, segment: TcpSegment) -> bool {
        let stream = &self.streams[way as usize];
        let other = &self.streams[way.opposite() as usize];
        if segment.is_syn() {
            let first = segment.seq.wrapping_add(1);
            return match (stream.isn, stream.next.or(stream.acked)) {
                (Some(isn), _) => isn == segment.seq,
                (None, Some(known)) => way == Way::Request && known.wrapping_sub(first) < SYN_SLACK,
                (None, None) => way == Way::Request,
            };
        }
        if segment.is_syn_ack() {
            return match (stream.isn, other.isn) {
                (Some(isn), _) => isn == segment.seq,
                (None, Some(isn)) => isn.wrapping_add(1) == segment.ack,
                (None, None) => true,
            };
        }
        let is_near = |known: Option<u32>, number: u32| {
            known.is_none_or(|known| number.wrapping_sub(known).min(known.wrapping_sub(number)) < FAR)
        };
        is_near(stream.next.or(stream.acked), segment.seq)
            && (!segment.is(TcpSegment::ACK) || is_near(other.next, segment.ack))
    }

    /// Both sides have closed and the last byte is acknowledged, or one side reset.
    pub(super) fn is_over(&self) -> bool {
        let closed = |stream: &super::stream::Stream| {
            stream.fin.is_some_and(|fin| stream.has_acked(fin.wrapping_add(1)))
        };
        self.is_reset || self.streams.iter().all(closed)
    }

    /// Whether an answer that ends with the connection arrived whole.
    fn closed_whole(&self, trail: &Ongoing) -> bool {
        let reply = &self.streams[Way::Reply as usize];
        match (trail.reply_end, self.carries) {
            (Some(end), _) => reply.has_acked(end) || self.reached_everywhere(Way::Reply, end),
            (None, Carries::Http2) => false,
            (None, Carries::Http) if trail.reply_seq.is_none() || reply.is_in_message() => false,
            (None, _) => reply.fin.is_some_and(|fin| reply.has_acked(fin)) && !self.is_reset,
        }
    }
}

fn part_of(trail: &Ongoing, way: Way, segment: TcpSegment) -> Part {
    let (start, _) = trail.range(way);
    if segment.is(TcpSegment::SYN) {
        Part::Handshake
    } else if segment.is(TcpSegment::RST) {
        Part::Reset
    } else if segment.len > 0 {
        part_of_data(start, segment.seq, segment.len)
    } else if segment.is(TcpSegment::FIN) {
        Part::Fin
    } else {
        Part::Ack
    }
}

/// Whether data from `seq` carries the first byte, `start`.
pub(super) fn part_of_data(start: Option<u32>, seq: u32, len: u32) -> Part {
    match start {
        Some(start) if start.wrapping_sub(seq) < len => Part::Head,
        _ => Part::Body,
    }
}
