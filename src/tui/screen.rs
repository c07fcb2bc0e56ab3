//! The state of the screen: what it has learned, what is chosen, what is open. Drawing reads it, keys change it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Clocks, Journey, Notice, SourceSummary, Stage, Timestamp, Topology};
use crate::timeline::filter::Expr;
use crate::timeline::headline::search_text;
use crate::timeline::interfaces::Rates;
use crate::timeline::listing::{Listing, Moment, Order, Tally};
use crate::timeline::moment::at_moment;
use crate::timeline::stats::Counts;
use crate::timeline::{Context, Manner, Store};
use crate::tui::bookmarks::Bookmarks;
use crate::tui::columns::Column;
use crate::tui::compared::Compared;
use crate::tui::feed::News;
use crate::tui::inspect::Inspection;
use crate::tui::keys::Keys;
use crate::tui::list::List;
use crate::tui::live::Live;
use crate::tui::playback::{Playback, Speed};
use crate::tui::prompt::Prompt;
use crate::tui::statistics::StatisticsPage;
use crate::tui::theme::{Ground, Palette, Theme};
use crate::tui::trace::Tracing;

/// After names changed, everything is listed anew at most this often.
const NAMES_REST: Duration = Duration::from_secs(1);

/// Journeys kept for the screen.
pub const JOURNEY_BOUND: usize = 50_000;

/// How the screen begins.
#[derive(Clone, Debug)]
pub struct Settings {
    pub manner: Manner,
    pub speed: Speed,
    /// The order of the list.
    pub order: Order,
    pub look: Look,
}

/// What the user likes.
#[derive(Clone, Debug)]
pub struct Look {
    pub theme: Theme,
    pub keys: Keys,
    /// The list's, where the user names some.
    pub columns: Vec<Column>,
    /// Whether the mouse is for the screen; else it selects text, as the terminal has it.
    pub has_mouse: bool,
}

impl Default for Look {
    fn default() -> Look {
        let theme = Theme::new(Palette::Usual, Ground::Dark);
        Look { theme, keys: Keys::default(), columns: Vec::new(), has_mouse: true }
    }
}

/// What has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    List,
    Journey,
    Statistics,
    Interfaces,
    Notices,
    Bookmarks,
    Help,
}

impl Focus {
    /// Whether it takes the place of list and journey.
    pub(super) const fn is_page(self) -> bool {
        matches!(
            self,
            Focus::Statistics | Focus::Interfaces | Focus::Notices | Focus::Bookmarks | Focus::Help
        )
    }
}

/// What is shown of the chosen journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Waterfall,
    Ladder,
    Map,
    Packets,
    Evidence,
    Comparison,
    /// One packet, byte by byte.
    Packet,
}

impl Body {
    /// The view after this one; from what is no view of the way back to the first.
    pub(super) const fn next_view(self) -> Body {
        match self {
            Body::Waterfall => Body::Ladder,
            Body::Ladder => Body::Map,
            Body::Map | Body::Packets | Body::Evidence | Body::Comparison | Body::Packet => Body::Waterfall,
        }
    }
}

/// Everything the screen knows.
#[derive(Debug)]
pub struct Screen {
    pub(super) store: Store,
    /// Of all journeys, also of those that had to leave the store.
    pub(super) counts: Counts,
    /// What came, changed or went since the list was last updated.
    changed: Vec<u64>,
    pub(super) topology: Arc<Topology>,
    pub(super) clocks: Arc<Clocks>,
    pub(super) sources: Vec<SourceSummary>,
    pub(super) rates: Rates,
    /// Journeys closed before their end, over the bound of open ones.
    pub(super) closed_early: u64,
    pub(super) live: Option<Live>,
    pub(super) is_reading: bool,
    pub(super) failure: Option<String>,
    pub(super) manner: Manner,
    pub(super) look: Look,
    pub(super) playback: Playback,
    pub(super) focus: Focus,
    /// Where a page goes back to.
    pub(super) focus_before: Focus,
    pub(super) body: Body,
    pub(super) shows_skipped: bool,
    pub(super) compared: Compared,
    pub(super) inspection: Inspection,
    pub(super) bookmarks: Bookmarks,
    /// The row of the journey that is chosen; `None` lets the journey choose.
    pub(super) cursor: Option<usize>,
    /// The same before a packet was opened.
    pub(super) cursor_before: Option<usize>,
    /// First line shown of the journey, the statistics or the help; `None` lets the journey choose.
    pub(super) scroll: Option<usize>,
    pub(super) listing: Listing,
    /// Nanoseconds of journeys that are listed.
    pub(super) listed: i64,
    /// When everything was last listed anew because names had changed.
    named_at: Option<Duration>,
    has_new_names: bool,
    /// The list is held still; how many journeys came since.
    pub(super) held: Option<usize>,
    pub(super) list: List,
    /// A stage whose delay is one of the list's orders.
    pub(super) stage: Option<Stage>,
    pub(super) filter: Option<(String, Expr)>,
    pub(super) search: Option<String>,
    pub(super) prompt: Option<Prompt>,
    /// Filters that were in force, the newest last; kept for this session.
    pub(super) past_filters: Vec<String>,
    /// A sentence for the foot line, until the next key.
    pub(super) notice: Option<String>,
    pub(super) tracing: Tracing,
    /// Moves what waits; a few times a second.
    pub(super) beat: usize,
    pub(super) size: (u16, u16),
    pub(super) tally: Tally,
    pub(super) statistics: StatisticsPage,
}

