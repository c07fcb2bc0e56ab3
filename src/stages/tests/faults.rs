//! Every fault: what stopped, where, and what the sentence says of it.

use crate::model::{
    ConntrackStatus, IcmpReason, NodeId, Part, Phase, SECONDS, TableCounts, TcpState, Timestamp, Tracked,
    TrackingTable, Trail, Way,
};
use crate::stages::testbed::{
    ALPHA, ALPHA_IP, BETA, BETA_IP, Builder, CART, Cluster, MILL, SHOP, STOCK, STRANGER, VIP, VISITOR, at,
    trail,
};

use super::{check, says};

const THERE: &str = "cart> bond1.alpha> >bond1.beta >stock";
const BACK: &str = "stock> bond1.beta> >bond1.alpha >cart";

fn to_service() -> Builder {
    trail(CART, at(SHOP, 80), Some(at(STOCK, 8080)))
}

fn to_pod() -> crate::stages::testbed::Builder {
    trail(CART, at(STOCK, 8080), Some(at(STOCK, 8080)))
}

#[test]
fn dropped_at_the_clients_node() {
    let journey = to_pod().syn("cart>").syn("cart>").syn("cart>").place(&Cluster::whole());
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α· ③α· ④α· ⑤α· ⑧α✗ ⑨· ⑩β✗ ⑪β· ③β· ④β· ⑤β· ⑥β✗ ⑦β· | ",
        "lost request ①α→⑧α host:α",
    );
    says(
        &journey,
        "SYN ×3 came out of a pod of alpha on cali1cart and never left alpha on bond1: lost inside alpha",
    );
}

#[test]
fn dropped_at_the_clients_node_before_the_endpoint_was_seen() {
    let journey = trail(CART, at(SHOP, 80), None).syn("cart>").place(&Cluster::whole());
    let visits = "④α! ⑤α✗ ⑥· ⑦· ⑧· ⑨· | ";
    check(&journey, "pod-to-service undecided", visits, "lost request ④α→⑤α host:α");
    says(&journey, "never left alpha by any interface");
}

#[test]
fn dropped_at_the_switch() {
    let journey = to_service()
        .syn("cart> bond1.alpha>")
        .syn("cart> bond1.alpha>")
        .syn("cart> bond1.alpha>")
        .place(&Cluster::whole());
    let visits = "④α! ⑤α~ ⑦α! ⑧β✗ ⑥β✗ ⑨β· | ";
    check(&journey, "pod-to-service other-node", visits, "lost request ⑦α→⑧β fabric");
    says(&journey, "SYN ×3 left alpha on bond1 and never entered beta: lost between the nodes");
}

#[test]
fn dropped_at_the_servers_node() {
    let journey = to_service().syn("cart> bond1.alpha> >bond1.beta").place(&Cluster::whole());
    let visits = "④α! ⑤α~ ⑦α! ⑧β! ⑥β✗ ⑨β· | ";
    check(&journey, "pod-to-service other-node", visits, "lost request ⑧β→⑥β host:β");
    says(&journey, "SYN entered beta on bond1 and never went to the pod on cali2stock: lost inside beta");
}

#[test]
fn dropped_on_the_same_node() {
    let journey = trail(CART, at(MILL, 8080), Some(at(MILL, 8080))).syn("cart>").place(&Cluster::whole());
    check(&journey, "pod-to-pod same-node", "①α! ②α· ③α· ④α· ⑤α· ⑥α✗ ⑦α· | ", "lost request ①α→⑥α host:α");
}

#[test]
fn a_retransmission_that_got_further_shows_how_far() {
    let journey = to_service()
        .syn("cart>")
        .syn("cart> bond1.alpha>")
        .syn("cart> bond1.alpha> >bond1.beta")
        .place(&Cluster::whole());
    check(&journey, "pod-to-service other-node", "④α! ⑤α~ ⑦α! ⑧β! ⑥β✗ ⑨β· | ", "lost request ⑧β→⑥β host:β");
    assert_eq!(journey.request[0].sighting, Some(0));
}

