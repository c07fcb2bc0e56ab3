//! What the pods do: look names up, ask Services, exchange datagrams; and what goes wrong meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use hopline::model::{MICROS, MILLIS, SECONDS, TcpSegment};
use serde::Serialize;

use crate::cluster::{BEHIND_NS, Delays, End, NODES, Pod};
use crate::conversation::{Bytes, Conversation, Sent};
use crate::messages::{Messages, dns, service_name};
use crate::random::Random;
use crate::recording::Recording;
use crate::wire::{Connection, Seen, Wire};

pub(crate) const START: i64 = 1_790_000_000 * SECONDS;
const SERVICES: u64 = 30;
/// Pods with a number below this serve, the others ask.
const SERVING: u8 = 10;
const DNS_POD: Pod = Pod { node: 2, number: 0 };
const DNS_SERVICE: ([u8; 4], u16) = ([10, 43, 0, 10], 53);
/// Segments of a thousand that are lost.
const LOSSES: u64 = 2;

/// How much was made of what.
#[derive(Clone, Default, Serialize)]
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
    wire: Wire,
    flows: Vec<Flow>,
    /// Which flow acts next, and when.
    agenda: BinaryHeap<Reverse<(i64, usize)>>,
    messages: Messages,
    made: Made,
}

/// One client's chain of connections, one at a time.
struct Flow {
    client: Pod,
    /// With how many requests are left on it.
    connection: Option<(Connection, u64)>,
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
            wire: Wire::new(random, LOSSES),
            flows: (0..flows).map(|flow| Flow { client: client(flow), connection: None }).collect(),
            agenda,
            messages,
            made: Made::default(),
        }
    }

    /// How much was made so far.
    pub(crate) fn made(&self) -> Made {
        Made { retransmissions: self.wire.retransmissions, ..self.made.clone() }
    }

    /// Packets made, not yet written.
    pub(crate) fn waiting(&self) -> u64 {
        self.wire.waiting()
    }

    /// Makes the next packets of the flow whose turn it is.
    pub(crate) fn next_exchange(&mut self) {
        let Some(Reverse((now, flow))) = self.agenda.pop() else { return };
        let client = self.flows[flow].client;
        let connection = self.flows[flow].connection.take();
        let (connection, ended) = match connection {
            Some((connection, left)) => self.request(connection, left, now),
            None => match self.wire.random.between(0, 1000) {
                0..30 => (None, self.datagrams(client, now)),
                30..32 => (None, self.unanswered(client, now)),
                32..34 => (None, self.refused(client, now)),
                _ => self.connect(client, now),
            },
        };
        let pause = self.wire.random.log_between(20, 2000) as i64 * MILLIS;
        self.flows[flow].connection = connection;
        self.agenda.push(Reverse((ended + pause, flow)));
    }

    /// Writes what no later exchange can precede.
    pub(crate) fn drain(&mut self, recording: &mut Recording) -> anyhow::Result<()> {
        let horizon = self.agenda.peek().map_or(i64::MAX, |Reverse((time, _))| time - BEHIND_NS);
        self.wire.write_until(horizon, recording)
    }

    /// Closes what is open, and writes the rest.
    pub(crate) fn finish(&mut self, recording: &mut Recording) -> anyhow::Result<()> {
        while let Some(Reverse((now, flow))) = self.agenda.pop() {
            if let Some((connection, _)) = self.flows[flow].connection.take() {
                self.wire.close(connection, now);
            }
            self.drain(recording)?;
        }
        self.wire.write_until(i64::MAX, recording)
    }
    fn connect(&mut self, client: Pod, now: i64) -> (Option<(Connection, u64)>, i64) {
        let service = self.wire.random.between(0, SERVICES);
        let mut now = now;
        if self.wire.random.chance(200) {
            now = self.lookup(client, service, now);
        }
        let requests = self.wire.random.log_between(1, 30);
        let mut connection = self.new_connection(client, service);
        now = self.wire.open(&mut connection, now);
        self.made.connections += 1;
        self.request(connection, requests, now + 20 * MICROS)
    }

    fn new_connection(&mut self, client: Pod, service: u64) -> Connection {
        let conversation = self.conversation(client, service);
        let has_offload = self.wire.random.chance(200);
        self.wire.connection(conversation, has_offload)
    }

    /// Every fifth Service has its pod on the client's own node.
    fn conversation(&mut self, client: Pod, service: u64) -> Rc<Conversation> {
        let distance = if self.wire.random.chance(200) { 0 } else { self.wire.random.between(1, 3) };
        let server = Pod {
            node: ((u64::from(client.node) + distance) % NODES.len() as u64) as u8,
            number: 1 + (service % u64::from(SERVING - 1)) as u8,
        };
        Rc::new(Conversation {
            client: End::of(client),
            client_port: self.wire.port(),
            service: ([10, 43, 1, service as u8 + 1], 80),
            server: End::of(server),
            server_port: 8080,
        })
    }

    /// A request and its answer on an open connection, and its end if that was the last one.
    fn request(
        &mut self,
        mut connection: Connection,
        left: u64,
        now: i64,
    ) -> (Option<(Connection, u64)>, i64) {
        self.made.requests += 1;
        connection.delays = Delays::drawn(&mut self.wire.random);
        let service = u64::from(connection.conversation.service.0[3]) - 1;
        let request = Bytes::whole(self.messages.request(service, &mut self.wire.random));
        let arrived = self.wire.stream(&mut connection, true, &request, now);
        let think = self.wire.random.log_between(200, 50_000) as i64 * MICROS;
        if think > 40 * MILLIS {
            // The delayed acknowledgement does not wait for the answer.
            self.wire.segment(&mut connection, false, TcpSegment::ACK, Bytes::none(), arrived + 40 * MILLIS);
        }
        let answer = Bytes::whole(self.messages.answer(&mut self.wire.random));
        let now = self.wire.stream(&mut connection, false, &answer, arrived + think);
        if left > 1 {
            return (Some((connection, left - 1)), now);
        }
        (None, self.wire.close(connection, now + 100 * MICROS))
    }
    fn unanswered(&mut self, client: Pod, now: i64) -> i64 {
        self.made.lost += 1;
        let service = self.wire.random.between(0, SERVICES);
        let mut connection = self.new_connection(client, service);
        let is_on_one_node = connection.conversation.is_on_one_node();
        let count = if is_on_one_node { 1 } else { self.wire.random.between(1, 4) as usize };
        for after in [0, 1, 3] {
            let before = connection.next;
            let at = now + after * SECONDS;
            self.wire.seen_segment(
                &mut connection,
                true,
                TcpSegment::SYN,
                Bytes::none(),
                at,
                Seen::First(count),
            );
            connection.next = before;
        }
        now + 3 * SECONDS
    }

    fn refused(&mut self, client: Pod, now: i64) -> i64 {
        self.made.refused += 1;
        let service = self.wire.random.between(0, SERVICES);
        let mut connection = self.new_connection(client, service);
        connection.next[1] = 0;
        let arrived = self.wire.segment(&mut connection, true, TcpSegment::SYN, Bytes::none(), now);
        let reset = TcpSegment::RST | TcpSegment::ACK;
        self.wire.segment(&mut connection, false, reset, Bytes::none(), arrived + 5 * MICROS)
    }

    /// Asks for both address families at once, as resolvers do.
    fn lookup(&mut self, client: Pod, service: u64, now: i64) -> i64 {
        let (service_ip, port) = DNS_SERVICE;
        let conversation = Conversation {
            client: End::of(client),
            client_port: self.wire.port(),
            service: (service_ip, port),
            server: End::of(DNS_POD),
            server_port: port,
        };
        let conversation = Rc::new(conversation);
        let name = format!("{}.cluster.local", service_name(service));
        let mut ended = now;
        for (kind, address) in [(1u16, &[10, 43, 1, service as u8 + 1][..]), (28, &[])] {
            self.made.lookups += 1;
            let id = self.wire.random.next() as u16;
            let query = dns(id, &name, kind, None);
            let answer = dns(id, &name, kind, Some(address));
            ended = ended.max(self.datagram_pair(&conversation, query, answer, now));
        }
        ended + 50 * MICROS
    }

    fn datagrams(&mut self, client: Pod, now: i64) -> i64 {
        self.made.datagrams += 1;
        let service = self.wire.random.between(0, SERVICES);
        let tcp = self.conversation(client, service);
        let conversation =
            Conversation { service: ([10, 43, 2, service as u8 + 1], 5000), server_port: 5000, ..*tcp };
        let question = self.messages.bytes(40, 400, &mut self.wire.random).to_vec();
        let answer = self.messages.bytes(40, 1000, &mut self.wire.random).to_vec();
        self.datagram_pair(&Rc::new(conversation), question, answer, now)
    }

    fn datagram_pair(
        &mut self,
        conversation: &Rc<Conversation>,
        question: Vec<u8>,
        answer: Vec<u8>,
        now: i64,
    ) -> i64 {
        let delays = Delays::drawn(&mut self.wire.random);
        let mut send = |is_from_client, bytes, now| {
            let ip_id = self.wire.random.next() as u16;
            let conversation = Rc::clone(conversation);
            let sent = Sent { conversation, is_from_client, ip_id, tcp: None, payload: Bytes::whole(bytes) };
            self.wire.send(&sent, now, delays, Seen::Everywhere)
        };
        let arrived = send(true, question, now);
        send(false, answer, arrived + 300 * MICROS)
    }
}
