//! A sorted sequence that knows its places. Items come and go anywhere, and the one at a place, or the place of one, is
//! found, at a cost that hardly grows with how many there are.

/// Items of a run before it is cut in two.
const FULL: usize = 512;

/// Items in order, in runs of bounded length: an item moves no more than its own run.
#[derive(Clone, Debug)]
pub struct Sorted<T> {
    /// None is empty.
    runs: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Sorted<T> {
    fn default() -> Sorted<T> {
        Sorted { runs: Vec::new(), len: 0 }
    }
}

impl<T: Ord> Sorted<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts `item` in its place; nothing changes where an equal one is there.
    pub fn insert(&mut self, item: T) {
        let at = self.run_of(&item).min(self.runs.len().saturating_sub(1));
        let Some(run) = self.runs.get_mut(at) else {
            self.runs.push(vec![item]);
            self.len = 1;
            return;
        };
        let Err(place) = run.binary_search(&item) else { return };
        run.insert(place, item);
        self.len += 1;
        if run.len() > FULL {
            // Where items come in order, what is behind stays full.
            let rest = run.split_off(if place == FULL { FULL } else { FULL / 2 });
            self.runs.insert(at + 1, rest);
        }
    }

    /// Takes `item` out; gives whether it was there.
    pub fn remove(&mut self, item: &T) -> bool {
        let at = self.run_of(item);
        let Some(run) = self.runs.get_mut(at) else { return false };
        let Ok(place) = run.binary_search(item) else { return false };
        run.remove(place);
        self.len -= 1;
        if run.is_empty() {
            self.runs.remove(at);
        } else if at > 0 && self.runs[at - 1].len() + self.runs[at].len() <= FULL / 2 {
            let rest = self.runs.remove(at);
            self.runs[at - 1].extend(rest);
        }
        true
    }

    /// The place of `item`, or the one it would have.
    pub fn place(&self, item: &T) -> Result<usize, usize> {
        let at = self.run_of(item);
        let before: usize = self.runs[..at].iter().map(Vec::len).sum();
        match self.runs.get(at).map(|run| run.binary_search(item)) {
            Some(Ok(place)) => Ok(before + place),
            Some(Err(place)) => Err(before + place),
            None => Err(before),
        }
    }

    pub fn get(&self, place: usize) -> Option<&T> {
        self.iter_from(place).next()
    }

    pub fn first(&self) -> Option<&T> {
        self.runs.first()?.first()
    }

    /// From the item at `place` on.
    pub fn iter_from(&self, place: usize) -> impl Iterator<Item = &T> {
        let mut skipped = 0;
        let first = self.runs.iter().position(|run| {
            skipped += run.len();
            skipped > place
        });
        let first = first.unwrap_or(self.runs.len());
        let before = skipped - self.runs.get(first).map_or(0, Vec::len);
        self.runs[first..].iter().flatten().skip(place.saturating_sub(before))
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.runs.iter().flatten()
    }

    /// The run that `item` is in, if it is anywhere.
    fn run_of(&self, item: &T) -> usize {
        self.runs.partition_point(|run| run.last().is_some_and(|last| last < item))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn it_is_a_set_with_places(steps in prop::collection::vec((any::<bool>(), 0u16..3000), 0..4000)) {
            let (mut sorted, mut set) = (Sorted::default(), BTreeSet::new());
            for (is_new, item) in steps {
                if is_new {
                    sorted.insert(item);
                    set.insert(item);
                } else {
                    prop_assert_eq!(sorted.remove(&item), set.remove(&item));
                }
            }
            prop_assert_eq!(sorted.len(), set.len());
            prop_assert!(sorted.iter().eq(set.iter()));
            prop_assert!(sorted.runs.iter().all(|run| !run.is_empty() && run.len() <= FULL));
            for (place, item) in set.iter().enumerate().step_by(37) {
                prop_assert_eq!(sorted.get(place), Some(item));
                prop_assert_eq!(sorted.place(item), Ok(place));
                prop_assert!(sorted.iter_from(place).eq(set.range(item..)));
            }
            let absent = (0..3000).find(|item| !set.contains(item));
            if let Some(absent) = absent {
                prop_assert_eq!(sorted.place(&absent), Err(set.range(..absent).count()));
            }
            prop_assert_eq!(sorted.get(set.len()), None);
        }
    }

    #[test]
    fn many_in_order_fill_their_runs() {
        let mut sorted = Sorted::default();
        (0..10_000).for_each(|item| sorted.insert(item));
        assert!(sorted.runs.len() <= 10_000 / FULL + 1, "{}", sorted.runs.len());
        (0..9_990).for_each(|item| assert!(sorted.remove(&item)));
        assert_eq!((sorted.len(), sorted.runs.len(), sorted.first()), (10, 1, Some(&9_990)));
    }
}
