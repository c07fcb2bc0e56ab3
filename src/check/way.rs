//! Visits as short text: `④kappa1 ⑤kappa1~ ⑥kappa2✗`.

use crate::model::{NodeId, Stage, State, Visit};
use crate::timeline::Context;

/// A stage and its node: `④kappa1`.
pub(super) fn stage(stage: Stage, node: Option<NodeId>, context: &Context<'_>) -> String {
    format!("{stage}{}", node.map_or("", |node| context.node(node)))
}

/// All visits but the skipped ones.
pub(super) fn visits(visits: &[Visit], context: &Context<'_>) -> String {
    let texts: Vec<String> = visits
        .iter()
        .filter(|visit| visit.state != State::Skipped)
        .map(|visit| stage(visit.stage, visit.node, context) + suffix(&visit.state))
        .collect();
    texts.join(" ")
}

const fn suffix(state: &State) -> &'static str {
    match state {
        State::Seen { .. } => "",
        State::Bounded { .. } => "~",
        State::Outside => "·",
        State::Waiting => "…",
        State::Missing => "✗",
        State::Skipped => "-",
    }
}

/// A visit as it was written.
struct Written<'a> {
    stage: &'a str,
    node: &'a str,
    state: &'static str,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Written<'a> {
        let (text, state) = [("~", "bounded"), ("·", "outside"), ("…", "waiting"), ("✗", "missing")]
            .iter()
            .find_map(|(suffix, state)| Some((text.strip_suffix(suffix)?, *state)))
            .unwrap_or((text, "seen"));
        let end = match text.strip_prefix('(') {
            Some(_) => text.find(')').map_or(text.len(), |at| at + 1),
            None => text.chars().next().map_or(0, char::len_utf8),
        };
        let (stage, node) = text.split_at(end);
        Written { stage, node, state }
    }

    fn place(&self) -> String {
        if self.node.is_empty() { self.stage.to_owned() } else { format!("{} on {}", self.stage, self.node) }
    }
}

/// What differs between two lists of visits, in words; `None` where nothing does.
pub(super) fn difference(expected: &str, actual: &str) -> Option<String> {
    let read = |text| str::split_whitespace(text).map(Written::read).collect::<Vec<_>>();
    let (expected, actual) = (read(expected), read(actual));
    let mut said = Vec::new();
    let mut at = 0;
    for wanted in &expected {
        let rest = &actual[at..];
        let same_place = |visit: &Written<'_>| (visit.stage, visit.node) == (wanted.stage, wanted.node);
        let same_stage = |visit: &Written<'_>| visit.stage == wanted.stage;
        let found = rest.iter().position(same_place).or_else(|| rest.iter().position(same_stage));
        let Some(found) = found else {
            said.push(format!("stage {} is not there, expected {}", wanted.place(), wanted.state));
            continue;
        };
        said.extend(rest[..found].iter().map(unexpected));
        let visit = &rest[found];
        if visit.node != wanted.node {
            said.push(format!("stage {} is {}, expected on {}", visit.place(), visit.state, wanted.node));
        } else if visit.state != wanted.state {
            said.push(format!("stage {} is {}, expected {}", visit.place(), visit.state, wanted.state));
        }
        at += found + 1;
    }
    said.extend(actual[at..].iter().map(unexpected));
    (!said.is_empty()).then(|| said.join("; "))
}

fn unexpected(visit: &Written<'_>) -> String {
    format!("stage {} is {}, not expected at all", visit.place(), visit.state)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences_are_said_in_words() {
        for (expected, actual, said) in [
            ("④kappa1 ⑤kappa1~", "④kappa1 ⑤kappa1~", None),
            ("④kappa1  ①·", "④kappa1 ①·", None),
            ("④kappa1 ⑦kappa1", "④kappa1 ⑦kappa1✗", Some("stage ⑦ on kappa1 is missing, expected seen")),
            ("④kappa1 ⑦kappa1", "④kappa1", Some("stage ⑦ on kappa1 is not there, expected seen")),
            ("④kappa1", "④kappa1 ⑦kappa1~", Some("stage ⑦ on kappa1 is bounded, not expected at all")),
            ("(1)kappa2", "(1)kappa3", Some("stage (1) on kappa3 is seen, expected on kappa2")),
            (
                "④a ⑤a ⑥b",
                "④a ⑧b ⑥b",
                Some("stage ⑤ on a is not there, expected seen; stage ⑧ on b is seen, not expected at all"),
            ),
        ] {
            assert_eq!(difference(expected, actual).as_deref(), said, "{expected} / {actual}");
        }
    }
}
