//! A packet's headers one after the other, for the eye: every field that a dissector names, from the link header to
//! what the payload begins with.
//!
//! Nothing is followed or checked here; [`decode`](super::decode) does that. What is cut ends the list.

mod application;
mod control;
mod ip;
mod link;
mod transport;

use std::ops::Range;

use crate::model::Header;

/// More headers than this, tunnels' inner ones included, are hostile.
const MOST_HEADERS: usize = 24;

/// The headers of a record of link type `link` (`pcap-linktype(7)`).
pub fn headers(link: u16, bytes: &[u8]) -> Vec<Header> {
    let mut sheet = Sheet { bytes, at: 0, headers: Vec::new() };
    let mut next = link::read(link, &mut sheet);
    while sheet.headers.len() < MOST_HEADERS {
        let Some(kind) = next else { break };
        next = match kind {
            Next::EtherType(number) => ip::after_link(number, &mut sheet),
            Next::Ethernet => link::ethernet(&mut sheet),
            Next::Protocol(number) => transport::read(number, &mut sheet),
            Next::Payload(ports) => application::read(ports, &mut sheet),
        };
    }
    sheet.headers
}

/// What stands behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// By IANA ieee-802-numbers.
    EtherType(u16),
    /// A whole frame, in a tunnel.
    Ethernet,
    /// By IANA protocol-numbers.
    Protocol(u8),
    /// Of these ports; a datagram's or a stream's.
    Payload(Ports),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    src: u16,
    dst: u16,
    is_datagram: bool,
}

/// The bytes, how far they were read, and what was found.
struct Sheet<'a> {
    bytes: &'a [u8],
    at: usize,
    headers: Vec<Header>,
}

impl<'a> Sheet<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next `N` bytes, which stay unread.
    fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.rest().first_chunk()
    }

    /// Adds a header of `len` bytes (as far as they are there) and goes behind it.
    fn add(&mut self, name: &'static str, len: usize, fields: Vec<String>) {
        let end = self.at.saturating_add(len).min(self.bytes.len());
        let bytes: Range<usize> = self.at..end;
        self.at = end;
        self.headers.push(Header { name, bytes, fields });
    }

    /// Leaves out what stands behind `len` more bytes: padding of the frame.
    fn end_after(&mut self, len: usize) {
        let end = self.at.saturating_add(len).min(self.bytes.len());
        self.bytes = self.bytes.get(..end).unwrap_or_default();
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u16::from_be_bytes(*chunk))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use etherparse::{IpNumber, PacketBuilder, TcpOptionElement};

    use super::*;

    fn told(link: u16, bytes: &[u8]) -> String {
        let line = |header: &Header| {
            let Range { start, end } = header.bytes;
            format!("{start}..{end} {}: {}\n", header.name, header.fields.join(" | "))
        };
        headers(link, bytes).iter().map(line).collect()
    }

    fn request() -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = [
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            TcpOptionElement::Timestamp(4711, 42),
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(7),
        ];
        PacketBuilder::ethernet2([2; 6], [0xee; 6])
            .single_vlan(7.try_into().expect("an id"))
            .ipv4([10, 244, 1, 17], [10, 43, 7, 7], 63)
            .tcp(45_700, 80, 1000, 64_240)
            .psh()
            .ack(77)
            .options(&options)
            .expect("options")
            .write(&mut bytes, b"GET /r/17 HTTP/1.1\r\nHost: shop\x1b[2J\r\n\r\nbody")
            .expect("a packet");
        bytes
    }

    #[test]
    fn every_header_says_what_it_has() {
        let mut out = told(1, &request());
        let mut dns = Vec::new();
        let query =
            [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x05stock\x04shop\x00\x00\x01\x00\x01"]
                .concat();
        PacketBuilder::ipv6([0xfd; 16], [0xfc; 16], 64)
            .udp(5353, 53)
            .write(&mut dns, &query)
            .expect("a packet");
        out += "\n";
        out += &told(101, &dns);
        let sll2 = [8, 6, 0, 0, 0, 0, 0, 9, 0, 1, 4, 6, 3, 3, 3, 3, 3, 3, 0, 0];
        let arp = [0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
        out += "\n";
        out += &told(276, &[&sll2[..], &arp].concat());
        let mut quoted = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9)
            .udp(1, 2)
            .write(&mut quoted, b"x")
            .expect("a packet");
        let mut icmp = Vec::new();
        let error = etherparse::Icmpv4Type::DestinationUnreachable(
            etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1450 },
        );
        PacketBuilder::ipv4([10, 0, 0, 9], [10, 0, 0, 1], 64)
            .icmpv4(error)
            .write(&mut icmp, &quoted)
            .expect("a packet");
        out += "\n";
        out += &told(101, &icmp);
        let mut tunnel = Vec::new();
        let vxlan = [&[8, 0, 0, 0, 0, 0x10, 0, 0][..], &request()].concat();
        PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .udp(4000, 4789)
            .write(&mut tunnel, &vxlan)
            .expect("a packet");
        out += "\n";
        out += &told(101, &tunnel);
        let mut ipip = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .write(&mut ipip, IpNumber::IPV4, &icmp)
            .expect("a packet");
        out += "\n";
        out += &told(101, &ipip);
        insta::assert_snapshot!("headers", out);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(link in 0u16..300, bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120)) {
            for header in headers(link, &bytes) {
                assert!(header.bytes.start <= header.bytes.end && header.bytes.end <= bytes.len());
            }
        }

        #[test]
        fn a_packet_may_be_cut_and_damaged_anywhere(cut in 0usize..160, at in 0usize..160, byte in proptest::prelude::any::<u8>()) {
            let mut bytes = request();
            bytes.truncate(cut);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let headers = headers(1, &bytes);
            assert!(headers.len() <= MOST_HEADERS);
            let fields = headers.iter().flat_map(|header| &header.fields);
            assert!(fields.flat_map(|field| field.chars()).all(|it| !it.is_control()));
        }
    }
}
