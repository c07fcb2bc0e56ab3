//! Every path and route with everything captured and everything well.

use crate::model::{Part, State, Timestamp, Way};
use crate::stages::testbed::{
    ALPHA_IP, BETA_IP, CART, Cluster, MILL, SHOP, STOCK, STRANGER, VIP, VISITOR, at, trail,
};

use super::{check, says};

#[test]
fn pod_to_service_on_another_node() {
    let journey = trail(CART, at(SHOP, 80), Some(at(STOCK, 8080)))
        .syn("cart> bond1.alpha> >bond1.beta >stock")
        .syn_ack("stock> bond1.beta> >bond1.alpha >cart")
        .ask("cart> bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha >cart")
        .resolved()
        .http(503)
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-service other-node",
        "①α! ②α! ③α! ④α! ⑤α~ ⑦α! ⑧β! ⑥β! ⑨β~ | (1)β! (2)β~ (3)β! (4)α! (5)α! (6)α~",
        "complete",
    );
    says(&journey, "GET answered with 503");
    // The visits are those of the request's first byte, not of the SYN.
    assert_eq!(journey.request[3].sighting, Some(8));
    assert_eq!(journey.request[4].state, bounded(1_090_000, 1_100_000));
    assert_eq!(journey.request[8].state, bounded(1_120_000, 1_130_000));
    assert_eq!(journey.started, Timestamp(100_000), "the first try of the lookup");
    assert_eq!(journey.ended, Timestamp(1_160_000));
}

fn bounded(after: i64, before: i64) -> State {
    State::Bounded { after: Timestamp(after), before: Timestamp(before) }
}

#[test]
fn pod_to_service_on_the_same_node_skips_the_uplink() {
    let journey = trail(CART, at(SHOP, 80), Some(at(MILL, 8080)))
        .ask("cart> >mill")
        .answer("mill> >cart")
        .place(&Cluster::whole());
    check(&journey, "pod-to-service same-node", "④α! ⑤α~ ⑥α! ⑨α~ | (1)α! (2)α~ (5)α! (6)α~", "complete");
    let all: Vec<String> = journey.request.iter().map(|visit| visit.stage.to_string()).collect();
    assert_eq!(all.join(""), "④⑤⑥⑦⑧⑨", "skipped visits stand in the template's order");
    assert_eq!(journey.request[3].state, State::Skipped);
    let reply: Vec<String> = journey.reply.iter().map(|visit| visit.stage.to_string()).collect();
    assert_eq!(reply.join(""), "(1)(2)(3)(4)(5)(6)");
}

#[test]
fn a_pod_that_reaches_itself_is_on_the_same_node() {
    let journey = trail(CART, at(SHOP, 80), Some(at(CART, 8080)))
        .ask("cart> >cart")
        .answer("cart> >cart")
        .masqueraded_by(ALPHA_IP)
        .place(&Cluster::whole());
    let visits = "④α! ⑤α~ ⑥α! ⑨α~ | (1)α! (2)α~ (5)α! (6)α~";
    check(&journey, "pod-to-service same-node", visits, "complete");
}

#[test]
fn a_service_may_be_served_by_a_process_of_a_node() {
    let journey = trail(CART, at(SHOP, 443), Some(at(BETA_IP, 6443)))
        .ask("cart> bond1.alpha> >bond1.beta")
        .answer("bond1.beta> >bond1.alpha >cart")
        .place(&Cluster::whole());
    let visits = "④α! ⑤α~ ⑦α! ⑧β! ⑨β~ | (2)β· (3)β! (4)α! (5)α! (6)α~";
    check(&journey, "pod-to-service other-node-host", &visits.replace("(2)β·", "(2)β~"), "complete");
    let journey = trail(CART, at(SHOP, 443), Some(at(ALPHA_IP, 6443)))
        .ask("cart>")
        .answer(">cart")
        .place(&Cluster::whole());
    check(&journey, "pod-to-service same-node-host", "④α! ⑤α~ ⑨α~ | (2)α~ (5)α! (6)α~", "complete");
}

