//! Messages: puts what reading found on the leg's exchanges.
//!
//! In HTTP/1 messages have no names: a request is the newest one's, an answer the oldest one's without. In HTTP/2
//! each has the number of its stream.

use super::found::{Event, Fact};
use super::join::Located;
use super::ongoing::{Ongoing, Token};
use super::stream::before;
use super::tcp::part_of_data;
use super::{Correlator, handoffs};
use crate::decode::dns;
use crate::model::{Application, Endpoint, Part, Sighting, Way};

const DNS_PORT: u16 = 53;

impl Correlator {
    /// Applies what was found in `payload` on the exchange that `token` names.
    pub(super) fn apply(&mut self, located: Located, token: Token, event: Event, payload: &[u8]) {
        let (leg, way) = (located.leg, located.way);
        match event {
            Event::Announced(client) => self.announce(leg, client),
            Event::RequestStart(seq) => self.start_request(leg, token, seq),
            Event::ReplyStart(seq) => self.start_reply(leg, token, seq),
            Event::OpaqueStart(seq) => self.start_opaque(located, seq, payload),
            Event::GoAway(last) => self.refuse_beyond(leg, last),
            Event::Reset => {
                if let Some(slot) = self.exchange(leg, token, way) {
                    let is_whole = self.trails[slot as usize].reply_end.is_some();
                    self.complete(slot, is_whole);
                }
            }
            Event::Of(fact) => {
                if let Some(slot) = self.exchange(leg, token, way) {
                    let is_marked = matches!(fact, Fact::RequestHead { marks: Some(_), .. });
                    self.trails[slot as usize].learn(way, fact);
                    if is_marked {
                        self.learn_proxy(leg, slot);
                    }
                }
            }
        }
    }

    /// A request that only a proxy makes tells who is one before its exchange, and the one it continues, are over.
    fn learn_proxy(&mut self, leg: u32, slot: u32) {
        if !handoffs::is_forwarded(self.trails[slot as usize].marks.as_deref()) {
            return;
        }
        let leg = &self.legs[leg as usize];
        // As a rule it has one address, and was known before.
        if !self.handoffs.may_proxy(leg.faces[0].tuple.src.ip, self.places.topology()) {
            self.handoffs.learn_proxy(leg.leg().client.ip);
        }
    }

    /// The exchange that `token` names, where it is followed still.
    pub(super) fn live_with(&self, leg: u32, token: Token) -> Option<u32> {
        let live = &self.legs[leg as usize].live;
        live.iter().rev().copied().find(|&slot| self.trails[slot as usize].token == token)
    }

    /// The exchange whose message is read now on `way`.
    fn exchange(&self, leg: u32, token: Token, way: Way) -> Option<u32> {
        if token != Token::Whole {
            return self.live_with(leg, token);
        }
        // Messages come in order: the one being read is the latest that began.
        let live = &self.legs[leg as usize].live;
        let has_begun = |&&slot: &&u32| self.trails[slot as usize].range(way).0.is_some();
        let newest = live.iter().rev().find(has_begun);
        match way {
            Way::Request => newest.or(live.last()).copied(),
            Way::Reply => newest.copied(),
        }
    }

    /// The whole connection is for `client`, its exchange that is there already as well as those to come.
    fn announce(&mut self, leg_slot: u32, client: Option<Endpoint>) {
        let leg = &mut self.legs[leg_slot as usize];
        leg.announced = client;
        if let (Some(_), Some(&slot)) = (client, leg.live.first()) {
            self.trails[slot as usize].marks().announced = client;
        }
    }

