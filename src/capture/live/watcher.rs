//! Names from the Kubernetes API while packets are captured. A process of its own, this program again, is started
//! before the rights go: it may read credentials and start their plugins, and parses no packet.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capture::CaptureError;
use crate::capture::blocks;
use crate::capture::cluster::{Cluster, Told};
use crate::capture::live::Tell;
use crate::capture::live::remote::Lifeline;
use crate::capture::live::ways::Open;
use crate::model::{ClusterState, Notice};

/// A process that watches a cluster.
pub(super) struct Watcher {
    child: Child,
    output: ChildStdout,
    /// Where the API is.
    server: String,
    tell: Tell,
}

impl Watcher {
    /// Starts it, and waits until it knows where the API is; that the API answers is not waited for.
    ///
    /// # Errors
    /// When the cluster is not configured.
    pub(super) fn start(cluster: &Cluster, program: &Path, tell: Tell) -> Result<Watcher, CaptureError> {
        let failed = |error: io::Error| CaptureError::Cluster(format!("its process ended at once ({error})"));
        let mut command = Command::new(program);
        // Of a process group of its own: a key that ends the program ends it in order.
        command.arg("cluster").args(cluster.arguments()).process_group(0);
        // What a plugin writes would go over the screen; that it failed is told.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let mut output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe.into()).map_err(failed)?;
        match Told::read(&mut output) {
            Ok(Told::Found { server }) => Ok(Watcher { child, output, server, tell }),
            Ok(Told::Refused(why)) => Err(CaptureError::Cluster(why)),
            Ok(_) => Err(failed(io::ErrorKind::InvalidData.into())),
            Err(error) => Err(failed(error)),
        }
    }

    /// What it lives as long as.
    pub(super) fn lifeline(&mut self) -> Lifeline {
        Lifeline::of(&mut self.child)
    }

    /// Hands names to the reader, until the process is over. From there they go to recordings as all others do.
    pub(super) fn run(mut self, ways: &Open, stop: &AtomicBool) {
        while let Ok(told) = Told::read(&mut self.output) {
            match told {
                Told::Names(names) if names.is_empty() => {}
                Told::Names(names) => {
                    let mut bytes = Vec::new();
                    blocks::names(&mut bytes, &names);
                    ways.tell_reader(bytes);
                }
                Told::Failed { what, why } => {
                    self.say(ClusterState::Failing { what: what.join(", "), why });
                }
                Told::Again => self.say(ClusterState::Again),
                Told::Found { .. } | Told::Refused(_) => {}
            }
        }
        let status = self.child.wait();
        if !stop.load(Ordering::Relaxed) {
            let why = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            self.say(ClusterState::Ended { why });
        }
    }

    fn say(&self, state: ClusterState) {
        (self.tell)(Notice::Cluster { server: self.server.clone(), state });
    }
}
