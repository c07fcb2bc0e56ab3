//! The joins of a report at the proxies, held against the truth: which are right, and how sure the report was of them.
//!
//! An exchange on a connection is known by the connection's ends and its place among the connection's requests. The
//! truth has both by the proxies' and servers' logs, the report by its legs and where on them the request begins.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{Display, Formatter};

use serde_json::Value;

/// From this confidence on a join is called sure.
pub(crate) const SURE: f64 = 0.9;
/// Below this one it is called ambiguous.
const LIKELY: f64 = 0.6;

/// A join that the report made.
pub(crate) struct Join {
    pub(crate) is_right: bool,
    pub(crate) confidence: f64,
    /// For the eye.
    pub(crate) what: String,
}

/// All joins of a report.
#[derive(Default)]
pub(crate) struct Joins {
    /// How many there should be, as far as both sides of them were captured.
    pub(crate) due: usize,
    pub(crate) made: Vec<Join>,
    /// Those that are due and were not made.
    pub(crate) missed: Vec<String>,
    /// Legs of the truth that no journey has.
    pub(crate) unseen: BTreeSet<String>,
}

impl Joins {
    pub(crate) fn right(&self) -> usize {
        self.made.iter().filter(|join| join.is_right).count()
    }

    pub(crate) fn sure(&self) -> impl Iterator<Item = &Join> {
        self.made.iter().filter(|join| join.confidence >= SURE)
    }

    pub(crate) fn ambiguous(&self) -> usize {
        self.made.iter().filter(|join| join.confidence < LIKELY).count()
    }

    pub(crate) fn wrong_and_sure(&self) -> Vec<&str> {
        self.sure().filter(|join| !join.is_right).map(|join| join.what.as_str()).collect()
    }

    pub(crate) fn wrong(&self) -> Vec<&str> {
        self.made.iter().filter(|join| !join.is_right).map(|join| join.what.as_str()).collect()
    }

    pub(crate) fn recall(&self) -> f64 {
        self.right() as f64 / self.due.max(1) as f64
    }
}

/// A connection, by who opened it and whereto.
type Ends = (String, String);

/// One exchange on a connection. Without a number only the connection is known.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    ends: Ends,
    nth: Option<usize>,
}

impl Place {
    fn is(&self, other: &Place) -> bool {
        self.ends == other.ends && (self.nth == other.nth || self.nth.is_none() || other.nth.is_none())
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} > {}", self.ends.0, self.ends.1)?;
        self.nth.map_or(Ok(()), |nth| write!(f, " #{}", nth + 1))
    }
}

/// Counts the joins of `report` that `truth` can judge.
pub(crate) fn joins(truth: &Value, report: &Value) -> Joins {
    let report = Report::new(report);
    let exchanges = chains(truth);
    let mut found = Joins::default();
    // Several requests inside one encrypted connection have its first joins in common.
    let mut due: BTreeSet<(&Place, &Place)> = BTreeSet::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.is_whole) {
        let (seen, unseen): (Vec<&Place>, Vec<&Place>) =
            exchange.legs.iter().partition(|leg| report.ends.contains(&leg.ends));
        found.unseen.extend(unseen.iter().map(|leg| format!("{} > {}", leg.ends.0, leg.ends.1)));
        due.extend(seen.windows(2).map(|pair| (pair[0], pair[1])));
        found.due += exchange.given_up.len();
    }
    found.due += due.len();
    let is_made =
        |pair: &(&Place, &Place)| report.joins.iter().any(|(from, to, _)| pair.0.is(from) && pair.1.is(to));
    found
        .missed
        .extend(due.iter().filter(|pair| !is_made(pair)).map(|pair| format!("{} to {}", pair.0, pair.1)));
    let mut by_connection: HashMap<&Ends, Vec<&Chain>> = HashMap::new();
    for exchange in &exchanges {
        for leg in &exchange.legs {
            by_connection.entry(&leg.ends).or_default().push(exchange);
        }
    }
    let owner = |place: &Place| {
        let candidates = by_connection.get(&place.ends).map_or(&[][..], Vec::as_slice);
        candidates.iter().copied().filter(|one| one.legs.iter().any(|leg| leg.is(place))).collect::<Vec<_>>()
    };
    for (from, to, confidence) in &report.joins {
        let owners = owner(from);
        let is_right = owners.iter().any(|one| one.continues(from, to, &report.ends));
        // What the truth knows nothing of cannot be judged.
        let is_known = owners.iter().any(|one| one.is_whole) || owner(to).iter().any(|one| one.is_whole);
        if is_known {
            let what = format!("{confidence:.3} {from} to {to}");
            found.made.push(Join { is_right, confidence: *confidence, what });
        }
    }
    found
}

