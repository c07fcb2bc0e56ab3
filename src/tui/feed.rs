//! What the screen is told by the line behind it.

use std::sync::Arc;

use crate::model::{Clocks, Journey, Notice, RecordingState, SourceSummary, Timestamp, Topology};
use crate::tui::inspect::Looked;

/// One thing the screen learns. Later news replace earlier ones of their kind.
#[derive(Clone, Debug)]
pub enum News {
    /// A new journey, or a newer revision of one.
    Journey(Arc<Journey>),
    /// The journey of this id is part of another one.
    Withdraw(u64),
    /// What is known of the cluster and of its clocks.
    World(Arc<Topology>, Arc<Clocks>),
    /// What each source gave so far.
    Sources(Vec<SourceSummary>),
    /// Journeys that were closed early so far, as more were open than are kept.
    ClosedEarly(u64),
    /// What is shown is being captured on the node of this name.
    Live(String),
    /// Something to tell of the capture, at this time of day.
    Notice(Timestamp, Notice),
    /// How the recording stands that is being written, if one is.
    Recording(Option<RecordingState>),
    /// The recording was read from here up to here (reference clock).
    Read(Timestamp, Timestamp),
    /// The packets of the journey of this id with their bytes, as far as they could be had; or why not.
    Packets(u64, Result<Vec<Looked>, String>),
    /// All was read.
    End,
    /// Reading ended early: one sentence.
    Failed(String),
}
