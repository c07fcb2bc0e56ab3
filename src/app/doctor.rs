//! `hopline doctor`: what works here, and if not, why and what to do.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;

use crate::app::{clock, live, look, rights};
use crate::capture::live::{Missing, Opened, can_trace};
use crate::capture::{CaptureError, Cluster};
use crate::config::{Capture, ConfigError, Look};
use crate::model::Notice;
use crate::timeline::{Manner, notices};
use crate::tui::theme::Ground;

/// Tables of iptables-legacy, in which nf_tables has no part; empty or not there where it is not used.
const LEGACY_TABLES: &str = "/proc/self/net/ip_tables_names";

/// One ability.
struct Finding {
    ability: &'static str,
    works: bool,
    /// Why, and what to do where it does not.
    why: String,
}

/// The findings about what `wanted` would capture, and about the look, a line each.
///
/// # Errors
/// When this node's name or this program is not known.
pub(super) fn text(wanted: &Capture, look: Result<Look, ConfigError>) -> anyhow::Result<String> {
    let mut out = String::new();
    for finding in findings(wanted, look)? {
        let answer = if finding.works { "yes" } else { "no" };
        let _ = writeln!(out, "{:<14} {answer:<3}  {}", finding.ability, finding.why);
    }
    Ok(out)
}

fn findings(wanted: &Capture, look: Result<Look, ConfigError>) -> anyhow::Result<Vec<Finding>> {
    let mut found = capture(wanted)?;
    found.extend(wanted.input.cluster.as_ref().map(kubernetes));
    found.push(sandbox());
    found.push(screen());
    found.push(configuration(look));
    found.push(tracing());
    Ok(found)
}

/// Opens what a live capture would, and closes it again.
fn capture(wanted: &Capture) -> anyhow::Result<Vec<Finding>> {
    let (notices, said) = crossbeam_channel::unbounded();
    let tell = Arc::new(move |notice| drop(notices.send(notice)));
    let finding = |works, why| Finding { ability: "capture", works, why };
    let opened = match Opened::new(&live::settings(wanted, &[])?, None, clock::now, tell) {
        Ok(opened) => opened,
        Err(CaptureError::NoRights) => return Ok(without_capture(finding(false, rights::missing()))),
        Err(error) => return Ok(without_capture(finding(false, error.to_string()))),
    };
    let right = if rights::may_capture() { "CAP_NET_RAW is there" } else { "it could be opened" };
    let is_of_handles = |notice: &Notice| matches!(notice, Notice::Apart(_) | Notice::Failed(_));
    let notices: Vec<Notice> = said.try_iter().collect();
    let (conntrack, routes, names) =
        (conntrack(&opened, &notices), routes(&opened, &notices), names(&opened));
    let notices: Vec<Notice> = notices.iter().filter(|notice| is_of_handles(notice)).cloned().collect();
    let how = if notices.is_empty() { "; libpcap tells interfaces apart on `any`" } else { "" };
    let mut found = vec![finding(true, format!("{right}{how}")), interfaces(&opened)];
    for missing in opened.missing() {
        let ability = match missing {
            Missing::Uplink { .. } => "uplink",
            Missing::Workloads { .. } => "pods",
        };
        found.push(Finding { ability, works: false, why: missing.to_string() });
    }
    found.extend(notices.iter().map(|notice| Finding {
        ability: "handles",
        works: !notice.is_trouble(),
        why: notices::sentence(notice, Manner::default()),
    }));
    found.extend([conntrack, routes, names]);
    Ok(found)
}

/// What is not tried where nothing can be captured.
fn without_capture(capture: Finding) -> Vec<Finding> {
    let why = || "not tried, as nothing can be captured; recordings keep what they hold".to_owned();
    let untried = |ability| Finding { ability, works: false, why: why() };
    vec![capture, untried("conntrack"), untried("routes"), untried("names")]
}

/// Why the kernel is not heard of something.
fn deaf(notices: &[Notice], to: &str) -> Option<String> {
    let is_it = |notice: &&Notice| matches!(notice, Notice::Deaf { what, .. } if *what == to);
    notices.iter().find(is_it).map(|notice| notices::sentence(notice, Manner::default()))
}

fn conntrack(opened: &Opened, notices: &[Notice]) -> Finding {
    let why = match deaf(notices, "connection tracking") {
        None => "the table is listed at the start, and every change of it is heard".to_owned(),
        Some(notice) => {
            format!("{notice}; or try `sudo setcap cap_net_raw,cap_net_admin=ep` on this program")
        }
    };
    Finding { ability: "conntrack", works: opened.hears_connections(), why }
}

fn routes(opened: &Opened, notices: &[Notice]) -> Finding {
    let heard = "routes, rules and rp_filter are listed at the start and followed, so a lost packet's missing route is named";
    let why = deaf(notices, "routing").unwrap_or_else(|| heard.to_owned());
    Finding { ability: "routes", works: opened.hears_routes(), why }
}

fn names(opened: &Opened) -> Finding {
    let names = opened.names();
    let (services, listeners) = (names.services.len(), names.listeners.len());
    let others = names.addresses.len().saturating_sub(services);
    let why = format!(
        "{services} Services by kube-proxy's rules, {listeners} listening processes, {others} addresses of other namespaces; \
         more by --names FILE, from `kubectl get pods,svc,endpointslices,nodes -A -o json` or as /etc/hosts"
    );
    Finding { ability: "names", works: !names.is_empty(), why }
}

/// Lists what a capture would watch.
fn kubernetes(cluster: &Cluster) -> Finding {
    let (works, why) = match cluster.list() {
        Ok((names, missing)) if missing.is_empty() => {
            (true, format!("{} addresses have names", names.count()))
        }
        Ok((_, missing)) => (false, missing.join("; ")),
        Err(error) => (false, error.to_string()),
    };
    Finding { ability: "kubernetes", works, why }
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

/// Puts a table for tracing there that fits no packet, and takes it away again.
fn tracing() -> Finding {
    let finding = |works, why| Finding { ability: "hook tracing", works, why };
    if !rights::may_trace() {
        return finding(false, rights::tracing_missing());
    }
    if let Err(why) = can_trace() {
        return finding(false, why);
    }
    let tables = std::fs::read_to_string(LEGACY_TABLES).unwrap_or_default();
    let tables: Vec<&str> = tables.split_whitespace().collect();
    let why = if tables.is_empty() {
        "nf_tables traces, and its rules (iptables-nft's too) are named; `t` on a journey, or --trace"
            .to_owned()
    } else {
        format!(
            "hooks are seen; iptables-legacy's rules (tables {}) cannot be named, as nf_tables does not know them: use iptables-nft",
            tables.join(", ")
        )
    };
    finding(true, why)
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
