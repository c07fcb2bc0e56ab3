//! Bars on a time axis: from nanoseconds to cells and eighths of cells.

use crate::timeline::units::{Unit, duration};
use crate::timeline::{Line, Manner, Tone};

/// What a bar stands for; each has a texture of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texture {
    /// Time on the way, between two sightings.
    Seen,
    /// Somewhere in here.
    Bounded,
    /// A pod's or a proxy's own time.
    Own,
    /// May still come.
    Waiting,
    Missing,
    Outside,
    /// Before or after what is followed.
    Around,
}

/// A stretch of the journey's time, in nanoseconds from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub start: i64,
    pub end: i64,
    pub texture: Texture,
    pub tone: Tone,
}

/// A time axis of `span` nanoseconds over `width` cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    pub span: i64,
    pub width: usize,
}

/// Left-aligned blocks of one to seven eighths (U+258F … U+2589).
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

impl Scale {
    /// How many eighths of a cell from the axis' start `nanos` lies.
    pub fn eighths(self, nanos: i64) -> usize {
        let whole = (self.width * 8) as i128;
        (i128::from(nanos.clamp(0, self.span)) * whole / i128::from(self.span.max(1))) as usize
    }

    /// The cell that `nanos` falls into; the end of the axis counts to its last cell.
    pub fn cell(self, nanos: i64) -> usize {
        (self.eighths(nanos) / 8).min(self.width.saturating_sub(1))
    }

    /// Draws `bar` at the end of `line`; the result is at most `width` cells wider. `beat` moves what waits.
    pub fn draw(self, line: &mut Line, bar: Bar, manner: Manner, beat: usize) {
        if self.width == 0 {
            return;
        }
        let origin = line.width();
        line.pad_to(origin + self.cell(bar.start));
        let from = self.eighths(bar.start).min(self.width * 8 - 1);
        let to = if bar.end > bar.start { self.eighths(bar.end).max(from) } else { from };
        let cells = (to.div_ceil(8) - from / 8).max(1);
        match (bar.texture, manner.is_ascii()) {
            (Texture::Seen, false) => draw_solid(line, bar.tone, from, to),
            (Texture::Seen, true) => _ = line.repeat(bar.tone, '#', cells),
            (Texture::Bounded, ascii) => _ = line.repeat(bar.tone, if ascii { '~' } else { '░' }, cells),
            (Texture::Own, ascii) => _ = line.repeat(bar.tone, if ascii { '=' } else { '▓' }, cells),
            (Texture::Around, ascii) => _ = line.repeat(bar.tone, if ascii { '-' } else { '╌' }, cells),
            (Texture::Outside, _) => _ = line.push(bar.tone, manner.dot()),
            (Texture::Missing, _) => _ = line.push(bar.tone, manner.cross()),
            (Texture::Waiting, ascii) => draw_waiting(line, bar.tone, cells, beat, ascii),
        }
    }

    /// The axis: round times from the left, the whole span at the right end.
    pub fn draw_axis(self, line: &mut Line, manner: Manner) {
        let origin = line.width();
        let total = duration(self.span, manner);
        let room = self.width.saturating_sub(total.len() + 1);
        if room < 4 {
            return;
        }
        let unit = Unit::for_largest(self.span);
        let step = round_step(self.span, self.width / 10);
        let mut at = 0;
        while at < self.span {
            let (label, cell) = (unit.axis_number(at, step), self.cell(at));
            if cell + label.len() >= room {
                break;
            }
            line.pad_to(origin + cell).push(Tone::Dim, &label);
            at += step;
        }
        line.pad_to(origin + self.width - crate::timeline::line::text_width(&total)).push(Tone::Dim, &total);
    }
}

/// A solid bar from one eighth to another. Blocks grow from the left, so a start within a cell is drawn at the
/// nearest half.
fn draw_solid(line: &mut Line, tone: Tone, from: usize, to: usize) {
    let (first, last) = (from / 8, to / 8);
    if first == last || to == from {
        line.repeat(tone, EIGHTHS[(to - from).clamp(1, 7)], 1);
        return;
    }
    line.repeat(tone, if from % 8 >= 4 { '▐' } else { '█' }, 1);
    line.repeat(tone, '█', last - first - 1);
    if !to.is_multiple_of(8) {
        line.repeat(tone, EIGHTHS[to % 8], 1);
    }
}

/// A crest in every fourth cell that moves to the right with each beat.
fn draw_waiting(line: &mut Line, tone: Tone, cells: usize, beat: usize, is_ascii: bool) {
    let (crest, trough) = if is_ascii { ('.', ' ') } else { ('▒', '░') };
    for cell in 0..cells {
        let is_crest = (cell + 4 - beat % 4).is_multiple_of(4);
        line.repeat(tone, if is_crest { crest } else { trough }, 1);
    }
}

/// The smallest of 1, 2, 5 · 10ⁿ that makes at most `steps` steps of `span`.
fn round_step(span: i64, steps: usize) -> i64 {
    let least = (span / steps.max(1) as i64).max(1);
    let mut power = 1_i64;
    while power.saturating_mul(10) <= least {
        power = power.saturating_mul(10);
    }
    [1, 2, 5, 10]
        .into_iter()
        .map(|factor| power.saturating_mul(factor))
        .find(|&step| step >= least)
        .unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(scale: Scale, start: i64, end: i64, texture: Texture, manner: Manner) -> String {
        let mut line = Line::new();
        scale.draw(&mut line, Bar { start, end, texture, tone: Tone::Plain }, manner, 0);
        assert!(line.width() <= scale.width, "{:?} is wider than its axis", line.text());
        line.text().to_owned()
    }

    #[test]
    fn bars_end_on_an_eighth() {
        let scale = Scale { span: 800, width: 10 };
        assert_eq!(scale.eighths(800), 80);
        assert_eq!(drawn(scale, 0, 205, Texture::Seen, Manner::default()), "██▌");
        assert_eq!(drawn(scale, 120, 240, Texture::Seen, Manner::default()), " ▐█");
        assert_eq!(drawn(scale, 240, 240, Texture::Seen, Manner::default()), "   ▏");
        assert_eq!(drawn(scale, 800, 800, Texture::Seen, Manner::default()), "         ▏");
        assert_eq!(drawn(scale, 100, 250, Texture::Bounded, Manner::default()), " ░░░");
        assert_eq!(drawn(scale, 100, 250, Texture::Bounded, Manner::ascii()), " ~~~");
        assert_eq!(drawn(scale, 790, 800, Texture::Missing, Manner::ascii()), "         x");
    }

    #[test]
    fn the_axis_has_round_steps() {
        assert_eq!([round_step(1_840_000, 4), round_step(7, 3), round_step(0, 3)], [500_000, 2, 1]);
        let mut line = Line::new();
        Scale { span: 1_840_000, width: 48 }.draw_axis(&mut line, Manner::default());
        assert_eq!(line.text(), "0            500          1000           1.84 ms");
    }

    proptest::proptest! {
        #[test]
        fn no_bar_leaves_its_axis(span in 0i64..1 << 50, start in -5i64..1 << 51, end in -5i64..1 << 51, width in 0usize..300) {
            for texture in [Texture::Seen, Texture::Bounded, Texture::Own, Texture::Waiting, Texture::Missing, Texture::Outside, Texture::Around] {
                drawn(Scale { span, width }, start, end, texture, Manner::default());
            }
            let mut axis = Line::new();
            Scale { span, width }.draw_axis(&mut axis, Manner::default());
            assert!(axis.width() <= width);
        }
    }
}
