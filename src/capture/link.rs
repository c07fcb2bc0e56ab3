//! The link layer: what a record's first bytes say before the network packet begins.
//!
//! Header layouts: IEEE 802.3 and 802.1Q; `pcap-linktype(7)` and its pages on LINUX_SLL, LINUX_SLL2, RAW, NULL, LOOP.

use crate::model::{Direction, Mac};

/// IPv4 and IPv6, by their Ethernet protocol numbers (IANA ieee-802-numbers).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Below this an Ethernet type is the length of an IEEE 802.3 frame.
const LOWEST_ETHER_TYPE: u16 = 0x0600;
/// More tags than this do not occur; the rest is left for decoding to count.
const MOST_VLAN_TAGS: usize = 4;

/// ARPHRD values of `linux/if_arp.h`, as LINUX_SLL and LINUX_SLL2 carry them.
pub(super) const ARPHRD_TUNNEL: u16 = 768;
pub(super) const ARPHRD_TUNNEL6: u16 = 769;
pub(super) const ARPHRD_LOOPBACK: u16 = 772;
pub(super) const ARPHRD_SIT: u16 = 776;
const ARPHRD_NETLINK: u16 = 824;

/// A link type, by its number in `pcap-linktype(7)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LinkType {
    Ethernet,
    Sll,
    Sll2,
    /// An IP packet without any header.
    Raw,
    /// BSD loopback: an address family in four bytes, of the writer's or of network byte order.
    Loop,
    /// Kernel messages; not packets.
    Netlink,
    Unsupported(u16),
}

impl LinkType {
    /// The number of LINUX_SLL2 in files, and those of others that are written.
    pub(super) const SLL2: u16 = 276;
    pub(super) const ETHERNET: u16 = 1;
    pub(super) const RAW: u16 = 101;
    /// The number of NETLINK in files.
    pub(super) const NETLINK: u16 = 253;

    /// Its number in files.
    pub(super) const fn number(self) -> u16 {
        match self {
            LinkType::Ethernet => 1,
            LinkType::Sll => 113,
            LinkType::Sll2 => Self::SLL2,
            LinkType::Raw => 101,
            LinkType::Loop => 0,
            LinkType::Netlink => 253,
            LinkType::Unsupported(number) => number,
        }
    }

    pub(super) const fn from_number(number: u16) -> LinkType {
        match number {
            Self::ETHERNET => LinkType::Ethernet,
            113 => LinkType::Sll,
            Self::SLL2 => LinkType::Sll2,
            // 12 and 14 are what some systems call raw IP internally; 101 is its number in files.
            12 | 14 | Self::RAW | 228 | 229 => LinkType::Raw,
            0 | 108 => LinkType::Loop,
            Self::NETLINK => LinkType::Netlink,
            other => LinkType::Unsupported(other),
        }
    }
}

/// A record's link header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes before the network packet.
    pub(super) len: usize,
    /// The network protocol, of kernel messages their netlink family; 0 where the header is cut or of a kind that
    /// carries none.
    pub(super) ether_type: u16,
    pub(super) src_mac: Mac,
    pub(super) dst_mac: Mac,
    pub(super) direction: Direction,
    /// The kernel's interface index and ARPHRD type (LINUX_SLL2 only).
    pub(super) device: Option<(u32, u16)>,
}

const NONE: Header = Header {
    len: 0,
    ether_type: 0,
    src_mac: [0; 6],
    dst_mac: [0; 6],
    direction: Direction::Unknown,
    device: None,
};

/// Reads the link header of `bytes`. A header that is cut gives ether type 0.
#[inline]
pub(super) fn header(link: LinkType, bytes: &[u8]) -> Header {
    let header = match link {
        LinkType::Ethernet => ethernet(bytes),
        LinkType::Sll2 => sll2(bytes),
        LinkType::Sll => sll(bytes),
        LinkType::Raw => Some(Header { ether_type: ip_version(bytes), ..NONE }),
        LinkType::Loop => family(bytes),
        LinkType::Netlink => netlink(bytes),
        LinkType::Unsupported(_) => None,
    };
    header.unwrap_or(Header { len: bytes.len(), ..NONE })
}

