//! The interfaces of every node: whose they are, what passes them now, what was lost, when they came and went.
//!
//! ```text
//!    node    interface  role    pod's end            pkt/s    B/s  packets  lost  last 30 s    came, went
//!    kappa1  bond1      uplink                       18.2k  14.1M    1.20M     0  ▂▃▃▅▇█▆▅
//!  + kappa1  cali6f1d   pod     10.244.1.17 cart       312   240k    21.4k     0  ▁▁▂▁▁▁▂▁  12:03:22–
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use crate::model::{InterfaceSummary, Ip, Role, SECONDS, SourceSummary, Timestamp, VantageId};
use crate::timeline::units::time_of_day;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Manner, Tone};

/// Seconds that are kept of each interface.
const KEPT: usize = 32;
/// Seconds that a rate is taken over.
const WINDOW: i64 = 2 * SECONDS;
/// Cells, and seconds, of the little chart.
const CHART: usize = 30;

/// What an interface had counted at a time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Timestamp,
    packets: u64,
    bytes: u64,
}

/// Packets and bytes in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    pub packets: f64,
    pub bytes: f64,
}

/// Rates of the interfaces, made of counts that come now and then.
#[derive(Debug, Default)]
pub struct Rates {
    by_vantage: BTreeMap<VantageId, VecDeque<Sample>>,
}

impl Rates {
    /// Takes in how the sources stand.
    pub fn take(&mut self, sources: &[SourceSummary]) {
        for source in sources {
            let Some(at) = watched_until(source) else { continue };
            for interface in &source.interfaces {
                self.add(interface, at);
            }
        }
    }

    fn add(&mut self, interface: &InterfaceSummary, at: Timestamp) {
        let is_long_gone = interface.gone.is_some_and(|gone| at.since(gone) > KEPT as i64 * SECONDS);
        if is_long_gone {
            self.by_vantage.remove(&interface.vantage);
            return;
        }
        let samples = self.by_vantage.entry(interface.vantage).or_default();
        if samples.back().is_some_and(|last| at.since(last.at) < SECONDS) {
            return;
        }
        if samples.len() >= KEPT {
            samples.pop_front();
        }
        samples.push_back(Sample { at, packets: interface.packets, bytes: interface.bytes });
    }

    /// What passes an interface now; `None` where it was counted but once, as at the end of a recording.
    pub fn of(&self, vantage: VantageId) -> Option<Rate> {
        let samples = self.by_vantage.get(&vantage)?;
        let last = samples.back()?;
        let before = samples.iter().rev().find(|sample| last.at.since(sample.at) >= WINDOW);
        let first = before.or(samples.front()).filter(|first| last.at > first.at)?;
        Some(rate(*first, *last))
    }

    /// What is captured now at all interfaces together; a packet that passes two of them counts twice.
    pub fn total(&self) -> Option<Rate> {
        self.by_vantage
            .keys()
            .filter_map(|&vantage| self.of(vantage))
            .reduce(|sum, rate| Rate { packets: sum.packets + rate.packets, bytes: sum.bytes + rate.bytes })
    }

    /// Packets in each of the last seconds, the oldest first.
    fn recent(&self, vantage: VantageId) -> Option<[f64; CHART]> {
        let samples = self.by_vantage.get(&vantage)?;
        let last = samples.back()?;
        let mut recent = [0.0; CHART];
        for (back, cell) in recent.iter_mut().rev().enumerate() {
            let at = last.at.plus(-(back as i64) * SECONDS);
            let next = samples.iter().position(|sample| sample.at >= at).filter(|&next| next > 0);
            *cell = next.map_or(0.0, |next| rate(samples[next - 1], samples[next]).packets);
        }
        Some(recent)
    }
}

fn rate(first: Sample, last: Sample) -> Rate {
    let seconds = last.at.since(first.at) as f64 / SECONDS as f64;
    let grown = |first: u64, last: u64| last.saturating_sub(first) as f64 / seconds;
    Rate { packets: grown(first.packets, last.packets), bytes: grown(first.bytes, last.bytes) }
}

