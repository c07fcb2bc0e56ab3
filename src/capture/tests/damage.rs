//! Hostile and broken bytes: no panic, nothing hung, and what is whole is given.

use std::io::Write;

use proptest::prelude::*;

use super::{Files, Seen, marks};
use crate::capture::format::Order;
use crate::capture::testing::{ETHERNET, PcapFile, PcapngFile, SLL2, ethernet, sll2};
use crate::capture::{CaptureError, Progress, Reader};
use crate::model::{Record, SourceSummary};

/// Forty packets.
fn pcap() -> Vec<u8> {
    pcap_of(40)
}

fn pcap_of(count: u8) -> Vec<u8> {
    let mut file = PcapFile::nano(SLL2);
    for mark in 0..count {
        file.packet(1, u32::from(mark), &sll2(mark, mark % 3, 1, 4));
    }
    file.bytes
}

/// Forty-two packets.
fn pcapng(order: Order) -> Vec<u8> {
    pcapng_of(40, order)
}

fn pcapng_of(count: u8, order: Order) -> Vec<u8> {
    let mut file = PcapngFile::new(order);
    file.interface(ETHERNET, &[(2, b"bond1"), (9, &[9])]).interface(SLL2, &[(2, b"any")]);
    file.names(&[(&[10, 0, 0, 1], "web")]);
    let flags = file.number(1, 4);
    for mark in 0..count {
        file.enhanced(0, u64::from(mark), &ethernet(mark), &[(2, &flags)]);
    }
    file.simple(38, &ethernet(40)).obsolete(0, 1, 41, &ethernet(41)).statistics(0, &[(5, 1)]);
    file.bytes
}

fn packed(bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("packing");
    [packer.finish().expect("packing"), zstd::encode_all(bytes, 1).expect("packing")]
}

