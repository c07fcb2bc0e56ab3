//! Statistics and sources as tables of lines.

use std::sync::Arc;

use crate::model::{NodeId, SourceSummary, Way};
use crate::timeline::evidence::clock_text;
use crate::timeline::headline::path_name;
use crate::timeline::line::text_width;
use crate::timeline::stats::{Measure, Packets, Series, Statistics};
use crate::timeline::units::Unit;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone, proxy_name};

/// A line of the statistics.
#[derive(Clone, Debug)]
pub struct Entry {
    pub line: Line,
    /// Whether it is a row of a table, not its title or head.
    pub is_row: bool,
    /// What the row's durations are of.
    pub measure: Option<Measure>,
}

impl Entry {
    /// A line that is no row.
    pub fn text(line: Line) -> Entry {
        Entry { line, is_row: false, measure: None }
    }
}

/// A column of a table.
struct Column {
    name: String,
    /// Aligned to the right.
    is_number: bool,
    /// Where the table is too wide, the column with the largest goes first; 0 stays.
    dispensable: u8,
}

impl Column {
    fn text(name: &str) -> Column {
        Column { name: name.to_owned(), is_number: false, dispensable: 0 }
    }

    fn number(name: impl Into<String>, dispensable: u8) -> Column {
        Column { name: name.into(), is_number: true, dispensable }
    }
}

type Cell = (String, Tone);

/// A table with a title; columns are as wide as their widest cell.
struct Table {
    title: Word,
    columns: Vec<Column>,
    rows: Vec<(Option<Measure>, Vec<Cell>)>,
}

impl Table {
    fn entries(mut self, manner: Manner, width: usize, out: &mut Vec<Entry>) {
        if self.rows.is_empty() {
            return;
        }
        if !out.is_empty() {
            out.push(Entry::text(Line::new()));
        }
        let mut title = Line::new();
        title.space(1).push(Tone::Strong, manner.word(self.title));
        out.push(Entry::text(title));
        let widths = self.fit(width);
        let head: Vec<Cell> = self.columns.iter().map(|column| (column.name.clone(), Tone::Head)).collect();
        out.push(Entry::text(self.line(&head, &widths, manner, width)));
        for (measure, cells) in std::mem::take(&mut self.rows) {
            let line = self.line(&cells, &widths, manner, width);
            out.push(Entry { line, is_row: true, measure });
        }
    }

    /// Leaves out columns until the others fit; gives their widths.
    fn fit(&mut self, width: usize) -> Vec<usize> {
        loop {
            let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
            let total: usize = widths.iter().map(|wide| wide + 2).sum();
            let least = self.columns.iter().enumerate().max_by_key(|(_, column)| column.dispensable);
            match least {
                Some((place, column)) if total + 2 > width && column.dispensable > 0 => {
                    self.columns.remove(place);
                    for (_, cells) in &mut self.rows {
                        cells.remove(place);
                    }
                }
                _ => return widths,
            }
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|(_, row)| row.get(column)).map(|(text, _)| text_width(text));
        cells.max().unwrap_or(0).max(text_width(&self.columns[column].name))
    }

    fn line(&self, cells: &[Cell], widths: &[usize], manner: Manner, width: usize) -> Line {
        let mut line = Line::new();
        line.space(2);
        for (((text, tone), column), &wide) in cells.iter().zip(&self.columns).zip(widths) {
            line.space(1);
            if column.is_number {
                line.number(*tone, text, wide)
            } else {
                line.column(*tone, text, wide, "")
            };
            line.space(1);
        }
        line.truncate(width, manner.ellipsis());
        line
    }
}

fn plain(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Plain)
}

/// Count and percentiles of a series, in `unit`.
fn figures(series: &Series, unit: Unit, manner: Manner) -> Vec<Cell> {
    let mut cells = vec![plain(series.count().to_string())];
    let figure = |tone, nanos| match series.count() {
        0 => (manner.dot().to_owned(), Tone::Faint),
        _ => (unit.number(nanos), tone),
    };
    cells.extend([50.0, 90.0, 99.0].map(|percent| figure(Tone::Plain, series.percentile(percent))));
    cells.push(figure(Tone::Dim, series.max()));
    cells
}

fn figure_columns(manner: Manner, unit: Unit) -> Vec<Column> {
    let unit = unit.name(manner);
    let named = |(word, dispensable)| Column::number(format!("{} {unit}", manner.word(word)), dispensable);
    let mut columns = vec![Column::number(manner.word(Word::Count), 0)];
    let words = [(Word::Median, 0), (Word::P90, 4), (Word::P99, 0), (Word::Maximum, 3)];
    columns.extend(words.map(named));
    columns
}

fn text_columns(manner: Manner, words: &[Word]) -> Vec<Column> {
    words.iter().map(|&word| Column::text(manner.word(word))).collect()
}

