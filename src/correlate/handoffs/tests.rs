//! Exchanges through two proxies: a client outside, HAProxy on the VIP of the first node, Traefik on the second, a pod
//! behind an interface of the second. Times are microseconds.

use std::collections::VecDeque;

use proptest::prelude::*;
use smallvec::smallvec;

use super::{Handoffs, Seen, World};
use crate::model::{
    Application, Change, Confidence, Direction, Endpoint, Evidence, EvidenceKind, Ip, MICROS, Marks, NodeId,
    Part, Proxy, RequestId, Role, SECONDS, Sighting, Timestamp, Topology, Trail, Tuple, Vantage, VantageId,
    Way, sample,
};

const CLIENT: [u8; 4] = [172, 31, 9, 77];
const VIP: [u8; 4] = [192, 168, 50, 100];
const V: [u8; 4] = [192, 168, 50, 11];
const T: [u8; 4] = [192, 168, 50, 12];
const POD: [u8; 4] = [10, 244, 2, 11];

const V_UPLINK: VantageId = VantageId(0);
const T_UPLINK: VantageId = VantageId(1);
const T_CALI: VantageId = VantageId(2);

fn topology() -> Topology {
    let vantage = |node, interface: &str, role| Vantage {
        node: NodeId(node),
        interface: interface.to_owned(),
        role,
        role_is_given: true,
    };
    Topology {
        nodes: vec!["v".to_owned(), "t".to_owned()],
        vantages: vec![
            vantage(0, "bond1", Role::Uplink),
            vantage(1, "bond1", Role::Uplink),
            vantage(1, "cali1", Role::Workload),
        ],
        pods: [(Ip::v4(POD), T_CALI)].into_iter().collect(),
        node_addresses: [(VIP, 0), (V, 0), (T, 1)].map(|(ip, node)| (Ip::v4(ip), NodeId(node))).into(),
        ..Topology::default()
    }
}

/// An exchange of `path` on the connection from `client`, with the time of its request and of its answer.
fn exchange(
    id: u64,
    client: ([u8; 4], u16),
    server: [u8; 4],
    path: &str,
    times: (i64, Option<i64>),
) -> Trail {
    let endpoint = |(ip, port)| Endpoint::new(Ip::v4(ip), port);
    let (client, server) = (endpoint(client), endpoint((server, 80)));
    let mut leg = sample::leg(client, server, Some(server));
    leg.faces = smallvec![Tuple { protocol: leg.protocol, src: client, dst: server }];
    let mut trail = sample::trail(leg);
    trail.id = id;
    trail.exchange.application = Application::Http;
    trail.exchange.method = Some("GET".into());
    trail.exchange.path = Some(path.into());
    trail.exchange.status = times.1.map(|_| 200);
    trail.exchange.reply_bytes = times.1.map_or(0, |_| 100);
    // Where the request passes, in order; the answer passes them the other way round.
    let way = match (client.ip, server.ip) {
        (from, to) if from == Ip::v4(V) && to == Ip::v4(T) => {
            vec![(V_UPLINK, Direction::Out), (T_UPLINK, Direction::In)]
        }
        (from, _) if from == Ip::v4(T) => vec![(T_CALI, Direction::Out)],
        _ => vec![(V_UPLINK, Direction::In)],
    };
    let at = |time: i64, (vantage, direction), way| Sighting {
        vantage,
        direction,
        way,
        part: Part::Head,
        len: 100,
        ..sample::sighting(time * MICROS)
    };
    trail.sightings = way.iter().map(|&point| at(times.0, point, Way::Request)).collect();
    let back = |direction| if direction == Direction::In { Direction::Out } else { Direction::In };
    if let Some(time) = times.1 {
        let points = way.iter().rev().map(|&(vantage, direction)| (vantage, back(direction)));
        trail.sightings.extend(points.map(|point| at(time, point, Way::Reply)));
    }
    trail
}