impl Screen {
    pub fn new(settings: Settings) -> Screen {
        Screen {
            store: Store::new(JOURNEY_BOUND),
            counts: Counts::default(),
            changed: Vec::new(),
            topology: Arc::default(),
            clocks: Arc::default(),
            sources: Vec::new(),
            rates: Rates::default(),
            closed_early: 0,
            live: None,
            is_reading: true,
            failure: None,
            manner: settings.manner,
            look: settings.look,
            playback: Playback::new(settings.speed),
            focus: Focus::List,
            focus_before: Focus::List,
            body: Body::Waterfall,
            shows_skipped: false,
            compared: Compared::default(),
            inspection: Inspection::default(),
            bookmarks: Bookmarks::default(),
            cursor: None,
            cursor_before: None,
            scroll: None,
            listing: Listing::new(settings.order),
            listed: 0,
            named_at: None,
            has_new_names: false,
            held: None,
            list: List::new(settings.speed != Speed::Max || settings.order == Order::Newest),
            stage: None,
            filter: None,
            search: None,
            prompt: None,
            past_filters: Vec::new(),
            notice: None,
            tracing: Tracing::default(),
            beat: 0,
            size: (80, 24),
            tally: Tally::default(),
            statistics: StatisticsPage::default(),
        }
    }

    /// Takes in what the line behind has to say.
    pub fn take(&mut self, news: News) {
        match news {
            News::Journey(journey) => self.take_journey(&journey),
            News::Withdraw(id) => {
                let before = self.store.get(id).cloned();
                self.count(before.as_deref(), None);
                self.store.withdraw(id);
                self.changed.push(id);
            }
            News::World(topology, clocks) => {
                let (old, new) = (&self.topology, &topology);
                self.has_new_names |= self.filter.is_some()
                    && (&old.names, &old.services, &old.nodes) != (&new.names, &new.services, &new.nodes);
                self.notice_tables(&topology);
                (self.topology, self.clocks) = (topology, clocks);
            }
            News::Sources(sources) => {
                self.rates.take(&sources);
                self.sources = sources;
            }
            News::ClosedEarly(count) => self.closed_early = count,
            News::Live(node) => self.live = Some(Live::new(node)),
            News::Notice(time, notice) => {
                if let Some(live) = &mut self.live {
                    live.take(time, notice);
                }
            }
            News::Recording(state) => {
                if let Some(live) = &mut self.live {
                    live.recording = state;
                }
            }
            News::Read(start, end) => self.playback.extend(start, end),
            News::Packets(journey, looked) => self.inspection.take(journey, looked),
            News::End => self.is_reading = false,
            News::Failed(sentence) => {
                self.is_reading = false;
                self.failure = Some(sentence);
            }
        }
    }

    /// Notes where there begins to be no room in a node's connection tracking.
    fn notice_tables(&mut self, now: &Topology) {
        let Some(live) = &mut self.live else { return };
        for (node, table) in &now.tables {
            let before = self.topology.tables.get(node).map_or(0, |before| before.shortages.len());
            if let Some(last) = table.shortages.last().filter(|_| table.shortages.len() > before)
                && let Some(finding) = table.finding(now.node_name(*node))
            {
                live.take(self.clocks.align(*node, last.until), Notice::NoRoom(finding));
            }
        }
    }

