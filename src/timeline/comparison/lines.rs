//! A comparison at a certain width.

use super::{Comparison, Row, Side};
use crate::timeline::delay::Took;
use crate::timeline::line::text_width;
use crate::timeline::units::{Unit, duration};
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};

/// Cells of the chosen row's sign and the stage's number.
const MARK: usize = 5;
const NUMBER: usize = 10;
/// Columns of places are shown from this width on.
const WIDE: usize = 120;
/// Half of the bar, without the middle line.
const LEAST_HALF: usize = 4;
const MOST_HALF: usize = 24;

struct Columns {
    label: usize,
    /// 0 where there is no room.
    place: usize,
    half: usize,
}

impl Columns {
    fn new(comparison: &Comparison, width: usize) -> Columns {
        let sides = comparison.rows.iter().flat_map(|row| [&row.other, &row.chosen]);
        let widest = sides.flatten().map(|side| text_width(&side.place)).max().unwrap_or(0);
        let place = if width >= WIDE { widest.min(24) } else { 0 };
        let fixed = 1 + MARK + 3 * (NUMBER + 1) + 2 * (place + usize::from(place > 0)) + 2;
        let longest = comparison.rows.iter().map(|row| text_width(&row.label)).max().unwrap_or(0);
        let rest = width.saturating_sub(fixed);
        let label = longest.max(8).min(rest.saturating_sub(2 * LEAST_HALF + 1).max(12)).min(44);
        let half = (rest.saturating_sub(label + 1) / 2).min(MOST_HALF);
        Columns { label, place, half: if half < LEAST_HALF { 0 } else { half } }
    }
}

impl Comparison {
    /// The head line and a line a row, the sum last. `other` names what the chosen one is compared with.
    pub fn lines(&self, other: &str, context: &Context<'_>, width: usize) -> (Line, Vec<Line>) {
        let manner = context.manner;
        let columns = Columns::new(self, width);
        let shares = self.rows.iter().filter_map(|row| row.difference);
        let most = shares.map(i64::abs).max().unwrap_or(0);
        let unit = Unit::for_largest(self.largest_took());
        let sheet = Sheet { columns, unit, most, manner };
        let mut head = sheet.head(other);
        let mut lines: Vec<Line> = self
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| sheet.row(row, self.largest == Some(index)))
            .collect();
        lines.push(sheet.sum(self));
        for line in lines.iter_mut().chain([&mut head]) {
            line.truncate(width, manner.ellipsis());
        }
        (head, lines)
    }

    fn largest_took(&self) -> i64 {
        let sides = self.rows.iter().flat_map(|row| [&row.other, &row.chosen]).flatten();
        let tooks = sides.filter_map(|side| side.took).map(|took| took.nanos.abs());
        tooks.chain(self.totals.into_iter().flatten()).max().unwrap_or(0)
    }

    /// `2.84 ms slower, most of it at ⑦ leaves the node (+2.84 ms)`.
    pub fn sentence(&self, context: &Context<'_>) -> Line {
        let manner = context.manner;
        let mut line = Line::new();
        if self.difference() == Some(0) {
            line.push(Tone::Strong, manner.word(Word::SameTime));
        } else if let Some(difference) = self.difference() {
            let word = if difference < 0 { Word::FasterBy } else { Word::SlowerBy };
            line.push(Tone::Strong, manner.word(word)).space(1);
            line.push(Tone::Strong, &duration(difference.abs(), manner));
        } else {
            line.push(Tone::Dim, manner.word(Word::NotBothWhole));
        }
        if let Some(row) = self.largest.and_then(|at| self.rows.get(at)) {
            let mark = row.chosen.as_ref().or(row.other.as_ref()).map_or("", |side| &side.mark);
            line.space(1).push(Tone::Dim, manner.dot()).space(1);
            line.push(Tone::Plain, manner.word(Word::LargestAt)).space(1).push(Tone::Accent, mark);
            line.space(usize::from(!mark.is_empty())).push(Tone::Accent, &row.label);
            let share = row.share.unwrap_or_default();
            line.space(1)
                .push(Tone::Plain, &format!("({})", signed(share, &|nanos| duration(nanos, manner))));
        }
        line
    }
}

/// What all rows are drawn on.
struct Sheet {
    columns: Columns,
    unit: Unit,
    /// The largest difference, which the bars are made for.
    most: i64,
    manner: Manner,
}

impl Sheet {
    fn head(&self, other: &str) -> Line {
        let Sheet { columns, manner, .. } = self;
        let mut line = Line::new();
        line.pad_to(1 + MARK).column(Tone::Head, manner.word(Word::Stage), columns.label, "");
        if columns.place > 0 {
            line.space(1).column(Tone::Dim, other, columns.place, manner.ellipsis());
            line.space(1).column(Tone::Head, manner.word(Word::Chosen), columns.place, manner.ellipsis());
        }
        let unit = self.unit.name(*manner);
        for (text, tone) in [(other, Tone::Dim), (manner.word(Word::Chosen), Tone::Head)] {
            line.space(1).number(tone, &format!("{text} {unit}"), NUMBER);
        }
        line.space(1).number(Tone::Head, manner.word(Word::Difference), NUMBER);
        if columns.half > 0 {
            let words = [Word::Faster, Word::Slower].map(|word| manner.word(word));
            let has_room = words.iter().all(|word| text_width(word) < columns.half);
            let [faster, slower] = if has_room { words } else { ["-", "+"] };
            line.space(2);
            let middle = line.width() + columns.half;
            line.pad_to(middle - text_width(faster) - 1).push(Tone::Good, faster);
            line.pad_to(middle + 2).push(Tone::Bad, slower);
        }
        line
    }

