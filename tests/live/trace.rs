//! Connections traced through the kernel's hooks, on the lab's nodes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Cluster, NODES};
use crate::net::Net;
use crate::{Live, PATIENCE, assert_has_only, directory, journeys, pause};

/// What the cases below talk over.
const WEB: &str = "port == 80 or port == 8080";

/// A run on the first node with the others' streams, all of them tracing; each node's recording lies in `kept`.
fn start(cluster: &Cluster, kept: &Path) -> Live {
    let [first, others @ ..] = NODES;
    let file = |node: &str| kept.join(format!("{node}.pcapng")).display().to_string();
    let mut command = cluster.on_node(first);
    command.args(["live", "--headless", "--format", "json", "--name", first, "--trace", WEB]);
    // Longer than the cases take on any machine.
    command.args(["--trace-for", "10m", "--write", &file(first)]);
    for node in others {
        let enter = cluster.enter(node);
        let record = format!("record --name {node} --trace '{WEB}' --trace-for 10m --write -");
        let stream = format!("{enter} {record} | tee {}", file(node));
        command.args(["--node", &format!("{node}={stream}")]);
    }
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let run = Live::spawn(command);
    let mut is_wanted = vec!["the chosen connections are traced"];
    is_wanted.extend(others.map(|_| ": the first bytes came"));
    run.wait_for_all(&is_wanted);
    // The other nodes' own words go to their own standard error.
    for node in others {
        until(&format!("nothing is traced on {node}"), || {
            let listed = cluster.within(node, "nft list tables").output().expect("nft");
            String::from_utf8_lossy(&listed.stdout).contains("hopline-")
        });
    }
    run
}

/// Stage, node's number, state and hook of a visit: `⑤1 seen PREROUTING`.
fn shown(visit: &Value) -> String {
    let text = |key: &str| visit[key].as_str().unwrap_or("-").to_owned();
    let node = text("node").replace("kappa", "");
    format!("{}{node} {} {}", text("stage"), text("state"), text("hook"))
}

fn visits(journey: &Value) -> Vec<String> {
    let of = |way: &str| journey[way].as_array().expect("visits").iter().map(shown).collect::<Vec<_>>();
    [of("request"), of("reply")].concat()
}

fn all_on<'a>(told: &'a [Value], path: &str) -> Vec<&'a Value> {
    let found: Vec<&Value> = told.iter().filter(|journey| journey["path"] == path).collect();
    assert!(!found.is_empty(), "there is no journey on {path}");
    found
}

#[test]
fn kernel_stages_are_seen_with_their_hooks_live_and_in_the_recording_without_rights() {
    let cluster = Cluster::up("hook");
    let (kept, _) = directory();
    let run = start(&cluster, kept.path());
    for case in [
        "pod-to-service-other-node",
        "pod-to-pod-other-node",
        "ingress-other-node-pod-elsewhere",
        "external-to-service-other-node",
    ] {
        cluster.lab(&["play", case]);
    }
    // The nodes end in their own time.
    pause();
    let told = journeys(&run.end());
    for (path, stages) in [
        ("pod-to-service", &["⑤1 seen PREROUTING", "(2)3 seen FORWARD"][..]),
        (
            "pod-to-pod",
            &[
                "②1 seen PREROUTING",
                "③1 seen FORWARD",
                "④1 seen FORWARD",
                "⑤1 seen POSTROUTING",
                "⑪3 seen PREROUTING",
                "③3 seen FORWARD",
                "④3 seen FORWARD",
                "⑤3 seen POSTROUTING",
            ],
        ),
        (
            "ingress-to-pod",
            &[
                "③1 seen PREROUTING",
                "④1 seen INPUT",
                "⑤1 seen INPUT",
                "④2 seen INPUT",
                "⑤2 seen INPUT",
                "⑦2 seen OUTPUT",
                "⑧2 seen OUTPUT",
                "⑨2 seen POSTROUTING",
                "④3 seen FORWARD",
                "⑨3 seen POSTROUTING",
            ],
        ),
        ("external-to-service", &["③1 seen PREROUTING", "③3 seen FORWARD"]),
    ] {
        for journey in all_on(&told, path) {
            assert_eq!(journey["verdict"]["outcome"], "complete", "{journey}");
            let visits = visits(journey);
            for stage in stages {
                assert!(visits.iter().any(|visit| visit == stage), "{path}: {stage} is not in {visits:?}");
            }
        }
    }
    for path in ["pod-to-service", "external-to-service"] {
        for journey in all_on(&told, path) {
            let done = &journey["legs"][0]["translations"][0];
            assert!(done["evidence"].as_array().expect("a list").contains(&"hook-trace".into()), "{done}");
            let rule = &done["rule"];
            assert!(rule["chain"].as_str().expect("a chain").starts_with("KUBE-SEP-"), "{rule}");
            assert_eq!(rule["table"], "nat");
            assert!(rule["service"].as_str().expect("a Service").starts_with("shop/"), "{rule}");
        }
    }
    the_recording_tells_the_same(kept.path(), &told);
}