/// Up to when the source says how much there was.
fn watched_until(source: &SourceSummary) -> Option<Timestamp> {
    let last = source.interfaces.iter().filter_map(|interface| interface.span).map(|(_, last)| last).max();
    source.ended.max(last)
}

/// What is shown of an interface.
struct Row {
    summary: InterfaceSummary,
    rate: Option<Rate>,
    recent: Option<[f64; CHART]>,
}

/// All interfaces, by node and role, each line at most `width` cells wide; the first line is the columns' heads.
pub fn lines(sources: &[SourceSummary], rates: &Rates, context: &Context<'_>, width: usize) -> Vec<Line> {
    let mut rows: Vec<Row> = Vec::new();
    for summary in together(sources, context).into_values() {
        let now = rates.of(summary.vantage);
        let rate = now.or_else(|| mean(sources, &summary));
        let recent = rates.recent(summary.vantage).filter(|_| now.is_some());
        rows.push(Row { summary, rate, recent });
    }
    rows.sort_by_key(|row| {
        let vantage = context.topology.vantage(row.summary.vantage);
        (vantage.node, rank(vantage.role), row.summary.gone.is_some(), vantage.interface.clone())
    });
    let pods = pods(context);
    let columns = Columns::new(width);
    let mut out = vec![columns.head(context.manner)];
    out.extend(rows.iter().map(|row| columns.row(row, &pods, context)));
    for line in &mut out {
        line.truncate(width, context.manner.ellipsis());
    }
    out
}

/// What several files say of one interface is put together.
fn together(sources: &[SourceSummary], context: &Context<'_>) -> BTreeMap<VantageId, InterfaceSummary> {
    let mut all: BTreeMap<VantageId, InterfaceSummary> = BTreeMap::new();
    for interface in sources.iter().flat_map(|source| &source.interfaces) {
        // What is known of the cluster may be a moment behind.
        if usize::from(interface.vantage.0) >= context.topology.vantages.len() {
            continue;
        }
        let sum = all.entry(interface.vantage).or_insert(InterfaceSummary::new(interface.vantage));
        sum.packets += interface.packets;
        sum.bytes += interface.bytes;
        sum.span = match (sum.span, interface.span) {
            (Some((first, last)), Some((other, end))) => Some((first.min(other), last.max(end))),
            (one, other) => one.or(other),
        };
        sum.dropped = sum.dropped.into_iter().chain(interface.dropped).reduce(u64::saturating_add);
        sum.born = interface.born.or(sum.born);
        sum.gone = interface.gone;
    }
    all
}

/// Over the whole time that the interface's sources were recorded.
fn mean(sources: &[SourceSummary], summary: &InterfaceSummary) -> Option<Rate> {
    let of_it = sources
        .iter()
        .filter(|source| source.interfaces.iter().any(|interface| interface.vantage == summary.vantage));
    let (mut start, mut end) = (None::<Timestamp>, None);
    for source in of_it {
        let first = source.interfaces.iter().filter_map(|interface| interface.span).map(|(first, _)| first);
        start = start.into_iter().chain(first).min();
        end = end.max(watched_until(source));
    }
    let (start, end) = start.zip(end).filter(|(start, end)| end > start)?;
    let zero = Sample { at: start, packets: 0, bytes: 0 };
    Some(rate(zero, Sample { at: end, packets: summary.packets, bytes: summary.bytes }))
}

fn pods(context: &Context<'_>) -> BTreeMap<VantageId, Vec<Ip>> {
    let mut pods: BTreeMap<VantageId, Vec<Ip>> = BTreeMap::new();
    for (&ip, &vantage) in &context.topology.pods {
        pods.entry(vantage).or_default().push(ip);
    }
    pods
}

const fn rank(role: Role) -> u8 {
    match role {
        Role::Uplink => 0,
        Role::Tunnel => 1,
        Role::Workload => 2,
        Role::Other => 3,
        Role::Loopback => 4,
    }
}

