//! Names of addresses from a file: what kubectl writes, or the form of /etc/hosts (`hosts(5)`).

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::capture::CaptureError;
use crate::capture::naming::printable;
use crate::capture::objects::List;
use crate::model::{Endpoint, Ip, Names, Timestamp};

/// A larger file is none of these; a cluster of thousands of pods makes a tenth of it.
const LARGEST: u64 = 256 << 20;

/// Adds the names of a file to `names`.
///
/// # Errors
/// When it cannot be read, or is neither JSON of Kubernetes objects nor lines of address and name.
pub fn read_names(path: &Path, names: &mut Names) -> Result<(), CaptureError> {
    let wrong = |cause: String| CaptureError::Names { path: path.display().to_string(), cause };
    let mut text = String::new();
    let file = File::open(path).map_err(|cause| wrong(cause.to_string()))?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|cause| wrong(cause.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(wrong("it is too large to be a list of names".to_owned()));
    }
    if text.trim_start().starts_with('{') {
        let list: List = serde_json::from_str(&text).map_err(|cause| wrong(cause.to_string()))?;
        list.tell(names);
        return Ok(());
    }
    hosts(&text, names).map_err(wrong)
}

/// Lines of an address and its names, of which the first counts.
fn hosts(text: &str, names: &mut Names) -> Result<(), String> {
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next() else { continue };
        match (address.parse::<Ip>(), words.next()) {
            (Ok(ip), Some(name)) => names.name(ip, &printable(name)),
            _ => return Err(format!("line {number} is no address and name: {}", printable(line.trim()))),
        }
    }
    Ok(())
}

/// What a recording says of names beside a name resolution block's records: a line each.
///
/// Lines are `hopline service 10.43.7.9`, `hopline node 192.168.50.11`, `hopline port 10.43.7.9:80 http`,
/// `hopline listens 192.168.50.11:80 haproxy` and, with nanoseconds since the epoch,
/// `hopline since 10.244.2.33 1795379400000000000 shop/web-7d9f`.
pub(super) fn read_line(line: &str, names: &mut Names) {
    let mut words = line.splitn(4, ' ');
    if words.next() != Some("hopline") {
        return;
    }
    let (Some(kind), Some(place)) = (words.next(), words.next()) else { return };
    let endpoint =
        || place.parse().ok().map(|socket: SocketAddr| Endpoint::new(socket.ip().into(), socket.port()));
    match (kind, place.parse::<Ip>().ok(), words.next()) {
        ("service", Some(ip), None) => names.service(ip, ""),
        ("node", Some(ip), None) => names.node(ip, ""),
        ("since", Some(ip), Some(tenant)) => {
            if let Some((since, name)) = tenant.split_once(' ')
                && let Ok(since) = since.parse()
            {
                names.tenant(ip, Timestamp(since), &printable(name));
            }
        }
        ("port", None, Some(name)) => {
            if let Some(endpoint) = endpoint() {
                names.port(endpoint, &printable(name));
            }
        }
        ("listens", None, Some(name)) => {
            if let Some(endpoint) = endpoint() {
                names.listener(endpoint, &printable(name));
            }
        }
        _ => {}
    }
}

/// The lines that [`read_line`] reads.
pub(super) fn lines(names: &Names) -> impl Iterator<Item = String> {
    let services = names.services.iter().map(|ip| format!("hopline service {ip}"));
    let nodes = names.nodes.iter().map(|ip| format!("hopline node {ip}"));
    let ports = names.ports.iter().map(|(endpoint, name)| format!("hopline port {endpoint} {name}"));
    let listeners =
        names.listeners.iter().map(|(endpoint, name)| format!("hopline listens {endpoint} {name}"));
    let tenants =
        names.tenants.iter().map(|((ip, since), name)| format!("hopline since {ip} {} {name}", since.0));
    services.chain(nodes).chain(ports).chain(listeners).chain(tenants)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Names, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("names");
        std::fs::write(&path, text).expect("a file");
        let mut names = Names::default();
        read_names(&path, &mut names).map(|()| names).map_err(|error| error.to_string())
    }

    fn ip(text: &str) -> Ip {
        text.parse().expect(text)
    }

    #[test]
    fn a_hosts_file_names_addresses_and_mistakes_have_a_place() {
        let names = read("# all\n10.0.0.1 db db.shop  # main\n\nfd00::7\tcache\n").expect("names");
        assert_eq!(names.addresses[&ip("10.0.0.1")], "db");
        assert_eq!(names.addresses[&ip("fd00::7")], "cache");
        let said = read("10.0.0.1 db\n10.0.0 \u{1b}[2J\n").expect_err("a mistake");
        assert!(said.contains("line 2") && !said.contains('\u{1b}'), "{said}");
        assert!(read("{\"items\": 7}").expect_err("a mistake").contains("line 1"));
    }

    #[test]
    fn names_never_carry_what_moves_a_cursor() {
        let names = read("10.0.0.1 a\u{1b}[2Jb\u{202e}\n").expect("names");
        assert_eq!(names.addresses[&ip("10.0.0.1")], "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn lines_of_a_recording_are_read_as_they_are_written() {
        let mut told = Names::default();
        told.service(ip("10.43.7.9"), "");
        told.node(ip("fd00::1"), "");
        told.port(Endpoint::new(ip("10.43.7.9"), 80), "http");
        told.listener(Endpoint::new(ip("fd00::1"), 80), "haproxy of mine");
        told.tenant(ip("10.244.2.33"), Timestamp(-7), "shop/web");
        told.tenant(ip("10.244.2.33"), Timestamp(1_795_379_400_000_000_000), "shop/other one");
        let mut read = Names::default();
        for line in lines(&told) {
            read_line(&line, &mut read);
        }
        assert_eq!(read, told);
        for other in [
            "",
            "hopline",
            "hopline port 10.0.0.1 x",
            "hopline service x",
            "hopline since 10.0.0.1 now x",
            "hopline since 10.0.0.1 7",
            "a comment",
            "hopline port 1.1.1.1:1",
        ] {
            read_line(other, &mut read);
        }
        assert_eq!(read, told);
    }
}
