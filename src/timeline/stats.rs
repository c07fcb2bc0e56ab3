//! Percentiles over a recording: by stage and node, by path and route, and what a node's chains cost.
//!
//! A packet that opens a connection walks the node's nat chains; those after it are translated by conntrack
//! without them. So the cost of the chains is kept apart for first and for later packets.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;
use smallvec::SmallVec;

use crate::model::{
    Direction, Journey, NodeId, Outcome, Part, Protocol, Proxy, SECONDS, Sighting, Stage, State, Trail, Way,
};
use crate::timeline::Context;
use crate::timeline::delay::delays;
use crate::timeline::headline::is_bad;

/// Distinct stages (path, number, node) that are told apart; what is beyond is counted.
const STAGE_BOUND: usize = 2_000;
/// Distinct paths and routes, and nodes.
const PATH_BOUND: usize = 500;
/// Longer delays count as this one, in nanoseconds.
const LONGEST: u64 = 3_600 * SECONDS as u64;

/// Durations in nanoseconds, to two significant digits; the longest exactly.
#[derive(Clone, Debug)]
pub struct Series {
    histogram: Histogram<u32>,
    longest: i64,
}

impl Series {
    fn new() -> Option<Series> {
        Histogram::new_with_bounds(1, LONGEST, 2).ok().map(|histogram| Series { histogram, longest: 0 })
    }

    /// Negative durations, which clocks of two nodes may give, count as 0.
    fn add(&mut self, nanos: i64) {
        self.histogram.saturating_record(nanos.max(0) as u64);
        self.longest = self.longest.max(nanos);
    }

    fn merge(&mut self, other: &Series) {
        // All have the same bounds, so that nothing can fall outside.
        let merged = self.histogram.add(&other.histogram);
        debug_assert!(merged.is_ok(), "{merged:?}");
        self.longest = self.longest.max(other.longest);
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The duration that `percent` of all are not longer than.
    pub fn percentile(&self, percent: f64) -> i64 {
        (self.histogram.value_at_percentile(percent) as i64).min(self.longest)
    }

    pub fn max(&self) -> i64 {
        self.longest
    }
}

/// A stage of a path on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageKey {
    pub path: Arc<str>,
    pub stage: Stage,
    pub node: Option<NodeId>,
}

/// Journeys of one path and route.
#[derive(Clone, Debug)]
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

/// Everything that is counted over a recording; bounded.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    pub stages: BTreeMap<StageKey, Series>,
    pub paths: BTreeMap<(Arc<str>, Arc<str>), PathSeries>,
    /// From the sighting before a node's chains to the one after.
    pub chains: BTreeMap<(NodeId, Packets), Series>,
    /// How long each proxy kept requests, and answers.
    pub proxies: BTreeMap<ProxyKey, Series>,
    /// Delays that found no place under the bound.
    pub uncounted: u64,
}

impl Statistics {
    /// Counts a journey that will not change any more.
    pub fn add(&mut self, journey: &Journey, context: &Context<'_>) {
        self.add_path(journey);
        // The path is shared by threads, and costs each of them when its references are counted.
        let mut shared_key = None;
        let of_proxies: SmallVec<[State; 4]> =
            journey.visits().filter(|visit| visit.proxy.is_some()).map(|visit| visit.state).collect();
        for (visit, took) in delays(journey, context.clocks) {
            let Some(took) = took else { continue };
            // What lies around a proxy is only known to have taken no longer than the proxy with it.
            if visit.proxy.is_none() && of_proxies.contains(&visit.state) {
                continue;
            }
            let key = shared_key.get_or_insert_with(|| StageKey {
                path: Arc::clone(&journey.path),
                stage: visit.stage,
                node: visit.node,
            });
            (key.stage, key.node) = (visit.stage, visit.node);
            match series(&mut self.stages, key, STAGE_BOUND) {
                Some(series) => series.add(took.nanos),
                None => self.uncounted += 1,
            }
        }
        self.add_chains(&journey.trail, context);
        self.add_proxies(&journey.trail);
    }

