//! Gives frames from files and streams (later: live interfaces, commands, netlink), merged in time order.
//!
//! This room never parses above the link layer.
