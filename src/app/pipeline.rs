//! The line from recordings to changes: one thread reads and decodes, the caller's correlates.
//!
//! What comes out depends on the packets alone, not on how the two threads meet: batches are handed over whole and
//! in order, and after each packet everything it had to say is drained.

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context as _, bail};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::app::clock::{self, Stopwatch};
use crate::app::packets::SharedKept;
use crate::app::priority::Modesty;
use crate::capture::live::{LiveSource, Namer};
use crate::capture::{Progress, Reader};
use crate::config::Input;
use crate::correlate::{Correlator, Counters, Limits, Survey};
use crate::decode::{self, Stop, Stops};
use crate::model::{
    Batch, Change, Clocks, Ip, Names, NodeId, Packet, Record, SourceSummary, Timestamp, Topology, Vantage,
};

/// Packets handed over at once.
const BATCH_PACKETS: usize = 256;
/// Batches on their way; with those being filled and emptied all that there are.
const BATCHES: usize = 4;
/// Packets of each source that the survey looks at first; twice as many each time it has not enough.
const PREVIEW: usize = 4096;
/// Packets of all sources that the survey looks at in the end.
const PREVIEW_MOST: usize = 1 << 18;
/// How long a growing file is left alone when it has nothing new.
const PAUSE: Duration = Duration::from_millis(50);
/// The same of a capture: what it adds to the way of a packet to the screen.
const LIVE_PAUSE: Duration = Duration::from_millis(10);
/// Between two looks at how sources stand.
const STANDING: Duration = Duration::from_millis(200);
/// How long open trails may have changed before a screen that follows them is told.
const TICK: Duration = Duration::from_millis(50);

