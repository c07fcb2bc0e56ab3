//! How one measure is spread: its percentiles, how often which duration was, and how it went over time.

use crate::model::{MICROS, MILLIS, SECONDS};
use crate::timeline::chart::Columns;
use crate::timeline::headline::path_name;
use crate::timeline::line::text_width;
use crate::timeline::stats::{Counts, Measure, Series, Slice};
use crate::timeline::tables::{packets_word, way_word};
use crate::timeline::units::{duration, time_of_day};
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone, proxy_name};

/// Cells left of a chart: the number at its top, and its edge.
const MARGIN: usize = 10;
/// Lines beside the charts' own: percentiles, two axes, the marks of one of them.
const FIXED: usize = 4;
/// With fewer lines than this there is no room for titles and gaps.
const ROOMY: usize = 16;

/// `pod→service ⑤ kappa1`.
pub fn title(measure: &Measure, context: &Context<'_>) -> Line {
    let manner = context.manner;
    let mut line = Line::new();
    match measure {
        Measure::Path(path, route) => {
            line.push(Tone::Strong, &path_name(path, manner)).space(1).push(Tone::Plain, route);
        }
        Measure::Chains(node, packets) => {
            line.push(Tone::Strong, context.node(*node)).space(1);
            line.push(Tone::Plain, manner.word(packets_word(*packets)));
        }
        Measure::Proxy(key) => {
            line.push(Tone::Strong, proxy_name(key.kind, manner)).space(1);
            line.push(Tone::Plain, key.node.map_or("", |node| context.node(node))).space(1);
            line.push(Tone::Plain, manner.word(way_word(key.way)));
        }
        Measure::Stage(key) => {
            line.push(Tone::Plain, &path_name(&key.path, manner)).space(1);
            line.push(Tone::Strong, &context.stage_at(key.stage, key.node));
        }
    }
    line
}

/// The measure in `height` lines of at most `width` cells.
pub fn lines(
    measure: &Measure,
    counts: &Counts,
    context: &Context<'_>,
    width: usize,
    height: usize,
) -> Vec<Line> {
    let manner = context.manner;
    let Some(series) = counts.statistics.series(measure).filter(|series| !series.is_empty()) else {
        let mut line = Line::new();
        line.space(1).push(Tone::Dim, manner.word(Word::NothingYet));
        return vec![line];
    };
    let cells = width.saturating_sub(MARGIN + 1);
    let is_roomy = height >= ROOMY;
    let charts = height.saturating_sub(FIXED + if is_roomy { 5 } else { 0 });
    let mut out = vec![figures(series, manner)];
    if charts >= 2 && cells >= 10 {
        let first = (charts * 3).div_ceil(5);
        let titled = |out: &mut Vec<Line>, word: Word| {
            if is_roomy {
                let mut line = Line::new();
                line.space(1).push(Tone::Head, manner.word(word));
                out.extend([Line::new(), line]);
            }
        };
        titled(&mut out, Word::HowOften);
        spread(series, cells, first, manner, &mut out);
        titled(&mut out, Word::OverTime);
        over_time(measure, counts, cells, charts - first, manner, &mut out);
    }
    for line in &mut out {
        line.truncate(width, manner.ellipsis());
    }
    out.truncate(height);
    out
}

/// `1204  p50 61.0 µs  p90 74.0 µs  p99 1.10 ms  max 8.20 ms`.
fn figures(series: &Series, manner: Manner) -> Line {
    let mut line = Line::new();
    line.space(1).push(Tone::Strong, &series.count().to_string());
    for (word, nanos) in [
        (Word::Median, series.percentile(50.0)),
        (Word::P90, series.percentile(90.0)),
        (Word::P99, series.percentile(99.0)),
        (Word::Maximum, series.max()),
    ] {
        line.space(2).push(Tone::Dim, manner.word(word)).space(1);
        if series.has_bounds() {
            line.push(Tone::Dim, manner.at_most());
        }
        line.push(Tone::Plain, &duration(nanos, manner));
    }
    line
}

/// A logarithmic axis of durations.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: i64,
    high: i64,
    cells: usize,
}

impl Axis {
    /// From the shortest to the longest, and at least as wide as their buckets can be told apart in.
    fn new(series: &Series, cells: usize) -> Axis {
        let shortest = series.spread().next().map_or(1, |(nanos, _)| nanos).max(1);
        let longest = series.max().max(shortest);
        if longest / 2 >= shortest {
            return Axis { low: shortest, high: longest, cells };
        }
        let low = shortest - shortest / 4;
        Axis {
            low: low.max(1),
            high: longest.saturating_add(longest / 4).max(low.saturating_mul(2)).max(2),
            cells,
        }
    }

