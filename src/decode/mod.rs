//! Reads one frame into a [`crate::model::Packet`], and application heads from payload bytes. It never fails: it says how far it got.
//!
//! This room never keeps state between frames.
