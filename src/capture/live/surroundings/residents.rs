//! Who lives in the network namespaces behind this node's interfaces: a pod is a namespace with an address that the
//! node routes to one of them, and its name is that of its host (`hostname(7)`), else of its first process.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::capture::naming::printable;
use crate::model::Names;

/// Namespaces that are looked at; a node has a few hundred pods.
const MOST: usize = 4096;

/// The node's routes (`proc(5)`).
const ROUTES_V4: &str = "/proc/thread-self/net/route";
const ROUTES_V6: &str = "/proc/thread-self/net/ipv6_route";

/// Adds a name for the addresses of every other namespace behind this node; `own` are the node's addresses.
pub(super) fn read(own: &[IpAddr], names: &mut Names) {
    let file = |path| fs::read_to_string(path).unwrap_or_default();
    let behind: HashSet<IpAddr> =
        routed_v4(&file(ROUTES_V4)).into_iter().chain(routed_v6(&file(ROUTES_V6))).collect();
    if behind.is_empty() {
        return;
    }
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
        for ip in addresses(&path).into_iter().filter(|ip| behind.contains(ip) && !own.contains(ip)) {
            names.name(ip.into(), &name);
        }
    }
}

/// Single hosts that are reached without a router, as Felix routes pods: interface, destination, gateway, flags, three
/// counts, mask; numbers in the machine's order.
fn routed_v4(table: &str) -> Vec<IpAddr> {
    let read = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, destination, "00000000", _, _, _, _, "FFFFFFFF", ..] = columns[..] else { return None };
        let number = u32::from_str_radix(destination, 16).ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(number.to_ne_bytes())))
    };
    table.lines().filter_map(read).collect()
}

/// The same: destination, its prefix length, source, its prefix length, next hop, four counts, interface.
fn routed_v6(table: &str) -> Vec<IpAddr> {
    let read = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [destination, "80", _, _, hop, _, _, _, _, interface] = columns[..] else { return None };
        let is_direct = hop.bytes().all(|digit| digit == b'0') && interface != "lo";
        is_direct.then(|| v6_address(destination))?
    };
    table.lines().filter_map(read).collect()
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
    fn single_hosts_behind_interfaces_are_told_from_other_routes() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
bond1\t00000000\t0132A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
cali21\t1501F40A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
bond1\t0032A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";
        let expected = if cfg!(target_endian = "little") { "10.244.1.21" } else { "21.1.244.10" };
        assert_eq!(routed_v4(v4), [expected.parse::<IpAddr>().expect("ip")]);
        let zeros = "0".repeat(32);
        let pod = "fd000010024400010000000000000021";
        let line = |prefix, hop: &str, interface| {
            format!("{pod} {prefix} {zeros} 00 {hop} 00000400 00000001 00000000 00000001 {interface}\n")
        };
        let v6 = line("80", &zeros, "cali21")
            + &line("40", &zeros, "bond1")
            + &line("80", pod, "bond1")
            + &line("80", &zeros, "lo");
        assert_eq!(routed_v6(&v6), ["fd00:10:244:1::21".parse::<IpAddr>().expect("ip")]);
    }

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
