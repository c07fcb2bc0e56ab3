//! A node with bond1 (192.168.50.11), a pod behind cali21, and what its tables say.

use ipnet::IpNet;
use smallvec::SmallVec;

use super::lookup::Packet;
use super::table::Tables;
use crate::model::sample::{link, rule};
use crate::model::{
    Barrier, Ip, LinkInfo, NextHop, Onward, Route, RouteChange, RouteEvent, RouteKind, RouteList, RouteRule,
    RouteSettings, RuleAction, SettingsOf, Timestamp,
};

const BOND: u32 = 2;
const CALI: u32 = 3;
const MAIN: u32 = 254;
const LOCAL: u32 = 255;
const POD: &str = "10.244.1.21";
const OUTSIDE: &str = "192.168.50.1";

fn net(text: &str) -> IpNet {
    text.parse().expect(text)
}

fn route(table: u32, kind: RouteKind, destination: &str, over: &[u32]) -> Route {
    let hop = |&interface: &u32| NextHop { interface, gateway: None, is_dead: false };
    Route {
        table,
        kind,
        destination: net(destination),
        is_conditional: false,
        is_indirect: false,
        metric: 0,
        preferred_source: None,
        hops: over.iter().map(hop).collect(),
    }
}

fn unicast(destination: &str, over: &[u32]) -> Route {
    route(MAIN, RouteKind::Unicast, destination, over)
}

const fn settings(of: SettingsOf, rp_filter: u8) -> RouteEvent {
    RouteEvent::Settings(RouteSettings { of, forwarding: Some(true), rp_filter: Some(rp_filter) })
}

/// What was told, at which second.
struct Node {
    tables: Tables,
    second: i64,
}

impl Node {
    /// Everything is listed in the first second.
    fn new() -> Node {
        let mut node = Node { tables: Tables::default(), second: 1 };
        for list in RouteList::ALL {
            node.tell(&RouteEvent::ListBegan(list));
        }
        for (index, name) in [(1, "lo"), (BOND, "bond1"), (CALI, "cali21")] {
            node.tell(&RouteEvent::Link(link(index, name)));
            node.tell(&settings(SettingsOf::Interface(index), 0));
        }
        node.tell(&settings(SettingsOf::All, 0));
        for (priority, table) in [(0, LOCAL), (32_766, MAIN), (32_767, 253)] {
            node.rule(rule(priority, RuleAction::Table(table)));
            node.rule(RouteRule { is_v4: false, ..rule(priority, RuleAction::Table(table)) });
        }
        for listed in [
            route(LOCAL, RouteKind::Local, "192.168.50.11/32", &[BOND]),
            unicast("192.168.50.0/24", &[BOND]),
            unicast("0.0.0.0/0", &[BOND]),
            unicast("10.244.1.21/32", &[CALI]),
        ] {
            node.tell(&RouteEvent::Route(RouteChange::Listed, listed));
        }
        for list in RouteList::ALL {
            node.tell(&RouteEvent::ListEnded(list));
        }
        node
    }

    fn tell(&mut self, event: &RouteEvent) {
        self.tables.take(Timestamp(self.second), event);
    }

    fn rule(&mut self, rule: RouteRule) {
        self.tell(&RouteEvent::Rule { is_gone: false, rule });
    }

    fn add(&mut self, route: Route) {
        self.tell(&RouteEvent::Route(RouteChange::Added, route));
    }

    fn lose(&mut self, route: Route) {
        self.tell(&RouteEvent::Route(RouteChange::Gone, route));
    }

    /// Where a packet that comes in now goes on.
    fn onward(&self, source: &str, destination: &str, incoming: Option<&str>) -> Option<Onward> {
        self.onward_at(self.second, source, destination, incoming)
    }

    fn onward_at(
        &self,
        second: i64,
        source: &str,
        destination: &str,
        incoming: Option<&str>,
    ) -> Option<Onward> {
        let ip = |text: &str| text.parse::<Ip>().expect(text);
        let packet = Packet { source: ip(source), destination: ip(destination), incoming, is_answer: false };
        self.tables.onward(packet, Timestamp(second))
    }

    fn to(&self, destination: &str) -> Option<Onward> {
        self.onward(POD, destination, Some("cali21"))
    }
}

fn over(names: &[&str]) -> Onward {
    Onward::Over(names.iter().map(|&name| name.into()).collect())
}

fn barred(kind: RouteKind, destination: &str) -> Onward {
    Onward::Barred(Barrier::Route(kind, Some(net(destination))))
}

const NO_ROUTE: Option<Onward> = Some(Onward::Barred(Barrier::NoRoute));