#[test]
fn the_reply_dropped_on_its_way_back() {
    for (back, drawn, verdict) in [
        ("stock>", "(1)β! (2)β· (3)β✗ (4)α✗ (5)α✗ (6)α·", "lost reply (1)β→(3)β host:β"),
        ("stock> bond1.beta>", "(1)β! (2)β~ (3)β! (4)α✗ (5)α✗ (6)α·", "lost reply (3)β→(4)α fabric"),
        (
            "stock> bond1.beta> >bond1.alpha",
            "(1)β! (2)β~ (3)β! (4)α! (5)α✗ (6)α·",
            "lost reply (4)α→(5)α host:α",
        ),
    ] {
        let journey = to_service().syn(THERE).syn_ack(back).place(&Cluster::whole());
        let visits = format!("④α! ⑤α~ ⑦α! ⑧β! ⑥β! ⑨β~ | {drawn}");
        check(&journey, "pod-to-service other-node", &visits, verdict);
        says(&journey, "SYN-ACK");
    }
}

#[test]
fn a_point_without_a_number_is_named_by_its_nodes_visit() {
    let journey = to_pod().syn(THERE).syn_ack("stock> bond1.beta>").place(&Cluster::whole());
    check(
        &journey,
        "pod-to-pod other-node",
        "①α! ②α~ ③α~ ④α~ ⑤α~ ⑧α! ⑨~ ⑩β! ⑪β~ ③β~ ④β~ ⑤β~ ⑥β! ⑦β~ | (1)β! (2)β~ (2)α✗ (3)α✗ (4)α·",
        "lost reply (2)β→(2)α fabric",
    );
    let outside = || trail(VISITOR, at(SHOP, 80), Some(at(STOCK, 8080))).masqueraded_by(ALPHA_IP);
    let journey = outside().syn(">bond1.alpha bond1.alpha>").place(&Cluster::whole());
    let visits = "①· ②α! ③α~ ③β✗ ④β✗ ⑤β· | ";
    check(&journey, "external-to-service other-node", visits, "lost request ③α→③β fabric");
    let journey = outside().syn(">bond1.alpha").place(&Cluster::whole());
    let visits = "①· ②α! ③α✗ ③β✗ ④β✗ ⑤β· | ";
    check(&journey, "external-to-service other-node", visits, "lost request ②α→③α host:α");
}

#[test]
fn the_port_is_closed() {
    let journey = to_service().syn(THERE).reset(BACK).place(&Cluster::whole());
    check(
        &journey,
        "pod-to-service other-node",
        "④α! ⑤α~ ⑦α! ⑧β! ⑥β! ⑨β~ | (1)β! (2)β~ (3)β! (4)α! (5)α! (6)α~",
        "refused request workload:β",
    );
    says(&journey, "refused the connection with a RST, seen on cali2stock of beta");
}

#[test]
fn a_udp_port_is_closed() {
    let journey = to_pod()
        .ask(THERE)
        .icmp(IcmpReason::PortUnreachable, STOCK, BACK)
        .with(|trail| trail.legs[0].protocol = crate::model::Protocol::Udp)
        .place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "refused request workload:β");
    says(&journey, "ICMP port unreachable from 10.244.2.33");
}

#[test]
fn a_service_without_endpoints_is_refused_by_the_node() {
    let journey = trail(CART, at(SHOP, 80), None)
        .syn("cart>")
        .icmp(IcmpReason::PortUnreachable, ALPHA_IP, ">cart")
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-service undecided",
        "④α! ⑥· ⑦· ⑧· ⑨· | (1)· (2)· (3)· (4)· (5)α! (6)α~",
        "refused request host:α",
    );
    says(&journey, "alpha itself refused it: ICMP port unreachable from 192.168.50.11");
}

#[test]
fn a_filter_of_the_servers_node_resets() {
    let journey = to_service()
        .syn("cart> bond1.alpha> >bond1.beta")
        .reset("bond1.beta> >bond1.alpha >cart")
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-service other-node",
        "④α! ⑤α~ ⑦α! ⑧β! | (3)β! (4)α! (5)α! (6)α~",
        "refused request host:β",
    );
}

