//! `hopline report`: every recording followed to its end, then every journey written by its start.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use crossbeam_channel::{Receiver, bounded};

use crate::app::packets::{Extract, Packets, SharedKept, Wanted};
use crate::app::pipeline::{Event, Finished, Pipeline};
use crate::app::spool::{Sorted, Spool};
use crate::app::staging::place_all;
use crate::app::templates;
use crate::config::{self, Input};
use crate::correlate::Limits;
use crate::model::{Change, Journey, SourceSummary, Topology};
use crate::report::text::Layout;
use crate::report::{Format, Part};
use crate::stages::World;
use crate::timeline::Context;

/// Recordings that were followed to their end.
pub(super) struct Followed {
    pub(super) finished: Finished,
    pub(super) trails: Sorted,
}

impl Finished {
    /// What stages need to know beside a trail.
    pub(super) fn world(&self) -> World<'_> {
        World {
            topology: &self.topology,
            clocks: &self.clocks,
            lossy_nodes: &self.lossy_nodes,
            now: self.now,
        }
    }
}

/// Changes that are handed over to be kept at once, and how many times that may wait.
const CHANGES: usize = 32;
const WAITING: usize = 8;

/// For whoever wants a journey's packets: more of them are kept.
const ALL_PACKETS: Limits = Limits { sightings: 16_384, bulk_sightings: 16_384, ..Limits::REPORT };

