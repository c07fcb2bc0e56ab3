//! An exchange while it is followed: the state behind a trail.

use smallvec::SmallVec;

use crate::model::{
    Application, Direction, Exchange, IcmpNotice, Marks, Part, Phase, Proxy, Sighting, TcpSegment, Timestamp,
    Tls, VantageId, Way,
};

use super::limits::Limits;
use super::stream::before;

/// Which exchange of a leg a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The connection or flow itself.
    Whole,
    /// A stream of an HTTP/2 connection.
    Stream(u32),
    /// A DNS transaction id.
    Dns(u16),
    /// An ICMP echo sequence number.
    Echo(u16),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ongoing {
    pub id: u64,
    pub leg: u32,
    pub revision: u32,
    pub token: Token,
    pub exchange: Exchange,
    pub marks: Option<Box<Marks>>,
    pub log: Vec<Sighting>,
    pub left_out: u32,
    /// Where and when the last packet with something of the exchange was seen, and that in core time.
    pub end: Option<(VantageId, Timestamp, Timestamp)>,
    /// When its first packet that carried something was seen, in core time.
    pub began: Option<Timestamp>,
    bulk: usize,
    pub notices: SmallVec<[IcmpNotice; 1]>,
    pub is_first_of_leg: bool,
    pub request_seq: Option<u32>,
    /// One past the request's last byte, once known.
    pub request_end: Option<u32>,
    pub reply_seq: Option<u32>,
    pub reply_end: Option<u32>,
    /// The first datagram of each way, by digest: what is followed of a flow.
    pub heads: [Option<u64>; 2],
    pub phase: Phase,
    pub answer_is_whole: bool,
    /// Core time of the latest packet.
    pub last: Timestamp,
    /// A revision has to be emitted.
    pub is_dirty: bool,
}

impl Ongoing {
    pub(super) fn new(id: u64, leg: u32, token: Token, application: Application, now: Timestamp) -> Ongoing {
        Ongoing {
            id,
            leg,
            revision: 0,
            token,
            exchange: Exchange::new(application),
            marks: None,
            log: Vec::with_capacity(24),
            left_out: 0,
            end: None,
            began: None,
            bulk: 0,
            notices: SmallVec::new(),
            is_first_of_leg: false,
            request_seq: None,
            request_end: None,
            reply_seq: None,
            reply_end: None,
            heads: [None; 2],
            phase: Phase::Open,
            answer_is_whole: false,
            last: now,
            is_dirty: false,
        }
    }

    /// Notes the time of a sighting, which is `core_time` to the core.
    pub(super) fn note_end(&mut self, sighting: &Sighting, core_time: Timestamp) {
        if self.began.is_none_or(|began| core_time < began) {
            self.began = Some(core_time);
        }
        let is_later = self.end.is_none_or(|(_, _, latest)| latest < core_time);
        if is_later && !matches!(sighting.part, Part::Ack | Part::Fin) {
            self.end = Some((sighting.vantage, sighting.time, core_time));
        }
    }

    /// Notes a sighting, within the bounds; returns whether it was kept.
    pub(super) fn note(&mut self, sighting: Sighting, limits: &Limits) -> bool {
        let is_bulk = matches!(sighting.part, Part::Body | Part::Ack | Part::Fin) && !sighting.is_repeat;
        let has_room = self.log.len() < limits.sightings
            && (!is_bulk
                || self.bulk < limits.bulk_sightings
                || self.is_proof(&sighting)
                || self.is_turn(&sighting));
        if has_room {
            self.bulk += usize::from(is_bulk);
            self.log.push(sighting);
        } else {
            self.left_out += 1;
        }
        has_room
    }

    /// Whether a sighting is the first at its capture point to acknowledge the other side's first byte: proof
    /// that it arrived, whatever the capture lost.
    fn is_proof(&self, new: &Sighting) -> bool {
        let other = if new.way == Way::Request { self.reply_seq } else { self.request_seq };
        let Some(first_byte) = other else { return false };
        let acknowledges = |it: &Sighting| it.flags & TcpSegment::ACK != 0 && before(first_byte, it.ack);
        let is_alike = |it: &Sighting| {
            (it.vantage, it.direction, it.way) == (new.vantage, new.direction, new.way) && acknowledges(it)
        };
        acknowledges(new) && !self.log.iter().any(is_alike)
    }

    /// Whether a sighting is the first payload at its capture point after the other side's: in what is not
    /// understood, that is where requests and answers may begin.
    fn is_turn(&self, new: &Sighting) -> bool {
        let at_same_point = |it: &&Sighting| it.vantage == new.vantage && it.len > 0;
        new.len > 0 && self.log.iter().rev().find(at_same_point).is_some_and(|last| last.way != new.way)
    }

    /// Whether this exchange has been seen at a point already, by the followed packet of `way`.
    pub(super) fn was_at(&self, vantage: VantageId, direction: Direction, way: Way, part: Part) -> bool {
        self.log.iter().any(|old| {
            old.vantage == vantage && old.direction == direction && old.way == way && old.part == part
        })
    }

