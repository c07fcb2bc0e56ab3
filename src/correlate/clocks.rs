//! Nodes' clocks against each other, from packets that two nodes both saw.
//!
//! A packet that leaves A and enters B took `d ≥ 0`, so `t_B − t_A = offset + d`. The smallest value over many
//! packets one way, and the smallest the other way, bound the offset between them (the argument of NTP,
//! RFC 5905 §8, with minima in place of single exchanges). Clocks drift, so minima are kept per slice of time.

use std::collections::BTreeMap;

use crate::model::{ClockFit, Clocks, NodeId, SECONDS, Timestamp};

/// Slices kept per pair of nodes; when they are full, neighbours are joined and slices grow twice as long.
const SLICES: usize = 256;
const FIRST_SLICE: i64 = SECONDS;
/// A drift is only believed over this many slices with both ways and this much time.
const DRIFT_SLICES: usize = 8;
const DRIFT_SPAN: i64 = 30 * SECONDS;
/// A delay between two nodes that clocks kept together may show.
const BELIEVABLE: i64 = SECONDS;

/// The smallest `t_second − t_first` of one slice, for packets each way.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// From first to second: offset + delay.
    forth: i64,
    /// From second to first, negated back: delay − offset.
    back: i64,
}

impl Slice {
    const EMPTY: Slice = Slice { forth: i64::MAX, back: i64::MAX };

    fn joined(self, other: Slice) -> Slice {
        Slice { forth: self.forth.min(other.forth), back: self.back.min(other.back) }
    }

    /// Offset of the second clock and its error, where both ways were seen. Minima that contradict each
    /// other (a packet was taken for its own repeat) are off by as much as they do.
    fn estimate(self) -> Option<(i64, i64)> {
        (self.forth != i64::MAX && self.back != i64::MAX).then(|| {
            let (forth, back) = (i128::from(self.forth), i128::from(self.back));
            (((forth - back) / 2) as i64, i128::midpoint(forth, back).abs() as i64)
        })
    }

    /// Offset of the second clock where packets were seen one way only: none as long as that makes a
    /// delay that can be, else the one that makes the fastest packet take no time. Its error is unknown.
    fn guess(self) -> Option<i64> {
        let (delay, ahead) = match (self.forth, self.back) {
            (forth, i64::MAX) if forth != i64::MAX => (forth, forth),
            (i64::MAX, back) if back != i64::MAX => (back, back.checked_neg()?),
            _ => return None,
        };
        Some(if (0..BELIEVABLE).contains(&delay) { 0 } else { ahead })
    }
}

#[derive(Clone, Debug)]
struct Pair {
    start: Timestamp,
    width: i64,
    slices: Vec<Slice>,
    seen: [u32; 2],
}

impl Pair {
    fn new(start: Timestamp) -> Pair {
        Pair { start, width: FIRST_SLICE, slices: Vec::new(), seen: [0; 2] }
    }

    fn slice_at(&mut self, time: Timestamp) -> &mut Slice {
        let mut index = (time.since(self.start).max(0) / self.width) as usize;
        while index >= SLICES {
            self.slices = self
                .slices
                .chunks(2)
                .map(|two| two.iter().fold(Slice::EMPTY, |sum, slice| sum.joined(*slice)))
                .collect();
            self.width *= 2;
            index /= 2;
        }
        if self.slices.len() <= index {
            self.slices.resize(index + 1, Slice::EMPTY);
        }
        &mut self.slices[index]
    }

    /// The middle of slice `index`, on the first node's clock.
    fn middle(&self, index: usize) -> Timestamp {
        self.start.plus(index as i64 * self.width + self.width / 2)
    }

    fn fit(&self) -> Option<ClockFit> {
        let slices: Vec<(Timestamp, i64, i64)> = (0..self.slices.len())
            .filter_map(|index| {
                self.slices[index].estimate().map(|(offset, error)| (self.middle(index), offset, error))
            })
            .collect();
        Self::drifting_fit(&slices).or_else(|| self.steady_fit())
    }

