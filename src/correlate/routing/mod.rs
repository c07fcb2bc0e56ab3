//! Where nodes' routes would have sent the packets that were not seen again.
//!
//! Tables are kept as rtnetlink told of them ([`table`]). A trail that is handed on without an answer is asked where its
//! packet came into a node and did not go on as it should; the tables of that time say where that is ([`lookup`]).
//! What contradicts what was seen, or rests on what is not known, is left out.

mod lookup;
mod table;
#[cfg(test)]
mod tests;

use hashbrown::HashMap;

use self::lookup::Packet;
use self::table::Tables;
use super::Correlator;
use crate::model::{
    Direction, Expected, Hook, Ip, NodeId, Onward, Part, Role, RouteEvent, SECONDS, Sighting, Timestamp,
    Topology, Trail, VantageId, Way,
};

/// A message is stamped when it is read, so a change may have been so much earlier: what differs before and after it
/// is not said.
const SLACK: i64 = SECONDS;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Routing {
    nodes: HashMap<NodeId, Tables>,
}

impl Routing {
    /// Takes what was told at `time`, on the node's clock.
    pub(super) fn take(&mut self, node: NodeId, time: Timestamp, event: &RouteEvent) {
        self.nodes.entry(node).or_default().take(time, event);
    }

    /// Where the node's tables send a packet that came at `time`, on the node's clock.
    fn onward(&self, node: NodeId, packet: Packet<'_>, time: Timestamp) -> Option<Onward> {
        let tables = self.nodes.get(&node)?;
        let onward = tables.onward(packet, time)?;
        (tables.onward(packet, time.plus(SLACK)).as_ref() == Some(&onward)).then_some(onward)
    }

    /// Whether what passes an interface is the interface's own, rather than a bond's or a VLAN's.
    fn is_whole(&self, node: NodeId, interface: &str, time: Timestamp) -> bool {
        let tables = self.nodes.get(&node);
        tables.is_some_and(|tables| tables.whole_link(interface, time).is_some())
    }
}

impl Correlator {
    /// Adds to a trail where the packet that stopped would have gone on.
    pub(super) fn add_expectations(&self, trail: &mut Trail) {
        if self.routing.nodes.is_empty() || trail.answer_is_whole {
            return;
        }
        let Some((way, part)) = last_followed(trail) else { return };
        let entries = entries(trail, self.places.topology(), way, part);
        trail.expected = entries.iter().filter_map(|entry| self.expected(trail, entry)).collect();
    }

    fn expected(&self, trail: &Trail, entry: &Sighting) -> Option<Expected> {
        let topology = self.places.topology();
        let vantage = topology.vantage(entry.vantage);
        let (node, way) = (vantage.node, entry.way);
        let (source, destination) = addresses(trail, entry, node, topology)?;
        let incoming = trail.inside(entry).is_none().then_some(&*vantage.interface);
        let packet = Packet { source, destination, incoming, is_answer: way == Way::Reply };
        let onward = self.routing.onward(node, packet, entry.time)?;
        let left = match (&onward, exits(trail, entry, topology).as_slice()) {
            (_, []) if has_passed(trail, entry, node) => return None,
            (_, []) => None,
            (Onward::Over(over), exits) => Some(self.elsewhere(exits, over, entry)?),
            // It is no matter of these routes how it left.
            _ => return None,
        };
        let vantage = entry.vantage;
        Some(Expected { node, leg: 0, way, vantage, left, source, destination, onward })
    }

    /// Where a packet left, if that is by none of the interfaces that its route leads over, or back where it came from.
    fn elsewhere(
        &self,
        exits: &[(VantageId, bool)],
        over: &[Box<str>],
        entry: &Sighting,
    ) -> Option<VantageId> {
        let topology = self.places.topology();
        let (first, _) = *exits.first()?;
        let is_back = exits.iter().all(|&(exit, _)| exit == entry.vantage);
        let is_plain = |&(exit, is_in_tunnel): &(VantageId, bool)| {
            let exit = topology.vantage(exit);
            let name = &*exit.interface;
            let is_expected = over.iter().any(|expected| **expected == *name);
            !is_in_tunnel && !is_expected && self.routing.is_whole(exit.node, name, entry.time)
        };
        (is_back || exits.iter().all(is_plain)).then_some(first)
    }
}

