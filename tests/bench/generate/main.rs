//! Writes recordings of a busy three-node cluster, to measure with: one file for each node, and all of it in one.
//!
//! `cargo run --release --example generate -- DIRECTORY [--packets N] [--seed N] [--flows N]`
//!
//! Pods ask Services over HTTP on kept-alive connections, mostly across nodes, after DNS lookups; some exchange
//! datagrams. Some segments are lost and sent again, some connections never come to be. The number of live flows
//! is bounded; the same seed gives the same bytes. What was made is printed as JSON, to hold a report against.
//!
//! With `--ingress N` there are, in place of all that, N requests from outside through HAProxy and Traefik; `truth.tsv`
//! has a line for each, with the client's end and the first sequence number of each leg.

mod cluster;
mod conversation;
mod ingress;
mod messages;
mod random;
mod recording;
mod traffic;
mod wire;

use std::path::PathBuf;

use clap::Parser;

use crate::ingress::{Ingress, Plan};
use crate::recording::Recording;
use crate::traffic::Traffic;

/// What to make.
#[derive(Parser)]
struct Arguments {
    /// Where the recordings go: `kappa1.pcapng`, `kappa2.pcapng`, `kappa3.pcapng` and `merged.pcapng`.
    directory: PathBuf,
    /// How many packets to write to `merged.pcapng`, about.
    #[arg(long, default_value_t = 1_000_000)]
    packets: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many flows live at once.
    #[arg(long, default_value_t = 1000)]
    flows: usize,
    /// How many requests come from outside, through the proxies, in place of traffic among pods.
    #[arg(long)]
    ingress: Option<u64>,
    /// How many of them are under way at once.
    #[arg(long, default_value_t = 64)]
    together: usize,
    /// All of them, and all their answers, have the same bytes.
    #[arg(long)]
    identical: bool,
    /// Connections through both proxies that stay open and silent meanwhile.
    #[arg(long, default_value_t = 0)]
    tunnels: usize,
    /// Of a thousand requests, those that Traefik sends to a dead server first.
    #[arg(long, default_value_t = 0)]
    failures: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.directory)?;
    let mut recording = Recording::create(&arguments.directory)?;
    let made = match arguments.ingress {
        Some(requests) => from_outside(&arguments, requests, &mut recording)?,
        None => among_pods(&arguments, &mut recording)?,
    };
    let packets = recording.packets();
    recording.close()?;
    println!("{}", serde_json::json!({ "packets": packets, "made": made }));
    Ok(())
}

fn among_pods(arguments: &Arguments, recording: &mut Recording) -> anyhow::Result<serde_json::Value> {
    let mut traffic = Traffic::new(arguments.seed, arguments.flows);
    while recording.packets() + traffic.waiting() < arguments.packets {
        traffic.next_exchange();
        traffic.drain(recording)?;
    }
    traffic.finish(recording)?;
    Ok(serde_json::to_value(traffic.made())?)
}

fn from_outside(
    arguments: &Arguments,
    requests: u64,
    recording: &mut Recording,
) -> anyhow::Result<serde_json::Value> {
    let plan = Plan {
        requests,
        together: arguments.together,
        is_identical: arguments.identical,
        tunnels: arguments.tunnels,
        failures: arguments.failures,
    };
    let mut ingress = Ingress::new(plan, arguments.seed, &arguments.directory)?;
    Ok(serde_json::to_value(ingress.make(recording)?)?)
}
