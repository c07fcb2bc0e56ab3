//! Every format, byte order, resolution and packing gives the same frames.

use std::io::Write;

use super::{Files, marks};
use crate::capture::Progress;
use crate::capture::blocks;
use crate::capture::format::Order;
use crate::capture::testing::{ETHERNET, NETLINK, PcapFile, PcapngFile, RAW, SLL, SLL2, ethernet, ip, sll2};
use crate::model::{Direction, Endpoint, Ip, Messages, Names, NodeId, Record};

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

#[test]
fn pcap_of_every_byte_order_and_resolution() {
    for order in ORDERS {
        for (magic, fraction) in [(0xa1b2_c3d4, 500_000), (0xa1b2_3c4d, 500_000_000), (0xa1b2_cd34, 500_000)]
        {
            let mut file = PcapFile::new(order, magic, ETHERNET);
            file.packet(1, fraction, &ethernet(7)).packet(2, 0, &ethernet(8));
            let (seen, reader) = Files::with("a.pcap", &file.bytes).read(&["a.pcap"]);
            assert_eq!(marks(&seen), [7, 8], "{order:?} {magic:x}");
            assert_eq!((seen[0].time, seen[1].time), (1_500_000_000, 2_000_000_000));
            assert_eq!((seen[0].ether_type, seen[0].len, seen[0].wire_len), (0x0800, 24, 24));
            assert_eq!(seen[0].direction, Direction::Unknown);
            assert_eq!(reader.summaries()[0].packets, 2);
            assert_eq!(reader.summaries()[0].dropped, None);
        }
    }
}

#[test]
fn pcapng_of_every_byte_order_and_resolution() {
    for order in ORDERS {
        for (resolution, ticks) in
            [(6, 1_500_000), (9, 1_500_000_000), (3, 1_500), (12, 1_500_000_000_000), (0x8a, 1536)]
        {
            let mut file = PcapngFile::new(order);
            let offset = file.number(10, 8);
            file.interface(ETHERNET, &[(2, b"bond1"), (9, &[resolution]), (14, &offset)]);
            file.enhanced(0, ticks, &ethernet(7), &[]);
            let (seen, _) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
            assert_eq!(seen[0].time, 11_500_000_000, "{order:?} {resolution:#x}");
            assert_eq!((seen[0].interface.as_str(), seen[0].mark), ("bond1", 7));
        }
    }
}

#[test]
fn stamps_before_the_epoch_and_without_a_resolution() {
    let mut file = PcapngFile::new(Order::Little);
    let offset = file.number(-5_i64 as u64, 8);
    file.interface(ETHERNET, &[(14, &offset)]).enhanced(0, 1_000_000, &ethernet(1), &[]);
    let (seen, _) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
    assert_eq!(seen[0].time, -4_000_000_000);
}

#[test]
fn sections_of_mixed_byte_order_interfaces_of_mixed_link_types() {
    let mut file = PcapngFile::new(Order::Big);
    file.interface(ETHERNET, &[(2, b"bond1")]).interface(RAW, &[(2, b"tunl0")]);
    file.enhanced(0, 1, &ethernet(1), &[]).enhanced(1, 2, &ip(2), &[]);
    // Numbers begin again with each section, and the same interface stays one vantage.
    file.section(Order::Little).interface(SLL2, &[(2, b"any")]).interface(ETHERNET, &[(2, b"bond1")]);
    file.enhanced(0, 3, &sll2(3, 9, 1, 0), &[]).enhanced(1, 4, &ethernet(4), &[]);
    let (seen, reader) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
    let at: Vec<_> = seen.iter().map(|seen| (seen.interface.as_str(), seen.mark)).collect();
    assert_eq!(at, [("bond1", 1), ("tunl0", 2), ("if9", 3), ("bond1", 4)]);
    assert_eq!(reader.vantages().len(), 3);
    assert!(seen.iter().all(|seen| seen.len == 24 && seen.ether_type == 0x0800));
}

