//! Arguments become checked settings, in two types: what was typed ([`arguments`]) and what it means ([`Config`]).
//! Nothing after this room checks an argument again.
//!
//! This room never knows rules about packets.

mod arguments;
mod file;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use ipnet::IpNet;

use crate::capture::live::{Recording, RemoteSpec};
use crate::capture::{self, Cluster};
use crate::model::{FlowPattern, Names, ProxyAddress};
use crate::timeline::filter::{Expr, ExprError};
use crate::timeline::{Language, Manner};
pub use file::Entry;
pub use values::source;

use arguments::{
    Arguments, CaptureArguments, FormatArgument, InputArguments, KnownArguments, LanguageArgument,
    LinesArgument, LiveArguments, LookArguments, PictureArguments, ReportArguments, RingArguments,
    Subcommands, ThemeArgument,
};
use file::Preferences;

/// What the program is to do, checked.
#[derive(Debug)]
pub enum Config {
    Replay {
        input: Input,
        speed: Speed,
        look: Look,
        picture: Option<Picture>,
    },
    Report(Report),
    Check(Check),
    Demo {
        look: Look,
        picture: Option<Picture>,
    },
    Paths {
        name: Option<String>,
        look: Look,
    },
    Live(Live),
    Record {
        capture: Capture,
        recording: Recording,
    },
    /// Tries what this would capture, with the look that would be taken, or why there is none.
    Doctor {
        capture: Capture,
        look: Result<Look, ConfigError>,
    },
    /// The process that traces.
    Tracer,
    /// Watches a cluster's names.
    Cluster(Cluster),
    /// Runs another node's command.
    Node {
        command: String,
    },
    /// Creates files for a live screen.
    Files {
        directory: PathBuf,
    },
}

/// What is captured on this node.
#[derive(Debug)]
pub struct Capture {
    /// The node's name; the host's where there is none.
    pub name: Option<String>,
    /// Globs of interfaces; none for those that every node has.
    pub globs: Vec<String>,
    /// Globs of interfaces that are captured with their Ethernet headers.
    pub ethernet: Vec<String>,
    pub filter: Option<String>,
    /// Bytes kept of each packet.
    pub snaplen: u32,
    /// The kernel's buffer, in bytes.
    pub buffer: usize,
    /// How far the threads that analyse stand back, 0 to 19.
    pub nice: i32,
    /// Connections to trace from the start.
    pub trace: Vec<FlowPattern>,
    /// For how long connections are traced.
    pub trace_time: Duration,
    pub duration: Option<Duration>,
    /// What is known of the cluster; it has no sources.
    pub input: Input,
}

#[derive(Debug)]
pub struct Live {
    pub capture: Capture,
    /// Other nodes.
    pub remotes: Vec<RemoteSpec>,
    pub recording: Option<Recording>,
    /// Where files go that are begun by a key; where the program was started if there is none.
    pub write_directory: Option<PathBuf>,
    /// Lines instead of a screen.
    pub headless: Option<Lines>,
    pub look: Look,
}

/// What a line for a journey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    Text,
    Json,
}

/// What to read and what is known of it.
#[derive(Debug, Default)]
pub struct Input {
    pub sources: Vec<capture::SourceSpec>,
    pub options: capture::Options,
    /// How much a node's clock is ahead of the reference node's, in nanoseconds, by the node's name.
    pub clocks: Vec<(String, i64)>,
    pub pod_ranges: Vec<IpNet>,
    pub service_ranges: Vec<IpNet>,
    pub proxies: Vec<ProxyAddress>,
    /// Names of addresses, from files.
    pub names: Names,
    /// Who is asked for more of them.
    pub cluster: Option<Cluster>,
    /// Each connection's exchanges stay by themselves, not joined through proxies.
    pub is_unjoined: bool,
}

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    Max,
    /// Times the speed of the recording, more than 0.
    Times(f64),
}

/// How it looks, and the paths it is drawn by.
#[derive(Clone, Debug)]
pub struct Look {
    pub manner: Manner,
    /// A directory of path templates; the built-in ones where there is none.
    pub templates: Option<PathBuf>,
    pub theme: Theme,
    pub has_mouse: bool,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Of the file: columns of the list, actions with their keys, and tones with their colour.
    pub columns: Vec<Entry>,
    pub keys: Vec<Entry>,
    pub colours: Vec<Entry>,
}

