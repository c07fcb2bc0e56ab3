//! Journeys as lines: each is written as soon as all is known of it.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::app::pipeline::{Event, Finished, lossy};
use crate::config::Lines;
use crate::correlate::Correlator;
use crate::model::{Change, Clocks, Journey, NodeId, SECONDS, SourceSummary, Timestamp, Topology, Trail};
use crate::report::json;
use crate::report::text::{self, Layout};
use crate::stages::{Templates, World};
use crate::timeline::units::duration;
use crate::timeline::{Context, Manner};

/// A trail that is over waits at most so long for its last sightings and deadlines.
const LONGEST_HOLD: i64 = 3 * SECONDS;

/// Trails that are over, until nothing more can be learned of them. At full speed there are tens of thousands.
#[derive(Default)]
struct Held {
    /// With when each is due, once that was asked.
    by_id: HashMap<u64, (Option<Timestamp>, Arc<Trail>)>,
    /// Those that were not asked for yet; some may be gone or asked already.
    fresh: Vec<u64>,
    due: BTreeSet<(Timestamp, u64)>,
}

impl Held {
    /// Takes a trail, in place of an earlier revision of it.
    fn put(&mut self, trail: Arc<Trail>) {
        self.remove(trail.id);
        self.fresh.push(trail.id);
        self.by_id.insert(trail.id, (None, trail));
    }

    fn remove(&mut self, id: u64) {
        if let Some((Some(due), _)) = self.by_id.remove(&id) {
            self.due.remove(&(due, id));
        }
    }

    /// Those whose `deadline` is over.
    fn take_due(&mut self, now: Timestamp, deadline: &dyn Fn(&Trail) -> Timestamp) -> Vec<Arc<Trail>> {
        for id in self.fresh.drain(..) {
            if let Some((due @ None, trail)) = self.by_id.get_mut(&id) {
                let at = deadline(trail);
                *due = Some(at);
                self.due.insert((at, id));
            }
        }
        let mut over = Vec::new();
        while let Some(&(_, id)) = self.due.first().filter(|&&(at, _)| at <= now) {
            self.due.pop_first();
            over.extend(self.by_id.remove(&id).map(|(_, trail)| trail));
        }
        over
    }

    fn into_all(self) -> Vec<Arc<Trail>> {
        self.by_id.into_values().map(|(_, trail)| trail).collect()
    }
}

/// Writes journeys as they end.
pub(super) struct Telling<'a> {
    templates: Templates,
    manner: Manner,
    lines: Lines,
    layout: Layout,
    out: &'a mut dyn Write,
    held: Held,
    count: u64,
    lossy_nodes: Vec<NodeId>,
    /// How far each node's clock is ahead, as it was told.
    offsets: Vec<i64>,
    dropped: u64,
    closed_early: u64,
    messages_lost: u64,
    /// Times that there was no room in a node's connection tracking.
    shortages: u64,
    failed: Option<io::Error>,
}

