//! Messages of the kernel's on their way to the reader and to recordings.

use std::sync::Arc;

use crate::capture::blocks::{self, Counts, Stored};
use crate::capture::link;
use crate::capture::live::feed::{Kind, Run};
use crate::capture::live::ways::Open;
use crate::model::{Direction, Timestamp};

/// Bytes of a run that is handed on even while more messages come.
const FULL: usize = 256 << 10;

/// Runs of whole blocks on their way.
pub(in crate::capture::live) struct Writing<'a> {
    ways: &'a Open,
    filling: Vec<u8>,
    messages: u64,
}

impl<'a> Writing<'a> {
    pub(in crate::capture::live) const fn new(ways: &'a Open) -> Writing<'a> {
        Writing { ways, filling: Vec::new(), messages: 0 }
    }

    /// Adds messages of a netlink family that were received at `time`.
    pub(in crate::capture::live) fn message(
        &mut self,
        interface: u32,
        time: Timestamp,
        family: u16,
        message: &[u8],
    ) {
        let mut bytes = link::netlink_header(family).to_vec();
        bytes.extend_from_slice(message);
        blocks::packet(
            &mut self.filling,
            &Stored {
                interface,
                time,
                wire_len: bytes.len() as u32,
                direction: Direction::Unknown,
                bytes: &bytes,
            },
        );
        self.messages += 1;
        if self.filling.len() >= FULL {
            self.flush();
        }
    }

    /// States how many of a subject's messages came up to `now`, and how many were lost.
    pub(in crate::capture::live) fn count(
        &mut self,
        interface: u32,
        now: Timestamp,
        received: u64,
        lost: u64,
    ) {
        let counts = Counts { received, dropped_by_interface: 0, dropped_by_system: lost };
        blocks::statistics(&mut self.filling, interface, now, counts);
    }

    pub(in crate::capture::live) fn flush(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        let bytes = Arc::new(std::mem::take(&mut self.filling));
        let run = Run { bytes, packets: std::mem::take(&mut self.messages), kind: Kind::Packets };
        self.ways.offer(&run);
    }
}
