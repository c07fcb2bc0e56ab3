//! Holds a report against what the lab says really happened (`truth.json`, described in `tests/lab/README.md`).

use serde_json::Value;

use crate::ingress;

/// What a recording leaves to be seen of the truth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// Every node was captured and nothing was lost: every visit has to be there.
    Full,
    /// Packets are missing from the files: visits may be bounded, the facts must still be right.
    Thinned,
    /// Only some nodes were captured: what is said must be right, not all can be.
    SomeNodes,
}

/// The outcome of a comparison.
#[derive(Default)]
pub(crate) struct Tally {
    /// Exchanges of the truth that were looked for.
    pub(crate) expected: usize,
    /// Those whose journey is there and right.
    pub(crate) right: usize,
    /// What differs, in words.
    pub(crate) wrong: Vec<String>,
    /// Exchanges without a journey.
    pub(crate) absent: Vec<String>,
}

/// Compares every captured exchange of `truth` with its journey in `report`.
pub(crate) fn compare(truth: &Value, report: &Value, coverage: Coverage) -> Tally {
    let mut tally = Tally::default();
    let journeys: Vec<&Value> = list(report, "journeys").iter().collect();
    let mut used = vec![false; journeys.len()];
    let connections = ingress::connections(report);
    for exchange in list(truth, "exchanges").iter().filter(|exchange| exchange["captured"] == true) {
        tally.expected += 1;
        // A flow of datagrams is one journey, and so is an encrypted connection, whatever went to and fro.
        let may_share = matches!(exchange["exchange"]["protocol"].as_str(), Some("udp" | "tls"));
        let found = (0..journeys.len()).find(|&at| (may_share || !used[at]) && is_of(journeys[at], exchange));
        let Some(at) = found else {
            tally.absent.push(name(exchange));
            continue;
        };
        used[at] = true;
        let mut differences = differences(journeys[at], exchange, coverage);
        if exchange["legs"].is_array() {
            differences.extend(match coverage {
                Coverage::Full => ingress::differences(journeys[at], exchange, &connections),
                Coverage::Thinned | Coverage::SomeNodes => ingress::strangers(journeys[at], exchange),
            });
        }
        if differences.is_empty() {
            tally.right += 1;
        }
        let about = |difference| format!("{}: {difference}", name(exchange));
        tally.wrong.extend(differences.into_iter().map(about));
    }
    tally
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn name(exchange: &Value) -> String {
    let what = &exchange["exchange"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} from {} to {}",
        text(&exchange["path"]),
        text(&what["protocol"]),
        text(if what["name"].is_null() { &what["path"] } else { &what["name"] }),
        text(&exchange["client"]),
        text(&exchange["target"])
    )
}

/// Whether a journey can be the exchange: by its own URL where there is one, else by who asked what.
fn is_of(journey: &Value, exchange: &Value) -> bool {
    let (seen, truth) = (&journey["exchange"], &exchange["exchange"]);
    let same_client = journey["client"] == exchange["client"];
    match truth["protocol"].as_str() {
        Some("http") => {
            if seen["protocol"] == "http" && !seen["path"].is_null() {
                // Through proxies several may ask for the same; each client's come in its own order.
                return seen["path"] == truth["path"] && (same_client || exchange["legs"].is_null());
            }
            // A connection that never carried its request.
            same_client && seen["path"].is_null() && exchange["connection_request"].as_u64().unwrap_or(1) == 1
        }
        Some("tls") => same_client && seen["protocol"] == "tls",
        Some("dns") => same_client && seen["path"] == truth["name"] && seen["method"] == truth["type"],
        Some("icmp") => same_client && seen["protocol"] == "icmp" && journey["target"] == exchange["target"],
        _ => same_client && journey["target"] == exchange["target"],
    }
}