impl<'a> Telling<'a> {
    pub(super) fn new(
        templates: Templates,
        manner: Manner,
        lines: Lines,
        layout: Layout,
        out: &'a mut dyn Write,
    ) -> Telling<'a> {
        Telling {
            templates,
            manner,
            lines,
            layout,
            out,
            held: Held::default(),
            count: 0,
            lossy_nodes: Vec::new(),
            offsets: Vec::new(),
            dropped: 0,
            closed_early: 0,
            messages_lost: 0,
            shortages: 0,
            failed: None,
        }
    }

    /// Takes what comes out of the line; breaks where nothing can be written any more.
    pub(super) fn take(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Change(Change::Upsert(trail)) => self.held.put(Arc::from(trail)),
            Event::Change(Change::Withdraw(id)) => self.held.remove(id),
            Event::Sources(sources, counters) => self.watch_losses(sources, counters.evicted),
            Event::Drained(correlator) => {
                if let Err(error) = self.tell_due(correlator) {
                    self.failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Tells once more each time that more was lost.
    fn watch_losses(&mut self, sources: &[SourceSummary], closed_early: u64) {
        self.lossy_nodes = lossy(sources);
        let dropped: u64 = sources.iter().filter_map(|source| source.dropped).sum();
        if has_grown(&mut self.dropped, dropped) {
            let own: u64 = sources.iter().map(|source| source.losses.own).sum();
            let advice = if own > dropped / 2 {
                "the node is busy, and its own work goes first; try --nice 0, a --filter, or --write to have all of them"
            } else {
                "try a larger --buffer"
            };
            let _ =
                writeln!(io::stderr(), "hopline: the capture has lost {dropped} packets so far; {advice}");
        }
        let lost = sources.iter().filter_map(|source| source.messages_lost).sum();
        if has_grown(&mut self.messages_lost, lost) {
            let _ = writeln!(
                io::stderr(),
                "hopline: {lost} kernel messages were lost so far; some translations are told by packets alone"
            );
        }
        if has_grown(&mut self.closed_early, closed_early) {
            let _ = writeln!(
                io::stderr(),
                "hopline: {closed_early} journeys so far were closed early, as more were open than are kept"
            );
        }
    }

    /// Tells each time that there begins to be no room in a node's connection tracking.
    fn watch_tables(&mut self, topology: &Topology) {
        let count = topology.tables.values().map(|table| table.shortages.len() as u64).sum();
        if has_grown(&mut self.shortages, count) {
            tell_tables(topology);
        }
    }

    /// Writes the journeys of which all is known by now.
    fn tell_due(&mut self, correlator: &Correlator) -> io::Result<()> {
        self.watch_tables(correlator.topology());
        let now = correlator.now();
        if correlator.found_offsets() != self.offsets {
            self.tell_clocks(correlator);
            self.offsets = correlator.found_offsets().to_vec();
        }
        let offsets = correlator.clock_offsets();
        let deadline = |trail: &Trail| {
            let node = trail.sightings.first().map(|first| correlator.topology().vantage(first.vantage).node);
            let ahead = node.and_then(|node| offsets.get(usize::from(node.0)));
            trail.deadline.plus(-ahead.copied().unwrap_or_default()).min(now.plus(LONGEST_HOLD))
        };
        let due = self.held.take_due(now, &deadline);
        if due.is_empty() {
            return Ok(());
        }
        let clocks = correlator.clocks();
        self.write(due, correlator.topology(), &clocks, now)
    }

    /// Says which clocks were found to be off; by less than is told here they are aligned as well.
    fn tell_clocks(&self, correlator: &Correlator) {
        let nodes = &correlator.topology().nodes;
        for (node, (name, &offset)) in nodes.iter().zip(correlator.found_offsets()).enumerate() {
            if self.offsets.get(node).copied().unwrap_or_default() != offset {
                let by = duration(offset.saturating_abs(), self.manner);
                let way = if offset > 0 { "ahead of" } else { "behind" };
                let _ = writeln!(
                    io::stderr(),
                    "hopline: the clock of {name} is {by} {way} that of {}; its times are aligned",
                    nodes.first().map_or("?", String::as_str)
                );
            }
        }
    }

    /// Writes what is still open, too.
    ///
    /// # Errors
    /// When the lines could not be written.
    pub(super) fn conclude(mut self, finished: &Finished) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        self.lossy_nodes.clone_from(&finished.lossy_nodes);
        let rest = std::mem::take(&mut self.held).into_all();
        self.write(rest, &finished.topology, &finished.clocks, finished.now)?;
        if self.shortages > 0 {
            tell_tables(&finished.topology);
        }
        Ok(())
    }

    fn write(
        &mut self,
        trails: Vec<Arc<Trail>>,
        topology: &Topology,
        clocks: &Clocks,
        now: Timestamp,
    ) -> io::Result<()> {
        let world = World { topology, clocks, lossy_nodes: &self.lossy_nodes, now };
        let context = Context::new(topology, clocks, self.manner);
        let place = |trail: Arc<Trail>| self.templates.place(trail, &world);
        let mut journeys: Vec<Journey> = trails.into_iter().map(place).collect();
        journeys.sort_by_key(|journey| (journey.started, journey.id));
        let mut bytes = Vec::new();
        for journey in &journeys {
            self.count += 1;
            let context = context.of(journey);
            match self.lines {
                Lines::Text => text::write_brief(&mut bytes, self.count, journey, &context, self.layout)?,
                Lines::Json => {
                    json::journey(&mut bytes, self.count, journey, &context);
                    bytes.push(b'\n');
                }
            }
        }
        self.out.write_all(&bytes)?;
        self.out.flush()
    }
}

/// Says where there was no room in connection tracking, and what that has cost.
fn tell_tables(topology: &Topology) {
    for finding in topology.findings() {
        let _ = writeln!(io::stderr(), "hopline: {}", finding.en);
    }
}

/// Whether a count is higher than it was told last, which is noted.
fn has_grown(told: &mut u64, count: u64) -> bool {
    let before = std::mem::replace(told, count.max(*told));
    count > before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Ip, sample};

    fn trail(id: u64, revision: u32) -> Arc<Trail> {
        let client = Endpoint::new(Ip::v4([10, 0, 0, 1]), 1);
        Arc::new(Trail { id, revision, ..sample::trail(sample::leg(client, client, None)) })
    }

    #[test]
    fn each_trail_is_given_once_when_it_is_due_and_in_its_last_revision() {
        let mut held = Held::default();
        let taken = |held: &mut Held, now: i64| -> Vec<(u64, u32)> {
            let due = held.take_due(Timestamp(now), &|trail| Timestamp(10 * trail.id as i64));
            due.iter().map(|trail| (trail.id, trail.revision)).collect()
        };
        for (id, revision) in [(1, 1), (2, 1), (3, 1), (1, 2)] {
            held.put(trail(id, revision));
        }
        assert_eq!(taken(&mut held, 9), []);
        held.put(trail(2, 2));
        held.remove(3);
        assert_eq!(taken(&mut held, 15), [(1, 2)]);
        // What comes back is due anew.
        held.put(trail(1, 3));
        assert_eq!(taken(&mut held, 40), [(1, 3), (2, 2)]);
        held.put(trail(4, 1));
        assert_eq!(held.into_all().len(), 1);
    }
}