fn turned_back(is_strict: bool, names: &[&str]) -> Onward {
    let over: SmallVec<_> = names.iter().map(|&name| name.into()).collect();
    Onward::Barred(Barrier::ReversePath { is_strict, over })
}

#[test]
fn the_longest_prefix_counts_and_then_the_lowest_metric() {
    let mut node = Node::new();
    assert_eq!(node.to("10.9.9.9"), Some(over(&["bond1"])));
    assert_eq!(node.to("192.168.50.11"), Some(Onward::Local));
    assert_eq!(node.onward(OUTSIDE, POD, Some("bond1")), Some(over(&["cali21"])));
    node.add(route(MAIN, RouteKind::Blackhole, "10.244.1.0/26", &[]));
    assert_eq!(node.onward(OUTSIDE, POD, Some("bond1")), Some(over(&["cali21"])));
    assert_eq!(
        node.onward(OUTSIDE, "10.244.1.22", Some("bond1")),
        Some(barred(RouteKind::Blackhole, "10.244.1.0/26"))
    );
    node.add(Route { metric: 20, ..unicast("10.3.0.0/16", &[CALI]) });
    node.add(Route { metric: 10, ..unicast("10.3.0.0/16", &[BOND, CALI]) });
    assert_eq!(node.to("10.3.0.1"), Some(over(&["bond1", "cali21"])));
    node.lose(unicast("0.0.0.0/0", &[BOND]));
    assert_eq!(node.to("10.9.9.9"), NO_ROUTE);
    // Nothing is known of the other family's routes but that there are none.
    assert_eq!(node.onward("fd00::1", "fd00::2", Some("cali21")), NO_ROUTE);
    node.add(route(MAIN, RouteKind::Unreachable, "fd00::/64", &[1]));
    node.add(unicast("fd00::2/128", &[CALI]));
    assert_eq!(node.onward("fd00::1", "fd00::2", Some("bond1")), Some(over(&["cali21"])));
    assert_eq!(
        node.onward("fd00::1", "fd00::3", Some("bond1")),
        Some(barred(RouteKind::Unreachable, "fd00::/64"))
    );
}

#[test]
fn rules_choose_the_table_and_what_they_look_at_unseen_leaves_it_open() {
    let mut node = Node::new();
    let from = |priority, action, from| RouteRule { from: Some(net(from)), ..rule(priority, action) };
    node.rule(from(100, RuleAction::Table(100), "10.244.0.0/16"));
    assert_eq!(node.to("10.9.9.9"), Some(over(&["bond1"])), "the table is empty");
    node.add(route(100, RouteKind::Prohibit, "10.9.0.0/16", &[]));
    assert_eq!(node.to("10.9.9.9"), Some(barred(RouteKind::Prohibit, "10.9.0.0/16")));
    assert_eq!(node.onward(OUTSIDE, "10.9.9.9", Some("bond1")), Some(over(&["bond1"])));
    // A route that throws goes back to the rules.
    node.add(route(100, RouteKind::Throw, "10.9.9.0/24", &[]));
    assert_eq!(node.to("10.9.9.9"), Some(over(&["bond1"])));
    node.rule(from(90, RuleAction::Stop(RouteKind::Blackhole), "10.244.1.0/24"));
    assert_eq!(node.to("10.9.9.9"), Some(Onward::Barred(Barrier::Route(RouteKind::Blackhole, None))));
    // A mark that is not known: where both ways are the same, it does not matter.
    let mut node = Node::new();
    node.add(route(7, RouteKind::Unicast, "10.8.0.0/16", &[BOND]));
    node.add(route(7, RouteKind::Unicast, "10.7.0.0/16", &[CALI]));
    node.rule(RouteRule { is_conditional: true, ..rule(50, RuleAction::Table(7)) });
    assert_eq!(node.to("10.6.0.1"), Some(over(&["bond1"])), "that table says nothing of it");
    assert_eq!(node.to("10.7.0.1"), None);
    // An interface that is not known.
    let mut node = Node::new();
    let by = RouteRule { incoming: Some("cali21".into()), ..rule(50, RuleAction::Stop(RouteKind::Prohibit)) };
    node.rule(by.clone());
    assert_eq!(node.onward(POD, OUTSIDE, None), None);
    assert_eq!(node.onward(POD, OUTSIDE, Some("bond1")), Some(over(&["bond1"])));
    node.tell(&RouteEvent::Rule { is_gone: true, rule: by });
    assert_eq!(node.onward(POD, OUTSIDE, None), Some(over(&["bond1"])));
    // All but the default route of a table.
    let mut node = Node::new();
    node.rule(RouteRule { suppressed: Some(0), ..rule(10, RuleAction::Table(MAIN)) });
    node.rule(RouteRule {
        is_inverted: true,
        ..from(11, RuleAction::Stop(RouteKind::Prohibit), "10.0.0.0/8")
    });
    assert_eq!(node.to("10.9.9.9"), Some(over(&["bond1"])));
    assert_eq!(node.onward("172.16.0.1", POD, Some("bond1")), Some(over(&["cali21"])));
    let stopped = Some(Onward::Barred(Barrier::Route(RouteKind::Prohibit, None)));
    assert_eq!(node.onward("172.16.0.1", "10.9.9.9", Some("bond1")), stopped);
    node.rule(rule(9, RuleAction::Other));
    assert_eq!(node.to("10.9.9.9"), None, "it goes on at another rule");
}