/// Follows `input` to its end and keeps every closed trail, on a thread of its own: following packets is the longest
/// of what a report does.
pub(super) fn follow(input: &Input, limits: Limits, kept: Option<SharedKept>) -> anyhow::Result<Followed> {
    let pipeline = Pipeline::open(input, limits)?.keeping(kept);
    let (changes_in, changes) = bounded(WAITING);
    let (finished, kept) = std::thread::scope(|scope| {
        let keeping = scope.spawn(|| keep(changes));
        let mut latest = Vec::with_capacity(CHANGES);
        let finished = pipeline.run(&mut |event| {
            if let Event::Change(change) = event {
                latest.push(change);
            }
            let is_full = latest.len() >= CHANGES;
            if is_full
                && changes_in.send(std::mem::replace(&mut latest, Vec::with_capacity(CHANGES))).is_err()
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        // Nobody takes them only where keeping has failed already.
        let _ = changes_in.send(latest);
        drop(changes_in);
        (finished, keeping.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let finished = finished?;
    let trails = kept
        .and_then(|spool| spool.sorted(&|vantage, time| finished.world().align(vantage, time)))
        .context("journeys cannot be kept in a temporary file; set TMPDIR to where there is room")?;
    Ok(Followed { finished, trails })
}

fn keep(changes: Receiver<Vec<Change>>) -> io::Result<Spool> {
    let mut spool = Spool::default();
    for change in changes.into_iter().flatten() {
        match change {
            Change::Upsert(trail) => spool.put(*trail)?,
            Change::Withdraw(id) => spool.withdraw(id),
        }
    }
    Ok(spool)
}

/// Writes a journey's packets to `path`, and says on stderr how many.
fn write_packets(
    path: &Path,
    packets: &Packets,
    journey: Journey,
    topology: &Topology,
) -> anyhow::Result<()> {
    let wanted = Wanted { journey: Arc::new(journey), topology: Arc::new(topology.clone()) };
    let extract = packets.extract(&wanted)?;
    fs::write(path, &extract.bytes)
        .with_context(|| format!("--write: {} cannot be written", path.display()))?;
    let Extract { packets, missing, left_out, .. } = extract;
    let mut said = format!("hopline: {packets} packets written to {}", path.display());
    for (count, why) in [(missing, "could not be had any more"), (left_out, "are more than a journey keeps")]
    {
        if count > 0 {
            let _ = write!(said, "; {count} {why}");
        }
    }
    let _ = writeln!(io::stderr(), "{said}");
    Ok(())
}

/// Says on stderr what of the recordings could not be read; their counts are in the report itself.
fn name_damage(sources: &[SourceSummary]) {
    for source in sources {
        for damage in &source.damage {
            let _ = writeln!(io::stderr(), "hopline: {}: {damage}", source.file);
        }
    }
}

/// Writes the report to `out`; `layout` is for text.
///
/// # Errors
/// When a recording or a template cannot be used, the journey asked for does not exist, or `out` fails.
pub(super) fn run(report: &config::Report, layout: Layout, out: &mut dyn Write) -> anyhow::Result<()> {
    let templates = templates(report.look.templates.as_deref())?;
    let packets = report.write.as_ref().map(|_| Packets::of(&report.input, false));
    let limits = if packets.is_some() { ALL_PACKETS } else { Limits::REPORT };
    let kept = packets.as_ref().and_then(Packets::kept);
    let Followed { finished, trails } = follow(&report.input, limits, kept)?;
    let format = format(report, layout);
    let context = Context::new(&finished.topology, &finished.clocks, report.look.manner);
    let is_wanted = |id: u64, journey: &Journey| {
        report.journey.is_none_or(|wanted| wanted == id)
            && report.filter.as_ref().is_none_or(|filter| filter.matches(journey, &finished.topology))
    };
    let chosen: Mutex<Option<Journey>> = Mutex::new(None);
    let write = |part: &mut Part, id: u64, journey: Journey| {
        if report.write.is_some() && report.journey == Some(id) {
            *chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(journey.clone());
        }
        if is_wanted(id, &journey) {
            format.journey(part, id, &journey, &context);
        }
    };
    let count = trails.count();
    if let Some(missing) = report.journey.filter(|&id| id > count) {
        bail!("--journey {missing}: there are {count} journeys; leave it out to see all");
    }
    let journeys = |whole: &mut Part, out: &mut dyn Write| {
        place_all(trails, &templates, &finished.world(), &write, &mut |part: Part| {
            out.write_all(&format.join(whole, &part))?;
            out.write_all(&part.bytes)
        })
    };
    let mut whole = Part::default();
    if format.is_headed_last() {
        let mut aside = Aside::new()?;
        journeys(&mut whole, &mut aside.file)?;
        out.write_all(&format.head(&whole, &finished.sources, &context))?;
        aside.give(out)?;
    } else {
        out.write_all(&format.head(&whole, &finished.sources, &context))?;
        journeys(&mut whole, out)?;
    }
    out.write_all(&format.tail(&whole, &context))?;
    out.flush()?;
    if let (Some(path), Some(packets), Ok(Some(journey))) = (&report.write, packets, chosen.into_inner()) {
        write_packets(path, &packets, journey, &finished.topology)?;
    }
    let evicted = finished.counters.evicted;
    if evicted > 0 {
        let _ = writeln!(
            io::stderr(),
            "hopline: {evicted} journeys were closed before their end, as more were open than are kept in memory"
        );
    }
    if !format.tells_damage() {
        name_damage(&finished.sources);
    }
    Ok(())
}

fn format(report: &config::Report, layout: Layout) -> Format {
    let is_whole = layout.is_whole;
    match report.format {
        config::Format::Text => Format::Text(layout),
        config::Format::Json => Format::Json,
        config::Format::Html => Format::Html { is_whole },
        config::Format::Svg => Format::Svg { is_whole },
        config::Format::Csv => Format::Csv,
    }
}

/// Journeys that are written while what stands before them is not known yet, so that memory need not hold them.
struct Aside {
    file: BufWriter<File>,
}

impl Aside {
    fn new() -> anyhow::Result<Aside> {
        let file = tempfile::tempfile()
            .context("no temporary file can be made; set TMPDIR to where there is room")?;
        Ok(Aside { file: BufWriter::new(file) })
    }

    fn give(self, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        io::copy(&mut file, out)?;
        Ok(())
    }
}
