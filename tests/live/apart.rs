//! Interfaces that are captured by handles of their own, where `any` does not serve.

use std::fs;
use std::path::Path;

use crate::net::Net;
use crate::{Live, asked, comparable, directory, journeys, live, packets, report};

/// An expression that packets on `any` cannot be held against, and that all requests fit.
const OF_ETHERNET: &str = "tcp port 8080 or ether host 02:00:00:00:00:01";

#[test]
fn a_filter_on_ethernet_headers_is_served_by_a_handle_for_each_interface() {
    let mut net = Net::new();
    net.add_pod(21);
    let (_kept, file) = directory();
    let run =
        Live::start_with(&net, &live(&["--filter", OF_ETHERNET, "--write", file.to_str().expect("a name")]));
    run.wait_for("--filter looks at Ethernet headers: each interface is captured by itself");
    run.wait_for("capturing");
    net.ask_all(21, &["/a"]);
    // A pod that was not there when it all began.
    net.add_pod(22);
    run.wait_for("cali22 is new");
    net.ask_all(22, &["/b", "/c"]);
    let status = fs::read_to_string(format!("/proc/{}/status", run.child.id())).expect("a status");
    assert!(status.contains("CapPrm:\t0000000000000000"), "the thread that parses has no right: {status}");
    net.kill_pod(22);
    run.wait_for("cali22 is gone");
    net.ask_all(21, &["/d"]);
    let told = journeys(&run.end());
    for path in ["/a", "/b", "/c", "/d"] {
        let journey = asked(&told, path);
        assert_eq!(journey["verdict"]["outcome"], "complete", "{journey}");
        assert_eq!(
            (&journey["path"], journey["retransmissions"].as_u64()),
            (&"pod-to-external".into(), Some(0))
        );
        // Which way packets go is told by their link addresses.
        let seen = |way: &str| {
            journey[way].as_array().expect("visits").iter().filter(|it| it["state"] == "seen").count()
        };
        assert_eq!((seen("request"), seen("reply")), (2, 2), "{journey}");
    }
    assert_eq!(comparable(&report(&[&file])), comparable(&told));
}

#[test]
fn an_interface_beside_the_others_keeps_its_tags_and_is_counted_once() {
    let mut net = Net::new();
    net.add_pod(21);
    let (_kept, file) = directory();
    let name = file.to_str().expect("a name");
    let run = Live::start(&net, &live(&["--ethernet", "bond1", "--write", name]));
    let before = net.packets_on("bond1");
    net.ask_all(21, &["/a", "/b"]);
    net.send_tagged(100, 3);
    let crossed = net.packets_on("bond1") - before;
    let told = journeys(&run.end());
    for path in ["/a", "/b"] {
        let journey = asked(&told, path);
        assert_eq!(
            (&journey["path"], journey["retransmissions"].as_u64()),
            (&"pod-to-external".into(), Some(0))
        );
    }
    assert!(packets(&file)["bond1"] <= crossed + 4, "{} of {crossed}", packets(&file)["bond1"]);
    assert_eq!(tagged(&file, 100), 3);
    assert_eq!(comparable(&report(&[&file])), comparable(&told));
}

/// Packets of a recording that have the tag of this VLAN.
fn tagged(file: &Path, vlan: u16) -> usize {
    let bytes = fs::read(file).expect("a recording");
    let [high, low] = vlan.to_be_bytes();
    bytes.windows(6).filter(|it| matches!(it, [0x81, 0, h, l, 8, 0] if (h & 15, *l) == (high, low))).count()
}
