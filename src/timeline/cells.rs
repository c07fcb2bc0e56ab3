//! A row of cells that parts are put into, wherever they are to stand.

use crate::timeline::line::text_width;
use crate::timeline::{Line, Tone};

/// A row of cells that parts are put into.
pub(super) struct Cells {
    /// `None` continues a wide character.
    cells: Vec<(Option<char>, Tone)>,
}

impl Cells {
    pub(super) fn new(width: usize) -> Cells {
        Cells { cells: vec![(Some(' '), Tone::Plain); width] }
    }

    /// Puts `text`, which must come from a [`Line`], at `x`; what does not fit is left out.
    pub(super) fn put(&mut self, x: usize, text: &str, tone: Tone) {
        let mut at = x;
        for character in text.chars() {
            let wide = text_width(character.encode_utf8(&mut [0; 4]));
            if at + wide > self.cells.len() {
                return;
            }
            self.cells[at] = (Some(character), tone);
            for rest in 1..wide {
                self.cells[at + rest] = (None, tone);
            }
            at += wide;
        }
    }

    pub(super) fn fill(&mut self, from: usize, to: usize, symbol: char, tone: Tone) {
        for cell in self.cells.iter_mut().take(to).skip(from) {
            *cell = (Some(symbol), tone);
        }
    }

    pub(super) fn append_to(&self, line: &mut Line) {
        for &(character, tone) in &self.cells {
            if let Some(character) = character {
                line.repeat(tone, character, 1);
            }
        }
    }
}