const fn role_word(role: Role) -> Word {
    match role {
        Role::Uplink => Word::Uplink,
        Role::Workload => Word::WorkloadRole,
        Role::Loopback => Word::Loopback,
        Role::Tunnel => Word::Tunnel,
        Role::Other => Word::OtherRole,
    }
}

/// Widths of the columns, by the width of all alone, so that nothing moves when packets come; 0 leaves one out.
struct Columns {
    node: usize,
    interface: usize,
    role: usize,
    pod: usize,
    rate: usize,
    count: usize,
    bytes: usize,
    lost: usize,
    chart: usize,
    life: usize,
}

/// Cells between columns.
const GAP: usize = 2;

impl Columns {
    fn new(width: usize) -> Columns {
        let mut columns = Columns {
            node: 8,
            interface: 15,
            role: 0,
            pod: 0,
            rate: 6,
            count: 0,
            bytes: 0,
            lost: 6,
            chart: 0,
            life: 0,
        };
        if width >= 100 {
            (columns.role, columns.life) = (8, 17);
        }
        if width >= 120 {
            (columns.count, columns.bytes) = (7, 7);
        }
        if width >= 150 {
            columns.chart = CHART;
        }
        let Columns { node, interface, role, rate, count, bytes, lost, chart, life, .. } = columns;
        let others = [node, interface, role, rate, rate, count, bytes, lost, chart, life];
        let taken: usize = others.iter().filter(|&&wide| wide > 0).map(|wide| wide + GAP).sum();
        columns.pod = width.saturating_sub(taken + GAP + 3);
        columns
    }

    fn head(&self, manner: Manner) -> Line {
        let mut line = Line::new();
        line.space(3);
        let texts = [
            (Word::Node, self.node),
            (Word::Interface, self.interface),
            (Word::RoleColumn, self.role),
            (Word::PodEnd, self.pod),
        ];
        for (word, wide) in texts {
            text(&mut line, Tone::Head, manner.word(word), wide, manner);
        }
        let numbers = [
            (Word::PacketRate, self.rate),
            (Word::BytesRate, self.rate),
            (Word::Packets, self.count),
            (Word::Bytes, self.bytes),
            (Word::DropsColumn, self.lost),
        ];
        for (word, wide) in numbers {
            number(&mut line, Tone::Head, manner.word(word), wide);
        }
        text(&mut line, Tone::Head, manner.word(Word::Recent), self.chart, manner);
        text(&mut line, Tone::Head, manner.word(Word::LifeColumn), self.life, manner);
        line
    }

    fn row(&self, row: &Row, pods: &BTreeMap<VantageId, Vec<Ip>>, context: &Context<'_>) -> Line {
        let (manner, summary) = (context.manner, &row.summary);
        let vantage = context.topology.vantage(summary.vantage);
        let (sign, tone, name_tone) = match (summary.gone, summary.born) {
            (Some(_), _) => (manner.cross(), Tone::Faint, Tone::Faint),
            (None, Some(_)) => ("+", Tone::Plain, Tone::Strong),
            (None, None) => (" ", Tone::Plain, Tone::Strong),
        };
        let mut line = Line::new();
        line.space(1).push(if summary.gone.is_some() { Tone::Dim } else { Tone::Good }, sign).space(1);
        text(&mut line, tone, context.node(vantage.node), self.node, manner);
        text(&mut line, name_tone, &manner.text(context.interface(summary.vantage)), self.interface, manner);
        text(&mut line, Tone::Dim, manner.word(role_word(vantage.role)), self.role, manner);
        let pod = pods.get(&summary.vantage).map_or_else(String::new, |ips| pod_end(ips, context));
        text(&mut line, tone, &pod, self.pod, manner);
        let rate = |of: fn(Rate) -> f64| {
            row.rate.map_or_else(|| "?".to_owned(), |rate| amount(of(rate).round() as u64))
        };
        number(&mut line, tone, &rate(|rate| rate.packets), self.rate);
        number(&mut line, tone, &rate(|rate| rate.bytes), self.rate);
        number(&mut line, Tone::Dim, &amount(summary.packets), self.count);
        number(&mut line, Tone::Dim, &amount(summary.bytes), self.bytes);
        let (lost, lost_tone) = match summary.dropped {
            None => (manner.dot().to_owned(), Tone::Faint),
            Some(0) => ("0".to_owned(), Tone::Dim),
            Some(count) => (amount(count), Tone::Bad),
        };
        number(&mut line, lost_tone, &lost, self.lost);
        let chart = row.recent.map_or_else(String::new, |recent| chart(&recent, manner));
        text(&mut line, Tone::Request, &chart, self.chart, manner);
        text(&mut line, Tone::Dim, &life(summary, context), self.life, manner);
        line
    }
}

