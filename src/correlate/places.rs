//! Which address lives where, what an interface is for, and which way a packet crosses it.
//!
//! A plain Ethernet capture does not carry direction. On cali the node's own MAC is fixed
//! (ee:ee:ee:ee:ee:ee); on an uplink it is learned: the MAC that local pods' packets leave from, or arrive
//! for, is the node's.

use ipnet::IpNet;

use crate::model::{
    Body, CALI_MAC, Direction, IcmpError, Ip, Mac, Names, NodeId, Packet, ProxyAddress, Role, Topology,
    TrackingTable, Vantage, VantageId,
};

/// Names and addresses kept; a node has hundreds of pods, not hundreds of thousands.
const MAX_ADDRESSES: usize = 65_536;
/// Votes by TTL that make up for missing pod traffic.
const ENOUGH_VOTES: u32 = 3;
/// MACs voted for on one interface.
const MAX_VOTED: usize = 64;
const NO_MAC: Mac = [0; 6];
/// TTLs that hosts start with; a forwarded packet has less (RFC 1700 named 64; others are common practice).
const INITIAL_TTLS: [u8; 3] = [64, 128, 255];

/// What is known of one capture point beyond its [`Vantage`].
#[derive(Clone, Debug, Default)]
struct Point {
    /// The interface's own link address, once known.
    own_mac: Option<Mac>,
    /// Who seems to send packets that no router has touched: candidates for `own_mac`.
    votes: Vec<(Mac, u32)>,
    /// The last addresses learned here, so that the common packet costs a comparison.
    last_in: Ip,
    last_out: Ip,
    /// Who sent the last packet that left in a tunnel.
    last_sender: [u8; 4],
    packets: u64,
}

/// Learns places from packets and tells directions.
#[derive(Clone, Debug)]
pub struct Places {
    pub(super) topology: Topology,
    points: Vec<Point>,
    /// Packets whose direction could not be told.
    undirected: u64,
}

impl Places {
    pub fn new(nodes: Vec<String>) -> Places {
        Places { topology: Topology { nodes, ..Topology::default() }, points: Vec::new(), undirected: 0 }
    }

    pub(super) fn give_ranges(&mut self, pods: Vec<IpNet>, services: Vec<IpNet>) {
        self.topology.pod_ranges = pods;
        self.topology.service_ranges = services;
    }

    pub(super) fn give_proxies(&mut self, proxies: Vec<ProxyAddress>) {
        self.topology.proxies = proxies;
    }

