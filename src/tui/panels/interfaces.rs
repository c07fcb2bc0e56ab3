//! The interfaces of every node: pod's end, rates, drops, life.

use ratatui::layout::Rect;

use crate::timeline::words::Word;
use crate::timeline::{Line, Tone, interfaces};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

impl Screen {
    pub(in crate::tui) fn interface_lines(&self, width: usize) -> Vec<Line> {
        interfaces::lines(&self.sources, &self.rates, &self.context(), width)
    }
}

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let (mut title, mut note) = (Line::new(), Line::new());
    title.push(Tone::Head, screen.manner.word(Word::Interfaces));
    if screen.rates.total().is_none() {
        note.push(Tone::Dim, screen.manner.word(Word::MeanRates));
    }
    let inner = canvas.frame(area, &title, &note, true);
    let lines = screen.interface_lines(usize::from(inner.width));
    // The heads stay where they are.
    let Some((heads, rows)) = lines.split_first() else { return };
    canvas.line(inner, 0, 0, heads);
    let body = Rect { y: inner.y + 1.min(inner.height), height: inner.height.saturating_sub(1), ..inner };
    canvas.lines(body, rows, screen.first_line());
}
