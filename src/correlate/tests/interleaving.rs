//! Two nodes' streams, one of them late: what is told is the same, whichever comes first.

use super::tracking::{REPLIED, UNREPLIED, entry};
use super::*;
use crate::model::ConntrackChange::{Destroyed, New, Updated};
use crate::model::{Conntrack, KernelBody, KernelEvent};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

/// What is played.
#[derive(Clone, Copy, Debug)]
struct Story {
    /// How far kappa2's clock is ahead.
    skew: i64,
    messages: Messages,
    /// The first SYN is lost behind kappa1, which masquerades the second one anew.
    is_lost: bool,
    /// Datagrams, masqueraded by kappa1, in place of a connection.
    is_udp: bool,
    /// By how much what is late is late.
    lag: i64,
}

/// What both nodes tell of their entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Messages {
    None,
    /// They are handed over behind the packets that they are about, or before them, as they are in a live run.
    Late,
    Early,
}

const PLAIN: Story = Story { skew: 0, messages: Messages::None, is_lost: false, is_udp: false, lag: 0 };
const TRACKED: Story = Story { messages: Messages::Late, ..PLAIN };
const EARLY: Story = Story { messages: Messages::Early, ..PLAIN };

/// Two nodes that are followed live.
fn followed(skew: i64) -> Cluster {
    let mut cluster = Cluster::new(skew);
    cluster.core.limits = Limits::SCREEN.with_lag();
    cluster
}

/// What is said of each request. Bare acknowledgements are of the request that is the newest when they come.
fn told(cluster: Cluster) -> Vec<String> {
    let facts = |trail: &Trail| {
        let leg = &trail.legs[0];
        let told = trail.sightings.iter().filter(|it| matches!(it.part, Part::Handshake | Part::Head));
        let mut seen: Vec<_> = told.map(|it| format!("{:?}", (it.part, it.way, it.vantage))).collect();
        seen.sort_unstable();
        let shown: Vec<_> = leg.translations.iter().map(|it| (it.node, it.from, it.to)).collect();
        let ends = (leg.client, leg.target, leg.server, leg.client_seen_by_server);
        let exchange = &trail.exchange;
        let ended = (exchange.path.as_deref(), exchange.status, trail.phase, trail.retransmissions);
        format!("{ends:?} {shown:?} {ended:?} {seen:?}")
    };
    cluster.finish().iter().map(facts).collect()
}

const ASKED: [(u16, Direction); 4] =
    [(CALI_A, Direction::In), (BOND_A, Direction::Out), (BOND_B, Direction::In), (CALI_B, Direction::Out)];

/// The addresses of datagrams before and behind kappa1.
fn udp_sides() -> [Tuple; 2] {
    let udp = |src, dst| Tuple { protocol: Protocol::Udp, src, dst };
    [
        udp(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80)),
        udp(endpoint(NODE_A, 61_001), endpoint(SERVER, 8080)),
    ]
}

/// Two datagrams and their answers.
fn ask_and_answer(cluster: &mut Cluster) {
    let [outer, inner] = udp_sides();
    let side = |at| if at == CALI_A { outer } else { inner };
    for digest in [4711, 4713] {
        for (at, direction) in ASKED {
            cluster.datagram(at, direction, side(at), digest);
        }
        for (at, direction) in ASKED.into_iter().rev() {
            let back = if direction == Direction::In { Direction::Out } else { Direction::In };
            cluster.datagram(at, back, side(at).reversed(), digest + 1);
        }
    }
}

/// The packets of two requests on one connection, in the order of their times.
fn packets(story: Story) -> Vec<(NodeId, Input)> {
    let mut cluster = followed(story.skew);
    cluster.held = Some(Vec::new());
    if story.is_udp {
        ask_and_answer(&mut cluster);
        return cluster.held.expect("what was held");
    }
    if story.is_lost {
        let syn = segment(100, 0, TcpSegment::SYN, b"");
        let outer = tuple(endpoint(CLIENT, 45_700), endpoint(SERVICE, 80));
        let inner = tuple(endpoint(NODE_A, 61_001), endpoint(SERVER, 8080));
        cluster.see(CALI_A, Direction::In, outer, syn, b"");
        cluster.see(BOND_A, Direction::Out, inner, syn, b"");
        cluster.see(BOND_B, Direction::In, inner, syn, b"");
        cluster.pass(SECONDS);
    }
    converse(&mut cluster, 45_700, 100, 2);
    cluster.held.expect("what was held")
}

