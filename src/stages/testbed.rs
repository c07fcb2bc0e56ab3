//! A small cluster for tests: nodes alpha and beta with bond1 and a cali interface for each pod, and trails
//! written as the places where a packet was seen.

use std::sync::Arc;

use crate::model::{
    Application, Clocks, Direction, Endpoint, Hop, IcmpNotice, IcmpReason, Ip, Journey, Lookup, NodeId, Part,
    Phase, Protocol, Proxy, Resolution, Role, Sighting, State, Timestamp, Topology, Trail, Vantage,
    VantageId, Way, sample,
};
use crate::stages::{Templates, World};

pub(super) const ALPHA: NodeId = NodeId(0);
pub(super) const BETA: NodeId = NodeId(1);
/// A third node, which only [`Cluster::three`] has.
pub(super) const GAMMA: NodeId = NodeId(2);

pub(super) const CART: Ip = Ip::v4([10, 244, 1, 17]);
pub(super) const MILL: Ip = Ip::v4([10, 244, 1, 18]);
pub(super) const STOCK: Ip = Ip::v4([10, 244, 2, 33]);
pub(super) const PARCEL: Ip = Ip::v4([10, 244, 4, 19]);
/// A pod's address of which no cali interface is known.
pub(super) const STRANGER: Ip = Ip::v4([10, 244, 3, 9]);
pub(super) const SHOP: Ip = Ip::v4([10, 43, 7, 7]);
pub(super) const ALPHA_IP: Ip = Ip::v4([192, 168, 50, 11]);
pub(super) const BETA_IP: Ip = Ip::v4([192, 168, 50, 12]);
pub(super) const GAMMA_IP: Ip = Ip::v4([192, 168, 50, 13]);
pub(super) const VIP: Ip = Ip::v4([192, 168, 50, 100]);
pub(super) const VISITOR: Ip = Ip::v4([172, 31, 9, 77]);

/// What was captured, and what is known of addresses.
pub(super) struct Cluster {
    pub(super) topology: Topology,
    pub(super) clocks: Clocks,
    pub(super) lossy: Vec<NodeId>,
}

const VANTAGES: [(&str, NodeId, &str, Role); 8] = [
    ("bond1.alpha", ALPHA, "bond1", Role::Uplink),
    ("cart", ALPHA, "cali1cart", Role::Workload),
    ("mill", ALPHA, "cali1mill", Role::Workload),
    ("bond1.beta", BETA, "bond1", Role::Uplink),
    ("stock", BETA, "cali2stock", Role::Workload),
    ("bond1.gamma", GAMMA, "bond1", Role::Uplink),
    ("parcel", GAMMA, "cali3parcel", Role::Workload),
    ("lo.alpha", ALPHA, "lo", Role::Loopback),
];

/// What most tests have no use for.
const MORE: [&str; 3] = ["bond1.gamma", "parcel", "lo.alpha"];

impl Cluster {
    /// Everything is captured.
    pub(super) fn whole() -> Cluster {
        Cluster::without(&[])
    }

    /// Three nodes with everything captured but their loopbacks.
    pub(super) fn three() -> Cluster {
        Cluster::but(&["lo.alpha"])
    }

    /// Two nodes with everything captured but the named capture points; a node without any is not known at all.
    pub(super) fn without(absent: &[&str]) -> Cluster {
        Cluster::but(&[absent, &MORE].concat())
    }

    /// Everything there is but the named capture points.
    pub(super) fn but(absent: &[&str]) -> Cluster {
        let nodes = ["alpha", "beta", "gamma"].map(str::to_owned).to_vec();
        let mut topology = Topology { nodes, ..Topology::default() };
        for (name, node, interface, role) in VANTAGES {
            // An absent capture point keeps its place, so that ids stay the same, with a role of no use.
            let role = if absent.contains(&name) { Role::Other } else { role };
            let vantage = Vantage { node, interface: interface.into(), role, role_is_given: true };
            topology.vantages.push(vantage);
        }
        for (name, ip) in [("cart", CART), ("mill", MILL), ("stock", STOCK), ("parcel", PARCEL)] {
            if !absent.contains(&name) {
                topology.pods.insert(ip, vantage(name));
            }
        }
        for (ip, node, name) in [
            (ALPHA_IP, ALPHA, "bond1.alpha"),
            (VIP, ALPHA, "bond1.alpha"),
            (BETA_IP, BETA, "bond1.beta"),
            (GAMMA_IP, GAMMA, "bond1.gamma"),
        ] {
            if !absent.contains(&name) {
                topology.node_addresses.insert(ip, node);
            }
        }
        topology.services.insert(SHOP, "shop/stock".into());
        Cluster { topology, clocks: Clocks::default(), lossy: Vec::new() }
    }

    pub(super) fn only_alpha() -> Cluster {
        Cluster::without(&["bond1.beta", "stock"])
    }

    pub(super) fn only_beta() -> Cluster {
        Cluster::without(&["bond1.alpha", "cart", "mill"])
    }

