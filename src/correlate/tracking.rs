//! Connection tracking: what the kernel says of translations, joined to the legs that packets show.
//!
//! An entry names a leg's addresses on both sides of one node. Where packets have shown either side, the other one
//! becomes a face of the same leg; else the entry waits for them. Packets and messages come in roughly the order of
//! their times only, so an entry is never taken for a connection that began at another time under its addresses.

use std::collections::VecDeque;

use hashbrown::HashMap;
use slab::Slab;
use smallvec::SmallVec;

use super::join::{Located, can_be_followed, face_of};
use super::leg::{Key, LegState, MAX_FACES, key_of};
use super::{AFTERLIFE, Correlator, Crossing, Due, Slot};
use crate::model::{
    Body, Conntrack, ConntrackChange, KernelBody, KernelEvent, MILLIS, NodeId, Protocol, SECONDS, Timestamp,
    Tuple, Way,
};

/// How much later than a message a packet may be stamped that was there before it, on another node's clock.
const SLACK: i64 = 50 * MILLIS;
/// The same on the node's own clock. A message is stamped when it is read, so that it is never early.
const JITTER: i64 = MILLIS;
/// A connection's entry comes within this time of its first packet.
const OPENING: i64 = SECONDS;

/// One entry of one node's table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    serial: u64,
    node: NodeId,
    told: Conntrack,
    /// Core time of its first message.
    began: Timestamp,
    /// When it was told of last, on the node's clock.
    heard: Timestamp,
    /// It began then, rather than being there already.
    is_new: bool,
    ended: Option<Timestamp>,
    /// The leg it is of, by slot and serial.
    leg: Option<(u32, u64)>,
}

impl Entry {
    /// Client to server, before and behind the translation.
    fn sides(&self) -> [Tuple; 2] {
        [self.told.original, self.told.translated()]
    }

    fn is_translated(&self) -> bool {
        let [original, translated] = self.sides();
        original != translated
    }

    /// Whether a connection can be the one it is of. `is_only` says that no other had its addresses lately: then
    /// what its packets seem to show of their translation may be wrong, else it is another connection's, or that of
    /// an earlier try.
    fn may_be_of(&self, leg: &LegState, is_only: bool) -> bool {
        let is_of_its_time = leg.began <= self.began.plus(SLACK)
            && (!self.is_new || leg.is_mid_stream || self.began.since(leg.tried()) <= OPENING);
        let is_free = !leg.is_tracked_by_other(self.node, self.serial);
        is_of_its_time
            && is_free
            && (is_only && !leg.was_reopened() || !leg.is_shown_otherwise(self.node, self.sides()))
    }
}

/// Entries of all nodes, as far as they are not over.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    entries: Slab<Entry>,
    /// By the addresses on either side, within the node.
    by_face: HashMap<Key, SmallVec<[u32; 2]>>,
    /// In the order they came, for the oldest to give way.
    order: VecDeque<(u32, u64)>,
    /// Those that ended, until their last packets are here.
    ended: VecDeque<Due>,
    next_serial: u64,
}

impl Tracking {
    /// The entry that a message is about. Its number alone does not tell: the kernel gives it again.
    fn find(&self, node: NodeId, told: &Conntrack) -> Option<u32> {
        let slots = self.by_face.get(&scoped_key(&told.original, node))?;
        slots.iter().copied().find(|&slot| {
            let known = &self.entries[slot as usize];
            known.ended.is_none() && (known.told.original, known.told.id) == (told.original, told.id)
        })
    }

    /// Lets an entry end; `gone_at` is when it may be forgotten.
    fn end(&mut self, slot: u32, time: Timestamp, gone_at: Timestamp) {
        let entry = &mut self.entries[slot as usize];
        entry.ended = Some(time);
        self.ended.push_back(Due { at: gone_at, slot, id: entry.serial });
    }

