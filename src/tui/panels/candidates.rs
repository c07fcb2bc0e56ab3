//! What may come next in the filter that is typed: a small window over the line at the foot.

use ratatui::layout::Rect;

use crate::timeline::line::text_width;
use crate::timeline::{Line, Tone};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

/// Most rows and cells of the window, without its frame.
const ROWS: usize = 8;
const WIDTH: usize = 60;

/// Draws the window above `foot`, with its left edge at the word that is completed.
pub(super) fn draw(screen: &Screen, foot: Rect, canvas: &mut Canvas<'_>) {
    let Some(prompt) = &screen.prompt else { return };
    let (completion, picked) = prompt.candidates();
    let all = &completion.candidates;
    let rows = ROWS.min(all.len()).min(usize::from(foot.y.saturating_sub(3)));
    if rows == 0 {
        return;
    }
    let counts = all.iter().map(|candidate| candidate.count.to_string().len()).max().unwrap_or(0);
    let texts = all.iter().map(|candidate| text_width(&candidate.text)).max().unwrap_or(0);
    let room = usize::from(foot.width.saturating_sub(2));
    let width = (texts + counts + 4).min(WIDTH).min(room);
    let (_, _, column) = prompt.line(screen.manner, usize::from(foot.width));
    let left = column.saturating_sub(2).min(room - width) as u16;
    let height = rows as u16 + 2;
    let area = Rect { x: foot.x + left, y: foot.y - height, width: width as u16 + 2, height };
    let mut place = Line::new();
    place.push(Tone::Dim, &format!("{}/{}", picked.map_or(0, |index| index + 1), all.len()));
    let inner = canvas.frame(area, &Line::new(), &place, true);
    // The one that was put into the text is always in view.
    let first = picked.map_or(0, |index| (index + 1).saturating_sub(rows));
    for (row, (index, candidate)) in (0..inner.height).zip(all.iter().enumerate().skip(first)) {
        let mut line = Line::new();
        let ellipsis = screen.manner.ellipsis();
        line.space(1).column(Tone::Plain, &screen.manner.text(&candidate.text), width - counts - 4, ellipsis);
        let count = if candidate.count > 0 { candidate.count.to_string() } else { String::new() };
        line.space(2).number(Tone::Dim, &count, counts).space(1);
        canvas.line(inner, 0, row, &line);
        if picked == Some(index) {
            let style = canvas.theme.chosen();
            canvas.shade(Rect { y: inner.y + row, height: 1, ..inner }, style);
        }
    }
}
