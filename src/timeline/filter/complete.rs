//! What may come next in an expression that is being typed. The parser says what it looks for where the text ends, so
//! nothing is offered that it would not take.

use super::parse::{Wanted, operators, wanted};
use super::vocabulary::Vocabulary;
use super::{FIELDS, Field, OPERATORS, OUTCOMES, Op, PROTOCOLS, is_plain};
use crate::model::Way;

/// Most candidates that are given.
const MOST: usize = 100;
/// Delays to begin with.
const DELAYS: [&str; 6] = ["100us", "1ms", "10ms", "100ms", "1s", "10s"];
const STATUSES: [&str; 4] = ["200", "400", "500", "503"];

/// A text that may come next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub text: String,
    /// Journeys that have this value, as far as they were looked at; 0 for words of the language.
    pub count: usize,
}

/// What may stand in place of the text's last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Characters before the word.
    pub start: usize,
    /// Those that begin with the word, then those that contain it.
    pub candidates: Vec<Candidate>,
}

/// What may come at the end of `text`.
pub fn complete(text: &str, vocabulary: &Vocabulary) -> Completion {
    let start = word_start(text);
    let (before, word) = text.split_at(start);
    let word = word.trim_start_matches('"').to_lowercase();
    let mut all = Vec::new();
    for wanted in wanted(before) {
        offer(wanted, vocabulary, &mut all);
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for begins in [true, false] {
        for candidate in &all {
            let lower = candidate.text.trim_start_matches('"').to_lowercase();
            let fits = if begins {
                lower.starts_with(&word)
            } else {
                !lower.starts_with(&word) && lower.contains(&word)
            };
            if fits && candidates.len() < MOST && !candidates.iter().any(|it| it.text == candidate.text) {
                candidates.push(candidate.clone());
            }
        }
    }
    // What is typed out already needs no offer.
    if candidates.first().is_some_and(|only| only.text.to_lowercase() == word) && candidates.len() == 1 {
        candidates.clear();
    }
    Completion { start: before.chars().count(), candidates }
}

/// Where the last word, or the quoted text that is not closed yet, begins.
fn word_start(text: &str) -> usize {
    let mut open = None;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match (c, open) {
            _ if is_escaped => is_escaped = false,
            ('\\', Some(_)) => is_escaped = true,
            ('"', None) => open = Some(at),
            ('"', Some(_)) => open = None,
            _ => {}
        }
    }
    let plain = text.chars().rev().take_while(|&c| is_plain(c)).map(char::len_utf8).sum::<usize>();
    open.unwrap_or(text.len() - plain)
}

fn offer(wanted: Wanted, vocabulary: &Vocabulary, out: &mut Vec<Candidate>) {
    let mut word = |text: &str| out.push(Candidate { text: text.to_owned(), count: 0 });
    match wanted {
        Wanted::Part => {
            FIELDS.iter().map(|(name, _)| *name).chain(["delay", "delay(", "not", "("]).for_each(word);
        }
        Wanted::Joiner { is_open } => {
            ["and", "or"].into_iter().for_each(&mut word);
            if is_open {
                word(")");
            }
        }
        Wanted::Operator(field) => {
            let allowed = operators(field);
            let signs = OPERATORS.iter().filter(|(_, op)| allowed.contains(op));
            signs.for_each(|(sign, _)| word(sign));
        }
        Wanted::Stage(way) => {
            // Of the reply, its inner parenthesis is open already, or still to come.
            let stages = vocabulary.stages(way).into_iter();
            out.extend(stages.map(|(stage, count)| {
                let closing = if way == Way::Reply { "))" } else { ")" };
                Candidate { text: format!("{}{closing}", stage.number), count }
            }));
            if way == Way::Request {
                let replies = vocabulary.stages(Way::Reply).into_iter();
                let text = |number: u8| format!("({number}))");
                out.extend(replies.map(|(stage, count)| Candidate { text: text(stage.number), count }));
            }
        }
        Wanted::Value(field, op) => offer_values(field, op, vocabulary, out),
    }
}

