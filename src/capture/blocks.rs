//! Writes pcapng blocks (draft-ietf-opsawg-pcapng) at the end of a buffer, in the machine's byte order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::capture::names;
use crate::model::{Direction, Ip, Mac, Names, Timestamp};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// `if_tsresol`: 10^-9 of a second.
const NANOSECONDS: u8 = 9;
/// `opt_comment`, and how long one may become.
const COMMENT: u16 = 1;
const LONGEST_COMMENT: usize = 60_000;
/// What stands around a block's body: type and two lengths.
const FRAME: usize = 12;

/// An interface as its description block tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description<'a> {
    pub(super) link: u16,
    pub(super) snaplen: u32,
    pub(super) name: &'a str,
    pub(super) about: &'a str,
    pub(super) mac: Option<Mac>,
    pub(super) addresses: &'a [IpNet],
}

/// A packet as it goes into an enhanced packet block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    /// The interface's number in its section.
    pub(super) interface: u32,
    pub(super) time: Timestamp,
    pub(super) wire_len: u32,
    pub(super) direction: Direction,
    pub(super) bytes: &'a [u8],
}

/// Counts of one interface up to a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    /// The device had no room.
    pub(super) dropped_by_interface: u64,
    /// The system had no room.
    pub(super) dropped_by_system: u64,
}

impl Counts {
    /// What came since an earlier time.
    pub(super) const fn since(self, earlier: Counts) -> Counts {
        Counts {
            received: self.received.saturating_sub(earlier.received),
            dropped_by_interface: self.dropped_by_interface.saturating_sub(earlier.dropped_by_interface),
            dropped_by_system: self.dropped_by_system.saturating_sub(earlier.dropped_by_system),
        }
    }

    /// The same with more that the system had no room for.
    pub(super) const fn and_dropped(self, more: u64) -> Counts {
        Counts { dropped_by_system: self.dropped_by_system.saturating_add(more), ..self }
    }

    pub(super) const fn plus(self, other: Counts) -> Counts {
        Counts {
            received: self.received + other.received,
            dropped_by_interface: self.dropped_by_interface + other.dropped_by_interface,
            dropped_by_system: self.dropped_by_system + other.dropped_by_system,
        }
    }
}

/// The comments of [`turn`].
pub(super) const CAME: &str = "came";
pub(super) const GONE: &str = "gone";

/// Begins a section.
pub(super) fn section_header(out: &mut Vec<u8>) {
    let start = open(out, SECTION_HEADER);
    out.extend_from_slice(&BYTE_ORDER_MAGIC.to_ne_bytes());
    out.extend_from_slice(&1_u16.to_ne_bytes());
    out.extend_from_slice(&0_u16.to_ne_bytes());
    // The section's length is not known beforehand.
    out.extend_from_slice(&u64::MAX.to_ne_bytes());
    option(out, 4, concat!("hopline ", env!("CARGO_PKG_VERSION")).as_bytes());
    close(out, start, true);
}

