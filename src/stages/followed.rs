//! Which packet the timeline follows, and where it was seen first.
//!
//! The request is the packet with its first byte (`Head`); only where no capture point has one is it the SYN,
//! and then the SYN everywhere. The reply is what answers that packet: the answer's first byte to a `Head`,
//! the SYN-ACK to a SYN, else a reset or an ICMP error. Retransmissions count as the packet: at each capture
//! point its first sighting is taken, so a copy that got further than the first shows how far.

use smallvec::SmallVec;

use crate::model::{
    Direction, IcmpReason, NodeId, Part, Protocol, Role, Sighting, Timestamp, Trail, VantageId, Way,
};
use crate::stages::place::World;

/// TCP flag ACK (RFC 9293).
const ACK: u8 = 16;

/// The first sighting of the followed packet at one capture point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Index into the trail's sightings.
    pub(super) sighting: u32,
    pub(super) vantage: VantageId,
    pub(super) node: NodeId,
    pub(super) role: Role,
    pub(super) direction: Direction,
    pub(super) ttl: u8,
    /// On the reference node's clock.
    pub(super) time: Timestamp,
}

/// A packet followed one way.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// `None` where nothing of this way was seen.
    pub(super) part: Option<Part>,
    pub(super) points: SmallVec<[Point; 8]>,
}

/// More first sightings than any route has points are a loop; they add nothing.
const MAX_POINTS: usize = 32;

impl Followed {
    /// The sightings by role and direction, in the order they were processed.
    pub(super) fn at(&self, role: Role, direction: Direction) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.role == role && point.direction == direction)
    }

    pub(super) fn first(&self, role: Role, direction: Direction) -> Option<&Point> {
        self.at(role, direction).next()
    }

    /// Whether it was seen on `node` by role and direction.
    pub(super) fn passed(&self, node: NodeId, role: Role, direction: Direction) -> bool {
        self.at(role, direction).any(|point| point.node == node)
    }

    /// The sighting at one place of a route.
    pub(super) fn on(&self, node: NodeId, role: Role, direction: Direction) -> Option<Point> {
        self.at(role, direction).find(|point| point.node == node).copied()
    }
}

/// Both ways, and what the two tell of each other.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) request: Followed,
    pub(super) reply: Followed,
    /// The server acknowledged the request's first byte: it arrived.
    pub(super) request_acked: bool,
    /// When the client's own side first showed that the answer had arrived.
    pub(super) reply_acked: Option<Timestamp>,
    /// The node that asked for the server's link address on a cali interface, and where.
    pub(super) neighbour: Option<(NodeId, VantageId)>,
}

/// Which parts of one way a trail has, a bit each.
#[derive(Clone, Copy, Default)]
struct Parts(u8);

impl Parts {
    fn add(&mut self, part: Part) {
        self.0 |= 1 << part as u8;
    }

    fn take(&mut self, part: Part) {
        self.0 &= !(1 << part as u8);
    }

    fn first_of(self, parts: &[Part]) -> Option<Part> {
        parts.iter().copied().find(|&part| self.0 & (1 << part as u8) != 0)
    }

    fn request(self) -> Option<Part> {
        self.first_of(&[Part::Head, Part::Handshake])
    }

    /// What answers `request`. A SYN-ACK is no answer to a request's first byte.
    fn reply(self, request: Option<Part>) -> Option<Part> {
        self.first_of(match request {
            Some(Part::Handshake) => &[Part::Handshake, Part::Head, Part::Reset, Part::IcmpError],
            Some(_) => &[Part::Head, Part::Reset, Part::IcmpError],
            None => &[Part::Head, Part::Handshake, Part::Reset, Part::IcmpError],
        })
    }
}

/// Follows the request and the reply of a trail of one leg.
pub(super) fn follow(trail: &Trail, world: &World<'_>) -> Pair {
    let (mut request, mut reply) = (Parts::default(), Parts::default());
    for sighting in &trail.sightings {
        match sighting.way {
            Way::Request => request.add(sighting.part),
            Way::Reply => reply.add(sighting.part),
        }
    }
    if !trail.notices.is_empty() && trail.notices.iter().all(|notice| is_advice(notice.reason)) {
        reply.take(Part::IcmpError);
    }
    let mut pair = Pair::default();
    pair.request.part = request.request();
    pair.reply.part = reply.reply(pair.request.part);
    for (index, sighting) in trail.sightings.iter().enumerate() {
        note_acknowledgement(trail, sighting, world, &mut pair);
        let followed = match sighting.way {
            Way::Request => &mut pair.request,
            Way::Reply => &mut pair.reply,
        };
        if followed.part == Some(sighting.part) {
            add_point(trail, index as u32, sighting, world, followed);
        } else if sighting.part == Part::NeighbourRequest && pair.neighbour.is_none() {
            let node = world.topology.vantage(sighting.vantage).node;
            pair.neighbour = Some((node, sighting.vantage));
        }
    }
    if pair.reply_acked.is_none() && trail.answer_is_whole && is_tcp(trail) {
        // It was acknowledged, by a packet that is not kept.
        let times = trail.sightings.iter().map(|it| aligned(it, world));
        pair.reply_acked = times.max();
    }
    pair
}

