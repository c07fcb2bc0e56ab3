//! The sans-IO core: packets in, changes out. It owns every rule that joins things.
//!
//! Calling order: [`Correlator::extend_vantages`] whenever the source found capture points,
//! [`Correlator::handle_packet`] for each packet and [`Correlator::handle_event`] for what a kernel told, in roughly
//! the order of their times, then drain [`Correlator::poll_change`]; [`Correlator::handle_tick`] when a screen wants open trails too;
//! [`Correlator::finish`] at the end of the input, and drain again.
//!
//! How a packet finds its trail:
//! 1. *Places* tell its direction and learn which address lives where.
//! 2. Its 5-tuple is a *face* of a *leg*: one hash lookup. A face that is new is compared with packets that
//!    went into the same node under other addresses ([`fingerprint`]): that is a translation. Where the node's
//!    connection tracking told of it, that is known without comparing ([`tracking`]).
//! 3. The leg's *streams* read requests and answers from the first sighting of each byte.
//! 4. The packet is noted as a sighting of the exchange whose bytes it carries.
//! 5. An exchange that ends at a proxy is joined to the one the proxy opened for it ([`handoffs`]).
//!
//! Nothing here compares the clocks of two nodes to join packets; several nodes' offsets are an output.
//!
//! This room never opens, sleeps, asks the time or knows a terminal.

mod alignment;
mod body;
mod clocks;
mod close;
mod datagram;
mod errors;
mod fingerprint;
mod found;
mod handoffs;
mod http2;
mod join;
mod leg;
mod limits;
mod messages;
mod ongoing;
mod places;
mod reader;
mod resolution;
mod routing;
mod stream;
mod survey;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod traces;
mod tracking;

use std::collections::VecDeque;

use hashbrown::HashMap;
use slab::Slab;

pub use clocks::Mesh;
pub use limits::{Counters, Limits};
pub use places::Places;
pub use survey::Survey;

use self::alignment::Alignment;
use self::errors::Neighbours;
use self::fingerprint::Index;
use self::handoffs::Handoffs;
use self::leg::{Key, LegState};
use self::ongoing::{Ongoing, Token};
use self::resolution::Lookups;
use self::routing::Routing;
use self::table::Tables;
use self::traces::Traces;
use self::tracking::Tracking;
use crate::model::{
    self, Application, Body, Change, Clocks, Direction, NodeId, Packet, Part, Role, SECONDS, Sighting,
    Timestamp, Topology, Vantage, Way,
};

/// Buckets of four in the index of packets that wait for their other side.
const INDEX_BUCKETS: usize = 1 << 14;
/// How often a leg's age is looked at.
const REVIEW: i64 = 5 * SECONDS;
/// How long a closed connection is kept, so that its last packets at other points are not taken for a new one.
const AFTERLIFE: i64 = 2 * SECONDS;
/// Exchanges of one leg followed at once.
const MAX_LIVE: usize = 32;
/// Streams of one HTTP/2 connection followed at once; servers usually allow 100 to 250.
const MAX_STREAMS: usize = 256;

/// A packet with what the core knows of where it is.
#[derive(Clone, Copy)]
struct Crossing<'a> {
    packet: &'a Packet,
    payload: &'a [u8],
    node: NodeId,
    direction: Direction,
    /// Core time.
    at: Timestamp,
}

impl Crossing<'_> {
    /// The capture point, as the leg remembers it.
    fn of(&self, way: Way) -> model::Crossing {
        let packet = self.packet;
        let (vantage, ttl) = (packet.vantage, packet.ttl);
        let inside = packet.inside.map(|outer| outer.encapsulation);
        model::Crossing { vantage, direction: self.direction, way, ttl, inside }
    }
}

/// The legs that have had a 5-tuple: the present one and the one before it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    leg: u32,
    face: u8,
    older: Option<(u32, u8)>,
}

/// A timer's target: a slot and the id that tells whether it is still the same one.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Timestamp,
    slot: u32,
    id: u64,
}

/// See the module.
pub struct Correlator {
    limits: Limits,
    places: Places,
    mesh: Mesh,
    alignment: Alignment,
    legs: Slab<LegState>,
    table: HashMap<Key, Slot>,
    index: Index,
    tracking: Tracking,
    tables: Tables,
    traces: Traces,
    routing: Routing,
    trails: Slab<Ongoing>,
    lingering: VecDeque<Due>,
    reviews: VecDeque<Due>,
    lookups: Lookups,
    neighbours: Neighbours,
    handoffs: Handoffs,
    dirty: Vec<u32>,
    changes: VecDeque<Change>,
    counters: Counters,
    now: Timestamp,
    next_serial: u64,
    events: found::Events,
}

