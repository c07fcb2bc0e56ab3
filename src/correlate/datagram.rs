//! UDP and ICMP echo: lookups, echoes and flows.

use super::join::{Located, can_be_followed, sender_is_client};
use super::leg::{key_of, keyed_tuple};
use super::ongoing::Token;
use super::{Correlator, Crossing};
use crate::decode::dns;
use crate::model::{Application, Body, Lookup, Part, Sighting, Way};

const DNS_PORT: u16 = 53;

impl Correlator {
    pub(super) fn handle_datagram(&mut self, crossing: Crossing<'_>, digest: u64) {
        let packet = crossing.packet;
        if !can_be_followed(packet.tuple.src.ip, packet.tuple.dst.ip) {
            return;
        }
        let (key, _) = key_of(&keyed_tuple(packet), crossing.node);
        let known = self.table.get(&key).map(|slot| (slot.leg, slot.face));
        let located = self.locate(crossing, known, opens(crossing));
        self.legs[located.leg as usize].note_point(crossing.of(located.way), 0, 0);
        let token = token_of(crossing);
        let slot = self.datagram_exchange(located, token);
        let part = self.datagram_part(slot, located.way, digest);
        if matches!(token, Token::Dns(_)) {
            self.read_lookup(slot, located.way, crossing.payload);
        }
        self.count_bytes(slot, crossing, located.way);
        let is_repeat =
            self.trails[slot as usize].was_at(packet.vantage, crossing.direction, located.way, part)
                && part == Part::Head;
        self.note(slot, datagram_sighting(crossing, located, part, is_repeat));
        if located.way == Way::Reply && !matches!(token, Token::Whole) {
            self.complete(slot, true);
        }
    }

    /// The leg's exchange with this token, or a new one.
    fn datagram_exchange(&mut self, located: Located, token: Token) -> u32 {
        let live = &self.legs[located.leg as usize].live;
        let known = live.iter().rev().copied().find(|&slot| {
            let trail = &self.trails[slot as usize];
            trail.token == token
        });
        known.unwrap_or_else(|| {
            let application = match token {
                Token::Whole | Token::Stream(_) => Application::Udp,
                Token::Dns(_) => Application::Dns,
                Token::Echo(_) => Application::Icmp,
            };
            self.begin(located.leg, token, application)
        })
    }

    /// Whether this is the followed datagram of its way (the first one, wherever it is seen) or a later one.
    fn datagram_part(&mut self, slot: u32, way: Way, digest: u64) -> Part {
        let first = self.trails[slot as usize].heads[way as usize].get_or_insert(digest);
        if *first == digest { Part::Head } else { Part::Body }
    }

    /// Payload bytes, counted where the exchange was first seen.
    fn count_bytes(&mut self, slot: u32, crossing: Crossing<'_>, way: Way) {
        let len = payload_len(crossing);
        let trail = &mut self.trails[slot as usize];
        let is_first_point =
            trail.log.iter().find(|old| old.way == way).is_none_or(|old| {
                (old.vantage, old.direction) == (crossing.packet.vantage, crossing.direction)
            });
        if is_first_point {
            match way {
                Way::Request => trail.exchange.request_bytes += u64::from(len),
                Way::Reply => trail.exchange.reply_bytes += u64::from(len),
            }
        }
    }

    fn read_lookup(&mut self, slot: u32, way: Way, payload: &[u8]) {
        let known = self.trails[slot as usize].exchange.dns.as_deref();
        let is_known = match way {
            Way::Request => known.is_some(),
            Way::Reply => known.is_some_and(|lookup| lookup.rcode.is_some()),
        };
        if !is_known && let Some(message) = dns::message(payload) {
            self.note_lookup(slot, &message);
        }
    }

    /// Takes over what a DNS message says.
    pub(super) fn note_lookup(&mut self, slot: u32, message: &dns::Message) {
        let exchange = &mut self.trails[slot as usize].exchange;
        let lookup = exchange.dns.get_or_insert_with(Box::<Lookup>::default);
        if let (true, Some(question)) = (lookup.name.is_empty(), &message.question) {
            lookup.name.clone_from(&question.name);
            lookup.kind = question.kind.as_ref().into();
            exchange.method = Some(lookup.kind.clone());
            exchange.path = Some(question.name.clone());
        }
        if message.is_response {
            lookup.rcode = Some(message.rcode);
            lookup.truncated = message.truncated;
            lookup.addresses.clone_from(&message.addresses);
            lookup.targets.clone_from(&message.targets);
            exchange.status = Some(u16::from(message.rcode));
            self.learn_names(message);
        }
    }

    /// A cluster name (`service.namespace.svc.…`) makes its address a Service's.
    fn learn_names(&mut self, message: &dns::Message) {
        let Some(name) = message.service_name() else { return };
        for &ip in &message.addresses {
            // A headless Service resolves to its pods, which are named by more than the Service.
            if !self.places.topology().pods.contains_key(&ip) {
                self.places.add_service(ip);
                self.places.add_name(ip, &name);
            }
        }
    }
}

/// Whether the sender opened the conversation. A lookup's message says itself whether it asks.
fn opens(crossing: Crossing<'_>) -> bool {
    match token_of(crossing) {
        Token::Dns(_) => crossing.payload.get(2).is_some_and(|flags| flags & 0x80 == 0),
        _ => sender_is_client(crossing.packet),
    }
}

fn token_of(crossing: Crossing<'_>) -> Token {
    let tuple = &crossing.packet.tuple;
    match crossing.packet.body {
        Body::Echo(echo) => Token::Echo(echo.seq),
        Body::Udp(_) if tuple.src.port == DNS_PORT || tuple.dst.port == DNS_PORT => match crossing.payload {
            [high, low, _, _, ..] => Token::Dns(u16::from_be_bytes([*high, *low])),
            _ => Token::Whole,
        },
        _ => Token::Whole,
    }
}

fn payload_len(crossing: Crossing<'_>) -> u16 {
    match crossing.packet.body {
        Body::Udp(datagram) => datagram.len,
        Body::Echo(echo) => echo.len,
        _ => 0,
    }
}

fn datagram_sighting(crossing: Crossing<'_>, located: Located, part: Part, is_repeat: bool) -> Sighting {
    let packet = crossing.packet;
    Sighting {
        time: packet.time,
        vantage: packet.vantage,
        direction: crossing.direction,
        way: located.way,
        part,
        face: located.face,
        leg: 0,
        ttl: packet.ttl,
        flags: 0,
        ip_id: packet.ip_id,
        seq: match packet.body {
            Body::Echo(echo) => u32::from(echo.seq),
            _ => 0,
        },
        ack: 0,
        len: u32::from(payload_len(crossing)),
        is_repeat,
    }
}
