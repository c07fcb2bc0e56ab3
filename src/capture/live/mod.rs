//! Live interfaces: what is captured becomes pcapng blocks, which the reader reads as it reads a file, and which
//! a recorder may write to one.
//!
//! ```text
//!  libpcap on `any` ─▶ local ─▶ feed ─▶ Reader
//!  rtnetlink        ─┘   ┌────┴▶ feed ─▶ recorder ─▶ FILE
//!  netlink ───▶ kernel ──┘
//! ```
//! So a live run and a replay of its recording read the same bytes.

mod choice;
pub(super) mod feed;
mod handle;
mod hooks;
mod kernel;
mod links;
mod local;
mod missing;
mod namer;
mod recorder;
mod remote;
mod section;
mod surroundings;
mod watcher;
mod ways;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};

use self::feed::{Freshness, feed, fresh_feed, waiting_feed};
use self::hooks::{Subjects, Tracer};
use self::kernel::{CONNTRACK, Kernel, ROUTES, Subscription};
use self::local::Local;
use self::recorder::{Recorder, Written};
use self::remote::Remote;
use self::watcher::Watcher;
use self::ways::{Open, Ways};
use crate::capture::{CaptureError, Cluster, Options};
use crate::model::{Names, Notice, RecordingState, Role, SECONDS, Timestamp};

pub(super) use self::feed::Lost;
pub use self::hooks::{MOST_FLOWS, TraceControl, TraceState, can_trace, serve as serve_tracing};
pub use self::missing::Missing;
pub use self::namer::Namer;
pub use self::recorder::{Recording, Rotate};
pub use self::remote::{Message, RemoteSpec};

/// What may be on its way to the reader, in bytes.
const TO_READER: usize = 64 << 20;
/// How long packets may wait for the reader while so many bytes wait behind them: what comes later is not live.
const FRESH: i64 = SECONDS;
const BACKLOG: usize = 4 << 20;
/// What may be on its way to the disk, in bytes.
const TO_DISK: usize = 128 << 20;

/// Gives the time of day; this room has no clock of its own.
pub type Clock = fn() -> Timestamp;
/// Takes notices, on whatever thread.
pub type Tell = Arc<dyn Fn(Notice) + Send + Sync>;

/// How this node is captured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name.
    pub node: String,
    /// Globs of interface names; none for uplinks, workloads, tunnels, and `lo` for node addresses.
    pub globs: Vec<String>,
    /// Globs of interfaces that are captured by a handle of their own, with their Ethernet headers.
    pub apart: Vec<String>,
    pub options: Options,
    /// In the syntax of `pcap-filter(7)`.
    pub filter: Option<String>,
    /// Bytes kept of each packet, its link header included.
    pub snaplen: u32,
    /// The kernel's ring, in bytes.
    pub buffer: usize,
    /// Other nodes.
    pub remotes: Vec<RemoteSpec>,
    /// Whose names are watched.
    pub cluster: Option<Cluster>,
    /// There is the right for a process that traces connections in the kernel and asks it what is not told otherwise.
    pub can_trace: bool,
    /// This very program, for the processes that run the other nodes' commands and that trace.
    pub program: PathBuf,
}

/// A capture that was opened: from here on it needs no rights.
pub struct Opened {
    local: Local,
    kernel: Kernel,
    tracer: Option<Tracer>,
    names: Names,
    recorder: Option<Recorder>,
    remotes: Vec<Remote>,
    watcher: Option<Watcher>,
    node: String,
    clock: Clock,
    tell: Tell,
}

/// A source for [`Reader::follow`](crate::capture::Reader::follow).
pub struct LiveSource {
    pub(super) node: String,
    pub(super) display: String,
    pub(super) bytes: Box<dyn Read + Send>,
    /// Of this node's own.
    pub(super) lost: Option<Lost>,
}

impl LiveSource {
    /// The node it is of.
    pub fn node(&self) -> &str {
        &self.node
    }
}

/// A capture under way: its threads, and the recording that it may write.
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    ways: Ways,
    recording: Option<Underway>,
    namer: Option<Namer>,
    stop: Arc<AtomicBool>,
    clock: Clock,
    tell: Tell,
}

/// A recording that is being written.
struct Underway {
    path: PathBuf,
    written: Arc<Written>,
    lost: Lost,
}

