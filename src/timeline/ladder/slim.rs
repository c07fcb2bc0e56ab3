//! Ladders for less room: what is told least goes first.

use super::{Join, Ladder, Point, Side, Step};

impl Ladder {
    /// The ladder for `width` cells of which the rails get `canvas`: without kernels where columns would be narrow;
    /// where proxies make it many columns, without switches too, then with one column a proxy, then without the
    /// interfaces that proxies send from, then with one interface of those beside each other.
    pub(super) fn slimmed(&self, width: usize, canvas: usize) -> Option<Ladder> {
        /// A column with a name and a number.
        const FULL: usize = 12;
        /// A column with a number.
        const LEAST: usize = 8;
        if width >= FULL * self.columns.len() {
            return None;
        }
        let mut slim = self.without(|_, point| matches!(point, Point::Kernel(..)));
        if !self.columns.iter().any(|point| matches!(point, Point::Proxy(..))) {
            return Some(slim);
        }
        let drops: [fn(Option<Point>, Point) -> bool; 4] = [
            |_, point| matches!(point, Point::Switch(_)),
            |_, point| matches!(point, Point::Proxy(_, _, Side::Server)),
            |before, point| matches!(before, Some(Point::Proxy(..))) && matches!(point, Point::Interface(..)),
            |before, point| {
                matches!(before, Some(Point::Interface(..))) && matches!(point, Point::Interface(..))
            },
        ];
        for drop in drops {
            if canvas >= LEAST * slim.columns.len() {
                break;
            }
            slim = slim.without(drop);
        }
        Some(slim)
    }

    /// The same steps without some columns, told by the column before and by themselves: what happens there is
    /// drawn at the column before it.
    fn without(&self, is_dropped: impl Fn(Option<Point>, Point) -> bool) -> Ladder {
        let mut kept: Vec<Point> = Vec::new();
        let mut before = None;
        let moved: Vec<usize> = self
            .columns
            .iter()
            .map(|&point| {
                if !is_dropped(before, point) {
                    kept.push(point);
                }
                before = Some(point);
                kept.len().saturating_sub(1)
            })
            .collect();
        let join = |join: &Join| Join { to: moved[join.to], ..join.clone() };
        let steps = self
            .steps
            .iter()
            .map(|step| Step {
                from: moved[step.from],
                to: moved[step.to],
                join: step.join.as_ref().map(join),
                ..step.clone()
            })
            .collect();
        Ladder { columns: kept, steps, unit: self.unit }
    }
}
