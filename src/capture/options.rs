//! What the user may say about the sources: their nodes, interface names and roles.

use std::path::PathBuf;

use crate::model::Role;

/// Interfaces towards the switch, where the user names none.
pub const DEFAULT_UPLINKS: &[&str] = &["bond1"];
/// The node's ends of the pods' veth pairs, where the user names none (Calico's `InterfacePrefix`).
pub const DEFAULT_WORKLOADS: &[&str] = &["cali*"];
/// Overlay devices of Calico and flannel, by the names they are always given.
const TUNNELS: &[&str] = &["tunl0", "vxlan.calico", "vxlan-v6.calico", "flannel.*"];
/// Calico's WireGuard devices. What they encrypt can be read nowhere else: they are the pods' way to other nodes.
const ENCRYPTING: &[&str] = &["wireguard.cali", "wg-v6.cali"];

/// One recording as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// From `NODE=FILE`; else the file's name tells the node.
    pub node: Option<String>,
    pub path: SourcePath,
}

/// Where a recording comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePath {
    /// A file, or a directory of files.
    File(PathBuf),
    Stdin,
    /// A recording that is part of the program, with a name as a file would have it.
    Bundled {
        name: &'static str,
        bytes: &'static [u8],
    },
}

/// A name for an interface that a recording knows by number only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMapEntry {
    /// The node it holds for; every node if `None`.
    pub node: Option<String>,
    /// The kernel's interface index (LINUX_SLL2), or the interface's place in the file, from 0.
    pub index: u32,
    pub name: String,
}

impl IfMapEntry {
    /// Reads `[NODE:]3=bond1,7=cali…`; a node holds until the next one is named.
    ///
    /// # Errors
    /// A sentence that names the part which is wrong.
    pub fn parse_list(text: &str) -> Result<Vec<IfMapEntry>, String> {
        let mut node: Option<String> = None;
        let mut entries = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || format!("`{part}` is not [NODE:]INDEX=NAME, such as 3=bond1 or kappa1:3=bond1");
            let (key, name) = part.split_once('=').ok_or_else(wrong)?;
            let index = match key.rsplit_once(':') {
                Some((name_of_node, index)) => {
                    node = Some(name_of_node.to_owned());
                    index
                }
                None => key,
            };
            let index = index.trim().parse().map_err(|_| wrong())?;
            if name.trim().is_empty() {
                return Err(wrong());
            }
            entries.push(IfMapEntry { node: node.clone(), index, name: name.trim().to_owned() });
        }
        Ok(entries)
    }
}

/// How recordings are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub ifmap: Vec<IfMapEntry>,
    /// Globs (`*`, `?`) of interface names.
    pub uplinks: Vec<String>,
    /// Globs of interface names.
    pub workloads: Vec<String>,
    /// At the end of a file, wait for more instead of ending.
    pub follow: bool,
}

impl Default for Options {
    fn default() -> Options {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        Options {
            ifmap: Vec::new(),
            uplinks: owned(DEFAULT_UPLINKS),
            workloads: owned(DEFAULT_WORKLOADS),
            follow: false,
        }
    }
}

impl Options {
    /// What an interface of this name is for, by the user's globs; `None` where they do not say.
    pub(super) fn given_role(&self, interface: &str) -> Option<Role> {
        let any = |globs: &[String]| globs.iter().any(|glob| matches(glob, interface));
        if any(&self.uplinks) {
            Some(Role::Uplink)
        } else if any(&self.workloads) {
            Some(Role::Workload)
        } else {
            None
        }
    }

    /// What an interface of this name is for, by the user's globs or because it is always called so; `None` where the
    /// name does not say.
    pub(super) fn role(&self, interface: &str) -> Option<Role> {
        let is_among = |names: &[&str]| names.iter().any(|glob| matches(glob, interface));
        self.given_role(interface).or_else(|| {
            if interface == "lo" {
                Some(Role::Loopback)
            } else if is_among(ENCRYPTING) {
                Some(Role::Uplink)
            } else if is_among(TUNNELS) {
                Some(Role::Tunnel)
            } else {
                None
            }
        })
    }

    /// Whether a part of a file's name is an interface's: [`Options::role`], but a glob that matches anything
    /// says nothing about it.
    pub(super) fn is_named(&self, part: &str) -> bool {
        let says_something = |glob: &&String| !glob.starts_with(['*', '?']);
        let mut globs = self.uplinks.iter().chain(&self.workloads).filter(says_something);
        globs.any(|glob| matches(glob, part))
            || part == "lo"
            || TUNNELS.iter().chain(ENCRYPTING).any(|glob| matches(glob, part))
    }

    /// The name the user gave to interface `index` of `node`; a node's own entry goes before a general one.
    pub(super) fn mapped(&self, node: &str, index: u32) -> Option<&str> {
        let of = |wanted: Option<&str>| {
            self.ifmap.iter().rfind(|entry| entry.index == index && entry.node.as_deref() == wanted)
        };
        of(Some(node)).or_else(|| of(None)).map(|entry| entry.name.as_str())
    }
}

/// Whether `text` matches `glob`, in which `*` is any run of characters and `?` any one.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where to go on after the latest `*` should it have to take one byte more.
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match retry {
                Some((after_star, taken)) => {
                    retry = Some((after_star, taken + 1));
                    at = after_star;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_a_shell_does() {
        for (glob, text, expected) in [
            ("bond1", "bond1", true),
            ("bond1", "bond10", false),
            ("cali*", "cali0a1b2c3d4e5", true),
            ("cali*", "scali", false),
            ("*", "", true),
            ("e*0", "eth00", true),
            ("e*0", "eth01", false),
            ("en?s*f*", "enps3f0", true),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} on {text}");
        }
    }

    #[test]
    fn names_tell_roles() {
        let options = Options { uplinks: vec!["eno*".to_owned()], ..Options::default() };
        assert_eq!(options.role("eno1"), Some(Role::Uplink));
        assert_eq!(options.role("bond1"), None);
        assert_eq!(options.role("cali12"), Some(Role::Workload));
        assert_eq!(options.role("lo"), Some(Role::Loopback));
        assert_eq!(options.role("vxlan.calico"), Some(Role::Tunnel));
        assert_eq!(options.role("wireguard.cali"), Some(Role::Uplink));
    }

    #[test]
    fn an_interface_map_is_read_with_and_without_nodes() {
        let entries = IfMapEntry::parse_list("1=lo,kappa1:3=bond1, 7=cali7 ,kappa2:3=eth0").expect("a map");
        let options = Options { ifmap: entries, ..Options::default() };
        assert_eq!(options.mapped("kappa1", 3), Some("bond1"));
        assert_eq!(options.mapped("kappa1", 7), Some("cali7"));
        assert_eq!(options.mapped("kappa2", 3), Some("eth0"));
        assert_eq!(options.mapped("kappa2", 7), None);
        assert_eq!(options.mapped("kappa3", 1), Some("lo"));
        for wrong in ["bond1", "x=bond1", "3=", "kappa1:=bond1"] {
            assert!(IfMapEntry::parse_list(wrong).is_err(), "{wrong}");
        }
    }
}
