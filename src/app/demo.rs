//! `hopline demo`: recordings that are part of the program, so that it needs no file and no rights.

use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;

use crate::app::{layout, report};
use crate::capture::{SourcePath, SourceSpec};
use crate::config::{Format, Input, Look, Picture, Report, Speed};

macro_rules! recording {
    ($case:literal, $file:literal) => {
        SourcePath::Bundled {
            name: concat!("demo/", $case, "/", $file),
            bytes: include_bytes!(concat!("../../captures/", $case, "/", $file)),
        }
    };
}

/// A cluster of three nodes: every path as it should be, then a pod that a network policy cuts off.
const RECORDINGS: [SourcePath; 6] = [
    recording!("mixed-paths", "kappa1.pcapng"),
    recording!("mixed-paths", "kappa2.pcapng"),
    recording!("mixed-paths", "kappa3.pcapng"),
    recording!("fault-policy-ingress", "kappa1.pcapng"),
    recording!("fault-policy-ingress", "kappa2.pcapng"),
    recording!("fault-policy-ingress", "kappa3.pcapng"),
];

/// Replays the recordings on the screen; where there is none, writes their text report.
pub(super) fn run(look: Look, picture: Option<&Picture>) -> anyhow::Result<ExitCode> {
    let sources = RECORDINGS.map(|path| SourceSpec { node: None, path });
    let input = Input { sources: sources.to_vec(), ..Input::default() };
    if picture.is_some() || io::stdout().is_terminal() {
        return super::replay(&input, Speed::Max, &look, picture);
    }
    let report = Report { input, format: Format::Text, journey: None, write: None, filter: None, look };
    let mut out = BufWriter::new(io::stdout().lock());
    report::run(&report, layout(false), &mut out)?;
    Ok(ExitCode::SUCCESS)
}
