//! A frame of any ether type, cut anywhere, gives exactly one packet, and says so where it cannot be followed.

#![no_main]

use hopline::decode::{decode, headers};
use hopline::model::{Batch, Body, Direction, Frame, Stored, Timestamp, VantageId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (kind, missing, data) = input;
    let frame = Frame {
        time: Timestamp(0),
        vantage: VantageId(0),
        direction: Direction::Unknown,
        src_mac: [0; 6],
        dst_mac: [0; 6],
        ether_type: [0x0800, 0x86dd, 0x0806, u16::from(kind)][usize::from(kind % 4)],
        wire_len: data.len() as u32 + u32::from(missing),
        data,
        stored: Stored::default(),
        block: None,
    };
    for header in headers(u16::from(kind), data) {
        assert!(header.bytes.start <= header.bytes.end && header.bytes.end <= data.len());
    }
    let mut batch = Batch::default();
    let stop = decode(&frame, &mut batch);
    let [packet] = batch.packets[..] else { panic!("{} packets of one frame", batch.packets.len()) };
    assert_eq!(stop.is_some(), packet.body == Body::Other);
    assert!(batch.payload(&packet).len() <= data.len());
});