    pub(super) fn place(&self, trail: Trail) -> Journey {
        let now = Timestamp(i64::MAX / 2);
        let world = World { topology: &self.topology, clocks: &self.clocks, lossy_nodes: &self.lossy, now };
        Templates::embedded().place(Arc::new(trail), &world)
    }

    fn is_captured(&self, id: VantageId) -> bool {
        self.topology.vantage(id).role != Role::Other
    }
}

pub(super) fn vantage(name: &str) -> VantageId {
    let at = VANTAGES.iter().position(|known| known.0 == name);
    VantageId(at.unwrap_or_else(|| panic!("no capture point {name}")) as u16)
}

/// Where a packet was seen, in short: `cart> bond1.alpha>` left the pod cart and then the node alpha,
/// `>bond1.beta >stock` entered beta and went to the pod stock.
fn spots(text: &str) -> Vec<(VantageId, Direction)> {
    let spot = |word: &str| {
        let (name, is_to) =
            word.strip_prefix('>').map_or((word.trim_end_matches('>'), false), |rest| (rest, true));
        let is_pod = !name.starts_with("bond1") && !name.starts_with("lo");
        let direction = if is_to == is_pod { Direction::Out } else { Direction::In };
        (vantage(name), direction)
    };
    text.split_whitespace().map(spot).collect()
}

/// Builds a trail; each packet is ten microseconds later at each place.
#[derive(Debug)]
pub(super) struct Builder {
    trail: Trail,
    clock: i64,
    /// The leg that packets are of.
    leg: u8,
}

pub(super) const fn at(ip: Ip, port: u16) -> Endpoint {
    Endpoint::new(ip, port)
}

/// A TCP connection from `client` to `target`, which `server` serves.
pub(super) fn trail(client: Ip, target: Endpoint, server: Option<Endpoint>) -> Builder {
    let leg = sample::leg(at(client, 40_000), target, server);
    let trail = Trail { phase: Phase::TimedOut, answer_is_whole: false, ..sample::trail(leg) };
    Builder { trail, clock: 1_000_000, leg: 0 }
}

impl Builder {
    /// A packet at each of the places in `spots`.
    pub(super) fn packet(mut self, way: Way, part: Part, spots_text: &str, len: u32) -> Builder {
        for (ttl, (vantage, direction)) in (1..=64).rev().zip(spots(spots_text)) {
            self.clock += 10_000;
            let is_syn = part == Part::Handshake;
            let flags = match (part, way) {
                (Part::Handshake, Way::Request) => 2,
                (Part::Handshake, Way::Reply) => 18,
                (Part::Reset, _) => 20,
                (Part::IcmpError | Part::NeighbourRequest, _) => 0,
                _ => 16,
            };
            let start = if way == Way::Request { 1_000 } else { 5_000 };
            let seen_before = self
                .trail
                .sightings
                .iter()
                .filter(|it| it.leg == self.leg)
                .any(|it| (it.vantage, it.direction, it.part, it.way) == (vantage, direction, part, way));
            self.trail.sightings.push(Sighting {
                time: Timestamp(self.clock),
                vantage,
                direction,
                way,
                part,
                face: 0,
                leg: self.leg,
                ttl,
                flags,
                ip_id: 0,
                seq: if is_syn { start - 1 } else { start },
                ack: if way == Way::Request { 5_000 } else { 1_000 },
                len,
                is_repeat: seen_before,
            });
        }
        self
    }

    /// A proxy on `node` goes on from the leg `from` with one to `server`; what follows is of that leg.
    pub(super) fn handed_on(mut self, from: u8, proxy: Proxy, node: Ip, server: Endpoint) -> Builder {
        self.leg = self.trail.legs.len() as u8;
        let client = at(node, 41_000 + u16::from(self.leg));
        self.trail.legs.push(sample::leg(client, server, Some(server)));
        let hop = Hop { phase: self.trail.phase, answer_is_whole: false, ..sample::hop(from, proxy) };
        self.trail.hops.push(hop);
        self
    }

    /// What follows is of the leg `leg`.
    pub(super) fn on_leg(mut self, leg: u8) -> Builder {
        self.leg = leg;
        self
    }

    /// What was answered on the leg that is built.
    pub(super) fn status(mut self, status: u16) -> Builder {
        match self.leg {
            0 => return self.http(status).with(|trail| trail.answer_is_whole = true),
            leg => {
                let hop = &mut self.trail.hops[usize::from(leg) - 1];
                (hop.exchange.status, hop.answer_is_whole) = (Some(status), true);
            }
        }
        self
    }

    pub(super) fn syn(self, spots: &str) -> Builder {
        self.packet(Way::Request, Part::Handshake, spots, 0)
    }

    pub(super) fn syn_ack(self, spots: &str) -> Builder {
        self.packet(Way::Reply, Part::Handshake, spots, 0)
    }

    pub(super) fn ask(self, spots: &str) -> Builder {
        self.packet(Way::Request, Part::Head, spots, 120)
    }

