//! Core time: one time for ages and deadlines, whichever node a packet comes from.
//!
//! It is each node's own time less how far its clock is ahead. What packets show of the clocks later on (a node that
//! is followed live was not surveyed, and clocks drift) changes what core time is counted from, so that it never
//! steps itself: nothing becomes due, or waits, because a clock was found to be wrong.

use crate::model::{Clocks, MILLIS, NodeId, SECONDS, Timestamp};

/// A clock that is off by less is as good as right: ages are counted in seconds.
const TOLERANCE: i64 = 100 * MILLIS;
/// Between two looks at the clocks, in core time.
const PACE: i64 = SECONDS;
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
}

impl Alignment {
    pub(super) fn new(clocks: &Clocks) -> Alignment {
        let ahead: Vec<i64> = clocks.fits.iter().map(|fit| within_bounds(fit.offset_ns)).collect();
        Alignment { latest: vec![None; ahead.len()], ahead, looked_at: Timestamp(i64::MIN) }
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

    /// Notes the time of a packet; core time is never taken from an earlier one.
    #[inline]
    pub(super) fn note(&mut self, node: NodeId, time: Timestamp) {
        if let Some(latest) = self.latest.get_mut(usize::from(node.0)) {
            *latest = (*latest).max(Some(time));
        }
    }

    /// Whether it is time to look at the clocks again.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.looked_at) >= PACE
    }

    /// Counts core time, which is `now`, by these clocks from now on, if they differ from those until now.
    pub(super) fn adopt(&mut self, clocks: &Clocks, now: Timestamp) {
        self.looked_at = now;
        let offset = |(node, latest): (usize, &Option<Timestamp>)| {
            let fit = clocks.fit(NodeId(node as u16));
            within_bounds(latest.map_or(fit.offset_ns, |latest| latest.since(fit.align(latest))))
        };
        let found: Vec<i64> = self.latest.iter().enumerate().map(offset).collect();
        let (first, known) = (found.first().copied().unwrap_or_default(), self.offsets());
        let is_off = |(found, known): (&i64, &i64)| (found - first - known).abs() > TOLERANCE;
        if !found.iter().zip(&known).any(is_off) {
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
}

fn within_bounds(offset: i64) -> i64 {
    offset.clamp(-FARTHEST, FARTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClockFit;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn clocks(offset_ns: i64) -> Clocks {
        Clocks { fits: vec![ClockFit::default(), ClockFit { offset_ns, ..ClockFit::default() }] }
    }

    #[test]
    fn core_time_goes_on_where_it_was_when_a_clock_is_found_to_be_off() {
        for offset in [300 * SECONDS, -300 * SECONDS] {
            let mut alignment = Alignment::new(&clocks(0));
            let (a, b) = (Timestamp(1_000 * SECONDS), Timestamp(1_000 * SECONDS + offset + MILLIS));
            alignment.note(A, a);
            alignment.note(B, b);
            let now = a.max(b);
            alignment.adopt(&clocks(offset), now);
            assert_eq!(alignment.core_time(B, b), now);
            assert_eq!(alignment.core_time(A, a), now.plus(-MILLIS));
            assert_eq!(alignment.offsets(), [0, offset]);
            assert_eq!(alignment.on_first_clock(now), a.plus(MILLIS));
            assert!(!alignment.is_due(now.plus(PACE - 1)) && alignment.is_due(now.plus(PACE)));
        }
    }

    #[test]
    fn what_is_nearly_right_stays_and_times_beyond_all_bounds_do_no_harm() {
        let mut alignment = Alignment::new(&clocks(0));
        alignment.note(B, Timestamp(i64::MAX));
        alignment.adopt(&clocks(TOLERANCE), Timestamp(0));
        assert_eq!(alignment.ahead(), [0, 0]);
        alignment.adopt(&clocks(i64::MIN), Timestamp(i64::MAX));
        alignment.note(A, Timestamp(i64::MIN));
        alignment.adopt(&clocks(i64::MAX), Timestamp(i64::MIN));
    }
}
