//! Requests from outside: to HAProxy at a virtual address of the first node, on to Traefik on any node, on to a pod.
//!
//! Clients keep their connections alive, proxies keep theirs for whoever comes next. What is true of each request is
//! written down: the connection and the sequence number that it had on each leg.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

use hopline::model::{MICROS, TcpSegment};
use serde::Serialize;

use crate::cluster::{BEHIND_NS, Delays, End, NODES, Pod, Site};
use crate::conversation::{Bytes, Conversation};
use crate::messages::{Ask, Messages};
use crate::random::Random;
use crate::recording::Recording;
use crate::traffic::START;
use crate::wire::{Connection, Wire};

/// Where HAProxy listens, and runs.
const VIRTUAL: End = End { site: Site::Node(0), ip: [192, 168, 50, 100] };
/// Pods that serve, on each node.
const SERVING: u8 = 4;
/// Clients behind one address, which has so many ports at most.
const TO_AN_ADDRESS: usize = 8000;

/// What to make.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) requests: u64,
    /// Clients, each with one request at a time.
    pub(crate) together: usize,
    /// All requests, and all answers, have the same bytes.
    pub(crate) is_identical: bool,
    /// Connections that are upgraded at the beginning, and then stay open and silent.
    pub(crate) tunnels: usize,
    /// Of a thousand requests, those that Traefik sends to a dead server first.
    pub(crate) failures: u64,
}

/// How much was made of what.
#[derive(Default, Serialize)]
pub(crate) struct Made {
    /// All of them answered.
    requests: u64,
    tunnels: u64,
    failures: u64,
    /// On all legs.
    connections: u64,
}

/// Connections that wait for a request, with the time since when, by who opened them and whereto.
type Pool = BTreeMap<([u8; 4], [u8; 4]), Vec<(i64, Connection)>>;

pub(crate) struct Ingress {
    plan: Plan,
    wire: Wire,
    messages: Messages,
    /// Which client acts next, and when. Those beyond `together` upgrade their connections.
    agenda: BinaryHeap<Reverse<(i64, usize)>>,
    clients: Vec<Option<Connection>>,
    pool: Pool,
    truth: BufWriter<File>,
    made: Made,
}

impl Ingress {
    /// The truth goes to `truth.tsv` in `directory`.
    pub(crate) fn new(plan: Plan, seed: u64, directory: &Path) -> anyhow::Result<Ingress> {
        let mut random = Random(seed);
        let messages = Messages::new(&mut random);
        // Tunnels come first, fifty microseconds apart.
        let begin = START + plan.tunnels as i64 * 50 * MICROS;
        let tunnels = (0..plan.tunnels).map(|at| (START + at as i64 * 50 * MICROS, plan.together + at));
        let clients = (0..plan.together).map(|client| (begin + random.between(0, 20_000_000) as i64, client));
        let agenda = clients.chain(tunnels).map(Reverse).collect();
        Ok(Ingress {
            plan,
            wire: Wire::new(random, 0),
            messages,
            agenda,
            clients: (0..plan.together).map(|_| None).collect(),
            pool: Pool::new(),
            truth: BufWriter::new(File::create(directory.join("truth.tsv"))?),
            made: Made::default(),
        })
    }

    /// Makes and writes all of it.
    pub(crate) fn make(&mut self, recording: &mut Recording) -> anyhow::Result<&Made> {
        while let Some(Reverse((now, client))) = self.agenda.pop() {
            if client >= self.plan.together {
                self.tunnel(client, now)?;
            } else if self.made.requests < self.plan.requests {
                let ended = self.request(client, now)?;
                let pause = self.wire.random.log_between(100, 2_000) as i64 * MICROS;
                self.agenda.push(Reverse((ended + pause, client)));
            }
            let horizon = self.agenda.peek().map_or(i64::MAX, |Reverse((time, _))| time - BEHIND_NS);
            self.wire.write_until(horizon, recording)?;
        }
        self.truth.flush()?;
        Ok(&self.made)
    }

    /// A request on the client's connection; gives when its answer arrives.
    fn request(&mut self, client: usize, now: i64) -> anyhow::Result<i64> {
        let number = if self.plan.is_identical { 0 } else { self.made.requests };
        self.made.requests += 1;
        let kept = self.clients[client].take();
        let (connection, now) = match kept {
            Some(connection) => (connection, now),
            None => self.connect(outside(client), VIRTUAL, 80, now),
        };
        let ask = Ask { number, is_upgrade: false };
        let (connections, ended) = self.exchange(connection, &ask, now)?;
        let [front, middle, back] = connections;
        for connection in [middle, back] {
            let Conversation { client, server, .. } = *connection.conversation;
            self.pool.entry((client.ip, server.ip)).or_default().push((ended, connection));
        }
        if self.wire.random.chance(20) {
            self.wire.close(front, ended + 50 * MICROS);
        } else {
            self.clients[client] = Some(front);
        }
        Ok(ended)
    }

