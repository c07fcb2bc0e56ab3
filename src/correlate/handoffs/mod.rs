//! Proxies: which exchange out of a host continues which exchange into it.
//!
//! A proxy ends one connection and opens, or reuses, another; only evidence joins the two. Closed trails that end
//! or begin at a possible proxy are held for a moment, until whatever ran at the same time is known too. Then all
//! rivals at one host are decided together:
//! 1. An exchange out of the host must lie within the one it continues ([`passage::within`]).
//! 2. Clues speak for or against each pair ([`evidence`]), and how long the proxy held
//!    it ([`pace`]) and in which order ([`order`]).
//! 3. [`matching`] says how likely each pair is, given that each goes on at most once ([`odds`], [`choice`]).
//! 4. What was decided becomes a chain of legs ([`chain`]), handed on as one trail.
//!
//! Time alone never makes a join sure: its confidence is what it would be if only the order in time were known and
//! not the delay, or else it stays below [`Confidence::SURE`].

mod chain;
mod choice;
mod circles;
mod evidence;
mod groups;
mod matching;
mod odds;
mod order;
mod pace;
mod passage;
mod rival;
#[cfg(test)]
mod tests;
mod unsure;

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hashbrown::{HashMap, HashSet};
use slab::Slab;

use self::choice::Decisions;
pub(super) use self::evidence::is_forwarded;
use self::order::Orderliness;
use self::pace::Pace;
pub(super) use self::passage::Seen;
use self::passage::{Host, Passage};
use self::rival::Rivals;
use self::unsure::Unsure;
use crate::model::{
    Change, Endpoint, Ip, Join, MILLIS, Protocol, Proxy, SECONDS, Timestamp, Topology, Trail, Tuple,
};

/// Trails held at once; beyond it all are decided with what is known.
const MAX_HELD: usize = 16_384;
/// Exchanges still open that are looked at with what is held: those that began last.
pub(super) const MAX_OPEN: usize = 8_192;
/// Pods and machines outside the capture that are known to be proxies, and connections known to pass through.
const MAX_KNOWN: usize = 65_536;
/// Listening sockets of one host.
const MAX_KINDS: usize = 256;
/// So many that are held are worth a second thread.
const CROWDED: usize = 256;
/// For each so many exchanges that are held or open, the next round waits for one more [`LAG`], up to the most: a trail that
/// is held is looked at in every round, so rarer ones cost less.
const BUSY: usize = 300;
const MOST_PAUSES: usize = 5;
/// How long a trail is held before it is decided: what ran beside it is handed on a little later.
const LAG: i64 = 100 * MILLIS;
/// How long it waits for a continuation that is still open.
const PATIENCE: i64 = 70 * SECONDS;

/// What is known of the world when trails are decided.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub topology: &'a Topology,
    /// How far each node's clock is ahead, by node.
    pub ahead: &'a [i64],
    pub now: Timestamp,
}

/// A trail that waits for a decision.
struct Held {
    trail: Box<Trail>,
    since: Timestamp,
    /// How it lies at the host that serves it, until it is decided what continues it.
    inbound: Option<Passage>,
    /// How it lies at the host that opened it, until it is decided what it continues.
    outbound: Option<Passage>,
    /// What it continues.
    previous: Option<u32>,
    /// What continues it.
    next: Vec<(u32, Join)>,
}

/// The exchanges in and out of one host that are not decided yet, and what its delays are like.
#[derive(Default)]
struct Bench {
    inbound: Vec<u32>,
    outbound: Vec<u32>,
    /// Of requests and of answers.
    paces: [Pace; 2],
    orders: [Orderliness; 2],
    /// Which kind of proxy listens where, as far as what it sent out gave it away.
    kinds: HashMap<Endpoint, Proxy>,
    unsure: Unsure,
}

/// See the module.
#[derive(Default)]
pub(super) struct Handoffs {
    held: Slab<Held>,
    benches: BTreeMap<Host, Bench>,
    /// Addresses, of pods or outside, from which requests came that only a proxy makes.
    proxies: HashSet<Ip>,
    /// Connections whose bytes come through unread, and the connections they go on in.
    through: HashMap<Tuple, Tuple>,
    next_round: Timestamp,
}

impl Handoffs {
    /// Whether `ip` may be a proxy's: a node's own address, or one that was seen to hand requests on.
    pub(super) fn may_proxy(&self, ip: Ip, topology: &Topology) -> bool {
        topology.node_addresses.contains_key(&ip)
            || self.proxies.contains(&ip)
            || topology.proxies.iter().any(|proxy| proxy.ip == ip)
    }

