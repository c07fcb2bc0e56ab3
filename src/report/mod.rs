//! Writes journeys as text and JSON.
//!
//! This room never decides anything about packets.

pub mod text;
