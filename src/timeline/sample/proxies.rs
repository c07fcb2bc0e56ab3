//! Journeys through proxies, for the tests of this room and of those that draw it: placed and judged as real ones
//! are.

use std::sync::{Arc, OnceLock};

use crate::model::{
    Confidence, Direction, Endpoint, Evidence, EvidenceKind, Hop, Journey, MICROS, MILLIS, NodeId, Part,
    Phase, Proxy, Sighting, Timestamp, Trail, Tuple, VantageId, Way, sample as plain,
};
use crate::stages::{Templates, World};
use crate::timeline::sample::{
    A, B, B_AHEAD, BOND_A, BOND_B, BOND_C, C, C_AHEAD, PRICE, STOCK, clocks, endpoint, http, topology,
};

use Direction::{In, Out};
use Way::{Reply, Request};

/// A trail in the making; times are microseconds after its start, on the reference clock.
struct Builder {
    trail: Trail,
    started: Timestamp,
}

fn face(client: Endpoint, server: Endpoint) -> Tuple {
    Tuple { protocol: crate::model::Protocol::Tcp, src: client, dst: server }
}

impl Builder {
    /// Somebody outside asks the VIP.
    fn new(id: u64, started: Timestamp, path: &str, status: u16) -> Builder {
        let (client, vip) = (endpoint("172.31.9.77", 40_112), endpoint("192.0.2.100", 80));
        let mut leg = plain::leg(client, vip, Some(vip));
        leg.faces.push(face(client, vip));
        let deadline = started.plus(5_000 * MILLIS);
        let trail = Trail { id, exchange: http("GET", path, Some(status)), deadline, ..plain::trail(leg) };
        Builder { trail, started }
    }

    /// A packet at places `VANTAGE, direction, time`, on the newest leg or on `leg`.
    fn packet(mut self, leg: u8, way: Way, part: Part, places: &[(VantageId, Direction, i64)]) -> Builder {
        for &(vantage, direction, at_us) in places {
            let ahead = match topology().vantage(vantage).node {
                B => B_AHEAD,
                C => C_AHEAD,
                _ => 0,
            };
            let (flags, len) = match part {
                Part::Handshake => (2, 0),
                Part::Reset => (20, 0),
                _ => (24, 128),
            };
            let time = self.started.plus(at_us * MICROS + ahead).0;
            let (seq, ack) = if way == Request { (1_000, 5_000) } else { (5_000, 1_128) };
            let first = plain::sighting(time);
            let one = Sighting { vantage, direction, way, part, leg, flags, seq, ack, len, ..first };
            self.trail.sightings.push(one);
        }
        self
    }

    /// A proxy on `node` goes on to `server`.
    fn hop(mut self, from_leg: u8, proxy: Proxy, node: NodeId, server: Endpoint, status: u16) -> Builder {
        let own = endpoint(if node == A { "192.0.2.11" } else { "192.0.2.12" }, 41_000 + u16::from(from_leg));
        let mut leg = plain::leg(own, server, Some(server));
        leg.faces.push(face(own, server));
        self.trail.legs.push(leg);
        let exchange = http("GET", self.trail.exchange.path.as_deref().unwrap_or("/"), Some(status));
        let mut hop = Hop { exchange, ..plain::hop(from_leg, proxy) };
        hop.join.node = Some(node);
        self.trail.hops.push(hop);
        self
    }

    /// How the newest hop is known, and how long its proxy kept request and answer, in microseconds.
    fn known(
        mut self,
        probability: f64,
        rivals: u32,
        evidence: &[(EvidenceKind, &str)],
        kept: (Option<i64>, Option<i64>),
    ) -> Builder {
        let evidence = evidence.iter().map(|&(kind, detail)| Evidence { kind, detail: detail.into() });
        if let Some(hop) = self.trail.hops.last_mut() {
            (hop.join.confidence, hop.join.rivals) = (Confidence::of(probability), rivals);
            hop.join.evidence = evidence.collect();
            hop.join.request_delay_ns = kept.0.map(|us| us * MICROS);
            hop.join.reply_delay_ns = kept.1.map(|us| us * MICROS);
        }
        self
    }

    fn placed(self) -> Journey {
        placed(self.trail)
    }
}

/// A trail as a journey.
pub fn placed(trail: Trail) -> Journey {
    static TEMPLATES: OnceLock<Templates> = OnceLock::new();
    let (topology, clocks) = (topology(), clocks());
    let now = trail.deadline.plus(60_000 * MILLIS);
    let world = World { topology: &topology, clocks: &clocks, lossy_nodes: &[], now };
    TEMPLATES.get_or_init(Templates::embedded).place(Arc::new(trail), &world)
}