    /// Notes who sent what only a proxy sends.
    pub(super) fn learn_proxy(&mut self, client: Ip) {
        if self.proxies.len() < MAX_KNOWN {
            self.proxies.insert(client);
        }
    }

    /// Takes a closed trail to hold; gives it back where no proxy can be at either end.
    pub(super) fn hold(&mut self, trail: Box<Trail>, world: World<'_>) -> Option<Box<Trail>> {
        let [leg] = trail.legs.as_slice() else { return Some(trail) };
        if leg.protocol != Protocol::Tcp {
            return Some(trail);
        }
        if is_forwarded(trail.marks.as_deref()) {
            self.learn_proxy(leg.client.ip);
        }
        let seen = seen(&trail);
        let at = |end: Option<Endpoint>, is_inbound: bool| {
            let ip = end.map(|end| end.ip).filter(|&ip| self.may_proxy(ip, world.topology))?;
            let host = Host::of(ip, world.topology);
            Some((host, Passage::new(seen, host, is_inbound, world.topology, world.ahead)?))
        };
        let inbound = at(leg.server.or(leg.target), true);
        let outbound = at(Some(leg.client), false);
        if inbound.is_none() && outbound.is_none() {
            return Some(trail);
        }
        if self.held.is_empty() {
            self.next_round = world.now.plus(LAG);
        }
        let entry = self.held.vacant_entry();
        let slot = entry.key() as u32;
        if let Some((host, _)) = inbound {
            self.benches.entry(host).or_default().inbound.push(slot);
        }
        if let Some((host, _)) = outbound {
            self.benches.entry(host).or_default().outbound.push(slot);
        }
        entry.insert(Held {
            trail,
            since: world.now,
            inbound: inbound.map(|(_, passage)| passage),
            outbound: outbound.map(|(_, passage)| passage),
            previous: None,
            next: Vec::new(),
        });
        None
    }

    /// Whether it is time to decide.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        !self.held.is_empty() && (now >= self.next_round || self.held.len() >= MAX_HELD)
    }

    /// The time in which an exchange must run to have a bearing on what is held, with a margin for what has a bearing
    /// on that in turn; core time.
    pub(super) fn span(&self) -> (Timestamp, Timestamp) {
        let mut span = (Timestamp(i64::MAX), Timestamp(i64::MIN));
        for (_, held) in &self.held {
            for passage in held.inbound.iter().chain(&held.outbound) {
                // Without an answer it may have gone on until it was closed.
                let end = if passage.reply.is_empty() { held.since } else { passage.end };
                span = (span.0.min(passage.start()), span.1.max(end));
            }
        }
        (span.0.plus(-LAG), span.1.plus(LAG))
    }

    /// Decides what can be decided. `open` are the exchanges that are not handed on yet: rivals, or continuations to
    /// wait for. At the end of the input everything is decided.
    pub(super) fn decide(
        &mut self,
        open: &[Seen<'_>],
        world: World<'_>,
        is_end: bool,
        changes: &mut VecDeque<Change>,
    ) {
        let is_forced = is_end || self.held.len() >= MAX_HELD;
        let decide = |host: Host, bench: &Bench| {
            let rivals = Rivals::gather(host, bench, &self.held, open, world, is_forced);
            let pairs = rivals.pairs(bench, &self.through);
            choice::decide(&rivals, bench, &pairs)
        };
        let decided = if self.held.len() < CROWDED {
            self.benches.iter().map(|(&host, bench)| decide(host, bench)).collect()
        } else {
            on_two_threads(&self.benches, &decide)
        };
        let mut settled = Vec::new();
        for (bench, decisions) in self.benches.values_mut().zip(decided) {
            apply(decisions, &mut self.held, bench, &mut self.through, &mut settled);
        }
        self.through_is_bounded();
        for slot in settled {
            self.hand_on(slot, changes);
        }
        // Where much runs at once, rounds are dear and waiting is cheap.
        let pauses = ((open.len() + self.held.len()) / BUSY).clamp(1, MOST_PAUSES);
        self.next_round = world.now.plus(LAG * pauses as i64);
    }

    fn through_is_bounded(&mut self) {
        if self.through.len() > MAX_KNOWN {
            self.through.clear();
        }
    }

    /// Hands on the chain that the trail in `slot` belongs to, once all of it is decided.
    fn hand_on(&mut self, slot: u32, changes: &mut VecDeque<Change>) {
        let mut head = slot;
        while let Some(previous) = self.held.get(head as usize).and_then(|held| held.previous) {
            head = previous;
        }
        if self.is_decided(head) {
            let trail = self.assemble(head, changes);
            changes.push_back(Change::Upsert(trail));
        }
    }

    fn is_decided(&self, slot: u32) -> bool {
        self.held.get(slot as usize).is_some_and(|held| {
            held.inbound.is_none()
                && held.outbound.is_none()
                && held.next.iter().all(|&(next, _)| self.is_decided(next))
        })
    }

    /// Takes a decided chain out.
    fn assemble(&mut self, slot: u32, changes: &mut VecDeque<Change>) -> Box<Trail> {
        let Held { trail: mut head, mut next, .. } = self.held.remove(slot as usize);
        next.sort_by_key(|(slot, _)| self.held[*slot as usize].trail.id);
        for (slot, join) in next {
            let trail = self.assemble(slot, changes);
            if !chain::has_room(&head, &trail) {
                changes.push_back(Change::Upsert(trail));
                continue;
            }
            // Open revisions of it were handed on before.
            if trail.revision > 1 {
                changes.push_back(Change::Withdraw(trail.id));
            }
            chain::append(&mut head, join, *trail);
        }
        head
    }
}

