//! Packet time. It comes from the record's own stamp; nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch, on the clock of the node that captured the packet
/// (until [`crate::model::Clocks::align`] puts it on the reference node's clock).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Nanoseconds from `earlier` to `self`; negative when `self` is the earlier one.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This stamp moved by `nanos`, which may be negative.
    #[must_use]
    pub fn plus(self, nanos: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos))
    }
}

/// One microsecond, in nanoseconds.
pub const MICROS: i64 = 1_000;
/// One millisecond, in nanoseconds.
pub const MILLIS: i64 = 1_000_000;
/// One second, in nanoseconds.
pub const SECONDS: i64 = 1_000_000_000;
