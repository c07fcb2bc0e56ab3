//! TCP and UDP headers (RFC 9293, RFC 7323, RFC 768).

use etherparse::err::tcp::HeaderSliceError;
use etherparse::{TcpSlice, UdpSlice};

use super::digest::digest;
use super::network::Content;
use super::{Layer, Reason, Stop};
use crate::model::{Body, Datagram, Packet, TcpSegment};

const TCP_MIN_HEADER: usize = 20;
const UDP_HEADER: u32 = 8;

/// Fills in ports and segment; gives the captured payload.
pub(super) fn read_tcp<'a>(content: &Content<'a>, packet: &mut Packet) -> Result<&'a [u8], Stop> {
    match TcpSlice::from_slice(content.data) {
        Ok(tcp) => {
            fill_tcp(&tcp, tcp.header_len(), content.wire_len, packet);
            Ok(tcp.payload())
        }
        Err(HeaderSliceError::Len(_)) => read_cut_tcp(content, packet).map(|()| [].as_slice()),
        Err(HeaderSliceError::Content(_)) => Err(Stop::new(Layer::Tcp, Reason::Malformed)),
    }
}

/// A header that the capture cut in its options still has everything but those.
fn read_cut_tcp(content: &Content<'_>, packet: &mut Packet) -> Result<(), Stop> {
    let cut = Stop::new(Layer::Tcp, Reason::Cut);
    let mut fixed = *content.data.first_chunk::<TCP_MIN_HEADER>().ok_or(cut)?;
    let header_len = usize::from(fixed[12] >> 4) * 4;
    fixed[12] = (TCP_MIN_HEADER as u8 / 4) << 4;
    let tcp = TcpSlice::from_slice(&fixed).map_err(|_| cut)?;
    fill_tcp(&tcp, header_len, content.wire_len, packet);
    Ok(())
}

fn fill_tcp(tcp: &TcpSlice<'_>, header_len: usize, wire_len: u32, packet: &mut Packet) {
    packet.tuple.src.port = tcp.source_port();
    packet.tuple.dst.port = tcp.destination_port();
    packet.body = Body::Tcp(TcpSegment {
        seq: tcp.sequence_number(),
        ack: tcp.acknowledgment_number(),
        flags: tcp.header_slice()[13],
        len: wire_len.saturating_sub(header_len as u32),
        tsval: tsval(tcp.options()),
    });
}

/// TSval, or 0. Options that are not known are stepped over by their length.
pub(super) fn tsval(mut options: &[u8]) -> u32 {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const TIMESTAMPS: u8 = 8;
    loop {
        options = match *options {
            [NO_OPERATION, ref rest @ ..] => rest,
            [TIMESTAMPS, 10, a, b, c, d, ..] => return u32::from_be_bytes([a, b, c, d]),
            [] | [END | TIMESTAMPS, ..] => return 0,
            [_, len, ..] if len >= 2 => options.get(usize::from(len)..).unwrap_or_default(),
            _ => return 0,
        };
    }
}

/// Fills in ports and datagram; gives the captured payload.
pub(super) fn read_udp<'a>(content: &Content<'a>, packet: &mut Packet) -> Result<&'a [u8], Stop> {
    let udp = UdpSlice::from_slice_lax(content.data).map_err(|_| Stop::new(Layer::Udp, Reason::Cut))?;
    let stated = u32::from(udp.length());
    let is_stated = stated >= UDP_HEADER && (content.is_fragment || stated <= content.wire_len);
    let wire_len = if is_stated { stated } else { content.wire_len };
    let len = wire_len.saturating_sub(UDP_HEADER);
    packet.tuple.src.port = udp.source_port();
    packet.tuple.dst.port = udp.destination_port();
    packet.body = Body::Udp(Datagram {
        len: u16::try_from(len).unwrap_or(u16::MAX),
        digest: digest(udp.payload(), len),
    });
    Ok(udp.payload())
}