/// The same with what the kernels tell, each stamped a moment after the packet it is about.
fn conversation(story: Story) -> Vec<(NodeId, Input)> {
    let mut all = packets(story);
    if story.messages == Messages::None {
        return all;
    }
    let first = if story.is_lost { 3 } else { 0 };
    let translated = |change, status| {
        let told = entry(change, 45_700, SERVER, status);
        let [original, inner] = udp_sides();
        if story.is_udp {
            Conntrack { original, reply: inner.reversed(), tcp_state: None, ..told }
        } else {
            told
        }
    };
    let plain = |change, status| {
        let told = translated(change, status);
        Conntrack { original: told.translated(), ..told }
    };
    let last = all.len() - 1;
    let events = [
        (first + 1, A, translated(New, UNREPLIED)),
        (first + 3, B, plain(New, UNREPLIED)),
        (first + 4, B, plain(Updated, REPLIED)),
        (first + 7, A, translated(Updated, REPLIED)),
        (last - 2, A, translated(Destroyed, REPLIED)),
        (last, B, plain(Destroyed, REPLIED)),
    ];
    for (after, node, told) in events.into_iter().rev() {
        let time = time_of(&all[after].1).plus(MICROS);
        let at = if story.messages == Messages::Early { after.saturating_sub(1) } else { after + 1 };
        all.insert(at, (node, Input::Event(KernelEvent { time, node, body: KernelBody::Conntrack(told) })));
    }
    all
}

fn time_of(input: &Input) -> Timestamp {
    match input {
        Input::Packet(packet, _) => packet.time,
        Input::Event(event) => event.time,
    }
}

/// Hands over `early`, lets time go on on `ahead`, and then hands over `late`.
fn play(story: Story, early: &[(NodeId, Input)], ahead: NodeId, late: &[(NodeId, Input)]) -> Vec<String> {
    let mut cluster = followed(story.skew);
    let mut latest = None;
    for (node, input) in early {
        latest = latest.max((*node == ahead).then(|| time_of(input)));
        cluster.give(*node, input.clone());
    }
    if let Some(latest) = latest.filter(|_| story.lag > 0) {
        cluster.core.advance(ahead, latest.plus(story.lag));
    }
    for (node, input) in late {
        cluster.give(*node, input.clone());
    }
    told(cluster)
}

#[test]
fn a_late_stream_changes_nothing() {
    for story in [
        PLAIN,
        TRACKED,
        Story { skew: 80 * MILLIS, ..TRACKED },
        Story { skew: -80 * MILLIS, ..TRACKED },
        Story { lag: 1_500 * MILLIS, ..PLAIN },
        Story { lag: 1_500 * MILLIS, ..TRACKED },
        EARLY,
        Story { skew: 80 * MILLIS, ..EARLY },
        Story { skew: -80 * MILLIS, ..EARLY },
        Story { lag: 1_500 * MILLIS, ..EARLY },
        Story { is_lost: true, ..EARLY },
        Story { is_udp: true, ..PLAIN },
        Story { is_udp: true, ..TRACKED },
        Story { is_udp: true, ..EARLY },
        Story { is_udp: true, lag: 1_500 * MILLIS, ..EARLY },
        Story { is_lost: true, ..PLAIN },
        Story { is_lost: true, ..TRACKED },
    ] {
        let all = conversation(story);
        let in_order = play(story, &all, A, &[]);
        let journeys = if story.is_udp { 1 } else { 2 };
        assert_eq!(in_order.len(), journeys, "in {story:?}: {in_order:#?}");
        // From some point on a node is ahead by all that it has.
        for ahead in [A, B] {
            for from in 0..all.len() {
                let (before, rest) = all.split_at(from);
                let (of_ahead, late): (Vec<_>, Vec<_>) =
                    rest.iter().cloned().partition(|(node, _)| *node == ahead);
                let early = [before, &of_ahead].concat();
                let told = play(story, &early, ahead, &late);
                assert_eq!(told, in_order, "{ahead:?} is ahead from {from} on in {story:?}");
            }
        }
    }
}
