//! ICMP and ICMPv6: echo, and errors with the packet they quote (RFC 792, RFC 1812 §5.2.7, RFC 4443).

use etherparse::icmpv4::DestUnreachableHeader as Unreachable4;
use etherparse::icmpv6::{DestUnreachableCode as Unreachable6, ParameterProblemCode};
use etherparse::{IcmpEchoHeader, Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type};

use super::digest::digest;
use super::network::{Content, Header, content, slice_ip};
use super::{Layer, Reason, Stop, neighbour, tunnel};
use crate::model::{Body, Echo, IcmpError, IcmpReason, Packet, Protocol, Tuple};

const ICMP_HEADER: u32 = 8;

pub(super) fn read_v4(content: &Content<'_>, packet: &mut Packet) -> Result<(), Stop> {
    let icmp = Icmpv4Slice::from_slice(content.data).map_err(|_| Stop::new(Layer::Icmp, Reason::Cut))?;
    packet.body = match icmp.icmp_type() {
        Icmpv4Type::EchoRequest(header) => echo(true, header, icmp.payload(), content.wire_len),
        Icmpv4Type::EchoReply(header) => echo(false, header, icmp.payload(), content.wire_len),
        Icmpv4Type::DestinationUnreachable(header) => {
            let mtu = match header {
                Unreachable4::FragmentationNeeded { next_hop_mtu } => u32::from(next_hop_mtu),
                _ => 0,
            };
            error(unreachable_v4(&header), mtu, icmp.payload(), true)?
        }
        Icmpv4Type::TimeExceeded(_) => error(IcmpReason::TimeExceeded, 0, icmp.payload(), true)?,
        Icmpv4Type::Redirect(_) => error(IcmpReason::Redirect, 0, icmp.payload(), true)?,
        Icmpv4Type::ParameterProblem(_) => error(IcmpReason::Other, 0, icmp.payload(), true)?,
        _ => return Err(Stop::new(Layer::Icmp, Reason::Message(icmp.type_u8()))),
    };
    Ok(())
}

pub(super) fn read_v6(content: &Content<'_>, packet: &mut Packet) -> Result<(), Stop> {
    let icmp = Icmpv6Slice::from_slice(content.data).map_err(|_| Stop::new(Layer::Icmp, Reason::Cut))?;
    packet.body = match icmp.icmp_type() {
        Icmpv6Type::EchoRequest(header) => echo(true, header, icmp.payload(), content.wire_len),
        Icmpv6Type::EchoReply(header) => echo(false, header, icmp.payload(), content.wire_len),
        Icmpv6Type::DestinationUnreachable(code) => error(unreachable_v6(code), 0, icmp.payload(), true)?,
        Icmpv6Type::PacketTooBig { mtu } => error(IcmpReason::PacketTooBig, mtu, icmp.payload(), true)?,
        Icmpv6Type::TimeExceeded(_) => error(IcmpReason::TimeExceeded, 0, icmp.payload(), true)?,
        Icmpv6Type::ParameterProblem(problem) => {
            let is_protocol = problem.code == ParameterProblemCode::UnrecognizedNextHeader;
            let reason = if is_protocol { IcmpReason::ProtocolUnreachable } else { IcmpReason::Other };
            error(reason, 0, icmp.payload(), true)?
        }
        Icmpv6Type::NeighborSolicitation => return neighbour::read_discovery(content, true, packet),
        Icmpv6Type::NeighborAdvertisement(_) => return neighbour::read_discovery(content, false, packet),
        _ => return Err(Stop::new(Layer::Icmp, Reason::Message(icmp.type_u8()))),
    };
    Ok(())
}

fn echo(is_request: bool, header: IcmpEchoHeader, payload: &[u8], wire_len: u32) -> Body {
    let len = wire_len.saturating_sub(ICMP_HEADER);
    Body::Echo(Echo {
        is_request,
        id: header.id,
        seq: header.seq,
        digest: digest(payload, len),
        len: u16::try_from(len).unwrap_or(u16::MAX),
    })
}

const fn unreachable_v4(header: &Unreachable4) -> IcmpReason {
    match header {
        Unreachable4::Network | Unreachable4::NetworkUnknown | Unreachable4::TosNetwork => {
            IcmpReason::NetUnreachable
        }
        Unreachable4::Host | Unreachable4::HostUnknown | Unreachable4::Isolated | Unreachable4::TosHost => {
            IcmpReason::HostUnreachable
        }
        Unreachable4::Protocol => IcmpReason::ProtocolUnreachable,
        Unreachable4::Port => IcmpReason::PortUnreachable,
        Unreachable4::FragmentationNeeded { .. } => IcmpReason::PacketTooBig,
        Unreachable4::NetworkProhibited | Unreachable4::HostProhibited | Unreachable4::FilterProhibited => {
            IcmpReason::Prohibited
        }
        Unreachable4::SourceRouteFailed
        | Unreachable4::HostPrecedenceViolation
        | Unreachable4::PrecedenceCutoff => IcmpReason::Other,
    }
}

/// Codes 5 and 6 are kinds of code 1, "administratively prohibited" (RFC 4443 §3.1).
const fn unreachable_v6(code: Unreachable6) -> IcmpReason {
    match code {
        Unreachable6::NoRoute => IcmpReason::NetUnreachable,
        Unreachable6::Prohibited | Unreachable6::SourceAddressFailedPolicy | Unreachable6::RejectRoute => {
            IcmpReason::Prohibited
        }
        Unreachable6::Address => IcmpReason::HostUnreachable,
        Unreachable6::Port => IcmpReason::PortUnreachable,
        Unreachable6::BeyondScope => IcmpReason::Other,
    }
}

/// A router between the nodes quotes the outer packet; the one inside is who it concerns.
fn error(reason: IcmpReason, mtu: u32, quote: &[u8], may_be_tunnel: bool) -> Result<Body, Stop> {
    let (ip, stopped) = slice_ip(quote, Layer::IcmpQuote)?;
    let header = Header::of(&ip, quote.len() as u32);
    let content = content(quote, &ip, &stopped, &header, Layer::IcmpQuote)?;
    if may_be_tunnel && let Some(inner) = tunnel::inner(&content) {
        return error(reason, mtu, inner.data, false);
    }
    let (quoted, seq) = quoted_transport(header.tuple, content.data)?;
    Ok(Body::IcmpError(IcmpError {
        reason,
        quoted,
        quoted_seq: seq.unwrap_or(u32::from(header.ip_id)),
        quoted_ip_id: header.ip_id,
        mtu,
    }))
}

/// Ports and sequence number; of an echo, the identifier stands for both ports. Only the first 8 bytes are sure to
/// be quoted, so no header need be whole.
fn quoted_transport(mut tuple: Tuple, data: &[u8]) -> Result<(Tuple, Option<u32>), Stop> {
    let u16_at = |at| data.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
    let u32_at = |at| data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let (ports, seq) = match tuple.protocol {
        Protocol::Tcp => ((u16_at(0), u16_at(2)), Some(u32_at(4).unwrap_or(0))),
        Protocol::Udp => ((u16_at(0), u16_at(2)), None),
        Protocol::Icmp | Protocol::Icmp6 => ((u16_at(4), u16_at(4)), Some(u16_at(6).map_or(0, u32::from))),
        Protocol::Other(_) => ((Some(0), Some(0)), None),
    };
    let (Some(src), Some(dst)) = ports else { return Err(Stop::new(Layer::IcmpQuote, Reason::Cut)) };
    (tuple.src.port, tuple.dst.port) = (src, dst);
    Ok((tuple, seq))
}
