//! The report as text: what the screen draws, a journey after the other.
//!
//! It streams: a head, each journey as it is given, and a tail with the statistics.

use std::io::{self, Write};

use crate::model::{Journey, SourceSummary};
use crate::timeline::headline::verdict_line;
use crate::timeline::sheet::Sheet;
use crate::timeline::{Context, Line, Statistics, Tone, tables};

/// How the text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Cells a line may take.
    pub width: usize,
    /// Colours by escape sequences (ECMA-48 SGR); for a terminal only.
    pub is_coloured: bool,
    /// With the packets and the evidence of each journey.
    pub is_whole: bool,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { width: 120, is_coloured: false, is_whole: false }
    }
}

/// Writes what was read.
pub fn write_head(
    out: &mut dyn Write,
    sources: &[SourceSummary],
    context: &Context<'_>,
    layout: Layout,
) -> io::Result<()> {
    write_lines(out, &tables::sources(sources, context, layout.width), layout)
}

/// Writes one journey: a head line, a row a stage, and the verdict.
pub fn write_journey(
    out: &mut dyn Write,
    number: u64,
    journey: &Journey,
    context: &Context<'_>,
    layout: Layout,
) -> io::Result<()> {
    out.write_all(b"\n")?;
    let sheet = Sheet { number: Some(number), journey, is_whole: layout.is_whole };
    sheet.each_line(context, layout.width, &mut |line| write_line(out, line, layout))
}

/// Writes one journey in one line: its head and how it ended.
pub fn write_brief(
    out: &mut dyn Write,
    number: u64,
    journey: &Journey,
    context: &Context<'_>,
    layout: Layout,
) -> io::Result<()> {
    let mut line = Sheet { number: Some(number), journey, is_whole: false }.head(context);
    line.space(2).append(&verdict_line(journey, context));
    write_line(out, &line, layout)
}

/// Writes the statistics over all journeys.
pub fn write_tail(
    out: &mut dyn Write,
    statistics: &Statistics,
    context: &Context<'_>,
    layout: Layout,
) -> io::Result<()> {
    out.write_all(b"\n")?;
    write_lines(out, &tables::statistics(statistics, context, layout.width), layout)
}

fn write_lines(out: &mut dyn Write, lines: &[Line], layout: Layout) -> io::Result<()> {
    lines.iter().try_for_each(|line| write_line(out, line, layout))
}

fn write_line(out: &mut dyn Write, line: &Line, layout: Layout) -> io::Result<()> {
    if layout.is_coloured {
        for (text, tone) in line.runs() {
            match colour(tone) {
                Some(code) => write!(out, "\x1b[{code}m{text}\x1b[0m")?,
                None => out.write_all(text.as_bytes())?,
            }
        }
    } else {
        out.write_all(line.text().trim_end().as_bytes())?;
    }
    out.write_all(b"\n")
}

/// The SGR parameters of a tone (ECMA-48 §8.3.117).
const fn colour(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain => None,
        Tone::Head | Tone::Strong => Some("1"),
        Tone::Dim => Some("2"),
        Tone::Faint => Some("90"),
        Tone::Request => Some("36"),
        Tone::Reply => Some("35"),
        Tone::Own => Some("33"),
        Tone::Accent => Some("34"),
        Tone::Good => Some("32"),
        Tone::Bad => Some("1;31"),
        Tone::Found => Some("7"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Manner, sample};

    fn written(manner: Manner, layout: Layout) -> String {
        sample::with_context(manner, |context| {
            let mut out = Vec::new();
            let mut statistics = Statistics::default();
            write_head(&mut out, &sample::sources(), context, layout).expect("a vector takes all");
            for (number, journey) in (1..).zip(&sample::all()) {
                write_journey(&mut out, number, journey, context, layout).expect("a vector takes all");
                statistics.add(journey, context);
            }
            write_tail(&mut out, &statistics, context, layout).expect("a vector takes all");
            String::from_utf8(out).expect("text")
        })
    }

    #[test]
    fn a_whole_report() {
        insta::assert_snapshot!("report", written(Manner::default(), Layout::default()));
        insta::assert_snapshot!(
            "report_whole_ascii",
            written(Manner::ascii(), Layout { is_whole: true, ..Layout::default() })
        );
    }

    #[test]
    fn what_fits_no_path_is_told_by_its_sightings() {
        sample::with_context(Manner::default(), |context| {
            let mut journey = sample::same_node(1, sample::START);
            (journey.request, journey.reply) = (Vec::new(), Vec::new());
            journey.path = "unclassified".into();
            let mut out = Vec::new();
            write_journey(&mut out, 1, &journey, context, Layout::default()).expect("a vector takes all");
            let told = String::from_utf8(out).expect("text");
            assert!(told.contains("unclassified") && told.contains("cali0d5c11aa7b2 out"), "{told}");
        });
    }

    #[test]
    fn without_colour_there_is_no_escape_and_with_it_the_text_is_the_same() {
        let plain = written(Manner::default(), Layout::default());
        assert!(!plain.contains('\x1b'));
        let coloured = written(Manner::default(), Layout { is_coloured: true, ..Layout::default() });
        assert!(coloured.contains("\x1b[1;31m"));
        let mut stripped = String::new();
        for (index, part) in coloured.split('\x1b').enumerate() {
            stripped.push_str(if index == 0 {
                part
            } else {
                part.split_once('m').map_or("", |(_, text)| text)
            });
        }
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
    }
}
