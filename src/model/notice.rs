//! What a capture under way has to tell at once.

use crate::model::Sentence;

/// Something that the user should know of the capture itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An interface that is captured from now on.
    Came(String),
    Gone(String),
    Renamed {
        before: String,
        now: String,
    },
    /// One sentence.
    Failed(String),
    /// Interfaces have handles of their own.
    Apart(Apart),
    /// Something the kernel would tell is not heard.
    Deaf {
        what: &'static str,
        cause: String,
    },
    CannotWrite {
        path: String,
        cause: String,
    },
    WritesAgain {
        path: String,
        missed: u64,
    },
    /// How another node's stream stands.
    Node {
        node: String,
        state: StreamState,
    },
    /// How the watch of a cluster's names stands; `server` is where its API is.
    Cluster {
        server: String,
        state: ClusterState,
    },
    /// Chosen connections are traced in the kernel from now on.
    TraceOn,
    TraceOff,
    /// Why tracing is not possible.
    NotTraced(String),
    /// There were more trace messages than could be taken.
    TraceLost,
    /// A node's connection tracking had no room, in words.
    NoRoom(Sentence),
    /// The disk was too slow for so many packets.
    NotWritten {
        packets: u64,
    },
}

impl Notice {
    /// Whether something is lost that was there before, rather than an interface come or gone.
    pub const fn is_trouble(&self) -> bool {
        !matches!(
            self,
            Notice::Came(_)
                | Notice::Gone(_)
                | Notice::Deaf { .. }
                | Notice::Renamed { .. }
                | Notice::Apart(_)
                | Notice::TraceOn
                | Notice::TraceOff
                | Notice::Cluster { state: ClusterState::Again, .. }
                | Notice::Node { state: StreamState::Begun | StreamState::Flowing, .. }
        )
    }
}

/// How the watch of a cluster's names stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// Which objects cannot be watched at present, and why; it is tried again.
    Failing { what: String, why: String },
    /// All are watched again.
    Again,
    /// It is over, and why.
    Ended { why: String },
}

/// How another node's stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// The command was started.
    Begun,
    /// It writes.
    Flowing,
    /// Why, where it did not end well, and in how many seconds it is started anew; `None` for never.
    Ended { why: String, again_s: Option<u64> },
}

/// How a recording that is being written stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingState {
    pub path: String,
    /// Written so far.
    pub bytes: u64,
    /// Packets that could not be written.
    pub lost: u64,
    /// Nothing can be written at present.
    pub is_stuck: bool,
}

/// Why `any` does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apart {
    /// It cannot tell interfaces apart there.
    OldLibpcap,
    /// The user's filter asks for what packets do not have there.
    Filter,
    /// These uplinks carry VLANs, whose tags are lost there.
    Vlans(String),
}
