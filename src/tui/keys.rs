//! The one table of keys: it turns a key into an action, and it makes the help, the foot line and the list for
//! the documentation. Keys are written as the configuration writes them: `j`, `PgUp`, `Ctrl-d`.

use std::fmt::{self, Write as _};

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
    Mark,
    Compare,
    CompareMedian,
    Skipped,
    Statistics,
    Search,
    NextMatch,
    PreviousMatch,
    Filter,
    Order,
    Group,
    Hold,
    Pause,
    Bookmark,
    Bookmarks,
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
    Names,
    Notices,
    Write,
    Picture,
    Extract,
    Copy,
    Draw,
    Trace,
    Mouse,
    Help,
    Quit,
}

/// An action, what it is called in the configuration, its keys unless they are changed, and what it does.
#[derive(Debug)]
pub struct Binding {
    pub action: Action,
    pub name: &'static str,
    usual: &'static str,
    pub word: Word,
    /// Place in the foot line, which shows as many as fit; 0 leaves it out.
    foot: u8,
}

const fn binding(action: Action, name: &'static str, usual: &'static str, word: Word, foot: u8) -> Binding {
    Binding { action, name, usual, word, foot }
}

/// Every key there is. Ctrl-c is `Quit` as well, whatever is changed.
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    binding(Action::Up, "up", "Up k", Word::KeyUp, 0),
    binding(Action::Down, "down", "Down j", Word::KeyDown, 0),
    binding(Action::PageUp, "page-up", "PgUp Ctrl-u", Word::KeyPageUp, 0),
    binding(Action::PageDown, "page-down", "PgDn Ctrl-d", Word::KeyPageDown, 0),
    binding(Action::First, "first", "g", Word::KeyFirst, 0),
    binding(Action::Last, "last", "G", Word::KeyLast, 0),
    binding(Action::Open, "open", "Enter", Word::KeyUnfold, 1),
    binding(Action::Back, "back", "Esc", Word::KeyBack, 10),
    binding(Action::NextView, "view", "Tab", Word::KeyView, 2),
    binding(Action::Packets, "packets", "p", Word::KeyPackets, 11),
    binding(Action::Evidence, "evidence", "e", Word::KeyEvidence, 12),
    binding(Action::Mark, "mark", "a", Word::KeyMark, 0),
    binding(Action::Compare, "compare", "c", Word::KeyCompare, 0),
    binding(Action::CompareMedian, "compare-median", "d", Word::KeyMedian, 18),
    binding(Action::Skipped, "skipped", "x", Word::KeySkipped, 0),
    binding(Action::Statistics, "statistics", "s", Word::KeyStatistics, 7),
    binding(Action::Search, "search", "/", Word::KeySearch, 3),
    binding(Action::NextMatch, "next-match", ".", Word::KeyNext, 0),
    binding(Action::PreviousMatch, "previous-match", ",", Word::KeyPrevious, 0),
    binding(Action::Filter, "filter", "f", Word::KeyFilter, 4),
    binding(Action::Order, "order", "o", Word::KeyOrder, 8),
    binding(Action::Group, "group", "O", Word::KeyGroup, 9),
    binding(Action::Hold, "hold", "F", Word::KeyHold, 0),
    binding(Action::Pause, "pause", "Space", Word::KeyPause, 16),
    binding(Action::Bookmark, "bookmark", "m", Word::KeyBookmark, 0),
    binding(Action::Bookmarks, "bookmarks", "b", Word::KeyBookmarks, 21),
    binding(Action::Faster, "faster", "+ =", Word::KeyFaster, 0),
    binding(Action::Slower, "slower", "-", Word::KeySlower, 0),
    binding(Action::SecondBack, "second-back", "Left h", Word::KeySecondBack, 0),
    binding(Action::SecondOn, "second-on", "Right l", Word::KeySecondOn, 0),
    binding(Action::TenthBack, "tenth-back", "[", Word::KeyTenthBack, 0),
    binding(Action::TenthOn, "tenth-on", "]", Word::KeyTenthOn, 0),
    binding(Action::Start, "start", "Home", Word::KeyStart, 0),
    binding(Action::End, "end", "End", Word::KeyEnd, 0),
    binding(Action::Language, "language", "L", Word::KeyLanguage, 17),
    binding(Action::Names, "names", "n", Word::KeyNames, 18),
    binding(Action::Interfaces, "interfaces", "i", Word::KeyInterfaces, 13),
    binding(Action::Write, "write", "w", Word::KeyWrite, 14),
    binding(Action::Notices, "notices", "!", Word::KeyNotices, 15),
    binding(Action::Picture, "picture", "P", Word::KeyPicture, 19),
    binding(Action::Copy, "copy", "y", Word::KeyCopy, 16),
    binding(Action::Draw, "draw", "Y", Word::KeyDraw, 0),
    binding(Action::Extract, "write-packets", "W", Word::KeyExtract, 0),
    binding(Action::Trace, "trace", "t", Word::KeyTrace, 18),
    binding(Action::Mouse, "mouse", "M", Word::KeyMouse, 0),
    binding(Action::Help, "help", "?", Word::KeyHelp, 5),
    binding(Action::Quit, "quit", "q", Word::KeyQuit, 6),
];

