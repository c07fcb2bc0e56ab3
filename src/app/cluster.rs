//! Names from the Kubernetes API: listed once for a recording, and `hopline cluster`, the process behind a live
//! `--kubernetes`. It may read files and parses what the API says, but no packet; the process that parses packets has
//! no rights and no network.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::thread;

use crate::app::rights;
use crate::capture::{CaptureError, Cluster, Told};
use crate::config::Input;

/// Adds the names of the cluster that `input` names, if it does.
///
/// # Errors
/// When the cluster cannot be asked.
pub(super) fn name(input: &mut Input) -> anyhow::Result<()> {
    if let Some(cluster) = &input.cluster {
        let (names, missing) = cluster.list()?;
        for sentence in missing {
            let _ = writeln!(io::stderr(), "hopline: --kubernetes: {sentence}");
        }
        input.names.extend(&names);
    }
    Ok(())
}

/// Watches `cluster` until nobody reads any more.
///
/// # Errors
/// When rights cannot be given up, or standard output fails at once.
pub(super) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    rights::keep_reading_only()?;
    end_with_stdin()?;
    let mut out = io::stdout().lock();
    let watched = cluster.watch(&mut |told| match told.write(&mut out) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    match watched {
        Ok(()) => {}
        Err(CaptureError::Cluster(why)) => Told::Refused(why).write(&mut out)?,
        Err(other) => Told::Refused(other.to_string()).write(&mut out)?,
    }
    Ok(())
}

/// Standard input ends when the process that reads is gone, however it went.
fn end_with_stdin() -> io::Result<()> {
    let wait = || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    };
    thread::Builder::new().name("end".to_owned()).spawn(wait).map(drop)
}
