//! The exchanges of one host that may belong to each other, weighed and decided together.

use std::borrow::Cow;

use hashbrown::HashMap;
use slab::Slab;

use super::chain::Join;
use super::evidence::{self, Clues};
use super::matching::{self, Edge};
use super::passage::{Delays, Host, Passage, Seen, within};
use super::{Bench, Held, LAG, PATIENCE, World, seen};
use crate::model::{Application, Confidence, EvidenceKind, NodeId, Proxy, Timestamp, Tuple};

/// Pairs that weigh less are not looked at again.
const FLOOR: f64 = -3.0;
/// Exchanges into the host that one out of it is compared with: the latest ones.
const MAX_COMPARED: usize = 512;
/// How much earlier than the exchange into the host the one out of it may be stamped, at most.
const SLACK: i64 = 2_000_000;
/// Content that speaks at least so much for a join makes it sure where no rival fits.
const TELLING: f64 = 2.0;
/// The highest confidence of a join that time decided.
const TIMED: f64 = 0.89;
/// Continuations of one connection that is not understood, and tries that failed.
const MAX_CONTINUATIONS: usize = 8;
/// The logarithm of the weight of staying alone: a proxy seldom answers a request by itself, ...
const ANSWERED_ALONE: f64 = -3.0;
/// ... unless its answer looks like that.
const ANSWERED_LIKE_A_PROXY: f64 = 0.0;
/// A request that a proxy made has one that it continues, unless that was not captured.
const FORWARDED_ALONE: f64 = -4.0;
/// What is asked from a node may be the node's own business.
const ASKED_ALONE: f64 = 0.0;
/// How much the exchanges of two connections that look the same can say of each other.
const MOST_IN_COMMON: f64 = 8.0;

/// One exchange in or out of the host, closed or open.
struct Side<'a> {
    seen: Seen<'a>,
    passage: Cow<'a, Passage>,
    /// Its slot, where it is closed.
    slot: Option<u32>,
    since: Timestamp,
}

/// An exchange into the host and one out of it that may be its continuation.
struct Pair {
    row: u32,
    col: u32,
    delays: Delays,
    clues: Clues,
    content: f64,
    timing: f64,
    /// Its weight as a try that the proxy gave up.
    tried: Option<f64>,
    is_through: bool,
}

/// A decided pair.
pub(super) struct Decision {
    pub inbound: u32,
    pub outbound: u32,
    pub join: Join,
    /// To be remembered of a sure join: the delays, and the connections if bytes came through unread.
    pub learned: Option<(Delays, Option<(Tuple, Tuple)>)>,
}

/// What was decided at one host.
#[derive(Default)]
pub(super) struct Decisions {
    pub joins: Vec<Decision>,
    /// Exchanges into the host, and out of it, that are not waited for any more.
    pub inbound: Vec<u32>,
    pub outbound: Vec<u32>,
}

/// What the sides of a host are decided from.
pub(super) struct Rivals<'a> {
    host: Host,
    node: Option<NodeId>,
    now: Timestamp,
    is_forced: bool,
    rows: Vec<Side<'a>>,
    cols: Vec<Side<'a>>,
}

