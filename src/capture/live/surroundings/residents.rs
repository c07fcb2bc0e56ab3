//! Who lives in the other network namespaces of this machine: a pod is a namespace with an address, and its name is
//! that of its host (`hostname(7)`), else of its first process.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::capture::naming::printable;
use crate::model::Names;

/// Namespaces that are looked at; a node has a few hundred pods.
const MOST: usize = 4096;

/// Adds a name for the addresses of every other namespace; `own` are the node's addresses.
pub(super) fn read(own: &[IpAddr], names: &mut Names) {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path()));
    // By number, so that the first process of a namespace comes first.
    let processes: BTreeMap<u32, PathBuf> = processes.filter_map(number).collect();
    let mut seen: HashSet<PathBuf> = namespace(Path::new("/proc/thread-self"), "net").into_iter().collect();
    let host = namespace(Path::new("/proc/thread-self"), "uts");
    for path in processes.into_values() {
        let Some(namespace_here) = namespace(&path, "net") else { continue };
        if seen.len() >= MOST || !seen.insert(namespace_here) {
            continue;
        }
        let Some(name) = name(&path, host.as_deref()) else { continue };
        for ip in addresses(&path).into_iter().filter(|ip| !own.contains(ip)) {
            names.name(ip.into(), &name);
        }
    }
}

fn namespace(process: &Path, kind: &str) -> Option<PathBuf> {
    fs::read_link(process.join("ns").join(kind)).ok()
}

/// A pod has a host's name of its own.
fn name(process: &Path, host: Option<&Path>) -> Option<String> {
    let has_own_name = namespace(process, "uts").as_deref() != host;
    let of_host = || fs::read_to_string(process.join("root/etc/hostname")).ok();
    let of_process = || fs::read_to_string(process.join("comm")).ok();
    let name = if has_own_name { of_host().or_else(of_process) } else { of_process() }?;
    Some(printable(name.trim())).filter(|name| !name.is_empty())
}

/// The addresses of the process's network namespace.
fn addresses(process: &Path) -> Vec<IpAddr> {
    let v4 = fs::read_to_string(process.join("net/fib_trie")).unwrap_or_default();
    let v6 = fs::read_to_string(process.join("net/if_inet6")).unwrap_or_default();
    let mut all = local_v4(&v4);
    all.extend(v6.lines().filter_map(|line| line.split(' ').next().and_then(v6_address)));
    all.retain(|ip| {
        !ip.is_loopback() && !matches!(ip, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80)
    });
    all.sort_unstable();
    all.dedup();
    all
}

/// Leaves of the routing table, and under each what it is: `|-- 10.244.1.21`, `/32 host LOCAL`.
fn local_v4(table: &str) -> Vec<IpAddr> {
    let mut leaf = None;
    let mut found = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<IpAddr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf);
        }
    }
    found
}

fn v6_address(text: &str) -> Option<IpAddr> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(IpAddr::V6(Ipv6Addr::from_bits(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_the_leaves_that_are_the_hosts() {
        let table = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 1
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.21
           /32 host LOCAL
Local:
        |-- 127.0.0.1
           /32 host LOCAL
";
        let of = local_v4(table);
        assert_eq!(of, ["10.244.1.21", "127.0.0.1"].map(|text| text.parse::<IpAddr>().expect("ip")));
        assert_eq!(v6_address("fd000010024400010000000000000021"), "fd00:10:244:1::21".parse().ok());
        assert_eq!(v6_address("fd00"), None);
    }
}