    /// A connection that is upgraded on all legs, and stays open.
    fn tunnel(&mut self, client: usize, now: i64) -> anyhow::Result<()> {
        let (connection, now) = self.connect(outside(client), VIRTUAL, 80, now);
        let ask = Ask { number: self.made.tunnels, is_upgrade: true };
        self.exchange(connection, &ask, now)?;
        self.made.tunnels += 1;
        Ok(())
    }

    /// A request through both proxies and its answer back; gives the connections of the three legs.
    fn exchange(
        &mut self,
        mut front: Connection,
        ask: &Ask,
        now: i64,
    ) -> anyhow::Result<([Connection; 3], i64)> {
        let client = front.conversation.client;
        let traefik = End::on(self.wire.random.between(0, NODES.len() as u64) as u8);
        let pod = Pod {
            node: self.wire.random.between(0, NODES.len() as u64) as u8,
            number: self.wire.random.between(0, u64::from(SERVING)) as u8,
        };
        let mut seqs = Vec::new();

        let request = ask.by_client();
        let now = self.send(&mut front, request, now, &mut seqs);
        let ready = now + self.takes(40, 400);
        let (mut middle, ready) = self.pooled(End::on(0), traefik, 80, ready, ask.is_upgrade);
        let now = self.send(&mut middle, ask.by_haproxy(client.ip), ready, &mut seqs);
        let mut ready = now + self.takes(100, 900);
        if self.wire.random.chance(self.plan.failures) {
            ready = self.fail(traefik, ready) + self.takes(20, 90);
        }
        let (mut back, ready) = self.pooled(traefik, End::of(pod), 8080, ready, ask.is_upgrade);
        let now = self.send(&mut back, ask.by_traefik(client.ip, End::on(0).ip), ready, &mut seqs);

        let mut now = now + self.takes(1_000, 20_000);
        let answer = Bytes::whole(ask.answer(&self.messages, &mut self.wire.random));
        for connection in [&mut back, &mut middle, &mut front] {
            let arrived = self.wire.stream(connection, false, &answer, now);
            now = arrived + self.takes(30, 300);
        }
        for (connection, seq) in [&front, &middle, &back].into_iter().zip(seqs) {
            let [a, b, c, d] = connection.conversation.client.ip;
            write!(self.truth, "{a}.{b}.{c}.{d}:{}\t{seq}\t", connection.conversation.client_port)?;
        }
        writeln!(self.truth)?;
        Ok(([front, middle, back], now))
    }

    fn send(&mut self, connection: &mut Connection, bytes: Vec<u8>, now: i64, seqs: &mut Vec<u32>) -> i64 {
        seqs.push(connection.next[0]);
        connection.delays = Delays::drawn(&mut self.wire.random);
        self.wire.stream(connection, true, &Bytes::whole(bytes), now)
    }

    /// A time between two numbers of microseconds, in nanoseconds.
    fn takes(&mut self, low: u64, high: u64) -> i64 {
        self.wire.random.log_between(low * 1000, high * 1000) as i64
    }

    /// The connection that was used last of those that are free, or a new one; and when it can be used.
    fn pooled(&mut self, client: End, server: End, port: u16, now: i64, is_own: bool) -> (Connection, i64) {
        let pool = self.pool.entry((client.ip, server.ip)).or_default();
        let free = (0..pool.len()).filter(|&at| pool[at].0 <= now && !is_own).max_by_key(|&at| pool[at].0);
        match free {
            Some(at) => (pool.swap_remove(at).1, now),
            None => self.connect(client, server, port, now),
        }
    }

    fn connect(&mut self, client: End, server: End, port: u16, now: i64) -> (Connection, i64) {
        let mut connection = self.unopened(client, server, port);
        self.made.connections += 1;
        let now = self.wire.open(&mut connection, now);
        (connection, now + 20 * MICROS)
    }

    fn unopened(&mut self, client: End, server: End, port: u16) -> Connection {
        let conversation = Conversation {
            client,
            client_port: self.wire.port(),
            service: (server.ip, port),
            server,
            server_port: port,
        };
        self.wire.connection(Rc::new(conversation), false)
    }

    /// A server that is not there any more: its connection is refused. Gives when that is known.
    fn fail(&mut self, traefik: End, now: i64) -> i64 {
        self.made.failures += 1;
        let dead = End::of(Pod { node: 2, number: SERVING });
        let mut connection = self.unopened(traefik, dead, 8080);
        connection.next[1] = 0;
        let arrived = self.wire.segment(&mut connection, true, TcpSegment::SYN, Bytes::none(), now);
        let reset = TcpSegment::RST | TcpSegment::ACK;
        self.wire.segment(&mut connection, false, reset, Bytes::none(), arrived + 5 * MICROS)
    }
}

/// The address of a client.
fn outside(client: usize) -> End {
    End { site: Site::Outside, ip: [172, 31, 9, 77 + (client / TO_AN_ADDRESS) as u8] }
}
