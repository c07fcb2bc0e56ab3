//! Packets that were traced through a node's hooks, kept until the trail they are of asks for them.
//!
//! A trace message tells one step. The packet's headers come with the first of each base chain, and rules are told of
//! right after the first packet that passes their chain; so steps are put together as they come, and rules are named
//! when a trail is handed on. By its tuples, before and after translations, a packet finds its leg; by its bytes its
//! exchange.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Correlator;
use super::leg::{Key, LegState, key_of};
use crate::model::{
    Action, ChainInfo, ChainName, Hook, HookEvent, Leg, NodeId, Part, Pass, Protocol, Rule, RuleInfo,
    RuleStep, SECONDS, Sighting, StepKind, Timestamp, TraceStep, Traced, TracedPacket, Trail, Translation,
    TranslationEvidence, Tuple, Way,
};

/// Packets kept, and for how long: an unanswered exchange is given up after a minute.
const MOST_PACKETS: usize = 8192;
const KEPT: i64 = 90 * SECONDS;
/// Base chains that a packet passes on one node, and rules that match in one.
const MOST_PASSES: usize = 24;
const MOST_STEPS: usize = 48;
/// Chains and rules that are known by name.
const MOST_CHAINS: usize = 8192;
const MOST_RULES: usize = 1 << 18;
/// A packet's next hook comes within this time, unless a queue held it up.
const NEXT_HOOK: i64 = 2 * SECONDS;
/// Packets of one trail.
const MOST_OF_TRAIL: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Traces {
    chains: HashMap<(NodeId, ChainName), Chain>,
    rules: usize,
    /// In the order they came; the number of the first is `first`.
    packets: VecDeque<Held>,
    first: u64,
    by_key: HashMap<Key, SmallVec<[u64; 2]>>,
    /// The newest packet of each of the kernel's ids.
    newest: HashMap<(NodeId, u32), u64>,
}

/// A chain that was told of.
#[derive(Debug, Default)]
struct Chain {
    base: Option<(Hook, i32)>,
    rules: HashMap<u64, Arc<Rule>>,
}

/// A packet that was traced.
#[derive(Debug)]
struct Held {
    node: NodeId,
    id: u32,
    /// Core time of its first step.
    at: Timestamp,
    keys: SmallVec<[Key; 2]>,
    passes: Vec<HeldPass>,
}

#[derive(Debug)]
struct HeldPass {
    time: Timestamp,
    chain: ChainName,
    packet: TracedPacket,
    steps: Vec<(ChainName, u64, Action)>,
    action: Action,
}

