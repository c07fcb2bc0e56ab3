//! `hopline live` and `hopline record`: this node's interfaces, captured until the user has enough.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::files::Files;
use crate::app::lines::Telling;
use crate::app::packets::Packets;
use crate::app::pipeline::Pipeline;
use crate::app::priority::{Modesty, stand_back};
use crate::app::session::{self, Session};
use crate::app::{clock, names, replay, rights, templates, tracer};
use crate::capture::CaptureError;
use crate::capture::live::{LiveSource, Opened, Recording, RemoteSpec, Running, Settings, Tell};
use crate::config::{Capture, Lines, Live, Speed};
use crate::correlate::Limits;
use crate::model::Notice;
use crate::report::text::Layout;
use crate::timeline::listing::Order;
use crate::timeline::{Manner, notices};

/// Follows this node's packets, a line a journey.
///
/// # Errors
/// When it cannot capture here, or the lines cannot be written.
pub(super) fn run_headless(
    live: &Live,
    lines: Lines,
    layout: Layout,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let templates = templates(live.look.templates.as_deref())?;
    let opened = open(&live.capture, &live.remotes, live.recording.as_ref(), say())?;
    let modesty = Modesty::by(live.capture.nice);
    confine(&opened, live.recording.as_ref())?;
    begin_tracing(&opened, &live.capture);
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop)?;
    introduce(&opened);
    stop_after(live.capture.duration, &stop)?;
    let (mut running, sources) = start(opened, &stop)?;
    let pipeline = Pipeline::follow(sources, &live.capture.input, Limits::REPORT)?
        .naming(running.namer())
        .standing_back(modesty);
    let mut telling = Telling::new(templates, live.look.manner, lines, layout, out);
    let finished = pipeline.run(&mut |event| telling.take(event));
    stop.store(true, Ordering::Relaxed);
    running.finish();
    telling.conclude(&finished?)
}

/// Follows this node's packets on the screen.
///
/// # Errors
/// When it cannot capture here, or there is no terminal.
pub(super) fn run_screen(live: &Live) -> anyhow::Result<()> {
    let templates = templates(live.look.templates.as_deref())?;
    let (tell, notices) = session::notices_for_later();
    let opened = open(&live.capture, &live.remotes, live.recording.as_ref(), tell)?;
    if !io::stdout().is_terminal() {
        bail!(
            "the screen needs a terminal; `hopline live --headless` writes lines; in a terminal, try `hopline demo`"
        );
    }
    let files = Files::kept(live.write_directory.as_deref().unwrap_or(Path::new(".")))?;
    let modesty = Modesty::by(live.capture.nice);
    confine(&opened, live.recording.as_ref())?;
    // What is missing is told before the screen, and behind it.
    for line in missing(&opened) {
        let _ = writeln!(io::stderr(), "hopline: {line}");
    }
    begin_tracing(&opened, &live.capture);
    let tracer = tracer::Live { control: opened.trace_control(), time: live.capture.trace_time };
    let node = opened.node().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    stop_after(live.capture.duration, &stop)?;
    let (mut running, sources) = start(opened, &stop)?;
    let packets = Packets::of(&live.capture.input, true);
    let pipeline = Pipeline::follow(sources, &live.capture.input, Limits::SCREEN)?
        .naming(running.namer())
        .keeping(packets.kept())
        .standing_back(modesty);
    let mut session = Session::live(files, packets, node, running, notices, tracer);
    let shown = replay::show(pipeline, templates, Speed::Max, &live.look, Order::Newest, &mut session);
    stop.store(true, Ordering::Relaxed);
    session.finish();
    shown
}

/// Captures into files only.
///
/// # Errors
/// When it cannot capture here, or the file cannot be created.
pub(super) fn record(capture: &Capture, recording: &Recording) -> anyhow::Result<()> {
    let opened = open(capture, &[], Some(recording), say())?;
    confine(&opened, Some(recording))?;
    begin_tracing(&opened, capture);
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop)?;
    introduce(&opened);
    stop_after(capture.duration, &stop)?;
    let (mut running, sources) = start(opened, &stop)?;
    stand_back(capture.nice);
    let named = match running.namer() {
        Some(namer) => names::collect(sources, &capture.input.options, &capture.input.names, namer),
        None => Ok(()),
    };
    // A recording without names goes on all the same.
    running.finish();
    named
}

