//! Plain values for the tests of all rooms, to be changed where a test cares.

use smallvec::{SmallVec, smallvec};

use crate::model::{
    Application, Confidence, Direction, Endpoint, Exchange, Hop, Join, Leg, LinkInfo, Part, Phase, Protocol,
    Proxy, RouteRule, RuleAction, Sighting, Timestamp, Trail, VantageId, Way,
};

/// A TCP leg to what `client` dialled, which may be another address than the server's.
pub fn leg(client: Endpoint, target: Endpoint, server: Option<Endpoint>) -> Leg {
    Leg {
        protocol: Protocol::Tcp,
        client,
        target: Some(target),
        server,
        client_seen_by_server: server.map(|_| client),
        translations: SmallVec::new(),
        crossings: SmallVec::new(),
        faces: SmallVec::new(),
        tracked: SmallVec::new(),
    }
}

/// A device that is up, by itself.
pub fn link(index: u32, name: &str) -> LinkInfo {
    LinkInfo { index, name: name.into(), is_up: true, has_master: false, lies_on: None }
}

/// An IPv4 rule for all packets.
pub const fn rule(priority: u32, action: RuleAction) -> RouteRule {
    RouteRule {
        is_v4: true,
        priority,
        action,
        from: None,
        to: None,
        incoming: None,
        is_inverted: false,
        suppressed: None,
        is_conditional: false,
    }
}

/// An answered exchange without sightings, not understood beyond TCP.
pub fn trail(leg: Leg) -> Trail {
    Trail {
        id: 1,
        revision: 1,
        phase: Phase::Answered,
        legs: smallvec![leg],
        hops: Vec::new(),
        exchange: Exchange::new(Application::Tcp),
        marks: None,
        sightings: Vec::new(),
        end: None,
        left_out: 0,
        retransmissions: 0,
        resolution: None,
        notices: SmallVec::new(),
        traced: Vec::new(),
        expected: Vec::new(),
        is_mid_stream: false,
        is_first_of_leg: true,
        request_seq: Some(1_000),
        reply_seq: Some(5_000),
        answer_is_whole: true,
        deadline: Timestamp(0),
    }
}

/// The first byte of a request, coming in by the first capture point.
pub fn sighting(time: i64) -> Sighting {
    Sighting {
        time: Timestamp(time),
        vantage: VantageId(0),
        direction: Direction::In,
        way: Way::Request,
        part: Part::Head,
        face: 0,
        leg: 0,
        ttl: 64,
        flags: 0,
        ip_id: 0,
        seq: 0,
        ack: 0,
        len: 0,
        is_repeat: false,
    }
}

/// A sure join of an answered leg to the one at index `from_leg`.
pub fn hop(from_leg: u8, proxy: Proxy) -> Hop {
    Hop {
        from_leg,
        join: Join { proxy, confidence: Confidence::of(1.0), ..Join::default() },
        exchange: Exchange::new(Application::Http),
        phase: Phase::Answered,
        request_seq: Some(1_000),
        reply_seq: Some(5_000),
        is_mid_stream: false,
        answer_is_whole: true,
    }
}
