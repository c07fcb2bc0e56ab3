//! What the screen knows of a capture under way: the node, other nodes' streams, the recording, the notices.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{Notice, RecordingState, StreamState, Timestamp};
use crate::timeline::standing::Stream;

/// Notices of each kind that are kept: troubles are not pushed out by pods that come and go.
const KEPT: usize = 200;

/// A capture under way, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) node: String,
    pub(super) recording: Option<RecordingState>,
    streams: Vec<Known>,
    troubles: VecDeque<(Timestamp, Notice)>,
    changes: VecDeque<(Timestamp, Notice)>,
    /// Troubles that were not looked at yet.
    pub(super) unread: usize,
}

/// A stream's state, and when the screen first looked at it.
#[derive(Debug)]
struct Known {
    stream: Stream,
    since: Option<Duration>,
}

impl Live {
    pub(super) fn new(node: String) -> Live {
        Live { node, ..Live::default() }
    }

    pub(super) fn take(&mut self, time: Timestamp, notice: Notice) {
        if let Notice::Node { node, state } = &notice {
            self.know(node, state.clone());
        }
        let kept = if notice.is_trouble() { &mut self.troubles } else { &mut self.changes };
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        self.unread += usize::from(notice.is_trouble());
        kept.push_back((time, notice));
    }

    fn know(&mut self, node: &str, state: StreamState) {
        let left_s = match state {
            StreamState::Ended { again_s, .. } => again_s.unwrap_or_default(),
            _ => 0,
        };
        let known = Known { stream: Stream { node: node.to_owned(), state, left_s }, since: None };
        match self.streams.iter_mut().find(|known| known.stream.node == node) {
            Some(place) => *place = known,
            None => self.streams.push(known),
        }
    }

    /// Counts down what is waited for. `now` runs with the wall's clock.
    pub(super) fn advance(&mut self, now: Duration) {
        for Known { stream, since } in &mut self.streams {
            let waited = now.saturating_sub(*since.get_or_insert(now)).as_secs();
            if let StreamState::Ended { again_s: Some(seconds), .. } = stream.state {
                stream.left_s = seconds.saturating_sub(waited);
            }
        }
    }

    pub(super) fn streams(&self) -> Vec<Stream> {
        self.streams.iter().map(|known| known.stream.clone()).collect()
    }

    /// All notices, the newest first.
    pub(super) fn notices(&self) -> Vec<(Timestamp, Notice)> {
        let mut all: Vec<_> = self.troubles.iter().chain(&self.changes).cloned().collect();
        all.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_come_and_go_push_no_trouble_out() {
        let mut live = Live::new("kappa1".to_owned());
        live.take(Timestamp(1), Notice::Failed("capturing stopped".to_owned()));
        for second in 0..1000 {
            live.take(Timestamp(2 + second), Notice::Came(format!("cali{second}")));
        }
        let notices = live.notices();
        assert_eq!((notices.len(), live.unread), (KEPT + 1, 1));
        assert_eq!(notices.last().map(|(time, _)| *time), Some(Timestamp(1)));
    }

    #[test]
    fn a_stream_that_is_started_anew_is_counted_down() {
        let mut live = Live::new("kappa1".to_owned());
        let state = StreamState::Ended { why: String::new(), again_s: Some(4) };
        live.take(Timestamp(1), Notice::Node { node: "kappa2".to_owned(), state });
        let mut left = |seconds| {
            live.advance(Duration::from_secs(seconds));
            live.streams()[0].left_s
        };
        assert_eq!([left(100), left(101), left(103), left(110)], [4, 3, 1, 0]);
        live.take(Timestamp(9), Notice::Node { node: "kappa2".to_owned(), state: StreamState::Flowing });
        assert_eq!(live.streams().len(), 1);
        assert_eq!(live.streams()[0].left_s, 0);
    }
}
