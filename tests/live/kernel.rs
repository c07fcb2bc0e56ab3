//! What the kernel tells of the packets, seen live, recorded and replayed.

use std::path::Path;
use std::process::Command;

use crate::net::{Net, SERVICE};
use crate::{Live, directory, live, packets};

/// What tshark makes of a field of the recorded kernel messages: a line each, fields as it writes them.
fn dissected(file: &Path, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", "netlink-netfilter", "-T", "fields"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn tshark_decodes_what_conntrack_told() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    net.ask_all_of(21, SERVICE, &["/before"]);
    let (_kept, file) = directory();
    let run = Live::start(&net, &live(&["--write", file.to_str().expect("a name")]));
    net.ask_all_of(21, SERVICE, &["/a", "/b"]);
    run.end();
    let told = dissected(
        &file,
        &[
            "netlink-netfilter.nfct_tuple.ip.ip_addr",
            "netlink-netfilter.nfct_tuple.proto.dst_port",
            "netlink-netfilter.ct_attr.status.dst_nat",
        ],
    );
    // One that was there before, and of each of the others at least its beginning and its first answer.
    assert!(told.len() > 1 + 2 * 2, "{told:?}");
    for line in &told {
        let whole = "10.244.1.21,10.43.7.7,192.168.50.1,192.168.50.11\t80,";
        assert!(line.starts_with(whole) && line.ends_with("\t1"), "{line}");
    }
    // What ends the list is in no protocol of tshark's.
    assert!(packets(&file)["conntrack"] >= told.len() as u64);
}