/// Describes the section's next interface.
pub(super) fn interface(out: &mut Vec<u8>, told: &Description<'_>) {
    let start = open(out, INTERFACE_DESCRIPTION);
    out.extend_from_slice(&told.link.to_ne_bytes());
    out.extend_from_slice(&0_u16.to_ne_bytes());
    out.extend_from_slice(&told.snaplen.to_ne_bytes());
    option(out, 2, told.name.as_bytes());
    option(out, 3, told.about.as_bytes());
    for address in told.addresses {
        match (address.addr(), address.netmask()) {
            (IpAddr::V4(ip), IpAddr::V4(mask)) => option(out, 4, &[ip.octets(), mask.octets()].concat()),
            (IpAddr::V6(ip), _) => {
                option(out, 5, &[&ip.octets()[..], &[address.prefix_len()]].concat());
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => {}
        }
    }
    if let Some(mac) = told.mac {
        option(out, 6, &mac);
    }
    option(out, 9, &[NANOSECONDS]);
    close(out, start, true);
}

/// Appends names of addresses, and what they are in comments.
pub(super) fn names(out: &mut Vec<u8>, names: &Names) {
    let start = open(out, NAME_RESOLUTION);
    // Other tools know one name of an address: of its pods' the last.
    let last: BTreeMap<Ip, &String> = names.tenants.iter().map(|(&(ip, _), name)| (ip, name)).collect();
    for (ip, name) in names.addresses.iter().map(|(&ip, name)| (ip, name)).chain(last) {
        match IpAddr::from(ip) {
            IpAddr::V4(ip) => option(out, 1, &[&ip.octets()[..], name.as_bytes(), &[0]].concat()),
            IpAddr::V6(ip) => option(out, 2, &[&ip.octets()[..], name.as_bytes(), &[0]].concat()),
        }
    }
    // Records end as options do.
    out.extend_from_slice(&[0; 4]);
    let mut comment = String::new();
    for line in names::lines(names) {
        if comment.len() + line.len() > LONGEST_COMMENT {
            option(out, COMMENT, comment.as_bytes());
            comment.clear();
        }
        comment.push_str(&line);
        comment.push('\n');
    }
    if !comment.is_empty() {
        option(out, COMMENT, comment.trim_end().as_bytes());
    }
    close(out, start, true);
}

/// Appends a packet.
#[inline]
pub(super) fn packet(out: &mut Vec<u8>, packet: &Stored<'_>) {
    let start = open(out, ENHANCED_PACKET);
    out.extend_from_slice(&packet.interface.to_ne_bytes());
    time(out, packet.time);
    out.extend_from_slice(&(packet.bytes.len() as u32).to_ne_bytes());
    out.extend_from_slice(&packet.wire_len.to_ne_bytes());
    out.extend_from_slice(packet.bytes);
    pad(out);
    let flags: u32 = match packet.direction {
        Direction::Unknown => 0,
        Direction::In => 1,
        Direction::Out => 2,
    };
    if flags != 0 {
        option(out, 2, &flags.to_ne_bytes());
    }
    close(out, start, flags != 0);
}

/// Appends the counts of `interface`; `end` is the time up to which its packets are here.
pub(super) fn statistics(out: &mut Vec<u8>, interface: u32, end: Timestamp, counts: Counts) {
    let start = open(out, INTERFACE_STATISTICS);
    out.extend_from_slice(&interface.to_ne_bytes());
    time(out, end);
    let ticks = end.0 as u64;
    let halves = [(ticks >> 32) as u32, ticks as u32];
    option(out, 3, &[halves[0].to_ne_bytes(), halves[1].to_ne_bytes()].concat());
    option(out, 4, &counts.received.to_ne_bytes());
    option(out, 5, &counts.dropped_by_interface.to_ne_bytes());
    option(out, 7, &counts.dropped_by_system.to_ne_bytes());
    close(out, start, true);
}

/// Notes that `interface` came or went, as a comment on statistics without counts: the format knows no such event.
pub(super) fn turn(out: &mut Vec<u8>, interface: u32, at: Timestamp, what: &str) {
    let start = open(out, INTERFACE_STATISTICS);
    out.extend_from_slice(&interface.to_ne_bytes());
    time(out, at);
    option(out, 1, what.as_bytes());
    close(out, start, true);
}

fn open(out: &mut Vec<u8>, kind: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&kind.to_ne_bytes());
    // The length, until it is known.
    out.extend_from_slice(&[0; 4]);
    start
}

/// Ends the block that begins at `start`; options want an end of their own.
fn close(out: &mut Vec<u8>, start: usize, has_options: bool) {
    if has_options {
        out.extend_from_slice(&[0; 4]);
    }
    let len = ((out.len() - start + FRAME - 8) as u32).to_ne_bytes();
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&len);
    }
    out.extend_from_slice(&len);
}

/// High word first, whatever the byte order.
fn time(out: &mut Vec<u8>, time: Timestamp) {
    let ticks = time.0 as u64;
    out.extend_from_slice(&((ticks >> 32) as u32).to_ne_bytes());
    out.extend_from_slice(&(ticks as u32).to_ne_bytes());
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let Ok(len) = u16::try_from(value.len()) else { return };
    out.extend_from_slice(&code.to_ne_bytes());
    out.extend_from_slice(&len.to_ne_bytes());
    out.extend_from_slice(value);
    let fill = value.len().next_multiple_of(4) - value.len();
    out.extend_from_slice(&[0; 3][..fill]);
}

/// Fills up to 32 bits; every block begins at such a place.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