#[inline]
fn ethernet(bytes: &[u8]) -> Option<Header> {
    let fixed: &[u8; 14] = bytes.first_chunk()?;
    let (&dst_mac, rest) = fixed.split_first_chunk()?;
    let (&src_mac, rest) = rest.split_first_chunk()?;
    let ether_type = u16::from_be_bytes(*rest.first_chunk()?);
    let (ether_type, len) = after_tags(ether_type, bytes, 14);
    Some(Header { len, ether_type, src_mac, dst_mac, ..NONE })
}

fn sll(bytes: &[u8]) -> Option<Header> {
    let fixed: &[u8; 16] = bytes.first_chunk()?;
    let [_, packet_type, hrd_high, hrd_low, _, address_len, address @ ..] = fixed;
    let arphrd = u16::from_be_bytes([*hrd_high, *hrd_low]);
    let protocol = if arphrd == ARPHRD_NETLINK { 0 } else { u16::from_be_bytes(*bytes[14..].first_chunk()?) };
    let (ether_type, len) = after_tags(protocol, bytes, 16);
    Some(Header {
        len,
        ether_type,
        src_mac: mac(*address_len, address),
        direction: packet_direction(*packet_type),
        ..NONE
    })
}

#[inline]
fn sll2(bytes: &[u8]) -> Option<Header> {
    let fixed: &[u8; 20] = bytes.first_chunk()?;
    let [p0, p1, _, _, i0, i1, i2, i3, h0, h1, packet_type, address_len, address @ ..] = fixed;
    let arphrd = u16::from_be_bytes([*h0, *h1]);
    let protocol = if arphrd == ARPHRD_NETLINK { 0 } else { u16::from_be_bytes([*p0, *p1]) };
    let (ether_type, len) = after_tags(protocol, bytes, 20);
    Some(Header {
        len,
        ether_type,
        src_mac: mac(*address_len, address),
        direction: packet_direction(*packet_type),
        device: Some((u32::from_be_bytes([*i0, *i1, *i2, *i3]), arphrd)),
        ..NONE
    })
}

/// Packet type, ARPHRD_NETLINK, ten bytes of nothing, and the family.
fn netlink(bytes: &[u8]) -> Option<Header> {
    let fixed: &[u8; 16] = bytes.first_chunk()?;
    let [_, _, hrd_high, hrd_low, .., family_high, family_low] = *fixed;
    let is_netlink = u16::from_be_bytes([hrd_high, hrd_low]) == ARPHRD_NETLINK;
    is_netlink.then(|| Header { len: 16, ether_type: u16::from_be_bytes([family_high, family_low]), ..NONE })
}

/// The link header of what the kernel sent under `family`, as its own netlink monitor (nlmon) writes it.
pub(super) fn netlink_header(family: u16) -> [u8; 16] {
    /// PACKET_OUTGOING: the monitor sees messages on their way out.
    const OUTGOING: u16 = 4;
    let ([t0, t1], [h0, h1], [f0, f1]) =
        (OUTGOING.to_be_bytes(), ARPHRD_NETLINK.to_be_bytes(), family.to_be_bytes());
    [t0, t1, h0, h1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, f0, f1]
}

fn family(bytes: &[u8]) -> Option<Header> {
    let family = u32::from_le_bytes(*bytes.first_chunk()?);
    // Address families are small numbers: a large one was written in the other byte order.
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    let ether_type = match family {
        2 => IPV4,
        // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS.
        10 | 24 | 28 | 30 => IPV6,
        _ => 0,
    };
    Some(Header { len: 4, ether_type, ..NONE })
}

fn ip_version(bytes: &[u8]) -> u16 {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        _ => 0,
    }
}

/// Takes off 802.1Q and 802.1ad tags (0x9100 is what came before 802.1ad).
#[inline]
fn after_tags(mut ether_type: u16, bytes: &[u8], mut len: usize) -> (u16, usize) {
    for _ in 0..MOST_VLAN_TAGS {
        if !matches!(ether_type, 0x8100 | 0x88a8 | 0x9100) {
            break;
        }
        let Some([_, _, high, low]) = bytes.get(len..).and_then(<[u8]>::first_chunk) else {
            return (0, bytes.len());
        };
        ether_type = u16::from_be_bytes([*high, *low]);
        len += 4;
    }
    (if ether_type < LOWEST_ETHER_TYPE { 0 } else { ether_type }, len)
}

