//! The ladder of one journey: a column a point, time runs down, and only what was seen is an arrow.
//!
//! ```text
//!                               kappa1                           kappa2
//!                    cart   cali6f1d   kernel   bond1   switch   bond1   kernel   cali90aa   stock
//!  ④ to the Service    │───── ④ ──►│       │       │        │        │       │         │        │     530 µs
//!  ⑤ DNAT              │           │┄ ⑤ ┄►│       │        │        │       │         │        │
//! ```
//! A proxy has two columns, one for each of its sides, and what joins them is drawn between: `═` for a sure join,
//! `─` for a likely one, `┄` with its percentage for an ambiguous one.

mod frame;
mod slim;

use crate::model::{Direction, Endpoint, Grade, Journey, NodeId, Proxy, Role, State, VantageId, Visit, Way};
use crate::timeline::delay::Took;
use crate::timeline::headline::state_tone;
use crate::timeline::points::with_points;
use crate::timeline::proxies::{depths, hop, percent};
use crate::timeline::units::Unit;
use crate::timeline::waterfall::{PointKind, Waterfall, point_kind};
use crate::timeline::words::Word;
use crate::timeline::{Context, Tone, ends, proxy_name};

/// What a column stands for. A point that is passed on several legs has a column for each, told apart by how many
/// proxies lie before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Client,
    Interface(VantageId, usize),
    Kernel(NodeId, usize),
    Switch(usize),
    /// A proxy's side towards the client, and the one towards the server.
    Proxy(Proxy, usize, Side),
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// How a step is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    Seen,
    Bounded,
    Waiting,
    Missing,
    Outside,
}

/// One visit as a step between two columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub way: Way,
    pub mark: String,
    pub label: String,
    /// Indexes into [`Ladder::columns`].
    pub from: usize,
    pub to: usize,
    pub stroke: Stroke,
    pub tone: Tone,
    /// Nanoseconds from the start.
    pub at: Option<i64>,
    pub took: Option<Took>,
    /// Whose own time it took; empty for time on the way.
    pub owner: &'static str,
    /// At a proxy, how it goes on.
    pub join: Option<Join>,
}

/// A proxy's two sides, joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The column of the far side.
    pub to: usize,
    pub grade: Grade,
    /// How sure it is, where it is not sure.
    pub percent: String,
}

/// Columns and steps, independent of any width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    pub columns: Vec<Point>,
    pub steps: Vec<Step>,
    unit: Unit,
}

impl Ladder {
    pub fn new(journey: &Journey, context: &Context<'_>) -> Ladder {
        let journey = &*with_points(journey, context);
        let columns = columns(journey, context);
        let waterfall = Waterfall::new(journey, context, false);
        let mut place = 0;
        let steps = shown(journey)
            .zip(&waterfall.rows)
            .map(|((index, visit, depth), row)| {
                let to = point(journey, index, visit, depth)
                    .and_then(|point| column(&columns, point))
                    .unwrap_or(place);
                let from = origin(&columns, to, visit).unwrap_or(place);
                let join = join(journey, visit, &columns, depth);
                place = join.as_ref().map_or(to, |join| join.to);
                Step {
                    way: visit.stage.way,
                    mark: row.mark.to_string(),
                    label: row.label.to_string(),
                    from,
                    to,
                    stroke: stroke(&visit.state),
                    tone: state_tone(&visit.state, visit.stage.way),
                    at: row.at,
                    took: row.took,
                    owner: row.owner,
                    join,
                }
            })
            .collect();
        Ladder { columns, steps, unit: waterfall.at }
    }

    /// The step where the journey stopped.
    pub fn stop(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.stroke == Stroke::Missing)
    }
}

/// The visits that the route passes: place, visit, and how many proxies lie before it.
fn shown(journey: &Journey) -> impl Iterator<Item = (usize, &Visit, usize)> {
    let visits = journey.visits().zip(depths(journey)).enumerate();
    visits
        .filter(|(_, (visit, _))| !matches!(visit.state, State::Skipped))
        .map(|(index, (visit, depth))| (index, visit, depth))
}

