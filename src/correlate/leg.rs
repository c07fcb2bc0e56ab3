//! A leg while it is followed: its faces, the translations between them, its capture points and streams.

use smallvec::SmallVec;

use super::found::Carries;
use super::stream::{Stream, before, later};
use crate::model::{
    Body, Conntrack, Crossing, Direction, Encapsulation, Endpoint, Leg, NodeId, Packet, Protocol, Timestamp,
    Tracked, Translation, TranslationEvidence, Tuple, VantageId, Way,
};

/// Packets of an unsettled face that are compared with others, at each node.
const JOIN_TRIES: u8 = 12;
/// Faces and capture points of one leg; more would be a loop.
pub(super) const MAX_FACES: usize = 8;
const MAX_POINTS: usize = 64;
/// Nodes whose settling is remembered as a bit.
const MAX_NODES: u16 = 64;

/// The hash key of a conversation: both endpoints in order, so that both ways give the same key. A tuple rather
/// than an array, because an array is hashed and compared as bytes, by calls.
pub(super) type Key = (u64, u64, u64, u64, u64);

/// A packet's key, and whether its source is the lower endpoint. Addresses that mean something on one node
/// only are kept apart by node; ICMP echo takes its identifier for ports.
pub(super) fn key_of(tuple: &Tuple, node: NodeId) -> (Key, bool) {
    let is_lower = tuple.src <= tuple.dst;
    let (low, high) = if is_lower { (tuple.src, tuple.dst) } else { (tuple.dst, tuple.src) };
    let [a, b] = low.ip.words();
    let [c, d] = high.ip.words();
    let scope = if low.ip.is_node_local() || high.ip.is_node_local() { u64::from(node.0) + 1 } else { 0 };
    let ports = u64::from(low.port) << 48 | u64::from(high.port) << 32;
    ((a, b, c, d, ports | scope << 8 | u64::from(tuple.protocol.number())), is_lower)
}

/// The tuple that keys a packet: for ICMP echo with the identifier as both ports.
pub(super) fn keyed_tuple(packet: &Packet) -> Tuple {
    let mut tuple = packet.tuple;
    if let Body::Echo(echo) = packet.body {
        tuple.src.port = echo.id;
        tuple.dst.port = echo.id;
    }
    tuple
}

/// One 5-tuple of the leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub key: Key,
    /// Client to server.
    pub tuple: Tuple,
    /// Comparisons left, over all nodes.
    tries: u8,
}

/// A translation between two faces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub node: NodeId,
    pub from: u8,
    pub to: u8,
    pub packets: u32,
    pub rivals: u32,
    /// Shown before the connection was tried once more.
    is_stale: bool,
}

/// One translation, from face to face.
struct Step {
    node: NodeId,
    from: u8,
    to: u8,
    evidence: SmallVec<[TranslationEvidence; 2]>,
    is_contradicted: bool,
}

/// What a node's connection tracking says.
#[derive(Clone, Copy, Debug)]
struct Track {
    /// Tells the entry from others.
    entry: u64,
    /// Core time of its first message.
    began: Timestamp,
    from: u8,
    to: u8,
    tracked: Tracked,
}

/// One capture point the leg was seen at, one way.
#[derive(Clone, Copy, Debug)]
struct Point {
    vantage: VantageId,
    direction: Direction,
    way: Way,
    ttl: u8,
    inside: Option<Encapsulation>,
    /// One past the highest sequence number seen here; datagrams have none.
    reach: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct LegState {
    pub serial: u64,
    pub protocol: Protocol,
    pub faces: SmallVec<[Face; 2]>,
    pub links: SmallVec<[Link; 2]>,
    tracks: Vec<Track>,
    points: SmallVec<[Point; 8]>,
    /// Nodes where the leg was seen going in, and coming out, by way. A packet that goes in and an answer that
    /// comes out are no sign of how either goes on.
    entered: [u64; 2],
    left: [u64; 2],
    /// By way.
    pub streams: [Stream; 2],
    pub carries: Carries,
    /// The highest number of an HTTP/2 request.
    pub newest_stream: u32,
    /// The client that a PROXY protocol header in front of the connection announces.
    pub announced: Option<Endpoint>,
    /// Slots of the exchanges that are followed, oldest first.
    pub live: SmallVec<[u32; 2]>,
    pub exchanges: u32,
    pub is_mid_stream: bool,
    pub is_reset: bool,
    /// Core time of the first packet.
    pub began: Timestamp,
    /// Core time at which a SYN was seen once more where it had been seen before.
    reopened: Option<Timestamp>,
    /// Core time of the latest packet.
    pub last: Timestamp,
}

impl LegState {
    /// `began` is when its first packet was seen, `now` when it came.
    pub(super) fn new(serial: u64, key: Key, tuple: Tuple, (began, now): (Timestamp, Timestamp)) -> LegState {
        let face = Face { key, tuple, tries: JOIN_TRIES };
        LegState {
            serial,
            protocol: tuple.protocol,
            faces: smallvec::smallvec![face],
            links: SmallVec::new(),
            tracks: Vec::new(),
            points: SmallVec::new(),
            entered: [0; 2],
            left: [0; 2],
            streams: <[Stream; 2]>::default(),
            carries: Carries::Unknown,
            newest_stream: 0,
            announced: None,
            live: SmallVec::new(),
            exchanges: 0,
            is_mid_stream: false,
            is_reset: false,
            began,
            reopened: None,
            last: now,
        }
    }

