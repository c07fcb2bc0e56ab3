//! Rival exchanges decided together: each goes on at most once, each continues at most one.
//!
//! How likely each join is, given that, is a sum over all ways of joining. Passing messages between the exchanges until
//! they agree finds it where rivals do not stand in a circle (belief propagation on a matching). Circles make messages
//! too sure of themselves, so what stands in one is then sampled ([`circles`]).

use std::ops::Range;

use super::circles;
use super::groups::{Ends, Group, groups};

/// Messages are passed at most so often; most groups agree after a few.
const ROUNDS: usize = 30;
/// No probability changes by more any longer. Messages one way may still grow as those the other way shrink: that
/// changes none.
const AGREED: f64 = 1e-3;
/// No clue is stronger than this, so that sums keep their precision.
const STRONGEST: f64 = 24.0;
/// Edges between these probabilities are open; the others play no part in a circle.
const OPEN: Range<f64> = 0.002..0.998;

/// Which circles are sampled, and what becomes of the others.
#[derive(Clone, Copy)]
pub(super) struct Doubt {
    /// Those in which an edge seems to have at least this probability.
    pub from: f64,
    /// No edge is given more in one that is too large to be sampled.
    pub at_most: f64,
}

/// Exchanges, as rows and columns, and the possible joins between them, as edges.
pub(super) struct Network {
    ends: Vec<Ends>,
    /// The logarithms of the weight of staying alone, by row and by column.
    alone: [Vec<f64>; 2],
    talks: Vec<Talk>,
}

impl Network {
    pub(super) fn new(ends: Vec<Ends>, alone: [Vec<f64>; 2]) -> Network {
        let counts = [0, 1].map(|side| alone[side].len());
        let groups = groups(0..ends.len() as u32, &ends, counts);
        let talks = groups.into_iter().map(|group| Talk::new(group, &alone)).collect();
        Network { ends, alone, talks }
    }

    /// The probability of each edge, whose weights are given as logarithms.
    pub(super) fn probabilities(&mut self, weights: &[f64], doubt: Doubt) -> Vec<f64> {
        let mut found = self.beliefs(weights);
        let open = (0..weights.len() as u32).filter(|&edge| OPEN.contains(&found[edge as usize]));
        let counts = [0, 1].map(|side| self.alone[side].len());
        let mut circles = groups(open, &self.ends, counts);
        circles.retain(|circle| {
            circle.has_circle() && circle.edges.iter().any(|&edge| found[edge as usize] >= doubt.from)
        });
        // Joining two costs what they weigh alone.
        let worth = |edge: u32| {
            let [row, col] = self.ends[edge as usize];
            weights[edge as usize] - self.alone[0][row as usize] - self.alone[1][col as usize]
        };
        circles::sample(circles, worth, |edge, sampled| {
            let found = &mut found[edge as usize];
            *found = sampled.unwrap_or_else(|| found.min(doubt.at_most));
        });
        found
    }

    /// The same without the sampling: quick, and too sure where rivals stand in a circle.
    pub(super) fn beliefs(&mut self, weights: &[f64]) -> Vec<f64> {
        let mut found = vec![0.0; weights.len()];
        for talk in &mut self.talks {
            talk.go_on(weights, &mut found);
        }
        found
    }
}

/// What the exchanges of a group say to each other. With other weights they soon agree from where they were.
struct Talk {
    group: Group,
    /// The weight of staying alone, by row and by column.
    alone: [Vec<f64>; 2],
    /// What the row, and the column, of an edge would say of it if it did not exist.
    messages: [Vec<f64>; 2],
}

impl Talk {
    fn new(group: Group, alone: &[Vec<f64>; 2]) -> Talk {
        let alone =
            [0, 1].map(|side| group.sides[side].iter().map(|&end| alone[side][end as usize].exp()).collect());
        let [_, cols]: &[Vec<f64>; 2] = &alone;
        let from_cols = group.ends.iter().map(|&[_, col]| 1.0 / cols[col as usize]).collect();
        Talk { messages: [vec![1.0; group.edges.len()], from_cols], alone, group }
    }

    /// Passes messages until they agree, and notes what they say in `found`.
    fn go_on(&mut self, weights: &[f64], found: &mut [f64]) {
        let Talk { group, alone, messages: [from_rows, from_cols] } = self;
        let weight = |&edge: &u32| weights[edge as usize].clamp(-STRONGEST, STRONGEST).exp();
        let weights: Vec<f64> = group.edges.iter().map(weight).collect();
        let mut odds = vec![0.0_f64; weights.len()];
        let mut sums = Vec::new();
        for _ in 0..ROUNDS {
            renew(from_rows, from_cols, &weights, &alone[0], &mut sums, |at| group.ends[at][0]);
            renew(from_cols, from_rows, &weights, &alone[1], &mut sums, |at| group.ends[at][1]);
            let mut have_agreed = true;
            for (at, odds) in odds.iter_mut().enumerate() {
                let now = weights[at] * from_rows[at] * from_cols[at];
                have_agreed &= (now - *odds).abs() <= AGREED * (1.0 + now) * (1.0 + *odds);
                *odds = now;
            }
            if have_agreed {
                break;
            }
        }
        for (&edge, odds) in group.edges.iter().zip(odds) {
            found[edge as usize] = odds / (1.0 + odds);
        }
    }
}

