//! A program in a pseudo-terminal: keys go in, the screen comes out.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Long enough for a busy machine; nothing waits that long when all is well.
pub(crate) const PATIENCE: u32 = 800;

/// A program in a terminal of its own.
pub(crate) struct Session {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
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
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().expect("no reader panics").process(&bytes[..count]);
            }
        });
        let keys = pair.master.take_writer().expect("its keyboard");
        Session { master: pair.master, keys, child, screen, before }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program reads its keys");
    }

    pub(crate) fn contents(&self) -> String {
        self.screen.lock().expect("no reader panics").screen().contents()
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
        let id = self.child.process_id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    fn is_as_before(&self) -> bool {
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
                if self.is_as_before() {
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

pub(crate) fn pause() {
    hopline::app::clock::wait(Duration::from_millis(25));
}

fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}
