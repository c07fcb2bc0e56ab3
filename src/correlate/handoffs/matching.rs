//! Rival exchanges decided together: each goes on at most once, each continues at most one.
//!
//! How likely each join is, given that, is a sum over all ways of joining. Passing messages between the exchanges until
//! they agree finds it where rivals do not stand in a circle (belief propagation on a matching). Circles make messages
//! too sure of themselves, so what stands in one is then sampled ([`circles`]).

use std::ops::Range;

use super::circles;

/// A possible join and the logarithm of its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub row: u32,
    pub col: u32,
    pub weight: f64,
}

/// Messages are passed at most so often; most groups agree after a few.
const ROUNDS: usize = 30;
/// No probability changes by more any longer. Messages that only grow by as much as those back shrink change none.
const AGREED: f64 = 1e-3;
/// No clue is stronger than this, so that sums keep their precision.
const STRONGEST: f64 = 24.0;
/// Edges between these probabilities are open; the others play no part in a circle.
const OPEN: Range<f64> = 0.002..0.998;

/// What the exchanges of a group last said to each other. The same group with other weights soon agrees from there.
#[derive(Default)]
pub(super) struct Messages {
    /// What a row, or a column, would say of an edge if that edge did not exist.
    from_row: Vec<f64>,
    from_col: Vec<f64>,
}

/// Which circles are sampled, and what becomes of the others.
#[derive(Clone, Copy)]
pub(super) struct Doubt {
    /// Those in which an edge seems to have at least this probability.
    pub from: f64,
    /// No edge is given more in one that is too large to be sampled.
    pub at_most: f64,
}

/// The probability of each edge. `row_null` and `col_null` are the logarithms of the weight of staying alone.
pub(super) fn probabilities(
    edges: &[Edge],
    row_null: &[f64],
    col_null: &[f64],
    messages: &mut Messages,
    doubt: Doubt,
) -> Vec<f64> {
    let mut found = beliefs(edges, row_null, col_null, messages);
    let open: Vec<u32> =
        (0..edges.len() as u32).filter(|&index| OPEN.contains(&found[index as usize])).collect();
    let worth = |&Edge { row, col, weight }: &Edge| {
        // Joining two costs what they weigh alone.
        weight - row_null[row as usize] - col_null[col as usize]
    };
    let mut circles = circles::find(edges, &open, row_null.len(), col_null.len());
    circles.retain(|circle| circle.iter().any(|&index| found[index as usize] >= doubt.from));
    circles::sample(circles, edges, worth, |index, sampled| {
        let found = &mut found[index as usize];
        *found = sampled.unwrap_or_else(|| found.min(doubt.at_most));
    });
    found
}

/// The same without the sampling: quick, and too sure where rivals stand in a circle.
pub(super) fn beliefs(
    edges: &[Edge],
    row_null: &[f64],
    col_null: &[f64],
    messages: &mut Messages,
) -> Vec<f64> {
    let weights: Vec<f64> = edges.iter().map(|edge| edge.weight.clamp(-STRONGEST, STRONGEST).exp()).collect();
    let row_null: Vec<f64> = row_null.iter().map(|null| null.exp()).collect();
    let col_null: Vec<f64> = col_null.iter().map(|null| null.exp()).collect();
    let Messages { from_row, from_col } = messages;
    if from_col.len() != edges.len() {
        *from_row = vec![1.0; edges.len()];
        *from_col = edges.iter().map(|edge| 1.0 / col_null[edge.col as usize]).collect();
    }
    let mut sums = Vec::new();
    let mut odds = vec![0.0_f64; edges.len()];
    for _ in 0..ROUNDS {
        update(from_row, from_col, &weights, &row_null, &mut sums, |index| edges[index].row);
        update(from_col, from_row, &weights, &col_null, &mut sums, |index| edges[index].col);
        let mut have_agreed = true;
        for (index, odds) in odds.iter_mut().enumerate() {
            let now = weights[index] * from_row[index] * from_col[index];
            have_agreed &= (now - *odds).abs() <= AGREED * (1.0 + now) * (1.0 + *odds);
            *odds = now;
        }
        if have_agreed {
            break;
        }
    }
    odds.into_iter().map(|odds| odds / (1.0 + odds)).collect()
}

/// Renews the messages of one side.
fn update(
    mine: &mut [f64],
    others: &[f64],
    weights: &[f64],
    null: &[f64],
    sums: &mut Vec<f64>,
    side: impl Fn(usize) -> u32,
) {
    sums.clear();
    sums.extend_from_slice(null);
    for index in 0..mine.len() {
        sums[side(index) as usize] += weights[index] * others[index];
    }
    for index in 0..mine.len() {
        let at = side(index) as usize;
        mine[index] = 1.0 / (sums[at] - weights[index] * others[index]).max(null[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Doubt = Doubt { from: 0.0, at_most: 1.0 };

    fn edge(row: u32, col: u32, weight: f64) -> Edge {
        Edge { row, col, weight }
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
        let found = probabilities(&edges, &[0.0; 3], &[0.0; 3], &mut Messages::default(), ALL);
        for (found, exact) in found.iter().zip(exactly(&edges, 3, 3)) {
            assert!((found - exact).abs() < 0.05, "{found} is not {exact}");
        }
    }

    #[test]
    fn a_rival_taken_elsewhere_leaves_the_rest_sure() {
        // The second exchange fits only the second continuation, so the first must have the first.
        let edges = [edge(0, 0, 4.0), edge(0, 1, 4.0), edge(1, 1, 12.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2], &mut Messages::default(), ALL);
        assert!(found[0] > 0.95, "{found:?}");
        assert!(found[1] < 0.05, "{found:?}");
    }

    #[test]
    fn rivals_in_a_circle_are_not_made_too_sure() {
        let edges = [edge(0, 0, 14.8), edge(0, 1, 14.8), edge(1, 0, 14.2), edge(1, 1, 14.3), edge(2, 1, 9.0)];
        let found = probabilities(&edges, &[-3.0; 3], &[-4.0; 2], &mut Messages::default(), ALL);
        for (found, exact) in found.iter().zip(exactly_with(&edges, 3, 2, -3.0, -4.0)) {
            assert!((found - exact).abs() < 0.05, "{found} is not {exact}");
        }
    }

    #[test]
    fn equal_rivals_are_as_likely_as_each_other() {
        let edges = [edge(0, 0, 5.0), edge(0, 1, 5.0), edge(1, 0, 5.0), edge(1, 1, 5.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2], &mut Messages::default(), ALL);
        assert!(found.iter().all(|found| (found - 0.5).abs() < 0.05), "{found:?}");
    }
}
