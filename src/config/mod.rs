//! Arguments become checked settings, in two types: what was typed ([`arguments`]) and what it means ([`Config`]).
//! Nothing after this room checks an argument again.
//!
//! This room never knows rules about packets.

mod arguments;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ipnet::IpNet;

use crate::capture;
use crate::capture::live::{Recording, RemoteSpec};
use crate::model::{FlowPattern, ProxyAddress};
use crate::timeline::filter::{Expr, ExprError};
use crate::timeline::{Language, Manner};
pub use values::source;

use arguments::{
    Arguments, CaptureArguments, FormatArgument, InputArguments, KnownArguments, LanguageArgument,
    LiveArguments, LookArguments, PictureArguments, ReportArguments, RingArguments, Subcommands,
};

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
    Doctor,
    /// Runs another node's command.
    /// The process that traces.
    Tracer,
    Node {
        command: String,
    },
}

/// What is captured on this node.
#[derive(Debug)]
pub struct Capture {
    /// The node's name; the host's where there is none.
    pub name: Option<String>,
    /// Globs of interfaces; none for those that every node has.
    pub globs: Vec<String>,
    pub filter: Option<String>,
    /// Bytes kept of each packet.
    pub snaplen: u32,
    /// The kernel's buffer, in bytes.
    pub buffer: usize,
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
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub manner: Manner,
    /// A directory of path templates; the built-in ones where there is none.
    pub templates: Option<PathBuf>,
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
    pub is_json: bool,
    /// Only the journey that has this number.
    pub journey: Option<u64>,
    pub filter: Option<Expr>,
    pub look: Look,
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
    /// Reads `arguments`, the program's name first. `locale` is the user's, such as `zh_CN.UTF-8`.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
        locale: &str,
    ) -> Result<Config, ConfigError> {
        let raw = Arguments::try_parse_from(arguments).map_err(|error| usage_error(&error))?;
        let look = |raw| look(raw, locale);
        Ok(match raw.command {
            None => return Config::from_arguments(["hopline", "live"].map(OsString::from), locale),
            Some(Subcommands::Live(raw)) => Config::Live(live(raw, locale)?),
            Some(Subcommands::Record(raw)) => Config::Record {
                capture: captured(raw.capture)?,
                recording: recording(raw.write, &raw.ring)?,
            },
            Some(Subcommands::Doctor) => Config::Doctor,
            Some(Subcommands::Tracer) => Config::Tracer,
            Some(Subcommands::Node { command }) => Config::Node { command },
            Some(Subcommands::Replay(raw)) => {
                let input = input(raw.input, raw.follow)?;
                let (speed, picture) = (values::speed(&raw.speed)?, picture(raw.picture)?);
                Config::Replay { input, speed, look: look(raw.look)?, picture }
            }
            Some(Subcommands::Report(raw)) => Config::Report(report(raw, locale)?),
            Some(Subcommands::Check(raw)) => Config::Check(Check {
                paths: raw.paths,
                is_blessing: raw.bless,
                junit: raw.junit,
                templates: raw.templates,
            }),
            Some(Subcommands::Demo(raw)) => {
                Config::Demo { look: look(raw.look)?, picture: picture(raw.picture)? }
            }
            Some(Subcommands::Paths(raw)) => Config::Paths { name: raw.name, look: look(raw.look)? },
        })
    }
}

fn live(raw: LiveArguments, locale: &str) -> Result<Live, ConfigError> {
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
        FormatArgument::Text => Lines::Text,
        FormatArgument::Json => Lines::Json,
    };
    Ok(Live {
        capture: captured(raw.capture)?,
        remotes: raw.node.iter().map(|text| values::remote(text)).collect::<Result<_, _>>()?,
        recording,
        headless: raw.headless.then_some(lines),
        look: look(raw.look, locale)?,
    })
}

