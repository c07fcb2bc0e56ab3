//! `hopline replay`: the line runs behind the screen as fast as it can, and the screen plays what it found.
//!
//! Journeys are placed as they come, with what is known by then; once all is read they are placed again with
//! everything that is known, so that in the end the screen shows what the report writes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::app::packets::Packets;
use crate::app::pipeline::{Event, Finished, Pipeline, lossy};
use crate::app::session::Session;
use crate::app::{ground, look, templates, terminal};
use crate::config::{self, Input, Look, Picture};
use crate::correlate::{Correlator, Limits};
use crate::model::{Change, Clocks, Journey, NodeId, Outcome, State, Timestamp, Topology, Trail};
use crate::stages::{Templates, World};
use crate::timeline::listing::Order;
use crate::tui::theme::Ground;
use crate::tui::{JOURNEY_BOUND, News, Settings, Speed};

/// Batches of news on their way to the screen.
const IN_FLIGHT: usize = 16;
/// News in a batch.
const BATCH: usize = 512;

/// Plays recordings on the screen, or paints it once to a file when all is read.
///
/// # Errors
/// When a recording or a template cannot be used, or there is no terminal.
pub(super) fn run(
    input: &Input,
    speed: config::Speed,
    look: &Look,
    picture: Option<&Picture>,
) -> anyhow::Result<()> {
    let templates = templates(look.templates.as_deref())?;
    // What cannot be used is told before the terminal is taken.
    let packets = Packets::of(input, false);
    let pipeline = Pipeline::open(input, Limits::SCREEN)?.keeping(packets.kept());
    match picture {
        Some(picture) => {
            let settings = settings(speed, look, Ground::default(), Order::Start)?;
            terminal::paint(settings, &start(pipeline, templates), picture, &packets)
        }
        None => show(pipeline, templates, speed, look, Order::Start, &mut Session::replay(packets)),
    }
}

/// Plays on the screen what comes of `pipeline`, recorded or live; the list begins in `order`.
///
/// # Errors
/// When there is no terminal.
pub(super) fn show(
    pipeline: Pipeline,
    templates: Templates,
    speed: config::Speed,
    look: &Look,
    order: Order,
    session: &mut Session,
) -> anyhow::Result<()> {
    let ground = if look::asks_for_ground(look) { ground::detect() } else { None };
    let settings = settings(speed, look, ground.unwrap_or_default(), order)?;
    terminal::show(settings, &start(pipeline, templates), session)
}

fn settings(speed: config::Speed, look: &Look, ground: Ground, order: Order) -> anyhow::Result<Settings> {
    let speed = match speed {
        config::Speed::Max => Speed::Max,
        config::Speed::Times(times) => Speed::Times(times),
    };
    Ok(Settings { manner: look.manner, speed, order, look: look::screen(look, ground)? })
}

/// Runs the line in a thread of its own. The thread is not waited for: it may be stuck in reading a pipe when the
/// user quits.
fn start(pipeline: Pipeline, templates: Templates) -> Receiver<Vec<News>> {
    let (sender, receiver) = bounded(IN_FLIGHT);
    std::thread::spawn(move || {
        let mut telling = Telling::new(templates, sender);
        let last = match pipeline.run(&mut |event| telling.take(event)) {
            Ok(finished) => telling.conclude(&finished),
            Err(error) => telling.send(vec![News::Failed(format!("{error:#}"))]),
        };
        // Nobody listens any more: the screen was closed.
        let _ = last;
    });
    receiver
}

/// Turns what the line says into news for the screen.
struct Telling {
    templates: Templates,
    sender: Sender<Vec<News>>,
    /// Changed since the line was last drained; of each trail the newest revision.
    fresh: Vec<Change>,
    /// What the screen has, for the last placing.
    trails: HashMap<u64, Arc<Trail>>,
    order: VecDeque<u64>,
    /// As last told.
    world: (Arc<Topology>, Arc<Clocks>),
    first: Option<Timestamp>,
    lossy_nodes: Vec<NodeId>,
    /// New interfaces are to be told of, also where they had no journey yet.
    is_world_due: bool,
    /// When trails are to be placed anew, and their ids.
    deadlines: BTreeSet<(Timestamp, u64)>,
}

impl Telling {
    fn new(templates: Templates, sender: Sender<Vec<News>>) -> Telling {
        Telling {
            templates,
            sender,
            fresh: Vec::new(),
            trails: HashMap::new(),
            order: VecDeque::new(),
            world: Default::default(),
            first: None,
            lossy_nodes: Vec::new(),
            is_world_due: false,
            deadlines: BTreeSet::new(),
        }
    }

    fn take(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Change(change) => self.fresh.push(change),
            Event::Drained(correlator) => return self.tell(correlator),
            Event::Sources(sources, counters) => {
                self.lossy_nodes = lossy(sources);
                self.is_world_due = true;
                let closed_early = News::ClosedEarly(counters.evicted);
                return self.send(vec![News::Sources(sources.to_vec()), closed_early]);
            }
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self, correlator: &Correlator) -> ControlFlow<()> {
        let now = correlator.now();
        let is_due = self.deadlines.first().is_some_and(|&(at, _)| at <= now);
        if self.fresh.is_empty() && !is_due && !std::mem::take(&mut self.is_world_due) {
            return ControlFlow::Continue(());
        }
        let mut news = Vec::new();
        if !is_same(&self.world.0, correlator.topology()) || *self.world.1 != correlator.clocks() {
            self.world = (Arc::new(correlator.topology().clone()), Arc::new(correlator.clocks()));
            news.push(News::World(Arc::clone(&self.world.0), Arc::clone(&self.world.1)));
        }
        self.place_fresh(now, &mut news);
        self.place_due(now, &mut news);
        if let Some(first) = self.first {
            news.push(News::Read(first, now));
        }
        if news.is_empty() { ControlFlow::Continue(()) } else { self.send(news) }
    }

