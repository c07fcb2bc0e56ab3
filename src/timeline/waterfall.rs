//! The timeline of one journey: a row a visit, with its place, its time and a bar.
//!
//! ```text
//!       stage                    where                      at µs  took µs  0      500     1000    1.84 ms
//!  ④    to the Service IP        kappa1 cali6f1d in           530      118          ██
//!  ⑤    DNAT to 10.244.2.33      kappa1 kernel                        ≤ 74            ░░
//!  ⑦    leaves the node          kappa1 bond1    out          604       74             ▏
//! ```

use crate::model::{Direction, Journey, NodeId, Outcome, Part, State, Timestamp, VantageId, Visit, Way};
use crate::timeline::bar::{Bar, Scale, Texture};
use crate::timeline::delay::{Took, delays};
use crate::timeline::headline::state_tone;
use crate::timeline::line::text_width;
use crate::timeline::points::with_points;
use crate::timeline::units::{Unit, duration};
use crate::timeline::words::Word;
use crate::timeline::{Context, Language, Line, Tone, ends, fill_label};

/// A visit, ready to be drawn at any width.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Stage number with the sign of its state.
    pub mark: String,
    pub label: String,
    pub node: String,
    /// Interface, `kernel`, `pod`, `switch` or `outside`.
    pub point: String,
    pub direction: &'static str,
    /// Nanoseconds from the [`origin`].
    pub at: Option<i64>,
    pub took: Option<Took>,
    pub bar: Option<Bar>,
    pub tone: Tone,
    /// Where the journey stopped.
    pub is_stop: bool,
}

/// A journey's rows and the units of their columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Waterfall {
    pub rows: Vec<Row>,
    /// What of the exchange came before the first sighting that is followed, and after the last.
    pub lead: Option<Row>,
    pub tail: Option<Row>,
    /// Visits of stages this route does not pass, which are left out.
    pub hidden: usize,
    /// The axis' length in nanoseconds.
    pub span: i64,
    pub at: Unit,
    pub took: Unit,
}

impl Waterfall {
    pub fn new(journey: &Journey, context: &Context<'_>, shows_skipped: bool) -> Waterfall {
        let journey = &*with_points(journey, context);
        let extent = Extent::new(journey, context);
        let mut rows = Vec::with_capacity(journey.request.len() + journey.reply.len());
        let mut course = Course {
            journey,
            context,
            start: extent.origin,
            span: extent.span,
            last: 0,
            has_seen: false,
            last_place: None,
            is_after_bounded: false,
        };
        let mut hidden = 0;
        for (index, (visit, took)) in delays(journey, context.clocks).enumerate() {
            if matches!(visit.state, State::Skipped) && !shows_skipped {
                hidden += 1;
                continue;
            }
            rows.push(course.row(index, visit, took));
        }
        let (at, took) = (Unit::for_largest(extent.span), Unit::for_largest(extent.longest));
        Waterfall {
            rows,
            lead: extent.lead(journey, context),
            tail: extent.tail(journey, context),
            hidden,
            span: extent.span,
            at,
            took: if took.is_as_large_as(at) { at } else { took },
        }
    }

    /// The rows of the visits, and what is around them.
    fn all(&self) -> impl Iterator<Item = &Row> {
        self.lead.iter().chain(&self.rows).chain(&self.tail)
    }

    /// The line of the row where the journey stopped, which must be in view.
    pub fn stop(&self) -> Option<usize> {
        self.rows.iter().position(|row| row.is_stop).map(|index| index + usize::from(self.lead.is_some()))
    }
}

/// The time that a journey's `at` is counted from: the first sighting that is followed, the lookup's included. A
/// handshake lies before it.
pub fn origin(journey: &Journey) -> Timestamp {
    let seen = journey.visits().filter_map(|visit| match visit.state {
        State::Seen { time } => Some(time),
        _ => None,
    });
    seen.min().unwrap_or(journey.started)
}

/// The times that the axis is made for, in nanoseconds.
struct Extent {
    origin: Timestamp,
    /// From the origin back to the start of the exchange.
    lead: i64,
    /// From the origin to the last sighting that is followed, and to the end of the exchange.
    last: i64,
    end: i64,
    span: i64,
    /// The longest delay.
    longest: i64,
}

/// The rest of an exchange is drawn to scale where the axis need not be longer than this many times the way.
const MOST_REST: i64 = 3;

