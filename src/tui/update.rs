//! What keys do to the screen.

use std::fmt::Write as _;

use ratatui::crossterm::event::{Event, KeyEvent, KeyEventKind};

use crate::model::{Journey, RecordingState, SECONDS};
use crate::timeline::filter::{Expr, Vocabulary};
use crate::timeline::listing::{Grouping, Order, RowId};
use crate::timeline::units::bytes;
use crate::timeline::words::Word;
use crate::tui::keys::{self, Action};
use crate::tui::prompt::{Fault, Prompt, Purpose, Typed};
use crate::tui::screen::{Body, Focus, Screen};

/// Filters that can be recalled.
const PAST_FILTERS: usize = 100;

/// What the screen asks of whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Quit,
    /// Write a picture of the screen as it is.
    Picture,
    /// Say how a new recording may be called: see [`Screen::ask_where_to_record`].
    ProposeRecording,
    /// Record into a new file of this name.
    Record(String),
    StopRecording,
    /// Get the bytes of the packets of [`Screen::wanted`].
    Fetch,
    /// Write those packets to a file.
    Extract,
    /// Put what [`Screen::copied`] gives into the clipboard, as text.
    Copy,
    /// Write what [`Screen::copied`] gives into files, as text and as a picture.
    Draw,
    /// Trace what [`Screen::to_trace`] gives in the kernel, or end that.
    Trace,
}

