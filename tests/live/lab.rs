//! The lab's cluster, followed live on three nodes at once while its paths are walked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::screen::session_in;
use crate::{Live, asked, comparable, directory, journeys, pause, report};

pub(crate) const NODES: [&str; 3] = ["kappa1", "kappa2", "kappa3"];

/// Removed when it is dropped.
pub(crate) struct Cluster {
    id: String,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    pub(crate) fn up(name: &str) -> Cluster {
        let turn = crate::turn();
        let cluster = Cluster { id: format!("{name}{}", std::process::id()), _turn: turn };
        cluster.lab(&["up"]);
        cluster
    }

    /// A command of the lab's, about this cluster.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab"));
        command.args(words).args(["--id", &self.id]);
        command
    }

    pub(crate) fn lab(&self, words: &[&str]) {
        let output = self.command(words).output().expect("the lab starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "lab {words:?} (it needs root and its packages): {said}");
    }

    /// The program on a node.
    pub(crate) fn on_node(&self, node: &str) -> Command {
        let line = self.enter(node);
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        command
    }

    /// A command on a node or in a pod.
    pub(crate) fn within(&self, place: &str, line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(place)]).args(line.split(' '));
        command
    }

    pub(crate) fn namespace(&self, place: &str) -> String {
        format!("hoplab-{}-{place}", self.id)
    }

    /// How a shell runs the program on a node.
    pub(crate) fn enter(&self, node: &str) -> String {
        format!("ip netns exec {} {}", self.namespace(node), env!("CARGO_BIN_EXE_hopline"))
    }

    /// Options that add the other nodes, which capture with `more`.
    fn others(&self, more: &str) -> Vec<String> {
        let [_, others @ ..] = NODES;
        let node = |name| format!("{name}={} record{more} --write -", self.enter(name));
        others.into_iter().flat_map(|name| ["--node".to_owned(), node(name)]).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
        let _ = Command::new(lab).args(["down", "--id", &self.id]).stdout(Stdio::null()).status();
    }
}

/// Follows three nodes while a case is played; every journey is complete.
fn follow(cluster: &Cluster, case: &str, more: &str) -> Vec<Value> {
    let line = format!("{} live --headless --format json --name {}{more}", cluster.enter(NODES[0]), NODES[0]);
    let nodes = cluster.others(more);
    let words: Vec<&str> = line.split(' ').chain(nodes.iter().map(String::as_str)).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let run = Live::spawn(command);
    // In any order.
    for _ in &NODES[1..] {
        run.wait_for(": the first bytes came");
    }
    cluster.lab(&["play", case]);
    // What the other nodes saw last is on its way.
    pause();
    let journeys = journeys(&run.end());
    for journey in &journeys {
        assert_eq!(journey["verdict"]["outcome"], "complete", "{journey}");
    }
    journeys
}

#[test]
fn the_paths_of_the_cluster_are_told_live_on_three_nodes() {
    let cluster = Cluster::up("live");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for journey in follow(&cluster, "mixed-paths", "") {
        // Which server a Service gives is the kernel's choice, and with it the route.
        let path = journey["path"].as_str().expect("a word");
        *found.entry(path.to_owned()).or_default() += 1;
    }
    for path in [
        "dns-lookup",
        "external-to-pod",
        "external-to-service",
        "host-to-pod",
        "nodeport-to-pod",
        "pod-to-external",
        "pod-to-pod",
        "pod-to-service",
    ] {
        assert!(found.contains_key(path), "{path} is not among {found:?}");
    }
}

/// The overlay is made when hopline is there already.
#[test]
fn the_uplink_shows_what_a_tunnel_carries_and_where_it_cannot_the_tunnel_does() {
    let cluster = Cluster::up("tunnel");
    for (more, interface, label) in
        [("", "bond1", "leaves the node (VXLAN)"), (" --filter tcp", "vxlan.calico", "leaves the node")]
    {
        let journeys = follow(&cluster, "mixed-paths-vxlan", more);
        let is_meant = |it: &&Value| it["path"] == "pod-to-service" && it["route"] == "other-node";
        let between: Vec<&Value> =
            journeys.iter().filter(is_meant).filter(|it| it["exchange"]["protocol"] == "http").collect();
        assert!(between.len() >= 3, "{more}: {}", journeys.len());
        for journey in between {
            let request = journey["request"].as_array().expect("visits");
            let visit = request.iter().find(|visit| visit["stage"] == "⑦").expect("⑦");
            let told =
                [&visit["interface"], &visit["label"], &visit["state"]].map(|it| it.as_str().unwrap_or(""));
            assert_eq!(told, [interface, label, "seen"], "{journey}");
        }
    }
}

/// Each path with the stages of its visits when all nodes are captured, as the list shows them: a way over two nodes,
/// and for the ingress HAProxy, Traefik and the pod on three.
const PATHS: [(&str, &str, &str); 5] = [
    ("pod-to-service", "pod→service", "④⑤⑦⑧⑥⑨ (1)(2)(3)(4)(5)(6)"),
    ("pod-to-pod", "pod→pod", "①②③④⑤⑧⑨⑩⑪③④⑤⑥⑦ (1)(2)(2)(3)(4)"),
    ("ingress-to-pod", "ingress→pod", "·②③④⑤⑮④⑤⑥⑦⑧⑨⑫⑬⑭⑮④⑨⑩ (1)(2)(2)(2)(3)·"),
    ("external-to-pod", "external→pod", "·②③⑧⑨ (1)(2)(3)··"),
    ("external-to-service", "external→service", "·②③③④⑤ (1)(2)(2)(3)··"),
];

