//! Where the node's routes say that lost packets should have gone.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::net::Net;
use crate::{Live, comparable, directory, journeys, live, pause, report, sources};

/// Asks in vain. Its first packet is sent again after a second, so that one comes when what was changed before is known.
fn in_vain(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("curl")
}

fn from_pod(net: &Net, pod: u8, url: &str, more: &[&str]) -> Child {
    in_vain(net.in_pod(pod, "curl", &[&["-s", "-m", "4", url], more].concat()))
}

/// All of them have given up, and what is lost is known.
fn wait(asking: impl IntoIterator<Item = Child>) {
    for mut child in asking {
        assert!(!child.wait().expect("curl").success(), "nobody answers");
    }
    pause();
}

/// The verdict on the journey to `target`, from `client`.
fn verdict(told: &[Value], client: &str, target: &str) -> Value {
    let starts = |journey: &&Value, key: &str, with: &str| {
        journey[key].as_str().is_some_and(|address| address.starts_with(with))
    };
    let mut found = told.iter().filter(|it| starts(it, "client", client) && starts(it, "target", target));
    let journey = found.next().unwrap_or_else(|| panic!("{client} to {target} is none of {told:?}"));
    assert_eq!(journey["verdict"]["where"], serde_json::json!({ "kind": "host", "node": "kappa1" }));
    journey["verdict"].clone()
}

#[track_caller]
fn says(verdict: &Value, words: &str, barrier: &str) {
    assert!(verdict["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{verdict}");
    assert_eq!(verdict["expected"]["barrier"], barrier, "{verdict}");
}

/// What nobody with any right may read in the recording, in words.
fn replayed(file: &str) -> String {
    let powerless =
        ["--bounding-set", "-all", "--inh-caps", "-all", env!("CARGO_BIN_EXE_hopline"), "report", file];
    let output = Command::new("setpriv").args(powerless).output().expect("setpriv of util-linux");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_route_that_is_missing_or_leads_nowhere_is_named_live_and_in_the_recording() {
    let mut net = Net::new();
    net.add_pod(21);
    net.add_pod(22);
    net.route("add blackhole 10.77.0.0/16");
    let (_kept, file) = directory();
    let name = file.to_str().expect("a name");
    let run = Live::start(&net, &live(&["--write", name]));
    // Now both know the link address of their gateway.
    net.ask_all(21, &["/before"]);
    net.ask_all(22, &["/before"]);
    // Felix has not made the pod's route, and Calico's own for the node's block takes what comes for it.
    net.route("del 10.244.1.22/32");
    net.route("add blackhole 10.244.1.0/26");
    net.route("del default");
    pause();
    wait([
        from_pod(&net, 21, "http://10.77.1.1/", &[]),
        from_pod(&net, 21, "http://10.99.1.1/", &[]),
        from_pod(&net, 22, "http://192.168.50.1:8080/", &[]),
    ]);
    let told = journeys(&run.end());
    let nowhere = verdict(&told, "10.244.1.21", "10.77.1.1");
    says(&nowhere, "kappa1's route to 10.77.1.1 is `blackhole 10.77.0.0/16`", "blackhole");
    assert_eq!((&nowhere["outcome"], &nowhere["direction"]), (&"lost".into(), &"request".into()));
    let missing = verdict(&told, "10.244.1.21", "10.99.1.1");
    says(&missing, "kappa1 has no route to 10.99.1.1", "no-route");
    let unanswered: Vec<Value> =
        told.iter().filter(|it| it["verdict"]["outcome"] != "complete").cloned().collect();
    let answer = verdict(&unanswered, "10.244.1.22", "192.168.50.1");
    says(&answer, "kappa1's route to 10.244.1.22 is `blackhole 10.244.1.0/26`", "blackhole");
    assert_eq!((&answer["outcome"], &answer["direction"]), (&"lost".into(), &"reply".into()));
    assert_eq!(
        (&answer["expected"]["interface"], &answer["expected"]["route"]),
        (&"bond1".into(), &"10.244.1.0/26".into())
    );

    assert_eq!(comparable(&report(&[&file])), comparable(&told));
    assert!(replayed(name).contains("kappa1 has no route to 10.99.1.1"), "{}", replayed(name));
    assert_eq!(sources(&[&file])[0]["messages_lost"], 0);
}

#[test]
fn what_rp_filter_drops_is_named_live_and_in_the_recording() {
    let mut net = Net::new();
    net.add_pod(21);
    // The pod sends under an address that is not its own, and so does the machine outside.
    let ours = net.in_pod(21, "ip", &["addr", "add", "10.9.9.9/32", "dev", "lo"]).status();
    let theirs = ["netns", "exec", &net.outside(), "ip", "addr", "add", "10.8.8.8/32", "dev", "lo"];
    let theirs = Command::new("ip").args(theirs).status();
    assert!(ours.expect("ip").success() && theirs.expect("ip").success());
    net.route("add 10.8.8.8/32 dev cali21");
    let (_kept, file) = directory();
    let name = file.to_str().expect("a name");
    let run = Live::start(&net, &live(&["--write", name]));
    net.ask_all(21, &["/before"]);
    net.set("net.ipv4.conf.cali21.rp_filter=1");
    net.set("net.ipv4.conf.bond1.rp_filter=1");
    pause();
    let outside = net.outside();
    let mut from_outside = Command::new("ip");
    from_outside.args(["netns", "exec", &outside, "curl", "-s", "-m", "4", "--interface", "10.8.8.8"]);
    from_outside.arg("http://192.168.50.11/").stdin(Stdio::null());
    wait([
        from_pod(&net, 21, "http://192.168.50.1:8080/", &["--interface", "10.9.9.9"]),
        in_vain(from_outside),
    ]);
    let told = journeys(&run.end());
    let spoofed = verdict(&told, "10.9.9.9", "192.168.50.1");
    let words = "kappa1's rp_filter (strict) drops what comes in on cali21 from 10.9.9.9: the route back to 10.9.9.9 is over bond1";
    says(&spoofed, words, "rp-filter");
    // For the node itself, so that no capture point behind the check could miss it.
    let asymmetric = verdict(&told, "10.8.8.8", "192.168.50.11");
    says(
        &asymmetric,
        "drops what comes in on bond1 from 10.8.8.8: the route back to 10.8.8.8 is over cali21",
        "rp-filter",
    );
    assert_eq!(comparable(&report(&[&file])), comparable(&told));
    assert!(replayed(name).contains(words), "{}", replayed(name));
}

#[test]
fn tshark_decodes_what_routing_told() {
    let net = Net::new();
    net.route("add 10.77.0.0/16 via 192.168.50.1");
    let (_kept, file) = directory();
    let run = Live::start(&net, &["record", "--name", "kappa1", "--write", file.to_str().expect("a name")]);
    pause();
    run.end();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args(["-Y", "netlink-route", "-V"]);
    let output = tshark.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "Message type: Add network route",
        "Message type: Add routing rule",
        "Message type: Create network interface",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
