//! Scenarios: a small cluster that plays packets, and what the core must make of them.

mod exchanges;
mod http2;
mod interleaving;
mod routes;
mod traces;
mod tracking;

use super::*;
use crate::model::{
    CALI_MAC, Direction, Endpoint, Ip, MICROS, MILLIS, Phase, Protocol, TcpSegment, Trail, TranslationKind,
    Tuple, VantageId,
};

const CLIENT: [u8; 4] = [10, 244, 1, 17];
const SERVICE: [u8; 4] = [10, 43, 7, 7];
const SERVER: [u8; 4] = [10, 244, 2, 33];
const NODE_A: [u8; 4] = [192, 168, 50, 11];

const CALI_A: u16 = 0;
const BOND_A: u16 = 1;
const BOND_B: u16 = 2;
const CALI_B: u16 = 3;

fn endpoint(ip: [u8; 4], port: u16) -> Endpoint {
    Endpoint::new(Ip::v4(ip), port)
}

fn tuple(src: Endpoint, dst: Endpoint) -> Tuple {
    Tuple { protocol: Protocol::Tcp, src, dst }
}

/// Two nodes, kappa1 and kappa2, each with a cali and an uplink; every direction is known.
struct Cluster {
    core: Correlator,
    time: i64,
    /// How far kappa2's clock is ahead.
    skew: i64,
    /// What was not handed over yet, where that is done later.
    held: Option<Vec<(NodeId, Input)>>,
}

/// What the core takes.
#[derive(Clone)]
enum Input {
    Packet(Packet, Vec<u8>),
    Event(model::KernelEvent),
}

impl Cluster {
    fn new(skew: i64) -> Cluster {
        let nodes = vec!["kappa1".to_owned(), "kappa2".to_owned()];
        let vantage = |node, interface: &str, role| Vantage {
            node: NodeId(node),
            interface: interface.to_owned(),
            role,
            role_is_given: true,
        };
        let vantages = [
            vantage(0, "cali1", Role::Workload),
            vantage(0, "bond1", Role::Uplink),
            vantage(1, "bond1", Role::Uplink),
            vantage(1, "cali2", Role::Workload),
        ];
        let mut survey = Survey::new(nodes);
        survey.extend_vantages(&vantages);
        survey.give_clock(NodeId(1), skew);
        let core = Correlator::new(survey, Limits::SCREEN);
        Cluster { core, time: 1_000 * SECONDS, skew, held: None }
    }

    fn pass(&mut self, nanos: i64) {
        self.time += nanos;
    }

    /// One sighting of a segment; time goes on by 10 µs.
    fn see(&mut self, at: u16, direction: Direction, tuple: Tuple, segment: TcpSegment, payload: &[u8]) {
        self.pass(10 * MICROS);
        let skew = if at >= BOND_B { self.skew } else { 0 };
        let ttl = match (at, direction) {
            (CALI_A | CALI_B, Direction::In) => 64,
            (BOND_A | BOND_B, Direction::Out) => 63,
            (BOND_A | BOND_B, _) => 62,
            _ => 61,
        };
        let packet = Packet {
            time: Timestamp(self.time + skew),
            vantage: VantageId(at),
            direction,
            ttl,
            ip_id: 0,
            src_mac: CALI_MAC,
            dst_mac: [2; 6],
            wire_len: 40 + segment.len,
            inside: None,
            tuple,
            body: Body::Tcp(segment),
            payload: crate::model::Payload::default(),
        };
        let node = NodeId(u16::from(at >= BOND_B));
        self.give(node, Input::Packet(packet, payload.to_vec()));
    }

    fn give(&mut self, node: NodeId, input: Input) {
        match (&mut self.held, &input) {
            (Some(held), _) => held.push((node, input)),
            (None, Input::Packet(packet, payload)) => self.core.handle_packet(packet, payload),
            (None, Input::Event(event)) => self.core.handle_event(event),
        }
    }

    /// A segment from the client through all four points, translated on kappa1.
    fn request(&mut self, port: u16, segment: TcpSegment, payload: &[u8]) {
        let outer = tuple(endpoint(CLIENT, port), endpoint(SERVICE, 80));
        let inner = tuple(endpoint(CLIENT, port), endpoint(SERVER, 8080));
        self.see(CALI_A, Direction::In, outer, segment, payload);
        self.see(BOND_A, Direction::Out, inner, segment, payload);
        self.see(BOND_B, Direction::In, inner, segment, payload);
        self.see(CALI_B, Direction::Out, inner, segment, payload);
    }