fn offer_values(field: Field, op: Op, vocabulary: &Vocabulary, out: &mut Vec<Candidate>) {
    let mut words = |texts: &[&str]| {
        out.extend(texts.iter().map(|&text| Candidate { text: text.to_owned(), count: 0 }));
    };
    match field {
        Field::Outcome => words(&OUTCOMES.map(crate::model::Outcome::name)),
        Field::Proto => words(&PROTOCOLS),
        Field::Delay(_) => words(&DELAYS),
        _ if op == Op::In => {
            let ranges = vocabulary.ranges().into_iter();
            out.extend(ranges.map(|(net, count)| Candidate { text: net.to_string(), count }));
        }
        _ => {
            let seen = vocabulary.of(field).into_iter();
            out.extend(seen.map(|(value, count)| Candidate { text: quoted(value), count }));
            if field == Field::Status {
                out.extend(STATUSES.map(|text| Candidate { text: text.to_owned(), count: 0 }));
            }
        }
    }
}

/// `value` as it stands in an expression.
fn quoted(value: &str) -> String {
    super::Value::Text(value.into()).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::timeline::filter::Expr;
    use crate::timeline::sample;

    fn vocabulary() -> Vocabulary {
        let journeys: Vec<_> =
            sample::all().into_iter().chain(sample::proxies::all()).map(Arc::new).collect();
        Vocabulary::new(journeys.iter(), &sample::topology())
    }

    fn offered(text: &str) -> (usize, Vec<String>) {
        let completion = complete(text, &vocabulary());
        (completion.start, completion.candidates.into_iter().map(|candidate| candidate.text).collect())
    }

    #[test]
    fn what_is_offered_depends_on_the_place() {
        for (text, start, first) in [
            ("", 0, "client"),
            ("cl", 0, "client"),
            ("ien", 0, "client"),
            ("status ", 7, "=="),
            ("path == ", 8, "ingress-to-pod"),
            ("path==pod-to-s", 6, "pod-to-service"),
            ("path == pod-to-service ", 23, "and"),
            ("path == pod-to-service a", 23, "and"),
            ("outcome != l", 11, "lost"),
            ("(method == G", 11, "GET"),
            ("(method == GET ", 15, "and"),
            ("delay(", 6, "1)"),
            ("delay(5", 6, "5)"),
            ("delay((", 7, "1))"),
            ("delay(5) > 1", 11, "100us"),
            ("server in 10.244.2", 10, "10.244.2.0/24"),
            ("pod ~ sto", 6, "stock-7d9c"),
            ("service == sho", 11, "shop/stock"),
            ("proxy == ", 9, "haproxy"),
            ("host == \"sto", 8, "stock.shop"),
            ("dns == 商 or dns ~ stok", 18, "stok.shop"),
            ("where == kappa2 and node == kap", 28, "kappa1"),
            ("proto == h", 9, "http"),
            ("status >= ", 10, "200"),
        ] {
            let (at, offered) = offered(text);
            assert_eq!(
                (at, offered.first().map(String::as_str)),
                (start, Some(first)),
                "{text}: {offered:?}"
            );
        }
        assert_eq!(offered("(a ").1, ["and", "or", ")"]);
        assert_eq!(offered("a ").1, ["and", "or"]);
        assert_eq!(offered("outcome == lost").1, [""; 0], "it is there already");
        assert_eq!(offered("status = ").1, [""; 0], "what is wrong is not gone on with");
    }

    #[test]
    fn what_is_offered_is_taken() {
        let vocabulary = vocabulary();
        let values = FIELDS.iter().map(|(name, _)| *name).chain(["delay", "delay(5)", "delay((3))"]);
        for field in values {
            for op in complete(&format!("{field} "), &vocabulary).candidates {
                let before = format!("{field} {} ", op.text);
                for value in complete(&before, &vocabulary).candidates {
                    let text = before.clone() + &value.text;
                    if !["and", "or"].contains(&op.text.as_str()) {
                        assert!(Expr::parse(&text).is_ok(), "{text}");
                    }
                }
            }
        }
        for stage in complete("delay(", &vocabulary).candidates {
            let text = format!("delay({} > 1ms", stage.text);
            assert!(Expr::parse(&text).is_ok(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_completed(text in "[a-z0-9(). \"\\\\=~!<>⑤名]{0,40}") {
            let completion = complete(&text, &Vocabulary::default());
            assert!(completion.start <= text.chars().count());
        }
    }
}
