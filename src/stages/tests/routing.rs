//! What a node's routes say of a packet that was lost.

use smallvec::smallvec;

use crate::model::{
    Barrier, Expected, IcmpReason, Journey, NodeId, Onward, RouteKind, Trail, VantageId, Way,
};
use crate::stages::testbed::{
    ALPHA, ALPHA_IP, BETA, Builder, CART, Cluster, STOCK, VIP, VISITOR, at, trail, vantage,
};

use super::{check, says};

fn to_pod() -> Builder {
    trail(CART, at(STOCK, 8080), Some(at(STOCK, 8080)))
}

/// What the routes of a node say of the request that came in by `came_in`.
fn said(node: NodeId, came_in: &str, onward: Onward) -> Expected {
    let (source, destination) = (CART, STOCK);
    Expected {
        node,
        leg: 0,
        way: Way::Request,
        vantage: vantage(came_in),
        left: None,
        source,
        destination,
        onward,
    }
}

fn over(interface: &str) -> Onward {
    Onward::Over(smallvec![interface.into()])
}

fn expecting(expected: Expected) -> impl FnOnce(&mut Trail) {
    |trail| trail.expected.push(expected)
}

/// What is said of a request that stopped in beta.
fn in_beta(onward: Onward) -> Journey {
    let expected = said(BETA, "bond1.beta", onward);
    to_pod().syn("cart> bond1.alpha> >bond1.beta").with(expecting(expected)).place(&Cluster::whole())
}

#[test]
fn what_bars_a_packet_is_named() {
    let blackhole = |route| Onward::Barred(Barrier::Route(RouteKind::Blackhole, route));
    let turned = |is_strict, over| Onward::Barred(Barrier::ReversePath { is_strict, over });
    for (onward, words) in [
        (Onward::Barred(Barrier::NoRoute), "; beta has no route to 10.244.2.33"),
        (
            blackhole("10.244.2.0/26".parse().ok()),
            "; beta's route to 10.244.2.33 is `blackhole 10.244.2.0/26`",
        ),
        (blackhole(None), "; a routing rule of beta makes 10.244.2.33 `blackhole`"),
        (
            Onward::Barred(Barrier::NotForwarding),
            "; beta does not forward what comes in on bond1 (forwarding is off)",
        ),
        (
            turned(true, smallvec!["bond2".into()]),
            "; beta's rp_filter (strict) drops what comes in on bond1 from 10.244.1.17: the route back to 10.244.1.17 is over bond2",
        ),
        (turned(false, smallvec![]), ": there is no route back to 10.244.1.17"),
        (over("cali2stock"), "lost inside beta; beta's route to 10.244.2.33 is over cali2stock"),
    ] {
        let journey = in_beta(onward.clone());
        says(
            &journey,
            "SYN entered beta on bond1 and never went to the pod on cali2stock: lost inside beta; ",
        );
        says(&journey, words);
        assert_eq!(journey.verdict.expected.as_ref().map(|expected| &expected.onward), Some(&onward));
    }
}

#[test]
fn another_node_and_another_way_say_nothing() {
    let elsewhere = said(ALPHA, "cart", Onward::Barred(Barrier::NoRoute));
    let back = Expected { way: Way::Reply, ..said(BETA, "bond1.beta", Onward::Barred(Barrier::NoRoute)) };
    let journey = to_pod()
        .syn("cart> bond1.alpha> >bond1.beta")
        .with(|trail| trail.expected.extend([elsewhere, back]))
        .place(&Cluster::whole());
    assert!(journey.verdict.expected.is_none(), "{:?}", journey.verdict);
}

