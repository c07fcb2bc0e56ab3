//! The columns of the list: which, in which order, and how wide. Widths are made from the list's own width alone, so
//! that nothing moves when journeys come.

use crate::timeline::words::Word;

/// What a column tells of a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Time,
    Path,
    Route,
    Ends,
    Exchange,
    Stages,
    Duration,
    Verdict,
    Detail,
}

/// Cells between columns, and for the sign of choice before the first.
const GAP: usize = 2;
/// The least that a column of no fixed width is worth showing in.
const LEAST: usize = 8;
/// From here on the list is wide.
const WIDE: usize = 130;

impl Column {
    pub const ALL: [Column; 9] = [
        Column::Time,
        Column::Path,
        Column::Route,
        Column::Ends,
        Column::Exchange,
        Column::Stages,
        Column::Duration,
        Column::Verdict,
        Column::Detail,
    ];

    /// As the configuration calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Column::Time => "time",
            Column::Path => "path",
            Column::Route => "route",
            Column::Ends => "ends",
            Column::Exchange => "exchange",
            Column::Stages => "stages",
            Column::Duration => "duration",
            Column::Verdict => "verdict",
            Column::Detail => "detail",
        }
    }

    pub(super) const fn word(self) -> Word {
        match self {
            Column::Time => Word::Time,
            Column::Path => Word::Path,
            Column::Route => Word::Route,
            Column::Ends => Word::ClientToServer,
            Column::Exchange => Word::Exchange,
            Column::Stages => Word::Stages,
            Column::Duration => Word::Duration,
            Column::Verdict => Word::Verdict,
            Column::Detail => Word::Detail,
        }
    }

    /// Its width where that is fixed, else its share of what is left: more for what is longer.
    const fn width(self, is_wide: bool) -> Result<usize, usize> {
        match self {
            Column::Time => Ok(12),
            Column::Path => Ok(16),
            Column::Route => Ok(14),
            Column::Duration => Ok(8),
            Column::Verdict => Ok(if is_wide { 24 } else { 10 }),
            Column::Ends => Err(4),
            Column::Exchange => Err(2),
            Column::Stages => Err(3),
            Column::Detail => Err(6),
        }
    }

    /// Columns by their names in the configuration.
    ///
    /// # Errors
    /// What is wrong with the name at which place, and what to try.
    pub fn read<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Column>, (usize, String)> {
        let mut columns = Vec::new();
        for (place, name) in names.into_iter().enumerate() {
            let Some(column) = Column::ALL.into_iter().find(|column| column.name() == name) else {
                let all = Column::ALL.map(Column::name).join(", ");
                return Err((place, format!("`{name}` is no column; there are {all}")));
            };
            if columns.contains(&column) {
                return Err((place, format!("the column `{name}` is there twice; name each once")));
            }
            columns.push(column);
        }
        Ok(columns)
    }
}

/// The columns that are shown and the width of each: those of `wanted` from the first on that fit into `width`, or
/// what fits best where none are named.
pub(super) fn laid(wanted: &[Column], width: usize) -> Vec<(Column, usize)> {
    let usual: &[Column] = match width {
        WIDE.. => &[
            Column::Time,
            Column::Path,
            Column::Ends,
            Column::Exchange,
            Column::Stages,
            Column::Duration,
            Column::Verdict,
        ],
        60.. => &[Column::Time, Column::Ends, Column::Exchange, Column::Duration, Column::Verdict],
        _ => &[Column::Ends, Column::Verdict],
    };
    let mut columns = if wanted.is_empty() { usual } else { wanted };
    let is_wide = width >= WIDE;
    let least = |columns: &[Column]| {
        columns.iter().map(|column| column.width(is_wide).unwrap_or(LEAST) + GAP).sum::<usize>()
    };
    while let [rest @ .., _] = columns
        && !rest.is_empty()
        && least(columns) > width
    {
        columns = rest;
    }
    share(columns, width, is_wide)
}

/// Gives what the fixed columns leave to the others, by their shares.
fn share(columns: &[Column], width: usize, is_wide: bool) -> Vec<(Column, usize)> {
    let fixed: usize = columns.iter().filter_map(|column| column.width(is_wide).ok()).sum();
    let mut left = width.saturating_sub(fixed + GAP * columns.len());
    let mut shares: usize = columns.iter().filter_map(|column| column.width(is_wide).err()).sum();
    let mut laid: Vec<(Column, usize)> =
        columns.iter().map(|&column| (column, column.width(is_wide).unwrap_or(0))).collect();
    // What is rounded off goes to the ends, whose names are the longest.
    let (last, others): (Vec<_>, Vec<_>) = laid.iter_mut().partition(|(column, _)| *column == Column::Ends);
    for (column, cells) in others.into_iter().rev().chain(last) {
        if let Err(part) = column.width(is_wide) {
            *cells = left * part / shares;
            left -= *cells;
            shares -= part;
        }
    }
    laid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_the_width_is_used_and_no_more() {
        for width in 24..220 {
            let laid = laid(&[], width);
            let taken: usize = laid.iter().map(|(_, cells)| cells + GAP).sum();
            assert_eq!(taken, width, "{laid:?}");
        }
    }

    #[test]
    fn named_columns_are_shown_in_their_order_as_far_as_they_fit() {
        let wanted = Column::read(["verdict", "time", "detail", "route"]).expect("columns");
        let shown = |width| laid(&wanted, width).iter().map(|(column, _)| column.name()).collect::<Vec<_>>();
        assert_eq!(shown(160), ["verdict", "time", "detail", "route"]);
        assert_eq!(shown(40), ["verdict", "time", "detail"]);
        assert_eq!(shown(8), ["verdict"]);
        for column in Column::ALL {
            assert_eq!(Column::read([column.name()]), Ok(vec![column]));
        }
        assert!(
            Column::read(["time", "colour"])
                .is_err_and(|(place, said)| place == 1 && said.contains("there are time"))
        );
        assert!(Column::read(["time", "time"]).is_err_and(|(_, said)| said.contains("twice")));
    }
}
