//! The map of one journey's path: the places as boxes in the order the request meets them, nodes around those that
//! are on them, the numbered stages where they happen, and where the packet is or where it stopped.
//!
//! ```text
//!           ╭─ kappa1 ───────────────────────────────────────╮
//!           │ [cart]    [cali6f1d…]   [kernel]    [bond1]    │   [switch]
//!           │    ✓                                           │
//!           │    │────►  ④ ┄┄┄┄┄┄┄┄┄┄► ⑤░ ──74 µs──► ⑦ ──────│─────────────────►
//!           │   (6)· ◄─ (5) ◄─────────────336 µs─── (4) ◄────│──────────────────
//!           ╰────────────────────────────────────────────────╯
//! ```

mod sheet;

use crate::model::{Grade, Ip, Journey, NodeId, Outcome, Phase, PlaceKind, Timestamp, Visit, Way};
use crate::timeline::delay::Took;
use crate::timeline::headline::is_bad;
use crate::timeline::ladder::{Ladder, Point, Side, Step, Stroke, point_name};
use crate::timeline::proxies::depths;
use crate::timeline::waterfall::last_seen;
use crate::timeline::{Context, Tone, ends};

/// A box on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub name: String,
    /// The node it is on, where it is on one.
    pub node: Option<NodeId>,
    point: Point,
    /// Stages that happen here, of request and of answer.
    pub request: Vec<Mark>,
    pub reply: Vec<Mark>,
    /// How long it kept request and answer, where it is a proxy or the pod.
    pub own: Option<Took>,
    /// How its two sides are joined, where it is a proxy, and how sure that is.
    join: Option<(Grade, String)>,
}

/// A stage's number at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// With the sign of its state, except where that is the stroke's.
    pub text: String,
    pub stroke: Stroke,
    pub tone: Tone,
}

/// A step from one box to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    way: Way,
    from: usize,
    to: usize,
    stroke: Stroke,
    tone: Tone,
    took: Option<Took>,
}

/// What is told at a box: where the packet is, or was seen last, or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Arrived,
    /// The last sighting, and how long ago, where more may still come.
    LastSeen(Option<i64>),
    Stopped(Outcome),
}

/// Boxes and steps, independent of any width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub stops: Vec<Stop>,
    moves: Vec<Move>,
    /// Each with its box.
    pub signs: Vec<(usize, Sign)>,
    steps: Vec<Step>,
}

impl Map {
    /// `now` is the time on the reference clock up to which all is known, where there is one to tell ages by.
    pub fn new(journey: &Journey, context: &Context<'_>, now: Option<Timestamp>) -> Map {
        let ladder = Ladder::new(journey, context);
        let mut stops: Vec<Stop> = Vec::with_capacity(ladder.columns.len());
        // Both sides of a proxy are one box.
        let mut places = Vec::with_capacity(ladder.columns.len());
        for &point in &ladder.columns {
            if !is_far_side(point, stops.last()) {
                stops.push(Stop::new(point, journey, context));
            }
            places.push(stops.len().saturating_sub(1));
        }
        let mut map = Map { stops, moves: Vec::new(), signs: Vec::new(), steps: ladder.steps };
        map.walk(&places);
        map.signs = signs(&map, journey, &places, now);
        map
    }

    fn walk(&mut self, places: &[usize]) {
        let last = self.steps.iter().rposition(|step| step.way == Way::Reply);
        for (index, step) in self.steps.iter().enumerate() {
            let (from, mut to) = (places[step.from], places[step.to]);
            if step.stroke == Stroke::Outside && from == to && from > 0 {
                // Nobody knows where it happened; the last of the answer is at the client.
                if last != Some(index) {
                    continue;
                }
                to = 0;
            }
            let mark = Mark { text: step.mark.clone(), stroke: step.stroke, tone: step.tone };
            let stop = &mut self.stops[to];
            if step.way == Way::Request { &mut stop.request } else { &mut stop.reply }.push(mark);
            if let Some(join) = &step.join {
                stop.join = Some((join.grade, join.percent.clone()));
            }
            if !step.owner.is_empty() {
                // The answer's first sighting tells how long what sent it took.
                let owner = if step.stroke == Stroke::Seen { from } else { to };
                add(&mut self.stops[owner].own, step.took);
            }
            if from != to {
                // What lies between two sightings, and what a box kept, is told at the step behind and at the box.
                let is_told = self.stops[from].own.is_some() || step.stroke != Stroke::Seen;
                let took = step.took.filter(|_| !is_told);
                let Step { way, stroke, tone, .. } = *step;
                self.moves.push(Move { way, from, to, stroke, tone, took });
            }
        }
    }