/// What comes out of the line.
pub enum Event<'a> {
    Change(Change),
    /// Everything that a batch had to say was said; also when a growing file had nothing new.
    Drained(&'a Correlator),
    /// How captures under way stand.
    Sources(&'a [SourceSummary], Counters),
}

/// The recordings, surveyed and ready to be followed.
pub struct Pipeline {
    reader: Reader,
    correlator: Correlator,
    /// Captures are under way.
    is_live: bool,
    kept: Option<SharedKept>,
    namer: Option<Namer>,
    modesty: Modesty,
}

/// What is known when the last packet was followed.
pub struct Finished {
    pub topology: Topology,
    pub clocks: Clocks,
    /// In the order the sources were named.
    pub sources: Vec<SourceSummary>,
    /// Nodes whose capture lost packets, so that absence there proves little.
    pub lossy_nodes: Vec<NodeId>,
    /// The latest packet, on the reference clock.
    pub now: Timestamp,
    pub counters: Counters,
}

/// A batch and what was found since the one before it.
#[derive(Default)]
struct Parcel {
    batch: Batch,
    vantages: Vec<Vantage>,
    /// Addresses of the nodes' own.
    addresses: Vec<(Ip, NodeId)>,
    /// All names that the recordings give, where there are more of them.
    names: Option<Names>,
    /// Of captures under way, now and then: how they stand.
    sources: Option<Vec<SourceSummary>>,
}

impl Pipeline {
    /// Opens the recordings and looks at their beginnings.
    ///
    /// # Errors
    /// When a recording cannot be used, or a clock was given for a node that is not there.
    pub fn open(input: &Input, limits: Limits) -> anyhow::Result<Pipeline> {
        let mut reader = Reader::open(&input.sources, &input.options)?;
        let given = given_clocks(reader.nodes(), &input.clocks)?;
        let survey = survey(&mut reader, input, &given)?;
        let mut pipeline = Pipeline::assembled(reader, survey, input, limits, false);
        pipeline.reader.set_clock_offsets(&pipeline.correlator.clock_offsets());
        Ok(pipeline)
    }

    /// Takes captures under way. There are no beginnings to look at: they tell by themselves which addresses are
    /// the nodes', and which way packets go.
    ///
    /// # Errors
    /// When what is known of the cluster does not fit the captures.
    pub fn follow(live: Vec<LiveSource>, input: &Input, limits: Limits) -> anyhow::Result<Pipeline> {
        let own = live.first().map(|live| live.node().to_owned());
        let limits = if live.len() > 1 { limits.with_lag() } else { limits };
        let reader = Reader::follow(live, &input.options)?;
        let given = given_clocks(reader.nodes(), &input.clocks)?;
        let survey = informed(&reader, input, &given);
        let own = reader.nodes().iter().position(|node| Some(node) == own.as_ref());
        let mut pipeline = Pipeline::assembled(reader, survey, input, limits, true);
        if let Some(own) = own {
            let own = NodeId(own as u16);
            pipeline.correlator.follow_from(own);
            pipeline.correlator.hear(own, clock::now());
        }
        Ok(pipeline)
    }

    /// A line that starts from what a survey learned, what the user says, and what the sources describe before their
    /// first packets.
    fn assembled(reader: Reader, survey: Survey, input: &Input, limits: Limits, is_live: bool) -> Pipeline {
        let limits = Limits { joins: limits.joins && !input.is_unjoined, ..limits };
        let mut correlator = Correlator::new(survey, limits);
        correlator.add_names(&input.names);
        correlator.add_names(reader.names());
        add_addresses(&mut correlator, reader.addresses());
        Pipeline { reader, correlator, is_live, namer: None, kept: None, modesty: Modesty::none() }
    }

    /// Keeps the latest records there, for whoever looks at packets.
    #[must_use]
    pub(super) fn keeping(self, kept: Option<SharedKept>) -> Pipeline {
        Pipeline { kept, ..self }
    }

    /// Takes what becomes known of names to a recording.
    #[must_use]
    pub fn naming(self, namer: Option<Namer>) -> Pipeline {
        Pipeline { namer, ..self }
    }

    /// Lets everything else on the machine go first: the thread that runs it stands back for good.
    #[must_use]
    pub(super) fn standing_back(self, modesty: Modesty) -> Pipeline {
        Pipeline { modesty, ..self }
    }

    /// Follows every packet. `sink` takes what comes out and may end it early.
    ///
    /// # Errors
    /// When reading fails in a way that is not merely damage.
    pub fn run(self, sink: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>) -> anyhow::Result<Finished> {
        let Pipeline { reader, mut correlator, is_live, mut namer, kept, mut modesty } = self;
        // The threads that it starts inherit it.
        modesty.begin();
        let (full_in, full) = bounded(BATCHES);
        let (empty_in, empty) = bounded(BATCHES + 2);
        let read = std::thread::scope(|scope| {
            let reading = scope.spawn(move || Reading::new(reader, is_live, kept).run(&full_in, &empty));
            follow(&mut correlator, full, &empty_in, &mut |event| {
                let is_drained = matches!(event, Event::Drained(_));
                if let (Event::Drained(correlator), Some(namer)) = (&event, &mut namer) {
                    namer.tell(&correlator.topology().names);
                }
                let flow = sink(event);
                if is_drained {
                    modesty.rest();
                }
                flow
            });
            reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        correlator.add_names(&read.names);
        correlator.finish();
        let _ = drain(&mut correlator, sink);
        let lossy_nodes = lossy(&read.sources);
        let clocks = correlator.clocks();
        Ok(Finished {
            topology: correlator.topology().clone(),
            now: watched_until(&read.sources, &clocks, correlator.now()),
            clocks,
            sources: read.sources,
            lossy_nodes,
            counters: correlator.counters(),
        })
    }
}

/// The latest time that all is known up to: of the last packet, or of the end of capturing where it is known.
/// Before the earliest end every source was watched; after it a packet might have passed unseen.
fn watched_until(sources: &[SourceSummary], clocks: &Clocks, last_packet: Timestamp) -> Timestamp {
    let end =
        |source: &SourceSummary| source.node.zip(source.ended).map(|(node, end)| clocks.align(node, end));
    let ends: Option<Vec<Timestamp>> = sources.iter().filter(|source| source.packets > 0).map(end).collect();
    ends.and_then(|ends| ends.into_iter().min()).map_or(last_packet, |end| end.max(last_packet))
}

fn add_addresses(correlator: &mut Correlator, addresses: &[(Ip, NodeId)]) {
    for &(ip, node) in addresses {
        correlator.add_node_address(ip, node);
    }
}

/// Lets the time go on up to which all sources were watched, also where no packet came.
fn advance(correlator: &mut Correlator, sources: &[SourceSummary]) {
    let watched = sources.iter().filter_map(|source| source.node.zip(source.ended));
    for (node, time) in watched.clone() {
        correlator.hear(node, time);
    }
    let ahead = correlator.clock_offsets();
    let offset = |node: NodeId| ahead.get(usize::from(node.0)).copied().unwrap_or_default();
    if let Some((node, time)) = watched.min_by_key(|&(node, time)| time.plus(-offset(node))) {
        correlator.advance(node, time);
    }
}

/// The offsets the user gave, by node.
fn given_clocks(nodes: &[String], clocks: &[(String, i64)]) -> anyhow::Result<Vec<(NodeId, i64)>> {
    let mut given = Vec::new();
    for (name, ahead_ns) in clocks {
        let Some(index) = nodes.iter().position(|node| node == name) else {
            bail!("--clock {name}: no recording is from {name}; there are {}", nodes.join(", "));
        };
        if index == 0 && *ahead_ns != 0 {
            bail!(
                "--clock {name}: the clock of {name}, the first node by name, is what the others are measured against; give theirs"
            );
        }
        given.push((NodeId(index as u16), *ahead_ns));
    }
    Ok(given)
}

/// A survey that knows what the user knows.
fn informed(reader: &Reader, input: &Input, clocks: &[(NodeId, i64)]) -> Survey {
    let mut survey = Survey::new(reader.nodes().to_vec());
    survey.give_ranges(input.pod_ranges.clone(), input.service_ranges.clone());
    survey.give_proxies(input.proxies.clone());
    for &(node, ahead_ns) in clocks {
        survey.give_clock(node, ahead_ns);
    }
    survey
}

/// Looks at the beginning of each source, and further as long as that is not enough and there is more.
fn survey(reader: &mut Reader, input: &Input, clocks: &[(NodeId, i64)]) -> anyhow::Result<Survey> {
    let mut batch = Batch::default();
    let mut packets: Vec<Packet> = Vec::new();
    let mut limit = PREVIEW;
    loop {
        let before = packets.len();
        packets.clear();
        reader.preview(limit, &mut |record| {
            decode::decode_record(record, &mut batch);
            packets.append(&mut batch.packets);
            batch.clear();
        })?;
        let mut survey = informed(reader, input, clocks);
        survey.extend_vantages(reader.vantages());
        for packet in &packets {
            survey.see(packet);
        }
        let is_all = packets.len() == before || 2 * packets.len() > PREVIEW_MOST;
        if survey.is_enough() || is_all {
            return Ok(survey);
        }
        limit *= 2;
    }
}

/// One parcel in, then everything out, until there are no more or `sink` has enough.
fn follow(
    correlator: &mut Correlator,
    full: Receiver<Parcel>,
    empty: &Sender<Parcel>,
    sink: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) {
    let mut vantages = Vec::new();
    let mut ticked = Stopwatch::start();
    for mut parcel in full {
        if !parcel.vantages.is_empty() {
            vantages.append(&mut parcel.vantages);
            correlator.extend_vantages(&vantages);
        }
        add_addresses(correlator, &parcel.addresses);
        parcel.addresses.clear();
        if let Some(names) = parcel.names.take() {
            correlator.add_names(&names);
        }
        if take(correlator, &parcel.batch, sink).is_break() {
            return;
        }
        if let Some(sources) = parcel.sources.take() {
            advance(correlator, &sources);
            if sink(Event::Sources(&sources, correlator.counters())).is_break() {
                return;
            }
        }
        // Only what a screen is shown on the way depends on this; what it ends with, and any report, does not.
        if parcel.batch.is_empty() || ticked.elapsed() > TICK {
            ticked = Stopwatch::start();
            correlator.handle_tick();
        }
        if drain(correlator, sink).is_break() || sink(Event::Drained(correlator)).is_break() {
            return;
        }
        // Blocks can be filled anew once nobody holds them.
        parcel.batch.clear();
        // The reader may have ended already; then nobody needs the empty batch.
        let _ = empty.send(parcel);
    }
}

/// Packets and what the kernel told, in the order they came.
fn take(
    correlator: &mut Correlator,
    batch: &Batch,
    sink: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut events = batch.events().iter().peekable();
    for (index, packet) in batch.packets.iter().enumerate() {
        while let Some((_, event)) = events.next_if(|(before, _)| *before <= index) {
            correlator.handle_event(event);
            drain(correlator, sink)?;
        }
        correlator.handle_packet(packet, batch.payload(packet));
        drain(correlator, sink)?;
    }
    for (_, event) in events {
        correlator.handle_event(event);
        drain(correlator, sink)?;
    }
    ControlFlow::Continue(())
}

/// The one place that takes changes out.
fn drain(correlator: &mut Correlator, sink: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
    while let Some(change) = correlator.poll_change() {
        sink(Event::Change(change))?;
    }
    ControlFlow::Continue(())
}

/// The reading thread's own.
struct Reading {
    reader: Reader,
    /// Why packets were not followed, by source.
    stops: Vec<Stops>,
    /// Of the latest read: which of its records, and why.
    latest_stops: Vec<(usize, Stop)>,
    known_vantages: usize,
    known_addresses: usize,
    known_names: usize,
    is_live: bool,
    looked: Stopwatch,
    kept: Option<SharedKept>,
}

/// What the reading thread leaves.
struct Read {
    sources: Vec<SourceSummary>,
    names: Names,
}

impl Reading {
    fn new(reader: Reader, is_live: bool, kept: Option<SharedKept>) -> Reading {
        Reading {
            known_vantages: 0,
            known_addresses: reader.addresses().len(),
            known_names: reader.names().len(),
            reader,
            stops: Vec::new(),
            latest_stops: Vec::new(),
            is_live,
            looked: Stopwatch::start(),
            kept,
        }
    }

    /// Reads to the end, or until nobody takes any more.
    fn run(mut self, full: &Sender<Parcel>, empty: &Receiver<Parcel>) -> anyhow::Result<Read> {
        loop {
            let mut parcel = empty.try_recv().unwrap_or_default();
            let progress = self.fill(&mut parcel.batch).context("reading stopped")?;
            let vantages = self.reader.vantages();
            parcel.vantages.extend_from_slice(&vantages[self.known_vantages..]);
            self.known_vantages = vantages.len();
            let addresses = self.reader.addresses();
            parcel.addresses.extend_from_slice(&addresses[self.known_addresses..]);
            self.known_addresses = addresses.len();
            let names = self.reader.names();
            if names.len() > self.known_names {
                self.known_names = names.len();
                parcel.names = Some(names.clone());
            }
            // Who is captured faster than it can be followed never waits, and loses packets.
            let is_under_way = self.is_live || progress == Progress::Waiting;
            if is_under_way && self.looked.elapsed() >= STANDING {
                self.looked = Stopwatch::start();
                parcel.sources = Some(self.summaries());
            }
            if full.send(parcel).is_err() {
                break;
            }
            match progress {
                Progress::More => {}
                Progress::Waiting => clock::wait(if self.is_live { LIVE_PAUSE } else { PAUSE }),
                Progress::End => break,
            }
        }
        Ok(Read { sources: self.summaries(), names: self.reader.names().clone() })
    }

    /// What came of each source so far, with what decoding made of it.
    fn summaries(&self) -> Vec<SourceSummary> {
        let mut sources = self.reader.summaries();
        for (source, stops) in sources.iter_mut().zip(&self.stops) {
            source.not_understood += stops.total();
            source.reasons.extend(stops.reasons());
            source.reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        }
        sources
    }

    /// Fills a batch.
    fn fill(&mut self, batch: &mut Batch) -> anyhow::Result<Progress> {
        let latest = &mut self.latest_stops;
        let mut records = 0;
        let mut kept = self.kept.as_ref().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner));
        let progress = self.reader.read(BATCH_PACKETS, &mut |record| {
            if let (Some(kept), Record::Frame(frame)) = (&mut kept, record) {
                kept.put(frame);
            }
            latest.extend(decode::decode_record(record, batch).map(|stop| (records, stop)));
            records += 1;
        })?;
        if !latest.is_empty() {
            let origins: Vec<usize> = self.reader.latest_sources().collect();
            for (record, stop) in latest.drain(..) {
                let source = origins[record];
                if source >= self.stops.len() {
                    self.stops.resize_with(source + 1, Stops::default);
                }
                self.stops[source].add(stop);
            }
        }
        Ok(progress)
    }
}

/// Nodes of sources that lost or spoiled packets.
pub(super) fn lossy(sources: &[SourceSummary]) -> Vec<NodeId> {
    let lossy = sources.iter().filter(|source| source.dropped.unwrap_or(0) > 0 || source.damaged > 0);
    let mut nodes: Vec<NodeId> = lossy.filter_map(|source| source.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}