    /// Places what is fresh; of several revisions of a trail the last.
    fn place_fresh(&mut self, now: Timestamp, news: &mut Vec<News>) {
        let world =
            World { topology: &self.world.0, clocks: &self.world.1, lossy_nodes: &self.lossy_nodes, now };
        let mut places: HashMap<u64, usize> = HashMap::new();
        for change in self.fresh.drain(..) {
            match change {
                Change::Upsert(trail) => {
                    let trail: Arc<Trail> = Arc::from(trail);
                    remember(&mut self.trails, &mut self.order, &trail);
                    let id = trail.id;
                    let deadline = self.world.1.align(first_node(&trail, &self.world.0), trail.deadline);
                    let journey = self.templates.place(trail, &world);
                    if deadline > now && is_waiting(&journey) {
                        self.deadlines.insert((deadline, id));
                    }
                    self.first = Some(self.first.map_or(journey.started, |first| first.min(journey.started)));
                    let item = News::Journey(Arc::new(journey));
                    if let Some(&place) = places.get(&id) {
                        news[place] = item;
                    } else {
                        places.insert(id, news.len());
                        news.push(item);
                    }
                }
                Change::Withdraw(id) => {
                    self.trails.remove(&id);
                    places.remove(&id);
                    news.push(News::Withdraw(id));
                }
            }
        }
    }

    /// What was waited for is missing from its deadline on, although no packet came to say so.
    fn place_due(&mut self, now: Timestamp, news: &mut Vec<News>) {
        let world =
            World { topology: &self.world.0, clocks: &self.world.1, lossy_nodes: &self.lossy_nodes, now };
        while let Some((_, id)) = self.deadlines.first().copied().filter(|&(at, _)| at <= now) {
            self.deadlines.pop_first();
            if let Some(trail) = self.trails.get(&id) {
                news.push(News::Journey(Arc::new(self.templates.place(Arc::clone(trail), &world))));
            }
        }
    }

    /// Everything once more, with all that is known now.
    fn conclude(&mut self, finished: &Finished) -> ControlFlow<()> {
        for change in std::mem::take(&mut self.fresh) {
            match change {
                Change::Upsert(trail) => remember(&mut self.trails, &mut self.order, &Arc::from(trail)),
                Change::Withdraw(id) => {
                    self.trails.remove(&id);
                    self.send(vec![News::Withdraw(id)])?;
                }
            }
        }
        let world = (Arc::new(finished.topology.clone()), Arc::new(finished.clocks.clone()));
        let mut news = vec![
            News::World(world.0, world.1),
            News::Sources(finished.sources.clone()),
            News::ClosedEarly(finished.counters.evicted),
        ];
        let (mut first, mut last) = (self.first.unwrap_or(finished.now), finished.now);
        for trail in self.order.iter().filter_map(|id| self.trails.get(id)) {
            let journey = self.templates.place(Arc::clone(trail), &finished.world());
            (first, last) = (first.min(journey.started), last.max(journey.ended));
            news.push(News::Journey(Arc::new(journey)));
            if news.len() >= BATCH {
                self.send(std::mem::take(&mut news))?;
            }
        }
        news.extend([News::Read(first, last), News::End]);
        self.send(news)
    }

    fn send(&self, news: Vec<News>) -> ControlFlow<()> {
        match self.sender.send(news) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Whether time alone may change it.
fn is_waiting(journey: &Journey) -> bool {
    journey.verdict.outcome == Outcome::Open || journey.visits().any(|visit| visit.state == State::Waiting)
}

/// The node whose clock a trail's deadline is on.
fn first_node(trail: &Trail, topology: &Topology) -> NodeId {
    trail.sightings.first().map_or(NodeId(0), |first| topology.vantage(first.vantage).node)
}

/// Keeps the trail for the last placing, and no more of them than the screen keeps.
fn remember(trails: &mut HashMap<u64, Arc<Trail>>, order: &mut VecDeque<u64>, trail: &Arc<Trail>) {
    if trails.insert(trail.id, Arc::clone(trail)).is_none() {
        order.push_back(trail.id);
    }
    while order.len() > JOURNEY_BOUND {
        if let Some(oldest) = order.pop_front() {
            trails.remove(&oldest);
        }
    }
}

/// Whether nothing was learned in between: what is known only grows.
fn is_same(one: &Topology, other: &Topology) -> bool {
    let size = |topology: &Topology| {
        (
            topology.vantages.len(),
            topology.pods.len(),
            topology.node_addresses.len(),
            topology.services.len(),
            topology.names.len(),
            topology.tables.values().map(|table| (table.dropped, table.evicted)).collect::<Vec<_>>(),
        )
    };
    one.nodes == other.nodes && size(one) == size(other)
}
