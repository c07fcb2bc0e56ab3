use std::sync::Arc;

use etherparse::{
    IpNumber, Ipv4Header, Ipv6Extensions, Ipv6FragmentHeader, Ipv6Header, PacketBuilder, TcpOptionElement,
    ip_number,
};
use proptest::prelude::*;

use super::*;
use crate::model::{
    Batch, Body, Datagram, Direction, Echo, Encapsulation, Endpoint, Frame, IcmpError, IcmpReason, Ip,
    Neighbour, Outer, Packet, Protocol, Stored, TcpSegment, Timestamp, Tuple, VantageId,
};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;

const POD: [u8; 4] = [10, 244, 1, 5];
const SERVICE: [u8; 4] = [10, 43, 7, 7];
const POD6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
const SERVICE6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

fn frame(ether_type: u16, data: &[u8], wire_len: usize) -> Frame<'_> {
    Frame {
        time: Timestamp(1),
        vantage: VantageId(2),
        direction: Direction::In,
        src_mac: [0xee; 6],
        dst_mac: [2; 6],
        ether_type,
        wire_len: wire_len as u32,
        data,
        stored: Stored::default(),
        block: None,
    }
}

/// Decodes a packet of which `data` was captured; gives its captured payload too.
fn captured(ether_type: u16, data: &[u8], wire_len: usize) -> (Packet, Vec<u8>, Option<Stop>) {
    let mut batch = Batch::default();
    let stop = decode(&frame(ether_type, data, wire_len), &mut batch);
    let [packet] = batch.packets[..] else { panic!("{} packets of one frame", batch.packets.len()) };
    assert_eq!(stop.is_some(), packet.body == Body::Other, "{stop:?} and {:?}", packet.body);
    (packet, batch.payload(&packet).to_vec(), stop)
}

fn decoded(ether_type: u16, data: &[u8]) -> (Packet, Vec<u8>) {
    let (packet, payload, stop) = captured(ether_type, data, data.len());
    assert_eq!(stop, None);
    (packet, payload)
}

fn stopped(ether_type: u16, data: &[u8]) -> Stop {
    captured(ether_type, data, data.len()).2.expect("a stop")
}

fn tuple(protocol: Protocol, src: [u8; 4], src_port: u16, dst: [u8; 4], dst_port: u16) -> Tuple {
    Tuple { protocol, src: Endpoint::new(Ip::v4(src), src_port), dst: Endpoint::new(Ip::v4(dst), dst_port) }
}

fn tcp_v4(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(POD, SERVICE, 63)
        .tcp(40001, 80, 1000, 64240)
        .ack(77)
        .psh()
        .options(&[TcpOptionElement::Noop, TcpOptionElement::Noop, TcpOptionElement::Timestamp(4711, 42)])
        .expect("options")
        .write(&mut bytes, payload)
        .expect("a packet");
    bytes
}

fn udp_v4(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(POD, SERVICE, 63).udp(5353, 53).write(&mut bytes, payload).expect("a packet");
    bytes
}

fn tcp_v6(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(POD6, SERVICE6, 60)
        .tcp(40001, 80, 1000, 64240)
        .syn()
        .write(&mut bytes, payload)
        .expect("a packet");
    bytes
}

fn ip_v4(protocol: IpNumber, content: &[u8]) -> Vec<u8> {
    let mut header = Ipv4Header::new(content.len() as u16, 64, protocol, POD, SERVICE).expect("a header");
    header.identification = 0xbeef;
    [&header.to_bytes()[..], content].concat()
}

fn ip_v6(protocol: IpNumber, content: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        payload_length: content.len() as u16,
        next_header: protocol,
        hop_limit: 64,
        source: POD6,
        destination: SERVICE6,
        ..Ipv6Header::default()
    };
    [&header.to_bytes()[..], content].concat()
}

fn icmp_v4(kind: u8, code: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    ip_v4(ip_number::ICMP, &[&[kind, code, 0, 0], &word[..], rest].concat())
}

