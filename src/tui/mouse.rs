//! What the mouse does to the screen: the wheel moves what it is over, a click chooses.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::tui::screen::{Body, Focus, Screen};
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
        if let Some(list) = areas.list.filter(|list| list.contains(place)) {
            let row = usize::from(place.y.saturating_sub(list.y + LIST_HEAD));
            let is_row = place.y >= list.y + LIST_HEAD && row < self.list.window().len();
            if is_row && row == self.list.row() && !self.is_wide() {
                self.focus = Focus::Journey;
            } else if is_row {
                self.step(row as isize - self.list.row() as isize);
            }
        } else if areas.journey.is_some_and(|journey| journey.contains(place) && place.y == journey.y) {
            self.show_body(if self.body == Body::Waterfall { Body::Ladder } else { Body::Waterfall });
        }
        None
    }
}