    /// One offset for the whole time.
    fn steady_fit(&self) -> Option<ClockFit> {
        let whole = self.slices.iter().fold(Slice::EMPTY, |sum, slice| sum.joined(*slice));
        let (offset_ns, error_ns) = match whole.estimate() {
            Some((offset_ns, error)) => (offset_ns, Some(error)),
            None => (whole.guess()?, None),
        };
        Some(ClockFit { offset_ns, drift_ppb: 0, anchor: self.start, error_ns })
    }

    /// A straight line through the slices' offsets, by least squares.
    fn drifting_fit(slices: &[(Timestamp, i64, i64)]) -> Option<ClockFit> {
        let (first, last) = (slices.first()?, slices.last()?);
        if slices.len() < DRIFT_SLICES || last.0.since(first.0) < DRIFT_SPAN {
            return None;
        }
        let count = slices.len() as f64;
        let at = |time: Timestamp| time.since(first.0) as f64 / SECONDS as f64;
        let height = |offset: i64| (offset - first.1) as f64;
        let mean_x = slices.iter().map(|slice| at(slice.0)).sum::<f64>() / count;
        let mean_y = slices.iter().map(|slice| height(slice.1)).sum::<f64>() / count;
        let covariance =
            slices.iter().map(|slice| (at(slice.0) - mean_x) * (height(slice.1) - mean_y)).sum::<f64>();
        let variance = slices.iter().map(|slice| (at(slice.0) - mean_x).powi(2)).sum::<f64>();
        let drift = covariance / variance;
        let base = mean_y - drift * mean_x;
        let error = slices.iter().map(|slice| slice.2).min()?;
        // The first clock's drift against itself is nil, so node time and first-node time may stand for
        // each other in `anchor`: at 100 ppm and an offset of minutes the slip is below a microsecond.
        Some(ClockFit {
            offset_ns: first.1 + base.round() as i64,
            drift_ppb: drift.round() as i64,
            anchor: first.0.plus(first.1),
            error_ns: Some(error),
        })
    }
}

/// Observations between all nodes.
#[derive(Clone, Debug, Default)]
pub struct Mesh {
    nodes: usize,
    /// By (lower, higher) node.
    pairs: BTreeMap<(NodeId, NodeId), Pair>,
    /// Offsets set by the user.
    given: BTreeMap<NodeId, i64>,
}

impl Mesh {
    pub fn new(nodes: usize) -> Mesh {
        Mesh { nodes, ..Mesh::default() }
    }

    /// The user says how far `node`'s clock is ahead.
    pub fn give(&mut self, node: NodeId, ahead_ns: i64) {
        self.given.insert(node, ahead_ns);
    }

    /// Whether the user said how far `node`'s clock is ahead.
    pub fn is_given(&self, node: NodeId) -> bool {
        self.given.contains_key(&node)
    }

    /// The same packet left `from` and entered `to`, each by its own clock.
    pub fn observe(&mut self, from: (NodeId, Timestamp), to: (NodeId, Timestamp)) {
        let is_forth = from.0 < to.0;
        let (first, second) = if is_forth { (from, to) } else { (to, from) };
        let pair = self.pairs.entry((first.0, second.0)).or_insert_with(|| Pair::new(first.1));
        pair.seen[usize::from(!is_forth)] += 1;
        let delta = to.1.since(from.1);
        let slice = pair.slice_at(first.1);
        let smallest = if is_forth { &mut slice.forth } else { &mut slice.back };
        *smallest = (*smallest).min(delta);
    }

    /// Whether every node is tied to the first by at least `count` packets each way.
    pub fn is_tied(&self, count: u32) -> bool {
        let ties: Vec<_> =
            self.pairs.iter().filter(|(_, pair)| pair.seen.iter().all(|&seen| seen >= count)).collect();
        let mut reached = vec![false; self.nodes];
        let mut frontier = vec![NodeId(0)];
        while let Some(node) = frontier.pop() {
            if std::mem::replace(&mut reached[node.0 as usize], true) {
                continue;
            }
            for ((first, second), _) in &ties {
                if *first == node {
                    frontier.push(*second);
                } else if *second == node {
                    frontier.push(*first);
                }
            }
        }
        reached
            .iter()
            .enumerate()
            .all(|(node, &is_reached)| is_reached || self.given.contains_key(&NodeId(node as u16)))
    }

