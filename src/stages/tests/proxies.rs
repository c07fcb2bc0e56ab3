//! Exchanges through proxies: every route, and every way to go wrong.

use crate::model::{Part, Phase, Proxy, State, Trail, Way};
use crate::stages::testbed::{
    ALPHA_IP, BETA_IP, Builder, CART, Cluster, GAMMA_IP, MILL, PARCEL, STOCK, VIP, VISITOR, at, trail,
};

use super::{check, says};

/// From outside to HAProxy on alpha.
fn visit() -> Builder {
    trail(VISITOR, at(VIP, 80), Some(at(VIP, 80))).ask(">bond1.alpha")
}

/// From there to Traefik on beta.
fn to_traefik() -> Builder {
    visit().handed_on(0, Proxy::Haproxy, ALPHA_IP, at(BETA_IP, 80)).ask("bond1.alpha> >bond1.beta")
}

/// And to a pod.
fn to_pod(pod: crate::model::Ip) -> Builder {
    to_traefik().handed_on(1, Proxy::Traefik, BETA_IP, at(pod, 8080))
}

/// The answer of the pod's leg all the way back.
fn back(builder: Builder, from_pod: &str, status: u16) -> Builder {
    builder
        .answer(from_pod)
        .status(status)
        .on_leg(1)
        .answer("bond1.beta> >bond1.alpha")
        .status(status)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(status)
}

const ELSEWHERE: &str = "①· ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑫β! ⑬~ ⑭~ ⑮γ! ④γ~ ⑨γ~ ⑩γ! | (1)γ! (2)γ~ (2)β~ (2)α~ (3)α! (4)·";

#[test]
fn three_nodes() {
    let there = to_pod(PARCEL).ask("bond1.beta> >bond1.gamma >parcel");
    let journey = back(there, "parcel> bond1.gamma> >bond1.beta", 200).place(&Cluster::three());
    check(&journey, "ingress-to-pod other-node", ELSEWHERE, "complete");
    says(&journey, "GET answered with 200");
    let proxies: Vec<_> = journey.visits().filter_map(|visit| visit.proxy).collect();
    let kinds: Vec<_> = proxies.iter().map(|proxy| (proxy.kind, proxy.hop)).collect();
    let (haproxy, traefik) = ((Proxy::Haproxy, Some(0)), (Proxy::Traefik, Some(1)));
    assert_eq!(kinds, [haproxy, traefik, traefik, haproxy]);
    // HAProxy has the request from its first byte in to the first byte out.
    let at_haproxy = journey.request.iter().find(|visit| visit.proxy.is_some()).map(|visit| visit.state);
    let between = |after, before| State::Bounded {
        after: crate::model::Timestamp(after),
        before: crate::model::Timestamp(before),
    };
    assert_eq!(at_haproxy, Some(between(1_010_000, 1_020_000)));
    let at_traefik = journey.reply.iter().find(|visit| visit.proxy.is_some()).map(|visit| visit.state);
    assert_eq!(at_traefik, Some(between(1_090_000, 1_100_000)));
    // Sightings are those of the whole trail.
    let last = journey.reply.iter().find_map(|visit| visit.sighting.filter(|_| visit.stage.number == 3));
    assert_eq!(last, Some(11));
}

#[test]
fn the_pod_is_on_the_last_proxys_node() {
    let journey = back(to_pod(STOCK).ask(">stock"), "stock>", 200).place(&Cluster::three());
    check(
        &journey,
        "ingress-to-pod same-node",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑩β! | (1)β! (2)β~ (2)α~ (3)α! (4)·",
        "complete",
    );
}

#[test]
fn the_pod_is_on_the_vips_node() {
    let there = to_pod(MILL).ask("bond1.beta> >bond1.alpha >mill");
    let journey = back(there, "mill> bond1.alpha> >bond1.beta", 200).place(&Cluster::three());
    let visits = ELSEWHERE.replace('γ', "α");
    check(&journey, "ingress-to-pod other-node", &visits, "complete");
}

