//! Journeys that belong together in the list, and what is told of them.

use std::sync::Arc;

use crate::model::{Endpoint, Ip, Journey};
use crate::timeline::headline::path_name;
use crate::timeline::listing::order::{Facts, Key};
use crate::timeline::sorted::Sorted;
use crate::timeline::stats::Series;
use crate::timeline::{Context, Line, Tone, ends};

/// By what journeys are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    #[default]
    None,
    Path,
    /// Client's address and server.
    Ends,
}

impl Grouping {
    #[must_use]
    pub const fn next(self) -> Grouping {
        match self {
            Grouping::None => Grouping::Path,
            Grouping::Path => Grouping::Ends,
            Grouping::Ends => Grouping::None,
        }
    }

    /// The group of a journey.
    pub(super) fn key(self, journey: &Journey) -> Option<GroupKey> {
        match self {
            Grouping::None => None,
            Grouping::Path => Some(GroupKey::Path(Arc::clone(&journey.path))),
            Grouping::Ends => {
                let ends = ends(&journey.trail);
                let client = ends.client.map(|client| client.ip);
                Some(GroupKey::Ends(client, ends.server.or(ends.target)))
            }
        }
    }
}

/// What the journeys of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupKey {
    Path(Arc<str>),
    /// The client's address, and who served, or was dialled.
    Ends(Option<Ip>, Option<Endpoint>),
}

impl GroupKey {
    /// `pod→service`, or `cart ⇒ stock-7d9c`.
    pub fn line(&self, context: &Context<'_>) -> Line {
        let mut line = Line::new();
        match self {
            GroupKey::Path(path) => _ = line.push(Tone::Strong, &path_name(path, context.manner)),
            GroupKey::Ends(client, server) => {
                let name = |endpoint: Option<Endpoint>| match endpoint {
                    // One name may serve at several ports.
                    Some(end) if end.port > 0 && context.name(end.ip).is_some() => {
                        format!("{}:{}", context.short(end), end.port)
                    }
                    Some(end) => context.short(end).into_owned(),
                    None => "?".to_owned(),
                };
                line.push(Tone::Strong, &name(client.map(|ip| Endpoint::new(ip, 0))))
                    .push(Tone::Dim, " ")
                    .push(Tone::Dim, context.manner.served())
                    .push(Tone::Dim, " ")
                    .push(Tone::Strong, &name(*server));
            }
        }
        line
    }
}

/// A group's journeys in the list's order, and its figures.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub(super) members: Sorted<Key>,
    /// Durations of the complete ones.
    pub durations: Series,
    /// Lost, refused or failed.
    pub bad: usize,
    /// Answered, by an error of the server.
    pub server_errors: usize,
}

impl Group {
    pub fn count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn add(&mut self, facts: Facts) {
        self.members.insert(facts.key);
        self.bad += usize::from(facts.is_bad);
        self.server_errors += usize::from(facts.is_server_error);
        if let Some(nanos) = facts.complete {
            self.durations.add(nanos);
        }
    }

    /// Takes back what was added.
    pub(super) fn remove(&mut self, facts: Facts) {
        self.members.remove(&facts.key);
        self.bad -= usize::from(facts.is_bad);
        self.server_errors -= usize::from(facts.is_server_error);
        if let Some(nanos) = facts.complete {
            self.durations.remove(nanos);
        }
    }
}