    /// Every node's fit against the first node, through the neighbours with the smallest errors. Where
    /// nothing ties some nodes to the first, they are at least tied to each other.
    pub fn clocks(&self) -> Clocks {
        self.clocks_assuming(&[])
    }

    /// The same, where nodes that nothing ties to the first are taken to be ahead by `assumed` of some common clock.
    pub fn clocks_assuming(&self, assumed: &[Option<i64>]) -> Clocks {
        let assumed = |node: usize| assumed.get(node).copied().flatten().unwrap_or_default();
        let mut fits: Vec<Option<ClockFit>> = vec![None; self.nodes];
        if let Some(first) = fits.first_mut() {
            *first = Some(ClockFit { error_ns: Some(0), ..ClockFit::default() });
        }
        for (&node, &offset_ns) in &self.given {
            if let Some(fit) = fits.get_mut(node.0 as usize) {
                *fit = Some(ClockFit { offset_ns, error_ns: None, ..ClockFit::default() });
            }
        }
        let edges: Vec<_> =
            self.pairs.iter().filter_map(|(nodes, pair)| pair.fit().map(|fit| (*nodes, fit))).collect();
        while let Some(apart) = fits.iter().position(Option::is_none) {
            let (node, fit) = nearest(&fits, &edges).unwrap_or_else(|| {
                let offset_ns = assumed(apart).saturating_sub(assumed(0));
                (apart, ClockFit { offset_ns, ..ClockFit::default() })
            });
            fits[node] = Some(fit);
        }
        Clocks { fits: fits.into_iter().map(Option::unwrap_or_default).collect() }
    }
}

/// The node not placed yet that an edge ties to a placed one with the smallest error in all.
fn nearest(fits: &[Option<ClockFit>], edges: &[((NodeId, NodeId), ClockFit)]) -> Option<(usize, ClockFit)> {
    edges
        .iter()
        .filter_map(|((first, second), edge)| match (fits[first.0 as usize], fits[second.0 as usize]) {
            (Some(base), None) => Some((second.0 as usize, chained(base, *edge, 1))),
            (None, Some(base)) => Some((first.0 as usize, chained(base, *edge, -1))),
            _ => None,
        })
        .min_by_key(|(node, fit)| (fit.error_ns.unwrap_or(i64::MAX), *node))
}

