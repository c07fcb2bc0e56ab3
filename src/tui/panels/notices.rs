//! How the capture stands: losses, other nodes' streams, the recording, and what there was to tell.

use ratatui::layout::Rect;

use crate::timeline::standing::{self, Standing};
use crate::timeline::words::Word;
use crate::timeline::{Line, Tone};
use crate::tui::paint::Canvas;
use crate::tui::screen::Screen;

impl Screen {
    pub(in crate::tui) fn notice_lines(&self, width: usize) -> Vec<Line> {
        let live = self.live.as_ref();
        let (streams, notices) = live.map(|live| (live.streams(), live.notices())).unwrap_or_default();
        let standing = Standing {
            sources: &self.sources,
            forgotten: self.store.evicted(),
            closed_early: self.closed_early,
            streams: &streams,
            is_live: live.is_some(),
            recording: live.and_then(|live| live.recording.as_ref()),
            notices: &notices,
        };
        standing::lines(&standing, &self.context(), width)
    }
}

pub(super) fn draw(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let mut title = Line::new();
    title.push(Tone::Head, screen.manner.word(Word::Notes));
    let inner = canvas.frame(area, &title, &Line::new(), true);
    canvas.lines(inner, &screen.notice_lines(usize::from(inner.width)), screen.first_line());
}
