//! hopline's side of hook tracing: it starts the process that traces, gives orders, and hears what is told.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::message::is_of_conntrack;
use super::wire::{Hearing, MOST_FLOWS, Order, Told};
use crate::capture::live::kernel::{NETFILTER, Writing};
use crate::capture::live::ways::Open;
use crate::capture::live::{Clock, Notice, Tell};
use crate::model::{FlowPattern, Timestamp};

/// The thread looks after this time whether it is to end, in milliseconds.
const PATIENCE: u16 = 100;

/// Gives orders, from any thread, and says how tracing stands.
#[derive(Clone)]
pub struct TraceControl(Arc<Shared>);

struct Shared {
    orders: Mutex<Option<ChildStdin>>,
    state: Mutex<TraceState>,
    tell: Tell,
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

    /// Asks for all that connection tracking has.
    pub(in crate::capture::live) fn list(&self) {
        self.order(&Order::List);
    }

    /// Asks how full connection tracking's table is.
    pub(in crate::capture::live) fn statistics(&self) {
        self.order(&Order::Statistics);
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
        let notice = match told {
            Told::On(until) => {
                (state.until, state.trouble) = (Some(*until), None);
                Notice::TraceOn
            }
            Told::Off => {
                state.until = None;
                Notice::TraceOff
            }
            Told::Failed(why) => {
                let why = crate::capture::naming::printable(why);
                state.trouble = Some(why.clone());
                Notice::NotTraced(why)
            }
            Told::Lost(count) => {
                let is_first = std::mem::replace(&mut state.lost, *count) == 0;
                if !is_first {
                    return;
                }
                Notice::TraceLost
            }
            Told::Message(..) => return,
        };
        drop(state);
        (self.0.tell)(notice);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the process tells of, each by its number in the section.
pub(in crate::capture::live) struct Subjects {
    pub(in crate::capture::live) nftables: u32,
    /// With how many answers came of it, which are counted with what is heard otherwise.
    pub(in crate::capture::live) conntrack: Option<(u32, Arc<AtomicU64>)>,
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
    pub(in crate::capture::live) fn start(program: &Path, tell: Tell) -> io::Result<Tracer> {
        let mut command = Command::new(program);
        // Of a process group of its own: a key that ends the program ends it in order.
        command.arg("tracer").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(io::Error::from)?;
        let shared = Shared { orders: Mutex::new(child.stdin.take()), state: Mutex::default(), tell };
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
    fn hear(&mut self, take: &mut dyn FnMut(Timestamp, &[u8])) {
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

    /// Hands on what is heard as messages of their subjects, until `stop` is set.
    pub(in crate::capture::live) fn run(
        mut self,
        subjects: &Subjects,
        clock: Clock,
        ways: &Open,
        stop: &AtomicBool,
    ) {
        let mut writing = Writing::new(ways);
        let (mut received, mut counted) = (0, (0, 0));
        while !stop.load(Ordering::Relaxed) && self.output.is_some() {
            self.wait();
            self.hear(&mut |time, bytes| match &subjects.conntrack {
                Some((number, answers)) if is_of_conntrack(bytes) => {
                    answers.fetch_add(1, Ordering::Relaxed);
                    writing.message(*number, time, NETFILTER, bytes);
                }
                _ => {
                    received += 1;
                    writing.message(subjects.nftables, time, NETFILTER, bytes);
                }
            });
            let counts = (received, self.control.state().lost);
            if counted != counts {
                counted = counts;
                writing.count(subjects.nftables, clock(), counts.0, counts.1);
            }
            writing.flush();
        }
    }

    fn wait(&self) {
        let Some(output) = &self.output else { return };
        // Interrupted by a signal: the loop looks anew.
        let _ = poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE));
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
