//! The words every room shares.
//!
//! | word | meaning |
//! |---|---|
//! | vantage | a capture point: a node's interface |
//! | sighting | one packet at one vantage at one time |
//! | face | one 5-tuple a leg is seen under |
//! | translation | a node's rewriting of one face into another (NAT) |
//! | leg | one transport conversation from end to end, all its faces |
//! | exchange | a request and its answer |
//! | handoff, hop | a proxy's step from one leg to the next |
//! | trail | everything that was seen of one exchange |
//! | stage | a numbered place of a path's template |
//! | visit | a passage through a stage |
//! | journey | a trail with its visits and a verdict |
//!
//! This room never does I/O and never reads a clock.

mod address;
mod captured;
mod clock;
mod exchange;
mod flow;
mod handoff;
mod hook;
mod journey;
mod kernel;
mod leg;
mod names;
mod notice;
mod packet;
mod route;
mod sentence;
mod source;
mod table;
mod time;
mod topology;
mod trail;
mod vantage;

pub(crate) mod say;

#[cfg(test)]
#[allow(clippy::return_self_not_must_use, reason = "test data")]
pub mod sample;

pub use address::{Endpoint, Ip, Protocol, Tuple};
pub use captured::{Captured, Header};
pub use clock::{ClockFit, Clocks};
pub use exchange::{Application, Exchange, Lookup, Resolution, Tls, TlsVersion};
pub use flow::{FlowEnd, FlowPattern};
pub use handoff::{
    Confidence, Digest, Evidence, EvidenceKind, Grade, Hop, Join, Marks, Proxy, RequestId, Rival,
};
pub use hook::{
    Action, ChainInfo, ChainName, DroppedBy, Hook, HookEvent, Pass, Rule, RuleInfo, RuleStep, StepKind,
    TraceStep, Traced, TracedPacket,
};
pub use journey::{
    AtProxy, Journey, Label, Outcome, Place, PlaceKind, Stage, StagePlace, State, Verdict, Visit,
};
pub use kernel::{
    Conntrack, ConntrackChange, ConntrackStatus, KernelBody, KernelEvent, Messages, Record, TcpState,
};
pub use leg::{Crossing, Leg, Tracked, Translation, TranslationEvidence, TranslationKind};
pub use names::Names;
pub use notice::{Apart, ClusterState, Notice, RecordingState, StreamState};
pub use packet::{
    Batch, Block, Body, CALI_MAC, Datagram, Echo, Encapsulation, Frame, IcmpError, IcmpReason, Mac,
    Neighbour, Outer, Packet, Payload, Stored, TcpSegment,
};
pub use route::{
    Barrier, Expected, LinkInfo, NextHop, Onward, Route, RouteChange, RouteEvent, RouteKind, RouteList,
    RouteRule, RouteSettings, RuleAction, SettingsOf,
};
pub use sentence::Sentence;
pub use source::{InterfaceSummary, Losses, SourceSummary};
pub use table::{Shortage, TableCounts, TableEvent, TrackingTable};
pub use time::{MICROS, MILLIS, SECONDS, Timestamp};
pub use topology::{ProxyAddress, Topology};
pub use trail::{Change, IcmpNotice, Part, Phase, Sighting, Trail, Way};
pub use vantage::{Direction, NodeId, Role, Vantage, VantageId};
