//! A trail: everything that was seen of one exchange. It is what correlation hands on; numbering it into
//! stages and judging it is the next room's work.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::model::{
    Crossing, Direction, Encapsulation, Endpoint, Exchange, Expected, Hop, IcmpReason, Ip, Leg, Marks,
    Resolution, Timestamp, Traced, VantageId,
};

/// One packet at one capture point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// On the node's own clock.
    pub time: Timestamp,
    pub vantage: VantageId,
    pub direction: Direction,
    pub way: Way,
    pub part: Part,
    /// Index into [`Leg::faces`]: the addresses the packet carried here.
    pub face: u8,
    /// Index into [`Trail::legs`].
    pub leg: u8,
    pub ttl: u8,
    /// TCP flags; 0 for other protocols.
    pub flags: u8,
    pub ip_id: u16,
    /// TCP sequence number of the first byte, ICMP echo sequence, or 0.
    pub seq: u32,
    pub ack: u32,
    /// Transport payload bytes on the wire.
    pub len: u32,
    /// The same bytes had been seen at this capture point before.
    pub is_repeat: bool,
}

/// Which way a packet goes on its leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Way {
    /// Client to server.
    Request,
    /// Server to client.
    Reply,
}

/// What part of the exchange a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Part {
    /// SYN or SYN-ACK.
    Handshake,
    /// Carries the first byte of the request or of the answer (or is the datagram, the echo).
    Head,
    /// More payload.
    Body,
    /// A bare acknowledgement.
    Ack,
    /// FIN without payload.
    Fin,
    Reset,
    /// An ICMP error about this exchange.
    IcmpError,
    /// The node asks for (ARP, neighbour discovery) the exchange's server on its cali interface.
    NeighbourRequest,
}

impl Part {
    /// Every part, by its number.
    pub const ALL: [Part; 8] = [
        Part::Handshake,
        Part::Head,
        Part::Body,
        Part::Ack,
        Part::Fin,
        Part::Reset,
        Part::IcmpError,
        Part::NeighbourRequest,
    ];
}

/// An ICMP error about a trail's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpNotice {
    pub reason: IcmpReason,
    /// Who sent it.
    pub reporter: Ip,
    /// Next-hop MTU where the reason is a packet too big, else 0.
    pub mtu: u32,
}

/// How a trail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// More may come.
    Open,
    /// The answer was seen whole, or both sides closed.
    Answered,
    /// The deadline for an answer, or for the packet to go on, is over.
    TimedOut,
    /// The recording ended first.
    Cut,
    /// Dropped from memory to keep a bound; what is here is what was known then.
    Evicted,
}

/// Everything seen of one exchange of the outermost client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// By first sight; stable over revisions.
    pub id: u64,
    /// Grows with each upsert of this trail.
    pub revision: u32,
    pub phase: Phase,
    /// The client's leg first. More than one where a proxy was crossed.
    pub legs: SmallVec<[Leg; 1]>,
    /// For each leg but the first, how a proxy came to it.
    pub hops: Vec<Hop>,
    /// What was asked and answered on the client's leg.
    pub exchange: Exchange,
    /// By what the exchange on the client's leg is recognised behind a proxy.
    pub marks: Option<Box<Marks>>,
    /// In the order they were processed; bounded, the parts that matter for stages are kept first.
    pub sightings: Vec<Sighting>,
    /// The last packet that carried something of the exchange, whether its sighting is kept or not:
    /// acknowledgements and the closing of the connection come after the exchange.
    pub end: Option<(VantageId, Timestamp)>,
    /// Sightings that the bound left out.
    pub left_out: u32,
    /// Segments of the exchange that were sent again, counted where the sender is captured.
    pub retransmissions: u32,
    pub resolution: Option<Box<Resolution>>,
    pub notices: SmallVec<[IcmpNotice; 1]>,
    /// Its packets' ways through the nodes' hooks, where they were traced; in order, bounded.
    pub traced: Vec<Traced>,
    /// Where the routes of nodes that it came to and was not seen to leave would have it go.
    pub expected: Vec<Expected>,
    /// The connection began before the recording did.
    pub is_mid_stream: bool,
    /// This is the first exchange of its connection, so the handshake is its own.
    pub is_first_of_leg: bool,
    /// Sequence number of the first byte of request and answer, for TCP.
    pub request_seq: Option<u32>,
    pub reply_seq: Option<u32>,
    /// The whole answer was seen.
    pub answer_is_whole: bool,
    /// When the deadline for what is still waited for is over, on the clock of `sightings[0]`'s node.
    pub deadline: Timestamp,
}