    /// Sequence numbers of the first byte and of one past the last byte of one way, as far as they are known.
    pub(super) fn range(&self, way: Way) -> (Option<u32>, Option<u32>) {
        match way {
            Way::Request => (self.request_seq, self.request_end),
            Way::Reply => (self.reply_seq, self.reply_end),
        }
    }

    /// Its client is its server, and the other way round.
    pub(super) fn turn(&mut self) {
        for sighting in &mut self.log {
            sighting.way = sighting.way.opposite();
        }
        std::mem::swap(&mut self.request_seq, &mut self.reply_seq);
        std::mem::swap(&mut self.request_end, &mut self.reply_end);
        self.heads.reverse();
    }

    pub(super) fn tls(&mut self) -> &mut Tls {
        self.exchange.tls.get_or_insert_default()
    }

    pub(super) fn marks(&mut self) -> &mut Marks {
        self.marks.get_or_insert_default()
    }

    /// Takes over marks that are not known yet.
    pub(super) fn add_marks(&mut self, other: Box<Marks>) {
        let Some(mine) = &mut self.marks else {
            self.marks = Some(other);
            return;
        };
        mine.announced = mine.announced.or(other.announced);
        mine.real_ip = mine.real_ip.or(other.real_ip);
        mine.named = mine.named.or(other.named);
        if mine.forwarded_for.is_empty() {
            mine.forwarded_for = other.forwarded_for;
        }
        if mine.ids.is_empty() {
            mine.ids = other.ids;
        }
        if mine.agent == Proxy::Unknown {
            mine.agent = other.agent;
        }
        for (mine, other) in [
            (&mut mine.request_head, other.request_head),
            (&mut mine.request_body, other.request_body),
            (&mut mine.reply_body, other.reply_body),
        ] {
            if mine.len < other.len {
                *mine = other;
            }
        }
    }

    /// Whether its answer was sent before the server had the request's byte `seq`: then it answers another one.
    pub(super) fn was_answered_before(&self, seq: u32) -> bool {
        let is_early = |it: &Sighting| it.flags & TcpSegment::ACK != 0 && !before(seq, it.ack);
        self.reply_seq.is_some()
            && self.log.iter().any(|it| it.way == Way::Reply && it.part == Part::Head && is_early(it))
    }

    /// Takes over what another reading of the same exchange knew.
    pub(super) fn absorb(&mut self, other: Ongoing, limits: &Limits) {
        for sighting in other.log {
            self.note(sighting, limits);
        }
        let (mine, theirs) = (&mut self.exchange, other.exchange);
        if matches!(mine.application, Application::Tcp | Application::Udp) {
            mine.application = theirs.application;
        }
        mine.method = mine.method.take().or(theirs.method);
        mine.path = mine.path.take().or(theirs.path);
        mine.host = mine.host.take().or(theirs.host);
        mine.status = mine.status.or(theirs.status);
        mine.dns = mine.dns.take().or(theirs.dns);
        mine.grpc_status = mine.grpc_status.or(theirs.grpc_status);
        if let Some(theirs) = theirs.tls {
            let mine = mine.tls.get_or_insert_default();
            mine.version = mine.version.or(theirs.version);
            mine.agreed_alpn = mine.agreed_alpn.take().or(theirs.agreed_alpn);
            if mine.alpn.is_empty() {
                mine.alpn = theirs.alpn;
            }
        }
        if let Some(marks) = other.marks {
            self.add_marks(marks);
        }
        self.left_out += other.left_out;
        self.began = self.began.into_iter().chain(other.began).min();
        self.end = self.end.into_iter().chain(other.end).max_by_key(|&(_, _, core_time)| core_time);
        self.request_seq = self.request_seq.or(other.request_seq);
        self.request_end = self.request_end.or(other.request_end);
        self.reply_seq = self.reply_seq.or(other.reply_seq);
        self.reply_end = self.reply_end.or(other.reply_end);
        self.is_first_of_leg |= other.is_first_of_leg;
        self.answer_is_whole |= other.answer_is_whole;
        self.notices.extend(other.notices);
        for (head, other) in self.heads.iter_mut().zip(other.heads) {
            *head = head.or(other);
        }
    }
}

/// Segments that were sent again, each way counted at the capture point that saw most of them.
pub(super) fn retransmissions(log: &[Sighting]) -> u32 {
    let mut counts: SmallVec<[(&Sighting, u32); 8]> = SmallVec::new();
    for sighting in log.iter().filter(|sighting| sighting.is_repeat && sighting.part != Part::Ack) {
        let point = |of: &Sighting| (of.vantage, of.direction, of.way);
        match counts.iter_mut().find(|(known, _)| point(known) == point(sighting)) {
            Some((_, count)) => *count += 1,
            None => counts.push((sighting, 1)),
        }
    }
    let most = |way| counts.iter().filter(|(of, _)| of.way == way).map(|(_, count)| *count).max();
    most(Way::Request).unwrap_or(0) + most(Way::Reply).unwrap_or(0)
}
