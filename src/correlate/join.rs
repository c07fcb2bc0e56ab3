//! Finding a packet's leg: by its 5-tuple, or as the other side of a translation.

use super::fingerprint::{Waiting, digest};
use super::leg::{Key, LegState, MAX_FACES, key_of, keyed_tuple};
use super::{Correlator, Crossing, Due, REVIEW, Slot};
use crate::model::{Body, Direction, Ip, NodeId, Packet, Timestamp, Tuple, Way};

/// A packet's place: its leg, the face it carried and the way it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub leg: u32,
    pub face: u8,
    pub way: Way,
}

/// How well a waiting packet fits, beyond carrying the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// One end kept its address: what plain DNAT and plain masquerade do.
    keeps_an_end: bool,
    keeps_ip_id: bool,
    /// Forwarding takes one off the TTL (RFC 1812 §5.3.1).
    is_one_hop: bool,
}

impl Correlator {
    /// Looks the packet's leg up, joins it to one as another face, or opens a new one. `known` is what the
    /// table gave, and `client_is_src` says who opened the conversation, for a new one.
    pub(super) fn locate(
        &mut self,
        crossing: Crossing<'_>,
        known: Option<(u32, u8)>,
        client_is_src: bool,
    ) -> Located {
        let packet = crossing.packet;
        let tuple = keyed_tuple(packet);
        if let Some((leg, face)) = known {
            let way = self.legs[leg as usize].way_of(face, tuple.src);
            let located = Located { leg, face, way };
            self.legs[leg as usize].last = self.now;
            if self.legs[leg as usize].wants_join(face, crossing.node) {
                return self.compare(crossing, located);
            }
            self.legs[leg as usize].note_edge(crossing.node, crossing.direction, way);
            return located;
        }
        if let Some(located) = self.join_by_entry(crossing, tuple) {
            self.wait(crossing, located);
            return located;
        }
        let (key, _) = key_of(&tuple, crossing.node);
        if let Some(located) = self.join_new_face(crossing, key, tuple) {
            return located;
        }
        let client_to_server = if client_is_src { tuple } else { tuple.reversed() };
        let leg = self.open_leg(crossing, client_to_server);
        let way = if client_is_src { Way::Request } else { Way::Reply };
        self.wait(crossing, Located { leg, face: 0, way });
        Located { leg, face: 0, way }
    }

    pub(super) fn open_leg(&mut self, crossing: Crossing<'_>, client_to_server: Tuple) -> u32 {
        self.evict_legs();
        let serial = self.next_serial;
        self.next_serial += 1;
        let (key, _) = key_of(&client_to_server, crossing.node);
        // Not the time it is by now: what comes of another node may be late.
        let times = (crossing.at, self.now);
        let leg = self.legs.insert(LegState::new(serial, key, client_to_server, times)) as u32;
        self.register(key, leg, 0);
        self.reviews.push_back(Due { at: self.now.plus(REVIEW), slot: leg, id: serial });
        leg
    }

    pub(super) fn register(&mut self, key: Key, leg: u32, face: u8) {
        let older = self.table.get(&key).map(|slot| (slot.leg, slot.face));
        self.table.insert(key, Slot { leg, face, older });
    }

    /// A 5-tuple seen for the first time: is this packet one that waits under other addresses?
    fn join_new_face(&mut self, crossing: Crossing<'_>, key: Key, tuple: Tuple) -> Option<Located> {
        let digest = digest(crossing.node, crossing.packet)?;
        let (partner, rivals) = self.partner(digest, crossing, None)?;
        let leg = &mut self.legs[partner.leg as usize];
        if leg.faces.len() >= MAX_FACES {
            return None;
        }
        let way = leg.way_of(partner.face, partner.tuple.src);
        let face = leg.add_face(key, if way == Way::Request { tuple } else { tuple.reversed() });
        leg.last = self.now;
        self.register(key, partner.leg, face);
        let located = Located { leg: partner.leg, face, way };
        self.link(crossing, located, partner, rivals);
        Some(located)
    }

    /// A known face that has not shown yet where it goes on: joins it to another leg, or leaves the packet
    /// to be found.
    fn compare(&mut self, crossing: Crossing<'_>, located: Located) -> Located {
        let found = digest(crossing.node, crossing.packet)
            .and_then(|digest| self.partner(digest, crossing, Some(located)));
        let Some((partner, rivals)) = found else {
            self.wait(crossing, located);
            return located;
        };
        let located = if partner.leg == located.leg {
            located
        } else {
            let way = self.legs[partner.leg as usize].way_of(partner.face, partner.tuple.src);
            self.merge(located, Located { leg: partner.leg, face: partner.face, way })
        };
        let partner = self
            .legs
            .get(located.leg as usize)
            .and_then(|leg| face_of(leg, partner.tuple))
            .map(|face| Waiting { leg: located.leg, face, ..partner });
        if let Some(partner) = partner {
            self.link(crossing, located, partner, rivals);
        }
        located
    }

