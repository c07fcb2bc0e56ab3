//! The end of an exchange: its trail is handed on, and what it held is let go.

use super::handoffs;
use super::leg::LegState;
use super::ongoing::{Ongoing, Token};
use super::{AFTERLIFE, Correlator, Due, REVIEW};
use crate::model::{Application, Change, Direction, Part, Phase, Role, Sighting, Timestamp, Trail, Way};

impl Correlator {
    /// Hands a trail on for the last time and forgets it.
    pub(super) fn close(&mut self, slot: u32, phase: Phase) {
        self.infer_answer(slot);
        let state = &mut self.trails[slot as usize];
        if state.phase == Phase::Open {
            state.phase = phase;
        }
        self.emit(slot);
        let state = self.trails.remove(slot as usize);
        if let Some(leg) = self.legs.get_mut(state.leg as usize) {
            leg.live.retain(|live| *live != slot);
        }
    }

    /// The client acknowledged bytes of an answer that the capture lost at every point: it was answered.
    fn infer_answer(&mut self, slot: u32) {
        let state = &mut self.trails[slot as usize];
        let leg = &self.legs[state.leg as usize];
        let waits = state.exchange.application == Application::Http
            && state.token == Token::Whole
            && state.request_seq.is_some()
            && state.reply_seq.is_none();
        if waits && !leg.is_mid_stream && leg.live.last() == Some(&slot) {
            state.reply_seq = leg.streams[Way::Reply as usize].unseen();
            state.answer_is_whole = state.reply_seq.is_some();
        }
    }

    /// Emits the trail's present state as a change, unless it holds nothing worth a journey.
    pub(super) fn emit(&mut self, slot: u32) {
        self.add_neighbour_requests(slot);
        let state = &mut self.trails[slot as usize];
        state.is_dirty = false;
        if !is_worth_a_journey(&state.log) {
            return;
        }
        state.revision += 1;
        let mut trail = self.trail(slot);
        self.add_traces(slot, &mut trail);
        self.add_expectations(&mut trail);
        if trail.is_first_of_leg {
            trail.resolution = self.resolution(&trail).map(Box::new);
        }
        self.remember_lookup(&trail);
        let world = handoffs::World {
            topology: self.places.topology(),
            ahead: self.alignment.ahead(),
            now: self.now,
        };
        let is_ready = trail.phase == Phase::Open || !self.limits.joins;
        let trail = Box::new(trail);
        let ready = if is_ready { Some(trail) } else { self.handoffs.hold(trail, world) };
        self.changes.extend(ready.map(Change::Upsert));
    }

    /// Decides which held exchanges continue each other through a proxy.
    pub(super) fn join_through_proxies(&mut self, is_end: bool) {
        let topology = self.places.topology();
        let world = handoffs::World { topology, ahead: self.alignment.ahead(), now: self.now };
        let (first, last) = self.handoffs.span();
        let runs_beside = |state: &&Ongoing| {
            let is_silent = state.reply_seq.is_none();
            state.began.is_some_and(|began| began <= last)
                && (is_silent || state.end.is_none_or(|(_, _, ended)| ended >= first))
        };
        let is_concerned = |state: &&Ongoing| {
            let leg = &self.legs[state.leg as usize];
            leg.protocol == crate::model::Protocol::Tcp
                && leg.faces.iter().any(|face| {
                    let ends = [face.tuple.src.ip, face.tuple.dst.ip];
                    ends.into_iter().any(|ip| self.handoffs.may_proxy(ip, topology))
                })
        };
        let states = self.trails.iter().map(|(_, state)| state);
        let mut open: Vec<&Ongoing> = states.filter(runs_beside).filter(is_concerned).collect();
        if open.len() > handoffs::MAX_OPEN {
            open.sort_unstable_by_key(|state| std::cmp::Reverse(state.id));
            open.truncate(handoffs::MAX_OPEN);
        }
        let open: Vec<(&Ongoing, crate::model::Leg)> =
            open.into_iter().map(|state| (state, self.legs[state.leg as usize].leg())).collect();
        let open: Vec<handoffs::Seen<'_>> = open
            .iter()
            .map(|(state, leg)| handoffs::Seen {
                sightings: &state.log,
                exchange: &state.exchange,
                marks: state.marks.as_deref(),
                leg,
                end: state.end.map(|(vantage, time, _)| (vantage, time)),
            })
            .collect();
        self.handoffs.decide(&open, world, is_end, &mut self.changes);
    }

