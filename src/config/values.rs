//! Single arguments: each is read here and nowhere else.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use ipnet::IpNet;

use super::{ConfigError, Speed};
use crate::capture::live::{RemoteSpec, Rotate};
use crate::capture::{self, Cluster, IfMapEntry, SourcePath, SourceSpec};
use crate::model::{Ip, Names, Proxy, ProxyAddress};
use crate::timeline::filter;

fn unusable<T>(what: String) -> Result<T, ConfigError> {
    Err(ConfigError::Unusable(what))
}

/// Reads `[NODE=]FILE` or `[NODE=]-`. What stands before a `=` is a node's name only if it looks like one,
/// so `./a=b.pcap` is a file.
///
/// # Errors
/// When what stands before the `=` is no node's name, or nothing follows it.
pub fn source(text: OsString) -> Result<SourceSpec, ConfigError> {
    let bytes = text.as_bytes();
    let Some(split) = bytes.iter().position(|&byte| byte == b'=').filter(|&at| !bytes[..at].contains(&b'/'))
    else {
        return Ok(SourceSpec { node: None, path: path(text) });
    };
    let (name, file) = (String::from_utf8_lossy(&bytes[..split]), OsStr::from_bytes(&bytes[split + 1..]));
    if !is_node_name(&name) || file.is_empty() {
        let text = OsString::from_vec(bytes.to_vec());
        return unusable(format!(
            "{}: want NODE=FILE, where a node's name is of letters, digits, `-`, `_` and `.`; for a file with `=` in its name try ./FILE",
            text.display()
        ));
    }
    Ok(SourceSpec { node: Some(name.into_owned()), path: path(file.to_owned()) })
}

fn path(text: OsString) -> SourcePath {
    if text == "-" { SourcePath::Stdin } else { SourcePath::File(text.into()) }
}

fn is_node_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// Reads `[NODE:]3=bond1,7=cali6f1d` as often as it was given.
pub(super) fn ifmap(texts: &[String]) -> Result<Vec<IfMapEntry>, ConfigError> {
    let mut entries = Vec::new();
    for text in texts {
        match IfMapEntry::parse_list(text) {
            Ok(more) => entries.extend(more),
            Err(what) => return unusable(format!("--ifmap {text}: {what}")),
        }
    }
    Ok(entries)
}

/// The globs that were given, else those that hold without any.
pub(super) fn globs(given: Vec<String>, usual: Vec<String>) -> Vec<String> {
    if given.is_empty() { usual } else { given }
}

/// Reads `NODE=OFFSET` as often as it was given; offsets in nanoseconds.
pub(super) fn clocks(texts: &[String]) -> Result<Vec<(String, i64)>, ConfigError> {
    let mut clocks: Vec<(String, i64)> = Vec::new();
    for text in texts {
        let Some((node, offset)) = text.split_once('=').filter(|(node, _)| is_node_name(node)) else {
            return unusable(format!("--clock {text}: want NODE=OFFSET, as in kappa2=+3.7s"));
        };
        let (sign, size) = match offset.strip_prefix('-') {
            Some(size) => (-1, size),
            None => (1, offset.strip_prefix('+').unwrap_or(offset)),
        };
        let Some(nanos) = filter::duration(size) else {
            return unusable(format!(
                "--clock {text}: an offset is a number with a unit: +3.7s, -900ms, 250us"
            ));
        };
        if clocks.iter().any(|(known, _)| known == node) {
            return unusable(format!("--clock {text}: {node} has an offset already; give one for each node"));
        }
        clocks.push((node.to_owned(), sign * nanos));
    }
    Ok(clocks)
}

/// Reads address ranges for the option `name`.
pub(super) fn ranges(name: &str, texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let read = |text: &String| match text.parse::<IpNet>() {
        Ok(range) => Ok(range.trunc()),
        Err(_) => unusable(format!("{name} {text}: want a range of addresses, as in 10.244.0.0/16")),
    };
    texts.iter().map(read).collect()
}

/// Reads `KIND=ADDRESS[:PORT]` as often as it was given.
pub(super) fn proxies(texts: &[String]) -> Result<Vec<ProxyAddress>, ConfigError> {
    let read = |text: &String| {
        let wanted =
            || unusable(format!("--proxy {text}: want KIND=ADDRESS[:PORT], as in haproxy=192.168.50.100:80"));
        let Some((kind, address)) = text.split_once('=') else { return wanted() };
        let kind = match kind {
            "haproxy" => Proxy::Haproxy,
            "traefik" => Proxy::Traefik,
            "other" => Proxy::Unknown,
            _ => return unusable(format!("--proxy {text}: the kind of proxy is haproxy, traefik or other")),
        };
        if let Ok(socket) = address.parse::<SocketAddr>() {
            return Ok(ProxyAddress { kind, ip: socket.ip().into(), port: Some(socket.port()) });
        }
        match address.parse::<Ip>() {
            Ok(ip) => Ok(ProxyAddress { kind, ip, port: None }),
            Err(_) => wanted(),
        }
    };
    texts.iter().map(read).collect()
}

