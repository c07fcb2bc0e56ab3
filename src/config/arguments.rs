//! The command line as it is typed: names, help and nothing checked yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::timeline::filter;

/// The entries of the configuration file.
const FILE_HELP: &str = "\
Configuration file (TOML; every entry may be left out, the command line wins):
  lang = \"en\" or \"zh\"        theme = as --theme        mouse = true or false
  columns = [\"time\", …]; README.md lists them
  [interfaces]  capture, uplink, workload = \"GLOB\" or [\"GLOB\", …], as -i, --uplink, --workload
  [keys]        an action's name = \"KEY\" or [\"KEY\", …]; README.md lists the actions
  [colours]     a tone's name = \"NAME\", \"#rrggbb\" or \"0\" to \"255\"
`hopline doctor` says which file is read.";

/// Follows packets through Calico and kube-proxy nodes: numbered stages from captures of the uplink and every
/// pod interface.
#[derive(Debug, Parser)]
#[command(name = "hopline", version, max_term_width = 100, disable_help_subcommand = true, after_long_help = FILE_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Subcommands>,
    /// The configuration file, in place of hopline/config.toml in $XDG_CONFIG_HOME (~/.config) or /etc/xdg
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Subcommands {
    /// Capture this node's uplink and pods, and follow their packets as they come
    Live(LiveArguments),
    /// Capture into a file, without a screen
    Record(RecordArguments),
    /// Draw recordings on the screen
    Replay(ReplayArguments),
    /// Write timelines without a screen
    Report(ReportArguments),
    /// Hold recordings against their expectations; exit 0 only if all hold
    Check(CheckArguments),
    /// Show a bundled recording; needs no rights, no network, no file
    Demo(DemoArguments),
    /// List the path templates and their stages, or draw one
    Paths(PathsArguments),
    /// Say what works here, and if not, why and what to do
    Doctor(DoctorArguments),
    /// Trace connections in the kernel; what `--trace` and the key `t` are made of
    #[command(hide = true)]
    Tracer,
    /// Watch a cluster's names; what `live --kubernetes` is made of
    #[command(hide = true)]
    Cluster {
        /// As `--kubernetes=CONTEXT`
        #[arg(long)]
        context: Option<String>,
        /// As `--kubeconfig FILE`
        #[arg(long)]
        kubeconfig: Option<PathBuf>,
    },
    /// Run another node's command; what `live --node` is made of
    #[command(hide = true)]
    Node {
        /// The command, for `sh -c`
        #[arg(value_name = "COMMAND")]
        command: String,
    },
    /// Create files for a live screen, which may not; they come over standard input
    #[command(hide = true)]
    Files {
        /// Where they are created
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct LiveArguments {
    #[command(flatten)]
    pub(super) capture: CaptureArguments,
    /// Another node: any command that writes pcap or pcapng on its standard output, as in
    /// `kappa2=ssh kappa2 sudo hopline record --write -`; it is started again when it ends
    #[arg(long, value_name = "NODE=COMMAND")]
    pub(super) node: Vec<String>,
    /// Write what is captured on this node to a pcapng file as well
    #[arg(long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
    #[command(flatten)]
    pub(super) ring: RingArguments,
    /// Where recordings and pictures go that are begun by a key; without it, where hopline was started
    #[arg(long, value_name = "DIR", conflicts_with = "headless")]
    pub(super) write_dir: Option<PathBuf>,
    /// No screen: a line for each journey as it ends
    #[arg(long)]
    pub(super) headless: bool,
    /// What the lines are: `text` for people, `json` for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", requires = "headless")]
    pub(super) format: LinesArgument,
    #[command(flatten)]
    pub(super) look: LookArguments,
}

#[derive(Debug, Args)]
pub(super) struct RecordArguments {
    #[command(flatten)]
    pub(super) capture: CaptureArguments,
    /// The pcapng file to write; `-` is standard output
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) write: PathBuf,
    #[command(flatten)]
    pub(super) ring: RingArguments,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// What a capture would be asked for.
    #[command(flatten)]
    pub(super) capture: CaptureArguments,
}

/// What is captured, and what is known of it.
#[derive(Debug, Args)]
pub(super) struct CaptureArguments {
    /// Interfaces to capture, in place of bond1, cali*, tunnels and, for node addresses, lo; `*` and `?` as in a shell
    #[arg(short = 'i', long = "interface", value_name = "GLOB")]
    pub(super) interface: Vec<String>,
    /// Of these, those to capture by themselves, with their Ethernet headers and VLAN tags; uplinks that VLAN
    /// interfaces lie upon are without asking
    #[arg(long, value_name = "GLOB")]
    pub(super) ethernet: Vec<String>,
    /// Only packets that fit, in the syntax of pcap-filter(7)
    #[arg(long, value_name = "BPF")]
    pub(super) filter: Option<String>,
    /// Bytes kept of each packet
    #[arg(long, value_name = "BYTES", default_value_t = 512, value_parser = clap::value_parser!(u32).range(96..=262_144))]
    pub(super) snaplen: u32,
    /// The kernel's buffer for packets on their way
    #[arg(long, value_name = "SIZE", default_value = "64MB")]
    pub(super) buffer: String,
    /// How far analysing stands back behind the node's own work, as in nice(1); above 0 it also takes little where the
    /// machine has nothing idle. Capturing and writing do not stand back
    #[arg(long, value_name = "N", default_value_t = 19, value_parser = clap::value_parser!(i32).range(0..=19))]
    pub(super) nice: i32,
    /// Trace connections that fit through the kernel's hooks and rules, as in `target == 10.43.7.7:80`: by client,
    /// target, server, addr, port and proto; needs the right CAP_NET_ADMIN
    #[arg(long, value_name = "EXPR")]
    pub(super) trace: Option<String>,
    /// For how long connections are traced
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub(super) trace_for: String,
    /// End after this time, as in `30s` or `10m`
    #[arg(long, value_name = "TIME")]
    pub(super) duration: Option<String>,
    /// This node's name; the host's without it
    #[arg(long, value_name = "NODE", env = "NODE_NAME", hide_env_values = true)]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) known: KnownArguments,
}

/// A recording in several files.
#[derive(Debug, Args)]
pub(super) struct RingArguments {
    /// Begin a new file at this size or after this time, as in `100MB` or `10m`
    #[arg(long, value_name = "SIZE|TIME", requires = "write")]
    pub(super) rotate: Option<String>,
    /// Keep only so many of the files
    #[arg(long, value_name = "N", requires = "rotate", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) keep: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// How fast: `max`, or times the recorded speed such as `1x`, `10x`, `0.5x`
    #[arg(long, value_name = "SPEED", default_value = "max")]
    pub(super) speed: String,
    /// Go on reading files that are still growing
    #[arg(long)]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) picture: PictureArguments,
    #[command(flatten)]
    pub(super) look: LookArguments,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// What to write: `text` is what the screen draws, `json` is for programs, `csv` for spreadsheets, `svg` a picture,
    /// `html` a page that needs nothing else
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: FormatArgument,
    /// Only the journey with this number, whole
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) journey: Option<u64>,
    /// Write that journey's packets to this file, as pcapng
    #[arg(long, value_name = "FILE", requires = "journey")]
    pub(super) write: Option<PathBuf>,
    /// Only journeys that fit, as in `target == 10.43.7.7 and outcome != complete`
    #[arg(long = "where", value_name = "EXPR", long_help = where_help())]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) look: LookArguments,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Directories to search for `expect.toml`, each beside its recordings
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// Write a first `expect.toml` beside recordings that have none
    #[arg(long)]
    pub(super) bless: bool,
    /// Write the results as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Path templates to use instead of the built-in ones
    #[arg(long = "paths", value_name = "DIR")]
    pub(super) templates: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    #[command(flatten)]
    pub(super) picture: PictureArguments,
    #[command(flatten)]
    pub(super) look: LookArguments,
}

#[derive(Debug, Args)]
pub(super) struct PathsArguments {
    /// The path to draw, such as `pod-to-service`
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) look: LookArguments,
}

