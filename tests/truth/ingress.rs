//! What must hold of a journey through proxies: who handed it on, over which connections, and whose time it took.

use std::collections::HashSet;

use serde_json::Value;

use crate::compare::list;
use crate::joins::SURE;

/// A proxy that the lab holds up takes longer than this.
const LONG_NS: i64 = 60_000_000;

/// Every connection of a report, by its ends.
pub(crate) fn connections(report: &Value) -> HashSet<(String, String)> {
    list(report, "journeys").iter().flat_map(|journey| list(journey, "legs")).map(ends).collect()
}

fn ends(leg: &Value) -> (String, String) {
    (leg["client"].to_string(), leg["target"].to_string())
}

/// Whether no join of it is in doubt. What lies behind a doubtful one may be another's.
pub(crate) fn is_sure(journey: &Value) -> bool {
    list(journey, "handoffs").iter().all(|handoff| handoff["confidence"].as_f64() >= Some(SURE))
}

/// What differs at the proxies of an exchange. `connections` are those that the report has at all.
pub(crate) fn differences(
    journey: &Value,
    exchange: &Value,
    connections: &HashSet<(String, String)>,
) -> Vec<String> {
    // Of what the client gave up, the proxies' logs tell only some.
    if !exchange["error"].is_null() || !is_sure(journey) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut hold = |what: &str, seen: String, due: String| {
        if seen != due {
            found.push(format!("{what} is {seen}, should be {due}"));
        }
    };
    let due = due(exchange, connections);
    let (given_up, kept): (Vec<&Value>, Vec<&Value>) =
        list(journey, "handoffs").iter().partition(|handoff| handoff["given_up"] == true);
    let tries = list(exchange, "given_up").len();
    if exchange["expect"]["outcome"] == "complete" {
        // Other requests may be inside the same encrypted connection.
        if exchange["exchange"]["protocol"] != "tls" {
            hold("number of handoffs", kept.len().to_string(), due.len().to_string());
        }
        hold("tries given up", given_up.len().to_string(), tries.to_string());
    } else {
        // Where none succeeded, the last one is where the journey ends.
        hold(
            "number of handoffs",
            (kept.len() + given_up.len()).to_string(),
            (due.len() + tries).to_string(),
        );
    }
    let mut longest = [0, 0];
    for due in &due {
        let leg = list(journey, "legs").iter().find(|leg| ends(leg) == ends(due.leg));
        let leg = leg.map_or(&Value::Null, |leg| &leg["id"]);
        let Some(handoff) = kept.iter().find(|handoff| handoff["to_leg"] == *leg) else {
            hold("connection behind the proxy", "missing".to_owned(), format!("{:?}", ends(due.leg)));
            continue;
        };
        hold("proxy's node", handoff["node"].to_string(), due.proxy["node"].to_string());
        if !due.is_over_unseen {
            hold("proxy", handoff["proxy"].to_string(), due.kind());
        }
        if list(handoff, "evidence").is_empty() {
            hold("evidence", "none".to_owned(), "some".to_owned());
        }
        let Some(delay) = handoff["request_delay_ns"].as_i64() else { continue };
        let is_held_up = exchange["slow"]["proxy"] == due.proxy["proxy"];
        let least = if is_held_up { LONG_NS } else { 0 };
        if delay < least {
            hold("time in the proxy", delay.to_string(), format!("{least} at least"));
        }
        let longest = &mut longest[usize::from(is_held_up)];
        *longest = delay.max(*longest);
    }
    // How long the others take is the machine's affair, as long as they do not seem to be the slow ones.
    let [others, held_up] = longest;
    if held_up > 0 {
        hold("the slower proxy", (others > held_up).to_string(), false.to_string());
    }
    found
}

/// Connections that the journey surely went over and the exchange did not.
pub(crate) fn strangers(journey: &Value, exchange: &Value) -> Vec<String> {
    let sure =
        list(journey, "handoffs").iter().filter(|handoff| handoff["confidence"].as_f64() >= Some(SURE));
    let legs =
        sure.filter_map(|handoff| list(journey, "legs").iter().find(|leg| leg["id"] == handoff["to_leg"]));
    let tries = list(exchange, "given_up");
    let is_known = |leg: &Value| {
        list(exchange, "legs").iter().any(|due| ends(due) == ends(leg))
            || tries.iter().any(|pair| pair[0] == leg["client"] && pair[1] == leg["target"])
    };
    // Of what the client gave up, the proxies' logs tell only some.
    let strange = legs.filter(|leg| exchange["error"].is_null() && !is_known(leg));
    strange.map(|leg| format!("{:?} is another's connection", ends(leg))).collect()
}

/// A handoff that should be there.
struct Due<'a> {
    proxy: &'a Value,
    leg: &'a Value,
    /// What goes over a node's `lo` may not be captured: then two proxies look like one.
    is_over_unseen: bool,
}

impl Due<'_> {
    fn kind(&self) -> String {
        match self.proxy["proxy"].as_str() {
            Some("nginx") => "\"unknown\"".to_owned(),
            _ => self.proxy["proxy"].to_string(),
        }
    }
}

fn due<'a>(exchange: &'a Value, connections: &HashSet<(String, String)>) -> Vec<Due<'a>> {
    let mut found = Vec::new();
    let mut is_over_unseen = false;
    for (proxy, leg) in list(exchange, "proxies").iter().zip(list(exchange, "legs").iter().skip(1)) {
        if connections.contains(&ends(leg)) {
            found.push(Due { proxy, leg, is_over_unseen });
            is_over_unseen = false;
        } else {
            is_over_unseen = true;
        }
    }
    found
}