    fn trail(&mut self, slot: u32) -> Trail {
        let state = &mut self.trails[slot as usize];
        let leg_state = &self.legs[state.leg as usize];
        let mut exchange = state.exchange.clone();
        leg_state.count_bytes(state, &mut exchange);
        // The log is copied while the trail lives on, and moved when this was its last revision.
        let sightings =
            if state.phase == Phase::Open { state.log.clone() } else { std::mem::take(&mut state.log) };
        let mut leg = leg_state.leg();
        // A Service's address serves nothing by itself: without a translation its endpoint is not known.
        let topology = self.places.topology();
        leg.server = leg.server.filter(|server| {
            !topology.services.contains_key(&server.ip) || topology.node_addresses.contains_key(&server.ip)
        });
        let mut trail = Trail {
            id: state.id,
            revision: state.revision,
            phase: state.phase,
            legs: smallvec::smallvec![leg],
            hops: Vec::new(),
            exchange,
            marks: state.marks.clone(),
            sightings,
            end: state.end.map(|(vantage, time, _)| (vantage, time)),
            left_out: state.left_out,
            retransmissions: 0,
            resolution: None,
            notices: state.notices.clone(),
            traced: Vec::new(),
            expected: Vec::new(),
            is_mid_stream: leg_state.is_mid_stream,
            is_first_of_leg: state.is_first_of_leg,
            request_seq: state.request_seq,
            reply_seq: state.reply_seq,
            answer_is_whole: state.answer_is_whole,
            deadline: Timestamp::default(),
        };
        trail.retransmissions = super::ongoing::retransmissions(&trail.sightings);
        trail.deadline = self.deadline(&trail);
        trail
    }

    /// When the latest followed packet should have crossed to its next point, by the clock of the node that
    /// the first sighting comes from.
    fn deadline(&self, trail: &Trail) -> Timestamp {
        let ahead = |sighting: &Sighting| {
            let node = self.places.node_of(sighting.vantage);
            self.alignment.ahead_of(node)
        };
        let Some(first) = trail.sightings.first() else { return Timestamp::default() };
        let begins = |way: Way, part: Part| {
            trail
                .sightings
                .iter()
                .filter(|sighting| sighting.way == way && sighting.part == part)
                .map(|sighting| sighting.time.plus(-ahead(sighting)))
                .min()
        };
        let latest = [
            begins(Way::Request, Part::Handshake),
            begins(Way::Reply, Part::Handshake),
            begins(Way::Request, Part::Head),
            begins(Way::Reply, Part::Head),
        ]
        .into_iter()
        .flatten()
        .max();
        latest.map_or(first.time, |latest| latest.plus(ahead(first))).plus(self.limits.transit)
    }

    /// The lookup that this connection followed.
    fn resolution(&self, trail: &Trail) -> Option<crate::model::Resolution> {
        let leg = trail.legs.first()?;
        let target = leg.target?;
        let begun = trail
            .sightings
            .iter()
            .find(|sighting| {
                sighting.way == Way::Request
                    && sighting.direction == Direction::In
                    && self.places.role_of(sighting.vantage) == Role::Workload
            })?
            .time;
        self.lookups.before(leg.client.ip, target.ip, begun)
    }

    /// An answered lookup, as its client's own capture point saw it, is kept for the connection that follows.
    fn remember_lookup(&mut self, trail: &Trail) {
        let (Some(lookup), Some(leg)) = (trail.exchange.dns.as_deref(), trail.legs.first()) else { return };
        let at_client = |way: Way, direction: Direction| {
            trail.sightings.iter().find(|sighting| {
                sighting.way == way
                    && sighting.direction == direction
                    && sighting.part == Part::Head
                    && self.places.role_of(sighting.vantage) == Role::Workload
                    && self.places.topology().pods.get(&leg.client.ip) == Some(&sighting.vantage)
            })
        };
        if let (Some(query), Some(answer), false) = (
            at_client(Way::Request, Direction::In),
            at_client(Way::Reply, Direction::Out),
            trail.phase == Phase::Open,
        ) {
            self.lookups.remember(leg.client.ip, trail.id, lookup, *query, *answer);
        }
    }

    /// Neighbour requests for the server that stayed unanswered while the exchange waited.
    fn add_neighbour_requests(&mut self, slot: u32) {
        let state = &self.trails[slot as usize];
        if state.log.iter().any(|sighting| sighting.way == Way::Reply && sighting.part != Part::IcmpError)
            || state.log.iter().any(|sighting| sighting.part == Part::NeighbourRequest)
        {
            return;
        }
        let Some(server) = self.legs[state.leg as usize].leg().server else { return };
        let begun = state.log.iter().map(|sighting| sighting.time).min().unwrap_or_default();
        let requests: Vec<Sighting> = self.neighbours.unanswered(server.ip, begun).copied().collect();
        let state = &mut self.trails[slot as usize];
        for request in requests {
            state.note(request, &self.limits);
        }
    }