impl Extent {
    fn new(journey: &Journey, context: &Context<'_>) -> Extent {
        let origin = origin(journey);
        let mut last = origin;
        let mut longest = 0;
        let mut is_unfinished = false;
        for (visit, took) in delays(journey, context.clocks) {
            match visit.state {
                State::Seen { time } => last = last.max(time),
                State::Bounded { before, .. } if before.0 != i64::MAX => last = last.max(before),
                State::Waiting | State::Missing => is_unfinished = true,
                _ => {}
            }
            longest = longest.max(took.map_or(0, |took| took.nanos.abs()));
        }
        let (lead, last, end) =
            (origin.since(journey.started).max(0), last.since(origin), journey.ended.since(origin));
        let way = last.max(1);
        let has_rest = journey.verdict.outcome != Outcome::Lost && !is_unfinished && end > last;
        let end = if has_rest { end } else { last };
        let span = if is_unfinished {
            way.saturating_add(way / 8)
        } else if end <= way.saturating_mul(MOST_REST) {
            end.max(1)
        } else {
            way
        };
        Extent { origin, lead, last, end, span, longest }
    }

    /// A connection that was opened for this exchange, up to the first sighting that is followed.
    fn lead(&self, journey: &Journey, context: &Context<'_>) -> Option<Row> {
        let has_handshake = journey.trail.sightings.iter().any(|sighting| sighting.part == Part::Handshake);
        let word = if has_handshake { Word::Handshake } else { Word::Earlier };
        (self.lead > 0).then(|| around(context, word, self.lead, None))
    }

    fn tail(&self, journey: &Journey, context: &Context<'_>) -> Option<Row> {
        let is_seen = journey.reply.iter().any(|visit| matches!(visit.state, State::Seen { .. }));
        let bar = (self.end <= self.span).then_some((self.last, self.end));
        (is_seen && self.end > self.last).then(|| around(context, Word::Rest, self.end - self.last, bar))
    }
}

/// A row for what is not followed; its time has a unit of its own, for it may be much longer than the way.
fn around(context: &Context<'_>, word: Word, nanos: i64, bar: Option<(i64, i64)>) -> Row {
    Row {
        mark: String::new(),
        label: format!("{} {}", context.manner.word(word), duration(nanos, context.manner)),
        node: String::new(),
        point: String::new(),
        direction: "",
        at: None,
        took: None,
        bar: bar.map(|(start, end)| Bar { start, end, texture: Texture::Around, tone: Tone::Dim }),
        tone: Tone::Dim,
        is_stop: false,
    }
}

/// The walk along the visits.
struct Course<'a> {
    journey: &'a Journey,
    context: &'a Context<'a>,
    start: Timestamp,
    span: i64,
    /// Time of the last sighting, from the start.
    last: i64,
    has_seen: bool,
    last_place: Option<(VantageId, Direction)>,
    is_after_bounded: bool,
}

impl Course<'_> {
    fn row(&mut self, index: usize, visit: &Visit, took: Option<Took>) -> Row {
        let manner = self.context.manner;
        let label = match manner.language() {
            Language::En => &visit.label.en,
            Language::Zh => &visit.label.zh,
        };
        let (node, point) = place(self.journey, index, visit, self.context);
        let at = match visit.state {
            State::Seen { time } => Some(time.since(self.start)),
            _ => None,
        };
        let is_own = self.is_own_time(index, visit);
        let bar = self.bar(visit, is_own);
        if let Some(at) = at {
            self.last = at;
            self.has_seen = true;
            self.last_place = visit.vantage.zip(visit.direction);
        }
        self.is_after_bounded = matches!(visit.state, State::Bounded { .. });
        Row {
            mark: manner.row_mark(visit.stage, &visit.state),
            label: manner.text(&fill_label(label, self.journey, self.context)).into_owned(),
            node,
            point,
            direction: visit.direction.map_or("", |direction| manner.direction(direction)),
            at,
            took,
            bar,
            tone: if is_own { Tone::Own } else { state_tone(&visit.state, visit.stage.way) },
            is_stop: self.is_stop(visit),
        }
    }

    fn bar(&self, visit: &Visit, is_own: bool) -> Option<Bar> {
        let tone = if is_own { Tone::Own } else { state_tone(&visit.state, visit.stage.way) };
        let (start, end, texture) = match visit.state {
            State::Seen { time } => {
                let at = time.since(self.start);
                let from = if self.is_after_bounded || !self.has_seen { at } else { self.last.min(at) };
                let texture = match (is_own, self.is_back_from_client(visit)) {
                    (true, _) => Texture::Own,
                    (false, true) => Texture::Around,
                    (false, false) => Texture::Seen,
                };
                (from, at, texture)
            }
            State::Bounded { after, before } => {
                let (after, before) = (after.since(self.start), before.since(self.start).min(self.span));
                (after.min(before), before, if is_own { Texture::Own } else { Texture::Bounded })
            }
            State::Outside => (self.last, self.last, Texture::Outside),
            State::Waiting => (self.last, self.span, Texture::Waiting),
            State::Missing => (self.last, self.last, Texture::Missing),
            State::Skipped => return None,
        };
        Some(Bar { start, end, texture, tone })
    }

    /// Where the request turns into the answer, the server's own time is between the last sighting of the one and
    /// the first of the other: on the row of the server where the path has one, else on the answer's first.
    fn is_own_time(&self, index: usize, visit: &Visit) -> bool {
        let turn = self.journey.request.len();
        let answers = |visit: &Visit| matches!(visit.state, State::Seen { .. });
        match visit.state {
            State::Bounded { .. } => index + 1 == turn && self.journey.reply.first().is_some_and(answers),
            State::Seen { .. } => index == turn && self.has_seen && !self.is_after_bounded,
            _ => false,
        }
    }

    /// Between an answer that went to the client (the lookup's) and its next packet out is the client's own time,
    /// and any handshake: not this packet's way.
    fn is_back_from_client(&self, visit: &Visit) -> bool {
        let out = visit.vantage.map(|vantage| (vantage, Direction::Out));
        visit.stage.way == Way::Request
            && visit.direction == Some(Direction::In)
            && out.is_some()
            && self.last_place == out
    }

    fn is_stop(&self, visit: &Visit) -> bool {
        self.journey.verdict.outcome == Outcome::Lost
            && (matches!(visit.state, State::Missing)
                || self
                    .journey
                    .verdict
                    .before
                    .is_some_and(|before| before.stage == visit.stage && before.node == visit.node))
    }
}