fn captured(raw: CaptureArguments) -> Result<Capture, ConfigError> {
    Ok(Capture {
        name: raw.name.map(values::node).transpose()?,
        globs: raw.interface,
        filter: raw.filter,
        snaplen: raw.snaplen,
        buffer: values::buffer(&raw.buffer)?,
        trace: raw.trace.map(traced).transpose()?.unwrap_or_default(),
        trace_time: values::span("--trace-for", &raw.trace_for)?,
        duration: raw.duration.as_deref().map(|text| values::span("--duration", text)).transpose()?,
        input: known(Vec::new(), raw.known, true)?,
    })
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

fn report(raw: ReportArguments, locale: &str) -> Result<Report, ConfigError> {
    let filter = match raw.filter {
        Some(text) => Some(Expr::parse(&text).map_err(|error| ConfigError::Where { text, error })?),
        None => None,
    };
    Ok(Report {
        input: input(raw.input, false)?,
        is_json: matches!(raw.format, FormatArgument::Json),
        journey: raw.journey,
        filter,
        look: look(raw.look, locale)?,
    })
}

fn input(raw: InputArguments, follow: bool) -> Result<Input, ConfigError> {
    let mut sources = Vec::new();
    for source in raw.sources {
        sources.push(values::source(source)?);
    }
    known(sources, raw.known, follow)
}

fn known(sources: Vec<capture::SourceSpec>, raw: KnownArguments, follow: bool) -> Result<Input, ConfigError> {
    let input = Input::new(sources, &raw.ifmap, &raw.clock)?;
    Ok(Input {
        options: capture::Options {
            uplinks: values::globs(raw.uplink, input.options.uplinks),
            workloads: values::globs(raw.workload, input.options.workloads),
            follow,
            ..input.options
        },
        pod_ranges: values::ranges("--pod-cidr", &raw.pod_cidr)?,
        service_ranges: values::ranges("--service-cidr", &raw.service_cidr)?,
        proxies: values::proxies(&raw.proxy)?,
        is_unjoined: raw.no_joins,
        ..input
    })
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

fn look(raw: LookArguments, locale: &str) -> Result<Look, ConfigError> {
    let manner = match (raw.ascii, raw.lang) {
        (true, Some(LanguageArgument::Zh)) => {
            return Err(ConfigError::Unusable(
                "--ascii has English words only; leave `--lang zh` out".to_owned(),
            ));
        }
        (true, _) => Manner::ascii(),
        (false, Some(LanguageArgument::Zh)) => Manner::new(Language::Zh),
        (false, None) if locale.starts_with("zh") => Manner::new(Language::Zh),
        (false, _) => Manner::new(Language::En),
    };
    Ok(Look { manner, templates: raw.templates })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Config, ConfigError> {
        let words = std::iter::once("hopline").chain(line.split('|').filter(|word| !word.is_empty()));
        Config::from_arguments(words.map(OsString::from), "C.UTF-8")
    }

    fn refused(line: &str) -> String {
        match parse(line) {
            Err(ConfigError::Asked(text)) => panic!("{line}: printed {text}"),
            Err(error) => error.to_string(),
            Ok(config) => panic!("{line}: taken as {config:?}"),
        }
    }

    #[test]
    fn a_wrong_argument_is_refused_in_one_line_that_says_what_to_try() {
        for (line, part) in [
            ("live|--format|json", "--headless"),
            ("live|--snaplen|12", "96"),
            ("live|--buffer|much", "64MB"),
            ("live|--duration|30", "30s"),
            ("live|--name|a b", "letters"),
            ("live|--node|kappa2", "NODE=COMMAND"),
            ("live|--keep|3", "--rotate"),
            ("live|--write|-", "record"),
            ("record|--write|-|--rotate|1MB", "--write"),
            ("record", "--write"),
            ("record|--write|x.pcapng|--rotate|100", "100MB"),
            ("report", "[NODE=]FILE"),
            ("report|x.pcap|--format|pdf", "text, json"),
            ("report|=x.pcap", "node"),
            ("report|x.pcap|--clock|kappa2", "kappa2=+3.7s"),
            ("report|x.pcap|--clock|kappa2=3", "unit"),
            ("report|x.pcap|--ifmap|bond1=3", "3=bond1"),
            ("report|x.pcap|--pod-cidr|10.244", "10.244.0.0/16"),
            ("report|x.pcap|--proxy|nginx", "haproxy=192.168.50.100:80"),
            ("report|x.pcap|--proxy|squid=10.0.0.1", "haproxy, traefik or other"),
            ("report|x.pcap|--proxy|haproxy=10.0.0", "haproxy=192.168.50.100:80"),
            ("report|x.pcap|--ascii|--lang|zh", "English"),
            ("report|x.pcap|--journey|0", "1"),
            ("replay|x.pcap|--speed|fast", "10x"),
            ("replay|x.pcap|--speed|0x", "10x"),
            ("check", "<PATH>"),
        ] {
            let said = refused(line);
            assert!(said.contains(part), "{line}: {said}");
            assert_eq!(said.lines().count(), 1, "{line}: {said}");
        }
    }

    #[test]
    fn a_wrong_expression_is_marked() {
        let said = refused("report|x.pcap|--where|status >= many");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[1..], ["status >= many", "          ^ a status is a number such as 503"], "{said}");
    }

    #[test]
    fn arguments_become_settings() {
        let line = "report|kappa1=a=b.pcap|./c=d.pcap|-|--clock|kappa2=-900ms|--clock|k3=+3.7s\
                    |--ifmap|3=bond1,7=cali6f|--ifmap|kappa2:4=bond1|--format|json|--journey|7|--where|shop";
        let Ok(Config::Report(report)) = parse(line) else { panic!("not a report") };
        let nodes: Vec<Option<&str>> =
            report.input.sources.iter().map(|source| source.node.as_deref()).collect();
        assert_eq!(nodes, [Some("kappa1"), None, None]);
        assert_eq!(
            report.input.clocks,
            [("kappa2".to_owned(), -900_000_000), ("k3".to_owned(), 3_700_000_000)]
        );
        assert_eq!(report.input.options.ifmap.len(), 3);
        assert_eq!((report.is_json, report.journey), (true, Some(7)));
        assert_eq!(report.filter, Some(Expr::Word("shop".into())));
    }

    #[test]
    fn the_locale_chooses_the_language_unless_told() {
        let language = |line: &str, locale: &str| {
            let words = std::iter::once("hopline").chain(line.split(' '));
            match Config::from_arguments(words.map(OsString::from), locale) {
                Ok(Config::Demo { look, .. }) => look.manner.language(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(language("demo", "zh_CN.UTF-8"), Language::Zh);
        assert_eq!(language("demo", "de_DE.UTF-8"), Language::En);
        assert_eq!(language("demo --lang en", "zh_CN.UTF-8"), Language::En);
        assert_eq!(language("demo --ascii", "zh_CN.UTF-8"), Language::En);
    }

    #[test]
    fn the_help_says_everything() {
        let mut program = <Arguments as clap::CommandFactory>::command().term_width(100);
        program.build();
        let mut pages = program.render_long_help().to_string();
        for subcommand in program.get_subcommands_mut() {
            let undocumented = subcommand.get_arguments().find(|argument| argument.get_help().is_none());
            assert_eq!(undocumented.map(|argument| argument.get_id().as_str()), None);
            pages.push_str("────\n");
            pages.push_str(&subcommand.render_long_help().to_string());
        }
        insta::assert_snapshot!(pages);
    }
}