    /// A request begins: on the exchange that waits for one, or on a new one.
    fn start_request(&mut self, leg_slot: u32, token: Token, seq: u32) {
        if let Token::Stream(stream) = token {
            let newest = &mut self.legs[leg_slot as usize].newest_stream;
            *newest = stream.max(*newest);
        }
        let known = (token != Token::Whole).then(|| self.live_with(leg_slot, token)).flatten();
        let slot = known
            .or_else(|| self.waiting_for_request(leg_slot, seq))
            .unwrap_or_else(|| self.begin(leg_slot, token, Application::Http));
        let leg = &self.legs[leg_slot as usize];
        let trail = &mut self.trails[slot as usize];
        trail.token = token;
        trail.request_seq = Some(seq);
        trail.exchange.application = Application::Http;
        if leg.announced.is_some() {
            trail.marks().announced = leg.announced;
        }
        if leg.is_mid_stream && trail.reply_seq.is_none() {
            // What came before belongs to an exchange that began before the recording.
            trail.log.retain(|old| old.way == Way::Request && old.len > 0 && !before(old.seq, seq));
        }
        if token == Token::Whole {
            self.claim(leg_slot, slot, Way::Request, seq);
        }
    }

    /// The exchange that has an answer at most, and not one to an earlier request than that from `seq` on.
    fn waiting_for_request(&self, leg: u32, seq: u32) -> Option<u32> {
        self.legs[leg as usize].live.iter().copied().find(|&slot| {
            let trail = &self.trails[slot as usize];
            trail.token == Token::Whole && trail.request_seq.is_none() && !trail.was_answered_before(seq)
        })
    }

    /// An answer begins: to its stream's request, or to the oldest one without.
    fn start_reply(&mut self, leg_slot: u32, token: Token, seq: u32) {
        let known = match token {
            Token::Stream(_) => self.live_with(leg_slot, token),
            _ => self.legs[leg_slot as usize]
                .live
                .iter()
                .copied()
                .find(|&slot| self.trails[slot as usize].reply_seq.is_none()),
        };
        let newest = self.legs[leg_slot as usize].newest_stream;
        let is_late = |slot: u32| self.trails[slot as usize].reply_seq.is_some();
        let slot = match (token, known) {
            // Trailers, or the end of an answer whose exchange is closed already.
            (Token::Stream(_), Some(slot)) if is_late(slot) => return,
            (Token::Stream(stream), None) if stream <= newest => return,
            (_, Some(slot)) => slot,
            // The capture shows the answer before its request.
            (_, None) => self.begin(leg_slot, token, Application::Http),
        };
        let trail = &mut self.trails[slot as usize];
        trail.reply_seq = Some(seq);
        trail.exchange.application = Application::Http;
        if token == Token::Whole {
            self.claim(leg_slot, slot, Way::Reply, seq);
        }
    }

    /// The server goes away and takes no stream beyond `last` (RFC 9113 §6.8).
    fn refuse_beyond(&mut self, leg: u32, last: u32) {
        for slot in self.legs[leg as usize].live.clone() {
            if matches!(self.trails[slot as usize].token, Token::Stream(stream) if stream > last) {
                self.complete(slot, false);
            }
        }
    }

    /// Sightings from `seq` on that were noted on an earlier exchange, because the bytes could not be read
    /// yet, belong to the one that begins there.
    fn claim(&mut self, leg_slot: u32, slot: u32, way: Way, seq: u32) {
        self.end_earlier(leg_slot, slot, way, seq);
        if !self.legs[leg_slot as usize].stream(way).is_noted_beyond(seq) {
            return;
        }
        let is_claimed =
            |old: &Sighting| old.way == way && old.len > 0 && before(seq, old.seq.wrapping_add(old.len));
        let live = self.legs[leg_slot as usize].live.clone();
        for other in live.into_iter().filter(|&other| other != slot) {
            let log = &mut self.trails[other as usize].log;
            if !log.iter().any(is_claimed) {
                continue;
            }
            let claimed: Vec<Sighting> = log.iter().copied().filter(is_claimed).collect();
            log.retain(|old| !is_claimed(old));
            for mut sighting in claimed {
                sighting.part = part_of_data(Some(seq), sighting.seq, sighting.len);
                self.trails[slot as usize].note(sighting, &self.limits);
            }
        }
        for old in &mut self.trails[slot as usize].log {
            if is_claimed(old) && old.part == Part::Body {
                old.part = part_of_data(Some(seq), old.seq, old.len);
            }
        }
    }

