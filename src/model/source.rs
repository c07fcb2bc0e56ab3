//! What a source gave: the figures behind every conclusion.

use serde::Serialize;

use crate::model::{NodeId, Timestamp, VantageId};

/// One file, stream or live capture, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceSummary {
    pub node: Option<NodeId>,
    /// As the user named it.
    pub file: String,
    /// Its capture points, in the order of their numbers.
    pub interfaces: Vec<InterfaceSummary>,
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
    /// The same by who lost them.
    pub losses: Losses,
    /// When capturing ended, on the node's clock, where the file says so: silence up to then was watched.
    pub ended: Option<Timestamp>,
}

/// What a source gave of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceSummary {
    pub vantage: VantageId,
    pub packets: u64,
    /// On the wire, link headers not counted.
    pub bytes: u64,
    /// The times of its first and its last packet, on the node's clock.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Packets that its capture lost, where that is known of the interface alone.
    pub dropped: Option<u64>,
    /// When it came, where that was after the capture began and the source says so; the node's clock.
    pub born: Option<Timestamp>,
    /// When it went away, unless it came again; the node's clock.
    pub gone: Option<Timestamp>,
}

impl InterfaceSummary {
    /// An interface of which nothing was seen yet.
    pub const fn new(vantage: VantageId) -> InterfaceSummary {
        InterfaceSummary { vantage, packets: 0, bytes: 0, span: None, dropped: None, born: None, gone: None }
    }
}

/// Packets that a capture lost on their way to whoever reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// The devices had no room.
    pub device: u64,
    /// The kernel had no room.
    pub kernel: u64,
    /// This program had no room.
    pub own: u64,
}

impl Losses {
    pub const fn total(self) -> u64 {
        self.device.saturating_add(self.kernel).saturating_add(self.own)
    }

    #[must_use]
    pub const fn plus(self, more: Losses) -> Losses {
        Losses {
            device: self.device.saturating_add(more.device),
            kernel: self.kernel.saturating_add(more.kernel),
            own: self.own.saturating_add(more.own),
        }
    }
}
