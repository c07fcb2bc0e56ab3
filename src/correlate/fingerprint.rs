//! Packets that wait for their other side: seen under one address pair going into a node, and not yet under
//! another coming out of it (or the other way round, where records come out of order).
//!
//! A fixed table of small buckets: bounded, no allocation, the oldest gives way.

use crate::model::{Body, Direction, NodeId, Packet, TcpSegment, Timestamp, Tuple};

const WAYS: usize = 4;

/// One waiting packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub leg: u32,
    /// Tells a leg from a later one in the same slot.
    pub serial: u64,
    pub face: u8,
    pub direction: Direction,
    pub ttl: u8,
    pub ip_id: u16,
    pub time: Timestamp,
    /// As the packet carried them.
    pub tuple: Tuple,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    digest: u64,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
pub(super) struct Index {
    entries: Vec<Entry>,
    mask: usize,
    turn: usize,
}

impl Index {
    /// A table of `buckets` (a power of two) buckets.
    pub(super) fn new(buckets: usize) -> Index {
        let buckets = buckets.next_power_of_two();
        let empty = Entry { digest: 0, waiting: None };
        Index { entries: vec![empty; buckets * WAYS], mask: buckets - 1, turn: 0 }
    }

    fn bucket(&self, digest: u64) -> std::ops::Range<usize> {
        let start = (digest as usize & self.mask) * WAYS;
        start..start + WAYS
    }

    /// Packets with this digest that wait under other addresses.
    pub(super) fn candidates(&self, digest: u64) -> impl Iterator<Item = &Waiting> {
        self.entries[self.bucket(digest)]
            .iter()
            .filter(move |entry| entry.digest == digest)
            .filter_map(|entry| entry.waiting.as_ref())
    }

    pub(super) fn insert(&mut self, digest: u64, waiting: Waiting) {
        let range = self.bucket(digest);
        let free = self.entries[range.clone()].iter().position(|entry| {
            entry.waiting.is_none_or(|old| {
                entry.digest == digest && old.leg == waiting.leg && old.face == waiting.face
            })
        });
        self.turn = self.turn.wrapping_add(1);
        let way = free.unwrap_or(self.turn % WAYS);
        self.entries[range.start + way] = Entry { digest, waiting: Some(waiting) };
    }
}

/// What a node does not rewrite of a packet, as one number; `None` for packets that carry too little to be
/// told apart. The node is part of it: translation happens inside one node.
pub(super) fn digest(node: NodeId, packet: &Packet) -> Option<u64> {
    let (kind, a, b) = match packet.body {
        // Receive and segmentation offload keep sequence, acknowledgement and TSval of the first byte but
        // not the length, so the length is left out.
        Body::Tcp(segment) => (
            u64::from(segment.flags & (TcpSegment::SYN | TcpSegment::RST)),
            u64::from(segment.seq) << 32 | u64::from(segment.ack),
            u64::from(segment.tsval),
        ),
        Body::Udp(datagram) => (8, datagram.digest, u64::from(datagram.len)),
        Body::Echo(echo) => {
            (9 + u64::from(echo.is_request), echo.digest, u64::from(echo.seq) << 16 | u64::from(echo.len))
        }
        Body::IcmpError(_) | Body::Neighbour(_) | Body::Other => return None,
    };
    Some(mix(mix(mix(u64::from(node.0) << 8 | kind, 0x9e37_79b9_7f4a_7c15), a), b))
}

/// Multiply and fold, as in wyhash: every bit of the product matters.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0xa076_1d64_78bd_642f) * u128::from(b ^ 0xe703_7ed1_a0b4_28db);
    product as u64 ^ (product >> 64) as u64
}
