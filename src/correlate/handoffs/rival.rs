//! The exchanges of one host that may belong to each other.

use std::borrow::Cow;

use hashbrown::HashMap;
use slab::Slab;
use smallvec::SmallVec;

use super::evidence::{self, Clues};
use super::pace::{self, Pace};
use super::passage::{Delays, Host, Passage, Seen, within};
use super::unsure::line_hash;
use super::{Bench, Held, LAG, PATIENCE, World, seen};
use crate::model::{
    Application, Endpoint, Evidence, EvidenceKind, NodeId, Proxy, SECONDS, Timestamp, Topology, Tuple, Way,
};

/// Pairs that weigh less are not looked at again.
const FLOOR: f64 = -3.0;
/// The logarithm of the weight of a try that was for no request: a node seldom asks in vain on its own account. A pair
/// that weighs less as a try is none.
pub(super) const FAILED_ALONE: f64 = -3.5;
/// By so much more content must speak for a pair than for another for that one not to matter.
const CLEARLY: f64 = 4.0;
/// Exchanges into the host that one out of it is compared with: the latest ones.
const MAX_COMPARED: usize = 512;
/// Of those that fit, the likeliest that are kept.
const MAX_KEPT: usize = 32;
/// So many that ended may stand among them.
const CROWDED: usize = 64;
/// The logarithm of how rare a request line is that tells by itself where it came from.
const RARE: f64 = 5.0;
/// How much earlier than the exchange into the host the one out of it may be stamped, at most.
const SLACK: i64 = 2_000_000;
/// The logarithm of the weight of staying alone: a proxy seldom answers a request by itself, ...
const ANSWERED_ALONE: f64 = -3.0;
/// ... unless its answer looks like that.
const ANSWERED_LIKE_A_PROXY: f64 = 0.0;
/// Requests looked for in one connection that is not understood.
const MAX_REQUESTS: usize = 16;
/// A request that a proxy made has one that it continues, unless that was not captured.
const FORWARDED_ALONE: f64 = -4.0;
/// What is asked from a node may be the node's own business.
const ASKED_ALONE: f64 = 0.0;

/// One exchange in or out of the host, closed or open.
pub(super) struct Side<'a> {
    pub seen: Seen<'a>,
    pub passage: Cow<'a, Passage>,
    /// Its slot, where it is closed.
    pub slot: Option<u32>,
    since: Timestamp,
    /// Which of the requests of a connection that is not understood this stands for, from 0.
    pub request: u32,
}

impl<'a> Side<'a> {
    /// The address that the proxy listens at, of an exchange into it.
    pub(super) fn listener(&self) -> Option<Endpoint> {
        self.seen.leg.target.or(self.seen.leg.server)
    }

    /// A closed connection that is not understood may carry several requests, one after the other: as many as there
    /// were turns after its handshake, at most.
    fn further_requests(&self) -> impl Iterator<Item = Side<'a>> + use<'a> {
        let is_opaque = self.slot.is_some() && self.seen.exchange.application == Application::Tls;
        let turns = if is_opaque { self.passage.turns() } else { 0 };
        let (seen, slot, since, passage) = (self.seen, self.slot, self.since, self.passage.clone());
        (1..turns.saturating_sub(1).min(MAX_REQUESTS)).map(move |request| Side {
            seen,
            passage: passage.clone(),
            slot,
            since,
            request: request as u32,
        })
    }
}

/// An exchange into the host and one out of it that may be its continuation.
pub(super) struct Pair {
    /// Index of the exchange into the host, and of the one out of it.
    pub row: u32,
    pub col: u32,
    pub delays: Delays,
    pub content: f64,
    /// What content other than time says by itself.
    pub telling: f64,
    /// How long the exchange into the host took, in nanoseconds: the time in which others could have begun.
    window: i64,
    /// Its weight as a try that the proxy gave up.
    pub tried: Option<f64>,
    /// The bytes came through unread.
    pub is_through: bool,
    /// Pairs were left out, of the one side or the other, that content makes no less likely.
    pub is_crowded: bool,
}

impl Pair {
    /// As a continuation or as a try, whichever is likelier.
    fn weight(&self, bench: &Bench) -> f64 {
        let timing = self.timing(&bench.paces);
        self.tried.unwrap_or(FLOOR).max(self.content + timing)
    }

    /// Whether it is worth another look.
    fn is_likely(&self, bench: &Bench) -> bool {
        self.content + 2.0 * pace::STRONGEST_FOR > FLOOR && self.content + self.timing(&bench.paces) > FLOOR
    }