#[test]
fn direction_comes_from_packet_flags_or_the_cooked_header() {
    for order in ORDERS {
        let mut file = PcapngFile::new(order);
        file.interface(ETHERNET, &[(2, b"bond1")]).interface(SLL2, &[]).interface(SLL, &[]);
        let (inbound, outbound, neither) = (file.number(0xfff1, 4), file.number(2, 4), file.number(0, 4));
        file.enhanced(0, 1, &ethernet(1), &[(1, b"a comment"), (2, &inbound)]);
        file.enhanced(0, 2, &ethernet(1), &[(2, &outbound)]);
        file.enhanced(0, 3, &ethernet(1), &[(2, &neither)]);
        file.enhanced(1, 4, &sll2(1, 3, 1, 4), &[(2, &inbound)]);
        let cooked = [&[0, 3, 0, 1, 0, 6, 3, 3, 3, 3, 3, 3, 0, 0, 8, 0][..], &ip(1)].concat();
        file.enhanced(2, 5, &cooked, &[]);
        let (seen, _) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
        let directions: Vec<_> = seen.iter().map(|seen| seen.direction).collect();
        assert_eq!(
            directions,
            [Direction::In, Direction::Out, Direction::Unknown, Direction::Out, Direction::In]
        );
    }
}

#[test]
fn simple_and_obsolete_packet_blocks() {
    for order in ORDERS {
        let mut file = PcapngFile::new(order);
        file.interface(ETHERNET, &[(2, b"bond1")]);
        file.obsolete(0, 3, 5_000, &ethernet(1)).obsolete(0, u16::MAX, 6_000, &ethernet(2));
        // The interface's limit is 64 bytes: the rest of the 80 was not captured.
        let long = [ethernet(0), vec![9; 26]].concat();
        file.simple(80, &long);
        let (seen, reader) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
        assert_eq!(marks(&seen), [1, 2, 9]);
        assert_eq!(seen[0].direction, Direction::Out);
        assert_eq!((seen[2].time, seen[2].len, seen[2].wire_len), (6_000_000, 50, 66));
        assert_eq!(reader.summaries()[0].dropped, Some(3));
    }
}

#[test]
fn losses_and_names_are_told() {
    let mut file = PcapngFile::new(Order::Big);
    file.interface(ETHERNET, &[(2, b"bond1")]).interface(ETHERNET, &[(2, b"cali1")]);
    file.names(&[(&[10, 0, 0, 1], "shop/web"), (&[0xfd; 16], "shop/\u{1b}db"), (&[10, 0, 0, 1], "later")]);
    file.statistics(0, &[(4, 99), (5, 1), (7, 2)]).statistics(1, &[(7, 10)]);
    file.statistics(0, &[(5, 4), (7, 2)]);
    file.section(Order::Little).interface(ETHERNET, &[(2, b"bond1")]).statistics(0, &[(5, 100)]);
    let (_, reader) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
    assert_eq!(reader.summaries()[0].dropped, Some(116));
    let names: Vec<_> = reader.names().addresses.iter().map(|(ip, name)| (*ip, name.as_str())).collect();
    assert_eq!(names, [(Ip::v4([10, 0, 0, 1]), "shop/web"), (Ip::v6([0xfd; 16]), "shop/\u{fffd}db")]);
}

#[test]
fn names_are_read_as_they_are_written_with_what_has_them() {
    let ip = |last| Ip::v4([10, 43, 7, last]);
    let v6 = "fd00::9".parse().expect("an address");
    let mut names = Names::default();
    names.service(ip(9), "shop/mix");
    names.node(v6, "kappa1");
    names.name(ip(1), "shop/web");
    names.port(Endpoint::new(ip(9), 80), "http");
    // More than one comment can hold.
    for port in 1..4000 {
        names.listener(Endpoint::new(v6, port), "a-process-with-a-long-name");
    }
    let mut bytes = Vec::new();
    blocks::section_header(&mut bytes);
    blocks::names(&mut bytes, &names);
    let (_, reader) = Files::with("a.pcapng", &bytes).read(&["a.pcapng"]);
    assert_eq!(reader.names(), &names);
    assert_eq!(reader.summaries()[0].damaged, 0);
}

#[test]
fn what_is_no_packet_is_counted_and_named() {
    let mut file = PcapngFile::new(Order::Little);
    file.interface(147, &[]).interface(ETHERNET, &[(2, b"bond1")]);
    file.enhanced(0, 2, &[0; 20], &[]).enhanced(0, 3, &[0; 20], &[]);
    file.block(0x0bad, &[0; 8]).enhanced(1, 4, &ethernet(1), &[]);
    let (seen, reader) = Files::with("a.pcapng", &file.bytes).read(&["a.pcapng"]);
    let summary = &reader.summaries()[0];
    assert_eq!((marks(&seen), summary.packets, summary.damaged), (vec![1], 1, 0));
    assert_eq!(summary.reasons, [("link type 147, which is not followed".to_owned(), 2)]);
}