#[test]
fn rp_filter_asks_for_the_way_back() {
    let mut node = Node::new();
    let spoofed = |node: &Node| node.onward("10.9.9.9", OUTSIDE, Some("cali21"));
    assert_eq!(spoofed(&node), Some(over(&["bond1"])));
    node.tell(&settings(SettingsOf::Interface(CALI), 1));
    assert_eq!(spoofed(&node), Some(turned_back(true, &["bond1"])));
    assert_eq!(node.to(OUTSIDE), Some(over(&["bond1"])), "the pod's own address is fine");
    assert_eq!(node.onward("10.9.9.9", "192.168.50.11", Some("cali21")), Some(turned_back(true, &["bond1"])));
    // The looser of the two counts, but an interface without an address is held to the strict one.
    node.tell(&settings(SettingsOf::All, 2));
    assert_eq!(spoofed(&node), Some(turned_back(false, &["bond1"])));
    let asymmetric = |node: &Node| node.onward(POD, "10.244.1.21", Some("bond1"));
    assert_eq!(asymmetric(&node), Some(over(&["cali21"])), "bond1 has an address");
    node.tell(&settings(SettingsOf::All, 1));
    assert_eq!(asymmetric(&node), Some(turned_back(true, &["cali21"])));
    node.tell(&settings(SettingsOf::All, 2));
    node.lose(unicast("0.0.0.0/0", &[BOND]));
    assert_eq!(node.onward("8.8.8.8", POD, Some("bond1")), Some(turned_back(false, &[])));
    // The node's own address as a source: that is another check.
    assert_eq!(node.onward("192.168.50.11", POD, Some("bond1")), None);
    // IPv6 has no such check.
    node.add(unicast("fd00::/64", &[BOND]));
    assert_eq!(node.onward("fd99::1", "fd00::2", Some("cali21")), Some(over(&["bond1"])));
}

#[test]
fn an_answer_to_a_process_may_have_its_route_already() {
    let mut node = Node::new();
    node.tell(&settings(SettingsOf::All, 1));
    let (source, destination) = (Ip::v4([10, 9, 9, 9]), Ip::v4([192, 168, 50, 11]));
    let packet = Packet { source, destination, incoming: Some("cali21"), is_answer: true };
    assert_eq!(node.tables.onward(packet, Timestamp(1)), Some(Onward::Local));
    let opening = Packet { is_answer: false, ..packet };
    assert_eq!(node.tables.onward(opening, Timestamp(1)), Some(turned_back(true, &["bond1"])));
}

#[test]
fn what_came_in_by_a_part_of_another_interface_is_not_checked() {
    let mut node = Node::new();
    node.tell(&settings(SettingsOf::Interface(CALI), 1));
    let spoofed = |node: &Node| node.onward("10.9.9.9", OUTSIDE, Some("cali21"));
    node.tell(&RouteEvent::Link(LinkInfo { lies_on: Some(CALI), ..link(9, "cali21.5") }));
    assert_eq!(spoofed(&node), Some(over(&["bond1"])));
    node.tell(&RouteEvent::LinkGone(9));
    assert_eq!(spoofed(&node), Some(turned_back(true, &["bond1"])));
    node.tell(&RouteEvent::Link(LinkInfo { has_master: true, ..link(CALI, "cali21") }));
    assert_eq!(spoofed(&node), Some(over(&["bond1"])));
}

#[test]
fn an_interface_that_does_not_forward() {
    let mut node = Node::new();
    let off = RouteSettings { of: SettingsOf::Interface(CALI), forwarding: Some(false), rp_filter: None };
    node.tell(&RouteEvent::Settings(off));
    assert_eq!(node.to("10.9.9.9"), Some(Onward::Barred(Barrier::NotForwarding)));
    assert_eq!(node.to("192.168.50.11"), Some(Onward::Local));
    assert_eq!(node.onward(OUTSIDE, POD, Some("bond1")), Some(over(&["cali21"])));
}

