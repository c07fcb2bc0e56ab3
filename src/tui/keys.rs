//! The one table of keys: it turns a key into an action, and it makes the help, the foot line and the list for
//! the documentation.

use std::fmt::Write as _;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::timeline::words::Word;
use crate::timeline::{Language, Manner};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Back,
    NextView,
    Packets,
    Evidence,
    Skipped,
    Statistics,
    Search,
    NextMatch,
    PreviousMatch,
    Filter,
    Pause,
    Faster,
    Slower,
    SecondBack,
    SecondOn,
    TenthBack,
    TenthOn,
    Start,
    End,
    Language,
    Interfaces,
    Notices,
    Write,
    Picture,
    Help,
    Quit,
}

/// An action, its keys and what they are called.
#[derive(Debug)]
pub struct Binding {
    pub action: Action,
    codes: &'static [KeyCode],
    /// The keys as they are written on the screen, and with ASCII only.
    pub shown: &'static str,
    pub ascii: &'static str,
    pub word: Word,
    /// Place in the foot line, which shows as many as fit; 0 leaves it out.
    foot: u8,
}

const fn binding(
    action: Action,
    codes: &'static [KeyCode],
    shown: &'static str,
    ascii: &'static str,
    word: Word,
    foot: u8,
) -> Binding {
    Binding { action, codes, shown, ascii, word, foot }
}

use KeyCode::Char;

/// Every key there is. Ctrl-C is `Quit` as well.
pub const BINDINGS: [Binding; 33] = [
    binding(Action::Up, &[KeyCode::Up, Char('k')], "↑ k", "Up k", Word::KeyUp, 0),
    binding(Action::Down, &[KeyCode::Down, Char('j')], "↓ j", "Down j", Word::KeyDown, 0),
    binding(Action::PageUp, &[KeyCode::PageUp], "PgUp", "PgUp", Word::KeyPageUp, 0),
    binding(Action::PageDown, &[KeyCode::PageDown], "PgDn", "PgDn", Word::KeyPageDown, 0),
    binding(Action::First, &[Char('g')], "g", "g", Word::KeyFirst, 0),
    binding(Action::Last, &[Char('G')], "G", "G", Word::KeyLast, 0),
    binding(Action::Open, &[KeyCode::Enter], "⏎", "Enter", Word::KeyUnfold, 1),
    binding(Action::Back, &[KeyCode::Esc], "Esc", "Esc", Word::KeyBack, 8),
    binding(Action::NextView, &[KeyCode::Tab], "Tab", "Tab", Word::KeyView, 2),
    binding(Action::Packets, &[Char('p')], "p", "p", Word::KeyPackets, 9),
    binding(Action::Evidence, &[Char('e')], "e", "e", Word::KeyEvidence, 10),
    binding(Action::Skipped, &[Char('x')], "x", "x", Word::KeySkipped, 0),
    binding(Action::Statistics, &[Char('s')], "s", "s", Word::KeyStatistics, 7),
    binding(Action::Search, &[Char('/')], "/", "/", Word::KeySearch, 3),
    binding(Action::NextMatch, &[Char('n')], "n", "n", Word::KeyNext, 0),
    binding(Action::PreviousMatch, &[Char('N')], "N", "N", Word::KeyPrevious, 0),
    binding(Action::Filter, &[Char('f')], "f", "f", Word::KeyFilter, 4),
    binding(Action::Pause, &[Char(' ')], "Space", "Space", Word::KeyPause, 14),
    binding(Action::Faster, &[Char('+'), Char('=')], "+", "+", Word::KeyFaster, 0),
    binding(Action::Slower, &[Char('-')], "-", "-", Word::KeySlower, 0),
    binding(Action::SecondBack, &[KeyCode::Left], "←", "Left", Word::KeySecondBack, 0),
    binding(Action::SecondOn, &[KeyCode::Right], "→", "Right", Word::KeySecondOn, 0),
    binding(Action::TenthBack, &[Char('[')], "[", "[", Word::KeyTenthBack, 0),
    binding(Action::TenthOn, &[Char(']')], "]", "]", Word::KeyTenthOn, 0),
    binding(Action::Start, &[KeyCode::Home], "Home", "Home", Word::KeyStart, 0),
    binding(Action::End, &[KeyCode::End], "End", "End", Word::KeyEnd, 0),
    binding(Action::Language, &[Char('l')], "l", "l", Word::KeyLanguage, 15),
    binding(Action::Interfaces, &[Char('i')], "i", "i", Word::KeyInterfaces, 11),
    binding(Action::Notices, &[Char('!')], "!", "!", Word::KeyNotices, 13),
    binding(Action::Write, &[Char('w')], "w", "w", Word::KeyWrite, 12),
    binding(Action::Picture, &[Char('P')], "P", "P", Word::KeyPicture, 16),
    binding(Action::Help, &[Char('?')], "?", "?", Word::KeyHelp, 5),
    binding(Action::Quit, &[Char('q')], "q", "q", Word::KeyQuit, 6),
];

impl Binding {
    pub fn keys(&self, manner: Manner) -> &'static str {
        if manner.is_ascii() { self.ascii } else { self.shown }
    }
}

/// The action of a key.
pub fn action(key: &KeyEvent) -> Option<Action> {
    if is_interrupt(key) {
        return Some(Action::Quit);
    }
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    BINDINGS.iter().find(|binding| binding.codes.contains(&key.code)).map(|binding| binding.action)
}

/// Ctrl-C, which ends the program whatever else is going on.
pub fn is_interrupt(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == Char('c')
}

/// The bindings that do something in this manner: ASCII has but one language.
pub fn shown(manner: Manner) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| !manner.is_ascii() || binding.action != Action::Language)
}

/// The bindings of the foot line, most wanted first.
pub fn foot(manner: Manner) -> Vec<&'static Binding> {
    let mut shown: Vec<_> = shown(manner).filter(|binding| binding.foot > 0).collect();
    shown.sort_by_key(|binding| binding.foot);
    shown
}

/// The table as Markdown, for the documentation.
pub fn markdown() -> String {
    let mut out = String::from("| key | what it does |\n|---|---|\n");
    for binding in &BINDINGS {
        let keys: Vec<String> = binding.shown.split(' ').map(|key| format!("`{key}`")).collect();
        let _ = writeln!(out, "| {} | {} |", keys.join(" "), binding.word.text(Language::En));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        let mut codes: Vec<String> =
            BINDINGS.iter().flat_map(|binding| binding.codes).map(|code| format!("{code:?}")).collect();
        codes.sort();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn keys_become_actions() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(action(&key(Char('j'))), Some(Action::Down));
        assert_eq!(action(&KeyEvent::new(Char('G'), KeyModifiers::SHIFT)), Some(Action::Last));
        assert_eq!(action(&key(Char('Z'))), None);
        assert_eq!(action(&KeyEvent::new(Char('c'), KeyModifiers::CONTROL)), Some(Action::Quit));
        assert_eq!(action(&KeyEvent::new(Char('s'), KeyModifiers::CONTROL)), None);
    }

    #[test]
    fn the_documentation_lists_every_key() {
        assert_eq!(markdown().lines().count(), BINDINGS.len() + 2);
        insta::assert_snapshot!("keys", markdown());
    }
}
