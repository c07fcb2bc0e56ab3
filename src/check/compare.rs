//! Expected facts against journeys; what differs is said in words.

use toml::{Table, Value};

use super::{Expectations, Facts, way};
use crate::model::Journey;
use crate::report::Totals;
use crate::timeline::Context;
use crate::timeline::filter::Expr;

/// Keys of [`Facts`] that say which journey is meant.
const SELECTION: [&str; 4] = ["find", "nth", "count", "every"];

/// What differs, a sentence each; nothing where all holds. `journeys` are in the report's order.
pub fn compare(
    expected: &Expectations,
    journeys: &[Journey],
    totals: &Totals,
    context: &Context<'_>,
) -> Vec<String> {
    let mut said = Vec::new();
    for (name, wanted, found) in [
        ("journeys", expected.journeys, totals.journeys),
        ("lookups", expected.lookups, totals.lookups),
        ("unclassified", expected.unclassified, totals.unclassified),
    ] {
        if let Some(wanted) = wanted.filter(|&wanted| wanted != found) {
            said.push(format!("{name}: {found}, expected {wanted}"));
        }
    }
    for (facts, number) in expected.journey.iter().zip(1..) {
        said.extend(compare_one(facts, number, journeys, context));
    }
    said
}

/// Holds the journeys that the `number`th part of the file means against it.
fn compare_one(facts: &Facts, number: usize, journeys: &[Journey], context: &Context<'_>) -> Vec<String> {
    let found = match matching(facts, journeys, context) {
        Ok(found) => found,
        Err(what) => return vec![format!("expectation {number}: {what}")],
    };
    let wanted = facts.find.as_deref().map_or(String::new(), |find| format!(" ({find})"));
    let mut said = Vec::new();
    if let Some(count) = facts.count.filter(|&count| count != found.len()) {
        said.push(format!("expectation {number}{wanted}: {} journeys fit, expected {count}", found.len()));
    }
    let meant: &[usize] = if facts.every {
        &found
    } else {
        let nth = facts.nth.unwrap_or(1);
        match nth.checked_sub(1).and_then(|index| found.get(index)) {
            Some(index) => std::slice::from_ref(index),
            // With a count of none there is nothing more to say.
            None if facts.count == Some(0) => &[],
            None => {
                said.push(format!(
                    "expectation {number}{wanted}: {} journeys fit, none is number {nth}",
                    found.len()
                ));
                &[]
            }
        }
    };
    for &index in meant {
        let journey = &journeys[index];
        let differences = differences(facts, &Facts::of(journey, context));
        let name = title(index + 1, journey);
        said.extend(differences.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    said
}

/// Places in `journeys` of those that fit.
fn matching(facts: &Facts, journeys: &[Journey], context: &Context<'_>) -> Result<Vec<usize>, String> {
    let expr = match &facts.find {
        Some(text) => Some(Expr::parse(text).map_err(|error| format!("find: {error}"))?),
        None => None,
    };
    let fits = |journey: &Journey| expr.as_ref().is_none_or(|expr| expr.matches(journey, context.topology));
    Ok((0..journeys.len()).filter(|&index| fits(&journeys[index])).collect())
}

/// `journey 3 (10.244.1.17:45700 → 10.43.7.7:80)`.
fn title(id: usize, journey: &Journey) -> String {
    match journey.trail.legs.first() {
        Some(leg) => match leg.target.or(leg.server) {
            Some(target) => format!("journey {id} ({} → {target})", leg.client),
            None => format!("journey {id} ({})", leg.client),
        },
        None => format!("journey {id}"),
    }
}

/// Each fact of `expected` that is another one in `actual`.
fn differences(expected: &Facts, actual: &Facts) -> Vec<String> {
    let table = |facts: &Facts| Table::try_from(facts).unwrap_or_default();
    let (expected, actual) = (table(expected), table(actual));
    let checked = expected.iter().filter(|(key, _)| !SELECTION.contains(&key.as_str()));
    checked.filter_map(|(key, wanted)| difference(key, wanted, actual.get(key))).collect()
}

fn difference(key: &str, wanted: &Value, found: Option<&Value>) -> Option<String> {
    match (key, wanted, found) {
        ("request" | "reply", Value::String(wanted), Some(Value::String(found))) => {
            way::difference(wanted, found).map(|said| format!("{key}: {said}"))
        }
        // A kind of place without a node is that kind on any node.
        ("where", Value::String(wanted), Some(Value::String(found)))
            if found.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with(' ')) =>
        {
            None
        }
        (_, wanted, Some(found)) if wanted == found => None,
        (_, wanted, found) => {
            let found = found.map_or_else(|| "not known".to_owned(), shown);
            Some(format!("{key} is {found}, expected {}", shown(wanted)))
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
