//! The panels, one a file, and the drawing of them all.

mod bookmarks;
mod candidates;
mod foot;
mod groups;
mod help;
mod interfaces;
pub(super) mod journey;
mod list;
mod notices;
mod statistics;
mod status;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::paint::Canvas;
use crate::tui::screen::{Focus, Screen};

/// The least that something can be drawn in.
const LEAST: (u16, u16) = (20, 5);

/// Draws the screen, which must have been refreshed for the frame's size.
pub fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(cursor) = render(screen, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws into a buffer; gives where the cursor is to be, while text is typed.
pub fn render(screen: &Screen, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let area = area.intersection(buffer.area);
    let mut canvas = Canvas { buffer, theme: screen.look.theme, manner: screen.manner };
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let mut line = Line::new();
        line.push(Tone::Plain, screen.manner.word(Word::TooSmall));
        canvas.line(area, 0, 0, &line);
        return None;
    }
    let areas = screen.areas(area);
    status::draw(screen, areas.status, &mut canvas);
    if let Some(area) = areas.list {
        list::draw(screen, area, &mut canvas);
    }
    if let Some(area) = areas.journey {
        journey::draw(screen, area, &mut canvas);
    }
    match (areas.page, screen.focus) {
        (Some(area), Focus::Bookmarks) => bookmarks::draw(screen, area, &mut canvas),
        (Some(area), Focus::Statistics) => statistics::draw(screen, area, &mut canvas),
        (Some(area), Focus::Interfaces) => interfaces::draw(screen, area, &mut canvas),
        (Some(area), Focus::Notices) => notices::draw(screen, area, &mut canvas),
        (Some(area), _) => help::draw(screen, area, &mut canvas),
        (None, _) => {}
    }
    candidates::draw(screen, areas.foot, &mut canvas);
    foot::draw(screen, areas.foot, &mut canvas)
}
