//! The line at the foot that takes text: a search, a filter or a file's name. A filter is checked while it is typed,
//! completed by `Tab` and recalled by the arrows.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::timeline::filter::{Completion, Expr, Vocabulary, complete};
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
    pub(super) fault: Option<Fault>,
    vocabulary: Vocabulary,
    /// What may come next at the cursor, or came there.
    completion: Completion,
    /// The candidate that was put into the text, and the text before that.
    picked: Option<(usize, Input)>,
    /// Which earlier text is recalled, counted from the newest, and what was typed before.
    recalled: Option<(usize, Input)>,
}

/// What is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Characters before the wrong place, where there is one.
    pub(super) column: Option<usize>,
    pub(super) what: String,
    /// More text might make it right.
    pub(super) is_unfinished: bool,
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
    pub(super) fn search() -> Prompt {
        Prompt::new(Purpose::Search, "", Vocabulary::default())
    }

    /// A filter to go on with; `vocabulary` is what it is completed from.
    pub(super) fn filter(text: &str, vocabulary: Vocabulary) -> Prompt {
        let mut prompt = Prompt::new(Purpose::Filter, text, vocabulary);
        prompt.check();
        prompt
    }

    /// The name of a file; `why` not, where one was refused.
    pub(super) fn record(name: &str, why: Option<String>) -> Prompt {
        let fault = why.map(|what| Fault { column: None, what, is_unfinished: false });
        Prompt { fault, ..Prompt::new(Purpose::Record, name, Vocabulary::default()) }
    }

    fn new(purpose: Purpose, text: &str, vocabulary: Vocabulary) -> Prompt {
        Prompt {
            purpose,
            input: Input::new(text.to_owned()),
            fault: None,
            vocabulary,
            completion: Completion::default(),
            picked: None,
            recalled: None,
        }
    }

    pub(super) fn text(&self) -> &str {
        self.input.value()
    }

    /// Takes a key; `past` are earlier texts, the newest last.
    pub(super) fn handle(&mut self, key: &KeyEvent, past: &[String]) -> Typed {
        match key.code {
            KeyCode::Enter => return Typed::Accepted,
            KeyCode::Esc => return Typed::Dropped,
            KeyCode::Tab => self.pick(1),
            KeyCode::BackTab => self.pick(-1),
            KeyCode::Up => self.recall(1, past),
            KeyCode::Down => self.recall(-1, past),
            KeyCode::Char(_) if self.text().chars().count() >= MOST => {}
            _ => {
                self.input.handle_event(&Event::Key(*key));
                (self.picked, self.recalled) = (None, None);
                self.check();
            }
        }
        Typed::Text
    }

    /// What may come next, and which of it was put into the text.
    pub(super) fn candidates(&self) -> (&Completion, Option<usize>) {
        (&self.completion, self.picked.as_ref().map(|&(index, _)| index))
    }

    /// Says what is wrong, and what may come next.
    fn check(&mut self) {
        self.fault = None;
        if self.purpose != Purpose::Filter {
            return;
        }
        let text = self.input.value();
        if !text.trim().is_empty() {
            self.fault = Expr::parse(text).err().map(|error| Fault {
                column: Some(error.column),
                what: error.what,
                is_unfinished: error.is_unfinished,
            });
        }
        if self.picked.is_none() {
            let before: String = text.chars().take(self.input.cursor()).collect();
            self.completion = complete(&before, &self.vocabulary);
        }
    }

    /// Puts the next candidate into the text, or the one before; the only one for good.
    fn pick(&mut self, step: isize) {
        let count = self.completion.candidates.len();
        if count == 0 {
            return;
        }
        let (index, typed) = match self.picked.take() {
            Some((index, typed)) => ((index + count).wrapping_add_signed(step) % count, typed),
            None => (if step > 0 { 0 } else { count - 1 }, self.input.clone()),
        };
        let mut text: String = typed.value().chars().take(self.completion.start).collect();
        text.push_str(&self.completion.candidates[index].text);
        if count == 1 && !text.ends_with('(') {
            text.push(' ');
        }
        let cursor = text.chars().count();
        text.extend(typed.value().chars().skip(typed.cursor()));
        self.input = Input::new(text).with_cursor(cursor);
        self.picked = (count > 1).then_some((index, typed));
        self.check();
    }

    /// Goes to an earlier text, or back towards what was typed.
    fn recall(&mut self, step: isize, past: &[String]) {
        let (before, typed) = match self.recalled.take() {
            Some((back, typed)) => (back + 1, typed),
            None => (0, self.input.clone()),
        };
        let place = before.saturating_add_signed(step).min(past.len());
        self.picked = None;
        match place.checked_sub(1).and_then(|back| Some((back, past.iter().rev().nth(back)?))) {
            Some((back, text)) => {
                self.input = Input::new(text.clone());
                self.recalled = Some((back, typed));
            }
            None => self.input = typed,
        }
        self.check();
    }

    /// The line, the column of the cursor in it, and that of the word that is completed.
    pub(super) fn line(&self, manner: Manner, width: usize) -> (Line, usize, usize) {
        let word = manner.word(match self.purpose {
            Purpose::Search => Word::Search,
            Purpose::Filter => Word::Filter,
            Purpose::Record => Word::RecordTo,
        });
        let mut line = Line::new();
        line.space(1).push(Tone::Head, word).push(Tone::Head, ": ");
        let origin = line.width();
        let room = width.saturating_sub(origin + 2);
        // The text is cut at its beginning, so that the cursor is always in view.
        let before: String = self.text().chars().take(self.input.cursor()).collect();
        let mut hidden = 0;
        while text_width(&before[hidden..]) > room {
            hidden += before[hidden..].chars().next().map_or(1, char::len_utf8);
        }
        let column = |characters: usize| {
            let end = self.text().char_indices().nth(characters).map_or(self.text().len(), |(at, _)| at);
            origin + text_width(self.text().get(hidden..end).unwrap_or(""))
        };
        let wrong = self.fault.as_ref().filter(|fault| !fault.is_unfinished).and_then(|fault| fault.column);
        for (index, (at, character)) in self.text().char_indices().enumerate() {
            if at >= hidden {
                // The wrong place stands out in reverse, also without colours.
                let tone = if wrong == Some(index) { Tone::Found } else { Tone::Strong };
                line.push(tone, character.encode_utf8(&mut [0; 4]));
            }
        }
        if let Some(fault) = &self.fault {
            let tone = if fault.is_unfinished { Tone::Dim } else { Tone::Bad };
            line.space(2);
            if !fault.is_unfinished {
                line.push(Tone::Bad, manner.cross()).space(1);
            }
            let place = fault.column.map_or_else(String::new, |column| format!("{}: ", column + 1));
            line.push(tone, &place).push(tone, &fault.what);
        }
        line.truncate(width, manner.ellipsis());
        let last = width.saturating_sub(1);
        (line, column(self.input.cursor()).min(last), column(self.completion.start).min(last))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ratatui::crossterm::event::KeyModifiers;

    use super::*;
    use crate::timeline::sample;

    /// A filter after `keys`.
    fn typed(text: &str, keys: &[KeyCode]) -> Prompt {
        let journeys: Vec<_> = sample::all().into_iter().map(Arc::new).collect();
        let vocabulary = Vocabulary::new(journeys.iter(), &sample::topology());
        let mut prompt = Prompt::filter(text, vocabulary);
        let past = ["first".to_owned(), "outcome == lost".to_owned()];
        for key in keys {
            prompt.handle(&KeyEvent::new(*key, KeyModifiers::NONE), &past);
        }
        prompt
    }

    use KeyCode::{BackTab, Backspace, Char, Down, Home, Tab, Up};

    #[test]
    fn tab_goes_through_what_fits() {
        assert_eq!(typed("outcome == lo", &[Tab]).text(), "outcome == lost ");
        assert_eq!(typed("path == pod-t", &[Tab]).text(), "path == pod-to-service");
        assert_eq!(typed("path == pod-t", &[Tab, Tab]).text(), "path == pod-to-pod");
        assert_eq!(typed("path == pod-t", &[Tab, Tab, Tab]).text(), "path == pod-to-service");
        assert_eq!(typed("path == pod-t", &[BackTab]).text(), "path == pod-to-pod");
        assert_eq!(
            typed("path == pod-t", &[Tab, Char(' '), Char('a'), Tab]).text(),
            "path == pod-to-service and "
        );
        assert_eq!(typed("stat", &[Tab, Tab]).text(), "status ==");
        let mut before = typed("out == lost", &[Home]);
        (0..3).for_each(|_| _ = before.handle(&KeyEvent::new(KeyCode::Right, KeyModifiers::NONE), &[]));
        before.handle(&KeyEvent::new(Tab, KeyModifiers::NONE), &[]);
        assert_eq!(before.text(), "outcome == lost", "what is behind the cursor stays");
    }

    #[test]
    fn earlier_filters_come_back_and_so_does_what_was_typed() {
        assert_eq!(typed("x", &[Up]).text(), "outcome == lost");
        assert_eq!(typed("x", &[Up, Up, Up]).text(), "first");
        assert_eq!(typed("x", &[Up, Up, Down]).text(), "outcome == lost");
        assert_eq!(typed("x", &[Up, Down, Down]).text(), "x");
        assert_eq!(typed("x", &[Up, Backspace]).text(), "outcome == los");
    }

    #[test]
    fn what_is_wrong_is_marked_while_it_is_typed() {
        let told = |text: &str| {
            let (line, ..) = typed(text, &[]).line(Manner::default(), 100);
            let marked = line.runs().find(|&(_, tone)| tone == Tone::Found).map(|(text, _)| text.to_owned());
            (line.text().to_owned(), marked)
        };
        let (wrong, marked) = told("host ~ a and status >= many ");
        assert!(wrong.contains("✗ 24: a status is a number"), "{wrong}");
        assert_eq!(marked.as_deref(), Some("m"));
        let (unfinished, marked) = told("host ~ a and status >=");
        assert!(unfinished.contains("23: expected a value") && !unfinished.contains('✗'), "{unfinished}");
        assert_eq!(marked, None);
        assert!(told("host ~ a").0.ends_with("host ~ a"));
    }
}
