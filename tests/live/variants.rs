//! The kernel's evidence where rules are kept by others than iptables-nft: iptables-legacy, and kube-proxy's nftables.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::net::{Net, SERVICE};
use crate::{Live, asked, directory, live, pause, report};

/// Rules as kube-proxy and an administrator leave them, with iptables-legacy.
const LEGACY: [&str; 6] = [
    "-t nat -N KUBE-SERVICES",
    "-t nat -A PREROUTING -j KUBE-SERVICES",
    "-t nat -A KUBE-SERVICES -d 10.43.7.7/32 -p tcp -m comment --comment shop/mix:http -m tcp --dport 80 \
     -j DNAT --to-destination 192.168.50.1:8080",
    "-t nat -A POSTROUTING -s 10.244.1.0/24 -j MASQUERADE --random",
    "-t mangle -A FORWARD -j ACCEPT",
    "-t filter -A FORWARD -d 192.168.50.1 -p tcp --dport 8081 -j DROP",
];

/// What kube-proxy's nftables mode makes of a Service with one endpoint.
const NFTABLES: &str = "table ip kube-proxy {
    map service-ips {
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = { 10.43.7.7 . tcp . 80 : goto service-ULMVA6XW-shop/mix/tcp/http }
    }
    chain endpoint-5OJB2KTY-shop/mix/tcp/http__192.168.50.1/8080 {
        meta l4proto tcp dnat to 192.168.50.1:8080
    }
    chain service-ULMVA6XW-shop/mix/tcp/http {
        ip daddr 10.43.7.7 tcp dport 80 ip saddr != 10.99.0.0/16 meta mark set meta mark | 0x4000
        numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-shop/mix/tcp/http__192.168.50.1/8080 }
    }
    chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
    chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
    chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark & 0x4000 == 0 return; masquerade fully-random; }
}";

fn whole(file: &Path, id: &Value) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopline"));
    let output = command.args(["report", "--journey", &id.to_string()]).arg(file).output();
    String::from_utf8(output.expect("hopline runs").stdout).expect("text")
}

fn trace(net: &Net, file: &Path, which: &str) -> Live {
    let run = Live::start(net, &live(&["--trace", which, "--write", file.to_str().expect("a name")]));
    run.wait_for("the chosen connections are traced");
    run
}

#[test]
fn with_iptables_legacy_hooks_are_seen_and_services_named_and_doctor_says_what_is_not() {
    let mut net = Net::new();
    net.add_pod(21);
    for rule in LEGACY {
        let words: Vec<&str> = rule.split_ascii_whitespace().collect();
        let output = net.on_node("iptables-legacy", &words).output().expect("iptables-legacy");
        assert!(output.status.success(), "{rule}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let doctor = net.on_node(env!("CARGO_BIN_EXE_hopline"), &["doctor"]).output().expect("hopline runs");
    let doctor = String::from_utf8(doctor.stdout).expect("text");
    let finding = doctor.lines().find(|line| line.starts_with("hook tracing")).expect("a finding");
    assert!(
        finding.contains("iptables-legacy's rules (tables ") && finding.contains("cannot be named"),
        "{finding}"
    );
    for table in ["nat", "mangle", "filter"] {
        assert!(finding.contains(table), "{finding}");
    }
    let (_kept, file) = directory();
    let run = trace(&net, &file, "target == 10.43.7.7 or port == 8081");
    net.ask_all_of(21, SERVICE, &["/served"]);
    let mut mute = net.ask(21, crate::net::MUTE, &["/dropped"]);
    // A packet on its way is waited for, and the client sends it again.
    for _ in 0..4 {
        pause();
    }
    let _ = mute.kill();
    let _ = mute.wait();
    run.end();
    let journeys = report(&[&file]);
    let served = asked(&journeys, "/served");
    assert_eq!(served["names"]["10.43.7.7"], "shop/mix");
    let translation = &served["legs"][0]["translations"][0];
    let evidence = serde_json::json!(["packet-match", "conntrack", "hook-trace"]);
    assert_eq!((&translation["evidence"], &translation["rule"]), (&evidence, &Value::Null));
    let drawn = whole(&file, &served["id"]);
    for hook in ["PREROUTING", "FORWARD", "POSTROUTING"] {
        assert!(drawn.lines().any(|line| line.trim() == hook), "{hook} is not in\n{drawn}");
    }
    // Where a rule without a name drops it, the last hook that it came to is seen.
    let dropped = journeys.iter().find(|it| it["target"] == crate::net::MUTE).expect("a journey");
    let verdict = &dropped["verdict"];
    assert_eq!((&verdict["outcome"], &verdict["where"]["node"]), (&"lost".into(), &"kappa1".into()));
    assert!(verdict["dropped_by"].is_null(), "{verdict}");
    let drawn = whole(&file, &dropped["id"]);
    let has = |hook: &str| drawn.lines().any(|line| line.trim() == hook);
    assert!(has("PREROUTING") && has("FORWARD") && !has("POSTROUTING"), "{drawn}");
    let seen: Vec<&str> = dropped["request"]
        .as_array()
        .expect("visits")
        .iter()
        .filter(|visit| visit["state"] == "seen")
        .filter_map(|visit| visit["hook"].as_str())
        .collect();
    assert_eq!(seen, ["FORWARD"], "{dropped}");
}

#[test]
fn kube_proxys_nftables_name_services_and_the_endpoint_that_was_chosen() {
    let mut net = Net::new();
    net.add_pod(21);
    net.load_rules(NFTABLES);
    let (_kept, file) = directory();
    let run = trace(&net, &file, "target == 10.43.7.7");
    net.ask_all_of(21, SERVICE, &["/served"]);
    run.end();
    let served = asked(&report(&[&file]), "/served");
    assert_eq!(served["names"]["10.43.7.7"], "shop/mix");
    let translation = &served["legs"][0]["translations"][0];
    let evidence = serde_json::json!(["packet-match", "conntrack", "hook-trace"]);
    assert_eq!(translation["evidence"], evidence);
    let rule = &translation["rule"];
    assert_eq!((&rule["table"], &rule["service"]), (&"kube-proxy".into(), &"shop/mix:http".into()), "{rule}");
    assert_eq!(rule["chain"], "endpoint-5OJB2KTY-shop/mix/tcp/http__192.168.50.1/8080");
    let drawn = whole(&file, &served["id"]);
    assert!(
        drawn.contains("service-ULMVA6XW-shop/mix/tcp/http") && drawn.contains("shop/mix:http"),
        "{drawn}"
    );
}
