//! Rows of groups in the list: how many journeys, how often, how many errors, and percentiles.
//!
//! ```text
//!    path                       journeys     1/s  ✗    5xx       p50       p90       p99
//!  ▸ + pod→service                  1204    20.1  3      2   1.84 ms   2.10 ms   6.02 ms
//! ```

use crate::timeline::line::text_width;
use crate::timeline::listing::Group;
use crate::timeline::units::{duration, rate};
use crate::timeline::words::Word;
use crate::timeline::{Line, Manner, Tone};

/// A column of figures, and its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Count,
    Rate,
    Bad,
    ServerErrors,
    Percentile(u8),
}

/// The columns that fit, made from the width alone.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    name: usize,
    columns: Vec<Figure>,
    gap: usize,
}

/// A group that is drawn.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) name: Line,
    pub(super) group: &'a Group,
    pub(super) is_open: bool,
    pub(super) is_chosen: bool,
    /// Nanoseconds that the list covers.
    pub(super) nanos: i64,
}

/// Cells before the name: the signs of choice and of opening.
const SIGNS: usize = 4;
/// Cells behind the last column.
const MARGIN: usize = 1;
/// The least that is left to the name.
const NAME: usize = 24;

impl Figure {
    /// In the order they stand in, each with its importance.
    const ALL: [(Figure, u8); 7] = [
        (Figure::Count, 0),
        (Figure::Rate, 4),
        (Figure::Bad, 1),
        (Figure::ServerErrors, 6),
        (Figure::Percentile(50), 2),
        (Figure::Percentile(90), 5),
        (Figure::Percentile(99), 3),
    ];

    const fn width(self) -> usize {
        match self {
            Figure::Count | Figure::Percentile(_) => 8,
            Figure::Rate => 6,
            Figure::Bad | Figure::ServerErrors => 4,
        }
    }

    fn name(self, manner: Manner) -> &'static str {
        match self {
            Figure::Count => manner.word(Word::Journeys),
            Figure::Rate => manner.word(Word::PerSecond),
            Figure::Bad => manner.cross(),
            Figure::ServerErrors => "5xx",
            Figure::Percentile(50) => manner.word(Word::Median),
            Figure::Percentile(90) => manner.word(Word::P90),
            Figure::Percentile(_) => manner.word(Word::P99),
        }
    }

    fn cell(self, shown: &Shown<'_>, manner: Manner) -> (Tone, String) {
        let group = shown.group;
        let counted = |count: usize| match count {
            0 => (Tone::Faint, manner.dot().to_owned()),
            _ => (Tone::Bad, count.to_string()),
        };
        match self {
            Figure::Count => (Tone::Plain, group.count().to_string()),
            Figure::Rate => (Tone::Plain, rate(group.count(), shown.nanos)),
            Figure::Bad => counted(group.bad),
            Figure::ServerErrors => counted(group.server_errors),
            Figure::Percentile(_) if group.durations.is_empty() => (Tone::Faint, manner.dot().to_owned()),
            Figure::Percentile(percent) => {
                (Tone::Plain, duration(group.durations.percentile(percent.into()), manner))
            }
        }
    }
}

impl Figures {
    pub(super) fn new(width: usize) -> Figures {
        let gap = if width >= 100 { 3 } else { 1 };
        let mut columns = Figure::ALL.to_vec();
        let taken =
            |columns: &[(Figure, u8)]| columns.iter().map(|(column, _)| column.width() + gap).sum::<usize>();
        while taken(&columns) + SIGNS + NAME + MARGIN > width && columns.len() > 1 {
            let least = columns.iter().map(|&(_, importance)| importance).max();
            columns.retain(|&(_, importance)| Some(importance) != least);
        }
        let name = width.saturating_sub(SIGNS + taken(&columns) + MARGIN);
        Figures { name, columns: columns.into_iter().map(|(column, _)| column).collect(), gap }
    }

    /// Names of the columns; the first is what the groups are by.
    pub(super) fn head(&self, by: Word, manner: Manner) -> Line {
        let mut line = Line::new();
        line.space(SIGNS).column(Tone::Head, manner.word(by), self.name, manner.ellipsis());
        for column in &self.columns {
            let end = line.width() + self.gap + column.width();
            let name = column.name(manner);
            line.pad_to(end.saturating_sub(text_width(name))).push(Tone::Head, name);
        }
        line
    }

    pub(super) fn row(&self, shown: &Shown<'_>, manner: Manner) -> Line {
        let mut line = Line::new();
        line.push(Tone::Accent, if shown.is_chosen { manner.chosen() } else { " " }).space(1);
        line.push(Tone::Accent, if shown.is_open { "-" } else { "+" }).space(1);
        let mut name = shown.name.clone();
        name.truncate(self.name, manner.ellipsis());
        line.append(&name).pad_to(SIGNS + self.name);
        for column in &self.columns {
            let (tone, text) = column.cell(shown, manner);
            line.space(self.gap).number(tone, &text, column.width());
        }
        line
    }
}
