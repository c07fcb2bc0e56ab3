//! What is listed: the journeys that have begun and fit the filter, in an order, by themselves or in groups.
//!
//! It is kept up, not made anew: a change costs the journey it is about, however many are listed. Only another order,
//! grouping or filter, or a step back in time, goes through the whole store.

mod group;
mod order;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{Journey, Timestamp};
use crate::timeline::filter::Expr;
use crate::timeline::moment::at_moment;
use crate::timeline::sorted::Sorted;
use crate::timeline::{Context, Store};

pub use group::{Group, GroupKey, Grouping};
pub use order::{Key, Order};

use order::Facts;

/// Up to when the recording is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(Timestamp),
    /// Everything that was read.
    End,
}

/// Journeys that have begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub journeys: usize,
    /// Of these, lost, refused or failed.
    pub bad: usize,
}

/// What a row is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowId {
    Journey(u64),
    Group(GroupKey),
}

/// A row of the list.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    Journey(&'a Arc<Journey>),
    Group { key: &'a GroupKey, group: &'a Group, is_open: bool },
}

/// The journeys in their order.
#[derive(Debug, Default)]
pub struct Listing {
    order: Order,
    grouping: Grouping,
    filter: Option<Expr>,
    /// All that have begun, whether they fit or not.
    entries: HashMap<u64, Entry>,
    tally: Tally,
    /// Those that fit; with groups the first of each.
    top: Sorted<Key>,
    fitting: usize,
    groups: HashMap<GroupKey, Group>,
    /// Also of groups that are gone, as they may come again.
    open: HashSet<GroupKey>,
    /// Those that had not come to their end at the moment.
    unsettled: HashSet<u64>,
    /// What is listed was valid then; nothing is where everything is to be made anew.
    moment: Option<Moment>,
}

#[derive(Debug)]
struct Entry {
    journey: Arc<Journey>,
    facts: Facts,
    fits: bool,
    group: Option<GroupKey>,
}

impl Listing {
    pub fn new(order: Order) -> Listing {
        Listing { order, ..Listing::default() }
    }

    pub fn order(&self) -> Order {
        self.order
    }

    pub fn grouping(&self) -> Grouping {
        self.grouping
    }

    pub fn set_order(&mut self, order: Order) {
        self.order = order;
        self.moment = None;
    }

    pub fn set_grouping(&mut self, grouping: Grouping) {
        self.grouping = grouping;
        self.open.clear();
        self.moment = None;
    }

    pub fn set_filter(&mut self, filter: Option<Expr>) {
        self.filter = filter;
        self.moment = None;
    }

    /// What was listed so far no longer holds: names changed, or changes were passed over.
    pub fn forget(&mut self) {
        self.moment = None;
    }

    /// Whether the next update makes everything anew.
    pub fn is_forgotten(&self) -> bool {
        self.moment.is_none()
    }

    /// Lists what has begun at `moment`; `changed` are the journeys that came, changed or went since the last update.
    pub fn update(&mut self, store: &Store, changed: &[u64], moment: Moment, context: &Context<'_>) {
        let before = self.moment.replace(moment);
        match (before, moment) {
            (Some(Moment::End), Moment::End) => {}
            (Some(Moment::At(before)), Moment::At(now)) if now >= before => {
                if now > before {
                    self.put_all(store.begun_after(before, Some(now)), context);
                    self.put_unsettled(store, context);
                }
            }
            (Some(Moment::At(before)), Moment::End) => {
                self.put_all(store.begun_after(before, None), context);
                self.put_unsettled(store, context);
            }
            _ => return self.make_anew(store, context),
        }
        for &id in changed {
            match store.get(id) {
                Some(journey) if self.has_begun(journey) => self.put(journey, context),
                _ => self.remove(id),
            }
        }
    }

    /// Of all that have begun, whether they fit or not.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Journeys that fit.
    pub fn fitting(&self) -> usize {
        self.fitting
    }