    /// Counts everything that `other` counted.
    pub fn merge(&mut self, other: &Statistics) {
        self.uncounted += other.uncounted;
        for (key, more) in &other.stages {
            match series(&mut self.stages, key, STAGE_BOUND) {
                Some(series) => series.merge(more),
                None => self.uncounted += more.count(),
            }
        }
        for (key, more) in &other.chains {
            if let Some(series) = series(&mut self.chains, key, PATH_BOUND) {
                series.merge(more);
            }
        }
        for (key, more) in &other.proxies {
            if let Some(series) = series(&mut self.proxies, key, PATH_BOUND) {
                series.merge(more);
            }
        }
        for (key, more) in &other.paths {
            if let Some(path) = self.paths.get_mut(key) {
                path.journeys += more.journeys;
                path.bad += more.bad;
                path.durations.merge(&more.durations);
            } else if self.paths.len() < PATH_BOUND {
                self.paths.insert(key.clone(), more.clone());
            } else {
                self.uncounted += more.journeys;
            }
        }
    }

    fn add_path(&mut self, journey: &Journey) {
        let key = (Arc::clone(&journey.path), Arc::clone(&journey.route));
        if self.paths.len() >= PATH_BOUND && !self.paths.contains_key(&key) {
            self.uncounted += 1;
            return;
        }
        if !self.paths.contains_key(&key) {
            let Some(durations) = Series::new() else { return };
            self.paths.insert(key.clone(), PathSeries { journeys: 0, bad: 0, durations });
        }
        let Some(path) = self.paths.get_mut(&key) else { return };
        path.journeys += 1;
        path.bad += u64::from(is_bad(journey.verdict.outcome));
        if journey.verdict.outcome == Outcome::Complete {
            path.durations.add(journey.ended.since(journey.started));
        }
    }

    fn add_proxies(&mut self, trail: &Trail) {
        for hop in trail.hops.iter().filter(|hop| !hop.is_given_up) {
            for (way, kept) in [(Way::Request, hop.request_delay_ns), (Way::Reply, hop.reply_delay_ns)] {
                let key = ProxyKey { node: hop.node, kind: hop.proxy, way };
                if let Some(kept) = kept
                    && let Some(series) = series(&mut self.proxies, &key, PATH_BOUND)
                {
                    series.add(kept);
                }
            }
        }
    }

    /// Pairs each packet that entered a node with its way out of it. Both stamps are of one clock.
    fn add_chains(&mut self, trail: &Trail, context: &Context<'_>) {
        for (index, entry) in trail.sightings.iter().enumerate() {
            if entry.direction != Direction::In || entry.is_repeat {
                continue;
            }
            let node = context.node_of(entry.vantage);
            let same =
                |other: &&Sighting| is_same_packet(entry, other) && context.node_of(other.vantage) == node;
            // Where it was sent again first, its own way ended on the node.
            let next = trail.sightings[index + 1..].iter().find(same);
            let exit = next.filter(|exit| exit.direction == Direction::Out && !exit.is_repeat);
            let (Some(node), Some(exit)) = (node, exit) else { continue };
            let key = (node, which_packets(trail, entry));
            if let Some(series) = series(&mut self.chains, &key, PATH_BOUND) {
                series.add(exit.time.since(entry.time));
            }
        }
    }
}

