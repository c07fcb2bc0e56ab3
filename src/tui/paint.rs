//! Lines and frames into cells. The only place that writes text to a buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthChar;

use crate::timeline::{Line, Manner, Tone};
use crate::tui::theme::Theme;

/// Where and how to paint.
pub(super) struct Canvas<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: Theme,
    pub(super) manner: Manner,
}

impl Canvas<'_> {
    /// Paints `line` in row `row` of `area`, from its column `column`; what does not fit is left out, a wide
    /// character whole.
    pub(super) fn line(&mut self, area: Rect, column: u16, row: u16, line: &Line) {
        if row >= area.height {
            return;
        }
        let (mut x, y, end) = (area.x.saturating_add(column), area.y + row, area.right());
        for (text, tone) in line.runs() {
            let style = self.theme.style(tone);
            for character in text.chars() {
                let wide = character.width().unwrap_or(0) as u16;
                // Lines are clean when they are built; no control character gets past this point either way.
                if wide == 0 || character.is_control() {
                    continue;
                }
                if x + wide > end {
                    return;
                }
                self.put(x, y, character, style);
                for rest in x + 1..x + wide {
                    if let Some(cell) = self.buffer.cell_mut((rest, y)) {
                        let (fg, bg) = (cell.fg, cell.bg);
                        cell.reset();
                        cell.set_style(Style::new().fg(fg).bg(bg));
                    }
                }
                x += wide;
            }
        }
    }

    fn put(&mut self, x: u16, y: u16, character: char, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.reset();
            cell.set_char(character).set_style(style);
        }
    }

    /// Paints `lines` from the one at `first` on, as many as fit.
    pub(super) fn lines(&mut self, area: Rect, lines: &[Line], first: usize) {
        for (row, line) in (0..area.height).zip(lines.iter().skip(first)) {
            self.line(area, 0, row, line);
        }
    }

    /// A style over a whole area: the chosen row.
    pub(super) fn shade(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// A frame with a title at the left and one at the right; gives the area inside.
    pub(super) fn frame(&mut self, area: Rect, left: &Line, right: &Line, is_active: bool) -> Rect {
        if area.width < 2 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let [horizontal, vertical, corners @ ..] = if self.manner.is_ascii() {
            ['-', '|', '+', '+', '+', '+']
        } else {
            ['─', '│', '╭', '╮', '╰', '╯']
        };
        let style = self.theme.style(if is_active { Tone::Accent } else { Tone::Faint });
        let (right_edge, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.x..=right_edge {
            self.put(x, area.y, horizontal, style);
            self.put(x, bottom, horizontal, style);
        }
        for y in area.y..=bottom {
            self.put(area.x, y, vertical, style);
            self.put(right_edge, y, vertical, style);
        }
        let places = [(area.x, area.y), (right_edge, area.y), (area.x, bottom), (right_edge, bottom)];
        for ((x, y), corner) in places.into_iter().zip(corners) {
            self.put(x, y, corner, style);
        }
        self.titles(area, left, right);
        Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 }
    }

    fn titles(&mut self, area: Rect, left: &Line, right: &Line) {
        let room = usize::from(area.width.saturating_sub(4));
        let ellipsis = self.manner.ellipsis();
        let padded = |line: &Line, room: usize| {
            let mut cut = line.clone();
            cut.truncate(room.saturating_sub(2), ellipsis);
            let mut padded = Line::new();
            padded.space(1).append(&cut).space(1);
            padded
        };
        let right_width = if right.width() > 0 && room > right.width() + 8 { right.width() + 2 } else { 0 };
        if left.width() > 0 && room > 4 {
            self.line(area, 2, 0, &padded(left, room - right_width));
        }
        if right_width > 0 {
            let column = area.width.saturating_sub(right_width as u16 + 2);
            self.line(area, column, 0, &padded(right, right_width));
        }
    }
}
