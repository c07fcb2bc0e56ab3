//! The wiring: sources, threads, clocks, the terminal.
//!
//! This room never knows rules about packets.
