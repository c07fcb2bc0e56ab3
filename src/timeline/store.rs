//! The journeys kept for the screen: bounded, in the order of their start.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{Journey, Timestamp};

/// Journeys by start, newest revision of each; over its bound the oldest go and are counted.
#[derive(Debug)]
pub struct Store {
    bound: usize,
    /// Ordered by start, then id.
    journeys: VecDeque<Arc<Journey>>,
    /// Where each journey is: its start as stored.
    starts: HashMap<u64, Timestamp>,
    evicted: u64,
    /// Grows with every change.
    version: u64,
}

impl Store {
    /// A store of at most `bound` journeys, and at least one.
    pub fn new(bound: usize) -> Store {
        Store {
            bound: bound.max(1),
            journeys: VecDeque::new(),
            starts: HashMap::new(),
            evicted: 0,
            version: 0,
        }
    }

    /// Puts a new journey, or a newer revision of one, in its place. Gives back what had to go for it.
    pub fn upsert(&mut self, journey: Arc<Journey>) -> Option<Arc<Journey>> {
        if let Some(stored) = self.get(journey.id) {
            if stored.trail.revision > journey.trail.revision {
                return None;
            }
            self.remove(journey.id);
        }
        self.version += 1;
        self.starts.insert(journey.id, journey.started);
        match self.find(journey.started, journey.id) {
            Ok(index) => self.journeys[index] = journey,
            Err(index) => self.journeys.insert(index, journey),
        }
        (self.journeys.len() > self.bound).then(|| self.evict()).flatten()
    }

    /// Takes out a journey that turned out to be part of another one.
    pub fn withdraw(&mut self, id: u64) {
        if self.remove(id).is_some() {
            self.version += 1;
        }
    }

    pub fn get(&self, id: u64) -> Option<&Arc<Journey>> {
        let start = *self.starts.get(&id)?;
        self.journeys.get(self.find(start, id).ok()?)
    }

    /// By start.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Journey>> {
        self.journeys.iter()
    }

    /// Those that began after `from`, and not after `until`.
    pub fn begun_after(
        &self,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> impl Iterator<Item = &Arc<Journey>> {
        let count_to = |moment| self.journeys.partition_point(|journey| journey.started <= moment);
        let end = until.map_or(self.journeys.len(), count_to);
        self.journeys.range(count_to(from).min(end)..end)
    }

    pub fn len(&self) -> usize {
        self.journeys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.journeys.is_empty()
    }

    /// Journeys that had to go to keep the bound.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A number that grows with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, start: Timestamp, id: u64) -> Result<usize, usize> {
        self.journeys.binary_search_by_key(&(start, id), |journey| (journey.started, journey.id))
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Journey>> {
        let start = self.starts.remove(&id)?;
        self.journeys.remove(self.find(start, id).ok()?)
    }

    fn evict(&mut self) -> Option<Arc<Journey>> {
        let oldest = self.journeys.pop_front()?;
        self.starts.remove(&oldest.id);
        self.evicted += 1;
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::sample;

    fn journey(id: u64, at_us: i64, revision: u32) -> Arc<Journey> {
        let mut journey = sample::same_node(id, sample::START.plus(at_us * 1000));
        Arc::make_mut(&mut journey.trail).revision = revision;
        Arc::new(journey)
    }

    fn ids(store: &Store) -> Vec<u64> {
        store.iter().map(|journey| journey.id).collect()
    }

    #[test]
    fn journeys_are_kept_by_start_and_replaced_by_newer_revisions() {
        let mut store = Store::new(10);
        for (id, at) in [(3, 30), (1, 10), (2, 20)] {
            store.upsert(journey(id, at, 1));
        }
        assert_eq!(ids(&store), [1, 2, 3]);
        store.upsert(journey(1, 25, 2));
        assert_eq!(ids(&store), [2, 1, 3]);
        store.upsert(journey(1, 5, 1));
        assert_eq!(ids(&store), [2, 1, 3], "an older revision changes nothing");
        store.withdraw(2);
        store.withdraw(77);
        assert_eq!(ids(&store), [1, 3]);
        assert!(store.get(2).is_none());
        assert_eq!(store.get(3).map(|journey| journey.id), Some(3));
    }

    #[test]
    fn over_the_bound_the_oldest_goes_and_is_counted() {
        let mut store = Store::new(2);
        let gone: Vec<_> =
            (0..4_u64).filter_map(|id| store.upsert(journey(id, id as i64, 1))).map(|gone| gone.id).collect();
        assert_eq!((gone, ids(&store), store.evicted()), (vec![0, 1], vec![2, 3], 2));
    }
}
