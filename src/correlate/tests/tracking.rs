//! What connection tracking adds to packets, and what it must not be taken for.

use super::*;
use crate::model::{
    Conntrack, ConntrackChange, ConntrackStatus, Datagram, KernelBody, KernelEvent, Leg, TableCounts,
    TableEvent, TcpState, TranslationEvidence,
};

pub(super) const OTHER: [u8; 4] = [10, 244, 3, 44];
pub(super) const UNREPLIED: u32 = 0;
pub(super) const REPLIED: u32 = 2;

/// The entry of kappa1 for a client's port, translated to `server`.
pub(super) fn entry(change: ConntrackChange, port: u16, server: [u8; 4], status: u32) -> Conntrack {
    Conntrack {
        change,
        // The kernel gives the same number again for another connection.
        id: 7,
        original: tuple(endpoint(CLIENT, port), endpoint(SERVICE, 80)),
        reply: tuple(endpoint(server, 8080), endpoint(CLIENT, port)),
        zone: 0,
        mark: 0x4000,
        status: ConntrackStatus(status),
        tcp_state: Some(TcpState(3)),
    }
}

impl Cluster {
    pub(super) fn tell(&mut self, told: Conntrack) {
        self.tell_at(Timestamp(self.time), told);
    }

    fn tell_at(&mut self, time: Timestamp, told: Conntrack) {
        let event = KernelEvent { time, node: NodeId(0), body: KernelBody::Conntrack(told) };
        self.give(NodeId(0), Input::Event(event));
    }
}

/// The kinds of evidence of a leg's translations.
fn kinds(leg: &Leg) -> Vec<Vec<&'static str>> {
    let kind = |evidence: &TranslationEvidence| match evidence {
        TranslationEvidence::PacketMatch { .. } => "packets",
        TranslationEvidence::Conntrack => "conntrack",
        TranslationEvidence::HookTrace => "hook-trace",
    };
    leg.translations.iter().map(|it| it.evidence.iter().map(kind).collect()).collect()
}

fn only(cluster: Cluster) -> Trail {
    let mut trails = cluster.finish();
    assert_eq!(trails.len(), 1, "{trails:#?}");
    trails.remove(0)
}

pub(super) fn syn(isn: u32) -> TcpSegment {
    segment(isn, 0, TcpSegment::SYN, b"")
}

#[test]
fn packets_and_conntrack_agree_whichever_comes_first() {
    for is_early in [true, false] {
        let mut cluster = Cluster::new(0);
        let told = entry(ConntrackChange::New, 45_700, SERVER, UNREPLIED);
        if is_early {
            // As in a live run: messages are handed on before the packets.
            let time = Timestamp(cluster.time + 15 * MICROS);
            cluster.tell_at(time, told);
        }
        converse(&mut cluster, 45_700, 100, 1);
        if !is_early {
            cluster.tell(told);
        }
        cluster.tell(entry(ConntrackChange::Updated, 45_700, SERVER, REPLIED));
        let trail = only(cluster);
        let leg = &trail.legs[0];
        assert_eq!(kinds(leg), [["packets", "conntrack"]], "early: {is_early}");
        assert_eq!(leg.server, Some(endpoint(SERVER, 8080)));
        let [tracked] = leg.tracked[..] else { panic!("{:?}", leg.tracked) };
        assert!(tracked.status.has_seen_reply());
        assert_eq!((tracked.node, tracked.mark, tracked.destroyed), (NodeId(0), 0x4000, None));
    }
}

