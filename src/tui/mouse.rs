//! What the mouse does to the screen: the wheel moves what it is over, a click chooses.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::tui::keys::Action;
use crate::tui::panels::journey::Content;
use crate::tui::screen::{Focus, Screen};
use crate::tui::update::Effect;

/// Rows that a notch of the wheel moves.
const NOTCH: isize = 3;
/// Frame and head of the list above its first row.
const LIST_HEAD: u16 = 2;

impl Screen {
    pub(super) fn handle_mouse(&mut self, event: MouseEvent) -> Option<Effect> {
        if !self.look.has_mouse || self.prompt.is_some() {
            return None;
        }
        let place = Position { x: event.column, y: event.row };
        match event.kind {
            MouseEventKind::ScrollUp => self.turn(place, -NOTCH),
            MouseEventKind::ScrollDown => self.turn(place, NOTCH),
            MouseEventKind::Down(MouseButton::Left) => return self.click(place),
            _ => {}
        }
        None
    }

    /// Moves what is under the wheel, and gives it the keys.
    fn turn(&mut self, place: Position, rows: isize) {
        self.focus_at(place);
        self.step(rows);
    }

    fn focus_at(&mut self, place: Position) {
        let areas = self.areas(self.whole());
        let is_in = |area: Option<Rect>| area.is_some_and(|area| area.contains(place));
        if is_in(areas.list) {
            self.focus = Focus::List;
        } else if is_in(areas.journey) && self.list.chosen().is_some() {
            self.focus = Focus::Journey;
        }
    }

    fn click(&mut self, place: Position) -> Option<Effect> {
        self.notice = None;
        let areas = self.areas(self.whole());
        if areas.foot.contains(place) {
            let action = self.foot_action(place.x)?;
            return self.act(action);
        }
        self.focus_at(place);
        if let Some(page) = areas.page.filter(|_| self.focus == Focus::Statistics) {
            self.choose_statistics_at(page, place.y);
        } else if let Some(list) = areas.list.filter(|list| list.contains(place)) {
            let row = usize::from(place.y.saturating_sub(list.y + LIST_HEAD));
            let is_row = place.y >= list.y + LIST_HEAD && row < self.list.window(&self.listing).len();
            if is_row && row == self.list.row() && self.toggle_group() {
            } else if is_row && row == self.list.row() && !self.is_wide() {
                self.focus = Focus::Journey;
            } else if is_row {
                self.step(row as isize - self.list.row() as isize);
            }
        } else if let Some(panel) = areas.journey.filter(|panel| panel.contains(place)) {
            if place.y == panel.y {
                return self.act(Action::NextView);
            }
            return self.click_row(panel, place);
        }
        None
    }

    /// Chooses a row of the journey; opens the one that is chosen.
    fn click_row(&mut self, panel: Rect, place: Position) -> Option<Effect> {
        let content = self.content().filter(Content::has_rows_to_open)?;
        let head = usize::from(panel.y) + 1 + content.head.len();
        let below = usize::from(place.y).checked_sub(head).filter(|&row| row < self.body_rows())?;
        let first = self.first_line();
        let row = Some(first + below).filter(|&row| row < content.rows.len())?;
        if self.cursor == Some(row) {
            return self.open();
        }
        (self.cursor, self.scroll) = (Some(row), Some(first));
        None
    }
}
