//! However a live run ends, the terminal is usable, the recording readable, and nothing is left running.

use std::path::Path;
use std::process::Command;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::net::Net;
use crate::pty::{PATIENCE, Session, pause};
use crate::{asked, directory, report};

/// What the shell says when it has the terminal again.
const SHELL: &str = "the shell goes on";

fn holds(file: &Path, path: &str) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() > 0)
        && report(&[file]).iter().any(|journey| journey["exchange"]["path"] == path)
}

/// Waits until no process has `word` on its command line.
fn wait_for_the_last_of(word: &str) {
    for _ in 0..PATIENCE {
        let found = Command::new("pgrep").args(["-a", "-f", word]).output().expect("pgrep of procps");
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        // The shell that it was started from stays.
        if found.lines().all(|line| line.contains(SHELL)) {
            return;
        }
        pause();
    }
    panic!("something that was started with {word} is left running");
}

/// `hopline` on the node, started from a shell: the terminal is the shell's before and after.
fn in_a_shell(net: &Net, arguments: &[&str]) -> Session {
    let mut command = CommandBuilder::new("sh");
    // Again and again, as what it says first may go with the screen that is left.
    let script = format!("\"$@\"; for i in $(seq 600); do echo {SHELL}; sleep 0.1; done");
    command.args(["-c", &script, "sh", "ip", "netns", "exec", &net.node(), env!("CARGO_BIN_EXE_hopline")]);
    command.args(arguments);
    command.env("LC_ALL", "C.UTF-8");
    command.env("TERM", "xterm-256color");
    command.env("NODE_NAME", "kappa1");
    Session::start(command, 40, 160)
}

#[test]
fn killed_by_any_signal_it_leaves_terminal_and_recording_in_order() {
    let mut net = Net::new();
    net.add_pod(21);
    for signal in ["TERM", "HUP", "INT", "KILL"] {
        let (kept, file) = directory();
        let command = format!("kappa2=cat {}/pipe", kept.path().display());
        let pipe = Command::new("mkfifo").arg(kept.path().join("pipe")).status();
        assert!(pipe.expect("mkfifo of coreutils").success());
        let write = file.to_str().expect("a name");
        let session = in_a_shell(&net, &["live", "--write", write, "--node", &command]);
        session.wait("the screen", |screen| screen.contains("● live kappa1"));
        net.ask_all(21, &["/kept"]);
        session.wait("the journey", |screen| screen.contains("/kept"));
        session.signal_child(signal);
        session.wait("the shell", |screen| screen.contains(SHELL));
        wait_for_the_last_of(&kept.path().display().to_string());
        // What gives it back after SIGKILL is a process beside it.
        for _ in (0..PATIENCE).take_while(|_| !session.is_given_back()) {
            pause();
        }
        assert!(session.is_given_back(), "after SIG{signal} the terminal is not as it was");
        let journeys = report(&[&file]);
        assert_eq!(asked(&journeys, "/kept")["verdict"]["outcome"], "complete", "after SIG{signal}");
    }
}

#[test]
fn when_the_terminal_goes_away_it_ends_and_the_recording_is_whole() {
    let mut net = Net::new();
    net.add_pod(21);
    let (kept, file) = directory();
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new("ip");
    let write = file.to_str().expect("a name");
    command.args(["netns", "exec", &net.node(), env!("CARGO_BIN_EXE_hopline"), "live", "--write", write]);
    command.env("LC_ALL", "C.UTF-8");
    command.env("NODE_NAME", "kappa1");
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
    for _ in 0..PATIENCE {
        net.ask_all(21, &["/kept"]);
        if holds(&file, "/kept") {
            break;
        }
        pause();
    }
    drop(pair);
    for _ in 0..PATIENCE {
        if child.try_wait().expect("its status").is_some() {
            wait_for_the_last_of(&kept.path().display().to_string());
            assert!(holds(&file, "/kept"));
            return;
        }
        pause();
    }
    let _ = child.kill();
    panic!("the program goes on without a terminal");
}