/// A replay by nobody has the visits and the rules of the live run, and lists the chains that were passed.
fn the_recording_tells_the_same(kept: &Path, told: &[Value]) {
    fs::set_permissions(kept, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let files: Vec<PathBuf> = NODES.iter().map(|node| kept.join(format!("{node}.pcapng"))).collect();
    let report = |more: &[&str]| {
        let program = kept.join("hopline");
        fs::copy(env!("CARGO_BIN_EXE_hopline"), &program).expect("a copy that nobody may run");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
        command.arg(program).arg("report").args(more).args(&files);
        let output = command.output().expect("setpriv of util-linux");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    for file in &files {
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("a mode");
    }
    let report_again: Value = serde_json::from_str(&report(&["--format", "json"])).expect("JSON");
    let facts = |journeys: &[Value]| -> BTreeSet<String> {
        let fact = |journey: &Value| {
            let rules = &journey["legs"][0]["translations"];
            format!("{} {:?} {rules}", journey["client"], visits(journey))
        };
        journeys.iter().map(fact).collect()
    };
    let again = report_again["journeys"].as_array().expect("journeys");
    assert_eq!(facts(again), facts(told));
    let service = again.iter().position(|journey| journey["path"] == "pod-to-service").expect("a journey");
    let whole = report(&["--journey", &again[service]["id"].to_string()]);
    assert!(whole.contains("KUBE-SVC-") && whole.contains("KUBE-SEP-"), "{whole}");
}

/// The verdict on what a rule of this hook dropped.
fn dropped(told: &[Value], hook: &str, chain: &str) -> Value {
    let is_it = |journey: &&Value| {
        let by = &journey["verdict"]["dropped_by"];
        by["hook"] == hook && by["rule"]["chain"].as_str().is_some_and(|name| name.starts_with(chain))
    };
    let details: Vec<&Value> = told.iter().map(|journey| &journey["verdict"]["detail"]).collect();
    let found = told.iter().find(is_it);
    found.unwrap_or_else(|| panic!("nothing was dropped in {hook} by {chain}: {details:?}"))["verdict"]
        .clone()
}

/// Outcome, kind of place, and node.
fn place(verdict: &Value) -> [&str; 3] {
    [&verdict["outcome"], &verdict["where"]["kind"], &verdict["where"]["node"]]
        .map(|value| value.as_str().unwrap_or("-"))
}

#[test]
fn the_rule_that_dropped_a_packet_is_named() {
    let cluster = Cluster::up("drop");
    let (kept, _) = directory();
    let run = start(&cluster, kept.path());
    for case in ["fault-policy-ingress", "fault-no-endpoints"] {
        cluster.lab(&["play", case]);
    }
    // This one stays, so that no retransmission comes through.
    let rule =
        "iptables -I FORWARD 1 -d 10.244.3.11 -p tcp --dport 8080 -m comment --comment test:forward -j DROP";
    assert!(cluster.within("kappa3", rule).status().expect("iptables").success());
    let ask = "curl -s -m 2 http://10.244.3.11:8080/forward";
    let asked = cluster.within("cart-1", ask).status().expect("curl");
    assert_eq!(asked.code(), Some(28), "the request times out");
    // What is lost is known when nothing more can come, by streams that may lag behind.
    for _ in 0..4 {
        pause();
    }
    let told = journeys(&run.end());

    let policy = dropped(&told, "FORWARD", "cali-tw-");
    assert_eq!(place(&policy), ["lost", "host", "kappa3"]);
    let rule = &policy["dropped_by"]["rule"];
    assert_eq!((&rule["policy"], &rule["number"]), (&Value::from("shop/deny"), &Value::from(3)));

    let forward = dropped(&told, "FORWARD", "FORWARD");
    assert_eq!(place(&forward), ["lost", "host", "kappa3"]);
    let rule = &forward["dropped_by"]["rule"];
    assert_eq!((&rule["table"], &rule["number"]), (&Value::from("filter"), &Value::from(1)));
    assert_eq!(rule["comment"], "test:forward");
    assert!(rule["text"].as_str().expect("a text").ends_with("drop"), "{rule}");

    let rejected = dropped(&told, "FORWARD", "KUBE-SERVICES");
    assert_eq!(place(&rejected), ["refused", "host", "kappa1"]);
    let comment = rejected["dropped_by"]["rule"]["comment"].as_str().expect("a comment");
    assert!(comment.ends_with("has no endpoints"), "{comment}");
}

#[test]
fn what_a_proxys_node_drops_in_output_is_named_although_nothing_captured_it() {
    let cluster = Cluster::up("output");
    let (kept, _) = directory();
    let run = start(&cluster, kept.path());
    let mut case = cluster.command(&["play", "ingress-fault-output"]);
    let mut case = case.stdout(Stdio::null()).spawn().expect("the lab starts");
    let rules = || {
        let output = cluster.within("kappa2", "iptables -S OUTPUT").output().expect("iptables");
        String::from_utf8(output.stdout).expect("text")
    };
    for _ in 0..200 {
        if rules().contains("-j DROP") {
            break;
        }
        nap(100);
    }
    // Longer than a packet takes, shorter than the client waits: with the rule gone a retransmission would come through.
    nap(2_000);
    assert!(rules().contains("-j DROP"), "the case takes its time");
    let told = journeys(&run.end());
    case.wait().expect("the case ends");
    let output = dropped(&told, "OUTPUT", "OUTPUT");
    assert_eq!(place(&output), ["lost", "host", "kappa2"]);
    assert_eq!(output["direction"], "request");
    assert!(output["detail"].as_str().expect("a sentence").contains("10.244.3.11:8080"), "{output}");
}

#[expect(clippy::disallowed_methods, reason = "the programs under test have their own time")]
fn nap(millis: u64) {
    std::thread::sleep(std::time::Duration::from_millis(millis));
}

pub(crate) fn ruleset(net: &Net) -> String {
    let output = net.on_node("nft", &["list", "ruleset"]).output().expect("nft");
    String::from_utf8(output.stdout).expect("text")
}

fn children(id: u32) -> Vec<String> {
    let output = Command::new("pgrep").args(["-P", &id.to_string()]).output().expect("pgrep of procps");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Waits until `is_so`.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_secs() {
        if is_so() {
            return;
        }
        pause();
    }
    panic!("{what}");
}

#[test]
fn nothing_is_left_of_tracing_however_it_ends() {
    let net = Net::new();
    let rules = ["add table ip own", "add chain ip own c { type filter hook forward priority 0; }"];
    for rule in rules {
        assert!(net.on_node("nft", &[rule]).status().expect("nft").success());
    }
    let before = ruleset(&net);
    let (_kept, file) = directory();
    for signal in ["KILL", "TERM"] {
        let arguments = [
            "record",
            "--name",
            "kappa1",
            "--trace",
            "port == 8080",
            "--write",
            file.to_str().expect("a name"),
        ];
        let mut run = Live::start(&net, &arguments);
        run.wait_for("the chosen connections are traced");
        let during = ruleset(&net);
        assert!(during.contains("table inet hopline-") && during.contains("flags owner"), "{during}");
        let tracers = children(run.child.id());
        assert_eq!(tracers.len(), 1, "one process traces");
        run.signal(signal);
        run.child.wait().expect("an end");
        let of_process = PathBuf::from(format!("/proc/{}", tracers[0]));
        until("the process that traces is still there", || !of_process.exists());
        assert_eq!(ruleset(&net), before, "after SIG{signal}");
    }
    // The time is over while the program goes on.
    let arguments = ["record", "--name", "kappa1", "--trace", "port == 8080", "--trace-for", "2s"];
    let run = Live::start(&net, &[&arguments[..], &["--write", file.to_str().expect("a name")]].concat());
    run.wait_for("the chosen connections are traced");
    run.wait_for("tracing is off again");
    assert_eq!(ruleset(&net), before);
}

#[test]
fn the_process_that_traces_has_one_right() {
    let net = Net::new();
    let (_kept, file) = directory();
    let arguments =
        ["record", "--name", "kappa1", "--trace", "port == 8080", "--write", file.to_str().expect("a name")];
    let run = Live::start(&net, &arguments);
    run.wait_for("the chosen connections are traced");
    let tracer = children(run.child.id()).pop().expect("a process that traces");
    // CAP_NET_ADMIN is number 12.
    assert_has_only(tracer.parse().expect("a number"), 1 << 12);
}

#[test]
fn without_the_right_to_trace_one_line_says_so() {
    for arguments in [
        &["live", "--headless", "--trace", "port == 80"][..],
        &["record", "--trace", "port == 80", "--write", "-"],
    ] {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
        let output = command.arg(env!("CARGO_BIN_EXE_hopline")).args(arguments).output().expect("setpriv");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    }
}

#[test]
fn doctor_says_whose_rules_have_names() {
    let net = Net::new();
    let doctor = || {
        let output = net.on_node(env!("CARGO_BIN_EXE_hopline"), &["doctor"]).output().expect("hopline runs");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().find(|line| line.starts_with("hook tracing")).expect("a finding").to_owned()
    };
    assert!(doctor().contains("yes  nf_tables traces"), "{}", doctor());
    assert!(net.on_node("iptables-legacy", &["-L", "-n"]).output().expect("iptables").status.success());
    assert!(doctor().contains("iptables-legacy's rules (tables filter) cannot be named"), "{}", doctor());
}
