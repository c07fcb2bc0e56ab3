//! The state of the screen: what it has learned, what is chosen, what is open. Drawing reads it, keys change it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Clocks, Journey, SourceSummary, Timestamp, Topology};
use crate::timeline::filter::Expr;
use crate::timeline::headline::{is_bad, search_text};
use crate::timeline::moment::{at_moment, settled};
use crate::timeline::{Context, Manner, Statistics, Store};
use crate::tui::feed::News;
use crate::tui::keys::Keys;
use crate::tui::list::List;
use crate::tui::playback::{Playback, Speed};
use crate::tui::prompt::Prompt;
use crate::tui::theme::{Ground, Palette, Theme};
use crate::tui::trace::Tracing;

/// Journeys kept for the screen.
pub const JOURNEY_BOUND: usize = 50_000;

/// How the screen begins.
#[derive(Clone, Debug)]
pub struct Settings {
    pub manner: Manner,
    pub speed: Speed,
    pub look: Look,
}

/// What the user likes.
#[derive(Clone, Debug)]
pub struct Look {
    pub theme: Theme,
    pub keys: Keys,
    /// Whether the mouse is for the screen; else it selects text, as the terminal has it.
    pub has_mouse: bool,
}

impl Default for Look {
    fn default() -> Look {
        let theme = Theme::new(Palette::Usual, Ground::Dark);
        Look { theme, keys: Keys::default(), has_mouse: true }
    }
}

/// What has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    List,
    Journey,
    Statistics,
    Help,
}

/// What is shown of the chosen journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Waterfall,
    Ladder,
    Packets,
    Evidence,
}

/// Everything the screen knows.
#[derive(Debug)]
pub struct Screen {
    pub(super) store: Store,
    /// Of the journeys that had to leave the store.
    evicted_statistics: Statistics,
    pub(super) topology: Arc<Topology>,
    pub(super) clocks: Arc<Clocks>,
    pub(super) sources: Vec<SourceSummary>,
    pub(super) is_reading: bool,
    pub(super) failure: Option<String>,
    pub(super) manner: Manner,
    pub(super) look: Look,
    pub(super) playback: Playback,
    pub(super) focus: Focus,
    /// Where [`Focus::Statistics`] and [`Focus::Help`] go back to.
    pub(super) focus_before: Focus,
    pub(super) body: Body,
    pub(super) shows_skipped: bool,
    /// First line shown of the journey, the statistics or the help; `None` lets the journey choose.
    pub(super) scroll: Option<usize>,
    pub(super) list: List,
    pub(super) filter: Option<(String, Expr)>,
    pub(super) search: Option<String>,
    pub(super) prompt: Option<Prompt>,
    /// A sentence for the foot line, until the next key.
    pub(super) notice: Option<String>,
    pub(super) tracing: Tracing,
    /// Moves what waits; a few times a second.
    pub(super) beat: usize,
    pub(super) size: (u16, u16),
    pub(super) tally: Tally,
    /// For which state of the store and which position the tally holds.
    tallied: Option<(u64, Timestamp)>,
    /// For which state of the store the list holds.
    seen_version: Option<u64>,
    pub(super) statistics: Option<Box<Statistics>>,
}

/// Counts up to the position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub journeys: usize,
    pub bad: usize,
}

impl Screen {
    pub fn new(settings: Settings) -> Screen {
        Screen {
            store: Store::new(JOURNEY_BOUND),
            evicted_statistics: Statistics::default(),
            topology: Arc::default(),
            clocks: Arc::default(),
            sources: Vec::new(),
            is_reading: true,
            failure: None,
            manner: settings.manner,
            look: settings.look,
            playback: Playback::new(settings.speed),
            focus: Focus::List,
            focus_before: Focus::List,
            body: Body::Waterfall,
            shows_skipped: false,
            scroll: None,
            list: List::new(settings.speed != Speed::Max),
            filter: None,
            search: None,
            prompt: None,
            notice: None,
            tracing: Tracing::default(),
            beat: 0,
            size: (80, 24),
            tally: Tally::default(),
            tallied: None,
            seen_version: None,
            statistics: None,
        }
    }