/// HAProxy and Traefik are both on alpha and talk by its loopback.
fn by_loopback(cluster: &Cluster) -> crate::model::Journey {
    let lo = visit().handed_on(0, Proxy::Haproxy, ALPHA_IP, at(ALPHA_IP, 80)).ask(">lo.alpha");
    let there = lo.handed_on(1, Proxy::Traefik, ALPHA_IP, at(STOCK, 8080));
    there
        .ask("bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha")
        .status(200)
        .on_leg(1)
        .answer(">lo.alpha")
        .status(200)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(200)
        .place(cluster)
}

#[test]
fn two_proxies_on_one_node() {
    let visits = "①· ②α! ③α~ ④α~ ⑤α~ ④α~ ⑤α~ ⑥α~ ⑦α~ ⑧α~ ⑨α~ ⑫α! ⑬~ ⑭~ ⑮β! ④β~ ⑨β~ ⑩β! | (1)β! (2)β~ (2)α~ (2)α~ (3)α! (4)·";
    let journey = by_loopback(&Cluster::but(&[]));
    check(&journey, "ingress-to-pod other-node", visits, "complete");
    // Where the loopback is not captured, the leg on it may still be known by its sockets.
    let journey = by_loopback(&Cluster::three());
    check(&journey, "ingress-to-pod other-node", visits, "complete");
}

/// Traefik alone on alpha; also HAProxy and Traefik of one node whose loopback nobody captured.
fn alone(pod: crate::model::Ip) -> Builder {
    visit().handed_on(0, Proxy::Traefik, ALPHA_IP, at(pod, 8080))
}

#[test]
fn one_proxy_alone() {
    let journey = alone(STOCK)
        .ask("bond1.alpha> >bond1.beta >stock")
        .answer("stock> bond1.beta> >bond1.alpha")
        .status(200)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(200)
        .place(&Cluster::three());
    check(
        &journey,
        "ingress-to-pod other-node",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑥α~ ⑦α~ ⑧α~ ⑨α~ ⑫α! ⑬~ ⑭~ ⑮β! ④β~ ⑨β~ ⑩β! | (1)β! (2)β~ (2)α~ (3)α! (4)·",
        "complete",
    );
    let journey = alone(MILL)
        .ask(">mill")
        .answer("mill>")
        .status(200)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(200)
        .place(&Cluster::three());
    check(
        &journey,
        "ingress-to-pod same-node",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑥α~ ⑦α~ ⑧α~ ⑨α~ ⑩α! | (1)α! (2)α~ (3)α! (4)·",
        "complete",
    );
}

#[test]
fn three_proxies_one_behind_the_other() {
    let journey = to_traefik()
        .handed_on(1, Proxy::Traefik, BETA_IP, at(GAMMA_IP, 80))
        .ask("bond1.beta> >bond1.gamma")
        .handed_on(2, Proxy::Unknown, GAMMA_IP, at(PARCEL, 8080))
        .ask(">parcel")
        .answer("parcel>")
        .status(200)
        .on_leg(2)
        .answer("bond1.gamma> >bond1.beta")
        .status(200)
        .on_leg(1)
        .answer("bond1.beta> >bond1.alpha")
        .status(200)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(200)
        .place(&Cluster::three());
    check(
        &journey,
        "ingress-to-pod same-node",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑮γ! ④γ~ ⑤γ~ ⑥γ~ ⑦γ~ ⑧γ~ ⑨γ~ ⑩γ! | (1)γ! (2)γ~ (2)β~ (2)α~ (3)α! (4)·",
        "complete",
    );
}

#[test]
fn a_pod_calls_the_vip() {
    let pods = |journey: Builder, back: &str| {
        let handed_on = journey.handed_on(0, Proxy::Haproxy, ALPHA_IP, at(BETA_IP, 80));
        let there =
            handed_on.ask("bond1.alpha> >bond1.beta").handed_on(1, Proxy::Traefik, BETA_IP, at(STOCK, 8080));
        let answered = there.ask(">stock").answer("stock>").status(200).on_leg(1);
        let answered = answered.answer("bond1.beta> >bond1.alpha").status(200).on_leg(0);
        answered.answer(back).status(200).place(&Cluster::three())
    };
    let same = pods(trail(CART, at(VIP, 80), Some(at(VIP, 80))).ask("cart>"), ">cart");
    check(
        &same,
        "ingress-to-pod same-node",
        "①α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑩β! | (1)β! (2)β~ (2)α~ (4)α!",
        "complete",
    );
    let other = pods(
        trail(PARCEL, at(VIP, 80), Some(at(VIP, 80))).ask("parcel> bond1.gamma> >bond1.alpha"),
        "bond1.alpha> >bond1.gamma >parcel",
    );
    check(
        &other,
        "ingress-to-pod same-node",
        "①γ! ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑩β! | (1)β! (2)β~ (2)α~ (3)α! (4)γ!",
        "complete",
    );
}

