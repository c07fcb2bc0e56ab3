//! What a node of a cluster has, and this one does not show.

use std::fmt;

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
