//! Gives frames from recordings, merged in time order, with the link header taken off.
//!
//! ```text
//!  discover ─▶ input ─▶ format (pcap | pcapng) ─▶ source ─▶ reader ─▶ Frame
//!  which files  bytes    records of one file       in order   merged
//! ```
//! A file is read in one pass through a small buffer; records refer to the buffer and are not copied. What cannot
//! be read is skipped, counted and named in the [`SourceSummary`](crate::model::SourceSummary).
//!
//! This room never parses above the link layer.

mod blocks;
mod cluster;
mod context;
mod discover;
mod error;
mod extract;
mod fields;
mod format;
mod input;
mod kept;
mod link;
pub mod live;
mod names;
mod naming;
mod objects;
mod options;
mod pcap;
mod pcapng;
mod pipe;
mod reader;
mod source;
mod tally;
mod vantages;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use cluster::{Cluster, Told};
pub use error::CaptureError;
pub use extract::extract;
pub use kept::{Kept, frame};
pub use names::read_names;
pub use options::{DEFAULT_UPLINKS, DEFAULT_WORKLOADS, IfMapEntry, Options, SourcePath, SourceSpec};
pub use reader::{Progress, Reader};
