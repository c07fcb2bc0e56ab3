//! The same journeys where only a part was captured: what no capture point shows is outside, never missing.

use crate::stages::testbed::{ALPHA_IP, Builder, CART, Cluster, SHOP, STOCK, VISITOR, at, trail};

use super::{check, says};

fn well() -> Builder {
    trail(CART, at(SHOP, 80), Some(at(STOCK, 8080)))
        .ask("cart> bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha >cart")
}

#[test]
fn only_the_clients_node() {
    let cluster = Cluster::only_alpha();
    let visits = "④α! ⑤α~ ⑦α! ⑧~ ⑥· ⑨· | (1)· (2)· (3)· (4)α! (5)α! (6)α~";
    check(&well().place(&cluster), "pod-to-service other-node", visits, "complete");
    let lost = trail(CART, at(SHOP, 80), Some(at(STOCK, 8080))).syn("cart> bond1.alpha>").place(&cluster);
    let visits = "④α! ⑤α~ ⑦α! ⑧· ⑥· ⑨· | (1)· (2)· (3)· (4)α✗ (5)α✗ (6)α·";
    check(&lost, "pod-to-service other-node", visits, "lost request ⑦α→(4)α fabric");
    says(&lost, "SYN left alpha on bond1 and nothing came back");
}

#[test]
fn only_the_servers_node() {
    let cluster = Cluster::only_beta();
    let seen_there = |builder: Builder| {
        // The client's node translated it, so here it is dialled by its pod address.
        builder.with(|trail| trail.legs[0].target = trail.legs[0].server)
    };
    let visits = "①· ②· ③· ④· ⑤· ⑧· ⑨· ⑩β! ⑪β~ ③β~ ④β~ ⑤β~ ⑥β! ⑦β~ | (1)β! (2)β~ (2)· (3)· (4)·";
    check(&seen_there(well()).place(&cluster), "pod-to-pod other-node", visits, "complete");
    let lost = trail(CART, at(STOCK, 8080), Some(at(STOCK, 8080))).syn(">bond1.beta").place(&cluster);
    let visits = "①· ②· ③· ④· ⑤· ⑧· ⑨· ⑩β! ⑪β· ③β· ④β· ⑤β· ⑥β✗ ⑦β· | ";
    check(&lost, "pod-to-pod other-node", visits, "lost request ⑩β→⑥β host:β");
}

#[test]
fn only_the_servers_node_of_a_masqueraded_service() {
    let visits = "①· ②· ③· ④· ⑤β! ⑥β~ ⑦β! ⑧β~ | (1)β! (2)β~ (3)β! (4)· (5)·";
    let mut cluster = Cluster::only_beta();
    let journey = || {
        trail(ALPHA_IP, at(STOCK, 8080), Some(at(STOCK, 8080)))
            .ask(">bond1.beta >stock")
            .answer("stock> bond1.beta>")
    };
    // Alpha's address is not known as a node's: it is an outside client's.
    check(
        &journey().place(&cluster),
        "external-to-pod direct",
        "①· ②β! ③β~ ⑧β! ⑨β~ | (1)β! (2)β~ (3)β! (4)· (5)·",
        "complete",
    );
    cluster.topology.node_addresses.insert(ALPHA_IP, crate::stages::testbed::ALPHA);
    let known = journey().place(&cluster);
    check(
        &known,
        "host-to-pod other-node",
        &visits.replace("①· ②· ③· ④·", "①· ②α· ③α· ④·").replace("(4)· (5)·", "(4)α· (5)α·"),
        "complete",
    );
}

#[test]
fn only_the_uplinks() {
    let cluster = Cluster::without(&["cart", "mill", "stock"]);
    // A pod is told from the node itself by its address.
    check(
        &well().place(&cluster),
        "pod-to-service other-node",
        "④α· ⑤α· ⑦α! ⑧β! ⑥β· ⑨β~ | (1)β· (2)β~ (3)β! (4)α! (5)α· (6)α·",
        "complete",
    );
}

#[test]
fn only_the_calis() {
    let cluster = Cluster::without(&["bond1.alpha", "bond1.beta"]);
    check(
        &well().place(&cluster),
        "pod-to-service other-node",
        "④α! ⑤α~ ⑦α· ⑧β· ⑥β! ⑨β~ | (1)β! (2)β~ (3)β· (4)α· (5)α! (6)α~",
        "complete",
    );
    let lost = trail(CART, at(SHOP, 80), Some(at(STOCK, 8080))).syn("cart>").place(&cluster);
    check(&lost, "pod-to-service other-node", "④α! ⑤α· ⑦α· ⑧β· ⑥β✗ ⑨β· | ", "lost request ④α→⑥β");
    says(&lost, "lost on a way that is not captured");
}

#[test]
fn a_pod_whose_cali_is_not_captured() {
    let cluster = Cluster::without(&["cart"]);
    check(
        &well().place(&cluster),
        "pod-to-service other-node",
        "④α· ⑤α· ⑦α! ⑧β! ⑥β! ⑨β~ | (1)β! (2)β~ (3)β! (4)α! (5)α· (6)α·",
        "complete",
    );
}

#[test]
fn an_answer_that_no_capture_point_could_show_is_left_open() {
    let cluster = Cluster::only_alpha();
    let journey = trail(VISITOR, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .ask(">bond1.alpha bond1.alpha>")
        .place(&cluster);
    let visits = "①· ②α! ③α~ ④α! ⑤· ⑥· ⑦· ⑧· ⑨· | (1)· (2)· (3)· (4)· (5)·";
    check(&journey, "external-to-pod detour", visits, "open");
    says(&journey, "the rest of its way is not captured");
}

#[test]
fn an_acknowledgement_proves_an_answer_that_was_not_captured() {
    let cluster = Cluster::only_alpha();
    let journey = trail(CART, at(SHOP, 80), Some(at(STOCK, 8080)))
        .ask("cart> bond1.alpha>")
        .answer(">bond1.alpha")
        .thanks("cart> bond1.alpha>")
        .place(&cluster);
    let visits = "④α! ⑤α~ ⑦α! ⑧~ ⑥· ⑨· | (1)· (2)· (3)· (4)α! (5)α~ (6)α~";
    check(&journey, "pod-to-service other-node", visits, "complete");
}