#[test]
fn the_pod_is_gone_and_arp_stays_unanswered() {
    let journey = to_service()
        .syn("cart> bond1.alpha> >bond1.beta")
        .packet(Way::Request, Part::NeighbourRequest, ">stock", 0)
        .icmp(IcmpReason::HostUnreachable, BETA_IP, "bond1.beta> >bond1.alpha >cart")
        .place(&Cluster::whole());
    check(
        &journey,
        "pod-to-service other-node",
        "④α! ⑤α~ ⑦α! ⑧β! ⑥β✗ ⑨β· | (3)β! (4)α! (5)α! (6)α~",
        "lost request ⑧β→⑥β host:β",
    );
    says(&journey, "ARP for 10.244.2.33 on cali2stock of beta stays unanswered");
    let journey = to_service()
        .syn("cart> bond1.alpha> >bond1.beta")
        .packet(Way::Request, Part::NeighbourRequest, ">stock", 0)
        .place(&Cluster::whole());
    says(&journey, "lost inside beta; ARP for 10.244.2.33 on cali2stock stays unanswered");
}

#[test]
fn the_name_does_not_exist() {
    let journey = trail(CART, at(SHOP, 53), Some(at(STOCK, 53)))
        .dns(Some(3))
        .ask(THERE)
        .answer(BACK)
        .phase(Phase::Answered)
        .place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "failed reply dns");
    says(&journey, "stock.shop A: NXDOMAIN");
}

#[test]
fn the_dns_server_does_not_answer() {
    let query = || trail(CART, at(SHOP, 53), Some(at(STOCK, 53))).dns(None);
    let journey = query().ask(THERE).ask(THERE).place(&Cluster::whole());
    check(
        &journey,
        "dns-lookup other-node",
        "①α! ②α~ ③α! ④β! ⑤β! ⑥β~ | (1)β✗ (2)β· (3)β✗ (4)α✗ (5)α✗ (6)α·",
        "lost reply ⑤β→(1)β dns:β",
    );
    says(&journey, "query ×2 went to a pod of beta on cali2stock and 10.244.2.33 never answered");
    let journey = query().ask("cart> bond1.alpha>").place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "lost request ③α→④β dns");
}

#[test]
fn the_server_never_answers() {
    let journey =
        to_service().syn(THERE).syn_ack(BACK).ask(THERE).http(0).with(|trail| trail.exchange.status = None);
    let journey = journey.place(&Cluster::whole());
    check(
        &journey,
        "pod-to-service other-node",
        "④α! ⑤α~ ⑦α! ⑧β! ⑥β! ⑨β~ | (1)β✗ (2)β· (3)β✗ (4)α✗ (5)α✗ (6)α·",
        "lost reply ⑥β→(1)β workload:β",
    );
    says(&journey, "GET went to a pod of beta on cali2stock and 10.244.2.33 never answered");
}

#[test]
fn the_server_resets_instead_of_answering() {
    let journey = to_service().syn(THERE).syn_ack(BACK).ask(THERE).reset(BACK).place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "failed reply workload:β");
    let journey = to_service().syn(THERE).syn_ack(BACK).reset(BACK).place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "failed reply workload:β");
    let cut = to_service().ask(THERE).answer(BACK).reset(BACK).http(200).place(&Cluster::whole());
    assert_eq!(super::judged(&cut), "failed reply workload:β");
    says(&cut, "in the middle of its answer");
}

#[test]
fn large_segments_are_lost_where_small_ones_pass() {
    let small = || to_service().syn(THERE).syn_ack(BACK);
    let reply = small()
        .ask(THERE)
        .packet(Way::Reply, Part::Ack, BACK, 0)
        .packet(Way::Reply, Part::Head, "stock> bond1.beta>", 1448)
        .place(&Cluster::whole());
    assert_eq!(super::judged(&reply), "lost reply (3)β→(4)α fabric");
    says(&reply, "segments of 1448 bytes are lost where small packets pass");
    let request =
        small().packet(Way::Request, Part::Head, "cart> bond1.alpha>", 1448).place(&Cluster::whole());
    assert_eq!(super::judged(&request), "lost request ⑦α→⑧β fabric");
    says(&request, "segments of 1448 bytes are lost where small packets pass");
    let rest = small()
        .ask(THERE)
        .answer(BACK)
        .packet(Way::Reply, Part::Body, "stock> bond1.beta>", 1448)
        .place(&Cluster::whole());
    assert_eq!(super::judged(&rest), "lost reply (3)β→(4)α fabric");
    says(&rest, "segments of 1448 bytes are lost where those of up to 900 pass");
}

#[test]
fn an_answer_past_the_translation_never_gets_home() {
    let journey = trail(VISITOR, at(SHOP, 80), Some(at(STOCK, 8080)))
        .syn(">bond1.alpha bond1.alpha> >bond1.beta >stock")
        .syn_ack("stock> bond1.beta>")
        .place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "lost reply (2)β→(2)α fabric");
}

