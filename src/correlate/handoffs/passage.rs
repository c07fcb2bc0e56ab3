//! An exchange as a host's proxy sees it: coming in, or going out.

use smallvec::SmallVec;

use crate::model::{
    Application, Direction, Endpoint, Exchange, Ip, Leg, Marks, NodeId, Part, Role, Sighting, Timestamp,
    Topology, VantageId, Way,
};

/// Two interfaces of one node stamp with one clock; packets may still be stamped in another order than they went.
const SLACK_AT_HOST: i64 = 50_000;
/// Where an exchange was not seen at the host itself, two nodes' clocks come in.
const SLACK_ELSEWHERE: i64 = 2_000_000;

/// Where a proxy can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Host {
    /// A node: any of its addresses.
    Node(NodeId),
    /// A pod, or a machine that was not captured.
    Address(Ip),
}

impl Host {
    pub(super) fn of(ip: Ip, topology: &Topology) -> Host {
        topology.node_addresses.get(&ip).map_or(Host::Address(ip), |&node| Host::Node(node))
    }

    /// The node it is or runs on, where that is known.
    pub(super) fn node(self, topology: &Topology) -> Option<NodeId> {
        match self {
            Host::Node(node) => Some(node),
            Host::Address(ip) => topology.node_of_pod(ip),
        }
    }

    /// Whether what goes in and out of it is captured, so that what was not seen did not happen.
    pub(super) fn is_watched(self, topology: &Topology) -> bool {
        match self {
            Host::Node(node) => topology.captures(node, Role::Uplink),
            Host::Address(ip) => topology.pods.contains_key(&ip),
        }
    }

    /// Whether a sighting shows a packet on its way into the host (`Toward`) or out of it at its own edge.
    fn is_at_edge(self, sighting: &Sighting, toward: bool, topology: &Topology) -> bool {
        let vantage = topology.vantage(sighting.vantage);
        match self {
            Host::Node(node) if vantage.node != node => false,
            Host::Node(_) if vantage.role == Role::Loopback => true,
            Host::Node(_) => sighting.direction != if toward { Direction::Out } else { Direction::In },
            Host::Address(ip) => {
                topology.pods.get(&ip) == Some(&sighting.vantage)
                    && sighting.direction != if toward { Direction::In } else { Direction::Out }
            }
        }
    }
}

/// What is known of an exchange, open or closed.
#[derive(Clone, Copy)]
pub(in crate::correlate) struct Seen<'a> {
    pub sightings: &'a [Sighting],
    pub exchange: &'a Exchange,
    pub marks: Option<&'a Marks>,
    pub leg: &'a Leg,
    /// The last packet that carried something of it.
    pub end: Option<(VantageId, Timestamp)>,
}

impl Seen<'_> {
    /// Whether what was asked and answered is understood.
    pub(super) fn is_http(&self) -> bool {
        self.exchange.application == Application::Http
    }

    /// Who the server's side takes for the client.
    pub(super) fn client(&self) -> Endpoint {
        let announced = self.marks.and_then(|marks| marks.announced);
        announced.or(self.leg.client_seen_by_server).unwrap_or(self.leg.client)
    }

    /// The host that ends the leg.
    pub(super) fn server_host(&self, topology: &Topology) -> Option<Host> {
        self.leg.server.or(self.leg.target).map(|server| Host::of(server.ip, topology))
    }

    /// The host that opened the leg.
    pub(super) fn client_host(&self, topology: &Topology) -> Host {
        Host::of(self.leg.client.ip, topology)
    }
}

/// The times of an exchange at one host, on the core's clock.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// Of the request's payload; of the first packet where it has none.
    pub request: SmallVec<[Timestamp; 4]>,
    /// Of the answer's payload.
    pub reply: SmallVec<[Timestamp; 4]>,
    /// The last of the answer, at any capture point; the end of time while there is no answer.
    pub end: Timestamp,
    /// They were taken at the host's own edge.
    pub is_at_host: bool,
}

