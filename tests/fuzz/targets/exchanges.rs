//! A connection whose both ways carry anything, in segments that come in any order: exchanges are read from it
//! without panic, and every one of them is handed on.

#![no_main]

use std::collections::HashSet;

use hopline::correlate::{Correlator, Limits, Survey};
use hopline::model::{
    Body, CALI_MAC, Change, Direction, Endpoint, Ip, NodeId, Packet, Payload, Protocol, Role, TcpSegment,
    Timestamp, Tuple, Vantage, VantageId,
};
use libfuzzer_sys::fuzz_target;

/// What a connection may begin with, so that each protocol's reader is reached.
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PROXY TCP4 203.0.113.9 10.0.0.1 54321 80\r\n",
];

fuzz_target!(|input: (u8, bool, Vec<(bool, u8, u8, &[u8])>)| {
    let (beginning, has_handshake, segments) = input;
    let mut connection = Connection::open(has_handshake);
    connection.send(true, 0, 0, BEGINNINGS[usize::from(beginning) % BEGINNINGS.len()]);
    for (is_request, gap, unseen, bytes) in segments {
        connection.send(is_request, gap, unseen, bytes);
    }
    connection.core.finish();
    let mut open = HashSet::new();
    while let Some(change) = connection.core.poll_change() {
        match change {
            Change::Upsert(trail) => {
                assert!(!trail.sightings.is_empty());
                open.insert(trail.id);
            }
            Change::Withdraw(id) => assert!(open.remove(&id)),
        }
    }
});

struct Connection {
    core: Correlator,
    time: i64,
    /// The next sequence number, by way.
    next: [u32; 2],
}

impl Connection {
    fn open(has_handshake: bool) -> Connection {
        let vantage = Vantage {
            node: NodeId(0),
            interface: "cali1".to_owned(),
            role: Role::Workload,
            role_is_given: true,
        };
        let mut survey = Survey::new(vec!["kappa1".to_owned()]);
        survey.extend_vantages(&[vantage]);
        let core = Correlator::new(survey, Limits::REPORT);
        let mut connection = Connection { core, time: 1_000_000_000, next: [101, 9001] };
        if has_handshake {
            let syn = TcpSegment { seq: 100, flags: TcpSegment::SYN, ..TcpSegment::default() };
            connection.see(true, syn, b"");
            let flags = TcpSegment::SYN | TcpSegment::ACK;
            connection.see(false, TcpSegment { seq: 9000, ack: 101, flags, ..syn }, b"");
        }
        connection
    }

    /// A segment `gap` bytes on or back from where its way stands; `unseen` bytes at its end were not captured.
    fn send(&mut self, is_request: bool, gap: u8, unseen: u8, bytes: &[u8]) {
        let (way, other) = (usize::from(!is_request), usize::from(is_request));
        let seq = self.next[way].wrapping_add_signed(i32::from(gap as i8) / 4);
        let len = bytes.len() as u32 + u32::from(unseen / 8);
        let flags = if unseen == 0xff { TcpSegment::RST } else { TcpSegment::ACK };
        let segment = TcpSegment { seq, ack: self.next[other], flags, len, tsval: 0 };
        self.next[way] = seq.wrapping_add(len);
        self.see(is_request, segment, bytes);
    }

    fn see(&mut self, is_request: bool, segment: TcpSegment, bytes: &[u8]) {
        self.time += 100_000;
        let client = Endpoint::new(Ip::v4([10, 244, 1, 17]), 45_700);
        let server = Endpoint::new(Ip::v4([10, 244, 1, 33]), 8080);
        let tuple = Tuple { protocol: Protocol::Tcp, src: client, dst: server };
        let packet = Packet {
            time: Timestamp(self.time),
            vantage: VantageId(0),
            direction: if is_request { Direction::In } else { Direction::Out },
            ttl: 64,
            ip_id: 0,
            src_mac: CALI_MAC,
            dst_mac: [2; 6],
            wire_len: 40 + segment.len,
            inside: None,
            tuple: if is_request { tuple } else { tuple.reversed() },
            body: Body::Tcp(segment),
            payload: Payload::default(),
        };
        self.core.handle_packet(&packet, bytes);
    }
}