/// What to read and what is known of it.
#[derive(Debug, Args)]
pub(super) struct InputArguments {
    /// Recordings, each a file, a directory of files or `-` (stdin); pcap or pcapng, plain, gzip or zstd
    #[arg(value_name = "[NODE=]FILE", required = true)]
    pub(super) sources: Vec<OsString>,
    #[command(flatten)]
    pub(super) known: KnownArguments,
}

/// What is known of the nodes and the cluster.
#[derive(Debug, Args)]
pub(super) struct KnownArguments {
    /// Names for interface numbers, as in `3=bond1,7=cali6f1d` or `kappa2:3=bond1`
    #[arg(long, value_name = "[NODE:]N=NAME,…")]
    pub(super) ifmap: Vec<String>,
    /// How much a node's clock is ahead of the first node's, as in `kappa2=+3.7s` or `kappa3=-250us`
    #[arg(long, value_name = "NODE=OFFSET", allow_hyphen_values = true)]
    pub(super) clock: Vec<String>,
    /// Interfaces that are uplinks, in place of `bond1`; `*` and `?` stand for any text and any character
    #[arg(long, value_name = "GLOB")]
    pub(super) uplink: Vec<String>,
    /// Interfaces that lead to pods, in place of `cali*`
    #[arg(long, value_name = "GLOB")]
    pub(super) workload: Vec<String>,
    /// Addresses of pods, where they are known, as in `10.244.0.0/16`
    #[arg(long, value_name = "CIDR")]
    pub(super) pod_cidr: Vec<String>,
    /// Addresses of Services, where they are known
    #[arg(long, value_name = "CIDR")]
    pub(super) service_cidr: Vec<String>,
    /// Where a proxy listens, if its node's address, its port and its headers do not tell; KIND is `haproxy`, `traefik`
    /// or `other`, as in `haproxy=192.168.50.100:80` or `other=10.244.1.9`
    #[arg(long, value_name = "KIND=ADDRESS[:PORT]")]
    pub(super) proxy: Vec<String>,
    /// Names of addresses: what `kubectl get pods,svc,endpointslices,nodes -A -o json` writes, or lines as in /etc/hosts
    #[arg(long, value_name = "FILE")]
    pub(super) names: Vec<PathBuf>,
    /// Names from the Kubernetes API as well: of the kubeconfig's current context or CONTEXT, or of the cluster this
    /// runs in; live they are followed, else listed once. Only in builds with the feature `kubernetes`
    #[arg(long, value_name = "CONTEXT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(super) kubernetes: Option<String>,
    /// The kubeconfig, in place of $KUBECONFIG and ~/.kube/config
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Each connection's exchanges by themselves, not joined through proxies
    #[arg(long)]
    pub(super) no_joins: bool,
}

