//! How likely each pair of one host is, given its rivals.

use hashbrown::HashMap;

use super::Bench;
use super::matching::{Doubt, Network};
use super::order::{self, Place};
use super::pace::{self, Pace};
use super::rival::{Pair, Rivals};
use crate::model::{Confidence, Rival, Tuple};

/// Content that speaks at least so much for a join makes it sure where no rival fits.
const TELLING: f64 = 3.0;
/// Content that is no other request's: an id, or a client that was announced.
const UNMISTAKABLE: f64 = 10.0;
/// The highest confidence of a join that time decided.
pub(super) const TIMED: f64 = 0.89;
/// How much the exchanges of two connections that look the same can say of each other.
const MOST_IN_COMMON: f64 = 8.0;
/// Rivals that are named; the others are counted.
const MAX_NAMED: usize = 32;
/// Less likely ones are not named, unless content alone would make them as likely as this.
const NAMED: f64 = 0.005;
const FITS: f64 = 0.02;
/// Content only has to say which pairs are sure. Messages are too sure, not too doubtful.
const BY_CONTENT: Doubt = Doubt { from: 0.7, at_most: TIMED };
const BY_ALL: Doubt = Doubt { from: 0.0, at_most: 1.0 };

pub(super) struct Odds {
    /// By pair: given everything.
    pub probable: Vec<f64>,
    /// The same, whichever of the requests of a connection it is.
    pub joined: Vec<f64>,
    is_watched: bool,
    /// Without what delays and order say, from content and from the one lying within the other.
    by_content: Vec<f64>,
    /// By exchange into the host: that nothing continues it.
    pub alone: Vec<f64>,
    /// By pair: how request and answer stand in their order.
    pub places: Vec<[Option<Place>; 2]>,
    /// The pairs of each exchange into the host, the likeliest first; how many pairs each one out of it has.
    pub by_row: Vec<Vec<u32>>,
    by_col: Vec<u32>,
}

impl Odds {
    pub(super) fn new(rivals: &Rivals<'_>, bench: &Bench, pairs: &[Pair]) -> Odds {
        let row_alone = (0..rivals.rows.len()).map(|row| rivals.inbound_alone(row)).collect();
        let col_alone = (0..rivals.cols.len()).map(|col| rivals.outbound_alone(col)).collect();
        let (mut by_row, mut by_col) = (vec![Vec::new(); rivals.rows.len()], vec![0; rivals.cols.len()]);
        for (index, pair) in pairs.iter().enumerate() {
            by_row[pair.row as usize].push(index as u32);
            by_col[pair.col as usize] += 1;
        }
        let ends = pairs.iter().map(|pair| [pair.row, pair.col]).collect();
        let mut network = Network::new(ends, [row_alone, col_alone]);
        let weights = |weight: &dyn Fn(&Pair) -> f64| -> Vec<f64> { pairs.iter().map(weight).collect() };
        let by_content = network.probabilities(&weights(&|pair| pair.content), BY_CONTENT);
        let timed = weights(&|pair| pair.content + pair.timing(&bench.paces));
        let mut probable = network.beliefs(&timed);
        let paces = learned(bench, pairs, &probable);
        let mut timed = weights(&|pair| pair.content + pair.timing(&paces));
        let places = order::places(rivals, pairs, &probable);
        for ((pair, weight), places) in pairs.iter().zip(&mut timed).zip(&places) {
            let proxy =
                || rivals.proxy(&rivals.rows[pair.row as usize], &rivals.cols[pair.col as usize], bench);
            *weight += order::weigh(bench.orders, proxy, *places);
        }
        agree_on_connections(rivals, pairs, &probable, &mut timed);
        probable = network.probabilities(&timed, BY_ALL);
        let by_content = of_whole_connections(rivals, pairs, by_content);
        let joined = of_whole_connections(rivals, pairs, probable.clone());
        let mut alone = vec![1.0_f64; rivals.rows.len()];
        for (index, pair) in pairs.iter().enumerate() {
            let alone = &mut alone[pair.row as usize];
            *alone = match rivals.requests(pair.row) {
                1 => *alone - probable[index],
                _ => alone.min(1.0 - joined[index]),
            };
        }
        for row in &mut by_row {
            row.sort_by(|&a, &b| probable[b as usize].total_cmp(&probable[a as usize]).then(a.cmp(&b)));
        }
        Odds { is_watched: rivals.is_watched, probable, joined, by_content, alone, places, by_row, by_col }
    }