impl Look {
    /// What is wrong with an entry of the file, in one line.
    pub fn wrong(&self, entry: &Entry, what: &str) -> ConfigError {
        file::wrong(self.file.as_deref().unwrap_or(Path::new("")), entry.line, what)
    }
}

/// Which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// As the terminal's background is.
    Auto,
    Dark,
    Light,
    HighContrast,
    ColourBlind,
}

/// What is around the program, as far as it decides something.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The user's, such as `zh_CN.UTF-8`.
    pub locale: String,
    /// Where a configuration file may be, the most wanted first.
    pub places: Vec<PathBuf>,
}

/// The screen drawn into a file, after some keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub path: PathBuf,
    /// Columns and rows.
    pub size: (u16, u16),
    pub keys: String,
}

#[derive(Debug)]
pub struct Report {
    pub input: Input,
    pub format: Format,
    /// Only the journey that has this number.
    pub journey: Option<u64>,
    /// Where that journey's packets are to be written.
    pub write: Option<PathBuf>,
    pub filter: Option<Expr>,
    pub look: Look,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
    Html,
    Svg,
    Csv,
}

#[derive(Debug)]
pub struct Check {
    pub paths: Vec<PathBuf>,
    pub is_blessing: bool,
    pub junit: Option<PathBuf>,
    pub templates: Option<PathBuf>,
}

/// Why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Help or version was asked for: this is it, for stdout.
    #[error("{0}")]
    Asked(String),
    /// One line: what is wrong and what to try.
    #[error("{0}")]
    Unusable(String),
    #[error("--where is no journey expression:\n{}", .error.marked(.text))]
    Where { text: String, error: ExprError },
    #[error("--trace does not say which connections:\n{}", .error.marked(.text))]
    Trace { text: String, error: ExprError },
}

impl Config {
    /// How it looks, for what looks like something.
    pub fn look(&self) -> Option<&Look> {
        match self {
            Config::Replay { look, .. } | Config::Demo { look, .. } | Config::Paths { look, .. } => {
                Some(look)
            }
            Config::Live(Live { look, .. }) | Config::Report(Report { look, .. }) => Some(look),
            Config::Check(_)
            | Config::Record { .. }
            | Config::Doctor { .. }
            | Config::Tracer
            | Config::Cluster(_)
            | Config::Node { .. }
            | Config::Files { .. } => None,
        }
    }

    /// Reads `arguments`, the program's name first, and the configuration file.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
        around: &Surroundings,
    ) -> Result<Config, ConfigError> {
        let raw = Arguments::try_parse_from(arguments).map_err(|error| usage_error(&error))?;
        let command = match raw.command {
            Some(command) => command,
            None => usual_command()?,
        };
        let preferences = Preferences::find(raw.config.as_deref(), &around.places);
        let user = User { locale: &around.locale, preferences: &Preferences::default() };
        match (command, preferences) {
            (Subcommands::Doctor(raw), Ok(preferences)) => {
                User { preferences: &preferences, ..user }.config(Subcommands::Doctor(raw))
            }
            (Subcommands::Doctor(raw), Err(error)) => {
                Ok(Config::Doctor { capture: user.captured(raw.capture)?, look: Err(error) })
            }
            // These look like nothing, and must work whatever is in a file.
            (
                command @ (Subcommands::Node { .. } | Subcommands::Cluster { .. } | Subcommands::Check(_)),
                _,
            ) => user.config(command),
            (command, preferences) => User { preferences: &preferences?, ..user }.config(command),
        }
    }
}

/// What is done without a command.
fn usual_command() -> Result<Subcommands, ConfigError> {
    let raw = Arguments::try_parse_from(["hopline", "live"]).map_err(|error| usage_error(&error))?;
    raw.command.ok_or_else(|| ConfigError::Unusable("name a command; try `hopline --help`".to_owned()))
}

/// Whose arguments are read.
#[derive(Clone, Copy)]
struct User<'a> {
    locale: &'a str,
    preferences: &'a Preferences,
}

