//! The line at the foot that takes text: a search, a filter or a file's name.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::timeline::line::text_width;
use crate::timeline::words::Word;
use crate::timeline::{Line, Manner, Tone};

/// What the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Search,
    Filter,
    /// The name of a file to record into.
    Record,
}

/// Text being typed.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    input: Input,
    /// What is wrong with the text, and where, in characters before the place.
    pub(super) error: Option<(Option<usize>, String)>,
}

/// What a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Text,
    Accepted,
    Dropped,
}

/// Longest text that can be typed, in characters.
const MOST: usize = 500;

impl Prompt {
    pub(super) fn new(purpose: Purpose, text: &str) -> Prompt {
        Prompt { purpose, input: Input::new(text.to_owned()), error: None }
    }

    pub(super) fn text(&self) -> &str {
        self.input.value()
    }

    pub(super) fn handle(&mut self, key: &KeyEvent) -> Typed {
        match key.code {
            KeyCode::Enter => Typed::Accepted,
            KeyCode::Esc => Typed::Dropped,
            KeyCode::Char(_) if self.text().chars().count() >= MOST => Typed::Text,
            _ => {
                self.error = None;
                self.input.handle_event(&Event::Key(*key));
                Typed::Text
            }
        }
    }

    /// The line, and the column of the cursor in it.
    pub(super) fn line(&self, manner: Manner, width: usize) -> (Line, usize) {
        let word = manner.word(match self.purpose {
            Purpose::Search => Word::Search,
            Purpose::Filter => Word::Filter,
            Purpose::Record => Word::RecordTo,
        });
        let mut line = Line::new();
        line.space(1).push(Tone::Head, word).push(Tone::Head, ": ");
        let before: String = self.text().chars().take(self.input.cursor()).collect();
        let room = width.saturating_sub(line.width() + 2);
        // The text is cut at its beginning, so that the cursor is always in view.
        let mut hidden = 0;
        while text_width(&before[hidden..]) > room {
            hidden += before[hidden..].chars().next().map_or(1, char::len_utf8);
        }
        let cursor = line.width() + text_width(&before[hidden..]);
        line.push(Tone::Strong, &self.text()[hidden..]);
        if let Some((column, what)) = &self.error {
            line.space(2).push(Tone::Bad, manner.cross()).space(1);
            let place = column.map_or_else(String::new, |column| format!("{}: ", column + 1));
            line.push(Tone::Bad, &place).push(Tone::Bad, what);
        }
        line.truncate(width, manner.ellipsis());
        (line, cursor.min(width.saturating_sub(1)))
    }
}
