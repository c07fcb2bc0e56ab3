//! How things are written: the language, and whether only ASCII may be used.

use std::borrow::Cow;

use crate::model::{Direction, Outcome, PlaceKind, Sentence, Stage, State, Way};
use crate::timeline::points::UNNUMBERED;
use crate::timeline::words::Word;

/// The language of the screen and of the text report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    En,
    Zh,
}

/// Language and character set. ASCII is for terminals that show ambiguous characters wide, and has English words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Manner {
    language: Language,
    is_ascii: bool,
    /// Addresses are shown in place of their names.
    hides_names: bool,
}

impl Manner {
    pub const fn new(language: Language) -> Manner {
        Manner { language, is_ascii: false, hides_names: false }
    }

    pub const fn ascii() -> Manner {
        Manner { language: Language::En, is_ascii: true, hides_names: false }
    }

    /// Names in place of addresses, or the other way round.
    #[must_use]
    pub const fn other_names(self) -> Manner {
        Manner { hides_names: !self.hides_names, ..self }
    }

    pub const fn hides_names(self) -> bool {
        self.hides_names
    }

    pub const fn language(self) -> Language {
        self.language
    }

    pub const fn is_ascii(self) -> bool {
        self.is_ascii
    }

    /// The next language; ASCII stays as it is.
    #[must_use]
    pub const fn other_language(self) -> Manner {
        match (self.is_ascii, self.language) {
            (true, _) => self,
            (false, Language::En) => Manner { language: Language::Zh, ..self },
            (false, Language::Zh) => Manner { language: Language::En, ..self },
        }
    }

    pub const fn word(self, word: Word) -> &'static str {
        word.text(self.language)
    }

    const fn pick(self, drawn: &'static str, ascii: &'static str) -> &'static str {
        if self.is_ascii { ascii } else { drawn }
    }

    pub const fn micros(self) -> &'static str {
        self.pick("µs", "us")
    }

    pub const fn dials(self) -> &'static str {
        self.pick("→", "->")
    }

    pub const fn served(self) -> &'static str {
        self.pick("⇒", "=>")
    }

    pub const fn ellipsis(self) -> &'static str {
        self.pick("…", "~")
    }

    pub const fn at_most(self) -> &'static str {
        self.pick("≤", "<")
    }

    pub const fn times(self) -> &'static str {
        self.pick("×", "x")
    }

    pub const fn plus_minus(self) -> &'static str {
        self.pick("±", "+-")
    }

    pub const fn cross(self) -> &'static str {
        self.pick("✗", "x")
    }

    pub const fn tick(self) -> &'static str {
        self.pick("✓", "ok")
    }

    pub const fn chosen(self) -> &'static str {
        self.pick("▸", ">")
    }

    pub const fn dot(self) -> &'static str {
        self.pick("·", ".")
    }

    pub const fn rule(self) -> char {
        if self.is_ascii { '-' } else { '─' }
    }

    /// A stage's number alone: `⑤` or `(5)`, in ASCII `5` or `(5)`; `•` for a point that has none.
    pub fn stage(self, stage: Stage) -> String {
        if stage.number == UNNUMBERED {
            return self.pick("•", "+").to_owned();
        }
        match (self.is_ascii, stage.way) {
            (true, Way::Request) => stage.number.to_string(),
            _ => stage.to_string(),
        }
    }

    /// A stage's number with what tells its state without colour.
    pub fn mark(self, stage: Stage, state: &State) -> String {
        let number = self.stage(stage);
        match state {
            State::Seen { .. } => number,
            State::Bounded { .. } => number + self.pick("", "~"),
            State::Outside => self.pick("·", ".").to_owned(),
            State::Waiting => number + self.pick("…", ".."),
            State::Missing => self.cross().to_owned(),
            State::Skipped => "-".to_owned(),
        }
    }

    /// The mark of a row of its own, which keeps the number in every state.
    pub fn row_mark(self, stage: Stage, state: &State) -> Cow<'static, str> {
        match state {
            State::Outside | State::Missing | State::Skipped => {
                (self.stage(stage) + &self.mark(stage, state)).into()
            }
            State::Seen { .. } | State::Bounded { .. } if !self.is_ascii => {
                usual_mark(stage).map_or_else(|| self.mark(stage, state).into(), Cow::Borrowed)
            }
            _ => self.mark(stage, state).into(),
        }
    }

    pub const fn direction(self, direction: Direction) -> &'static str {
        match direction {
            Direction::In => self.word(Word::In),
            Direction::Out => self.word(Word::Out),
            Direction::Unknown => "",
        }
    }

    pub const fn outcome(self, outcome: Outcome) -> &'static str {
        self.word(match outcome {
            Outcome::Complete => Word::Complete,
            Outcome::Open => Word::Open,
            Outcome::Lost => Word::Lost,
            Outcome::Refused => Word::Refused,
            Outcome::Failed => Word::Failed,
        })
    }

    pub const fn place_kind(self, kind: PlaceKind) -> &'static str {
        self.word(match kind {
            PlaceKind::Host => Word::Host,
            PlaceKind::Fabric => Word::Fabric,
            PlaceKind::Proxy => Word::Proxy,
            PlaceKind::Workload => Word::Workload,
            PlaceKind::Dns => Word::Dns,
            PlaceKind::Client => Word::Client,
        })
    }

    /// A sentence in the reader's language.
    pub fn told(self, sentence: &Sentence) -> Cow<'_, str> {
        match self.language {
            Language::En => self.text(&sentence.en),
            Language::Zh => sentence.zh.as_str().into(),
        }
    }

    /// Text of another room, in characters this manner may use.
    pub fn text<'a>(self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let text = text.into();
        if self.is_ascii && !text.is_ascii() { to_ascii(&text).into() } else { text }
    }
}