fn icmp_v6(kind: u8, code: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    ip_v6(ip_number::IPV6_ICMP, &[&[kind, code, 0, 0], &word[..], rest].concat())
}

#[test]
fn a_tcp_segment_is_read() {
    let bytes = tcp_v4(b"GET / HTTP/1.1\r\n");
    let (packet, payload) = decoded(IPV4, &bytes);
    assert_eq!(packet.tuple, tuple(Protocol::Tcp, POD, 40001, SERVICE, 80));
    assert_eq!(packet.body, Body::Tcp(TcpSegment { seq: 1000, ack: 77, flags: 0x18, len: 16, tsval: 4711 }));
    assert_eq!(payload, b"GET / HTTP/1.1\r\n");
    assert_eq!((packet.ttl, packet.wire_len as usize), (63, bytes.len()));
    assert_eq!((packet.src_mac, packet.dst_mac), ([0xee; 6], [2; 6]));
}

#[test]
fn what_the_capture_cut_off_still_counts_as_sent() {
    let bytes = tcp_v4(&[b'x'; 1000]);
    for cut in 0..bytes.len() {
        let (packet, payload, stop) = captured(IPV4, &bytes[..cut], bytes.len());
        match packet.body {
            Body::Tcp(segment) => {
                assert_eq!((segment.seq, segment.len), (1000, 1000), "cut at {cut}");
                assert_eq!(segment.tsval, if cut < 52 { 0 } else { 4711 });
                assert_eq!(payload.len(), cut.saturating_sub(52));
                assert_eq!(packet.wire_len as usize, bytes.len());
            }
            _ if cut < 20 => assert_eq!(stop, Some(Stop::new(Layer::Ip, Reason::Cut))),
            _ if cut < 40 => assert_eq!(stop, Some(Stop::new(Layer::Tcp, Reason::Cut))),
            _ => panic!("cut at {cut}: {:?}", packet.body),
        }
    }
}

#[test]
fn ethernet_padding_is_no_payload() {
    let mut bytes = tcp_v4(b"");
    let len = bytes.len();
    bytes.resize(len + 12, 0);
    let (packet, payload) = decoded(IPV4, &bytes);
    assert!(matches!(packet.body, Body::Tcp(TcpSegment { len: 0, .. })));
    assert_eq!(packet.wire_len as usize, len);
    assert_eq!(payload, b"");
}

#[test]
fn a_packet_that_offload_has_yet_to_cut_takes_its_length_from_the_wire() {
    let mut bytes = tcp_v4(&[b'x'; 900]);
    bytes[2..4].fill(0);
    let (packet, payload, _) = captured(IPV4, &bytes, 52 + 90_000);
    assert!(matches!(packet.body, Body::Tcp(TcpSegment { len: 90_000, .. })));
    assert_eq!((packet.wire_len, payload.len()), (90_052, 900));

    let mut bytes = tcp_v6(&[b'x'; 900]);
    bytes[4..6].fill(0);
    let (packet, ..) = captured(IPV6, &bytes, 60 + 90_000);
    assert!(matches!(packet.body, Body::Tcp(TcpSegment { len: 90_000, .. })));
}

#[test]
fn big_tcp_s_jumbo_option_is_stepped_over() {
    let tcp = &tcp_v6(&[b'x'; 900])[40..];
    let jumbo = [&[6, 0, 0xc2, 4, 0, 1, 0x60, 0][..], tcp].concat();
    let mut bytes = ip_v6(ip_number::IPV6_HOP_BY_HOP, &jumbo);
    bytes[4..6].fill(0);
    let (packet, payload, _) = captured(IPV6, &bytes, 40 + 8 + 20 + 90_000);
    assert!(matches!(packet.body, Body::Tcp(TcpSegment { len: 90_000, .. })));
    assert_eq!(payload.len(), 900);
}

