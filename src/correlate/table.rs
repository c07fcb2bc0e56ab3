//! The nodes' connection tracking tables as a whole: whether there was room, and lists that are told anew.

use std::collections::BTreeMap;

use super::Correlator;
use crate::model::{KernelEvent, NodeId, TableCounts, TableEvent, Timestamp};

/// What was told of the tables, by node.
#[derive(Debug, Default)]
pub(super) struct Tables {
    nodes: BTreeMap<NodeId, Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// What each CPU had counted.
    cpus: BTreeMap<u16, TableCounts>,
    /// When the size was stated last; each time is on the node's clock.
    stated: Option<Timestamp>,
    /// When a list began that has not ended yet.
    listing: Option<Timestamp>,
}

impl Told {
    /// How much more a CPU has counted; the first time it is not known since when.
    fn more(&mut self, cpu: u16, counts: TableCounts) -> TableCounts {
        let before = self.cpus.insert(cpu, counts).unwrap_or(counts);
        // Counts that begin anew, as the node did, tell nothing yet.
        TableCounts {
            dropped: counts.dropped.saturating_sub(before.dropped),
            evicted: counts.evicted.saturating_sub(before.evicted),
        }
    }
}

impl Correlator {
    /// Takes what a kernel told of its table.
    pub(super) fn handle_table(&mut self, event: &KernelEvent, told: TableEvent) {
        let (node, time) = (event.node, event.time);
        // It is listened to, also where there is no entry yet.
        self.places.hear(node);
        let known = self.tables.nodes.entry(node).or_default();
        match told {
            TableEvent::Listing => known.listing = Some(time),
            TableEvent::Listed => {
                // What is not in the list is not there any more, and its end was not heard.
                if let Some(began) = known.listing.take() {
                    self.tracking.forget_unheard(node, began);
                }
            }
            TableEvent::Size { entries, most } => {
                known.stated = Some(time);
                self.places.table(node).resize(time, entries, most);
            }
            TableEvent::Counts { cpu, counts } => {
                let more = known.more(cpu, counts);
                if more != TableCounts::default() {
                    let since = known.stated.unwrap_or(time);
                    self.places.table(node).note(since, time, more);
                }
            }
        }
    }
}
