//! Proxies on a journey's way: which visit is at one, how long it kept what it took, and how sure its two sides are
//! joined.

use crate::model::{Grade, Hop, Journey, Sighting, Visit, Way};
use crate::timeline::Manner;

/// The step that a proxy took at `visit`.
pub fn hop<'a>(journey: &'a Journey, visit: &Visit) -> Option<&'a Hop> {
    journey.trail.hops.get(usize::from(visit.proxy?.hop?))
}

/// How long the proxy at `visit` kept the request or the answer, in nanoseconds, where both sides were seen.
pub fn own_time(journey: &Journey, visit: &Visit) -> Option<i64> {
    let hop = hop(journey, visit)?;
    match visit.stage.way {
        Way::Request => hop.join.request_delay_ns,
        Way::Reply => hop.join.reply_delay_ns,
    }
}

/// How many proxies lie between the client and each visit, in the order of [`Journey::visits`].
pub fn depths(journey: &Journey) -> impl Iterator<Item = usize> {
    let hands_on = |visit: &Visit| visit.proxy.is_some_and(|proxy| proxy.hop.is_some());
    let all = journey.request.iter().filter(|visit| hands_on(visit)).count();
    let back = journey.reply.iter().filter(|visit| hands_on(visit)).count();
    let mut depth = 0;
    let mut passed = 0;
    journey.visits().map(move |visit| {
        if visit.stage.way == Way::Reply && passed == 0 {
            // An answer that a proxy gave by itself begins at that proxy.
            (depth, passed) = (back.min(all), 1);
        }
        let here = depth;
        match (hands_on(visit), visit.stage.way) {
            (true, Way::Request) => depth += 1,
            (true, Way::Reply) => depth = depth.saturating_sub(1),
            _ => {}
        }
        here
    })
}

/// Whether the leg of `sighting` is of a try that a proxy gave up.
pub fn is_given_up(journey: &Journey, sighting: &Sighting) -> bool {
    journey.trail.hop_to(usize::from(sighting.leg)).is_some_and(|hop| hop.join.is_given_up)
}

/// The line a join is drawn with: `═`, `─` or `┄`.
pub const fn join_symbol(grade: Grade, manner: Manner) -> char {
    match (grade, manner.is_ascii()) {
        (Grade::Sure, false) => '═',
        (Grade::Likely, false) => '─',
        (Grade::Ambiguous, false) => '┄',
        (Grade::Sure, true) => '=',
        (Grade::Likely, true) => '-',
        (Grade::Ambiguous, true) => '.',
    }
}

/// A confidence in whole percent: never 100 for less than certain.
pub fn percent(hop: &Hop) -> String {
    format!("{} %", (hop.join.confidence.probability() * 100.0).floor())
}
