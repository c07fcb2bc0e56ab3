//! Rivals that stand in a circle: many ways of joining them are drawn, each as often as it is likely (Metropolis et al.,
//! 1953), and the joins in them counted. They are drawn from a fixed seed: the same input gives the same output.

use fastrand::Rng;

use super::matching::Edge;

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

/// Of `open` edges, those that hang together and have a circle among them: more edges than a tree has.
pub(super) fn find(edges: &[Edge], open: &[u32], rows: usize, cols: usize) -> Vec<Vec<u32>> {
    let mut groups: Vec<u32> = (0..(rows + cols) as u32).collect();
    let ends = |index: u32| {
        let Edge { row, col, .. } = edges[index as usize];
        [row, rows as u32 + col]
    };
    for &index in open {
        let [a, b] = ends(index).map(|end| root(&mut groups, end));
        groups[a as usize] = b;
    }
    // By its root: how many edges and ends a group has.
    let mut sizes = vec![(0_u32, 0_u32); groups.len()];
    for end in 0..groups.len() as u32 {
        sizes[root(&mut groups, end) as usize].1 += 1;
    }
    for &index in open {
        sizes[root(&mut groups, ends(index)[0]) as usize].0 += 1;
    }
    let mut circles: Vec<Vec<u32>> = Vec::new();
    let mut numbers = vec![NONE; groups.len()];
    for &index in open {
        let root = root(&mut groups, ends(index)[0]) as usize;
        if sizes[root].0 < sizes[root].1 {
            continue;
        }
        if numbers[root] == NONE {
            numbers[root] = circles.len() as u32;
            circles.push(Vec::with_capacity(sizes[root].0 as usize));
        }
        circles[numbers[root] as usize].push(index);
    }
    circles
}

/// What an end is part of; the way there is made shorter.
fn root(groups: &mut [u32], end: u32) -> u32 {
    let mut at = end;
    while groups[at as usize] != at {
        groups[at as usize] = groups[groups[at as usize] as usize];
        at = groups[at as usize];
    }
    at
}

/// Gives `found` the probability of each edge of `circles`, the smallest first; `None` for those that were too many.
/// `worth` is the logarithm of how much likelier it is that an edge's ends are joined than that they stay alone.
pub(super) fn sample(
    mut circles: Vec<Vec<u32>>,
    edges: &[Edge],
    worth: impl Fn(&Edge) -> f64,
    mut found: impl FnMut(u32, Option<f64>),
) {
    circles.sort_by_key(Vec::len);
    for circle in &mut circles {
        circle.sort_by_key(|&index| (edges[index as usize].col, edges[index as usize].row));
    }
    let sizes = circles.iter().scan(0, |sum, circle| {
        *sum += circle.len();
        Some(*sum)
    });
    let (count, size) = sizes
        .take_while(|sum| sum * LEAST_STEPS <= MOST_STEPS)
        .fold((0, 0), |(count, _), sum| (count + 1, sum));
    let steps = STEPS.min(MOST_STEPS / size.max(1));
    for (at, circle) in circles.iter().enumerate() {
        if at >= count {
            for &index in circle {
                found(index, None);
            }
            continue;
        }
        let sampled = Sampler::new(circle, edges, &worth).run(steps * circle.len());
        for (&index, probability) in circle.iter().zip(sampled) {
            found(index, Some(probability));
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
    /// Begins with the strongest of the edges, which are in the order of their columns.
    fn new(circle: &[u32], edges: &[Edge], worth: impl Fn(&Edge) -> f64) -> Sampler {
        let mut rows: Vec<u32> = circle.iter().map(|&index| edges[index as usize].row).collect();
        rows.sort_unstable();
        rows.dedup();
        let (mut links, mut begins) = (Vec::with_capacity(circle.len()), Vec::new());
        let mut latest = NONE;
        for &index in circle {
            let edge = &edges[index as usize];
            if edge.col != latest {
                latest = edge.col;
                begins.push(links.len() as u32);
            }
            let row = rows.partition_point(|&row| row < edge.row) as u32;
            links.push(Link { row, col: begins.len() as u32 - 1, worth: worth(edge) });
        }
        let cols = vec![NONE; begins.len()];
        begins.push(links.len() as u32);
        let mut sampler = Sampler { begins, rows: vec![NONE; rows.len()], cols, links };
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
