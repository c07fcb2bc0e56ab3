//! What the pods do: look names up, ask Services, exchange datagrams; and what goes wrong meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use hopline::model::{MICROS, MILLIS, SECONDS, TcpSegment};
use serde::Serialize;

use crate::cluster::{BEHIND_NS, Delays, Hop, NODES, Pod, way};
use crate::conversation::{Bytes, Conversation, Sent, Tcp};
use crate::messages::{Messages, dns, service_name};
use crate::random::Random;
use crate::recording::Recording;

const START: i64 = 1_790_000_000 * SECONDS;
const SEGMENT: usize = 1448;
/// Segments that receive offload glues together.
const GLUED: usize = 10;
const SERVICES: u64 = 30;
/// Pods with a number below this serve, the others ask.
const SERVING: u8 = 10;
const DNS_POD: Pod = Pod { node: 2, number: 0 };
const DNS_SERVICE: ([u8; 4], u16) = ([10, 43, 0, 10], 53);
const PSH_ACK: u8 = 8 | TcpSegment::ACK;

/// How much was made of what.
#[derive(Default, Serialize)]
pub(crate) struct Made {
    connections: u64,
    /// HTTP requests, all of them answered.
    requests: u64,
    /// DNS queries, all of them answered.
    lookups: u64,
    /// Datagrams that were answered.
    datagrams: u64,
    /// Connections whose every SYN was lost.
    lost: u64,
    /// Connections that were answered with a reset.
    refused: u64,
    retransmissions: u64,
}

pub(crate) struct Traffic {
    random: Random,
    flows: Vec<Flow>,
    /// Which flow acts next, and when.
    agenda: BinaryHeap<Reverse<(i64, usize)>>,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    ports: u64,
    messages: Messages,
    buffer: Vec<u8>,
    pub(crate) made: Made,
}

/// One client's chain of connections, one at a time.
struct Flow {
    client: Pod,
    connection: Option<Connection>,
}

struct Connection {
    conversation: Rc<Conversation>,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
    delays: Delays,
    requests_left: u64,
    has_offload: bool,
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
enum Seen {
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
            Seen::OnlyByPods => hop.place.pod.is_some(),
            Seen::OnlyByUplinks => hop.place.pod.is_none(),
        }
    }
}

impl Traffic {
    pub(crate) fn new(seed: u64, flows: usize) -> Traffic {
        let mut random = Random(seed);
        let messages = Messages::new(&mut random);
        let agenda =
            (0..flows).map(|flow| Reverse((START + random.between(0, 1_000_000_000) as i64, flow))).collect();
        let client =
            |flow: usize| Pod { node: (flow % NODES.len()) as u8, number: SERVING + (flow / 3 % 10) as u8 };
        Traffic {
            random,
            flows: (0..flows).map(|flow| Flow { client: client(flow), connection: None }).collect(),
            agenda,
            queue: BinaryHeap::new(),
            order: 0,
            ports: 0,
            messages,
            buffer: Vec::new(),
            made: Made::default(),
        }
    }