    fn cell(self, nanos: i64) -> usize {
        let share =
            (nanos.max(self.low) as f64 / self.low as f64).ln() / (self.high as f64 / self.low as f64).ln();
        ((share * (self.cells - 1) as f64).round() as usize).min(self.cells - 1)
    }

    /// Round durations on the axis: 1, 2 and 5 times a power of ten, or powers only where those would crowd.
    fn ticks(self) -> Vec<i64> {
        let powers = std::iter::successors(Some(1_i64), |power| power.checked_mul(10));
        let decades = (self.high as f64 / self.low as f64).log10();
        let factors: &[i64] = if decades * 24.0 <= self.cells as f64 { &[1, 2, 5] } else { &[1] };
        powers
            .flat_map(|power| factors.iter().map(move |factor| power.saturating_mul(*factor)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }
}

/// The histogram: columns, their axis, and where the percentiles lie.
fn spread(series: &Series, cells: usize, height: usize, manner: Manner, out: &mut Vec<Line>) {
    let axis = Axis::new(series, cells);
    let mut solid = vec![0_i64; cells];
    for (nanos, count) in series.spread() {
        solid[axis.cell(nanos)] += i64::from(count);
    }
    let columns = Columns { solid, light: Vec::new(), tone: Tone::Request };
    chart(&columns, &columns.top().to_string(), height, manner, out);
    out.push(scale(axis, manner));
    out.push(marks(series, axis, manner));
}

/// The axis' line: round durations at their places, or its ends where there are none to tell it by.
fn scale(axis: Axis, manner: Manner) -> Line {
    let mut line = edge(manner);
    let ticks = axis.ticks();
    let mut labels: Vec<_> =
        ticks.into_iter().map(|tick| (axis.cell(tick), round_duration(tick, manner))).collect();
    if labels.len() < 2 {
        let end = duration(axis.high, manner);
        labels = vec![(0, duration(axis.low, manner)), (axis.cells.saturating_sub(text_width(&end)), end)];
    }
    for (cell, label) in labels {
        let at = MARGIN + cell;
        // Labels do not run into each other, nor over the end.
        if line.width() <= at && at + text_width(&label) <= MARGIN + axis.cells {
            line.repeat(Tone::Faint, manner.rule(), at - line.width());
            line.push(Tone::Dim, &label).repeat(Tone::Faint, manner.rule(), 1);
        }
    }
    line.truncate(MARGIN + axis.cells, "");
    let rest = (MARGIN + axis.cells).saturating_sub(line.width());
    line.repeat(Tone::Faint, manner.rule(), rest);
    line
}

/// Where the percentiles lie: `▴p50`; those in one place, or too near for their names, share a sign.
fn marks(series: &Series, axis: Axis, manner: Manner) -> Line {
    let sign = if manner.is_ascii() { "^" } else { "▴" };
    let mut groups: Vec<(usize, String)> = Vec::new();
    for (percent, word) in [(50.0, Word::Median), (90.0, Word::P90), (99.0, Word::P99)] {
        let (cell, name) = (axis.cell(series.percentile(percent)), manner.word(word));
        match groups.last_mut() {
            Some((before, names)) if cell < *before + text_width(names) + 2 => {
                names.push(' ');
                names.push_str(name);
            }
            _ => groups.push((cell, name.to_owned())),
        }
    }
    let mut line = Line::new();
    line.space(MARGIN);
    for (cell, names) in groups {
        // At the right end the names stand before their sign.
        if cell + text_width(&names) + 1 > axis.cells {
            line.pad_to((MARGIN + cell).saturating_sub(text_width(&names)));
            line.push(Tone::Accent, &names).push(Tone::Accent, sign);
        } else {
            line.pad_to(MARGIN + cell).push(Tone::Accent, sign).push(Tone::Accent, &names);
        }
    }
    line
}

/// Median and 99th percentile in each slice of time.
fn over_time(
    measure: &Measure,
    counts: &Counts,
    cells: usize,
    height: usize,
    manner: Manner,
    out: &mut Vec<Line>,
) {
    let Some((start, end)) = counts.history.span() else { return };
    let slices = counts.history.slices(measure, cells);
    let drawn: Vec<&Slice> = (0..cells).filter_map(|cell| slices.get(cell * slices.len() / cells)).collect();
    let columns = Columns {
        solid: drawn.iter().map(|slice| slice.median).collect(),
        light: drawn.iter().map(|slice| slice.p99).collect(),
        tone: Tone::Reply,
    };
    chart(&columns, &duration(columns.top(), manner), height, manner, out);
    let mut line = edge(manner);
    let (from, to) = (time_of_day(start), time_of_day(end));
    let width = columns.solid.len();
    let legend = if manner.is_ascii() { "# p50  ~ p99" } else { "█ p50  ░ p99" };
    line.push(Tone::Dim, &from);
    let middle = width.saturating_sub(from.len() + to.len() + 2);
    if text_width(legend) + 2 <= middle {
        line.space((middle - text_width(legend)) / 2 + 1).push(Tone::Dim, legend);
    }
    line.pad_to(MARGIN + width.saturating_sub(to.len())).push(Tone::Dim, &to);
    out.push(line);
}

/// A chart's rows, with the number at its top.
fn chart(columns: &Columns, top: &str, height: usize, manner: Manner, out: &mut Vec<Line>) {
    let (first, other) = if manner.is_ascii() { ("+", "|") } else { ("┤", "│") };
    for row in 0..height {
        let mut line = Line::new();
        line.number(Tone::Dim, if row == 0 { top } else { "" }, MARGIN - 1);
        line.push(Tone::Faint, if row == 0 { first } else { other });
        columns.draw(&mut line, row, height, manner);
        out.push(line);
    }
}

/// The beginning of the line under a chart.
fn edge(manner: Manner) -> Line {
    let mut line = Line::new();
    line.space(MARGIN - 1).push(Tone::Faint, if manner.is_ascii() { "+" } else { "└" });
    line
}

/// A round duration without decimals: `200 µs`.
fn round_duration(nanos: i64, manner: Manner) -> String {
    let (unit, name) = match nanos {
        0..MICROS => (1, "ns"),
        MICROS..MILLIS => (MICROS, manner.micros()),
        MILLIS..SECONDS => (MILLIS, "ms"),
        _ => (SECONDS, "s"),
    };
    format!("{} {name}", nanos / unit)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Stage, Way};
    use crate::timeline::stats::StageKey;
    use crate::timeline::{Language, sample};

    /// Requests every 100 ms, each slower than the one before, and one far slower.
    fn counted(context: &Context<'_>, durations: &[i64]) -> (Counts, Measure) {
        let mut counts = Counts::default();
        for (id, &nanos) in (0..).zip(durations) {
            let mut journey = sample::other_node(id, sample::START.plus(id as i64 * 100 * MILLIS));
            journey.ended = journey.started.plus(nanos);
            counts.replace(None, Some(&journey), context);
        }
        (counts, Measure::Path("pod-to-service".into(), "other-node".into()))
    }

    fn told(manner: Manner, width: usize, height: usize) -> String {
        sample::with_context(manner, |context| {
            let durations: Vec<i64> = (1..=40).map(|step| 800 * MICROS + step * step * 2 * MICROS).collect();
            let (counts, measure) = counted(context, &[durations, vec![30 * MILLIS]].concat());
            let mut out = String::new();
            let _ = writeln!(out, "{}", title(&measure, context).text());
            for line in lines(&measure, &counts, context, width, height) {
                assert!(line.width() <= width, "{:?}", line.text());
                let _ = writeln!(out, "{}", line.text().trim_end());
            }
            out
        })
    }

    #[test]
    fn a_measure_is_drawn() {
        insta::assert_snapshot!("spread", told(Manner::default(), 78, 10));
        insta::assert_snapshot!("spread_roomy", told(Manner::new(Language::Zh), 60, 30));
        let ascii = told(Manner::ascii(), 60, 20);
        assert!(ascii.is_ascii(), "{ascii}");
        insta::assert_snapshot!("spread_ascii", ascii);
    }

    #[test]
    fn what_was_never_measured_says_so() {
        sample::with_context(Manner::default(), |context| {
            let stage = Stage { way: Way::Request, number: 9 };
            let measure = Measure::Stage(StageKey { path: "x".into(), stage, node: None });
            let lines = lines(&measure, &Counts::default(), context, 40, 10);
            assert_eq!(lines.iter().map(Line::text).collect::<Vec<_>>(), [" nothing yet"]);
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn it_fits_whatever_was_measured(
            durations in prop::collection::vec(prop_oneof![-5i64..5, 0i64..i64::MAX / 2, 1_000i64..2_000], 1..20),
            width in 0usize..170, height in 0usize..60,
        ) {
            sample::with_context(Manner::default(), |context| {
                let (counts, measure) = counted(context, &durations);
                let lines = lines(&measure, &counts, context, width, height);
                prop_assert!(lines.len() <= height.max(1) && lines.iter().all(|line| line.width() <= width));
                Ok(())
            })?;
        }
    }
}