/// Reads what can be read, and checks what always holds.
fn survive(bytes: &[u8]) -> Result<(Vec<u8>, SourceSummary), CaptureError> {
    let mut reader = Files::with("a.pcap", bytes).open(&["a.pcap"])?;
    let mut marks = Vec::new();
    let progress = reader.read(usize::MAX, &mut |record| {
        let Record::Frame(frame) = record else { return };
        assert!(frame.wire_len as usize >= frame.data.len());
        marks.push(frame.data.last().copied().unwrap_or_default());
    })?;
    assert_eq!(progress, Progress::End);
    let summary = reader.summaries().remove(0);
    assert_eq!(summary.packets, marks.len() as u64, "kernel messages are counted apart");
    assert_eq!(summary.damaged == 0, summary.damage.is_empty());
    Ok((marks, summary))
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_packets() {
    for whole in [pcap_of(5), pcapng_of(5, Order::Little), pcapng_of(5, Order::Big)] {
        let (all, _) = survive(&whole).expect("a whole file");
        let mut most = 0;
        for cut in 0..whole.len() {
            match survive(&whole[..cut]) {
                Ok((marks, summary)) => {
                    assert!(all.starts_with(&marks), "cut at {cut}: {marks:?}");
                    assert!(marks.len() >= most && summary.damaged <= 1);
                    most = marks.len();
                }
                Err(error) => assert_eq!(most, 0, "cut at {cut}: {error}"),
            }
        }
        assert!(most >= all.len() - 1);
    }
}

#[test]
fn a_cut_is_named_with_its_place() {
    let bytes = pcap();
    let (marks, summary) = survive(&bytes[..bytes.len() - 3]).expect("most of a file");
    assert_eq!(marks.len(), 39);
    let at = bytes.len() - 60;
    assert_eq!(summary.damage, [format!("cut short: the last record, at byte {at}, is not whole")]);
}

#[test]
fn a_cut_packed_file_gives_what_can_be_unpacked() {
    let mut file = PcapFile::nano(ETHERNET);
    // Not too regular, or it packs into nothing.
    for place in 0..5000_u32 {
        let noise = place.wrapping_mul(2_654_435_761).to_be_bytes();
        file.packet(1, place, &[ethernet(1), noise.to_vec()].concat());
    }
    for packed in packed(&file.bytes) {
        let (marks, summary) = survive(&packed[..packed.len() * 2 / 3]).expect("most of a file");
        assert!(marks.len() > 1000, "{}", marks.len());
        assert_eq!(summary.damaged, 1);
        assert!(summary.damage[0].contains("of the unpacked data"), "{:?}", summary.damage);
    }
}

#[test]
fn packets_after_a_hole_are_found_again() {
    for whole in [pcap(), pcapng(Order::Little), pcapng(Order::Big)] {
        let (all, _) = survive(&whole).expect("a whole file");
        let mut holed = whole.clone();
        let middle = whole.len() / 2;
        for fill in [0x00, 0xff, 0x2a] {
            holed[middle..middle + 200].fill(fill);
            let (marks, summary) = survive(&holed).expect("most of a file");
            assert!(marks.len() >= all.len() - 5 && marks.len() < all.len(), "{fill:#x}: {marks:?}");
            assert_eq!(marks.last(), all.last());
            assert!(summary.damaged >= 1);
        }
    }
}

#[test]
fn a_length_that_reaches_past_the_end_does_not_swallow_the_rest() {
    let mut bytes = pcapng(Order::Little);
    let block = 28 + 48 + 32 + 32;
    let at = bytes.windows(4).skip(block).position(|four| four == [6, 0, 0, 0]).expect("a packet") + block;
    bytes[at + 4..at + 8].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    let (marks, summary) = survive(&bytes).expect("most of a file");
    assert_eq!(marks.len(), 41);
    assert!(summary.damage[0].contains("make no sense"), "{:?}", summary.damage);
}

#[test]
fn blocks_that_contradict_themselves_are_passed_over() {
    let mut file = PcapngFile::new(Order::Little);
    file.interface(ETHERNET, &[(2, b"bond1")]);
    let too_long = [[0; 12].as_slice(), &[200, 0, 0, 0, 200, 0, 0, 0], &[0; 8]].concat();
    file.block(6, &too_long).block(6, &[0; 4]).block(5, &[0; 8]).block(1, &[1]);
    file.enhanced(7, 1, &ethernet(1), &[]).enhanced(0, 2, &ethernet(2), &[]);
    let (marks, summary) = survive(&file.bytes).expect("a file");
    assert_eq!((marks, summary.damaged), (vec![2], 5));
    assert_eq!(
        summary.damage,
        [
            "4 damaged blocks: skipped, first at byte 64",
            "1 packet of an interface that the file does not describe: skipped, at byte 156",
        ]
    );
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_an_error() {
    let mut bytes = pcap();
    bytes[24..].fill(0xff);
    let error = survive(&bytes).expect_err("nothing to read");
    assert!(matches!(error, CaptureError::NothingRead { .. }), "{error}");
    // Beside a good one it is only counted.
    let files = Files::with("bad.pcap", &bytes);
    files.add("good.pcap", &pcap());
    let (seen, reader): (Vec<Seen>, Reader) = files.read(&["bad.pcap", "good.pcap"]);
    assert_eq!(marks(&seen).len(), 40);
    assert_eq!(reader.summaries()[0].damaged, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_break_the_reader(
        which in 0..7_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let [gzip, zstd] = packed(&pcapng(Order::Little));
        let mut modified = PcapFile::new(Order::Big, 0xa1b2_cd34, ETHERNET);
        modified.packet(1, 1, &ethernet(1)).packet(1, 2, &ethernet(2));
        let mut bytes = vec![
            pcap(), pcapng(Order::Little), pcapng(Order::Big), gzip, zstd, modified.bytes, vec![0; 64],
        ].swap_remove(which);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = survive(&bytes);
    }

    #[test]
    fn any_bytes_after_a_header_never_break_the_reader(
        header in prop::sample::select(vec![0_usize, 24, 28]),
        noise in prop::collection::vec(prop_oneof![Just(0_u8), Just(6), Just(1), any::<u8>()], 0..600),
    ) {
        let head = if header == 24 { pcap() } else { pcapng(Order::Big) };
        let _ = survive(&[&head[..header], &noise[..]].concat());
    }
}