    fn take_journey(&mut self, journey: &Arc<Journey>) {
        let id = journey.id;
        let before = self.store.get(id).cloned();
        if before.is_none() {
            self.held = self.held.map(|held| held + 1);
        }
        let gone = self.store.upsert(Arc::clone(journey));
        self.changed.push(id);
        self.changed.extend(gone.map(|gone| gone.id));
        // An older revision is not taken.
        if self.store.get(id).is_some_and(|stored| Arc::ptr_eq(stored, journey)) {
            self.count(before.as_deref(), Some(journey));
        }
    }

    fn count(&mut self, before: Option<&Journey>, after: Option<&Journey>) {
        let context = Context::new(&self.topology, &self.clocks, self.manner);
        self.counts.replace(before, after, &context);
    }

    /// Moves on to `now` and makes ready to be drawn at `width` × `height`.
    pub fn refresh(&mut self, now: Duration, width: u16, height: u16) {
        self.size = (width, height);
        self.beat = (now.as_millis() / 200) as usize;
        self.playback.advance(now);
        if let Some(live) = &mut self.live {
            live.advance(now);
            if self.focus == Focus::Notices {
                live.unread = 0;
            }
        }
        self.update_list(now);
        self.arrive();
        self.list.show(&self.listing, self.list_rows());
        if self.body == Body::Comparison {
            self.update_compared();
        }
        self.update_statistics();
    }

    /// Whether the position moves by itself.
    pub fn is_playing(&self) -> bool {
        !(self.playback.is_paused() || self.playback.is_at_end())
    }

    /// Whether more may come.
    pub fn is_reading(&self) -> bool {
        self.is_reading
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
        Context::new(&self.topology, &self.clocks, self.manner)
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
        self.chosen_stored().map(|journey| self.present(&journey))
    }

    /// The chosen journey with all that is known of it by now.
    pub(super) fn chosen_stored(&self) -> Option<Arc<Journey>> {
        let journey = self.listing.journey(self.list.chosen()?)?;
        Some(Arc::clone(self.store.get(journey.id).unwrap_or(journey)))
    }

    /// The time up to which is shown, on the reference clock; `None` while nothing was read.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.playback.range().map(|_| self.playback.position())
    }

    /// Whether list and journey fit on the screen together.
    pub(super) fn is_wide(&self) -> bool {
        self.size.0 >= 100 && self.size.1 >= 30
    }

    /// What marks a journey in the list: one cell.
    pub(super) fn sign(&self, journey: &Journey) -> &'static str {
        let is_ascii = self.manner.is_ascii();
        match (self.compared.is_marked(journey), self.bookmarks.has(journey)) {
            (true, _) => {
                if is_ascii {
                    "*"
                } else {
                    "◆"
                }
            }
            (false, true) => {
                if is_ascii {
                    "#"
                } else {
                    "■"
                }
            }
            (false, false) => " ",
        }
    }

    pub(super) fn is_found(&self, journey: &Journey) -> bool {
        self.search.as_deref().is_some_and(|needle| {
            !needle.is_empty() && search_text(journey, &self.context()).contains(&needle.to_lowercase())
        })
    }

    /// Lists what came, changed or went; everything anew only where names, filter or order ask for it.
    fn update_list(&mut self, now: Duration) {
        let is_time = self.named_at.is_none_or(|last| now.saturating_sub(last) >= NAMES_REST);
        if self.has_new_names && is_time && self.held.is_none() {
            (self.has_new_names, self.named_at) = (false, Some(now));
            self.listing.forget();
        }
        let changed = std::mem::take(&mut self.changed);
        if self.held.is_some() && !self.listing.is_forgotten() {
            return;
        }
        let moment = if self.is_whole() { Moment::End } else { Moment::At(self.playback.position()) };
        let context = Context::new(&self.topology, &self.clocks, self.manner);
        self.listing.update(&self.store, &changed, moment, &context);
        self.tally = self.listing.tally();
        let first = self.store.iter().next().map(|journey| journey.started);
        self.listed = first.map_or(0, |first| self.playback.position().since(first));
    }

    /// Whether everything that was read is shown, and goes on to be.
    fn is_whole(&self) -> bool {
        let goes_on = !self.is_reading || self.playback.speed() == Speed::Max;
        self.playback.is_at_end() && goes_on
    }
}