    /// Takes in what the line behind has to say.
    pub fn take(&mut self, news: News) {
        match news {
            News::Journey(journey) => {
                if let Some(gone) = self.store.upsert(journey) {
                    let (topology, clocks) = (Arc::clone(&self.topology), Arc::clone(&self.clocks));
                    let context = Context { topology: &topology, clocks: &clocks, manner: self.manner };
                    self.evicted_statistics.add(&gone, &context);
                }
            }
            News::Withdraw(id) => self.store.withdraw(id),
            News::World(topology, clocks) => {
                (self.topology, self.clocks) = (topology, clocks);
                self.seen_version = None;
            }
            News::Sources(sources) => self.sources = sources,
            News::Read(start, end) => self.playback.extend(start, end),
            News::End => self.is_reading = false,
            News::Failed(sentence) => {
                self.is_reading = false;
                self.failure = Some(sentence);
            }
        }
    }

    /// Moves on to `now` and makes ready to be drawn at `width` × `height`.
    pub fn refresh(&mut self, now: Duration, width: u16, height: u16) {
        self.size = (width, height);
        self.beat = (now.as_millis() / 200) as usize;
        self.playback.advance(now);
        self.update_list();
        let state = (self.store.version(), self.playback.position());
        if self.tallied != Some(state) {
            self.tallied = Some(state);
            self.tally = self.count();
        }
        self.list.show(self.playback.position(), self.list_rows());
        if self.focus == Focus::Statistics {
            self.update_statistics();
        }
    }

    /// Whether the next drawing will differ without a key: while it plays or reads.
    pub fn is_moving(&self) -> bool {
        self.is_reading || !(self.playback.is_paused() || self.playback.is_at_end())
    }

    /// Why reading ended early, where it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Columns and rows it was last made ready for.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// Whether the mouse is for the screen.
    pub fn has_mouse(&self) -> bool {
        self.look.has_mouse
    }

    /// Names and manner for everything that is drawn.
    pub fn context(&self) -> Context<'_> {
        Context { topology: &self.topology, clocks: &self.clocks, manner: self.manner }
    }

    /// `journey` as it stands at the position.
    pub(super) fn present(&self, journey: &Arc<Journey>) -> Arc<Journey> {
        if self.playback.is_at_end() {
            return Arc::clone(journey);
        }
        at_moment(journey, self.playback.position(), &self.context())
    }

    /// The chosen journey as it stands at the position.
    pub(super) fn chosen(&self) -> Option<Arc<Journey>> {
        self.list.chosen().map(|journey| self.present(journey))
    }

    /// Whether list and journey fit on the screen together.
    pub(super) fn is_wide(&self) -> bool {
        self.size.0 >= 100 && self.size.1 >= 30
    }

    pub(super) fn is_found(&self, journey: &Journey) -> bool {
        self.search.as_deref().is_some_and(|needle| {
            !needle.is_empty() && search_text(journey, &self.context()).contains(&needle.to_lowercase())
        })
    }

    /// What the filter or the store changed must be listed anew.
    pub(super) fn relist(&mut self) {
        self.seen_version = None;
        self.update_list();
    }

    fn update_list(&mut self) {
        if self.seen_version == Some(self.store.version()) {
            return;
        }
        self.seen_version = Some(self.store.version());
        self.statistics = None;
        let fits = |journey: &&Arc<Journey>| match &self.filter {
            Some((_, expr)) => expr.matches(journey, &self.topology),
            None => true,
        };
        let journeys = self.store.iter().filter(fits).cloned().collect();
        self.list.replace(journeys);
    }

    fn count(&self) -> Tally {
        let (position, context) = (self.playback.position(), self.context());
        let is_at_end = self.playback.is_at_end();
        let started = self.store.iter().take_while(|journey| journey.started <= position || is_at_end);
        let mut tally = Tally::default();
        for journey in started {
            tally.journeys += 1;
            let is_over = is_at_end || settled(journey, &context) <= position;
            tally.bad += usize::from(is_over && is_bad(journey.verdict.outcome));
        }
        tally
    }

    fn update_statistics(&mut self) {
        if self.statistics.is_some() {
            return;
        }
        let mut statistics = Box::new(self.evicted_statistics.clone());
        let context = self.context();
        for journey in self.store.iter() {
            statistics.add(journey, &context);
        }
        self.statistics = Some(statistics);
    }
}
