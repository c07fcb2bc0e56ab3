//! What the network itself says: ICMP errors about a followed packet, and neighbour requests that stay
//! unanswered.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::join::Located;
use super::leg::key_of;
use super::stream::before;
use super::{Correlator, Crossing};
use crate::model::{
    Direction, IcmpError, IcmpNotice, Ip, Neighbour, Part, Protocol, Role, Sighting, Timestamp, Way,
};

const MAX_NEIGHBOURS: usize = 4096;
/// Requests remembered per address.
const MAX_REQUESTS: usize = 8;

/// Neighbour requests on cali interfaces by the address asked for.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    asked: HashMap<Ip, VecDeque<Sighting>>,
    order: VecDeque<Ip>,
}

impl Neighbours {
    fn ask(&mut self, ip: Ip, sighting: Sighting) {
        if !self.asked.contains_key(&ip) {
            if self.order.len() >= MAX_NEIGHBOURS
                && let Some(oldest) = self.order.pop_front()
            {
                self.asked.remove(&oldest);
            }
            self.order.push_back(ip);
        }
        let requests = self.asked.entry(ip).or_default();
        if requests.len() >= MAX_REQUESTS {
            requests.pop_front();
        }
        requests.push_back(sighting);
    }

    /// The address answered: what was asked before needs no mention.
    fn answer(&mut self, ip: Ip) {
        if let Some(requests) = self.asked.get_mut(&ip) {
            requests.clear();
        }
    }

    /// Requests for `ip` that were not answered, from `begun` on.
    pub(super) fn unanswered(&self, ip: Ip, begun: Timestamp) -> impl Iterator<Item = &Sighting> {
        self.asked.get(&ip).into_iter().flatten().filter(move |request| request.time >= begun)
    }
}

impl Correlator {
    pub(super) fn handle_neighbour(&mut self, crossing: Crossing<'_>, neighbour: Neighbour) {
        if self.places.role_of(crossing.packet.vantage) != Role::Workload {
            return;
        }
        match (neighbour.is_request, crossing.direction) {
            (true, Direction::Out) => {
                let sighting = bare_sighting(crossing, Part::NeighbourRequest, Way::Request);
                self.neighbours.ask(neighbour.target, sighting);
            }
            (false, Direction::In) => self.neighbours.answer(neighbour.target),
            _ => {}
        }
    }

    /// Notes an ICMP error on the exchange whose packet it quotes; it travels against that packet's way.
    pub(super) fn handle_icmp_error(&mut self, crossing: Crossing<'_>, error: IcmpError) {
        let (key, _) = key_of(&error.quoted, crossing.node);
        let Some((leg, face)) = self.table.get(&key).map(|slot| (slot.leg, slot.face)) else {
            self.counters.stray_errors += 1;
            return;
        };
        let quoted_way = self.legs[leg as usize].way_of(face, error.quoted.src);
        let located = Located { leg, face, way: quoted_way.opposite() };
        let Some(slot) = self.quoted_exchange(located, &error) else {
            self.counters.stray_errors += 1;
            return;
        };
        let trail = &mut self.trails[slot as usize];
        let notice =
            IcmpNotice { reason: error.reason, reporter: crossing.packet.tuple.src.ip, mtu: error.mtu };
        if !trail.notices.contains(&notice) && trail.notices.len() < 8 {
            trail.notices.push(notice);
        }
        let mut sighting = bare_sighting(crossing, Part::IcmpError, located.way);
        sighting.face = face;
        sighting.is_repeat = self.trails[slot as usize].was_at(
            sighting.vantage,
            sighting.direction,
            sighting.way,
            Part::IcmpError,
        );
        self.note(slot, sighting);
    }

    fn quoted_exchange(&self, located: Located, error: &IcmpError) -> Option<u32> {
        let live = &self.legs[located.leg as usize].live;
        let is_quoted = |&&slot: &&u32| {
            let trail = &self.trails[slot as usize];
            match error.quoted.protocol {
                Protocol::Tcp => {
                    let start = match located.way {
                        Way::Reply => trail.request_seq,
                        Way::Request => trail.reply_seq,
                    };
                    start.is_none_or(|start| !before(error.quoted_seq, start))
                }
                Protocol::Icmp | Protocol::Icmp6 => {
                    trail.token == super::Token::Echo(error.quoted_seq as u16)
                }
                _ => true,
            }
        };
        live.iter().rev().find(is_quoted).or(live.last()).copied()
    }
}

fn bare_sighting(crossing: Crossing<'_>, part: Part, way: Way) -> Sighting {
    let packet = crossing.packet;
    Sighting {
        time: packet.time,
        vantage: packet.vantage,
        direction: crossing.direction,
        way,
        part,
        face: 0,
        leg: 0,
        ttl: packet.ttl,
        flags: 0,
        ip_id: packet.ip_id,
        seq: 0,
        ack: 0,
        len: 0,
        is_repeat: false,
    }
}