fn text(line: &mut Line, tone: Tone, text: &str, wide: usize, manner: Manner) {
    if wide > 0 {
        line.column(tone, text, wide, manner.ellipsis()).space(GAP);
    }
}

fn number(line: &mut Line, tone: Tone, text: &str, wide: usize) {
    if wide > 0 {
        line.number(tone, text, wide).space(GAP);
    }
}

/// `10.244.1.17 cart`, and how many more there are.
fn pod_end(ips: &[Ip], context: &Context<'_>) -> String {
    let named = ips.iter().find(|&&ip| context.name(ip).is_some());
    let Some(&ip) = named.or(ips.first()) else { return String::new() };
    let mut out = ip.to_string();
    if let Some(name) = context.name(ip) {
        out.push(' ');
        out.push_str(&context.manner.text(name));
    }
    if ips.len() > 1 {
        let _ = write!(out, " +{}", ips.len() - 1);
    }
    out
}

/// `12:03:22–12:04:11`, on the reference clock; an end is left open where it is not known.
fn life(summary: &InterfaceSummary, context: &Context<'_>) -> String {
    let node = context.topology.vantage(summary.vantage).node;
    let at = |time: Timestamp| time_of_day(context.clocks.align(node, time)).chars().take(8).collect();
    let (born, gone) = (summary.born.map(at), summary.gone.map(at));
    let dash = if context.manner.is_ascii() { "-" } else { "–" };
    match (born, gone) {
        (None, None) => String::new(),
        (born, gone) => {
            let (born, gone): (String, String) = (born.unwrap_or_default(), gone.unwrap_or_default());
            format!("{born}{dash}{gone}")
        }
    }
}

/// Three significant digits: `980`, `18.2k`, `3.40M`.
pub fn amount(count: u64) -> String {
    let (value, unit) = match count {
        0..1_000 => return count.to_string(),
        1_000..999_500 => (count as f64 / 1e3, "k"),
        999_500..999_500_000 => (count as f64 / 1e6, "M"),
        999_500_000..999_500_000_000 => (count as f64 / 1e9, "G"),
        _ => (count as f64 / 1e12, "T"),
    };
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$}{unit}")
}

