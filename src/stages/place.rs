//! From a trail to a journey.

use std::sync::Arc;

use crate::model::{Clocks, Journey, NodeId, Timestamp, Topology, Trail, VantageId};
use crate::stages::course::Course;
use crate::stages::facts::Facts;
use crate::stages::legs::apart;
use crate::stages::template::Templates;
use crate::stages::verdict;

/// What is known beside the trail itself.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    pub topology: &'a Topology,
    pub clocks: &'a Clocks,
    /// Nodes where the capture itself lost packets, so that absence proves less.
    pub lossy_nodes: &'a [NodeId],
    /// The latest packet's time, on the reference node's clock.
    pub now: Timestamp,
}

impl World<'_> {
    /// A time at a capture point, on the reference node's clock.
    pub fn align(&self, vantage: VantageId, time: Timestamp) -> Timestamp {
        self.clocks.align(self.topology.vantage(vantage).node, time)
    }

    /// The first time anything of `trail` was seen, the lookup before it included, and the last time that
    /// something of the exchange was; on the reference node's clock.
    pub fn span(&self, trail: &Trail) -> (Timestamp, Timestamp) {
        let times = trail.sightings.iter().map(|sighting| self.align(sighting.vantage, sighting.time));
        let started = trail.beginnings().map(|(vantage, time)| self.align(vantage, time)).min();
        let started = started.unwrap_or_default();
        let ended = match trail.end {
            Some((vantage, time)) => self.align(vantage, time).max(started),
            None => times.max().unwrap_or(started),
        };
        (started, ended)
    }
}

impl Templates {
    /// Numbers `trail` into a journey and judges it. The same input gives the same journey.
    pub fn place(&self, trail: Arc<Trail>, world: &World<'_>) -> Journey {
        let (started, ended) = world.span(&trail);
        let legs = apart(&trail, world);
        let facts = Facts::new(&legs, world);
        let path = facts.as_ref().and_then(|facts| facts.path).and_then(|name| self.get(name));
        let placed = facts.as_ref().zip(path).and_then(|(facts, template)| {
            let route = template.route(facts.set)?;
            let course = Course::new(&trail, &legs, facts, route, world);
            let verdict = course.verdict();
            let request = course.request();
            // A request that was lost has no reply whose visits could be missing.
            let reply = course.reply(&verdict);
            Some((Arc::clone(&template.name), Arc::clone(&route.name), request, reply, verdict))
        });
        let (path, route, request, reply, verdict) = placed.unwrap_or_else(|| {
            let verdict = verdict::judge_unplaced(&legs, world);
            (Arc::clone(&self.unclassified), Arc::clone(&self.no_route), Vec::new(), Vec::new(), verdict)
        });
        drop(legs);
        Journey { id: trail.id, path, route, started, ended, request, reply, verdict, trail }
    }
}