impl Trail {
    /// What counts for when it began, each on its own node's clock: what was seen of its own connection, not of those
    /// that proxies use, which may have been open long before; and the lookup before it.
    pub fn beginnings(&self) -> impl Iterator<Item = (VantageId, Timestamp)> {
        let has_own = self.sightings.iter().any(|sighting| sighting.leg == 0);
        let counts = move |sighting: &&Sighting| sighting.leg == 0 || !has_own;
        let seen = self.sightings.iter().filter(counts).map(|sighting| (sighting.vantage, sighting.time));
        seen.chain(self.resolution.as_ref().map(|known| (known.query.vantage, known.first_try)))
    }

    /// The legs that carried the exchange, from the client's to the one that served, as indexes into
    /// [`Trail::legs`]; tries that a proxy gave up are left out.
    pub fn chain(&self) -> SmallVec<[u8; 4]> {
        let mut chain = SmallVec::new();
        let kept = |leg: &usize| self.hop_to(*leg).is_none_or(|hop| !hop.join.is_given_up);
        let mut leg = (0..self.legs.len()).rev().find(kept);
        while let Some(at) = leg {
            chain.push(at as u8);
            leg = self.hop_to(at).map(|hop| usize::from(hop.from_leg)).filter(|&from| from < at);
        }
        chain.reverse();
        chain
    }

    /// What a sighting's packet travelled in there.
    pub fn inside(&self, sighting: &Sighting) -> Option<Encapsulation> {
        let leg = self.legs.get(usize::from(sighting.leg))?;
        let is_there = |crossing: &&Crossing| {
            (crossing.vantage, crossing.direction, crossing.way)
                == (sighting.vantage, sighting.direction, sighting.way)
        };
        leg.crossings.iter().find(is_there)?.inside
    }

    /// How a proxy came to the leg at index `leg`; `None` for the client's.
    pub fn hop_to(&self, leg: usize) -> Option<&Hop> {
        self.hops.get(leg.checked_sub(1)?)
    }

    /// Whether something was asked on the leg at index `leg`, or at least its connection was not accepted: one that
    /// was opened and kept for later is no try.
    pub fn was_tried(&self, leg: u8) -> bool {
        let of_leg = || self.sightings.iter().filter(|it| it.leg == leg);
        let was_asked = of_leg().any(|it| it.way == Way::Request && it.part == Part::Head);
        let was_accepted = of_leg().any(|it| it.way == Way::Reply && it.part == Part::Handshake);
        was_asked || !was_accepted
    }

    /// The leg to the endpoint that served.
    pub fn serving_leg(&self) -> Option<&Leg> {
        self.legs.get(usize::from(*self.chain().last()?))
    }

    /// The endpoint that served, where it is known.
    pub fn server(&self) -> Option<Endpoint> {
        self.serving_leg().and_then(|leg| leg.server)
    }
}

/// What correlation tells the rooms after it.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new trail, or a newer revision of one.
    Upsert(Box<Trail>),
    /// The trail turned out to be part of another one.
    Withdraw(u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ip, Proxy, sample};

    #[test]
    fn the_chain_goes_past_what_a_proxy_gave_up() {
        let end = |last| Endpoint::new(Ip::v4([10, 0, 0, last]), 80);
        let mut trail = sample::trail(sample::leg(end(1), end(2), Some(end(2))));
        assert_eq!(trail.chain()[..], [0]);
        for (from, is_given_up) in [(0, false), (1, true), (1, false), (3, true)] {
            let last = 3 + trail.legs.len() as u8;
            trail.legs.push(sample::leg(end(2), end(last), Some(end(last))));
            let mut hop = sample::hop(from, Proxy::Traefik);
            hop.join.is_given_up = is_given_up;
            trail.hops.push(hop);
        }
        assert_eq!(trail.chain()[..], [0, 1, 3]);
        assert_eq!(trail.server(), Some(end(6)));
        // A hop that leads back to itself ends the chain.
        trail.hops[2].from_leg = 9;
        assert_eq!(trail.chain()[..], [3]);
    }
}
