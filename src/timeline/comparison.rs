//! Two journeys side by side: their stages in rows, what each took there, and the difference.
//!
//! ```text
//!       stage                        median    chosen   difference  faster │ slower
//!  ④    to the Service IP            118 µs    121 µs        +3 µs         │
//!  ⑤    DNAT to stock-7d9c         ≤ 74 µs  ≤ 2.91 ms     +2.84 ms         │░░░░░░░░░░
//! ▸⑦    leaves the node               74 µs   2.91 ms     +2.84 ms         │██████████
//! ```

mod lines;

use std::sync::Arc;

use crate::model::{Journey, Outcome, Part, Stage, State, Visit};
use crate::timeline::delay::Took;
use crate::timeline::points::with_points;
use crate::timeline::proxies::depths;
use crate::timeline::waterfall::{self, Waterfall, last_seen, origin};
use crate::timeline::words::Word;
use crate::timeline::{Context, Tone};

/// One journey at one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The stage's number with the sign of its state.
    mark: String,
    tone: Tone,
    /// Node and point.
    place: String,
    pub took: Option<Took>,
}

/// A stage that at least one of the two passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub label: String,
    pub other: Option<Side>,
    pub chosen: Option<Side>,
    /// Nanoseconds that the chosen one took longer.
    pub difference: Option<i64>,
    /// The clocks' error is larger than what either took.
    is_uncertain: bool,
    /// A proxy's or the pod's own time.
    is_own: bool,
    is_seen: bool,
    /// What of the whole difference this row makes; `None` where it is but a bound, or not known.
    share: Option<i64>,
}

/// Two journeys, aligned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub rows: Vec<Row>,
    /// The row that makes the largest difference.
    pub largest: Option<usize>,
    /// From start to end, where it went all the way: of the other one, and of the chosen one.
    pub totals: [Option<i64>; 2],
}

/// What makes a row of one journey the same as a row of another: the stage, behind as many proxies.
type Key = (Stage, usize);

impl Comparison {
    pub fn new(other: &Journey, chosen: &Journey, context: &Context<'_>) -> Comparison {
        let (one, two) = (with_points(other, context), with_points(chosen, context));
        let sides = [&*one, &*two].map(|journey| sides(journey, context));
        let mut rows: Vec<Row> = Vec::new();
        rows.extend(
            aligned(&sides[0], &sides[1])
                .into_iter()
                .map(|(left, right)| Row::new(left.map(|at| &sides[0][at]), right.map(|at| &sides[1][at]))),
        );
        share_out(&mut rows);
        if let Some(row) = around(lead_word(chosen), [other, chosen].map(lead), context) {
            rows.insert(0, row);
        }
        rows.extend(around(Word::Rest, [other, chosen].map(tail), context));
        let largest = (0..rows.len())
            .filter(|&at| rows[at].share.is_some_and(|share| share != 0))
            .max_by_key(|&at| rows[at].share.map(i64::abs));
        Comparison { rows, largest, totals: [total(other), total(chosen)] }
    }

    /// How much longer the chosen one took.
    pub fn difference(&self) -> Option<i64> {
        Some(self.totals[1]? - self.totals[0]?)
    }
}

/// The journey in the middle, by how long they took, of those that ended well on the same path and route as
/// `journey`, and how many there are; `journey` itself does not count.
pub fn median<'a>(
    journeys: impl Iterator<Item = &'a Arc<Journey>>,
    journey: &Journey,
) -> Option<(Arc<Journey>, usize)> {
    let is_alike = |it: &&Arc<Journey>| {
        it.id != journey.id
            && it.path == journey.path
            && it.route == journey.route
            && it.verdict.outcome == Outcome::Complete
    };
    let mut alike: Vec<&Arc<Journey>> = journeys.filter(is_alike).collect();
    let middle = alike.len().checked_sub(1)? / 2;
    let (_, median, _) = alike.select_nth_unstable_by_key(middle, |it| (it.ended.since(it.started), it.id));
    Some((Arc::clone(median), alike.len()))
}

/// A row of one journey before it is aligned.
struct One {
    key: Key,
    label: String,
    is_seen: bool,
    is_own: bool,
    side: Side,
}

