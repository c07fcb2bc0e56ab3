//! Which node, which interface, which role; and what is refused.

use super::{Files, marks, rest};
use crate::capture::format::Order;
use crate::capture::testing::{ETHERNET, PcapFile, PcapngFile, SLL2, ethernet, sll2};
use crate::capture::{CaptureError, IfMapEntry, Options, Reader};
use crate::model::Role;

fn one(mark: u8) -> Vec<u8> {
    PcapFile::nano(ETHERNET).packet(1, u32::from(mark), &ethernet(mark)).bytes.clone()
}

fn cooked() -> Vec<u8> {
    let mut file = PcapFile::nano(SLL2);
    file.packet(1, 1, &sll2(1, 3, 1, 0)).packet(1, 2, &sll2(2, 7, 1, 4));
    file.packet(1, 3, &sll2(3, 1, 772, 0)).packet(1, 4, &sll2(4, 9, 768, 0));
    file.bytes
}

fn interfaces(reader: &Reader) -> Vec<(String, String, Role, bool)> {
    let name = |node: usize| reader.nodes()[node].clone();
    let mut all: Vec<_> = reader
        .vantages()
        .iter()
        .map(|vantage| {
            let node = name(usize::from(vantage.node.0));
            (node, vantage.interface.clone(), vantage.role, vantage.role_is_given)
        })
        .collect();
    all.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    all
}

fn entry(node: &str, interface: &str, role: Role, is_given: bool) -> (String, String, Role, bool) {
    (node.to_owned(), interface.to_owned(), role, is_given)
}

#[test]
fn devices_of_cooked_captures_are_named_by_the_map() {
    let files = Files::with("kappa1.any.pcap", &cooked());
    let (_, reader) = files.read(&["kappa1.any.pcap"]);
    assert_eq!(
        interfaces(&reader),
        [
            entry("kappa1", "if3", Role::Other, false),
            entry("kappa1", "if7", Role::Other, false),
            entry("kappa1", "if9", Role::Tunnel, true),
            entry("kappa1", "lo", Role::Loopback, true),
        ]
    );
    let options = Options {
        ifmap: IfMapEntry::parse_list("kappa1:3=bond1,7=cali7,9=tunl0").expect("a map"),
        ..Options::default()
    };
    let mut reader = Reader::open(&files.specs(&["kappa1.any.pcap"]), &options).expect("a reader");
    rest(&mut reader);
    assert_eq!(
        interfaces(&reader),
        [
            entry("kappa1", "bond1", Role::Uplink, true),
            entry("kappa1", "cali7", Role::Workload, true),
            entry("kappa1", "lo", Role::Loopback, true),
            entry("kappa1", "tunl0", Role::Tunnel, true),
        ]
    );
}

#[test]
fn a_map_for_an_unknown_node_is_refused() {
    let files = Files::with("kappa1.pcap", &one(1));
    let options =
        Options { ifmap: IfMapEntry::parse_list("kapa1:3=bond1").expect("a map"), ..Options::default() };
    let error = Reader::open(&files.specs(&["kappa1.pcap"]), &options).err().expect("an error");
    assert_eq!(
        error.to_string(),
        "--ifmap names the node kapa1, which no recording is from; the nodes are: kappa1"
    );
}

#[test]
fn files_of_a_node_share_interfaces_of_the_same_name() {
    let files = Files::with("kappa1.bond1.pcap", &one(1));
    let mut file = PcapngFile::new(Order::Little);
    file.interface(ETHERNET, &[(2, b"bond1")]).interface(ETHERNET, &[(2, b"cali1")]);
    files.add("rec/kappa1.pcapng", &file.bytes);
    files.add("kappa2/bond1.pcap", &one(2));
    files.add("kappa2/cali1.pcap", &one(3));
    let (seen, reader) = files.read(&["kappa1.bond1.pcap", "rec/kappa1.pcapng", "kappa2"]);
    assert_eq!(reader.nodes(), ["kappa1", "kappa2"]);
    assert_eq!(
        interfaces(&reader),
        [
            entry("kappa1", "bond1", Role::Uplink, true),
            entry("kappa1", "cali1", Role::Workload, true),
            entry("kappa2", "bond1", Role::Uplink, true),
            entry("kappa2", "cali1", Role::Workload, true),
        ]
    );
    assert_eq!(marks(&seen), [1, 2, 3]);
}

#[test]
fn unnamed_interfaces_are_one_only_within_a_capture() {
    let files = Files::with("a.pcap0", &one(1));
    files.add("a.pcap1", &one(2));
    files.add("b.pcap", &one(3));
    let (_, reader) = files.read(&["k=a.pcap0", "k=a.pcap1", "k=b.pcap"]);
    assert_eq!(interfaces(&reader), vec![entry("k", "", Role::Other, false); 2]);
    let summaries = reader.summaries();
    let vantages = |place: usize| summaries[place].interfaces.iter().map(|it| it.vantage).collect::<Vec<_>>();
    assert_eq!(vantages(0), vantages(1));
    assert_ne!(vantages(0), vantages(2));
}

#[test]
fn a_directory_gives_its_recordings_sorted_and_nothing_else() {
    let files = Files::with("rec/kappa2.pcap", &one(2));
    files.add("rec/kappa1", &one(1));
    files.add("rec/truth.json", b"{}");
    files.add("rec/kappa3.pcap", b"not one at all, though it is called so");
    let (seen, reader) = files.read(&["rec"]);
    assert_eq!(marks(&seen), [1, 2]);
    let summaries = reader.summaries();
    assert_eq!(summaries.iter().map(|summary| summary.packets).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(summaries[2].damaged, 1);
    assert!(summaries[2].damage[0].contains("is not a packet recording"), "{:?}", summaries[2].damage);
}

#[test]
fn what_cannot_be_used_is_said_in_one_line() {
    let files = Files::with("a.pcap", &one(1));
    files.add("empty.pcap", b"");
    files.add("text.pcap", b"hello world, hello world, hello world");
    files.add("cut.pcap", &one(1)[..20]);
    files.add("none/readme", b"no recording");
    files.add("packed.pcap", b"\xfd7zXZ\0 and so on");
    std::os::unix::fs::symlink(files.path("a.pcap"), files.path("same.pcap")).expect("a link");
    for (names, expected) in [
        (&["gone.pcap"][..], "no such file or directory; check the name"),
        (&["empty.pcap"], "is empty"),
        (&["text.pcap"], "is not a packet recording"),
        (&["cut.pcap"], "ends within its first header"),
        (&["none"], "no recording in this directory"),
        (&["packed.pcap"], "unpack it first: xz -d"),
        (&["a.pcap", "a.pcap"], "named twice"),
        (&["x=a.pcap", "y=same.pcap"], "named twice"),
    ] {
        let error = files.open(names).err().expect("an error").to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        assert!(error.starts_with(&files.0.path().display().to_string()), "{error}");
    }
    assert!(matches!(files.open(&[]), Err(CaptureError::NoSource)));
}