/// `packet(7)`: 4 is PACKET_OUTGOING; 0 to 3 came in (to us, broadcast, multicast, to another host).
const fn packet_direction(packet_type: u8) -> Direction {
    match packet_type {
        0..=3 => Direction::In,
        4 => Direction::Out,
        _ => Direction::Unknown,
    }
}

#[inline]
fn mac(len: u8, address: &[u8]) -> Mac {
    match address.first_chunk() {
        Some(&mac) if len == 6 => mac,
        _ => [0; 6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACS: [u8; 12] = [2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3];

    #[test]
    fn ethernet_with_and_without_tags() {
        let plain = [&MACS[..], &[8, 0, 0x45]].concat();
        let expected = Header { len: 14, ether_type: IPV4, src_mac: [3; 6], dst_mac: [2; 6], ..NONE };
        assert_eq!(header(LinkType::Ethernet, &plain), expected);
        let tagged = [&MACS[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd, 0x60]].concat();
        assert_eq!(header(LinkType::Ethernet, &tagged), Header { len: 22, ether_type: IPV6, ..expected });
    }

    #[test]
    fn ieee_802_3_and_cut_headers_have_no_ether_type() {
        let llc = [&MACS[..], &[0, 40, 0x42, 0x42, 3]].concat();
        assert_eq!(header(LinkType::Ethernet, &llc).ether_type, 0);
        let cut_tag = [&MACS[..], &[0x81, 0, 0]].concat();
        assert_eq!(
            header(LinkType::Ethernet, &cut_tag),
            Header { len: 15, src_mac: [3; 6], dst_mac: [2; 6], ..NONE }
        );
        assert_eq!(header(LinkType::Ethernet, &MACS), Header { len: 12, ..NONE });
        assert_eq!(header(LinkType::Sll2, &[8, 0, 0]), Header { len: 3, ..NONE });
    }

    #[test]
    fn cooked_headers_give_direction_sender_and_device() {
        let sll2 = [8, 0, 0, 0, 0, 0, 0, 9, 0x03, 0x04, 4, 6, 3, 3, 3, 3, 3, 3, 0, 0, 0x45];
        assert_eq!(
            header(LinkType::Sll2, &sll2),
            Header {
                len: 20,
                ether_type: IPV4,
                src_mac: [3; 6],
                direction: Direction::Out,
                device: Some((9, ARPHRD_LOOPBACK)),
                ..NONE
            }
        );
        let sll = [0, 3, 0, 1, 0, 6, 3, 3, 3, 3, 3, 3, 0, 0, 0x86, 0xdd, 0x60];
        assert_eq!(
            header(LinkType::Sll, &sll),
            Header { len: 16, ether_type: IPV6, src_mac: [3; 6], direction: Direction::In, ..NONE }
        );
    }

    #[test]
    fn kernel_messages_have_a_family() {
        let written = netlink_header(12);
        assert_eq!(header(LinkType::Netlink, &written), Header { len: 16, ether_type: 12, ..NONE });
        assert_eq!(header(LinkType::Netlink, &written[..15]).ether_type, 0);
        assert_eq!(header(LinkType::Netlink, &[0; 16]).ether_type, 0);
    }

    #[test]
    fn headerless_and_loopback_links() {
        assert_eq!(header(LinkType::Raw, &[0x45, 0]), Header { ether_type: IPV4, ..NONE });
        assert_eq!(header(LinkType::Raw, &[0x60]), Header { ether_type: IPV6, ..NONE });
        assert_eq!(header(LinkType::Raw, &[]), NONE);
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            assert_eq!(header(LinkType::Loop, &family), Header { len: 4, ether_type: IPV4, ..NONE });
        }
        assert_eq!(header(LinkType::Loop, &[0, 0, 0, 30]).ether_type, IPV6);
    }
}
