//! Another node that is followed live, whose clock differs.

use serde_json::Value;

use crate::net::{Net, OUTSIDE};
use crate::{Live, asked, journeys, live, pause};

/// Moves the stamps of a pcapng stream on its way: packets', and those of counts.
const SHIFT: &str = "
import struct, sys
shift = int(float(sys.argv[1]) * 1e9)
source, target = sys.stdin.buffer, sys.stdout.buffer
def moved(high, low):
    stamp = (high << 32 | low) + shift
    return stamp >> 32, stamp & 0xffffffff
while head := source.read(8):
    kind, length = struct.unpack('=II', head)
    body = bytearray(source.read(length - 8))
    if kind in (5, 6):
        struct.pack_into('=II', body, 4, *moved(*struct.unpack_from('=II', body, 4)))
    at = 12
    while kind == 5 and at + 4 <= len(body) - 4:
        code, size = struct.unpack_from('=HH', body, at)
        if code == 3:
            struct.pack_into('=II', body, at + 4, *moved(*struct.unpack_from('=II', body, at + 4)))
        at += 4 + (size + 3) // 4 * 4
    target.write(head + body)
    target.flush()
";

#[test]
fn clocks_that_differ_are_aligned_by_the_packets_that_nodes_share() {
    for (shift, said) in [("3.7", "3.70 s ahead of"), ("-400", "400 s behind")] {
        let mut net = Net::new();
        net.add_pod(21);
        let (_kept, file) = crate::directory();
        let script = file.with_file_name("shift.py");
        std::fs::write(&script, SHIFT).expect("a file");
        // The machine outside is the other node, and its eth0 that node's uplink.
        let enter = format!("ip netns exec {} {}", net.outside(), env!("CARGO_BIN_EXE_hopline"));
        let record = format!("{enter} record --name any -i eth0 --uplink eth0 --write -");
        let node = format!("kappa2={record} | python3 {} {shift}", script.display());
        let run = Live::start(&net, &live(&["--node", &node]));
        run.wait_for("kappa2: the first bytes came");
        net.ask_all(21, &["/first"]);
        let told = run.wait_for("the clock of kappa2 is");
        assert!(told.contains(said) && told.contains("that of kappa1; its times are aligned"), "{told}");
        net.ask_all(21, &["/a"]);
        let hung = net.ask(21, crate::MUTE, &["/mute"]);
        pause();
        net.ask_all(21, &["/b"]);
        drop(hung);
        let told = journeys(&run.end());
        for path in ["/a", "/b"] {
            let journey = asked(&told, path);
            assert_eq!(
                journey["client"].as_str().map(|client| client.split(':').next()),
                Some(Some("10.244.1.21"))
            );
            let order = seen(&journey);
            // Its own uplink and that of the other node, each way.
            assert_eq!(order.iter().filter(|(node, _)| node == "kappa2").count(), 2, "{journey}");
            assert!(order.is_sorted_by_key(|(_, time)| *time), "{shift}: {order:?}");
            assert_eq!(journey["target"], OUTSIDE);
        }
    }
}

/// Node and time of what was seen, in the order of the stages.
fn seen(journey: &Value) -> Vec<(String, i64)> {
    let visits = ["request", "reply"].into_iter().flat_map(|way| journey[way].as_array().expect("visits"));
    let seen = visits.filter(|visit| visit["state"] == "seen");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    seen.map(|visit| (text(&visit["node"]), visit["time_ns"].as_i64().expect("a time"))).collect()
}
