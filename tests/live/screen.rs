//! The screen over a live capture, in a pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::net::Net;
use crate::pause;

const ROWS: u16 = 40;
const COLUMNS: u16 = 140;
/// Seconds.
const PATIENCE: u32 = 20;

#[test]
fn journeys_appear_on_the_screen_as_they_happen() {
    let mut net = Net::new();
    net.add_pod(21);
    let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new("ip");
    // No argument at all: what is typed first.
    command.args(["netns", "exec", &net.node(), env!("CARGO_BIN_EXE_hopline")]);
    command.env("LC_ALL", "C.UTF-8");
    command.env("TERM", "xterm-256color");
    command.env("NODE_NAME", "kappa1");
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
    drop(pair.slave);
    let cells = |count| NonZeroU16::new(count).expect("a size");
    let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0)));
    let shown = Arc::clone(&screen);
    let mut output = pair.master.try_clone_reader().expect("its output");
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            shown.lock().expect("no reader panics").process(&bytes[..count]);
        }
    });
    let contents = || screen.lock().expect("no reader panics").screen().contents();
    let wait = |part: &str| {
        for _ in 0..PATIENCE {
            if contents().contains(part) {
                return;
            }
            pause();
        }
        panic!("`{part}` does not appear; the screen is\n{}", contents());
    };
    wait("help");
    net.ask_all(21, &["/first"]);
    wait("/first");
    net.ask_all(21, &["/second"]);
    wait("/second");
    assert!(child.try_wait().expect("a state").is_none());
    pair.master.take_writer().expect("its keyboard").write_all(b"q").expect("a key");
    assert!(child.wait().expect("an end").success());
    assert!(!screen.lock().expect("no reader panics").screen().alternate_screen());
}
