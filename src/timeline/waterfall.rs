//! The timeline of one journey: a row a visit, with its place, its time and a bar.
//!
//! ```text
//!       stage                    where                      at µs  took µs  0      500     1000    1.84 ms
//!  ④    to the Service IP        kappa1 cali6f1d in           530      118          ██
//!  ⑤    DNAT to 10.244.2.33      kappa1 kernel                        ≤ 74            ░░
//!  ⑦    leaves the node          kappa1 bond1    out          604       74             ▏
//! ```

mod extent;
mod lines;

use std::borrow::Cow;

use crate::model::{Direction, Journey, NodeId, Outcome, State, Timestamp, VantageId, Visit, Way};
use crate::timeline::bar::{Bar, Texture};
use crate::timeline::delay::{Took, delays};
use crate::timeline::headline::state_tone;
use crate::timeline::proxies::own_time;
use crate::timeline::units::Unit;
use crate::timeline::words::Word;
use crate::timeline::{Context, Tone, ends, fill_label, proxy_name};
use extent::Extent;

/// A visit, ready to be drawn at any width.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// Stage number with the sign of its state.
    pub mark: Cow<'a, str>,
    pub label: Cow<'a, str>,
    pub node: Cow<'a, str>,
    /// Interface, `kernel`, `pod`, `switch` or `outside`.
    pub point: Cow<'a, str>,
    pub direction: &'static str,
    /// Nanoseconds from the [`origin`].
    pub at: Option<i64>,
    pub took: Option<Took>,
    pub bar: Option<Bar>,
    pub tone: Tone,
    /// Whose own time it is: the pod's or a proxy's; empty for time on the way.
    pub owner: &'static str,
    /// Where the journey stopped.
    pub is_stop: bool,
    /// Of the first stage that is waited for: since when the packet was seen last, in nanoseconds.
    pub age: Option<i64>,
}

/// A journey's rows and the units of their columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Waterfall<'a> {
    pub rows: Vec<Row<'a>>,
    /// What of the exchange came before the first sighting that is followed, and after the last.
    pub lead: Option<Row<'a>>,
    pub tail: Option<Row<'a>>,
    /// Visits of stages this route does not pass, which are left out.
    pub hidden: usize,
    /// The axis' length in nanoseconds.
    pub span: i64,
    pub at: Unit,
    pub took: Unit,
}

impl<'a> Waterfall<'a> {
    /// Of a journey as [`with_points`](crate::timeline::with_points) gives it.
    pub fn new(journey: &'a Journey, context: &Context<'a>, shows_skipped: bool) -> Waterfall<'a> {
        let extent = Extent::new(journey, context);
        let mut rows = Vec::with_capacity(journey.request.len() + journey.reply.len());
        let mut course = Course {
            journey,
            context: *context,
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

    /// The same where it is `now` (reference clock): what is waited for says for how long.
    #[must_use]
    pub fn aged(mut self, journey: &Journey, now: Option<Timestamp>) -> Waterfall<'a> {
        let is_waiting = |row: &&mut Row<'_>| row.bar.is_some_and(|bar| bar.texture == Texture::Waiting);
        let age = now.zip(last_seen(journey)).map(|(now, seen)| now.since(seen).max(0));
        if let Some(row) = self.rows.iter_mut().find(is_waiting) {
            row.age = age;
        }
        self
    }

    /// The rows of the visits, and what is around them.
    pub fn all(&self) -> impl Iterator<Item = &Row<'a>> {
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

/// The last sighting that is followed.
pub(super) fn last_seen(journey: &Journey) -> Option<Timestamp> {
    let seen = journey.visits().filter_map(|visit| match visit.state {
        State::Seen { time } => Some(time),
        _ => None,
    });
    seen.max()
}

/// The walk along the visits.
struct Course<'a> {
    journey: &'a Journey,
    context: Context<'a>,
    start: Timestamp,
    span: i64,
    /// Time of the last sighting, from the start.
    last: i64,
    has_seen: bool,
    last_place: Option<(VantageId, Direction)>,
    is_after_bounded: bool,
}

