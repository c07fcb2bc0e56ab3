//! Whether a proxy keeps the order of requests and answers, and what that says of a pair.
//!
//! A proxy with one event loop (HAProxy) handles what comes in mostly in its order; one with a thread for each request
//! (Traefik) does not. Where the order is kept, the tenth in is the tenth out.

use smallvec::SmallVec;

use super::rival::{Pair, Rivals, Side};
use crate::model::{Endpoint, Proxy, Timestamp};

/// How often HAProxy keeps the order, before anything was learned.
const KEPT_BY_HAPROXY: f64 = 0.9;
/// Joins, sure by themselves, after which what was learned is believed.
const ENOUGH: f64 = 20.0;
const MEMORY: f64 = 200.0;
/// A proxy that keeps the order less often says nothing by it.
const ORDERLY: f64 = 0.6;
/// What each further place out of order weighs.
const FURTHER: f64 = 0.25;
const STRONGEST_AGAINST: f64 = -4.0;

/// How often a host kept the order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orderliness {
    kept: f64,
    joins: f64,
}

impl Orderliness {
    pub(super) fn learn(&mut self, is_kept: Option<bool>) {
        let Some(is_kept) = is_kept else { return };
        self.joins = (self.joins + 1.0).min(MEMORY);
        self.kept += (f64::from(u8::from(is_kept)) - self.kept) / self.joins;
    }

    /// The share that is believed to keep the order; `None` where that says nothing.
    fn share(self, proxy: Proxy) -> Option<f64> {
        let share = match proxy {
            _ if self.joins >= ENOUGH => self.kept,
            Proxy::Haproxy => KEPT_BY_HAPROXY,
            Proxy::Traefik | Proxy::Unknown => return None,
        };
        (share >= ORDERLY).then_some(share.min(0.97))
    }
}

/// How a pair stands in the order of its group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// How many places later than in order the one comes out than the other came in.
    pub later: i64,
    /// Another one came in while this one was held, so that the order could have changed.
    pub is_contested: bool,
}

/// By pair, how requests and answers stand in their order.
pub(super) fn places(rivals: &Rivals<'_>, pairs: &[Pair], probable: &[f64]) -> Vec<[Option<Place>; 2]> {
    let groups = Groups::new(rivals, pairs, probable);
    let request = groups.ranks(rivals, |side| Some(side.passage.start()));
    let reply = groups.ranks(rivals, |side| side.passage.reply.first().copied());
    let place = |pair: &Pair, ranks: &Ranks, delay: Option<i64>| {
        let (row, col) = (pair.row as usize, pair.col as usize);
        let is_same_group = groups.cols[col].is_some_and(|group| Some(group) == groups.rows[row]);
        let (entry, exit) = (ranks.rows[row]?, ranks.cols[col]?);
        let is_contested = delay.is_some_and(|delay| entry.gap < delay);
        is_same_group.then_some(Place { later: exit.rank - entry.rank, is_contested })
    };
    let both = |pair: &Pair| {
        let [asked, answered] = pair.delays.by_way();
        [place(pair, &request, asked), place(pair, &reply, answered)]
    };
    pairs.iter().map(both).collect()
}

/// What its place in the order says of a pair: nothing while it is kept, else something against it.
///
/// Two that changed places are both out of order, so each of them has half of the weight; and who overtakes on the
/// way in often comes back first, so of request and answer only the stronger counts.
pub(super) fn weigh(
    orders: [Orderliness; 2],
    proxy: impl FnOnce() -> Proxy,
    places: [Option<Place>; 2],
) -> f64 {
    let is_moved = |place: &Option<Place>| place.is_some_and(|place| place.later != 0);
    if !places.iter().any(is_moved) {
        return 0.0;
    }
    let proxy = proxy();
    let against = orders.into_iter().zip(places).map(|(order, place)| {
        let Some((share, place)) = order.share(proxy).zip(place.filter(|place| place.later != 0)) else {
            return 0.0;
        };
        let overtaking = ((1.0 - share) / 2.0 / share).ln() / 2.0;
        (overtaking - FURTHER * (place.later.unsigned_abs() - 1) as f64).max(STRONGEST_AGAINST)
    });
    against.fold(0.0, f64::min)
}

