//! How long each stage took.

use crate::model::{Clocks, Journey, NodeId, State, Timestamp, Visit};
use crate::timeline::proxies::own_time;

/// A stage's delay: from the sighting before it on the way; for a stage between two sightings, the interval; at a
/// proxy, how long it kept what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// Negative where two nodes' clocks disagree by more than the way took.
    pub nanos: i64,
    /// The stage is bounded: it took this or less.
    pub is_at_most: bool,
    /// The two sightings are on different nodes, and the clocks' error is as large as the figure.
    pub is_uncertain: bool,
}

/// The journey's visits in order, each with its delay; the first sighting has none.
pub fn delays<'a>(
    journey: &'a Journey,
    clocks: &'a Clocks,
) -> impl Iterator<Item = (&'a Visit, Option<Took>)> {
    let mut last: Option<(Timestamp, Option<NodeId>)> = None;
    journey.visits().map(move |visit| {
        let took = match visit.state {
            State::Seen { time } => last.map(|(before, node)| {
                let nanos = time.since(before);
                let error = clock_error(clocks, node, visit.node);
                Took {
                    nanos,
                    is_at_most: false,
                    is_uncertain: error.is_none_or(|error| error > 0 && error >= nanos.abs()),
                }
            }),
            State::Bounded { after, before } => match own_time(journey, visit) {
                Some(nanos) => Some(Took { nanos, is_at_most: false, is_uncertain: false }),
                None => interval(after, before),
            },
            _ => None,
        };
        if let State::Seen { time } = visit.state {
            last = Some((time, visit.node));
        }
        (visit, took)
    })
}

/// The interval of a stage between two sightings; nothing where one of them was never made.
fn interval(after: Timestamp, before: Timestamp) -> Option<Took> {
    let is_whole = after != State::OPEN_START && before != State::OPEN_END && before > after;
    is_whole.then(|| Took { nanos: before.since(after), is_at_most: true, is_uncertain: false })
}

/// By how much a difference between stamps of two nodes may be wrong; `None` where nothing bounds it.
fn clock_error(clocks: &Clocks, one: Option<NodeId>, other: Option<NodeId>) -> Option<i64> {
    let (Some(one), Some(other)) = (one, other) else { return Some(0) };
    if one == other {
        return Some(0);
    }
    let error = |node: NodeId| match clocks.fits.get(node.0 as usize) {
        Some(fit) if node.0 != 0 => fit.error_ns,
        _ => Some(0),
    };
    Some(error(one)? + error(other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MICROS, Way};
    use crate::timeline::sample;

    #[test]
    fn an_interval_that_is_open_at_one_side_has_no_length() {
        assert_eq!(interval(State::OPEN_START, Timestamp(5)), None);
        assert_eq!(interval(Timestamp(5), State::OPEN_END), None);
        assert_eq!(interval(Timestamp(5), Timestamp(9)).map(|took| took.nanos), Some(4));
    }

    #[test]
    fn a_stage_is_measured_from_the_sighting_before_it() {
        let journey = sample::other_node(1, sample::START);
        let clocks = sample::clocks();
        let took: Vec<_> = delays(&journey, &clocks)
            .filter(|(visit, _)| visit.stage.way == Way::Request)
            .map(|(visit, took)| {
                (
                    visit.stage.number,
                    took.map(|took| (took.nanos / MICROS, took.is_at_most, took.is_uncertain)),
                )
            })
            .collect();
        assert_eq!(
            took,
            [
                (1, None),
                (2, Some((0, false, false))),
                (3, Some((412, false, false))),
                (4, Some((118, false, false))),
                (5, Some((74, true, false))),
                (7, Some((74, false, false))),
                (8, Some((51, false, false))),
                (10, None),
                (6, Some((16, false, false))),
                (9, Some((729, true, false))),
            ]
        );
    }

    #[test]
    fn a_hop_shorter_than_the_clocks_error_is_uncertain() {
        let journey = sample::other_node(1, sample::START);
        let mut clocks = sample::clocks();
        let across = |clocks: &Clocks| {
            delays(&journey, clocks)
                .find(|(visit, _)| visit.stage.number == 8)
                .and_then(|(_, took)| took)
                .map(|took| took.is_uncertain)
        };
        assert_eq!(across(&clocks), Some(false));
        clocks.fits[1].error_ns = Some(51 * MICROS);
        assert_eq!(across(&clocks), Some(true));
        clocks.fits[1].error_ns = None;
        assert_eq!(across(&clocks), Some(true));
    }
}
