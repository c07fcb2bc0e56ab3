//! Draws views and turns keys into actions.
//!
//! ```text
//!  status   ► replay 10×  12:03:22.481  ▕███░░░▏ 45 %   journeys 1204  ✗ 3
//!  list     a journey a row
//!  journey  its timeline, ladder, packets or evidence
//!  foot     keys, or a prompt
//! ```
//! Wide screens show list and journey together, narrow ones in turns. [`Screen`] is all the state: news and events
//! go in, [`draw`] paints it, [`Effect`]s come out. It opens nothing and asks no clock.
//!
//! This room never decides anything about packets.

mod areas;
mod bookmarks;
pub mod columns;
mod compared;
mod copy;
mod feed;
mod inspect;
pub mod keys;
mod list;
mod live;
mod mouse;
mod paint;
mod panels;
pub mod picture;
pub mod playback;
mod prompt;
pub mod screen;
mod statistics;
pub mod theme;
mod trace;
mod update;

#[cfg(test)]
mod tests;

pub use copy::Copied;
pub use feed::News;
pub use inspect::Looked;
pub use panels::{draw, render};
pub use playback::Speed;
pub use screen::{JOURNEY_BOUND, Look, Screen, Settings};
pub use trace::Tracing;
pub use update::Effect;
