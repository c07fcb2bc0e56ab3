//! The lab's cluster, followed live on three nodes at once while its paths are walked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Live, journeys};

const NODES: [&str; 3] = ["kappa1", "kappa2", "kappa3"];

/// Removed when it is dropped.
struct Cluster(String);

impl Cluster {
    fn up() -> Cluster {
        let cluster = Cluster(format!("live{}", std::process::id()));
        cluster.lab(&["up"]);
        cluster
    }

    fn lab(&self, words: &[&str]) {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
        let output = Command::new(lab).args(words).args(["--id", &self.0]).output().expect("the lab starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "lab {words:?} (it needs root and its packages): {said}");
    }

    fn enter(&self, node: &str) -> String {
        format!("ip netns exec hoplab-{}-{node} {}", self.0, env!("CARGO_BIN_EXE_hopline"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
        let _ = Command::new(lab).args(["down", "--id", &self.0]).stdout(Stdio::null()).status();
    }
}

#[test]
fn the_paths_of_the_cluster_are_told_live_on_three_nodes() {
    let cluster = Cluster::up();
    let [first, others @ ..] = NODES;
    let nodes = others.map(|node| format!("{node}={} record --write -", cluster.enter(node)));
    let line = format!("{} live --headless --format json --name {first}", cluster.enter(first));
    let mut words: Vec<&str> = line.split(' ').collect();
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
    cluster.lab(&["play", "mixed-paths"]);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for journey in journeys(&run.end()) {
        assert_eq!(journey["verdict"]["outcome"], "complete", "{journey}");
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
