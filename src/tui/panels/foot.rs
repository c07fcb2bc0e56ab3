//! The line at the foot: what is typed, what is to be told, or the keys.

use ratatui::layout::{Position, Rect};

use crate::timeline::line::text_width;
use crate::timeline::{Line, Tone};
use crate::tui::keys::{Action, Binding};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

/// Draws the line; gives the cursor's place while text is typed.
pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) -> Option<Position> {
    let width = usize::from(area.width);
    if let Some(prompt) = &screen.prompt {
        let (line, cursor, _) = prompt.line(screen.manner, width);
        canvas.line(area, 0, 0, &line);
        return Some(Position { x: area.x + cursor as u16, y: area.y });
    }
    let told = screen.notice.as_deref().or(screen.failure.as_deref());
    let line = told.map_or_else(|| key_line(screen, width), |told| notice_line(screen, told, width));
    canvas.line(area, 0, 0, &line);
    None
}

fn notice_line(screen: &Screen, text: &str, width: usize) -> Line {
    let tone = if screen.notice.is_none() { Tone::Bad } else { Tone::Accent };
    let mut line = Line::new();
    line.space(1).push(tone, &screen.manner.text(text));
    line.truncate(width, screen.manner.ellipsis());
    line
}

/// As many keys as fit, the most wanted first.
fn key_line(screen: &Screen, width: usize) -> Line {
    let mut line = Line::new();
    for (_, keys, word) in fitting(screen, width) {
        line.space(1).push(Tone::Accent, &keys).space(1).push(Tone::Dim, word).space(1);
    }
    line
}

/// The bindings that fit, their keys and what they do.
fn fitting(screen: &Screen, width: usize) -> Vec<(&'static Binding, String, &'static str)> {
    let mut used = 0;
    let named = screen.look.keys.foot(screen.manner).into_iter();
    named
        .map(|(binding, keys)| (binding, keys, screen.manner.word(binding.word)))
        .take_while(|(_, keys, word)| {
            used += text_width(keys) + text_width(word) + 3;
            used <= width
        })
        .collect()
}

impl Screen {
    /// What the foot line offers at a column.
    pub(in crate::tui) fn foot_action(&self, column: u16) -> Option<Action> {
        if self.notice.is_some() || self.failure.is_some() {
            return None;
        }
        let mut end = 0;
        let offered = fitting(self, usize::from(self.size.0)).into_iter().find(|(_, keys, word)| {
            end += text_width(keys) + text_width(word) + 3;
            usize::from(column) < end
        });
        offered.map(|(binding, ..)| binding.action)
    }
}
