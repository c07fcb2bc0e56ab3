//! Tracing in the kernel, as the screen shows it and asks for it.

use crate::model::FlowPattern;
use crate::timeline::tracing;
use crate::timeline::words::Word;
use crate::tui::screen::Screen;

/// How tracing stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// There is nothing live.
    #[default]
    NotLive,
    /// The right for it is missing.
    NoRight,
    Off {
        /// Why it could not be done, if it was asked for.
        trouble: Option<String>,
    },
    On {
        /// Seconds until it ends by itself.
        left: u64,
        /// So often trace messages were lost.
        lost: u64,
    },
}

impl Screen {
    /// Takes in how tracing stands.
    pub fn note_tracing(&mut self, now: Tracing) {
        if let Tracing::Off { trouble: Some(why) } = &now
            && self.tracing != now
        {
            self.tell(format!("{}: {why}", self.manner.word(Word::NotTraced)));
        }
        self.tracing = now;
    }

    /// The connections of the chosen journey, for the kernel; none where tracing is on or not possible, which is
    /// said then.
    pub fn to_trace(&mut self) -> Vec<FlowPattern> {
        let word = match self.tracing {
            Tracing::NotLive => Word::TraceOnlyLive,
            Tracing::NoRight => Word::TraceNoRight,
            Tracing::On { .. } => return Vec::new(),
            Tracing::Off { .. } => match self.chosen_stored().map(|journey| tracing::flows(&journey)) {
                Some(flows) if !flows.is_empty() => return flows,
                _ => Word::NothingToTrace,
            },
        };
        self.tell(self.manner.word(word).to_owned());
        Vec::new()
    }

    /// Whether it is on.
    pub fn is_tracing(&self) -> bool {
        matches!(self.tracing, Tracing::On { .. })
    }

    /// `tracing 42 s`, and what was lost of it.
    pub(super) fn tracing_shown(&self) -> Option<String> {
        let Tracing::On { left, lost } = self.tracing else { return None };
        let on = format!("{} {left} s", self.manner.word(Word::Tracing));
        Some(if lost > 0 { format!("{on} ({} {lost})", self.manner.word(Word::Dropped)) } else { on })
    }
}
