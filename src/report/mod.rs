//! Writes journeys as text and JSON.
//!
//! A report is a head, its journeys and a tail. Journeys are written in [`Part`]s, which different threads may
//! make and which are joined in order.
//!
//! This room never decides anything about packets.

pub mod json;
pub mod text;

use crate::model::{Journey, SourceSummary};
use crate::timeline::{Context, Statistics};

/// What a report is written as, and how text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text(text::Layout),
    Json,
}

/// Some journeys of a report, written.
#[derive(Debug, Default)]
pub struct Part {
    pub bytes: Vec<u8>,
    pub totals: Totals,
    /// Of text only.
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
}

impl Totals {
    /// Counts one more journey.
    pub fn add(&mut self, journey: &Journey) {
        self.journeys += 1;
        self.lookups += u64::from(&*journey.path == "dns-lookup");
        self.unclassified += u64::from(&*journey.path == "unclassified");
    }

    fn merge(&mut self, more: Totals) {
        self.journeys += more.journeys;
        self.lookups += more.lookups;
        self.unclassified += more.unclassified;
    }
}

impl Format {
    /// The report's beginning.
    pub fn head(self, sources: &[SourceSummary], context: &Context<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Format::Text(layout) => infallible(&text::write_head(&mut out, sources, context, layout)),
            Format::Json => json::head(&mut out, sources, context),
        }
        out
    }

    /// Writes one more journey into `part`, under the number that the report gives it.
    pub fn journey(self, part: &mut Part, id: u64, journey: &Journey, context: &Context<'_>) {
        match self {
            Format::Text(layout) => {
                infallible(&text::write_journey(&mut part.bytes, id, journey, context, layout));
                part.statistics.add(journey, context);
            }
            Format::Json => {
                part.bytes.extend_from_slice(self.separator(part.totals));
                json::journey(&mut part.bytes, id, journey, context);
            }
        }
        part.totals.add(journey);
    }

    /// Takes the counts of `part` into `whole`, and gives the bytes that go before those of `part`.
    pub fn join(self, whole: &mut Part, part: &Part) -> &'static [u8] {
        let before = if part.totals.journeys > 0 { self.separator(whole.totals) } else { b"" };
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
        }
        out
    }

    /// What stands before a journey that comes after those of `before`.
    const fn separator(self, before: Totals) -> &'static [u8] {
        match self {
            Format::Json if before.journeys > 0 => b",\n",
            Format::Json | Format::Text(_) => b"",
        }
    }
}

/// Memory takes everything.
fn infallible(written: &std::io::Result<()>) {
    debug_assert!(written.is_ok(), "{written:?}");
}
