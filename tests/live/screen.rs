//! The screen over a live capture, in a pseudo-terminal.

use std::fs;
use std::path::Path;

use portable_pty::CommandBuilder;

use crate::net::{Net, SERVICE};
use crate::pty::Session;
use crate::trace::{ruleset, until};
use crate::{asked, report};

const ROWS: u16 = 40;
const COLUMNS: u16 = 160;

/// `hopline` with `arguments` on the node, in a terminal, started in `directory`.
pub(crate) fn session(net: &Net, arguments: &[&str], directory: &Path) -> Session {
    session_in(&net.node(), arguments, directory, (ROWS, COLUMNS))
}

/// The same in a network namespace, in a terminal of so many rows and columns.
pub(crate) fn session_in(
    namespace: &str,
    arguments: &[&str],
    directory: &Path,
    (rows, columns): (u16, u16),
) -> Session {
    let mut command = CommandBuilder::new("ip");
    command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_hopline")]);
    command.args(arguments);
    command.cwd(directory);
    command.env("LC_ALL", "C.UTF-8");
    command.env("TERM", "xterm-256color");
    command.env("NODE_NAME", "kappa1");
    Session::start(command, rows, columns)
}

#[test]
fn journeys_appear_on_the_screen_as_they_happen() {
    let mut net = Net::new();
    net.add_pod(21);
    // No argument at all: what is typed first.
    let mut session = session(&net, &[], Path::new("/"));
    session.wait("the node", |screen| screen.contains("● live kappa1") && screen.contains("lost 0"));
    net.ask_all(21, &["/first"]);
    session.wait("the first", |screen| screen.contains("/first"));
    net.ask_all(21, &["/second"]);
    session.wait("the second", |screen| screen.contains("/second"));
    session.press("q");
    assert_eq!(session.end(), 0);
}

/// Row of the interface on the screen.
fn row(screen: &str, interface: &str) -> Option<String> {
    screen.lines().find(|line| line.contains(interface)).map(str::to_owned)
}

#[test]
fn an_interface_is_shown_with_its_pod_from_birth_to_end() {
    let mut net = Net::new();
    net.add_pod(21);
    let mut session = session(&net, &[], Path::new("/"));
    session.wait("the screen", |screen| screen.contains("● live kappa1"));
    session.press("i");
    session.wait("the view", |screen| row(screen, "cali21").is_some_and(|row| row.contains("pod")));
    net.add_pod(22);
    net.ask_all(22, &["/a", "/b"]);
    // A sign for having been born, its pod's address, and from when on.
    session.wait("the new pod", |screen| {
        row(screen, "cali22").is_some_and(|row| {
            row.contains("+ kappa1") && row.contains("10.244.1.22") && row.contains(':') && row.contains('–')
        })
    });
    net.kill_pod(22);
    session.wait("its end", |screen| row(screen, "cali22").is_some_and(|row| row.contains("✗ kappa1")));
    session.press("!");
    session.wait("the notices", |screen| {
        screen.contains("cali22 is new, and captured") && screen.contains("cali22 is gone")
    });
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_recording_is_begun_and_ended_with_a_key_though_all_rights_are_gone() {
    let mut net = Net::new();
    net.add_pod(21);
    // Nobody else may write here.
    let directory = tempfile::tempdir().expect("a directory");
    let mut session = session(&net, &[], directory.path());
    session.wait("the screen", |screen| screen.contains("● live kappa1"));
    net.ask_all(21, &["/before"]);
    session.wait("a journey", |screen| screen.contains("/before"));
    session.press("w");
    session.wait("a name", |screen| screen.contains("record to: kappa1_") && screen.contains(".pcapng"));
    // The proposed name is replaced.
    session.press("\u{15}one.pcapng\r");
    session
        .wait("the recording", |screen| screen.contains("recording to one.pcapng") && screen.contains("⏺"));
    net.ask_all(21, &["/kept"]);
    session.wait("a journey", |screen| screen.contains("/kept"));
    session.press("w");
    session.wait("its end", |screen| screen.contains("recording ended: one.pcapng") && !screen.contains("⏺"));
    net.ask_all(21, &["/after"]);
    session.wait("a journey", |screen| screen.contains("/after"));
    // What is there is never written over, and no other place can be reached.
    session.press("w\u{15}one.pcapng\r");
    session.wait("a refusal", |screen| screen.contains("File exists"));
    session.press("\u{15}../two.pcapng\r");
    session.wait("a refusal", |screen| screen.contains("without a directory"));
    session.press("\u{15}two.pcapng\r");
    session.wait("another one", |screen| screen.contains("recording to two.pcapng"));
    session.press("P");
    session.wait("a picture", |screen| screen.contains("picture written to hopline-1.svg"));
    session.press("q");
    assert_eq!(session.end(), 0);
    let journeys = report(&[&directory.path().join("one.pcapng")]);
    assert_eq!(asked(&journeys, "/kept")["verdict"]["outcome"], "complete");
    let has = |path: &str| journeys.iter().any(|journey| journey["exchange"]["path"] == path);
    assert!(!has("/before") && !has("/after"));
    let mut names: Vec<_> = fs::read_dir(&directory)
        .expect("files")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["hopline-1.svg", "one.pcapng", "two.pcapng"]);
}

/// The status line says for how long.
fn is_tracing(screen: &str) -> bool {
    screen.lines().next().is_some_and(|line| line.contains("  tracing ") && line.contains(" s  bond1"))
}

#[test]
fn a_journeys_connections_are_traced_with_a_key_and_nothing_is_left_of_it() {
    let mut net = Net::new();
    net.add_pod(21);
    net.translate();
    let before = ruleset(&net);
    let mut session = session(&net, &[], Path::new("/"));
    session.wait("the screen", |screen| screen.contains("● live kappa1"));
    net.ask_all_of(21, SERVICE, &["/plain"]);
    session.wait("a journey that is over", |screen| {
        row(screen, "/plain").is_some_and(|row| row.contains('✓') && row.contains('▸'))
    });
    assert_eq!(ruleset(&net), before, "nobody asked for it");
    session.press("t");
    session.wait("tracing", is_tracing);
    assert!(ruleset(&net).contains("table inet hopline-"));
    // From another port, as the first one is over.
    net.ask_all_of(21, SERVICE, &["/again"]);
    session.press("f\u{15}url ~ again\rG");
    session.wait("the next request of the flow", |screen| {
        row(screen, "/again").is_some_and(|row| row.contains('✓') && row.contains('▸'))
    });
    session.press("e");
    // The hooks, and the chains and rules that translated in them.
    session.wait("the hooks and the rules in them", |screen| {
        let of_hook =
            |hook: &str, rule: &str| screen.lines().any(|line| line.contains(hook) && line.contains(rule));
        of_hook("PREROUTING", "pre 1 ip daddr 10.43.7.7")
            && of_hook("POSTROUTING", "post 1 ct status")
            && screen.contains("FORWARD")
    });
    session.press("t");
    session.wait("its end", |screen| !is_tracing(screen));
    assert_eq!(ruleset(&net), before);
    // What is on when the program ends, ends with it.
    session.press("t");
    session.wait("tracing", is_tracing);
    assert_ne!(ruleset(&net), before);
    session.press("q");
    assert_eq!(session.end(), 0);
    until("the table is still there", || ruleset(&net) == before);
}
