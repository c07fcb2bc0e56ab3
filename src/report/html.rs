//! The report as one HTML file that needs nothing else: no script, no font, no picture. A policy in its head forbids
//! the browser to load or run anything, so that not even a mistake here could let a packet's text do so.
//!
//! Journeys are folded; choosing an outcome or a path hides the others, which needs style rules only. As how many
//! there are of each stands at the top, the beginning is made last. The markup is XML as well, with every element
//! closed, so that other programs may read it.

use std::fmt::Write as _;

use crate::model::{Journey, Outcome, SourceSummary};
use crate::report::Part;
use crate::report::stages;
use crate::timeline::headline::{
    Detail, duration_text, ends_line, exchange_text, marks_line, path_name, verdict_line, verdict_mark,
};
use crate::timeline::line::text_width;
use crate::timeline::markup::{TONES, escape, spans};
use crate::timeline::units::time_of_day;
use crate::timeline::words::Word;
use crate::timeline::{Context, Language, Line, evidence, packets, svg, tables};

const STYLE: &str = include_str!("../../assets/report/page.css");

/// Cells that the lines of tables may take.
const WIDTH: usize = 200;

/// The order in which outcomes are offered: what to look at first.
const OUTCOMES: [Outcome; 5] =
    [Outcome::Lost, Outcome::Refused, Outcome::Failed, Outcome::Open, Outcome::Complete];

/// The page's beginning, once its journeys are written.
pub fn head(whole: &Part, sources: &[SourceSummary], context: &Context<'_>) -> Vec<u8> {
    let manner = context.manner;
    let paths = paths(whole);
    let mut out = String::with_capacity(16 << 10);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"{}\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>hopline</title>\n<style>\n",
        match manner.language() {
            Language::En => "en",
            Language::Zh => "zh",
        }
    );
    out.push_str(TONES);
    out.push_str(STYLE);
    write_rules(&mut out, &paths);
    out.push_str("</style>\n</head>\n<body>\n<h1>hopline</h1>\n");
    write_choices(&mut out, whole, &paths, context);
    let _ = write!(out, "<h2>{}</h2>\n<pre>", manner.word(Word::Sources));
    // The first line is the title, which stands above.
    write_lines(&mut out, tables::sources(sources, context, WIDTH).get(1..).unwrap_or_default());
    let _ = write!(out, "</pre>\n<h2>{}</h2>\n<main>\n", manner.word(Word::Journeys));
    out.into_bytes()
}

/// One journey, folded.
pub fn journey(out: &mut Vec<u8>, id: u64, journey: &Journey, context: &Context<'_>, is_whole: bool) {
    let mut text = String::with_capacity(8 << 10);
    let _ = write!(text, "<details class=\"j {}\" data-path=\"", journey.verdict.outcome.name());
    escape(&mut text, &journey.path);
    let _ = writeln!(text, "\" id=\"j{id}\"{}>", if is_whole { " open=\"open\"" } else { "" });
    write_summary(&mut text, id, journey, context);
    text.push_str("<div class=\"body\">\n<p class=\"ends mono\">");
    spans(&mut text, &ends_line(journey, context, Detail::Addresses));
    let _ = write!(text, " {} ", context.manner.dot());
    escape(&mut text, &journey.route);
    text.push_str("</p>\n");
    let has_stages = journey.visits().next().is_some();
    if has_stages {
        stages::write(&mut text, journey, context);
    } else {
        write_packets(&mut text, journey, context);
    }
    text.push_str("<p class=\"told\">");
    spans(&mut text, &verdict_line(journey, context));
    text.push_str("</p>\n");
    if is_whole && has_stages {
        write_packets(&mut text, journey, context);
    }
    if is_whole {
        text.push_str("<pre>");
        write_lines(&mut text, &evidence::lines(journey, context, WIDTH));
        text.push_str("</pre>\n");
    }
    text.push_str("</div>\n</details>\n");
    out.extend_from_slice(text.as_bytes());
}

/// The page's end: the statistics.
pub fn tail(whole: &Part, context: &Context<'_>) -> Vec<u8> {
    let mut out = String::new();
    let _ = write!(out, "</main>\n<h2>{}</h2>\n<pre>", context.manner.word(Word::Statistics));
    write_lines(&mut out, &tables::statistics(&whole.statistics, context, WIDTH));
    let _ = write!(out, "</pre>\n<footer>hopline {}</footer>\n</body>\n</html>\n", env!("CARGO_PKG_VERSION"));
    out.into_bytes()
}

/// Every path that journeys took, and how many; those beyond the statistics' bound are not among them.
fn paths(whole: &Part) -> Vec<(&str, u64)> {
    let mut paths: Vec<(&str, u64)> = Vec::new();
    for ((path, _), series) in &whole.statistics.paths {
        match paths.last_mut() {
            Some((last, count)) if *last == &**path => *count += series.journeys,
            _ => paths.push((path, series.journeys)),
        }
    }
    paths
}