    /// Keeps a new entry; gives whether an older one gave way for it.
    fn add(&mut self, entry: &Entry, most: usize) -> (u32, bool) {
        let is_full = self.entries.len() >= most;
        while self.entries.len() >= most {
            let Some((slot, serial)) = self.order.pop_front() else { break };
            self.remove(slot, serial);
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let slot = self.entries.insert(Entry { serial, ..*entry }) as u32;
        for key in keys(entry) {
            self.by_face.entry(key).or_default().push(slot);
        }
        self.order.push_back((slot, serial));
        // Entries that ended leave their place in the order behind.
        if self.order.len() > 2 * self.entries.len() + 1024 {
            let Tracking { entries, order, .. } = self;
            order.retain(|&(slot, serial)| entries.get(slot as usize).is_some_and(|it| it.serial == serial));
        }
        (slot, is_full)
    }

    fn remove(&mut self, slot: u32, serial: u64) {
        if self.entries.get(slot as usize).is_none_or(|entry| entry.serial != serial) {
            return;
        }
        let entry = self.entries.remove(slot as usize);
        for key in keys(&entry) {
            if let Some(slots) = self.by_face.get_mut(&key) {
                slots.retain(|known| *known != slot);
                if slots.is_empty() {
                    self.by_face.remove(&key);
                }
            }
        }
    }

    /// Forgets a node's entries that were not told of since `began`, when all there are were told anew: messages
    /// of their ends are lost.
    pub(super) fn forget_unheard(&mut self, node: NodeId, began: Timestamp) {
        let is_unheard = |entry: &Entry| entry.node == node && entry.ended.is_none() && entry.heard < began;
        let gone: Vec<(u32, u64)> = self
            .entries
            .iter()
            .filter(|(_, entry)| is_unheard(entry))
            .map(|(slot, entry)| (slot as u32, entry.serial))
            .collect();
        for (slot, serial) in gone {
            self.remove(slot, serial);
        }
    }

    /// Entries kept, and the addresses they are known by.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.by_face.values().map(SmallVec::len).sum())
    }

    /// Forgets entries that ended long enough ago.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some(due) = self.ended.front().copied().filter(|due| due.at <= now) {
            self.ended.pop_front();
            self.remove(due.slot, due.id);
        }
    }
}

/// Both sides' keys; one where nothing is translated.
fn keys(entry: &Entry) -> SmallVec<[Key; 2]> {
    let mut keys = SmallVec::new();
    keys.push(scoped_key(&entry.told.original, entry.node));
    if entry.is_translated() {
        keys.push(scoped_key(&entry.told.translated(), entry.node));
    }
    keys
}

/// A conversation's key within one node.
fn scoped_key(tuple: &Tuple, node: NodeId) -> Key {
    let ((a, b, c, d, rest), _) = key_of(tuple, node);
    (a, b, c, d, rest | (u64::from(node.0) + 1) << 8)
}

impl Correlator {
    /// Takes what a kernel told.
    pub fn handle_event(&mut self, event: &KernelEvent) {
        self.counters.kernel_events += 1;
        let ahead = self.alignment.ahead_of(event.node);
        let at = event.time.plus(-ahead);
        match &event.body {
            KernelBody::Conntrack(told) => self.handle_conntrack(event, told, at),
            KernelBody::Table(told) => self.handle_table(event, *told),
            KernelBody::Hook(told) => self.traces.take(event.node, event.time, told, self.now.max(at)),
            KernelBody::Route(told) => self.routing.take(event.node, event.time, told),
        }
    }

    fn handle_conntrack(&mut self, event: &KernelEvent, told: &Conntrack, at: Timestamp) {
        self.places.hear(event.node);
        let Tuple { protocol, src, dst } = told.original;
        if matches!(protocol, Protocol::Other(_)) || !can_be_followed(src.ip, dst.ip) {
            return;
        }
        let is_over = told.change == ConntrackChange::Destroyed;
        let is_new = told.change == ConntrackChange::New;
        let gone_at = self.now.max(at).plus(AFTERLIFE);
        let mut known = self.tracking.find(event.node, told);
        if let Some(replaced) = known.filter(|_| is_new) {
            self.tracking.end(replaced, event.time, gone_at);
            known = None;
        }
        let slot = match known {
            Some(slot) => slot,
            None if is_over => return,
            None => {
                let (node, told, began) = (event.node, *told, at);
                let (heard, ended, leg) = (event.time, None, None);
                let entry = Entry { serial: 0, node, told, began, heard, is_new, ended, leg };
                let (slot, gave_way) = self.tracking.add(&entry, self.limits.entries);
                self.counters.forgotten_entries += u64::from(gave_way);
                slot
            }
        };
        let entry = &mut self.tracking.entries[slot as usize];
        entry.heard = event.time;
        entry.told = Conntrack { tcp_state: told.tcp_state.or(entry.told.tcp_state), ..*told };
        if is_over {
            self.tracking.end(slot, event.time, gone_at);
        }
        match self.leg_of(slot) {
            Some(leg) => {
                self.bind(slot, leg);
            }
            None if is_over => {}
            None => self.attach(slot),
        }
    }

