//! What the node itself says of addresses, read once before the rights are given up: Services by kube-proxy's
//! rules, processes that listen, and who lives in the network namespaces behind its interfaces.

mod listeners;
mod residents;
mod services;

use std::io::Read as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use crate::model::Names;

/// Output of a command beyond this is left out.
const LONGEST_OUTPUT: u64 = 64 << 20;
/// What lists rules, where it is there. The listing programs change nothing and load no tables.
const LISTINGS: [(&str, &[&str]); 6] = [
    ("iptables-save", &[]),
    ("ip6tables-save", &[]),
    ("iptables-legacy-save", &[]),
    ("ip6tables-legacy-save", &[]),
    ("nft", &["list", "map", "ip", "kube-proxy", "service-ips"]),
    ("nft", &["list", "map", "ip6", "kube-proxy", "service-ips"]),
];

/// Everything that can be learned here. `own` are the node's addresses.
pub(super) fn names(own: &[IpAddr]) -> Names {
    let mut names = Names::default();
    for (program, arguments) in LISTINGS {
        services::read(&output(program, arguments), &mut names);
    }
    listeners::read(own, &mut names);
    residents::read(own, &mut names);
    names
}

/// What a program says; nothing where it is not there or fails.
fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return String::new() };
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // What came before it failed is of use.
        let _ = stdout.take(LONGEST_OUTPUT).read_to_end(&mut bytes);
    }
    let _ = child.wait();
    String::from_utf8_lossy(&bytes).into_owned()
}