#[test]
fn pod_to_pod() {
    let journey = trail(CART, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask("cart> bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha >cart")
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α~ ③α~ ④α~ ⑤α~ ⑧α! ⑨~ ⑩β! ⑪β~ ③β~ ④β~ ⑤β~ ⑥β! ⑦β~ | (1)β! (2)β~ (2)α~ (3)α! (4)α~",
        "complete",
    );
    let journey = trail(CART, at(MILL, 8080), Some(at(MILL, 8080)))
        .ask("cart> >mill")
        .answer("mill> >cart")
        .place(&Cluster::whole());
    let visits = "①α! ②α~ ③α~ ④α~ ⑤α~ ⑥α! ⑦α~ | (1)α! (2)α~ (3)α! (4)α~";
    check(&journey, "pod-to-pod same-node", visits, "complete");
}

#[test]
fn the_clients_next_packet_bounds_the_end() {
    let journey = trail(CART, at(MILL, 8080), Some(at(MILL, 8080)))
        .ask("cart> >mill")
        .answer("mill> >cart")
        .thanks("cart> >mill")
        .place(&Cluster::whole());
    assert_eq!(journey.reply[3].state, bounded(1_040_000, 1_050_000));
    let silent = trail(CART, at(MILL, 8080), Some(at(MILL, 8080)))
        .ask("cart> >mill")
        .answer("mill> >cart")
        .place(&Cluster::whole());
    let open = State::Bounded { after: Timestamp(1_040_000), before: State::OPEN_END };
    let last = silent.reply.iter().rfind(|visit| visit.state != State::Skipped);
    assert_eq!(last.map(|visit| visit.state), Some(open));
}

