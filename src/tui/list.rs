//! Which journeys are listed, which one is chosen, and which rows are in view. The choice is by id, and the chosen
//! row stays where it is while others come and go around it.

use std::sync::Arc;

use crate::model::{Journey, Timestamp};

/// The listed journeys by start.
#[derive(Debug, Default)]
pub(super) struct List {
    journeys: Vec<Arc<Journey>>,
    /// How many of them have begun at the position.
    begun: usize,
    chosen: Option<(Timestamp, u64)>,
    /// The window's row the chosen journey is in.
    row: usize,
    rows: usize,
    /// The choice goes on to each newest journey.
    follows: bool,
}

impl List {
    pub(super) fn new(follows: bool) -> List {
        List { follows, ..List::default() }
    }

    /// Replaces what is listed; the chosen journey stays chosen where it is still there.
    pub(super) fn replace(&mut self, journeys: Vec<Arc<Journey>>) {
        self.journeys = journeys;
        // A newer revision may begin earlier: the id decides.
        if let Some((start, id)) = self.chosen
            && self.place(start, id).is_err()
            && let Some(moved) = self.journeys.iter().find(|journey| journey.id == id)
        {
            self.chosen = Some((moved.started, id));
        }
    }

    /// Shows what has begun at `position` in a window of `rows`.
    pub(super) fn show(&mut self, position: Timestamp, rows: usize) {
        self.rows = rows;
        self.begun = self.journeys.partition_point(|journey| journey.started <= position);
        if self.begun == 0 {
            return;
        }
        let index = match self.chosen {
            _ if self.follows => self.begun - 1,
            Some((start, id)) => self.place(start, id).unwrap_or_else(|place| place).min(self.begun - 1),
            None => 0,
        };
        self.choose(index);
        let last_page = self.begun.saturating_sub(rows);
        // Never a gap below the last row while there are rows above.
        let first = index.saturating_sub(self.row.min(rows.saturating_sub(1))).min(last_page);
        self.row = index - first;
    }

    /// The journeys in view.
    pub(super) fn window(&self) -> &[Arc<Journey>] {
        let first = self.index().saturating_sub(self.row).min(self.begun);
        &self.journeys[first..(first + self.rows).min(self.begun)]
    }

    pub(super) fn chosen(&self) -> Option<&Arc<Journey>> {
        let (start, id) = self.chosen?;
        self.place(start, id).ok().filter(|&index| index < self.begun).map(|index| &self.journeys[index])
    }

    /// The row of the window that is chosen.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// The number of the chosen journey, from 1, and how many have begun.
    pub(super) fn count(&self) -> (usize, usize) {
        (if self.begun == 0 { 0 } else { self.index() + 1 }, self.begun)
    }

    /// Moves the choice by `steps`, down where positive.
    pub(super) fn step(&mut self, steps: isize) {
        if self.begun == 0 {
            return;
        }
        let index = self.index().saturating_add_signed(steps).min(self.begun - 1);
        self.go_to(index);
    }

    pub(super) fn page(&self) -> isize {
        self.rows.saturating_sub(1).max(1) as isize
    }

    /// Chooses the first journey.
    pub(super) fn first(&mut self) {
        self.go_to(0);
    }

    /// Chooses the last journey, and each newest from now on.
    pub(super) fn last(&mut self) {
        self.go_to(self.begun.saturating_sub(1));
        self.follows = true;
    }

    /// Chooses the next journey that `fits`, from the chosen one on (itself too where `is_inclusive`), around the
    /// end. Gives whether there is one.
    pub(super) fn find(
        &mut self,
        backwards: bool,
        is_inclusive: bool,
        fits: impl Fn(&Journey) -> bool,
    ) -> bool {
        let count = self.begun;
        if count == 0 {
            return false;
        }
        let start = self.index();
        let place = |offset: usize| {
            if backwards { (start + count - offset) % count } else { (start + offset) % count }
        };
        let found =
            (usize::from(!is_inclusive)..=count).map(place).find(|&index| fits(&self.journeys[index]));
        if let Some(index) = found {
            self.go_to(index);
        }
        found.is_some()
    }