/// `base` plus an edge walked forth (1) or back (−1).
fn chained(base: ClockFit, edge: ClockFit, sign: i64) -> ClockFit {
    let drift_ppb = base.drift_ppb + sign * edge.drift_ppb;
    let anchor = if sign > 0 { edge.anchor } else { edge.anchor.plus(-edge.offset_ns) };
    let base_there = i128::from(anchor.since(base.anchor)) * i128::from(base.drift_ppb) / i128::from(SECONDS);
    let drift_of_base = if base.drift_ppb == 0 { 0 } else { base_there as i64 };
    ClockFit {
        offset_ns: base.offset_ns + sign * edge.offset_ns + drift_of_base,
        drift_ppb,
        anchor,
        error_ns: base.error_ns.zip(edge.error_ns).and_then(|(base, edge)| base.checked_add(edge)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MICROS;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);

    /// One packet each way per step, with queueing that varies, between clocks `ahead` apart.
    fn chat(mesh: &mut Mesh, from: (NodeId, i64), to: (NodeId, i64), seconds: i64, drift_ppb: i64) {
        for step in 0..seconds * 10 {
            let t = step * SECONDS / 10;
            let skew = t / 1_000_000_000 * drift_ppb + t % 1_000_000_000 * drift_ppb / 1_000_000_000;
            let delay = (30 + (step * 37) % 50) * MICROS;
            let clock = |node: (NodeId, i64), t: i64| {
                (node.0, Timestamp(t + node.1 + if node.0 == to.0 { skew } else { 0 }))
            };
            mesh.observe(clock(from, t), clock(to, t + delay));
            mesh.observe(clock(to, t + 1_000), clock(from, t + 1_000 + delay));
        }
    }

    #[test]
    fn an_offset_is_found_within_its_stated_error() {
        let mut mesh = Mesh::new(2);
        chat(&mut mesh, (A, 0), (B, 3_700_000_000), 5, 0);
        let fit = mesh.clocks().fit(B);
        assert!((fit.offset_ns - 3_700_000_000).abs() <= fit.error_ns.expect("both ways"), "{fit:?}");
        assert!(fit.error_ns.expect("both ways") < 100 * MICROS);
        assert_eq!(fit.drift_ppb, 0);
    }

    #[test]
    fn drift_is_followed_over_a_long_recording() {
        let mut mesh = Mesh::new(2);
        chat(&mut mesh, (A, 0), (B, -900_000_000), 600, 20_000);
        let clocks = mesh.clocks();
        for t in [0, 300 * SECONDS, 599 * SECONDS] {
            let node_time = Timestamp(t - 900_000_000 + t / SECONDS * 20_000);
            let error = clocks.align(B, node_time).0 - t;
            assert!(error.abs() < 100 * MICROS, "{error} ns off at {t}");
        }
    }

    #[test]
    fn a_node_is_reached_through_another() {
        let mut mesh = Mesh::new(3);
        chat(&mut mesh, (A, 0), (B, SECONDS), 3, 0);
        chat(&mut mesh, (B, SECONDS), (C, 3 * SECONDS), 3, 0);
        assert!(mesh.is_tied(4));
        let fit = mesh.clocks().fit(C);
        assert!((fit.offset_ns - 3 * SECONDS).abs() < 200 * MICROS, "{fit:?}");
    }

    #[test]
    fn one_way_traffic_moves_a_clock_that_cannot_be_right() {
        for (delay, guessed) in [(3 * SECONDS, 3 * SECONDS), (-SECONDS, -SECONDS), (MICROS, 0), (0, 0)] {
            let mut mesh = Mesh::new(3);
            mesh.observe((A, Timestamp(100)), (B, Timestamp(100 + delay)));
            mesh.observe((C, Timestamp(100)), (A, Timestamp(100 + delay)));
            let clocks = mesh.clocks();
            assert_eq!((clocks.fit(B).offset_ns, clocks.fit(B).error_ns), (guessed, None));
            assert_eq!((clocks.fit(C).offset_ns, clocks.fit(C).error_ns), (-guessed, None));
        }
    }

    #[test]
    fn nodes_apart_from_the_first_are_tied_to_each_other() {
        let mut mesh = Mesh::new(3);
        mesh.observe((B, Timestamp(0)), (C, Timestamp(-4 * SECONDS)));
        let fit = mesh.clocks().fit(C);
        assert_eq!((fit.offset_ns, fit.error_ns), (-4 * SECONDS, None));
    }

    #[test]
    fn minima_that_contradict_each_other_are_not_taken_for_certain() {
        let mut mesh = Mesh::new(2);
        mesh.observe((A, Timestamp(0)), (B, Timestamp(4)));
        mesh.observe((B, Timestamp(100)), (A, Timestamp(70)));
        assert_eq!(mesh.clocks().fit(B).error_ns, Some(13));
    }

    #[test]
    fn one_way_traffic_bounds_nothing_and_a_given_offset_wins() {
        let mut mesh = Mesh::new(2);
        mesh.observe((A, Timestamp(0)), (B, Timestamp(5)));
        assert!(!mesh.is_tied(1));
        assert_eq!(mesh.clocks().fit(B).error_ns, None);
        assert_eq!(mesh.clocks().fit(B).offset_ns, 0, "a delay of 5 ns can be");
        mesh.give(B, 42);
        assert_eq!(mesh.clocks().fit(B).offset_ns, 42);
        assert!(mesh.is_tied(1));
    }
}
