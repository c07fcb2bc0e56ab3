//! What the user should know of a capture, a line each.

use std::fmt;

use crate::capture::live::State;

/// What the user should know at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An interface that is captured from now on.
    Came(String),
    Gone(String),
    Renamed {
        before: String,
        now: String,
    },
    Failed(String),
    /// Interfaces have handles of their own.
    Apart(Apart),
    /// Something the kernel would tell is not heard.
    Deaf {
        what: &'static str,
        cause: String,
    },
    CannotWrite {
        path: String,
        cause: String,
    },
    WritesAgain {
        path: String,
        missed: u64,
    },
    /// How another node's stream stands.
    Node {
        node: String,
        state: State,
    },
    /// The disk was too slow for so many packets.
    NotWritten {
        packets: u64,
    },
}

/// Why `any` does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apart {
    /// It cannot tell interfaces apart there.
    OldLibpcap,
    /// The user's filter asks for what packets do not have there.
    Filter,
    /// These uplinks carry VLANs, whose tags are lost there.
    Vlans(String),
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EACH: &str =
            "each interface is captured by itself, and the first packets of a new one may be missed";
        match self {
            Apart::OldLibpcap => write!(f, "libpcap is older than 1.10: {EACH}"),
            Apart::Filter => write!(f, "--filter looks at Ethernet headers: {EACH}"),
            Apart::Vlans(names) => {
                write!(f, "{names}: captured by itself beside the others, so that VLAN tags are kept")
            }
        }
    }
}

/// What every node of a cluster has, and is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Packets between nodes are not seen.
    Uplink {
        globs: String,
        /// An interface that may be meant.
        like: Option<String>,
    },
    /// No pod is seen.
    Workloads { globs: String },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Uplink { globs, like } => {
                let like = like.as_deref().unwrap_or("eth0");
                write!(f, "no uplink matches {globs}; name it, as in --uplink {like}")
            }
            Missing::Workloads { globs } => write!(
                f,
                "no pod's interface matches {globs}; those that come will be followed, and of other networks with --workload, as in --workload 'veth*'"
            ),
        }
    }
}

impl Notice {
    /// Whether something is lost that was there before, rather than an interface come or gone.
    pub const fn is_trouble(&self) -> bool {
        !matches!(
            self,
            Notice::Came(_)
                | Notice::Gone(_)
                | Notice::Deaf { .. }
                | Notice::Renamed { .. }
                | Notice::Apart(_)
                | Notice::Node { state: State::Begun | State::Flowing, .. }
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Came(name) => write!(f, "{name} is new, and captured"),
            Notice::Gone(name) => write!(f, "{name} is gone"),
            Notice::Renamed { before, now } => write!(f, "{before} is {now} now"),
            Notice::Failed(what) => f.write_str(what),
            Notice::Apart(why) => why.fmt(f),
            Notice::Deaf { what, cause } => {
                write!(f, "{what} is not seen ({cause}); what it would show is told from packets alone")
            }
            Notice::CannotWrite { path, cause } => write!(
                f,
                "{path} cannot be written ({cause}); what was written stays readable, and capturing goes on"
            ),
            Notice::WritesAgain { path, missed } => {
                write!(f, "{path} is written again; {missed} packets are missing in it")
            }
            Notice::Node { node, state } => write!(f, "{node}: {state}"),
            Notice::NotWritten { packets } => {
                write!(f, "{packets} packets were not written, as the disk was too slow")
            }
        }
    }
}
