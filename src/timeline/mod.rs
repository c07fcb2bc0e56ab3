//! The view model: store, filter, layout, statistics.
//!
//! Everything here is data made from journeys: rows, lines with tones, percentiles. The screen paints it and the
//! text report writes it, so both say the same to the last digit.
//!
//! This room never knows terminal types.

pub mod bar;
mod cells;
pub mod chart;
pub mod comparison;
pub mod delay;
pub mod dissection;
pub mod evidence;
pub mod filter;
pub mod headline;
pub mod interfaces;
pub mod ladder;
pub mod line;
pub mod listing;
mod manner;
pub mod map;
pub mod markup;
pub mod moment;
mod naming;
pub mod notices;
pub mod packets;
pub mod points;
pub mod proxies;
pub mod sheet;
pub mod sorted;
pub mod spread;
pub mod standing;
pub mod stats;
pub mod store;
pub mod svg;
pub mod tables;
pub mod tracing;
pub mod unfold;
pub mod units;
pub mod waterfall;
pub mod words;

#[cfg(test)]
#[allow(clippy::missing_panics_doc, clippy::return_self_not_must_use, reason = "test data")]
pub mod sample;

pub use comparison::Comparison;
pub use ladder::Ladder;
pub use line::{Line, Tone};
pub use listing::Listing;
pub use manner::{Language, Manner};
pub use map::Map;
pub use naming::{Context, Ends, ends, fill_label, proxy_name};
pub use points::with_points;
pub use stats::Statistics;
pub use store::Store;
pub use waterfall::Waterfall;