/// The marks of nearly all rows.
fn usual_mark(stage: Stage) -> Option<&'static str> {
    const REQUEST: [&str; 12] = ["①", "②", "③", "④", "⑤", "⑥", "⑦", "⑧", "⑨", "⑩", "⑪", "⑫"];
    const REPLY: [&str; 12] =
        ["(1)", "(2)", "(3)", "(4)", "(5)", "(6)", "(7)", "(8)", "(9)", "(10)", "(11)", "(12)"];
    let marks = if stage.way == Way::Request { REQUEST } else { REPLY };
    marks.get(usize::from(stage.number).checked_sub(1)?).copied()
}

fn to_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '①'..='⑳' => out.push_str(&(character as u32 - '①' as u32 + 1).to_string()),
            '→' => out.push_str("->"),
            '⇒' => out.push_str("=>"),
            '…' => out.push_str("..."),
            '×' => out.push('x'),
            '≤' => out.push_str("<="),
            'µ' => out.push('u'),
            '·' | '–' | '—' => out.push('-'),
            '‘' | '’' => out.push('\''),
            '“' | '”' => out.push('"'),
            other if other.is_ascii() => out.push(other),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::sample;

    #[test]
    fn each_state_has_a_mark_of_its_own() {
        let stage = Stage { way: Way::Request, number: 5 };
        let states = sample::states();
        let ascii = states.map(|state| Manner::ascii().mark(stage, &state));
        assert_eq!(ascii, ["5", "5~", ".", "5..", "x"]);
        let drawn = states.map(|state| Manner::default().mark(stage, &state));
        assert_eq!(drawn, ["⑤", "⑤", "·", "⑤…", "✗"]);
        assert_eq!(Manner::ascii().mark(Stage { way: Way::Reply, number: 5 }, &states[0]), "(5)");
        for number in 0..=21 {
            for stage in [Way::Request, Way::Reply].map(|way| Stage { way, number }) {
                for manner in [Manner::default(), Manner::ascii()] {
                    let [seen, bounded] = [states[0], states[1]].map(|state| manner.row_mark(stage, &state));
                    assert_eq!([&*seen, &*bounded], [0, 1].map(|at| manner.mark(stage, &states[at])));
                }
            }
        }
    }

    #[test]
    fn text_of_others_becomes_ascii() {
        assert_eq!(Manner::ascii().text("SYN ×3 at ⑩ → 名"), "SYN x3 at 10 -> ?");
        assert_eq!(Manner::default().text("名"), "名");
    }
}
