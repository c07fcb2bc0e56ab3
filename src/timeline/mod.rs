//! The view model: store, filter, layout, statistics.
//!
//! This room never knows terminal types.

pub mod filter;
