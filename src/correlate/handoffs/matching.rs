//! Rival exchanges decided together: each goes on at most once, each continues at most one.
//!
//! How likely each join is, given that, is a sum over all ways of joining. Passing messages between the exchanges until
//! they agree finds it where rivals do not stand in a circle (belief propagation on a matching). Circles make messages
//! too sure of themselves, so what stays open is then sampled: many ways of joining, each as often as it is likely
//! (Metropolis et al., 1953). The samples are drawn from a fixed seed: the same input gives the same output.

use fastrand::Rng;
use hashbrown::HashMap;

/// A possible join and the logarithm of its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub row: u32,
    pub col: u32,
    pub weight: f64,
}

/// Messages are passed at most so often; most groups agree after a few.
const ROUNDS: usize = 30;
const AGREED: f64 = 1e-4;
/// No clue is stronger than this, so that sums keep their precision.
const STRONGEST: f64 = 24.0;

/// Edges between these probabilities are open, and sampled.
const OPEN: std::ops::Range<f64> = 0.002..0.998;
/// Steps for each open edge, and in all.
const STEPS: usize = 600;
const MOST_STEPS: usize = 400_000;
/// The part of the steps in which the first way of joining is forgotten, and nothing is counted.
const WARM_UP: usize = 8;
const SEED: u64 = 0x0068_6f70_6c69_6e65;

/// What the exchanges of a group last said to each other. The same group with other weights soon agrees from there.
#[derive(Default)]
pub(super) struct Messages {
    /// What a row, or a column, would say of an edge if that edge did not exist.
    from_row: Vec<f64>,
    from_col: Vec<f64>,
}

/// The probability of each edge. `row_null` and `col_null` are the logarithms of the weight of staying alone.
pub(super) fn probabilities(
    edges: &[Edge],
    row_null: &[f64],
    col_null: &[f64],
    messages: &mut Messages,
) -> Vec<f64> {
    let mut found = beliefs(edges, row_null, col_null, messages);
    let open: Vec<usize> = (0..edges.len()).filter(|&index| OPEN.contains(&found[index])).collect();
    if open.len() > 1 {
        let open_edges: Vec<Edge> = open.iter().map(|&index| edges[index]).collect();
        let sampled = Sampler::new(&open_edges, row_null, col_null).run();
        for (index, probability) in open.into_iter().zip(sampled) {
            found[index] = probability;
        }
    }
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
    for _ in 0..ROUNDS {
        let rows = update(from_row, from_col, &weights, &row_null, &mut sums, |index| edges[index].row);
        let cols = update(from_col, from_row, &weights, &col_null, &mut sums, |index| edges[index].col);
        if rows && cols {
            break;
        }
    }
    let belief = |index: usize| weights[index] * from_row[index] * from_col[index];
    (0..edges.len()).map(|index| belief(index) / (1.0 + belief(index))).collect()
}

/// Walks through ways of joining.
struct Sampler<'a> {
    edges: &'a [Edge],
    row_null: &'a [f64],
    col_null: &'a [f64],
    /// The edge between a row and a column.
    between: HashMap<(u32, u32), usize>,
    /// The edge that a row, or a column, is joined by.
    rows: Vec<Option<usize>>,
    cols: Vec<Option<usize>>,
}

