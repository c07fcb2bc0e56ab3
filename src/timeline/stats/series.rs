//! Durations as counts in buckets: small while they are few or alike, merged and taken back at will.
//!
//! Buckets are log-linear, as those of an HDR histogram with two significant digits: each octave has 128, so that a
//! percentile is less than 1 % above the duration it stands for. Only buckets that hold something are kept.

/// Buckets of an octave, as a power of two.
const BITS: u32 = 7;

/// Durations in nanoseconds, to two significant digits; the longest exactly, as long as it was not taken back.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Bucket and how many it holds, by bucket.
    buckets: Vec<(u16, u32)>,
    count: u64,
    longest: i64,
    /// Of these, how many took this long at most.
    bounds: u64,
}

impl Series {
    /// Negative durations, which clocks of two nodes may give, count as 0.
    pub fn add(&mut self, nanos: i64) {
        let bucket = bucket(nanos);
        match self.buckets.binary_search_by_key(&bucket, |&(bucket, _)| bucket) {
            Ok(place) => self.buckets[place].1 = self.buckets[place].1.saturating_add(1),
            Err(place) => self.buckets.insert(place, (bucket, 1)),
        }
        self.count += 1;
        self.longest = if self.count == 1 { nanos } else { self.longest.max(nanos) };
    }

    /// Adds a duration of which only an upper bound is known.
    pub fn add_bound(&mut self, nanos: i64) {
        self.add(nanos);
        self.bounds += 1;
    }

    /// Takes back what was added once as a bound.
    pub fn remove_bound(&mut self, nanos: i64) {
        self.remove(nanos);
        self.bounds = self.bounds.saturating_sub(1);
    }

    /// Takes back what was added once.
    pub fn remove(&mut self, nanos: i64) {
        let bucket = bucket(nanos);
        let Ok(place) = self.buckets.binary_search_by_key(&bucket, |&(bucket, _)| bucket) else { return };
        self.buckets[place].1 -= 1;
        self.count -= 1;
        if self.buckets[place].1 == 0 {
            self.buckets.remove(place);
        }
        self.longest = self.buckets.last().map_or(0, |&(bucket, _)| highest(bucket).min(self.longest));
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Series) {
        if other.count == 0 {
            return;
        }
        self.longest = if self.count == 0 { other.longest } else { self.longest.max(other.longest) };
        self.count += other.count;
        self.bounds += other.bounds;
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let (mut ours, mut theirs) = (self.buckets.iter().peekable(), other.buckets.iter().peekable());
        loop {
            merged.push(match (ours.peek(), theirs.peek()) {
                (Some(&&(one, count)), Some(&&(two, more))) if one == two => {
                    ours.next();
                    theirs.next();
                    (one, count.saturating_add(more))
                }
                (Some(&&one), Some(&&two)) => {
                    let is_ours = one < two;
                    if is_ours {
                        ours.next()
                    } else {
                        theirs.next()
                    };
                    if is_ours { one } else { two }
                }
                (Some(&&one), None) => {
                    ours.next();
                    one
                }
                (None, Some(&&two)) => {
                    theirs.next();
                    two
                }
                (None, None) => break,
            });
        }
        self.buckets = merged;
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether some durations are upper bounds, and percentiles with them.
    pub fn has_bounds(&self) -> bool {
        self.bounds > 0
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The duration that `percent` of all are not longer than.
    pub fn percentile(&self, percent: f64) -> i64 {
        let wanted = ((percent / 100.0 * self.count as f64).ceil() as u64).max(1);
        let mut passed = 0;
        let reached = self.buckets.iter().find(|&&(_, count)| {
            passed += u64::from(count);
            passed >= wanted
        });
        reached.map_or(0, |&(bucket, _)| highest(bucket).min(self.longest))
    }

    pub fn max(&self) -> i64 {
        self.longest
    }

    /// Durations in nanoseconds, as the upper ends of their buckets, each with how many there are.
    pub fn spread(&self) -> impl Iterator<Item = (i64, u32)> {
        self.buckets.iter().map(|&(bucket, count)| (highest(bucket).min(self.longest.max(0)), count))
    }
}

/// The bucket of a duration.
fn bucket(nanos: i64) -> u16 {
    let value = nanos.max(0) as u64;
    let Some(octave) = value.checked_ilog2().and_then(|power| power.checked_sub(BITS)) else {
        return value as u16;
    };
    // At most 57 octaves of 128, hence small.
    (((octave + 1) << BITS) as u16) | ((value >> octave) as u16 & ((1 << BITS) - 1))
}

/// The longest duration of a bucket.
fn highest(bucket: u16) -> i64 {
    let (octave, step) = (u32::from(bucket) >> BITS, i64::from(bucket & ((1 << BITS) - 1)));
    match octave.checked_sub(1) {
        None => step,
        Some(shift) => (((i128::from(step) + (1 << BITS) + 1) << shift) - 1).min(i128::from(i64::MAX)) as i64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let mut series = Series::default();
        (1..=100).for_each(|nanos| series.add(nanos));
        assert_eq!([50.0, 90.0, 99.0, 100.0].map(|percent| series.percentile(percent)), [50, 90, 99, 100]);
        assert_eq!(Series::default().percentile(50.0), 0);
        let mut one = Series::default();
        one.add(1_838_000);
        assert_eq!((one.percentile(50.0), one.max()), (1_838_000, 1_838_000));
    }

    #[test]
    fn the_longest_is_exact_until_it_is_taken_back() {
        let mut series = Series::default();
        series.add(1_000_003);
        series.add(5_000_001);
        assert_eq!(series.max(), 5_000_001);
        series.remove(5_000_001);
        assert!((1_000_003..1_010_000).contains(&series.max()), "{}", series.max());
        series.remove(1_000_003);
        series.remove(1_000_003);
        assert_eq!((series.count(), series.max()), (0, 0));
    }

    #[test]
    fn bounds_are_remembered_as_long_as_they_count() {
        let mut series = Series::default();
        series.add(5);
        series.add_bound(7);
        let mut merged = Series::default();
        merged.merge(&series);
        assert!(merged.has_bounds());
        merged.remove_bound(7);
        assert!(!merged.has_bounds() && merged.count() == 1);
    }

    proptest! {
        #[test]
        fn a_bucket_is_less_than_a_hundredth_wide(nanos in 0i64..=i64::MAX) {
            let end = highest(bucket(nanos));
            prop_assert!(end >= nanos && end - nanos <= nanos / 100, "{nanos} in {end}");
            prop_assert_eq!(bucket(end), bucket(nanos));
        }

        #[test]
        fn order_and_detours_leave_no_trace(
            durations in prop::collection::vec(-10i64..1 << 40, 1..60), cut in 0usize..60, more in prop::collection::vec(0i64..1 << 40, 0..9)
        ) {
            let mut whole = Series::default();
            for &nanos in &durations {
                whole.add(nanos);
            }
            let cut = cut.min(durations.len());
            let (mut one, mut two) = (Series::default(), Series::default());
            for (index, &nanos) in durations.iter().enumerate().rev() {
                if index < cut { one.add(nanos) } else { two.add(nanos) }
            }
            one.merge(&two);
            prop_assert_eq!((&one.buckets, one.count, one.longest), (&whole.buckets, whole.count, whole.longest));
            for &nanos in &more {
                one.add(nanos);
            }
            for &nanos in &more {
                one.remove(nanos);
            }
            prop_assert_eq!((&one.buckets, one.count), (&whole.buckets, whole.count));
        }
    }
}
