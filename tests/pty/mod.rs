//! A program in a pseudo-terminal: keys go in, the screen comes out.
#![allow(dead_code, reason = "each crate of tests uses what it needs")]

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Long enough for a busy machine; nothing waits that long when all is well.
pub(crate) const PATIENCE: u32 = 2400;

/// A program in a terminal of its own.
pub(crate) struct Session {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// All that the program wrote.
    pub(crate) written: Arc<Mutex<Vec<u8>>>,
    /// How the terminal was set before the program came.
    before: String,
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a size")
}

impl Session {
    pub(crate) fn start(command: CommandBuilder, rows: u16, columns: u16) -> Session {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let before = settings(&*pair.master);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let mut output = pair.master.try_clone_reader().expect("its output");
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (shown, kept) = (Arc::clone(&screen), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().expect("no reader panics").process(&bytes[..count]);
                kept.lock().expect("no reader panics").extend_from_slice(&bytes[..count]);
            }
        });
        let keys = pair.master.take_writer().expect("its keyboard");
        Session { master: pair.master, keys, child, screen, written, before }
    }

    pub(crate) fn hopline(arguments: &[&str], rows: u16, columns: u16) -> Session {
        Session::start(Session::command(arguments), rows, columns)
    }

    pub(crate) fn command(arguments: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hopline"));
        command.args(arguments);
        command.env("LC_ALL", "C.UTF-8");
        command.env("TERM", "xterm-256color");
        // Neither this user's configuration nor this terminal's colours.
        for name in ["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"] {
            command.env(name, "/nonexistent");
        }
        command.env_remove("COLORFGBG");
        command.env_remove("NO_COLOR");
        command
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program reads its keys");
    }

    pub(crate) fn contents(&self) -> String {
        self.screen.lock().expect("no reader panics").screen().contents()
    }

    /// The colour of the first cell that shows `text`.
    pub(crate) fn colour(&self, text: &str) -> Option<vt100::Color> {
        let parser = self.screen.lock().expect("no reader panics");
        let (rows, columns) = parser.screen().size();
        let (rows, columns) = (rows.get(), columns.get());
        let mut cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let place = cells.find(|&(row, column)| {
            parser.screen().cell(row, column).is_some_and(|cell| cell.contents() == text)
        });
        place.and_then(|(row, column)| parser.screen().cell(row, column)).map(vt100::Cell::fgcolor)
    }

    pub(crate) fn mouse(&self) -> vt100::MouseProtocolMode {
        self.screen.lock().expect("no reader panics").screen().mouse_protocol_mode()
    }

    pub(crate) fn is_alternate(&self) -> bool {
        self.screen.lock().expect("no reader panics").screen().alternate_screen()
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn wait(&self, what: &str, is_wanted: impl Fn(&str) -> bool) {
        for _ in 0..PATIENCE {
            if is_wanted(&self.contents()) {
                return;
            }
            pause();
        }
        panic!("waited in vain for {what}; the screen is\n{}", self.contents());
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.screen.lock().expect("no reader panics").screen_mut().set_size(cells(rows), cells(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the window changes");
    }

    /// Sends a signal by its name, as `kill` knows it.
    pub(crate) fn signal(&self, name: &str) {
        send(name, &self.id());
    }

    /// Sends a signal to the process that the program, a shell, has started.
    pub(crate) fn signal_child(&self, name: &str) {
        let found = std::process::Command::new("pgrep").args(["-P", &self.id()]).output();
        let child = String::from_utf8(found.expect("pgrep of procps").stdout).expect("a number");
        send(name, child.trim());
    }

    fn id(&self) -> String {
        self.child.process_id().expect("it runs").to_string()
    }

    pub(crate) fn is_given_back(&self) -> bool {
        !self.is_alternate() && settings(&*self.master) == self.before
    }

    /// Waits for the end; gives the exit code once the terminal is as it was.
    pub(crate) fn end(mut self) -> u32 {
        for _ in 0..PATIENCE {
            let Some(status) = self.child.try_wait().expect("its status") else {
                pause();
                continue;
            };
            for _ in 0..PATIENCE {
                if self.is_given_back() {
                    return status.exit_code();
                }
                pause();
            }
            panic!("the terminal is not as it was ({}); the screen is\n{}", self.before, self.contents());
        }
        panic!("the program does not end; the screen is\n{}", self.contents());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(signal: &str, process: &str) {
    let sent = std::process::Command::new("kill").args(["-s", signal, process]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

pub(crate) fn pause() {
    hopline::app::clock::wait(Duration::from_millis(25));
}

fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}
