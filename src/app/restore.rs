//! Gives the terminal back for a program that took it and is gone without a word.

use std::io;

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::LeaveAlternateScreen;
use nix::sys::signal::{SigSet, Signal};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::app::terminal::{MOUSE_OFF, write_out};

/// How the terminal on standard output was before the screen; nothing where there is none.
pub(super) struct Saved(Option<Termios>);

impl Saved {
    pub(super) fn now() -> Saved {
        Saved(tcgetattr(io::stdout()).ok())
    }

    /// Puts everything back, unless the program has done so itself.
    pub(super) fn restore(&self) {
        let Some(before) = &self.0 else { return };
        let is_raw = tcgetattr(io::stdout()).is_ok_and(|now| now.local_modes != before.local_modes);
        if !is_raw {
            return;
        }
        // A process in the background is stopped where it sets the terminal, unless it blocks that: tcsetattr(3p).
        // There is nothing to be done where even this fails.
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTTOU);
        let _ = blocked.thread_block();
        let _ = write_out(MOUSE_OFF);
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = tcsetattr(io::stdout(), OptionalActions::Now, before);
    }
}
