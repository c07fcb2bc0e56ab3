//! However a live run ends, the terminal is usable, the recording readable, and nothing is left running.

use std::path::Path;
use std::process::Command;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::net::Net;
use crate::pty::{PATIENCE, pause};
use crate::screen::session;
use crate::{asked, directory, report};

fn holds(file: &Path, path: &str) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() > 0)
        && report(&[file]).iter().any(|journey| journey["exchange"]["path"] == path)
}

/// Waits until no process has `word` on its command line.
fn wait_for_the_last_of(word: &str) {
    for _ in 0..PATIENCE {
        let found = Command::new("pgrep").args(["-f", word]).output().expect("pgrep of procps");
        if found.stdout.is_empty() {
            return;
        }
        pause();
    }
    panic!("something that was started with {word} is left running");
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
        let session = session(&net, &["live", "--write", write, "--node", &command], kept.path());
        session.wait("the screen", |screen| screen.contains("● live kappa1"));
        net.ask_all(21, &["/kept"]);
        session.wait("the journey", |screen| screen.contains("/kept"));
        session.signal(signal);
        // The terminal is as it was before, or this fails.
        session.end();
        wait_for_the_last_of(&kept.path().display().to_string());
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
