//! What connection tracking adds to a verdict, in words.

use crate::model::say::say;
use crate::model::{NodeId, Part, PlaceKind, Protocol, Sentence, Tracked, Trail, Way};
use crate::stages::place::World;
use crate::stages::walk::{Case, Placed};

/// What a node's connection tracking says of a packet that came to it and did not come out of it.
pub(super) fn of_loss(case: &Case<'_>, gap: &Placed<'_>, kind: Option<PlaceKind>) -> Option<Sentence> {
    let Case { trail, world, .. } = *case;
    let inside =
        || gap.node.filter(|_| kind == Some(PlaceKind::Host)).and_then(|node| inside(case, gap, node));
    cut_short(trail, world).or_else(inside).or_else(|| unreplied(trail, world))
}

/// What it says where no answer came.
pub(super) fn of_silence(trail: &Trail, world: &World<'_>) -> Option<Sentence> {
    cut_short(trail, world).or_else(|| unreplied(trail, world))
}

fn entries(trail: &Trail) -> impl Iterator<Item = &Tracked> {
    trail.legs.iter().flat_map(|leg| &leg.tracked)
}

fn cut_short(trail: &Trail, world: &World<'_>) -> Option<Sentence> {
    let entry = entries(trail).find(|entry| entry.was_cut_short())?;
    let node = world.topology.node_name(entry.node);
    Some(say!(
        "; {node}'s conntrack entry was destroyed while the connection was open",
        "；{node} 的连接跟踪条目在连接仍打开时被删除";
        node
    ))
}

/// A packet that opens a conversation gets its entry confirmed when it has passed all hooks of the node
/// (`nf_conntrack_confirm`), so an entry says where it was lost, and so does none.
fn inside(case: &Case<'_>, gap: &Placed<'_>, node: NodeId) -> Option<Sentence> {
    let Case { trail, world, pair, .. } = *case;
    let opens = match pair.request.part {
        Some(Part::Handshake) => true,
        Some(Part::Head) => {
            trail.is_first_of_leg && trail.legs.iter().all(|leg| leg.protocol != Protocol::Tcp)
        }
        _ => false,
    };
    let is_heard = world.topology.tracking.contains(&node);
    if gap.way != Way::Request || trail.is_mid_stream || !opens || !is_heard {
        return None;
    }
    let name = world.topology.node_name(node);
    Some(match entries(trail).find(|entry| entry.node == node) {
        Some(_) => say!(
            "; {name}'s conntrack confirmed it, so it passed POSTROUTING",
            "；{name} 的连接跟踪已确认它，因此它通过了 POSTROUTING";
            name
        ),
        None => say!(
            "; {name}'s conntrack confirmed no entry for it, so it was dropped before the end of POSTROUTING",
            "；{name} 的连接跟踪没有确认任何条目，因此它在 POSTROUTING 结束之前被丢弃";
            name
        ),
    })
}

/// A node that the request crossed and no answer came back to.
fn unreplied(trail: &Trail, world: &World<'_>) -> Option<Sentence> {
    let entry = entries(trail).find(|entry| !entry.status.has_seen_reply())?;
    let node = world.topology.node_name(entry.node);
    Some(say!(
        "; {node}'s conntrack entry has seen no reply",
        "；{node} 的连接跟踪条目没有见到应答";
        node
    ))
}
