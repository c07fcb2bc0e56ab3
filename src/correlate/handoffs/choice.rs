//! From probabilities to decisions: which exchange is taken for which one's continuation.

use hashbrown::HashSet;

use super::Bench;
use super::odds::{Odds, TIMED};
use super::order::Place;
use super::passage::Delays;
use super::rival::{FAILED_ALONE, Pair, Rivals, line};
use super::unsure::{Span, line_hash};
use crate::model::{Confidence, Endpoint, Join, Proxy, Rival, Timestamp, Tuple};

/// Tries for one request.
const MAX_TRIES: u32 = 8;
/// A try is only taken when it is more likely than not.
const LIKELY: f64 = 0.5;

/// A decided pair.
pub(super) struct Decision {
    pub inbound: u32,
    pub outbound: u32,
    pub join: Join,
    pub delays: Delays,
    /// Whether request and answer of a sure join kept their place, where they could have lost it.
    pub kept_order: [Option<bool>; 2],
    /// Where a proxy listens whose kind was given away.
    pub listener: Option<Endpoint>,
    /// When the exchange ran, and what was asked, of a join that is not sure.
    pub unsure: Option<Span>,
    /// The connections of a sure join whose bytes came through unread.
    pub passed_through: Option<(Tuple, Tuple)>,
}

/// What was decided at one host.
#[derive(Default)]
pub(super) struct Decisions {
    pub joins: Vec<Decision>,
    /// Exchanges into the host, and out of it, that are not waited for any more.
    pub inbound: Vec<u32>,
    pub outbound: Vec<u32>,
    /// When the first of what is still to be decided began.
    pub undecided_since: Timestamp,
}

/// Decides what can be decided now.
pub(super) fn decide(rivals: &Rivals<'_>, bench: &Bench, pairs: &[Pair]) -> Decisions {
    let odds = Odds::new(rivals, bench, pairs);
    let mut choice = Choice {
        rivals,
        bench,
        pairs,
        odds,
        next: vec![None; rivals.rows.len()],
        previous: vec![None; rivals.cols.len()],
        tries: vec![0; rivals.rows.len()],
        decisions: Decisions::default(),
    };
    choice.match_likeliest();
    choice.match_the_rest();
    choice.take_matched();
    choice.take_tries();
    choice.let_go();
    choice.decisions
}

struct Choice<'a> {
    rivals: &'a Rivals<'a>,
    bench: &'a Bench,
    pairs: &'a [Pair],
    odds: Odds,
    /// By exchange into the host, the pair with its continuation; by one out of it, the pair with what it continues.
    next: Vec<Option<u32>>,
    previous: Vec<Option<u32>>,
    /// How many tries that failed an exchange has.
    tries: Vec<u32>,
    decisions: Decisions,
}

