//! A packet as it was captured, for who looks at its bytes.

use std::ops::Range;

use crate::model::{Direction, Timestamp, VantageId};

/// A record of a capture, link header and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// On the node's own clock.
    pub time: Timestamp,
    pub vantage: VantageId,
    pub direction: Direction,
    /// `pcap-linktype(7)`.
    pub link: u16,
    /// Length on the wire in bytes, with the link header.
    pub wire_len: u32,
    /// As many of them as were captured.
    pub bytes: Box<[u8]>,
}

/// A header of a packet, or what its payload begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The protocol: `IPv4`, `TCP`, `HTTP`.
    pub name: &'static str,
    /// The bytes it stands in.
    pub bytes: Range<usize>,
    /// What it says, a few words each; text from the wire is clean.
    pub fields: Vec<String>,
}
