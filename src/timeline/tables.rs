//! Statistics and sources as tables of lines.

use crate::model::{NodeId, SourceSummary, Way};
use crate::timeline::evidence::clock_text;
use crate::timeline::headline::path_name;
use crate::timeline::line::text_width;
use crate::timeline::stats::{Packets, Series, Statistics};
use crate::timeline::units::Unit;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone, proxy_name};

/// A table with a title; columns are as wide as their widest cell.
struct Table {
    title: Word,
    /// Whether the column is aligned to the right.
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    fn lines(self, manner: Manner, width: usize, out: &mut Vec<Line>) {
        if self.rows.is_empty() {
            return;
        }
        if !out.is_empty() {
            out.push(Line::new());
        }
        let mut title = Line::new();
        title.space(1).push(Tone::Strong, manner.word(self.title));
        out.push(title);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells =
                    self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text_width(text));
                cells.max().unwrap_or(0).max(text_width(&self.columns[column].0))
            })
            .collect();
        let head: Vec<(String, Tone)> =
            self.columns.iter().map(|(name, _)| (name.clone(), Tone::Head)).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = Line::new();
            line.space(2);
            for (((text, tone), (_, is_number)), &wide) in row.iter().zip(&self.columns).zip(&widths) {
                line.space(1);
                if *is_number {
                    line.number(*tone, text, wide)
                } else {
                    line.column(*tone, text, wide, "")
                };
                line.space(1);
            }
            line.truncate(width, manner.ellipsis());
            out.push(line);
        }
    }
}

fn plain(text: impl Into<String>) -> (String, Tone) {
    (text.into(), Tone::Plain)
}

/// Count and percentiles of a series, in `unit`.
fn figures(series: &Series, unit: Unit) -> Vec<(String, Tone)> {
    let mut cells = vec![plain(series.count().to_string())];
    cells.extend([50.0, 90.0, 99.0].map(|percent| plain(unit.number(series.percentile(percent)))));
    cells.push((unit.number(series.max()), Tone::Dim));
    cells
}

fn figure_columns(manner: Manner, unit: Unit) -> Vec<(String, bool)> {
    let unit = unit.name(manner);
    let named = |word| (format!("{} {unit}", manner.word(word)), true);
    let mut columns = vec![(manner.word(Word::Count).to_owned(), true)];
    columns.extend([Word::Median, Word::P90, Word::P99, Word::Maximum].map(named));
    columns
}

fn text_columns(manner: Manner, words: &[Word]) -> Vec<(String, bool)> {
    words.iter().map(|&word| (manner.word(word).to_owned(), false)).collect()
}

fn spread<'a>(all: impl Iterator<Item = &'a Series>) -> Unit {
    Unit::for_spread(all.map(Series::max).max().unwrap_or(0))
}

/// The statistics of a recording, each table at most `width` cells wide.
pub fn statistics(statistics: &Statistics, context: &Context<'_>, width: usize) -> Vec<Line> {
    let manner = context.manner;
    let mut out = Vec::new();
    paths(statistics, context).lines(manner, width, &mut out);
    chains(statistics, context).lines(manner, width, &mut out);
    proxies(statistics, context).lines(manner, width, &mut out);
    stages(statistics, context).lines(manner, width, &mut out);
    pods(context).lines(manner, width, &mut out);
    if statistics.uncounted > 0 {
        let mut line = Line::new();
        line.space(1).push(Tone::Bad, &format!("{} {}", statistics.uncounted, manner.word(Word::Uncounted)));
        out.push(line);
    }
    if out.is_empty() {
        let mut line = Line::new();
        line.space(1).push(Tone::Dim, manner.word(Word::NothingYet));
        out.push(line);
    }
    out
}

