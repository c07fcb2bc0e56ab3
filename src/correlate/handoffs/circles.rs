//! Rivals that stand in a circle: many ways of joining them are drawn, each as often as it is likely (Metropolis et al.,
//! 1953), and the joins in them counted. They are drawn from a fixed seed: the same input gives the same output.

use fastrand::Rng;

use super::groups::{Ends, Group};

/// Steps for each edge, where there are not too many of them; with fewer than the least, counting says nothing.
const STEPS: usize = 600;
const LEAST_STEPS: usize = 100;
/// Steps for all circles together.
const MOST_STEPS: usize = 100_000;
/// The part of the steps in which the first way of joining is forgotten, and nothing is counted.
const WARM_UP: usize = 8;
const SEED: u64 = 0x0068_6f70_6c69_6e65;
/// Neither a row, nor a column, nor an edge.
const NONE: u32 = u32::MAX;

/// Gives `found` the probability of each edge of `circles`, the smallest first; `None` for those that were too many.
/// `worth` is the logarithm of how much likelier it is that an edge's ends are joined than that they stay alone.
pub(super) fn sample(
    mut circles: Vec<Group>,
    worth: impl Fn(u32) -> f64,
    mut found: impl FnMut(u32, Option<f64>),
) {
    circles.sort_by_key(|circle| circle.edges.len());
    let sums = circles.iter().scan(0, |sum, circle| {
        *sum += circle.edges.len();
        Some(*sum)
    });
    let sums: Vec<usize> = sums.take_while(|sum| sum * LEAST_STEPS <= MOST_STEPS).collect();
    let steps = STEPS.min(MOST_STEPS / sums.last().map_or(1, |&sum| sum.max(1)));
    for (at, circle) in circles.iter().enumerate() {
        if at >= sums.len() {
            for &edge in &circle.edges {
                found(edge, None);
            }
            continue;
        }
        let sampled = Sampler::new(circle, &worth).run(steps * circle.edges.len());
        for (&edge, probability) in circle.edges.iter().zip(sampled) {
            found(edge, Some(probability));
        }
    }
}

/// Walks through ways of joining one circle.
struct Sampler {
    /// By column.
    links: Vec<Link>,
    /// Where those of each column begin, and where the last ends.
    begins: Vec<u32>,
    /// The link that a row, or a column, is joined by.
    rows: Vec<u32>,
    cols: Vec<u32>,
}

/// An edge within its circle.
#[derive(Clone, Copy)]
struct Link {
    row: u32,
    col: u32,
    worth: f64,
}

/// Links that come in and go out together.
#[derive(Clone, Copy)]
struct Change {
    out: [u32; 2],
    into: [u32; 2],
}

impl Sampler {
    /// Begins with the strongest of the edges.
    fn new(circle: &Group, worth: impl Fn(u32) -> f64) -> Sampler {
        let link = |(&edge, &[row, col]): (&u32, &Ends)| Link { row, col, worth: worth(edge) };
        let links: Vec<Link> = circle.edges.iter().zip(&circle.ends).map(link).collect();
        let [rows, cols] = [0, 1].map(|side| vec![NONE; circle.sides[side].len()]);
        let begin = |col: usize| links.partition_point(|link| (link.col as usize) < col) as u32;
        let begins = (0..=cols.len()).map(begin).collect();
        let mut sampler = Sampler { links, begins, rows, cols };
        let mut order: Vec<u32> = (0..sampler.links.len() as u32).collect();
        order.sort_by(|&a, &b| sampler.link(b).worth.total_cmp(&sampler.link(a).worth));
        for at in order {
            let Link { row, col, .. } = sampler.link(at);
            if sampler.rows[row as usize] == NONE && sampler.cols[col as usize] == NONE {
                sampler.set(at, at);
            }
        }
        sampler
    }

    fn link(&self, at: u32) -> Link {
        self.links[at as usize]
    }

    /// How often each link was part of the way of joining.
    fn run(mut self, steps: usize) -> Vec<f64> {
        let mut random = Rng::with_seed(SEED);
        let (steps, warm_up) = (steps as u32, (steps / WARM_UP) as u32);
        // Since when a link has been part, and for how many steps in all before that.
        let mut since = vec![0_u32; self.links.len()];
        let mut total = vec![0_u32; self.links.len()];
        for step in 0..steps {
            if step == warm_up {
                since.fill(step);
                total.fill(0);
            }
            let Some(change) = self.propose(random.u32(..self.links.len() as u32)) else { continue };
            let gain = self.worth(change.into) - self.worth(change.out);
            if gain < 0.0 && random.f64() >= gain.exp() {
                continue;
            }
            for out in change.out.into_iter().filter(|&out| out != NONE) {
                self.set(out, NONE);
                total[out as usize] += step - since[out as usize];
            }
            for into in change.into.into_iter().filter(|&into| into != NONE) {
                self.set(into, into);
                since[into as usize] = step;
            }
        }
        for &at in self.rows.iter().filter(|&&at| at != NONE) {
            total[at as usize] += steps - since[at as usize];
        }
        let counted = f64::from(steps - warm_up);
        total.into_iter().map(|total| f64::from(total) / counted).collect()
    }

    /// The change that a link stands for: it is taken out, put in, put in place of another at one of its ends, or put
    /// in together with the link between the two it drives out. Each can be undone by the like.
    fn propose(&self, at: u32) -> Option<Change> {
        let Link { row, col, .. } = self.link(at);
        let [one, other] = [self.rows[row as usize], self.cols[col as usize]];
        Some(match (one, other) {
            (one, _) if one == at => Change { out: [at, NONE], into: [NONE; 2] },
            (NONE, other) => Change { out: [other, NONE], into: [at, NONE] },
            (one, NONE) => Change { out: [one, NONE], into: [at, NONE] },
            (one, other) => {
                let swapped = self.between(self.link(other).row, self.link(one).col)?;
                Change { out: [one, other], into: [at, swapped] }
            }
        })
    }

    fn between(&self, row: u32, col: u32) -> Option<u32> {
        let [begin, end] = [col, col + 1].map(|col| self.begins[col as usize]);
        (begin..end).find(|&at| self.link(at).row == row)
    }

    fn worth(&self, links: [u32; 2]) -> f64 {
        links.into_iter().filter(|&at| at != NONE).map(|at| self.link(at).worth).sum()
    }

    /// Notes by what the ends of the link at `at` are joined now.
    fn set(&mut self, at: u32, joined: u32) {
        let Link { row, col, .. } = self.link(at);
        self.rows[row as usize] = joined;
        self.cols[col as usize] = joined;
    }
}