fn sides(journey: &Journey, context: &Context<'_>) -> Vec<One> {
    let waterfall = Waterfall::new(journey, context, false);
    let visits = journey.visits().zip(depths(journey));
    let shown = visits.filter(|(visit, _)| !matches!(visit.state, State::Skipped));
    shown.zip(&waterfall.rows).map(|((visit, depth), row)| One::new(visit, depth, row)).collect()
}

impl One {
    fn new(visit: &Visit, depth: usize, row: &waterfall::Row<'_>) -> One {
        One {
            key: (visit.stage, depth),
            label: row.label.to_string(),
            is_seen: matches!(visit.state, State::Seen { .. }),
            is_own: !row.owner.is_empty(),
            side: Side {
                mark: row.mark.to_string(),
                tone: row.tone,
                place: format!("{} {}", row.node, row.point).trim().to_owned(),
                took: row.took,
            },
        }
    }
}

impl Row {
    fn new(other: Option<&One>, chosen: Option<&One>) -> Row {
        let took = |one: Option<&One>| one.and_then(|one| one.side.took);
        let both = took(other).zip(took(chosen));
        let is = |test: fn(&One) -> bool| [other, chosen].into_iter().flatten().any(test);
        // What only one passes took the other no time.
        let alone = |one: Option<&One>| took(one).filter(|took| !took.is_at_most).map(|took| took.nanos);
        let difference = match (other, chosen) {
            (None, one) => alone(one),
            (one, None) => alone(one).map(|nanos| -nanos),
            _ => both.map(|(one, two)| two.nanos - one.nanos),
        };
        let is_uncertain = both.is_some_and(|(one, two)| one.is_uncertain && two.is_uncertain);
        Row {
            label: chosen.or(other).map_or_else(String::new, |one| one.label.clone()),
            other: other.map(|one| one.side.clone()),
            chosen: chosen.map(|one| one.side.clone()),
            difference,
            is_uncertain,
            is_own: is(|one| one.is_own) && !is(|one| one.is_seen),
            is_seen: is(|one| one.is_seen),
            share: None,
        }
    }
}

/// Says what of the difference each row makes. A sighting behind a proxy tells how long the way took with the proxy,
/// so what the proxy kept is taken off; a stage that only one passes took the other no time.
fn share_out(rows: &mut [Row]) {
    let mut kept = [0; 2];
    for row in rows {
        let took = [&row.other, &row.chosen].map(|side| side.as_ref().and_then(|side| side.took));
        let is_told = took.iter().flatten().all(|took| !took.is_at_most) && took.iter().any(Option::is_some);
        let is_sure = took.iter().flatten().any(|took| !took.is_uncertain);
        let nanos = took.map(|took| took.map_or(0, |took| took.nanos));
        if row.is_own {
            kept = [kept[0] + nanos[0], kept[1] + nanos[1]];
        }
        let mut alone = nanos;
        if row.is_seen {
            for side in 0..2 {
                if took[side].is_some() {
                    alone[side] -= std::mem::take(&mut kept[side]);
                }
            }
        }
        let has_start = |side: &Option<Side>, took: Option<Took>| side.is_none() || took.is_some();
        let is_whole = has_start(&row.other, took[0]) && has_start(&row.chosen, took[1]);
        row.share =
            (is_told && is_sure && is_whole && (row.is_own || row.is_seen)).then(|| alone[1] - alone[0]);
    }
}

/// Pairs rows of the same key in their order: the longest common subsequence. What only one has stands alone.
fn aligned(one: &[One], two: &[One]) -> Vec<(Option<usize>, Option<usize>)> {
    let columns = two.len() + 1;
    let mut common = vec![0_u32; (one.len() + 1) * columns];
    for left in (0..one.len()).rev() {
        for right in (0..two.len()).rev() {
            let at = |left: usize, right: usize| common[left * columns + right];
            common[left * columns + right] = if one[left].key == two[right].key {
                at(left + 1, right + 1) + 1
            } else {
                at(left + 1, right).max(at(left, right + 1))
            };
        }
    }
    let (mut left, mut right) = (0, 0);
    let mut pairs = Vec::with_capacity(one.len().max(two.len()));
    while left < one.len() || right < two.len() {
        let at = |left: usize, right: usize| common[left * columns + right];
        if left < one.len() && right < two.len() && one[left].key == two[right].key {
            pairs.push((Some(left), Some(right)));
            (left, right) = (left + 1, right + 1);
        } else if right == two.len() || left < one.len() && at(left + 1, right) >= at(left, right + 1) {
            pairs.push((Some(left), None));
            left += 1;
        } else {
            pairs.push((None, Some(right)));
            right += 1;
        }
    }
    pairs
}

