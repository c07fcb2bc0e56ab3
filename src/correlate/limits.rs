//! Every bound of the core in one place. Times are packet time, in nanoseconds.

use crate::model::{MILLIS, SECONDS};

/// How far the stream of one node may lag behind those of others.
const LAG: i64 = 2 * SECONDS;

/// Caps and deadlines. What a cap cuts off is counted in [`Counters`] and shown.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Legs kept at once.
    pub legs: usize,
    /// Entries of connection tracking kept at once.
    pub entries: usize,
    /// Sightings kept per trail, whatever they are.
    pub sightings: usize,
    /// Of those, how many may be plain data and bare acknowledgements.
    pub bulk_sightings: usize,
    /// How long a finished trail waits for late sightings at other capture points.
    pub linger: i64,
    /// Within this time a packet must have crossed a node or the fabric: transit takes milliseconds, a
    /// second of silence is loss.
    pub transit: i64,
    /// How long an unanswered lookup is waited for: resolvers ask again after 5 s (resolv.conf(5)).
    pub lookup_patience: i64,
    /// How long an exchange may stay without any packet.
    pub patience: i64,
    /// Emit a revision of open trails too, for a screen that follows them.
    pub follow_open: bool,
    /// Join exchanges through proxies; otherwise each connection's stay by themselves.
    pub joins: bool,
}

impl Limits {
    /// For a report: only what stages need.
    pub const REPORT: Limits = Limits {
        legs: 131_072,
        entries: 131_072,
        sightings: 96,
        bulk_sightings: 12,
        linger: 500 * MILLIS,
        transit: SECONDS,
        lookup_patience: 10 * SECONDS,
        patience: 60 * SECONDS,
        follow_open: false,
        joins: true,
    };

    /// For a screen: packets can be unfolded.
    pub const SCREEN: Limits =
        Limits { legs: 65_536, sightings: 256, bulk_sightings: 160, follow_open: true, ..Limits::REPORT };

    /// Where streams of several nodes come side by side, one may lag behind the others.
    #[must_use]
    pub fn with_lag(self) -> Limits {
        Limits { linger: self.linger.max(LAG), transit: self.transit + LAG, ..self }
    }
}

/// What the bounds cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub trails: u64,
    /// Trails closed early to keep the cap on legs.
    pub evicted: u64,
    /// ICMP errors about packets that were never seen.
    pub stray_errors: u64,
    /// Packets whose direction could not be told.
    pub undirected: u64,
    /// Things the kernel told.
    pub kernel_events: u64,
    /// Entries of connection tracking that gave way to keep the cap on them.
    pub forgotten_entries: u64,
}
