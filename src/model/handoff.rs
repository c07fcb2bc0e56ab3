//! What happens at a proxy: it ends one leg and opens another. Only evidence joins the two.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::model::{Endpoint, Exchange, Ip, NodeId, Phase};

/// What an exchange carries by which it is recognised on the other side of a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The client that a PROXY protocol header in front of the connection announces.
    pub announced: Option<Endpoint>,
    /// Addresses of `X-Forwarded-For` or `Forwarded` (RFC 7239 §5.2), in their order, the last few.
    pub forwarded_for: SmallVec<[Ip; 2]>,
    /// `X-Real-IP`.
    pub real_ip: Option<Ip>,
    /// The client with its port, where the nearest proxy that forwards it names both.
    pub named: Option<Endpoint>,
    /// Headers that name the request itself, such as `traceparent` or `x-request-id`.
    pub ids: Vec<RequestId>,
    /// The kind of proxy that a header gives away.
    pub agent: Proxy,
    /// Of the request's head as it is on the wire: equal heads came through unread.
    pub request_head: Digest,
    /// Of the request's body; of the first bytes of a way that is not understood.
    pub request_body: Digest,
    pub reply_body: Digest,
}

/// A header that names one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    /// The header's name in lower case.
    pub header: Box<str>,
    pub value: Box<str>,
}

/// A digest of the first bytes of something, as far as they were captured without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many bytes it covers; 0 says nothing.
    pub len: u32,
    pub hash: u64,
}

/// A kind of proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proxy {
    Haproxy,
    Traefik,
    #[default]
    Unknown,
}

impl Proxy {
    pub const fn name(self) -> &'static str {
        match self {
            Proxy::Haproxy => "haproxy",
            Proxy::Traefik => "traefik",
            Proxy::Unknown => "unknown",
        }
    }
}

/// How two legs are joined at a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Where the proxy runs, where its address is known to be a node's.
    pub node: Option<NodeId>,
    pub proxy: Proxy,
    /// What joins the two legs, the strongest first.
    pub evidence: SmallVec<[Evidence; 2]>,
    pub confidence: Confidence,
    /// Other exchanges that could have been this one's continuation, or that could have been continued by it.
    pub rivals: u32,
    /// What else may continue the request, the likeliest first; the likeliest few.
    pub others: Vec<Rival>,
    /// From the last byte of the request into the proxy to the first byte out of it, where both were seen.
    pub request_delay_ns: Option<i64>,
    /// The same for the answer: from its first byte into the proxy to the first byte out.
    pub reply_delay_ns: Option<i64>,
    /// The proxy gave this try up and sent the request again on a later leg.
    pub is_given_up: bool,
}

/// A leg behind a proxy: how it is joined to the leg before it, and what was exchanged on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Index into [`crate::model::Trail::legs`] of the leg that the proxy took the request from.
    pub from_leg: u8,
    pub join: Join,
    /// What the rest of a trail says of its own exchange, for this leg.
    pub exchange: Exchange,
    pub phase: Phase,
    pub request_seq: Option<u32>,
    pub reply_seq: Option<u32>,
    pub is_mid_stream: bool,
    pub answer_is_whole: bool,
}

/// Another leg that may continue a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// Whose connection it is: the proxy's address and port.
    pub client: Endpoint,
    pub confidence: Confidence,
}

/// One thing that speaks for a join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub kind: EvidenceKind,
    /// The value that agreed, for the eye: `x-request-id 7f3a…`; empty where the kind says it all.
    pub detail: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EvidenceKind {
    /// A PROXY protocol header announces the client.
    ProxyHeader,
    /// A header names this request on both sides.
    TraceId,
    /// A header names the client's address.
    ForwardedFor,
    /// The same bytes of the request.
    Payload,
    /// The same bytes of the answer.
    ResponsePayload,
    /// The same method, path and host.
    RequestLine,
    /// The process that listens where the request went is a proxy's.
    SocketOwner,
    /// The one lies within the other in time, at the proxy's node.
    Timing,
}

impl EvidenceKind {
    pub const fn name(self) -> &'static str {
        match self {
            EvidenceKind::ProxyHeader => "proxy-header",
            EvidenceKind::TraceId => "trace-id",
            EvidenceKind::ForwardedFor => "forwarded-for",
            EvidenceKind::Payload => "payload",
            EvidenceKind::ResponsePayload => "response-payload",
            EvidenceKind::RequestLine => "request-line",
            EvidenceKind::SocketOwner => "socket-owner",
            EvidenceKind::Timing => "timing",
        }
    }
}

/// How likely a join is right, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Confidence(u16);

impl Confidence {
    /// From this on a join is called sure.
    pub const SURE: Confidence = Confidence(900);
    /// Below this a join is called ambiguous.
    pub const LIKELY: Confidence = Confidence(600);

    /// Of a probability; what lies outside 0 to 1 is cut off.
    pub fn of(probability: f64) -> Confidence {
        Confidence((probability.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }

    pub const fn grade(self) -> Grade {
        match self.0 {
            900.. => Grade::Sure,
            600.. => Grade::Likely,
            _ => Grade::Ambiguous,
        }
    }

    /// Between 0 and 1.
    pub fn probability(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// What a join is called by its confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    Ambiguous,
    /// At least [`Confidence::LIKELY`].
    Likely,
    /// At least [`Confidence::SURE`].
    Sure,
}

impl Grade {
    pub const fn name(self) -> &'static str {
        match self {
            Grade::Ambiguous => "ambiguous",
            Grade::Likely => "likely",
            Grade::Sure => "sure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grades_begin_where_the_constants_say() {
        let below = |confidence: Confidence| Confidence(confidence.0 - 1);
        assert_eq!(Confidence::SURE.grade(), Grade::Sure);
        assert_eq!(below(Confidence::SURE).grade(), Grade::Likely);
        assert_eq!(Confidence::LIKELY.grade(), Grade::Likely);
        assert_eq!(below(Confidence::LIKELY).grade(), Grade::Ambiguous);
    }
}