/// Reads files of names; what the first says of an address stays.
pub(super) fn names(files: &[PathBuf]) -> Result<Names, ConfigError> {
    let mut names = Names::default();
    for file in files {
        capture::read_names(file, &mut names).map_err(|error| ConfigError::Unusable(error.to_string()))?;
    }
    Ok(names)
}

/// The cluster that is asked for names.
///
/// # Errors
/// Where this program was built without.
pub(super) fn cluster(context: Option<String>, kubeconfig: Option<PathBuf>) -> Result<Cluster, ConfigError> {
    Cluster::new(context, kubeconfig).map_err(|error| ConfigError::Unusable(error.to_string()))
}

/// Reads `120x36`: columns and rows, each from 1 to 1000.
pub(super) fn size(text: &str) -> Result<(u16, u16), ConfigError> {
    let cells = |number: &str| number.parse::<u16>().ok().filter(|cells| (1..=1000).contains(cells));
    match text.split_once('x').map(|(columns, rows)| (cells(columns), cells(rows))) {
        Some((Some(columns), Some(rows))) => Ok((columns, rows)),
        _ => unusable(format!("--size {text}: want columns and rows, as in 120x36")),
    }
}

/// Reads `max`, `1x`, `10x`, `0.5x`.
pub(super) fn speed(text: &str) -> Result<Speed, ConfigError> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
    match times.filter(|times| times.is_finite() && *times > 0.0) {
        Some(times) => Ok(Speed::Times(times)),
        None => unusable(format!("--speed {text}: want max, or times the recorded speed: 1x, 10x, 0.5x")),
    }
}

/// Reads `64MB`, `512kB`, `1GB` or a number of bytes; units are powers of 1000, and of 1024 as in `64MiB`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "k" | "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "M" | "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "G" | "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|&bytes| bytes > 0)
}

/// Reads a duration with a unit, more than 0; in nanoseconds.
fn nanos(text: &str) -> Option<i64> {
    filter::duration(text).filter(|&nanos| nanos > 0)
}

/// Reads the size of the kernel's buffer.
pub(super) fn buffer(text: &str) -> Result<usize, ConfigError> {
    // libpcap takes an int.
    match bytes(text).filter(|bytes| (1 << 16..=2_000_000_000).contains(bytes)) {
        Some(bytes) => Ok(bytes as usize),
        None => unusable(format!("--buffer {text}: want a size from 64KiB to 2GB, as in 64MB")),
    }
}

/// Reads `--duration` and `--trace-for`, by their names.
pub(super) fn span(name: &str, text: &str) -> Result<std::time::Duration, ConfigError> {
    match nanos(text) {
        Some(nanos) => Ok(std::time::Duration::from_nanos(nanos as u64)),
        None => unusable(format!("{name} {text}: want a time with a unit, as in 30s or 10m")),
    }
}

/// Reads `--rotate`: a size or a time.
pub(super) fn rotate(text: &str) -> Result<Rotate, ConfigError> {
    let size = bytes(text).filter(|_| !text.ends_with(|last: char| last.is_ascii_digit())).map(Rotate::Bytes);
    match size.or_else(|| nanos(text).map(Rotate::After)) {
        Some(rotate) => Ok(rotate),
        None => unusable(format!("--rotate {text}: want a size or a time with a unit, as in 100MB or 10m")),
    }
}

/// Checks a node's name.
pub(super) fn node(text: String) -> Result<String, ConfigError> {
    if is_node_name(&text) {
        return Ok(text);
    }
    unusable(format!("--name {text}: a node's name is of letters, digits, `-`, `_` and `.`"))
}

/// Reads `--node`: `NODE=COMMAND`.
pub(super) fn remote(text: &str) -> Result<RemoteSpec, ConfigError> {
    match text.split_once('=') {
        Some((node, command)) if is_node_name(node) && !command.trim().is_empty() => {
            Ok(RemoteSpec { node: node.to_owned(), command: command.to_owned() })
        }
        _ => unusable(format!(
            "--node {text}: want NODE=COMMAND, as in kappa2='ssh kappa2 tcpdump -U -w - -i any'"
        )),
    }
}
