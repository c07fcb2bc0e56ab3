//! The keys, and what the signs mean.

use ratatui::layout::Rect;

use crate::timeline::line::text_width;
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

/// Sign, its ASCII form, its tone and what it means.
const SIGNS: [(&str, &str, Tone, Word); 12] = [
    ("█", "#", Tone::Request, Word::SignSeen),
    ("░", "~", Tone::Dim, Word::SignBounded),
    ("▓", "=", Tone::Own, Word::SignOwn),
    ("═ ─ ┄", "= - .", Tone::Own, Word::SignJoin),
    ("·", ".", Tone::Faint, Word::SignOutside),
    ("▒", "..", Tone::Accent, Word::SignWaiting),
    ("✗", "x", Tone::Bad, Word::SignMissing),
    ("≤", "<", Tone::Plain, Word::SignAtMost),
    ("~", "~", Tone::Plain, Word::SignUncertain),
    ("●", "*", Tone::Accent, Word::SignHere),
    ("◆", "*", Tone::Accent, Word::SignMarked),
    ("■", "#", Tone::Accent, Word::SignBookmark),
];

/// The least that a column takes.
const COLUMN: usize = 39;

impl Screen {
    /// Keys and signs, in as many columns as fit.
    pub(in crate::tui) fn help_lines(&self, width: usize) -> Vec<Line> {
        let columns = (width / COLUMN).clamp(1, 3);
        let room = (width / columns).saturating_sub(1);
        let entries: Vec<Line> = self.key_lines(room).into_iter().chain(self.sign_lines(room)).collect();
        let rows = entries.len().div_ceil(columns);
        (0..rows)
            .map(|row| {
                let mut line = Line::new();
                for column in 0..columns {
                    if let Some(entry) = entries.get(column * rows + row) {
                        line.pad_to(column * (width / columns)).append(entry);
                    }
                }
                line.truncate(width, self.manner.ellipsis());
                line
            })
            .collect()
    }

    fn key_lines(&self, room: usize) -> Vec<Line> {
        let shown = self.look.keys.shown(self.manner);
        shown.map(|(binding, keys)| self.entry(&keys, Tone::Accent, binding.word, room)).collect()
    }

    fn sign_lines(&self, room: usize) -> Vec<Line> {
        let signs = SIGNS.iter().map(|&(drawn, ascii, tone, word)| {
            self.entry(if self.manner.is_ascii() { ascii } else { drawn }, tone, word, room)
        });
        std::iter::once(Line::new()).chain(signs).collect()
    }

    fn entry(&self, sign: &str, tone: Tone, word: Word, room: usize) -> Line {
        const SIGN_WIDTH: usize = 7;
        let mut line = Line::new();
        line.space(1 + SIGN_WIDTH.saturating_sub(text_width(sign))).push(tone, sign).space(2);
        let room = room.saturating_sub(line.width());
        line.fitted(Tone::Plain, self.manner.word(word), room, self.manner.ellipsis());
        line
    }
}

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let mut title = Line::new();
    title.push(Tone::Head, screen.manner.word(Word::Help));
    let inner = canvas.frame(area, &title, &Line::new(), true);
    canvas.lines(inner, &screen.help_lines(usize::from(inner.width)), screen.first_line());
}
