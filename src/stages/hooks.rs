//! Kernel stages that tracing shows: the hook that a packet was heard of at makes the step *seen*.
//!
//! A hook is heard of a little after the packet was there. So its time is taken to lie between the capture points
//! beside it, where a capture point of the same node says more exactly when.

use crate::model::{Hook, NodeId, Pass, State, Timestamp, Traced, Way};
use crate::stages::template::Spot;
use crate::stages::walk::{Case, Placed};

/// The hooks that show a step: one of them, as the packet came to it.
const fn hooks(spot: Spot) -> &'static [Hook] {
    match spot {
        Spot::Prerouting => &[Hook::Prerouting],
        // What a packet is routed to is where it is seen next.
        Spot::Routing => &[Hook::Input, Hook::Forward, Hook::Output],
        Spot::Forward => &[Hook::Forward],
        Spot::Postrouting => &[Hook::Postrouting],
        Spot::Output => &[Hook::Output],
        Spot::Input => &[Hook::Input],
        _ => &[],
    }
}

/// The hooks that show the step at `index`. A process takes what came through INPUT, and where its step stands for both,
/// the hook shows it; what a proxy does then has no hook.
fn hooks_of(placed: &[Placed<'_>], index: usize) -> &'static [Hook] {
    let step = &placed[index];
    let is_input = |before: &Placed<'_>| before.step.spot == Spot::Input && before.node == step.node;
    match step.step.spot {
        Spot::Proxy if step.way == Way::Reply || placed[..index].iter().any(is_input) => &[],
        Spot::Process | Spot::Proxy => &[Hook::Input],
        spot => hooks(spot),
    }
}

/// Where a packet got other addresses; one that kept them came by where it could have.
fn translation(traced: &Traced) -> Option<&Pass> {
    let mut pairs = traced.passes.windows(2);
    let changed = pairs.find(|pair| pair[0].packet.tuple != pair[1].packet.tuple);
    changed
        .map(|pair| &pair[0])
        .or_else(|| [Hook::Prerouting, Hook::Output].iter().find_map(|&hook| traced.pass(hook)))
}

/// The ways of the followed packet, and of its copies, through one node.
fn ways<'a>(case: &Case<'a>, node: NodeId, way: Way) -> impl Iterator<Item = &'a Traced> {
    let trail = case.trail;
    let part = match way {
        Way::Request => case.pair.request.part,
        Way::Reply => case.pair.reply.part,
    };
    let is_followed = move |traced: &Traced| {
        let mut copies = trail.sightings.iter().filter(|it| it.way == way && Some(it.part) == part);
        let first = traced.passes.first();
        first.is_some_and(|first| copies.any(|it| first.packet.is_seen_as(it)))
    };
    trail.traced.iter().filter(move |it| (it.node, it.way) == (node, way) && is_followed(it))
}

/// Makes the steps of one way seen that a hook shows.
pub(super) fn show(placed: &mut [Placed<'_>], case: &Case<'_>) {
    if case.trail.traced.is_empty() {
        return;
    }
    for index in 0..placed.len() {
        let step = &placed[index];
        let Some(node) = step.node.filter(|_| step.point.is_none() && !step.is_passed_over) else { continue };
        let ways = || ways(case, node, step.way);
        let pass = match step.step.spot {
            Spot::Translation => ways().find_map(translation),
            _ => hooks_of(placed, index).iter().find_map(|&hook| ways().find_map(|traced| traced.pass(hook))),
        };
        let Some(&Pass { hook, time, .. }) = pass else { continue };
        let time = within(placed, index, node, case.world.clocks.align(node, time));
        (placed[index].hook, placed[index].state) = (Some(hook), State::Seen { time });
    }
}

/// `heard`, or the nearest time to it that lies between the capture points of the node.
fn within(placed: &[Placed<'_>], index: usize, node: NodeId, heard: Timestamp) -> Timestamp {
    let time = |placed: &Placed<'_>| match placed.state {
        State::Seen { time } if placed.node == Some(node) => Some(time),
        _ => None,
    };
    let before = placed[..index].iter().rev().find_map(time);
    let points = placed[index + 1..].iter().filter(|placed| placed.point.is_some());
    let after = points.take_while(|placed| placed.node == Some(node)).find_map(time);
    let heard = after.map_or(heard, |after| heard.min(after));
    before.map_or(heard, |before| heard.max(before))
}