    /// Leaves a packet to be found under other addresses.
    pub(super) fn wait(&mut self, crossing: Crossing<'_>, located: Located) {
        let leg = &mut self.legs[located.leg as usize];
        leg.note_edge(crossing.node, crossing.direction, located.way);
        let packet = crossing.packet;
        if let Some(digest) = digest(crossing.node, packet) {
            let waiting = Waiting {
                leg: located.leg,
                serial: leg.serial,
                face: located.face,
                direction: crossing.direction,
                ttl: packet.ttl,
                ip_id: packet.ip_id,
                time: packet.time,
                tuple: keyed_tuple(packet),
            };
            self.index.insert(digest, waiting);
        }
    }

    /// The packet that waits under other addresses and fits best, and how many others fit as well.
    fn partner(&self, digest: u64, crossing: Crossing<'_>, own: Option<Located>) -> Option<(Waiting, u32)> {
        let tuple = keyed_tuple(crossing.packet);
        let mut best: Option<(Fit, Waiting)> = None;
        let mut rivals = 0;
        let is_settled = own.is_some_and(|own| self.legs[own.leg as usize].is_tracked(crossing.node));
        for waiting in self.index.candidates(digest) {
            let is_alive =
                self.legs.get(waiting.leg as usize).is_some_and(|leg| leg.serial == waiting.serial);
            let is_own_face = own.is_some_and(|own| (own.leg, own.face) == (waiting.leg, waiting.face));
            let is_other_side =
                crossing.direction != waiting.direction || crossing.direction == Direction::Unknown;
            let is_near = in_transit(crossing.packet.time, waiting.time, self.limits.transit);
            if !is_alive || !is_other_side || !is_near {
                continue;
            }
            if is_own_face && passed_unchanged(crossing, waiting) {
                return None;
            }
            if is_own_face || waiting.tuple == tuple {
                continue;
            }
            // What connection tracking says of either leaves no room for another.
            let is_own_leg = own.is_some_and(|own| own.leg == waiting.leg);
            if !is_own_leg && (is_settled || self.legs[waiting.leg as usize].is_tracked(crossing.node)) {
                continue;
            }
            let fit = fit(crossing, tuple, waiting);
            match &best {
                Some((best_fit, _)) if *best_fit > fit => {}
                Some((best_fit, old)) if *best_fit == fit => {
                    rivals += u32::from(old.leg != waiting.leg);
                    if waiting.serial < old.serial {
                        best = Some((fit, *waiting));
                    }
                }
                _ => {
                    rivals = 0;
                    best = Some((fit, *waiting));
                }
            }
        }
        best.map(|(_, waiting)| (waiting, rivals))
    }

    /// Notes the translation that two sightings of one packet show, and what it says about places.
    fn link(&mut self, crossing: Crossing<'_>, here: Located, partner: Waiting, rivals: u32) {
        let leg = &mut self.legs[here.leg as usize];
        leg.note_edge(crossing.node, crossing.direction, here.way);
        leg.note_edge(crossing.node, partner.direction, here.way);
        // On the request's way the packet that goes into the node has the older addresses.
        let here_is_in = match (crossing.direction, partner.direction) {
            (Direction::In, _) | (_, Direction::Out) => true,
            (Direction::Out, _) | (_, Direction::In) => false,
            _ => crossing.packet.ttl > partner.ttl,
        };
        let here_is_first = here_is_in == (here.way == Way::Request);
        let (from, to) = if here_is_first { (here.face, partner.face) } else { (partner.face, here.face) };
        leg.note_link(crossing.node, from, to, rivals);
        let (from, to) = (leg.faces[from as usize].tuple, leg.faces[to as usize].tuple);
        self.learn_translation(crossing.node, from, to);
    }

    /// What a translation says about places.
    pub(super) fn learn_translation(&mut self, node: NodeId, from: Tuple, to: Tuple) {
        if from.src.ip != to.src.ip {
            self.places.add_node_address(to.src.ip, node);
        }
        if from.dst.ip != to.dst.ip {
            self.places.add_service(from.dst.ip);
        }
    }

