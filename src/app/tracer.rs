//! `hopline tracer`: the process behind `--trace` and the key `t`. It keeps one right, CAP_NET_ADMIN, takes orders that
//! name connections, and parses no packet.

use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::app::{clock, rights};
use crate::capture::live::{TraceControl, TraceState, serve_tracing};
use crate::model::{FlowPattern, SECONDS};
use crate::tui::Tracing;

/// Traces what standard input asks for, until it ends.
///
/// # Errors
/// When the right is missing, or nobody hears what it tells.
pub(super) fn run() -> anyhow::Result<()> {
    if !rights::may_trace() {
        bail!(rights::tracing_missing());
    }
    let right = rights::Right::Trace;
    rights::give_up(&rights::Needs { directory: None, file: None, keeps: Some(right) })?;
    serve_tracing(clock::now).context("tracing is not possible here; `hopline doctor` looks into it")
}

/// What the screen's key `t` acts on.
pub(super) trait TraceHandle {
    fn state(&self) -> Tracing;
    fn trace(&self, flows: &[FlowPattern]);
    fn stop(&self);
}

/// A recording that is replayed: nothing in it can be traced any more.
pub(super) struct NotLive;

impl TraceHandle for NotLive {
    fn state(&self) -> Tracing {
        Tracing::NotLive
    }

    fn trace(&self, _: &[FlowPattern]) {}

    fn stop(&self) {}
}

/// The process that traces, if there is the right for one, and for how long it is to trace.
pub(super) struct Live {
    pub(super) control: Option<TraceControl>,
    pub(super) time: Duration,
}

impl TraceHandle for Live {
    fn state(&self) -> Tracing {
        let Some(control) = &self.control else { return Tracing::NoRight };
        match control.state() {
            TraceState { until: Some(until), lost, .. } => {
                let left = until.since(clock::now()).max(0).cast_unsigned().div_ceil(SECONDS.cast_unsigned());
                Tracing::On { left, lost }
            }
            TraceState { trouble, .. } => Tracing::Off { trouble },
        }
    }

    fn trace(&self, flows: &[FlowPattern]) {
        if let Some(control) = &self.control {
            control.trace(flows, self.time);
        }
    }

    fn stop(&self) {
        if let Some(control) = &self.control {
            control.stop();
        }
    }
}