    pub(super) fn answer(self, spots: &str) -> Builder {
        self.packet(Way::Reply, Part::Head, spots, 900)
    }

    /// The client's acknowledgement of the answer's first byte.
    pub(super) fn thanks(mut self, spots: &str) -> Builder {
        let from = self.trail.sightings.len();
        self = self.packet(Way::Request, Part::Ack, spots, 0);
        for sighting in &mut self.trail.sightings[from..] {
            sighting.ack = 5_900;
        }
        self
    }

    pub(super) fn reset(self, spots: &str) -> Builder {
        self.packet(Way::Reply, Part::Reset, spots, 0)
    }

    pub(super) fn icmp(mut self, reason: IcmpReason, reporter: Ip, spots: &str) -> Builder {
        self.trail.notices.push(IcmpNotice { reason, reporter, mtu: 0 });
        self.packet(Way::Reply, Part::IcmpError, spots, 0)
    }

    pub(super) fn http(mut self, status: u16) -> Builder {
        self.trail.exchange.application = Application::Http;
        self.trail.exchange.method = Some("GET".into());
        self.trail.exchange.status = Some(status);
        self
    }

    /// A DNS lookup over UDP; `rcode` is its answer's.
    pub(super) fn dns(mut self, rcode: Option<u8>) -> Builder {
        self.trail.exchange.application = Application::Dns;
        let lookup = Lookup { name: "stock.shop".into(), kind: "A".into(), rcode, ..Lookup::default() };
        self.trail.exchange.dns = Some(Box::new(lookup));
        self.trail.legs[0].protocol = Protocol::Udp;
        (self.trail.request_seq, self.trail.reply_seq) = (None, None);
        self
    }

    pub(super) fn masqueraded_by(mut self, ip: Ip) -> Builder {
        self.trail.legs[0].client_seen_by_server = Some(at(ip, 50_000));
        self
    }

    /// The client looked the name up right before, first under another name.
    pub(super) fn resolved(mut self) -> Builder {
        let blank = self.trail.sightings[0];
        let query = Sighting { time: Timestamp(500_000), part: Part::Head, ..blank };
        let answer =
            Sighting { time: Timestamp(900_000), direction: Direction::Out, way: Way::Reply, ..query };
        let name = "stock.shop.svc.cluster.local".into();
        let first_try = Timestamp(100_000);
        self.trail.resolution =
            Some(Box::new(Resolution { name, trail: 9, query, answer, tries: 2, first_try }));
        self
    }

    pub(super) fn phase(mut self, phase: Phase) -> Builder {
        self.trail.phase = phase;
        self
    }

    /// Changes what the shorthands cannot say.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Trail)) -> Builder {
        change(&mut self.trail);
        self
    }

    /// Only what `cluster` captures.
    pub(super) fn seen_by(mut self, cluster: &Cluster) -> Builder {
        self.trail.sightings.retain(|sighting| cluster.is_captured(sighting.vantage));
        self
    }

    pub(super) fn build(self) -> Trail {
        self.trail
    }

    pub(super) fn place(self, cluster: &Cluster) -> Journey {
        cluster.place(self.seen_by(cluster).build())
    }
}

/// A journey's visits in short: `④α! ⑤α~ ⑥·`, with `!` seen, `~` bounded, `·` outside, `?` waiting,
/// `✗` missing; skipped ones are left out. Reply after `|`.
pub(super) fn drawn(journey: &Journey) -> String {
    let visits = |visits: &[crate::model::Visit]| {
        let shown = visits.iter().filter(|visit| visit.state != State::Skipped).map(|visit| {
            let node = match visit.node {
                Some(ALPHA) => "α",
                Some(BETA) => "β",
                Some(GAMMA) => "γ",
                _ => "",
            };
            let mark = match visit.state {
                State::Seen { .. } => "!",
                State::Bounded { .. } => "~",
                State::Outside | State::Skipped => "·",
                State::Waiting => "?",
                State::Missing => "✗",
            };
            format!("{}{node}{mark}", visit.stage)
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    format!("{} | {}", visits(&journey.request), visits(&journey.reply))
}

/// The verdict in short: `lost request ⑦α→⑧β fabric`.
pub(super) fn judged(journey: &Journey) -> String {
    let verdict = &journey.verdict;
    let node = |node: Option<NodeId>| match node {
        Some(ALPHA) => "α",
        Some(BETA) => "β",
        Some(GAMMA) => "γ",
        _ => "",
    };
    let direction =
        verdict.direction.map(|way| if way == Way::Request { "request" } else { "reply" }.to_owned());
    let gap = verdict.after.zip(verdict.before).map(|(after, before)| {
        format!("{}{}→{}{}", after.stage, node(after.node), before.stage, node(before.node))
    });
    let place = verdict.place.map(|place| match place.node {
        Some(at) => format!("{}:{}", place.kind.name(), node(Some(at))),
        None => place.kind.name().to_owned(),
    });
    let outcome = Some(verdict.outcome.name().to_owned());
    [outcome, direction, gap, place].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
