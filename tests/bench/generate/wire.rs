//! The wire: connections whose segments pass every interface on their way, may be lost, and are written in the order of
//! their stamps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use hopline::model::{MICROS, MILLIS, TcpSegment};

use crate::cluster::{Delays, End, Hop, Port, way};
use crate::conversation::{Bytes, Conversation, Sent, Tcp};
use crate::random::Random;
use crate::recording::Recording;

const SEGMENT: usize = 1448;
/// Segments that receive offload glues together.
const GLUED: usize = 10;
const PSH_ACK: u8 = 8 | TcpSegment::ACK;

pub(crate) struct Wire {
    pub(crate) random: Random,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    ports: u64,
    buffer: Vec<u8>,
    /// Segments of a thousand that are lost.
    losses: u64,
    pub(crate) retransmissions: u64,
}

pub(crate) struct Connection {
    pub(crate) conversation: Rc<Conversation>,
    /// Next sequence numbers of client and server.
    pub(crate) next: [u32; 2],
    pub(crate) delays: Delays,
    pub(crate) has_offload: bool,
}

/// A packet at one hop, waiting for its turn.
struct Queued {
    hop: Hop,
    order: u64,
    sent: Sent,
}

impl Queued {
    const fn key(&self) -> (i64, u64) {
        (self.hop.stamp, self.order)
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Queued) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Queued) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Which interfaces see a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Everywhere,
    /// Up to this many of them; it is lost behind the last one.
    First(usize),
    OnlyByPods,
    OnlyByUplinks,
}

impl Seen {
    const fn by(self, index: usize, hop: &Hop) -> bool {
        match self {
            Seen::Everywhere => true,
            Seen::First(count) => index < count,
            Seen::OnlyByPods => matches!(hop.place.port, Port::Pod(_)),
            Seen::OnlyByUplinks => matches!(hop.place.port, Port::Uplink),
        }
    }
}

impl Wire {
    pub(crate) fn new(random: Random, losses: u64) -> Wire {
        Wire {
            random,
            queue: BinaryHeap::new(),
            order: 0,
            ports: 0,
            buffer: Vec::new(),
            losses,
            retransmissions: 0,
        }
    }

