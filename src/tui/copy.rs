//! What is copied off the screen: the chosen journey, whole, in the view it is shown in.

use crate::timeline::sheet::Sheet;
use crate::timeline::{Line, svg};
use crate::tui::screen::Screen;

/// Cells that its lines may take at least: a narrow screen need not make a narrow picture.
const LEAST_WIDTH: usize = 120;

/// A journey to be taken elsewhere.
#[derive(Debug)]
pub struct Copied {
    lines: Vec<Line>,
}

impl Screen {
    /// The chosen journey as it stands.
    pub fn copied(&self) -> Option<Copied> {
        let journey = self.chosen()?;
        let width = usize::from(self.size.0).max(LEAST_WIDTH);
        let head = Sheet { number: None, journey: &journey, is_whole: false }.head(&self.context());
        let content = self.journey_content(&journey, width);
        let mut lines = head.wrapped(width, 3);
        lines.extend(content.head);
        lines.extend(content.rows);
        lines.extend(content.verdict);
        Some(Copied { lines })
    }
}

impl Copied {
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.text().trim_end(), "\n"]).collect()
    }

    /// A picture for light and for dark.
    pub fn svg(&self) -> String {
        svg::picture(&self.lines)
    }
}