#[test]
fn the_timestamp_is_found_behind_options_that_are_not_known() {
    let mut tcp = tcp_v4(b"")[20..].to_vec();
    tcp[12] = (9 << 4) | (tcp[12] & 0xf);
    let multipath = [30, 4, 1, 2];
    tcp.splice(20.., [&multipath[..], &[8, 10, 0, 0, 0x12, 0x67, 0, 0, 0, 42], &[1, 1]].concat());
    let (packet, _) = decoded(IPV4, &ip_v4(ip_number::TCP, &tcp));
    assert!(matches!(packet.body, Body::Tcp(TcpSegment { tsval: 4711, len: 0, .. })));
}

#[test]
fn a_segment_that_offloads_leave_whole_is_kept() {
    let bytes = tcp_v4(&vec![b'x'; 40_000]);
    let (packet, payload) = decoded(IPV4, &bytes);
    assert!(matches!(packet.body, Body::Tcp(TcpSegment { len: 40_000, .. })));
    assert_eq!(payload.len(), 40_000);
}

#[test]
fn a_payload_is_shared_with_the_block_it_lies_in() {
    let packet = tcp_v4(b"GET / HTTP/1.1");
    let block = Arc::new([b"before".as_slice(), &packet, b"after"].concat());
    let data = &block[6..6 + packet.len()];
    let mut batch = Batch::default();
    for block in [Some(&block), None, Some(&block), Some(&Arc::new(vec![0; 9]))] {
        decode(&Frame { block, ..frame(IPV4, data, data.len()) }, &mut batch);
    }
    assert!(batch.packets.iter().all(|packet| batch.payload(packet) == b"GET / HTTP/1.1"));
    assert_eq!(Arc::strong_count(&block), 2);
    batch.clear();
    assert_eq!(Arc::strong_count(&block), 1);
}

#[test]
fn a_datagram_is_known_by_length_and_content() {
    let datagram = |payload: &[u8]| match decoded(IPV4, &udp_v4(payload)).0.body {
        Body::Udp(datagram) => datagram,
        other => panic!("{other:?}"),
    };
    let one = datagram(b"one question");
    assert_eq!(one.len, 12);
    assert_eq!(one, datagram(b"one question"));
    assert_ne!(one.digest, datagram(b"two question").digest);
    let (packet, payload) = decoded(IPV4, &udp_v4(b"one question"));
    assert_eq!(packet.tuple, tuple(Protocol::Udp, POD, 5353, SERVICE, 53));
    assert_eq!(payload, b"one question");
}

#[test]
fn ipv6_is_read_with_its_extension_headers() {
    let tcp = &tcp_v6(b"hello")[40..];
    let options = [&[ip_number::TCP.0, 0, 1, 4, 0, 0, 0, 0][..], tcp].concat();
    for bytes in [tcp_v6(b"hello"), ip_v6(ip_number::IPV6_DEST_OPTIONS, &options)] {
        let (packet, payload) = decoded(IPV6, &bytes);
        assert_eq!(packet.tuple.src, Endpoint::new(Ip::v6(POD6), 40001));
        assert_eq!(packet.tuple.dst, Endpoint::new(Ip::v6(SERVICE6), 80));
        assert!(matches!(packet.body, Body::Tcp(TcpSegment { seq: 1000, flags: 2, len: 5, .. })));
        assert_eq!(payload, b"hello");
    }
}

#[test]
fn the_first_fragment_is_read_and_the_later_ones_say_so() {
    const MORE: u8 = 0x20;
    let mut first = udp_v4(&[7; 3000]);
    first.truncate(20 + 1480);
    first[2..4].copy_from_slice(&1500u16.to_be_bytes());
    first[6] = MORE;
    let whole = decoded(IPV4, &udp_v4(&[7; 3000])).0;
    let (packet, payload) = decoded(IPV4, &first);
    assert_eq!(packet.body, whole.body);
    assert_eq!(payload.len(), 1472);
    for bits in [0x00b9u16, 0x20b9] {
        let mut later = ip_v4(ip_number::UDP, &[7; 64]);
        later[6..8].copy_from_slice(&bits.to_be_bytes());
        let (packet, _, stop) = captured(IPV4, &later, later.len());
        assert_eq!(stop, Some(Stop::new(Layer::Ip, Reason::LaterFragment)));
        assert_eq!(packet.tuple, tuple(Protocol::Udp, POD, 0, SERVICE, 0));
        assert_eq!(packet.ip_id, 0xbeef);
    }
}

