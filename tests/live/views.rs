//! Looking into journeys while packets are captured.

use std::path::Path;

use portable_pty::CommandBuilder;

use crate::net::Net;
use crate::pty::Session;

/// The screen on the node.
fn session(net: &Net) -> Session {
    let mut command = CommandBuilder::new("ip");
    command.args(["netns", "exec", &net.node(), env!("CARGO_BIN_EXE_hopline")]);
    command.cwd(Path::new("/"));
    command.env("LC_ALL", "C.UTF-8");
    command.env("TERM", "xterm-256color");
    command.env("NODE_NAME", "kappa1");
    Session::start(command, 40, 160)
}

#[test]
fn a_packet_is_looked_into_while_it_is_kept() {
    let mut net = Net::new();
    net.add_pod(21);
    let mut session = session(&net);
    session.wait("the keys", |screen| screen.contains("? help"));
    net.ask_all(21, &["/looked-into"]);
    session.wait("the journey", |screen| screen.contains("GET /looked-into"));
    session.press("f/looked-into\r");
    session.wait("it alone", |screen| screen.contains("filter: /looked-into") && screen.contains(" 1/1 "));
    session.press("p\r\r");
    session.wait("the first packet", |screen| screen.contains("╭─ packet ") && screen.contains("SLL2"));
    session.press("\u{1b}");
    session.wait("the packets", |screen| screen.contains("╭─ packets"));
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn time_is_frozen_while_packets_come() {
    let mut net = Net::new();
    net.add_pod(21);
    let mut session = session(&net);
    session.wait("the keys", |screen| screen.contains("? help"));
    net.ask_all(21, &["/before"]);
    session.wait("the first", |screen| screen.contains("GET /before"));
    session.press(" ");
    session.wait("that it is frozen", |screen| screen.contains("‖ frozen"));
    net.ask_all(21, &["/behind"]);
    session.wait("that one more came", |screen| screen.contains(" newer"));
    assert!(!session.contents().contains("/behind"), "{}", session.contents());
    session.press("m ");
    session.wait("everything", |screen| screen.contains("GET /behind") && !screen.contains("‖ frozen"));
    session.press("b\r");
    session.wait("the moment before", |screen| screen.contains("‖ frozen") && !screen.contains("/behind"));
    session.press("q");
    assert_eq!(session.end(), 0);
}
