//! The lab's cluster, followed live on three nodes at once while its paths are walked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Live, journeys};

pub(crate) const NODES: [&str; 3] = ["kappa1", "kappa2", "kappa3"];

/// Removed when it is dropped.
pub(crate) struct Cluster(String);

impl Cluster {
    pub(crate) fn up(name: &str) -> Cluster {
        let cluster = Cluster(format!("{name}{}", std::process::id()));
        cluster.lab(&["up"]);
        cluster
    }

    /// A command of the lab's, about this cluster.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab"));
        command.args(words).args(["--id", &self.0]);
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
        command.args(["netns", "exec", &format!("hoplab-{}-{place}", self.0)]).args(line.split(' '));
        command
    }

    /// How a shell runs the program on a node.
    pub(crate) fn enter(&self, node: &str) -> String {
        format!("ip netns exec hoplab-{}-{node} {}", self.0, env!("CARGO_BIN_EXE_hopline"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
        let _ = Command::new(lab).args(["down", "--id", &self.0]).stdout(Stdio::null()).status();
    }
}

/// Follows three nodes while a case is played; every journey is complete.
fn follow(cluster: &Cluster, case: &str, more: &str) -> Vec<Value> {
    let [first, others @ ..] = NODES;
    let nodes = others.map(|node| format!("{node}={} record{more} --write -", cluster.enter(node)));
    let line = format!("{} live --headless --format json --name {first}", cluster.enter(first));
    let mut words: Vec<&str> =
        line.split(' ').chain(more.split(' ').filter(|word| !word.is_empty())).collect();
    for node in &nodes {
        words.extend(["--node", node]);
    }
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let run = Live::spawn(command);
    // In any order.
    for _ in others {
        run.wait_for(": the first bytes came");
    }
    cluster.lab(&["play", case]);
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
