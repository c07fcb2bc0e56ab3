//! Journeys built by hand, for the tests of this room and of those that draw it.

pub mod proxies;

use std::sync::Arc;

use smallvec::smallvec;

use crate::model::sample as plain;
use crate::model::{
    Application, ClockFit, Clocks, Direction, Endpoint, Exchange, IcmpNotice, IcmpReason, Ip, Journey, Label,
    Leg, Lookup, MICROS, MILLIS, Names, NodeId, Outcome, Part, Phase, Place, PlaceKind, Protocol, Resolution,
    Role, SECONDS, Sighting, SourceSummary, Stage, StagePlace, State, Timestamp, Topology, Trail,
    Translation, TranslationEvidence, Tuple, Vantage, VantageId, Verdict, Visit, Way,
};
use crate::timeline::{Context, Manner};

use Direction::{In, Out};
use Way::{Reply, Request};

/// 12:03:19 UTC of some day.
pub const START: Timestamp = Timestamp(1_766_404_999 * SECONDS);
pub const A: NodeId = NodeId(0);
pub const B: NodeId = NodeId(1);
pub const BOND_A: VantageId = VantageId(0);
pub const CART: VantageId = VantageId(1);
pub const DNS: VantageId = VantageId(2);
pub const BOND_B: VantageId = VantageId(3);
pub const STOCK: VantageId = VantageId(4);
/// A third node, which only what goes through proxies reaches.
pub const C: NodeId = NodeId(2);
pub const BOND_C: VantageId = VantageId(5);
pub const PRICE: VantageId = VantageId(6);
/// How far kappa2's clock is ahead.
pub const B_AHEAD: i64 = 2 * MILLIS;
/// And kappa3's.
pub const C_AHEAD: i64 = -MILLIS;

pub fn ip(text: &str) -> Ip {
    text.parse().expect("an address")
}

pub fn endpoint(text: &str, port: u16) -> Endpoint {
    Endpoint::new(ip(text), port)
}

pub fn topology() -> Topology {
    let vantage = |node, interface: &str, role| Vantage {
        node,
        interface: interface.into(),
        role,
        role_is_given: true,
    };
    let named =
        |pairs: &[(&str, &str)]| pairs.iter().map(|&(addr, name)| (ip(addr), name.to_owned())).collect();
    Topology {
        nodes: vec!["kappa1".into(), "kappa2".into(), "kappa3".into()],
        vantages: vec![
            vantage(A, "bond1", Role::Uplink),
            vantage(A, "cali6f1d2a9c0e1", Role::Workload),
            vantage(A, "cali0d5c11aa7b2", Role::Workload),
            vantage(B, "bond1", Role::Uplink),
            vantage(B, "cali90aa3e4f5d6", Role::Workload),
            vantage(C, "bond1", Role::Uplink),
            vantage(C, "cali77b1d0e9a35", Role::Workload),
        ],
        pods: [
            (ip("10.244.1.17"), CART),
            (ip("10.244.1.2"), DNS),
            (ip("10.244.2.33"), STOCK),
            (ip("fd00:10:244:2::33"), STOCK),
            (ip("10.244.3.5"), PRICE),
        ]
        .into(),
        node_addresses: [
            (ip("192.0.2.11"), A),
            (ip("192.0.2.12"), B),
            (ip("192.0.2.13"), C),
            (ip("192.0.2.100"), A),
        ]
        .into(),
        services: named(&[("10.43.7.7", "shop/stock"), ("10.43.0.10", "kube-system/kube-dns")]),
        names: Names {
            addresses: named(&[
                ("10.244.1.17", "cart"),
                ("10.244.2.33", "stock-7d9c"),
                ("10.244.3.5", "price-5f6b"),
                (
                    "fd00:10:244:2::33",
                    "一个名字很长很长的订单服务-a-rather-long-deployment-name-7d9c5b6f4-xk2lp",
                ),
            ]),
            ..Names::default()
        },
        ..Topology::default()
    }
}

pub fn clocks() -> Clocks {
    let ahead = ClockFit { offset_ns: B_AHEAD, drift_ppb: 0, anchor: START, error_ns: Some(18 * MICROS) };
    let behind = ClockFit { offset_ns: C_AHEAD, error_ns: Some(7 * MICROS), ..ahead };
    Clocks { fits: vec![ClockFit { error_ns: Some(0), ..ClockFit::default() }, ahead, behind] }
}

