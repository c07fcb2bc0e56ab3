//! A journey as it stood at a moment of the recording: what a replay shows before the journey has ended.

use std::sync::Arc;

use crate::model::{Journey, Outcome, Phase, State, Timestamp, Trail, Verdict, Visit};
use crate::timeline::Context;

/// When nothing about the journey was to come any more: its end, or the end of the wait for what never came.
pub fn settled(journey: &Journey, context: &Context<'_>) -> Timestamp {
    let first = journey.trail.sightings.first().filter(|_| journey.trail.phase == Phase::TimedOut);
    let deadline = first.and_then(|first| {
        context.node_of(first.vantage).map(|node| context.clocks.align(node, journey.trail.deadline))
    });
    deadline.map_or(journey.ended, |deadline| deadline.max(journey.ended))
}

/// `journey` as it stood at `moment` (reference clock): what came later is waited for, the answer is not known and
/// the verdict is open. Addresses and names are those known in the end.
pub fn at_moment(journey: &Arc<Journey>, moment: Timestamp, context: &Context<'_>) -> Arc<Journey> {
    if settled(journey, context) <= moment {
        return Arc::clone(journey);
    }
    let mut cut = Journey::clone(journey);
    let places = cut_trail(Arc::make_mut(&mut cut.trail), moment, context);
    for visit in cut.request.iter_mut().chain(&mut cut.reply) {
        cut_visit(visit, moment, &places);
    }
    cut.ended = cut.ended.min(moment);
    cut.verdict = Verdict::new(Outcome::Open, crate::model::Sentence::default());
    Arc::new(cut)
}

/// Leaves out the sightings after `moment`, and what they told. Gives the new index of each one kept.
fn cut_trail(trail: &mut Trail, moment: Timestamp, context: &Context<'_>) -> Vec<Option<u32>> {
    let is_past = |time, vantage| {
        context.node_of(vantage).is_none_or(|node| context.clocks.align(node, time) <= moment)
    };
    let mut kept = 0;
    let places = trail
        .sightings
        .iter()
        .map(|sighting| {
            is_past(sighting.time, sighting.vantage).then(|| {
                kept += 1;
                kept - 1
            })
        })
        .collect();
    trail.sightings.retain(|sighting| is_past(sighting.time, sighting.vantage));
    if trail.resolution.as_ref().is_some_and(|lookup| !is_past(lookup.answer.time, lookup.answer.vantage)) {
        trail.resolution = None;
    }
    let legs = trail.sightings.iter().map(|sighting| usize::from(sighting.leg) + 1).max().unwrap_or(1);
    trail.legs.truncate(legs);
    trail.hops.truncate(legs - 1);
    for index in 0..trail.hops.len() {
        let Some((hop, later)) = trail.hops[index..].split_first_mut() else { break };
        // That a try was given up shows when there is another.
        hop.join.is_given_up &= later.iter().any(|other| other.from_leg == hop.from_leg);
        hop.exchange.status = None;
        hop.exchange.reply_bytes = 0;
        hop.join.reply_delay_ns = None;
        (hop.phase, hop.answer_is_whole) = (Phase::Open, false);
    }
    let first = trail.sightings.first().map(|first| first.vantage);
    let repeats = trail
        .sightings
        .iter()
        .filter(|sighting| sighting.is_repeat && Some(sighting.vantage) == first)
        .count();
    trail.retransmissions = trail.retransmissions.min(repeats as u32);
    trail.phase = Phase::Open;
    trail.answer_is_whole = false;
    trail.notices.clear();
    trail.exchange.status = None;
    trail.exchange.reply_bytes = 0;
    if let Some(lookup) = &mut trail.exchange.dns {
        lookup.rcode = None;
        lookup.addresses.clear();
        lookup.targets.clear();
    }
    places
}

fn cut_visit(visit: &mut Visit, moment: Timestamp, places: &[Option<u32>]) {
    let is_past = match visit.state {
        State::Seen { time } => time <= moment,
        State::Bounded { before, .. } => before <= moment,
        State::Missing | State::Waiting => false,
        State::Outside | State::Skipped => true,
    };
    if !is_past {
        visit.state = State::Waiting;
    }
    visit.sighting =
        visit.sighting.filter(|_| is_past).and_then(|index| places.get(index as usize).copied().flatten());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MICROS, SECONDS};
    use crate::timeline::headline::marks_line;
    use crate::timeline::{Manner, sample};

    #[test]
    fn before_its_end_a_journey_waits_for_the_rest() {
        sample::with_context(Manner::ascii(), |context| {
            let journey = Arc::new(sample::other_node(1, sample::START));
            let cut = at_moment(&journey, sample::START.plus(604 * MICROS), context);
            let expected = "1 2 3 4 5~ 7 8.. 6.. 9.. (1).. (2).. (3).. (4).. (5).. .";
            assert_eq!(marks_line(&cut, context.manner).text(), expected);
            assert_eq!((cut.verdict.outcome, cut.trail.exchange.status), (Outcome::Open, None));
            assert_eq!(cut.trail.sightings.len(), 2);
            for visit in cut.visits() {
                let index = visit.sighting.map(|index| cut.trail.sightings[index as usize].vantage);
                assert!(index.is_none() || index == visit.vantage);
            }
            let whole = at_moment(&journey, sample::START.plus(1_838 * MICROS), context);
            assert!(Arc::ptr_eq(&whole, &journey));
        });
    }

    #[test]
    fn a_try_is_not_given_up_before_there_is_another() {
        sample::with_context(Manner::ascii(), |context| {
            let journey = Arc::new(sample::proxies::retried(1, sample::START));
            let at = |micros: i64| at_moment(&journey, sample::START.plus(micros * MICROS), context);
            let tries = |journey: &Journey| {
                journey.trail.hops.iter().map(|hop| hop.join.is_given_up).collect::<Vec<_>>()
            };
            assert_eq!((at(500).trail.legs.len(), tries(&at(500))), (1, vec![]));
            assert_eq!(tries(&at(1_200)), [false, false]);
            assert_eq!(at(1_200).trail.server().map(|server| server.port), Some(8080));
            assert_eq!(tries(&at(1_600)), [false, true, false]);
            assert_eq!(at(1_600).trail.hops[2].exchange.status, None);
        });
    }

    #[test]
    fn a_lost_packet_is_waited_for_until_its_deadline() {
        sample::with_context(Manner::ascii(), |context| {
            let journey = Arc::new(sample::lost(1, sample::START));
            let cut = at_moment(&journey, sample::START.plus(SECONDS), context);
            assert_eq!(cut.verdict.outcome, Outcome::Open);
            assert_eq!(cut.trail.retransmissions, 0);
            let late = at_moment(&journey, sample::START.plus(5 * SECONDS), context);
            assert_eq!(late.verdict.outcome, Outcome::Lost);
        });
    }
}
