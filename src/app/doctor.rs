//! `hopline doctor`: what works here, and if not, why and what to do.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;

use crate::app::{clock, look, rights};
use crate::capture::live::{Opened, Settings};
use crate::capture::{CaptureError, Options};
use crate::config::{ConfigError, Look};
use crate::tui::theme::Ground;

/// The ring that is asked for in trying; the default's.
const BUFFER: usize = 64_000_000;
const SNAPLEN: u32 = 512;

/// One ability.
struct Finding {
    ability: &'static str,
    works: bool,
    /// Why, and what to do where it does not.
    why: String,
}

/// The findings, a line each.
pub(super) fn text(look: Result<Look, ConfigError>) -> String {
    let mut out = String::new();
    for finding in findings(look) {
        let answer = if finding.works { "yes" } else { "no" };
        let _ = writeln!(out, "{:<14} {answer:<3}  {}", finding.ability, finding.why);
    }
    out
}

fn findings(look: Result<Look, ConfigError>) -> Vec<Finding> {
    let (capture, interfaces) = capture();
    let mut found = vec![capture];
    found.extend(interfaces);
    found.push(sandbox());
    found.push(screen());
    found.push(configuration(look));
    for ability in ["conntrack", "hook tracing", "names"] {
        let why = "not a part of this version: translations and names come from packets alone".to_owned();
        found.push(Finding { ability, works: false, why });
    }
    found
}

/// Opens what a live capture would, and closes it again.
fn capture() -> (Finding, Option<Finding>) {
    let settings = Settings {
        node: "doctor".to_owned(),
        globs: Vec::new(),
        options: Options::default(),
        filter: None,
        snaplen: SNAPLEN,
        buffer: BUFFER,
        remotes: Vec::new(),
        can_trace: false,
        program: std::path::PathBuf::new(),
    };
    let finding = |works, why| Finding { ability: "capture", works, why };
    match Opened::new(&settings, None, clock::now, Arc::new(|_| {})) {
        Ok(opened) => {
            let right = if rights::may_capture() { "CAP_NET_RAW is there" } else { "it could be opened" };
            let why = format!("{right}; libpcap tells interfaces apart on `any`");
            (finding(true, why), Some(interfaces(&opened)))
        }
        Err(CaptureError::NoRights) => (finding(false, rights::missing()), None),
        Err(error) => (finding(false, error.to_string()), None),
    }
}

fn interfaces(opened: &Opened) -> Finding {
    let found = opened.interfaces();
    let names: Vec<String> = found.iter().map(|(name, role)| format!("{name} ({})", role.name())).collect();
    let works = found.iter().any(|(name, _)| name != "lo");
    let why = if works {
        names.join(", ")
    } else {
        format!("nothing matches {}; name others: hopline live -i 'eth*' -i 'veth*'", opened.globs())
    };
    Finding { ability: "interfaces", works, why }
}

fn sandbox() -> Finding {
    let works = rights::can_confine();
    let why = if works {
        "Landlock closes the file system off while packets are parsed"
    } else {
        "this kernel has no Landlock (since 5.13, and in the boot parameter lsm=); all other rights are given up all the same"
    };
    Finding { ability: "sandbox", works, why: why.to_owned() }
}

fn screen() -> Finding {
    let works = std::io::stdout().is_terminal();
    let why = if works {
        "standard output is a terminal"
    } else {
        "standard output is no terminal; use --headless"
    };
    Finding { ability: "screen", works, why: why.to_owned() }
}

/// Which file is read for what the user likes, and whether it can be.
fn configuration(look: Result<Look, ConfigError>) -> Finding {
    let read = look.and_then(|read| look::screen(&read, Ground::default()).map(|_| read.file));
    let (works, why) = match read {
        Ok(Some(file)) => (true, format!("{} is read", file.display())),
        Ok(None) => {
            let places: Vec<String> =
                look::surroundings().places.iter().map(|place| place.display().to_string()).collect();
            (true, format!("there is no file; one may be at {}", places.join(" or ")))
        }
        Err(error) => (false, error.to_string()),
    };
    Finding { ability: "configuration", works, why }
}
