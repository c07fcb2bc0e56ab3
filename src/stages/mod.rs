//! Path templates number a trail into a journey and give the verdict.
//!
//! This room never looks at packets.