pub fn sources() -> Vec<SourceSummary> {
    let source = |node, file: &str, packets| SourceSummary {
        node: Some(node),
        file: file.into(),
        packets,
        ..SourceSummary::default()
    };
    let mut second = source(B, "kappa2.pcapng", 17_204);
    second.damaged = 1;
    second.damage = vec!["the last record is cut short".into()];
    second.dropped = Some(12);
    vec![source(A, "kappa1.pcapng", 18_311), second]
}

/// Every state that a visit is drawn in.
pub fn states() -> [State; 5] {
    let time = Timestamp(0);
    [
        State::Seen { time },
        State::Bounded { after: time, before: time },
        State::Outside,
        State::Waiting,
        State::Missing,
    ]
}

/// Runs `test` with the sample cluster in the given manner.
pub fn with_context<T>(manner: Manner, test: impl FnOnce(&Context<'_>) -> T) -> T {
    let (topology, clocks) = (topology(), clocks());
    test(&Context::new(&topology, &clocks, manner))
}

/// A journey in the making; times are microseconds after its start, on the reference clock.
pub struct Builder {
    journey: Journey,
    trail: Trail,
    /// Visits that wait for the next sighting to bound them.
    last_seen: Timestamp,
}

impl Builder {
    pub fn new(
        id: u64,
        path: &str,
        route: &str,
        started: Timestamp,
        leg: Leg,
        exchange: Exchange,
    ) -> Builder {
        let deadline = started.plus(5 * SECONDS);
        let trail = Trail { id, exchange, reply_seq: Some(500_000), deadline, ..plain::trail(leg) };
        let verdict = verdict(Outcome::Open, "");
        let journey = Journey {
            id,
            path: path.into(),
            route: route.into(),
            started,
            ended: started,
            request: Vec::new(),
            reply: Vec::new(),
            verdict,
            trail: Arc::new(trail.clone()),
        };
        Builder { journey, trail, last_seen: started }
    }

    fn visit(&mut self, way: Way, number: u8, node: Option<NodeId>, state: State, label: &str) -> &mut Visit {
        let (en, zh) = label.split_once('|').unwrap_or((label, label));
        let visit = Visit {
            hook: None,
            stage: Stage { way, number },
            node,
            vantage: None,
            direction: None,
            state,
            label: Arc::new(Label { en: en.into(), zh: zh.into() }),
            sighting: None,
            proxy: None,
        };
        let list = if way == Request { &mut self.journey.request } else { &mut self.journey.reply };
        list.push(visit);
        list.last_mut().expect("just pushed")
    }

    /// A sighting without a visit.
    pub fn sighting(
        mut self,
        way: Way,
        vantage: VantageId,
        direction: Direction,
        at_us: i64,
        part: Part,
    ) -> Builder {
        self.add_sighting(way, vantage, direction, at_us, part);
        self
    }

    fn add_sighting(
        &mut self,
        way: Way,
        vantage: VantageId,
        direction: Direction,
        at_us: i64,
        part: Part,
    ) -> Timestamp {
        let time = self.journey.started.plus(at_us * MICROS);
        let is_b = vantage == BOND_B || vantage == STOCK;
        let is_tcp = self.trail.legs[0].protocol == Protocol::Tcp;
        let is_after_dnat = self.trail.legs[0].faces.len() > 1 && (is_b || vantage == BOND_A);
        self.trail.sightings.push(Sighting {
            time: time.plus(if is_b { B_AHEAD } else { 0 }),
            vantage,
            direction,
            way,
            part,
            face: u8::from(is_after_dnat),
            leg: 0,
            ttl: if is_b { 62 } else { 64 },
            flags: if is_tcp { 0x18 } else { 0 },
            ip_id: 4711,
            seq: if way == Request { 1_000 } else { 500_000 },
            ack: if way == Request { 500_000 } else { 1_128 },
            len: 128,
            is_repeat: false,
        });
        self.journey.ended = self.journey.ended.max(time);
        self.last_seen = time;
        time
    }

    pub fn seen(
        mut self,
        way: Way,
        number: u8,
        vantage: VantageId,
        direction: Direction,
        at_us: i64,
        label: &str,
    ) -> Builder {
        let time = self.add_sighting(way, vantage, direction, at_us, Part::Head);
        for visit in self.journey.request.iter_mut().chain(&mut self.journey.reply) {
            if let State::Bounded { before, .. } = &mut visit.state
                && before.0 == i64::MAX
            {
                *before = time;
            }
        }
        let sighting = Some(self.trail.sightings.len() as u32 - 1);
        let node = topology().vantage(vantage).node;
        let visit = self.visit(way, number, Some(node), State::Seen { time }, label);
        (visit.vantage, visit.direction, visit.sighting) = (Some(vantage), Some(direction), sighting);
        self
    }

    /// A visit of the lookup before, whose sightings are not the trail's own.
    pub fn looked_up(mut self, number: u8, direction: Direction, at_us: i64, label: &str) -> Builder {
        let time = self.journey.started.plus(at_us * MICROS);
        self.last_seen = time;
        let visit = self.visit(Request, number, Some(A), State::Seen { time }, label);
        (visit.vantage, visit.direction) = (Some(CART), Some(direction));
        self
    }

    /// A visit between the last sighting and the next.
    pub fn bounded(mut self, way: Way, number: u8, node: Option<NodeId>, label: &str) -> Builder {
        let state = State::Bounded { after: self.last_seen, before: Timestamp(i64::MAX) };
        self.visit(way, number, node, state, label);
        self
    }

    pub fn unseen(
        mut self,
        way: Way,
        number: u8,
        node: Option<NodeId>,
        state: State,
        label: &str,
    ) -> Builder {
        self.visit(way, number, node, state, label);
        self
    }

    pub fn trail(mut self, change: impl FnOnce(&mut Trail)) -> Builder {
        change(&mut self.trail);
        self
    }

    pub fn done(mut self, verdict: Verdict) -> Journey {
        self.journey.verdict = verdict;
        self.journey.trail = Arc::new(self.trail);
        self.journey
    }
}

/// What the stages would have said in Chinese.
fn chinese(detail: &str) -> &str {
    match detail {
        "complete" => "已应答",
        "SYN ×3 entered kappa2 on bond1 (⑩) and reached no cali: dropped inside kappa2" => {
            "SYN ×3 进入 kappa2（bond1），没有到达任何 cali 网卡：丢失于 kappa2 内部"
        }
        "stock-7d9c reset the connection: nothing listens on 9999" => "10.244.2.33 以 RST 拒绝了连接",
        "stok.shop does not exist (NXDOMAIN)" => "stok.shop A：NXDOMAIN",
        other => other,
    }
}

pub fn verdict(outcome: Outcome, detail: &str) -> Verdict {
    Verdict::new(outcome, crate::model::Sentence { en: detail.into(), zh: chinese(detail).into() })
}

pub fn leg(protocol: Protocol, client: Endpoint, target: Endpoint, server: Endpoint) -> Leg {
    let from = Tuple { protocol, src: client, dst: target };
    let to = Tuple { protocol, src: client, dst: server };
    let is_translated = from != to;
    let evidence = smallvec![TranslationEvidence::PacketMatch { packets: 6, rivals: 0 }];
    Leg {
        protocol,
        client,
        target: Some(target),
        server: Some(server),
        client_seen_by_server: None,
        crossings: smallvec::SmallVec::new(),
        tracked: smallvec::SmallVec::new(),
        translations: if is_translated {
            smallvec![Translation { node: A, from, to, evidence, is_contradicted: false, rule: None }]
        } else {
            smallvec![]
        },
        faces: if is_translated { smallvec![from, to] } else { smallvec![from] },
    }
}

pub fn http(method: &str, path: &str, status: Option<u16>) -> Exchange {
    Exchange {
        method: Some(method.into()),
        path: Some(path.into()),
        host: Some("stock.shop".into()),
        status,
        request_bytes: 128,
        reply_bytes: 14_200,
        ..Exchange::new(Application::Http)
    }
}

/// cart asks the stock Service by name; the pod is on the other node.
pub fn other_node(id: u64, started: Timestamp) -> Journey {
    let leg = leg(
        Protocol::Tcp,
        endpoint("10.244.1.17", 45_700),
        endpoint("10.43.7.7", 80),
        endpoint("10.244.2.33", 8080),
    );
    let builder =
        Builder::new(id, "pod-to-service", "other-node", started, leg, http("GET", "/r/17", Some(200)))
            .looked_up(1, In, 0, "asks for {name}|请求域名 {name}")
            .looked_up(2, In, 0, "DNS query|DNS 查询")
            .looked_up(3, Out, 412, "answer {target}|应答 {target}")
            .seen(Request, 4, CART, In, 530, "to the Service IP|发往 Service IP")
            .bounded(Request, 5, Some(A), "DNAT to {server}|DNAT 为 {server}")
            .seen(Request, 7, BOND_A, Out, 604, "leaves the node|离开节点")
            .seen(Request, 8, BOND_B, In, 655, "through the switch, into the node|经交换机进入节点")
            .unseen(Request, 10, None, State::Skipped, "not on this route|此路线不经过")
            .seen(Request, 6, STOCK, Out, 671, "to the pod's cali|到容器的 cali")
            .bounded(Request, 9, Some(B), "pod eth0|容器 eth0")
            .seen(Reply, 1, STOCK, In, 1_400, "answer leaves the pod|应答离开容器")
            .bounded(Reply, 2, Some(B), "route table|路由")
            .seen(Reply, 3, BOND_B, Out, 1_431, "leaves by bond1|从 bond1 离开")
            .seen(Reply, 4, BOND_A, In, 1_502, "back at the client's node|回到客户端节点")
            .seen(Reply, 5, CART, Out, 1_838, "to the client's cali|到客户端的 cali")
            .unseen(Reply, 6, Some(A), State::Outside, "client eth0|客户端 eth0");
    let query = Sighting { time: started, ..builder.trail.sightings[0] };
    let answer = Sighting { time: started.plus(412 * MICROS), direction: Out, ..query };
    builder
        .trail(|trail| {
            trail.resolution = Some(Box::new(Resolution {
                name: "stock.shop".into(),
                trail: 99,
                query,
                answer,
                tries: 1,
                first_try: query.time,
            }));
        })
        .done(verdict(Outcome::Complete, "complete"))
}

/// cart reaches CoreDNS on its own node.
pub fn same_node(id: u64, started: Timestamp) -> Journey {
    let leg = leg(
        Protocol::Tcp,
        endpoint("10.244.1.17", 45_702),
        endpoint("10.43.0.10", 8181),
        endpoint("10.244.1.2", 8181),
    );
    Builder::new(id, "pod-to-service", "same-node", started, leg, http("GET", "/ready", Some(503)))
        .seen(Request, 4, CART, In, 0, "to the Service IP|发往 Service IP")
        .bounded(Request, 5, Some(A), "DNAT to {server}|DNAT 为 {server}")
        .unseen(Request, 7, Some(A), State::Skipped, "leaves the node|离开节点")
        .seen(Request, 6, DNS, Out, 38, "to the pod's cali|到容器的 cali")
        .bounded(Request, 9, Some(A), "pod eth0|容器 eth0")
        .seen(Reply, 1, DNS, In, 120, "answer leaves the pod|应答离开容器")
        .seen(Reply, 5, CART, Out, 171, "to the client's cali|到客户端的 cali")
        .done(verdict(Outcome::Complete, "complete"))
}

/// Three SYNs enter kappa2 and reach no cali.
pub fn lost(id: u64, started: Timestamp) -> Journey {
    let (client, server) = (endpoint("10.244.1.17", 51_044), endpoint("10.244.2.33", 9090));
    let leg = leg(Protocol::Tcp, client, server, server);
    let place = |number, node| Some(StagePlace { stage: Stage { way: Request, number }, node: Some(node) });
    let mut journey =
        Builder::new(id, "pod-to-pod", "other-node", started, leg, Exchange::new(Application::Tcp))
            .seen(Request, 1, CART, In, 0, "out of the pod|离开容器")
            .bounded(Request, 2, Some(A), "PREROUTING|PREROUTING")
            .bounded(Request, 3, Some(A), "routing decision|路由判断")
            .bounded(Request, 4, Some(A), "FORWARD, POSTROUTING|FORWARD、POSTROUTING")
            .seen(Request, 8, BOND_A, Out, 44, "leaves the node|离开节点")
            .bounded(Request, 9, None, "switch|交换机")
            .seen(Request, 10, BOND_B, In, 95, "into the node|进入节点")
            .unseen(Request, 6, Some(B), State::Missing, "to the pod's cali|到容器的 cali")
            .unseen(Request, 7, Some(B), State::Outside, "pod eth0|容器 eth0")
            .sighting(Request, CART, In, 1_010_000, Part::Handshake)
            .sighting(Request, BOND_B, In, 1_010_101, Part::Handshake)
            .trail(|trail| {
                trail.phase = Phase::TimedOut;
                trail.retransmissions = 2;
                for sighting in &mut trail.sightings {
                    (sighting.flags, sighting.len, sighting.part) = (2, 0, Part::Handshake);
                }
                for repeat in trail.sightings.iter_mut().skip(3) {
                    repeat.is_repeat = true;
                }
            })
            .done(verdict(
                Outcome::Lost,
                "SYN ×3 entered kappa2 on bond1 (⑩) and reached no cali: dropped inside kappa2",
            ));
    journey.verdict.direction = Some(Request);
    journey.verdict.after = place(10, B);
    journey.verdict.before = place(6, B);
    journey.verdict.place = Some(Place { kind: PlaceKind::Host, node: Some(B) });
    journey
}

/// The pod answers the SYN with a reset.
pub fn refused(id: u64, started: Timestamp) -> Journey {
    let leg = leg(
        Protocol::Tcp,
        endpoint("10.244.1.17", 45_710),
        endpoint("10.43.7.7", 81),
        endpoint("10.244.2.33", 9999),
    );
    let mut journey =
        Builder::new(id, "pod-to-service", "other-node", started, leg, Exchange::new(Application::Tcp))
            .seen(Request, 4, CART, In, 0, "to the Service IP|发往 Service IP")
            .bounded(Request, 5, Some(A), "DNAT to {server}|DNAT 为 {server}")
            .seen(Request, 7, BOND_A, Out, 61, "leaves the node|离开节点")
            .seen(Request, 8, BOND_B, In, 110, "through the switch, into the node|经交换机进入节点")
            .seen(Request, 6, STOCK, Out, 126, "to the pod's cali|到容器的 cali")
            .bounded(Request, 9, Some(B), "pod eth0|容器 eth0")
            .seen(Reply, 1, STOCK, In, 140, "answer leaves the pod|应答离开容器")
            .seen(Reply, 3, BOND_B, Out, 160, "leaves by bond1|从 bond1 离开")
            .seen(Reply, 4, BOND_A, In, 209, "back at the client's node|回到客户端节点")
            .seen(Reply, 5, CART, Out, 305, "to the client's cali|到客户端的 cali")
            .done(verdict(Outcome::Refused, "stock-7d9c reset the connection: nothing listens on 9999"));
    journey.verdict.direction = Some(Reply);
    journey.verdict.place = Some(Place { kind: PlaceKind::Workload, node: Some(B) });
    journey
}

/// A lookup over UDP that got no such name.
pub fn lookup(id: u64, started: Timestamp) -> Journey {
    let leg = leg(
        Protocol::Udp,
        endpoint("10.244.1.17", 40_001),
        endpoint("10.43.0.10", 53),
        endpoint("10.244.1.2", 53),
    );
    let mut exchange = Exchange::new(Application::Dns);
    exchange.path = Some("stok.shop".into());
    exchange.dns = Some(Box::new(Lookup {
        name: "stok.shop".into(),
        kind: "A".into(),
        rcode: Some(3),
        ..Lookup::default()
    }));
    let mut journey = Builder::new(id, "dns-lookup", "same-node", started, leg, exchange)
        .seen(Request, 1, CART, In, 0, "asks for {name}|请求域名 {name}")
        .bounded(Request, 2, Some(A), "DNAT to {server}|DNAT 为 {server}")
        .seen(Request, 3, DNS, Out, 21, "to CoreDNS|到 CoreDNS")
        .seen(Reply, 1, DNS, In, 340, "answer|应答")
        .seen(Reply, 2, CART, Out, 352, "to the client|到客户端")
        .done(verdict(Outcome::Failed, "stok.shop does not exist (NXDOMAIN)"));
    journey.verdict.place = Some(Place { kind: PlaceKind::Dns, node: None });
    journey
}

/// A ping from outside over IPv6 that still waits, with an ICMP error from a router.
pub fn ping(id: u64, started: Timestamp) -> Journey {
    let (client, server) = (endpoint("2001:db8:ffff::9c1", 0), endpoint("fd00:10:244:2::33", 0));
    let leg = leg(Protocol::Icmp6, client, server, server);
    Builder::new(id, "external-to-pod", "direct", started, leg, Exchange::new(Application::Icmp))
        .unseen(Request, 1, None, State::Outside, "client to switch|客户端到交换机")
        .seen(Request, 2, BOND_B, In, 0, "into the node|进入节点")
        .bounded(Request, 3, Some(B), "routing|路由")
        .seen(Request, 8, STOCK, Out, 9, "to the pod's cali|到容器的 cali")
        .unseen(Request, 9, Some(B), State::Waiting, "pod eth0|容器 eth0")
        .unseen(Reply, 1, Some(B), State::Waiting, "answer leaves the pod|应答离开容器")
        .trail(|trail| {
            trail.phase = Phase::Open;
            trail.notices.push(IcmpNotice {
                reason: IcmpReason::PacketTooBig,
                reporter: ip("fd00::1"),
                mtu: 1_480,
            });
        })
        .done(verdict(Outcome::Open, ""))
}

/// One of each kind, 300 ms apart.
pub fn all() -> Vec<Journey> {
    let at = |index: i64| START.plus(index * 300 * MILLIS);
    vec![
        other_node(1, at(0)),
        same_node(2, at(1)),
        refused(3, at(2)),
        lookup(4, at(3)),
        lost(5, at(4)),
        ping(6, at(5)),
        other_node(7, at(6)),
    ]
}