impl Correlator {
    /// A core that starts from what a survey learned.
    pub fn new(survey: Survey, limits: Limits) -> Correlator {
        let (places, mesh) = survey.finish();
        let alignment = Alignment::new(&mesh.clocks());
        Correlator {
            limits,
            places,
            mesh,
            alignment,
            legs: Slab::new(),
            table: HashMap::new(),
            index: Index::new(INDEX_BUCKETS),
            tracking: Tracking::default(),
            tables: Tables::default(),
            traces: Traces::default(),
            routing: Routing::default(),
            trails: Slab::new(),
            lingering: VecDeque::new(),
            reviews: VecDeque::new(),
            lookups: Lookups::default(),
            neighbours: Neighbours::default(),
            handoffs: Handoffs::default(),
            dirty: Vec::new(),
            changes: VecDeque::new(),
            counters: Counters::default(),
            now: Timestamp(i64::MIN),
            next_serial: 1,
            events: found::Events::new(),
        }
    }

    /// How far each node's clock is ahead of the first node's, in nanoseconds, as ages are counted with it: roughly.
    pub fn clock_offsets(&self) -> Vec<i64> {
        self.alignment.offsets()
    }

    /// The same as far as packets, or the user, told it: what may be said of clocks.
    pub fn found_offsets(&self) -> &[i64] {
        self.alignment.found()
    }

    /// All sources are captures under way, followed from `node`: what comes of others is moments old.
    pub fn follow_from(&mut self, node: NodeId) {
        let Correlator { alignment, mesh, .. } = self;
        alignment.follow_from(node, |other| mesh.is_given(other));
    }

    /// Every node's clock against the first node's, from all packets so far.
    pub fn clocks(&self) -> Clocks {
        self.mesh.clocks()
    }

    pub fn topology(&self) -> &Topology {
        self.places.topology()
    }

    pub fn counters(&self) -> Counters {
        Counters { undirected: self.places.undirected(), ..self.counters }
    }

    /// The latest packet's time, roughly on the first node's clock.
    pub fn now(&self) -> Timestamp {
        self.alignment.on_first_clock(self.now)
    }

    /// Takes over capture points found since the last call; `all` only grows.
    pub fn extend_vantages(&mut self, all: &[Vantage]) {
        self.places.extend_vantages(all);
    }

    /// Names known beforehand, from a recording's name block or the user.
    pub fn add_names(&mut self, names: &model::Names) {
        self.places.add_names(names);
    }

    /// An address known beforehand to be `node`'s own.
    pub fn add_node_address(&mut self, ip: crate::model::Ip, node: NodeId) {
        self.places.add_node_address(ip, node);
    }

    /// Word of `node` came that was sent at `time`, by its clock.
    pub fn hear(&mut self, node: NodeId, time: Timestamp) {
        self.alignment.hear(node, time);
    }

    /// Everything of `node` up to `time`, on its clock, was handed over: deadlines up to then are over although no
    /// packet came.
    pub fn advance(&mut self, node: NodeId, time: Timestamp) {
        let now = self.alignment.core_time(node, time);
        // Before the first packet there is nothing that could end.
        if now > self.now && self.now > Timestamp(i64::MIN) {
            self.now = now;
            self.run_timers();
        }
    }

    /// Takes one packet. `payload` is its captured transport payload.
    pub fn handle_packet(&mut self, packet: &Packet, payload: &[u8]) {
        let direction = self.places.observe(packet);
        let node = self.places.node_of(packet.vantage);
        self.alignment.note(node, packet.time);
        let at = self.alignment.core_time(node, packet.time);
        if at > self.now {
            self.now = at;
            self.run_timers();
        }
        let crossing = Crossing { packet, payload, node, direction, at };
        match packet.body {
            Body::Tcp(segment) => self.handle_tcp(crossing, segment),
            Body::Udp(datagram) => self.handle_datagram(crossing, datagram.digest),
            Body::Echo(echo) => self.handle_datagram(crossing, echo.digest),
            Body::IcmpError(error) => self.handle_icmp_error(crossing, error),
            Body::Neighbour(neighbour) => self.handle_neighbour(crossing, neighbour),
            Body::Other => {}
        }
    }

    /// Emits the present state of every open trail that changed since the last tick, where the limits ask for it.
    pub fn handle_tick(&mut self) {
        for slot in std::mem::take(&mut self.dirty) {
            if self.trails.get(slot as usize).is_some_and(|trail| trail.is_dirty) {
                self.emit(slot);
            }
        }
    }

    /// The next change, oldest first.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// The input is over: closes everything that is still open.
    pub fn finish(&mut self) {
        let mut open: Vec<(u64, u32)> =
            self.trails.iter().map(|(slot, trail)| (trail.id, slot as u32)).collect();
        open.sort_unstable();
        for (_, slot) in open {
            self.close(slot, crate::model::Phase::Cut);
        }
        self.join_through_proxies(true);
        self.legs.clear();
        self.table.clear();
    }

    fn run_timers(&mut self) {
        self.tracking.expire(self.now);
        while let Some(due) = self.lingering.front().copied().filter(|due| due.at <= self.now) {
            self.lingering.pop_front();
            if self.trails.get(due.slot as usize).is_some_and(|trail| trail.id == due.id) {
                self.close(due.slot, crate::model::Phase::Answered);
            }
        }
        // Each at most once: at the end of time a review is due again at once.
        for _ in 0..self.reviews.len() {
            let Some(due) = self.reviews.front().copied().filter(|due| due.at <= self.now) else { break };
            self.reviews.pop_front();
            self.review(due);
        }
        if self.handoffs.is_due(self.now) {
            self.join_through_proxies(false);
        }
    }