/// What the logs say of one exchange.
struct Chain {
    legs: Vec<Place>,
    given_up: Vec<Ends>,
    /// Every one who took it has told.
    is_whole: bool,
}

impl Chain {
    /// Whether this exchange went from the one leg to the other, with none between them that the report could have.
    fn continues(&self, from: &Place, to: &Place, ends: &BTreeSet<Ends>) -> bool {
        let Some(at) = self.legs.iter().position(|leg| leg.is(from)) else { return false };
        let next = self.legs[at + 1..].iter().find(|leg| ends.contains(&leg.ends));
        next.is_some_and(|leg| leg.is(to)) || self.given_up.contains(&to.ends)
    }
}

fn chains(truth: &Value) -> Vec<Chain> {
    let exchanges = list(truth, "exchanges").iter().filter(|exchange| exchange["captured"] == true);
    let mut chains = Vec::new();
    let mut numbers: HashMap<Ends, Vec<u64>> = HashMap::new();
    for exchange in exchanges.filter(|exchange| exchange["legs"].is_array()) {
        let legs: Vec<(Ends, Option<u64>)> =
            list(exchange, "legs").iter().map(|leg| (ends(leg), leg["nth"].as_u64())).collect();
        for (ends, nth) in &legs {
            numbers.entry(ends.clone()).or_default().extend(nth);
        }
        chains.push((legs, exchange));
    }
    for known in numbers.values_mut() {
        known.sort_unstable();
        known.dedup();
    }
    let place = |(ends, nth): (Ends, Option<u64>)| {
        let nth = nth.and_then(|nth| numbers[&ends].iter().position(|&known| known == nth));
        Place { ends, nth }
    };
    let chain = |(legs, exchange): (Vec<_>, &Value)| Chain {
        legs: legs.into_iter().map(place).collect(),
        given_up: list(exchange, "given_up").iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        is_whole: exchange["error"].is_null(),
    };
    chains.into_iter().map(chain).collect()
}

/// What a report says of joins.
struct Report {
    joins: Vec<(Place, Place, f64)>,
    /// Every connection that it has.
    ends: BTreeSet<Ends>,
}

impl Report {
    fn new(report: &Value) -> Report {
        // Where each connection's requests begin, in their order.
        let mut begins: BTreeMap<Ends, Vec<u32>> = BTreeMap::new();
        for leg in list(report, "journeys").iter().flat_map(|journey| list(journey, "legs")) {
            begins.entry(ends(leg)).or_default().extend(seq(leg));
        }
        for seqs in begins.values_mut() {
            let first = seqs.first().copied().unwrap_or_default();
            // Sequence numbers may pass zero.
            seqs.sort_unstable_by_key(|seq| seq.wrapping_sub(first).cast_signed());
        }
        let place = |leg: &Value| {
            let ends = ends(leg);
            let nth = begins[&ends].iter().position(|&begin| Some(begin) == seq(leg));
            Place { ends, nth }
        };
        let mut joins = Vec::new();
        for journey in list(report, "journeys") {
            let leg = |id: &Value| list(journey, "legs").iter().find(|leg| leg["id"] == *id);
            for handoff in list(journey, "handoffs") {
                if let (Some(from), Some(to)) = (leg(&handoff["from_leg"]), leg(&handoff["to_leg"])) {
                    joins.push((place(from), place(to), handoff["confidence"].as_f64().unwrap_or_default()));
                }
            }
        }
        Report { joins, ends: begins.into_keys().collect() }
    }
}

fn seq(leg: &Value) -> Option<u32> {
    leg["request_seq"].as_u64().and_then(|seq| u32::try_from(seq).ok())
}

fn ends(leg: &Value) -> Ends {
    (text(&leg["client"]), text(&leg["target"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
