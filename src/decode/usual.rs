//! The packets that nearly all are: TCP over IPv4, whole and without IP options. They are read by their fixed
//! places; etherparse's general way takes several times as long, and has the last word on all others.

use super::transport::tsval;
use crate::model::{Body, Endpoint, Ip, Packet, Protocol, TcpSegment, Tuple};

const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
/// More fragments, or a fragment's offset (RFC 791 §3.1).
const FRAGMENT: u16 = 0x3fff;

/// Fills in all that is known of such a packet and gives its payload; leaves any other as it is.
#[inline]
pub(super) fn read<'a>(data: &'a [u8], packet: &mut Packet) -> Option<&'a [u8]> {
    let (ip, _) = data.split_first_chunk::<IP_HEADER>()?;
    let half = |at: usize| u16::from_be_bytes([ip[at], ip[at + 1]]);
    let total = usize::from(half(2));
    if ip[0] != 0x45 || ip[9] != Protocol::Tcp.number() || half(6) & FRAGMENT != 0 {
        return None;
    }
    let content = data.get(IP_HEADER..total)?;
    let (tcp, _) = content.split_first_chunk::<TCP_HEADER>()?;
    let header = usize::from(tcp[12] >> 4) * 4;
    let options = content.get(TCP_HEADER..header)?;
    let payload = &content[header..];
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    packet.ttl = ip[8];
    packet.ip_id = half(4);
    packet.wire_len = total as u32;
    packet.tuple = Tuple {
        protocol: Protocol::Tcp,
        src: Endpoint::new(Ip::v4([ip[12], ip[13], ip[14], ip[15]]), port(0)),
        dst: Endpoint::new(Ip::v4([ip[16], ip[17], ip[18], ip[19]]), port(2)),
    };
    packet.body = Body::Tcp(TcpSegment {
        seq: word(4),
        ack: word(8),
        flags: tcp[13],
        len: payload.len() as u32,
        tsval: tsval(options),
    });
    Some(payload)
}