    /// Chooses the journey of this id; gives whether it is listed.
    pub(super) fn choose_id(&mut self, id: u64) -> bool {
        let place = self.journeys[..self.begun].iter().position(|journey| journey.id == id);
        if let Some(index) = place {
            self.go_to(index);
        }
        place.is_some()
    }

    fn go_to(&mut self, index: usize) {
        if self.begun == 0 {
            return;
        }
        self.follows = false;
        let first = self.index() - self.row.min(self.index());
        self.choose(index);
        self.row = index.saturating_sub(first).min(self.rows.saturating_sub(1));
        if index < first {
            self.row = 0;
        }
    }

    fn choose(&mut self, index: usize) {
        self.chosen = self.journeys.get(index).map(|journey| (journey.started, journey.id));
    }

    fn index(&self) -> usize {
        let place = self.chosen.map_or(0, |(start, id)| self.place(start, id).unwrap_or_else(|place| place));
        place.min(self.begun.saturating_sub(1))
    }

    fn place(&self, start: Timestamp, id: u64) -> Result<usize, usize> {
        self.journeys.binary_search_by_key(&(start, id), |journey| (journey.started, journey.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MILLIS;
    use crate::timeline::sample;

    fn journeys(ids: impl IntoIterator<Item = u64>) -> Vec<Arc<Journey>> {
        ids.into_iter()
            .map(|id| Arc::new(sample::same_node(id, sample::START.plus(id as i64 * MILLIS))))
            .collect()
    }

    fn at(id: i64) -> Timestamp {
        sample::START.plus(id * MILLIS)
    }

    fn view(list: &List) -> (Vec<u64>, Option<u64>, usize) {
        (
            list.window().iter().map(|journey| journey.id).collect(),
            list.chosen().map(|journey| journey.id),
            list.row(),
        )
    }

    #[test]
    fn the_chosen_row_stays_while_others_come() {
        let mut list = List::new(false);
        list.replace(journeys([10, 20, 30, 40, 50]));
        list.show(at(100), 3);
        assert_eq!(view(&list), (vec![10, 20, 30], Some(10), 0));
        list.step(1);
        list.replace(journeys([5, 6, 10, 20, 25, 30, 40]));
        list.show(at(100), 3);
        assert_eq!(view(&list), (vec![10, 20, 25], Some(20), 1));
        list.step(9);
        list.show(at(100), 3);
        assert_eq!(view(&list), (vec![25, 30, 40], Some(40), 2));
        list.first();
        list.show(at(100), 3);
        assert_eq!(view(&list), (vec![5, 6, 10], Some(5), 0));
    }

    #[test]
    fn only_what_has_begun_is_listed_and_the_newest_may_be_followed() {
        let mut list = List::new(true);
        list.replace(journeys([10, 20, 30, 40]));
        list.show(at(0), 3);
        assert_eq!(view(&list), (vec![], None, 0));
        list.show(at(25), 3);
        assert_eq!(view(&list), (vec![10, 20], Some(20), 1));
        list.show(at(45), 3);
        assert_eq!(view(&list), (vec![20, 30, 40], Some(40), 2));
        list.step(-1);
        list.replace(journeys([10, 20, 30, 40, 41]));
        list.show(at(45), 3);
        assert_eq!(list.chosen().map(|journey| journey.id), Some(30));
        list.show(at(15), 3);
        assert_eq!(view(&list), (vec![10], Some(10), 0), "going back in time leaves the last that had begun");
    }

    #[test]
    fn finding_goes_around() {
        let mut list = List::new(false);
        assert!(!list.find(false, true, |_| true));
        list.replace(journeys([1, 2, 3, 4]));
        list.show(at(9), 2);
        let chosen = |list: &List| list.chosen().map(|journey| journey.id);
        assert!(list.find(false, true, |journey| journey.id % 2 == 0));
        assert_eq!(chosen(&list), Some(2));
        assert!(list.find(false, false, |journey| journey.id % 2 == 0));
        assert_eq!(chosen(&list), Some(4));
        assert!(list.find(false, false, |journey| journey.id % 2 == 0));
        assert_eq!(chosen(&list), Some(2));
        assert!(list.find(true, false, |journey| journey.id % 2 == 0));
        assert_eq!(chosen(&list), Some(4));
        assert!(!list.find(false, true, |journey| journey.id == 9));
    }
}