    /// Rows, those of open groups among them.
    pub fn len(&self) -> usize {
        self.top.len() + self.opened().iter().map(|opened| opened.members).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// The rows from `first` on, at most `count`.
    pub fn window(&self, first: usize, count: usize) -> Vec<Row<'_>> {
        let mut rows = Vec::with_capacity(count.min(128));
        let (top, member) = self.split(first);
        for (index, key) in self.top.iter_from(top).enumerate() {
            if rows.len() >= count {
                break;
            }
            let Some(entry) = self.entries.get(&key.id) else { continue };
            let Some((group_key, group)) = self.group_of(entry) else {
                rows.push(Row::Journey(&entry.journey));
                continue;
            };
            let is_open = self.open.contains(group_key);
            let first_member = if index == 0 { member } else { None };
            if first_member.is_none() {
                rows.push(Row::Group { key: group_key, group, is_open });
            }
            if is_open {
                let left = count - rows.len();
                let members = group.members.iter_from(first_member.unwrap_or(0)).take(left);
                let journeys = members.filter_map(|key| self.entries.get(&key.id));
                rows.extend(journeys.map(|entry| Row::Journey(&entry.journey)));
            }
        }
        rows
    }

    /// What is in row `place`.
    pub fn row(&self, place: usize) -> Option<RowId> {
        Some(match self.window(place, 1).first()? {
            Row::Journey(journey) => RowId::Journey(journey.id),
            Row::Group { key, .. } => RowId::Group((*key).clone()),
        })
    }

    /// The row that something is in. A journey of a closed group is in its group's.
    pub fn place(&self, row: &RowId) -> Option<usize> {
        match row {
            RowId::Group(key) => {
                let head = *self.groups.get(key)?.members.first()?;
                self.place_of_top(&head)
            }
            RowId::Journey(id) => {
                let entry = self.entries.get(id).filter(|entry| entry.fits)?;
                let Some((key, group)) = self.group_of(entry) else {
                    return self.top.place(&entry.facts.key).ok();
                };
                let head = self.place_of_top(group.members.first()?)?;
                let is_open = self.open.contains(key);
                let member = group.members.place(&entry.facts.key).ok()?;
                Some(if is_open { head + 1 + member } else { head })
            }
        }
    }

    /// The row that is where a journey with this key would be.
    pub fn near(&self, key: &Key) -> usize {
        let top = self.top.place(key).unwrap_or_else(|place| place).min(self.top.len().saturating_sub(1));
        self.top.get(top).and_then(|key| self.place_of_top(key)).unwrap_or(0)
    }

    /// The place of a row's journey in the order; of a group, its first journey's.
    pub fn key(&self, row: &RowId) -> Option<Key> {
        match row {
            RowId::Journey(id) => Some(self.entries.get(id)?.facts.key),
            RowId::Group(key) => self.groups.get(key)?.members.first().copied(),
        }
    }

    /// The journey of a row; of a group, its first.
    pub fn journey(&self, row: &RowId) -> Option<&Arc<Journey>> {
        let key = self.key(row)?;
        self.entries.get(&key.id).filter(|entry| entry.fits).map(|entry| &entry.journey)
    }

    /// Every journey that fits, group by group, whether open or not.
    pub fn journeys(&self) -> impl Iterator<Item = &Arc<Journey>> {
        let fitting = |key: &Key| self.entries.get(&key.id);
        self.top.iter().filter_map(fitting).flat_map(move |entry| {
            let group = self.group_of(entry).map(|(_, group)| group.members.iter().filter_map(fitting));
            let alone = group.is_none().then_some(entry);
            group.into_iter().flatten().chain(alone).map(|entry| &entry.journey)
        })
    }

    /// Opens or closes a row's group; gives the group's own row.
    pub fn set_open(&mut self, row: &RowId, is_open: bool) -> Option<RowId> {
        let key = match row {
            RowId::Group(key) => key.clone(),
            RowId::Journey(id) => self.entries.get(id)?.group.clone()?,
        };
        if is_open {
            self.open.insert(key.clone());
        } else {
            self.open.remove(&key);
        }
        Some(RowId::Group(key))
    }

    pub fn is_open(&self, key: &GroupKey) -> bool {
        self.open.contains(key)
    }

    fn has_begun(&self, journey: &Journey) -> bool {
        match self.moment {
            Some(Moment::At(now)) => journey.started <= now,
            Some(Moment::End) | None => true,
        }
    }