/// A request from the client to HAProxy.
fn ask(id: u64, path: &str, times: (i64, i64)) -> Trail {
    exchange(id, (CLIENT, 4000 + id as u16), VIP, path, (times.0, Some(times.1)))
}

/// A request from HAProxy to Traefik, on the pooled connection `port`.
fn hand_on(id: u64, port: u16, path: &str, times: (i64, i64)) -> Trail {
    exchange(id, (V, port), T, path, (times.0, Some(times.1)))
}

fn marked(mut trail: Trail, marks: Marks) -> Trail {
    trail.marks = Some(Box::new(marks));
    trail
}

/// What comes out when `trails` are closed in this order.
fn joined(trails: Vec<Trail>) -> Vec<Trail> {
    joined_where(trails, &topology())
}

/// The same, where this is known.
fn joined_where(trails: Vec<Trail>, topology: &Topology) -> Vec<Trail> {
    let (mut handoffs, mut changes) = (Handoffs::default(), VecDeque::new());
    let world = |now| World { topology, ahead: &[0, 0], now };
    for trail in trails {
        let free = handoffs.hold(Box::new(trail), world(Timestamp(0)));
        changes.extend(free.map(Change::Upsert));
    }
    handoffs.decide(&[], world(Timestamp(SECONDS)), true, &mut changes);
    assert!(handoffs.held.is_empty(), "everything is handed on at the end");
    let mut out: Vec<Trail> = changes
        .into_iter()
        .filter_map(|change| match change {
            Change::Upsert(trail) => Some(*trail),
            Change::Withdraw(_) => None,
        })
        .collect();
    out.sort_by_key(|trail| trail.id);
    out
}

/// The connections of a trail, by their client's port.
fn ports(trail: &Trail) -> Vec<u16> {
    trail.legs.iter().map(|leg| leg.client.port).collect()
}

#[test]
fn a_client_that_is_named_with_its_port_is_joined_among_requests_that_are_the_same() {
    let named = |trail, port| {
        let client = Endpoint::new(Ip::v4(CLIENT), port);
        marked(trail, Marks { named: Some(client), ..Marks::default() })
    };
    // What HAProxy names goes on unchanged behind Traefik, where it says nothing of Traefik's own client.
    let behind = |id, port, times: (i64, i64)| exchange(id, (T, port), POD, "/a", (times.0, Some(times.1)));
    let out = joined(vec![
        named(behind(21, 6001, (300, 600)), 4002),
        named(hand_on(11, 5001, "/a", (210, 700)), 4002),
        named(hand_on(12, 5002, "/a", (220, 800)), 4001),
        ask(1, "/a", (100, 900)),
        ask(2, "/a", (110, 910)),
        ask(3, "/a", (120, 920)),
    ]);
    let begin: Vec<_> =
        out.iter().map(|trail| ports(trail).into_iter().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(begin, [vec![4001, 5002], vec![4002, 5001], vec![4003]]);
    for trail in &out[..2] {
        let join = &trail.hops[0].join;
        assert!(join.confidence >= Confidence::SURE, "{join:?}");
        let client = Endpoint::new(Ip::v4(CLIENT), ports(trail)[0]).to_string();
        let is_it = |it: &&Evidence| it.kind == EvidenceKind::ForwardedFor && *it.detail == *client;
        assert_eq!(join.evidence.iter().filter(is_it).count(), 1, "{join:?}");
    }
    // Either of the two may be continued there.
    let [behind] = &out.iter().flat_map(|trail| trail.hops.iter().skip(1)).collect::<Vec<_>>()[..] else {
        panic!("{out:?}");
    };
    assert!(behind.join.evidence.iter().all(|it| it.kind != EvidenceKind::ForwardedFor), "{behind:?}");
}

#[test]
fn requests_at_the_same_time_are_told_apart_by_what_they_ask() {
    let out = joined(vec![
        hand_on(11, 5001, "/b", (210, 700)),
        hand_on(12, 5002, "/a", (220, 800)),
        ask(1, "/a", (100, 900)),
        ask(2, "/b", (110, 910)),
    ]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5002], vec![4002, 5001]]);
    for trail in &out {
        let hop = &trail.hops[0];
        assert!(hop.join.confidence >= Confidence::SURE, "{hop:?}");
        assert_eq!(hop.join.node, Some(NodeId(0)));
        assert!(hop.join.request_delay_ns.is_some_and(|delay| delay >= 100 * MICROS));
    }
}

