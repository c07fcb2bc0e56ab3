//! Writes journeys as text, JSON, CSV, SVG and HTML.
//!
//! A report is a head, its journeys and a tail. Journeys are written in [`Part`]s, which different threads may
//! make and which are joined in order.
//!
//! This room never decides anything about packets.

pub mod csv;
pub mod html;
pub mod json;
mod stages;
pub mod svg;
pub mod text;

use std::borrow::Cow;

use crate::model::{Journey, SourceSummary};
use crate::timeline::{Context, Statistics};

/// What a report is written as, and how text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text(text::Layout),
    Json,
    Csv,
    /// With the packets and the evidence of each journey where `is_whole`.
    Svg {
        is_whole: bool,
    },
    Html {
        is_whole: bool,
    },
}

/// Some journeys of a report, written.
#[derive(Debug, Default)]
pub struct Part {
    pub bytes: Vec<u8>,
    pub totals: Totals,
    /// Of the formats that end with it.
    pub statistics: Statistics,
}

/// Journeys by kind, for a report's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub journeys: u64,
    /// Of those, DNS lookups.
    pub lookups: u64,
    /// Of those, the ones that fit no path.
    pub unclassified: u64,
    /// By outcome, in the order of [`Outcome`](crate::model::Outcome).
    pub outcomes: [u64; 5],
    /// Rows of a picture.
    pub rows: usize,
}

impl Totals {
    /// Counts one more journey.
    pub fn add(&mut self, journey: &Journey) {
        self.journeys += 1;
        self.lookups += u64::from(&*journey.path == "dns-lookup");
        self.unclassified += u64::from(&*journey.path == "unclassified");
        self.outcomes[journey.verdict.outcome as usize] += 1;
    }

    fn merge(&mut self, more: Totals) {
        self.journeys += more.journeys;
        self.lookups += more.lookups;
        self.unclassified += more.unclassified;
        self.rows += more.rows;
        for (count, more) in self.outcomes.iter_mut().zip(more.outcomes) {
            *count += more;
        }
    }
}

impl Format {
    /// Whether the head needs to know all journeys: then it is made last, and put before them.
    pub const fn is_headed_last(self) -> bool {
        matches!(self, Format::Svg { .. } | Format::Html { .. })
    }

    /// Whether the report itself says what of the recordings could not be read.
    pub const fn tells_damage(self) -> bool {
        matches!(self, Format::Text(_) | Format::Svg { .. } | Format::Html { .. })
    }

    /// The report's beginning; `whole` is what is known of its journeys by then.
    pub fn head(self, whole: &Part, sources: &[SourceSummary], context: &Context<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Format::Text(layout) => infallible(&text::write_head(&mut out, sources, context, layout)),
            Format::Json => json::head(&mut out, sources, context),
            Format::Csv => csv::head(&mut out),
            Format::Svg { .. } => return svg::head(whole, sources, context),
            Format::Html { .. } => return html::head(whole, sources, context),
        }
        out
    }

    /// Writes one more journey into `part`, under the number that the report gives it.
    pub fn journey(self, part: &mut Part, id: u64, journey: &Journey, context: &Context<'_>) {
        let context = &context.of(journey);
        match self {
            Format::Text(layout) => {
                infallible(&text::write_journey(&mut part.bytes, id, journey, context, layout));
            }
            Format::Json => {
                part.bytes.extend_from_slice(json_separator(part.totals));
                json::journey(&mut part.bytes, id, journey, context);
            }
            Format::Csv => csv::journey(&mut part.bytes, id, journey, context),
            Format::Svg { is_whole } => svg::journey(part, id, journey, context, is_whole),
            Format::Html { is_whole } => html::journey(&mut part.bytes, id, journey, context, is_whole),
        }
        if !matches!(self, Format::Json | Format::Csv) {
            part.statistics.add(journey, context);
        }
        part.totals.add(journey);
    }

    /// Takes the counts of `part` into `whole`, and gives the bytes that go before those of `part`.
    pub fn join(self, whole: &mut Part, part: &Part) -> Cow<'static, [u8]> {
        let before = match self {
            _ if part.totals.journeys == 0 => Cow::Borrowed(&b""[..]),
            Format::Json => json_separator(whole.totals).into(),
            Format::Svg { .. } => svg::join(whole.totals).into(),
            Format::Text(_) | Format::Csv | Format::Html { .. } => Cow::Borrowed(&b""[..]),
        };
        whole.totals.merge(part.totals);
        whole.statistics.merge(&part.statistics);
        before
    }

    /// The report's end, for all journeys of `whole`.
    pub fn tail(self, whole: &Part, context: &Context<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Format::Text(layout) => {
                infallible(&text::write_tail(&mut out, &whole.statistics, context, layout));
            }
            Format::Json => json::tail(&mut out, &whole.totals),
            Format::Csv => {}
            Format::Svg { .. } => return svg::tail(whole, context),
            Format::Html { .. } => return html::tail(whole, context),
        }
        out
    }
}

/// What stands before a journey of the JSON report that comes after those of `before`.
const fn json_separator(before: Totals) -> &'static [u8] {
    if before.journeys > 0 { b",\n" } else { b"" }
}

/// Memory takes everything.
fn infallible(written: &std::io::Result<()>) {
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests;