impl<'a> Sampler<'a> {
    /// Begins with the strongest edges.
    fn new(edges: &'a [Edge], row_null: &'a [f64], col_null: &'a [f64]) -> Sampler<'a> {
        let between = edges.iter().enumerate().map(|(index, edge)| ((edge.row, edge.col), index)).collect();
        let (rows, cols) = (vec![None; row_null.len()], vec![None; col_null.len()]);
        let mut sampler = Sampler { edges, row_null, col_null, between, rows, cols };
        let mut order: Vec<usize> = (0..edges.len()).collect();
        order.sort_by(|&a, &b| edges[b].weight.total_cmp(&edges[a].weight).then(a.cmp(&b)));
        for index in order {
            let Edge { row, col, .. } = edges[index];
            if sampler.rows[row as usize].is_none() && sampler.cols[col as usize].is_none() {
                sampler.join(index);
            }
        }
        sampler
    }

    /// How often each edge was part of the way of joining.
    fn run(mut self) -> Vec<f64> {
        let mut random = Rng::with_seed(SEED);
        let steps = (STEPS * self.edges.len()).min(MOST_STEPS);
        let warm_up = steps / WARM_UP;
        // Since when an edge has been part, and for how many steps in all before that.
        let mut since = vec![0_usize; self.edges.len()];
        let mut total = vec![0_usize; self.edges.len()];
        for step in 0..steps {
            if step == warm_up {
                since.fill(step);
                total.fill(0);
            }
            let change = self.propose(random.usize(..self.edges.len()));
            if random.f64().ln() >= self.gain(change) {
                continue;
            }
            for out in change.out.into_iter().flatten() {
                self.part(out);
                total[out] += step - since[out].min(step);
            }
            for into in change.into.into_iter().flatten() {
                self.join(into);
                since[into] = step;
            }
        }
        for &index in self.rows.iter().flatten() {
            total[index] += steps - since[index];
        }
        let counted = (steps - warm_up) as f64;
        total.into_iter().map(|total| total as f64 / counted).collect()
    }

    /// The change that an edge stands for: it is taken out, put in, put in place of another at one of its ends, or put
    /// in together with the edge between the two it drives out. Each can be undone by the like.
    fn propose(&self, index: usize) -> Change {
        let Edge { row, col, .. } = self.edges[index];
        match (self.rows[row as usize], self.cols[col as usize]) {
            (Some(present), _) if present == index => Change { out: [Some(index), None], into: [None; 2] },
            (Some(one), Some(other)) => {
                let freed = (self.edges[other].row, self.edges[one].col);
                match self.between.get(&freed) {
                    Some(&swapped) => {
                        Change { out: [Some(one), Some(other)], into: [Some(index), Some(swapped)] }
                    }
                    None => Change::default(),
                }
            }
            (one, other) => Change { out: [one.or(other), None], into: [Some(index), None] },
        }
    }

    /// The logarithm of how much likelier the way of joining becomes.
    fn gain(&self, change: Change) -> f64 {
        // Joining two costs what they weigh alone.
        let worth = |&index: &usize| {
            let Edge { row, col, weight } = self.edges[index];
            weight - self.row_null[row as usize] - self.col_null[col as usize]
        };
        let sum = |edges: [Option<usize>; 2]| edges.iter().flatten().map(worth).sum::<f64>();
        sum(change.into) - sum(change.out)
    }

    fn join(&mut self, index: usize) {
        self.rows[self.edges[index].row as usize] = Some(index);
        self.cols[self.edges[index].col as usize] = Some(index);
    }

    fn part(&mut self, index: usize) {
        self.rows[self.edges[index].row as usize] = None;
        self.cols[self.edges[index].col as usize] = None;
    }
}

/// Edges that come in and go out together.
#[derive(Clone, Copy, Default)]
struct Change {
    out: [Option<usize>; 2],
    into: [Option<usize>; 2],
}

/// Renews the messages of one side; whether they are what they were.
fn update(
    mine: &mut [f64],
    others: &[f64],
    weights: &[f64],
    null: &[f64],
    sums: &mut Vec<f64>,
    side: impl Fn(usize) -> u32,
) -> bool {
    sums.clear();
    sums.extend_from_slice(null);
    for index in 0..mine.len() {
        sums[side(index) as usize] += weights[index] * others[index];
    }
    let mut have_agreed = true;
    for index in 0..mine.len() {
        let at = side(index) as usize;
        let without = (sums[at] - weights[index] * others[index]).max(null[at]);
        let message = 1.0 / without;
        have_agreed &= (message - mine[index]).abs() <= AGREED * message.max(mine[index]);
        mine[index] = message;
    }
    have_agreed
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = probabilities(&edges, &[0.0; 3], &[0.0; 3], &mut Messages::default());
        for (found, exact) in found.iter().zip(exactly(&edges, 3, 3)) {
            assert!((found - exact).abs() < 0.05, "{found} is not {exact}");
        }
    }

    #[test]
    fn a_rival_taken_elsewhere_leaves_the_rest_sure() {
        // The second exchange fits only the second continuation, so the first must have the first.
        let edges = [edge(0, 0, 4.0), edge(0, 1, 4.0), edge(1, 1, 12.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2], &mut Messages::default());
        assert!(found[0] > 0.95, "{found:?}");
        assert!(found[1] < 0.05, "{found:?}");
    }

    #[test]
    fn rivals_in_a_circle_are_not_made_too_sure() {
        let edges = [edge(0, 0, 14.8), edge(0, 1, 14.8), edge(1, 0, 14.2), edge(1, 1, 14.3), edge(2, 1, 9.0)];
        let found = probabilities(&edges, &[-3.0; 3], &[-4.0; 2], &mut Messages::default());
        for (found, exact) in found.iter().zip(exactly_with(&edges, 3, 2, -3.0, -4.0)) {
            assert!((found - exact).abs() < 0.05, "{found} is not {exact}");
        }
    }

    #[test]
    fn equal_rivals_are_as_likely_as_each_other() {
        let edges = [edge(0, 0, 5.0), edge(0, 1, 5.0), edge(1, 0, 5.0), edge(1, 1, 5.0)];
        let found = probabilities(&edges, &[-3.0; 2], &[-3.0; 2], &mut Messages::default());
        assert!(found.iter().all(|found| (found - 0.5).abs() < 0.05), "{found:?}");
    }
}