    /// The leg an entry is of, if it is still followed.
    fn leg_of(&self, slot: u32) -> Option<u32> {
        let (leg, serial) = self.tracking.entries[slot as usize].leg?;
        self.legs.get(leg as usize).filter(|it| it.serial == serial).map(|_| leg)
    }

    /// Looks for the leg whose packets went by an entry's addresses.
    fn attach(&mut self, slot: u32) {
        let entry = self.tracking.entries[slot as usize];
        let [first, second] = entry.sides().map(|side| self.leg_under(&entry, side));
        let leg = match (first, second) {
            (Some(one), Some(other)) if one.leg != other.leg => self.merge(one, other).leg,
            (Some(one), _) | (None, Some(one)) => one.leg,
            (None, None) => return,
        };
        self.bind(slot, leg);
    }

    /// The leg that had `tuple` when the entry began. Of two, the older one that has no entry yet: entries come in
    /// the order of their connections.
    fn leg_under(&self, entry: &Entry, tuple: Tuple) -> Option<Located> {
        let (key, _) = key_of(&tuple, entry.node);
        let slot = self.table.get(&key)?;
        let is_stream = tuple.protocol == Protocol::Tcp;
        let fits = |&(leg, face): &(u32, u8)| {
            let Some(leg) = self.legs.get(leg as usize) else { return false };
            let Some(face) = leg.faces.get(face as usize) else { return false };
            (face.tuple == tuple || face.tuple == tuple.reversed())
                && (!is_stream || entry.may_be_of(leg, slot.older.is_none()))
        };
        let older = slot.older.filter(|_| is_stream);
        let (leg, face) = older.into_iter().chain([(slot.leg, slot.face)]).find(fits)?;
        Some(Located { leg, face, way: self.legs[leg as usize].way_of(face, tuple.src) })
    }

    /// Makes the entry known to the leg: both sides are its faces. Gives the leg that it is then.
    fn bind(&mut self, slot: u32, leg_slot: u32) -> u32 {
        let leg_slot = self.with_earlier_try(slot, leg_slot);
        let entry = self.tracking.entries[slot as usize];
        let Entry { serial, node, told, began, ended, .. } = entry;
        let [original, translated] = entry.sides();
        let leg = &self.legs[leg_slot as usize];
        let is_turned = leg.faces.iter().any(|face| [original, translated].contains(&face.tuple.reversed()))
            && !leg.faces.iter().any(|face| [original, translated].contains(&face.tuple));
        // The kernel knows who opened it.
        let may_turn = is_turned && leg.may_turn();
        if may_turn {
            self.turn(leg_slot);
        }
        let sides = if is_turned && !may_turn {
            [translated.reversed(), original.reversed()]
        } else {
            [original, translated]
        };
        let Some(from) = self.face_for(leg_slot, sides[0], node) else { return leg_slot };
        let Some(to) = self.face_for(leg_slot, sides[1], node) else { return leg_slot };
        let leg = &mut self.legs[leg_slot as usize];
        let is_news = leg.track((serial, began), node, (from, to), &told, ended);
        self.tracking.entries[slot as usize].leg = Some((leg_slot, leg.serial));
        if is_news {
            self.learn_translation(node, sides[0], sides[1]);
            self.touch(leg_slot);
        }
        leg_slot
    }

    /// Puts the leg together with one under the entry's addresses that began with the same number: an earlier try,
    /// which went under other addresses behind the node.
    fn with_earlier_try(&mut self, slot: u32, leg: u32) -> u32 {
        let Entry { node, told, .. } = self.tracking.entries[slot as usize];
        let (key, _) = key_of(&told.original, node);
        let isn = |leg: u32| self.legs.get(leg as usize)?.streams[Way::Request as usize].isn;
        let is_it =
            |known: &&Slot| known.leg != leg && isn(known.leg).is_some() && isn(known.leg) == isn(leg);
        let Some(&Slot { leg: earlier, face, .. }) = self.table.get(&key).filter(is_it) else { return leg };
        let located = |leg, face| Located { leg, face, way: Way::Request };
        self.merge(located(leg, 0), located(earlier, face)).leg
    }

