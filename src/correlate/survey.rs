//! A look at the head of every source before the first packet is followed: which MAC is the node's, what an
//! unnamed interface is for, and roughly how far the nodes' clocks are apart, so that several nodes' records
//! can be merged in an order close to the true one.

use std::collections::VecDeque;

use hashbrown::HashMap;
use ipnet::IpNet;
use smallvec::SmallVec;

use super::clocks::Mesh;
use super::fingerprint::{digest, mix};
use super::places::Places;
use crate::model::{
    Body, Direction, Mac, NodeId, Packet, ProxyAddress, Role, TcpSegment, Timestamp, Vantage, VantageId,
};

/// Packets each way between two nodes that make a first offset good enough for merging.
const ENOUGH: u32 = 4;
/// Packets remembered while looking for their other sightings. Nodes are surveyed one after another, so
/// this has to span the whole look at one node.
const REMEMBERED: usize = 1 << 18;
/// Sightings of one packet under the same addresses: two on each of three nodes, and one too many.
const GLIMPSES: usize = 7;

/// One packet at one node, by what the fabric leaves alone.
#[derive(Clone, Copy, Debug)]
struct Glimpse {
    node: NodeId,
    direction: Direction,
    ttl: u8,
    time: Timestamp,
}

/// One packet at one interface of a node.
#[derive(Clone, Copy, Debug)]
struct Passage {
    is_workload: bool,
    vantage: VantageId,
    /// Source and destination.
    mac: [Mac; 2],
    ttl: u8,
}

/// Collects what the heads of the sources tell.
#[derive(Debug)]
pub struct Survey {
    places: Places,
    mesh: Mesh,
    glimpses: HashMap<u64, SmallVec<[Glimpse; GLIMPSES]>>,
    order: VecDeque<u64>,
    /// Packets by digest on cali interfaces, and on interfaces whose MAC is not known.
    passing: HashMap<u64, Passage>,
}

impl Survey {
    pub fn new(nodes: Vec<String>) -> Survey {
        Survey {
            mesh: Mesh::new(nodes.len()),
            places: Places::new(nodes),
            glimpses: HashMap::new(),
            order: VecDeque::new(),
            passing: HashMap::new(),
        }
    }

    /// The user says how far `node`'s clock is ahead of the reference node's.
    pub fn give_clock(&mut self, node: NodeId, ahead_ns: i64) {
        self.mesh.give(node, ahead_ns);
    }

    /// The user says where pods' and Services' addresses lie.
    pub fn give_ranges(&mut self, pods: Vec<IpNet>, services: Vec<IpNet>) {
        self.places.give_ranges(pods, services);
    }

    /// The user says where proxies listen.
    pub fn give_proxies(&mut self, proxies: Vec<ProxyAddress>) {
        self.places.give_proxies(proxies);
    }

    pub fn extend_vantages(&mut self, all: &[Vantage]) {
        self.places.extend_vantages(all);
    }

    /// Looks at one packet. Sources may come one after another.
    pub fn see(&mut self, packet: &Packet) {
        let direction = self.places.observe(packet);
        self.watch_passing(packet, direction);
        if self.places.topology().nodes.len() > 1 {
            self.glimpse(packet, direction);
        }
    }

    /// The same packet at another interface of the node tells which way it crossed this one, and so the node's
    /// MAC: what came out to a pod went in here, what came from a pod went out here, and a frame that brought a
    /// packet is addressed to the MAC that sends it on, one TTL lower.
    fn watch_passing(&mut self, packet: &Packet, direction: Direction) {
        let node = self.places.node_of(packet.vantage);
        let is_workload = self.places.role_of(packet.vantage) == Role::Workload;
        if !is_workload && direction != Direction::Unknown {
            return;
        }
        let Some(digest) = digest(node, packet) else { return };
        let passage = Passage {
            is_workload,
            vantage: packet.vantage,
            mac: [packet.src_mac, packet.dst_mac],
            ttl: packet.ttl,
        };
        if let Some(other) = self.passing.get(&digest) {
            let (first, second) = if other.ttl > passage.ttl { (*other, passage) } else { (passage, *other) };
            if first.ttl == second.ttl.wrapping_add(1) {
                self.settle_mac(first, second);
            }
        } else if self.passing.len() < REMEMBERED {
            self.passing.insert(digest, passage);
        }
    }

    /// `first` went into the node and came out as `second`.
    fn settle_mac(&mut self, first: Passage, second: Passage) {
        let [_, own_in] = first.mac;
        let [own_out, _] = second.mac;
        match (first.is_workload, second.is_workload) {
            (true, false) => self.places.settle_mac(second.vantage, own_out),
            (false, true) => self.places.settle_mac(first.vantage, own_in),
            (false, false) if own_in == own_out => self.places.settle_mac(first.vantage, own_in),
            _ => {}
        }
    }

    /// Whether the clocks are tied well enough to begin.
    pub fn is_enough(&mut self) -> bool {
        self.settle_clocks();
        self.mesh.is_tied(ENOUGH)
    }

    /// What was learned: places to start from, and the clock observations.
    pub fn finish(mut self) -> (Places, Mesh) {
        self.settle_clocks();
        self.places.settle_roles();
        self.places.settle_macs();
        self.places.forget_counts();
        (self.places, self.mesh)
    }

