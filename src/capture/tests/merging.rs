//! Order: within a file, between files, whatever the order in which they were named.

use super::{Files, Seen, marks, preview, rest, some};
use crate::capture::format::Order;
use crate::capture::testing::{ETHERNET, PcapFile, PcapngFile, SLL2, ethernet, sll2};
use crate::capture::{Progress, Reader};

fn recording(packets: &[(u32, u8)]) -> Vec<u8> {
    let mut file = PcapFile::nano(ETHERNET);
    for &(nanos, mark) in packets {
        file.packet(1, nanos, &ethernet(mark));
    }
    file.bytes
}

fn three_nodes() -> Files {
    let files = Files::with("b.pcap", &recording(&[(20, 1), (40, 4), (50, 6)]));
    files.add("a.bond1.pcap", &recording(&[(30, 2), (40, 3), (60, 7)]));
    let mut cooked = PcapFile::nano(SLL2);
    for (nanos, index) in [(25, 8), (40, 5), (40, 8), (41, 6)] {
        cooked.packet(1, nanos, &sll2(9, index, 1, 0));
    }
    files.add("c.pcap", &cooked.bytes);
    files
}

#[test]
fn files_are_merged_by_time_then_node_then_place() {
    let (seen, _) = three_nodes().read(&["b.pcap", "a.bond1.pcap"]);
    assert_eq!(marks(&seen), [1, 2, 3, 4, 6, 7]);
}

#[test]
fn what_comes_out_does_not_depend_on_the_order_of_names() {
    let files = three_nodes();
    let run = |names: &[&str], limit: usize| {
        let mut reader = files.open(names).expect("a reader");
        let mut all: Vec<Seen> = preview(&mut reader, 2);
        loop {
            let (seen, progress) = some(&mut reader, limit);
            all.extend(seen);
            if progress == Progress::End {
                break;
            }
        }
        let named: Vec<String> = reader.summaries().into_iter().map(|summary| summary.file).collect();
        let expected: Vec<String> = names.iter().map(|name| files.path(name).display().to_string()).collect();
        assert_eq!(named, expected);
        (all, reader.vantages().to_vec(), reader.nodes().to_vec())
    };
    let expected = run(&["a.bond1.pcap", "b.pcap", "c.pcap"], 1000);
    assert_eq!(expected.2, ["a", "b", "c"]);
    for names in [["c.pcap", "a.bond1.pcap", "b.pcap"], ["b.pcap", "c.pcap", "a.bond1.pcap"]] {
        for limit in [1, 2, 1000] {
            assert_eq!(run(&names, limit), expected);
        }
    }
}

#[test]
fn each_frame_of_a_read_tells_its_source() {
    let mut reader = three_nodes().open(&["b.pcap", "a.bond1.pcap"]).expect("a reader");
    let (seen, _) = some(&mut reader, 5);
    assert_eq!(marks(&seen), [1, 2, 3, 4, 6]);
    assert_eq!(reader.latest_sources().collect::<Vec<_>>(), [0, 1, 1, 0, 0]);
}

#[test]
fn clock_offsets_move_the_order_and_not_the_stamps() {
    let files = three_nodes();
    let mut reader = files.open(&["b.pcap", "a.bond1.pcap"]).expect("a reader");
    // Node b is 25 ns ahead: what it stamped 50 happened at 25.
    reader.set_clock_offsets(&[0, 25]);
    let seen = rest(&mut reader);
    assert_eq!(marks(&seen), [1, 4, 6, 2, 3, 7]);
    assert_eq!(seen[2].time, 1_000_000_050);
}

#[test]
fn packets_out_of_order_are_put_right_within_a_file() {
    let mut file = PcapngFile::new(Order::Little);
    file.interface(ETHERNET, &[(2, b"bond1")]).interface(ETHERNET, &[(2, b"cali1")]);
    // Two interfaces whose packets were written in runs of 100.
    for run in 0..20_u64 {
        for interface in 0..2_u32 {
            for place in 0..100_u64 {
                let ticks = 1000 + (run * 100 + place) * 2 + u64::from(interface);
                file.enhanced(interface, ticks, &ethernet(interface as u8), &[]);
            }
        }
    }
    let (seen, _) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
    assert_eq!(seen.len(), 4000);
    assert!(seen.windows(2).all(|pair| pair[0].time < pair[1].time));
}

#[test]
fn a_stray_stamp_holds_nothing_up() {
    let mut file = PcapFile::nano(ETHERNET);
    file.packet(2_000_000_000, 0, &ethernet(99));
    for nanos in 0..60_000 {
        file.packet(1, nanos, &ethernet(1));
    }
    let (seen, _) = Files::with("a.pcap", &file.bytes).read(&["a.pcap"]);
    let stray = seen.iter().position(|seen| seen.mark == 99).expect("the stray packet");
    assert_eq!(seen.len(), 60_001);
    assert!((1..50_000).contains(&stray), "held for {stray} packets");
    let others: Vec<i64> = seen.iter().filter(|seen| seen.mark == 1).map(|seen| seen.time).collect();
    assert!(others.is_sorted());
}

#[test]
fn a_preview_is_given_again() {
    let files = three_nodes();
    let mut reader = files.open(&["a.bond1.pcap", "b.pcap"]).expect("a reader");
    assert_eq!(marks(&preview(&mut reader, 2)), [2, 3, 1, 4]);
    assert_eq!(marks(&preview(&mut reader, 100)), [2, 3, 7, 1, 4, 6]);
    assert_eq!(marks(&rest(&mut reader)), [1, 2, 3, 4, 6, 7]);
    assert_eq!(reader.summaries()[0].packets, 3);
    let fresh: fn(&Reader) -> usize = |reader| reader.vantages().len();
    assert_eq!(fresh(&reader), 2);
}
