//! The report as CSV (RFC 4180): a line a journey under one line of names, whose columns stay what and where they
//! are; a new one goes to the end.
//!
//! Times are integer nanoseconds as in JSON; what is not known is empty. A text that a spreadsheet would take for a
//! formula has a `'` put before it.

use std::fmt::{Display, Write as _};

use crate::model::{Endpoint, Journey, SECONDS, StagePlace, State, Timestamp, Way};
use crate::timeline::delay::delays;
use crate::timeline::{Context, Manner, ends};

/// The columns in their order.
pub const COLUMNS: [&str; 37] = [
    "id",
    "started",
    "started_ns",
    "ended_ns",
    "duration_ns",
    "path",
    "route",
    "client",
    "client_name",
    "target",
    "target_name",
    "server",
    "server_name",
    "protocol",
    "method",
    "url",
    "host",
    "status",
    "grpc_status",
    "request_bytes",
    "reply_bytes",
    "retransmissions",
    "legs",
    "confidence",
    "stages",
    "slowest_stage",
    "slowest_node",
    "slowest_ns",
    "outcome",
    "direction",
    "after_stage",
    "after_node",
    "before_stage",
    "before_node",
    "where",
    "where_node",
    "detail",
];

/// The line of names.
pub fn head(out: &mut Vec<u8>) {
    out.extend_from_slice(COLUMNS.join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// One journey's line.
pub fn journey(out: &mut Vec<u8>, id: u64, journey: &Journey, context: &Context<'_>) {
    let context = &Context { manner: Manner::default(), ..*context };
    let mut record = Record { text: String::with_capacity(512), has_fields: false };
    begin(&mut record, id, journey);
    ends_of(&mut record, journey, context);
    exchange(&mut record, journey);
    stages(&mut record, journey, context);
    verdict(&mut record, journey, context);
    record.text.push_str("\r\n");
    out.extend_from_slice(record.text.as_bytes());
}

fn begin(record: &mut Record, id: u64, journey: &Journey) {
    record.number(Some(id));
    record.number(Some(rfc3339(journey.started)));
    record.number(Some(journey.started.0));
    record.number(Some(journey.ended.0));
    record.number(Some(journey.ended.since(journey.started)));
    record.text(&journey.path);
    record.text(&journey.route);
}

fn ends_of(record: &mut Record, journey: &Journey, context: &Context<'_>) {
    let ends = ends(&journey.trail);
    // As in JSON: what was dialled, also where it is the server itself.
    let target = journey.trail.legs.first().and_then(|leg| leg.target);
    for end in [ends.client, target, ends.server] {
        record.number(end);
        record.text(end.and_then(|end: Endpoint| context.name(end.ip)).unwrap_or(""));
    }
}

fn exchange(record: &mut Record, journey: &Journey) {
    let trail = &journey.trail;
    let exchange = &trail.exchange;
    record.text(exchange.application.name());
    for text in [&exchange.method, &exchange.path, &exchange.host] {
        record.text(text.as_deref().unwrap_or(""));
    }
    record.number(exchange.status);
    record.number(exchange.grpc_status);
    record.number(Some(exchange.request_bytes));
    record.number(Some(exchange.reply_bytes));
    record.number(Some(trail.retransmissions));
    record.number(Some(trail.legs.len()));
    let joins = trail.hops.iter().map(|hop| hop.join.confidence);
    record.number(joins.min().map(crate::model::Confidence::probability));
}

/// The marks of all stages, and the one that took longest for certain.
fn stages(record: &mut Record, journey: &Journey, context: &Context<'_>) {
    let passed = journey.visits().filter(|visit| !matches!(visit.state, State::Skipped));
    let marks: Vec<String> =
        passed.map(|visit| context.manner.row_mark(visit.stage, &visit.state).into_owned()).collect();
    record.text(&marks.join(" "));
    let measured = delays(journey, context.clocks).filter_map(|(visit, took)| {
        took.filter(|took| !took.is_at_most && !took.is_uncertain).map(|took| (took.nanos, visit))
    });
    // The first of equals.
    let slowest = measured.reduce(|most, next| if next.0 > most.0 { next } else { most });
    record.text(&slowest.map_or_else(String::new, |(_, visit)| visit.stage.to_string()));
    record.text(slowest.and_then(|(_, visit)| visit.node).map_or("", |node| context.node(node)));
    record.number(slowest.map(|(nanos, _)| nanos));
}

fn verdict(record: &mut Record, journey: &Journey, context: &Context<'_>) {
    let verdict = &journey.verdict;
    record.text(verdict.outcome.name());
    record.text(match verdict.direction {
        Some(Way::Request) => "request",
        Some(Way::Reply) => "reply",
        None => "",
    });
    for place in [verdict.after, verdict.before] {
        record.text(&place.map_or_else(String::new, |place| place.stage.to_string()));
        record.text(place.and_then(|place: StagePlace| place.node).map_or("", |node| context.node(node)));
    }
    record.text(verdict.place.map_or("", |place| place.kind.name()));
    record.text(verdict.place.and_then(|place| place.node).map_or("", |node| context.node(node)));
    record.text(&verdict.detail.en);
}

/// A line being written.
struct Record {
    text: String,
    has_fields: bool,
}

impl Record {
    fn separate(&mut self) {
        if self.has_fields {
            self.text.push(',');
        }
        self.has_fields = true;
    }

    /// A field of this program's own making, which needs no quotes.
    fn number(&mut self, value: Option<impl Display>) {
        self.separate();
        if let Some(value) = value {
            let _ = write!(self.text, "{value}");
        }
    }

    /// A field whose text may come from anywhere.
    fn text(&mut self, text: &str) {
        self.separate();
        let guard = if is_formula(text) { "'" } else { "" };
        if text.contains([',', '"', '\r', '\n', ';', '\t']) {
            let _ = write!(self.text, "\"{guard}{}\"", text.replace('"', "\"\""));
        } else {
            self.text.push_str(guard);
            self.text.push_str(text);
        }
    }
}

/// Whether a spreadsheet would take `text` for a formula, in its full-width forms too, and behind blanks.
fn is_formula(text: &str) -> bool {
    text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n'])
}

/// A time in UTC with nanoseconds (RFC 3339): `2026-11-22T12:03:19.104000000Z`.
fn rfc3339(time: Timestamp) -> String {
    let [year, month, day, hour, minute, second] = time.civil();
    let nanos = time.0.rem_euclid(SECONDS);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::timeline::sample;

    fn written(journeys: &[Journey]) -> String {
        sample::with_context(Manner::default(), |context| {
            let mut out = Vec::new();
            head(&mut out);
            for (id, of) in (1..).zip(journeys) {
                journey(&mut out, id, of, context);
            }
            String::from_utf8(out).expect("text")
        })
    }

    /// The records of `text`, read by RFC 4180's grammar.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
        let mut quoted = false;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match (quoted, character) {
                (true, '"') if rest.peek() == Some(&'"') => field.extend(rest.next()),
                (_, '"') => quoted = !quoted,
                (false, ',') => record.push(std::mem::take(&mut field)),
                (false, '\r') => {
                    assert_eq!(rest.next(), Some('\n'));
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                (_, other) => field.push(other),
            }
        }
        assert!(!quoted && field.is_empty() && record.is_empty(), "the last line is whole");
        records
    }

    #[test]
    fn a_line_a_journey() {
        let all: Vec<Journey> = sample::all().into_iter().chain(sample::proxies::all()).collect();
        let told = written(&all);
        let records = read(&told);
        assert_eq!(records.len(), all.len() + 1);
        assert!(records.iter().all(|record| record.len() == COLUMNS.len()));
        insta::assert_snapshot!("csv", told.replace("\r\n", "\n"));
    }

    #[test]
    fn hostile_text_is_one_field_and_no_formula() {
        let mut journey = sample::other_node(1, sample::START);
        let exchange = &mut Arc::make_mut(&mut journey.trail).exchange;
        exchange.path = Some("=HYPERLINK(\"http://evil\",\"x\")\r\n@a".into());
        exchange.host = Some(" +cmd|' /C calc'!A0".into());
        exchange.method = Some("-2+3".into());
        let records = read(&written(&[journey]));
        assert_eq!(records.len(), 2);
        let field = |name: &str| {
            let column = COLUMNS.iter().position(|column| *column == name).expect("a column");
            records[1][column].as_str()
        };
        assert_eq!(field("url"), "'=HYPERLINK(\"http://evil\",\"x\")\r\n@a");
        assert_eq!(field("host"), "' +cmd|' /C calc'!A0");
        assert_eq!(field("method"), "'-2+3");
        assert_eq!(field("status"), "200");
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (nanos, told) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (4_107_542_400_000_000_001, "2100-03-01T00:00:00.000000001Z"),
            (1_766_404_999_104_999_999, "2025-12-22T12:03:19.104999999Z"),
        ] {
            assert_eq!(rfc3339(Timestamp(nanos)), told);
        }
    }
}
