//! The stored recordings against what the clients, the servers and conntrack said when they were made.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::compare::{Coverage, compare};

/// Directories of stored recordings that have their truth beside them.
fn stored() -> Vec<PathBuf> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(captures)
        .expect("captures/ is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("truth.json").exists())
        .collect();
    cases.sort();
    cases
}

/// What the user would say of a recording's interfaces: their names by number, where the file has only numbers.
fn interface_map(truth: &Value) -> Vec<String> {
    let nodes = truth["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    nodes
        .iter()
        .map(|node| {
            let names = node["interfaces"].as_object().expect("interfaces by number");
            let pairs: Vec<String> = names
                .iter()
                .map(|(number, name)| format!("{number}={}", name.as_str().unwrap_or("?")))
                .collect();
            format!("--ifmap={}:{}", node["name"].as_str().unwrap_or("?"), pairs.join(","))
        })
        .collect()
}

#[test]
fn every_stored_recording_agrees_with_its_truth() {
    let exchanges = agree(|name| !name.starts_with("ingress-"));
    assert!(exchanges > 200, "the stored truths hold {exchanges} exchanges only");
}

#[test]
fn every_stored_recording_of_proxies_agrees_with_its_truth() {
    let exchanges = agree(|name| name.starts_with("ingress-"));
    assert!(exchanges > 200, "the stored truths hold {exchanges} exchanges only");
}

/// Holds the recordings with these names against their truth; gives how many exchanges there were.
fn agree(is_meant: impl Fn(&str) -> bool) -> usize {
    let mut failures = Vec::new();
    let mut exchanges = 0;
    for case in stored() {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        if !is_meant(&name) {
            continue;
        }
        let truth: Value = serde_json::from_slice(&std::fs::read(case.join("truth.json")).expect("readable"))
            .expect("the truth is JSON");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hopline"));
        command.args(["report", "--format", "json"]).arg(&case);
        if name.ends_with("-sll2") {
            command.args(interface_map(&truth));
        }
        let output = command.output().expect("hopline starts");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
        let coverage = if name.contains("one-node") { Coverage::SomeNodes } else { Coverage::Full };
        let tally = compare(&truth, &report, coverage);
        exchanges += tally.expected;
        let absent = tally.absent.into_iter().filter(|_| coverage == Coverage::Full);
        let lines = tally.wrong.into_iter().chain(absent.map(|line| format!("{line}: no journey")));
        failures.extend(lines.map(|line| format!("{name}: {line}")));
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    exchanges
}