impl Opened {
    /// Opens the interfaces and the recording.
    ///
    /// # Errors
    /// When rights are missing, the filter is none, or the file cannot be created.
    pub fn new(
        settings: &Settings,
        recording: Option<&Recording>,
        clock: Clock,
        tell: Tell,
    ) -> Result<Opened, CaptureError> {
        let own = &settings.node;
        let names = settings.remotes.iter().map(|remote| &remote.node).chain([own]);
        if let Some(twice) =
            names.clone().find(|name| names.clone().filter(|other| other == name).count() > 1)
        {
            return Err(CaptureError::NodeTwice { node: twice.clone() });
        }
        let local = Local::open(settings, clock, Arc::clone(&tell))?;
        let mut kernel = Kernel::new(clock, Arc::clone(&tell));
        kernel.add(Subscription::conntrack(), "connection tracking");
        kernel.add(Subscription::routes(), "routing");
        let tracer = if settings.can_trace {
            Some(Tracer::start(&settings.program, Arc::clone(&tell)).map_err(CaptureError::Tracer)?)
        } else {
            None
        };
        let watcher = match &settings.cluster {
            Some(cluster) => Some(Watcher::start(cluster, &settings.program, Arc::clone(&tell))?),
            None => None,
        };
        let names = surroundings::names(&local.own_addresses());
        let recorder = match recording {
            Some(recording) => Some(Recorder::open(recording, clock, Arc::clone(&tell))?),
            None => None,
        };
        let mut remotes = Vec::with_capacity(settings.remotes.len());
        for spec in &settings.remotes {
            remotes.push(Remote::start(spec, &settings.program, Arc::clone(&tell))?);
        }
        Ok(Opened {
            local,
            kernel,
            tracer,
            names,
            recorder,
            remotes,
            watcher,
            node: settings.node.clone(),
            clock,
            tell,
        })
    }

    /// Names and roles of the interfaces that are there and wanted.
    pub fn interfaces(&self) -> Vec<(String, Role)> {
        self.local.wanted()
    }

    /// What the node says of addresses.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Whether the kernel tells of connections.
    pub fn hears_connections(&self) -> bool {
        self.kernel.hears(CONNTRACK)
    }

    /// Whether the kernel tells of routes.
    pub fn hears_routes(&self) -> bool {
        self.kernel.hears(ROUTES)
    }

    /// What every node has and is not here, unless the user named interfaces.
    pub fn missing(&self) -> Vec<Missing> {
        self.local.missing()
    }

    /// The name of the node that is captured.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether the capturing thread is to keep the right to capture, for interfaces that are yet to come.
    pub fn keeps_right(&self) -> bool {
        self.local.keeps_right()
    }

    /// What interfaces are looked for, in words.
    pub fn globs(&self) -> String {
        self.local.globs()
    }

    /// What gives orders to trace, where the settings ask for it.
    pub fn trace_control(&self) -> Option<TraceControl> {
        self.tracer.as_ref().map(Tracer::control)
    }

    /// The recording's file, for its owner to be changed.
    pub fn file(&self) -> Option<&File> {
        self.recorder.as_ref().and_then(Recorder::file)
    }