#[test]
fn only_the_proxys_node_is_captured() {
    let there = to_pod(PARCEL).ask("bond1.beta> >bond1.gamma >parcel");
    let cluster = Cluster::but(&["bond1.alpha", "cart", "mill", "bond1.gamma", "parcel", "lo.alpha"]);
    // The client's leg is not seen; HAProxy is the client, and its node's address is not known.
    let journey = back(there, "parcel> bond1.gamma> >bond1.beta", 200)
        .with(|trail| {
            trail.legs.remove(0);
            trail.hops.remove(0);
            trail.hops[0].from_leg = 0;
            trail.sightings.retain(|sighting| sighting.leg > 0);
            trail.sightings.iter_mut().for_each(|sighting| sighting.leg -= 1);
        })
        .place(&cluster);
    check(
        &journey,
        "ingress-to-pod other-node",
        "①· ②β! ③β~ ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑫β! ⑬~ ⑭~ ⑮~ ④· ⑨· ⑩· | (1)· (2)· (2)β~ (3)β! (4)·",
        "complete",
    );
}

#[test]
fn only_the_vips_node_is_captured() {
    let cluster = Cluster::but(&["bond1.beta", "stock", "bond1.gamma", "parcel", "lo.alpha"]);
    let answered = |status| {
        let answered = to_traefik().answer(">bond1.alpha").status(status).on_leg(0);
        answered.answer("bond1.alpha>").status(status).place(&cluster)
    };
    check(
        &answered(200),
        "ingress-to-pod to-proxy",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑮~ ④· ⑤· ⑥· ⑦· ⑧· ⑨· ⑩· ⑫· ⑬· ⑭· | (1)· (2)α~ (3)α! (4)·",
        "complete",
    );
    says(&answered(404), "whether the proxy or a server behind it did is not captured");
    let silent = to_traefik().place(&cluster);
    assert_eq!(super::judged(&silent), "lost request ⑤α→(2)α fabric");
    says(&silent, "left alpha on bond1 and nothing came back");
    let kept = to_traefik().packet(Way::Reply, Part::Ack, ">bond1.alpha", 0).with(|trail| {
        trail.sightings.iter_mut().rev().take(1).for_each(|ack| ack.ack += 1);
    });
    let kept = kept.place(&cluster);
    assert_eq!(super::judged(&kept), "lost reply ⑤α→(2)α proxy");
    says(&kept, "no answer came; whether it sent the request on is not captured");
}

#[test]
fn a_proxy_answers_by_itself() {
    let answered = |status| {
        to_traefik()
            .answer("bond1.beta> >bond1.alpha")
            .status(status)
            .on_leg(0)
            .answer("bond1.alpha>")
            .status(status)
    };
    let no_route = answered(404).place(&Cluster::three());
    check(
        &no_route,
        "ingress-to-pod to-proxy",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦· ⑧· ⑨· ⑩· ⑫· ⑬· ⑭· | (1)· (2)α~ (3)α! (4)·",
        "failed request proxy:β",
    );
    says(&no_route, "the proxy on beta answered 404 by itself (no route fits the request)");
    assert_eq!(super::judged(&answered(503).place(&Cluster::three())), "failed request proxy:β");
    let moved = answered(308).place(&Cluster::three());
    assert_eq!(super::judged(&moved), "complete");
    says(&moved, "GET answered with 308: the proxy on beta redirects by itself");
    let location = |trail: &mut Trail| trail.exchange.location = Some("https://mix.shop/".into());
    let moved = answered(308).with(location).place(&Cluster::three());
    says(&moved, "GET answered with 308: the proxy on beta redirects by itself to https://mix.shop/");
    // Where beta's calis are not captured, a pod there may have answered.
    let unknown = answered(404).place(&Cluster::but(&["stock"]));
    assert_eq!(super::judged(&unknown), "complete");
    says(&unknown, "whether the proxy on beta or a server behind it did is not captured");
    let alone = visit().answer("bond1.alpha>").status(408).place(&Cluster::three());
    assert_eq!(super::judged(&alone), "failed request proxy:α");
    says(&alone, "the proxy on alpha answered 408 by itself (the request did not come in time)");
}