/// Node and point of a visit, as text.
fn place(journey: &Journey, index: usize, visit: &Visit, context: &Context<'_>) -> (String, String) {
    let manner = context.manner;
    let node_text = |node: Option<NodeId>| {
        node.map_or_else(String::new, |node| manner.text(context.node(node)).into_owned())
    };
    if let Some(vantage) = visit.vantage {
        let node = visit.node.or_else(|| context.node_of(vantage));
        return (node_text(node), manner.text(context.interface(vantage)).into_owned());
    }
    let kind = point_kind(journey, index, visit);
    if kind == PointKind::Kernel && matches!(visit.state, State::Missing | State::Waiting) {
        return (node_text(visit.node), String::new());
    }
    let point = match kind {
        PointKind::Server if is_pod(journey, context) => Word::Pod,
        PointKind::Server => Word::Endpoint,
        PointKind::Client => Word::Client,
        PointKind::Kernel => Word::Kernel,
        PointKind::Switch => Word::Switch,
        PointKind::Outside => Word::OutsidePlace,
    };
    (node_text(visit.node), manner.word(point).to_owned())
}

fn is_pod(journey: &Journey, context: &Context<'_>) -> bool {
    ends(&journey.trail).server.is_some_and(|server| context.topology.pods.contains_key(&server.ip))
}

/// What a visit without a capture point stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PointKind {
    Client,
    Kernel,
    Switch,
    Server,
    Outside,
}

/// A way ends at the server or at the client; before that a visit on a node is its kernel, and one between nodes
/// the switch.
pub(super) fn point_kind(journey: &Journey, index: usize, visit: &Visit) -> PointKind {
    let is_last = match visit.stage.way {
        Way::Request => index + 1 == journey.request.len(),
        Way::Reply => index + 1 == journey.request.len() + journey.reply.len(),
    };
    match (visit.node, is_last, visit.stage.way) {
        (None, _, _) if matches!(visit.state, State::Outside) => PointKind::Outside,
        (None, _, _) => PointKind::Switch,
        // Seen without a capture point: what the client has in mind, known from what it did next.
        (Some(_), _, Way::Request) if matches!(visit.state, State::Seen { .. }) => PointKind::Client,
        (Some(_), true, Way::Request) if ends(&journey.trail).server.is_some() => PointKind::Server,
        (Some(_), true, Way::Reply) => PointKind::Client,
        _ => PointKind::Kernel,
    }
}

/// Widths of the columns for a given width of the whole.
#[derive(Clone, Copy, Debug)]
struct Columns {
    mark: usize,
    label: usize,
    /// Node, point and direction; all 0 where there is no room for them.
    place: [usize; 3],
    at: usize,
    took: usize,
    bar: usize,
}

const NUMBER_WIDTH: usize = 8;
const LEAST_BAR: usize = 16;