    /// Begins to capture, until `stop` is set. The first source is of this node's own.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(self, stop: Arc<AtomicBool>) -> io::Result<(Running, Vec<LiveSource>)> {
        let freshness = Freshness { clock: self.clock, longest: FRESH, backlog: BACKLOG };
        let (inlet, outlet) = fresh_feed(TO_READER, freshness);
        let mut sources = vec![LiveSource {
            display: format!("live on {}", self.node),
            node: self.node,
            bytes: Box::new(outlet),
            lost: Some(inlet.lost()),
        }];
        let ways = Ways::new(inlet);
        let open = Open::new(ways.clone());
        let namer = Some(Namer::new(open.to_disk(), self.names.clone()));
        let mut lifelines = Vec::new();
        let mut threads = Vec::new();
        for mut remote in self.remotes {
            lifelines.push(remote.lifeline());
            let (inlet, outlet) = waiting_feed(remote::IN_FLIGHT);
            sources.push(LiveSource {
                display: format!("command for {}", remote.node),
                node: remote.node.clone(),
                bytes: Box::new(outlet),
                lost: None,
            });
            let stop = Arc::clone(&stop);
            threads.push(spawn("node", move || remote.run(&inlet, &stop))?);
        }
        let (recording, recorder) =
            self.recorder.map(|recorder| Underway::new(recorder, &ways, &stop)).unzip();
        threads.extend(recorder.transpose()?);
        let (mut local, mut kernel) = (self.local, self.kernel);
        local.begin(open.clone());
        local.tell_names(&self.names);
        for (subject, number) in kernel.subjects() {
            *number = local.describe_kernel(subject);
        }
        if let Some(tracer) = self.tracer {
            let nftables = local.describe_kernel("nftables");
            let conntrack = kernel.subjects().find(|(name, _)| *name == CONNTRACK).map(|(_, number)| *number);
            let conntrack = conntrack.map(|number| (number, kernel.asking(tracer.control())));
            let subjects = Subjects { nftables, conntrack };
            let (clock, open, stop) = (self.clock, open.clone(), Arc::clone(&stop));
            threads.push(spawn("tracer", move || tracer.run(&subjects, clock, &open, &stop))?);
        }
        if let Some(mut watcher) = self.watcher {
            lifelines.push(watcher.lifeline());
            let (open, stop) = (open.clone(), Arc::clone(&stop));
            threads.push(spawn("cluster", move || watcher.run(&open, &stop))?);
        }
        if !kernel.is_deaf() {
            let stop = Arc::clone(&stop);
            threads.push(spawn("kernel", move || kernel.run(&open, &stop))?);
        }
        let is_over = Arc::clone(&stop);
        let capture = move || {
            local.run(&is_over);
            // The commands end with this node's capture.
            drop(lifelines);
        };
        threads.push(spawn("capture", capture)?);
        let running = Running { threads, ways, recording, namer, stop, clock: self.clock, tell: self.tell };
        Ok((running, sources))
    }
}

impl Underway {
    /// Begins to write what comes on `ways`, on a thread of its own.
    fn new(
        recorder: Recorder,
        ways: &Ways,
        stop: &Arc<AtomicBool>,
    ) -> (Underway, io::Result<JoinHandle<()>>) {
        let (inlet, outlet) = feed(TO_DISK);
        let underway = Underway { path: recorder.path(), written: recorder.written(), lost: inlet.lost() };
        ways.record(Some(inlet));
        let begun = ways.files();
        let stop = Arc::clone(stop);
        (underway, spawn("recorder", move || recorder.run(outlet, begun, &stop)))
    }
}

impl Running {
    /// What takes names to recordings. It has to be gone before [`finish`](Running::finish) ends.
    pub fn namer(&mut self) -> Option<Namer> {
        self.namer.take()
    }

    /// Writes from now on to `file`, which is empty and called `path`. What was written before is complete.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn record_to(&mut self, path: PathBuf, file: File) -> io::Result<()> {
        let recording = Recording { path: path.clone(), rotate: None, keep: None };
        let recorder = Recorder::new(&recording, path, file, self.clock, Arc::clone(&self.tell));
        self.stop_recording();
        let (underway, thread) = Underway::new(recorder, &self.ways, &self.stop);
        self.recording = Some(underway);
        // Of recordings that are over nothing is left.
        self.threads.retain(|thread| !thread.is_finished());
        self.threads.push(thread?);
        Ok(())
    }

    /// Writes nothing any more; what was written is complete.
    pub fn stop_recording(&mut self) {
        self.ways.record(None);
        self.tell_lost();
    }

    fn tell_lost(&mut self) {
        let packets = self.recording.take().map_or(0, |recording| recording.lost.count());
        if packets > 0 {
            (self.tell)(Notice::NotWritten { packets });
        }
    }

    /// How the recording stands, if one is written.
    pub fn recording(&self) -> Option<RecordingState> {
        self.recording.as_ref().map(|recording| RecordingState {
            path: recording.path.display().to_string(),
            bytes: recording.written.bytes(),
            lost: recording.lost.count() + recording.lost.unused(),
            is_stuck: recording.written.is_stuck(),
        })
    }

    /// Waits until everything that was captured is written. The capture must have been told to stop.
    pub fn finish(mut self) {
        drop(self.namer.take());
        for thread in std::mem::take(&mut self.threads) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.tell_lost();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