    /// Takes over capture points that the source has found since the last call; `all` only grows.
    pub fn extend_vantages(&mut self, all: &[Vantage]) {
        let known = self.topology.vantages.len();
        self.topology.vantages.extend_from_slice(all.get(known..).unwrap_or_default());
        self.points.resize_with(self.topology.vantages.len(), Point::default);
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(super) fn undirected(&self) -> u64 {
        self.undirected
    }

    pub(super) fn node_of(&self, vantage: VantageId) -> NodeId {
        self.topology.vantage(vantage).node
    }

    pub(super) fn role_of(&self, vantage: VantageId) -> Role {
        self.topology.vantage(vantage).role
    }

    /// Tells the packet's direction and learns what it shows about places.
    pub(super) fn observe(&mut self, packet: &Packet) -> Direction {
        self.points[packet.vantage.0 as usize].packets += 1;
        self.infer_role(packet);
        let direction = match packet.direction {
            Direction::Unknown => self.infer_direction(packet),
            known => known,
        };
        match direction {
            Direction::Unknown => self.undirected += 1,
            known => self.learn_addresses(packet, known),
        }
        direction
    }

    fn infer_role(&mut self, packet: &Packet) {
        let vantage = &mut self.topology.vantages[packet.vantage.0 as usize];
        if vantage.role_is_given || vantage.role != Role::Other {
            return;
        }
        if packet.dst_mac == CALI_MAC || packet.src_mac == CALI_MAC {
            vantage.role = Role::Workload;
        }
    }

    /// An unnamed interface that is no pod's: the busiest one of a node without an uplink is its uplink.
    pub fn settle_roles(&mut self) {
        for node in 0..self.topology.nodes.len() {
            let node = NodeId(node as u16);
            if self.topology.captures(node, Role::Uplink) {
                continue;
            }
            let busiest = (0..self.points.len())
                .filter(|&index| {
                    let vantage = &self.topology.vantages[index];
                    vantage.node == node && vantage.role == Role::Other && !vantage.role_is_given
                })
                .max_by_key(|&index| (self.points[index].packets, std::cmp::Reverse(index)));
            if let Some(index) = busiest.filter(|&index| self.points[index].packets > 0) {
                self.topology.vantages[index].role = Role::Uplink;
            }
        }
    }

    fn infer_direction(&mut self, packet: &Packet) -> Direction {
        match self.role_of(packet.vantage) {
            Role::Workload => match (packet.src_mac == CALI_MAC, packet.dst_mac == CALI_MAC) {
                (true, _) => Direction::Out,
                (false, true) => Direction::In,
                // A pod's multicast; the node's own would carry its MAC.
                (false, false) if packet.src_mac != NO_MAC => Direction::In,
                (false, false) => Direction::Unknown,
            },
            Role::Loopback => Direction::In,
            Role::Uplink | Role::Tunnel | Role::Other => self.infer_uplink_direction(packet),
        }
    }

    fn infer_uplink_direction(&mut self, packet: &Packet) -> Direction {
        let node = self.node_of(packet.vantage);
        let lives_here = |ip: Ip| {
            self.topology.node_of_pod(ip) == Some(node)
                || self.topology.node_addresses.get(&ip) == Some(&node)
        };
        let is_followed = !packet.tuple.src.ip.is_group() && packet.body != Body::Other;
        let point = &mut self.points[packet.vantage.0 as usize];
        if let Some(own) = point.own_mac {
            return if packet.src_mac == own { Direction::Out } else { Direction::In };
        }
        if !is_followed {
            return Direction::Unknown;
        }
        // A device without link addresses, such as a tunnel's.
        if packet.src_mac == NO_MAC {
            return match (lives_here(packet.tuple.src.ip), lives_here(packet.tuple.dst.ip)) {
                (true, false) => Direction::Out,
                (false, true) => Direction::In,
                _ => Direction::Unknown,
            };
        }
        if lives_here(packet.tuple.src.ip) {
            point.own_mac = Some(packet.src_mac);
            return Direction::Out;
        }
        if lives_here(packet.tuple.dst.ip) && packet.dst_mac[0] & 1 == 0 {
            point.own_mac = Some(packet.dst_mac);
            return Direction::In;
        }
        point.vote(packet);
        Direction::Unknown
    }

    /// Settles own MACs by the votes where no pod's traffic did it: the machine that sends packets no router
    /// has touched is the node, when it is the only one that does.
    pub fn settle_macs(&mut self) {
        for point in self.points.iter_mut().filter(|point| point.own_mac.is_none()) {
            point.votes.sort_by_key(|&(mac, votes)| (std::cmp::Reverse(votes), mac));
            point.own_mac = match point.votes.as_slice() {
                [(mac, votes)] if *votes >= ENOUGH_VOTES => Some(*mac),
                [(mac, first), (_, second), ..] if *first >= ENOUGH_VOTES && *first > 4 * second => {
                    Some(*mac)
                }
                _ => None,
            };
        }
    }

    pub(super) fn settle_mac(&mut self, vantage: VantageId, mac: Mac) {
        self.points[vantage.0 as usize].own_mac.get_or_insert(mac);
    }

    /// The survey's packets are read again: they are not counted twice.
    pub(super) fn forget_counts(&mut self) {
        self.undirected = 0;
        for point in &mut self.points {
            point.packets = 0;
        }
    }

    fn learn_addresses(&mut self, packet: &Packet, direction: Direction) {
        if matches!(packet.body, Body::Neighbour(_) | Body::Other) {
            return;
        }
        let role = self.role_of(packet.vantage);
        let point = &mut self.points[packet.vantage.0 as usize];
        let (ip, last) = match direction {
            Direction::In => (packet.tuple.src.ip, &mut point.last_in),
            _ => (packet.tuple.dst.ip, &mut point.last_out),
        };
        let is_new = std::mem::replace(last, ip) != ip;
        if let (Some(outer), Direction::Out) = (packet.inside, direction)
            && std::mem::replace(&mut point.last_sender, outer.sender) != outer.sender
        {
            let node = self.node_of(packet.vantage);
            self.add_node_address(Ip::v4(outer.sender), node);
        }
        match role {
            Role::Workload if is_new => self.learn_pod(ip, packet.vantage),
            Role::Uplink | Role::Tunnel if direction == Direction::Out => self.learn_node_address(packet),
            _ => {}
        }
        if role == Role::Workload && direction == Direction::Out {
            self.learn_node_address(packet);
        }
    }

    fn learn_pod(&mut self, ip: Ip, vantage: VantageId) {
        if ip.is_node_local() || ip.is_group() || self.topology.pods.len() >= MAX_ADDRESSES {
            return;
        }
        self.topology.pods.insert(ip, vantage);
    }

    /// A packet that leaves the node untouched by any router was made on the node itself.
    fn learn_node_address(&mut self, packet: &Packet) {
        let ip = packet.tuple.src.ip;
        if !INITIAL_TTLS.contains(&packet.ttl) || matches!(packet.body, Body::IcmpError(IcmpError { .. })) {
            return;
        }
        let node = self.node_of(packet.vantage);
        if self.topology.node_addresses.contains_key(&ip)
            || self.topology.pods.contains_key(&ip)
            || self.topology.services.contains_key(&ip)
        {
            return;
        }
        self.add_node_address(ip, node);
    }

    pub(super) fn add_node_address(&mut self, ip: Ip, node: NodeId) {
        let known = &mut self.topology.node_addresses;
        if !ip.is_node_local() && !ip.is_group() && known.len() < MAX_ADDRESSES {
            known.entry(ip).or_insert(node);
        }
    }

    pub(super) fn add_service(&mut self, ip: Ip) {
        let is_other = self.topology.pods.contains_key(&ip) || self.topology.node_addresses.contains_key(&ip);
        if !is_other && self.topology.services.len() < MAX_ADDRESSES {
            self.topology.services.entry(ip).or_default();
        }
    }

    /// A node's connection tracking is heard.
    pub(super) fn hear(&mut self, node: NodeId) {
        self.topology.tracking.insert(node);
    }

    /// What is known of a node's connection tracking table.
    pub(super) fn table(&mut self, node: NodeId) -> &mut TrackingTable {
        self.topology.tables.entry(node).or_default()
    }

    pub(super) fn add_name(&mut self, ip: Ip, name: &str) {
        self.topology.names.name(ip, name);
    }

    /// Names known beforehand. A node's address is its own where the node is one that is followed.
    pub(super) fn add_names(&mut self, names: &Names) {
        self.topology.names.extend(names);
        for &ip in &names.services {
            self.add_service(ip);
        }
        for &ip in &names.nodes {
            let name = names.addresses.get(&ip);
            let node = name.and_then(|name| self.topology.nodes.iter().position(|node| node == name));
            if let Some(node) = node {
                self.add_node_address(ip, NodeId(node as u16));
            }
        }
    }
}

impl Point {
    fn vote(&mut self, packet: &Packet) {
        if !INITIAL_TTLS.contains(&packet.ttl) {
            return;
        }
        if let Some((_, votes)) = self.votes.iter_mut().find(|(mac, _)| *mac == packet.src_mac) {
            *votes += 1;
        } else if self.votes.len() < MAX_VOTED {
            self.votes.push((packet.src_mac, 1));
        }
    }
}