#[test]
fn a_chain_of_proxies_becomes_one_trail() {
    let behind = exchange(21, (T, 6001), POD, "/a", (300, Some(600)));
    let out = joined(vec![behind, hand_on(11, 5001, "/a", (200, 700)), ask(1, "/a", (100, 800))]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5001, 6001]]);
    let [trail] = out.as_slice() else { panic!("one trail") };
    assert_eq!(trail.hops.iter().map(|hop| hop.from_leg).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(
        trail.hops.iter().map(|hop| hop.join.node).collect::<Vec<_>>(),
        [Some(NodeId(0)), Some(NodeId(1))]
    );
    assert!(trail.sightings.iter().all(|sighting| usize::from(sighting.leg) < 3));
}

#[test]
fn the_process_that_listens_says_which_proxy_it_is() {
    let mut known = topology();
    known.names.listener(Endpoint::new(Ip::v4(VIP), 80), "traefik");
    known.names.listener(Endpoint::new(Ip::v4(T), 80), "nginx");
    let behind = exchange(21, (T, 6001), POD, "/a", (300, Some(600)));
    let trails = vec![behind, hand_on(11, 5001, "/a", (200, 700)), ask(1, "/a", (100, 800))];
    let [trail] = &joined_where(trails.clone(), &known)[..] else { panic!("one trail") };
    let said = |hop: &crate::model::Hop| {
        let owner = hop.join.evidence.iter().find(|it| it.kind == EvidenceKind::SocketOwner);
        (hop.join.proxy, owner.map(|it| it.detail.to_string()))
    };
    assert_eq!(said(&trail.hops[0]), (Proxy::Traefik, Some("traefik 192.168.50.100:80".to_owned())));
    assert_eq!(said(&trail.hops[1]), (Proxy::Unknown, Some("nginx 192.168.50.12:80".to_owned())));
    // Without it, an address beside the node's own is HAProxy's.
    let [trail] = &joined(trails)[..] else { panic!("one trail") };
    assert_eq!(said(&trail.hops[0]), (Proxy::Haproxy, None));
}

#[test]
fn equal_requests_that_fit_each_other_are_never_sure() {
    let out = joined(vec![
        ask(1, "/a", (100, 900)),
        ask(2, "/a", (105, 905)),
        hand_on(11, 5001, "/a", (210, 700)),
        hand_on(12, 5002, "/a", (220, 705)),
    ]);
    assert_eq!(out.len(), 2, "both are joined all the same");
    for trail in &out {
        let hop = &trail.hops[0];
        assert!(hop.join.confidence < Confidence::SURE, "{hop:?}");
        assert_eq!(hop.join.others.len(), 1, "the rival is named: {hop:?}");
        assert_ne!(hop.join.others[0].client, trail.legs[1].client);
    }
}

#[test]
fn an_answer_that_came_too_early_is_none() {
    // The second continuation is answered only after the first request was: it can only be the second's.
    let out = joined(vec![
        ask(1, "/a", (100, 500)),
        ask(2, "/a", (105, 905)),
        hand_on(11, 5001, "/a", (210, 800)),
        hand_on(12, 5002, "/a", (220, 450)),
    ]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5002], vec![4002, 5001]]);
    assert!(out.iter().all(|trail| trail.hops[0].join.confidence >= Confidence::SURE), "{out:?}");
}