/// What is hidden while an outcome or a path is chosen, and how a choice looks.
fn write_rules(out: &mut String, paths: &[(&str, u64)]) {
    for outcome in OUTCOMES.map(Outcome::name) {
        let _ = writeln!(out, "#o-{outcome}:checked~main .j:not(.{outcome}){{display:none}}");
    }
    for (index, (path, _)) in paths.iter().enumerate() {
        let _ = write!(out, "#p-{index}:checked~main .j:not([data-path=\"");
        write_css(out, path);
        out.push_str("\"]){display:none}\n");
    }
    let outcomes = OUTCOMES.map(|outcome| format!("o-{}", outcome.name()));
    let all = ["o-all".to_owned(), "p-all".to_owned()];
    let paths = (0..paths.len()).map(|index| format!("p-{index}"));
    for id in all.into_iter().chain(outcomes).chain(paths) {
        let _ = writeln!(
            out,
            "#{id}:checked~nav label[for={id}]{{background:var(--mark);border-color:currentColor}}\n\
             #{id}:focus-visible~nav label[for={id}]{{outline:2px solid #0969da}}"
        );
    }
}

/// A text in a quoted string of a style sheet: all but letters, digits and `-` by their numbers (CSS Syntax §4.3.7).
fn write_css(out: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == '-' {
            out.push(character);
        } else {
            let _ = write!(out, "\\{:x} ", u32::from(character));
        }
    }
}

/// The buttons; what they choose is kept by inputs before the list, where style rules find them.
fn write_choices(out: &mut String, whole: &Part, paths: &[(&str, u64)], context: &Context<'_>) {
    let manner = context.manner;
    let totals = whole.totals;
    let mut labels = [String::new(), String::new()];
    let mut offer = |row: usize, id: &str, text: &str, class: &str, count: u64, is_first: bool| {
        let group = ["outcome", "path"][row];
        let checked = if is_first { " checked=\"checked\"" } else { "" };
        let _ = writeln!(out, "<input type=\"radio\" class=\"pick\" name=\"{group}\" id=\"{id}\"{checked}/>");
        let _ = write!(labels[row], "<label for=\"{id}\"><span class=\"{class}\">");
        escape(&mut labels[row], text);
        let _ = write!(labels[row], "</span> <i>{count}</i></label>");
    };
    let all = manner.word(Word::All);
    offer(0, "o-all", all, "plain", totals.journeys, true);
    for outcome in OUTCOMES {
        let count = totals.outcomes[outcome as usize];
        if count > 0 {
            let class = match outcome {
                Outcome::Complete => "good",
                Outcome::Open => "accent",
                _ => "bad",
            };
            offer(0, &format!("o-{}", outcome.name()), manner.outcome(outcome), class, count, false);
        }
    }
    offer(1, "p-all", all, "plain", totals.journeys, true);
    for (index, &(path, count)) in paths.iter().enumerate() {
        offer(1, &format!("p-{index}"), &path_name(path, manner), "plain", count, false);
    }
    let [outcomes, paths] = labels;
    let _ = writeln!(
        out,
        "<nav>\n<div><b>{}</b>{outcomes}</div>\n<div><b>{}</b>{paths}</div>\n</nav>",
        manner.word(Word::Verdict),
        manner.word(Word::Path)
    );
}

/// The row that is seen of a folded journey.
fn write_summary(out: &mut String, id: u64, journey: &Journey, context: &Context<'_>) {
    let manner = context.manner;
    let _ = write!(out, "<summary><span class=\"dim\">#{id}</span>");
    let _ = write!(out, "<span>{}</span><span class=\"path\">", time_of_day(journey.started));
    escape(out, &path_name(&journey.path, manner));
    out.push_str("</span><span>");
    spans(out, &ends_line(journey, context, Detail::Names));
    out.push_str("</span><span class=\"asked\">");
    escape(out, &exchange_text(&journey.trail, manner));
    out.push_str("</span><span class=\"marks\">");
    spans(out, &marks_line(journey, manner));
    let _ = write!(out, "</span><span class=\"took\">{}</span><span>", duration_text(journey, manner));
    spans(out, &verdict_mark(journey, context));
    out.push_str("</span></summary>\n");
}

fn write_packets(out: &mut String, journey: &Journey, context: &Context<'_>) {
    let (head, rows) = packets::lines(journey, context, WIDTH);
    out.push_str("<pre>");
    write_lines(out, &[head]);
    write_lines(out, &rows);
    out.push_str("</pre>\n");
}

/// Lines of a table. What a font may draw in another width than its cells' has a box of that width.
fn write_lines(out: &mut String, lines: &[Line]) {
    for line in lines {
        for (run, tone) in line.runs() {
            let _ = write!(out, "<span class=\"{}\">", tone.name());
            for piece in svg::pieces(run) {
                if piece.is_ascii() {
                    escape(out, piece);
                } else {
                    let _ = write!(out, "<i style=\"width:{}ch\">", text_width(piece));
                    escape(out, piece);
                    out.push_str("</i>");
                }
            }
            out.push_str("</span>");
        }
        out.push('\n');
    }
}
