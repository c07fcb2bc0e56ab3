//! Where kappa1's routes would have sent packets that stopped there.

use smallvec::smallvec;

use super::*;
use crate::model::{
    Barrier, Expected, KernelBody, KernelEvent, NextHop, Onward, Route, RouteChange, RouteEvent, RouteKind,
    RouteList, RouteSettings, RuleAction, SettingsOf, sample,
};

const ELSEWHERE: [u8; 4] = [10, 9, 9, 9];

impl Cluster {
    fn route_event(&mut self, event: RouteEvent) {
        let body = KernelBody::Route(Box::new(event));
        self.core.handle_event(&KernelEvent { time: Timestamp(self.time), node: NodeId(0), body });
    }

    /// All that kappa1 has: a default route over bond1, and its cali's pod.
    fn list_routes(&mut self) {
        for list in RouteList::ALL {
            self.route_event(RouteEvent::ListBegan(list));
        }
        for (index, name) in [(2, "bond1"), (3, "cali1")] {
            self.route_event(RouteEvent::Link(sample::link(index, name)));
        }
        for of in [SettingsOf::All, SettingsOf::Interface(2), SettingsOf::Interface(3)] {
            let told = RouteSettings { of, forwarding: Some(true), rp_filter: Some(0) };
            self.route_event(RouteEvent::Settings(told));
        }
        let rule = sample::rule(0, RuleAction::Table(254));
        self.route_event(RouteEvent::Rule { is_gone: false, rule });
        self.route_event(RouteEvent::Route(RouteChange::Listed, route("0.0.0.0/0", Some(2))));
        self.route_event(RouteEvent::Route(RouteChange::Listed, route("10.244.1.17/32", Some(3))));
        for list in RouteList::ALL {
            self.route_event(RouteEvent::ListEnded(list));
        }
    }
}

/// A route over an interface, or a blackhole.
fn route(destination: &str, interface: Option<u32>) -> Route {
    let hop = interface.map(|interface| NextHop { interface, gateway: None, is_dead: false });
    Route {
        table: 254,
        kind: if hop.is_some() { RouteKind::Unicast } else { RouteKind::Blackhole },
        destination: destination.parse().expect("a prefix"),
        is_conditional: false,
        is_indirect: false,
        metric: 0,
        preferred_source: None,
        hops: hop.into_iter().collect(),
    }
}

fn syn(isn: u32) -> TcpSegment {
    segment(isn, 0, TcpSegment::SYN, b"")
}

fn to(server: [u8; 4]) -> Tuple {
    tuple(endpoint(CLIENT, 45_700), endpoint(server, 80))
}

/// What is expected of the only trail.
fn expected(cluster: Cluster) -> Vec<Expected> {
    let [trail] = &cluster.finish()[..] else { panic!("one trail") };
    trail.expected.clone()
}

#[test]
fn a_request_that_stops_is_asked_for() {
    for (is_barred, onward) in [
        (false, Onward::Over(smallvec!["bond1".into()])),
        (true, Onward::Barred(Barrier::Route(RouteKind::Blackhole, "10.9.0.0/16".parse().ok()))),
    ] {
        let mut cluster = Cluster::new(0);
        cluster.list_routes();
        if is_barred {
            cluster.route_event(RouteEvent::Route(RouteChange::Added, route("10.9.0.0/16", None)));
        }
        cluster.pass(SECONDS);
        cluster.see(CALI_A, Direction::In, to(ELSEWHERE), syn(100), b"");
        let [told] = &expected(cluster)[..] else { panic!("one node") };
        assert_eq!(
            (told.node, told.way, told.vantage, told.left),
            (NodeId(0), Way::Request, VantageId(CALI_A), None)
        );
        assert_eq!(told.onward, onward);
    }
}

#[test]
fn the_last_copy_counts_and_near_a_change_nothing_is_said() {
    let mut cluster = Cluster::new(0);
    cluster.list_routes();
    cluster.pass(SECONDS);
    cluster.see(CALI_A, Direction::In, to(ELSEWHERE), syn(100), b"");
    cluster.pass(SECONDS / 2);
    cluster.route_event(RouteEvent::Route(RouteChange::Added, route("10.9.0.0/16", None)));
    assert!(expected(cluster).is_empty(), "the message may have been read late");
    let mut cluster = Cluster::new(0);
    cluster.list_routes();
    cluster.pass(SECONDS);
    cluster.see(CALI_A, Direction::In, to(ELSEWHERE), syn(100), b"");
    cluster.route_event(RouteEvent::Route(RouteChange::Added, route("10.9.0.0/16", None)));
    cluster.pass(SECONDS);
    cluster.see(CALI_A, Direction::In, to(ELSEWHERE), syn(100), b"");
    assert!(expected(cluster)[0].barrier().is_some());
}

#[test]
fn what_dnat_may_have_changed_is_left_out_and_what_it_changed_is_followed() {
    // Known as a Service by another connection.
    let mut cluster = Cluster::new(0);
    cluster.list_routes();
    cluster.pass(SECONDS);
    converse(&mut cluster, 45_701, 100, 1);
    cluster.see(CALI_A, Direction::In, to(SERVICE), syn(100), b"");
    let trails = cluster.finish();
    assert!(trails.iter().all(|trail| trail.expected.is_empty()), "{trails:?}");
    // The answer comes under the endpoint's address, and goes to the client by its own.
    let mut cluster = Cluster::new(0);
    cluster.list_routes();
    cluster.pass(SECONDS);
    cluster.request(45_700, syn(100), b"");
    let inner = tuple(endpoint(SERVER, 8080), endpoint(CLIENT, 45_700));
    cluster.see(
        BOND_A,
        Direction::In,
        inner,
        segment(9000, 101, TcpSegment::SYN | TcpSegment::ACK, b""),
        b"",
    );
    let told = expected(cluster);
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!((told.way, told.source, told.destination), (Way::Reply, Ip::v4(SERVER), Ip::v4(CLIENT)));
    assert_eq!(told.onward, Onward::Over(smallvec!["cali1".into()]));
}

#[test]
fn a_packet_that_left_by_another_interface() {
    let mut cluster = Cluster::new(0);
    cluster.list_routes();
    cluster.route_event(RouteEvent::Route(RouteChange::Added, route("10.9.0.0/16", Some(3))));
    cluster.pass(SECONDS);
    cluster.see(CALI_A, Direction::In, to(ELSEWHERE), syn(100), b"");
    cluster.see(BOND_A, Direction::Out, to(ELSEWHERE), syn(100), b"");
    assert_eq!(expected(cluster)[0].left, Some(VantageId(BOND_A)));
    // The way that its route leads is no news.
    let mut cluster = Cluster::new(0);
    cluster.list_routes();
    cluster.pass(SECONDS);
    cluster.see(CALI_A, Direction::In, to(ELSEWHERE), syn(100), b"");
    cluster.see(BOND_A, Direction::Out, to(ELSEWHERE), syn(100), b"");
    assert!(expected(cluster).is_empty());
}
