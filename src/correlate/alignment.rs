//! Core time: one time for ages and deadlines, whichever node a packet comes from.
//!
//! It is each node's own time less how far its clock is ahead. What packets show of the clocks later on (a node that
//! is followed live was not surveyed, and clocks drift) changes what core time is counted from, so that it never
//! steps itself: nothing becomes due, or waits, because a clock was found to be wrong.
//!
//! What another node that is followed live captured is here moments later. So before packets tell more, a clock that
//! is further off than any stream's delay is taken to be off by as much as its first packet shows; else that packet
//! would end what is waited for.

use crate::model::{Clocks, MILLIS, NodeId, SECONDS, Timestamp};

use super::clocks::Mesh;

/// A clock that is off by less is as good as right: ages are counted in seconds.
const TOLERANCE: i64 = 100 * MILLIS;
/// Between two looks at the clocks, in core time.
const PACE: i64 = SECONDS;
/// How late what comes of another node may be, and how stale what is known of this node's time.
const DELAY: i64 = 3 * SECONDS;
/// No clock is further off; stamps of damaged files may be.
const FARTHEST: i64 = i64::MAX / 8;

/// How core time is counted.
#[derive(Debug)]
pub(super) struct Alignment {
    /// By node: its time less this is core time.
    ahead: Vec<i64>,
    /// Each node's latest packet, by its own clock.
    latest: Vec<Option<Timestamp>>,
    looked_at: Timestamp,
    /// How far packets showed each clock to be ahead of the first, and no more exact than is told.
    found: Vec<i64>,
    here: Option<Here>,
}

/// The node that others are followed from.
#[derive(Debug)]
struct Here {
    node: NodeId,
    time: Option<Timestamp>,
    /// By node: how far its clock was ahead of this node's when the first of it came, where that is worth knowing.
    arrivals: Vec<Option<i64>>,
}

impl Alignment {
    pub(super) fn new(clocks: &Clocks) -> Alignment {
        let ahead: Vec<i64> = clocks.fits.iter().map(|fit| within_bounds(fit.offset_ns)).collect();
        Alignment {
            latest: vec![None; ahead.len()],
            found: ahead.clone(),
            ahead,
            looked_at: Timestamp(i64::MIN),
            here: None,
        }
    }

    /// All is followed live from `node`. The clocks of those that are `known` need no guess.
    pub(super) fn follow_from(&mut self, node: NodeId, known: impl Fn(NodeId) -> bool) {
        let own = self.ahead_of(node);
        let is_known = |index: usize| index == usize::from(node.0) || known(NodeId(index as u16));
        let arrival = |(index, ahead): (usize, &i64)| is_known(index).then(|| ahead - own);
        let arrivals = self.ahead.iter().enumerate().map(arrival).collect();
        self.here = Some(Here { node, time: None, arrivals });
    }

    pub(super) fn ahead(&self) -> &[i64] {
        &self.ahead
    }

    #[inline]
    pub(super) fn core_time(&self, node: NodeId, time: Timestamp) -> Timestamp {
        time.plus(-self.ahead_of(node))
    }

    pub(super) fn ahead_of(&self, node: NodeId) -> i64 {
        self.ahead.get(usize::from(node.0)).copied().unwrap_or_default()
    }

    /// Core time as the first node's clock has it.
    pub(super) fn on_first_clock(&self, core_time: Timestamp) -> Timestamp {
        core_time.plus(self.ahead_of(NodeId(0)))
    }

    /// How far each node's clock is ahead of the first node's.
    pub(super) fn offsets(&self) -> Vec<i64> {
        self.ahead.iter().map(|ahead| ahead - self.ahead_of(NodeId(0))).collect()
    }

    /// How far packets showed each node's clock to be ahead of the first node's.
    pub(super) fn found(&self) -> &[i64] {
        &self.found
    }

    /// Something of `node` came just now that is of `time`.
    #[inline]
    pub(super) fn hear(&mut self, node: NodeId, time: Timestamp) {
        let Some(here) = &mut self.here else { return };
        if here.node == node {
            here.time = here.time.max(Some(time));
        } else if let Some(own) = here.time
            && let Some(arrival @ None) = here.arrivals.get_mut(usize::from(node.0))
        {
            let ahead = within_bounds(time.since(own));
            let ahead = if ahead.abs() > DELAY { ahead } else { 0 };
            *arrival = Some(ahead);
            let own = here.node;
            self.ahead[usize::from(node.0)] = within_bounds(self.ahead_of(own) + ahead);
        }
    }

    /// Notes the time of a packet; core time is never taken from an earlier one.
    #[inline]
    pub(super) fn note(&mut self, node: NodeId, time: Timestamp) {
        self.hear(node, time);
        if let Some(latest) = self.latest.get_mut(usize::from(node.0)) {
            *latest = (*latest).max(Some(time));
        }
    }