    /// Packets made, not yet written.
    pub(crate) fn waiting(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Makes the next packets of the flow whose turn it is.
    pub(crate) fn next_exchange(&mut self) {
        let Some(Reverse((now, flow))) = self.agenda.pop() else { return };
        let client = self.flows[flow].client;
        let connection = self.flows[flow].connection.take();
        let (connection, ended) = match connection {
            Some(connection) => self.request(connection, now),
            None => match self.random.between(0, 1000) {
                0..30 => (None, self.datagrams(client, now)),
                30..32 => (None, self.unanswered(client, now)),
                32..34 => (None, self.refused(client, now)),
                _ => self.connect(client, now),
            },
        };
        let pause = self.random.log_between(20, 2000) as i64 * MILLIS;
        self.flows[flow].connection = connection;
        self.agenda.push(Reverse((ended + pause, flow)));
    }

    /// Writes what no later exchange can precede.
    pub(crate) fn drain(&mut self, recording: &mut Recording) -> anyhow::Result<()> {
        let horizon = self.agenda.peek().map_or(i64::MAX, |Reverse((time, _))| time - BEHIND_NS);
        self.write_until(horizon, recording)
    }

    /// Closes what is open, and writes the rest.
    pub(crate) fn finish(&mut self, recording: &mut Recording) -> anyhow::Result<()> {
        while let Some(Reverse((now, flow))) = self.agenda.pop() {
            if let Some(connection) = self.flows[flow].connection.take() {
                self.close(connection, now);
            }
            self.drain(recording)?;
        }
        self.write_until(i64::MAX, recording)
    }

    fn write_until(&mut self, horizon: i64, recording: &mut Recording) -> anyhow::Result<()> {
        while let Some(queued) = self.queue.peek_mut().filter(|queued| queued.0.hop.stamp < horizon) {
            let Reverse(Queued { hop, sent, .. }) = std::collections::binary_heap::PeekMut::pop(queued);
            sent.write(&hop, &mut self.buffer)?;
            recording.write(&hop, &self.buffer)?;
        }
        Ok(())
    }

    fn connect(&mut self, client: Pod, now: i64) -> (Option<Connection>, i64) {
        let service = self.random.between(0, SERVICES);
        let mut now = now;
        if self.random.chance(200) {
            now = self.lookup(client, service, now);
        }
        let mut connection = self.new_connection(client, service);
        now = self.segment(&mut connection, true, TcpSegment::SYN, Bytes::none(), now);
        now = self.segment(
            &mut connection,
            false,
            TcpSegment::SYN | TcpSegment::ACK,
            Bytes::none(),
            now + 5 * MICROS,
        );
        self.segment(&mut connection, true, TcpSegment::ACK, Bytes::none(), now + 5 * MICROS);
        self.made.connections += 1;
        self.request(connection, now + 20 * MICROS)
    }

    fn new_connection(&mut self, client: Pod, service: u64) -> Connection {
        let requests_left = self.random.log_between(1, 30);
        Connection {
            conversation: self.conversation(client, service),
            next: [self.random.next() as u32, self.random.next() as u32],
            delays: Delays::drawn(&mut self.random),
            requests_left,
            has_offload: self.random.chance(200),
        }
    }

    /// Every fifth Service has its pod on the client's own node.
    fn conversation(&mut self, client: Pod, service: u64) -> Rc<Conversation> {
        let distance = if self.random.chance(200) { 0 } else { self.random.between(1, 3) };
        let server = Pod {
            node: ((u64::from(client.node) + distance) % NODES.len() as u64) as u8,
            number: 1 + (service % u64::from(SERVING - 1)) as u8,
        };
        Rc::new(Conversation {
            client,
            client_port: self.port(),
            service: ([10, 43, 1, service as u8 + 1], 80),
            server,
            server_port: 8080,
        })
    }

    /// Ports are taken in turn, as a kernel does that has plenty.
    fn port(&mut self) -> u16 {
        self.ports += 1;
        32_768 + (self.ports % 28_232) as u16
    }

    /// A request and its answer on an open connection, and its end if that was the last one.
    fn request(&mut self, mut connection: Connection, now: i64) -> (Option<Connection>, i64) {
        self.made.requests += 1;
        connection.delays = Delays::drawn(&mut self.random);
        let service = u64::from(connection.conversation.service.0[3]) - 1;
        let request = Bytes::whole(self.messages.request(service, &mut self.random));
        let arrived = self.stream(&mut connection, true, &request, now);
        let think = self.random.log_between(200, 50_000) as i64 * MICROS;
        if think > 40 * MILLIS {
            // The delayed acknowledgement does not wait for the answer.
            self.segment(&mut connection, false, TcpSegment::ACK, Bytes::none(), arrived + 40 * MILLIS);
        }
        let answer = Bytes::whole(self.messages.answer(&mut self.random));
        let now = self.stream(&mut connection, false, &answer, arrived + think);
        connection.requests_left -= 1;
        if connection.requests_left > 0 {
            return (Some(connection), now);
        }
        (None, self.close(connection, now + 100 * MICROS))
    }

    fn close(&mut self, mut connection: Connection, now: i64) -> i64 {
        let fin = TcpSegment::FIN | TcpSegment::ACK;
        let now = self.segment(&mut connection, true, fin, Bytes::none(), now);
        let now = self.segment(&mut connection, false, fin, Bytes::none(), now + 10 * MICROS);
        self.segment(&mut connection, true, TcpSegment::ACK, Bytes::none(), now + 5 * MICROS)
    }

    /// Sends a message's bytes, with the other side's acknowledgements; gives when the last arrived.
    fn stream(
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
            self.made.retransmissions += 1;
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
        let is_on_one_node = connection.conversation.client.node == connection.conversation.server.node;
        match self.random.chance(2) {
            true if is_on_one_node => Seen::First(1),
            true => Seen::First(self.random.between(1, 4) as usize),
            false => Seen::Everywhere,
        }
    }

    fn segment(
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
    fn seen_segment(
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

    fn send(&mut self, sent: &Sent, now: i64, delays: Delays, seen: Seen) -> i64 {
        let Conversation { client, server, .. } = *sent.conversation;
        let (from, to) = if sent.is_from_client { (client, server) } else { (server, client) };
        let (hops, arrived) = way(from, to, now, delays);
        for (index, hop) in hops.into_iter().enumerate() {
            if seen.by(index, &hop) {
                self.order += 1;
                self.queue.push(Reverse(Queued { hop, order: self.order, sent: sent.clone() }));
            }
        }
        arrived
    }

    /// A client that dials a Service in vain: three SYNs, all lost at the same place.
    fn unanswered(&mut self, client: Pod, now: i64) -> i64 {
        self.made.lost += 1;
        let service = self.random.between(0, SERVICES);
        let mut connection = self.new_connection(client, service);
        let is_on_one_node = connection.conversation.server.node == client.node;
        let count = if is_on_one_node { 1 } else { self.random.between(1, 4) as usize };
        for after in [0, 1, 3] {
            let before = connection.next;
            let at = now + after * SECONDS;
            self.seen_segment(&mut connection, true, TcpSegment::SYN, Bytes::none(), at, Seen::First(count));
            connection.next = before;
        }
        now + 3 * SECONDS
    }

    fn refused(&mut self, client: Pod, now: i64) -> i64 {
        self.made.refused += 1;
        let service = self.random.between(0, SERVICES);
        let mut connection = self.new_connection(client, service);
        connection.next[1] = 0;
        let arrived = self.segment(&mut connection, true, TcpSegment::SYN, Bytes::none(), now);
        let reset = TcpSegment::RST | TcpSegment::ACK;
        self.segment(&mut connection, false, reset, Bytes::none(), arrived + 5 * MICROS)
    }

    /// Asks for both address families at once, as resolvers do.
    fn lookup(&mut self, client: Pod, service: u64, now: i64) -> i64 {
        let (service_ip, port) = DNS_SERVICE;
        let conversation = Conversation {
            client,
            client_port: self.port(),
            service: (service_ip, port),
            server: DNS_POD,
            server_port: port,
        };
        let conversation = Rc::new(conversation);
        let name = format!("{}.cluster.local", service_name(service));
        let mut ended = now;
        for (kind, address) in [(1u16, &[10, 43, 1, service as u8 + 1][..]), (28, &[])] {
            self.made.lookups += 1;
            let id = self.random.next() as u16;
            let query = dns(id, &name, kind, None);
            let answer = dns(id, &name, kind, Some(address));
            ended = ended.max(self.datagram_pair(&conversation, query, answer, now));
        }
        ended + 50 * MICROS
    }

    fn datagrams(&mut self, client: Pod, now: i64) -> i64 {
        self.made.datagrams += 1;
        let service = self.random.between(0, SERVICES);
        let tcp = self.conversation(client, service);
        let conversation =
            Conversation { service: ([10, 43, 2, service as u8 + 1], 5000), server_port: 5000, ..*tcp };
        let question = self.messages.bytes(40, 400, &mut self.random).to_vec();
        let answer = self.messages.bytes(40, 1000, &mut self.random).to_vec();
        self.datagram_pair(&Rc::new(conversation), question, answer, now)
    }

    fn datagram_pair(
        &mut self,
        conversation: &Rc<Conversation>,
        question: Vec<u8>,
        answer: Vec<u8>,
        now: i64,
    ) -> i64 {
        let delays = Delays::drawn(&mut self.random);
        let mut send = |is_from_client, bytes, now| {
            let ip_id = self.random.next() as u16;
            let conversation = Rc::clone(conversation);
            let sent = Sent { conversation, is_from_client, ip_id, tcp: None, payload: Bytes::whole(bytes) };
            self.send(&sent, now, delays, Seen::Everywhere)
        };
        let arrived = send(true, question, now);
        send(false, answer, arrived + 300 * MICROS)
    }
}

fn parts(bytes: &Bytes, len: usize) -> impl Iterator<Item = Bytes> + use<> {
    let Bytes { all, range } = bytes.clone();
    range
        .clone()
        .step_by(len)
        .map(move |start| Bytes { all: Rc::clone(&all), range: start..(start + len).min(range.end) })
}