/// Opens everything that needs rights.
fn open(
    capture: &Capture,
    remotes: &[RemoteSpec],
    recording: Option<&Recording>,
    tell: Tell,
) -> anyhow::Result<Opened> {
    // The kernel is asked later as well, when there are no rights any more: by the key `t`, and how full its tables are.
    let can_trace = rights::may_trace();
    if !capture.trace.is_empty() && !can_trace {
        bail!(rights::tracing_missing());
    }
    let cluster = capture.input.cluster.clone();
    let settings = Settings { cluster, can_trace, ..settings(capture, remotes)? };
    match Opened::new(&settings, recording, clock::now, tell) {
        Ok(opened) => Ok(opened),
        Err(CaptureError::NoRights) => bail!(rights::missing()),
        Err(error) => Err(error.into()),
    }
}

/// Gives up all rights.
fn confine(opened: &Opened, recording: Option<&Recording>) -> anyhow::Result<()> {
    rights::give_up(&rights::Needs {
        directory: recording.and_then(Recording::directory),
        file: opened.file(),
        keeps: opened.keeps_right().then_some(rights::Right::Capture),
    })
}

/// Asks the process that traces for what was to be traced from the start.
fn begin_tracing(opened: &Opened, capture: &Capture) {
    if let Some(control) = opened.trace_control().filter(|_| !capture.trace.is_empty()) {
        control.trace(&capture.trace, capture.trace_time);
    }
}

/// Begins to capture. Only the threads that this starts may keep a right, and they parse nothing.
fn start(opened: Opened, stop: &Arc<AtomicBool>) -> anyhow::Result<(Running, Vec<LiveSource>)> {
    let started = opened.start(Arc::clone(stop))?;
    rights::give_up_capturing()?;
    Ok(started)
}

/// What is asked of the capture.
///
/// # Errors
/// When this node's name or this program is not known.
pub(super) fn settings(capture: &Capture, remotes: &[RemoteSpec]) -> anyhow::Result<Settings> {
    let node = match &capture.name {
        Some(name) => name.clone(),
        None => host_name()?,
    };
    Ok(Settings {
        node,
        globs: capture.globs.clone(),
        apart: capture.ethernet.clone(),
        options: capture.input.options.clone(),
        filter: capture.filter.clone(),
        snaplen: capture.snaplen,
        buffer: capture.buffer,
        remotes: remotes.to_vec(),
        cluster: None,
        can_trace: false,
        program: std::env::current_exe().context("this program is not found")?,
    })
}

/// Says what is captured; standard output is for journeys.
fn introduce(opened: &Opened) {
    let interfaces = opened.interfaces();
    let names: Vec<&str> = interfaces.iter().map(|(name, _)| name.as_str()).collect();
    let missing: Vec<String> = missing(opened).collect();
    let said = match names.iter().filter(|&&name| name != "lo").count() {
        // Then what is missing says more.
        0 if !missing.is_empty() => format!("capturing on {} what comes", opened.node()),
        0 => format!(
            "no interface matches {} yet; name others with -i, as in -i 'eth*' -i 'veth*'",
            opened.globs()
        ),
        1..=8 => format!("capturing {} on {}", names.join(", "), opened.node()),
        count => format!("capturing {count} interfaces on {}", opened.node()),
    };
    for line in std::iter::once(said).chain(missing) {
        let _ = writeln!(io::stderr(), "hopline: {line}");
    }
}

fn missing(opened: &Opened) -> impl Iterator<Item = String> + use<> {
    opened.missing().into_iter().map(|missing| missing.to_string())
}

/// Says notices on standard error.
fn say() -> Tell {
    Arc::new(|notice: Notice| {
        // With nowhere left to say it, capturing goes on all the same.
        let _ = writeln!(io::stderr(), "hopline: {}", notices::sentence(&notice, Manner::default()));
    })
}

fn host_name() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("the host's name is not known; give one with --name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Sets `stop` on SIGINT, SIGTERM and SIGHUP. A second signal ends the program.
fn stop_on_signals(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals cannot be watched")?;
    let stop = Arc::clone(stop);
    let watch = move || {
        for _ in signals.forever() {
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}

/// Sets `stop` when `duration` is over, if there is one.
fn stop_after(duration: Option<Duration>, stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    if let Some(duration) = duration {
        let stop = Arc::clone(stop);
        let wait = move || {
            clock::wait(duration);
            stop.store(true, Ordering::Relaxed);
        };
        std::thread::Builder::new().name("duration".to_owned()).spawn(wait)?;
    }
    Ok(())
}
