//! Which process listens at which of the node's addresses: the kernel's socket tables and the processes' open files
//! (`proc(5)`).

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::capture::naming::printable;
use crate::model::{Endpoint, Names};

/// Tables of sockets with the state of one that waits for others: TCP_LISTEN; of UDP, one without a peer.
const TABLES: [(&str, &str); 4] = [
    ("/proc/thread-self/net/tcp", "0A"),
    ("/proc/thread-self/net/tcp6", "0A"),
    ("/proc/thread-self/net/udp", "07"),
    ("/proc/thread-self/net/udp6", "07"),
];

/// Adds the processes that listen at the node's addresses `own`.
pub(super) fn read(own: &[IpAddr], names: &mut Names) {
    let mut sockets = Vec::new();
    for (path, state) in TABLES {
        let table = fs::read_to_string(path).unwrap_or_default();
        sockets.extend(table.lines().filter_map(|line| socket(line, state)));
    }
    if sockets.is_empty() {
        return;
    }
    let owners = owners();
    for (ip, port, inode) in sockets {
        let Some(process) = owners.get(&inode) else { continue };
        for at in places(ip, own) {
            names.listener(Endpoint::new(at.into(), port), process);
        }
    }
}

/// A listening socket's address, port and inode.
fn socket(line: &str, wanted: &str) -> Option<(IpAddr, u16, u64)> {
    let mut columns = line.split_ascii_whitespace();
    let (local, state) = (columns.nth(1)?, columns.nth(1)?);
    let inode = columns.nth(5)?.parse().ok()?;
    if state != wanted {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    Some((address(ip)?, u16::from_str_radix(port, 16).ok()?, inode))
}

/// An address in the machine's words, in hexadecimal.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    if text.len() == 8 {
        return word(0).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?];
    let octets: [u8; 16] = words.concat().try_into().ok()?;
    let ip = Ipv6Addr::from(octets);
    Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4))
}

/// The addresses at which a socket is reached from elsewhere.
fn places(ip: IpAddr, own: &[IpAddr]) -> Vec<IpAddr> {
    match ip {
        // One for IPv6 usually takes IPv4 as well (`bindv6only` of ip(7)).
        IpAddr::V6(any) if any.is_unspecified() => own.to_vec(),
        IpAddr::V4(any) if any.is_unspecified() => own.iter().copied().filter(IpAddr::is_ipv4).collect(),
        other if other.is_loopback() => Vec::new(),
        other => vec![other],
    }
}

/// The processes' names by the inodes of their sockets.
fn owners() -> HashMap<u64, String> {
    let mut owners = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in
        processes.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
    {
        let path = process.path();
        let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
        for file in fs::read_dir(path.join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(file.path()) else { continue };
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            if let Some(inode) = inode.and_then(|inode| inode.parse().ok()) {
                owners.entry(inode).or_insert_with(|| printable(name.trim()));
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0";
        let of = |line: &str| socket(line, "0A");
        assert_eq!(
            of(v4),
            Some(("127.0.0.1".parse().expect("ip"), 8080, 77)).filter(|_| cfg!(target_endian = "little"))
        );
        assert_eq!(of(&v4.replace(" 0A ", " 01 ")), None);
        let v6 = "   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1 0";
        assert_eq!(of(v6), Some(("::".parse().expect("ip"), 80, 78)));
        assert_eq!(
            of(
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
            ),
            None
        );
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_socket_for_all_addresses_is_at_each_and_one_for_itself_at_none() {
        let own: Vec<IpAddr> = ["192.168.50.11", "fd00::11"].map(|text| text.parse().expect("ip")).to_vec();
        let at = |text: &str| places(text.parse().expect("ip"), &own);
        assert_eq!(at("::"), own);
        assert_eq!(at("0.0.0.0"), own[..1]);
        assert!(at("127.0.0.1").is_empty());
        assert_eq!(at("192.168.50.100"), ["192.168.50.100".parse::<IpAddr>().expect("ip")]);
    }

    #[test]
    fn this_process_is_found_by_a_socket_of_its_own() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let table = fs::read_to_string(TABLES[0].0).expect("the table");
        let own = table.lines().filter_map(|line| socket(line, "0A")).find(|(_, at, _)| *at == port);
        let (_, _, inode) = own.expect("the socket is listed");
        let name = fs::read_to_string("/proc/self/comm").expect("a name");
        assert_eq!(owners().get(&inode).map(String::as_str), Some(name.trim()));
    }
}
