//! A waterfall at a certain width: which columns there is room for, and a line a row.

use std::convert::Infallible;

use super::{Row, Waterfall};
use crate::timeline::bar::{Scale, Texture};
use crate::timeline::line::text_width;
use crate::timeline::units::{Unit, duration};
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Tone};

/// Widths of the columns for a given width of the whole.
#[derive(Clone, Copy, Debug)]
struct Columns {
    mark: usize,
    label: usize,
    /// Node, point and direction; all 0 where there is no room for them.
    place: [usize; 3],
    at: usize,
    took: usize,
    bar: usize,
}

/// What all lines of a waterfall are drawn on.
struct Sheet {
    columns: Columns,
    scale: Scale,
    beat: usize,
    width: usize,
}

const NUMBER_WIDTH: usize = 8;
const LEAST_BAR: usize = 16;

impl Columns {
    /// Label, took and bar stay longest; `where` goes first, then `at`, then the bar.
    fn new(waterfall: &Waterfall<'_>, context: &Context<'_>, width: usize) -> Columns {
        let widest = |text: for<'r> fn(&'r Row<'_>) -> &'r str| {
            waterfall.rows.iter().map(|row| text_width(text(row))).max().unwrap_or(0)
        };
        let mark = widest(|row| &row.mark).max(3);
        let label = widest(|row| &row.label).max(text_width(context.manner.word(Word::Stage)));
        let place = [widest(|row| &row.node), widest(|row| &row.point), widest(|row| row.direction)];
        let place_width = place.iter().sum::<usize>() + 4;
        let mut columns = Columns {
            mark,
            label: label.min(if width < 130 { 32 } else { 40 }),
            place: [0; 3],
            at: 0,
            took: NUMBER_WIDTH,
            bar: 0,
        };
        let base = 1 + mark + 1 + 1;
        if width >= base + 24 + place_width + 2 * (NUMBER_WIDTH + 1) + LEAST_BAR {
            columns.place = place;
        }
        if width >= base + 20 + 2 * (NUMBER_WIDTH + 1) + LEAST_BAR {
            columns.at = NUMBER_WIDTH;
        }
        let used = |columns: &Columns| {
            let place = if columns.place == [0; 3] { 0 } else { place_width };
            base + place + columns.at + columns.took + 4
        };
        columns.label = columns.label.min(width.saturating_sub(used(&columns) + LEAST_BAR).max(12));
        columns.bar = width.saturating_sub(used(&columns) + columns.label);
        if columns.bar < 6 {
            columns.bar = 0;
            columns.label = label.min(width.saturating_sub(used(&columns)));
        }
        columns
    }
}

impl Waterfall<'_> {
    /// The head line and the rows for `width` cells. `beat` moves what waits.
    pub fn lines(&self, context: &Context<'_>, width: usize, beat: usize) -> (Line, Vec<Line>) {
        let mut rows = Vec::with_capacity(self.rows.len() + 3);
        let mut line = Line::new();
        let collected: Result<(), Infallible> =
            self.each_line(context, width, beat, &mut line, &mut |line| {
                rows.push(line.clone());
                Ok(())
            });
        let Ok(()) = collected;
        let head = rows.remove(0);
        (head, rows)
    }

    /// Gives `sink` the head line and then the rows, each made in `line`.
    ///
    /// # Errors
    /// What `sink` fails with.
    pub fn each_line<E>(
        &self,
        context: &Context<'_>,
        width: usize,
        beat: usize,
        line: &mut Line,
        sink: &mut dyn FnMut(&Line) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = Columns::new(self, context, width);
        let scale = Scale { span: self.span, width: columns.bar };
        let sheet = Sheet { columns, scale, beat, width };
        line.clear();
        self.draw_head(line, context, &sheet);
        sink(line)?;
        self.all().try_for_each(|row| {
            line.clear();
            self.draw(line, row, context, &sheet);
            sink(line)
        })
    }

    fn draw_head(&self, line: &mut Line, context: &Context<'_>, sheet: &Sheet) {
        let Sheet { columns, scale, width, .. } = sheet;
        let manner = context.manner;
        line.pad_to(columns.mark + 2);
        line.column(Tone::Head, manner.word(Word::Stage), columns.label, manner.ellipsis()).space(1);
        if columns.place != [0; 3] {
            let wide = columns.place.iter().sum::<usize>() + 3;
            line.column(Tone::Head, manner.word(Word::Where), wide, manner.ellipsis()).space(1);
        }
        let mut number = |word: Word, unit: Unit, wide: usize| {
            if wide > 0 {
                let text = format!("{} {}", manner.word(word), unit.name(manner));
                line.number(Tone::Head, &text, wide).space(1);
            }
        };
        number(Word::At, self.at, columns.at);
        number(Word::Took, self.took, columns.took);
        if columns.bar > 0 {
            line.space(1);
            scale.draw_axis(line, manner);
        }
        line.truncate(*width, "");
    }

    fn draw(&self, line: &mut Line, row: &Row<'_>, context: &Context<'_>, sheet: &Sheet) {
        let Sheet { columns, scale, beat, width } = sheet;
        let ellipsis = context.manner.ellipsis();
        let text_tone = match row.tone {
            Tone::Bad => Tone::Bad,
            Tone::Dim | Tone::Faint => row.tone,
            _ => Tone::Plain,
        };
        line.space(1).column(row.tone, &row.mark, columns.mark, ellipsis).space(1);
        line.column(text_tone, &row.label, columns.label, ellipsis).space(1);
        if columns.place != [0; 3] {
            let [node, point, direction] = columns.place;
            line.column(Tone::Dim, &row.node, node, ellipsis).space(1);
            line.column(text_tone, &row.point, point, ellipsis).space(1);
            line.column(Tone::Dim, row.direction, direction, ellipsis).space(2);
        }
        if columns.at > 0 {
            let at = row.at.map_or_else(String::new, |at| self.at.number(at));
            line.number(Tone::Plain, &at, columns.at).space(1);
        }
        match row.age {
            Some(age) => {
                let waiting = format!("{ellipsis}{}", duration(age, context.manner));
                line.number(Tone::Accent, &waiting, columns.took)
            }
            None => line.number(text_tone, &self.took_text(row, context), columns.took),
        };
        if let Some(bar) = row.bar.filter(|_| columns.bar > 0) {
            line.space(2);
            let origin = line.width();
            scale.draw(line, bar, context.manner, *beat);
            let hint = format!("{}{}", row.owner, context.manner.word(Word::OwnTime));
            let is_fit = line.width() + 1 + text_width(&hint) <= origin + columns.bar;
            if bar.texture == Texture::Own && is_fit {
                line.space(1).push(Tone::Own, &hint);
            }
        }
        line.truncate(*width, ellipsis);
    }

    /// How long a row took, in the unit of its column: `≤ 74`, `~3`, `412`.
    pub fn took_text(&self, row: &Row<'_>, context: &Context<'_>) -> String {
        let Some(took) = row.took else { return String::new() };
        let mut out = String::with_capacity(12);
        if took.is_at_most {
            out.push_str(context.manner.at_most());
            out.push(' ');
        } else if took.is_uncertain {
            out.push('~');
        }
        self.took.write(&mut out, took.nanos);
        out
    }
}