    /// Looks at a leg's age: times exchanges out, and forgets the leg when nothing more can come.
    pub(super) fn review(&mut self, due: Due) {
        let Some(leg) = self.legs.get(due.slot as usize).filter(|leg| leg.serial == due.id) else { return };
        let idle = self.now.since(leg.last);
        for slot in leg.live.clone() {
            let trail = &self.trails[slot as usize];
            let patience = match trail.exchange.application {
                Application::Dns => self.limits.lookup_patience,
                _ => self.limits.patience,
            };
            if trail.phase == Phase::Open && self.now.since(trail.last) > patience {
                self.close(slot, Phase::TimedOut);
            }
        }
        let leg = &self.legs[due.slot as usize];
        let is_spent = leg.live.is_empty()
            && (idle > self.limits.patience
                || leg.is_over() && idle > AFTERLIFE
                || leg.is_datagrams() && idle > REVIEW);
        if is_spent {
            self.forget_leg(due.slot);
        } else {
            self.reviews.push_back(Due { at: self.now.plus(REVIEW), ..due });
        }
    }

    /// Takes a leg out of every table.
    fn forget_leg(&mut self, slot: u32) {
        let leg = self.legs.remove(slot as usize);
        for face in &leg.faces {
            let Some(entry) = self.table.get_mut(&face.key) else { continue };
            match entry.older {
                _ if entry.leg != slot => entry.older = entry.older.filter(|(older, _)| *older != slot),
                Some((older, face)) if self.legs.contains(older as usize) => {
                    *entry = super::Slot { leg: older, face, older: None };
                }
                _ => {
                    self.table.remove(&face.key);
                }
            }
        }
    }

    /// Keeps the cap on legs: the one that waits longest for its review goes first.
    pub(super) fn evict_legs(&mut self) {
        while self.legs.len() >= self.limits.legs {
            let Some(due) = self.reviews.pop_front() else { return };
            if self.legs.get(due.slot as usize).is_none_or(|leg| leg.serial != due.id) {
                continue;
            }
            for slot in self.legs[due.slot as usize].live.clone() {
                self.close_as_it_is(slot);
            }
            self.forget_leg(due.slot);
        }
    }

    /// The exchanges of a leg that became part of `kept`: the same ones are put together, others move over.
    pub(super) fn merge_trails(&mut self, kept: u32, moved: &[u32], face_shift: u8, is_turned: bool) {
        for &slot in moved {
            for sighting in &mut self.trails[slot as usize].log {
                sighting.face += face_shift;
                if is_turned {
                    sighting.way = sighting.way.opposite();
                }
            }
            let state = &self.trails[slot as usize];
            let twin = self.legs[kept as usize].live.iter().copied().find(|&other| {
                let other = &self.trails[other as usize];
                other.token == state.token
                    && (other.request_seq == state.request_seq
                        || other.request_seq.is_none()
                        || state.request_seq.is_none())
            });
            if let Some(twin) = twin {
                self.unite(twin, slot);
            } else {
                self.trails[slot as usize].leg = kept;
                self.legs[kept as usize].live.push(slot);
            }
        }
        let trails = &self.trails;
        self.legs[kept as usize].live.sort_by_key(|&slot| trails[slot as usize].id);
    }

    /// Puts the trail in `gone` into the one in `kept`.
    fn unite(&mut self, kept: u32, gone: u32) {
        let gone = self.trails.remove(gone as usize);
        if gone.revision > 0 {
            self.changes.push_back(Change::Withdraw(gone.id));
        }
        let (limits, was_answered) = (self.limits, gone.phase == Phase::Answered);
        self.trails[kept as usize].absorb(gone, &limits);
        if was_answered {
            self.complete(kept, false);
        }
    }
}

impl LegState {
    /// Payload bytes of a TCP exchange, from its first byte to its last or to where reading stands.
    fn count_bytes(&self, state: &Ongoing, exchange: &mut crate::model::Exchange) {
        if self.protocol != crate::model::Protocol::Tcp || matches!(state.token, Token::Stream(_)) {
            return;
        }
        let bytes = |start: Option<u32>, end: Option<u32>, way: Way| {
            let end = end.or(self.streams[way as usize].next);
            start.zip(end).map_or(0, |(start, end)| u64::from(end.wrapping_sub(start)))
        };
        exchange.request_bytes = bytes(state.request_seq, state.request_end, Way::Request);
        exchange.reply_bytes = bytes(state.reply_seq, state.reply_end, Way::Reply);
    }
}

/// Acknowledgements and closings alone are the tail of something that was not seen.
fn is_worth_a_journey(log: &[Sighting]) -> bool {
    log.iter().any(|sighting| {
        !matches!(sighting.part, Part::Ack | Part::Fin | Part::Reset | Part::NeighbourRequest)
    })
}
