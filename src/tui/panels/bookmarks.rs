//! The bookmarks, one a row.

use ratatui::layout::Rect;

use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let mut title = Line::new();
    title.push(Tone::Head, screen.manner.word(Word::Bookmarks));
    let mut hint = Line::new();
    hint.push(Tone::Dim, screen.manner.word(Word::BookmarkHint));
    let inner = canvas.frame(area, &title, &hint, true);
    let first = screen.first_line();
    canvas.lines(inner, &screen.bookmark_lines(usize::from(inner.width)), first);
    let row = screen.bookmarks.chosen().checked_sub(first).and_then(|row| u16::try_from(row).ok());
    if let Some(row) = row.filter(|&row| row < inner.height && screen.bookmarks.count() > 0) {
        let style = canvas.theme.chosen();
        canvas.shade(Rect { y: inner.y + row, height: 1, ..inner }, style);
    }
}