/// What of an exchange is not followed, where one of the two has such a time.
fn around(word: Word, nanos: [i64; 2], context: &Context<'_>) -> Option<Row> {
    let side = |nanos: i64| {
        let took = Some(Took { nanos, is_at_most: false, is_uncertain: false });
        Side { mark: String::new(), tone: Tone::Dim, place: String::new(), took }
    };
    let difference = nanos[1] - nanos[0];
    nanos.iter().any(|&nanos| nanos > 0).then(|| Row {
        label: context.manner.word(word).to_owned(),
        other: Some(side(nanos[0])),
        chosen: Some(side(nanos[1])),
        difference: Some(difference),
        is_uncertain: false,
        is_own: false,
        is_seen: false,
        share: Some(difference),
    })
}

fn lead_word(journey: &Journey) -> Word {
    let has_handshake = journey.trail.sightings.iter().any(|sighting| sighting.part == Part::Handshake);
    if has_handshake { Word::Handshake } else { Word::Earlier }
}

/// Nanoseconds before the first sighting that is followed.
fn lead(journey: &Journey) -> i64 {
    origin(journey).since(journey.started).max(0)
}

/// Nanoseconds after the last sighting that is followed.
fn tail(journey: &Journey) -> i64 {
    match (last_seen(journey), journey.verdict.outcome) {
        (Some(last), outcome) if outcome != Outcome::Lost => journey.ended.since(last).max(0),
        _ => 0,
    }
}

