//! `hopline tracer`: the process behind `--trace` and the key `t`. It keeps one right, CAP_NET_ADMIN, takes orders that
//! name connections, and parses no packet.

use anyhow::Context as _;

use crate::app::{clock, rights};
use crate::capture::live::serve_tracing;

/// Traces what standard input asks for, until it ends.
///
/// # Errors
/// When the right is missing, or nobody hears what it tells.
pub(super) fn run() -> anyhow::Result<()> {
    rights::keep_only_net_admin()?;
    serve_tracing(clock::now).context("tracing is not possible here; `hopline doctor` looks into it")
}
