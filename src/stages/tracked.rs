//! What connection tracking adds to a verdict, in words.

use crate::model::say::say;
use crate::model::{
    NodeId, Part, PlaceKind, Protocol, Sentence, Shortage, Sighting, Tracked, TrackingTable, Trail, Way,
};
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
    let mut gone = say!(
        "; {node}'s conntrack entry was destroyed while the connection was open",
        "；{node} 的连接跟踪条目在连接仍打开时被删除";
        node
    );
    let table = world.topology.tables.get(&entry.node);
    let shortage =
        table.zip(entry.destroyed).and_then(|(table, time)| Some((table, table.shortage_at(time)?)));
    if let Some((table, shortage)) = shortage.filter(|(_, shortage)| shortage.evicted > 0) {
        gone += told(table, shortage);
    }
    Some(gone)
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
    if entries(trail).any(|entry| entry.node == node) {
        return Some(say!(
            "; {name}'s conntrack confirmed it, so it passed POSTROUTING",
            "；{name} 的连接跟踪已确认它，因此它通过了 POSTROUTING";
            name
        ));
    }
    let mut dropped = say!(
        "; {name}'s conntrack confirmed no entry for it, so it was dropped before the end of POSTROUTING",
        "；{name} 的连接跟踪没有确认任何条目，因此它在 POSTROUTING 结束之前被丢弃";
        name
    );
    dropped += no_room(trail, world, node).unwrap_or_default();
    Some(dropped)
}

/// Whether the node's table was dropping packets of new connections while it had one of the request's.
fn no_room(trail: &Trail, world: &World<'_>, node: NodeId) -> Option<Sentence> {
    let table = world.topology.tables.get(&node)?;
    let is_there = |it: &&Sighting| {
        it.way == Way::Request
            && it.part != Part::IcmpError
            && world.topology.vantage(it.vantage).node == node
    };
    let times = trail.sightings.iter().filter(is_there).map(|it| it.time);
    let shortage = times.filter_map(|time| table.shortage_at(time)).find(|shortage| shortage.dropped > 0)?;
    Some(told(table, shortage))
}

fn told(table: &TrackingTable, shortage: &Shortage) -> Sentence {
    let &Shortage { dropped, evicted, entries, .. } = shortage;
    let most = table.most;
    if !table.was_full(shortage) {
        return say!(
            "; conntrack was dropping packets of new connections then: {dropped}",
            "；当时连接跟踪正在丢弃新连接的数据包：{dropped} 个";
            dropped
        );
    }
    say!(
        "; its table was full then ({entries} of {most} entries), with packets of new connections dropped: {dropped}, entries evicted: {evicted}",
        "；当时其表已满（{entries}/{most} 个条目），丢弃新连接的数据包 {dropped} 个，淘汰条目 {evicted} 个";
        entries, most, dropped, evicted
    )
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
