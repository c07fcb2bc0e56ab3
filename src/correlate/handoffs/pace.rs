//! How long a proxy usually holds what passes through it, learned from the joins that were made.

use super::passage::Delays;

/// What proxies take before anything was learned: a fraction of a millisecond, give or take a factor of three.
const USUAL_NS: f64 = 300_000.0;
const SPREAD: f64 = 1.2;
/// However regular a proxy was so far, the next request may have to wait for a processor.
const NARROWEST: f64 = 0.5;
/// Joins after which older ones begin to be forgotten.
const MEMORY: f64 = 64.0;
/// Stamps are no finer than this when two interfaces are compared.
const GRAIN_NS: f64 = 5_000.0;
/// What holds one request up holds its neighbours up too, so that their delays do not speak for themselves alone.
const OWN_SHARE: f64 = 0.5;
/// Time is a weak witness either way.
const STRONGEST_AGAINST: f64 = -2.0;
pub(super) const STRONGEST_FOR: f64 = 6.0;

/// The distribution of a delay: its logarithm's mean and spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    mean: f64,
    variance: f64,
    joins: f64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { mean: USUAL_NS.ln(), variance: SPREAD * SPREAD, joins: 4.0 }
    }
}

impl Pace {
    /// Takes in the delay of a join that is right with `probability`.
    fn learn(&mut self, delay_ns: i64, probability: f64) {
        self.joins = (self.joins + probability).min(MEMORY);
        let share = probability / self.joins;
        let off = logarithm(delay_ns) - self.mean;
        self.mean += off * share;
        self.variance += (off * off - self.variance) * share;
    }

    /// How much likelier a delay is for an exchange that is handed on than for one that begins at any time of
    /// `window_ns`; a natural logarithm.
    pub(super) fn weigh(&self, delay_ns: i64, window_ns: i64) -> f64 {
        let spread = self.variance.sqrt().max(NARROWEST);
        let value = logarithm(delay_ns);
        let off = (value - self.mean) / spread;
        let density = -off * off / 2.0 - value - (spread * std::f64::consts::TAU.sqrt()).ln();
        ((density + logarithm(window_ns)) * OWN_SHARE).clamp(STRONGEST_AGAINST, STRONGEST_FOR)
    }
}

/// Takes in how long a join that is right with `probability` was held each way.
pub(super) fn learn(paces: &mut [Pace; 2], delays: Delays, probability: f64) {
    for (pace, delay) in paces.iter_mut().zip(delays.by_way()) {
        if let Some(delay) = delay {
            pace.learn(delay, probability);
        }
    }
}

fn logarithm(ns: i64) -> f64 {
    (ns.max(0) as f64 + GRAIN_NS).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_delay_speaks_for_a_join_and_a_long_one_against_it() {
        let mut pace = Pace::default();
        for delay in [80_000, 100_000, 120_000, 90_000, 110_000, 95_000].repeat(10) {
            pace.learn(delay, 1.0);
        }
        assert!(pace.weigh(100_000, 10_000_000) > 1.5);
        assert!(pace.weigh(9_000_000, 10_000_000) < 0.0);
    }
}