#[test]
fn the_next_proxy_refuses() {
    let refused = visit()
        .handed_on(0, Proxy::Haproxy, ALPHA_IP, at(BETA_IP, 80))
        .syn("bond1.alpha> >bond1.beta")
        .reset("bond1.beta> >bond1.alpha")
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(503)
        .place(&Cluster::three());
    assert_eq!(super::judged(&refused), "failed request proxy:β");
    says(
        &refused,
        "192.168.50.12 refused the connection with a RST, seen on bond1 of beta; HAProxy on alpha answered 503",
    );
}

#[test]
fn a_proxy_keeps_the_request_to_itself() {
    let silent = to_traefik().place(&Cluster::three());
    assert_eq!(super::judged(&silent), "lost request ⑮β→(2)α proxy:β");
    says(
        &silent,
        "the proxy on beta took the request, and nothing left the node after it, neither to a server nor back",
    );
    let timed_out = to_traefik().on_leg(0).answer("bond1.alpha>").status(504).place(&Cluster::three());
    assert_eq!(super::judged(&timed_out), "lost request ⑮β→(2)α proxy:β");
    says(&timed_out, "; HAProxy on alpha answered 504");
    let open = to_traefik().phase(Phase::Open).with(|trail| trail.hops[0].phase = Phase::Open);
    assert_eq!(super::judged(&open.place(&Cluster::three())), "open");
}

#[test]
fn the_server_behind_the_proxies_refuses() {
    let refused =
        to_pod(PARCEL).syn("bond1.beta> >bond1.gamma >parcel").reset("parcel> bond1.gamma> >bond1.beta");
    let journey = refused
        .on_leg(1)
        .answer("bond1.beta> >bond1.alpha")
        .status(502)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(502)
        .place(&Cluster::three());
    check(&journey, "ingress-to-pod other-node", ELSEWHERE, "failed request workload:γ");
    says(
        &journey,
        "10.244.4.19 refused the connection with a RST, seen on cali3parcel of gamma; HAProxy on alpha answered 502",
    );
}

#[test]
fn a_packet_is_lost_between_the_proxies() {
    let lost = visit().handed_on(0, Proxy::Haproxy, ALPHA_IP, at(BETA_IP, 80)).syn("bond1.alpha>");
    assert_eq!(super::judged(&lost.place(&Cluster::three())), "lost request ⑤α→⑮β fabric");
}

#[test]
fn a_packet_is_lost_behind_the_last_proxy() {
    let journey = to_pod(PARCEL).syn("bond1.beta> >bond1.gamma").place(&Cluster::three());
    let visits = "①· ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑫β! ⑬~ ⑭~ ⑮γ! ④γ· ⑨γ· ⑩γ✗ | ";
    check(&journey, "ingress-to-pod other-node", visits, "lost request ⑮γ→⑩γ host:γ");
    says(&journey, "SYN entered gamma on bond1 and never went to the pod on cali3parcel: lost inside gamma");
    let told = to_pod(PARCEL)
        .syn("bond1.beta> >bond1.gamma")
        .syn("bond1.beta> >bond1.gamma")
        .on_leg(1)
        .answer("bond1.beta> >bond1.alpha")
        .status(504)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(504)
        .place(&Cluster::three());
    let seen = visits.trim_end_matches("| ").to_owned() + "| (2)α~ (3)α! (4)·";
    check(&told, "ingress-to-pod other-node", &seen, "lost request ⑮γ→⑩γ host:γ");
    says(&told, "SYN ×2 entered gamma");
    says(&told, "; HAProxy on alpha answered 504");
}