impl Columns {
    /// Label, took and bar stay longest; `where` goes first, then `at`, then the bar.
    fn new(waterfall: &Waterfall, context: &Context<'_>, width: usize) -> Columns {
        let widest = |text: fn(&Row) -> &str| {
            waterfall.rows.iter().map(|row| text_width(text(row))).max().unwrap_or(0)
        };
        let mark = widest(|row| &row.mark).max(3);
        let label = widest(|row| &row.label).max(text_width(context.manner.word(Word::Stage)));
        let place = [widest(|row| &row.node), widest(|row| &row.point), widest(|row| row.direction)];
        let place_width = place.iter().sum::<usize>() + 4;
        let mut columns = Columns {
            mark,
            label: label.min(if width < 130 { 32 } else { 40 }),
            place: [0; 3],
            at: 0,
            took: NUMBER_WIDTH,
            bar: 0,
        };
        let base = 1 + mark + 1 + 1;
        if width >= base + 24 + place_width + 2 * (NUMBER_WIDTH + 1) + LEAST_BAR {
            columns.place = place;
        }
        if width >= base + 20 + 2 * (NUMBER_WIDTH + 1) + LEAST_BAR {
            columns.at = NUMBER_WIDTH;
        }
        let used = |columns: &Columns| {
            let place = if columns.place == [0; 3] { 0 } else { place_width };
            base + place + columns.at + columns.took + 4
        };
        columns.label = columns.label.min(width.saturating_sub(used(&columns) + LEAST_BAR).max(12));
        columns.bar = width.saturating_sub(used(&columns) + columns.label);
        if columns.bar < 6 {
            columns.bar = 0;
            columns.label = label.min(width.saturating_sub(used(&columns)));
        }
        columns
    }
}

impl Waterfall {
    /// The head line and the rows for `width` cells. `beat` moves what waits.
    pub fn lines(&self, context: &Context<'_>, width: usize, beat: usize) -> (Line, Vec<Line>) {
        let columns = Columns::new(self, context, width);
        let scale = Scale { span: self.span, width: columns.bar };
        let head = self.head(context, &columns, scale, width);
        let rows = self.all().map(|row| self.line(row, context, &columns, scale, beat, width)).collect();
        (head, rows)
    }

    fn head(&self, context: &Context<'_>, columns: &Columns, scale: Scale, width: usize) -> Line {
        let manner = context.manner;
        let mut line = Line::new();
        line.pad_to(columns.mark + 2);
        line.column(Tone::Head, manner.word(Word::Stage), columns.label, manner.ellipsis()).space(1);
        if columns.place != [0; 3] {
            let wide = columns.place.iter().sum::<usize>() + 3;
            line.column(Tone::Head, manner.word(Word::Where), wide, manner.ellipsis()).space(1);
        }
        let mut number = |word: Word, unit: Unit, wide: usize| {
            if wide > 0 {
                let text = format!("{} {}", manner.word(word), unit.name(manner));
                line.number(Tone::Head, &text, wide).space(1);
            }
        };
        number(Word::At, self.at, columns.at);
        number(Word::Took, self.took, columns.took);
        if columns.bar > 0 {
            line.space(1);
            scale.draw_axis(&mut line, manner);
        }
        line.truncate(width, "");
        line
    }

    fn line(
        &self,
        row: &Row,
        context: &Context<'_>,
        columns: &Columns,
        scale: Scale,
        beat: usize,
        width: usize,
    ) -> Line {
        let ellipsis = context.manner.ellipsis();
        let text_tone = match row.tone {
            Tone::Bad => Tone::Bad,
            Tone::Dim | Tone::Faint => row.tone,
            _ => Tone::Plain,
        };
        let mut line = Line::new();
        line.space(1).column(row.tone, &row.mark, columns.mark, ellipsis).space(1);
        line.column(text_tone, &row.label, columns.label, ellipsis).space(1);
        if columns.place != [0; 3] {
            let [node, point, direction] = columns.place;
            line.column(Tone::Dim, &row.node, node, ellipsis).space(1);
            line.column(text_tone, &row.point, point, ellipsis).space(1);
            line.column(Tone::Dim, row.direction, direction, ellipsis).space(2);
        }
        if columns.at > 0 {
            let at = row.at.map_or_else(String::new, |at| self.at.number(at));
            line.number(Tone::Plain, &at, columns.at).space(1);
        }
        line.number(text_tone, &self.took_text(row, context), columns.took);
        if let Some(bar) = row.bar.filter(|_| columns.bar > 0) {
            line.space(2);
            let origin = line.width();
            scale.draw(&mut line, bar, context.manner, beat);
            let hint = context.manner.word(Word::OwnTime);
            let is_fit = line.width() + 1 + text_width(hint) <= origin + columns.bar;
            if bar.texture == Texture::Own && is_fit {
                line.space(1).push(Tone::Own, hint);
            }
        }
        line.truncate(width, ellipsis);
        line
    }

