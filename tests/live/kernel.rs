//! What the kernel tells of the packets, seen live, recorded and replayed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::net::{CROWD_SERVICE, Net, SERVICE};
use crate::{Live, asked, comparable, directory, journeys, live, packets, pause, report, sources};

/// What tshark makes of fields of the recorded entries: a line each, fields as it writes them.
fn dissected(file: &Path, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", "netlink-netfilter.nfct_tuple.ip", "-T", "fields"]);
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

#[test]
fn translations_by_packets_and_by_conntrack_agree_and_replay_the_same() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let (_kept, file) = directory();
    let run = Live::start(&net, &live(&["--write", file.to_str().expect("a name")]));
    net.ask_all_of(21, SERVICE, &["/a", "/b", "/c"]);
    let told = journeys(&run.end());
    for path in ["/a", "/b", "/c"] {
        let leg = &asked(&told, path)["legs"][0];
        let [translation] = leg["translations"].as_array().expect("a list").as_slice() else {
            panic!("{leg}")
        };
        assert_eq!(translation["evidence"], serde_json::json!(["packet-match", "conntrack"]), "{leg}");
        assert_eq!(
            (&leg["server"], &leg["tracked"][0]["replied"]),
            (&"192.168.50.1:8080".into(), &true.into())
        );
    }
    assert_eq!(comparable(&report(&[&file])), comparable(&told));
}

#[test]
fn begun_in_the_middle_of_a_connection_the_table_tells_what_was_dialled() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let mut client = net.ask_slowly(21, SERVICE);
    client.ask("/early");
    // At the uplink alone the Service's address is nowhere to be seen.
    let run = Live::start(&net, &live(&["-i", "bond1"]));
    client.ask("/late");
    client.close();
    let told = journeys(&run.end());
    let journey = asked(&told, "/late");
    assert_eq!(journey["target"], "10.43.7.7:80", "{journey}");
    assert_eq!(journey["client"].as_str().map(|client| client.starts_with("10.244.1.21:")), Some(true));
    assert_eq!(journey["legs"][0]["translations"][0]["evidence"], serde_json::json!(["conntrack"]));
}