#[test]
fn a_loop_ends_between_the_nodes() {
    let journey = trail(VISITOR, at(STOCK, 8080), Some(at(STOCK, 8080)))
        .syn(">bond1.alpha bond1.alpha> >bond1.alpha bond1.alpha>")
        .icmp(IcmpReason::TimeExceeded, ALPHA_IP, "bond1.alpha>")
        .place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "lost request ④α→⑥β fabric");
    says(&journey, "it went in a circle");
}

#[test]
fn the_proxy_does_not_answer() {
    let journey = trail(VISITOR, at(VIP, 80), Some(at(VIP, 80)))
        .syn(">bond1.alpha")
        .syn_ack("bond1.alpha>")
        .ask(">bond1.alpha")
        .place(&Cluster::whole());
    assert_eq!(super::judged(&journey), "lost request ②α→(3)α proxy:α");
}

#[test]
fn while_the_deadline_is_not_over_packets_may_still_come() {
    let syn = |phase, deadline| {
        let built = to_service().syn("cart> bond1.alpha>").phase(phase);
        built.with(|trail| trail.deadline = Timestamp(deadline)).place(&Cluster::whole())
    };
    for phase in [Phase::Open, Phase::Cut, Phase::Evicted] {
        check(
            &syn(phase, i64::MAX),
            "pod-to-service other-node",
            "④α! ⑤α~ ⑦α! ⑧β? ⑥β? ⑨β? | (1)β? (2)β? (3)β? (4)α? (5)α? (6)α?",
            "open",
        );
        assert_eq!(super::judged(&syn(phase, 2_000_000)), "lost request ⑦α→⑧β fabric");
    }
    says(&syn(Phase::Open, i64::MAX), "more may come");
    says(&syn(Phase::Evicted, i64::MAX), "followed no further");
}

#[test]
fn an_open_exchange_is_lost_where_it_should_have_gone_on_and_a_server_may_take_its_time() {
    let judged = |built: Builder| super::judged(&built.phase(Phase::Open).place(&Cluster::whole()));
    let connected = || to_service().syn(THERE).syn_ack(BACK);
    // A SYN that came is answered at once, or not at all.
    assert_eq!(judged(to_service().syn(THERE)), "lost reply ⑥β→(1)β workload:β");
    assert_eq!(judged(connected().ask("cart> bond1.alpha> >bond1.beta")), "lost request ⑧β→⑥β host:β");
    assert_eq!(judged(connected().ask(THERE)), "open");
    assert_eq!(judged(connected().ask(THERE).answer("stock> bond1.beta>")), "lost reply (3)β→(4)α fabric");
}

#[test]
fn a_capture_that_lost_packets_makes_absence_unsure() {
    let mut cluster = Cluster::whole();
    cluster.lossy.push(BETA);
    let journey = to_service().syn("cart> bond1.alpha>").place(&cluster);
    says(&journey, "unsure, as the capture itself lost packets on beta");
}

#[test]
fn what_a_later_sighting_proves_is_never_missing() {
    let journey = to_service().ask("cart> bond1.alpha> >stock").answer("stock> >bond1.alpha >cart");
    check(
        &journey.place(&Cluster::whole()),
        "pod-to-service other-node",
        "④α! ⑤α~ ⑦α! ⑧β~ ⑥β! ⑨β~ | (1)β! (2)β~ (3)β~ (4)α! (5)α! (6)α~",
        "complete",
    );
}

#[test]
fn an_unknown_service_of_the_services_block_is_a_service() {
    let unknown = at(crate::model::Ip::v4([10, 43, 7, 200]), 80);
    let journey = trail(CART, unknown, None).syn("cart>").place(&Cluster::whole());
    assert_eq!((&*journey.path, &*journey.route), ("pod-to-service", "undecided"));
    let stranger = trail(CART, at(STRANGER, 80), None).syn("cart>").place(&Cluster::whole());
    assert_eq!((&*stranger.path, &*stranger.route), ("pod-to-pod", "undecided"));
}