impl Traces {
    /// Whether nothing was traced yet: then nothing here costs anything.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Packets kept, and the keys they are found by.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.packets.len(), self.by_key.values().map(SmallVec::len).sum())
    }

    /// Takes what nf_tables told at `time`; `now` is core time.
    pub(super) fn take(&mut self, node: NodeId, time: Timestamp, event: &HookEvent, now: Timestamp) {
        match event {
            HookEvent::Step(step) => self.step(node, time, step, now),
            HookEvent::Chain(chain) => self.describe(node, chain),
            HookEvent::Rule(rule) => self.name(node, rule),
        }
    }

    /// A chain is told of anew: its rules follow.
    fn describe(&mut self, node: NodeId, told: &ChainInfo) {
        if self.chains.len() >= MOST_CHAINS || self.rules >= MOST_RULES {
            self.chains.clear();
            self.rules = 0;
        }
        let chain = Chain { base: told.base, rules: HashMap::new() };
        if let Some(before) = self.chains.insert((node, told.name.clone()), chain) {
            self.rules -= before.rules.len();
        }
    }

    fn name(&mut self, node: NodeId, told: &RuleInfo) {
        if self.rules >= MOST_RULES {
            return;
        }
        let Some(chain) = self.chains.get_mut(&(node, told.chain.clone())) else { return };
        let rule = Rule {
            chain: told.chain.clone(),
            handle: Some(told.handle),
            number: Some(chain.rules.len() as u32 + 1),
            text: told.text.clone(),
            comment: told.comment.clone(),
        };
        self.rules += usize::from(chain.rules.insert(told.handle, Arc::new(rule)).is_none());
    }

    fn step(&mut self, node: NodeId, time: Timestamp, step: &TraceStep, now: Timestamp) {
        if let Some(packet) = step.packet {
            self.begin_pass(node, time, step, packet, now);
        }
        let Some(held) = self.newest.get(&(node, step.id)).copied().and_then(|serial| self.held_mut(serial))
        else {
            return;
        };
        let Some(pass) = held.passes.last_mut() else { return };
        if let StepKind::Rule(handle) = step.kind
            && pass.steps.len() < MOST_STEPS
            && !step.chain.is_own()
        {
            pass.steps.push((step.chain.clone(), handle, step.action.clone()));
        }
        if matches!(step.action, Action::Accept | Action::Drop | Action::Taken) {
            pass.action = step.action.clone();
        }
    }

    /// A packet comes to a base chain: the next one on its way, or the first.
    fn begin_pass(
        &mut self,
        node: NodeId,
        time: Timestamp,
        step: &TraceStep,
        packet: TracedPacket,
        now: Timestamp,
    ) {
        let known = self.newest.get(&(node, step.id)).copied();
        let known = known.filter(|&serial| {
            self.held(serial).is_some_and(|held| self.goes_on(held, time, &step.chain, &packet))
        });
        let serial = known.unwrap_or_else(|| self.begin(node, step.id, now));
        let (key, _) = key_of(&packet.tuple, node);
        let Some(held) = self.held_mut(serial) else { return };
        if held.passes.len() >= MOST_PASSES {
            return;
        }
        let chain = step.chain.clone();
        held.passes.push(HeldPass { time, chain, packet, steps: Vec::new(), action: Action::Continue });
        if !held.keys.contains(&key) {
            held.keys.push(key);
            self.by_key.entry(key).or_default().push(serial);
        }
    }

    fn begin(&mut self, node: NodeId, id: u32, now: Timestamp) -> u64 {
        let is_old = |held: &Held| now.since(held.at) > KEPT;
        while self.packets.len() >= MOST_PACKETS || self.packets.front().is_some_and(is_old) {
            self.forget_first();
        }
        let serial = self.first + self.packets.len() as u64;
        self.packets.push_back(Held { node, id, at: now, keys: SmallVec::new(), passes: Vec::new() });
        self.newest.insert((node, id), serial);
        serial
    }

    fn forget_first(&mut self) {
        let Some(held) = self.packets.pop_front() else { return };
        let serial = self.first;
        self.first += 1;
        for key in &held.keys {
            if let Some(serials) = self.by_key.get_mut(key) {
                serials.retain(|other| *other != serial);
                if serials.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        if self.newest.get(&(held.node, held.id)) == Some(&serial) {
            self.newest.remove(&(held.node, held.id));
        }
    }

    fn held(&self, serial: u64) -> Option<&Held> {
        self.packets.get(serial.checked_sub(self.first)? as usize)
    }

    fn held_mut(&mut self, serial: u64) -> Option<&mut Held> {
        self.packets.get_mut(serial.checked_sub(self.first)? as usize)
    }

    /// Whether a packet that comes to `chain` is `held` on its way, rather than a later one with the same id.
    fn goes_on(&self, held: &Held, time: Timestamp, chain: &ChainName, packet: &TracedPacket) -> bool {
        let Some(last) = held.passes.last() else { return true };
        let is_same = |a: &TracedPacket, b: &TracedPacket| {
            (a.tuple.protocol, a.ip_id, a.seq, a.flags, a.len)
                == (b.tuple.protocol, b.ip_id, b.seq, b.flags, b.len)
        };
        let is_onward = match (self.hook(held.node, &last.chain), self.hook(held.node, chain)) {
            (Some(before), Some(here)) => rank(before) <= rank(here),
            _ => true,
        };
        is_onward
            && is_same(&last.packet, packet)
            && last.action != Action::Drop
            && time.since(last.time) < NEXT_HOOK
            && !held.passes.iter().any(|pass| pass.chain == *chain)
    }

    /// Where a base chain is: as it was described, else by its name.
    fn hook(&self, node: NodeId, chain: &ChainName) -> Option<Hook> {
        let told = self.chains.get(&(node, chain.clone())).and_then(|chain| chain.base);
        told.map(|(hook, _)| hook).or_else(|| Hook::from_name(&chain.chain))
    }

    fn rule(&self, node: NodeId, chain: &ChainName, handle: u64) -> Arc<Rule> {
        let known = self.chains.get(&(node, chain.clone())).and_then(|chain| chain.rules.get(&handle));
        known.map_or_else(
            || {
                let chain = chain.clone();
                Arc::new(Rule { chain, handle: Some(handle), number: None, text: "".into(), comment: None })
            },
            Arc::clone,
        )
    }

    /// The traced packets of a trail: those that are its first bytes, and those that were dropped.
    fn of(&self, leg: &LegState, log: &[Sighting]) -> Vec<Traced> {
        let mut found: Vec<(u64, Way)> = Vec::new();
        for face in &leg.faces {
            for &serial in self.by_key.get(&face.key).into_iter().flatten() {
                let Some(held) = self.held(serial) else { continue };
                let way = held.passes.iter().find_map(|pass| match pass.packet.tuple {
                    tuple if tuple == face.tuple => Some(Way::Request),
                    tuple if tuple.reversed() == face.tuple => Some(Way::Reply),
                    _ => None,
                });
                if let Some(way) = way.filter(|&way| is_of_trail(held, way, log))
                    && !found.iter().any(|(other, _)| *other == serial)
                {
                    found.push((serial, way));
                }
            }
        }
        found.sort_unstable_by_key(|(serial, _)| *serial);
        let named = |(serial, way)| Some(self.traced(self.held(serial)?, Some(0), way));
        found.into_iter().filter_map(named).filter(|it| !it.passes.is_empty()).take(MOST_OF_TRAIL).collect()
    }

    /// The rule by which `node` rewrites a leg's destination, or else its source. Only a connection's first packet
    /// comes to such rules, which may be of another exchange.
    fn translating_rule(&self, leg: &LegState, node: NodeId, is_destination: bool) -> Option<Arc<Rule>> {
        let words: &[&str] =
            if is_destination { &["dnat to", "redirect"] } else { &["masquerade", "snat to"] };
        let serials = leg.faces.iter().flat_map(|face| self.by_key.get(&face.key).into_iter().flatten());
        let held = serials.filter_map(|&serial| self.held(serial)).filter(|held| held.node == node);
        let steps = held.flat_map(|held| &held.passes).flat_map(|pass| &pass.steps);
        let mut rules = steps.map(|(chain, handle, _)| self.rule(node, chain, *handle));
        rules.find(|rule| words.iter().any(|word| rule.text.contains(word)))
    }

    /// Packets that processes of `node` sent between two times on its clock and that were dropped before any capture
    /// point could show them: that is behind OUTPUT.
    fn unseen(&self, node: NodeId, (from, to): (Timestamp, Timestamp)) -> Vec<Traced> {
        let is_meant = |held: &&Held| {
            let (Some(first), Some(last)) = (held.passes.first(), held.passes.last()) else { return false };
            held.node == node
                && (from..=to).contains(&first.time)
                && last.action == Action::Drop
                && self.hook(node, &first.chain) == Some(Hook::Output)
        };
        let found = self.packets.iter().filter(is_meant).take(MOST_OF_TRAIL);
        found.map(|held| self.traced(held, None, Way::Request)).collect()
    }

    fn traced(&self, held: &Held, leg: Option<u8>, way: Way) -> Traced {
        let step = |(chain, handle, action): &(ChainName, u64, Action)| RuleStep {
            rule: self.rule(held.node, chain, *handle),
            action: action.clone(),
        };
        let pass = |pass: &HeldPass| {
            Some(Pass {
                time: pass.time,
                hook: self.hook(held.node, &pass.chain)?,
                chain: pass.chain.clone(),
                packet: pass.packet,
                steps: pass.steps.iter().map(step).collect(),
                action: pass.action.clone(),
            })
        };
        Traced { node: held.node, leg, way, passes: held.passes.iter().filter_map(pass).collect() }
    }
}

/// In what order a packet comes to hooks.
const fn rank(hook: Hook) -> u8 {
    match hook {
        Hook::Prerouting | Hook::Output => 0,
        Hook::Input | Hook::Forward => 1,
        Hook::Postrouting => 2,
    }
}

fn is_of_trail(held: &Held, way: Way, log: &[Sighting]) -> bool {
    let (Some(first), Some(last)) = (held.passes.first(), held.passes.last()) else { return false };
    let is_dropped = last.action == Action::Drop;
    let counts = |sighting: &Sighting| {
        is_dropped || matches!(sighting.part, Part::Handshake | Part::Head | Part::Reset | Part::IcmpError)
    };
    log.iter().any(|it| it.way == way && counts(it) && first.packet.is_seen_as(it))
}

impl Correlator {
    /// Adds to a trail what was traced of it, and what that says of translations.
    pub(super) fn add_traces(&self, slot: u32, trail: &mut Trail) {
        if self.traces.is_empty() {
            return;
        }
        let state = &self.trails[slot as usize];
        let leg_state = &self.legs[state.leg as usize];
        trail.traced = self.traces.of(leg_state, &trail.sightings);
        let Some(leg) = trail.legs.first_mut() else { return };
        for traced in trail.traced.iter().filter(|traced| traced.way == Way::Request) {
            let rule = |is_destination| self.traces.translating_rule(leg_state, traced.node, is_destination);
            add_translation(leg, traced, &rule);
        }
        let unseen = self.unseen_beyond(trail);
        trail.traced.extend(unseen);
    }

    /// What a proxy at the end of an unanswered trail sent meanwhile and nothing saw.
    fn unseen_beyond(&self, trail: &Trail) -> Vec<Traced> {
        let server = trail.legs.first().and_then(|leg| leg.server.or(leg.target));
        let topology = self.places.topology();
        let node = server.and_then(|server| topology.node_addresses.get(&server.ip).copied());
        let of_node = |it: &&Sighting| Some(self.places.node_of(it.vantage)) == node;
        let came = trail
            .sightings
            .iter()
            .filter(of_node)
            .filter(|it| it.way == Way::Request)
            .map(|it| it.time)
            .min();
        let Some((node, came)) = node.zip(came) else { return Vec::new() };
        let answered =
            trail.sightings.iter().filter(of_node).filter(|it| it.way == Way::Reply && it.part == Part::Head);
        let until = answered.map(|it| it.time).min().unwrap_or_else(|| came.plus(self.limits.patience));
        self.traces.unseen(node, (came, until))
    }
}

/// What a traced request says of its node's translation.
fn add_translation(leg: &mut Leg, traced: &Traced, rule: &dyn Fn(bool) -> Option<Arc<Rule>>) {
    let (Some(first), Some(last)) = (traced.passes.first(), traced.passes.last()) else { return };
    let portless = |mut tuple: Tuple| {
        if matches!(tuple.protocol, Protocol::Icmp | Protocol::Icmp6) {
            (tuple.src.port, tuple.dst.port) = (0, 0);
        }
        tuple
    };
    let (from, to) = (portless(first.packet.tuple), portless(last.packet.tuple));
    if from == to {
        return;
    }
    let rule = || rule(from.dst != to.dst);
    // A packet that was dropped may have had a part of its translation before it.
    let is_it =
        |it: &Translation| it.node == traced.node && it.from == from && (it.to == to || it.to.dst == to.dst);
    if let Some(known) = leg.translations.iter_mut().find(|it| is_it(it)) {
        if !known.evidence.contains(&TranslationEvidence::HookTrace) {
            known.evidence.push(TranslationEvidence::HookTrace);
            known.rule = rule();
        }
        return;
    }
    if leg.translations.iter().any(|it| it.node == traced.node) {
        return;
    }
    let evidence = smallvec::smallvec![TranslationEvidence::HookTrace];
    leg.translations.push(Translation {
        node: traced.node,
        from,
        to,
        evidence,
        is_contradicted: false,
        rule: rule(),
    });
    if leg.server.is_none_or(|server| server == from.dst) {
        leg.server = Some(to.dst);
        leg.client_seen_by_server = Some(to.src).filter(|_| traced.dropped().is_none());
    }
}
