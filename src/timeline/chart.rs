//! Charts of block characters: columns over several rows, and sparklines of one.

use crate::timeline::{Line, Manner, Tone};

/// Blocks of none to eight eighths of a cell's height (U+2581 … U+2588), and what stands for them in ASCII.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 9] = [' ', '.', '.', ':', ':', '=', '=', '#', '#'];
/// The same where one row is all there is.
const ASCII_LEVELS: [char; 9] = [' ', '_', '.', ':', '-', '=', '+', '*', '#'];

/// Values as columns of one row, the largest as high as it; nothing where there is none.
pub fn sparkline(line: &mut Line, tone: Tone, values: &[Option<i64>], manner: Manner) {
    let top = values.iter().copied().flatten().max().unwrap_or(0).max(1);
    let levels = if manner.is_ascii() { ASCII_LEVELS } else { EIGHTHS };
    for value in values {
        let level = value.map_or(0, |value| eighths(value, top, 1).clamp(1, 8));
        line.repeat(tone, levels[level], 1);
    }
}

/// Columns over several rows: a solid part, and a light one that may reach higher.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    pub solid: Vec<i64>,
    /// As long as `solid`, or empty.
    pub light: Vec<i64>,
    pub tone: Tone,
}

impl Columns {
    /// The largest value, which reaches to the top.
    pub fn top(&self) -> i64 {
        self.solid.iter().chain(&self.light).copied().max().unwrap_or(0)
    }

    /// Appends row `row` of `height`, counted from the top, to `line`.
    pub fn draw(&self, line: &mut Line, row: usize, height: usize, manner: Manner) {
        let (top, base) = (self.top().max(1), (height.saturating_sub(row + 1)) * 8);
        let levels = if manner.is_ascii() { ASCII } else { EIGHTHS };
        for (place, &value) in self.solid.iter().enumerate() {
            let full = eighths(value, top, height).saturating_sub(base).min(8);
            let light = self.light.get(place).map_or(0, |&light| eighths(light, top, height));
            if full > 0 {
                line.repeat(self.tone, levels[full], 1);
            } else if light > base {
                line.repeat(Tone::Dim, if manner.is_ascii() { '~' } else { '░' }, 1);
            } else {
                line.repeat(Tone::Plain, ' ', 1);
            }
        }
    }
}

/// How many eighths of a row high `value` is where `top` is `height` rows; something is at least one.
fn eighths(value: i64, top: i64, height: usize) -> usize {
    let whole = (height * 8) as i128;
    let part = i128::from(value.max(0)) * whole;
    let top = i128::from(top);
    ((part + top - 1) / top).min(whole) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: &Columns, height: usize, manner: Manner) -> Vec<String> {
        let row = |row| {
            let mut line = Line::new();
            columns.draw(&mut line, row, height, manner);
            line.text().to_owned()
        };
        (0..height).map(row).collect()
    }

    #[test]
    fn columns_reach_as_high_as_their_value() {
        let columns = Columns { solid: vec![0, 1, 50, 100], light: vec![0, 1, 100, 100], tone: Tone::Plain };
        assert_eq!(drawn(&columns, 2, Manner::default()), ["  ░█", " ▁██"]);
        assert_eq!(drawn(&columns, 2, Manner::ascii()), ["  ~#", " .##"]);
        assert_eq!(drawn(&Columns::default(), 1, Manner::default()), [""]);
    }

    #[test]
    fn a_sparkline_has_a_gap_where_there_was_nothing() {
        let drawn = |manner| {
            let mut line = Line::new();
            sparkline(&mut line, Tone::Plain, &[Some(0), None, Some(5), Some(10)], manner);
            line.text().to_owned()
        };
        assert_eq!((drawn(Manner::default()), drawn(Manner::ascii())), ("▁ ▄█".into(), "_ -#".into()));
    }
}