/// A key, with Ctrl held or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    is_ctrl: bool,
}

/// Keys with a name: the code, the name, and the sign on the screen where it is another.
const NAMED: [(KeyCode, &str, &str); 15] = [
    (KeyCode::Up, "Up", "↑"),
    (KeyCode::Down, "Down", "↓"),
    (KeyCode::Left, "Left", "←"),
    (KeyCode::Right, "Right", "→"),
    (KeyCode::Enter, "Enter", "⏎"),
    (KeyCode::Esc, "Esc", "Esc"),
    (KeyCode::Tab, "Tab", "Tab"),
    (KeyCode::PageUp, "PgUp", "PgUp"),
    (KeyCode::PageDown, "PgDn", "PgDn"),
    (KeyCode::Home, "Home", "Home"),
    (KeyCode::End, "End", "End"),
    (KeyCode::Backspace, "Backspace", "Backspace"),
    (KeyCode::Insert, "Insert", "Insert"),
    (KeyCode::Delete, "Delete", "Delete"),
    (KeyCode::Char(' '), "Space", "Space"),
];

impl Key {
    /// Reads `j`, `PgUp`, `F5`, `Ctrl-d`.
    pub fn parse(text: &str) -> Option<Key> {
        let bare = text.strip_prefix("Ctrl-").or_else(|| text.strip_prefix("ctrl-"));
        let is_ctrl = bare.is_some();
        let code = code(bare.unwrap_or(text))?;
        // Terminals send the same for `Ctrl-d` and `Ctrl-D`.
        let code = match code {
            KeyCode::Char(letter) if is_ctrl => KeyCode::Char(letter.to_ascii_lowercase()),
            other => other,
        };
        Some(Key { code, is_ctrl })
    }

    /// The key of an event; nothing with Alt.
    fn of(event: &KeyEvent) -> Option<Key> {
        let is_ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        (!event.modifiers.contains(KeyModifiers::ALT)).then_some(Key { code: event.code, is_ctrl })
    }

    /// As it is written on the screen: `↑`, `^d`.
    fn shown(self, manner: Manner) -> String {
        let ctrl = if self.is_ctrl { "^" } else { "" };
        match NAMED.iter().find(|(code, ..)| *code == self.code) {
            Some((_, name, sign)) => format!("{ctrl}{}", if manner.is_ascii() { name } else { sign }),
            None => format!("{ctrl}{}", self.bare()),
        }
    }

    fn bare(self) -> String {
        match (NAMED.iter().find(|(code, ..)| *code == self.code), self.code) {
            (Some((_, name, _)), _) => (*name).to_owned(),
            (None, KeyCode::Char(letter)) => letter.to_string(),
            (None, KeyCode::F(number)) => format!("F{number}"),
            (None, _) => String::new(),
        }
    }
}