    /// Whether it is time to look at the clocks again.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.looked_at) >= PACE
    }

    /// Counts core time, which is `now`, by these clocks from now on, if they differ from those until now.
    pub(super) fn adopt(&mut self, mesh: &Mesh, now: Timestamp) {
        self.looked_at = now;
        let shown = self.ahead_by(&mesh.clocks());
        if are_apart(&shown, &self.found) {
            self.found.clone_from(&shown);
        }
        let found = match &self.here {
            Some(here) => self.ahead_by(&mesh.clocks_assuming(&here.arrivals)),
            None => shown,
        };
        if !are_apart(&found, &self.offsets()) {
            return;
        }
        // The latest packet of all is where core time is.
        let aligned =
            self.latest.iter().zip(&found).filter_map(|(latest, found)| Some(latest.as_ref()?.plus(-found)));
        if let Some(latest) = aligned.max() {
            let shift = within_bounds(now.since(latest));
            self.ahead = found.iter().map(|found| within_bounds(found - shift)).collect();
        }
    }

    /// How far each node is ahead of the first by `clocks`, at its latest packet.
    fn ahead_by(&self, clocks: &Clocks) -> Vec<i64> {
        let offset = |(node, latest): (usize, &Option<Timestamp>)| {
            let fit = clocks.fit(NodeId(node as u16));
            within_bounds(latest.map_or(fit.offset_ns, |latest| latest.since(fit.align(latest))))
        };
        self.latest.iter().enumerate().map(offset).collect()
    }
}

/// Whether any of these offsets against the first is another one.
fn are_apart(found: &[i64], known: &[i64]) -> bool {
    found.iter().zip(known).any(|(found, known)| found.saturating_sub(*known).abs() > TOLERANCE)
}

fn within_bounds(offset: i64) -> i64 {
    offset.clamp(-FARTHEST, FARTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn mesh(offset_ns: i64) -> Mesh {
        let mut mesh = Mesh::new(2);
        mesh.give(B, offset_ns);
        mesh
    }

    fn unknown() -> Alignment {
        Alignment::new(&Mesh::new(2).clocks())
    }

    #[test]
    fn core_time_goes_on_where_it_was_when_a_clock_is_found_to_be_off() {
        for offset in [300 * SECONDS, -300 * SECONDS] {
            let mut alignment = unknown();
            let (a, b) = (Timestamp(1_000 * SECONDS), Timestamp(1_000 * SECONDS + offset + MILLIS));
            alignment.note(A, a);
            alignment.note(B, b);
            let now = a.max(b);
            alignment.adopt(&mesh(offset), now);
            assert_eq!(alignment.core_time(B, b), now);
            assert_eq!(alignment.core_time(A, a), now.plus(-MILLIS));
            assert_eq!(alignment.offsets(), [0, offset]);
            assert_eq!(alignment.found(), [0, offset]);
            assert_eq!(alignment.on_first_clock(now), a.plus(MILLIS));
            assert!(!alignment.is_due(now.plus(PACE - 1)) && alignment.is_due(now.plus(PACE)));
        }
    }

    #[test]
    fn followed_live_a_clock_that_is_off_is_seen_by_what_comes_first() {
        let start = Timestamp(1_000 * SECONDS);
        // Whichever node is the first by name.
        for (own, other) in [(A, B), (B, A)] {
            for (ahead, taken) in [(4, 4), (-300, -300), (2, 0), (-2, 0)] {
                let mut alignment = unknown();
                alignment.follow_from(own, |_| false);
                // Of the other node's time nothing can be said before this node's is known.
                alignment.hear(other, start);
                alignment.hear(own, start);
                alignment.note(other, start.plus(ahead * SECONDS));
                assert_eq!(alignment.core_time(other, start), start.plus(-taken * SECONDS));
                // A clock is not guessed twice, and a guess is nothing that packets showed.
                alignment.note(own, start.plus(100 * SECONDS));
                alignment.note(other, start.plus(ahead * SECONDS));
                alignment.adopt(&Mesh::new(2), start.plus(100 * SECONDS));
                assert_eq!(alignment.ahead_of(other) - alignment.ahead_of(own), taken * SECONDS);
                assert_eq!(alignment.found(), [0, 0]);
            }
        }
    }

    #[test]
    fn what_the_user_says_of_a_clock_is_not_guessed_anew() {
        let mut alignment = Alignment::new(&mesh(7 * SECONDS).clocks());
        alignment.follow_from(A, |node| node == B);
        alignment.hear(A, Timestamp(0));
        alignment.note(B, Timestamp(100 * SECONDS));
        assert_eq!(alignment.offsets(), [0, 7 * SECONDS]);
    }

    #[test]
    fn what_is_nearly_right_stays_and_times_beyond_all_bounds_do_no_harm() {
        let mut alignment = unknown();
        alignment.note(B, Timestamp(i64::MAX));
        alignment.adopt(&mesh(TOLERANCE), Timestamp(0));
        assert_eq!(alignment.ahead(), [0, 0]);
        alignment.adopt(&mesh(i64::MIN), Timestamp(i64::MAX));
        alignment.note(A, Timestamp(i64::MIN));
        alignment.follow_from(A, |_| false);
        alignment.hear(A, Timestamp(i64::MIN));
        alignment.note(B, Timestamp(i64::MAX));
        alignment.adopt(&mesh(i64::MAX), Timestamp(i64::MIN));
    }
}