/// One cell a second, as high as the highest of them allows.
fn chart(recent: &[f64], manner: Manner) -> String {
    let steps: &[char] = if manner.is_ascii() {
        &[' ', '.', '-', '=', '#']
    } else {
        &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    };
    let highest = recent.iter().copied().fold(0.0, f64::max);
    let step = |&rate: &f64| {
        if rate <= 0.0 {
            return steps[0];
        }
        let place = (rate / highest * (steps.len() - 1) as f64).ceil() as usize;
        steps[place.clamp(1, steps.len() - 1)]
    };
    recent.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;
    use crate::timeline::{Language, sample};

    fn at(seconds: i64) -> Timestamp {
        sample::START.plus(seconds * SECONDS)
    }

    /// Two nodes' interfaces; of the first a pod's came and one went.
    fn sources(packets: u64, seconds: i64) -> Vec<SourceSummary> {
        let topology = sample::topology();
        let of = |node: u16| {
            let of_node = |(number, vantage): (usize, &crate::model::Vantage)| {
                let summary = InterfaceSummary::new(VantageId(number as u16));
                (vantage.node == NodeId(node)).then_some(InterfaceSummary {
                    packets: packets * (number as u64 + 1),
                    bytes: 800 * packets * (number as u64 + 1),
                    span: Some((at(0), at(seconds))),
                    ..summary
                })
            };
            topology.vantages.iter().enumerate().filter_map(of_node).collect::<Vec<_>>()
        };
        let mut sources = sample::sources();
        for (node, source) in sources.iter_mut().enumerate() {
            source.interfaces = of(node as u16);
            source.ended = Some(at(seconds));
        }
        sources[0].interfaces[1].born = Some(at(1));
        sources[1].interfaces[1].gone = Some(at(2));
        sources[1].interfaces[0].dropped = Some(1234);
        sources
    }

    fn told(rates: &Rates, manner: Manner, width: usize) -> String {
        sample::with_context(manner, |context| {
            let lines = lines(&sources(4000, 4), rates, context, width);
            assert!(lines.iter().all(|line| line.width() <= width));
            lines.iter().map(|line| line.text().trim_end().to_owned() + "\n").collect()
        })
    }

    #[test]
    fn interfaces_are_told_with_their_rates_and_lives() {
        let mut rates = Rates::default();
        for second in 0..=4 {
            rates.take(&sources(1000 * second as u64, second));
        }
        insta::assert_snapshot!("wide", told(&rates, Manner::default(), 158));
        insta::assert_snapshot!("narrow", told(&rates, Manner::default(), 78));
        insta::assert_snapshot!("ascii", told(&rates, Manner::ascii(), 118));
        insta::assert_snapshot!("zh", told(&rates, Manner::new(Language::Zh), 118));
        insta::assert_snapshot!("recording", told(&Rates::default(), Manner::default(), 118));
    }

    #[test]
    fn a_rate_is_of_the_last_seconds() {
        let mut rates = Rates::default();
        let source = |packets, seconds| {
            let interface =
                InterfaceSummary { packets, bytes: 10 * packets, ..InterfaceSummary::new(VantageId(3)) };
            [SourceSummary {
                interfaces: vec![interface],
                ended: Some(at(seconds)),
                ..SourceSummary::default()
            }]
        };
        assert_eq!(rates.of(VantageId(3)), None);
        for (packets, seconds) in [(0, 0), (1000, 1), (1000, 1), (1300, 2), (1500, 3)] {
            rates.take(&source(packets, seconds));
        }
        assert_eq!(rates.of(VantageId(3)), Some(Rate { packets: 250.0, bytes: 2500.0 }));
        assert_eq!(rates.total(), rates.of(VantageId(3)));
        let recent = rates.recent(VantageId(3)).expect("counted");
        assert_eq!(recent[CHART - 4..], [0.0, 1000.0, 300.0, 200.0]);
        // After a silence that was watched there is none.
        rates.take(&source(1500, 5));
        assert_eq!(rates.of(VantageId(3)), Some(Rate::default()));
    }

    #[test]
    fn what_is_long_gone_is_forgotten() {
        let mut rates = Rates::default();
        let interface = InterfaceSummary { gone: Some(at(0)), ..InterfaceSummary::new(VantageId(3)) };
        for second in 0..100 {
            let source = SourceSummary {
                interfaces: vec![interface],
                ended: Some(at(second)),
                ..SourceSummary::default()
            };
            rates.take(&[source]);
        }
        assert!(rates.by_vantage.is_empty());
    }

    #[test]
    fn amounts_have_three_digits() {
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00k"),
            (18_240, "18.2k"),
            (312_400, "312k"),
            (999_600, "1.00M"),
        ] {
            assert_eq!(amount(count), expected);
        }
        assert!(amount(u64::MAX).ends_with('T'));
    }
}