    /// What the delays of request and answer say, given how long the proxy usually takes.
    pub(super) fn timing(&self, paces: &[Pace; 2]) -> f64 {
        let weigh =
            |(pace, delay): (&Pace, Option<i64>)| delay.map_or(0.0, |delay| pace.weigh(delay, self.window));
        paces.iter().zip(self.delays.by_way()).map(weigh).sum()
    }
}

/// What the sides of a host are decided from.
pub(super) struct Rivals<'a> {
    topology: &'a Topology,
    host: Host,
    pub node: Option<NodeId>,
    /// What goes in and out of the host is captured.
    pub is_watched: bool,
    now: Timestamp,
    /// Nothing may be waited for.
    pub is_forced: bool,
    /// Exchanges into the host, and out of it, by their start.
    pub rows: Vec<Side<'a>>,
    pub cols: Vec<Side<'a>>,
    /// How many of `rows` stand for requests of one connection, by its slot, where it is more than one.
    pub requests: HashMap<u32, u32>,
    /// How many of `rows` and of `cols` have each request line.
    lines: HashMap<Line<'a>, [u32; 2]>,
}

/// An exchange into the host that had begun when one out of it did.
struct Running {
    row: usize,
    end: Timestamp,
    /// A digest of what it asks for.
    line: u64,
}

/// Method, path and host.
pub(super) type Line<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