    fn row(&self, row: &Row, is_largest: bool) -> Line {
        let manner = self.manner;
        let mut line = Line::new();
        line.push(Tone::Accent, if is_largest { manner.chosen() } else { " " });
        let side = row.chosen.as_ref().or(row.other.as_ref());
        let (mark, tone) = side.map_or(("", Tone::Plain), |side| (side.mark.as_str(), side.tone));
        line.column(tone, mark, MARK - 1, manner.ellipsis()).space(1);
        let text_tone = if is_largest { Tone::Strong } else { Tone::Plain };
        line.column(text_tone, &row.label, self.columns.label, manner.ellipsis());
        if self.columns.place > 0 {
            for side in [&row.other, &row.chosen] {
                let place = side.as_ref().map_or("", |side| side.place.as_str());
                line.space(1).column(Tone::Dim, place, self.columns.place, manner.ellipsis());
            }
        }
        for (side, tone) in [(&row.other, Tone::Dim), (&row.chosen, text_tone)] {
            let (text, tone) = self.cell(side.as_ref(), tone);
            line.space(1).number(tone, &text, NUMBER);
        }
        let tone = if is_largest { Tone::Accent } else { Tone::Plain };
        let sign = if row.is_uncertain { "~" } else { "" };
        let difference =
            row.difference.map(|nanos| sign.to_owned() + &signed(nanos, &|it| self.unit.number(it)));
        line.space(1).number(tone, &difference.unwrap_or_default(), NUMBER);
        self.bar(&mut line, row, is_largest);
        line
    }

    /// What one of the two took; the sign of its state where it took nothing that is known; `-` where it does not
    /// come by.
    fn cell(&self, side: Option<&Side>, tone: Tone) -> (String, Tone) {
        match side {
            None => ("-".to_owned(), Tone::Faint),
            Some(Side { took: Some(took), .. }) => (self.took(*took), tone),
            Some(side) => (side.mark.clone(), side.tone),
        }
    }

    fn took(&self, took: Took) -> String {
        let sign = match took {
            Took { is_at_most: true, .. } => format!("{} ", self.manner.at_most()),
            Took { is_uncertain: true, .. } => "~".to_owned(),
            _ => String::new(),
        };
        sign + &self.unit.number(took.nanos)
    }

    /// To the right where the chosen one took longer, to the left where it took less.
    fn bar(&self, line: &mut Line, row: &Row, is_largest: bool) {
        let half = self.columns.half;
        if half == 0 {
            return;
        }
        let is_ascii = self.manner.is_ascii();
        line.space(2);
        let start = line.width();
        let difference = row.difference.unwrap_or_default();
        let share = i128::from(difference.abs()) * half as i128 / i128::from(self.most.max(1));
        let cells = usize::try_from(share).unwrap_or(half).max(usize::from(difference != 0)).min(half);
        let symbol = match (row.share.is_some(), is_ascii) {
            (true, false) => '█',
            (true, true) => '#',
            (false, false) => '░',
            (false, true) => '~',
        };
        let tone = match (is_largest, difference < 0) {
            (false, _) if row.share.is_none() => Tone::Dim,
            (_, true) => Tone::Good,
            (true, false) => Tone::Bad,
            (false, false) => Tone::Own,
        };
        let middle = if is_ascii { '|' } else { '│' };
        if difference < 0 {
            line.pad_to(start + half - cells).repeat(tone, symbol, cells).repeat(Tone::Faint, middle, 1);
        } else {
            line.pad_to(start + half).repeat(Tone::Faint, middle, 1).repeat(tone, symbol, cells);
        }
    }

    fn sum(&self, comparison: &Comparison) -> Line {
        let mut line = Line::new();
        line.pad_to(1 + MARK).column(Tone::Head, self.manner.word(Word::Duration), self.columns.label, "");
        if self.columns.place > 0 {
            line.space(2 * (self.columns.place + 1));
        }
        for (total, tone) in comparison.totals.into_iter().zip([Tone::Dim, Tone::Strong]) {
            line.space(1).number(
                tone,
                &total.map_or_else(|| "-".to_owned(), |it| self.unit.number(it)),
                NUMBER,
            );
        }
        let difference = comparison.difference().map(|nanos| signed(nanos, &|it| self.unit.number(it)));
        line.space(1).number(Tone::Strong, &difference.unwrap_or_default(), NUMBER);
        line
    }
}

/// With a sign also where it is positive.
fn signed(nanos: i64, text: &dyn Fn(i64) -> String) -> String {
    if nanos > 0 { format!("+{}", text(nanos)) } else { text(nanos) }
}
