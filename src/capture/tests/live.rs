//! What live captures give to the reader: blocks of this node's own, streams of others that end half way.

use std::sync::Arc;

use super::streams::recording;
use super::{Files, Seen, marks, some};
use crate::capture::blocks::{self, Counts, Description, Stored};
use crate::capture::link::LinkType;
use crate::capture::live::LiveSource;
use crate::capture::live::feed::{Inlet, Kind, Run, waiting_feed};
use crate::capture::{Options, Progress, Reader};
use crate::model::{Direction, Ip, Names, NodeId, Role, SECONDS, Timestamp};

/// LINUX_SLL2 of an IPv4 packet that goes out of the interface 9, and one byte.
const COOKED: [u8; 21] = [8, 0, 0, 0, 0, 0, 0, 9, 0, 1, 4, 6, 2, 2, 2, 2, 2, 2, 0, 0, 77];

/// A section as a capture writes it.
fn section() -> Vec<u8> {
    let mut bytes = Vec::new();
    blocks::section_header(&mut bytes);
    let any = Description {
        link: LinkType::SLL2,
        snaplen: 512,
        name: "any",
        about: "node=kappa1",
        mac: None,
        addresses: &[],
    };
    blocks::interface(&mut bytes, &any);
    let addresses = ["192.168.50.11/24".parse().expect("a net"), "fd00:50::11/64".parse().expect("a net")];
    let about = "node=kappa1 role=uplink";
    let uplink = Description { name: "eno1", about, mac: Some([2; 6]), addresses: &addresses, ..any };
    blocks::interface(&mut bytes, &uplink);
    // A recording says what a tunnel's device stood for; it had a handle of its own.
    let tunnel = Description { link: LinkType::ETHERNET, name: "vxlan.calico", addresses: &[], ..uplink };
    blocks::interface(&mut bytes, &tunnel);
    let six = Ip::v6([0xfd; 16]);
    let mut names = Names::default();
    names.name(Ip::v4([10, 43, 7, 7]), "shop/stock");
    names.name(six, "a/bcd");
    blocks::names(&mut bytes, &names);
    let time = Timestamp(1_700_000_000 * SECONDS + 7);
    let packet = Stored { interface: 1, time, wire_len: 1020, direction: Direction::Out, bytes: &COOKED };
    blocks::packet(&mut bytes, &packet);
    let counts = Counts { received: 9, dropped_by_interface: 1, dropped_by_system: 2 };
    blocks::statistics(&mut bytes, 0, time.plus(SECONDS), counts);
    bytes
}

#[test]
fn a_recording_tells_its_node_and_all_of_its_interfaces() {
    let files = Files::with("some-name.pcapng", &section());
    let (seen, reader) = files.read(&["some-name.pcapng"]);
    let expected = Seen {
        time: 1_700_000_000 * SECONDS + 7,
        node: "kappa1".to_owned(),
        interface: "eno1".to_owned(),
        direction: Direction::Out,
        ether_type: 0x0800,
        mark: 77,
        len: 1,
        wire_len: 1000,
    };
    assert_eq!(seen, [expected]);
    let roles: Vec<_> = reader.vantages().iter().map(|it| (it.interface.as_str(), it.role)).collect();
    assert_eq!(roles, [("eno1", Role::Uplink), ("vxlan.calico", Role::Uplink)]);
    let names: Vec<_> = reader.names().addresses.values().map(String::as_str).collect();
    assert_eq!(names, ["shop/stock", "a/bcd"]);
    let own = [Ip::v4([192, 168, 50, 11]), Ip::v6([0xfd, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11])];
    assert_eq!(reader.addresses(), own.map(|ip| (ip, NodeId(0))));
    let summary = &reader.summaries()[0];
    assert_eq!((summary.dropped, summary.damaged), (Some(3), 0));
    assert_eq!(summary.ended, Some(Timestamp(1_700_000_001 * SECONDS + 7)));
    // What the user says goes first.
    assert_eq!(files.open(&["other=some-name.pcapng"]).expect("a reader").nodes(), ["other"]);
}

fn send(inlet: &Inlet, bytes: &[u8], kind: Kind) {
    assert!(inlet.force(Run { bytes: Arc::new(bytes.to_vec()), packets: 0, kind }));
}

#[test]
fn a_stream_that_ends_half_way_is_kept_and_the_next_one_is_followed() {
    let (inlet, outlet) = waiting_feed(16);
    let source = LiveSource {
        node: "kappa2".to_owned(),
        display: "live".to_owned(),
        bytes: Box::new(outlet),
        lost: None,
    };
    let mut reader = Reader::follow(vec![source], &Options::default()).expect("a reader");
    assert_eq!(some(&mut reader, 100), (Vec::new(), Progress::Waiting));
    let first = recording(0..5);
    send(&inlet, &first[..first.len() - 3], Kind::Packets);
    let (seen, progress) = some(&mut reader, 100);
    assert_eq!((marks(&seen), progress), (vec![0, 1, 2, 3], Progress::Waiting));
    // One that says nothing, one that is over within its header, and a good one.
    send(&inlet, &[], Kind::Restart);
    send(&inlet, &[], Kind::Restart);
    send(&inlet, &first[..10], Kind::Packets);
    send(&inlet, &[], Kind::Restart);
    send(&inlet, &recording(5..9), Kind::Packets);
    drop(inlet);
    let mut marked = Vec::new();
    loop {
        let (seen, progress) = some(&mut reader, 100);
        marked.extend(marks(&seen));
        if progress == Progress::End {
            break;
        }
    }
    assert_eq!(marked, [5, 6, 7, 8]);
    assert_eq!(reader.summaries()[0].damaged, 1, "{:?}", reader.summaries()[0].damage);
}