fn paths(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.paths.values().map(|path| &path.durations));
    let mut columns = text_columns(manner, &[Word::Path, Word::Route]);
    columns.push((manner.word(Word::Journeys).to_owned(), true));
    columns.push((manner.word(Word::Bad).to_owned(), true));
    columns.extend(figure_columns(manner, unit));
    columns[4].0 = manner.word(Word::Complete).into();
    let rows = statistics.paths.iter().map(|((path, route), series)| {
        let bad = if series.bad > 0 {
            (series.bad.to_string(), Tone::Bad)
        } else {
            (manner.dot().to_owned(), Tone::Faint)
        };
        let mut row =
            vec![plain(path_name(path, manner)), plain(&**route), plain(series.journeys.to_string()), bad];
        row.extend(figures(&series.durations, unit));
        row
    });
    Table { title: Word::JourneyTimes, columns, rows: rows.collect() }
}

fn chains(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.chains.values());
    let mut columns = text_columns(manner, &[Word::Node, Word::Packets]);
    columns.extend(figure_columns(manner, unit));
    let rows = statistics.chains.iter().map(|((node, packets), series)| {
        let packets = match packets {
            Packets::First => Word::FirstPackets,
            Packets::Later => Word::LaterPackets,
        };
        let mut row = vec![plain(context.node(*node)), plain(manner.word(packets))];
        row.extend(figures(series, unit));
        row
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
        let way = if key.way == Way::Request { Word::RequestWay } else { Word::ReplyWay };
        let mut row = vec![plain(node), plain(proxy_name(key.kind, manner)), plain(manner.word(way))];
        row.extend(figures(series, unit));
        row
    });
    Table { title: Word::ProxyTimes, columns, rows: rows.collect() }
}

fn stages(statistics: &Statistics, context: &Context<'_>) -> Table {
    let manner = context.manner;
    let unit = spread(statistics.stages.values());
    let mut columns = text_columns(manner, &[Word::Path, Word::Stage, Word::Node]);
    columns.extend(figure_columns(manner, unit));
    let rows = statistics.stages.iter().map(|(key, series)| {
        let node = key.node.map_or("", |node| context.node(node));
        let mut row =
            vec![plain(path_name(&key.path, manner)), (manner.stage(key.stage), Tone::Strong), plain(node)];
        row.extend(figures(series, unit));
        row
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
        vec![plain(node), plain(manner.text(context.interface(vantage))), plain(ip.to_string()), plain(name)]
    });
    Table { title: Word::PodInterfaces, columns, rows: rows.collect() }
}

/// The sources and what came of each.
pub fn sources(summaries: &[SourceSummary], context: &Context<'_>, width: usize) -> Vec<Line> {
    let manner = context.manner;
    let mut columns = text_columns(manner, &[Word::Node, Word::File]);
    let counts = [Word::Packets, Word::NotUnderstood, Word::Damaged, Word::Dropped];
    columns.extend(counts.map(|word| (manner.word(word).to_owned(), true)));
    let has_messages = summaries.iter().any(|source| source.messages > 0);
    if has_messages {
        columns.push((manner.word(Word::KernelMessages).to_owned(), true));
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
        row
    });
    let mut out = Vec::new();
    Table { title: Word::Sources, columns, rows: rows.collect() }.lines(manner, width, &mut out);
    for text in summaries.iter().flat_map(|source| &source.damage) {
        let mut line = Line::new();
        line.space(3).push(Tone::Bad, &manner.text(text));
        line.truncate(width, manner.ellipsis());
        out.push(line);
    }
    out
}

/// Records of kernel messages, and how many were lost.
fn messages(source: &SourceSummary, manner: Manner) -> (String, Tone) {
    match source.messages_lost {
        None | Some(0) => count(source.messages, manner, Tone::Plain),
        Some(lost) => {
            let dropped = manner.word(Word::Dropped);
            (format!("{}, {lost} {dropped}", source.messages), Tone::Bad)
        }
    }
}

fn count(count: u64, manner: Manner, tone: Tone) -> (String, Tone) {
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
        let context = Context { topology: &topology, clocks: &clocks, manner: Manner::default() };
        let lines: Vec<_> =
            statistics(&empty, &context, 80).iter().map(|line| line.text().to_owned()).collect();
        assert_eq!(lines, [" nothing yet"]);
    }
}
