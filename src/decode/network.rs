//! The network layer: one frame becomes one packet (RFC 791, RFC 8200).

use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice, LaxIpSlice, LaxIpv4Slice,
    LaxIpv6Slice, err, ether_type, ip_number,
};

use super::{Layer, Reason, Stop, icmp, neighbour, transport, tunnel, usual};
use crate::model::{Batch, Body, Endpoint, Frame, Ip, Outer, Packet, Payload, Protocol, Tuple};

/// The most payload bytes of one packet that are kept, in bytes: what a segment can have that segmentation offload
/// leaves whole. The heads of HTTP/2 may lie anywhere in it.
pub const MAX_PAYLOAD: u16 = u16::MAX;

/// The protocol of a tuple that has none, such as ARP's: a number that IANA keeps reserved.
pub const NO_PROTOCOL: Protocol = Protocol::Other(255);

const NOWHERE: Tuple = Tuple {
    protocol: NO_PROTOCOL,
    src: Endpoint { ip: Ip(0), port: 0 },
    dst: Endpoint { ip: Ip(0), port: 0 },
};

/// Decodes `frame` and pushes exactly one packet to `batch`, with its captured TCP or UDP payload.
///
/// Returns where decoding stopped if the packet cannot be followed; its body is [`Body::Other`] then, and its tuple
/// holds what was read up to there.
pub fn decode(frame: &Frame<'_>, batch: &mut Batch) -> Option<Stop> {
    let mut packet = Packet {
        time: frame.time,
        vantage: frame.vantage,
        direction: frame.direction,
        ttl: 0,
        ip_id: 0,
        src_mac: frame.src_mac,
        dst_mac: frame.dst_mac,
        wire_len: frame.wire_len,
        inside: None,
        tuple: NOWHERE,
        body: Body::Other,
        payload: Payload::default(),
    };
    let result = read(frame.ether_type, frame.data, frame.wire_len, &mut packet);
    if let Ok(payload) = result {
        packet.payload = batch.keep(frame, payload, MAX_PAYLOAD);
    }
    batch.packets.push(packet);
    result.err()
}

/// An IP packet's content, as far as it was captured, and its length on the wire.
pub(super) struct Content<'a> {
    pub(super) protocol: Protocol,
    pub(super) data: &'a [u8],
    /// More than `data.len()` where the capture cut the packet.
    pub(super) wire_len: u32,
    /// The first fragment of several; its transport header is whole, the datagram is not.
    pub(super) is_fragment: bool,
}

/// Reads a network packet, of which `data` was captured.
fn read<'a>(ether_type: u16, data: &'a [u8], wire_len: u32, packet: &mut Packet) -> Result<&'a [u8], Stop> {
    match etherparse::EtherType(ether_type) {
        ether_type::IPV4 | ether_type::IPV6 => {
            usual::read(data, packet).map_or_else(|| read_any_ip(data, wire_len, packet), Ok)
        }
        ether_type::ARP => neighbour::read_arp(data, packet).map(|()| [].as_slice()),
        other => Err(Stop::new(Layer::Link, Reason::EtherType(other.0))),
    }
}

/// The general way, which fits all packets.
pub(super) fn read_any_ip<'a>(data: &'a [u8], wire_len: u32, packet: &mut Packet) -> Result<&'a [u8], Stop> {
    let (ip, stopped) = slice_ip(data, Layer::Ip)?;
    let header = Header::of(&ip, wire_len);
    packet.ttl = header.ttl;
    packet.ip_id = header.ip_id;
    packet.wire_len = header.wire_len;
    packet.tuple = header.tuple;
    let content = content(data, &ip, &stopped, &header, Layer::Ip)?;
    // A tunnel in a tunnel is left alone: so nobody can make this go on and on.
    if packet.inside.is_none()
        && let Some(inner) = tunnel::inner(&content)
    {
        let sender = header.tuple.src.ip;
        let sender = if sender.is_v4() { (sender.0 as u32).to_be_bytes() } else { [0; 4] };
        packet.inside = Some(Outer { encapsulation: inner.encapsulation, sender });
        return read(inner.ether_type, inner.data, inner.wire_len, packet);
    }
    match content.protocol {
        Protocol::Tcp => transport::read_tcp(&content, packet),
        Protocol::Udp => transport::read_udp(&content, packet),
        Protocol::Icmp => icmp::read_v4(&content, packet).map(|()| [].as_slice()),
        Protocol::Icmp6 => icmp::read_v6(&content, packet).map(|()| [].as_slice()),
        Protocol::Other(number) => Err(Stop::new(Layer::Ip, Reason::Protocol(number))),
    }
}

/// What the IP header says.
pub(super) struct Header {
    pub(super) ttl: u8,
    pub(super) ip_id: u16,
    pub(super) wire_len: u32,
    /// Without ports.
    pub(super) tuple: Tuple,
}

