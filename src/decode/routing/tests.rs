//! Messages as a kernel 6.18 sent them: a node's lists, then a route replaced, one deleted, a rule deleted, a setting
//! changed, an interface down and gone.

use proptest::prelude::*;

use crate::decode::{Layer, Reason, Stop, decode_messages};
use crate::model::{Batch, KernelBody, Messages, NodeId, Route, RouteEvent, RouteRule, Timestamp};

fn messages() -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("text");
        u8::from_str_radix(text, 16).expect("two digits")
    };
    include_str!("messages.hex").lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

fn decoded(data: &[u8]) -> (Vec<RouteEvent>, Option<Stop>) {
    let mut batch = Batch::default();
    let stop =
        decode_messages(&Messages { time: Timestamp(7), node: NodeId(1), family: 0, data }, &mut batch);
    let told = batch.events().iter().map(|(_, event)| match &event.body {
        KernelBody::Route(event) => (**event).clone(),
        other => panic!("{other:?} is nothing of routes"),
    });
    (told.collect(), stop)
}

fn route(route: &Route) -> String {
    let mut parts = vec![format!("{:?} {} table {}", route.kind, route.destination, route.table)];
    for hop in &route.hops {
        parts.extend(hop.gateway.map(|gateway| format!("via {gateway}")));
        parts.push(format!("dev {}{}", hop.interface, if hop.is_dead { " dead" } else { "" }));
    }
    parts.extend(Some(route.metric).filter(|&metric| metric > 0).map(|metric| format!("metric {metric}")));
    parts.extend(route.preferred_source.map(|source| format!("src {source}")));
    assert!(!route.is_conditional && !route.is_indirect);
    parts.join(" ")
}

fn rule(rule: &RouteRule) -> String {
    let family = if rule.is_v4 { "v4" } else { "v6" };
    let mut parts = vec![format!("{family} {}: {:?}", rule.priority, rule.action)];
    parts.extend(rule.from.map(|net| format!("from {net}")));
    parts.extend(rule.to.map(|net| format!("to {net}")));
    parts.extend(rule.incoming.as_ref().map(|name| format!("iif {name}")));
    parts.extend(rule.suppressed.map(|most| format!("suppress {most}")));
    let marks = [(rule.is_inverted, "inverted"), (rule.is_conditional, "conditional")];
    parts.extend(marks.iter().filter(|(is_it, _)| *is_it).map(|(_, word)| (*word).to_owned()));
    parts.join(" ")
}

#[test]
fn lists_and_changes_are_read() {
    let worded: Vec<String> = messages()
        .iter()
        .flat_map(|message| {
            let (events, stop) = decoded(message);
            assert_eq!(stop, None);
            events
        })
        .map(|event| match event {
            RouteEvent::Route(change, told) => format!("{change:?}: {}", route(&told)),
            RouteEvent::Rule { is_gone, rule: told } => {
                format!("{} {}", if is_gone { "rule gone" } else { "rule" }, rule(&told))
            }
            other => format!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!(worded.join("\n"));
}

#[test]
fn what_is_none_of_routes_is_said_and_what_is_netlinks_own_is_not() {
    let message = |kind: u16, body: &[u8]| {
        let mut bytes = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(body);
        bytes
    };
    let stop = |reason| Some(Stop::new(Layer::Netlink, reason));
    // An error, the end of a list that nobody asked for, a bridge's port, a route of MPLS.
    for (kind, body) in [(2, &[0; 20][..]), (3, &[0; 4]), (16, &[7; 16]), (24, &[28; 12])] {
        assert_eq!(decoded(&message(kind, body)), (Vec::new(), None), "type {kind}");
    }
    assert_eq!(decoded(&message(28, &[2; 12])), (Vec::new(), stop(Reason::NetlinkType(28))));
    assert_eq!(decoded(&message(24, &[2; 11])), (Vec::new(), stop(Reason::Malformed)));
    assert_eq!(decoded(&message(24, &[])), (Vec::new(), stop(Reason::Malformed)));
    // A prefix longer than its address.
    assert_eq!(decoded(&message(24, &[2, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).1, stop(Reason::Malformed));
}

#[test]
fn a_message_that_is_cut_anywhere_is_survived() {
    for whole in messages() {
        for len in 16..whole.len() {
            let mut cut = whole[..len].to_vec();
            cut[..4].copy_from_slice(&(len as u32).to_ne_bytes());
            let (events, stop) = decoded(&cut);
            assert!(events.len() <= 1 && (events.is_empty() || stop.is_none()));
        }
    }
}

proptest! {
    #[test]
    fn damaged_messages_are_survived(which in 0_usize..80, at in 0_usize..2000, byte: u8, tail: Vec<u8>) {
        let all = messages();
        let mut bytes = all[which % all.len()].clone();
        let place = at % bytes.len();
        bytes[place] = byte;
        bytes.extend(tail);
        let (events, _) = decoded(&bytes);
        prop_assert!(events.len() <= bytes.len() / 16);
    }
}
