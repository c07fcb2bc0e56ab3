//! Sources and statistics over everything that was read.

use ratatui::layout::Rect;

use crate::timeline::words::Word;
use crate::timeline::{Line, Tone, tables};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

impl Screen {
    pub(in crate::tui) fn statistics_lines(&self, width: usize) -> Vec<Line> {
        let context = self.context();
        let mut lines = tables::sources(&self.sources, &context, width);
        if !lines.is_empty() {
            lines.push(Line::new());
        }
        lines.extend(tables::statistics(&self.counts.statistics, &context, width));
        lines
    }
}

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let mut title = Line::new();
    title.push(Tone::Head, screen.manner.word(Word::Statistics));
    let inner = canvas.frame(area, &title, &Line::new(), true);
    let lines = screen.statistics_lines(usize::from(inner.width));
    canvas.lines(inner, &lines, screen.first_line());
}
