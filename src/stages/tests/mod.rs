//! Trails of a small cluster, placed and judged.

mod faults;
mod partial;
mod properties;
mod proxies;
mod routes;
mod templates;

use crate::model::Journey;
use crate::stages::testbed::{drawn, judged};

/// Path, route, visits and verdict at once.
#[track_caller]
fn check(journey: &Journey, path_and_route: &str, visits: &str, verdict: &str) {
    let named = format!("{} {}", journey.path, journey.route);
    assert_eq!(named, path_and_route, "{}", journey.verdict.detail);
    assert_eq!(drawn(journey), visits, "{}", journey.verdict.detail);
    assert_eq!(judged(journey), verdict, "{}", journey.verdict.detail);
}

#[track_caller]
fn says(journey: &Journey, words: &str) {
    assert!(journey.verdict.detail.contains(words), "{:?} lacks {words:?}", journey.verdict.detail);
}
