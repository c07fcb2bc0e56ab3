//! In which order journeys are listed.

use crate::model::{Clocks, Journey, Outcome, Stage};
use crate::timeline::delay::delays;
use crate::timeline::headline::is_bad;
use crate::timeline::stats::complete;

/// An order of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By start, the oldest first.
    #[default]
    Start,
    /// By start, the newest first.
    Newest,
    /// By duration, the longest first; those that stopped on the way last.
    Delay,
    /// What is not well first, then answers that are errors; the newest of each first.
    Errors,
    /// By what this stage took, the longest first; those without it last.
    Stage(Stage),
}

/// The place of a journey in an order. The id keeps places apart and makes them the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    rank: i64,
    then: i64,
    pub id: u64,
}

/// The last of all ranks.
const LAST: i64 = i64::MAX;

/// Clocks tell only how sure a delay is, not how long.
static NO_CLOCKS: Clocks = Clocks { fits: Vec::new() };

impl Order {
    /// The order after this one; a stage is one of them where there is one.
    #[must_use]
    pub fn next(self, stage: Option<Stage>) -> Order {
        match (self, stage) {
            (Order::Start, _) => Order::Newest,
            (Order::Newest, _) => Order::Delay,
            (Order::Delay, _) => Order::Errors,
            (Order::Errors, Some(stage)) => Order::Stage(stage),
            (Order::Errors, None) | (Order::Stage(_), _) => Order::Start,
        }
    }

    /// Whether the newest journey comes last.
    pub fn ends_with_newest(self) -> bool {
        self == Order::Start
    }

    pub fn key(self, journey: &Journey) -> Key {
        let start = journey.started.0;
        let newest = start.saturating_neg();
        let longest = |nanos: Option<i64>| nanos.map_or(LAST, i64::saturating_neg);
        let (rank, then) = match self {
            Order::Start => (start, 0),
            Order::Newest => (newest, 0),
            Order::Delay => (longest(duration(journey)), start),
            Order::Errors => (rank_of_errors(journey), newest),
            Order::Stage(stage) => (longest(at_stage(journey, stage)), start),
        };
        Key { rank, then, id: journey.id }
    }
}

/// What the list and its groups keep of a journey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) key: Key,
    /// Lost, refused or failed.
    pub(super) is_bad: bool,
    /// The answer says that the server failed.
    pub(super) is_server_error: bool,
    /// How long it took, in nanoseconds, where it is complete.
    pub(super) complete: Option<i64>,
}

impl Facts {
    pub(super) fn new(journey: &Journey, order: Order) -> Facts {
        Facts {
            key: order.key(journey),
            is_bad: is_bad(journey.verdict.outcome),
            is_server_error: is_server_error(journey),
            complete: complete(journey),
        }
    }
}

/// From start to end, in nanoseconds, of a journey that was not lost.
fn duration(journey: &Journey) -> Option<i64> {
    (journey.verdict.outcome != Outcome::Lost).then(|| journey.ended.since(journey.started))
}

/// What `stage` took, in nanoseconds; the longest of its visits.
fn at_stage(journey: &Journey, stage: Stage) -> Option<i64> {
    let visits = delays(journey, &NO_CLOCKS).filter(|(visit, _)| visit.stage == stage);
    visits.filter_map(|(_, took)| Some(took?.nanos)).max()
}

/// Whether the answer says that the server failed: HTTP 5xx (RFC 9110 §15.6), or a gRPC status that is not OK.
fn is_server_error(journey: &Journey) -> bool {
    let exchange = &journey.trail.exchange;
    exchange.status.is_some_and(|status| status >= 500) || exchange.grpc_status.is_some_and(|code| code != 0)
}

fn rank_of_errors(journey: &Journey) -> i64 {
    if is_bad(journey.verdict.outcome) {
        0
    } else if is_server_error(journey) {
        1
    } else {
        2
    }
}
