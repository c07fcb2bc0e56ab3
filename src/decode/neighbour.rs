//! Who asks for whose link address: ARP (RFC 826) and neighbour discovery (RFC 4861 §4.3, §4.4).

use etherparse::{ArpHardwareId, ArpOperation, ArpPacketSlice, ether_type};

use super::network::{Content, NO_PROTOCOL};
use super::{Layer, Reason, Stop};
use crate::model::{Body, Endpoint, Ip, Neighbour, Packet, Tuple};

/// Fills in sender and target address of an ARP message for IPv4.
pub(super) fn read_arp(data: &[u8], packet: &mut Packet) -> Result<(), Stop> {
    let arp = ArpPacketSlice::from_slice(data).map_err(|_| Stop::new(Layer::Arp, Reason::Cut))?;
    let malformed = Stop::new(Layer::Arp, Reason::Malformed);
    if arp.proto_addr_type() != ether_type::IPV4 || arp.hw_addr_type() != ArpHardwareId::ETHERNET {
        return Err(malformed);
    }
    let address = |bytes: &[u8]| bytes.try_into().map(Ip::v4).map_err(|_| malformed);
    let sender = address(arp.sender_protocol_addr())?;
    let target = address(arp.target_protocol_addr())?;
    packet.tuple =
        Tuple { protocol: NO_PROTOCOL, src: Endpoint::new(sender, 0), dst: Endpoint::new(target, 0) };
    packet.body = Body::Neighbour(match arp.operation() {
        ArpOperation::REQUEST => Neighbour { is_request: true, target },
        ArpOperation::REPLY => Neighbour { is_request: false, target: sender },
        other => return Err(Stop::new(Layer::Arp, Reason::Message(other.0 as u8))),
    });
    Ok(())
}

/// Fills in the target of a neighbour solicitation or advertisement. A solicitation goes to a multicast address
/// made from the target; the tuple holds the target itself, as in ARP.
pub(super) fn read_discovery(
    content: &Content<'_>,
    is_request: bool,
    packet: &mut Packet,
) -> Result<(), Stop> {
    const TARGET: std::ops::Range<usize> = 8..24;
    let target = content.data.get(TARGET).and_then(|bytes| bytes.try_into().ok()).map(Ip::v6);
    let target = target.ok_or(Stop::new(Layer::NeighbourDiscovery, Reason::Cut))?;
    if is_request {
        packet.tuple.dst.ip = target;
    }
    packet.body = Body::Neighbour(Neighbour { is_request, target });
    Ok(())
}
