//! Bookmarks: a moment and the journey that was chosen then, to come back to.

use std::sync::Arc;

use crate::model::{Journey, Timestamp};
use crate::timeline::headline::{Detail, ends_line, exchange_text, path_name, verdict_mark};
use crate::timeline::units::time_of_day;
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::screen::{Focus, Screen};

/// More would not be looked through.
const MOST: usize = 100;

/// The bookmarks in the order they were set, and which of them is chosen.
#[derive(Debug, Default)]
pub(super) struct Bookmarks {
    all: Vec<Bookmark>,
    chosen: usize,
    /// The journey that is to be chosen once what is listed is of the bookmark's moment.
    goes_to: Option<u64>,
}

#[derive(Debug)]
struct Bookmark {
    moment: Timestamp,
    /// As it was then; it may have left the store since.
    journey: Arc<Journey>,
}

impl Bookmarks {
    pub(super) fn has(&self, journey: &Journey) -> bool {
        self.all.iter().any(|bookmark| bookmark.journey.id == journey.id)
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn step(&mut self, steps: isize) {
        self.chosen = self.chosen.saturating_add_signed(steps).min(self.all.len().saturating_sub(1));
    }

    pub(super) fn chosen(&self) -> usize {
        self.chosen
    }
}

impl Screen {
    /// Sets a bookmark at this moment and the chosen journey; in the list of bookmarks it takes the chosen one away.
    pub(super) fn bookmark(&mut self) {
        if self.focus == Focus::Bookmarks {
            let bookmarks = &mut self.bookmarks;
            if bookmarks.chosen < bookmarks.all.len() {
                bookmarks.all.remove(bookmarks.chosen);
                bookmarks.step(0);
            }
            return;
        }
        let (Some(journey), Some(moment)) = (self.chosen_stored(), self.now()) else { return };
        let word = if self.bookmarks.all.len() < MOST { Word::BookmarkSet } else { Word::BookmarksFull };
        if word == Word::BookmarkSet {
            self.bookmarks.all.push(Bookmark { moment, journey });
        }
        self.tell(self.manner.word(word).to_owned());
    }

    /// Goes to the chosen bookmark: its moment, frozen, and its journey.
    pub(super) fn jump(&mut self) {
        let Some(bookmark) = self.bookmarks.all.get(self.bookmarks.chosen) else { return };
        let (moment, id) = (bookmark.moment, bookmark.journey.id);
        self.playback.freeze_at(moment);
        self.focus = self.focus_before;
        self.look_afresh();
        self.bookmarks.goes_to = Some(id);
    }

    /// Chooses the journey of the bookmark that was gone to.
    pub(super) fn arrive(&mut self) {
        let Some(id) = self.bookmarks.goes_to.take() else { return };
        if !self.choose_journey(id) {
            let word = if self.store.get(id).is_some() { Word::BookmarkFiltered } else { Word::BookmarkGone };
            self.tell(self.manner.word(word).to_owned());
        }
    }

    /// A line a bookmark.
    pub(super) fn bookmark_lines(&self, width: usize) -> Vec<Line> {
        let manner = self.manner;
        let context = self.context();
        let mut lines: Vec<Line> = self
            .bookmarks
            .all
            .iter()
            .enumerate()
            .map(|(index, bookmark)| {
                let journey = &bookmark.journey;
                let mut line = Line::new();
                line.push(Tone::Accent, if index == self.bookmarks.chosen { manner.chosen() } else { " " });
                line.number(Tone::Dim, &(index + 1).to_string(), 4).space(2);
                line.push(Tone::Strong, &time_of_day(bookmark.moment)).space(2);
                line.push(Tone::Dim, &path_name(&journey.path, manner)).space(2);
                line.append(&ends_line(journey, &context, Detail::Names)).space(2);
                line.push(Tone::Plain, &exchange_text(&journey.trail, manner)).space(2);
                line.append(&verdict_mark(journey, &context));
                line
            })
            .collect();
        if lines.is_empty() {
            let mut line = Line::new();
            line.space(1).push(Tone::Dim, manner.word(Word::NoBookmarks));
            lines.push(line);
        }
        for line in &mut lines {
            line.truncate(width, manner.ellipsis());
        }
        lines
    }
}