    /// Starts following an exchange on `leg`.
    fn begin(&mut self, leg_slot: u32, token: Token, application: Application) -> u32 {
        self.make_room(leg_slot);
        self.counters.trails += 1;
        let mut trail = Ongoing::new(self.counters.trails, leg_slot, token, application, self.now);
        let leg = &mut self.legs[leg_slot as usize];
        trail.is_first_of_leg = leg.exchanges == 0;
        leg.exchanges += 1;
        let slot = self.trails.insert(trail) as u32;
        leg.live.push(slot);
        slot
    }

    /// A leg follows a bounded number of exchanges: the oldest one is handed on early. Of concurrent streams, which
    /// end in any order, an answered one goes first, and more are followed as long as they are open.
    fn make_room(&mut self, leg_slot: u32) {
        let leg = &self.legs[leg_slot as usize];
        if leg.live.len() < MAX_LIVE {
            return;
        }
        let is_open = |&&slot: &&u32| self.trails[slot as usize].phase == crate::model::Phase::Open;
        let (oldest, answered) = (leg.live[0], leg.live.iter().find(|slot| !is_open(slot)).copied());
        match answered {
            Some(slot) if leg.carries == found::Carries::Http2 => self.close_as_it_is(slot),
            None if leg.carries == found::Carries::Http2 && leg.live.len() < MAX_STREAMS => {}
            _ => self.close_as_it_is(oldest),
        }
    }

    /// Hands a trail on early.
    fn close_as_it_is(&mut self, slot: u32) {
        let phase = self.trails[slot as usize].phase;
        if phase == crate::model::Phase::Open {
            self.counters.evicted += 1;
            self.close(slot, crate::model::Phase::Evicted);
        } else {
            self.close(slot, phase);
        }
    }

    /// Notes a sighting of the trail in `slot`, and what it says about two nodes' clocks.
    fn note(&mut self, slot: u32, sighting: Sighting) {
        let node = self.places.node_of(sighting.vantage);
        let core_time = self.alignment.core_time(node, sighting.time);
        let trail = &mut self.trails[slot as usize];
        trail.last = self.now;
        trail.note_end(&sighting, core_time);
        if matches!(sighting.part, Part::Handshake | Part::Head)
            && !sighting.is_repeat
            && self.places.role_of(sighting.vantage) == Role::Uplink
        {
            let is_shared = observe_clocks(&self.places, &mut self.mesh, trail, &sighting);
            if is_shared && self.alignment.is_due(self.now) {
                self.alignment.adopt(&self.mesh, self.now);
            }
        }
        if sighting.len > 0 {
            let end = sighting.seq.wrapping_add(sighting.len);
            self.legs[trail.leg as usize].stream(sighting.way).note_up_to(end);
        }
        let is_kept = trail.note(sighting, &self.limits);
        if is_kept && self.limits.follow_open && !trail.is_dirty {
            trail.is_dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Emits the leg's open trails with the next tick, where the limits ask for it.
    fn touch(&mut self, leg: u32) {
        if !self.limits.follow_open {
            return;
        }
        for &slot in &self.legs[leg as usize].live {
            let trail = &mut self.trails[slot as usize];
            if !trail.is_dirty {
                trail.is_dirty = true;
                self.dirty.push(slot);
            }
        }
    }

    /// Marks a trail as answered: it waits a little for late sightings, then it is closed.
    fn complete(&mut self, slot: u32, is_whole: bool) {
        let trail = &mut self.trails[slot as usize];
        trail.answer_is_whole |= is_whole;
        if trail.phase != crate::model::Phase::Open {
            return;
        }
        trail.phase = crate::model::Phase::Answered;
        self.lingering.push_back(Due { at: self.now.plus(self.limits.linger), slot, id: trail.id });
    }
}

/// The same packet out of one node's uplink and into another's bounds the difference of their clocks. Gives whether
/// it is such a packet.
fn observe_clocks(places: &Places, mesh: &mut Mesh, trail: &Ongoing, new: &Sighting) -> bool {
    let mut is_shared = false;
    let node = places.node_of(new.vantage);
    for old in &trail.log {
        let is_same_packet = old.part == new.part
            && old.way == new.way
            && old.seq == new.seq
            && old.face == new.face
            && !old.is_repeat
            && places.role_of(old.vantage) == Role::Uplink;
        let other = places.node_of(old.vantage);
        if !is_same_packet || other == node {
            continue;
        }
        let (old_end, new_end) = ((other, old.time), (node, new.time));
        match (old.direction, new.direction) {
            (Direction::Out, Direction::In) if old.ttl >= new.ttl => mesh.observe(old_end, new_end),
            (Direction::In, Direction::Out) if old.ttl <= new.ttl => mesh.observe(new_end, old_end),
            _ => continue,
        }
        is_shared = true;
    }
    is_shared
}

impl Way {
    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Way {
        match self {
            Way::Request => Way::Reply,
            Way::Reply => Way::Request,
        }
    }
}