#[test]
fn the_server_is_lost_in_the_middle_of_its_answer() {
    let cut = back(to_pod(STOCK).ask(">stock"), "stock>", 200)
        .on_leg(2)
        .reset("stock>")
        .on_leg(0)
        .packet(Way::Reply, Part::Fin, "bond1.alpha>", 0)
        .with(|trail| {
            trail.answer_is_whole = false;
            trail.hops.iter_mut().for_each(|hop| hop.answer_is_whole = false);
        })
        .place(&Cluster::three());
    assert_eq!(super::judged(&cut), "failed reply workload:β");
    says(
        &cut,
        "10.244.2.33 reset the connection in the middle of its answer; the client's answer ends there too",
    );
}

#[test]
fn the_server_does_not_answer_in_time() {
    let mute = to_pod(STOCK).ask(">stock");
    let journey = mute.on_leg(0).answer("bond1.alpha>").status(504);
    let journey = journey.place(&Cluster::three());
    assert_eq!(super::judged(&journey), "lost reply ⑩β→(1)β workload:β");
    says(&journey, "never answered; HAProxy on alpha answered 504");
    let waiting = to_pod(STOCK)
        .ask(">stock")
        .with(|trail| trail.hops.iter_mut().for_each(|hop| hop.phase = Phase::Open))
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(504);
    assert_eq!(super::judged(&waiting.place(&Cluster::three())), "failed reply workload:β");
}

#[test]
fn the_answer_is_lost_on_its_way_through_the_proxies() {
    let journey = to_pod(STOCK).ask(">stock").answer("stock>").status(200).place(&Cluster::three());
    assert_eq!(super::judged(&journey), "lost reply (1)β→(2)α proxy:β");
    says(&journey, "Traefik on beta took the answer and sent nothing on");
    let journey = to_pod(STOCK)
        .ask(">stock")
        .answer("stock>")
        .status(200)
        .on_leg(1)
        .answer("bond1.beta>")
        .place(&Cluster::three());
    assert_eq!(super::judged(&journey), "lost reply (2)β→(2)α fabric");
}

#[test]
fn a_retry_tells_both_tries() {
    let tried =
        to_pod(PARCEL).syn("bond1.beta> >bond1.gamma >parcel").reset("parcel> bond1.gamma> >bond1.beta");
    let again = tried.handed_on(1, Proxy::Traefik, BETA_IP, at(STOCK, 8080)).ask(">stock");
    let journey = back(again, "stock>", 200)
        .with(|trail| trail.hops[1].join.is_given_up = true)
        .place(&Cluster::three());
    check(
        &journey,
        "ingress-to-pod same-node",
        "①· ②α! ③α~ ④α~ ⑤α~ ⑮β! ④β~ ⑤β~ ⑥β~ ⑦β~ ⑧β~ ⑨β~ ⑩β! | (1)β! (2)β~ (2)α~ (3)α! (4)·",
        "complete",
    );
    says(&journey, "GET answered with 200; Traefik had tried 10.244.4.19:8080, which refused");
}

#[test]
fn a_connection_kept_for_later_is_no_try() {
    let spare = to_pod(PARCEL)
        .syn("bond1.beta> >bond1.gamma >parcel")
        .syn_ack("parcel> bond1.gamma> >bond1.beta")
        .handed_on(1, Proxy::Traefik, BETA_IP, at(STOCK, 8080))
        .ask(">stock");
    let journey = back(spare, "stock>", 200)
        .with(|trail| trail.hops[1].join.is_given_up = true)
        .place(&Cluster::three());
    assert_eq!(journey.verdict.detail.en, "GET answered with 200");
}

#[test]
fn a_proxy_that_the_user_names_is_called_so() {
    let mut cluster = Cluster::three();
    let named = crate::model::ProxyAddress { kind: Proxy::Traefik, ip: BETA_IP, port: Some(80) };
    cluster.topology.proxies.push(named);
    let no_route = to_traefik()
        .answer("bond1.beta> >bond1.alpha")
        .status(404)
        .on_leg(0)
        .answer("bond1.alpha>")
        .status(404)
        .place(&cluster);
    says(&no_route, "Traefik on beta answered 404 by itself");
}
