//! A packet inside another one, as nodes of an overlay send it to each other: VXLAN (RFC 7348) and IP in IP (RFC
//! 2003, RFC 2473, RFC 4213).

use etherparse::{ether_type, ip_number};

use super::network::Content;
use crate::model::{Encapsulation, Protocol};

/// IANA's port, and the one that Linux had before there was one (flannel and Cilium still take it).
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const UDP_HEADER: usize = 8;
const VXLAN_HEADER: usize = 8;
const ETHERNET_HEADER: usize = 14;

/// What a tunnel carries.
pub(super) struct Inner<'a> {
    pub(super) encapsulation: Encapsulation,
    pub(super) ether_type: u16,
    pub(super) data: &'a [u8],
    pub(super) wire_len: u32,
}

/// The network packet inside `outer`, if that is a tunnel's.
pub(super) fn inner<'a>(outer: &Content<'a>) -> Option<Inner<'a>> {
    let ip = |ether_type: etherparse::EtherType| {
        let (data, wire_len) = (outer.data, outer.wire_len);
        Some(Inner { encapsulation: Encapsulation::IpIp, ether_type: ether_type.0, data, wire_len })
    };
    match outer.protocol {
        Protocol::Udp => vxlan(outer),
        Protocol::Other(number) if number == ip_number::IPV4.0 => ip(ether_type::IPV4),
        Protocol::Other(number) if number == ip_number::IPV6.0 => ip(ether_type::IPV6),
        _ => None,
    }
}

/// Anybody may send datagrams to these ports: the header has to be one that Linux would take, with the flag for a
/// network identifier and nothing else (`vxlan_rcv` of `drivers/net/vxlan`).
fn vxlan<'a>(outer: &Content<'a>) -> Option<Inner<'a>> {
    let (udp, rest) = outer.data.split_first_chunk::<UDP_HEADER>()?;
    let (header, frame) = rest.split_first_chunk::<VXLAN_HEADER>()?;
    let (ethernet, data) = frame.split_first_chunk::<ETHERNET_HEADER>()?;
    let is_vxlan = VXLAN_PORTS.contains(&u16::from_be_bytes([udp[2], udp[3]]))
        && matches!(header, [0x08, 0, 0, 0, _, _, _, 0]);
    let headers = (UDP_HEADER + VXLAN_HEADER + ETHERNET_HEADER) as u32;
    is_vxlan.then(|| Inner {
        encapsulation: Encapsulation::Vxlan,
        ether_type: u16::from_be_bytes([ethernet[12], ethernet[13]]),
        data,
        wire_len: outer.wire_len.saturating_sub(headers).max(data.len() as u32),
    })
}
