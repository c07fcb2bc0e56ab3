//! The sans-IO core: packets in, changes out. It owns every rule that joins things.
//!
//! This room never opens, sleeps, asks the time or knows a terminal.