#[test]
fn ipv6_fragments_are_told_apart_alike() {
    let fragment = |offset: u16, next_header: IpNumber, content: &[u8]| {
        let extensions = Ipv6Extensions {
            fragment: Some(Ipv6FragmentHeader::new(
                next_header,
                offset.try_into().expect("an offset"),
                true,
                0x1234_5678,
            )),
            ..Ipv6Extensions::default()
        };
        let mut bytes = Vec::new();
        extensions.write(&mut bytes, ip_number::IPV6_FRAG).expect("a header");
        ip_v6(ip_number::IPV6_FRAG, &[&bytes[..], content].concat())
    };
    let udp = &udp_v4(&[7; 64])[20..];
    assert!(matches!(
        decoded(IPV6, &fragment(0, ip_number::UDP, udp)).0.body,
        Body::Udp(Datagram { len: 64, .. })
    ));
    // What follows a later fragment's header is data, even where the header says it is another header.
    for next in [ip_number::UDP, ip_number::IPV6_DEST_OPTIONS, ip_number::IPV6_HOP_BY_HOP] {
        let stop = stopped(IPV6, &fragment(185, next, &[0xff; 16]));
        assert_eq!(stop, Stop::new(Layer::Ip, Reason::LaterFragment));
    }
}

/// The header behind the fragment header is announced and missing: a reader that believes it reads beyond the
/// packet (which debug builds catch).
#[test]
fn a_header_that_is_announced_and_missing_is_not_read() {
    for announced in [ip_number::IPV6_DEST_OPTIONS, ip_number::IPV6_FRAG, ip_number::AUTH] {
        let fragment = [announced.0, 0, 0, 1, 0, 0, 0, 7];
        let stop = stopped(IPV6, &ip_v6(ip_number::IPV6_FRAG, &fragment));
        assert_eq!(stop, Stop::new(Layer::Ip, Reason::Cut));
    }
}

#[test]
fn echo_is_read() {
    let request = icmp_v4(8, 0, [0, 9, 0, 3], b"abcdefgh");
    let (packet, payload) = decoded(IPV4, &request);
    assert_eq!(packet.tuple, tuple(Protocol::Icmp, POD, 0, SERVICE, 0));
    let Body::Echo(echo) = packet.body else { panic!("{:?}", packet.body) };
    assert_eq!((echo.is_request, echo.id, echo.seq, echo.len), (true, 9, 3, 8));
    assert_eq!(payload, b"");
    let reply = decoded(IPV6, &icmp_v6(129, 0, [0, 9, 0, 3], b"abcdefgh")).0.body;
    assert_eq!(reply, Body::Echo(Echo { is_request: false, ..echo }));
}