    pub(super) fn stream(&mut self, way: Way) -> &mut Stream {
        &mut self.streams[way as usize]
    }

    /// Which way a packet under face `face` goes.
    pub(super) fn way_of(&self, face: u8, src: Endpoint) -> Way {
        if self.faces[face as usize].tuple.src == src { Way::Request } else { Way::Reply }
    }

    pub(super) fn add_face(&mut self, key: Key, tuple: Tuple) -> u8 {
        self.faces.push(Face { key, tuple, tries: JOIN_TRIES });
        (self.faces.len() - 1) as u8
    }

    /// Whether packets of `face` at `node` should still be compared with others there, counting one try.
    pub(super) fn wants_join(&mut self, face: u8, node: NodeId) -> bool {
        let bit = node_bit(node);
        if (0..2).any(|way| self.entered[way] & self.left[way] & bit != 0) {
            return false;
        }
        let face = &mut self.faces[face as usize];
        let wants = face.tries > 0;
        face.tries = face.tries.saturating_sub(1);
        wants
    }

    /// Whether who opened the connection is a guess, by the ports of a packet from its middle, that nothing was read
    /// by yet.
    pub(super) fn may_turn(&self) -> bool {
        self.is_mid_stream
            && self.carries == Carries::Unknown
            && self.streams.iter().all(|stream| stream.isn.is_none())
    }

    /// Its client is its server, and the other way round.
    pub(super) fn turn(&mut self) {
        for face in &mut self.faces {
            face.tuple = face.tuple.reversed();
        }
        for link in &mut self.links {
            std::mem::swap(&mut link.from, &mut link.to);
        }
        for track in &mut self.tracks {
            std::mem::swap(&mut track.from, &mut track.to);
        }
        for point in &mut self.points {
            point.way = point.way.opposite();
        }
        self.entered.reverse();
        self.left.reverse();
        self.streams.reverse();
    }

    /// Notes that the leg crossed a node's edge.
    pub(super) fn note_edge(&mut self, node: NodeId, direction: Direction, way: Way) {
        match direction {
            Direction::In => self.entered[way as usize] |= node_bit(node),
            Direction::Out => self.left[way as usize] |= node_bit(node),
            Direction::Unknown => {}
        }
    }

    /// Notes a translation, or one more packet that shows it.
    pub(super) fn note_link(&mut self, node: NodeId, from: u8, to: u8, rivals: u32) {
        let known = self.links.iter_mut().find(|link| (link.node, link.from, link.to) == (node, from, to));
        if let Some(link) = known {
            link.packets += 1;
            link.rivals = link.rivals.min(rivals);
            link.is_stale = false;
            return;
        }
        self.links.retain(|link| !link.is_stale || (link.node, link.from) != (node, from));
        if self.links.len() < MAX_FACES {
            self.links.push(Link { node, from, to, packets: 1, rivals, is_stale: false });
        }
    }

    /// Core time at which it was tried last.
    pub(super) fn tried(&self) -> Timestamp {
        self.reopened.unwrap_or(self.began)
    }

    /// Whether it was tried more than once.
    pub(super) fn was_reopened(&self) -> bool {
        self.reopened.is_some()
    }

    /// The connection is tried once more: the node may translate it anew.
    pub(super) fn reopen(&mut self, node: NodeId, at: Timestamp) {
        self.reopened = Some(at);
        for bits in self.entered.iter_mut().chain(&mut self.left) {
            *bits &= !node_bit(node);
        }
        for face in &mut self.faces {
            face.tries = JOIN_TRIES;
        }
        for link in self.links.iter_mut().filter(|link| link.node == node) {
            link.is_stale = true;
        }
    }

