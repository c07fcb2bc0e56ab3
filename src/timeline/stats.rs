//! Percentiles over a recording: by stage and node, by path and route, and what a node's chains cost.
//!
//! A packet that opens a connection walks the node's nat chains; those after it are translated by conntrack
//! without them. So the cost of the chains is kept apart for first and for later packets.

mod history;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::{
    Direction, Journey, NodeId, Outcome, Part, Phase, Protocol, Proxy, Sighting, Stage, State, Trail, Way,
};
use crate::timeline::Context;
use crate::timeline::delay::delays;
use crate::timeline::headline::is_bad;

pub use history::{History, Slice};
pub use series::Series;

/// Distinct stages (path, number, node) that are told apart; what is beyond is counted.
const STAGE_BOUND: usize = 2_000;
/// Distinct paths and routes, and nodes.
const PATH_BOUND: usize = 500;

/// A stage of a path on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageKey {
    pub path: Arc<str>,
    pub stage: Stage,
    pub node: Option<NodeId>,
}

/// Journeys of one path and route.
#[derive(Clone, Debug, Default)]
pub struct PathSeries {
    pub journeys: u64,
    /// Lost, refused or failed.
    pub bad: u64,
    /// Durations of the complete ones.
    pub durations: Series,
}

/// Which packets a node's chains saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packets {
    /// Those that open a connection and walk the nat chains.
    First,
    Later,
}

/// A proxy on a node, and what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyKey {
    pub node: Option<NodeId>,
    pub kind: Proxy,
    pub way: Way,
}

/// What a duration is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// A complete journey of this path and route.
    Path(Arc<str>, Arc<str>),
    /// From the sighting before a node's chains to the one after.
    Chains(NodeId, Packets),
    /// How long a proxy kept a request, or an answer.
    Proxy(ProxyKey),
    Stage(StageKey),
}

/// Everything that is counted over a recording; bounded.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    pub stages: BTreeMap<StageKey, Series>,
    pub paths: BTreeMap<(Arc<str>, Arc<str>), PathSeries>,
    pub chains: BTreeMap<(NodeId, Packets), Series>,
    pub proxies: BTreeMap<ProxyKey, Series>,
    /// Delays that found no place under the bound.
    pub uncounted: u64,
}

impl Statistics {
    /// Counts a journey.
    pub fn add(&mut self, journey: &Journey, context: &Context<'_>) {
        match self.path_of(journey) {
            Some(path) => {
                path.journeys += 1;
                path.bad += u64::from(is_bad(journey.verdict.outcome));
                if let Some(nanos) = complete(journey) {
                    path.durations.add(nanos);
                }
            }
            None => self.uncounted += 1,
        }
        measure_parts(journey, context, &mut |measure, nanos, is_at_most| match self.series_mut(measure) {
            Some(series) if is_at_most => series.add_bound(nanos),
            Some(series) => series.add(nanos),
            None => self.uncounted += 1,
        });
    }

    /// Takes back a journey that was counted as it is here.
    pub fn remove(&mut self, journey: &Journey, context: &Context<'_>) {
        match self.path_of(journey) {
            Some(path) => {
                path.journeys = path.journeys.saturating_sub(1);
                path.bad = path.bad.saturating_sub(u64::from(is_bad(journey.verdict.outcome)));
                if let Some(nanos) = complete(journey) {
                    path.durations.remove(nanos);
                }
            }
            None => self.uncounted = self.uncounted.saturating_sub(1),
        }
        measure_parts(journey, context, &mut |measure, nanos, is_at_most| match self.series_mut(measure) {
            Some(series) if is_at_most => series.remove_bound(nanos),
            Some(series) => series.remove(nanos),
            None => self.uncounted = self.uncounted.saturating_sub(1),
        });
    }

    /// What was counted of `measure`.
    pub fn series(&self, measure: &Measure) -> Option<&Series> {
        match measure {
            Measure::Path(path, route) => {
                self.paths.get(&(Arc::clone(path), Arc::clone(route))).map(|path| &path.durations)
            }
            Measure::Chains(node, packets) => self.chains.get(&(*node, *packets)),
            Measure::Proxy(key) => self.proxies.get(key),
            Measure::Stage(key) => self.stages.get(key),
        }
    }

    /// Counts everything that `other` counted.
    pub fn merge(&mut self, other: &Statistics) {
        self.uncounted += other.uncounted;
        for (key, more) in &other.stages {
            match entry(&mut self.stages, key, STAGE_BOUND) {
                Some(series) => series.merge(more),
                None => self.uncounted += more.count(),
            }
        }
        for (key, more) in &other.chains {
            match entry(&mut self.chains, key, PATH_BOUND) {
                Some(series) => series.merge(more),
                None => self.uncounted += more.count(),
            }
        }
        for (key, more) in &other.proxies {
            match entry(&mut self.proxies, key, PATH_BOUND) {
                Some(series) => series.merge(more),
                None => self.uncounted += more.count(),
            }
        }
        for (key, more) in &other.paths {
            match entry(&mut self.paths, key, PATH_BOUND) {
                Some(path) => {
                    path.journeys += more.journeys;
                    path.bad += more.bad;
                    path.durations.merge(&more.durations);
                }
                None => self.uncounted += more.journeys,
            }
        }
    }

    fn path_of(&mut self, journey: &Journey) -> Option<&mut PathSeries> {
        let key = (Arc::clone(&journey.path), Arc::clone(&journey.route));
        entry(&mut self.paths, &key, PATH_BOUND)
    }

