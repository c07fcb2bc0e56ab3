//! Joins that were not sure, as long as what runs beside them is still to be decided.
//!
//! A continuation that was given to one exchange is gone for its rivals. Where that was not sure, what is left for them is
//! not sure either, though nothing else seems to fit.

use std::collections::VecDeque;

use foldhash::fast::FixedState;

use super::rival::Line;
use crate::model::Timestamp;

/// Joins remembered at one host; the oldest go first.
const MAX_KEPT: usize = 4096;

/// When an exchange into the host ran, and what was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub start: Timestamp,
    pub end: Timestamp,
    /// By [`line_hash`].
    pub line: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unsure {
    spans: VecDeque<Span>,
}

impl Unsure {
    pub(super) fn add(&mut self, span: Span) {
        if self.spans.len() >= MAX_KEPT {
            self.spans.pop_front();
        }
        self.spans.push_back(span);
    }

    /// Whether an exchange that asked the same, and was joined without being sure, ran at the same time.
    pub(super) fn touches(&self, it: Span) -> bool {
        self.spans.iter().any(|span| span.line == it.line && span.start <= it.end && it.start <= span.end)
    }

    /// Forgets those that ended before everything that is still to be decided began.
    pub(super) fn forget_before(&mut self, start: Timestamp) {
        self.spans.retain(|span| span.end >= start);
    }
}

/// A request line as a number that is the same in every run.
pub(super) fn line_hash(line: Line<'_>) -> u64 {
    use std::hash::BuildHasher as _;
    FixedState::default().hash_one(line)
}