    fn position(&self, is_wanted: impl Fn(&Stop) -> bool) -> Option<usize> {
        self.stops.iter().position(is_wanted)
    }
}

impl Stop {
    fn new(point: Point, journey: &Journey, context: &Context<'_>) -> Stop {
        let ends = ends(&journey.trail);
        let node = match point {
            Point::Client => ends.client.and_then(|end| home(end.ip, context)),
            Point::Server => ends.server.and_then(|end| home(end.ip, context)),
            Point::Interface(vantage, _) => context.node_of(vantage),
            Point::Kernel(node, _) => Some(node),
            Point::Switch(_) => None,
            Point::Proxy(_, depth, _) => proxy_node(journey, depth),
        };
        Stop {
            name: point_name(point, journey, context),
            node,
            point,
            request: Vec::new(),
            reply: Vec::new(),
            own: None,
            join: None,
        }
    }
}

/// The node that an address is on: its pod's, or its own.
fn home(ip: Ip, context: &Context<'_>) -> Option<NodeId> {
    let topology = context.topology;
    topology.node_of_pod(ip).or_else(|| topology.node_addresses.get(&ip).copied())
}

/// The node of the proxy that `depth` others lie before.
fn proxy_node(journey: &Journey, depth: usize) -> Option<NodeId> {
    let mut visits = journey.visits().zip(depths(journey));
    let at =
        |visit: &Visit, of: usize| visit.proxy.is_some() && visit.stage.way == Way::Request && of == depth;
    visits.find(|&(visit, of)| at(visit, of)).and_then(|(visit, _)| visit.node)
}

/// Whether `point` is the side towards the server of the proxy at `last`.
fn is_far_side(point: Point, last: Option<&Stop>) -> bool {
    match (point, last.map(|stop| stop.point)) {
        (Point::Proxy(_, depth, Side::Server), Some(Point::Proxy(_, of, _))) => of == depth,
        _ => false,
    }
}

/// Adds up what is kept on the way there and on the way back.
fn add(sum: &mut Option<Took>, took: Option<Took>) {
    let Some(took) = took else { return };
    *sum = Some(match *sum {
        Some(before) => Took {
            nanos: before.nanos + took.nanos,
            is_at_most: before.is_at_most || took.is_at_most,
            is_uncertain: before.is_uncertain || took.is_uncertain,
        },
        None => took,
    });
}

/// Where the packet is told to be. Only what was seen is told as seen; where a journey stopped is its verdict's.
fn signs(map: &Map, journey: &Journey, places: &[usize], now: Option<Timestamp>) -> Vec<(usize, Sign)> {
    let last = map.steps.iter().rfind(|step| step.stroke == Stroke::Seen).map(|step| places[step.to]);
    let seen = last_seen(journey);
    let outcome = journey.verdict.outcome;
    let mut signs = Vec::new();
    match (outcome, last) {
        (Outcome::Complete, Some(last)) => signs.push((last, Sign::Arrived)),
        (_, Some(last)) => {
            let is_open = outcome == Outcome::Open && journey.trail.phase == Phase::Open;
            let age = now.zip(seen).filter(|_| is_open).map(|(now, seen)| now.since(seen).max(0));
            signs.push((last, Sign::LastSeen(age)));
        }
        (_, None) => {}
    }
    if is_bad(outcome)
        && let Some(stop) = stopped(map, journey, places)
    {
        signs.retain(|&(place, _)| place != stop);
        signs.push((stop, Sign::Stopped(outcome)));
    }
    signs
}

