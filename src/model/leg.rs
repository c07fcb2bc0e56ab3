//! A leg: one transport conversation from end to end, through every translation of its addresses.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::model::{
    ConntrackStatus, Direction, Encapsulation, Endpoint, NodeId, Protocol, Rule, TcpState, Timestamp, Tuple,
    VantageId, Way,
};

/// One conversation between a client and the endpoint that served it, both ways. A proxy ends one leg and
/// opens another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    pub protocol: Protocol,
    /// Who opened it, under its own address.
    pub client: Endpoint,
    /// What the client dialled; `None` where the dialling side was not captured.
    pub target: Option<Endpoint>,
    /// The endpoint that got it after all translations; `None` until it is known.
    pub server: Option<Endpoint>,
    /// The client's address as the server saw it, which masquerade changes.
    pub client_seen_by_server: Option<Endpoint>,
    /// In the order the request walks through them.
    pub translations: SmallVec<[Translation; 2]>,
    /// What connection tracking says of it, an entry a node.
    pub tracked: SmallVec<[Tracked; 1]>,
    /// Every capture point the leg was seen at, by any of its packets.
    pub crossings: SmallVec<[Crossing; 4]>,
    /// The 5-tuples the leg was seen under, client to server; [`crate::model::Sighting::face`] points here.
    pub faces: SmallVec<[Tuple; 2]>,
}

/// A capture point that a leg passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    pub vantage: VantageId,
    pub direction: Direction,
    pub way: Way,
    /// Of the first packet seen there.
    pub ttl: u8,
    /// What it travelled in there.
    pub inside: Option<Encapsulation>,
}

/// A node's rewriting of a leg's addresses (netfilter's NAT), client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    pub node: NodeId,
    pub from: Tuple,
    pub to: Tuple,
    /// What shows it; several kinds may agree.
    pub evidence: SmallVec<[TranslationEvidence; 2]>,
    /// Packets alone show it, and the node's connection tracking says otherwise.
    pub is_contradicted: bool,
    /// The rule that made it, where a packet of it was traced.
    pub rule: Option<Arc<Rule>>,
}

/// A node's entry for a leg in its connection tracking table, as it was last told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    pub node: NodeId,
    pub status: ConntrackStatus,
    pub tcp_state: Option<TcpState>,
    pub mark: u32,
    pub zone: u16,
    /// When it was taken out of the table, on the node's clock.
    pub destroyed: Option<Timestamp>,
}

impl Tracked {
    /// It was taken out of the table although neither side had closed the connection.
    pub fn was_cut_short(&self) -> bool {
        self.destroyed.is_some() && self.tcp_state.is_some_and(|state| !state.is_over())
    }
}

impl Translation {
    pub fn kind(&self) -> TranslationKind {
        match (self.from.src == self.to.src, self.from.dst == self.to.dst) {
            (true, _) => TranslationKind::Dnat,
            (false, true) => TranslationKind::Snat,
            (false, false) => TranslationKind::Both,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranslationKind {
    /// The destination changed (KUBE-SVC → KUBE-SEP).
    Dnat,
    /// The source changed (masquerade).
    Snat,
    Both,
}

/// What shows a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TranslationEvidence {
    /// The same packet was seen before and after, under both address pairs.
    PacketMatch {
        /// How many packets agreed.
        packets: u32,
        /// How many other conversations fitted as well when it was decided; 0 means it is unambiguous.
        rivals: u32,
    },
    /// The node's connection tracking says so.
    Conntrack,
    /// A packet was traced through the node's hooks, and had other addresses behind them.
    HookTrace,
}