#[test]
fn one_capture_point_and_the_table_give_both_sides() {
    // In the middle of a connection, seen at the uplink only: the target is what the client dialled.
    let mut cluster = Cluster::new(0);
    cluster.tell(entry(ConntrackChange::Listed, 45_700, SERVER, REPLIED));
    let inner = tuple(endpoint(CLIENT, 45_700), endpoint(SERVER, 8080));
    cluster.pass(SECONDS);
    // The answer first, so that ports would have to tell who asked.
    let ok = segment(9001, 101, TcpSegment::ACK, OK);
    cluster.see(BOND_A, Direction::Out, inner, segment(101, 9001, TcpSegment::ACK, GET), GET);
    cluster.see(BOND_A, Direction::In, inner.reversed(), ok, OK);
    let trail = only(cluster);
    let leg = &trail.legs[0];
    assert_eq!(kinds(leg), [["conntrack"]]);
    assert_eq!((leg.client, leg.target), (endpoint(CLIENT, 45_700), Some(endpoint(SERVICE, 80))));
    assert_eq!(leg.server, Some(endpoint(SERVER, 8080)));
    // Seen at the cali only: the server is known.
    let mut cluster = Cluster::new(0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    cluster.see(CALI_A, Direction::In, outer, syn(100), b"");
    cluster.tell(entry(ConntrackChange::New, 45_700, SERVER, UNREPLIED));
    let trail = only(cluster);
    assert_eq!(kinds(&trail.legs[0]), [["conntrack"]]);
    assert_eq!(trail.legs[0].server, Some(endpoint(SERVER, 8080)));
}

#[test]
fn the_table_tells_who_opened_a_connection_that_ports_tell_wrongly() {
    let mut cluster = Cluster::new(0);
    let inner = tuple(endpoint(CLIENT, 6_587), endpoint(SERVER, 8080));
    // The table comes a moment after the first packet, which is the server's, and nothing is said in clear text.
    cluster.see(BOND_A, Direction::In, inner.reversed(), segment(9001, 101, TcpSegment::ACK, b""), b"");
    cluster.tell(entry(ConntrackChange::Listed, 6_587, SERVER, REPLIED));
    cluster.see(BOND_A, Direction::Out, inner, segment(101, 9001, TcpSegment::ACK, b"?"), b"?");
    cluster.see(BOND_A, Direction::In, inner.reversed(), segment(9001, 102, TcpSegment::ACK, b"!"), b"!");
    let trail = only(cluster);
    let leg = &trail.legs[0];
    assert_eq!((leg.client, leg.target), (endpoint(CLIENT, 6_587), Some(endpoint(SERVICE, 80))));
    assert!(trail.sightings.iter().all(|it| (it.direction == Direction::Out) == (it.way == Way::Request)));
}

#[test]
fn the_table_joins_what_packets_could_not() {
    let mut cluster = Cluster::new(0);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = tuple(endpoint(CLIENT, 45_700), endpoint(SERVER, 8080));
    // Different packets of one connection: none is seen on both sides.
    cluster.see(CALI_A, Direction::In, outer, syn(100), b"");
    cluster.see(BOND_A, Direction::Out, inner, segment(101, 9001, TcpSegment::ACK, GET), GET);
    cluster.tell(entry(ConntrackChange::New, 45_700, SERVER, REPLIED));
    cluster.see(CALI_A, Direction::Out, outer.reversed(), segment(9001, 140, TcpSegment::ACK, OK), OK);
    let trail = only(cluster);
    assert_eq!(kinds(&trail.legs[0]), [["conntrack"]]);
    assert_eq!(trail.exchange.status, Some(200));
    assert_eq!(trail.exchange.path.as_deref(), Some("/r/17"));
}

#[test]
fn a_reused_port_is_never_given_the_entry_of_another_time() {
    // Messages late by more than a connection's life, as a recorder that is busy stamps them.
    let mut cluster = Cluster::new(0);
    converse(&mut cluster, 45_700, 100, 1);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    let inner = tuple(endpoint(CLIENT, 45_700), endpoint(OTHER, 8080));
    cluster.see(CALI_A, Direction::In, outer, syn(70_000_000), b"");
    cluster.see(BOND_A, Direction::Out, inner, syn(70_000_000), b"");
    cluster.tell(entry(ConntrackChange::New, 45_700, SERVER, UNREPLIED));
    cluster.tell(entry(ConntrackChange::Updated, 45_700, SERVER, REPLIED));
    cluster.tell(entry(ConntrackChange::New, 45_700, OTHER, UNREPLIED));
    // A third one, of which only the cali's side is seen, and whose message comes last.
    cluster.see(CALI_A, Direction::In, outer, syn(140_000_000), b"");
    cluster.tell(entry(ConntrackChange::New, 45_700, SERVER, UNREPLIED));
    let trails = cluster.finish();
    let servers: Vec<_> = trails.iter().map(|trail| trail.legs[0].server.map(|server| server.ip)).collect();
    assert_eq!(servers, [SERVER, OTHER, SERVER].map(|ip| Some(Ip::v4(ip))));
    let evidence: Vec<_> = trails.iter().map(|trail| kinds(&trail.legs[0])).collect();
    assert_eq!(
        evidence,
        [vec![vec!["packets", "conntrack"]], vec![vec!["packets", "conntrack"]], vec![vec!["conntrack"]]]
    );
    assert!(trails.iter().flat_map(|trail| &trail.legs[0].translations).all(|it| !it.is_contradicted));
}

#[test]
fn a_new_connection_is_not_one_that_was_listed_before() {
    let mut cluster = Cluster::new(0);
    cluster.tell(entry(ConntrackChange::Listed, 45_700, OTHER, REPLIED));
    cluster.pass(SECONDS);
    let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
    cluster.see(CALI_A, Direction::In, outer, syn(100), b"");
    let trail = only(cluster);
    assert!(trail.legs[0].translations.is_empty() && trail.legs[0].tracked.is_empty());
}

#[test]
fn what_packets_seem_to_show_against_the_table_is_shown_as_contradicted() {
    let mut cluster = Cluster::new(0);
    converse(&mut cluster, 45_700, 100, 1);
    cluster.tell(entry(ConntrackChange::New, 45_700, OTHER, UNREPLIED));
    let trail = only(cluster);
    let leg = &trail.legs[0];
    assert_eq!(kinds(leg), [["conntrack"], ["packets"]]);
    assert_eq!(leg.translations.iter().map(|it| it.is_contradicted).collect::<Vec<_>>(), [false, true]);
    assert_eq!(leg.server, Some(endpoint(OTHER, 8080)), "the kernel knows");
}

#[test]
fn the_table_leaves_no_room_for_a_packet_that_only_looks_alike() {
    let mut cluster = Cluster::new(0);
    let udp = |src, dst| Tuple { protocol: Protocol::Udp, src, dst };
    let service = endpoint([10, 43, 0, 10], 9000);
    let server = endpoint([10, 244, 2, 53], 9000);
    // Two pods ask the same at the same time; the packets come out in the other order.
    let clients = [endpoint(CLIENT, 40_000), endpoint([10, 244, 1, 18], 40_000)];
    for client in clients {
        cluster.datagram(CALI_A, Direction::In, udp(client, service), 4711);
        let told = Conntrack {
            original: udp(client, service),
            reply: udp(server, endpoint(NODE_A, client.ip.0 as u16)),
            tcp_state: None,
            ..entry(ConntrackChange::New, 0, SERVER, UNREPLIED)
        };
        cluster.tell(told);
    }
    for client in clients.iter().rev() {
        cluster.datagram(BOND_A, Direction::Out, udp(endpoint(NODE_A, client.ip.0 as u16), server), 4711);
    }
    for trail in cluster.finish() {
        let leg = &trail.legs[0];
        assert_eq!(kinds(leg), [["packets", "conntrack"]]);
        assert_eq!(leg.client_seen_by_server, Some(endpoint(NODE_A, leg.client.ip.0 as u16)));
    }
}

#[test]
fn a_flow_that_outlives_its_entry_goes_where_the_next_one_says() {
    let mut cluster = Cluster::new(0);
    let udp = |src, dst| Tuple { protocol: Protocol::Udp, src, dst };
    let (client, service) = (endpoint(CLIENT, 40_000), endpoint(SERVICE, 9000));
    for (server, change) in [(SERVER, ConntrackChange::New), (OTHER, ConntrackChange::New)] {
        let server = endpoint(server, 9000);
        cluster.datagram(CALI_A, Direction::In, udp(client, service), 4711);
        let told = Conntrack {
            original: udp(client, service),
            reply: udp(server, client),
            tcp_state: None,
            ..entry(change, 0, SERVER, UNREPLIED)
        };
        cluster.tell(told);
        cluster.datagram(BOND_A, Direction::Out, udp(client, server), 4711);
        cluster.pass(3 * SECONDS);
        cluster.tell(Conntrack { change: ConntrackChange::Destroyed, ..told });
    }
    let trail = only(cluster);
    // The packets of a flow that is known on both sides are not compared any more.
    assert_eq!(kinds(&trail.legs[0]), [["conntrack"]]);
    assert_eq!(trail.legs[0].server, Some(endpoint(OTHER, 9000)));
}

#[test]
fn an_entry_that_goes_while_the_connection_lives_is_told() {
    let mut cluster = Cluster::new(0);
    cluster.tell_at(
        Timestamp(cluster.time + 15 * MICROS),
        entry(ConntrackChange::New, 45_700, SERVER, UNREPLIED),
    );
    converse(&mut cluster, 45_700, 100, 1);
    let mut gone = entry(ConntrackChange::Destroyed, 45_700, SERVER, REPLIED);
    gone.tcp_state = None;
    cluster.tell(gone);
    let at = Timestamp(cluster.time);
    let trail = only(cluster);
    let [tracked] = trail.legs[0].tracked[..] else { panic!("{:?}", trail.legs[0].tracked) };
    assert_eq!((tracked.destroyed, tracked.tcp_state), (Some(at), Some(TcpState(3))));
    assert!(tracked.was_cut_short());
}

#[test]
fn entries_are_bounded_and_those_that_ended_are_forgotten() {
    let mut cluster = Cluster::new(0);
    cluster.core.limits.entries = 100;
    for port in 0..1000 {
        cluster.tell(entry(ConntrackChange::New, 1024 + port, SERVER, UNREPLIED));
    }
    assert_eq!(cluster.core.counters().forgotten_entries, 900);
    assert_eq!(cluster.core.tracking.len(), (100, 200));
    for port in 0..1000 {
        cluster.tell(entry(ConntrackChange::Destroyed, 1024 + port, SERVER, UNREPLIED));
    }
    cluster.pass(10 * SECONDS);
    converse(&mut cluster, 45_700, 100, 1);
    assert_eq!(cluster.core.tracking.len(), (0, 0));
    assert_eq!(cluster.core.counters().kernel_events, 2000);
}

impl Cluster {
    fn state(&mut self, told: TableEvent) {
        let time = Timestamp(self.time);
        self.core.handle_event(&KernelEvent { time, node: NodeId(0), body: KernelBody::Table(told) });
    }

    fn count(&mut self, cpu: u16, dropped: u32, evicted: u32) {
        self.state(TableEvent::Counts { cpu, counts: TableCounts { dropped, evicted } });
    }
}

#[test]
fn what_a_full_table_costs_is_counted_from_when_it_is_heard() {
    let mut cluster = Cluster::new(0);
    // What was before is not known since when.
    cluster.count(0, 700, 70);
    cluster.count(1, 0, 0);
    cluster.state(TableEvent::Size { entries: 90, most: 100 });
    let stated = Timestamp(cluster.time);
    cluster.pass(SECONDS / 2);
    cluster.count(1, 5, 1);
    cluster.count(0, 707, 70);
    cluster.state(TableEvent::Size { entries: 100, most: 100 });
    let table = &cluster.core.topology().tables[&NodeId(0)];
    assert_eq!((table.dropped, table.evicted, table.entries), (12, 1, 100));
    let [shortage] = table.shortages[..] else { panic!("{table:?}") };
    assert_eq!((shortage.from, shortage.until), (stated, Timestamp(cluster.time)));
    assert!(table.was_full(&shortage));
    // Counts that begin anew tell nothing.
    cluster.count(0, 2, 0);
    assert_eq!(cluster.core.topology().tables[&NodeId(0)].dropped, 12);
}

#[test]
fn a_list_that_is_told_anew_heals_what_was_lost() {
    let mut cluster = Cluster::new(0);
    // The end of this one is lost, and so is the beginning of the next.
    cluster.tell(entry(ConntrackChange::New, 45_000, SERVER, UNREPLIED));
    converse(&mut cluster, 45_700, 100, 1);
    cluster.pass(SECONDS);
    cluster.state(TableEvent::Listing);
    cluster.tell(entry(ConntrackChange::Listed, 45_700, SERVER, REPLIED));
    // Told while the list is: of one that it has come past.
    cluster.tell(entry(ConntrackChange::New, 45_800, SERVER, UNREPLIED));
    cluster.state(TableEvent::Listed);
    assert_eq!(cluster.core.tracking.len(), (2, 4));
    // The end of a list that was never begun, as it is at the start, is no reason to forget.
    cluster.state(TableEvent::Listed);
    assert_eq!(cluster.core.tracking.len(), (2, 4));
    let trail = only(cluster);
    assert_eq!(kinds(&trail.legs[0]), [["packets", "conntrack"]]);
}

impl Cluster {
    /// One sighting of a datagram; time goes on by 10 µs.
    pub(super) fn datagram(&mut self, at: u16, direction: Direction, tuple: Tuple, digest: u64) {
        self.pass(10 * MICROS);
        let packet = Packet {
            time: Timestamp(self.time),
            vantage: VantageId(at),
            direction,
            ttl: if direction == Direction::In { 64 } else { 63 },
            ip_id: 0,
            src_mac: CALI_MAC,
            dst_mac: [2; 6],
            wire_len: 60,
            inside: None,
            tuple,
            body: Body::Udp(Datagram { len: 32, digest }),
            payload: crate::model::Payload::default(),
        };
        let node = NodeId(u16::from(at >= BOND_B));
        self.give(node, Input::Packet(packet, vec![0xee; 32]));
    }
}