/// The box where a journey that did not end well stopped: of the first missing stage, else of the verdict's place.
fn stopped(map: &Map, journey: &Journey, places: &[usize]) -> Option<usize> {
    if let Some(missing) = map.steps.iter().find(|step| step.stroke == Stroke::Missing) {
        return Some(places[missing.to]);
    }
    let place = journey.verdict.place?;
    let is_there = |stop: &Stop| place.node.is_none() || stop.node == place.node;
    match place.kind {
        PlaceKind::Workload | PlaceKind::Dns => map.position(|stop| stop.point == Point::Server),
        PlaceKind::Client => map.position(|stop| stop.point == Point::Client),
        PlaceKind::Proxy => {
            map.stops.iter().rposition(|stop| matches!(stop.point, Point::Proxy(..)) && is_there(stop))
        }
        PlaceKind::Host => {
            let kernel = map.position(|stop| matches!(stop.point, Point::Kernel(..)) && is_there(stop));
            kernel.or_else(|| map.position(|stop| stop.node.is_some() && is_there(stop)))
        }
        PlaceKind::Fabric => map.position(|stop| matches!(stop.point, Point::Switch(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MILLIS;
    use crate::timeline::{Language, Manner, sample};

    fn drawn(journey: &Journey, manner: Manner, width: usize) -> String {
        sample::with_context(manner, |context| {
            let lines = Map::new(journey, context, None).lines(context, width);
            lines.iter().map(|line| line.text().trim_end().to_owned() + "\n").collect()
        })
    }

    #[test]
    fn maps_are_drawn() {
        let all: Vec<Journey> = sample::all().into_iter().chain(sample::proxies::all()).collect();
        let drawn_all = |manner, width| {
            all.iter().map(|journey| drawn(journey, manner, width)).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!("maps_wide", drawn_all(Manner::default(), 158));
        insta::assert_snapshot!("maps_narrow", drawn_all(Manner::default(), 78));
        insta::assert_snapshot!("maps_zh", drawn_all(Manner::new(Language::Zh), 100));
        let ascii = drawn_all(Manner::ascii(), 78);
        assert!(ascii.is_ascii(), "{ascii}");
        insta::assert_snapshot!("maps_ascii", ascii);
    }

    #[test]
    fn the_packet_is_told_where_it_was_seen_and_where_it_stopped() {
        sample::with_context(Manner::default(), |context| {
            let told = |journey: &Journey, now| {
                let map = Map::new(journey, context, now);
                map.signs.iter().map(|&(stop, sign)| (map.stops[stop].name.clone(), sign)).collect::<Vec<_>>()
            };
            let at = |name: &str, sign| (name.to_owned(), sign);
            let lost = told(&sample::lost(1, sample::START), None);
            let stopped = Sign::Stopped(Outcome::Lost);
            assert_eq!(lost, [at("bond1", Sign::LastSeen(None)), at("kernel", stopped)]);
            let refused = told(&sample::refused(1, sample::START), None);
            assert_eq!(refused.last(), Some(&at("stock-7d9c", Sign::Stopped(Outcome::Refused))));
            let complete = told(&sample::other_node(1, sample::START), None);
            assert_eq!(complete, [at("cali6f1d2a9c0e1", Sign::Arrived)]);
            let open = told(&sample::ping(1, sample::START), Some(sample::START.plus(2 * MILLIS)));
            assert_eq!(open, [at("cali90aa3e4f5d6", Sign::LastSeen(Some(1_991_000)))]);
        });
    }

    #[test]
    fn boxes_are_on_their_nodes() {
        use sample::{A, B};
        sample::with_context(Manner::default(), |context| {
            let map = Map::new(&sample::other_node(1, sample::START), context, None);
            let nodes: Vec<_> = map.stops.iter().map(|stop| stop.node).collect();
            let (a, b) = (Some(A), Some(B));
            assert_eq!(nodes, [a, a, a, a, None, b, b, b, b]);
            let own = map.stops.last().and_then(|stop| stop.own).map(|own| (own.nanos, own.is_at_most));
            assert_eq!(own, Some((729_000, true)));
        });
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_wider_than_asked(width in 0usize..260, which in 0usize..11) {
            for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
                sample::with_context(manner, |context| {
                    let all: Vec<Journey> = sample::all().into_iter().chain(sample::proxies::all()).collect();
                    let map = Map::new(&all[which], context, None);
                    let lines = map.lines(context, width);
                    assert!(lines.iter().all(|line| line.width() <= width));
                    assert!(map.stop(width).is_none_or(|stop| stop < lines.len()));
                });
            }
        }
    }
}
