//! Looking into journeys while packets are captured.

use std::fs;
use std::path::Path;

use crate::net::Net;
use crate::report;
use crate::screen::session;

#[test]
fn a_packet_is_looked_into_while_it_is_kept() {
    let mut net = Net::new();
    net.add_pod(21);
    let directory = tempfile::tempdir().expect("a directory");
    let mut session = session(&net, &[], directory.path());
    session.wait("the node", |screen| screen.contains("● live kappa1"));
    net.ask_all(21, &["/looked-into"]);
    session.wait("the journey", |screen| screen.contains("GET /looked-into"));
    session.press("f/looked-into\r");
    session.wait("it alone", |screen| screen.contains("filter: /looked-into") && screen.contains(" 1/1 "));
    session.press("p\r\r");
    session.wait("the first packet", |screen| screen.contains("╭─ packet ") && screen.contains("SLL2"));
    session.press("\u{1b}");
    session.wait("the packets", |screen| screen.contains("╭─ packets"));
    // All rights are given up by now; the directory was opened before.
    session.press("W");
    session.wait("where they are", |screen| {
        screen.contains("packets written to ") && screen.contains("hopline-1.pcapng")
    });
    session.press("q");
    assert_eq!(session.end(), 0);
    let path = directory.path().join("hopline-1.pcapng");
    assert!(fs::read(&path).expect("a recording").starts_with(&0x0a0d_0d0a_u32.to_ne_bytes()));
    let journeys = report(&[&path]);
    let is_there = journeys.iter().any(|journey| journey["exchange"]["path"] == "/looked-into");
    assert!(is_there, "{journeys:?}");
}

#[test]
fn time_is_frozen_while_packets_come() {
    let mut net = Net::new();
    net.add_pod(21);
    let mut session = session(&net, &[], Path::new("/"));
    session.wait("the node", |screen| screen.contains("● live kappa1"));
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
