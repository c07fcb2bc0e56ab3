//! What a node's routes say of a packet that was lost in it.

use super::Shown;
use crate::model::{Barrier, Expected, Ip, Onward};
use crate::timeline::Context;

#[derive(serde::Serialize)]
pub(super) struct ExpectedRow<'a> {
    node: &'a str,
    /// Where it came in.
    interface: &'a str,
    /// Where it left, other than it should have.
    left: Option<&'a str>,
    source: Shown<Ip>,
    /// Behind the node's DNAT.
    destination: Shown<Ip>,
    /// Why it goes no further; `null` where it should have gone on.
    barrier: Option<&'static str>,
    /// The route or rule that leads nowhere.
    route: Option<String>,
    /// Interfaces: where it should have gone on; with `rp-filter`, where the route back leads.
    over: Vec<&'a str>,
}

impl<'a> ExpectedRow<'a> {
    pub(super) fn new(expected: &'a Expected, context: &Context<'a>) -> ExpectedRow<'a> {
        let barrier = expected.barrier();
        let over = match &expected.onward {
            Onward::Over(over) | Onward::Barred(Barrier::ReversePath { over, .. }) => &over[..],
            Onward::Local | Onward::Barred(_) => &[],
        };
        ExpectedRow {
            node: context.node(expected.node),
            interface: &context.topology.vantage(expected.vantage).interface,
            left: expected.left.map(|left| &*context.topology.vantage(left).interface),
            source: Shown(expected.source),
            destination: Shown(expected.destination),
            barrier: barrier.map(Barrier::name),
            route: match barrier {
                Some(Barrier::Route(_, route)) => route.map(|route| route.to_string()),
                _ => None,
            },
            over: over.iter().map(|name| &**name).collect(),
        }
    }
}