#[test]
fn an_icmp_error_has_to_fit() {
    let unreachable = Onward::Barred(Barrier::Route(RouteKind::Unreachable, "10.244.0.0/16".parse().ok()));
    let prohibit = Onward::Barred(Barrier::Route(RouteKind::Prohibit, "10.244.0.0/16".parse().ok()));
    let no_route = Onward::Barred(Barrier::NoRoute);
    for (reason, onward, fits) in [
        (IcmpReason::NetUnreachable, &no_route, true),
        (IcmpReason::HostUnreachable, &unreachable, true),
        (IcmpReason::HostUnreachable, &no_route, false),
        (IcmpReason::Prohibited, &prohibit, true),
        (IcmpReason::PortUnreachable, &prohibit, false),
        (IcmpReason::NetUnreachable, &over("bond1"), false),
    ] {
        let journey = to_pod()
            .syn("cart>")
            .icmp(reason, ALPHA_IP, ">cart")
            .with(expecting(said(ALPHA, "cart", onward.clone())))
            .place(&Cluster::whole());
        assert_eq!(journey.verdict.expected.is_some(), fits, "{reason:?} {onward:?}: {:?}", journey.verdict);
        let is_rule = journey.verdict.detail.en.contains("REJECT");
        assert_eq!(is_rule, reason == IcmpReason::PortUnreachable, "{:?}", journey.verdict);
        super::is_in_both_languages(&journey);
    }
}

#[test]
fn rp_filter_drops_what_is_for_the_node_itself_too() {
    let barred =
        Onward::Barred(Barrier::ReversePath { is_strict: true, over: smallvec!["cali1cart".into()] });
    let to_proxy = || trail(VISITOR, at(VIP, 80), Some(at(VIP, 80))).syn(">bond1.alpha");
    let expected = Expected { source: VISITOR, destination: VIP, ..said(ALPHA, "bond1.alpha", barred) };
    let journey = to_proxy().with(expecting(expected.clone())).place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "lost request ②α→③α host:α");
    says(
        &journey,
        "SYN stopped inside alpha; alpha's rp_filter (strict) drops what comes in on bond1 from 172.31.9.77",
    );
    // That it got an answer speaks against it.
    let journey = to_proxy().syn_ack("bond1.alpha>").with(expecting(expected)).place(&Cluster::whole());
    assert!(journey.verdict.expected.is_none(), "{:?}", journey.verdict);
}

#[test]
fn a_packet_that_went_elsewhere() {
    let left = |came_in, left: &str, onward| Expected {
        left: Some(VantageId(vantage(left).0)),
        ..said(if came_in == "cart" { ALPHA } else { BETA }, came_in, onward)
    };
    let journey = to_pod()
        .syn("cart> bond1.alpha>")
        .with(expecting(left("cart", "bond1.alpha", over("eth9"))))
        .place(&Cluster::whole());
    says(
        &journey,
        "lost between the nodes; it left alpha on bond1, though alpha's route to 10.244.2.33 is over eth9",
    );
    let journey = to_pod()
        .syn("cart> bond1.alpha> >bond1.beta bond1.beta>")
        .with(expecting(left("bond1.beta", "bond1.beta", over("bond1"))))
        .place(&Cluster::whole());
    says(&journey, "; it left beta again on bond1: beta's route to 10.244.2.33 is over bond1");
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α~ ③α~ ④α~ ⑤α~ ⑧α! ⑨~ ⑩β! ⑪β· ③β· ④β· ⑤β· ⑥β✗ ⑦β· | ",
        "lost request ⑩β→⑥β host:β",
    );
}

#[test]
fn a_reason_is_told_in_place_of_where_connection_tracking_ends() {
    let told = |onward| {
        let mut cluster = Cluster::whole();
        cluster.topology.tracking.insert(BETA);
        let expected = said(BETA, "bond1.beta", onward);
        to_pod().syn("cart> bond1.alpha> >bond1.beta").with(expecting(expected)).place(&cluster)
    };
    says(&told(over("cali2stock")), "beta's conntrack confirmed no entry for it");
    let barred = told(Onward::Barred(Barrier::NoRoute));
    says(&barred, "lost inside beta; beta has no route to 10.244.2.33");
}