impl Passage {
    /// `is_inbound`: the host serves the exchange, rather than asks.
    pub(super) fn new(
        seen: Seen<'_>,
        host: Host,
        is_inbound: bool,
        topology: &Topology,
        ahead: &[i64],
    ) -> Option<Passage> {
        let times = |way: Way, is_wanted: &dyn Fn(&Sighting) -> bool| {
            let mut times: SmallVec<[Timestamp; 4]> = seen
                .sightings
                .iter()
                .filter(|sighting| sighting.way == way && is_wanted(sighting))
                .map(|sighting| core_time(sighting.vantage, sighting.time, topology, ahead))
                .collect();
            times.sort_unstable();
            times
        };
        let is_payload = |sighting: &Sighting| matches!(sighting.part, Part::Head | Part::Body);
        let has_payload = seen.sightings.iter().any(|it| it.way == Way::Request && is_payload(it));
        // A connection that never came to a request shows by its SYN when it was asked for.
        let begins = |it: &Sighting| if has_payload { is_payload(it) } else { it.part == Part::Handshake };
        let is_edge =
            |it: &Sighting, way: Way| host.is_at_edge(it, is_inbound == (way == Way::Request), topology);
        let is_answer = |it: &Sighting| it.way == Way::Reply && it.part == Part::Handshake;
        let was_accepted = seen.sightings.iter().any(|it| is_answer(it) && is_edge(it, Way::Reply));
        if !is_inbound && was_accepted && !has_payload {
            // Opened to be used later: it was for no request.
            return None;
        }
        let mut request = times(Way::Request, &|it| begins(it) && is_edge(it, Way::Request));
        let mut reply = times(Way::Reply, &|it| is_payload(it) && is_edge(it, Way::Reply));
        // What comes before a request's first byte announces the connection, not the request.
        let head = |it: &Sighting| it.part == Part::Head && is_edge(it, Way::Request);
        if let Some(&first) = times(Way::Request, &head).first() {
            request.retain(|time| *time >= first);
        }
        let is_at_host = !request.is_empty();
        if request.is_empty() {
            request = times(Way::Request, &begins);
        }
        if reply.is_empty() {
            reply = times(Way::Reply, &is_payload);
        }
        let kept = reply.last().copied();
        let last = seen.end.map(|(vantage, time)| core_time(vantage, time, topology, ahead));
        let end = kept.map_or(Timestamp(i64::MAX), |kept| kept.max(last.unwrap_or(kept)));
        (!request.is_empty()).then_some(Passage { request, reply, end, is_at_host })
    }

    pub(super) fn start(&self) -> Timestamp {
        self.request[0]
    }

    /// How many times an answer followed a request.
    pub(super) fn turns(&self) -> usize {
        let mut turns = 0;
        let mut answered = Timestamp(i64::MIN);
        for &asked in &self.request {
            if asked < answered {
                continue;
            }
            let Some(&answer) = self.reply.iter().find(|&&answer| answer >= asked) else { break };
            turns += 1;
            answered = answer;
        }
        turns
    }
}

/// How long a proxy held a request and its answer, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delays {
    pub request: Option<i64>,
    pub reply: Option<i64>,
}

impl Delays {
    /// Of the request and of the answer.
    pub(super) fn by_way(self) -> [Option<i64>; 2] {
        [self.request, self.reply]
    }
}

/// How `outbound` lies within `inbound`; `None` where it does not, so that it cannot be its continuation.
pub(super) fn within(inbound: &Passage, outbound: &Passage) -> Option<Delays> {
    let is_at_host = inbound.is_at_host && outbound.is_at_host;
    let slack = if is_at_host { SLACK_AT_HOST } else { SLACK_ELSEWHERE };
    let start = outbound.start();
    if start.plus(slack) < inbound.start() || inbound.end.plus(slack) < start {
        return None;
    }
    // The last of the request that had come in by then: a proxy may send on while more is coming.
    let asked = inbound.request.iter().rev().find(|&&time| time <= start).or(inbound.request.first());
    let request = asked.map(|&asked| start.since(asked).max(0));
    let answer = outbound.reply.first().copied();
    if answer.is_some_and(|answer| inbound.end.plus(slack) < answer) {
        return None;
    }
    let passed_on = answer.and_then(|answer| {
        let later = inbound.reply.iter().find(|time| time.plus(slack) >= answer);
        later.map(|time| time.since(answer).max(0))
    });
    Some(Delays { request, reply: passed_on })
}

fn core_time(vantage: VantageId, time: Timestamp, topology: &Topology, ahead: &[i64]) -> Timestamp {
    let node = topology.vantage(vantage).node;
    time.plus(-ahead.get(node.0 as usize).copied().unwrap_or_default())
}
