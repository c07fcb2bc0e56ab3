//! How true the joins at the proxies are, in a table.
//!
//! `cargo run --release --example accuracy -- DIRECTORY [--only WORD]`
//!
//! The lab (as root) records the cases `accuracy-…` into DIRECTORY, unless they are there; each is reported with all
//! nodes and with HAProxy's node alone, and every join is held against the logs of the proxies and servers.

#[path = "../../truth/joins.rs"]
mod joins;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::Value;

use crate::joins::{Join, Joins, SURE, joins};

/// The upper ends of the bins of confidence.
const BINS: [f64; 7] = [0.2, 0.4, 0.6, 0.75, SURE, 0.99, f64::INFINITY];
const NODES: [&str; 3] = ["kappa1", "kappa2", "kappa3"];

/// What to measure.
#[derive(Parser)]
struct Arguments {
    /// Where the recordings are, or go.
    directory: PathBuf,
    /// Only cases with this word in their name.
    #[arg(long, default_value = "accuracy-")]
    only: String,
    /// The program that reports.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/hopline"))]
    hopline: PathBuf,
    /// Also print each join that is wrong or missed, and each connection that no journey has.
    #[arg(long)]
    wrong: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if recorded(&arguments)?.is_empty() {
        record(&arguments)?;
    }
    println!("| case | captured | joins | recall | sure | of these true | ambiguous | wrong and sure |");
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    let mut all = Joins::default();
    for case in recorded(&arguments)? {
        let truth = serde_json::from_slice(&std::fs::read(case.join("truth.json"))?)?;
        for (name, nodes) in [("all nodes", &NODES[..]), ("HAProxy's", &NODES[..1])] {
            let found = joins(&truth, &report(&arguments, &case, nodes)?);
            println!("| {} | {name} | {}", case_name(&case), row(&found));
            for what in found.unseen.iter().filter(|_| arguments.wrong && nodes.len() == NODES.len()) {
                println!("  in no journey: {what}");
            }
            for what in found.missed.iter().filter(|_| arguments.wrong) {
                println!("  missed: {what}");
            }
            for what in found.wrong().iter().filter(|_| arguments.wrong) {
                println!("  wrong: {what}");
            }
            all.due += found.due;
            all.made.extend(found.made);
        }
    }
    println!("| all | | {}", row(&all));
    calibration(&all.made);
    Ok(())
}

/// The recordings in the directory, by name.
fn recorded(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(&arguments.directory) else { return Ok(Vec::new()) };
    let mut cases = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    cases.retain(|case| case.join("truth.json").exists() && case_name(case).contains(&arguments.only));
    cases.sort_by_key(|case| {
        // By kind, then by number.
        let name = case_name(case);
        let (kind, number) = name.rsplit_once('-').unwrap_or((&name, ""));
        (kind.to_owned(), number.parse::<u32>().unwrap_or_default(), name.clone())
    });
    Ok(cases)
}

fn case_name(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn record(arguments: &Arguments) -> Result<()> {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab");
    let mut command = Command::new(lab);
    command.args(["record-all", "--only", &arguments.only]).arg(&arguments.directory);
    // Its lines are not part of the table.
    let output = command.output().context("the lab needs python3")?;
    ensure!(output.status.success(), "the lab failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn report(arguments: &Arguments, case: &Path, nodes: &[&str]) -> Result<Value> {
    let files = nodes.iter().map(|node| case.join(format!("{node}.pcapng")));
    let output = Command::new(&arguments.hopline)
        .args(["report", "--format", "json"])
        .args(files)
        .output()
        .with_context(|| {
        format!("{}: build it with cargo build --release", arguments.hopline.display())
    })?;
    ensure!(output.status.success(), "{}: {}", case.display(), String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn row(found: &Joins) -> String {
    let sure = found.sure().count();
    let sure_and_right = found.sure().filter(|join| join.is_right).count();
    format!(
        "{} | {} | {} | {} | {} | {} |",
        found.due,
        if found.due == 0 { share(0, 0) } else { percent(found.recall()) },
        share(sure, found.made.len()),
        share(sure_and_right, sure),
        share(found.ambiguous(), found.made.len()),
        found.wrong_and_sure().len()
    )
}

/// Of the joins said to be so sure, how many are true?
fn calibration(made: &[Join]) {
    println!("\n| confidence | joins | said on average | true |");
    println!("|---|---:|---:|---:|");
    let mut from = 0.0;
    for to in BINS {
        let bin: Vec<&Join> = made.iter().filter(|join| (from..to).contains(&join.confidence)).collect();
        let said = bin.iter().map(|join| join.confidence).sum::<f64>() / bin.len().max(1) as f64;
        let right = bin.iter().filter(|join| join.is_right).count();
        println!(
            "| {from:.2} to {:.2} | {} | {} | {} |",
            to.min(1.0),
            bin.len(),
            percent(said),
            share(right, bin.len())
        );
        from = to;
    }
}

fn share(part: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { percent(part as f64 / of as f64) }
}

/// Never rounded up to all.
fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}