impl Screen {
    /// Takes an event of the terminal.
    pub fn handle(&mut self, event: &Event) -> Option<Effect> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.handle_key(key),
            Event::Mouse(event) => self.handle_mouse(*event),
            _ => None,
        }
    }

    fn handle_key(&mut self, key: &KeyEvent) -> Option<Effect> {
        if keys::is_interrupt(key) {
            return Some(Effect::Quit);
        }
        self.notice = None;
        if self.prompt.is_some() {
            return self.type_key(key);
        }
        self.look.keys.action(key).and_then(|action| self.act(action))
    }

    /// Says something in the foot line until the next key.
    pub fn tell(&mut self, sentence: String) {
        self.notice = Some(sentence);
    }

    /// Says where the picture is.
    pub fn tell_picture(&mut self, path: &str) {
        self.tell(format!("{} {path}", self.manner.word(Word::PictureWritten)));
    }

    /// Asks for the name of a new recording, and proposes one.
    pub fn ask_where_to_record(&mut self, proposed: &str) {
        self.prompt = Some(Prompt::record(proposed, None));
    }

    /// Says in the line where the name was typed why there is no such recording.
    pub fn refuse_recording(&mut self, name: &str, why: String) {
        self.prompt = Some(Prompt::record(name, Some(why)));
    }

    /// Says where the recording goes.
    pub fn tell_recording(&mut self, path: &str) {
        self.tell(format!("{} {path}", self.manner.word(Word::RecordingBegun)));
    }

    /// Says what became of the recording.
    pub fn tell_end_of_recording(&mut self, state: &RecordingState) {
        let word = self.manner.word(Word::RecordingEnded);
        self.tell(format!("{word} {} ({})", state.path, bytes(state.bytes)));
    }

    /// Begins to record, or stops.
    fn write(&mut self) -> Option<Effect> {
        match &self.live {
            Some(live) if self.is_reading && live.recording.is_some() => Some(Effect::StopRecording),
            Some(_) if self.is_reading => Some(Effect::ProposeRecording),
            _ => {
                self.tell(self.manner.word(Word::OnlyLive).to_owned());
                None
            }
        }
    }

    /// Says where the packets of a journey are, and how many.
    pub fn tell_extract(&mut self, path: &str, packets: usize, missing: usize, left_out: usize) {
        let word = |word: Word| self.manner.word(word);
        let mut said = format!("{packets} {} {path}", word(Word::PacketsWritten));
        for (count, more) in [(missing, Word::PacketsMissing), (left_out, Word::LeftOut)] {
            if count > 0 {
                let _ = write!(said, "; {count} {}", word(more));
            }
        }
        self.tell(said);
    }

    pub(super) fn act(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Picture => return Some(Effect::Picture),
            Action::Extract => return self.list.chosen().map(|_| Effect::Extract),
            Action::Copy => return self.list.chosen().map(|_| Effect::Copy),
            Action::Draw => return self.list.chosen().map(|_| Effect::Draw),
            Action::Trace => return Some(Effect::Trace),
            Action::Mouse => self.toggle_mouse(),
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp => self.step(-self.page()),
            Action::PageDown => self.step(self.page()),
            Action::First => self.go_first(),
            Action::Last => self.go_last(),
            Action::Open => return self.open(),
            Action::Back => self.back(),
            Action::NextView => self.show_body(self.body.next_view()),
            Action::Packets => self.toggle_body(Body::Packets),
            Action::Evidence => self.toggle_body(Body::Evidence),
            Action::Mark => self.mark(),
            Action::Compare => self.compare_marked(),
            Action::CompareMedian => self.compare_median(),
            Action::Skipped => self.shows_skipped = !self.shows_skipped,
            Action::Statistics => self.toggle_page(Focus::Statistics),
            Action::Interfaces => self.toggle_page(Focus::Interfaces),
            Action::Notices => self.toggle_page(Focus::Notices),
            Action::Help => self.toggle_page(Focus::Help),
            Action::Write => return self.write(),
            Action::Search => self.prompt = Some(Prompt::search()),
            Action::NextMatch => self.find(false, false),
            Action::PreviousMatch => self.find(true, false),
            Action::Filter => {
                let text = self.filter.as_ref().map_or("", |(text, _)| text.as_str());
                let vocabulary = Vocabulary::new(self.store.iter(), &self.topology);
                self.prompt = Some(Prompt::filter(text, vocabulary));
            }
            Action::Language => self.manner = self.manner.other_language(),
            Action::Names => self.manner = self.manner.other_names(),
            Action::Pause => self.playback.toggle_pause(),
            Action::Bookmark => self.bookmark(),
            Action::Bookmarks => self.toggle_page(Focus::Bookmarks),
            Action::Faster => self.playback.faster(),
            Action::Slower => self.playback.slower(),
            Action::Order if self.focus == Focus::Statistics => {
                self.statistics.is_longest_first ^= true;
            }
            Action::Order => self.order_by(self.listing.order().next(self.stage)),
            Action::Group => self.listing.set_grouping(self.listing.grouping().next()),
            Action::Hold => self.hold(),
            Action::SecondBack if self.set_open(false) => {}
            Action::SecondOn if self.set_open(true) => {}
            Action::SecondBack => self.playback.seek_by(-SECONDS),
            Action::SecondOn => self.playback.seek_by(SECONDS),
            Action::TenthBack => self.playback.seek_tenths(-1),
            Action::TenthOn => self.playback.seek_tenths(1),
            Action::Start => self.seek_end(true),
            Action::End => self.seek_end(false),
        }
        None
    }

    /// Says that text went to the clipboard.
    pub fn tell_copied(&mut self) {
        self.tell(self.manner.word(Word::Copied).to_owned());
    }

    /// Says that it did not.
    pub fn tell_too_long(&mut self) {
        self.tell(self.manner.word(Word::TooLongToCopy).to_owned());
    }

    fn toggle_mouse(&mut self) {
        self.look.has_mouse = !self.look.has_mouse;
        let word = if self.look.has_mouse { Word::MouseOn } else { Word::MouseOff };
        self.tell(self.manner.word(word).to_owned());
    }

    pub(super) fn step(&mut self, steps: isize) {
        if self.focus == Focus::Statistics {
            self.step_statistics(steps);
        } else if self.focus == Focus::Bookmarks {
            self.step_bookmark(steps);
        } else if self.focus == Focus::List {
            self.list.step(&self.listing, steps);
            self.look_afresh();
        } else if !self.step_row(steps) {
            self.scroll = Some(self.first_line().saturating_add_signed(steps).min(self.last_scroll()));
        }
    }

    /// What is shown of the journey chooses again where it begins.
    pub(super) fn look_afresh(&mut self) {
        (self.scroll, self.cursor) = (None, None);
    }

    /// Moves the choice among bookmarks, and keeps it in view.
    fn step_bookmark(&mut self, steps: isize) {
        self.bookmarks.step(steps);
        let (chosen, shown) = (self.bookmarks.chosen(), self.body_rows().max(1));
        self.scroll = Some(self.first_line().clamp((chosen + 1).saturating_sub(shown), chosen));
    }

    /// Moves the chosen row of the journey, where rows can be chosen, and keeps it in view.
    fn step_row(&mut self, steps: isize) -> bool {
        let Some(content) =
            self.content().filter(|content| self.focus == Focus::Journey && content.has_rows_to_open())
        else {
            return false;
        };
        let (first, shown) = (self.first_line(), self.body_rows().max(1));
        let cursor = content
            .cursor(self.cursor)
            .saturating_add_signed(steps)
            .min(content.rows.len().saturating_sub(1));
        self.cursor = Some(cursor);
        self.scroll = Some(first.clamp((cursor + 1).saturating_sub(shown), cursor));
        true
    }

    fn page(&self) -> isize {
        if self.focus == Focus::Statistics {
            self.statistics_rows().saturating_sub(1).max(1) as isize
        } else if self.focus == Focus::List {
            self.list.page()
        } else {
            self.body_rows().saturating_sub(1).max(1) as isize
        }
    }

    fn go_first(&mut self) {
        if self.focus == Focus::Statistics {
            self.step_statistics(isize::MIN);
        } else if self.focus == Focus::List {
            self.list.first(&self.listing);
            self.look_afresh();
        } else if !self.step_row(isize::MIN + 1) {
            self.scroll = Some(0);
        }
    }

    fn go_last(&mut self) {
        if self.focus == Focus::Statistics {
            self.step_statistics(isize::MAX);
        } else if self.focus == Focus::List {
            self.list.last(&self.listing);
            self.look_afresh();
        } else if !self.step_row(isize::MAX) {
            self.scroll = Some(self.last_scroll());
        }
    }

    /// From the list into the journey; there into the chosen row, or from what has no rows on to the packets.
    pub(super) fn open(&mut self) -> Option<Effect> {
        match (self.focus, self.body) {
            (Focus::List, _) if self.toggle_group() => {}
            (Focus::List, _) if self.list.chosen().is_some() => self.focus = Focus::Journey,
            (Focus::Journey, Body::Packet) if self.is_packet_shown() => self.leave_packet(),
            (Focus::Journey, _) if self.content().is_some_and(|content| content.has_rows_to_open()) => {
                self.cursor_before = Some(self.content().map_or(0, |content| content.cursor(self.cursor)));
                return self.open_row();
            }
            (Focus::Journey, Body::Ladder | Body::Map) => self.show_body(Body::Packets),
            (Focus::Journey, _) => self.show_body(Body::Waterfall),
            (Focus::Statistics, _) => self.list_measure(),
            (Focus::Bookmarks, _) => self.jump(),
            (page, _) if page.is_page() => self.back(),
            _ => {}
        }
        None
    }

    /// Opens or closes the group that is chosen; gives whether one is.
    pub(super) fn toggle_group(&mut self) -> bool {
        let Some(RowId::Group(key)) = self.list.chosen() else { return false };
        let is_open = self.listing.is_open(key);
        self.set_open(!is_open)
    }

    /// Opens or closes the chosen row's group; gives whether journeys are listed in groups.
    fn set_open(&mut self, is_open: bool) -> bool {
        if self.focus != Focus::List || self.listing.grouping() == Grouping::None {
            return false;
        }
        let head = self.list.chosen().cloned().and_then(|row| self.listing.set_open(&row, is_open));
        let place = head.filter(|_| !is_open).and_then(|head| self.listing.place(&head));
        // The row of a group that was closed is chosen, whichever of its journeys was.
        if let Some(place) = place {
            self.list.show(&self.listing, self.list_rows());
            self.list.go_to(&self.listing, place);
        }
        true
    }

    /// Where the order says what matters most, that is chosen; else the chosen journey stays so.
    pub(super) fn order_by(&mut self, order: Order) {
        self.listing.set_order(order);
        if !matches!(order, Order::Start | Order::Newest) {
            self.list.forget();
        }
    }

    /// Holds the list still, or lets it go on.
    fn hold(&mut self) {
        if self.held.take().is_some() {
            self.listing.forget();
        } else {
            self.held = Some(0);
        }
    }

    fn back(&mut self) {
        self.look_afresh();
        match (self.focus, self.body) {
            (Focus::List | Focus::Journey, Body::Packet) => self.leave_packet(),
            (page, _) if page.is_page() => self.focus = self.focus_before,
            (_, Body::Packets | Body::Evidence | Body::Comparison) => self.body = Body::Waterfall,
            (Focus::Journey, _) => self.focus = Focus::List,
            _ => self.search = None,
        }
    }

    pub(super) fn show_body(&mut self, body: Body) {
        self.body = body;
        self.look_afresh();
        self.leave_page();
        if !self.is_wide() && self.list.chosen().is_some() {
            self.focus = Focus::Journey;
        }
    }

    fn toggle_body(&mut self, body: Body) {
        self.show_body(if self.body == body { Body::Waterfall } else { body });
    }

    fn toggle_page(&mut self, page: Focus) {
        self.scroll = None;
        if self.focus == page {
            self.leave_page();
        } else {
            self.leave_page();
            self.focus_before = self.focus;
            self.focus = page;
        }
    }

    fn leave_page(&mut self) {
        if self.focus.is_page() {
            self.focus = self.focus_before;
        }
    }

    /// At full speed the end is where everything new is shown again.
    fn seek_end(&mut self, is_start: bool) {
        let Some((start, end)) = self.playback.range() else { return };
        if is_start {
            self.playback.seek_to(start);
        } else {
            self.playback.seek_to(end);
            self.playback.go_on();
        }
    }

    fn find(&mut self, backwards: bool, is_inclusive: bool) {
        let Some(needle) = self.search.clone() else { return };
        let fits = |journey: &Journey| self.is_found(journey);
        let found = self.list.find(&self.listing, backwards, is_inclusive, fits);
        let is_found = found.is_some_and(|id| self.choose_journey(id));
        if is_found {
            self.look_afresh();
        } else if !needle.is_empty() {
            let no_match = self.manner.word(Word::NoMatch);
            match &mut self.prompt {
                Some(prompt) => {
                    let what = no_match.to_owned();
                    prompt.fault = Some(Fault { column: None, what, is_unfinished: false });
                }
                None => self.notice = Some(format!("{no_match}: {needle}")),
            }
        }
    }

    /// Chooses a journey that is listed; its group is opened for it. Gives whether there is one.
    pub(super) fn choose_journey(&mut self, id: u64) -> bool {
        let row = RowId::Journey(id);
        self.listing.set_open(&row, true);
        self.list.show(&self.listing, self.list_rows());
        let place = self.listing.place(&row);
        if let Some(place) = place {
            self.list.go_to(&self.listing, place);
        }
        place.is_some()
    }

    fn type_key(&mut self, key: &KeyEvent) -> Option<Effect> {
        let prompt = self.prompt.as_mut()?;
        let past: &[String] = if prompt.purpose == Purpose::Filter { &self.past_filters } else { &[] };
        let (typed, purpose) = (prompt.handle(key, past), prompt.purpose);
        let text = prompt.text().to_owned();
        match (purpose, typed) {
            (_, Typed::Dropped) => {
                self.prompt = None;
                if purpose == Purpose::Search {
                    self.search = None;
                }
            }
            (Purpose::Search, Typed::Text) => {
                self.search = Some(text);
                self.find(false, true);
            }
            (Purpose::Search, Typed::Accepted) => {
                self.prompt = None;
                self.search = Some(text).filter(|text| !text.is_empty());
            }
            (Purpose::Filter | Purpose::Record, Typed::Text) => {}
            (Purpose::Filter, Typed::Accepted) => self.accept_filter(&text),
            (Purpose::Record, Typed::Accepted) => {
                self.prompt = None;
                return Some(text.trim())
                    .filter(|name| !name.is_empty())
                    .map(|name| Effect::Record(name.to_owned()));
            }
        }
        None
    }

    /// Keeps the filter for the arrows of its prompt.
    fn remember_filter(&mut self) {
        let Some((text, _)) = &self.filter else { return };
        self.past_filters.retain(|past| past != text);
        self.past_filters.push(text.clone());
        if self.past_filters.len() > PAST_FILTERS {
            self.past_filters.remove(0);
        }
    }

    /// Puts the filter in force; a wrong one stays in the line with its place marked.
    fn accept_filter(&mut self, text: &str) {
        if text.trim().is_empty() {
            self.filter = None;
        } else {
            match Expr::parse(text) {
                Ok(expr) => self.filter = Some((text.trim().to_owned(), expr)),
                Err(error) => {
                    if let Some(prompt) = &mut self.prompt {
                        let column = Some(error.column);
                        prompt.fault = Some(Fault { column, what: error.what, is_unfinished: false });
                    }
                    return;
                }
            }
        }
        self.prompt = None;
        self.filter_changed();
    }

    /// Lists what fits the filter that is now in force.
    pub(super) fn filter_changed(&mut self) {
        self.remember_filter();
        self.listing.set_filter(self.filter.as_ref().map(|(_, expr)| expr.clone()));
    }
}