#[test]
fn of_ten_thousand_connections_packets_and_conntrack_say_the_same() {
    const COUNT: u32 = 10_000;
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let _server = net.crowd_server();
    let (_kept, file) = directory();
    let run = Live::start(&net, &["record", "--name", "kappa1", "--write", file.to_str().expect("a name")]);
    assert_eq!(net.crowd(21, CROWD_SERVICE, COUNT, 64), COUNT);
    run.end();
    // A port that the server still remembers refuses a first SYN, which is then a journey of its own.
    let journeys = report(&[&file]);
    let answered: Vec<_> = journeys.iter().filter(|journey| journey["exchange"]["status"] == 200).collect();
    let paths: BTreeSet<_> = answered.iter().map(|journey| journey["exchange"]["path"].as_str()).collect();
    assert_eq!(paths.len() as u32, COUNT);
    // A SYN that is sent again after a refusal may be masqueraded anew: two flows at the uplink, and two journeys.
    assert!(answered.len() as u32 <= COUNT + COUNT / 1_000, "{} journeys", answered.len());
    let mut by_both = 0;
    for journey in &answered {
        let leg = &journey["legs"][0];
        let [translation] = leg["translations"].as_array().expect("a list").as_slice() else {
            panic!("{journey}")
        };
        let evidence: Vec<&str> =
            translation["evidence"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
        by_both += u32::from(evidence == ["packet-match", "conntrack"]);
        assert!(evidence.contains(&"conntrack"), "{journey}");
        assert_eq!((&translation["kind"], &leg["server"]), (&"both".into(), &"192.168.50.1:8082".into()));
    }
    assert!(by_both >= COUNT / 100 * 99, "packets show {by_both} of {COUNT} translations as well");
}

#[test]
fn every_new_flow_of_a_flood_is_told_or_counted_as_lost() {
    const FLOWS: u16 = 40_000;
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let (_kept, file) = directory();
    let run = Live::start(&net, &["record", "--name", "kappa1", "--write", file.to_str().expect("a name")]);
    // Nobody answers there, so each flow is one message.
    net.flood(21, "192.168.50.77:9", FLOWS);
    run.end();
    let told = dissected(&file, &["netlink-netfilter.nfct_tuple.proto.src_port"]).len() as u64;
    let source = &sources(&[&file])[0];
    let lost = source["messages_lost"].as_u64().expect("a count");
    assert!(told + lost >= u64::from(FLOWS), "{told} told, {lost} lost");
}

#[test]
fn a_full_table_is_told_at_once_and_with_the_packet_that_it_cost() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let (_kept, file) = directory();
    let run = Live::start(&net, &live(&["--write", file.to_str().expect("a name")]));
    net.fill_tracking();
    let mut client = net.ask(21, SERVICE, &["/never"]);
    let said = run.wait_for("conntrack table is full");
    assert!(said.contains("kappa1's") && !said.contains("dropped: 0,"), "{said}");
    // The time that a packet on its way is waited for.
    pause();
    pause();
    let _ = client.kill();
    let _ = client.wait();
    run.end();
    let journeys = report(&[&file]);
    let lost = journeys.iter().find(|it| it["target"] == SERVICE).expect("a journey");
    let verdict = &lost["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["where"]["node"]), (&"lost".into(), &"kappa1".into()));
    let detail = verdict["detail"].as_str().expect("a sentence");
    assert!(detail.contains("its table was full then"), "{detail}");
    let table = &sources(&[&file])[0]["conntrack_table"];
    assert!(table["dropped"].as_u64() > Some(0) && table["entries"].as_u64() > Some(0), "{table}");
    let output = Command::new(env!("CARGO_BIN_EXE_hopline")).arg("report").arg(&file).output();
    let drawn = String::from_utf8(output.expect("hopline runs").stdout).expect("text");
    assert!(drawn.contains("kappa1's conntrack table is full"), "{drawn}");
}

#[test]
fn when_messages_were_lost_the_table_is_listed_anew() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let (_kept, file) = directory();
    let run = Live::start(&net, &live(&["--write", file.to_str().expect("a name")]));
    // Nobody listens while a connection is made, and more is told than is kept.
    run.signal("STOP");
    net.flood(21, "192.168.50.77:9", 40_000);
    let mut client = net.ask_slowly(21, SERVICE);
    client.ask("/early");
    run.signal("CONT");
    run.wait_for("kernel messages were lost");
    client.ask("/late");
    // The list is behind what was told before.
    pause();
    let told = journeys(&run.end());
    let translations = |journeys: &[serde_json::Value]| {
        asked(journeys, "/late")["legs"][0]["translations"].as_array().expect("a list").clone()
    };
    // Nothing more was told of the connection, as its state stays what it is.
    let replayed = translations(&report(&[&file]));
    assert_eq!(replayed[0]["evidence"], serde_json::json!(["packet-match", "conntrack"]));
    assert_eq!(translations(&told), replayed);
    client.close();
}

#[test]
fn what_the_node_knows_by_name_is_recorded_and_replayed_without_rights() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    net.name_service();
    let _server = net.node_server();
    // Somebody lives in the pod.
    let mut resident = net.ask_slowly(21, SERVICE);
    let (_kept, file) = directory();
    let file_name = file.to_str().expect("a name");
    let run = Live::start(&net, &live(&["--write", file_name]));
    resident.ask("/named");
    let _ = net.ask(21, "192.168.50.11:8090", &["/of-the-node"]).wait();
    resident.close();
    let told = journeys(&run.end());
    let names = &asked(&told, "/named")["names"];
    assert_eq!(names["10.43.7.7"], "shop/mix", "{names}");
    assert_eq!(names["10.244.1.21"].as_str().map(|name| name.starts_with("python3")), Some(true), "{names}");
    assert_eq!(comparable(&report(&[&file])), comparable(&told));
    let program = env!("CARGO_BIN_EXE_hopline");
    let powerless = ["--bounding-set", "-all", "--inh-caps", "-all", program, "report", file_name];
    let output = Command::new("setpriv").args(powerless).output().expect("setpriv of util-linux");
    let drawn = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(drawn.contains("shop/mix:http"), "{drawn}");
    assert!(drawn.contains("python3 192.168.50.11:8090"), "{drawn}");
}

#[test]
fn without_the_right_to_hear_the_kernel_one_line_says_so_and_packets_go_on() {
    let net = Net::new();
    let (_kept, file) = directory();
    let words = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", env!("CARGO_BIN_EXE_hopline")];
    let run = live(&["--write", file.to_str().expect("a name"), "--duration", "1s"]);
    let output =
        net.on_node("setpriv", &[&words[..], &run].concat()).output().expect("setpriv of util-linux");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("connection tracking is not seen").count(), 1, "{said}");
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    assert!(!packets(&file).contains_key("conntrack"));
}