impl Header {
    /// `frame_len` stands in where the header has no length: a packet that segmentation offload has yet to cut
    /// (IPv4 total length 0, IPv6 payload length 0 or a jumbogram).
    pub(super) fn of(ip: &LaxIpSlice<'_>, frame_len: u32) -> Header {
        match ip {
            LaxIpSlice::Ipv4(ip) => Header::of_v4(ip, frame_len),
            LaxIpSlice::Ipv6(ip) => Header::of_v6(ip, frame_len),
        }
    }

    fn of_v4(ip: &LaxIpv4Slice<'_>, frame_len: u32) -> Header {
        let header = ip.header();
        let total = u32::from(header.total_len());
        let has_length = total as usize >= header.slice().len();
        Header {
            ttl: header.ttl(),
            ip_id: header.identification(),
            wire_len: if has_length { total } else { frame_len },
            tuple: tuple(
                Ip::v4(header.source()),
                Ip::v4(header.destination()),
                Protocol::from_number(ip.payload_ip_number().0),
            ),
        }
    }

    fn of_v6(ip: &LaxIpv6Slice<'_>, frame_len: u32) -> Header {
        let header = ip.header();
        let length = u32::from(header.payload_length());
        Header {
            ttl: header.hop_limit(),
            ip_id: 0,
            wire_len: if length > 0 { length + header.slice().len() as u32 } else { frame_len },
            tuple: tuple(
                Ip::v6(header.source()),
                Ip::v6(header.destination()),
                Protocol::from_number(ip.payload().ip_number.0),
            ),
        }
    }
}

fn tuple(src: Ip, dst: Ip, protocol: Protocol) -> Tuple {
    Tuple { protocol, src: Endpoint::new(src, 0), dst: Endpoint::new(dst, 0) }
}

/// What stopped the reading of IPv6 extension headers, or of IPv4's authentication header.
pub(super) type ExtensionStop = Option<(err::ipv6_exts::HeaderSliceError, err::Layer)>;

/// Takes the IP header and its extensions off; `layer` is named where that does not work.
pub(super) fn slice_ip(data: &[u8], layer: Layer) -> Result<(LaxIpSlice<'_>, ExtensionStop), Stop> {
    LaxIpSlice::from_slice(data).map_err(|error| {
        let is_cut = matches!(error, err::ip::LaxHeaderSliceError::Len(_));
        Stop::new(layer, if is_cut { Reason::Cut } else { Reason::Malformed })
    })
}

/// The content after the IP headers, if it begins with a transport header.
pub(super) fn content<'a>(
    data: &'a [u8],
    ip: &LaxIpSlice<'a>,
    stopped: &ExtensionStop,
    header: &Header,
    layer: Layer,
) -> Result<Content<'a>, Stop> {
    let is_fragment = ip.is_fragmenting_payload();
    if is_fragment && !is_first_fragment(ip) {
        return Err(Stop::new(layer, Reason::LaterFragment));
    }
    match stopped {
        None => {}
        Some((err::ipv6_exts::HeaderSliceError::Len(_), _)) => return Err(Stop::new(layer, Reason::Cut)),
        Some((err::ipv6_exts::HeaderSliceError::Content(_), _)) => {
            return Err(Stop::new(layer, Reason::Malformed));
        }
    }
    let payload = ip.payload();
    let headers_len = (payload.payload.as_ptr() as usize).saturating_sub(data.as_ptr() as usize) as u32;
    Ok(Content {
        protocol: header.tuple.protocol,
        data: payload.payload,
        wire_len: header.wire_len.saturating_sub(headers_len),
        is_fragment,
    })
}

fn is_first_fragment(ip: &LaxIpSlice<'_>) -> bool {
    match ip {
        LaxIpSlice::Ipv4(ip) => ip.header().fragments_offset().value() == 0,
        LaxIpSlice::Ipv6(ip) => {
            let extensions = ip.extensions();
            fragment_header(ip.header().next_header(), extensions.slice())
                .is_some_and(|fragment| fragment.fragment_offset().value() == 0)
        }
    }
}

/// The fragment header among extension headers. The iterator that etherparse has for them trusts each header's
/// word on the next one, and reads beyond the slice where lax reading stopped early; this one does not.
fn fragment_header(mut kind: IpNumber, mut headers: &[u8]) -> Option<Ipv6FragmentHeaderSlice<'_>> {
    while kind != ip_number::IPV6_FRAG {
        let len = match kind {
            ip_number::IPV6_HOP_BY_HOP | ip_number::IPV6_DEST_OPTIONS | ip_number::IPV6_ROUTE => {
                Ipv6RawExtHeaderSlice::from_slice(headers).ok()?.slice().len()
            }
            ip_number::AUTH => IpAuthHeaderSlice::from_slice(headers).ok()?.slice().len(),
            _ => return None,
        };
        kind = IpNumber(*headers.first()?);
        headers = headers.get(len..)?;
    }
    Ipv6FragmentHeaderSlice::from_slice(headers).ok()
}