/// The packet that the exchange waits for: the request's as long as nothing answers it. A SYN-ACK is no answer to a
/// request's first byte.
fn last_followed(trail: &Trail) -> Option<(Way, Part)> {
    let has = |way, part| trail.sightings.iter().any(|it| (it.way, it.part) == (way, part));
    let request = [Part::Head, Part::Handshake].into_iter().find(|&part| has(Way::Request, part));
    let answers: &[Part] =
        if request == Some(Part::Head) { &[Part::Head] } else { &[Part::Head, Part::Handshake] };
    let reply = answers.iter().copied().find(|&part| has(Way::Reply, part));
    if has(Way::Reply, Part::Reset) && reply.is_none() {
        return None;
    }
    reply.map(|part| (Way::Reply, part)).or_else(|| request.map(|part| (Way::Request, part)))
}

/// For each node that the packet came into, its last sighting there, before any tunnel was put around it if there is one.
fn entries(trail: &Trail, topology: &Topology, way: Way, part: Part) -> Vec<Sighting> {
    let node = |it: &Sighting| topology.vantage(it.vantage).node;
    let mut entries: Vec<Sighting> = Vec::new();
    let followed = trail.sightings.iter().filter(|it| (it.way, it.part) == (way, part));
    for seen in followed.filter(|it| it.direction == Direction::In) {
        if !matches!(topology.vantage(seen.vantage).role, Role::Uplink | Role::Workload | Role::Tunnel) {
            continue;
        }
        match entries.iter_mut().find(|it| node(it) == node(seen)) {
            Some(known) => {
                let order = |it: &Sighting| (trail.inside(it).is_none(), it.time);
                if order(seen) > order(known) {
                    *known = *seen;
                }
            }
            None => entries.push(*seen),
        }
    }
    entries
}

/// The capture points that the packet left the same node by, each with whether it was in a tunnel there.
fn exits(trail: &Trail, entry: &Sighting, topology: &Topology) -> Vec<(VantageId, bool)> {
    let node = |it: &Sighting| topology.vantage(it.vantage).node;
    let is_same = |it: &&Sighting| (it.way, it.part, node(it)) == (entry.way, entry.part, node(entry));
    let left = trail.sightings.iter().filter(is_same).filter(|it| it.direction != Direction::In);
    left.map(|it| (it.vantage, trail.inside(it).is_some())).collect()
}

/// Whether something else shows that the packet was routed: a hook behind that, or a connection tracking entry, which
/// is confirmed at the end.
fn has_passed(trail: &Trail, entry: &Sighting, node: NodeId) -> bool {
    let is_behind = |hook: Hook| !matches!(hook, Hook::Prerouting | Hook::Output);
    let mut traced = trail.traced.iter().filter(|it| (it.node, it.way) == (node, entry.way));
    let was_traced = traced.any(|it| it.passes.iter().any(|pass| is_behind(pass.hook)));
    let opens = entry.way == Way::Request && entry.part == Part::Handshake;
    let is_tracked = trail.legs.iter().flat_map(|leg| &leg.tracked).any(|it| it.node == node);
    was_traced || opens && is_tracked
}

/// The packet's source and destination as it is routed: behind DNAT, and before the source is changed. `None` where
/// DNAT may have changed it unseen.
fn addresses(trail: &Trail, entry: &Sighting, node: NodeId, topology: &Topology) -> Option<(Ip, Ip)> {
    let leg = trail.legs.first()?;
    let face = leg.faces.get(usize::from(entry.face))?;
    let (client, server) = (face.src.ip, face.dst.ip);
    let mut of_node = leg.translations.iter().filter(|it| it.node == node);
    Some(match entry.way {
        Way::Request => {
            let done = of_node.find(|it| (it.from.src.ip, it.from.dst.ip) == (client, server));
            let is_service = topology.services.contains_key(&server)
                || topology.names.services.contains(&server)
                || topology.is_in_service_ranges(server);
            if done.is_none() && is_service {
                return None;
            }
            (client, done.map_or(server, |done| done.to.dst.ip))
        }
        Way::Reply => {
            let done = of_node.find(|it| (it.to.src.ip, it.to.dst.ip) == (client, server));
            (server, done.map_or(client, |done| done.from.src.ip))
        }
    })
}