impl fmt::Display for Key {
    /// As [`Key::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_ctrl { "Ctrl-" } else { "" }, self.bare())
    }
}

fn code(text: &str) -> Option<KeyCode> {
    let mut letters = text.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return (!letter.is_control() && letter != ' ').then_some(KeyCode::Char(letter));
    }
    if let Some((code, ..)) = NAMED.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(*code);
    }
    let number = text.strip_prefix(['F', 'f'])?.parse::<u8>().ok()?;
    (1..=12).contains(&number).then_some(KeyCode::F(number))
}

/// Ctrl-c, which ends the program whatever else is going on.
pub fn is_interrupt(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c')
}

/// Which keys ask for what: the table's, or the user's own.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Of each binding.
    bound: Vec<Vec<Key>>,
    /// Bindings whose keys the user chose.
    is_chosen: Vec<bool>,
}

impl Default for Keys {
    fn default() -> Keys {
        let usual = |binding: &Binding| binding.usual.split(' ').filter_map(Key::parse).collect();
        Keys { bound: BINDINGS.iter().map(usual).collect(), is_chosen: vec![false; BINDINGS.len()] }
    }
}

impl Keys {
    /// Gives the action called `name` other keys, in place of its own; they are taken from actions that have them by
    /// the table.
    ///
    /// # Errors
    /// What is wrong, and what to try.
    pub fn bind(&mut self, name: &str, texts: &[String]) -> Result<(), String> {
        let Some(index) = BINDINGS.iter().position(|binding| binding.name == name) else {
            let names: Vec<&str> = BINDINGS.iter().map(|binding| binding.name).collect();
            return Err(format!("`{name}` is no action; there are {}", names.join(", ")));
        };
        let keys = texts.iter().map(|text| readable(text)).collect::<Result<Vec<Key>, String>>()?;
        for (other, binding) in BINDINGS.iter().enumerate().filter(|&(other, _)| other != index) {
            let taken = keys.iter().find(|key| self.bound[other].contains(key));
            if let Some(key) = taken.filter(|_| self.is_chosen[other]) {
                return Err(format!("{key} is given to `{}` as well; choose another", binding.name));
            }
            self.bound[other].retain(|key| !keys.contains(key));
        }
        self.bound[index] = keys;
        self.is_chosen[index] = true;
        Ok(())
    }

    /// The action of a key.
    pub fn action(&self, event: &KeyEvent) -> Option<Action> {
        if is_interrupt(event) {
            return Some(Action::Quit);
        }
        let key = Key::of(event)?;
        let index = self.bound.iter().position(|keys| keys.contains(&key))?;
        Some(BINDINGS[index].action)
    }

    /// The first key of an action, as it is written; `None` where it was given none.
    pub fn first(&self, action: Action, manner: Manner) -> Option<String> {
        let index = BINDINGS.iter().position(|binding| binding.action == action)?;
        self.bound[index].first().map(|key| key.shown(manner))
    }

    /// The bindings that do something in this manner, and how their keys are written: ASCII has but one language.
    pub fn shown(&self, manner: Manner) -> impl Iterator<Item = (&'static Binding, String)> {
        let is_of_use = move |binding: &Binding| !manner.is_ascii() || binding.action != Action::Language;
        BINDINGS
            .iter()
            .zip(&self.bound)
            .filter(move |(binding, keys)| is_of_use(binding) && !keys.is_empty())
            .map(move |(binding, keys)| {
                let shown: Vec<String> = keys.iter().map(|key| key.shown(manner)).collect();
                (binding, shown.join(" "))
            })
    }

    /// The bindings of the foot line, most wanted first, each with its first key.
    pub fn foot(&self, manner: Manner) -> Vec<(&'static Binding, String)> {
        let mut shown: Vec<_> = self
            .shown(manner)
            .filter(|(binding, _)| binding.foot > 0)
            .map(|(binding, keys)| (binding, keys.split(' ').next().unwrap_or_default().to_owned()))
            .collect();
        shown.sort_by_key(|(binding, _)| binding.foot);
        shown
    }
}