#[test]
fn tables_are_remembered_as_they_were() {
    let mut node = Node::new();
    let to_pod = |node: &Node, second| node.onward_at(second, OUTSIDE, POD, Some("bond1"));
    assert_eq!(to_pod(&node, 0), None, "before the list began");
    node.second = 10;
    node.add(route(MAIN, RouteKind::Blackhole, "10.244.1.0/26", &[]));
    node.second = 20;
    // The kernel tells nothing of routes that go with their interface.
    node.tell(&RouteEvent::LinkGone(CALI));
    node.second = 30;
    node.tell(&RouteEvent::Link(link(4, "cali21")));
    node.tell(&settings(SettingsOf::Interface(4), 0));
    node.add(unicast("10.244.1.21/32", &[4]));
    let lost = Some(barred(RouteKind::Blackhole, "10.244.1.0/26"));
    assert_eq!(to_pod(&node, 19), Some(over(&["cali21"])));
    assert_eq!(to_pod(&node, 20), lost);
    assert_eq!(to_pod(&node, 30), Some(over(&["cali21"])));
    node.second = 40;
    let default =
        Route { preferred_source: Some(Ip::v4([192, 168, 50, 11])), ..unicast("0.0.0.0/0", &[BOND]) };
    node.tell(&RouteEvent::Route(RouteChange::Replaced, default));
    assert_eq!(node.onward(OUTSIDE, "8.8.8.8", Some("bond1")), Some(over(&["bond1"])));
    // With an address go the routes that prefer it.
    node.lose(route(LOCAL, RouteKind::Local, "192.168.50.11/32", &[BOND]));
    assert_eq!(node.onward(OUTSIDE, "8.8.8.8", Some("bond1")), NO_ROUTE);
    assert_eq!(to_pod(&node, 20), lost, "what was stays");
}

#[test]
fn hops_go_one_by_one() {
    let mut node = Node::new();
    node.add(unicast("10.5.0.0/16", &[BOND, CALI]));
    node.lose(unicast("10.5.0.0/16", &[BOND]));
    assert_eq!(node.to("10.5.0.1"), Some(over(&["cali21"])));
    node.tell(&RouteEvent::Link(LinkInfo { is_up: false, ..link(CALI, "cali21") }));
    assert_eq!(node.onward(OUTSIDE, "10.5.0.1", Some("bond1")), Some(over(&["bond1"])), "the default route");
    assert_eq!(node.onward(OUTSIDE, "192.168.50.11", Some("bond1")), Some(Onward::Local));
}

#[test]
fn while_a_list_is_read_again_nothing_is_said() {
    let mut node = Node::new();
    node.second = 10;
    assert_eq!(node.to("10.9.9.9"), Some(over(&["bond1"])));
    node.tell(&RouteEvent::ListBegan(RouteList::Routes));
    assert_eq!(node.to("10.9.9.9"), None);
    node.tell(&RouteEvent::Route(RouteChange::Listed, unicast("10.9.0.0/16", &[BOND])));
    node.second = 11;
    node.tell(&RouteEvent::ListEnded(RouteList::Routes));
    assert_eq!(node.onward_at(10, POD, "10.9.9.9", Some("cali21")), Some(over(&["bond1"])));
    assert_eq!(node.onward_at(10, POD, "10.8.8.8", Some("cali21")), NO_ROUTE);
    assert_eq!(
        node.onward_at(9, POD, "10.9.9.9", Some("cali21")),
        None,
        "what was before is not known any more"
    );
}

#[test]
fn bounds_are_kept_and_nothing_wrong_is_said_for_it() {
    let mut node = Node::new();
    for number in 0..40_000 {
        node.second += 1;
        let flapping = unicast("10.5.0.0/16", &[BOND]);
        if number % 2 == 0 { node.add(flapping) } else { node.lose(flapping) }
    }
    assert!(node.tables.len() < 25_000, "{}", node.tables.len());
    assert_eq!(node.onward_at(2, POD, "10.9.9.9", Some("cali21")), None);
    assert_eq!(node.to("10.9.9.9"), Some(over(&["bond1"])));
    for number in 0..72_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        node.add(unicast(&format!("11.{a}.{b}.{c}/32"), &[BOND]));
    }
    assert!(node.tables.len() < 72_000);
    assert_eq!(node.to("10.9.9.9"), None, "more than is kept");
}