fn error_of(ether_type: u16, bytes: &[u8]) -> IcmpError {
    match decoded(ether_type, bytes).0.body {
        Body::IcmpError(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_names_the_packet_it_is_about() {
    let mut quoted = tcp_v4(&[b'x'; 100]);
    quoted[4..6].copy_from_slice(&0xabcdu16.to_be_bytes());
    for quote_len in [28, 40, quoted.len()] {
        let bytes = icmp_v4(3, 4, [0, 0, 0x05, 0xaa], &quoted[..quote_len]);
        assert_eq!(
            error_of(IPV4, &bytes),
            IcmpError {
                reason: IcmpReason::PacketTooBig,
                quoted: tuple(Protocol::Tcp, POD, 40001, SERVICE, 80),
                quoted_seq: 1000,
                quoted_ip_id: 0xabcd,
                mtu: 1450,
            },
            "{quote_len} bytes quoted"
        );
    }
    assert_eq!(error_of(IPV4, &icmp_v4(3, 3, [0; 4], &quoted[..24])).quoted_seq, 0);
    let stop = stopped(IPV4, &icmp_v4(3, 3, [0; 4], &quoted[..22]));
    assert_eq!(stop, Stop::new(Layer::IcmpQuote, Reason::Cut));
}

#[test]
fn what_identifies_the_quoted_packet_depends_on_its_protocol() {
    let mut udp = udp_v4(b"a question");
    udp[4..6].copy_from_slice(&0xabcdu16.to_be_bytes());
    let error = error_of(IPV4, &icmp_v4(11, 0, [0; 4], &udp));
    assert_eq!((error.reason, error.quoted_seq), (IcmpReason::TimeExceeded, 0xabcd));
    let echo = icmp_v4(8, 0, [0, 9, 0, 3], b"abcdefgh");
    let error = error_of(IPV4, &icmp_v4(3, 1, [0; 4], &echo));
    assert_eq!((error.quoted_seq, error.quoted.src.port, error.quoted.dst.port), (3, 9, 9));
    let error = error_of(IPV6, &icmp_v6(2, 0, 1400u32.to_be_bytes(), &tcp_v6(b"")));
    assert_eq!((error.reason, error.mtu, error.quoted_seq), (IcmpReason::PacketTooBig, 1400, 1000));
}

#[test]
fn reasons_are_told_apart() {
    use IcmpReason::{
        HostUnreachable, NetUnreachable, Other, PortUnreachable, Prohibited, ProtocolUnreachable,
    };
    let quoted = tcp_v4(b"");
    for (code, reason) in [
        (0, NetUnreachable),
        (1, HostUnreachable),
        (2, ProtocolUnreachable),
        (3, PortUnreachable),
        (5, Other),
        (9, Prohibited),
        (10, Prohibited),
        (13, Prohibited),
    ] {
        assert_eq!(error_of(IPV4, &icmp_v4(3, code, [0; 4], &quoted)).reason, reason, "code {code}");
    }
    let quoted = tcp_v6(b"");
    for (code, reason) in
        [(0, NetUnreachable), (1, Prohibited), (3, HostUnreachable), (4, PortUnreachable), (6, Prohibited)]
    {
        assert_eq!(error_of(IPV6, &icmp_v6(1, code, [0; 4], &quoted)).reason, reason, "code {code}");
    }
    assert_eq!(error_of(IPV4, &icmp_v4(5, 1, [0; 4], &tcp_v4(b""))).reason, IcmpReason::Redirect);
}

#[test]
fn who_asks_for_a_link_address_is_read() {
    let arp = |operation: u8| {
        [&[0, 1, 8, 0, 6, 4, 0, operation][..], &[0xee; 6], &POD, &[0; 6], &SERVICE, &[0; 18]].concat()
    };
    let (packet, _) = decoded(ARP, &arp(1));
    assert_eq!(packet.tuple, tuple(NO_PROTOCOL, POD, 0, SERVICE, 0));
    assert_eq!(packet.body, Body::Neighbour(Neighbour { is_request: true, target: Ip::v4(SERVICE) }));
    let (packet, _) = decoded(ARP, &arp(2));
    assert_eq!(packet.body, Body::Neighbour(Neighbour { is_request: false, target: Ip::v4(POD) }));
    assert_eq!(stopped(ARP, &arp(3)), Stop::new(Layer::Arp, Reason::Message(3)));
    assert_eq!(stopped(ARP, &arp(1)[..20]), Stop::new(Layer::Arp, Reason::Cut));

    let target: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let (packet, _) = decoded(IPV6, &icmp_v6(135, 0, [0; 4], &target));
    assert_eq!((packet.tuple.src.ip, packet.tuple.dst.ip), (Ip::v6(POD6), Ip::v6(target)));
    assert_eq!(packet.body, Body::Neighbour(Neighbour { is_request: true, target: Ip::v6(target) }));
    let (packet, _) = decoded(IPV6, &icmp_v6(136, 0, [0x60, 0, 0, 0], &target));
    assert_eq!(packet.tuple.dst.ip, Ip::v6(SERVICE6));
    assert_eq!(packet.body, Body::Neighbour(Neighbour { is_request: false, target: Ip::v6(target) }));
    let stop = stopped(IPV6, &icmp_v6(135, 0, [0; 4], &target[..15]));
    assert_eq!(stop, Stop::new(Layer::NeighbourDiscovery, Reason::Cut));
}

#[test]
fn what_is_not_followed_says_why() {
    assert_eq!(stopped(0x88cc, b"lldp"), Stop::new(Layer::Link, Reason::EtherType(0x88cc)));
    assert_eq!(stopped(IPV4, &ip_v4(IpNumber(89), &[0; 20])), Stop::new(Layer::Ip, Reason::Protocol(89)));
    assert_eq!(stopped(IPV4, &[0x50; 40]), Stop::new(Layer::Ip, Reason::Malformed));
    assert_eq!(stopped(IPV6, &icmp_v6(134, 0, [0; 4], b"")), Stop::new(Layer::Icmp, Reason::Message(134)));
    let mut short_offset = tcp_v4(b"");
    short_offset[32] = 0x10;
    assert_eq!(stopped(IPV4, &short_offset), Stop::new(Layer::Tcp, Reason::Malformed));
}

fn vxlan(port: u16, header: [u8; 8], ether_type: u16, inner: &[u8]) -> Vec<u8> {
    let ethernet = [&[0x66; 12][..], &ether_type.to_be_bytes()].concat();
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(SERVICE, POD, 64)
        .udp(50_000, port)
        .write(&mut bytes, &[&header[..], &ethernet, inner].concat())
        .expect("a packet");
    bytes
}

fn from_service(mut ip_v4: Vec<u8>) -> Vec<u8> {
    ip_v4[12..16].copy_from_slice(&SERVICE);
    ip_v4
}

const VXLAN: [u8; 8] = [8, 0, 0, 0, 0, 0x10, 0, 0];

#[test]
fn what_a_tunnel_carries_is_read_as_if_it_came_by_itself() {
    let tcp = tcp_v4(b"GET / HTTP/1.1\r\n");
    let (by_itself, text) = decoded(IPV4, &tcp);
    for (outer, bytes, encapsulation) in [
        (IPV4, vxlan(4789, VXLAN, IPV4, &tcp), Encapsulation::Vxlan),
        (IPV4, vxlan(8472, VXLAN, IPV4, &tcp), Encapsulation::Vxlan),
        (IPV4, from_service(ip_v4(ip_number::IPV4, &tcp)), Encapsulation::IpIp),
        (IPV6, ip_v6(ip_number::IPV4, &tcp), Encapsulation::IpIp),
    ] {
        let (packet, payload) = decoded(outer, &bytes);
        assert_eq!((packet.tuple, packet.body, packet.ttl), (by_itself.tuple, by_itself.body, by_itself.ttl));
        assert_eq!((packet.ip_id, packet.wire_len), (by_itself.ip_id, by_itself.wire_len));
        let sender = if outer == IPV4 { SERVICE } else { [0; 4] };
        assert_eq!((packet.inside, payload), (Some(Outer { encapsulation, sender }), text.clone()));
        assert_eq!(packet.dst_mac, [2; 6], "the outer one, which tells the direction");
    }
    let six = vxlan(4789, VXLAN, IPV6, &icmp_v6(128, 0, [0, 9, 0, 3], b"abc"));
    assert!(matches!(decoded(IPV4, &six).0.body, Body::Echo(Echo { seq: 3, .. })));
    let six = ip_v4(ip_number::IPV6, &tcp_v6(b"hello"));
    assert_eq!(decoded(IPV4, &six).0.tuple.src.ip, Ip::v6(POD6));
}

#[test]
fn only_a_tunnels_header_makes_a_tunnel() {
    let tcp = tcp_v4(b"");
    for (port, header) in
        [(4789, [0; 8]), (4789, *b"a query?"), (53, VXLAN), (4789, [8, 1, 0, 0, 0, 1, 0, 0])]
    {
        let (packet, _) = decoded(IPV4, &vxlan(port, header, IPV4, &tcp));
        assert!(packet.inside.is_none() && matches!(packet.body, Body::Udp(_)), "{port} {header:?}");
    }
    // One in another is not looked into.
    let twice = ip_v4(ip_number::IPV4, &ip_v4(ip_number::IPV4, &tcp));
    assert_eq!(stopped(IPV4, &twice), Stop::new(Layer::Ip, Reason::Protocol(4)));
}

#[test]
fn an_error_about_a_tunnels_packet_is_about_the_one_inside() {
    let tcp = tcp_v4(&[0; 1400]);
    for outer in [vxlan(4789, VXLAN, IPV4, &tcp), ip_v4(ip_number::IPV4, &tcp)] {
        let (packet, _) = decoded(IPV4, &icmp_v4(3, 4, [0, 0, 5, 0xaa], &outer[..120]));
        let Body::IcmpError(error) = packet.body else { panic!("{packet:?}") };
        assert_eq!((error.quoted, error.quoted_seq), (tuple(Protocol::Tcp, POD, 40001, SERVICE, 80), 1000));
        assert_eq!((error.reason, error.mtu), (IcmpReason::PacketTooBig, 1450));
    }
}

fn samples() -> Vec<(u16, Vec<u8>)> {
    vec![
        (IPV4, vxlan(4789, VXLAN, IPV4, &tcp_v4(b"GET / HTTP/1.1\r\n\r\n"))),
        (IPV6, ip_v6(ip_number::IPV4, &udp_v4(b"a question"))),
        (IPV4, tcp_v4(b"GET / HTTP/1.1\r\n\r\n")),
        (IPV4, udp_v4(b"a question")),
        (IPV6, tcp_v6(b"hello")),
        (IPV4, icmp_v4(8, 0, [0, 9, 0, 3], b"abcdefgh")),
        (IPV4, icmp_v4(3, 3, [0; 4], &tcp_v4(b""))),
        (IPV6, icmp_v6(1, 4, [0; 4], &tcp_v6(b""))),
        (IPV6, icmp_v6(135, 0, [0; 4], &POD6)),
        (ARP, [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[0xee; 6], &POD, &[0; 6], &SERVICE].concat()),
    ]
}

#[test]
fn every_packet_may_be_cut_anywhere() {
    for (ether_type, bytes) in samples() {
        for cut in 0..bytes.len() {
            captured(ether_type, &bytes[..cut], bytes.len());
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        kind in prop::sample::select(&[IPV4, IPV6, ARP, 0x88cc][..]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        wire_len: u16,
    ) {
        captured(kind, &bytes, bytes.len().max(wire_len.into()));
    }

    #[test]
    fn the_usual_way_reads_what_the_general_way_reads(
        changes in prop::collection::vec((0_usize..60, any::<u8>()), 0..4),
        payload in prop::collection::vec(any::<u8>(), 0..9),
        cut in 0_usize..9,
    ) {
        let mut bytes = tcp_v4(&payload);
        for (at, byte) in changes {
            bytes[at % 52] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        let mut batch = Batch::default();
        decode(&frame(IPV4, b"", bytes.len()), &mut batch);
        let [mut usual, mut general] = [batch.packets[0]; 2];
        if let Some(read) = usual::read(&bytes, &mut usual) {
            let frame = frame(IPV4, &bytes, bytes.len());
            prop_assert_eq!(network::read_any_ip(frame.data, frame.wire_len, &mut general), Ok(read));
        }
        prop_assert_eq!(format!("{usual:?}"), format!("{general:?}"));
    }

    #[test]
    fn changed_packets_never_panic(
        sample in 0usize..10,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        let (kind, mut bytes) = samples().swap_remove(sample);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        captured(kind, &bytes[..cut.index(bytes.len() + 1)], bytes.len());
    }
}
