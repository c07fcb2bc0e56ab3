//! What a file's name says of its node and interface, and text from files made fit to print.

use std::path::Path;

use crate::capture::options::Options;

/// Endings that tell how a file is packed or which capture tool wrote it, not who it is about.
const EXTENSIONS: &[&str] = &["gz", "zst", "zstd", "pcap", "pcapng", "cap", "dmp", "ntar", "any"];
/// Kernel names of physical and bonded devices, each followed by a number.
const DEVICES: &[&str] = &["eth", "ens", "eno", "enp", "bond", "team", "veth"];
/// IFNAMSIZ of `linux/if.h`, less the closing NUL.
const LONGEST_INTERFACE: usize = 15;
/// Names that are longer than this are cut; no real one is.
const LONGEST_NAME: usize = 255;

/// What a recording's file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) node: String,
    /// From a last part such as `.bond1` or `-cali…`.
    pub(super) interface: Option<String>,
    /// The name without endings and rotation numbers: equal for the parts of one capture.
    pub(super) stem: String,
}

impl FileName {
    pub(super) fn of(path: &Path, options: &Options) -> FileName {
        let stem = stem(&path.file_name().unwrap_or_default().to_string_lossy());
        let (node, interface) = split(&stem, options);
        // A name that is an interface only (`bond1.pcap`) lies in its node's directory.
        let node = if node.is_empty() { directory_of(path) } else { node.to_owned() };
        FileName { node: printable(&node), interface: interface.map(str::to_owned), stem: stem.clone() }
    }
}

/// Whether the file's ending is one that capture tools use.
pub(super) fn looks_like_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.split('.')
        .skip(1)
        .any(|part| matches!(without_number(part), "pcap" | "pcapng" | "cap" | "dmp" | "ntar"))
}

/// `text` with everything that could move a cursor or reorder a line replaced by U+FFFD, and cut if overlong.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .take(LONGEST_NAME)
        .map(|character| match character {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                '\u{fffd}'
            }
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

fn stem(name: &str) -> String {
    let mut stem = name;
    while let Some((rest, last)) = stem.rsplit_once('.') {
        // `tcpdump -C` and `-W` add a number after the whole name: `kappa1.pcap3`.
        let known = |part: &str| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(part));
        if rest.is_empty() || !(known(last) || known(without_number(last))) {
            break;
        }
        stem = rest;
    }
    without_ring_number(stem).to_owned()
}

fn without_number(part: &str) -> &str {
    part.trim_end_matches(|character: char| character.is_ascii_digit())
}

/// Takes off what `dumpcap -b` adds: `_00001_20261122201530`.
fn without_ring_number(stem: &str) -> &str {
    let is_number = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((rest, date)) = stem.rsplit_once('_') else { return stem };
    match rest.rsplit_once('_') {
        Some((name, count)) if is_number(date, 14) && is_number(count, 5) && !name.is_empty() => name,
        _ => stem,
    }
}

/// Splits `kappa1.bond1`, `kappa1-cali12`, `kappa1_lo` into node and interface.
fn split<'a>(stem: &'a str, options: &Options) -> (&'a str, Option<&'a str>) {
    if is_interface(stem, options) {
        return ("", Some(stem));
    }
    // From the left, so that `kappa1.vxlan.calico` gives the whole of `vxlan.calico`.
    for (at, _) in stem.match_indices(['.', '-', '_']) {
        let (node, interface) = (&stem[..at], &stem[at + 1..]);
        if !node.is_empty() && is_interface(interface, options) {
            return (node, Some(interface));
        }
    }
    (stem, None)
}

fn is_interface(name: &str, options: &Options) -> bool {
    let has_number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let is_device = |device: &&str| name.strip_prefix(*device).is_some_and(has_number);
    !name.is_empty()
        && name.len() <= LONGEST_INTERFACE
        && (options.is_named(name) || DEVICES.iter().any(is_device))
}

fn directory_of(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let parent = absolute.parent().and_then(Path::file_name);
    parent.map_or_else(|| "node".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_node_and_interface() {
        for (path, node, interface) in [
            ("x/kappa1.any.pcap.gz", "kappa1", None),
            ("kappa1.pcapng", "kappa1", None),
            ("kappa1.example.org.pcap", "kappa1.example.org", None),
            ("kappa1.PCAP.ZST", "kappa1", None),
            ("kappa1.pcap12", "kappa1", None),
            ("kappa1_00003_20261122203000.pcapng", "kappa1", None),
            ("kappa1.bond1.pcap", "kappa1", Some("bond1")),
            ("kappa-1_bond1.pcap", "kappa-1", Some("bond1")),
            ("kappa-1-cali0123456789a.pcap.zst", "kappa-1", Some("cali0123456789a")),
            ("kappa1.vxlan.calico.pcap", "kappa1", Some("vxlan.calico")),
            ("kappa1-lo.pcap", "kappa1", Some("lo")),
            ("kappa1-eth0.pcap", "kappa1", Some("eth0")),
            ("kappa-1.pcap", "kappa-1", None),
            ("/rec/kappa1/bond1.pcap", "kappa1", Some("bond1")),
            (".pcap", ".pcap", None),
        ] {
            let found = FileName::of(Path::new(path), &Options::default());
            assert_eq!((found.node.as_str(), found.interface.as_deref()), (node, interface), "{path}");
        }
    }

    #[test]
    fn a_glob_for_everything_does_not_split_names() {
        let options = Options { uplinks: vec!["*".to_owned()], ..Options::default() };
        assert_eq!(FileName::of(Path::new("my-node.pcap"), &options).node, "my-node");
    }

    #[test]
    fn names_are_made_fit_to_print() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(printable(&"x".repeat(9999)).len(), 255);
    }
}
