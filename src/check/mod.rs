//! Holds recordings against their expectations.
//!
//! This room never decides anything about packets.