/// What `decide` makes of each host, in their order. Hosts do not depend on each other in this; the busiest begin.
fn on_two_threads(
    benches: &BTreeMap<Host, Bench>,
    decide: &(dyn Fn(Host, &Bench) -> Decisions + Sync),
) -> Vec<Decisions> {
    let mut work: Vec<(Host, &Bench)> = benches.iter().map(|(&host, bench)| (host, bench)).collect();
    work.sort_by_key(|(_, bench)| Reverse(bench.inbound.len() + bench.outbound.len()));
    let next = AtomicUsize::new(0);
    let take = || -> Vec<(Host, Decisions)> {
        let taken = std::iter::from_fn(|| work.get(next.fetch_add(1, Ordering::Relaxed)));
        taken.map(|&(host, bench)| (host, decide(host, bench))).collect()
    };
    let mut decided = thread::scope(|scope| {
        let other = scope.spawn(take);
        let mut decided = take();
        decided.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        decided
    });
    decided.sort_by_key(|&(host, _)| host);
    decided.into_iter().map(|(_, decisions)| decisions).collect()
}

/// Whether the trail in `first` comes somewhere before the one in `then`, or is it: stamps that lie too near each other
/// to tell which came first must not close a circle.
fn is_before(held: &Slab<Held>, first: u32, then: u32) -> bool {
    let mut at = Some(then);
    while let Some(slot) = at.filter(|&slot| slot != first) {
        at = held[slot as usize].previous;
    }
    at.is_some()
}

/// Writes down what was decided at one host; `settled` gets the trails it concerns.
fn apply(
    decisions: Decisions,
    held: &mut Slab<Held>,
    bench: &mut Bench,
    through: &mut HashMap<Tuple, Tuple>,
    settled: &mut Vec<u32>,
) {
    for decision in decisions.joins {
        if is_before(held, decision.outbound, decision.inbound) {
            continue;
        }
        if let Some(span) = decision.unsure {
            bench.unsure.add(span);
        }
        pace::learn(&mut bench.paces, decision.delays, decision.join.confidence.probability());
        for (order, is_kept) in bench.orders.iter_mut().zip(decision.kept_order) {
            order.learn(is_kept);
        }
        through.extend(decision.passed_through);
        if let Some(listener) = decision.listener.filter(|_| bench.kinds.len() < MAX_KINDS) {
            bench.kinds.insert(listener, decision.join.proxy);
        }
        held[decision.outbound as usize].previous = Some(decision.inbound);
        held[decision.inbound as usize].next.push((decision.outbound, decision.join));
    }
    for &slot in &decisions.inbound {
        held[slot as usize].inbound = None;
    }
    for &slot in &decisions.outbound {
        held[slot as usize].outbound = None;
    }
    bench.inbound.retain(|&slot| held[slot as usize].inbound.is_some());
    bench.outbound.retain(|&slot| held[slot as usize].outbound.is_some());
    bench.unsure.forget_before(decisions.undecided_since);
    settled.extend(decisions.inbound);
    settled.extend(decisions.outbound);
}

fn seen(trail: &Trail) -> Seen<'_> {
    Seen {
        sightings: &trail.sightings,
        exchange: &trail.exchange,
        marks: trail.marks.as_deref(),
        leg: &trail.legs[0],
        end: trail.end,
    }
}
