//! Who the two ends of a trail are, on which nodes they live, and of which path the trail therefore is.

use std::ops::RangeInclusive;

use smallvec::SmallVec;

use crate::model::{
    Application, Direction, Endpoint, IcmpNotice, IcmpReason, Ip, Leg, NodeId, Protocol, Role, Way,
};
use crate::stages::followed::Point;
use crate::stages::legs::OneLeg;
use crate::stages::place::World;
use crate::stages::template::{Fact, FactSet, Letter};

/// What kind of thing has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Pod,
    /// A node's own address.
    Node,
    /// A Service without a known endpoint, or nothing known.
    Unknown,
    Outside,
}

/// Which node each letter of a template stands for in a trail.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nodes {
    by_letter: [Option<NodeId>; 4],
    is_within_one: bool,
}

impl Nodes {
    pub(super) fn get(self, letter: Letter) -> Option<NodeId> {
        self.by_letter[letter as usize]
    }

    /// The leg goes to a proxy on the node that it comes from.
    pub(super) fn is_within_one(self) -> bool {
        self.is_within_one
    }

    fn set(&mut self, letter: Letter, node: Option<NodeId>) {
        self.by_letter[letter as usize] = node;
    }
}

/// What decides path and route.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The template's name; `None` where the trail fits no path.
    pub(super) path: Option<&'static str>,
    pub(super) set: FactSet,
    /// What the letters stand for on each leg.
    pub(super) nodes: SmallVec<[Nodes; 1]>,
    /// The last leg ends at a process of a node, which on this path is a proxy too.
    pub(super) ends_at_proxy: bool,
}

/// Ports that an ingress proxy listens on: HTTP, HTTPS, and Traefik's second entry point. On others, HTTP itself
/// tells a proxy.
const INGRESS_PORTS: [u16; 3] = [80, 443, 8080];

impl Facts {
    pub(super) fn new(legs: &[OneLeg<'_>], world: &World<'_>) -> Option<Facts> {
        let (first, last) = (legs.first()?, legs.last()?);
        let look =
            Look { legs, world, at_client: first, at_server: last, first: first.leg()?, last: last.leg()? };
        let client = look.client();
        let server = look.server();
        let path = look.path(client, server);
        let nodes = look.nodes(client, server, path == Some(INGRESS));
        let ends_at_proxy = path == Some(INGRESS) && server == Side::Node;
        Some(Facts { path, set: look.facts(client, server, &nodes), nodes, ends_at_proxy })
    }
}

/// The path through proxies.
const INGRESS: &str = "ingress-to-pod";

struct Look<'a> {
    legs: &'a [OneLeg<'a>],
    world: &'a World<'a>,
    /// What was seen of the client's leg.
    at_client: &'a OneLeg<'a>,
    /// What was seen of the endpoint's leg.
    at_server: &'a OneLeg<'a>,
    /// The client's leg.
    first: &'a Leg,
    /// The endpoint's leg.
    last: &'a Leg,
}