impl User<'_> {
    fn config(&self, command: Subcommands) -> Result<Config, ConfigError> {
        let look = |raw| self.look(raw);
        Ok(match command {
            Subcommands::Live(raw) => Config::Live(self.live(raw)?),
            Subcommands::Record(raw) => Config::Record {
                capture: self.captured(raw.capture)?,
                recording: recording(raw.write, &raw.ring)?,
            },
            Subcommands::Doctor(raw) => {
                Config::Doctor { capture: self.captured(raw.capture)?, look: look(LookArguments::default()) }
            }
            Subcommands::Tracer => Config::Tracer,
            Subcommands::Cluster { context, kubeconfig } => {
                Config::Cluster(values::cluster(context, kubeconfig)?)
            }
            Subcommands::Node { command } => Config::Node { command },
            Subcommands::Files { directory } => Config::Files { directory },
            Subcommands::Replay(raw) => {
                let input = self.input(raw.input, raw.follow)?;
                let (speed, picture) = (values::speed(&raw.speed)?, picture(raw.picture)?);
                Config::Replay { input, speed, look: look(raw.look)?, picture }
            }
            Subcommands::Report(raw) => Config::Report(self.report(raw)?),
            Subcommands::Check(raw) => Config::Check(Check {
                paths: raw.paths,
                is_blessing: raw.bless,
                junit: raw.junit,
                templates: raw.templates,
            }),
            Subcommands::Demo(raw) => Config::Demo { look: look(raw.look)?, picture: picture(raw.picture)? },
            Subcommands::Paths(raw) => Config::Paths { name: raw.name, look: look(raw.look)? },
        })
    }

    fn live(&self, raw: LiveArguments) -> Result<Live, ConfigError> {
        let recording = match raw.write {
            Some(path) => Some(recording(path, &raw.ring)?),
            None => None,
        };
        if recording.as_ref().is_some_and(Recording::is_stdout) {
            return Err(ConfigError::Unusable(
                "--write -: standard output is for journeys here; use `hopline record --write -`".to_owned(),
            ));
        }
        let lines = match raw.format {
            LinesArgument::Text => Lines::Text,
            LinesArgument::Json => Lines::Json,
        };
        Ok(Live {
            capture: self.captured(raw.capture)?,
            remotes: raw.node.iter().map(|text| values::remote(text)).collect::<Result<_, _>>()?,
            recording,
            write_directory: raw.write_dir,
            headless: raw.headless.then_some(lines),
            look: self.look(raw.look)?,
        })
    }

    fn captured(&self, raw: CaptureArguments) -> Result<Capture, ConfigError> {
        Ok(Capture {
            name: raw.name.map(values::node).transpose()?,
            globs: values::globs(raw.interface, self.preferences.capture.clone()),
            ethernet: raw.ethernet,
            filter: raw.filter,
            snaplen: raw.snaplen,
            buffer: values::buffer(&raw.buffer)?,
            nice: raw.nice,
            trace: raw.trace.map(traced).transpose()?.unwrap_or_default(),
            trace_time: values::span("--trace-for", &raw.trace_for)?,
            duration: raw.duration.as_deref().map(|text| values::span("--duration", text)).transpose()?,
            input: self.known(Vec::new(), raw.known, true)?,
        })
    }

    fn report(&self, raw: ReportArguments) -> Result<Report, ConfigError> {
        let filter = match raw.filter {
            Some(text) => Some(Expr::parse(&text).map_err(|error| ConfigError::Where { text, error })?),
            None => None,
        };
        Ok(Report {
            input: self.input(raw.input, false)?,
            format: match raw.format {
                FormatArgument::Text => Format::Text,
                FormatArgument::Json => Format::Json,
                FormatArgument::Html => Format::Html,
                FormatArgument::Svg => Format::Svg,
                FormatArgument::Csv => Format::Csv,
            },
            journey: raw.journey,
            write: raw.write,
            filter,
            look: self.look(raw.look)?,
        })
    }

    fn input(&self, raw: InputArguments, follow: bool) -> Result<Input, ConfigError> {
        let mut sources = Vec::new();
        for source in raw.sources {
            sources.push(values::source(source)?);
        }
        self.known(sources, raw.known, follow)
    }

    fn known(
        &self,
        sources: Vec<capture::SourceSpec>,
        raw: KnownArguments,
        follow: bool,
    ) -> Result<Input, ConfigError> {
        let file = self.preferences;
        let input = Input::new(sources, &raw.ifmap, &raw.clock)?;
        Ok(Input {
            options: capture::Options {
                uplinks: values::globs(
                    raw.uplink,
                    values::globs(file.uplinks.clone(), input.options.uplinks),
                ),
                workloads: values::globs(
                    raw.workload,
                    values::globs(file.workloads.clone(), input.options.workloads),
                ),
                follow,
                ..input.options
            },
            pod_ranges: values::ranges("--pod-cidr", &raw.pod_cidr)?,
            service_ranges: values::ranges("--service-cidr", &raw.service_cidr)?,
            proxies: values::proxies(&raw.proxy)?,
            names: values::names(&raw.names)?,
            cluster: match raw.kubernetes {
                Some(context) => {
                    let context = Some(context).filter(|context| !context.is_empty());
                    Some(values::cluster(context, raw.kubeconfig)?)
                }
                None => None,
            },
            is_unjoined: raw.no_joins,
            ..input
        })
    }

    /// What was asked for, else what the file says, else what is usual.
    fn look(&self, raw: LookArguments) -> Result<Look, ConfigError> {
        let file = self.preferences;
        let manner = match (raw.ascii, raw.lang, raw.lang.or(file.lang)) {
            (true, Some(LanguageArgument::Zh), _) => {
                return Err(ConfigError::Unusable(
                    "--ascii has English words only; leave `--lang zh` out".to_owned(),
                ));
            }
            (true, ..) => Manner::ascii(),
            (false, _, Some(LanguageArgument::Zh)) => Manner::new(Language::Zh),
            (false, _, None) if self.locale.starts_with("zh") => Manner::new(Language::Zh),
            (false, ..) => Manner::new(Language::En),
        };
        let theme = match raw.theme.or(file.theme).unwrap_or(ThemeArgument::Auto) {
            ThemeArgument::Auto => Theme::Auto,
            ThemeArgument::Dark => Theme::Dark,
            ThemeArgument::Light => Theme::Light,
            ThemeArgument::HighContrast => Theme::HighContrast,
            ThemeArgument::ColourBlind => Theme::ColourBlind,
        };
        Ok(Look {
            manner,
            templates: raw.templates,
            theme,
            has_mouse: file.mouse.unwrap_or(true),
            file: file.path.clone(),
            columns: file.columns.clone(),
            keys: file.keys.clone(),
            colours: file.colours.clone(),
        })
    }
}