#[test]
fn the_five_paths_appear_on_the_screen_with_their_stages_while_traffic_runs() {
    let cluster = Cluster::up("screen");
    let nodes = cluster.others("");
    let words: Vec<&str> = ["live"].into_iter().chain(nodes.iter().map(String::as_str)).collect();
    let mut session = session_in(&cluster.namespace(NODES[0]), &words, Path::new("/"), (50, 220));
    session.wait("all nodes", |screen| screen.contains("nodes 2/2"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                cluster.lab(&["play", "mixed-paths"]);
                cluster.lab(&["play", "ingress-other-node-pod-elsewhere"]);
            }
        });
        // Whatever fails here ends the traffic as well.
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for (path, shown, stages) in PATHS {
                session.press(&format!("f\u{15}path == {path}\r"));
                session.wait(path, |screen| {
                    screen.lines().any(|row| row.contains(shown) && row.contains(stages) && row.contains('✓'))
                });
                // The window may change at any moment.
                session.resize(24, 80);
                session.wait("the list alone", |screen| !screen.contains("╭─ timeline"));
                session.resize(50, 220);
                session.wait("list and timeline", |screen| screen.contains("╭─ timeline"));
            }
            session.wait("the state of the capture", |screen| {
                screen.contains("● live kappa1") && screen.contains("lost 0") && screen.contains("pkt/s")
            });
            assert!(!traffic.is_finished(), "all was seen while it happened");
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = seen {
            std::panic::resume_unwind(panic);
        }
    });
    session.press("q");
    assert_eq!(session.end(), 0);
}

/// Journeys without what is of the moment in which they were decided, as a live run decides by its own clock: how many
/// rivals ran beside a join, and how far a connection's entry was by then.
fn timeless(journeys: &[Value]) -> Vec<Value> {
    let mut journeys = journeys.to_vec();
    for journey in &mut journeys {
        for handoff in journey["handoffs"].as_array_mut().expect("a list") {
            handoff["rivals"] = Value::Null;
        }
        for leg in journey["legs"].as_array_mut().expect("a list") {
            for tracked in leg["tracked"].as_array_mut().expect("a list") {
                (tracked["tcp_state"], tracked["destroyed_ns"]) = (Value::Null, Value::Null);
            }
        }
    }
    journeys
}

#[test]
fn a_recording_of_an_ingress_gives_the_journeys_that_the_run_told() {
    let cluster = Cluster::up("ingress");
    let (_kept, file) = directory();
    let write = file.to_str().expect("a name");
    let line =
        format!("{} live --headless --format json --name kappa1 --write {write}", cluster.enter(NODES[0]));
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let run = Live::spawn(command);
    for case in ["ingress-mixed", "ingress-same-node-pod-there", "ingress-keep-alive"] {
        cluster.lab(&["play", case]);
    }
    let told = journeys(&run.end());
    let ingress = |journeys: &[Value]| {
        let through = |journey: &&Value| {
            journey["path"] == "ingress-to-pod" && !journey["handoffs"].as_array().expect("a list").is_empty()
        };
        journeys.iter().filter(through).count()
    };
    assert!(ingress(&told) > 10, "{} of {} journeys", ingress(&told), told.len());
    assert_eq!(comparable(&timeless(&report(&[&file]))), comparable(&timeless(&told)));
}

/// HAProxy and Traefik of a standing cluster; ended when it is dropped.
struct Ingress(Child);

impl Ingress {
    fn start(cluster: &Cluster) -> Ingress {
        let mut command = cluster.command(&["ingress"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the lab starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("standard output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready");
        Ingress(child)
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn whose_sockets_the_proxies_are_is_recorded_and_names_them() {
    let cluster = Cluster::up("owner");
    let _ingress = Ingress::start(&cluster);
    let (kept, _) = directory();
    let nodes = ["kappa1", "kappa2"];
    let files = nodes.map(|node| kept.path().join(format!("{node}.pcapng")));
    let runs: Vec<Live> = nodes
        .iter()
        .zip(&files)
        .map(|(node, file)| {
            let mut command = cluster.on_node(node);
            command.args(["record", "--name", node, "--write"]).arg(file).stdin(Stdio::null());
            Live::spawn(command)
        })
        .collect();
    let ask = "curl -s -m 20 -H Host:stock.example.test http://192.168.50.100/owned";
    let answer = cluster.within("client", ask).output().expect("curl");
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "this is stock-3");
    for run in runs {
        run.end();
    }
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let journey = asked(&report(&files), "/owned");
    let handoffs = journey["handoffs"].as_array().expect("a list");
    let told: Vec<(&Value, bool)> = handoffs
        .iter()
        .map(|handoff| {
            let evidence = handoff["evidence"].as_array().expect("a list");
            (&handoff["proxy"], evidence.contains(&"socket-owner".into()))
        })
        .collect();
    assert_eq!(told, [(&"haproxy".into(), true), (&"traefik".into(), true)], "{journey}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopline"));
    command.args(["report", "--journey", &journey["id"].to_string()]).args(&files);
    let drawn = String::from_utf8(command.output().expect("hopline runs").stdout).expect("text");
    for named in ["haproxy 192.168.50.100:80", "traefik 192.168.50.12:80"] {
        assert!(drawn.contains(named), "{named} is not in\n{drawn}");
    }
}
