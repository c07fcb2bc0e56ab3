//! Draws views and turns keys into actions.
//!
//! This room never decides anything about packets.