fn spread<'a>(all: impl Iterator<Item = &'a Series>) -> Unit {
    Unit::for_spread(all.map(Series::max).max().unwrap_or(0))
}

/// The statistics of a recording, each table at most `width` cells wide.
pub fn statistics(statistics: &Statistics, context: &Context<'_>, width: usize) -> Vec<Line> {
    entries(statistics, context, width, false).into_iter().map(|entry| entry.line).collect()
}

/// The same, with what each row is of; in each table the row with the largest 99th percentile first, if asked for.
pub fn entries(
    statistics: &Statistics,
    context: &Context<'_>,
    width: usize,
    is_longest_first: bool,
) -> Vec<Entry> {
    let manner = context.manner;
    let mut out = Vec::new();
    let mut tables = [paths, chains, proxies, stages].map(|table| table(statistics, context));
    if is_longest_first {
        let p99 = |measure: &Option<Measure>| {
            let series = measure.as_ref().and_then(|measure| statistics.series(measure));
            std::cmp::Reverse(series.map_or(0, |series| series.percentile(99.0)))
        };
        for table in &mut tables {
            table.rows.sort_by_cached_key(|(measure, _)| p99(measure));
        }
    }
    for table in tables.into_iter().chain([pods(context)]) {
        table.entries(manner, width, &mut out);
    }
    if statistics.uncounted > 0 {
        let mut line = Line::new();
        line.space(1).push(Tone::Bad, &format!("{} {}", statistics.uncounted, manner.word(Word::Uncounted)));
        out.push(Entry::text(line));
    }
    if out.is_empty() {
        let mut line = Line::new();
        line.space(1).push(Tone::Dim, manner.word(Word::NothingYet));
        out.push(Entry::text(line));
    }
    out
}

/// Which packets a node's chains saw.
pub(super) const fn packets_word(packets: Packets) -> Word {
    match packets {
        Packets::First => Word::FirstPackets,
        Packets::Later => Word::LaterPackets,
    }
}

pub(super) const fn way_word(way: Way) -> Word {
    match way {
        Way::Request => Word::RequestWay,
        Way::Reply => Word::ReplyWay,
    }
}

fn paths(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.paths.values().map(|path| &path.durations));
    let mut columns = text_columns(manner, &[Word::Path, Word::Route]);
    columns.push(Column::number(manner.word(Word::Journeys), 0));
    columns.push(Column::number(manner.word(Word::Bad), 0));
    columns.push(Column::number(manner.word(Word::Complete), 5));
    columns.extend(figure_columns(manner, unit).into_iter().skip(1));
    let rows = statistics.paths.iter().map(|((path, route), series)| {
        let bad = if series.bad > 0 {
            (series.bad.to_string(), Tone::Bad)
        } else {
            (manner.dot().to_owned(), Tone::Faint)
        };
        let mut row =
            vec![plain(path_name(path, manner)), plain(&**route), plain(series.journeys.to_string()), bad];
        row.extend(figures(&series.durations, unit, manner));
        (Some(Measure::Path(Arc::clone(path), Arc::clone(route))), row)
    });
    Table { title: Word::JourneyTimes, columns, rows: rows.collect() }
}

fn chains(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.chains.values());
    let mut columns = text_columns(manner, &[Word::Node, Word::Packets]);
    columns.extend(figure_columns(manner, unit));
    let rows = statistics.chains.iter().map(|((node, packets), series)| {
        let mut row = vec![plain(context.node(*node)), plain(manner.word(packets_word(*packets)))];
        row.extend(figures(series, unit, manner));
        (Some(Measure::Chains(*node, *packets)), row)
    });
    Table { title: Word::ChainCosts, columns, rows: rows.collect() }
}

fn proxies(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.proxies.values());
    let mut columns = text_columns(manner, &[Word::Node, Word::ProxyColumn, Word::Way]);
    columns.extend(figure_columns(manner, unit));
    let rows = statistics.proxies.iter().map(|(key, series)| {
        let node = key.node.map_or("", |node| context.node(node));
        let way = manner.word(way_word(key.way));
        let mut row = vec![plain(node), plain(proxy_name(key.kind, manner)), plain(way)];
        row.extend(figures(series, unit, manner));
        (Some(Measure::Proxy(*key)), row)
    });
    Table { title: Word::ProxyTimes, columns, rows: rows.collect() }
}

fn stages(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.stages.values());
    let mut columns = text_columns(manner, &[Word::Path, Word::Stage, Word::Node]);
    columns.push(Column::text(""));
    columns.extend(figure_columns(manner, unit));
    let rows = statistics.stages.iter().map(|(key, series)| {
        let node = key.node.map_or("", |node| context.node(node));
        let mut row =
            vec![plain(path_name(&key.path, manner)), (manner.stage(key.stage), Tone::Strong), plain(node)];
        // What a capture cannot show is known to have taken no longer than this.
        row.push((if series.has_bounds() { manner.at_most() } else { "" }.to_owned(), Tone::Dim));
        row.extend(figures(series, unit, manner));
        (Some(Measure::Stage(key.clone())), row)
    });
    Table { title: Word::StageDelays, columns, rows: rows.collect() }
}