    /// A message whose end could not be told, since the capture cut its head, ends where the next one begins.
    fn end_earlier(&mut self, leg_slot: u32, slot: u32, way: Way, seq: u32) {
        let live = &self.legs[leg_slot as usize].live;
        let earlier = live.iter().take_while(|&&other| other != slot).last();
        let Some(trail) = earlier.map(|&earlier| &mut self.trails[earlier as usize]) else { return };
        let (start, end) = match way {
            Way::Request => (trail.request_seq, &mut trail.request_end),
            Way::Reply => (trail.reply_seq, &mut trail.reply_end),
        };
        if start.is_some() {
            end.get_or_insert(seq);
        }
    }

    /// A way begins that is not understood: it is the connection's one exchange.
    fn start_opaque(&mut self, located: Located, seq: u32, payload: &[u8]) {
        let leg = &self.legs[located.leg as usize];
        let is_dns = leg.faces[0].tuple.dst.port == DNS_PORT;
        let Some(slot) = leg.live.first().copied() else { return };
        let trail = &mut self.trails[slot as usize];
        let start = match located.way {
            Way::Request => &mut trail.request_seq,
            Way::Reply => &mut trail.reply_seq,
        };
        if start.is_none() {
            *start = Some(seq);
            self.claim(located.leg, slot, located.way, seq);
        }
        if is_dns && let Some(message) = dns::tcp_message(payload) {
            self.trails[slot as usize].exchange.application = Application::Dns;
            self.note_lookup(slot, &message);
        }
    }
}

impl Ongoing {
    /// Takes over what a message on `way` tells of the exchange.
    fn learn(&mut self, way: Way, fact: Fact) {
        let exchange = &mut self.exchange;
        match fact {
            Fact::RequestHead { method, target, host, marks } => {
                exchange.method = method;
                exchange.path = target;
                exchange.host = host;
                if let Some(marks) = marks {
                    self.add_marks(marks);
                }
            }
            Fact::ReplyHead { status, location } => {
                (exchange.status, exchange.location) = (Some(status), location);
            }
            Fact::Interim => self.reply_seq = None,
            Fact::End(seq) => match way {
                Way::Request => self.request_end = Some(seq),
                Way::Reply => self.reply_end = Some(seq),
            },
            Fact::Body(digest) => match way {
                Way::Request => self.marks().request_body = digest,
                Way::Reply => self.marks().reply_body = digest,
            },
            Fact::Tunnel => self.request_end = None,
            Fact::Upgraded => self.become_first_stream(),
            Fact::Carried(bytes) => match way {
                Way::Request => exchange.request_bytes += u64::from(bytes),
                Way::Reply => exchange.reply_bytes += u64::from(bytes),
            },
            Fact::GrpcStatus(status) => exchange.grpc_status = Some(status),
            Fact::ClientHello(hello) => {
                exchange.application = Application::Tls;
                exchange.host = hello.sni;
                self.tls().alpn = hello.alpn;
            }
            Fact::ServerHello(hello) => {
                let tls = self.tls();
                tls.version = hello.version;
                tls.agreed_alpn = hello.alpn;
            }
        }
    }

    /// The answer was an upgrade to HTTP/2: the one that counts is to come, on stream 1 (RFC 7540 §3.2).
    fn become_first_stream(&mut self) {
        self.token = Token::Stream(1);
        self.exchange.request_bytes = self
            .request_seq
            .zip(self.request_end)
            .map_or(0, |(start, end)| u64::from(end.wrapping_sub(start)));
        self.reply_seq = None;
        self.reply_end = None;
    }
}
