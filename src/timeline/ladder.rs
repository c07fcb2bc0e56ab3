//! The ladder of one journey: a column a point, time runs down, and only what was seen is an arrow.
//!
//! ```text
//!                               kappa1                           kappa2
//!                    cart   cali6f1d   kernel   bond1   switch   bond1   kernel   cali90aa   stock
//!  ④ to the Service    │───── ④ ──►│       │       │        │        │       │         │        │     530 µs
//!  ⑤ DNAT              │           │┄ ⑤ ┄►│       │        │        │       │         │        │
//! ```

mod frame;

use crate::model::{Direction, Journey, NodeId, State, VantageId, Visit, Way};
use crate::timeline::headline::state_tone;
use crate::timeline::points::with_points;
use crate::timeline::units::Unit;
use crate::timeline::waterfall::{PointKind, Waterfall, point_kind};
use crate::timeline::{Context, Tone};

/// What a column stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Client,
    Interface(VantageId),
    Kernel(NodeId),
    Switch,
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
    pub mark: String,
    pub label: String,
    /// Indexes into [`Ladder::columns`].
    pub from: usize,
    pub to: usize,
    pub stroke: Stroke,
    pub tone: Tone,
    /// Nanoseconds from the start.
    pub at: Option<i64>,
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
        let shown = journey.visits().enumerate().filter(|(_, visit)| !matches!(visit.state, State::Skipped));
        let mut place = 0;
        let steps = shown
            .zip(&waterfall.rows)
            .map(|((index, visit), row)| {
                let to =
                    point(journey, index, visit).and_then(|point| column(&columns, point)).unwrap_or(place);
                let from = origin(&columns, to, visit).unwrap_or(place);
                place = to;
                Step {
                    mark: row.mark.to_string(),
                    label: row.label.to_string(),
                    from,
                    to,
                    stroke: stroke(&visit.state),
                    tone: state_tone(&visit.state, visit.stage.way),
                    at: row.at,
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

const fn stroke(state: &State) -> Stroke {
    match state {
        State::Seen { .. } => Stroke::Seen,
        State::Bounded { .. } => Stroke::Bounded,
        State::Waiting => Stroke::Waiting,
        State::Missing => Stroke::Missing,
        State::Outside | State::Skipped => Stroke::Outside,
    }
}

fn point(journey: &Journey, index: usize, visit: &Visit) -> Option<Point> {
    match (visit.vantage, point_kind(journey, index, visit), visit.node) {
        (Some(vantage), _, _) => Some(Point::Interface(vantage)),
        (None, PointKind::Kernel, Some(node)) => Some(Point::Kernel(node)),
        (None, PointKind::Server, _) => Some(Point::Server),
        (None, PointKind::Client, _) => Some(Point::Client),
        (None, PointKind::Switch, _) => Some(Point::Switch),
        (None, _, _) => None,
    }
}

fn column(columns: &[Point], point: Point) -> Option<usize> {
    columns.iter().position(|&column| column == point)
}

/// The columns in the order the request meets them; between two interfaces of a node its kernel, between two
/// nodes the switch.
fn columns(journey: &Journey, context: &Context<'_>) -> Vec<Point> {
    let mut columns = vec![Point::Client];
    let mut last_node = None;
    for (index, visit) in journey.visits().enumerate() {
        if matches!(visit.state, State::Skipped) {
            continue;
        }
        let Some(point) = point(journey, index, visit) else { continue };
        let node = match point {
            Point::Interface(vantage) => context.node_of(vantage),
            Point::Kernel(node) => Some(node),
            _ => None,
        };
        if column(&columns, point).is_none() && point != Point::Server {
            match (last_node, node, columns.last()) {
                (Some(last), Some(node), Some(Point::Interface(_)))
                    if last == node && point != Point::Kernel(node) =>
                {
                    add(&mut columns, Point::Kernel(node));
                }
                (Some(last), Some(node), _) if last != node => add(&mut columns, Point::Switch),
                _ => {}
            }
            add(&mut columns, point);
        }
        last_node = node.or(last_node);
    }
    columns.push(Point::Server);
    columns
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
        Way::Reply if to + 2 == columns.len() => Some(columns.len() - 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
                Interface(CART),
                Kernel(A),
                Interface(BOND_A),
                Switch,
                Interface(BOND_B),
                Kernel(B),
                Interface(STOCK),
                Server,
            ];
            assert_eq!(of(&sample::other_node(1, sample::START)), across);
            let within = [Client, Interface(CART), Kernel(A), Interface(DNS), Server];
            assert_eq!(of(&sample::same_node(1, sample::START)), within);
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

    proptest::proptest! {
        #[test]
        fn no_line_is_wider_than_asked(width in 0usize..260) {
            for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
                sample::with_context(manner, |context| {
                    for journey in sample::all() {
                        let (head, steps) = Ladder::new(&journey, context).lines(&journey, context, width);
                        assert!(head.iter().chain(&steps).all(|line| line.width() <= width));
                    }
                });
            }
        }
    }
}