    /// Remembers a packet by what the fabric leaves alone.
    fn glimpse(&mut self, packet: &Packet, direction: Direction) {
        // What goes through a tunnel's device goes through the uplink too.
        if self.places.role_of(packet.vantage) == Role::Tunnel {
            return;
        }
        let Some(digest) = fabric_digest(packet) else { return };
        let node = self.places.node_of(packet.vantage);
        let glimpse = Glimpse { node, direction, ttl: packet.ttl, time: packet.time };
        if let Some(known) = self.glimpses.get_mut(&digest) {
            if known.len() < GLIMPSES {
                known.push(glimpse);
            }
            return;
        }
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
            && let Some(known) = self.glimpses.remove(&oldest)
        {
            tie(&mut self.mesh, &known);
        }
        self.order.push_back(digest);
        self.glimpses.insert(digest, smallvec::smallvec![glimpse]);
    }

    /// Ties clocks by all that was glimpsed so far.
    fn settle_clocks(&mut self) {
        for known in self.order.drain(..).filter_map(|digest| self.glimpses.remove(&digest)) {
            tie(&mut self.mesh, &known);
        }
    }
}

/// Ties the clocks of the nodes that one packet crossed, one hop after the other. Between them the TTL stays where no
/// router is, or a tunnel. A packet that is twice at one place was sent twice with nothing to tell the two apart (a
/// SYN-ACK, a lookup): it ties nothing.
fn tie(mesh: &mut Mesh, known: &[Glimpse]) {
    let mut hops = SmallVec::<[Glimpse; GLIMPSES]>::from_slice(known);
    hops.sort_unstable_by_key(|hop| (std::cmp::Reverse(hop.ttl), hop.direction != Direction::Out));
    let is_step = |two: &[Glimpse]| {
        let between_nodes = (two[0].direction, two[1].direction) == (Direction::Out, Direction::In)
            && two[0].node != two[1].node;
        two[0].ttl > two[1].ttl || between_nodes
    };
    if hops.len() == GLIMPSES || !hops.windows(2).all(is_step) {
        return;
    }
    for two in hops.windows(2).filter(|two| two[0].node != two[1].node) {
        mesh.observe((two[0].node, two[0].time), (two[1].node, two[1].time));
    }
}

/// A number for a packet that is sent once: a SYN, a segment with payload, a datagram, an echo. Addresses are
/// part of it, as nothing between two uplinks rewrites them.
fn fabric_digest(packet: &Packet) -> Option<u64> {
    let numbers = match packet.body {
        Body::Tcp(segment) if segment.len != 0 || segment.is(TcpSegment::SYN) => {
            // A retransmission has a later TSval or, without timestamps, another IP id.
            let sizes = u64::from(segment.len) << 8 | u64::from(segment.flags);
            [u64::from(segment.seq) << 32 | u64::from(segment.ack), u64::from(segment.tsval) << 32 | sizes]
        }
        Body::Udp(datagram) => [datagram.digest, 17],
        Body::Echo(echo) => [echo.digest, 1],
        _ => return None,
    };
    if packet.tuple.src.ip.is_node_local() {
        return None;
    }
    let [a, b] = packet.tuple.src.ip.words();
    let [c, d] = packet.tuple.dst.ip.words();
    let ports = u64::from(packet.tuple.src.port) << 16 | u64::from(packet.tuple.dst.port);
    let [first, second] = numbers;
    Some([b, c, d, ports, first, second, u64::from(packet.ip_id)].into_iter().fold(a, mix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SECONDS;

    fn glimpse(node: u16, ttl: u8, time: i64) -> Glimpse {
        Glimpse { node: NodeId(node), direction: Direction::Unknown, ttl, time: Timestamp(time) }
    }

    fn offset(packets: &[&[Glimpse]]) -> i64 {
        let mut mesh = Mesh::new(2);
        for known in packets {
            tie(&mut mesh, known);
        }
        mesh.clocks().fit(NodeId(1)).offset_ns
    }

    #[test]
    fn a_packet_that_was_sent_twice_ties_no_clocks() {
        let (forth, back) =
            ([glimpse(0, 63, 100), glimpse(1, 62, 110)], [glimpse(1, 63, 200), glimpse(0, 62, 210)]);
        let twice = [glimpse(1, 63, 400), glimpse(1, 63, 300), glimpse(0, 62, 310)];
        assert_eq!(offset(&[&forth, &back]), 0);
        assert_eq!(offset(&[&forth, &back, &twice]), 0);
    }

    #[test]
    fn a_tunnel_or_a_wire_between_nodes_leaves_the_ttl_as_it_is() {
        let at = |node, direction, ttl, time| Glimpse { direction, ..glimpse(node, ttl, time) };
        let forth = [
            at(0, Direction::In, 64, 90),
            at(1, Direction::In, 63, 5_110),
            at(0, Direction::Out, 63, 100),
            at(1, Direction::Out, 62, 5_120),
        ];
        let back = [at(0, Direction::In, 63, 210), at(1, Direction::Out, 63, 5_200)];
        assert_eq!(offset(&[&forth, &back]), 5_000);
        // Which of the two comes first cannot be told.
        assert_eq!(offset(&[&[glimpse(0, 63, 100), glimpse(1, 63, 5 * SECONDS)]]), 0);
    }
}
