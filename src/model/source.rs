//! What a source gave: the figures behind every conclusion.

use serde::Serialize;

use crate::model::{NodeId, Timestamp, VantageId};

/// One file, stream or live capture, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceSummary {
    pub node: Option<NodeId>,
    /// As the user named it.
    pub file: String,
    pub vantages: Vec<VantageId>,
    /// Packets read.
    pub packets: u64,
    /// Records of kernel messages read (netlink).
    pub messages: u64,
    /// Kernel messages that were lost before they could be read, where the source says so.
    pub messages_lost: Option<u64>,
    /// Packets that decoding could not follow, and why, most frequent first.
    pub not_understood: u64,
    pub reasons: Vec<(String, u64)>,
    /// Records that could not be read, with a sentence on each kind.
    pub damaged: u64,
    pub damage: Vec<String>,
    /// Packets that the capture itself lost, where it says so; `None` where it does not.
    pub dropped: Option<u64>,
    /// When capturing ended, on the node's clock, where the file says so: silence up to then was watched.
    pub ended: Option<Timestamp>,
}
