//! What a node's kernel tells of its own doing, in netlink messages.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Frame, HookEvent, NodeId, RouteEvent, TableEvent, Timestamp, Tuple};

/// One record of a source. Borrowed from the source's buffer.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// What passed a capture point.
    Frame(Frame<'a>),
    /// What the kernel said.
    Messages(Messages<'a>),
}

/// A datagram of netlink messages (`netlink(7)`), in the byte order of the machine that recorded them.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    /// When they were received, on the node's clock: a little after what they tell of.
    pub time: Timestamp,
    pub node: NodeId,
    /// The netlink family: 0 is NETLINK_ROUTE, 12 is NETLINK_NETFILTER.
    pub family: u16,
    pub data: &'a [u8],
}

/// One decoded message.
#[derive(Clone, Debug)]
pub struct KernelEvent {
    pub time: Timestamp,
    pub node: NodeId,
    pub body: KernelBody,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelBody {
    Conntrack(Conntrack),
    /// The connection tracking table as a whole.
    Table(TableEvent),
    /// Of a packet that is traced, or of the rules it passes.
    Hook(Box<HookEvent>),
    /// Of where packets are sent.
    Route(Box<RouteEvent>),
}

/// An entry of the connection tracking table (`linux/netfilter/nfnetlink_conntrack.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    pub change: ConntrackChange,
    /// Tells the entry from a later one of the same addresses; 0 where the kernel does not say.
    pub id: u32,
    /// As its first packet came to the node. Of an echo, both ports are its identifier.
    pub original: Tuple,
    /// As answers come to the node.
    pub reply: Tuple,
    pub zone: u16,
    /// Of policies and of kube-proxy, in bits that each has for itself; 0 where there is none.
    pub mark: u32,
    pub status: ConntrackStatus,
    pub tcp_state: Option<TcpState>,
}

impl Conntrack {
    /// The addresses under which its request leaves the node, client to server: what answers are sent to, turned.
    pub const fn translated(&self) -> Tuple {
        self.reply.reversed()
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConntrackChange {
    /// It was there when the table was listed.
    Listed,
    New,
    Updated,
    Destroyed,
}

/// Bits of `enum ip_conntrack_status` (`linux/netfilter/nf_conntrack_common.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConntrackStatus(pub u32);

impl ConntrackStatus {
    const SEEN_REPLY: u32 = 1 << 1;
    const ASSURED: u32 = 1 << 2;

    /// A packet came back through the node.
    pub const fn has_seen_reply(self) -> bool {
        self.0 & Self::SEEN_REPLY != 0
    }

    /// It is not dropped early when the table is full.
    pub const fn is_assured(self) -> bool {
        self.0 & Self::ASSURED != 0
    }
}

/// A connection's state as the kernel tracks it (`enum tcp_conntrack`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TcpState(pub u8);

impl TcpState {
    /// Both sides have closed, or one reset it.
    pub const fn is_over(self) -> bool {
        matches!(self.0, 7 | 8)
    }
}

impl fmt::Display for TcpState {
    /// As conntrack(8) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "NONE",
            1 => "SYN_SENT",
            2 => "SYN_RECV",
            3 => "ESTABLISHED",
            4 => "FIN_WAIT",
            5 => "CLOSE_WAIT",
            6 => "LAST_ACK",
            7 => "TIME_WAIT",
            8 => "CLOSE",
            9 => "SYN_SENT2",
            other => return write!(f, "state {other}"),
        })
    }
}