    /// Notes what connection tracking says in `entry`; gives whether that is a translation, or an end, not known
    /// before.
    pub(super) fn track(
        &mut self,
        (entry, began): (u64, Timestamp),
        node: NodeId,
        (from, to): (u8, u8),
        told: &Conntrack,
        destroyed: Option<Timestamp>,
    ) -> bool {
        let &Conntrack { status, tcp_state, mark, zone, .. } = told;
        let tracked = Tracked { node, status, tcp_state, mark, zone, destroyed };
        let track = Track { entry, began, from, to, tracked };
        if let Some(known) = self.tracks.iter_mut().find(|known| known.entry == entry) {
            let is_news = (known.from, known.to, known.tracked.destroyed) != (from, to, destroyed);
            *known = track;
            return is_news;
        }
        // A flow of datagrams may outlive its entry, and go elsewhere under the next one.
        let is_before = |it: &Track| it.tracked.node == node && (it.from == from || it.to == to);
        if let Some(before) = self.tracks.iter().find(|it| is_before(it)).map(|it| (it.from, it.to)) {
            self.tracks.retain(|it| !is_before(it));
            self.links.retain(|link| link.node != node || (link.from, link.to) != before);
        }
        if self.tracks.len() < MAX_FACES {
            self.tracks.push(track);
        }
        true
    }

    /// Whether packets at `node` show one side of a translation together with another face than its other side.
    pub(super) fn is_shown_otherwise(&self, node: NodeId, [from, to]: [Tuple; 2]) -> bool {
        let is_a_side = |face: u8| {
            let tuple = self.faces[face as usize].tuple;
            [from, to, from.reversed(), to.reversed()].contains(&tuple)
        };
        let mut links = self.links.iter().filter(|link| link.node == node && !link.is_stale);
        links.any(|link| is_a_side(link.from) != is_a_side(link.to))
    }

    /// Whether `node`'s connection tracking told of the leg since the connection was tried last.
    pub(super) fn is_tracked(&self, node: NodeId) -> bool {
        self.tracks_of_last_try(node).next().is_some()
    }

    /// Whether it did so under another entry.
    pub(super) fn is_tracked_by_other(&self, node: NodeId, entry: u64) -> bool {
        self.tracks_of_last_try(node).any(|track| track.entry != entry)
    }

    fn tracks_of_last_try(&self, node: NodeId) -> impl Iterator<Item = &Track> {
        let reopened = self.reopened;
        let is_of_last_try = move |track: &&Track| reopened.is_none_or(|reopened| reopened <= track.began);
        self.tracks.iter().filter(move |track| track.tracked.node == node).filter(is_of_last_try)
    }

    /// Notes a segment at a capture point; whether its sequence range had been seen there before.
    pub(super) fn note_point(&mut self, crossing: Crossing, seq: u32, span: u32) -> bool {
        let Crossing { vantage, direction, way, ttl, inside } = crossing;
        let end = seq.wrapping_add(span);
        let same =
            |point: &&mut Point| (point.vantage, point.direction, point.way) == (vantage, direction, way);
        if let Some(point) = self.points.iter_mut().find(same) {
            let is_repeat = span > 0 && !before(point.reach, end);
            point.reach = later(point.reach, end);
            return is_repeat;
        }
        if self.points.len() < MAX_POINTS {
            self.points.push(Point { vantage, direction, way, ttl, inside, reach: end });
        }
        false
    }

    /// Whether every capture point that saw `way` saw it up to `end`.
    pub(super) fn reached_everywhere(&self, way: Way, end: u32) -> bool {
        self.points.iter().filter(|point| point.way == way).all(|point| !before(point.reach, end))
    }

    /// Whether it carries datagrams, so that nothing announces its end.
    pub(super) fn is_datagrams(&self) -> bool {
        self.protocol != Protocol::Tcp
    }

    /// Takes over the state of `other`, which turned out to be the same conversation; its faces were added
    /// from `shift` on. Returns its exchanges, which the caller puts in order.
    pub(super) fn absorb(&mut self, other: LegState, shift: u8, is_turned: bool) -> SmallVec<[u32; 2]> {
        for link in &other.links {
            let (from, to) = (link.from + shift, link.to + shift);
            let (from, to) = if is_turned { (to, from) } else { (from, to) };
            self.note_link(link.node, from, to, link.rivals);
        }
        for track in other.tracks {
            let (from, to) = (track.from + shift, track.to + shift);
            let (from, to) = if is_turned { (to, from) } else { (from, to) };
            if self.tracks.len() < MAX_FACES {
                self.tracks.push(Track { from, to, ..track });
            }
        }
        for mut point in other.points {
            if is_turned {
                point.way = point.way.opposite();
            }
            if self.points.len() < MAX_POINTS {
                self.points.push(point);
            }
        }
        let mut streams = other.streams;
        if is_turned {
            streams.reverse();
        }
        for (mine, theirs) in self.streams.iter_mut().zip(streams) {
            mine.absorb(theirs);
        }
        if self.carries == Carries::Unknown {
            self.carries = other.carries;
        }
        self.newest_stream = self.newest_stream.max(other.newest_stream);
        self.announced = self.announced.or(other.announced);
        for (way, from) in [(0, usize::from(is_turned)), (1, usize::from(!is_turned))] {
            self.entered[way] |= other.entered[from];
            self.left[way] |= other.left[from];
        }
        self.exchanges += other.exchanges;
        self.is_mid_stream &= other.is_mid_stream;
        self.is_reset |= other.is_reset;
        self.began = self.began.min(other.began);
        self.reopened = self.reopened.max(other.reopened);
        self.last = self.last.max(other.last);
        other.live
    }

