//! Writes recordings of a busy three-node cluster, to measure with: one file for each node, and all of it in one.
//!
//! `cargo run --release --example generate -- DIRECTORY [--packets N] [--seed N] [--flows N]`
//!
//! Pods ask Services over HTTP on kept-alive connections, mostly across nodes, after DNS lookups; some exchange
//! datagrams. Some segments are lost and sent again, some connections never come to be. The number of live flows
//! is bounded; the same seed gives the same bytes. What was made is printed as JSON, to hold a report against.

mod cluster;
mod conversation;
mod messages;
mod random;
mod recording;
mod traffic;

use std::path::PathBuf;

use clap::Parser;

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
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.directory)?;
    let mut recording = Recording::create(&arguments.directory)?;
    let mut traffic = Traffic::new(arguments.seed, arguments.flows);
    while recording.packets() + traffic.waiting() < arguments.packets {
        traffic.next_exchange();
        traffic.drain(&mut recording)?;
    }
    traffic.finish(&mut recording)?;
    let packets = recording.packets();
    recording.close()?;
    println!("{}", serde_json::json!({ "packets": packets, "made": traffic.made }));
    Ok(())
}
