//! Which row is chosen, and which rows are in view. The choice is by what the row is of, and the chosen row stays where
//! it is while others come and go around it.

use std::sync::Arc;

use crate::model::Journey;
use crate::timeline::listing::{Grouping, Key, Listing, Row, RowId};

/// A window on the listed rows.
#[derive(Debug, Default)]
pub(super) struct List {
    chosen: Option<RowId>,
    /// Where the chosen row stood in the order, for when it is gone.
    key: Option<Key>,
    /// The chosen row's place among all.
    index: usize,
    len: usize,
    /// The window's row the chosen one is in.
    row: usize,
    rows: usize,
    /// The choice goes on to each newest journey.
    follows: bool,
}

impl List {
    pub(super) fn new(follows: bool) -> List {
        List { follows, ..List::default() }
    }

    /// Shows what `listing` has in a window of `rows`.
    pub(super) fn show(&mut self, listing: &Listing, rows: usize) {
        (self.rows, self.len) = (rows, listing.len());
        if self.len == 0 {
            self.index = 0;
            return;
        }
        let edge = edge(listing).filter(|_| self.follows);
        let index = edge.or_else(|| self.place(listing)).unwrap_or(0).min(self.len - 1);
        self.choose(listing, index);
        let last_page = self.len.saturating_sub(rows);
        // Never a gap below the last row while there are rows above.
        let first = index.saturating_sub(self.row.min(rows.saturating_sub(1))).min(last_page);
        self.row = index - first;
    }

    /// The chosen row's place; where it is gone, that of its journey alone, or the place it had.
    fn place(&self, listing: &Listing) -> Option<usize> {
        let key = self.key?;
        let journey = || listing.place(&RowId::Journey(key.id));
        let chosen = self.chosen.as_ref().and_then(|chosen| listing.place(chosen));
        chosen.or_else(journey).or_else(|| Some(listing.near(&key)))
    }

    /// Chooses anew: the first row.
    pub(super) fn forget(&mut self) {
        *self = List::new(false);
    }

    /// The rows in view.
    pub(super) fn window<'a>(&self, listing: &'a Listing) -> Vec<Row<'a>> {
        listing.window(self.first_row(), self.rows)
    }

    pub(super) fn chosen(&self) -> Option<&RowId> {
        self.chosen.as_ref().filter(|_| self.len > 0)
    }

    /// The row of the window that is chosen.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// The number of the chosen row, from 1, and how many there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (if self.len == 0 { 0 } else { self.index + 1 }, self.len)
    }

    /// Moves the choice by `steps`, down where positive. Against the end where the newest come, it follows them.
    pub(super) fn step(&mut self, listing: &Listing, steps: isize) {
        let before = self.index;
        self.go_to(listing, self.index.saturating_add_signed(steps));
        self.follows = self.index == before && edge(listing) == Some(before);
    }

    pub(super) fn page(&self) -> isize {
        self.rows.saturating_sub(1).max(1) as isize
    }

    /// Chooses the first row; where the newest journey is first, each newest from now on.
    pub(super) fn first(&mut self, listing: &Listing) {
        self.go_to(listing, 0);
        self.follows = edge(listing) == Some(self.index);
    }

    /// Chooses the last row; where the newest journey is last, each newest from now on.
    pub(super) fn last(&mut self, listing: &Listing) {
        self.go_to(listing, usize::MAX);
        self.follows = edge(listing) == Some(self.index);
    }

    /// Chooses the row at `index`, or the last one.
    pub(super) fn go_to(&mut self, listing: &Listing, index: usize) {
        let Some(last) = self.len.checked_sub(1) else { return };
        self.follows = false;
        let (first, index) = (self.first_row(), index.min(last));
        self.choose(listing, index);
        self.row = index.saturating_sub(first).min(self.rows.saturating_sub(1));
    }

    /// The next journey that `fits`, from the chosen one on (itself too where `is_inclusive`), around the end; those
    /// of closed groups as well.
    pub(super) fn find(
        &self,
        listing: &Listing,
        backwards: bool,
        is_inclusive: bool,
        fits: impl Fn(&Journey) -> bool,
    ) -> Option<u64> {
        let journeys: Vec<&Arc<Journey>> = listing.journeys().collect();
        let count = journeys.len();
        let chosen = self.key.and_then(|key| journeys.iter().position(|journey| journey.id == key.id));
        let start = chosen.unwrap_or(0);
        let place = |offset: usize| {
            if backwards { (start + count - offset) % count } else { (start + offset) % count }
        };
        // Of a group that is chosen, its first journey is not chosen yet.
        let is_inclusive = is_inclusive || matches!(self.chosen, Some(RowId::Group(_)));
        let mut places = (usize::from(!is_inclusive)..=count).take(count).map(place);
        places.find(|&index| fits(journeys[index])).map(|index| journeys[index].id)
    }

    fn choose(&mut self, listing: &Listing, index: usize) {
        self.index = index;
        self.chosen = listing.row(index);
        self.key = self.chosen.as_ref().and_then(|chosen| listing.key(chosen));
    }

    fn first_row(&self) -> usize {
        self.index.saturating_sub(self.row)
    }
}

