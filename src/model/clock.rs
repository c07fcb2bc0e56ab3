//! How far each node's clock is from the reference node's.

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Timestamp};

/// One node's clock against the reference: `node time − reference time = offset + drift · (t − anchor)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFit {
    /// How much this node's clock is ahead of the reference node's, in nanoseconds, at `anchor`.
    pub offset_ns: i64,
    /// How much it gains per second, in nanoseconds (parts per billion).
    pub drift_ppb: i64,
    /// The node-clock time at which `offset_ns` holds.
    pub anchor: Timestamp,
    /// Half the smallest round trip that bounds the offset; `None` where nothing bounds it.
    pub error_ns: Option<i64>,
}

impl ClockFit {
    /// `time` of this node, on the reference node's clock.
    pub fn align(&self, time: Timestamp) -> Timestamp {
        let drift = i128::from(time.since(self.anchor)) * i128::from(self.drift_ppb) / 1_000_000_000;
        time.plus(self.offset_ns.saturating_neg()).plus((drift as i64).saturating_neg())
    }
}

/// The clocks of all nodes; the reference node's fit is all zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// By [`NodeId`].
    pub fits: Vec<ClockFit>,
}

impl Clocks {
    pub fn fit(&self, node: NodeId) -> ClockFit {
        self.fits.get(node.0 as usize).copied().unwrap_or_default()
    }

    /// `time` of `node`, on the reference node's clock.
    pub fn align(&self, node: NodeId, time: Timestamp) -> Timestamp {
        self.fit(node).align(time)
    }
}