/// From outside to HAProxy on kappa1 and from there, for sure, to Traefik on kappa2.
fn to_traefik(id: u64, started: Timestamp, path: &str, status: u16) -> Builder {
    Builder::new(id, started, path, status)
        .packet(0, Request, Part::Head, &[(BOND_A, In, 0)])
        .hop(0, Proxy::Haproxy, A, endpoint("192.0.2.12", 80), status)
        .known(
            0.999,
            0,
            &[(EvidenceKind::TraceId, "x-request-id 7f3a-11"), (EvidenceKind::Timing, "")],
            (Some(620), Some(90)),
        )
        .packet(1, Request, Part::Head, &[(BOND_A, Out, 640), (BOND_B, In, 690)])
}

/// Three nodes; which of two requests Traefik sent to the pod is ambiguous.
pub fn ingress(id: u64, started: Timestamp) -> Journey {
    to_traefik(id, started, "/price/9", 200)
        .hop(1, Proxy::Traefik, B, endpoint("10.244.3.5", 8080), 200)
        .known(
            0.52,
            1,
            &[(EvidenceKind::RequestLine, "GET /price/9"), (EvidenceKind::Timing, "")],
            (Some(1_410), Some(380)),
        )
        .packet(2, Request, Part::Head, &[(BOND_B, Out, 2_110), (BOND_C, In, 2_160), (PRICE, Out, 2_175)])
        .packet(2, Reply, Part::Head, &[(PRICE, In, 4_020), (BOND_C, Out, 4_032), (BOND_B, In, 4_090)])
        .packet(1, Reply, Part::Head, &[(BOND_B, Out, 4_470), (BOND_A, In, 4_515)])
        .packet(0, Reply, Part::Head, &[(BOND_A, Out, 4_605)])
        .placed()
}

/// The first pod refuses, the second serves.
pub fn retried(id: u64, started: Timestamp) -> Journey {
    let mut builder = to_traefik(id, started, "/stock/4", 200)
        .hop(1, Proxy::Traefik, B, endpoint("10.244.3.5", 8080), 200)
        .known(0.93, 0, &[(EvidenceKind::Timing, "")], (Some(300), None))
        .packet(
            2,
            Request,
            Part::Handshake,
            &[(BOND_B, Out, 1_000), (BOND_C, In, 1_050), (PRICE, Out, 1_065)],
        )
        .packet(2, Reply, Part::Reset, &[(PRICE, In, 1_090), (BOND_C, Out, 1_100), (BOND_B, In, 1_150)]);
    builder.trail.hops[1].join.is_given_up = true;
    builder.trail.hops[1].exchange = crate::model::Exchange::new(crate::model::Application::Tcp);
    builder
        .hop(1, Proxy::Traefik, B, endpoint("10.244.2.33", 8080), 200)
        .known(
            0.78,
            1,
            &[(EvidenceKind::ForwardedFor, "172.31.9.77"), (EvidenceKind::ResponsePayload, "14200 bytes")],
            (Some(800), Some(210)),
        )
        .packet(3, Request, Part::Head, &[(STOCK, Out, 1_500)])
        .packet(3, Reply, Part::Head, &[(STOCK, In, 2_800)])
        .packet(1, Reply, Part::Head, &[(BOND_B, Out, 3_010), (BOND_A, In, 3_060)])
        .packet(0, Reply, Part::Head, &[(BOND_A, Out, 3_150)])
        .placed()
}

/// Traefik knows no route.
pub fn no_route(id: u64, started: Timestamp) -> Journey {
    to_traefik(id, started, "/nowhere", 404)
        .packet(1, Reply, Part::Head, &[(BOND_B, Out, 900), (BOND_A, In, 950)])
        .packet(0, Reply, Part::Head, &[(BOND_A, Out, 1_040)])
        .placed()
}

/// The packet to the pod is lost in its node, and nobody answers.
pub fn lost(id: u64, started: Timestamp) -> Journey {
    let mut builder = to_traefik(id, started, "/price/3", 200)
        .hop(1, Proxy::Traefik, B, endpoint("10.244.3.5", 8080), 200)
        .known(0.97, 0, &[(EvidenceKind::Timing, "")], (Some(300), None))
        .packet(2, Request, Part::Handshake, &[(BOND_B, Out, 1_000), (BOND_C, In, 1_050)]);
    let trail = &mut builder.trail;
    (trail.phase, trail.answer_is_whole, trail.exchange.status) = (Phase::TimedOut, false, None);
    for hop in &mut trail.hops {
        (hop.phase, hop.answer_is_whole, hop.exchange.status) = (Phase::TimedOut, false, None);
    }
    builder.placed()
}

/// One of each kind, 300 ms apart.
pub fn all() -> Vec<Journey> {
    let at = |index: i64| crate::timeline::sample::START.plus(index * 300 * MILLIS);
    vec![ingress(1, at(0)), retried(2, at(1)), no_route(3, at(2)), lost(4, at(3))]
}