    fn make_anew(&mut self, store: &Store, context: &Context<'_>) {
        self.entries.clear();
        self.groups.clear();
        self.unsettled.clear();
        (self.tally, self.fitting, self.top) = (Tally::default(), 0, Sorted::default());
        let until = match self.moment {
            Some(Moment::At(now)) => Some(now),
            Some(Moment::End) | None => None,
        };
        self.put_all(store.begun_after(Timestamp(i64::MIN), until), context);
        self.open.retain(|key| self.groups.contains_key(key));
    }

    fn put_all<'a>(&mut self, journeys: impl Iterator<Item = &'a Arc<Journey>>, context: &Context<'_>) {
        journeys.for_each(|journey| self.put(journey, context));
    }

    /// What had not come to its end has gone on since.
    fn put_unsettled(&mut self, store: &Store, context: &Context<'_>) {
        for id in std::mem::take(&mut self.unsettled) {
            if let Some(journey) = store.get(id) {
                self.put(journey, context);
            }
        }
    }

    fn put(&mut self, journey: &Arc<Journey>, context: &Context<'_>) {
        self.remove(journey.id);
        let stood = match self.moment {
            Some(Moment::At(now)) => at_moment(journey, now, context),
            Some(Moment::End) | None => Arc::clone(journey),
        };
        if !Arc::ptr_eq(&stood, journey) {
            self.unsettled.insert(journey.id);
        }
        let facts = Facts::new(&stood, self.order);
        let fits = self.filter.as_ref().is_none_or(|filter| filter.matches(&stood, context.topology));
        let group = self.grouping.key(&stood).filter(|_| fits);
        self.tally.journeys += 1;
        self.tally.bad += usize::from(facts.is_bad);
        if fits {
            self.fitting += 1;
            match &group {
                Some(key) => self.change_group(key, |group| group.add(facts)),
                None => self.top.insert(facts.key),
            }
        }
        self.entries.insert(journey.id, Entry { journey: Arc::clone(journey), facts, fits, group });
    }

    fn remove(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.unsettled.remove(&id);
        self.tally.journeys -= 1;
        self.tally.bad -= usize::from(entry.facts.is_bad);
        if !entry.fits {
            return;
        }
        self.fitting -= 1;
        match entry.group {
            Some(key) => self.change_group(&key, |group| group.remove(entry.facts)),
            None => _ = self.top.remove(&entry.facts.key),
        }
    }

    /// Changes a group's members, and keeps its place, which is that of its first.
    fn change_group(&mut self, key: &GroupKey, change: impl FnOnce(&mut Group)) {
        if !self.groups.contains_key(key) {
            self.groups.insert(key.clone(), Group::default());
        }
        let Some(group) = self.groups.get_mut(key) else { return };
        let before = group.members.first().copied();
        change(group);
        let after = group.members.first().copied();
        if before != after {
            if let Some(head) = before {
                self.top.remove(&head);
            }
            if let Some(head) = after {
                self.top.insert(head);
            }
        }
        if after.is_none() {
            self.groups.remove(key);
        }
    }

    fn group_of(&self, entry: &Entry) -> Option<(&GroupKey, &Group)> {
        self.groups.get_key_value(entry.group.as_ref()?)
    }

    /// The open groups by their place among the top rows.
    fn opened(&self) -> Vec<Opened> {
        let opened = self.open.iter().filter_map(|key| {
            let group = self.groups.get(key)?;
            let top = self.top.place(group.members.first()?).ok()?;
            Some(Opened { top, members: group.count() })
        });
        let mut opened: Vec<_> = opened.collect();
        opened.sort_unstable_by_key(|opened| opened.top);
        opened
    }

    fn place_of_top(&self, key: &Key) -> Option<usize> {
        let top = self.top.place(key).ok()?;
        let before = self.opened().into_iter().take_while(|opened| opened.top < top);
        Some(top + before.map(|opened| opened.members).sum::<usize>())
    }

    /// The top row that row `place` belongs to, and which of its group's members it is, if it is one.
    fn split(&self, place: usize) -> (usize, Option<usize>) {
        let mut passed = 0;
        for opened in self.opened() {
            let head = opened.top + passed;
            if place <= head {
                break;
            }
            if place <= head + opened.members {
                return (opened.top, Some(place - head - 1));
            }
            passed += opened.members;
        }
        (place - passed, None)
    }
}

/// An open group.
#[derive(Clone, Copy, Debug)]
struct Opened {
    top: usize,
    members: usize,
}

#[cfg(test)]
mod tests;