fn differences(journey: &Value, exchange: &Value, coverage: Coverage) -> Vec<String> {
    let mut found = Vec::new();
    let mut hold = |what: &str, seen: &Value, due: &Value| {
        if seen != due {
            found.push(format!("{what} is {seen}, should be {due}"));
        }
    };
    // What a node's own process dials is translated in OUTPUT, before any interface could show it.
    let is_hidden = exchange["path"] == "host-to-pod" && !list(exchange, "translations").is_empty();
    if is_hidden || coverage == Coverage::SomeNodes {
        let clients = [&exchange["client"], &exchange["client_seen_by_server"]];
        if !clients.contains(&&journey["client"]) {
            hold("client", &journey["client"], clients[1]);
        }
    } else {
        hold("client", &journey["client"], &exchange["client"]);
        hold("path", &journey["path"], &exchange["path"]);
        // What a proxy sent on may have one capture point only, and just that packet may be lost.
        let is_cut_short = coverage == Coverage::Thinned && journey["route"] == "to-proxy";
        let is_sure = ingress::is_sure(journey) && !is_cut_short;
        if !exchange["route"].is_null() && is_sure {
            hold("route", &journey["route"], &exchange["route"]);
        }
        hold("target", &journey["target"], &exchange["target"]);
        // Where no server was reached, the truth has none.
        if !exchange["server"].is_null() && is_sure {
            hold("server", &journey["server"], &exchange["server"]);
            hold("translations", &translations(journey), &Value::from(due_translations(exchange)));
        }
    }
    verdict_differences(journey, exchange, coverage, &mut hold);
    visit_differences(journey, exchange, coverage, &mut hold);
    found
}

fn verdict_differences(
    journey: &Value,
    exchange: &Value,
    coverage: Coverage,
    hold: &mut impl FnMut(&str, &Value, &Value),
) {
    let (verdict, due) = (&journey["verdict"], &exchange["expect"]);
    let is_complete = due["outcome"] == "complete";
    if coverage == Coverage::Full || is_complete {
        hold("outcome", &verdict["outcome"], &due["outcome"]);
    }
    if coverage == Coverage::Full && !is_complete {
        hold("direction", &verdict["direction"], &due["direction"]);
        hold("where.kind", &verdict["where"]["kind"], &due["where"]["kind"]);
        if !due["where"]["node"].is_null() {
            hold("where.node", &verdict["where"]["node"], &due["where"]["node"]);
        }
    }
    let is_unread = coverage == Coverage::Thinned && journey["exchange"]["status"].is_null();
    if is_complete && exchange["exchange"]["protocol"] == "http" && !is_unread {
        hold("status", &journey["exchange"]["status"], &exchange["exchange"]["status"]);
        hold("grpc_status", &journey["exchange"]["grpc_status"], &exchange["exchange"]["grpc_status"]);
    }
}

fn visit_differences(
    journey: &Value,
    exchange: &Value,
    coverage: Coverage,
    hold: &mut impl FnMut(&str, &Value, &Value),
) {
    if exchange["expect"]["outcome"] != "complete" {
        return;
    }
    for visit in list(journey, "request").iter().chain(list(journey, "reply")) {
        let state = visit["state"].as_str().unwrap_or_default();
        // With every node captured only what lies outside the cluster may be `outside`, and that has no node.
        let is_fine = match state {
            "seen" | "bounded" | "skipped" => true,
            "outside" => coverage != Coverage::Full || visit["node"].is_null(),
            _ => false,
        };
        if !is_fine {
            let stage = format!("state of {} at {}", visit["stage"], visit["node"]);
            hold(&stage, &visit["state"], &Value::from("seen or bounded"));
        }
    }
}

fn translations(journey: &Value) -> Value {
    list(&journey["legs"][0], "translations")
        .iter()
        .map(|translation| {
            Value::from(format!(
                "{} {} {} => {}",
                translation["node"].as_str().unwrap_or("?"),
                translation["kind"].as_str().unwrap_or("?"),
                translation["from"].as_str().unwrap_or("?"),
                translation["to"].as_str().unwrap_or("?")
            ))
        })
        .collect()
}

/// The truth's translations in the report's form: what changed, or both ends where both did.
fn due_translations(exchange: &Value) -> Vec<String> {
    list(exchange, "translations")
        .iter()
        .map(|translation| {
            let text = |key: &str| translation[key].as_str().unwrap_or("?").to_owned();
            let end = |key: &str| {
                let mut tuple = text(key);
                if exchange["exchange"]["protocol"] == "icmp" {
                    // conntrack writes an echo's identifier as a port.
                    tuple = without_ports(&tuple);
                }
                let (src, dst) = tuple.split_once(" > ").unwrap_or(("?", "?"));
                match translation["kind"].as_str() {
                    Some("dnat") => dst.to_owned(),
                    Some("snat") => src.to_owned(),
                    _ => tuple.clone(),
                }
            };
            format!("{} {} {} => {}", text("node"), text("kind"), end("from"), end("to"))
        })
        .collect()
}

/// `a:1 > b` as `a > b`, for IPv4.
fn without_ports(tuple: &str) -> String {
    let ends: Vec<&str> =
        tuple.split(" > ").map(|end| end.rsplit_once(':').map_or(end, |(address, _)| address)).collect();
    ends.join(" > ")
}
