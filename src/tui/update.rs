//! What keys do to the screen.

use ratatui::crossterm::event::{Event, KeyEvent, KeyEventKind};

use crate::model::SECONDS;
use crate::timeline::filter::Expr;
use crate::timeline::words::Word;
use crate::tui::keys::{self, Action};
use crate::tui::prompt::{Prompt, Purpose, Typed};
use crate::tui::screen::{Body, Focus, Screen};

/// What the screen asks of whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Quit,
    /// Write a picture of the screen as it is.
    Picture,
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
            self.type_key(key);
            return None;
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

    pub(super) fn act(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Picture => return Some(Effect::Picture),
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
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::NextView => {
                self.show_body(if self.body == Body::Waterfall { Body::Ladder } else { Body::Waterfall });
            }
            Action::Packets => self.toggle_body(Body::Packets),
            Action::Evidence => self.toggle_body(Body::Evidence),
            Action::Skipped => self.shows_skipped = !self.shows_skipped,
            Action::Statistics => self.toggle_page(Focus::Statistics),
            Action::Help => self.toggle_page(Focus::Help),
            Action::Search => self.prompt = Some(Prompt::new(Purpose::Search, "")),
            Action::NextMatch => self.find(false, false),
            Action::PreviousMatch => self.find(true, false),
            Action::Filter => {
                let text = self.filter.as_ref().map_or("", |(text, _)| text.as_str());
                self.prompt = Some(Prompt::new(Purpose::Filter, text));
            }
            Action::Language => self.manner = self.manner.other_language(),
            Action::Names => self.manner = self.manner.other_names(),
            Action::Pause => self.playback.toggle_pause(),
            Action::Faster => self.playback.faster(),
            Action::Slower => self.playback.slower(),
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
        if self.focus == Focus::List {
            self.list.step(steps);
            self.scroll = None;
        } else {
            self.scroll = Some(self.first_line().saturating_add_signed(steps).min(self.last_scroll()));
        }
    }

    fn page(&self) -> isize {
        if self.focus == Focus::List {
            self.list.page()
        } else {
            self.body_rows().saturating_sub(1).max(1) as isize
        }
    }

    fn go_first(&mut self) {
        if self.focus == Focus::List {
            self.list.first();
            self.scroll = None;
        } else {
            self.scroll = Some(0);
        }
    }

    fn go_last(&mut self) {
        if self.focus == Focus::List {
            self.list.last();
            self.scroll = None;
        } else {
            self.scroll = Some(self.last_scroll());
        }
    }

    /// From the list into the journey; from there on to its packets and its evidence.
    fn open(&mut self) {
        match (self.focus, self.body) {
            (Focus::List, _) if self.list.chosen().is_some() => self.focus = Focus::Journey,
            (Focus::Journey, Body::Waterfall | Body::Ladder) => self.show_body(Body::Packets),
            (Focus::Journey, Body::Packets) => self.show_body(Body::Evidence),
            (Focus::Journey, Body::Evidence) => self.show_body(Body::Waterfall),
            (Focus::Statistics | Focus::Help, _) => self.back(),
            (Focus::List, _) => {}
        }
    }

    fn back(&mut self) {
        self.scroll = None;
        match (self.focus, self.body) {
            (Focus::Statistics | Focus::Help, _) => self.focus = self.focus_before,
            (_, Body::Packets | Body::Evidence) => self.body = Body::Waterfall,
            (Focus::Journey, _) => self.focus = Focus::List,
            (Focus::List, _) => self.search = None,
        }
    }

    pub(super) fn show_body(&mut self, body: Body) {
        self.body = body;
        self.scroll = None;
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
        if matches!(self.focus, Focus::Statistics | Focus::Help) {
            self.focus = self.focus_before;
        }
    }

    fn seek_end(&mut self, is_start: bool) {
        if let Some((start, end)) = self.playback.range() {
            self.playback.seek_to(if is_start { start } else { end });
        }
    }

    fn find(&mut self, backwards: bool, is_inclusive: bool) {
        let Some(needle) = self.search.clone() else { return };
        let mut list = std::mem::take(&mut self.list);
        let is_found = list.find(backwards, is_inclusive, |journey| self.is_found(journey));
        self.list = list;
        if is_found {
            self.scroll = None;
        } else if !needle.is_empty() {
            let no_match = self.manner.word(Word::NoMatch);
            match &mut self.prompt {
                Some(prompt) => prompt.error = Some((None, no_match.to_owned())),
                None => self.notice = Some(format!("{no_match}: {needle}")),
            }
        }
    }

    fn type_key(&mut self, key: &KeyEvent) {
        let Some(prompt) = &mut self.prompt else { return };
        let (typed, purpose) = (prompt.handle(key), prompt.purpose);
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
            (Purpose::Filter, Typed::Text) => {}
            (Purpose::Filter, Typed::Accepted) => self.accept_filter(&text),
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
                        prompt.error = Some((Some(error.column), error.what));
                    }
                    return;
                }
            }
        }
        self.prompt = None;
        self.relist();
    }
}