impl Choice<'_> {
    /// Pairs in the order of their probability, as long as a pair is likelier than no continuation at all.
    fn match_likeliest(&mut self) {
        let probable = &self.odds.probable;
        let mut order: Vec<usize> = (0..self.pairs.len()).collect();
        order.sort_by(|&a, &b| probable[b].total_cmp(&probable[a]).then(a.cmp(&b)));
        for index in order {
            let (row, col) = self.sides(index);
            let is_free = self.next[row].is_none() && self.previous[col].is_none();
            if is_free && self.odds.joined[index] >= self.odds.alone[row] {
                self.put(index);
            }
        }
    }

    /// An exchange that must have a continuation, but whose likely ones are all taken, makes others give way.
    fn match_the_rest(&mut self) {
        for row in 0..self.next.len() {
            let is_single = self.rivals.requests(row as u32) == 1;
            if is_single && self.next[row].is_none() && self.odds.alone[row] < LIKELY {
                let mut visited = HashSet::new();
                self.make_way(row, &mut visited);
            }
        }
    }

    /// An augmenting path (H. W. Kuhn, 1955) that begins at `row`.
    fn make_way(&mut self, row: usize, visited: &mut HashSet<u32>) -> bool {
        for at in 0..self.odds.by_row[row].len() {
            let index = self.odds.by_row[row][at];
            let col = self.pairs[index as usize].col;
            // A path longer than this would turn everything over for one exchange.
            if visited.len() >= 64 || !visited.insert(col) {
                continue;
            }
            let holder = self.previous[col as usize].map(|held| self.pairs[held as usize].row as usize);
            if holder.is_none_or(|holder| self.make_way(holder, visited)) {
                self.put(index as usize);
                return true;
            }
        }
        false
    }

    fn sides(&self, index: usize) -> (usize, usize) {
        (self.pairs[index].row as usize, self.pairs[index].col as usize)
    }

    fn put(&mut self, index: usize) {
        let (row, col) = self.sides(index);
        self.next[row] = Some(index as u32);
        self.previous[col] = Some(index as u32);
    }

    /// Whether an exchange into the host waits for a continuation that is still open.
    fn is_waiting(&self, row: usize) -> bool {
        self.next[row].is_some_and(|index| {
            let (row, col) = self.sides(index as usize);
            self.rivals.waits_for(row, col)
        })
    }

    /// Decides the matched pairs of exchanges that were held long enough.
    fn take_matched(&mut self) {
        for row in 0..self.next.len() {
            let Some(index) = self.next[row].map(|index| index as usize) else { continue };
            if !self.rivals.is_ripe(&self.rivals.rows[row]) || self.is_waiting(row) {
                continue;
            }
            let pair = &self.pairs[index];
            let confidence = self.odds.confidence(index, pair);
            let others = self.odds.others(self.rivals, self.pairs, index);
            self.decide(index, confidence, self.odds.rivals(pair), others, false);
        }
    }

    /// Tries that came to nothing, before the one that served or before the proxy's own answer.
    fn take_tries(&mut self) {
        let mut all = vec![0.0; self.previous.len()];
        for pair in self.pairs {
            all[pair.col as usize] += pair.tried.map_or(0.0, f64::exp);
        }
        for index in 0..self.pairs.len() {
            let (row, col) = self.sides(index);
            let Some(weight) = self.pairs[index].tried.filter(|_| self.is_free_for(row, col)) else {
                continue;
            };
            let probability = weight.exp() / (all[col] + FAILED_ALONE.exp());
            if probability < LIKELY {
                continue;
            }
            self.previous[col] = Some(index as u32);
            self.tries[row] += 1;
            self.decide(index, Confidence::of(probability.min(TIMED)), 0, Vec::new(), true);
        }
    }

    fn is_free_for(&self, row: usize, col: usize) -> bool {
        let is_earlier = |served: u32| {
            let start = |col: usize| self.rivals.cols[col].passage.start();
            start(col) < start(self.pairs[served as usize].col as usize)
        };
        self.previous[col].is_none()
            && self.rivals.is_ripe(&self.rivals.rows[row])
            && !self.is_waiting(row)
            && self.tries[row] < MAX_TRIES
            && self.next[row].is_none_or(is_earlier)
    }

    /// What nothing is waited for any more.
    fn let_go(&mut self) {
        let is_settled = |row: usize| self.rivals.is_ripe(&self.rivals.rows[row]) && !self.is_waiting(row);
        let mut settled: Vec<bool> = (0..self.next.len()).map(is_settled).collect();
        // A connection waits as long as one of its requests does.
        let waiting: HashSet<u32> = self
            .rivals
            .rows
            .iter()
            .zip(&settled)
            .filter(|(_, settled)| !**settled)
            .filter_map(|(side, _)| side.slot)
            .collect();
        for (settled, side) in settled.iter_mut().zip(&self.rivals.rows) {
            *settled &= side.slot.is_none_or(|slot| !waiting.contains(&slot));
        }
        let undecided = self.rivals.rows.iter().zip(&settled).filter(|(_, settled)| !**settled);
        let first = undecided.map(|(side, _)| side.passage.start()).min();
        self.decisions.undecided_since = first.unwrap_or(self.rivals.latest());
        let slots = self.rivals.rows.iter().zip(&settled).filter(|(_, settled)| **settled);
        self.decisions.inbound.extend(slots.filter_map(|(side, _)| side.slot));
        let mut is_wanted = vec![false; self.previous.len()];
        for pair in self.pairs.iter().filter(|pair| !settled[pair.row as usize]) {
            is_wanted[pair.col as usize] = true;
        }
        let joined: HashSet<u32> = self.decisions.joins.iter().map(|join| join.outbound).collect();
        for (side, is_wanted) in self.rivals.cols.iter().zip(is_wanted) {
            let is_joined = side.slot.is_some_and(|slot| joined.contains(&slot));
            if is_joined || self.rivals.is_ripe(side) && (self.rivals.is_forced || !is_wanted) {
                self.decisions.outbound.extend(side.slot);
            }
        }
    }

    fn decide(
        &mut self,
        index: usize,
        mut confidence: Confidence,
        rivals: u32,
        others: Vec<Rival>,
        is_given_up: bool,
    ) {
        let pair = &self.pairs[index];
        let (before, after) = (&self.rivals.rows[pair.row as usize], &self.rivals.cols[pair.col as usize]);
        let (Some(inbound), Some(outbound)) = (before.slot, after.slot) else { return };
        let span = Span {
            start: before.passage.start(),
            end: before.passage.end,
            line: line_hash(line(after.seen)),
        };
        if confidence >= Confidence::SURE && self.bench.unsure.touches(span) {
            confidence = Confidence::of(TIMED);
        }
        let is_exact = before.passage.is_at_host && after.passage.is_at_host;
        let delay = |delay: Option<i64>| delay.filter(|_| is_exact);
        let join = Join {
            node: self.rivals.node,
            proxy: self.rivals.proxy(before, after, self.bench),
            evidence: self.rivals.evidence(pair, before, after),
            confidence,
            rivals,
            others,
            request_delay_ns: delay(pair.delays.request),
            reply_delay_ns: delay(pair.delays.reply),
            is_given_up,
        };
        // A try is never sure.
        let is_sure = confidence >= Confidence::SURE;
        let listener = before.listener().filter(|_| {
            // Behind a VIP more than one proxy may have gone by unseen.
            is_sure && join.proxy != Proxy::Unknown && !self.rivals.is_vip(before, after)
        });
        let kept = |place: Option<Place>| {
            place.filter(|place| is_sure && place.is_contested).map(|place| place.later == 0)
        };
        self.decisions.joins.push(Decision {
            inbound,
            outbound,
            join,
            delays: pair.delays,
            listener,
            unsure: (!is_sure && !is_given_up).then_some(span),
            kept_order: self.odds.places[index].map(kept),
            passed_through: (is_sure && pair.is_through).then(|| self.rivals.connections(pair)),
        });
    }
}