impl Look<'_> {
    /// Node addresses come before pod addresses: a pod of the host network has its node's.
    fn client(&self) -> Side {
        let ip = self.first.client.ip;
        let topology = self.world.topology;
        if self.at_client.pair.request.first(Role::Workload, Direction::In).is_some() {
            Side::Pod
        } else if topology.node_addresses.contains_key(&ip) {
            Side::Node
        } else if topology.pods.contains_key(&ip) || self.is_near_pods(ip) {
            Side::Pod
        } else {
            self.departed_from().map_or(Side::Outside, |node| self.resident(ip, node))
        }
    }

    /// The node in which the packet appears, though the node captures where it would have entered from elsewhere.
    fn departed_from(&self) -> Option<NodeId> {
        let request = &self.at_client.pair.request;
        let to_pod = request.first(Role::Workload, Direction::Out).map(|point| point.node);
        let is_own = |&node: &NodeId| self.world.topology.captures(node, Role::Uplink) && !self.entered(node);
        // A packet that entered another node by the uplink before came from elsewhere.
        let came_in = || request.first(Role::Uplink, Direction::In).is_some();
        self.departure().or_else(|| to_pod.filter(|_| !came_in()).filter(is_own))
    }

    /// What lives on `node` under `ip`, if no cali interface shows it: the node itself, or a pod whose cali is
    /// not captured, which has an address of another kind than the node's.
    fn resident(&self, ip: Ip, node: NodeId) -> Side {
        let known = &self.world.topology.node_addresses;
        let is_known = known.values().any(|&owner| owner == node);
        let is_near = known.range(block(ip, 24, 64)).any(|(_, &owner)| owner == node);
        if is_near || !is_known { Side::Node } else { Side::Pod }
    }

    fn server(&self) -> Side {
        let topology = self.world.topology;
        if self.server_cali().is_some() {
            return Side::Pod;
        }
        let Some(Endpoint { ip, .. }) = self.last.server.or(self.last.target) else { return Side::Unknown };
        if topology.node_addresses.contains_key(&ip) || ip.is_node_local() {
            Side::Node
        } else if topology.pods.contains_key(&ip) || self.at_server.pair.neighbour.is_some() {
            Side::Pod
        } else if self.is_service(ip) {
            Side::Unknown
        } else if self.is_near_pods(ip) {
            Side::Pod
        } else if self.is_handed_on() && self.is_near_nodes(ip) {
            Side::Node
        } else {
            match self.answered_from() {
                Some(node) if self.world.topology.captures(node, Role::Workload) => Side::Node,
                Some(node) => self.resident(ip, node),
                None => Side::Outside,
            }
        }
    }

    /// The cali interface the server was seen behind.
    fn server_cali(&self) -> Option<&Point> {
        let (request, reply) = (&self.at_server.pair.request, &self.at_server.pair.reply);
        let to_it = request.first(Role::Workload, Direction::Out);
        to_it.or_else(|| reply.first(Role::Workload, Direction::In))
    }

    /// The node that the packet entered and did not leave by the uplink, while the answer did.
    fn answered_from(&self) -> Option<NodeId> {
        let (request, reply) = (&self.at_server.pair.request, &self.at_server.pair.reply);
        let mut entries = request.at(Role::Uplink, Direction::In).map(|point| point.node);
        entries.find(|&node| {
            !request.passed(node, Role::Uplink, Direction::Out)
                && reply.passed(node, Role::Uplink, Direction::Out)
        })
    }

    /// Whether `ip` is dialled as a Service: it was translated before, has a Service's DNS name, or lies in
    /// the address block of known Services and not in that of the pods.
    fn is_service(&self, ip: Ip) -> bool {
        let topology = self.world.topology;
        let is_service_name = |name: &str| name.split('.').any(|label| label == "svc");
        topology.services.contains_key(&ip)
            || topology.is_in_service_ranges(ip)
            || self
                .at_client
                .trail
                .resolution
                .as_ref()
                .is_some_and(|resolution| is_service_name(&resolution.name))
            || topology.names.addresses.get(&ip).is_some_and(|name| is_service_name(name))
            || self.is_rejected_as_service(ip)
            || (!self.is_near_pods(ip) && topology.services.range(block(ip, 16, 108)).next().is_some())
    }

    /// A node itself says that `ip` has no such port, though `ip` is none of its own: kube-proxy's rule for a
    /// Service without endpoints.
    fn is_rejected_as_service(&self, ip: Ip) -> bool {
        let known = &self.world.topology.node_addresses;
        let is_reject = |notice: &IcmpNotice| {
            notice.reason == IcmpReason::PortUnreachable
                && notice.reporter != ip
                && (known.contains_key(&notice.reporter) || self.began_in_clients_node())
        };
        self.at_client.trail.notices.iter().any(is_reject)
            && !self.is_near_pods(ip)
            && !known.contains_key(&ip)
    }

    /// The reply came into the client's node by none of its capture points, nor did the request leave it.
    fn began_in_clients_node(&self) -> bool {
        let (request, reply) = (&self.at_client.pair.request, &self.at_client.pair.reply);
        let is_captured = |point: &Point| self.world.topology.captures(point.node, Role::Uplink);
        request.first(Role::Workload, Direction::In).is_some_and(is_captured)
            && request.first(Role::Uplink, Direction::Out).is_none()
            && reply.first(Role::Uplink, Direction::In).is_none()
            && reply.first(Role::Workload, Direction::In).is_none()
    }

    /// Whether `ip` shares an address block with known pods. Calico's pools are usually at least a /16 (IPv6:
    /// /48), of which each node carves its /26 or /24. Where the user gave ranges, they decide.
    fn is_near_pods(&self, ip: Ip) -> bool {
        let topology = self.world.topology;
        if topology.pod_ranges.is_empty() {
            topology.pods.range(block(ip, 16, 48)).next().is_some()
        } else {
            topology.is_in_pod_ranges(ip)
        }
    }

    /// Whether `ip` shares a block with known nodes: another node, which is not captured.
    fn is_near_nodes(&self, ip: Ip) -> bool {
        self.world.topology.node_addresses.range(block(ip, 24, 64)).next().is_some()
    }

    fn is_translated(&self) -> bool {
        match (self.first.target, self.first.server) {
            (Some(target), Some(server)) => target != server,
            _ => false,
        }
    }

    fn path(&self, client: Side, server: Side) -> Option<&'static str> {
        if self.at_client.trail.exchange.application == Application::Dns {
            return Some("dns-lookup");
        }
        if self.is_handed_on() {
            return Some(INGRESS);
        }
        let target = self.first.target.or(self.first.server)?;
        let is_service = self.is_translated() || self.is_service(target.ip);
        match client {
            Side::Pod if is_service => Some("pod-to-service"),
            Side::Pod => match server {
                Side::Pod => Some("pod-to-pod"),
                Side::Outside => Some("pod-to-external"),
                Side::Node if INGRESS_PORTS.contains(&target.port) || self.is_handed_on() => Some(INGRESS),
                Side::Node | Side::Unknown => None,
            },
            Side::Node => {
                (server == Side::Pod || (is_service && server == Side::Unknown)).then_some("host-to-pod")
            }
            Side::Outside | Side::Unknown => self.path_from_outside(target, server, is_service),
        }
    }

    fn path_from_outside(&self, target: Endpoint, server: Side, is_service: bool) -> Option<&'static str> {
        let is_node = self.world.topology.node_addresses.contains_key(&target.ip);
        // An address translated in the node is none of a proxy's, wherever its endpoint turns out to be.
        if is_node && self.is_translated() && server != Side::Node {
            return Some("nodeport-to-pod");
        }
        if self.is_handed_on() || self.world.topology.proxy_at(target).is_some() {
            return Some(INGRESS);
        }
        if is_node || server == Side::Node {
            let is_ingress = self.at_client.trail.exchange.application == Application::Http
                || (self.first.protocol == Protocol::Tcp && INGRESS_PORTS.contains(&target.port));
            return is_ingress.then_some(INGRESS);
        }
        match server {
            _ if is_service => Some("external-to-service"),
            Side::Pod => Some("external-to-pod"),
            Side::Node | Side::Unknown | Side::Outside => None,
        }
    }

    /// What the letters stand for on each leg: A and B are the path's ends, V is where a leg comes from and T
    /// where it goes to. The client's leg goes to V, and the pod's comes from T.
    fn nodes(&self, client: Side, server: Side, is_ingress: bool) -> SmallVec<[Nodes; 1]> {
        let a = self.client_node(client);
        let from = if self.is_handed_on() { self.at_server.opened_on(self.world) } else { a };
        let b = self.server_node(client, server, from);
        // A client outside that no uplink showed came in somewhere: the pod's node is the nearest guess that
        // claims nothing, as its uplink is then not captured.
        let a = if client == Side::Outside && !self.is_handed_on() { a.or(b) } else { a };
        let proxy = |index: usize| self.legs.get(index + 1).and_then(|leg| leg.opened_on(self.world));
        let count = self.legs.len();
        let of_leg = |index: usize| {
            let is_to_proxy = index + 1 < count || server == Side::Node;
            let is_inside = index > 0 || client != Side::Outside;
            let begins = if index == 0 { a } else { proxy(index - 1) };
            let ends = if index + 1 < count { proxy(index).or_else(|| self.end_of(index)) } else { b };
            let is_within_one = is_to_proxy && is_inside && begins.is_some() && begins == ends;
            let mut nodes = Nodes { is_within_one, ..Nodes::default() };
            nodes.set(Letter::A, a.filter(|_| !is_ingress || client != Side::Outside));
            nodes.set(Letter::B, b);
            let is_entry = index == 0 && (self.is_handed_on() || client != Side::Outside);
            nodes.set(Letter::V, if is_entry { ends } else { begins });
            nodes.set(Letter::T, if is_to_proxy { ends } else { begins });
            nodes
        };
        (0..count).map(of_leg).collect()
    }

    /// The node that a leg's server is, by its address.
    fn end_of(&self, index: usize) -> Option<NodeId> {
        let leg = self.legs[index].leg()?;
        let ip = leg.server.or(leg.target)?.ip;
        self.world.topology.node_addresses.get(&ip).copied()
    }

    fn client_node(&self, client: Side) -> Option<NodeId> {
        let topology = self.world.topology;
        let (request, reply) = (&self.at_client.pair.request, &self.at_client.pair.reply);
        match client {
            Side::Pod => request
                .first(Role::Workload, Direction::In)
                .or_else(|| reply.first(Role::Workload, Direction::Out))
                .map(|point| point.node)
                .or_else(|| topology.node_of_pod(self.first.client.ip))
                .or_else(|| self.departure()),
            Side::Node => {
                let known = topology.node_addresses.get(&self.first.client.ip).copied();
                known
                    .or_else(|| self.departure())
                    .or_else(|| request.first(Role::Workload, Direction::Out).map(|point| point.node))
            }
            Side::Outside | Side::Unknown => self.entry(),
        }
    }

    /// The node that the packet left by the uplink without having entered it so.
    fn departure(&self) -> Option<NodeId> {
        let exits = self.at_client.pair.request.at(Role::Uplink, Direction::Out);
        let mut nodes = exits.map(|point| point.node);
        nodes.find(|&node| !self.entered(node))
    }

    /// Where the client's packets came into nodes by the uplink, the followed one or any other: a capture that
    /// lost one of them still shows where they come from.
    fn arrivals(&self) -> impl Iterator<Item = (NodeId, u8)> {
        let topology = self.world.topology;
        self.first.crossings.iter().filter_map(move |it| {
            let vantage = topology.vantage(it.vantage);
            let is_arrival = it.way == Way::Request && it.direction == Direction::In;
            (is_arrival && vantage.role == Role::Uplink).then_some((vantage.node, it.ttl))
        })
    }

    fn entered(&self, node: NodeId) -> bool {
        self.at_client.pair.request.passed(node, Role::Uplink, Direction::In)
            || self.arrivals().any(|(entered, _)| entered == node)
    }

    /// The first node that an outside client's packet entered: the one with the highest TTL, as each node on
    /// the way takes one off.
    fn entry(&self) -> Option<NodeId> {
        let (request, reply) = (&self.at_client.pair.request, &self.at_client.pair.reply);
        let dialled = self.first.target.and_then(|target| self.world.topology.node_addresses.get(&target.ip));
        let entries = request.at(Role::Uplink, Direction::In);
        let passed_on = |node| request.at(Role::Uplink, Direction::Out).any(|point| point.node == node);
        let first =
            entries.max_by_key(|point| (point.ttl, passed_on(point.node), std::cmp::Reverse(point.time)));
        let first = first.map(|point| (point.ttl, point.node));
        // Where the capture lost the followed packet at the first node, another of the client's tells.
        let earlier = self.arrivals().map(|(node, ttl)| (ttl, node)).max_by_key(|(ttl, _)| *ttl);
        let first = match (first, earlier) {
            (Some(first), Some(earlier)) if earlier.0 > first.0 => Some(earlier),
            (first, earlier) => first.or(earlier),
        };
        let last_exit = || {
            let exits = reply.at(Role::Uplink, Direction::Out);
            exits.min_by_key(|point| point.ttl).map(|point| point.node)
        };
        dialled.copied().or_else(|| first.map(|(_, node)| node)).or_else(last_exit)
    }

    /// The node that serves; `from` is the one that the endpoint's leg comes from.
    fn server_node(&self, client: Side, server: Side, from: Option<NodeId>) -> Option<NodeId> {
        let topology = self.world.topology;
        let pair = &self.at_server.pair;
        let ip = self.last.server.or(self.last.target).map(|endpoint| endpoint.ip);
        let seen = self.server_cali().map(|point| point.node);
        let seen = seen.or_else(|| pair.neighbour.map(|(node, _)| node));
        let known = ip.and_then(|ip| match server {
            Side::Node if ip.is_node_local() => from,
            Side::Node => topology.node_addresses.get(&ip).copied(),
            _ => topology.node_of_pod(ip),
        });
        // It entered a second node and did not leave it by the uplink.
        let arrived = || {
            let request = &pair.request;
            let left = |node| request.at(Role::Uplink, Direction::Out).any(|point| point.node == node);
            let mut entries = request.at(Role::Uplink, Direction::In);
            let entered = entries.find(|point| Some(point.node) != from && !left(point.node));
            entered.map(|point| point.node)
        };
        let answered = || {
            let mut exits = pair.reply.at(Role::Uplink, Direction::Out);
            exits.find(|point| Some(point.node) != from).map(|point| point.node)
        };
        let is_at_entry = client == Side::Outside && server == Side::Node && !self.is_handed_on();
        let ended = || from.filter(|_| is_at_entry);
        seen.or(known).or_else(arrived).or_else(answered).or_else(ended)
    }

    fn is_handed_on(&self) -> bool {
        self.legs.len() > 1
    }

    fn facts(&self, client: Side, server: Side, nodes: &[Nodes]) -> FactSet {
        let at_server = nodes.last().copied().unwrap_or_default();
        let start = at_server.get(if self.is_handed_on() { Letter::V } else { Letter::A });
        let end = at_server.get(Letter::B);
        let pair = &self.at_server.pair;
        let moved_on = || {
            let out = pair.request.at(Role::Uplink, Direction::Out).any(|point| Some(point.node) == start);
            let back = pair.reply.at(Role::Uplink, Direction::In).any(|point| Some(point.node) == start);
            out || back
        };
        let is_same = start.is_some() && start == end;
        let is_other = !is_same && (start.is_none() || end.is_some() || moved_on());
        let is_masqueraded = self.first.client_seen_by_server.is_some_and(|seen| seen != self.first.client);
        let is_hairpin = self.first.server.is_some_and(|server| server.ip == self.first.client.ip);
        let mut set = FactSet::default();
        set.set(Fact::SameNode, is_same);
        set.set(Fact::OtherNode, is_other);
        set.set(Fact::Undecided, !is_same && !is_other && server != Side::Outside);
        set.set(Fact::Hairpin, is_hairpin);
        set.set(Fact::Masqueraded, is_masqueraded);
        set.set(Fact::HandedOn, self.is_handed_on());
        set.set(Fact::OneProxy, self.legs.len() == 2);
        set.set(Fact::ClientIsNode, client == Side::Node);
        set.set(Fact::ClientIsOutside, client == Side::Outside);
        set.set(Fact::ServerIsNode, server == Side::Node);
        set.set(Fact::ServerIsOutside, server == Side::Outside);
        set
    }
}

/// The addresses that share the first `v4` (`v6`) bits with `ip`.
fn block(ip: Ip, v4: u32, v6: u32) -> RangeInclusive<Ip> {
    let host_bits = if ip.is_v4() { 32 - v4 } else { 128 - v6 };
    let mask = (1_u128 << host_bits) - 1;
    Ip(ip.0 & !mask)..=Ip(ip.0 | mask)
}
