//! Arguments and files become checked settings.
//!
//! This room never knows rules about packets.