/// The row where the newest journeys come, where there is one.
fn edge(listing: &Listing) -> Option<usize> {
    if listing.grouping() != Grouping::None {
        return None;
    }
    Some(if listing.order().ends_with_newest() { listing.len().saturating_sub(1) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MILLIS, Timestamp};
    use crate::timeline::listing::{Moment, Order};
    use crate::timeline::{Manner, Store, sample};

    fn store(ids: impl IntoIterator<Item = u64>) -> Store {
        let mut store = Store::new(100);
        for id in ids {
            store.upsert(Arc::new(sample::same_node(id, at(id as i64))));
        }
        store
    }

    fn at(id: i64) -> Timestamp {
        sample::START.plus(id * MILLIS)
    }

    /// The list of `store` at a moment, in a window of three rows.
    fn show(
        list: &mut List,
        listing: &mut Listing,
        store: &Store,
        moment: i64,
    ) -> (Vec<u64>, Option<u64>, usize) {
        sample::with_context(Manner::default(), |context| {
            listing.forget();
            listing.update(store, &[], Moment::At(at(moment)), context);
        });
        list.show(listing, 3);
        view(list, listing)
    }

    fn view(list: &List, listing: &Listing) -> (Vec<u64>, Option<u64>, usize) {
        let id = |row: &Row<'_>| match row {
            Row::Journey(journey) => journey.id,
            Row::Group { group, .. } => 1000 + group.count() as u64,
        };
        let chosen = list.chosen().and_then(|row| listing.journey(row)).map(|journey| journey.id);
        (list.window(listing).iter().map(id).collect(), chosen, list.row())
    }

    #[test]
    fn the_chosen_row_stays_while_others_come() {
        let (mut list, mut listing) = (List::new(false), Listing::new(Order::Start));
        let first = store([10, 20, 30, 40, 50]);
        assert_eq!(show(&mut list, &mut listing, &first, 100), (vec![10, 20, 30], Some(10), 0));
        list.step(&listing, 1);
        let later = store([5, 6, 10, 20, 25, 30, 40]);
        assert_eq!(show(&mut list, &mut listing, &later, 100), (vec![10, 20, 25], Some(20), 1));
        list.step(&listing, 9);
        assert_eq!(show(&mut list, &mut listing, &later, 100), (vec![25, 30, 40], Some(40), 2));
        list.first(&listing);
        assert_eq!(show(&mut list, &mut listing, &later, 100), (vec![5, 6, 10], Some(5), 0));
        list.step(&listing, 4);
        let without = store([5, 6, 10, 20, 30, 40]);
        assert_eq!(show(&mut list, &mut listing, &without, 100).1, Some(30), "the one in its place");
    }

    #[test]
    fn only_what_has_begun_is_listed_and_the_newest_may_be_followed() {
        let (mut list, mut listing) = (List::new(true), Listing::new(Order::Start));
        let mut all = store([10, 20, 30, 40]);
        assert_eq!(show(&mut list, &mut listing, &all, 0), (vec![], None, 0));
        assert_eq!(show(&mut list, &mut listing, &all, 25), (vec![10, 20], Some(20), 1));
        assert_eq!(show(&mut list, &mut listing, &all, 45), (vec![20, 30, 40], Some(40), 2));
        list.step(&listing, -1);
        all = store([10, 20, 30, 40, 41]);
        assert_eq!(show(&mut list, &mut listing, &all, 45).1, Some(30));
        let back = show(&mut list, &mut listing, &all, 15);
        assert_eq!(back, (vec![10], Some(10), 0), "going back in time leaves the last that had begun");
    }

    #[test]
    fn the_newest_first_are_followed_from_the_first_row() {
        let (mut list, mut listing) = (List::new(true), Listing::new(Order::Newest));
        assert_eq!(show(&mut list, &mut listing, &store([1, 2, 3, 4]), 99), (vec![4, 3, 2], Some(4), 0));
        assert_eq!(show(&mut list, &mut listing, &store(1..6), 99), (vec![5, 4, 3], Some(5), 0));
        list.step(&listing, 1);
        assert_eq!(show(&mut list, &mut listing, &store(1..8), 99), (vec![5, 4, 3], Some(4), 1));
        list.step(&listing, -9);
        list.step(&listing, -1);
        assert_eq!(show(&mut list, &mut listing, &store(1..9), 99), (vec![8, 7, 6], Some(8), 0));
    }

    #[test]
    fn a_row_is_chosen_on_when_it_goes_into_a_group_and_out_of_it() {
        let (mut list, mut listing) = (List::new(false), Listing::new(Order::Start));
        let all = store(1..6);
        show(&mut list, &mut listing, &all, 99);
        list.step(&listing, 3);
        listing.set_grouping(Grouping::Path);
        assert_eq!(show(&mut list, &mut listing, &all, 99), (vec![1005], Some(1), 0));
        listing.set_open(&RowId::Journey(1), true);
        assert_eq!(show(&mut list, &mut listing, &all, 99), (vec![1005, 1, 2], Some(1), 0));
        list.go_to(&listing, 4);
        listing.set_grouping(Grouping::None);
        assert_eq!(show(&mut list, &mut listing, &all, 99).1, Some(4));
    }

    #[test]
    fn finding_goes_around() {
        let (mut list, mut listing) = (List::new(false), Listing::new(Order::Start));
        assert_eq!(list.find(&listing, false, true, |_| true), None);
        let all = store([1, 2, 3, 4]);
        show(&mut list, &mut listing, &all, 9);
        let mut go = |is_back, is_inclusive, parts: u64| {
            let found = list.find(&listing, is_back, is_inclusive, |journey| journey.id % parts == 0)?;
            let place = listing.place(&RowId::Journey(found))?;
            list.go_to(&listing, place);
            Some(found)
        };
        assert_eq!(
            [go(false, true, 2), go(false, false, 2), go(false, false, 2)],
            [Some(2), Some(4), Some(2)]
        );
        assert_eq!(go(true, false, 2), Some(4));
        assert_eq!(go(false, false, 4), Some(4), "around to itself");
        assert_eq!((go(false, true, 4), go(false, true, 9)), (Some(4), None));
    }
}