/// Which interface leads to which pod.
fn pods(context: &Context<'_>) -> Table {
    let manner = context.manner;
    let columns = text_columns(manner, &[Word::Node, Word::Interface, Word::Address, Word::Name]);
    let mut pods: Vec<_> = context.topology.pods.iter().map(|(&ip, &vantage)| (vantage, ip)).collect();
    pods.sort_unstable();
    let rows = pods.into_iter().map(|(vantage, ip)| {
        let node = context.node_of(vantage).map_or("?", |node| context.node(node));
        let name = manner.text(context.name(ip).unwrap_or("")).into_owned();
        let interface = manner.text(context.interface(vantage));
        (None, vec![plain(node), plain(interface), plain(ip.to_string()), plain(name)])
    });
    Table { title: Word::PodInterfaces, columns, rows: rows.collect() }
}

/// The sources and what came of each.
pub fn sources(summaries: &[SourceSummary], context: &Context<'_>, width: usize) -> Vec<Line> {
    source_entries(summaries, context, width).into_iter().map(|entry| entry.line).collect()
}

/// The same; each source is a row.
pub fn source_entries(summaries: &[SourceSummary], context: &Context<'_>, width: usize) -> Vec<Entry> {
    let manner = context.manner;
    let mut columns = text_columns(manner, &[Word::Node, Word::File]);
    let counts = [Word::Packets, Word::NotUnderstood, Word::Damaged, Word::Dropped];
    columns.extend(counts.map(|word| Column::number(manner.word(word), 0)));
    let has_messages = summaries.iter().any(|source| source.messages > 0);
    if has_messages {
        columns.push(Column::number(manner.word(Word::KernelMessages), 0));
    }
    columns.extend(text_columns(manner, &[Word::ClockOffsets]));
    let rows = summaries.iter().map(|source| {
        let node = source.node.map_or("?", |node| context.node(node));
        let clock = source.node.map_or_else(String::new, |node: NodeId| clock_text(node, context));
        let mut row = vec![
            (node.to_owned(), Tone::Strong),
            plain(manner.text(&source.file)),
            plain(source.packets.to_string()),
            count(source.not_understood, manner, Tone::Plain),
            count(source.damaged, manner, Tone::Bad),
            source
                .dropped
                .map_or_else(|| ("?".to_owned(), Tone::Faint), |dropped| count(dropped, manner, Tone::Bad)),
        ];
        if has_messages {
            row.push(messages(source, manner));
        }
        row.push((clock, Tone::Dim));
        (None, row)
    });
    let mut out = Vec::new();
    Table { title: Word::Sources, columns, rows: rows.collect() }.entries(manner, width, &mut out);
    let damage = summaries.iter().flat_map(|source| &source.damage).map(|text| manner.text(text));
    let findings = context.topology.findings().map(|finding| manner.told(&finding).into_owned().into());
    for text in damage.chain(findings) {
        let mut line = Line::new();
        line.space(3).push(Tone::Bad, &text);
        line.truncate(width, manner.ellipsis());
        out.push(Entry { line, is_row: true, measure: None });
    }
    out
}

/// Records of kernel messages, and how many were lost.
fn messages(source: &SourceSummary, manner: Manner) -> Cell {
    match source.messages_lost {
        None | Some(0) => count(source.messages, manner, Tone::Plain),
        Some(lost) => {
            let dropped = manner.word(Word::Dropped);
            (format!("{}, {lost} {dropped}", source.messages), Tone::Bad)
        }
    }
}

fn count(count: u64, manner: Manner, tone: Tone) -> Cell {
    if count == 0 { (manner.dot().to_owned(), Tone::Faint) } else { (count.to_string(), tone) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Language, sample};

    fn told(manner: Manner) -> String {
        sample::with_context(manner, |context| {
            let mut counted = Statistics::default();
            for journey in &sample::all() {
                counted.add(journey, context);
            }
            let mut lines = sources(&sample::sources(), context, 140);
            lines.push(Line::new());
            lines.extend(statistics(&counted, context, 140));
            lines.iter().map(|line| line.text().trim_end().to_owned() + "\n").collect()
        })
    }

    #[test]
    fn tables_of_sources_and_statistics() {
        insta::assert_snapshot!("tables", told(Manner::default()));
        insta::assert_snapshot!("tables_zh", told(Manner::new(Language::Zh)));
    }

    #[test]
    fn no_statistics_say_so() {
        let empty = Statistics::default();
        let (topology, clocks) = Default::default();
        let context = Context::new(&topology, &clocks, Manner::default());
        let lines: Vec<_> =
            statistics(&empty, &context, 80).iter().map(|line| line.text().to_owned()).collect();
        assert_eq!(lines, [" nothing yet"]);
    }
}
