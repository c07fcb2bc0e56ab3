//! Trails of a small cluster, placed and judged.

mod faults;
mod hooks;
mod partial;
mod properties;
mod proxies;
mod routes;
mod routing;
mod templates;

use crate::model::Journey;
use crate::stages::testbed::{drawn, judged};

/// Path, route, visits and verdict at once.
#[track_caller]
fn check(journey: &Journey, path_and_route: &str, visits: &str, verdict: &str) {
    let named = format!("{} {}", journey.path, journey.route);
    assert_eq!(named, path_and_route, "{}", journey.verdict.detail.en);
    assert_eq!(drawn(journey), visits, "{}", journey.verdict.detail.en);
    assert_eq!(judged(journey), verdict, "{}", journey.verdict.detail.en);
    is_in_both_languages(journey);
}

#[track_caller]
fn says(journey: &Journey, words: &str) {
    assert!(journey.verdict.detail.en.contains(words), "{:?} lacks {words:?}", journey.verdict.detail.en);
    is_in_both_languages(journey);
}

/// The Chinese sentence is one, and has the same facts: every number and name of the English one that is not a word.
#[track_caller]
fn is_in_both_languages(journey: &Journey) {
    let detail = &journey.verdict.detail;
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let is_named = |word: &&str| word.contains(|c: char| c.is_ascii_digit());
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".:-_".contains(c)));
        let mut found: Vec<String> = parts
            .map(|part| part.trim_matches(|c| ".:-".contains(c)))
            .filter(is_named)
            .map(str::to_owned)
            .collect();
        found.sort();
        found.dedup();
        found
    };
    assert!(detail.is_empty() || detail.zh.contains(is_han) || detail.zh.contains('：'), "{detail:?}");
    assert_eq!(words(&detail.en), words(&detail.zh), "{detail:?}");
    for english in [" the ", " and ", " answer", " never ", " lost ", " no ", " of ", " by ", " itself"] {
        assert!(!detail.zh.contains(english), "{detail:?}");
    }
}