    /// Packets made, not yet written.
    pub(crate) fn waiting(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Writes all packets that are stamped before `horizon`.
    pub(crate) fn write_until(&mut self, horizon: i64, recording: &mut Recording) -> anyhow::Result<()> {
        while let Some(queued) = self.queue.peek_mut().filter(|queued| queued.0.hop.stamp < horizon) {
            let Reverse(Queued { hop, sent, .. }) = std::collections::binary_heap::PeekMut::pop(queued);
            sent.write(&hop, &mut self.buffer)?;
            recording.write(&hop, &self.buffer)?;
        }
        Ok(())
    }

    /// A connection that is not open yet.
    pub(crate) fn connection(&mut self, conversation: Rc<Conversation>, has_offload: bool) -> Connection {
        Connection {
            conversation,
            next: [self.random.next() as u32, self.random.next() as u32],
            delays: Delays::drawn(&mut self.random),
            has_offload,
        }
    }

    /// Ports are taken in turn, as a kernel does that has plenty.
    pub(crate) fn port(&mut self) -> u16 {
        self.ports += 1;
        32_768 + (self.ports % 28_232) as u16
    }

    /// The handshake; gives when the server's part of it arrives.
    pub(crate) fn open(&mut self, connection: &mut Connection, now: i64) -> i64 {
        let now = self.segment(connection, true, TcpSegment::SYN, Bytes::none(), now);
        let both = TcpSegment::SYN | TcpSegment::ACK;
        let now = self.segment(connection, false, both, Bytes::none(), now + 5 * MICROS);
        self.segment(connection, true, TcpSegment::ACK, Bytes::none(), now + 5 * MICROS);
        now
    }

    pub(crate) fn close(&mut self, mut connection: Connection, now: i64) -> i64 {
        let fin = TcpSegment::FIN | TcpSegment::ACK;
        let now = self.segment(&mut connection, true, fin, Bytes::none(), now);
        let now = self.segment(&mut connection, false, fin, Bytes::none(), now + 10 * MICROS);
        self.segment(&mut connection, true, TcpSegment::ACK, Bytes::none(), now + 5 * MICROS)
    }

    /// Sends a message's bytes, with the other side's acknowledgements; gives when the last arrived.
    pub(crate) fn stream(
        &mut self,
        connection: &mut Connection,
        is_from_client: bool,
        message: &Bytes,
        now: i64,
    ) -> i64 {
        let (len, acknowledged) = if connection.has_offload { (SEGMENT * GLUED, 1) } else { (SEGMENT, 2) };
        let (mut now, mut arrived) = (now, now);
        let mut trains = (1..).zip(parts(message, len)).peekable();
        while let Some((number, train)) = trains.next() {
            (now, arrived) = if connection.has_offload {
                self.glued_train(connection, is_from_client, train, now)
            } else {
                self.single_segment(connection, is_from_client, train, now)
            };
            // A request is acknowledged by its answer.
            if !is_from_client && (number % acknowledged == 0 || trains.peek().is_none()) {
                self.segment(connection, true, TcpSegment::ACK, Bytes::none(), arrived + 3 * MICROS);
            }
        }
        arrived
    }

    /// A segment as any interface sees it; it may be lost and sent again. Gives when the next can follow, and when
    /// this one arrived.
    fn single_segment(
        &mut self,
        connection: &mut Connection,
        is_from_client: bool,
        payload: Bytes,
        now: i64,
    ) -> (i64, i64) {
        let mut now = now;
        let before = connection.next;
        let seen = self.perhaps_lost(connection);
        let mut arrived = self.seen_segment(connection, is_from_client, PSH_ACK, payload.clone(), now, seen);
        if seen != Seen::Everywhere {
            connection.next = before;
            now += 210 * MILLIS;
            self.retransmissions += 1;
            arrived = self.segment(connection, is_from_client, PSH_ACK, payload, now);
        }
        (now + 4 * MICROS, arrived)
    }

    /// A train of segments that offload keeps as one packet on the pods' interfaces.
    fn glued_train(
        &mut self,
        connection: &mut Connection,
        is_from_client: bool,
        train: Bytes,
        now: i64,
    ) -> (i64, i64) {
        let before = connection.next;
        for (index, part) in (0..).zip(parts(&train, SEGMENT)) {
            let at = now + index * MICROS;
            self.seen_segment(connection, is_from_client, PSH_ACK, part, at, Seen::OnlyByUplinks);
        }
        connection.next = before;
        let arrived = self.seen_segment(connection, is_from_client, PSH_ACK, train, now, Seen::OnlyByPods);
        (now + (GLUED as i64 + 4) * MICROS, arrived)
    }

    fn perhaps_lost(&mut self, connection: &Connection) -> Seen {
        let is_on_one_node = connection.conversation.is_on_one_node();
        match self.random.chance(self.losses) {
            true if is_on_one_node => Seen::First(1),
            true => Seen::First(self.random.between(1, 4) as usize),
            false => Seen::Everywhere,
        }
    }

    pub(crate) fn segment(
        &mut self,
        connection: &mut Connection,
        is_from_client: bool,
        flags: u8,
        payload: Bytes,
        now: i64,
    ) -> i64 {
        self.seen_segment(connection, is_from_client, flags, payload, now, Seen::Everywhere)
    }

    /// Sends a segment and moves the sender's sequence number on; gives when it arrives.
    pub(crate) fn seen_segment(
        &mut self,
        connection: &mut Connection,
        is_from_client: bool,
        flags: u8,
        payload: Bytes,
        now: i64,
        seen: Seen,
    ) -> i64 {
        let (own, other) = if is_from_client { (0, 1) } else { (1, 0) };
        let has_ack = flags & TcpSegment::ACK != 0;
        let millis = (now / MILLIS) as u32;
        let tcp = Tcp {
            seq: connection.next[own],
            ack: if has_ack { connection.next[other] } else { 0 },
            flags,
            tsval: millis.wrapping_add(own as u32 * 7777),
            tsecr: if has_ack { millis.wrapping_add(other as u32 * 7777) } else { 0 },
        };
        let bits = flags & (TcpSegment::SYN | TcpSegment::FIN) != 0;
        let span = payload.as_slice().len() as u32 + u32::from(bits);
        connection.next[own] = tcp.seq.wrapping_add(span);
        let sent = Sent {
            conversation: Rc::clone(&connection.conversation),
            is_from_client,
            ip_id: self.random.next() as u16,
            tcp: Some(tcp),
            payload,
        };
        self.send(&sent, now, connection.delays, seen)
    }

    pub(crate) fn send(&mut self, sent: &Sent, now: i64, delays: Delays, seen: Seen) -> i64 {
        let Conversation { client, server, .. } = *sent.conversation;
        let (from, to): (End, End) = if sent.is_from_client { (client, server) } else { (server, client) };
        let (hops, arrived) = way(from.site, to.site, now, delays);
        for (index, hop) in hops.into_iter().enumerate() {
            if seen.by(index, &hop) {
                self.order += 1;
                self.queue.push(Reverse(Queued { hop, order: self.order, sent: sent.clone() }));
            }
        }
        arrived
    }
}

fn parts(bytes: &Bytes, len: usize) -> impl Iterator<Item = Bytes> + use<> {
    let Bytes { all, range } = bytes.clone();
    range
        .clone()
        .step_by(len)
        .map(move |start| Bytes { all: Rc::clone(&all), range: start..(start + len).min(range.end) })
}
