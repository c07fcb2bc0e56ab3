//! Words a sentence in every language at once: the same facts, filled into each language's form.

use std::fmt::Display;

use crate::model::{Endpoint, Ip, Sentence};

/// A fact in each language.
pub(crate) trait Told {
    fn en(&self) -> &dyn Display;
    fn zh(&self) -> &dyn Display;
}

impl Told for Sentence {
    fn en(&self) -> &dyn Display {
        &self.en
    }

    fn zh(&self) -> &dyn Display {
        &self.zh
    }
}

impl<T: Told + ?Sized> Told for &T {
    fn en(&self) -> &dyn Display {
        (**self).en()
    }

    fn zh(&self) -> &dyn Display {
        (**self).zh()
    }
}

/// Names and numbers, which are the same in each.
macro_rules! told_alike {
    ($($name:ty),*) => {
        $(impl Told for $name {
            fn en(&self) -> &dyn Display {
                self
            }

            fn zh(&self) -> &dyn Display {
                self
            }
        })*
    };
}

told_alike!(&str, String, Box<str>, u8, u16, u32, u64, usize, Endpoint, Ip);

/// `say!("{node} refused", "{node} 拒绝"; node)`: a form a language, then the facts that they name.
macro_rules! say {
    ($en:literal, $zh:literal $(; $($fact:ident $(= $value:expr)?),+)?) => {{
        $($($(let $fact = $value;)?)+)?
        crate::model::Sentence {
            en: {
                $($(let $fact = crate::model::say::Told::en(&$fact);)+)?
                format!($en)
            },
            zh: {
                $($(let $fact = crate::model::say::Told::zh(&$fact);)+)?
                format!($zh)
            },
        }
    }};
}

pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_own_form() {
        let (node, count) = ("kappa1", 3_u32);
        let what = say!("the packet", "数据包");
        let told =
            say!("{what} left {node} {count} times", "{what}离开 {node} {count} 次"; what, node, count);
        assert_eq!(
            (told.en.as_str(), told.zh.as_str()),
            ("the packet left kappa1 3 times", "数据包离开 kappa1 3 次")
        );
        let mut sum = say!("a", "甲");
        sum.extend(Some(say!("; {x}", "；{x}"; x = 1_u8)));
        sum += Sentence::default();
        assert_eq!((sum.en.as_str(), sum.zh.as_str()), ("a; 1", "甲；1"));
    }
}
