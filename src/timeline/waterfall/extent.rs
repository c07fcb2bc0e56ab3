//! From when to when a waterfall reaches, and what of the exchange lies around that.

use super::{Row, origin};
use crate::model::{Journey, Outcome, Part, State, Timestamp};
use crate::timeline::bar::{Bar, Texture};
use crate::timeline::delay::delays;
use crate::timeline::units::duration;
use crate::timeline::words::Word;
use crate::timeline::{Context, Tone};

/// The times that the axis is made for, in nanoseconds.
pub(super) struct Extent {
    pub(super) origin: Timestamp,
    /// From the origin back to the start of the exchange.
    lead: i64,
    /// From the origin to the last sighting that is followed, and to the end of the exchange.
    last: i64,
    end: i64,
    pub(super) span: i64,
    /// The longest delay.
    pub(super) longest: i64,
}

/// The rest of an exchange is drawn to scale where the axis need not be longer than this many times the way.
const MOST_REST: i64 = 3;

impl Extent {
    pub(super) fn new(journey: &Journey, context: &Context<'_>) -> Extent {
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
    pub(super) fn lead(&self, journey: &Journey, context: &Context<'_>) -> Option<Row<'static>> {
        let has_handshake = journey.trail.sightings.iter().any(|sighting| sighting.part == Part::Handshake);
        let word = if has_handshake { Word::Handshake } else { Word::Earlier };
        (self.lead > 0).then(|| around(context, word, self.lead, None))
    }

    pub(super) fn tail(&self, journey: &Journey, context: &Context<'_>) -> Option<Row<'static>> {
        let is_seen = journey.reply.iter().any(|visit| matches!(visit.state, State::Seen { .. }));
        let bar = (self.end <= self.span).then_some((self.last, self.end));
        (is_seen && self.end > self.last).then(|| around(context, Word::Rest, self.end - self.last, bar))
    }
}

/// A row for what is not followed; its time has a unit of its own, for it may be much longer than the way.
fn around(context: &Context<'_>, word: Word, nanos: i64, bar: Option<(i64, i64)>) -> Row<'static> {
    Row {
        mark: "".into(),
        label: format!("{} {}", context.manner.word(word), duration(nanos, context.manner)).into(),
        node: "".into(),
        point: "".into(),
        direction: "",
        at: None,
        took: None,
        bar: bar.map(|(start, end)| Bar { start, end, texture: Texture::Around, tone: Tone::Dim }),
        tone: Tone::Dim,
        owner: "",
        is_stop: false,
        age: None,
    }
}