    /// Who opened a connection turns out to be its other end.
    pub(super) fn turn(&mut self, leg: u32) {
        self.legs[leg as usize].turn();
        for &slot in &self.legs[leg as usize].live {
            self.trails[slot as usize].turn();
        }
        self.touch(leg);
    }

    /// Two legs turn out to be one, by a packet that was seen of both; the older one stays.
    pub(super) fn merge(&mut self, here: Located, there: Located) -> Located {
        let serial = |it: Located| self.legs[it.leg as usize].serial;
        let (kept, gone) =
            if serial(here) < serial(there) { (here.leg, there.leg) } else { (there.leg, here.leg) };
        if self.legs[kept as usize].faces.len() + self.legs[gone as usize].faces.len() > MAX_FACES {
            return here;
        }
        // Both packets are one, so both legs must take it as going the same way.
        let gone_is_turned = there.way != here.way;
        let old = self.legs.remove(gone as usize);
        let shift = self.legs[kept as usize].faces.len() as u8;
        for (face, old_face) in (0_u8..).zip(&old.faces) {
            let tuple = if gone_is_turned { old_face.tuple.reversed() } else { old_face.tuple };
            self.legs[kept as usize].add_face(old_face.key, tuple);
            if let Some(slot) = self.table.get_mut(&old_face.key) {
                slot.moved((gone, face), (kept, face + shift));
            }
        }
        let trails = self.legs[kept as usize].absorb(old, shift, gone_is_turned);
        self.merge_trails(kept, &trails, shift, gone_is_turned);
        let face = if here.leg == kept { here.face } else { here.face + shift };
        let way = if here.leg == kept { here.way } else { there.way };
        Located { leg: kept, face, way }
    }
}

impl Slot {
    fn moved(&mut self, from: (u32, u8), to: (u32, u8)) {
        if (self.leg, self.face) == from {
            (self.leg, self.face) = to;
        }
        if self.older == Some(from) {
            self.older = Some(to);
        }
    }
}

pub(super) fn face_of(leg: &LegState, tuple: Tuple) -> Option<u8> {
    leg.faces.iter().position(|face| face.tuple == tuple || face.tuple == tuple.reversed()).map(|at| at as u8)
}

fn in_transit(a: Timestamp, b: Timestamp, limit: i64) -> bool {
    a.since(b).abs() <= limit
}

/// The TTLs of a packet that goes into a node and of one that comes out.
fn ttls(crossing: Crossing<'_>, waiting: &Waiting) -> (u8, u8) {
    match crossing.direction {
        Direction::In => (crossing.packet.ttl, waiting.ttl),
        _ => (waiting.ttl, crossing.packet.ttl),
    }
}

/// Whether the packet is known to go through the node with the addresses it has: not one that left and came back.
fn passed_unchanged(crossing: Crossing<'_>, waiting: &Waiting) -> bool {
    let is_known = ![crossing.direction, waiting.direction].contains(&Direction::Unknown);
    let (ttl_in, ttl_out) = ttls(crossing, waiting);
    is_known && waiting.tuple == keyed_tuple(crossing.packet) && ttl_in >= ttl_out
}

fn fit(crossing: Crossing<'_>, tuple: Tuple, waiting: &Waiting) -> Fit {
    let (ttl_in, ttl_out) = ttls(crossing, waiting);
    Fit {
        keeps_an_end: tuple.src == waiting.tuple.src || tuple.dst == waiting.tuple.dst,
        keeps_ip_id: crossing.packet.ip_id != 0 && crossing.packet.ip_id == waiting.ip_id,
        is_one_hop: ttl_in == ttl_out.wrapping_add(1),
    }
}

/// Whether the sender of a conversation's first known packet is its client. Servers have the port below the
/// ephemeral range (Linux: 32768 and up, `ip_local_port_range` in ip(7)).
pub(super) fn sender_is_client(packet: &Packet) -> bool {
    const EPHEMERAL: u16 = 32_768;
    let (src, dst) = (packet.tuple.src.port, packet.tuple.dst.port);
    match packet.body {
        Body::Tcp(segment) if segment.is_syn() => true,
        Body::Tcp(segment) if segment.is_syn_ack() => false,
        Body::Echo(echo) => echo.is_request,
        Body::Udp(_) if src == 53 || dst == 53 => dst == 53,
        _ if (src < EPHEMERAL) != (dst < EPHEMERAL) => dst < EPHEMERAL,
        Body::Tcp(_) => dst <= src,
        _ => true,
    }
}

/// Whether an address can be one end of something that is followed.
pub(super) fn can_be_followed(src: Ip, dst: Ip) -> bool {
    !src.is_group() && !dst.is_group()
}
