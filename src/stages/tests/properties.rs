//! What holds for every trail, however strange.

use proptest::prelude::*;

use crate::model::{Direction, IcmpReason, Ip, Outcome, Part, Phase, Proxy, Role, State, Way};
use crate::stages::testbed::{
    ALPHA_IP, BETA_IP, Builder, CART, Cluster, MILL, SHOP, STOCK, STRANGER, VIP, VISITOR, at, trail,
};

const ADDRESSES: [Ip; 9] = [CART, MILL, STOCK, STRANGER, SHOP, ALPHA_IP, BETA_IP, VIP, VISITOR];
const PLACES: [&str; 10] = [
    "cart>",
    ">cart",
    "mill>",
    ">mill",
    "stock>",
    ">stock",
    "bond1.alpha>",
    ">bond1.alpha",
    "bond1.beta>",
    ">bond1.beta",
];
const PHASES: [Phase; 5] = [Phase::Open, Phase::Answered, Phase::TimedOut, Phase::Cut, Phase::Evicted];
const CAPTURES: [&[&str]; 5] = [
    &[],
    &["bond1.beta", "stock"],
    &["bond1.alpha", "cart", "mill"],
    &["cart", "mill", "stock"],
    &["bond1.alpha", "bond1.beta"],
];

fn strange() -> impl Strategy<Value = Builder> {
    let address = || prop::sample::select(&ADDRESSES[..]);
    let part = (
        any::<bool>(),
        prop::sample::select(&Part::ALL[..]),
        prop::collection::vec(prop::sample::select(&PLACES[..]), 1..5),
        0..2000_u32,
        any::<bool>(),
        0..4_u8,
    );
    let ends = (address(), address(), prop::option::of(address()));
    let rest = (prop::sample::select(&PHASES[..]), any::<bool>(), any::<bool>(), any::<bool>());
    let hop = (
        0..4_u8,
        address(),
        address(),
        any::<bool>(),
        prop::option::of(prop::sample::select(&[200, 404, 503][..])),
    );
    let hops = prop::collection::vec(hop, 0..4);
    (ends, prop::collection::vec(part, 1..8), hops, rest).prop_map(
        |((client, target, server), parts, hops, (phase, is_dns, is_whole, has_notice))| {
            let mut builder = trail(client, at(target, 80), server.map(|ip| at(ip, 8080))).phase(phase);
            let legs = 1 + hops.len() as u8;
            for (from, node, server, is_given_up, status) in hops {
                builder = builder.handed_on(from, Proxy::Unknown, node, at(server, 8080));
                builder = builder.with(|trail| {
                    if let Some(hop) = trail.hops.last_mut() {
                        (hop.join.is_given_up, hop.exchange.status) = (is_given_up, status);
                    }
                });
            }
            for (is_request, part, places, len, is_unknown, leg) in parts {
                let way = if is_request { Way::Request } else { Way::Reply };
                builder = builder.on_leg(leg % legs).packet(way, part, &places.join(" "), len);
                builder = builder.with(|trail| {
                    if let Some(last) = trail.sightings.last_mut().filter(|_| is_unknown) {
                        last.direction = Direction::Unknown;
                    }
                });
            }
            if is_dns {
                builder = builder.dns(is_whole.then_some(0));
            }
            if has_notice {
                builder = builder.icmp(IcmpReason::HostUnreachable, BETA_IP, "");
            }
            builder.phase(phase).with(|trail| trail.answer_is_whole = is_whole)
        },
    )
}

proptest! {
    #[test]
    fn a_journey_never_says_more_than_was_seen(
        builder in strange(),
        absent in prop::sample::select(&CAPTURES[..]),
    ) {
        let cluster = Cluster::without(absent);
        let built = builder.seen_by(&cluster).build();
        let (first, second) = (cluster.place(built.clone()), cluster.place(built.clone()));
        prop_assert_eq!((&first.request, &first.reply), (&second.request, &second.reply));
        prop_assert_eq!(&first.verdict, &second.verdict);
        prop_assert!(!first.verdict.detail.is_empty());
        let captures = |visit: &crate::model::Visit| visit.node.is_some_and(|node| {
            cluster.topology.captures(node, Role::Uplink) || cluster.topology.captures(node, Role::Workload)
        });
        for visit in first.visits() {
            match visit.state {
                State::Seen { time } => {
                    let seen = visit.sighting.map(|index| built.sightings[index as usize]);
                    prop_assert_eq!(seen.map(|it| it.time), Some(time));
                    prop_assert_eq!(seen.map(|it| it.vantage), visit.vantage);
                }
                State::Bounded { after, before } => prop_assert!(after <= before),
                State::Missing | State::Waiting => prop_assert!(captures(visit)),
                State::Outside | State::Skipped => {}
            }
        }
        let is_missing = |visit: &crate::model::Visit| visit.state == State::Missing;
        // A server may take its time, though not to answer a SYN, on any leg.
        let is_unsent = !built.sightings.iter().any(|sighting| sighting.way == Way::Reply);
        let is_asked = built.sightings.iter().any(|sighting| sighting.part == Part::Head);
        if built.phase == Phase::Open && is_unsent && is_asked && built.hops.is_empty() {
            prop_assert!(!first.reply.iter().any(is_missing));
        }
        if first.verdict.outcome == Outcome::Complete {
            let has_reply = built.sightings.iter().any(|sighting| sighting.way == Way::Reply);
            prop_assert!(has_reply || built.answer_is_whole);
        }
    }
}
