//! What the chosen journey is compared with: one that was marked, or the median of its kind.

use std::sync::Arc;

use crate::model::Journey;
use crate::timeline::comparison::{Comparison, median};
use crate::timeline::headline::{Detail, duration_text, ends_line, exchange_text};
use crate::timeline::units::time_of_day;
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::keys::Action;
use crate::tui::screen::{Body, Screen};

/// What is compared, and with what.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// As it was when it was marked; it may have left the store since.
    marked: Option<Arc<Journey>>,
    with: With,
    median: Option<Median>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum With {
    #[default]
    Marked,
    Median,
}

/// The median journey for the chosen one; it stays the same as long as that is chosen, so that nothing jumps.
#[derive(Debug)]
struct Median {
    of: u64,
    /// And how many there were.
    found: Option<(Arc<Journey>, usize)>,
}

/// What the chosen journey stands beside.
struct Other {
    journey: Arc<Journey>,
    name: Word,
    /// Of how many it is the median.
    count: Option<usize>,
}

impl Compared {
    pub(super) fn is_marked(&self, journey: &Journey) -> bool {
        self.marked.as_ref().is_some_and(|marked| marked.id == journey.id)
    }
}

impl Screen {
    /// Marks the chosen journey.
    pub(super) fn mark(&mut self) {
        let Some(journey) = self.chosen_stored() else { return };
        self.compared.marked = Some(journey);
        self.tell(self.manner.word(Word::Marked).to_owned());
    }

    /// Shows the chosen journey beside the marked one.
    pub(super) fn compare_marked(&mut self) {
        if self.compared.marked.is_none() {
            let key = self.look.keys.first(Action::Mark, self.manner).unwrap_or_else(|| "·".to_owned());
            return self.tell(format!("{} {key}", self.manner.word(Word::NoneMarked)));
        }
        self.compare(With::Marked);
    }

    /// Shows the chosen journey beside the median of its path and route.
    pub(super) fn compare_median(&mut self) {
        self.compare(With::Median);
    }

    /// The same key again goes back.
    fn compare(&mut self, with: With) {
        let is_shown = self.body == Body::Comparison && self.compared.with == with;
        self.compared.with = with;
        self.compared.median = None;
        self.show_body(if is_shown { Body::Waterfall } else { Body::Comparison });
    }

    pub(super) fn update_compared(&mut self) {
        let Some(chosen) = self.chosen_stored() else { return };
        let is_known = self.compared.median.as_ref().is_some_and(|median| median.of == chosen.id);
        if self.compared.with == With::Median && !is_known {
            self.compared.median = Some(Median { of: chosen.id, found: median(self.store.iter(), &chosen) });
        }
    }

    /// Head, rows, the row of the largest difference, and what is to be said below.
    pub(super) fn comparison_lines(
        &self,
        journey: &Journey,
        width: usize,
    ) -> (Vec<Line>, Vec<Line>, Option<usize>, Line) {
        let context = self.context();
        let Other { journey: other, name, count } = match self.other(journey) {
            Ok(other) => other,
            Err(word) => {
                let mut line = Line::new();
                line.space(1).push(Tone::Dim, self.manner.word(word));
                return (Vec::new(), vec![line], None, Line::new());
            }
        };
        let comparison = Comparison::new(&other, journey, &context);
        let short = self.manner.word(name);
        let (head, rows) = comparison.lines(short, &context, width);
        let mut told = Line::new();
        told.space(1);
        match count {
            Some(count) => told.push(Tone::Dim, &format!("{} {count}", self.manner.word(Word::MedianOf))),
            None => told.push(Tone::Dim, short),
        };
        told.space(2).push(Tone::Dim, &time_of_day(other.started)).space(2);
        told.append(&ends_line(&other, &context, Detail::Names)).space(2);
        told.push(Tone::Plain, &exchange_text(&other.trail, self.manner)).space(2);
        told.push(Tone::Strong, &duration_text(&other, self.manner));
        told.truncate(width, self.manner.ellipsis());
        (vec![told, head], rows, comparison.largest, comparison.sentence(&context))
    }

    /// What `journey` is compared with and what that is called, or why there is nothing.
    fn other(&self, journey: &Journey) -> Result<Other, Word> {
        match self.compared.with {
            With::Median => {
                let median = self.compared.median.as_ref().and_then(|median| median.found.as_ref());
                let (median, of) = median.ok_or(Word::NoMedian)?;
                Ok(Other { journey: Arc::clone(median), name: Word::MedianOne, count: Some(*of) })
            }
            With::Marked => match &self.compared.marked {
                None => Err(Word::NoneMarked),
                Some(marked) if marked.id == journey.id => Err(Word::MarkedIsChosen),
                Some(marked) if marked.path != journey.path => Err(Word::OtherPath),
                Some(marked) => {
                    let newest = self.store.get(marked.id).unwrap_or(marked);
                    Ok(Other { journey: Arc::clone(newest), name: Word::MarkedOne, count: None })
                }
            },
        }
    }
}