/// A picture of the screen in place of a terminal.
#[derive(Debug, Args)]
pub(super) struct PictureArguments {
    /// Draw the screen once, when all is read, into an SVG file; needs no terminal
    #[arg(long, value_name = "FILE")]
    pub(super) picture: Option<PathBuf>,
    /// Size of the picture in cells
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "120x36", requires = "picture")]
    pub(super) size: String,
    /// Keys pressed before the picture is drawn, as in `jj` or `/cart`; line ends and tabs are keys too
    #[arg(long, value_name = "KEYS", default_value = "", requires = "picture", hide_default_value = true)]
    pub(super) keys: String,
}

/// How it looks.
#[derive(Debug, Default, Args)]
pub(super) struct LookArguments {
    /// Language of the words; without it the locale decides
    #[arg(long, value_name = "LANG")]
    pub(super) lang: Option<LanguageArgument>,
    /// Colours; `auto` asks the terminal whether it is dark or light, and so do `high-contrast` and `colour-blind`
    /// [default: auto]
    #[arg(long, value_name = "THEME")]
    pub(super) theme: Option<ThemeArgument>,
    /// Only ASCII characters, with English words
    #[arg(long)]
    pub(super) ascii: bool,
    /// Path templates to use instead of the built-in ones
    #[arg(long = "paths", value_name = "DIR")]
    pub(super) templates: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatArgument {
    Text,
    Json,
    Html,
    Svg,
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LinesArgument {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ThemeArgument {
    Auto,
    Dark,
    Light,
    HighContrast,
    #[value(alias = "color-blind")]
    #[serde(alias = "color-blind")]
    ColourBlind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LanguageArgument {
    En,
    Zh,
}

/// The fields stand where they are known, so that none is forgotten.
fn where_help() -> String {
    let fields: Vec<&str> = filter::fields().collect();
    format!(
        "Only journeys that fit, as in `target == 10.43.7.7 and outcome != complete`.\nFields: {}, and `delay(⑤)` or \
         `delay(5)`, of the reply `delay((3))`.\nOperators: == != < <= > >= in ~ (contains); and, or, not, parentheses. \
         A bare word is looked for in names, addresses, paths and hosts",
        fields.join(" ")
    )
}