    /// The leg's face with this tuple, client to server, which becomes one where it is none.
    fn face_for(&mut self, leg_slot: u32, tuple: Tuple, node: NodeId) -> Option<u8> {
        let leg = &mut self.legs[leg_slot as usize];
        if let Some(face) = leg.faces.iter().position(|face| face.tuple == tuple) {
            return Some(face as u8);
        }
        if leg.faces.len() >= MAX_FACES {
            return None;
        }
        let (key, _) = key_of(&tuple, node);
        let face = leg.add_face(key, tuple);
        self.register(key, leg_slot, face);
        Some(face)
    }

    /// A 5-tuple seen for the first time: is there an entry that knows it? Then it is of the leg that went by the
    /// entry's other side on another node, or of a new one with both sides.
    pub(super) fn join_by_entry(&mut self, crossing: Crossing<'_>, tuple: Tuple) -> Option<Located> {
        if self.tracking.entries.is_empty() {
            return None;
        }
        let slot = self.entry_for(crossing, tuple)?;
        let sides = self.tracking.entries[slot as usize].sides();
        let is_request = sides.contains(&tuple);
        let client_to_server = if is_request { tuple } else { tuple.reversed() };
        let leg = match self.leg_beyond(slot, client_to_server) {
            Some(there) => there.leg,
            None => self.open_leg(crossing, client_to_server),
        };
        let leg = self.bind(slot, leg);
        self.under(leg, tuple)
    }

    /// A leg that goes by `tuple`, from whichever end.
    fn under(&self, leg: u32, tuple: Tuple) -> Option<Located> {
        let state = &self.legs[leg as usize];
        let face = face_of(state, tuple)?;
        Some(Located { leg, face, way: state.way_of(face, tuple.src) })
    }

    /// The leg that packets showed on the other side of an entry's translation than `tuple`, client to server.
    fn leg_beyond(&self, slot: u32, tuple: Tuple) -> Option<Located> {
        let entry = &self.tracking.entries[slot as usize];
        let beyond = entry.sides().into_iter().find(|side| *side != tuple)?;
        let there = self.leg_under(entry, beyond)?;
        (self.legs[there.leg as usize].faces.len() < MAX_FACES).then_some(there)
    }

    /// A connection is tried once more. Where its first entry is over, it gets another one, and other addresses,
    /// under which another node may have shown it already. Gives where the packet is now.
    pub(super) fn reopen(&mut self, crossing: Crossing<'_>, located: Located) -> Located {
        self.legs[located.leg as usize].reopen(crossing.node, crossing.at);
        let tuple = crossing.packet.tuple;
        let Some(slot) = self.entry_for(crossing, tuple) else { return located };
        let located = match self.leg_beyond(slot, tuple) {
            Some(there) if there.leg != located.leg => self.merge(located, there),
            _ => located,
        };
        let leg = self.bind(slot, located.leg);
        self.under(leg, tuple).unwrap_or(located)
    }

    /// The entry that a packet is of, among those that no leg has yet.
    fn entry_for(&self, crossing: Crossing<'_>, tuple: Tuple) -> Option<u32> {
        let slots = self.tracking.by_face.get(&scoped_key(&tuple, crossing.node))?;
        let ahead = self.alignment.ahead_of(crossing.node);
        let at = crossing.at;
        let body = crossing.packet.body;
        let opens = matches!(body, Body::Tcp(segment) if segment.is_syn());
        let answers = matches!(body, Body::Tcp(segment) if segment.is_syn_ack());
        let fits = |&slot: &u32| {
            let entry = &self.tracking.entries[slot as usize];
            let since = entry.began.since(at);
            let is_of_its_time = if opens {
                entry.is_new && (-JITTER..=OPENING).contains(&since)
            } else {
                let ended = entry.ended.map(|ended| ended.plus(-ahead));
                since <= OPENING
                    && (!answers || entry.is_new && -since <= OPENING)
                    && ended.is_none_or(|ended| at <= ended.plus(SLACK))
            };
            is_of_its_time && self.leg_of(slot).is_none()
        };
        let distance = |&slot: &u32| self.tracking.entries[slot as usize].began.since(at).abs();
        slots.iter().copied().filter(fits).min_by_key(distance)
    }
}