impl<'a> Course<'a> {
    fn row(&mut self, index: usize, visit: &'a Visit, took: Option<Took>) -> Row<'a> {
        let manner = self.context.manner;
        let (node, point) = place(self.journey, index, visit, &self.context);
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
            label: manner.text(fill_label(visit, self.journey, &self.context)),
            node,
            point,
            direction: visit.direction.map_or("", |direction| manner.direction(direction)),
            at,
            took,
            bar,
            tone: if is_own { Tone::Own } else { state_tone(&visit.state, visit.stage.way) },
            owner: match (is_own, visit.proxy) {
                (false, _) => "",
                (true, Some(proxy)) => proxy_name(proxy.kind, manner),
                (true, None) => manner.word(Word::Pod),
            },
            is_stop: self.is_stop(visit),
            age: None,
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
                let after = if after == State::OPEN_START { before } else { after };
                let (after, before) = (after.since(self.start), before.since(self.start).min(self.span));
                // A proxy's own time ends with what it sends.
                let after = own_time(self.journey, visit).map_or(after, |own| after.max(before - own));
                (after.min(before), before, if is_own { Texture::Own } else { Texture::Bounded })
            }
            State::Outside => (self.last, self.last, Texture::Outside),
            State::Waiting => (self.last, self.span, Texture::Waiting),
            State::Missing => (self.last, self.last, Texture::Missing),
            State::Skipped => return None,
        };
        Some(Bar { start, end, texture, tone })
    }

    /// A proxy's own time is at the proxy.
    /// Where the request turns into the answer, the server's own time is between the last sighting of the one and
    /// the first of the other: on the row of the server where the path has one, else on the answer's first.
    fn is_own_time(&self, index: usize, visit: &Visit) -> bool {
        let is_known = !matches!(visit.state, State::Bounded { before: State::OPEN_END, .. });
        if let (Some(_), State::Bounded { .. }) = (visit.proxy, visit.state) {
            return is_known;
        }
        // The proxy's, where it answered by itself.
        if self.journey.request.iter().any(|visit| visit.proxy.is_some_and(|proxy| proxy.hop.is_none())) {
            return false;
        }
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
fn place<'a>(
    journey: &Journey,
    index: usize,
    visit: &Visit,
    context: &Context<'a>,
) -> (Cow<'a, str>, Cow<'a, str>) {
    let manner = context.manner;
    let node_text = |node: Option<NodeId>| node.map_or("".into(), |node| manner.text(context.node(node)));
    if let Some(vantage) = visit.vantage {
        let node = visit.node.or_else(|| context.node_of(vantage));
        return (node_text(node), manner.text(context.interface(vantage)));
    }
    if let Some(proxy) = visit.proxy {
        return (node_text(visit.node), proxy_name(proxy.kind, manner).into());
    }
    let kind = point_kind(journey, index, visit);
    if kind == PointKind::Kernel && matches!(visit.state, State::Missing | State::Waiting) {
        return (node_text(visit.node), "".into());
    }
    let point = match kind {
        PointKind::Server if is_pod(journey, context) => Word::Pod,
        PointKind::Server => Word::Endpoint,
        PointKind::Client => Word::Client,
        PointKind::Kernel => Word::Kernel,
        PointKind::Switch => Word::Switch,
        PointKind::Outside => Word::OutsidePlace,
    };
    (node_text(visit.node), manner.word(point).into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Language, Manner, sample};

    fn drawn(journey: &Journey, manner: Manner, width: usize) -> String {
        sample::with_context(manner, |context| {
            let whole = crate::timeline::with_points(journey, context);
            let (head, rows) = Waterfall::new(&whole, context, false).lines(context, width, 0);
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
    fn what_proxies_take_is_their_own_time() {
        let all: Vec<String> =
            sample::proxies::all().iter().map(|journey| drawn(journey, Manner::default(), 140)).collect();
        insta::assert_snapshot!("waterfalls_proxies", all.join("\n\n"));
        sample::with_context(Manner::default(), |context| {
            let ingress = sample::proxies::ingress(1, sample::START);
            let waterfall = Waterfall::new(&ingress, context, false);
            let own = waterfall.rows.iter().filter(|row| !row.owner.is_empty());
            let told: Vec<_> = own
                .map(|row| (row.owner, row.took.map(|took| (took.nanos / 1000, took.is_at_most))))
                .collect();
            let exactly = |micros| Some((micros, false));
            assert_eq!(
                told,
                [
                    ("HAProxy", exactly(620)),
                    ("Traefik", exactly(1_410)),
                    ("pod", exactly(1_845)),
                    ("Traefik", exactly(380)),
                    ("HAProxy", exactly(90)),
                ]
            );
        });
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
            let lost = sample::lost(5, sample::START);
            let waterfall = Waterfall::new(&lost, context, false);
            let stop = waterfall.stop().expect("a lost journey stops somewhere");
            let row = &waterfall.rows[stop];
            assert_eq!((&*row.mark, &*row.node, row.tone), ("⑥✗", "kappa2", Tone::Bad));
            assert_eq!(row.bar.map(|bar| (bar.start, bar.texture)), Some((95_000, Texture::Missing)));
            let journey = sample::same_node(2, sample::START);
            let kept = Waterfall::new(&journey, context, false);
            let whole = Waterfall::new(&journey, context, true);
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
            let told = |row: &Option<Row<'_>>| {
                row.as_ref().map(|row| (row.label.to_string(), row.bar.map(|bar| (bar.start, bar.end))))
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
                    for journey in sample::all().into_iter().chain(sample::proxies::all()) {
                        let (head, rows) = Waterfall::new(&journey, context, true).lines(context, width, beat);
                        assert!(head.width() <= width && rows.iter().all(|row| row.width() <= width));
                    }
                });
            }
        }
    }
}