#[test]
fn time_alone_never_makes_a_join_sure() {
    let opaque = |mut trail: Trail| {
        trail.exchange.application = Application::Tls;
        (trail.exchange.method, trail.exchange.path, trail.exchange.status) = (None, None, None);
        trail
    };
    let out = joined(vec![opaque(ask(1, "", (100, 900))), hand_on(11, 5001, "/a", (200, 800))]);
    assert_eq!(out.len(), 1);
    assert!(out[0].hops[0].join.confidence < Confidence::SURE);
    assert_eq!(
        out[0].hops[0].join.evidence.iter().map(|it| it.kind).collect::<Vec<_>>(),
        [EvidenceKind::Timing]
    );
}

#[test]
fn each_request_of_an_encrypted_connection_is_found() {
    // A handshake of one turn, then three requests; their answers come 300 µs later.
    let mut connection = ask(1, "", (100, 400));
    connection.exchange.application = Application::Tls;
    (connection.exchange.method, connection.exchange.path, connection.exchange.status) = (None, None, None);
    connection.exchange.reply_bytes = 4_000;
    for request in 1..4 {
        let later = |sighting: &Sighting| Sighting {
            time: sighting.time.plus(request * 1_000 * MICROS),
            part: Part::Body,
            ..*sighting
        };
        let turn: Vec<Sighting> = connection.sightings[..2].iter().map(later).collect();
        connection.sightings.extend(turn);
    }
    let mut trails: Vec<Trail> = (1..4)
        .map(|request| {
            let start = request * 1_000 + 150;
            hand_on(10 + request as u64, 5001, "/a", (start, start + 200))
        })
        .collect();
    trails.push(connection);
    let out = joined(trails);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5001, 5001, 5001]]);
    let likely = |hop: &crate::model::Hop| hop.join.confidence >= Confidence::LIKELY && !hop.join.is_given_up;
    assert!(out[0].hops.iter().all(|hop| hop.from_leg == 0 && likely(hop)), "{:?}", out[0].hops);
}

#[test]
fn an_id_joins_what_looks_alike() {
    let id = |value: &str| Marks {
        ids: vec![RequestId { header: "x-request-id".into(), value: value.into() }],
        ..Marks::default()
    };
    let out = joined(vec![
        marked(ask(1, "/a", (100, 900)), id("one")),
        marked(ask(2, "/a", (105, 905)), id("two")),
        marked(hand_on(11, 5001, "/a", (210, 700)), id("two")),
        marked(hand_on(12, 5002, "/a", (220, 705)), id("one")),
    ]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5002], vec![4002, 5001]]);
    let first = &out[0].hops[0].join.evidence[0];
    assert_eq!((first.kind, &*first.detail), (EvidenceKind::TraceId, "x-request-id one"));
}

#[test]
fn a_request_of_another_client_is_not_joined() {
    let forwarded = |last| Marks { forwarded_for: smallvec![Ip::v4([172, 31, 9, last])], ..Marks::default() };
    let out = joined(vec![
        ask(1, "/a", (100, 900)),
        marked(hand_on(11, 5001, "/a", (200, 800)), forwarded(78)),
        ask(2, "/b", (2_100, 2_900)),
        marked(hand_on(12, 5001, "/b", (2_200, 2_800)), forwarded(77)),
    ]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001], vec![4002, 5001], vec![5001]]);
}

#[test]
fn a_try_that_failed_is_shown_beside_the_one_that_served() {
    let mut refused = exchange(11, (V, 5001), T, "/a", (200, None));
    refused.exchange.status = None;
    let out = joined(vec![refused, hand_on(12, 5002, "/a", (400, 800)), ask(1, "/a", (100, 900))]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5001, 5002]]);
    assert_eq!(out[0].hops.iter().map(|hop| hop.join.is_given_up).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_refused_connection_belongs_to_the_one_request_there_is_however_late_it_comes() {
    let mut refused = exchange(11, (V, 5001), T, "", (150_000, None));
    (refused.exchange.method, refused.exchange.path) = (None, None);
    refused.exchange.application = Application::Tcp;
    let out =
        joined(vec![refused, hand_on(12, 5002, "/a", (160_000, 160_800)), ask(1, "/a", (100, 160_900))]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001, 5001, 5002]]);
}