const fn stroke(state: &State) -> Stroke {
    match state {
        State::Seen { .. } => Stroke::Seen,
        State::Bounded { .. } => Stroke::Bounded,
        State::Waiting => Stroke::Waiting,
        State::Missing => Stroke::Missing,
        State::Outside | State::Skipped => Stroke::Outside,
    }
}

fn point(journey: &Journey, index: usize, visit: &Visit, depth: usize) -> Option<Point> {
    if let Some(proxy) = visit.proxy {
        return Some(match visit.stage.way {
            Way::Request => Point::Proxy(proxy.kind, depth, Side::Client),
            // The answer comes in on the far side of the proxy that opened the leg.
            Way::Reply => Point::Proxy(proxy.kind, depth.saturating_sub(1), Side::Server),
        });
    }
    match (visit.vantage, point_kind(journey, index, visit), visit.node) {
        (Some(vantage), _, _) => Some(Point::Interface(vantage, depth)),
        (None, PointKind::Kernel, Some(node)) => Some(Point::Kernel(node, depth)),
        (None, PointKind::Server, _) => Some(Point::Server),
        (None, PointKind::Client, _) => Some(Point::Client),
        (None, PointKind::Switch, _) => Some(Point::Switch(depth)),
        (None, _, _) => None,
    }
}

fn column(columns: &[Point], point: Point) -> Option<usize> {
    columns.iter().position(|&column| column == point)
}

/// The proxy's step to its other side.
fn join(journey: &Journey, visit: &Visit, columns: &[Point], depth: usize) -> Option<Join> {
    let hop = hop(journey, visit).filter(|_| matches!(visit.state, State::Bounded { .. }))?;
    let far = match visit.stage.way {
        Way::Request => Point::Proxy(hop.join.proxy, depth, Side::Server),
        Way::Reply => Point::Proxy(hop.join.proxy, depth.saturating_sub(1), Side::Client),
    };
    let grade = hop.join.confidence.grade();
    let percent = if grade == Grade::Sure { String::new() } else { percent(hop) };
    Some(Join { to: column(columns, far)?, grade, percent })
}

/// The columns in the order the request meets them; between two interfaces of a node its kernel, between two
/// nodes the switch.
fn columns(journey: &Journey, context: &Context<'_>) -> Vec<Point> {
    let mut columns = vec![Point::Client];
    let mut last_node = None;
    let mut ends_at_proxy = false;
    for (index, visit, depth) in shown(journey) {
        let Some(point) = point(journey, index, visit, depth) else { continue };
        let node = match point {
            Point::Interface(vantage, _) => context.node_of(vantage),
            Point::Kernel(node, _) => Some(node),
            Point::Proxy(..) => visit.node,
            _ => None,
        };
        if column(&columns, point).is_none() && point != Point::Server {
            match (last_node, node, columns.last()) {
                (Some(last), Some(node), Some(&before @ Point::Interface(..)))
                    if last == node
                        && !matches!(point, Point::Kernel(..) | Point::Proxy(..))
                        && !is_encapsulation(before, point, context) =>
                {
                    add(&mut columns, Point::Kernel(node, depth));
                }
                (Some(last), Some(node), _) if last != node => add(&mut columns, Point::Switch(depth)),
                _ => {}
            }
            add(&mut columns, point);
        }
        if let Point::Proxy(kind, depth, Side::Client) = point {
            ends_at_proxy = visit.proxy.is_some_and(|proxy| proxy.hop.is_none());
            if !ends_at_proxy {
                add(&mut columns, Point::Proxy(kind, depth, Side::Server));
            }
        }
        last_node = node.or(last_node);
    }
    if !ends_at_proxy {
        columns.push(Point::Server);
    }
    columns
}

/// Between a tunnel's device and the uplink a packet is put into another one, or taken out; it is routed on the
/// device's other side.
fn is_encapsulation(one: Point, other: Point, context: &Context<'_>) -> bool {
    let role = |point| match point {
        Point::Interface(vantage, _) => Some(context.topology.vantage(vantage).role),
        _ => None,
    };
    let roles = [role(one), role(other)];
    roles.contains(&Some(Role::Tunnel)) && roles.contains(&Some(Role::Uplink))
}