    fn took_text(&self, row: &Row, context: &Context<'_>) -> String {
        let Some(took) = row.took else { return String::new() };
        let mut out = String::with_capacity(12);
        if took.is_at_most {
            out.push_str(context.manner.at_most());
            out.push(' ');
        } else if took.is_uncertain {
            out.push('~');
        }
        self.took.write(&mut out, took.nanos);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Manner, sample};

    fn drawn(journey: &Journey, manner: Manner, width: usize) -> String {
        sample::with_context(manner, |context| {
            let (head, rows) = Waterfall::new(journey, context, false).lines(context, width, 0);
            let mut out = head.text().to_owned();
            for row in &rows {
                assert!(row.width() <= width);
                out.push('\n');
                out.push_str(row.text().trim_end());
            }
            out
        })
    }

    #[test]
    fn journeys_are_drawn_row_by_row() {
        let all: Vec<String> =
            sample::all().iter().map(|journey| drawn(journey, Manner::default(), 130)).collect();
        insta::assert_snapshot!("waterfalls", all.join("\n\n"));
    }

    #[test]
    fn narrow_chinese_and_ascii() {
        let journey = sample::other_node(1, sample::START);
        insta::assert_snapshot!("waterfall_narrow", drawn(&journey, Manner::default(), 78));
        insta::assert_snapshot!("waterfall_zh", drawn(&journey, Manner::new(Language::Zh), 120));
        let ascii = drawn(&journey, Manner::ascii(), 120);
        assert!(ascii.is_ascii(), "{ascii}");
        insta::assert_snapshot!("waterfall_ascii", ascii);
    }

    #[test]
    fn rows_are_data() {
        sample::with_context(Manner::default(), |context| {
            let waterfall = Waterfall::new(&sample::lost(5, sample::START), context, false);
            let stop = waterfall.stop().expect("a lost journey stops somewhere");
            let row = &waterfall.rows[stop];
            assert_eq!((row.mark.as_str(), row.node.as_str(), row.tone), ("⑥✗", "kappa2", Tone::Bad));
            assert_eq!(row.bar.map(|bar| (bar.start, bar.texture)), Some((95_000, Texture::Missing)));
            let kept = Waterfall::new(&sample::same_node(2, sample::START), context, false);
            let whole = Waterfall::new(&sample::same_node(2, sample::START), context, true);
            assert_eq!((kept.hidden, whole.hidden, whole.rows.len() - kept.rows.len()), (1, 0, 1));
        });
    }

    #[test]
    fn what_is_around_the_way_has_rows_of_its_own() {
        sample::with_context(Manner::default(), |context| {
            let mut journey = sample::same_node(1, sample::START);
            journey.started = sample::START.plus(-300_000);
            journey.ended = sample::START.plus(400_000);
            let waterfall = Waterfall::new(&journey, context, false);
            let told = |row: &Option<Row>| {
                row.as_ref().map(|row| (row.label.clone(), row.bar.map(|bar| (bar.start, bar.end))))
            };
            assert_eq!(told(&waterfall.lead), Some(("earlier packets 300 µs".into(), None)));
            assert_eq!(
                told(&waterfall.tail),
                Some(("rest of the exchange 229 µs".into(), Some((171_000, 400_000))))
            );
            assert_eq!((waterfall.rows[0].at, waterfall.span), (Some(0), 400_000));
            let (_, lines) = waterfall.lines(context, 120, 0);
            assert_eq!(lines.len(), waterfall.rows.len() + 2);
            journey.ended = sample::START.plus(9_000_000);
            let long = Waterfall::new(&journey, context, false);
            assert_eq!(long.span, 171_000, "a long rest does not squeeze the way");
            assert_eq!(told(&long.tail), Some(("rest of the exchange 8.83 ms".into(), None)));
        });
    }

    proptest::proptest! {
        #[test]
        fn no_row_is_wider_than_asked(width in 0usize..260, beat in 0usize..9) {
            for manner in [Manner::default(), Manner::new(Language::Zh), Manner::ascii()] {
                sample::with_context(manner, |context| {
                    for journey in sample::all() {
                        let (head, rows) = Waterfall::new(&journey, context, true).lines(context, width, beat);
                        assert!(head.width() <= width && rows.iter().all(|row| row.width() <= width));
                    }
                });
            }
        }
    }
}