#[test]
fn external_to_pod() {
    let journey = trail(VISITOR, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask(">bond1.beta >stock")
        .answer("stock> bond1.beta>")
        .place(&Cluster::whole());
    check(&journey, "external-to-pod direct", "①· ②β! ③β~ ⑧β! ⑨β~ | (1)β! (2)β~ (3)β! (4)· (5)·", "complete");
    let journey = trail(VISITOR, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask(">bond1.alpha bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta>")
        .place(&Cluster::whole());
    let visits = "①· ②α! ③α~ ④α! ⑤~ ⑥β! ⑦β~ ⑧β! ⑨β~ | (1)β! (2)β~ (3)β! (4)· (5)·";
    check(&journey, "external-to-pod detour", visits, "complete");
}

#[test]
fn the_order_of_nodes_comes_from_the_ttl_where_clocks_differ() {
    let mut cluster = Cluster::whole();
    cluster.clocks.fits = vec![crate::model::ClockFit::default(); 2];
    // Beta's clock is a second behind, and nothing told by how much: its sightings seem to come first.
    let built = trail(VISITOR, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask(">bond1.alpha bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta>")
        .with(|trail| {
            for sighting in &mut trail.sightings {
                if sighting.vantage.0 >= 3 {
                    sighting.time = sighting.time.plus(-1_000_000_000);
                }
            }
            trail.sightings.sort_by_key(|sighting| sighting.time);
        });
    let journey = built.place(&cluster);
    let visits = "①· ②α! ③α~ ④α! ⑤~ ⑥β! ⑦β~ ⑧β! ⑨β~ | (1)β! (2)β~ (3)β! (4)· (5)·";
    check(&journey, "external-to-pod detour", visits, "complete");
    assert_eq!(journey.request[4].state, bounded(1_020_000, 1_020_000), "never negative");
}

#[test]
fn external_to_service() {
    let journey = trail(VISITOR, at(SHOP, 80), Some(at(MILL, 8080)))
        .ask(">bond1.alpha >mill")
        .answer("mill> bond1.alpha>")
        .place(&Cluster::whole());
    check(
        &journey,
        "external-to-service same-node",
        "①· ②α! ③α~ ④α! ⑤α~ | (1)α! (2)α~ (3)α! (4)· (5)·",
        "complete",
    );
    let journey = trail(VISITOR, at(SHOP, 80), Some(at(STOCK, 8080)))
        .ask(">bond1.alpha bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha bond1.alpha>")
        .masqueraded_by(ALPHA_IP)
        .place(&Cluster::whole());
    let visits = "①· ②α! ③α~ ③β~ ④β! ⑤β~ | (1)β! (2)β~ (2)α~ (3)α! (4)· (5)·";
    check(&journey, "external-to-service other-node", visits, "complete");
}

#[test]
fn host_to_pod() {
    let journey = trail(ALPHA_IP, at(MILL, 8080), Some(at(MILL, 8080)))
        .ask(">mill")
        .answer("mill>")
        .place(&Cluster::whole());
    check(&journey, "host-to-pod same-node", "①· ②α~ ⑦α! ⑧α~ | (1)α! (2)α~ (5)α~", "complete");
    let journey = trail(ALPHA_IP, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask("bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha")
        .place(&Cluster::whole());
    let visits = "①· ②α~ ③α! ④~ ⑤β! ⑥β~ ⑦β! ⑧β~ | (1)β! (2)β~ (3)β! (4)α! (5)α~";
    check(&journey, "host-to-pod other-node", visits, "complete");
}

#[test]
fn pod_to_external() {
    let journey = trail(CART, at(VISITOR, 80), Some(at(VISITOR, 80)))
        .ask("cart> bond1.alpha>")
        .answer(">bond1.alpha >cart")
        .masqueraded_by(ALPHA_IP)
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-external uplink",
        "①α! ②α~ ③α~ ④α! ⑤· ⑥· | (1)· (2)α! (3)α~ (4)α! (5)α~",
        "complete",
    );
}

#[test]
fn nodeport_to_pod() {
    let journey = trail(VISITOR, at(ALPHA_IP, 30_080), Some(at(MILL, 8080)))
        .ask(">bond1.alpha >mill")
        .answer("mill> bond1.alpha>")
        .place(&Cluster::whole());
    check(
        &journey,
        "nodeport-to-pod same-node",
        "①· ②α! ③α~ ⑦α! ⑧α~ | (1)α! (2)α~ (5)α~ (6)α! (7)·",
        "complete",
    );
    let journey = trail(VISITOR, at(ALPHA_IP, 30_080), Some(at(STOCK, 8080)))
        .ask(">bond1.alpha bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha bond1.alpha>")
        .masqueraded_by(ALPHA_IP)
        .place(&Cluster::whole());
    let visits = "①· ②α! ③α~ ④α! ⑤~ ⑥β! ⑦β! ⑧β~ | (1)β! (2)β~ (3)β! (4)α! (5)α~ (6)α! (7)·";
    check(&journey, "nodeport-to-pod other-node", visits, "complete");
}

#[test]
fn ingress_ends_at_the_proxy_while_nothing_joins_its_own_connections() {
    let journey = trail(VISITOR, at(VIP, 80), Some(at(VIP, 80)))
        .ask(">bond1.alpha")
        .answer("bond1.alpha>")
        .http(200)
        .place(&Cluster::whole());
    check(
        &journey,
        "ingress-to-pod to-proxy",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑥· ⑦· ⑧· ⑨· ⑩· ⑫· ⑬· ⑭· ⑮· | (1)· (2)· (3)α! (4)·",
        "complete",
    );
}

#[test]
fn dns_lookups() {
    let journey = trail(CART, at(SHOP, 53), Some(at(STOCK, 53)))
        .dns(Some(0))
        .ask("cart> bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha >cart")
        .place(&Cluster::whole());
    let visits = "①α! ②α~ ③α! ④β! ⑤β! ⑥β~ | (1)β! (2)β~ (3)β! (4)α! (5)α! (6)α~";
    check(&journey, "dns-lookup other-node", visits, "complete");
    let journey = trail(CART, at(SHOP, 53), Some(at(MILL, 53)))
        .dns(Some(0))
        .ask("cart> >mill")
        .answer("mill> >cart")
        .place(&Cluster::whole());
    check(&journey, "dns-lookup same-node", "①α! ②α~ ⑤α! ⑥α~ | (1)α! (2)α~ (5)α! (6)α~", "complete");
    let journey = trail(CART, at(VISITOR, 53), Some(at(VISITOR, 53)))
        .dns(Some(0))
        .ask("cart> bond1.alpha>")
        .answer(">bond1.alpha >cart")
        .place(&Cluster::whole());
    check(&journey, "dns-lookup upstream", "①α! ②α~ ③α! ⑥· | (1)· (4)α! (5)α! (6)α~", "complete");
    let journey = trail(ALPHA_IP, at(SHOP, 53), Some(at(MILL, 53)))
        .dns(Some(0))
        .ask(">mill")
        .answer("mill>")
        .place(&Cluster::whole());
    check(&journey, "dns-lookup from-host-same-node", "①· ②α~ ⑤α! ⑥α~ | (1)α! (2)α~ (6)α~", "complete");
}

#[test]
fn a_bare_connection_is_followed_by_its_handshake() {
    let journey = trail(CART, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .syn("cart> bond1.alpha> >bond1.beta >stock")
        .syn_ack("stock> bond1.beta> >bond1.alpha >cart")
        .packet(Way::Request, Part::Ack, "cart> bond1.alpha> >bond1.beta >stock", 0)
        .packet(Way::Request, Part::Reset, "cart> bond1.alpha> >bond1.beta >stock", 0)
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α~ ③α~ ④α~ ⑤α~ ⑧α! ⑨~ ⑩β! ⑪β~ ③β~ ④β~ ⑤β~ ⑥β! ⑦β~ | (1)β! (2)β~ (2)α~ (3)α! (4)α~",
        "complete",
    );
    says(&journey, "the connection was accepted");
}

#[test]
fn what_fits_no_path_is_unclassified_and_keeps_its_verdict() {
    let journey = trail(ALPHA_IP, at(BETA_IP, 179), Some(at(BETA_IP, 179)))
        .ask("bond1.alpha> >bond1.beta")
        .answer("bond1.beta> >bond1.alpha")
        .place(&Cluster::whole());
    check(&journey, "unclassified none", " | ", "complete");
    let journey = trail(ALPHA_IP, at(BETA_IP, 179), Some(at(BETA_IP, 179)))
        .syn("bond1.alpha> >bond1.beta")
        .place(&Cluster::whole());
    check(&journey, "unclassified none", " | ", "open");
}

#[test]
fn addresses_in_the_pods_block_are_pods_of_nodes_not_captured() {
    let journey = trail(STRANGER, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask(">bond1.beta >stock")
        .answer("stock> bond1.beta>")
        .place(&Cluster::whole());
    assert_eq!((&*journey.path, &*journey.route), ("pod-to-pod", "other-node"));
    let journey = trail(CART, at(STRANGER, 8080), Some(at(STRANGER, 8080)))
        .ask("cart> bond1.alpha>")
        .answer(">bond1.alpha >cart")
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α~ ③α~ ④α~ ⑤α~ ⑧α! ⑨~ ⑩~ ⑪· ③· ④· ⑤· ⑥· ⑦· | (1)· (2)· (2)α~ (3)α! (4)α~",
        "complete",
    );
}

#[test]
fn the_ttl_tells_a_direction_that_the_capture_does_not() {
    let journey = trail(VISITOR, at(SHOP, 80), Some(at(MILL, 8080)))
        .ask(">bond1.alpha >mill")
        .answer("mill> bond1.alpha>")
        .with(|trail| {
            let uplink = crate::stages::testbed::vantage("bond1.alpha");
            for sighting in trail.sightings.iter_mut().filter(|sighting| sighting.vantage == uplink) {
                sighting.direction = crate::model::Direction::Unknown;
            }
        })
        .place(&Cluster::whole());
    let visits = "①· ②α! ③α~ ④α! ⑤α~ | (1)α! (2)α~ (3)α! (4)· (5)·";
    check(&journey, "external-to-service same-node", visits, "complete");
}