/// The series of `key`; a new one where there are fewer than `bound`.
fn series<'a, K: Ord + Clone>(
    table: &'a mut BTreeMap<K, Series>,
    key: &K,
    bound: usize,
) -> Option<&'a mut Series> {
    if !table.contains_key(key) {
        if table.len() >= bound {
            return None;
        }
        table.insert(key.clone(), Series::new()?);
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
mod tests {
    use super::*;
    use crate::model::MICROS;
    use crate::timeline::{Manner, sample};

    fn counted() -> Statistics {
        sample::with_context(Manner::default(), |context| {
            let mut statistics = Statistics::default();
            for journey in sample::all() {
                statistics.add(&journey, context);
            }
            statistics
        })
    }

    #[test]
    fn parts_that_are_merged_count_what_the_whole_does() {
        let parts = sample::with_context(Manner::default(), |context| {
            let mut whole = Statistics::default();
            for journey in sample::all() {
                let mut part = Statistics::default();
                part.add(&journey, context);
                whole.merge(&part);
            }
            whole
        });
        let whole = counted();
        let stages = |counted: &Statistics| {
            let figures = |series: &Series| (series.count(), series.percentile(50.0), series.max());
            counted.stages.iter().map(|(key, series)| (key.clone(), figures(series))).collect::<Vec<_>>()
        };
        assert_eq!(stages(&parts), stages(&whole));
        let paths = |counted: &Statistics| {
            let figures = |path: &PathSeries| (path.journeys, path.bad, path.durations.count());
            counted.paths.iter().map(|(key, path)| (key.clone(), figures(path))).collect::<Vec<_>>()
        };
        assert_eq!(paths(&parts), paths(&whole));
        let chains = |counted: &Statistics| {
            counted.chains.iter().map(|(key, series)| (*key, series.count())).collect::<Vec<_>>()
        };
        assert_eq!(chains(&parts), chains(&whole));
    }

    #[test]
    fn stages_are_counted_by_path_and_node() {
        let statistics = counted();
        let key = |number, node| StageKey {
            path: "pod-to-service".into(),
            stage: Stage { way: Way::Request, number },
            node,
        };
        let series = &statistics.stages[&key(8, Some(sample::B))];
        assert_eq!(series.count(), 3, "two across and the refused one");
        assert!((50 * MICROS..52 * MICROS).contains(&series.percentile(50.0)), "{}", series.percentile(50.0));
        assert!(!statistics.stages.contains_key(&key(10, None)), "skipped stages have no delay");
    }

    #[test]
    fn proxies_are_counted_by_node_kind_and_way() {
        let statistics = sample::with_context(Manner::default(), |context| {
            let mut whole = Statistics::default();
            for journey in sample::proxies::all() {
                let mut part = Statistics::default();
                part.add(&journey, context);
                whole.merge(&part);
            }
            whole
        });
        let counted: Vec<_> = statistics
            .proxies
            .iter()
            .map(|(key, series)| (key.node, key.kind, key.way, series.count(), series.max() / MICROS))
            .collect();
        assert_eq!(
            counted,
            [
                (Some(sample::A), Proxy::Haproxy, Way::Request, 4, 620),
                (Some(sample::A), Proxy::Haproxy, Way::Reply, 4, 90),
                // The try that was given up does not count.
                (Some(sample::B), Proxy::Traefik, Way::Request, 3, 1_410),
                (Some(sample::B), Proxy::Traefik, Way::Reply, 2, 380),
            ]
        );
    }

    #[test]
    fn journeys_are_counted_by_path_and_route() {
        let statistics = counted();
        let across = &statistics.paths[&("pod-to-service".into(), "other-node".into())];
        assert_eq!((across.journeys, across.bad, across.durations.count()), (3, 1, 2));
    }

    #[test]
    fn chains_are_measured_on_one_node_and_by_kind_of_packet() {
        let statistics = counted();
        let first = &statistics.chains[&(sample::A, Packets::First)];
        // The lookup and the lost SYN: 21 and 44 µs.
        assert_eq!(first.count(), 2);
        let later = &statistics.chains[&(sample::B, Packets::Later)];
        assert!(later.count() >= 4 && later.max() < 40 * MICROS, "{} {}", later.count(), later.max());
    }

    #[test]
    fn a_packet_lost_on_the_node_is_not_timed_by_its_repeat() {
        use Direction::{In, Out};
        use sample::{BOND_A, CART};
        sample::with_context(Manner::default(), |context| {
            let server = sample::endpoint("10.244.2.33", 9090);
            let leg = sample::leg(Protocol::Tcp, sample::endpoint("10.244.1.17", 51_044), server, server);
            let exchange = sample::http("GET", "/", Some(200));
            let journey = sample::Builder::new(1, "test", "test", sample::START, leg, exchange)
                .sighting(Way::Request, CART, In, 0, Part::Head)
                .sighting(Way::Request, CART, In, 200_000, Part::Head)
                .sighting(Way::Request, BOND_A, Out, 200_030, Part::Head)
                .trail(|trail| trail.sightings[1].is_repeat = true)
                .done(sample::verdict(Outcome::Complete, ""));
            let mut statistics = Statistics::default();
            statistics.add(&journey, context);
            assert!(statistics.chains.is_empty(), "{:?}", statistics.chains.keys());
        });
    }

    #[test]
    fn distinct_stages_are_bounded_and_the_rest_is_counted() {
        sample::with_context(Manner::default(), |context| {
            let mut statistics = Statistics::default();
            for index in 0..300 {
                let mut journey = sample::other_node(index, sample::START);
                journey.path = format!("path-{index}").into();
                statistics.add(&journey, context);
            }
            assert_eq!(statistics.stages.len(), STAGE_BOUND);
            assert!(statistics.uncounted > 0);
        });
    }
}