    fn reply(&mut self, port: u16, segment: TcpSegment, payload: &[u8]) {
        let outer = tuple(endpoint(SERVICE, 80), endpoint(CLIENT, port));
        let inner = tuple(endpoint(SERVER, 8080), endpoint(CLIENT, port));
        self.see(CALI_B, Direction::In, inner, segment, payload);
        self.see(BOND_B, Direction::Out, inner, segment, payload);
        self.see(BOND_A, Direction::In, inner, segment, payload);
        self.see(CALI_A, Direction::Out, outer, segment, payload);
    }

    /// The closed trails, after the end of the input.
    fn finish(mut self) -> Vec<Trail> {
        self.core.finish();
        let mut trails: Vec<Trail> = Vec::new();
        while let Some(change) = self.core.poll_change() {
            match change {
                Change::Upsert(trail) => {
                    trails.retain(|old| old.id != trail.id);
                    trails.push(*trail);
                }
                Change::Withdraw(id) => trails.retain(|old| old.id != id),
            }
        }
        trails.sort_by_key(|trail| trail.id);
        trails
    }
}

fn segment(seq: u32, ack: u32, flags: u8, payload: &[u8]) -> TcpSegment {
    TcpSegment { seq, ack, flags, len: payload.len() as u32, tsval: seq ^ 0x5555 }
}

const GET: &[u8] = b"GET /r/17 HTTP/1.1\r\nHost: stock.shop\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A whole connection with `requests` requests on it, from `isn`.
fn converse(cluster: &mut Cluster, port: u16, isn: u32, requests: u32) {
    let (mut up, mut down) = (isn.wrapping_add(1), 9001_u32);
    cluster.request(port, segment(isn, 0, TcpSegment::SYN, b""), b"");
    cluster.reply(port, segment(9000, up, TcpSegment::SYN | TcpSegment::ACK, b""), b"");
    cluster.request(port, segment(up, down, TcpSegment::ACK, b""), b"");
    for _ in 0..requests {
        cluster.request(port, segment(up, down, TcpSegment::ACK, GET), GET);
        up = up.wrapping_add(GET.len() as u32);
        cluster.pass(MILLIS);
        cluster.reply(port, segment(down, up, TcpSegment::ACK, OK), OK);
        down = down.wrapping_add(OK.len() as u32);
        cluster.request(port, segment(up, down, TcpSegment::ACK, b""), b"");
    }
}

#[test]
fn a_translated_request_is_one_trail_with_all_its_points() {
    let mut cluster = Cluster::new(0);
    converse(&mut cluster, 45_700, 100, 1);
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    let trail = &trails[0];
    let leg = &trail.legs[0];
    assert_eq!(leg.client, endpoint(CLIENT, 45_700));
    assert_eq!(leg.target, Some(endpoint(SERVICE, 80)));
    assert_eq!(leg.server, Some(endpoint(SERVER, 8080)));
    assert_eq!(leg.translations.len(), 1);
    assert_eq!(leg.translations[0].kind(), TranslationKind::Dnat);
    assert_eq!(leg.translations[0].node, NodeId(0));
    assert_eq!(trail.exchange.status, Some(200));
    assert_eq!(trail.exchange.path.as_deref(), Some("/r/17"));
    assert_eq!(trail.exchange.reply_bytes, OK.len() as u64);
    assert!(trail.answer_is_whole);
    assert_eq!(trail.phase, Phase::Answered);
    let heads = |way| trail.sightings.iter().filter(|s| s.part == Part::Head && s.way == way).count();
    assert_eq!((heads(Way::Request), heads(Way::Reply)), (4, 4));
    assert_eq!(trail.retransmissions, 0);
}

#[test]
fn each_request_of_a_kept_alive_connection_is_a_trail() {
    let mut cluster = Cluster::new(0);
    converse(&mut cluster, 45_700, u32::MAX - 40, 5);
    let trails = cluster.finish();
    assert_eq!(trails.len(), 5);
    assert!(trails.iter().all(|trail| trail.exchange.status == Some(200) && trail.answer_is_whole));
    assert_eq!(trails.iter().filter(|trail| trail.is_first_of_leg).count(), 1);
}

#[test]
fn a_reused_port_is_a_new_connection() {
    let mut cluster = Cluster::new(0);
    converse(&mut cluster, 45_700, 100, 1);
    converse(&mut cluster, 45_700, 70_000_000, 1);
    let trails = cluster.finish();
    assert_eq!(trails.len(), 2);
    assert!(trails.iter().all(|trail| trail.legs[0].translations.len() == 1 && trail.is_first_of_leg));
}