fn is_tcp(trail: &Trail) -> bool {
    trail.legs.first().is_some_and(|leg| leg.protocol == Protocol::Tcp)
}

fn aligned(sighting: &Sighting, world: &World<'_>) -> Timestamp {
    let node = world.topology.vantage(sighting.vantage).node;
    world.clocks.align(node, sighting.time)
}

/// ICMP errors that tell the sender something without refusing its packet for good.
const fn is_advice(reason: IcmpReason) -> bool {
    matches!(reason, IcmpReason::PacketTooBig | IcmpReason::Redirect)
}

fn add_point(trail: &Trail, index: u32, sighting: &Sighting, world: &World<'_>, followed: &mut Followed) {
    let vantage = world.topology.vantage(sighting.vantage);
    let direction = direction_of(trail, sighting, world);
    let is_known = |point: &Point| (point.vantage, point.direction) == (sighting.vantage, direction);
    if direction == Direction::Unknown
        || followed.points.len() >= MAX_POINTS
        || followed.points.iter().any(is_known)
    {
        return;
    }
    followed.points.push(Point {
        sighting: index,
        vantage: sighting.vantage,
        node: vantage.node,
        role: vantage.role,
        direction,
        ttl: sighting.ttl,
        time: world.clocks.align(vantage.node, sighting.time),
    });
}

/// The sighting's direction; where the capture does not say, from where its addresses live, or from the TTL.
fn direction_of(trail: &Trail, sighting: &Sighting, world: &World<'_>) -> Direction {
    match sighting.direction {
        // A packet on the loopback goes out and comes in at once; what took it is told by the coming in.
        _ if world.topology.vantage(sighting.vantage).role == Role::Loopback => Direction::In,
        Direction::Unknown => by_address(trail, sighting, world)
            .or_else(|| by_ttl(trail, sighting, world))
            .unwrap_or(Direction::Unknown),
        known => known,
    }
}

/// A packet from a pod comes *in* by its cali; one from an address of the node goes *out* by its uplink.
fn by_address(trail: &Trail, sighting: &Sighting, world: &World<'_>) -> Option<Direction> {
    let face = *trail.legs.get(sighting.leg as usize)?.faces.get(sighting.face as usize)?;
    let tuple = if sighting.way == Way::Request { face } else { face.reversed() };
    let topology = world.topology;
    let vantage = topology.vantage(sighting.vantage);
    let is_cali = vantage.role == Role::Workload;
    let lives_here = |ip| {
        if is_cali {
            topology.pods.get(&ip) == Some(&sighting.vantage)
        } else {
            let node = topology.node_of_pod(ip).or_else(|| topology.node_addresses.get(&ip).copied());
            node == Some(vantage.node)
        }
    };
    match (lives_here(tuple.src.ip), lives_here(tuple.dst.ip)) {
        (true, false) => Some(if is_cali { Direction::In } else { Direction::Out }),
        (false, true) => Some(if is_cali { Direction::Out } else { Direction::In }),
        _ => None,
    }
}

/// The direction by the same packet elsewhere on the node: forwarding takes one off the TTL, so the higher came
/// in and the lower goes out.
fn by_ttl(trail: &Trail, sighting: &Sighting, world: &World<'_>) -> Option<Direction> {
    let node = world.topology.vantage(sighting.vantage).node;
    let is_same = |it: &&Sighting| {
        (it.way, it.leg, it.part, it.seq, it.len)
            == (sighting.way, sighting.leg, sighting.part, sighting.seq, sighting.len)
            && world.topology.vantage(it.vantage).node == node
            && it.ttl.abs_diff(sighting.ttl) == 1
    };
    let other = trail.sightings.iter().find(is_same)?;
    Some(if sighting.ttl > other.ttl { Direction::In } else { Direction::Out })
}

/// Notes what an acknowledgement proves: that the other side's followed packet arrived.
fn note_acknowledgement(trail: &Trail, sighting: &Sighting, world: &World<'_>, pair: &mut Pair) {
    if !is_tcp(trail) || sighting.flags & ACK == 0 || sighting.part == Part::Reset {
        return;
    }
    match sighting.way {
        Way::Reply => {
            pair.request_acked |= match (pair.request.part, trail.request_seq) {
                (Some(Part::Handshake), _) => sighting.part != Part::IcmpError,
                (_, Some(seq)) => is_after(sighting.ack, seq),
                _ => false,
            };
        }
        Way::Request => {
            let proves = match (pair.reply.part, trail.reply_seq) {
                (Some(Part::Handshake), _) => sighting.part != Part::Handshake,
                // The capture may have lost every sighting of an answer that the client acknowledges.
                (Some(Part::Head) | None, Some(seq)) => is_after(sighting.ack, seq),
                _ => false,
            };
            if proves {
                let time = aligned(sighting, world);
                pair.reply_acked = Some(pair.reply_acked.map_or(time, |earlier| earlier.min(time)));
            }
        }
    }
}

/// Whether sequence number `a` lies after `b` (modulo 2³², RFC 9293 §3.4).
pub(super) const fn is_after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}
