//! Fresh recordings: the lab plays a case, records it with other tools, and the report has to agree with what the
//! clients, the servers' logs and conntrack say. Needs root and the lab's packages (see `tests/lab/README.md`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::compare::{Coverage, compare, list};
use crate::joins::{Joins, joins};

const NODES: [&str; 3] = ["kappa1", "kappa2", "kappa3"];

/// Records the cases whose names have one of `words`, all in one cluster.
fn record(words: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    for word in words {
        let output = Command::new(&lab)
            .args(["record-all", "--only", word])
            .arg(directory.path())
            .output()
            .expect("the lab starts: python3 is needed");
        assert!(
            output.status.success(),
            "the lab could not record {word} (it needs root and its packages):\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let mut cases: Vec<PathBuf> = std::fs::read_dir(directory.path())
        .expect("the lab wrote cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case has one of {words:?} in its name");
    (directory, cases)
}

fn hopline(arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hopline")).args(arguments).output().expect("hopline starts")
}

fn report(arguments: &[String]) -> Value {
    let mut all = vec!["report".to_owned(), "--format".to_owned(), "json".to_owned()];
    all.extend_from_slice(arguments);
    let output = hopline(&all);
    assert!(output.status.success(), "{all:?}: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let starts = list(&report, "journeys").iter().map(|journey| journey["started_ns"].as_i64());
    assert!(starts.is_sorted(), "journeys come by their start");
    report
}

fn files(case: &Path, nodes: &[&str]) -> Vec<String> {
    nodes
        .iter()
        .map(|node| case.join(format!("{node}.pcapng")))
        .filter(|file| file.exists())
        .map(|file| file.display().to_string())
        .collect()
}

fn truth(case: &Path) -> Value {
    let text = std::fs::read(case.join("truth.json")).expect("the lab wrote the truth");
    serde_json::from_slice(&text).expect("the truth is JSON")
}

/// Every exchange of every case that `words` choose is right, to the last visit.
fn holds(words: &[&str]) {
    let (_directory, cases) = record(words);
    let mut failures = Vec::new();
    for case in &cases {
        let tally = compare(&truth(case), &report(&files(case, &NODES)), Coverage::Full);
        assert!(tally.expected > 0, "{}: the truth is empty", case.display());
        let lines =
            tally.wrong.into_iter().chain(tally.absent.into_iter().map(|name| format!("{name}: no journey")));
        failures.extend(lines.map(|line| format!("{}: {line}", file_name(case))));
        println!("{}: {} of {} right", file_name(case), tally.right, tally.expected);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn pods_call_services() {
    holds(&[
        "^pod-to-service",
        "^port-reuse",
        "^keep-alive",
        "^segmented-heads",
        "^http-bodies",
        "^offloads",
    ]);
}

#[test]
fn pods_call_pods_and_the_outside() {
    holds(&["^pod-to-pod", "^icmp-echo", "^pod-to-external", "^host-to-pod", "^nodeport"]);
}

#[test]
fn packets_are_followed_through_tunnels() {
    holds(&["(vxlan|ipip)"]);
}

#[test]
fn clients_outside_call_pods_and_services() {
    holds(&["^external-to-pod", "^external-to-service"]);
}

#[test]
fn every_fault_is_placed() {
    holds(&["^fault-", "^icmp-errors", "^icmp-host", "^dns-"]);
}

#[test]
fn every_way_through_the_proxies_is_followed() {
    holds(&["^ingress-(?!load|fault|slow)"]);
}

#[test]
fn every_fault_at_the_proxies_is_placed() {
    holds(&["^ingress-(fault|slow)"]);
}

/// The joins of the cases that `word` chooses, each with its name.
fn joined(word: &str) -> Vec<(String, Joins)> {
    let (_directory, cases) = record(&[word]);
    let joined = cases.iter().map(|case| {
        let name = file_name(case);
        let [found, in_part] =
            [&NODES[..], &NODES[..1]].map(|nodes| joins(&truth(case), &report(&files(case, nodes))));
        assert!(found.due >= 90, "{name}: {} joins only", found.due);
        assert!(found.unseen.is_empty(), "{name}: no journey has {:?}", found.unseen);
        for found in [&found, &in_part] {
            assert!(
                found.wrong_and_sure().is_empty(),
                "{name}: wrong and sure: {:#?}",
                found.wrong_and_sure()
            );
        }
        println!("{name}: {} joins, {:.4} found, {} ambiguous", found.due, found.recall(), found.ambiguous());
        (name, found)
    });
    joined.collect()
}

/// Each request has a path of its own, 64 are on their way at once.
#[test]
fn distinct_requests_are_all_joined() {
    for (name, found) in joined("^ingress-load(-64|-64-plain)?$") {
        assert!(found.wrong().is_empty(), "{name}: {:#?}", found.wrong());
        assert!(found.missed.is_empty(), "{name}: {:#?}", found.missed);
        assert_eq!(found.right(), found.due, "{name}");
    }
}

/// Of the cases that `word` chooses, each has to have so many of its joins. Nothing but time tells these requests apart,
/// and on a machine that does other things as well time tells less: where it told too little, the case is recorded again,
/// twice at most. Nothing may be wrong and sure in any of the recordings.
fn joined_by_time(word: &str, least: fn(&str) -> f64) {
    let mut words = vec![word.to_owned()];
    let mut short = Vec::new();
    for _ in 0..3 {
        let found = words.iter().flat_map(|word| joined(word));
        short = found.filter(|(name, found)| found.recall() < least(name)).collect();
        words = short.iter().map(|(name, _)| format!("^{name}$")).collect();
    }
    let told = short
        .iter()
        .map(|(name, found)| format!("{name}: {} of {}: {:#?}", found.right(), found.due, found.wrong()));
    assert!(short.is_empty(), "{}", told.collect::<Vec<_>>().join("\n"));
}

/// What cannot be known must not be said to be sure.
#[test]
fn identical_requests_are_joined_where_time_tells_and_never_wrongly_sure() {
    joined_by_time("^ingress-load-identical", |name| match name {
        "ingress-load-identical" => 0.99,
        "ingress-load-identical-steady" => 0.9,
        _ => 0.0,
    });
}

#[test]
fn encrypted_requests_are_joined_a_few_at_once() {
    joined_by_time("^ingress-load-tls", |_| 0.95);
}

/// One node, two, and all three tell the same story, as far as each can see.
#[test]
fn fewer_nodes_see_less_and_nothing_else() {
    let (_directory, cases) = record(&["^mixed-paths(-vxlan)?$"]);
    let some = [&NODES[..1], &NODES[1..2], &NODES[2..], &NODES[..2], &NODES[1..], &[NODES[0], NODES[2]]];
    for (case, nodes) in cases.iter().flat_map(|case| some.map(|nodes| (case, nodes))) {
        let report = report(&files(case, nodes));
        let tally = compare(&truth(case), &report, Coverage::SomeNodes);
        let name = file_name(case);
        assert!(tally.right > 0, "{name}: {nodes:?} see nothing");
        assert!(tally.wrong.is_empty(), "{name}: {nodes:?}: {}", tally.wrong.join("\n"));
    }
}

/// Nodes' clocks may be seconds apart: the journeys are the same, and the offsets are found.
#[test]
fn clocks_that_differ_change_nothing_but_the_offsets() {
    let (directory, cases) = record(&["^(pod-to-service|pod-to-pod|ingress)-load$"]);
    for case in &cases {
        let shifted = directory.path().join("shifted");
        std::fs::create_dir_all(&shifted).expect("a directory");
        for (node, seconds) in NODES.iter().zip(["0", "3.7", "-0.9"]) {
            let output = Command::new("editcap")
                .args(["-t", seconds])
                .arg(case.join(format!("{node}.pcapng")))
                .arg(shifted.join(format!("{node}.pcapng")))
                .output()
                .expect("editcap is installed (wireshark-common)");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let report = report(&files(&shifted, &NODES));
        let tally = compare(&truth(case), &report, Coverage::Full);
        assert!(tally.wrong.is_empty() && tally.absent.is_empty(), "{}", tally.wrong.join("\n"));
        let offset = |at: usize| report["sources"][at]["clock_offset_ns"].as_i64().expect("an offset");
        assert!((offset(1) - 3_700_000_000).abs() < 200_000, "{}", offset(1));
        assert!((offset(2) + 900_000_000).abs() < 200_000, "{}", offset(2));
    }
}

/// A capture that lost packets at random still tells the truth, and never something false.
#[test]
fn packets_that_the_capture_lost_do_not_make_it_lie() {
    let (directory, cases) = record(&["^(pod-to-service|external-to-service|ingress)-load$"]);
    for case in &cases {
        let thin = directory.path().join("thin");
        std::fs::create_dir_all(&thin).expect("a directory");
        for (seed, node) in (1..).zip(NODES) {
            thin_out(&case.join(format!("{node}.pcapng")), &thin.join(format!("{node}.pcapng")), seed);
        }
        let tally = compare(&truth(case), &report(&files(&thin, &NODES)), Coverage::Thinned);
        assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
        assert!(tally.right * 100 >= tally.expected * 97, "{} of {}", tally.right, tally.expected);
    }
}

/// Copies a recording without about one packet in fifty. `editcap` takes packet numbers to leave out.
fn thin_out(from: &Path, to: &Path, seed: u64) {
    let mut state = seed;
    let left_out: Vec<String> = (1..200_000_u32)
        .filter(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).is_multiple_of(50)
        })
        .map(|number| number.to_string())
        .collect();
    // The numbers go in portions: a command line is bounded.
    let mut source = from.to_path_buf();
    for (turn, portion) in left_out.rchunks(500).enumerate() {
        let target = to.with_extension(format!("{turn}.tmp"));
        let output =
            Command::new("editcap").arg(&source).arg(&target).args(portion).output().expect("editcap runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        source = target;
    }
    std::fs::rename(&source, to).expect("the last portion is the result");
}