fn traced(text: String) -> Result<Vec<FlowPattern>, ConfigError> {
    let flows = Expr::parse(&text).and_then(|expr| expr.flows(&text));
    flows.map_err(|error| ConfigError::Trace { text, error })
}

fn recording(path: PathBuf, ring: &RingArguments) -> Result<Recording, ConfigError> {
    if ring.rotate.is_some() && path.as_os_str() == "-" {
        return Err(ConfigError::Unusable("--rotate wants files; name one with --write".to_owned()));
    }
    Ok(Recording {
        path,
        rotate: ring.rotate.as_deref().map(values::rotate).transpose()?,
        keep: ring.keep.map(|keep| keep as usize),
    })
}

fn picture(raw: PictureArguments) -> Result<Option<Picture>, ConfigError> {
    let size = values::size(&raw.size)?;
    Ok(raw.picture.map(|path| Picture { path, size, keys: raw.keys }))
}

/// Clap's message as one line, or what it was asked to print.
fn usage_error(error: &clap::Error) -> ConfigError {
    if !error.use_stderr() {
        return ConfigError::Asked(error.render().to_string());
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(|line| line.trim_start_matches("error: "))
        .collect();
    let said = if said.is_empty() { "the arguments do not fit".to_owned() } else { said.join(" ") };
    ConfigError::Unusable(format!("{said}; try `hopline --help`"))
}

impl Input {
    /// Input of `sources`, with interface names as `--ifmap` takes them and clock offsets as `--clock` does.
    pub fn new(
        sources: Vec<capture::SourceSpec>,
        ifmap: &[String],
        clocks: &[String],
    ) -> Result<Input, ConfigError> {
        let options = capture::Options { ifmap: values::ifmap(ifmap)?, ..capture::Options::default() };
        Ok(Input { sources, options, clocks: values::clocks(clocks)?, ..Input::default() })
    }
}

#[cfg(test)]
mod tests;