    fn series_mut(&mut self, measure: &Measure) -> Option<&mut Series> {
        match measure {
            Measure::Path(path, route) => {
                let key = (Arc::clone(path), Arc::clone(route));
                entry(&mut self.paths, &key, PATH_BOUND).map(|path| &mut path.durations)
            }
            Measure::Chains(node, packets) => entry(&mut self.chains, &(*node, *packets), PATH_BOUND),
            Measure::Proxy(key) => entry(&mut self.proxies, key, PATH_BOUND),
            Measure::Stage(key) => entry(&mut self.stages, key, STAGE_BOUND),
        }
    }
}

/// Statistics and their history, kept up while journeys are still revised.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub statistics: Statistics,
    pub history: History,
}

impl Counts {
    /// Counts a journey that is over, instead of an earlier revision of it that was given here; `None` takes that back.
    pub fn replace(&mut self, before: Option<&Journey>, after: Option<&Journey>, context: &Context<'_>) {
        let is_over = |journey: &&Journey| journey.trail.phase != Phase::Open;
        if let Some(before) = before.filter(is_over) {
            self.statistics.remove(before, context);
            self.history.remove(before, context);
        }
        if let Some(after) = after.filter(is_over) {
            self.statistics.add(after, context);
            self.history.add(after, context);
        }
    }
}

/// How long a complete journey took.
pub(super) fn complete(journey: &Journey) -> Option<i64> {
    (journey.verdict.outcome == Outcome::Complete).then(|| journey.ended.since(journey.started))
}

/// Tells every duration of a journey, in nanoseconds: what it is of, and whether it took that at most.
fn measure(journey: &Journey, context: &Context<'_>, each: &mut impl FnMut(&Measure, i64, bool)) {
    if let Some(nanos) = complete(journey) {
        each(&Measure::Path(Arc::clone(&journey.path), Arc::clone(&journey.route)), nanos, false);
    }
    measure_parts(journey, context, each);
}

/// The same for its parts: stages, chains, proxies.
fn measure_parts(journey: &Journey, context: &Context<'_>, each: &mut impl FnMut(&Measure, i64, bool)) {
    measure_stages(journey, context, each);
    measure_chains(&journey.trail, context, each);
    for hop in journey.trail.hops.iter().filter(|hop| !hop.join.is_given_up) {
        for (way, kept) in [(Way::Request, hop.join.request_delay_ns), (Way::Reply, hop.join.reply_delay_ns)]
        {
            if let Some(kept) = kept {
                each(
                    &Measure::Proxy(ProxyKey { node: hop.join.node, kind: hop.join.proxy, way }),
                    kept,
                    false,
                );
            }
        }
    }
}

fn measure_stages(journey: &Journey, context: &Context<'_>, each: &mut impl FnMut(&Measure, i64, bool)) {
    let of_proxies: SmallVec<[State; 4]> =
        journey.visits().filter(|visit| visit.proxy.is_some()).map(|visit| visit.state).collect();
    // The path is shared by threads, and costs each of them when its references are counted: one measure for all.
    let mut shared = None;
    for (visit, took) in delays(journey, context.clocks) {
        let Some(took) = took else { continue };
        // What lies around a proxy is only known to have taken no longer than the proxy with it.
        if visit.proxy.is_none() && of_proxies.contains(&visit.state) {
            continue;
        }
        let measure = shared.get_or_insert_with(|| {
            Measure::Stage(StageKey { path: Arc::clone(&journey.path), stage: visit.stage, node: visit.node })
        });
        if let Measure::Stage(key) = measure {
            (key.stage, key.node) = (visit.stage, visit.node);
        }
        each(measure, took.nanos, took.is_at_most);
    }
}

/// Pairs each packet that entered a node with its way out of it. Both stamps are of one clock.
fn measure_chains(trail: &Trail, context: &Context<'_>, each: &mut impl FnMut(&Measure, i64, bool)) {
    for (index, entry) in trail.sightings.iter().enumerate() {
        if entry.direction != Direction::In || entry.is_repeat {
            continue;
        }
        let node = context.node_of(entry.vantage);
        let same = |other: &&Sighting| is_same_packet(entry, other) && context.node_of(other.vantage) == node;
        // Where it was sent again first, its own way ended on the node.
        let next = trail.sightings[index + 1..].iter().find(same);
        let exit = next.filter(|exit| exit.direction == Direction::Out && !exit.is_repeat);
        if let (Some(node), Some(exit)) = (node, exit) {
            each(&Measure::Chains(node, which_packets(trail, entry)), exit.time.since(entry.time), false);
        }
    }
}

/// What is counted under `key`; a new one where there are fewer than `bound`.
fn entry<'a, K: Ord + Clone, V: Default>(
    table: &'a mut BTreeMap<K, V>,
    key: &K,
    bound: usize,
) -> Option<&'a mut V> {
    if !table.contains_key(key) {
        if table.len() >= bound {
            return None;
        }
        table.insert(key.clone(), V::default());
    }
    table.get_mut(key)
}

/// Whether both are of one packet and its repeats.
fn is_same_packet(one: &Sighting, other: &Sighting) -> bool {
    (one.way, one.part, one.seq, one.leg) == (other.way, other.part, other.seq, other.leg)
}

fn which_packets(trail: &Trail, entry: &Sighting) -> Packets {
    let is_tcp = trail.legs.get(entry.leg as usize).is_some_and(|leg| leg.protocol == Protocol::Tcp);
    let opens = if is_tcp { Part::Handshake } else { Part::Head };
    // A handshake on a proxy's leg is that leg's own.
    let is_own = entry.leg > 0 || (trail.is_first_of_leg && !trail.is_mid_stream);
    let is_first = entry.way == Way::Request && entry.part == opens && is_own;
    if is_first { Packets::First } else { Packets::Later }
}

#[cfg(test)]
mod tests;
