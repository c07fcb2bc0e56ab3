//! Kernel stages that tracing shows: the hook that a packet was heard of at makes the step *seen*.
//!
//! A hook is heard of a little after the packet was there, and how much later differs. So its time is told from the
//! capture point of the node that the packet came in or went out by, and what was heard says only how far from it.

use crate::model::say::say;
use crate::model::{DroppedBy, Hook, NodeId, Pass, Rule, Sentence, State, Timestamp, Traced, Way};
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

/// Where a packet got other addresses; one that kept them came by where it could have. What is behind FORWARD is done
/// in POSTROUTING.
fn translation(traced: &Traced, is_behind_forward: bool) -> Option<&Pass> {
    if is_behind_forward {
        return traced.pass(Hook::Postrouting);
    }
    let mut pairs = traced.passes.windows(2);
    let changed = pairs.find(|pair| pair[0].packet.tuple != pair[1].packet.tuple);
    // Source addresses change within POSTROUTING, and what is seen of that may be behind it only.
    changed
        .map(|pair| if pair[1].hook == Hook::Postrouting { &pair[1] } else { &pair[0] })
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
        let found = match step.step.spot {
            Spot::Translation => {
                let is_forward =
                    |it: &Placed<'_>| (it.step.spot, it.way, it.node) == (Spot::Forward, step.way, step.node);
                let is_behind_forward = placed[..index].iter().any(is_forward);
                ways().find_map(|traced| Some((traced, translation(traced, is_behind_forward)?)))
            }
            _ => hooks_of(placed, index)
                .iter()
                .find_map(|&hook| ways().find_map(|traced| Some((traced, traced.pass(hook)?)))),
        };
        let Some((traced, pass)) = found else { continue };
        let around = Around::of(placed, index, node);
        let time = around.time(traced, pass, |time| case.world.clocks.align(node, time));
        (placed[index].hook, placed[index].state) = (Some(pass.hook), State::Seen { time });
    }
}

/// What is known of a node's own times around a step.
struct Around {
    /// The capture point before it.
    entered: Option<Timestamp>,
    /// The latest time before it, a hook's or a capture point's.
    before: Option<Timestamp>,
    /// The capture point behind it.
    left: Option<Timestamp>,
}

impl Around {
    fn of(placed: &[Placed<'_>], index: usize, node: NodeId) -> Around {
        let time = |placed: &Placed<'_>| match placed.state {
            State::Seen { time } if placed.node == Some(node) => Some(time),
            _ => None,
        };
        let is_end = |placed: &&Placed<'_>| !placed.step.spot.is_end() && placed.node == Some(node);
        let behind = placed[..index].iter().rev();
        let mut ahead = placed[index + 1..].iter().take_while(is_end);
        Around {
            entered: behind.clone().take_while(is_end).find(|placed| placed.point.is_some()).and_then(time),
            before: behind.clone().find_map(time),
            left: ahead.find(|placed| placed.point.is_some()).and_then(time),
        }
    }

    /// When the packet was at a hook. What was heard says how far apart hooks are; a capture point next to them says
    /// when that was. Without one it is when it was heard.
    fn time(&self, traced: &Traced, pass: &Pass, align: impl Fn(Timestamp) -> Timestamp) -> Timestamp {
        let is_sent_here = traced.passes.first().is_some_and(|first| first.hook == Hook::Output);
        let since_first = traced.passes.first().map_or(0, |first| pass.time.since(first.time));
        let until_last = traced.passes.last().map_or(0, |last| last.time.since(pass.time));
        let time = match (self.entered, self.left) {
            (Some(entered), _) if !is_sent_here => entered.plus(since_first),
            (_, Some(left)) if is_sent_here => left.plus(-until_last),
            _ => align(pass.time),
        };
        let time = self.left.map_or(time, |left| time.min(left));
        self.before.map_or(time, |before| time.max(before))
    }
}

/// `dropped in FORWARD by rule 3 of cali-tw-cali1f0 in ip filter: drop (policy shop/deny)`.
pub(super) fn dropped(by: &DroppedBy) -> Sentence {
    let Rule { chain, number, text, comment, handle } = &*by.rule;
    let done = if by.is_reject() { say!("rejected", "拒绝") } else { say!("dropped", "丢弃") };
    let name = &*chain.chain;
    let which = match (*number, *handle) {
        (Some(number), _) => say!("rule {number} of {name}", "{name} 的第 {number} 条规则"; number, name),
        (None, Some(handle)) => {
            let handle = handle.to_string();
            say!("the rule with handle {handle} of {name}", "{name} 中句柄为 {handle} 的规则"; handle, name)
        }
        (None, None) => say!("the policy of {name}", "{name} 的默认策略"; name),
    };
    let worded = if text.is_empty() || handle.is_none() { String::new() } else { format!(": {text}") };
    let why = match (by.rule.policy(), comment) {
        (Some(policy), _) => say!(" (policy {policy})", "（策略 {policy}）"; policy),
        (None, Some(comment)) => say!(" ({comment})", "（{comment}）"; comment = &**comment),
        (None, None) => Sentence::default(),
    };
    say!(
        "{done} in {hook} by {which} in {table}{worded}{why}",
        "在 {hook} 被 {table} 中 {which}{done}{worded}{why}";
        done, hook = by.hook.name(), which, table = chain.shown_table(), worded, why
    )
}