    /// Every translation with what shows it; those that connection tracking tells of come first.
    fn translations(&self) -> SmallVec<[Step; 2]> {
        let mut steps: SmallVec<[Step; 2]> = SmallVec::new();
        for &Track { from, to, tracked, .. } in self.tracks.iter().filter(|track| track.from != track.to) {
            let evidence = smallvec::smallvec![TranslationEvidence::Conntrack];
            steps.push(Step { node: tracked.node, from, to, evidence, is_contradicted: false });
        }
        for &Link { node, from, to, packets, rivals, .. } in &self.links {
            let evidence = TranslationEvidence::PacketMatch { packets, rivals };
            if let Some(step) =
                steps.iter_mut().find(|step| (step.node, step.from, step.to) == (node, from, to))
            {
                step.evidence.insert(0, evidence);
                continue;
            }
            // A packet goes into a node once and comes out of it once.
            let is_contradicted = self
                .tracks
                .iter()
                .any(|track| track.tracked.node == node && (track.from == from || track.to == to));
            steps.push(Step { node, from, to, evidence: smallvec::smallvec![evidence], is_contradicted });
        }
        steps
    }

    /// Faces in the order the request takes, beginning with the one that translations begin with. One that they do
    /// not touch is of an earlier try.
    fn face_order(&self, steps: &[Step]) -> SmallVec<[u8; 4]> {
        let sure = || steps.iter().filter(|step| !step.is_contradicted);
        let faces = 0..self.faces.len() as u8;
        let firsts = faces.filter(|face| !sure().any(|step| step.to == *face));
        let first = firsts.min_by_key(|face| !sure().any(|step| step.from == *face));
        let mut order: SmallVec<[u8; 4]> = first.into_iter().collect();
        while let Some(step) =
            sure().find(|step| order.last() == Some(&step.from) && !order.contains(&step.to))
        {
            order.push(step.to);
        }
        order
    }

    /// The leg as other rooms see it.
    pub(super) fn leg(&self) -> Leg {
        let mut steps = self.translations();
        let order = self.face_order(&steps);
        let first = self.faces[order.first().copied().unwrap_or(0) as usize].tuple;
        let last = self.faces[order.last().copied().unwrap_or(0) as usize].tuple;
        let portless = |mut endpoint: Endpoint| {
            if matches!(self.protocol, Protocol::Icmp | Protocol::Icmp6) {
                endpoint.port = 0;
            }
            endpoint
        };
        let shown = |tuple: Tuple| Tuple { src: portless(tuple.src), dst: portless(tuple.dst), ..tuple };
        steps.sort_by_key(|step| (order.iter().position(|face| *face == step.from), step.is_contradicted));
        Leg {
            protocol: self.protocol,
            client: portless(first.src),
            target: Some(portless(first.dst)),
            server: Some(portless(last.dst)),
            client_seen_by_server: Some(portless(last.src)),
            translations: steps
                .into_iter()
                .map(|step| Translation {
                    node: step.node,
                    from: shown(self.faces[step.from as usize].tuple),
                    to: shown(self.faces[step.to as usize].tuple),
                    evidence: step.evidence,
                    is_contradicted: step.is_contradicted,
                    rule: None,
                })
                .collect(),
            tracked: self.tracks.iter().map(|track| track.tracked).collect(),
            crossings: self
                .points
                .iter()
                .map(|point| Crossing {
                    vantage: point.vantage,
                    direction: point.direction,
                    way: point.way,
                    ttl: point.ttl,
                    inside: point.inside,
                })
                .collect(),
            faces: self.faces.iter().map(|face| shown(face.tuple)).collect(),
        }
    }
}

fn node_bit(node: NodeId) -> u64 {
    1 << node.0.min(MAX_NODES - 1)
}
