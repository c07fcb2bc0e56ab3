//! hopline's side of hook tracing: it starts the process that traces, gives orders, and hears what is told.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::wire::{Hearing, MOST_FLOWS, Order, Told};
use crate::model::{FlowPattern, Timestamp};

/// Gives orders, from any thread, and says how tracing stands.
#[derive(Clone)]
pub struct TraceControl(Arc<Shared>);

struct Shared {
    orders: Mutex<Option<ChildStdin>>,
    state: Mutex<TraceState>,
}

/// How tracing stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState {
    /// When it ends by itself; `None` while it is off.
    pub until: Option<Timestamp>,
    /// Why it could not be done, the last time it was asked for.
    pub trouble: Option<String>,
    /// So often trace messages were lost, as there were too many.
    pub lost: u64,
}

impl TraceControl {
    /// Traces these connections and no others, for `time`.
    pub fn trace(&self, flows: &[FlowPattern], time: Duration) {
        let flows = flows[..flows.len().min(MOST_FLOWS)].to_vec();
        self.order(&Order::Trace { flows, time });
    }

    pub fn stop(&self) {
        self.order(&Order::Stop);
    }

    pub fn state(&self) -> TraceState {
        locked(&self.0.state).clone()
    }

    fn order(&self, order: &Order) {
        let mut orders = locked(&self.0.orders);
        let is_given = orders.as_mut().is_some_and(|pipe| writeln!(pipe, "{order}").is_ok());
        if !is_given {
            locked(&self.0.state).trouble = Some("the process that traces is gone".to_owned());
        }
    }

    fn note(&self, told: &Told) {
        let mut state = locked(&self.0.state);
        match told {
            Told::On(until) => (state.until, state.trouble) = (Some(*until), None),
            Told::Off => state.until = None,
            Told::Failed(why) => state.trouble = Some(crate::capture::naming::printable(why)),
            Told::Lost(count) => state.lost = *count,
            Told::Message(..) => {}
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process that traces, and the pipe it tells by.
pub(in crate::capture::live) struct Tracer {
    child: Child,
    /// `None` once it is not heard any more.
    output: Option<ChildStdout>,
    hearing: Hearing,
    control: TraceControl,
}

impl Tracer {
    /// Starts the process: this very program, while it still may.
    pub(in crate::capture::live) fn start(program: &Path) -> io::Result<Tracer> {
        let mut command = Command::new(program);
        // Of a process group of its own: a key that ends the program ends it in order.
        command.arg("tracer").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(io::Error::from)?;
        let shared = Shared { orders: Mutex::new(child.stdin.take()), state: Mutex::default() };
        Ok(Tracer {
            child,
            output: Some(output),
            hearing: Hearing::default(),
            control: TraceControl(Arc::new(shared)),
        })
    }

    pub(in crate::capture::live) fn control(&self) -> TraceControl {
        self.control.clone()
    }

    /// Gives the netlink messages that have come to `take`.
    pub(in crate::capture::live) fn hear(&mut self, take: &mut dyn FnMut(Timestamp, &[u8])) {
        let Tracer { output, hearing, control, .. } = self;
        let Some(pipe) = output else { return };
        let goes_on = hearing.read(pipe, &mut |told| match &told {
            Told::Message(time, bytes) => take(*time, bytes),
            other => control.note(other),
        });
        if !goes_on {
            *output = None;
            control.note(&Told::Failed("the process that traces has ended".to_owned()));
        }
    }

    /// Where there is news, as long as there can be some.
    pub(in crate::capture::live) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for Tracer {
    /// The process ends with its orders; the kernel removes the table with it.
    fn drop(&mut self) {
        drop(locked(&self.control.0.orders).take());
        // It may be waiting for us to hear it.
        self.output = None;
        let _ = self.child.wait();
    }
}
