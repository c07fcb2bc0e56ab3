//! Rival exchanges decided together: each goes on at most once, each continues at most one.
//!
//! How likely each join is, given that, is a sum over all ways of joining; it is found by passing messages between
//! the exchanges until they agree (belief propagation on a matching, whose fixed point is unique).

/// A possible join and the logarithm of its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub row: u32,
    pub col: u32,
    pub weight: f64,
}

/// Messages are passed at most so often; most groups agree after a few.
const ROUNDS: usize = 80;
const AGREED: f64 = 1e-4;
/// No clue is stronger than this, so that sums keep their precision.
const STRONGEST: f64 = 24.0;

/// The probability of each edge. `row_null` and `col_null` are the logarithms of the weight of staying alone.
pub(super) fn probabilities(edges: &[Edge], row_null: &[f64], col_null: &[f64]) -> Vec<f64> {
    let weights: Vec<f64> = edges.iter().map(|edge| edge.weight.clamp(-STRONGEST, STRONGEST).exp()).collect();
    let row_null: Vec<f64> = row_null.iter().map(|null| null.exp()).collect();
    let col_null: Vec<f64> = col_null.iter().map(|null| null.exp()).collect();
    // What a row, or a column, would say of an edge if that edge did not exist.
    let mut from_row = vec![1.0; edges.len()];
    let mut from_col: Vec<f64> = edges.iter().map(|edge| 1.0 / col_null[edge.col as usize]).collect();
    let mut sums = Vec::new();
    for _ in 0..ROUNDS {
        let rows = update(&mut from_row, &from_col, &weights, &row_null, &mut sums, |index| edges[index].row);
        let cols = update(&mut from_col, &from_row, &weights, &col_null, &mut sums, |index| edges[index].col);
        if rows.max(cols) < AGREED {
            break;
        }
    }
    let belief = |index: usize| weights[index] * from_row[index] * from_col[index];
    (0..edges.len()).map(|index| belief(index) / (1.0 + belief(index))).collect()
}

/// Renews the messages of one side; the largest relative change.
fn update(
    mine: &mut [f64],
    others: &[f64],
    weights: &[f64],
    null: &[f64],
    sums: &mut Vec<f64>,
    side: impl Fn(usize) -> u32,
) -> f64 {
    sums.clear();
    sums.extend_from_slice(null);
    for index in 0..mine.len() {
        sums[side(index) as usize] += weights[index] * others[index];
    }
    let mut change = 0.0_f64;
    for index in 0..mine.len() {
        let at = side(index) as usize;
        let without = (sums[at] - weights[index] * others[index]).max(null[at]);
        let message = 1.0 / without;
        change = change.max((message - mine[index]).abs() / message.max(mine[index]));
        mine[index] = message;
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(row: u32, col: u32, weight: f64) -> Edge {
        Edge { row, col, weight }
    }

    /// The probability of each edge by adding up every matching.
    fn exactly(edges: &[Edge], rows: usize, cols: usize) -> Vec<f64> {
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
            let weight: f64 = chosen.iter().map(|&index| edges[index].weight.exp()).product();
            all += weight;
            for index in chosen {
                totals[index] += weight;
            }
        }
        totals.iter().map(|total| total / all).collect()
    }

    #[test]
    fn on_a_tree_the_probabilities_are_exact() {
        let edges = [edge(0, 0, 2.0), edge(0, 1, 1.0), edge(1, 1, 3.0), edge(1, 2, -1.0), edge(2, 2, 0.5)];
        let found = probabilities(&edges, &[0.0; 3], &[0.0; 3]);
        for (found, exact) in found.iter().zip(exactly(&edges, 3, 3)) {
            assert!((found - exact).abs() < 1e-3, "{found} is not {exact}");
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
    fn equal_rivals_are_as_likely_as_each_other() {
        let edges = [edge(0, 0, 5.0), edge(0, 1, 5.0), edge(1, 0, 5.0), edge(1, 1, 5.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2]);
        assert!(found.iter().all(|found| (found - 0.5).abs() < 0.02), "{found:?}");
    }
}
