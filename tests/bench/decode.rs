//! How long decoding takes, for each kind of packet: `cargo bench --bench decode`.

use std::hint::black_box;
use std::time::Instant;

use etherparse::{PacketBuilder, TcpOptionElement};
use hopline::decode::{self, decode};
use hopline::model::{Batch, Direction, Frame, Stored, Timestamp, VantageId};

const BATCH: usize = 256;
const ROUNDS: usize = 2_000;
const REPEATS: usize = 7;

/// The fastest of some rounds, in nanoseconds for each call.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn fastest(calls: usize, mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / calls as f64);
    }
    best
}

fn frame(ether_type: u16, data: &[u8]) -> Frame<'_> {
    Frame {
        time: Timestamp(0),
        vantage: VantageId(0),
        direction: Direction::In,
        src_mac: [0; 6],
        dst_mac: [0; 6],
        ether_type,
        wire_len: data.len() as u32,
        data,
        stored: Stored::default(),
        block: None,
    }
}

fn tcp(payload: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 244, 1, 5], [10, 43, 7, 7], 63)
        .tcp(40001, 80, 1000, 64240)
        .ack(77)
        .options(&[TcpOptionElement::Noop, TcpOptionElement::Noop, TcpOptionElement::Timestamp(4711, 42)])
        .expect("options")
        .write(&mut bytes, &vec![b'x'; payload])
        .expect("a packet");
    bytes
}

fn udp(payload: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([5; 16], [7; 16], 63)
        .udp(5353, 53)
        .write(&mut bytes, &vec![b'x'; payload])
        .expect("a packet");
    bytes
}

fn main() {
    let mut batch = Batch::default();
    for (name, ether_type, bytes) in [
        ("TCP, bare acknowledgement", 0x0800, tcp(0)),
        ("TCP, 100 bytes of payload", 0x0800, tcp(100)),
        ("TCP, 1448 bytes of payload", 0x0800, tcp(1448)),
        ("UDP over IPv6, 60 bytes", 0x86dd, udp(60)),
    ] {
        let nanos = fastest(BATCH * ROUNDS, || {
            for _ in 0..ROUNDS {
                batch.clear();
                for _ in 0..BATCH {
                    black_box(decode(&frame(ether_type, black_box(&bytes)), &mut batch));
                }
                black_box(&batch);
            }
        });
        println!("{name:32} {nanos:7.1} ns");
    }
    let head = b"GET /cart?id=4711 HTTP/1.1\r\nHost: mix.shop\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n";
    let answer = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x03mix\x04shop\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\x2b\x07\x07";
    let calls = 200_000;
    let nanos = fastest(calls, || {
        for _ in 0..calls {
            black_box(decode::http::head(black_box(head)));
        }
    });
    println!("{:32} {nanos:7.1} ns", "HTTP request head");
    let nanos = fastest(calls, || {
        for _ in 0..calls {
            black_box(decode::dns::message(black_box(answer)));
        }
    });
    println!("{:32} {nanos:7.1} ns", "DNS answer");
}
