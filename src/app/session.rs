//! What is behind a screen: the files it may create and, while packets are captured, the capture.

use std::io;

use crossbeam_channel::{Receiver, unbounded};

use crate::app::clock;
use crate::app::files::Files;
use crate::app::packets::{Lookup, Packets};
use crate::app::tracer::{self, NotLive, TraceHandle};
use crate::capture::live::{Running, Tell};
use crate::model::{Notice, RecordingState, Timestamp};
use crate::timeline::Manner;
use crate::timeline::notices;
use crate::tui::News;

/// A screen's means.
pub(super) struct Session {
    pub(super) files: Files,
    pub(super) lookup: Lookup,
    pub(super) tracer: Box<dyn TraceHandle>,
    capture: Option<Capture>,
}

/// A capture under way, as the screen sees it.
struct Capture {
    node: String,
    running: Running,
    notices: Receiver<(Timestamp, Notice)>,
    is_told: bool,
    /// As the screen was told last.
    recording: Option<RecordingState>,
    /// What went wrong, to be said once more when the screen is gone.
    troubles: Vec<Notice>,
}

/// Takes notices for a screen that is to come.
pub(super) fn notices_for_later() -> (Tell, Receiver<(Timestamp, Notice)>) {
    let (sender, receiver) = unbounded();
    let tell: Tell = std::sync::Arc::new(move |notice| drop(sender.send((clock::now(), notice))));
    (tell, receiver)
}

impl Session {
    /// A screen that nothing is captured for.
    pub(super) fn replay(packets: Packets) -> Session {
        Session {
            files: Files::here(),
            lookup: Lookup::new(packets),
            tracer: Box::new(NotLive),
            capture: None,
        }
    }

    /// A screen over a capture under way on `node`.
    pub(super) fn live(
        files: Files,
        packets: Packets,
        node: String,
        running: Running,
        notices: Receiver<(Timestamp, Notice)>,
        tracer: tracer::Live,
    ) -> Session {
        let capture =
            Capture { node, running, notices, is_told: false, recording: None, troubles: Vec::new() };
        Session { files, lookup: Lookup::new(packets), tracer: Box::new(tracer), capture: Some(capture) }
    }

    /// What the screen does not know yet.
    pub(super) fn news(&mut self) -> Vec<News> {
        let Some(capture) = &mut self.capture else { return Vec::new() };
        let mut news = Vec::new();
        if !std::mem::replace(&mut capture.is_told, true) {
            news.push(News::Live(capture.node.clone()));
        }
        for (time, notice) in capture.notices.try_iter() {
            if notice.is_trouble() {
                capture.troubles.push(notice.clone());
            }
            news.push(News::Notice(time, notice));
        }
        let recording = capture.running.recording();
        if capture.recording != recording {
            capture.recording.clone_from(&recording);
            news.push(News::Recording(recording));
        }
        news
    }

    /// A name for a new recording: `kappa1_20261122203000.pcapng`.
    pub(super) fn proposed_name(&self) -> String {
        let node = self.capture.as_ref().map_or("", |capture| &capture.node);
        format!("{node}_{}.pcapng", clock::now().compact())
    }

    /// Begins to record what is captured from now on; gives the file's path.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub(super) fn record(&mut self, name: &str) -> io::Result<String> {
        let Some(capture) = &mut self.capture else { return Err(io::ErrorKind::Unsupported.into()) };
        let (path, file) = self.files.create(name)?;
        let shown = path.display().to_string();
        capture.running.record_to(path, file)?;
        Ok(shown)
    }

    /// Ends the recording; gives how it stands.
    pub(super) fn stop_recording(&mut self) -> Option<RecordingState> {
        let capture = self.capture.as_mut()?;
        let state = capture.running.recording();
        capture.running.stop_recording();
        state
    }

    /// Waits until everything is written, and says what went wrong. The capture must have been told to stop.
    pub(super) fn finish(self) {
        let Some(mut capture) = self.capture else { return };
        capture.running.finish();
        let later = capture.notices.try_iter().map(|(_, notice)| notice).filter(Notice::is_trouble);
        capture.troubles.extend(later);
        for notice in &capture.troubles {
            let _ = io::Write::write_fmt(
                &mut io::stderr(),
                format_args!("hopline: {}\n", notices::sentence(notice, Manner::default())),
            );
        }
    }
}
