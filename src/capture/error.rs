//! Why a recording cannot be used at all: one line that says what, where, and what to try.

use std::io;

/// An error that leaves nothing to show. Damage inside a recording is not an error: see
/// [`SourceSummary::damage`](crate::model::SourceSummary).
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("no recording was named; give one or more files, directories, NODE=FILE, or - for stdin")]
    NoSource,
    #[error("{path}: no such file or directory; check the name")]
    Missing { path: String },
    #[error("{path}: cannot be read ({cause}); check its permissions")]
    Unreadable { path: String, cause: io::Error },
    #[error("{path}: named twice; name each recording once")]
    Twice { path: String },
    #[error("{path}: no recording in this directory; it must hold .pcap or .pcapng files")]
    EmptyDirectory { path: String },
    #[error("{path}: {found}; hopline reads pcap and pcapng, plain, gzip or zstd")]
    NotACapture { path: String, found: &'static str },
    #[error("{path}: {damage}, and no packet could be read; check that the file was copied whole")]
    NothingRead { path: String, damage: String },
    #[error("too many recordings ({count}, at most {most}); join some with mergecap first")]
    TooMany { count: usize, most: usize },
    #[error("--ifmap names the node {node}, which no recording is from; the nodes are: {nodes}")]
    UnknownNode { node: String, nodes: String },
    #[error(
        "--names {path}: {cause}; want what `kubectl get pods,svc,endpointslices,nodes -A -o json` writes, or lines as in /etc/hosts"
    )]
    Names { path: String, cause: String },
    #[error("--kubernetes: {0}")]
    Cluster(String),
    #[error(
        "--kubernetes: this program was built without it; build it with `cargo build --release --features kubernetes`, or use --names FILE"
    )]
    NoKubernetes,
    #[error("capturing needs the right CAP_NET_RAW")]
    NoRights,
    #[error("no capture could be opened on {device} ({cause}); `hopline doctor` looks into it")]
    Handle { device: String, cause: String },
    #[error("the interfaces cannot be listed ({0}); `hopline doctor` looks into it")]
    Links(#[source] io::Error),
    #[error("--filter {filter}: {cause}; want an expression of pcap-filter(7), such as `tcp port 8080`")]
    Filter { filter: String, cause: String },
    #[error("--write {path}: {cause}; choose a file that can be written")]
    NotWritten { path: String, cause: io::Error },
    #[error("--node {node}: the process for its command cannot be started ({cause})")]
    Remote { node: String, cause: io::Error },
    #[error("the process that traces cannot be started ({0})")]
    Tracer(#[source] io::Error),
    #[error("{node} names two nodes; give this node another name with --name")]
    NodeTwice { node: String },
}