#[test]
fn kernel_messages_come_among_the_packets_and_are_counted_apart() {
    let cooked = |family: u8| [&[0, 4, 3, 56][..], &[0; 11], &[family], &[7; 9]].concat();
    let mut file = PcapngFile::new(Order::Little);
    file.interface(NETLINK, &[(2, b"conntrack")]).interface(ETHERNET, &[(2, b"bond1")]);
    file.enhanced(1, 5, &ethernet(1), &[]).enhanced(0, 4, &cooked(12), &[]).enhanced(0, 6, &[0; 3], &[]);
    file.statistics(0, &[(4, 99), (7, 8)]).statistics(1, &[(7, 2)]);
    file.section(Order::Little).interface(NETLINK, &[(2, b"conntrack")]).statistics(0, &[(7, 100)]);
    let files = Files::with("kappa1.pcapng", &file.bytes);
    let mut reader = files.open(&["kappa1.pcapng"]).expect("a reader");
    let mut order = Vec::new();
    let progress = reader.read(100, &mut |record| {
        order.push(match record {
            Record::Frame(_) => None,
            Record::Messages(Messages { node, family, data, .. }) => {
                assert_eq!(*node, NodeId(0));
                Some((*family, data.len()))
            }
        });
    });
    assert_eq!(progress.expect("records"), Progress::End);
    assert_eq!(order, [Some((12, 9)), None, Some((0, 0))]);
    let summary = &reader.summaries()[0];
    assert_eq!((summary.packets, summary.messages, summary.not_understood), (1, 2, 0));
    assert_eq!((summary.dropped, summary.messages_lost), (Some(2), Some(108)));
    assert_eq!(reader.vantages().len(), 1, "the kernel is no capture point");
}

#[test]
fn packing_is_told_by_magic_whatever_the_name() {
    let mut file = PcapFile::nano(ETHERNET);
    for mark in 0..100 {
        file.packet(1, u32::from(mark), &ethernet(mark));
    }
    let files = Files::with("plain.gz", &file.bytes);
    let gzip = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).and_then(|()| packer.finish()).expect("packing")
    };
    files.add("packed.pcap", &gzip(&file.bytes));
    files.add("members.pcap", &[gzip(&file.bytes[..500]), gzip(&file.bytes[500..])].concat());
    files.add("zstd.pcap", &zstd::encode_all(&file.bytes[..], 1).expect("packing"));
    for name in ["plain.gz", "packed.pcap", "members.pcap", "zstd.pcap"] {
        let (seen, reader) = files.read(&[name]);
        assert_eq!(marks(&seen), (0..100).collect::<Vec<_>>(), "{name}");
        assert_eq!(reader.summaries()[0].damaged, 0, "{name}");
    }
}

#[test]
fn what_another_writer_wrote_is_read() {
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
    use pcap_file::pcapng::blocks::interface_description::{
        InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
    };
    let mut writer = PcapNgWriter::new(Vec::new()).expect("a writer");
    let mut interface = InterfaceDescriptionBlock::new(pcap_file::DataLink::ETHERNET, 0);
    interface.options.push(InterfaceDescriptionOption::IfName("cali7".into()));
    interface.options.push(InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO));
    writer.write_pcapng_block(interface).expect("an interface");
    let data = ethernet(5);
    writer
        .write_pcapng_block(EnhancedPacketBlock {
            interface_id: 0,
            timestamp: std::time::Duration::new(3, 7),
            original_len: 1000,
            data: (&data[..]).into(),
            options: vec![EnhancedPacketOption::Flags(2)],
        })
        .expect("a packet");
    let (seen, _) = Files::with("a", &writer.into_inner()).read(&["a"]);
    assert_eq!((seen[0].time, seen[0].interface.as_str(), seen[0].mark), (3_000_000_007, "cali7", 5));
    assert_eq!((seen[0].direction, seen[0].wire_len), (Direction::Out, 986));
}