fn total(journey: &Journey) -> Option<i64> {
    let is_whole = !matches!(journey.verdict.outcome, Outcome::Lost | Outcome::Open);
    is_whole.then(|| journey.ended.since(journey.started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MICROS, SECONDS, Timestamp};
    use crate::timeline::{Language, Manner, sample};

    /// `journey` with everything from the visit `index` on later by `micros`.
    fn slowed(mut journey: Journey, index: usize, micros: i64) -> Journey {
        let late = |time: &mut Timestamp| *time = time.plus(micros * MICROS);
        for visit in journey.request.iter_mut().chain(&mut journey.reply).skip(index) {
            match &mut visit.state {
                State::Seen { time } => late(time),
                State::Bounded { after, before } => {
                    late(after);
                    late(before);
                }
                _ => {}
            }
        }
        if let Some(State::Bounded { before, .. }) =
            journey.request.get_mut(index - 1).map(|visit| &mut visit.state)
        {
            late(before);
        }
        let first = journey.visits().nth(index).and_then(|visit| visit.sighting).unwrap_or_default();
        let trail = Arc::make_mut(&mut journey.trail);
        trail.sightings.iter_mut().skip(first as usize).for_each(|sighting| late(&mut sighting.time));
        late(&mut journey.ended);
        journey
    }

    fn drawn(other: &Journey, chosen: &Journey, manner: Manner, width: usize) -> String {
        sample::with_context(manner, |context| {
            let comparison = Comparison::new(other, chosen, context);
            let (head, rows) = comparison.lines("median", context, width);
            let all = [head].into_iter().chain(rows).chain([comparison.sentence(context)]);
            all.map(|line| line.text().trim_end().to_owned() + "\n").collect()
        })
    }

    #[test]
    fn the_stage_that_makes_the_difference_is_found() {
        sample::with_context(Manner::default(), |context| {
            let usual = sample::other_node(1, sample::START);
            // From ⑦ on: what the node's chains cost is told by it.
            let slow = slowed(sample::other_node(2, sample::START.plus(SECONDS)), 5, 2_840);
            let comparison = Comparison::new(&usual, &slow, context);
            let largest = comparison.largest.map(|at| &comparison.rows[at]);
            assert_eq!(largest.and_then(|row| row.difference), Some(2_840 * MICROS));
            assert_eq!(largest.map(|row| row.label.as_str()), Some("leaves the node"));
            assert_eq!(comparison.difference(), Some(2_840 * MICROS));
        });
    }

    #[test]
    fn what_a_proxy_kept_is_told_at_the_proxy() {
        sample::with_context(Manner::default(), |context| {
            let usual = sample::proxies::ingress(1, sample::START);
            let mut slow = sample::proxies::ingress(2, sample::START);
            let hop = &mut Arc::make_mut(&mut slow.trail).hops[1];
            hop.join.request_delay_ns = hop.join.request_delay_ns.map(|kept| kept + 900 * MICROS);
            let slow = slowed(slow, 12, 900);
            let comparison = Comparison::new(&usual, &slow, context);
            let largest = comparison.largest.map(|at| comparison.rows[at].label.as_str());
            assert_eq!(largest, Some("Traefik chooses price-5f6b"));
        });
    }

    #[test]
    fn stages_of_other_routes_stand_alone() {
        sample::with_context(Manner::default(), |context| {
            let near = sample::same_node(1, sample::START);
            let far = sample::other_node(2, sample::START);
            let comparison = Comparison::new(&near, &far, context);
            let only = |row: &&Row| row.other.is_none();
            let alone: Vec<&str> =
                comparison.rows.iter().filter(only).map(|row| row.label.as_str()).collect();
            assert_eq!(
                alone[..4],
                ["asks for stock.shop", "DNS query", "answer shop/stock", "leaves the node"]
            );
            assert!(comparison.rows.iter().all(|row| row.chosen.is_some()));
        });
    }

    #[test]
    fn comparisons_are_drawn() {
        let usual = sample::other_node(1, sample::START);
        let slow = slowed(sample::other_node(2, sample::START), 5, 2_840);
        let [ingress, retried] =
            [sample::proxies::ingress(1, sample::START), sample::proxies::retried(2, sample::START)];
        let near = sample::same_node(3, sample::START);
        let all = |manner, width| {
            let pairs = [(&usual, &slow), (&slow, &usual), (&ingress, &retried), (&slow, &near)];
            pairs.map(|(other, chosen)| drawn(other, chosen, manner, width)).join("\n")
        };
        insta::assert_snapshot!("comparisons", all(Manner::default(), 158));
        insta::assert_snapshot!("comparisons_narrow", all(Manner::default(), 78));
        insta::assert_snapshot!("comparisons_zh", all(Manner::new(Language::Zh), 100));
        let ascii = all(Manner::ascii(), 78);
        assert!(ascii.is_ascii(), "{ascii}");
        insta::assert_snapshot!("comparisons_ascii", ascii);
    }

    #[test]
    fn the_median_is_of_those_that_ended_well_on_the_same_route() {
        let mut all: Vec<Arc<Journey>> = (1..=4)
            .map(|id| {
                let mut journey = sample::other_node(id, sample::START);
                journey.ended = journey.started.plus(id as i64 * SECONDS);
                Arc::new(journey)
            })
            .collect();
        all.extend([sample::same_node(8, sample::START), sample::refused(9, sample::START)].map(Arc::new));
        let found = |journey: &Journey| median(all.iter(), journey).map(|(median, of)| (median.id, of));
        assert_eq!(found(&all[3]), Some((2, 3)));
        assert_eq!(found(&sample::other_node(7, sample::START)), Some((2, 4)));
        assert_eq!(found(&all[4]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_wider_than_asked(width in 0usize..260, one in 0usize..11, two in 0usize..11) {
            for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
                sample::with_context(manner, |context| {
                    let all: Vec<Journey> = sample::all().into_iter().chain(sample::proxies::all()).collect();
                    let comparison = Comparison::new(&all[one], &all[two], context);
                    let (head, rows) = comparison.lines("median", context, width);
                    assert!(head.width() <= width && rows.iter().all(|row| row.width() <= width));
                });
            }
        }
    }
}
