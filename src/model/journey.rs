//! A journey: a trail with numbered stages and a verdict. What the user sees.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{
    Direction, DroppedBy, Expected, Hook, NodeId, Proxy, Sentence, Timestamp, Trail, VantageId,
};

/// One exchange of the outermost client, staged and judged. All times are on the reference node's clock.
#[derive(Clone, Debug)]
pub struct Journey {
    /// The trail's id while it lives in memory; a report numbers its journeys from 1 by start time.
    pub id: u64,
    /// Name of the path's template, or `unclassified`.
    pub path: Arc<str>,
    /// Name of the route in the template: `same-node`, `other-node`, `direct`, `detour`, ….
    pub route: Arc<str>,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub request: Vec<Visit>,
    pub reply: Vec<Visit>,
    pub verdict: Verdict,
    pub trail: Arc<Trail>,
}

impl Journey {
    pub fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.request.iter().chain(&self.reply)
    }
}

/// A passage through one numbered stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub stage: Stage,
    /// The node it happened on, where known.
    pub node: Option<NodeId>,
    /// The capture point, for a visit that one could show.
    pub vantage: Option<VantageId>,
    pub direction: Option<Direction>,
    pub state: State,
    pub label: Arc<Label>,
    /// Index into the trail's sightings, for a visit that was seen.
    pub sighting: Option<u32>,
    /// The hook that shows it, for a visit that tracing made seen.
    pub hook: Option<Hook>,
    /// The proxy that takes the packet here.
    pub proxy: Option<AtProxy>,
}

/// A proxy that takes a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtProxy {
    pub kind: Proxy,
    /// Index into [`Trail::hops`] of its step from the leg before it to the leg behind it, where it took one.
    pub hop: Option<u8>,
}

/// A stage number: circled for the request (`⑤`), in parentheses for the reply (`(5)`); as the template has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stage {
    pub way: super::Way,
    pub number: u8,
}

impl std::fmt::Display for Stage {
    /// `⑤` for the request, `(5)` for the reply.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.way, self.number) {
            (super::Way::Request, number @ 1..=20) => {
                write!(f, "{}", char::from_u32(0x2460 + u32::from(number) - 1).unwrap_or('?'))
            }
            (super::Way::Request, number) => write!(f, "{number}"),
            (super::Way::Reply, number) => write!(f, "({number})"),
        }
    }
}

/// A template's short wording for a stage. `{client}`, `{target}`, `{server}`, `{name}` stand for the
/// journey's own, `{proxy}` for the visit's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub en: String,
    pub zh: String,
}

/// Whether and when a visit happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A packet was captured there.
    Seen { time: Timestamp },
    /// It happened between two sightings; one side may be [`State::OPEN_START`] or [`State::OPEN_END`].
    Bounded { after: Timestamp, before: Timestamp },
    /// No capture point could show it.
    Outside,
    /// The packet may still come.
    Waiting,
    /// A capture point should have shown it by now and did not.
    Missing,
    /// This route does not pass here.
    Skipped,
}

impl State {
    /// `after` of an interval that nothing bounds before: where a process of the node sent the packet.
    pub const OPEN_START: Timestamp = Timestamp(i64::MIN);
    /// `before` of an interval that nothing bounds behind: where the packet was taken and nothing followed.
    pub const OPEN_END: Timestamp = Timestamp(i64::MAX);

    pub const fn name(self) -> &'static str {
        match self {
            State::Seen { .. } => "seen",
            State::Bounded { .. } => "bounded",
            State::Outside => "outside",
            State::Waiting => "waiting",
            State::Missing => "missing",
            State::Skipped => "skipped",
        }
    }
}

/// How a journey ended and, where it did not end well, at which place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    pub direction: Option<super::Way>,
    /// The last visit that was seen, of a journey that was lost.
    pub after: Option<StagePlace>,
    /// The first visit that is missing.
    pub before: Option<StagePlace>,
    pub place: Option<Place>,
    /// One sentence.
    pub detail: Sentence,
    /// What dropped the packet, where it was traced.
    pub dropped_by: Option<Box<DroppedBy>>,
    /// Where the routes of the node it was lost in would have it go; that is known of them, not seen of the packet.
    pub expected: Option<Box<Expected>>,
}

impl Verdict {
    /// That it ended so, and no place of it.
    pub const fn new(outcome: Outcome, detail: Sentence) -> Verdict {
        Verdict {
            outcome,
            direction: None,
            after: None,
            before: None,
            place: None,
            detail,
            dropped_by: None,
            expected: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagePlace {
    pub stage: Stage,
    pub node: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Complete,
    Open,
    /// The followed packet, its retransmissions included, stopped at one place, or nothing ever answered it.
    Lost,
    /// A reset, or an ICMP error that says no.
    Refused,
    /// What came back is no answer: NXDOMAIN, or a reset in the middle.
    Failed,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Complete => "complete",
            Outcome::Open => "open",
            Outcome::Lost => "lost",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// Where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub kind: PlaceKind,
    pub node: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceKind {
    /// Inside a node, between two of its capture points.
    Host,
    /// Between two nodes' uplinks.
    Fabric,
    /// The proxy answered by itself, or took the request and sent nothing on.
    Proxy,
    /// The pod refused or never answered.
    Workload,
    /// The name did not resolve, or the lookup got no answer.
    Dns,
    Client,
}

impl PlaceKind {
    pub const fn name(self) -> &'static str {
        match self {
            PlaceKind::Host => "host",
            PlaceKind::Fabric => "fabric",
            PlaceKind::Proxy => "proxy",
            PlaceKind::Workload => "workload",
            PlaceKind::Dns => "dns",
            PlaceKind::Client => "client",
        }
    }
}
