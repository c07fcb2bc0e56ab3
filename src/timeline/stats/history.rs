//! How delays went over time: the time that was read in slices of equal length, and what each measure was in each.

use std::collections::BTreeMap;

use crate::model::{Journey, MILLIS, Timestamp};
use crate::timeline::Context;
use crate::timeline::stats::{Measure, Series, measure};

/// Slices that are told apart; where time goes beyond, neighbours are joined two by two.
const SLICES: i64 = 64;
/// Measures that are followed; those of the statistics find room, and hardly more are looked at.
const MEASURES: usize = 3_000;
/// The shortest slice.
const STEP: i64 = 10 * MILLIS;

/// One measure during one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub count: u64,
    /// Percentiles in nanoseconds; 0 where nothing was counted.
    pub median: i64,
    pub p99: i64,
}

impl Slice {
    fn new(series: &Series) -> Slice {
        Slice { count: series.count(), median: series.percentile(50.0), p99: series.percentile(99.0) }
    }
}

/// Measures by the slice their journey began in; bounded in slices and in measures.
#[derive(Clone, Debug)]
pub struct History {
    /// Nanoseconds of a slice.
    step: i64,
    /// Numbers of the first and the last slice, counted from the epoch.
    range: Option<(i64, i64)>,
    measures: BTreeMap<Measure, BTreeMap<i64, Series>>,
}

impl Default for History {
    fn default() -> History {
        History { step: STEP, range: None, measures: BTreeMap::new() }
    }
}

impl History {
    pub fn add(&mut self, journey: &Journey, context: &Context<'_>) {
        let slice = self.reach(journey.started);
        measure(journey, context, &mut |measure, nanos, _| {
            if !self.measures.contains_key(measure) {
                if self.measures.len() >= MEASURES {
                    return;
                }
                self.measures.insert(measure.clone(), BTreeMap::new());
            }
            if let Some(slices) = self.measures.get_mut(measure) {
                slices.entry(slice).or_default().add(nanos);
            }
        });
    }

    /// Takes back a journey that was added as it is here.
    pub fn remove(&mut self, journey: &Journey, context: &Context<'_>) {
        let slice = journey.started.0.div_euclid(self.step);
        measure(journey, context, &mut |measure, nanos, _| {
            let slices = self.measures.get_mut(measure);
            if let Some(series) = slices.and_then(|slices| slices.get_mut(&slice)) {
                series.remove(nanos);
            }
        });
    }

    /// Nanoseconds of a slice.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// When the first slice begins, and the last one ends.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let (first, last) = self.range?;
        let at = |slice: i64| Timestamp(slice.saturating_mul(self.step));
        Some((at(first), at(last.saturating_add(1))))
    }

    /// `measure` in each slice, from the first to the last; neighbours are joined until there are at most `most`.
    pub fn slices(&self, measure: &Measure, most: usize) -> Vec<Slice> {
        let (Some((first, last)), Some(slices)) = (self.range, self.measures.get(measure)) else {
            return Vec::new();
        };
        let joined = (last - first + 1).div_euclid(most.max(1) as i64)
            + i64::from((last - first + 1) % most.max(1) as i64 > 0);
        let slice = |at: i64| {
            let mut parts = slices.range(at..at + joined).map(|(_, series)| series);
            let Some(one) = parts.next() else { return Slice::default() };
            match parts.next() {
                None => Slice::new(one),
                Some(two) => {
                    let mut whole = one.clone();
                    std::iter::once(two).chain(parts).for_each(|part| whole.merge(part));
                    Slice::new(&whole)
                }
            }
        };
        (first..=last).step_by(joined as usize).map(slice).collect()
    }

    /// The slice of `time`, after making slices long enough that it is one of them.
    fn reach(&mut self, time: Timestamp) -> i64 {
        loop {
            let slice = time.0.div_euclid(self.step);
            let (first, last) = self.range.unwrap_or((slice, slice));
            let (first, last) = (first.min(slice), last.max(slice));
            if last - first < SLICES {
                self.range = Some((first, last));
                return slice;
            }
            self.double();
        }
    }

    fn double(&mut self) {
        self.step = self.step.saturating_mul(2);
        self.range = self.range.map(|(first, last)| (first.div_euclid(2), last.div_euclid(2)));
        for slices in self.measures.values_mut() {
            let mut joined: BTreeMap<i64, Series> = BTreeMap::new();
            for (slice, series) in std::mem::take(slices) {
                joined.entry(slice.div_euclid(2)).or_default().merge(&series);
            }
            *slices = joined;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SECONDS, Stage, Way};
    use crate::timeline::stats::StageKey;
    use crate::timeline::{Manner, sample};

    fn third() -> Measure {
        Measure::Stage(StageKey {
            path: "pod-to-service".into(),
            stage: Stage { way: Way::Request, number: 8 },
            node: Some(sample::B),
        })
    }

    #[test]
    fn slices_grow_with_the_time_that_was_read() {
        sample::with_context(Manner::default(), |context| {
            let mut history = History::default();
            assert_eq!((history.slices(&third(), 64), history.span()), (vec![], None));
            for second in 0..100 {
                history
                    .add(&sample::other_node(second, sample::START.plus(second as i64 * SECONDS)), context);
            }
            let slices = history.slices(&third(), 64);
            assert!(
                slices.len() <= SLICES as usize && slices.len() > SLICES as usize / 3,
                "{}",
                slices.len()
            );
            assert_eq!(slices.iter().map(|slice| slice.count).sum::<u64>(), 100);
            assert!(slices.iter().all(|slice| slice.count == 0 || slice.median > 50_000), "{slices:?}");
            let joined = history.slices(&third(), 10);
            assert!(joined.len() <= 10 && joined.iter().map(|slice| slice.count).sum::<u64>() == 100);
            let (start, end) = history.span().expect("there is something");
            assert!(start <= sample::START && end > sample::START.plus(99 * SECONDS));
            assert_eq!(end.since(start), slices.len() as i64 * history.step());
        });
    }

    #[test]
    fn what_is_taken_back_leaves_nothing() {
        sample::with_context(Manner::default(), |context| {
            let mut history = History::default();
            let early = sample::other_node(1, sample::START);
            history.add(&early, context);
            // From far away in time, whichever way.
            for start in [sample::START.plus(86_400 * SECONDS), Timestamp(i64::MIN), Timestamp(i64::MAX)] {
                history.add(&sample::other_node(2, start), context);
            }
            history.remove(&early, context);
            assert_eq!(history.slices(&third(), 64).iter().map(|slice| slice.count).sum::<u64>(), 3);
        });
    }
}
