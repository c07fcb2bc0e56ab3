//! A sentence in each language of the program.

use std::ops::AddAssign;

/// What was found out, worded where its facts are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    pub en: String,
    pub zh: String,
}

impl Sentence {
    pub fn is_empty(&self) -> bool {
        self.en.is_empty()
    }
}

impl From<String> for Sentence {
    /// A text that is the same in each language.
    fn from(text: String) -> Sentence {
        Sentence { en: text.clone(), zh: text }
    }
}

impl AddAssign for Sentence {
    fn add_assign(&mut self, more: Sentence) {
        self.en += &more.en;
        self.zh += &more.zh;
    }
}

impl Extend<Sentence> for Sentence {
    fn extend<T: IntoIterator<Item = Sentence>>(&mut self, more: T) {
        more.into_iter().for_each(|more| *self += more);
    }
}