#[test]
fn a_clock_seconds_ahead_changes_nothing() {
    let plain = {
        let mut cluster = Cluster::new(0);
        converse(&mut cluster, 45_700, 100, 3);
        cluster.finish()
    };
    let mut cluster = Cluster::new(3_700 * MILLIS);
    converse(&mut cluster, 45_700, 100, 3);
    let skewed = cluster.finish();
    assert_eq!(plain.len(), skewed.len());
    for (plain, skewed) in plain.iter().zip(&skewed) {
        assert_eq!(plain.legs, skewed.legs);
        assert_eq!(plain.sightings.len(), skewed.sightings.len());
    }
}

#[test]
fn a_connection_caught_in_the_middle_is_joined_by_its_numbers() {
    let mut cluster = Cluster::new(0);
    cluster.request(45_700, segment(5_000, 900, TcpSegment::ACK, GET), GET);
    cluster.reply(45_700, segment(900, 5_000 + GET.len() as u32, TcpSegment::ACK, OK), OK);
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    assert!(trails[0].is_mid_stream);
    assert_eq!(trails[0].legs[0].server, Some(endpoint(SERVER, 8080)));
    assert_eq!(trails[0].exchange.status, Some(200));
}

#[test]
fn who_opened_a_connection_that_was_caught_in_the_middle_is_told_by_what_they_say() {
    // A masqueraded port may be lower than the server's.
    let client = |is_reply: bool| {
        let mut cluster = Cluster::new(0);
        let ack = segment(900, 5_000, TcpSegment::ACK, b"");
        if is_reply {
            cluster.reply(6_587, ack, b"");
        }
        cluster.request(6_587, segment(5_000, 900, TcpSegment::ACK, GET), GET);
        cluster.reply(6_587, segment(900, 5_000 + GET.len() as u32, TcpSegment::ACK, OK), OK);
        let trails = cluster.finish();
        assert_eq!(trails.len(), 1);
        assert_eq!(trails[0].exchange.status, Some(200));
        assert!(trails[0].sightings.iter().all(|it| (it.way == Way::Request) == (it.seq >= 5_000)));
        trails[0].legs[0].client
    };
    assert_eq!(client(true), endpoint(CLIENT, 6_587));
    assert_eq!(client(false), endpoint(CLIENT, 6_587));
}