pub(super) fn line(seen: Seen<'_>) -> Line<'_> {
    (seen.exchange.method.as_deref(), seen.exchange.path.as_deref(), seen.exchange.host.as_deref())
}

impl<'a> Rivals<'a> {
    pub(super) fn gather(
        host: Host,
        bench: &Bench,
        held: &'a Slab<Held>,
        open: &'a [Seen<'a>],
        world: World<'a>,
        is_forced: bool,
    ) -> Rivals<'a> {
        let closed = |slots: &[u32], passage: fn(&Held) -> Option<&Passage>| -> Vec<Side<'a>> {
            let side = |&slot: &u32| {
                let held = &held[slot as usize];
                Some(Side {
                    seen: seen(&held.trail),
                    passage: Cow::Borrowed(passage(held)?),
                    slot: Some(slot),
                    since: held.since,
                    request: 0,
                })
            };
            slots.iter().filter_map(side).collect()
        };
        let mut rows = closed(&bench.inbound, |held| held.inbound.as_ref());
        let mut cols = closed(&bench.outbound, |held| held.outbound.as_ref());
        for &seen in open {
            let passage = |is_inbound| {
                Passage::new(seen, host, is_inbound, world.topology, world.ahead).map(|passage| Side {
                    seen,
                    passage: Cow::Owned(passage),
                    slot: None,
                    since: world.now,
                    request: 0,
                })
            };
            if seen.server_host(world.topology) == Some(host) {
                rows.extend(passage(true));
            }
            if seen.client_host(world.topology) == host {
                cols.extend(passage(false));
            }
        }
        let more: Vec<Side<'a>> = rows.iter().flat_map(Side::further_requests).collect();
        let mut requests = HashMap::new();
        for slot in more.iter().filter_map(|side| side.slot) {
            *requests.entry(slot).or_insert(1) += 1;
        }
        rows.extend(more);
        rows.sort_by_key(|side| (side.passage.start(), side.seen.leg.client));
        cols.sort_by_key(|side| (side.passage.start(), side.seen.leg.client));
        let mut lines: HashMap<Line<'a>, [u32; 2]> = HashMap::new();
        for (at, sides) in [&rows, &cols].into_iter().enumerate() {
            for side in sides {
                lines.entry(line(side.seen)).or_default()[at] += 1;
            }
        }
        Rivals {
            topology: world.topology,
            host,
            node: host.node(world.topology),
            is_watched: host.is_watched(world.topology),
            now: world.now,
            is_forced,
            rows,
            cols,
            requests,
            lines,
        }
    }

    /// Every pair that is possible, by the start of what continues.
    pub(super) fn pairs(&self, bench: &Bench, through: &HashMap<Tuple, Tuple>) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut left_out = LeftOut::default();
        let mut running: Vec<Running> = Vec::new();
        // Those that ended are taken out when there are many.
        let mut crowded = CROWDED;
        let mut begun = 0;
        for (col, after) in self.cols.iter().enumerate() {
            let start = after.passage.start();
            while begun < self.rows.len() && self.rows[begun].passage.start() <= start.plus(SLACK) {
                let Side { seen, passage, .. } = &self.rows[begun];
                running.push(Running {
                    row: begun,
                    end: passage.end.plus(SLACK),
                    line: line_hash(line(*seen)),
                });
                begun += 1;
            }
            if running.len() >= crowded {
                running.retain(|it| it.end >= start);
                crowded = 2 * running.len() + CROWDED;
            }
            // It was answered before the exchange that it continues was.
            let answered = after.passage.reply.first().map_or(start, |&answer| answer.max(start));
            let rarity = self.rarity(after.seen);
            let told = self.is_told_by_line(after.seen, rarity).then(|| line_hash(line(after.seen)));
            let fits = |it: &&Running| it.end >= answered && told.is_none_or(|line| line == it.line);
            let first_pair = pairs.len();
            for row in running.iter().rev().filter(fits).map(|it| it.row).take(MAX_COMPARED) {
                let before = &self.rows[row];
                if before.slot.is_some() && before.slot == after.slot || is_same_leg(before, after) {
                    continue;
                }
                if let Some(delays) = within(&before.passage, &after.passage) {
                    let pair = self.pair((row, before), (col, after, rarity), delays, bench, through);
                    if pair.tried.is_some_and(|weight| weight > FAILED_ALONE) || pair.is_likely(bench) {
                        pairs.push(pair);
                    }
                }
            }
            if pairs.len() - first_pair > MAX_KEPT {
                let weight = |pair: &Pair| pair.weight(bench);
                pairs[first_pair..]
                    .sort_by_cached_key(|pair| (std::cmp::Reverse((weight(pair) * 1e6) as i64), pair.row));
                for dropped in pairs.drain(first_pair + MAX_KEPT..) {
                    left_out.note(&dropped);
                }
            }
        }
        left_out.mark(&mut pairs);
        pairs
    }

    fn pair(
        &self,
        (row, before): (usize, &Side<'a>),
        (col, after, rarity): (usize, &Side<'a>, f64),
        delays: Delays,
        bench: &Bench,
        through: &HashMap<Tuple, Tuple>,
    ) -> Pair {
        let window = before.passage.end.since(before.passage.start()).clamp(10_000, 1_000_000_000);
        let clues = self.clues(before, after, rarity);
        let agreement: f64 = clues.iter().map(|(_, weight)| weight).sum();
        let telling = clues.iter().filter(|(kind, _)| *kind != EvidenceKind::Timing);
        // What is still open has not failed yet.
        let has_failed = after.slot.is_some() && evidence::has_failed(after.seen);
        let request =
            || delays.request.map_or(0.0, |delay| bench.paces[Way::Request as usize].weigh(delay, window));
        let tried = has_failed.then(|| agreement + request());
        let failure = if has_failed { evidence::failure(before.seen, after.seen) } else { 0.0 };
        let mut content = agreement + failure;
        let is_through = evidence::is_passed_through(before.seen, after.seen);
        if is_through && let Some(known) = through.get(&before.seen.leg.faces[0]) {
            let is_known = *known == after.seen.leg.faces[0];
            content += if is_known { evidence::SAME_CONNECTION } else { -evidence::SAME_CONNECTION };
        }
        Pair {
            row: row as u32,
            col: col as u32,
            delays,
            content,
            telling: telling.map(|(_, weight)| weight).sum(),
            window,
            tried,
            is_through,
            is_crowded: false,
        }
    }

    fn clues(&self, before: &Side<'a>, after: &Side<'a>, rarity: f64) -> Clues {
        let mut clues = evidence::clues(before.seen, after.seen, self.host, self.topology, rarity);
        if after.slot.is_none() || before.slot.is_none() {
            // What is still open has not said everything of its answer.
            clues.retain(|(kind, _)| *kind != EvidenceKind::ResponsePayload);
        }
        clues
    }

    /// The logarithm of how rare a request line is among what goes out of the host now.
    fn rarity(&self, seen: Seen<'a>) -> f64 {
        let same = self.lines.get(&line(seen)).map_or(1, |[_, out]| *out);
        (self.cols.len() as f64 / f64::from(same)).ln()
    }

    /// Whether a rare request line says what an exchange out of the host continues: one that asks for the same, of
    /// which there are as many. Another that was rewritten to just that line is then out of the question.
    fn is_told_by_line(&self, seen: Seen<'a>, rarity: f64) -> bool {
        let [asked, out] = self.lines.get(&line(seen)).copied().unwrap_or_default();
        seen.exchange.path.is_some() && rarity >= RARE && asked >= out
    }

    /// Whether a side is closed and was held long enough to be decided.
    pub(super) fn is_ripe(&self, side: &Side<'_>) -> bool {
        side.slot.is_some() && (self.is_forced || self.now.since(side.since) >= LAG)
    }

    /// The end of what was seen so far, but for stamps out of order.
    pub(super) fn latest(&self) -> Timestamp {
        self.now.plus(-SECONDS)
    }

    /// How many of `rows` stand for the same connection as one of them.
    pub(super) fn requests(&self, row: u32) -> u32 {
        let slot = self.rows[row as usize].slot;
        slot.and_then(|slot| self.requests.get(&slot)).copied().unwrap_or(1)
    }

    /// Whether a continuation that is still open is waited for.
    pub(super) fn waits_for(&self, row: usize, col: usize) -> bool {
        !self.is_forced && self.cols[col].slot.is_none() && self.now.since(self.rows[row].since) < PATIENCE
    }

    /// The connections of a pair, as they were first seen.
    pub(super) fn connections(&self, pair: &Pair) -> (Tuple, Tuple) {
        let (before, after) = (&self.rows[pair.row as usize], &self.cols[pair.col as usize]);
        (before.seen.leg.faces[0], after.seen.leg.faces[0])
    }

    /// What kind of proxy it is: as the user says or the process is called that listens, else by
    /// what it writes into requests, else by the address it is
    /// asked at (HAProxy listens on a VIP), else as it was found before.
    pub(super) fn proxy(&self, before: &Side<'_>, after: &Side<'_>, bench: &Bench) -> Proxy {
        let listener = before.listener();
        if let Some(given) = listener.and_then(|listener| self.topology.proxy_at(listener)) {
            return given;
        }
        let known = || listener.and_then(|listener| bench.kinds.get(&listener)).copied();
        match after.seen.marks.map_or(Proxy::Unknown, |marks| marks.agent) {
            Proxy::Unknown if self.is_vip(before, after) => Proxy::Haproxy,
            Proxy::Unknown => known().unwrap_or(Proxy::Unknown),
            agent => agent,
        }
    }

    /// What speaks for a pair, for the eye. Who listens says which proxy it is, and nothing of which request.
    pub(super) fn evidence(
        &self,
        pair: &Pair,
        before: &Side<'a>,
        after: &Side<'a>,
    ) -> SmallVec<[Evidence; 2]> {
        let clues = self.clues(before, after, self.rarity(after.seen));
        let mut evidence = evidence::explain(&clues, pair.delays, before.seen.marks, after.seen.marks);
        let listeners = &self.topology.names.listeners;
        let owner = before.listener().and_then(|at| Some((at, listeners.get(&at)?)));
        evidence.extend(owner.map(|(at, process)| Evidence {
            kind: EvidenceKind::SocketOwner,
            detail: format!("{process} {at}").into(),
        }));
        evidence
    }

    /// Whether a proxy is asked at an address of its own beside the one it asks from.
    pub(super) fn is_vip(&self, before: &Side<'_>, after: &Side<'_>) -> bool {
        matches!(self.host, Host::Node(_))
            && before.listener().is_some_and(|listener| listener.ip != after.seen.leg.client.ip)
    }

    /// The logarithm of the weight of a request that nothing continues.
    pub(super) fn inbound_alone(&self, row: usize) -> f64 {
        if self.rows[row].request > 0 || !self.is_watched {
            return ANSWERED_LIKE_A_PROXY;
        }
        match self.rows[row].seen.exchange.status {
            Some(301..=308 | 400..=499 | 502..=504) => ANSWERED_LIKE_A_PROXY,
            _ => ANSWERED_ALONE,
        }
    }

    /// The logarithm of the weight of a request that continues nothing.
    pub(super) fn outbound_alone(&self, col: usize) -> f64 {
        let is_made_by_proxy = evidence::is_forwarded(self.cols[col].seen.marks);
        if is_made_by_proxy && self.is_watched { FORWARDED_ALONE } else { ASKED_ALONE }
    }
}

fn is_same_leg(before: &Side<'_>, after: &Side<'_>) -> bool {
    std::ptr::eq(before.seen.leg, after.seen.leg) || before.seen.leg.faces[0] == after.seen.leg.faces[0]
}

/// What content said of the pairs that were left out: the most for each exchange.
#[derive(Default)]
struct LeftOut {
    rows: HashMap<u32, f64>,
    cols: HashMap<u32, f64>,
}

impl LeftOut {
    fn note(&mut self, pair: &Pair) {
        for (sides, side) in [(&mut self.rows, pair.row), (&mut self.cols, pair.col)] {
            let most = sides.entry(side).or_insert(f64::MIN);
            *most = most.max(pair.content);
        }
    }

    fn mark(&self, pairs: &mut [Pair]) {
        if self.rows.is_empty() {
            return;
        }
        for pair in pairs {
            let most = [self.rows.get(&pair.row), self.cols.get(&pair.col)];
            pair.is_crowded = most.into_iter().flatten().any(|most| pair.content - most < CLEARLY);
        }
    }
}
