//! What a frame of the screen costs with as many journeys as it keeps: `cargo bench --bench screen`.
//!
//! The journeys are those of a recording, over and over with other ids and times. The costs of a frame must not grow
//! with how many there are; only what makes everything anew (`anew`: another order, grouping or filter) may.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hopline::app::pipeline::{Event, Pipeline};
use hopline::capture::{SourcePath, SourceSpec};
use hopline::config::Input;
use hopline::correlate::Limits;
use hopline::model::{Change, Clocks, Journey, Timestamp, Topology};
use hopline::stages::{Templates, World};
use hopline::timeline::Manner;
use hopline::timeline::listing::Order;
use hopline::tui::screen::Look;
use hopline::tui::{JOURNEY_BOUND, News, Screen, Settings, Speed, render};
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{Event as Key, KeyCode, KeyEvent};
use ratatui::layout::Rect;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/mixed-paths");
const SIZE: (u16, u16) = (160, 50);
/// Between two journeys, in nanoseconds.
const STEP: i64 = 1_000_000;
const FRAMES: u64 = 200;
/// New journeys in a frame: 1000 a second at 25 frames.
const NEW: u64 = 40;

struct Sample {
    journeys: Vec<Journey>,
    topology: Arc<Topology>,
    clocks: Arc<Clocks>,
}

fn main() {
    let sample = sample().expect("the recording can be read");
    println!(
        "| journeys | list | taken, each | anew | idle frame | frame with {NEW} new, each revised once | drawing |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for count in [JOURNEY_BOUND as u64 / 10, JOURNEY_BOUND as u64] {
        for (name, keys) in [
            ("oldest first", ""),
            ("longest first", "oo"),
            ("errors first, filtered", "ooofdelay > 1ms and not host ~ x\n"),
            ("by client and server", "OO"),
            ("statistics", "s"),
        ] {
            measure(&sample, count, name, keys);
        }
    }
}

/// The journeys of the recording.
fn sample() -> anyhow::Result<Sample> {
    let sources = vec![SourceSpec { node: None, path: SourcePath::File(PathBuf::from(RECORDING)) }];
    let input = Input { sources, ..Input::default() };
    let mut trails = std::collections::BTreeMap::new();
    let finished = Pipeline::open(&input, Limits::SCREEN)?.run(&mut |event| {
        match event {
            Event::Change(Change::Upsert(trail)) => _ = trails.insert(trail.id, Arc::from(trail)),
            Event::Change(Change::Withdraw(id)) => _ = trails.remove(&id),
            Event::Drained(_) | Event::Sources(..) => {}
        }
        ControlFlow::Continue(())
    })?;
    let (topology, clocks) = (Arc::new(finished.topology), Arc::new(finished.clocks));
    let world = World { topology: &topology, clocks: &clocks, lossy_nodes: &[], now: finished.now };
    let templates = Templates::embedded();
    let journeys = trails.into_values().map(|trail| templates.place(trail, &world)).collect();
    Ok(Sample { journeys, topology, clocks })
}

impl Sample {
    /// The journey with this id, as if it had begun in its turn.
    fn journey(&self, id: u64, revision: u32) -> News {
        let mut journey = self.journeys[id as usize % self.journeys.len()].clone();
        let moved = Timestamp(id as i64 * STEP).since(journey.started);
        (journey.id, journey.started, journey.ended) =
            (id, journey.started.plus(moved), journey.ended.plus(moved + (id as i64 * 7919) % STEP));
        let trail = Arc::make_mut(&mut journey.trail);
        (trail.id, trail.revision) = (id, revision);
        News::Journey(Arc::new(journey))
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn measure(sample: &Sample, count: u64, name: &str, keys: &str) {
    let settings =
        Settings { manner: Manner::default(), speed: Speed::Max, order: Order::Start, look: Look::default() };
    let mut screen = Screen::new(settings);
    screen.take(News::World(Arc::clone(&sample.topology), Arc::clone(&sample.clocks)));
    let all: Vec<News> = (0..count).map(|id| sample.journey(id, 1)).collect();
    let taken = timed(|| all.into_iter().for_each(|news| screen.take(news)));
    screen.take(News::Read(Timestamp(0), Timestamp(count as i64 * STEP)));
    for key in keys.chars() {
        let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
        screen.handle(&Key::Key(KeyEvent::from(code)));
    }
    let anew = timed(|| screen.refresh(Duration::ZERO, SIZE.0, SIZE.1));
    let idle = timed(|| (0..FRAMES).for_each(|_| screen.refresh(Duration::ZERO, SIZE.0, SIZE.1)));
    let (mut kept_up, mut drawing) = (Duration::ZERO, Duration::ZERO);
    for frame in 0..FRAMES {
        let ids = count + frame * NEW..count + (frame + 1) * NEW;
        let news: Vec<News> =
            ids.flat_map(|id| [1, 2].map(|revision| sample.journey(id, revision))).collect();
        let end = Timestamp((count + (frame + 1) * NEW) as i64 * STEP);
        kept_up += timed(|| {
            for news in news {
                screen.take(news);
            }
            screen.take(News::Read(Timestamp(0), end));
            screen.refresh(Duration::ZERO, SIZE.0, SIZE.1);
        });
        let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        drawing += timed(|| _ = render(&screen, buffer.area, &mut buffer));
    }
    println!(
        "| {count} | {name} | {:.1?} | {anew:.1?} | {:.1?} | {:.1?} | {:.1?} |",
        taken / count as u32,
        idle / FRAMES as u32,
        kept_up / FRAMES as u32,
        drawing / FRAMES as u32
    );
}