#[test]
fn a_syn_that_is_sent_again_may_be_masqueraded_anew() {
    let mut cluster = Cluster::new(0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = |port| tuple(endpoint(NODE_A, port), endpoint(SERVER, 8080));
    let syn = segment(100, 0, TcpSegment::SYN, b"");
    cluster.see(CALI_A, Direction::In, outer, syn, b"");
    cluster.see(BOND_A, Direction::Out, inner(61_001), syn, b"");
    // The server remembers that port from before, and only acknowledges what it knows.
    let stale = segment(7, 8, TcpSegment::ACK, b"");
    cluster.see(BOND_A, Direction::In, inner(61_001).reversed(), stale, b"");
    cluster.see(CALI_A, Direction::Out, outer.reversed(), stale, b"");
    cluster.pass(SECONDS);
    cluster.see(CALI_A, Direction::In, outer, syn, b"");
    cluster.see(BOND_A, Direction::Out, inner(61_002), syn, b"");
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    assert_eq!(trails[0].legs[0].client_seen_by_server, Some(endpoint(NODE_A, 61_002)));
}

#[test]
fn a_node_that_changes_both_addresses_is_followed() {
    let mut cluster = Cluster::new(0);
    let syn = segment(100, 0, TcpSegment::SYN, b"");
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = tuple(endpoint(NODE_A, 61_002), endpoint(SERVER, 8080));
    cluster.see(CALI_A, Direction::In, outer, syn, b"");
    cluster.see(BOND_A, Direction::Out, inner, syn, b"");
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    let leg = &trails[0].legs[0];
    assert_eq!(leg.translations[0].kind(), TranslationKind::Both);
    assert_eq!(leg.client, endpoint(CLIENT, 45_700));
    assert_eq!(leg.client_seen_by_server, Some(endpoint(NODE_A, 61_002)));
}

#[test]
fn a_segment_cut_by_offloads_is_followed_by_its_bytes() {
    let mut cluster = Cluster::new(0);
    converse(&mut cluster, 45_700, 100, 0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = tuple(endpoint(CLIENT, 45_700), endpoint(SERVER, 8080));
    let whole =
        [b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n".as_slice(), &[b'x'; 60]].concat();
    cluster.see(CALI_A, Direction::In, outer, segment(101, 9001, TcpSegment::ACK, &whole), &whole);
    for (at, part) in whole.chunks(40).enumerate() {
        let piece = TcpSegment { tsval: 0x5530, ..segment(101 + 40 * at as u32, 9001, 16, part) };
        cluster.see(BOND_A, Direction::Out, inner, piece, part);
    }
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    assert_eq!(trails[0].exchange.request_bytes, whole.len() as u64);
    let heads: Vec<_> = trails[0].sightings.iter().filter(|s| s.part == Part::Head).collect();
    assert_eq!(heads.len(), 2, "the first byte is in one segment at each point");
    assert_eq!(trails[0].retransmissions, 0);
}

#[test]
fn two_legs_that_turn_out_to_be_one_are_put_together() {
    let mut cluster = Cluster::new(0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = tuple(endpoint(CLIENT, 45_700), endpoint(SERVER, 8080));
    // The capture lost the SYN on bond1, so the second face is first seen by an answer.
    cluster.see(CALI_A, Direction::In, outer, segment(100, 0, TcpSegment::SYN, b""), b"");
    let syn_ack = segment(9000, 101, TcpSegment::SYN | TcpSegment::ACK, b"");
    cluster.see(CALI_B, Direction::In, inner.reversed(), syn_ack, b"");
    cluster.see(BOND_A, Direction::In, inner.reversed(), syn_ack, b"");
    cluster.see(CALI_A, Direction::Out, outer.reversed(), syn_ack, b"");
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1, "{trails:#?}");
    let leg = &trails[0].legs[0];
    assert_eq!(leg.target, Some(endpoint(SERVICE, 80)));
    assert_eq!(leg.server, Some(endpoint(SERVER, 8080)));
    assert_eq!(trails[0].sightings.len(), 4);
}

#[test]
fn records_out_of_order_give_the_same_trail() {
    let mut cluster = Cluster::new(0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = tuple(endpoint(CLIENT, 45_700), endpoint(SERVER, 8080));
    let syn = segment(100, 0, TcpSegment::SYN, b"");
    cluster.see(BOND_A, Direction::Out, inner, syn, b"");
    cluster.see(CALI_A, Direction::In, outer, syn, b"");
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    assert_eq!(trails[0].legs[0].target, Some(endpoint(SERVICE, 80)));
    assert_eq!(trails[0].legs[0].server, Some(endpoint(SERVER, 8080)));
}

#[test]
fn a_lost_syn_counts_its_retransmissions() {
    let mut cluster = Cluster::new(0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    for wait in [0, SECONDS, 2 * SECONDS] {
        cluster.pass(wait);
        cluster.see(CALI_A, Direction::In, outer, segment(100, 0, TcpSegment::SYN, b""), b"");
    }
    let trails = cluster.finish();
    assert_eq!(trails.len(), 1);
    assert_eq!(trails[0].retransmissions, 2);
    assert_eq!(trails[0].phase, Phase::Cut);
    assert!(trails[0].deadline < Timestamp(1_000 * SECONDS + 2 * SECONDS));
}

#[test]
fn memory_is_bounded_however_many_connections_come() {
    let mut cluster = Cluster::new(0);
    cluster.core.limits.legs = 64;
    let outer = |port| tuple(endpoint(CLIENT, port), endpoint(SERVICE, 80));
    for port in 1..5_000 {
        cluster.see(CALI_A, Direction::In, outer(port), segment(port.into(), 0, TcpSegment::SYN, b""), b"");
    }
    assert!(cluster.core.legs.len() <= 64 && cluster.core.trails.len() <= 64);
    assert!(cluster.core.table.len() <= 64);
    assert!(cluster.core.counters().evicted > 4_800);
}

/// Frames that no interface in a cluster would carry still must not upset the core.
#[test]
fn any_sequence_of_odd_segments_is_survived() {
    let mut cluster = Cluster::new(0);
    let mut state = 7_u64;
    let mut random = || {
        state = fingerprint::mix(state, 0x1234_5678_9abc_def1);
        state
    };
    for _ in 0..20_000 {
        let word = random();
        let ends =
            [endpoint(CLIENT, 40_000 + (word & 3) as u16), endpoint(SERVICE, 80), endpoint(SERVER, 8080)];
        let (src, dst) = (ends[(word >> 8) as usize % 3], ends[(word >> 16) as usize % 3]);
        let payload: &[u8] = [GET, OK, &GET[..9], &OK[..20], b"", b"\r\n"][(word >> 24) as usize % 6];
        let seq = if word & 0x40 == 0 { (word >> 32) as u32 & 0xff } else { (word >> 32) as u32 };
        let odd = segment(seq, (word >> 40) as u32 & 0xff, (word >> 56) as u8 & 0x17, payload);
        let direction = if word & 0x80 == 0 { Direction::In } else { Direction::Out };
        cluster.see((word >> 4) as u16 & 3, direction, tuple(src, dst), odd, payload);
    }
    cluster.finish();
}
