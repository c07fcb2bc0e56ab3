//! Kernel stages that tracing shows, and the rule that a verdict names.

use std::sync::Arc;

use crate::model::{
    Action, ChainName, Hook, NodeId, Pass, Rule, RuleStep, Sighting, State, Timestamp, Traced, TracedPacket,
    Trail, Tuple, Way,
};
use crate::stages::testbed::{ALPHA, BETA, CART, Cluster, STOCK, at, trail};

use super::{check, says};

/// The packet of a sighting, as it passed hooks of `node`; each was heard of so many ns after the sighting.
fn traced(trail: &Trail, sighting: usize, node: NodeId, hooks: &[(Hook, i64)]) -> Traced {
    let seen: Sighting = trail.sightings[sighting];
    let leg = &trail.legs[usize::from(seen.leg)];
    let ends = Tuple { protocol: leg.protocol, src: leg.client, dst: leg.target.expect("a target") };
    let tuple = if seen.way == Way::Request { ends } else { ends.reversed() };
    let packet = TracedPacket {
        tuple,
        ttl: seen.ttl,
        ip_id: seen.ip_id,
        seq: seen.seq,
        flags: seen.flags,
        len: seen.len,
        connection: None,
    };
    let pass = |&(hook, after): &(Hook, i64)| Pass {
        time: seen.time.plus(after),
        hook,
        chain: ChainName { family: 2, table: "filter".into(), chain: hook.name().into() },
        packet,
        steps: Vec::new(),
        action: Action::Accept,
    };
    Traced { node, leg: Some(seen.leg), way: seen.way, passes: hooks.iter().map(pass).collect() }
}

/// The last hook drops it, by this rule or, without one, by its policy.
fn drop_by(traced: &mut Traced, rule: Option<(&str, &str, Option<&str>)>) {
    let pass = traced.passes.last_mut().expect("a hook");
    pass.action = Action::Drop;
    pass.steps.extend(rule.map(|(chain, text, comment)| {
        let chain = ChainName { family: 2, table: "filter".into(), chain: chain.into() };
        let (handle, number) = (Some(9), Some(3));
        let rule = Rule { chain, handle, number, text: text.into(), comment: comment.map(Into::into) };
        RuleStep { rule: Arc::new(rule), action: Action::Drop }
    }));
}

const FORWARDED: [(Hook, i64); 3] = [(Hook::Prerouting, 50), (Hook::Forward, 52), (Hook::Postrouting, 57)];

fn to_pod() -> crate::stages::testbed::Builder {
    trail(CART, at(STOCK, 8080), Some(at(STOCK, 8080)))
}

#[test]
fn hooks_make_kernel_stages_seen_and_are_timed_from_the_capture_point() {
    let journey = to_pod()
        .ask("cart> bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha >cart")
        .with(|trail| {
            let way = traced(trail, 0, ALPHA, &FORWARDED);
            trail.traced.push(way);
        })
        .place(&Cluster::whole());
    let seen = |number: u8, node: NodeId| {
        let visit = journey.request.iter().find(|it| it.stage.number == number && it.node == Some(node));
        let visit = visit.expect("a visit");
        match visit.state {
            State::Seen { time } => (visit.hook, Some(time.since(journey.started))),
            _ => (visit.hook, None),
        }
    };
    assert_eq!(seen(2, ALPHA), (Some(Hook::Prerouting), Some(0)));
    assert_eq!(seen(3, ALPHA), (Some(Hook::Forward), Some(2)));
    assert_eq!(seen(4, ALPHA), (Some(Hook::Forward), Some(2)));
    assert_eq!(seen(5, ALPHA), (Some(Hook::Postrouting), Some(7)));
    // Nothing was traced on the other node.
    assert_eq!(seen(3, BETA), (None, None));
}

#[test]
fn another_packets_hooks_show_nothing() {
    let journey = to_pod()
        .ask("cart> bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha >cart")
        .with(|trail| {
            let mut other = traced(trail, 0, ALPHA, &FORWARDED);
            for pass in &mut other.passes {
                pass.packet.seq = pass.packet.seq.wrapping_add(90_000);
            }
            trail.traced.push(other);
        })
        .place(&Cluster::whole());
    assert!(journey.visits().all(|visit| visit.hook.is_none()));
}

#[test]
fn a_dropping_rule_is_named_with_its_policy() {
    let journey = to_pod()
        .syn("cart> bond1.alpha> >bond1.beta")
        .with(|trail| {
            let mut way = traced(trail, 2, BETA, &FORWARDED[..2]);
            drop_by(&mut way, Some(("cali-tw-cali2stock", "drop", Some("Policy shop/deny ingress"))));
            trail.traced.push(way);
        })
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α~ ③α~ ④α~ ⑤α~ ⑧α! ⑨~ ⑩β! ⑪β! ③β! ④β! ⑤β· ⑥β✗ ⑦β· | ",
        "lost request ④β→⑤β host:β",
    );
    says(
        &journey,
        "SYN stopped inside beta; dropped in FORWARD by rule 3 of cali-tw-cali2stock in ip filter: drop (policy shop/deny)",
    );
    let by = journey.verdict.dropped_by.as_ref().expect("a rule");
    assert_eq!((by.node, by.hook, by.rule.workload()), (BETA, Hook::Forward, Some(("cali2stock", false))));
}

#[test]
fn a_chains_policy_and_a_node_without_captures_are_named_too() {
    let journey = to_pod()
        .syn("cart> bond1.alpha>")
        .with(|trail| {
            let mut way = traced(trail, 1, BETA, &FORWARDED[..2]);
            drop_by(&mut way, None);
            trail.traced.push(way);
        })
        .place(&Cluster::only_alpha());
    says(&journey, "dropped in FORWARD by the policy of FORWARD in ip filter");
    assert_eq!(journey.verdict.place.and_then(|place| place.node), Some(BETA));
}

#[test]
fn what_got_through_in_the_end_was_not_dropped() {
    let journey = to_pod()
        .syn("cart> bond1.alpha> >bond1.beta >stock")
        .syn_ack("stock> bond1.beta> >bond1.alpha >cart")
        .with(|trail| {
            let mut way = traced(trail, 0, ALPHA, &FORWARDED);
            drop_by(&mut way, Some(("FORWARD", "limit rate 1/second drop", None)));
            trail.traced.push(way);
        })
        .place(&Cluster::whole());
    assert!(journey.verdict.dropped_by.is_none(), "{:?}", journey.verdict);
    assert_ne!(journey.ended, Timestamp(0));
}
