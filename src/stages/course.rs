//! All legs of a trail on their route, one behind the other.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::{AtProxy, Direction, Proxy, State, Trail, Verdict, Visit, Way};
use crate::stages::conclusion::Conclusion;
use crate::stages::facts::Facts;
use crate::stages::legs::OneLeg;
use crate::stages::place::World;
use crate::stages::template::{Route, Spot};
use crate::stages::verdict;
use crate::stages::walk::{Case, Neighbours, Placed, Walk};

/// A trail's legs with their steps; the client's leg first.
pub(super) struct Course<'a> {
    pub(super) trail: &'a Trail,
    pub(super) world: &'a World<'a>,
    pub(super) facts: &'a Facts,
    pub(super) legs: &'a [OneLeg<'a>],
    pub(super) cases: SmallVec<[Case<'a>; 1]>,
    pub(super) walks: SmallVec<[Walk<'a>; 1]>,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        trail: &'a Trail,
        legs: &'a [OneLeg<'a>],
        facts: &'a Facts,
        route: &'a Route,
        world: &'a World<'a>,
    ) -> Course<'a> {
        let cases: SmallVec<[Case<'a>; 1]> = legs
            .iter()
            .zip(&facts.nodes)
            .map(|(leg, &nodes)| Case { trail: &leg.trail, world, pair: &leg.pair, nodes })
            .collect();
        let mut walks: SmallVec<[Walk<'a>; 1]> = cases
            .iter()
            .enumerate()
            .map(|(index, case)| Walk::new(case, route, route.leg_for(index, legs.len())))
            .collect();
        for (index, case) in cases.iter().enumerate() {
            let beside = neighbours(&walks, index);
            walks[index].settle(case, beside);
        }
        Course { trail, world, facts, legs, cases, walks }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let verdicts: SmallVec<[Verdict; 1]> =
            self.cases.iter().zip(&self.walks).map(|(case, walk)| verdict::judge(case, walk)).collect();
        Conclusion { course: self, verdicts }.verdict()
    }

    /// The numbered steps of the request, as visits.
    pub(super) fn request(&self) -> Vec<Visit> {
        let mut visits = Vec::new();
        for (index, walk) in self.walks.iter().enumerate() {
            self.add_visits(&mut visits, index, walk.request());
        }
        visits
    }

    /// The numbered steps of the reply. What a proxy answered by itself came from no leg behind it, and a request
    /// that was lost has no answer whose visits could be missing.
    pub(super) fn reply(&self, verdict: &Verdict) -> Vec<Visit> {
        let is_seen = |walk: &Walk<'_>| walk.reply().iter().any(|placed| placed.point.is_some());
        if !self.walks.iter().any(is_seen) && !verdict::has_reply(verdict, &self.walks) {
            return Vec::new();
        }
        let mut visits = Vec::new();
        for (index, walk) in self.walks.iter().enumerate().rev() {
            let first = visits.len();
            self.add_visits(&mut visits, index, walk.reply());
            let is_answered_before = self.walks[..index].iter().any(is_seen);
            if is_answered_before && !is_seen(walk) && self.is_unanswered(index) {
                visits[first..].iter_mut().for_each(|visit| visit.state = State::Skipped);
            }
        }
        visits
    }

    /// Whether nothing says that the leg's server answered, though it could have been seen.
    fn is_unanswered(&self, index: usize) -> bool {
        let leg = &self.legs[index];
        leg.pair.reply_acked.is_none() && self.walks[index].reply().iter().any(|placed| placed.is_captured)
    }

    fn add_visits(&self, visits: &mut Vec<Visit>, index: usize, placed: &[Placed<'_>]) {
        for placed in placed {
            let Some(stage) = &placed.step.stage else { continue };
            let direction = match placed.step.spot {
                Spot::Point(_, direction) => Some(direction).filter(|_| placed.node.is_some()),
                Spot::DnsQuery => Some(Direction::In),
                Spot::DnsAnswer => Some(Direction::Out),
                _ => None,
            };
            visits.push(Visit {
                stage: stage.stage,
                node: placed.node,
                vantage: placed.vantage,
                direction,
                state: placed.state,
                label: Arc::clone(&stage.label),
                hook: placed.hook,
                sighting: placed.point.map(|point| self.legs[index].place(point.sighting)),
                proxy: (placed.step.spot == Spot::Proxy).then(|| self.proxy(index, placed.way)),
            });
        }
    }

    /// The proxy that takes what goes `way` on the leg at `index`: the request ends at the one that opened the
    /// next leg, the answer at the one that opened this.
    pub(super) fn proxy(&self, index: usize, way: Way) -> AtProxy {
        let leg = self.legs.get(if way == Way::Request { index + 1 } else { index });
        match leg.and_then(|leg| Some((leg, leg.hop?))) {
            Some((leg, hop)) => AtProxy { kind: hop.join.proxy, hop: Some(leg.index - 1) },
            None => AtProxy { kind: self.listens(index).unwrap_or_default(), hop: None },
        }
    }

    /// The kind of proxy that the user says is at the end of a leg.
    fn listens(&self, index: usize) -> Option<Proxy> {
        let leg = self.legs.get(index)?.leg()?;
        self.world.topology.proxy_at(leg.server.or(leg.target)?)
    }
}

fn neighbours(walks: &[Walk<'_>], index: usize) -> Neighbours {
    let before = index.checked_sub(1).and_then(|before| walks.get(before));
    let behind = walks.get(index + 1);
    Neighbours {
        came_in: before.and_then(|walk| walk.ends_of(Way::Request).1),
        went_on: behind.and_then(|walk| walk.ends_of(Way::Request).0),
        is_handed_on: behind.is_some(),
        came_back: behind.and_then(|walk| walk.ends_of(Way::Reply).1),
        was_passed_on: before.and_then(|walk| walk.ends_of(Way::Reply).0),
    }
}