/// The requests to one listening socket, and what most likely continues them.
struct Groups {
    rows: Vec<Option<Endpoint>>,
    is_paired: Vec<bool>,
    cols: Vec<Option<Endpoint>>,
}

/// The place of one side among those of its group.
#[derive(Clone, Copy)]
struct Rank {
    rank: i64,
    /// Nanoseconds to the nearest neighbour.
    gap: i64,
}

struct Ranks {
    rows: Vec<Option<Rank>>,
    cols: Vec<Option<Rank>>,
}

impl Groups {
    fn new(rivals: &Rivals<'_>, pairs: &[Pair], probable: &[f64]) -> Groups {
        let rows: Vec<Option<Endpoint>> = rivals.rows.iter().map(Side::listener).collect();
        let mut is_paired = vec![false; rows.len()];
        let mut shares: Vec<SmallVec<[(Endpoint, f64); 2]>> = vec![SmallVec::new(); rivals.cols.len()];
        for (pair, probability) in pairs.iter().zip(probable) {
            is_paired[pair.row as usize] = true;
            if let Some(group) = rows[pair.row as usize] {
                let shares = &mut shares[pair.col as usize];
                match shares.iter_mut().find(|(known, _)| *known == group) {
                    Some((_, share)) => *share += probability,
                    None => shares.push((group, *probability)),
                }
            }
        }
        let likeliest = |shares: &SmallVec<[(Endpoint, f64); 2]>| {
            shares.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))).map(|(group, _)| *group)
        };
        Groups { cols: shares.iter().map(likeliest).collect(), rows, is_paired }
    }

    /// The rank of each side in its group, by a time of it.
    fn ranks(&self, rivals: &Rivals<'_>, time: impl Fn(&Side<'_>) -> Option<Timestamp>) -> Ranks {
        let rows = rank(&rivals.rows, &time, |index| self.rows[index].filter(|_| self.is_paired[index]));
        let cols = rank(&rivals.cols, &time, |index| self.cols[index]);
        Ranks { rows, cols }
    }
}

fn rank(
    sides: &[Side<'_>],
    time: &impl Fn(&Side<'_>) -> Option<Timestamp>,
    group: impl Fn(usize) -> Option<Endpoint>,
) -> Vec<Option<Rank>> {
    let mut order: Vec<(Endpoint, Timestamp, usize)> = sides
        .iter()
        .enumerate()
        .filter_map(|(index, side)| Some((group(index)?, time(side)?, index)))
        .collect();
    order.sort_unstable();
    let mut ranks = vec![None; sides.len()];
    let mut rank = 0;
    for (at, &(group, time, index)) in order.iter().enumerate() {
        let neighbour = |other: Option<&(Endpoint, Timestamp, usize)>| {
            other.filter(|(of, ..)| *of == group).map_or(i64::MAX, |(_, other, _)| time.since(*other).abs())
        };
        let before = at.checked_sub(1).and_then(|at| order.get(at));
        rank = if before.is_some_and(|(of, ..)| *of == group) { rank + 1 } else { 0 };
        let gap = neighbour(before).min(neighbour(order.get(at + 1)));
        ranks[index] = Some(Rank { rank, gap });
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_says_something_only_of_a_proxy_that_keeps_it() {
        let weigh = |order, proxy, later| {
            let place = Some(Place { later, is_contested: true });
            super::weigh([order; 2], || proxy, [place, None])
        };
        let unknown = Orderliness::default();
        assert!(weigh(unknown, Proxy::Traefik, 3).abs() < f64::EPSILON);
        assert!(weigh(unknown, Proxy::Haproxy, 0).abs() < f64::EPSILON);
        assert!(weigh(unknown, Proxy::Haproxy, 3) < weigh(unknown, Proxy::Haproxy, 1));
        assert!(weigh(unknown, Proxy::Haproxy, 1) < -1.0);
        let mut learned = Orderliness::default();
        for round in 0..100 {
            learned.learn(Some(round % 4 == 0));
        }
        assert!(weigh(learned, Proxy::Haproxy, 3).abs() < f64::EPSILON);
    }
}
