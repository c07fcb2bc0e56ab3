//! The wiring: sources, threads, clocks, the terminal.
//!
//! This room never knows rules about packets.

mod check;
pub mod clock;
mod cluster;
mod demo;
mod doctor;
mod files;
mod ground;
mod lines;
mod live;
mod look;
mod names;
mod node;
mod output;
mod packets;
mod paths;
pub mod pipeline;
mod priority;
mod replay;
mod report;
mod restore;
mod rights;
mod session;
mod spool;
mod staging;
pub mod terminal;
mod tracer;

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

pub use check::check_directory;

use crate::config::{Config, ConfigError, Input, Live, Look, Picture, Speed};
use crate::report::text::Layout;
use crate::stages::Templates;
use crate::tui::theme::Ground;

/// The check or the run found a failure.
const FAILURE: u8 = 1;
/// The arguments or a file are unusable.
const UNUSABLE: u8 = 2;

/// Runs the program with `arguments`, its name first, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match Config::from_arguments(arguments, &look::surroundings()) {
        Ok(config) => dispatch(config),
        Err(ConfigError::Asked(text)) => write_out(text.as_bytes()),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // With nowhere left to say it, the exit code says it alone.
            let _ = writeln!(io::stderr(), "hopline: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn dispatch(config: Config) -> anyhow::Result<ExitCode> {
    if let Some(look) = config.look() {
        // A wrong entry of the configuration is told by every command, not only where it would be drawn.
        look::screen(look, Ground::default())?;
    }
    match config {
        Config::Report(mut report) => {
            cluster::name(&mut report.input)?;
            let stdout = io::stdout();
            let mut out = BufWriter::with_capacity(1 << 18, stdout.lock());
            report::run(&report, layout(report.journey.is_some()), &mut out)?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Check(check) => check::run(&check),
        Config::Paths { name, look } => write_out(paths::text(name.as_deref(), &look)?.as_bytes()),
        Config::Demo { look, picture } => demo::run(look, picture.as_ref()),
        Config::Live(live) => run_live(&live),
        Config::Record { capture, recording } => {
            live::record(&capture, &recording)?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Tracer => {
            tracer::run()?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Cluster(cluster) => {
            cluster::run(&cluster)?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Node { command } => {
            node::run(&command)?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Files { directory } => {
            files::serve(&directory)?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Doctor { capture, look } => write_out(doctor::text(&capture, look)?.as_bytes()),
        Config::Replay { mut input, speed, look, picture } => {
            cluster::name(&mut input)?;
            replay(&input, speed, &look, picture.as_ref())
        }
    }
}

/// Follows this node's packets, on the screen or in lines.
fn run_live(settings: &Live) -> anyhow::Result<ExitCode> {
    let Some(lines) = settings.headless else {
        live::run_screen(settings)?;
        return Ok(ExitCode::SUCCESS);
    };
    let stdout = io::stdout();
    live::run_headless(settings, lines, layout(false), &mut stdout.lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Replays on the screen, or into a picture of it.
fn replay(input: &Input, speed: Speed, look: &Look, picture: Option<&Picture>) -> anyhow::Result<ExitCode> {
    replay::run(input, speed, look, picture)?;
    Ok(ExitCode::SUCCESS)
}

/// Text is as wide as the terminal and coloured only there.
fn layout(is_whole: bool) -> Layout {
    let usual = Layout { is_whole, ..Layout::default() };
    if !io::stdout().is_terminal() {
        return usual;
    }
    let width = crossterm::terminal::size().map_or(usual.width, |(columns, _)| usize::from(columns));
    Layout { width, is_coloured: look::is_colour_wanted(), ..usual }
}

/// The templates of `directory`, or the built-in ones.
fn templates(directory: Option<&Path>) -> anyhow::Result<Templates> {
    Ok(match directory {
        Some(directory) => Templates::load(directory)?,
        None => Templates::embedded(),
    })
}

fn write_out(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}