fn readable(text: &str) -> Result<Key, String> {
    match Key::parse(text) {
        Some(Key { code: KeyCode::Char('c'), is_ctrl: true }) => {
            Err("Ctrl-c always quits; choose another".to_owned())
        }
        Some(key) => Ok(key),
        None => {
            Err(format!("`{text}` is no key; write a character, F1 to F12, Ctrl-x, or one of {}", named()))
        }
    }
}

fn named() -> String {
    NAMED.map(|(_, name, _)| name).join(", ")
}

/// The table as Markdown, for the documentation.
pub fn markdown() -> String {
    let mut out = String::from("| key | action | what it does |\n|---|---|---|\n");
    for (binding, keys) in BINDINGS.iter().zip(&Keys::default().bound) {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let (name, does) = (binding.name, binding.word.text(Language::En));
        let _ = writeln!(out, "| {} | {name} | {does} |", keys.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_and_no_name_has_two_meanings() {
        let keys = Keys::default();
        let mut all: Vec<String> = keys.bound.iter().flatten().map(Key::to_string).collect();
        let mut names: Vec<String> = BINDINGS.iter().map(|binding| binding.name.to_owned()).collect();
        for list in [&mut all, &mut names] {
            list.sort();
            let count = list.len();
            list.dedup();
            assert_eq!(list.len(), count);
        }
        let written: usize = BINDINGS.iter().map(|binding| binding.usual.split(' ').count()).sum();
        assert_eq!(all.len(), written, "each key of the table can be read");
    }

    #[test]
    fn keys_become_actions() {
        let keys = Keys::default();
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(keys.action(&key(KeyCode::Char('j'))), Some(Action::Down));
        assert_eq!(keys.action(&KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT)), Some(Action::Last));
        assert_eq!(keys.action(&key(KeyCode::F(12))), None);
        let ctrl = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert_eq!(keys.action(&ctrl('c')), Some(Action::Quit));
        assert_eq!(keys.action(&ctrl('d')), Some(Action::PageDown));
        assert_eq!(keys.action(&ctrl('s')), None);
        assert_eq!(keys.action(&KeyEvent::new(KeyCode::Char('s'), KeyModifiers::ALT)), None);
    }

    #[test]
    fn every_key_is_read_as_it_is_written() {
        for text in ["j", "G", "é", "-", "Ctrl-x", "Ctrl-Up", "F1", "F12", "PgUp", "Space", "Ctrl--"] {
            assert_eq!(Key::parse(text).map(|key| key.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Key::parse("pgup"), Key::parse("PgUp"));
        for text in ["", "F13", "F0", "Hyper-x", "ab", " ", "\u{1b}", "Ctrl-"] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_users_keys_win() {
        let mut keys = Keys::default();
        let given = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        keys.bind("quit", &given(&["Q", "F10"])).expect("bound");
        keys.bind("down", &given(&["q"])).expect("bound");
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(keys.action(&key(KeyCode::Char('q'))), Some(Action::Down));
        assert_eq!(keys.action(&key(KeyCode::Char('j'))), None);
        assert_eq!(keys.action(&key(KeyCode::F(10))), Some(Action::Quit));
        assert!(
            keys.foot(Manner::default()).iter().any(|(binding, key)| binding.name == "quit" && key == "Q")
        );
        for (name, texts, part) in [
            ("fly", &["x"][..], "there are up, down"),
            ("up", &["Hyper-x"], "F1 to F12"),
            ("up", &["Ctrl-c"], "always quits"),
            ("up", &["F10"], "given to `quit`"),
        ] {
            let said = keys.bind(name, &given(texts)).expect_err(name);
            assert!(said.contains(part), "{said}");
        }
        keys.bind("help", &[]).expect("no key at all");
        assert!(keys.shown(Manner::default()).all(|(binding, _)| binding.name != "help"));
    }

    #[test]
    fn the_documentation_lists_every_key() {
        assert_eq!(markdown().lines().count(), BINDINGS.len() + 2);
        insta::assert_snapshot!("keys", markdown());
    }
}