    /// See the room's rule on time.
    pub(super) fn confidence(&self, index: usize, pair: &Pair) -> Confidence {
        // Where the host is not captured, a rival may have gone by unseen.
        let enough = if self.is_watched { TELLING } else { UNMISTAKABLE };
        let is_sure = !pair.is_crowded
            && pair.telling >= enough
            && self.by_content[index] >= Confidence::SURE.probability();
        Confidence::of(self.joined[index].min(if is_sure { 1.0 } else { TIMED }))
    }

    /// How many other pairs have the same exchange on either side.
    pub(super) fn rivals(&self, pair: &Pair) -> u32 {
        self.by_row[pair.row as usize].len() as u32 + self.by_col[pair.col as usize] - 2
    }

    /// What else may continue the request of the pair at `index`, the likeliest first.
    pub(super) fn others(&self, rivals: &Rivals<'_>, pairs: &[Pair], index: usize) -> Vec<Rival> {
        let mut others: Vec<Rival> = Vec::new();
        for &other in &self.by_row[pairs[index].row as usize] {
            let probability = self.probable[other as usize];
            let fits_as_well = self.by_content[other as usize] >= FITS;
            if other as usize == index || probability < NAMED && !fits_as_well {
                continue;
            }
            let client = rivals.cols[pairs[other as usize].col as usize].seen.leg.client;
            others.push(Rival { client, confidence: Confidence::of(probability.min(TIMED)) });
        }
        others.sort_by(|a, b| b.confidence.cmp(&a.confidence).then(a.client.cmp(&b.client)));
        others.truncate(MAX_NAMED);
        others
    }
}

/// The requests of a connection that is not understood stand side by side, and each is as likely as the other: what
/// counts is that it is one of them.
fn of_whole_connections(rivals: &Rivals<'_>, pairs: &[Pair], mut probable: Vec<f64>) -> Vec<f64> {
    if rivals.requests.is_empty() {
        return probable;
    }
    let connection = |pair: &Pair| (rivals.rows[pair.row as usize].slot, pair.col);
    let mut sums: HashMap<(Option<u32>, u32), f64> = HashMap::new();
    for (pair, probability) in pairs.iter().zip(&probable) {
        *sums.entry(connection(pair)).or_default() += probability;
    }
    for (pair, probability) in pairs.iter().zip(&mut probable) {
        if connection(pair).0.is_some() {
            *probability = sums[&connection(pair)].min(1.0);
        }
    }
    probable
}

/// The paces of request and answer, with what the pairs at hand teach that are likely by themselves.
fn learned(bench: &Bench, pairs: &[Pair], probable: &[f64]) -> [Pace; 2] {
    let mut paces = bench.paces;
    for (pair, &probability) in pairs.iter().zip(probable).filter(|(_, probability)| **probability > 0.5) {
        pace::learn(&mut paces, pair.delays, probability);
    }
    paces
}

/// Bytes that come through unread join connections, not requests: all exchanges of two connections speak for each
/// other.
fn agree_on_connections(rivals: &Rivals<'_>, pairs: &[Pair], probable: &[f64], weights: &mut [f64]) {
    let says = |probability: f64| {
        let bounded = probability.clamp(0.02, 0.98);
        (bounded / (1.0 - bounded)).ln()
    };
    let mut common: HashMap<(Tuple, Tuple), f64> = HashMap::new();
    for (pair, &probability) in pairs.iter().zip(probable).filter(|(pair, _)| pair.is_through) {
        *common.entry(rivals.connections(pair)).or_default() += says(probability);
    }
    for ((pair, weight), &probability) in pairs.iter().zip(weights).zip(probable) {
        if pair.is_through {
            let others =
                common.get(&rivals.connections(pair)).copied().unwrap_or_default() - says(probability);
            *weight += others.clamp(-MOST_IN_COMMON, MOST_IN_COMMON);
        }
    }
}