#[test]
fn a_rejected_address_is_a_service_though_none_is_known() {
    let mut cluster = Cluster::whole();
    cluster.topology.services.clear();
    cluster.topology.node_addresses.clear();
    let journey = trail(CART, at(SHOP, 80), None)
        .syn("cart>")
        .icmp(IcmpReason::PortUnreachable, ALPHA_IP, ">cart")
        .place(&cluster);
    assert_eq!((&*journey.path, &*journey.route), ("pod-to-service", "undecided"));
    assert_eq!(super::judged(&journey), "refused request host:α");
}

/// What connection tracking says of the leg, in bits of its status and a state.
fn tracked(trail: &mut Trail, node: NodeId, status: u32, state: u8, destroyed: Option<i64>) {
    trail.legs[0].tracked.push(Tracked {
        node,
        status: ConntrackStatus(status),
        tcp_state: Some(TcpState(state)),
        mark: 0,
        zone: 0,
        destroyed: destroyed.map(Timestamp),
    });
}

/// The cluster with alpha's connection tracking heard.
fn heard() -> Cluster {
    let mut cluster = Cluster::whole();
    cluster.topology.tracking.insert(ALPHA);
    cluster
}

#[test]
fn connection_tracking_says_where_in_the_node_a_first_packet_was_lost() {
    let lost = || to_pod().syn("cart>");
    let sentence = |journey: &crate::model::Journey| journey.verdict.detail.en.clone();
    says(
        &lost().place(&heard()),
        "lost inside alpha; alpha's conntrack confirmed no entry for it, so it was dropped before the end of POSTROUTING",
    );
    let confirmed = lost().with(|trail| tracked(trail, ALPHA, 0, 1, None)).place(&heard());
    says(&confirmed, "lost inside alpha; alpha's conntrack confirmed it, so it passed POSTROUTING");
    // Nothing is said where nothing was heard, and of a packet in the middle of a connection.
    assert!(sentence(&lost().place(&Cluster::whole())).ends_with("lost inside alpha"));
    let in_the_middle = lost().with(|trail| trail.is_mid_stream = true).place(&heard());
    assert!(sentence(&in_the_middle).ends_with("lost inside alpha"));
}

#[test]
fn an_entry_without_a_reply_and_one_that_is_gone_are_named() {
    let asked = || to_service().syn(THERE).syn_ack(BACK).ask(THERE);
    let silent = asked().with(|trail| tracked(trail, BETA, 0, 3, None)).place(&heard());
    says(&silent, "never answered; beta's conntrack entry has seen no reply");
    let gone = asked().with(|trail| tracked(trail, ALPHA, 6, 3, Some(9))).place(&heard());
    says(&gone, "never answered; alpha's conntrack entry was destroyed while the connection was open");
    let closed = asked().with(|trail| tracked(trail, ALPHA, 6, 7, Some(9))).place(&heard());
    assert!(closed.verdict.detail.en.ends_with("never answered"), "{:?}", closed.verdict);
}

#[test]
fn a_full_table_is_named_where_it_cost_the_packet() {
    let mut cluster = heard();
    let mut table = TrackingTable::default();
    table.resize(Timestamp(0), 1000, 1000);
    table.note(Timestamp(0), Timestamp(SECONDS), TableCounts { dropped: 7, evicted: 2 });
    cluster.topology.tables.insert(ALPHA, table);
    says(
        &to_pod().syn("cart>").place(&cluster),
        "dropped before the end of POSTROUTING; its table was full then (1000 of 1000 entries), with packets of new connections dropped: 7, entries evicted: 2",
    );
    let asked = to_service().syn(THERE).syn_ack(BACK).ask(THERE);
    let gone = asked.with(|trail| tracked(trail, ALPHA, 6, 3, Some(9))).place(&cluster);
    says(&gone, "while the connection was open; its table was full then (1000 of 1000 entries)");
    // At another time, and where packets were dropped for another reason.
    let table = cluster.topology.tables.get_mut(&ALPHA).expect("a table");
    table.resize(Timestamp(0), 10, 1000);
    table.shortages[0].entries = 10;
    says(&to_pod().syn("cart>").place(&cluster), "conntrack was dropping packets of new connections then: 7");
    cluster.topology.tables.get_mut(&ALPHA).expect("a table").shortages[0].until = Timestamp(0);
    let before = to_pod().syn("cart>").place(&cluster).verdict.detail.en;
    assert!(before.ends_with("before the end of POSTROUTING"), "{before}");
}