impl<'a> Rivals<'a> {
    pub(super) fn gather(
        host: Host,
        bench: &Bench,
        held: &'a Slab<Held>,
        open: &'a [Seen<'a>],
        world: World<'_>,
        is_forced: bool,
    ) -> Rivals<'a> {
        let closed = |&slot: &u32| {
            let held = &held[slot as usize];
            (slot, held)
        };
        let side = |(slot, held): (u32, &'a Held), passage: Option<&'a Passage>| {
            passage.map(|passage| Side {
                seen: seen(&held.trail),
                passage: Cow::Borrowed(passage),
                slot: Some(slot),
                since: held.since,
            })
        };
        let mut rows: Vec<Side<'a>> =
            bench.inbound.iter().map(closed).filter_map(|it| side(it, it.1.inbound.as_ref())).collect();
        let mut cols: Vec<Side<'a>> =
            bench.outbound.iter().map(closed).filter_map(|it| side(it, it.1.outbound.as_ref())).collect();
        for &seen in open {
            let passage = |is_inbound| {
                Passage::new(seen, host, is_inbound, world.topology, world.ahead).map(|passage| Side {
                    seen,
                    passage: Cow::Owned(passage),
                    slot: None,
                    since: world.now,
                })
            };
            if seen.server_host(world.topology) == Some(host) {
                rows.extend(passage(true));
            }
            if seen.client_host(world.topology) == host {
                cols.extend(passage(false));
            }
        }
        rows.sort_by_key(|side| side.passage.start());
        cols.sort_by_key(|side| side.passage.start());
        Rivals { host, node: host.node(world.topology), now: world.now, is_forced, rows, cols }
    }

    /// Decides what can be decided now.
    pub(super) fn decide(
        &self,
        bench: &Bench,
        through: &HashMap<Tuple, Tuple>,
        world: World<'_>,
    ) -> Decisions {
        let pairs = self.pairs(bench, through, world);
        let odds = Odds::new(self, &pairs);
        let mut decisions = Decisions::default();
        let mut state = Taken::new(self);
        self.take_likeliest(&pairs, &odds, &mut state, &mut decisions);
        self.take_tries(&pairs, &mut state, &mut decisions);
        self.take_more(&pairs, &mut state, &mut decisions);
        self.let_go(&pairs, &state, &mut decisions);
        decisions
    }

    /// Every pair that is possible, by the start of what continues.
    fn pairs(&self, bench: &Bench, through: &HashMap<Tuple, Tuple>, world: World<'_>) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut running: Vec<usize> = Vec::new();
        let mut begun = 0;
        for (col, after) in self.cols.iter().enumerate() {
            let start = after.passage.start();
            while begun < self.rows.len() && self.rows[begun].passage.start() <= start.plus(SLACK) {
                running.push(begun);
                begun += 1;
            }
            running.retain(|&row| self.rows[row].passage.end().plus(SLACK) >= start);
            for &row in running.iter().rev().take(MAX_COMPARED) {
                let before = &self.rows[row];
                if before.slot.is_some() && before.slot == after.slot || is_same_leg(before, after) {
                    continue;
                }
                if let Some(delays) = within(&before.passage, &after.passage) {
                    let pair = self.pair((row, before), (col, after), delays, bench, through, world);
                    let best = pair.tried.unwrap_or(FLOOR).max(pair.content + pair.timing);
                    if best > FLOOR {
                        pairs.push(pair);
                    }
                }
            }
        }
        pairs
    }

    fn pair(
        &self,
        (row, before): (usize, &Side<'_>),
        (col, after): (usize, &Side<'_>),
        delays: Delays,
        bench: &Bench,
        through: &HashMap<Tuple, Tuple>,
        world: World<'_>,
    ) -> Pair {
        let window = before.passage.end().since(before.passage.start()).clamp(10_000, 1_000_000_000);
        let pace = |delay: Option<i64>, pace: &super::Pace| delay.map_or(0.0, |it| pace.weigh(it, window));
        let request = pace(delays.request, &bench.request_pace);
        let timing = request + pace(delays.reply, &bench.reply_pace);
        let mut clues = evidence::clues(before.seen, after.seen, self.host, world.topology);
        if after.slot.is_none() || before.slot.is_none() {
            // What is still open has not said everything of its answer.
            clues.retain(|(kind, _)| *kind != EvidenceKind::ResponsePayload);
        }
        let answer: f64 = clues
            .iter()
            .filter(|(kind, _)| *kind == EvidenceKind::ResponsePayload)
            .map(|(_, weight)| weight)
            .sum();
        let mut content: f64 = clues.iter().map(|(_, weight)| weight).sum();
        let has_failed = after.slot.is_some() && evidence::has_failed(after.seen);
        let tried = has_failed.then_some(content - answer + request);
        let is_through = evidence::is_passed_through(before.seen, after.seen);
        if is_through && let Some(known) = through.get(&before.seen.leg.faces[0]) {
            let is_known = *known == after.seen.leg.faces[0];
            content += if is_known { evidence::SAME_CONNECTION } else { -evidence::SAME_CONNECTION };
        }
        Pair { row: row as u32, col: col as u32, delays, clues, content, timing, tried, is_through }
    }

    /// Whether a side is closed and was held long enough to be decided.
    fn is_ripe(&self, side: &Side<'_>) -> bool {
        side.slot.is_some() && (self.is_forced || self.now.since(side.since) >= LAG)
    }

    /// Joins in the order of their probability.
    fn take_likeliest(&self, pairs: &[Pair], odds: &Odds, state: &mut Taken, decisions: &mut Decisions) {
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by(|&a, &b| odds.probable[b].total_cmp(&odds.probable[a]).then(a.cmp(&b)));
        for index in order {
            let pair = &pairs[index];
            let (row, col) = (pair.row as usize, pair.col as usize);
            if state.rows[row].is_some() || state.cols[col] || odds.probable[index] < odds.alone[row] {
                continue;
            }
            let (before, after) = (&self.rows[row], &self.cols[col]);
            if !self.is_ripe(before) {
                // It takes its place, so that nobody else does before it is decided itself.
                state.cols[col] = true;
                state.rows[row] = Some(col);
                continue;
            }
            let is_waiting = after.slot.is_none() && self.now.since(before.since) < PATIENCE;
            if is_waiting && !self.is_forced {
                state.rows[row] = Some(col);
                state.cols[col] = true;
                state.waits[row] = true;
                continue;
            }
            if after.slot.is_none() {
                continue;
            }
            state.rows[row] = Some(col);
            state.cols[col] = true;
            let confidence = odds.confidence(index, pair);
            decisions.joins.extend(self.decision(pair, confidence, odds.rivals(index, pair), false));
        }
    }

    /// Tries that came to nothing, before the one that served or before the proxy's own answer.
    fn take_tries(&self, pairs: &[Pair], state: &mut Taken, decisions: &mut Decisions) {
        for (index, pair) in pairs.iter().enumerate() {
            let (row, col) = (pair.row as usize, pair.col as usize);
            let Some(weight) = pair.tried.filter(|_| !state.cols[col] && self.is_ripe(&self.rows[row]))
            else {
                continue;
            };
            if state.waits[row] || state.extra[row] >= MAX_CONTINUATIONS {
                continue;
            }
            let start = self.cols[col].passage.start();
            if state.rows[row].is_some_and(|served| self.cols[served].passage.start() < start) {
                continue;
            }
            let rivals = pairs.iter().enumerate().filter(|&(other, it)| other != index && it.col == pair.col);
            let others: f64 = rivals.filter_map(|(_, it)| it.tried).map(f64::exp).sum();
            let probability = weight.exp() / (weight.exp() + others + self.outbound_alone(col).exp());
            if probability < 0.5 {
                continue;
            }
            state.cols[col] = true;
            state.extra[row] += 1;
            let confidence = Confidence::of(probability.min(TIMED));
            decisions.joins.extend(self.decision(pair, confidence, 0, true));
        }
    }

    /// A connection that is not understood carries one request after the other.
    fn take_more(&self, pairs: &[Pair], state: &mut Taken, decisions: &mut Decisions) {
        for (index, pair) in pairs.iter().enumerate() {
            let (row, col) = (pair.row as usize, pair.col as usize);
            let before = &self.rows[row];
            let is_opaque = !matches!(before.seen.exchange.application, Application::Http)
                && self.cols[col].seen.exchange.application == Application::Http;
            let is_free = !state.cols[col] && self.cols[col].slot.is_some() && state.rows[row].is_some();
            if !is_opaque || !is_free || !self.is_ripe(before) || state.waits[row] {
                continue;
            }
            let weight = (pair.content + pair.timing).exp();
            let rivals = pairs.iter().enumerate().filter(|&(other, it)| other != index && it.col == pair.col);
            let others: f64 = rivals.map(|(_, it)| (it.content + it.timing).exp()).sum();
            let probability = weight / (weight + others + self.outbound_alone(col).exp());
            if probability < 0.5 || state.extra[row] >= MAX_CONTINUATIONS {
                continue;
            }
            state.cols[col] = true;
            state.extra[row] += 1;
            let confidence = Confidence::of(probability.min(TIMED));
            decisions.joins.extend(self.decision(pair, confidence, 0, false));
        }
    }

    /// What nothing is waited for any more.
    fn let_go(&self, pairs: &[Pair], state: &Taken, decisions: &mut Decisions) {
        let is_settled = |row: usize| self.is_ripe(&self.rows[row]) && !state.waits[row];
        for (row, side) in self.rows.iter().enumerate().filter(|&(row, _)| is_settled(row)) {
            decisions.inbound.extend(side.slot);
            debug_assert!(state.rows.len() > row);
        }
        let mut is_wanted = vec![false; self.cols.len()];
        for pair in pairs.iter().filter(|pair| !is_settled(pair.row as usize)) {
            is_wanted[pair.col as usize] = true;
        }
        let joined: hashbrown::HashSet<u32> = decisions.joins.iter().map(|it| it.outbound).collect();
        for (col, side) in self.cols.iter().enumerate() {
            let is_joined = side.slot.is_some_and(|slot| joined.contains(&slot));
            if is_joined || self.is_ripe(side) && (self.is_forced || !is_wanted[col]) {
                decisions.outbound.extend(side.slot);
            }
        }
    }

    fn decision(
        &self,
        pair: &Pair,
        confidence: Confidence,
        rivals: u32,
        is_given_up: bool,
    ) -> Option<Decision> {
        let (before, after) = (&self.rows[pair.row as usize], &self.cols[pair.col as usize]);
        let is_exact = before.passage.is_at_host && after.passage.is_at_host;
        let delay = |delay: Option<i64>| delay.filter(|_| is_exact);
        let join = Join {
            node: self.node,
            proxy: self.proxy(before, after),
            evidence: evidence::explain(&pair.clues, pair.delays, before.seen.marks, after.seen.marks),
            confidence,
            rivals,
            request_delay_ns: delay(pair.delays.request),
            reply_delay_ns: delay(pair.delays.reply),
            is_given_up,
        };
        let legs = (before.seen.leg.faces[0], after.seen.leg.faces[0]);
        let is_sure = confidence >= Confidence::SURE && !is_given_up;
        Some(Decision {
            inbound: before.slot?,
            outbound: after.slot?,
            join,
            learned: is_sure.then_some((pair.delays, pair.is_through.then_some(legs))),
        })
    }

    /// What kind of proxy it is: by what it writes into requests, else by the address it is asked at. HAProxy listens
    /// on an address of its own beside the node's, from which it does not ask itself.
    fn proxy(&self, before: &Side<'_>, after: &Side<'_>) -> Proxy {
        let agent = after.seen.marks.map_or(Proxy::Unknown, |marks| marks.agent);
        let target = before.seen.leg.target.or(before.seen.leg.server);
        let is_vip = matches!(self.host, Host::Node(_))
            && target.is_some_and(|target| target.ip != after.seen.leg.client.ip);
        match agent {
            Proxy::Unknown if is_vip => Proxy::Haproxy,
            agent => agent,
        }
    }

    fn inbound_alone(&self, row: usize) -> f64 {
        match self.rows[row].seen.exchange.status {
            Some(301..=308 | 400..=499 | 502..=504) => ANSWERED_LIKE_A_PROXY,
            _ => ANSWERED_ALONE,
        }
    }

    fn outbound_alone(&self, col: usize) -> f64 {
        if evidence::is_forwarded(self.cols[col].seen.marks) { FORWARDED_ALONE } else { ASKED_ALONE }
    }
}

fn is_same_leg(before: &Side<'_>, after: &Side<'_>) -> bool {
    std::ptr::eq(before.seen.leg, after.seen.leg) || before.seen.leg.faces[0] == after.seen.leg.faces[0]
}

/// What is taken already while a host is decided.
struct Taken {
    /// The continuation of each exchange into the host.
    rows: Vec<Option<usize>>,
    cols: Vec<bool>,
    /// The continuation is still open.
    waits: Vec<bool>,
    extra: Vec<usize>,
}

impl Taken {
    fn new(rivals: &Rivals<'_>) -> Taken {
        let rows = rivals.rows.len();
        Taken {
            rows: vec![None; rows],
            cols: vec![false; rivals.cols.len()],
            waits: vec![false; rows],
            extra: vec![0; rows],
        }
    }
}

/// How likely each pair is, given its rivals.
struct Odds {
    probable: Vec<f64>,
    /// Without what the delays say: only content, and the order in time.
    by_content: Vec<f64>,
    /// By exchange into the host: that nothing continues it.
    alone: Vec<f64>,
    row_pairs: Vec<u32>,
    col_pairs: Vec<u32>,
}

impl Odds {
    fn new(rivals: &Rivals<'_>, pairs: &[Pair]) -> Odds {
        let row_null: Vec<f64> = (0..rivals.rows.len()).map(|row| rivals.inbound_alone(row)).collect();
        let col_null: Vec<f64> = (0..rivals.cols.len()).map(|col| rivals.outbound_alone(col)).collect();
        let edges = |weight: &dyn Fn(&Pair) -> f64| -> Vec<Edge> {
            pairs.iter().map(|pair| Edge { row: pair.row, col: pair.col, weight: weight(pair) }).collect()
        };
        let probable = |edges: &[Edge]| matching::probabilities(edges, &row_null, &col_null);
        let mut timed = edges(&|pair| pair.content + pair.timing);
        let mut found = probable(&timed);
        if pairs.iter().any(|pair| pair.is_through) {
            agree_on_connections(rivals, pairs, &found, &mut timed);
            found = probable(&timed);
        }
        let by_content = probable(&edges(&|pair| pair.content));
        let mut alone = vec![1.0; rivals.rows.len()];
        let (mut row_pairs, mut col_pairs) = (vec![0; rivals.rows.len()], vec![0; rivals.cols.len()]);
        for (pair, probability) in pairs.iter().zip(&found) {
            alone[pair.row as usize] -= probability;
            row_pairs[pair.row as usize] += 1;
            col_pairs[pair.col as usize] += 1;
        }
        Odds { probable: found, by_content, alone, row_pairs, col_pairs }
    }

    /// See the room's rule on time.
    fn confidence(&self, index: usize, pair: &Pair) -> Confidence {
        let is_sure = pair.content >= TELLING && self.by_content[index] >= Confidence::SURE.probability();
        let most = if is_sure { 1.0 } else { TIMED };
        Confidence::of(self.probable[index].min(most))
    }

    /// Other pairs with the same exchange on either side.
    fn rivals(&self, _index: usize, pair: &Pair) -> u32 {
        self.row_pairs[pair.row as usize] + self.col_pairs[pair.col as usize] - 2
    }
}

/// Bytes that come through unread join connections, not requests: all exchanges of two connections speak for each
/// other.
fn agree_on_connections(rivals: &Rivals<'_>, pairs: &[Pair], probable: &[f64], edges: &mut [Edge]) {
    let legs = |pair: &Pair| {
        let (before, after) = (&rivals.rows[pair.row as usize], &rivals.cols[pair.col as usize]);
        (before.seen.leg.faces[0], after.seen.leg.faces[0])
    };
    let says = |probability: f64| {
        let bounded = probability.clamp(0.02, 0.98);
        (bounded / (1.0 - bounded)).ln()
    };
    let mut common: HashMap<(Tuple, Tuple), f64> = HashMap::new();
    for (pair, &probability) in pairs.iter().zip(probable).filter(|(pair, _)| pair.is_through) {
        *common.entry(legs(pair)).or_default() += says(probability);
    }
    for ((pair, edge), &probability) in pairs.iter().zip(edges).zip(probable) {
        if pair.is_through {
            let others = common.get(&legs(pair)).copied().unwrap_or_default() - says(probability);
            edge.weight += others.clamp(-MOST_IN_COMMON, MOST_IN_COMMON);
        }
    }
}
