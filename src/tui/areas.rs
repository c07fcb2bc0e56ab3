//! Which part of the screen is whose.

use ratatui::layout::Rect;

use crate::tui::panels::journey::Content;
use crate::tui::screen::{Focus, Screen};

/// The areas of one drawing; what is not shown has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Areas {
    pub(super) status: Rect,
    pub(super) list: Option<Rect>,
    pub(super) journey: Option<Rect>,
    /// A page in place of list and journey.
    pub(super) page: Option<Rect>,
    pub(super) foot: Rect,
}

/// Frame and head of the list.
const LIST_EXTRA: u16 = 3;
/// Frame of a panel.
const FRAME: u16 = 2;

impl Screen {
    pub(super) fn areas(&self, area: Rect) -> Areas {
        let row =
            |y: u16| Rect { y: area.y + y.min(area.height), height: u16::from(y < area.height), ..area };
        let middle = Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(2), ..area };
        let mut areas = Areas {
            status: row(0),
            list: None,
            journey: None,
            page: None,
            foot: row(area.height.saturating_sub(1).max(1)),
        };
        match self.focus {
            page if page.is_page() => areas.page = Some(middle),
            _ if self.is_wide() => {
                let top = list_height(middle.height);
                areas.list = Some(Rect { height: top, ..middle });
                areas.journey = Some(Rect { y: middle.y + top, height: middle.height - top, ..middle });
            }
            Focus::Journey => areas.journey = Some(middle),
            _ => areas.list = Some(middle),
        }
        areas
    }

    pub(super) fn whole(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.size.0, height: self.size.1 }
    }

    /// Journeys that the list shows at once, when it is shown.
    pub(super) fn list_rows(&self) -> usize {
        let middle = self.size.1.saturating_sub(2);
        let height = if self.is_wide() { list_height(middle) } else { middle };
        usize::from(height.saturating_sub(LIST_EXTRA))
    }

    /// Lines of the journey, the statistics or the help that are shown at once.
    pub(super) fn body_rows(&self) -> usize {
        let areas = self.areas(self.whole());
        match (areas.page, areas.journey) {
            // The interfaces' heads stay.
            (Some(page), _) => usize::from(page.height.saturating_sub(FRAME))
                .saturating_sub(usize::from(self.focus == Focus::Interfaces)),
            (None, Some(journey)) => {
                self.content().map_or(0, |content| content.rows_in(journey.height.saturating_sub(FRAME)))
            }
            (None, None) => 0,
        }
    }

    /// The first line of the body that is shown.
    pub(super) fn first_line(&self) -> usize {
        match self.focus {
            page if page.is_page() => self.scroll.unwrap_or(0).min(self.last_scroll()),
            _ => self.content().map_or(0, |content| content.first(self.scroll, self.body_rows())),
        }
    }

    /// The furthest the body can be scrolled.
    pub(super) fn last_scroll(&self) -> usize {
        let width = usize::from(self.size.0.saturating_sub(FRAME));
        let lines = match self.focus {
            Focus::Bookmarks => self.bookmarks.count(),
            Focus::Help => self.help_lines(width).len(),
            Focus::Interfaces => self.interface_lines(width).len().saturating_sub(1),
            Focus::Notices => self.notice_lines(width).len(),
            _ => self.content().map_or(0, |content| content.rows.len()),
        };
        lines.saturating_sub(self.body_rows())
    }

    pub(super) fn content(&self) -> Option<Content> {
        let journey = self.chosen()?;
        Some(self.journey_content(&journey, usize::from(self.size.0.saturating_sub(FRAME))))
    }
}

/// Two fifths for the list, but no less than it needs and no more than leaves a timeline.
fn list_height(height: u16) -> u16 {
    (height * 2 / 5).clamp(LIST_EXTRA + 1, 24).min(height)
}