/// Renews the messages of one side.
fn renew(
    mine: &mut [f64],
    others: &[f64],
    weights: &[f64],
    alone: &[f64],
    sums: &mut Vec<f64>,
    end: impl Fn(usize) -> u32,
) {
    sums.clear();
    sums.extend_from_slice(alone);
    for at in 0..mine.len() {
        sums[end(at) as usize] += weights[at] * others[at];
    }
    for at in 0..mine.len() {
        let end = end(at) as usize;
        mine[at] = 1.0 / (sums[end] - weights[at] * others[at]).max(alone[end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Doubt = Doubt { from: 0.0, at_most: 1.0 };

    /// A possible join and the logarithm of its weight.
    struct Edge {
        row: u32,
        col: u32,
        weight: f64,
    }

    fn edge(row: u32, col: u32, weight: f64) -> Edge {
        Edge { row, col, weight }
    }

    fn probabilities(edges: &[Edge], row_alone: &[f64], col_alone: &[f64]) -> Vec<f64> {
        let ends = edges.iter().map(|edge| [edge.row, edge.col]).collect();
        let weights: Vec<f64> = edges.iter().map(|edge| edge.weight).collect();
        Network::new(ends, [row_alone.to_vec(), col_alone.to_vec()]).probabilities(&weights, ALL)
    }

    /// The probability of each edge by adding up every matching.
    fn exactly(edges: &[Edge], rows: usize, cols: usize) -> Vec<f64> {
        exactly_with(edges, rows, cols, 0.0, 0.0)
    }

    fn exactly_with(edges: &[Edge], rows: usize, cols: usize, row_null: f64, col_null: f64) -> Vec<f64> {
        let mut totals = vec![0.0; edges.len()];
        let mut all = 0.0;
        for set in 0..1_u32 << edges.len() {
            let chosen: Vec<usize> = (0..edges.len()).filter(|index| set & 1 << index != 0).collect();
            let is_once = |side: &dyn Fn(&Edge) -> u32, most: usize| {
                (0..most as u32)
                    .all(|at| chosen.iter().filter(|&&index| side(&edges[index]) == at).count() <= 1)
            };
            if !is_once(&|edge| edge.row, rows) || !is_once(&|edge| edge.col, cols) {
                continue;
            }
            let worth = |&index: &usize| edges[index].weight - row_null - col_null;
            let weight = chosen.iter().map(worth).sum::<f64>().exp();
            all += weight;
            for index in chosen {
                totals[index] += weight;
            }
        }
        totals.iter().map(|total| total / all).collect()
    }

    #[test]
    fn the_probabilities_are_those_of_all_ways_of_joining() {
        let edges = [edge(0, 0, 2.0), edge(0, 1, 1.0), edge(1, 1, 3.0), edge(1, 2, -1.0), edge(2, 2, 0.5)];
        let found = probabilities(&edges, &[0.0; 3], &[0.0; 3]);
        for (found, exact) in found.iter().zip(exactly(&edges, 3, 3)) {
            assert!((found - exact).abs() < 0.05, "{found} is not {exact}");
        }
    }

    #[test]
    fn a_rival_taken_elsewhere_leaves_the_rest_sure() {
        // The second exchange fits only the second continuation, so the first must have the first.
        let edges = [edge(0, 0, 4.0), edge(0, 1, 4.0), edge(1, 1, 12.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2]);
        assert!(found[0] > 0.95, "{found:?}");
        assert!(found[1] < 0.05, "{found:?}");
    }

    #[test]
    fn rivals_in_a_circle_are_not_made_too_sure() {
        let edges = [edge(0, 0, 14.8), edge(0, 1, 14.8), edge(1, 0, 14.2), edge(1, 1, 14.3), edge(2, 1, 9.0)];
        let found = probabilities(&edges, &[-3.0; 3], &[-4.0; 2]);
        for (found, exact) in found.iter().zip(exactly_with(&edges, 3, 2, -3.0, -4.0)) {
            assert!((found - exact).abs() < 0.05, "{found} is not {exact}");
        }
    }

    #[test]
    fn equal_rivals_are_as_likely_as_each_other() {
        let edges = [edge(0, 0, 5.0), edge(0, 1, 5.0), edge(1, 0, 5.0), edge(1, 1, 5.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2]);
        assert!(found.iter().all(|found| (found - 0.5).abs() < 0.05), "{found:?}");
    }
}