fn add(columns: &mut Vec<Point>, point: Point) {
    if !columns.contains(&point) {
        columns.push(point);
    }
}

/// Where a packet that enters a node came from, where that is clear: the pod behind the interface, or the client.
fn origin(columns: &[Point], to: usize, visit: &Visit) -> Option<usize> {
    if visit.direction != Some(Direction::In) {
        return None;
    }
    match visit.stage.way {
        Way::Request if to == 1 => Some(0),
        Way::Reply if to + 2 == columns.len() && columns.last() == Some(&Point::Server) => {
            Some(columns.len() - 1)
        }
        _ => None,
    }
}

/// What a column is called.
pub(super) fn point_name(point: Point, journey: &Journey, context: &Context<'_>) -> String {
    let manner = context.manner;
    let (ends, context) = (ends(&journey.trail), context.of(journey));
    let end = |endpoint: Option<Endpoint>, word: Word| {
        endpoint.map_or_else(
            || manner.word(word).to_owned(),
            |endpoint| context.short(Endpoint::new(endpoint.ip, 0)).into_owned(),
        )
    };
    match point {
        Point::Client => end(ends.client, Word::Client),
        Point::Server => end(ends.server, Word::Endpoint),
        Point::Interface(vantage, _) => manner.text(context.interface(vantage)).into_owned(),
        Point::Proxy(kind, ..) => proxy_name(kind, manner).to_owned(),
        Point::Kernel(..) => manner.word(Word::Kernel).to_owned(),
        Point::Switch(_) => manner.word(Word::Switch).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sighting, Vantage};
    use crate::timeline::{Language, Manner, sample};

    fn drawn(journey: &Journey, manner: Manner, width: usize) -> String {
        sample::with_context(manner, |context| {
            let (head, steps) = Ladder::new(journey, context).lines(journey, context, width);
            head.iter().chain(&steps).map(|line| line.text().trim_end().to_owned() + "\n").collect()
        })
    }

    #[test]
    fn columns_are_the_points_of_the_way() {
        use Point::{Client, Interface, Kernel, Server, Switch};
        use sample::{A, B, BOND_A, BOND_B, CART, DNS, STOCK};
        sample::with_context(Manner::default(), |context| {
            let of = |journey: &Journey| Ladder::new(journey, context).columns;
            let across = [
                Client,
                Interface(CART, 0),
                Kernel(A, 0),
                Interface(BOND_A, 0),
                Switch(0),
                Interface(BOND_B, 0),
                Kernel(B, 0),
                Interface(STOCK, 0),
                Server,
            ];
            assert_eq!(of(&sample::other_node(1, sample::START)), across);
            let within = [Client, Interface(CART, 0), Kernel(A, 0), Interface(DNS, 0), Server];
            assert_eq!(of(&sample::same_node(1, sample::START)), within);
        });
    }

    #[test]
    fn a_tunnels_device_stands_beside_the_uplink() {
        use Point::{Interface, Kernel};
        use sample::{B, BOND_B, STOCK};
        sample::with_context(Manner::default(), |context| {
            let mut topology = context.topology.clone();
            let tunnel = VantageId(topology.vantages.len() as u16);
            let (interface, role) = ("vxlan.calico".to_owned(), Role::Tunnel);
            topology.vantages.push(Vantage { interface, role, ..topology.vantage(BOND_B).clone() });
            let mut journey = sample::other_node(1, sample::START);
            let trail = std::sync::Arc::make_mut(&mut journey.trail);
            for entry in trail.sightings.clone().into_iter().filter(|it| it.vantage == BOND_B) {
                let step = if entry.direction == Direction::In { 1 } else { -1 };
                let time = entry.time.plus(step);
                trail.sightings.push(Sighting { time, vantage: tunnel, ..entry });
            }
            let ladder = Ladder::new(&journey, &Context { topology: &topology, ..*context });
            let at = ladder.columns.iter().position(|&point| point == Interface(BOND_B, 0)).expect("bond1");
            let expected = [Interface(BOND_B, 0), Interface(tunnel, 0), Kernel(B, 0), Interface(STOCK, 0)];
            assert_eq!(ladder.columns[at..at + 4], expected);
        });
    }

    #[test]
    fn only_what_was_seen_is_a_solid_arrow() {
        use Stroke::{Bounded, Missing, Outside, Seen};
        sample::with_context(Manner::default(), |context| {
            let ladder = Ladder::new(&sample::lost(1, sample::START), context);
            let strokes: Vec<_> = ladder.steps.iter().map(|step| step.stroke).collect();
            assert_eq!(strokes, [Seen, Bounded, Bounded, Bounded, Seen, Bounded, Seen, Missing, Outside]);
            assert_eq!(ladder.stop(), Some(7));
        });
    }

    #[test]
    fn ladders_are_drawn() {
        let all: Vec<String> =
            sample::all().iter().map(|journey| drawn(journey, Manner::default(), 150)).collect();
        insta::assert_snapshot!("ladders", all.join("\n"));
        insta::assert_snapshot!(
            "ladder_narrow",
            drawn(&sample::other_node(1, sample::START), Manner::default(), 78)
        );
        insta::assert_snapshot!(
            "ladder_zh",
            drawn(&sample::other_node(1, sample::START), Manner::new(Language::Zh), 150)
        );
        let ascii = drawn(&sample::other_node(1, sample::START), Manner::ascii(), 120);
        assert!(ascii.is_ascii(), "{ascii}");
        insta::assert_snapshot!("ladder_ascii", ascii);
    }

    #[test]
    fn proxies_have_two_sides_and_joins_a_look_of_their_own() {
        let all = sample::proxies::all();
        let wide: Vec<String> = all.iter().map(|journey| drawn(journey, Manner::default(), 150)).collect();
        insta::assert_snapshot!("ladders_proxies", wide.join("\n"));
        insta::assert_snapshot!("ladder_proxies_narrow", drawn(&all[0], Manner::default(), 78));
        insta::assert_snapshot!("ladder_proxies_zh", drawn(&all[0], Manner::new(Language::Zh), 158));
        let ascii = drawn(&all[0], Manner::ascii(), 150);
        assert!(ascii.is_ascii(), "{ascii}");
        insta::assert_snapshot!("ladder_proxies_ascii", ascii);
    }

    proptest::proptest! {
        /// Whatever is missing of it, and however strange its hops are.
        #[test]
        fn any_trail_through_proxies_is_drawn(
            which in 0usize..4,
            lost in proptest::collection::vec(proptest::bool::weighted(0.3), 20),
            froms in proptest::collection::vec(0u8..5, 3),
            given_up in proptest::collection::vec(proptest::bool::ANY, 3),
            width in 0usize..200,
        ) {
            let mut trail = (*sample::proxies::all()[which].trail).clone();
            let mut lost = lost.into_iter().chain(std::iter::repeat(false));
            trail.sightings.retain(|_| !lost.next().unwrap_or(false));
            for (hop, (from, given_up)) in trail.hops.iter_mut().zip(froms.into_iter().zip(given_up)) {
                (hop.from_leg, hop.join.is_given_up) = (from, given_up);
            }
            let journey = sample::proxies::placed(trail);
            for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
                sample::with_context(manner, |context| {
                    let (head, steps) = Ladder::new(&journey, context).lines(&journey, context, width);
                    let (first, rows) = Waterfall::new(&journey, context, true).lines(context, width, 0);
                    let told = crate::timeline::evidence::lines(&journey, context, width);
                    let all = head.iter().chain(&steps).chain(&rows).chain(&told);
                    assert!(first.width() <= width && all.clone().all(|line| line.width() <= width));
                    assert!(!manner.is_ascii() || all.clone().all(|line| line.text().is_ascii()));
                });
            }
        }

        #[test]
        fn no_line_is_wider_than_asked(width in 0usize..260) {
            for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
                sample::with_context(manner, |context| {
                    for journey in sample::all().into_iter().chain(sample::proxies::all()) {
                        let (head, steps) = Ladder::new(&journey, context).lines(&journey, context, width);
                        assert!(head.iter().chain(&steps).all(|line| line.width() <= width));
                    }
                });
            }
        }
    }
}