#[test]
fn what_a_proxy_answers_by_itself_goes_nowhere() {
    let mut not_found = ask(1, "/nowhere", (100, 150));
    not_found.exchange.status = Some(404);
    let out = joined(vec![not_found, hand_on(11, 5001, "/a", (120, 140))]);
    assert_eq!(out.iter().map(ports).collect::<Vec<_>>(), [vec![4001], vec![5001]]);
}

#[test]
fn a_continuation_that_is_still_open_is_waited_for() {
    let topology = topology();
    let (mut handoffs, mut changes) = (Handoffs::default(), VecDeque::new());
    let world = |now| World { topology: &topology, ahead: &[0, 0], now: Timestamp(now) };
    assert!(handoffs.hold(Box::new(ask(1, "/a", (100, 900))), world(0)).is_none());
    let open = hand_on(11, 5001, "/a", (200, 800));
    let seen = Seen {
        sightings: &open.sightings,
        exchange: &open.exchange,
        marks: None,
        leg: &open.legs[0],
        end: None,
    };
    handoffs.decide(&[seen], world(SECONDS), false, &mut changes);
    assert!(changes.is_empty(), "it may yet be joined");
    assert!(handoffs.hold(Box::new(open.clone()), world(2 * SECONDS)).is_none());
    handoffs.decide(&[], world(3 * SECONDS), false, &mut changes);
    let legs: Vec<usize> = changes
        .iter()
        .map(|change| match change {
            Change::Upsert(trail) => trail.legs.len(),
            Change::Withdraw(_) => 0,
        })
        .collect();
    assert_eq!(legs, [2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever runs at the same time, every exchange comes out once, in whichever order they were closed, and nothing
    /// is joined to what began before it.
    #[test]
    fn every_exchange_comes_out_once(
        times in prop::collection::vec((0_i64..2_000, 0_i64..2_000, 0_u8..4, 0_u8..3), 1..40),
        turn in 0_usize..40,
    ) {
        let mut trails: Vec<Trail> = times
            .iter()
            .enumerate()
            .map(|(index, &(start, length, path, hop))| {
                let (id, path, times) = (index as u64, format!("/{path}"), (start, Some(start + length)));
                match hop {
                    0 => exchange(id, (CLIENT, 4000 + id as u16), VIP, &path, times),
                    1 => exchange(id, (V, 5000 + id as u16), T, &path, times),
                    _ => exchange(id, (T, 6000 + id as u16), POD, &path, times),
                }
            })
            .collect();
        let out = joined(trails.clone());
        let mut all: Vec<u16> = out.iter().flat_map(ports).collect();
        all.sort_unstable();
        let mut expected: Vec<u16> = trails.iter().flat_map(ports).collect();
        expected.sort_unstable();
        prop_assert_eq!(all, expected);
        for trail in &out {
            for (leg, hop) in trail.hops.iter().enumerate() {
                let start = |leg: usize| {
                    trail.sightings.iter().find(|it| usize::from(it.leg) == leg).map(|it| it.time)
                };
                let (before, after) = (start(usize::from(hop.from_leg)), start(leg + 1));
                let (Some(before), Some(after)) = (before, after) else { panic!("every leg was seen") };
                prop_assert!(after.since(before) >= -100 * MICROS);
            }
        }
        let turn = turn % trails.len();
        trails.rotate_left(turn);
        let turned = joined(trails);
        let chains = |out: &[Trail]| out.iter().map(ports).collect::<Vec<_>>();
        prop_assert_eq!(chains(&turned), chains(&out));
    }
}
