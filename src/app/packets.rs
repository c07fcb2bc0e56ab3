//! The packets of a journey, bytes and all: read again from recordings, or from what is kept of captures that pass by
//! once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::bail;
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::capture::{self, Kept, Progress, Reader, SourcePath, SourceSpec, extract};
use crate::config::Input;
use crate::decode;
use crate::model::{
    Batch, Body, Captured, Frame, Journey, NodeId, Record, SECONDS, Sighting, Stored, Timestamp, Topology,
    Vantage,
};
use crate::timeline::dissection::Dissection;
use crate::tui::{Looked, News};

/// What is kept of captures that cannot be read again, in bytes.
const KEPT: usize = 64 << 20;
/// Frames read at once.
const RUN: usize = 4096;
/// Records of a file may step back by so much; also what clocks of nodes differ by is in their own stamps.
const SLACK: i64 = 5 * SECONDS;

/// Where packets can be had from.
#[derive(Clone)]
pub(super) struct Packets {
    /// Recordings that can be read again.
    files: Vec<SourceSpec>,
    options: capture::Options,
    kept: Option<SharedKept>,
}

pub(super) type SharedKept = Arc<Mutex<Kept>>;

/// A journey whose packets are wanted, and what is known of its capture points.
pub(super) struct Wanted {
    pub(super) journey: Arc<Journey>,
    pub(super) topology: Arc<Topology>,
}

impl Wanted {
    /// Every packet of the journey, that of the lookup before it included.
    fn sightings(&self) -> Vec<Sighting> {
        let trail = &self.journey.trail;
        let lookup = trail.resolution.iter().flat_map(|lookup| [lookup.query, lookup.answer]);
        let mut all: Vec<Sighting> = lookup.chain(trail.sightings.iter().copied()).collect();
        all.sort_by_key(|sighting| sighting.time);
        all
    }
}

impl Packets {
    /// Of the sources in `input`; files are read again, and of others the latest is kept. With `is_live` there are
    /// others besides.
    pub(super) fn of(input: &Input, is_live: bool) -> Packets {
        let (files, streams): (Vec<SourceSpec>, Vec<SourceSpec>) =
            input.sources.iter().cloned().partition(|source| can_be_read_again(&source.path));
        let has_streams = is_live || !streams.is_empty();
        Packets {
            files,
            options: capture::Options { follow: false, ..input.options.clone() },
            kept: has_streams.then(|| Arc::new(Mutex::new(Kept::new(KEPT)))),
        }
    }

    /// Where the reading thread puts what is to be kept, if anything.
    pub(super) fn kept(&self) -> Option<SharedKept> {
        self.kept.clone()
    }

    /// Each packet of the journey that can still be had.
    ///
    /// # Errors
    /// When the recordings cannot be read any more.
    pub(super) fn fetch(&self, wanted: &Wanted) -> anyhow::Result<Vec<(Sighting, Option<Captured>)>> {
        let sightings = wanted.sightings();
        let mut found: Vec<Option<Captured>> = vec![None; sightings.len()];
        if let Some(kept) = &self.kept {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, sighting) in found.iter_mut().zip(&sightings) {
                let mut batch = Batch::default();
                *place = kept
                    .find(sighting.vantage, sighting.time)
                    .find(|it| is_same(sighting, &capture::frame(it), &mut batch));
            }
        }
        if !self.files.is_empty() && found.iter().any(Option::is_none) {
            self.read_again(&sightings, &wanted.topology, &mut found)?;
        }
        for (sighting, found) in sightings.iter().zip(&mut found) {
            if let Some(captured) = found {
                // The trail knows it also where the record does not say.
                (captured.direction, captured.vantage) = (sighting.direction, sighting.vantage);
            }
        }
        Ok(sightings.into_iter().zip(found).collect())
    }

    fn read_again(
        &self,
        sightings: &[Sighting],
        topology: &Topology,
        found: &mut [Option<Captured>],
    ) -> anyhow::Result<()> {
        let mut by_time: HashMap<Timestamp, Vec<usize>> = HashMap::new();
        for (index, sighting) in sightings.iter().enumerate().filter(|&(index, _)| found[index].is_none()) {
            by_time.entry(sighting.time).or_default().push(index);
        }
        let Some(last) = by_time.keys().max().map(|last| last.plus(SLACK)) else { return Ok(()) };
        let mut reader = Reader::open(&self.files, &self.options)?;
        let nodes = reader.nodes().to_vec();
        let (mut left, mut is_past) = (by_time.values().map(Vec::len).sum::<usize>(), false);
        let mut batch = Batch::default();
        while left > 0 && !is_past {
            let mut candidates: Vec<(usize, Captured)> = Vec::new();
            let progress = reader.read(RUN, &mut |record| {
                let Record::Frame(frame) = record else { return };
                is_past |= frame.time > last;
                for &index in by_time.get(&frame.time).into_iter().flatten() {
                    if is_same(&sightings[index], frame, &mut batch) {
                        candidates.push((index, captured(frame)));
                    }
                }
            })?;
            for (index, captured) in candidates {
                let there = reader.vantages().get(usize::from(captured.vantage.0));
                let wanted = topology.vantages.get(usize::from(sightings[index].vantage.0));
                if found[index].is_none() && is_one_place(there, &nodes, wanted, topology) {
                    found[index] = Some(captured);
                    left -= 1;
                }
            }
            if progress != Progress::More {
                break;
            }
        }
        Ok(())
    }
}

/// Looks packets up on threads of their own, while the screen goes on.
pub(super) struct Lookup {
    packets: Packets,
    found: Sender<Found>,
    finds: Receiver<Found>,
}

/// What came of looking packets up.
pub(super) enum Found {
    /// To be shown.
    News(News),
    /// To be written.
    Extract(anyhow::Result<Extract>),
}

/// A journey's packets as a recording.
pub(super) struct Extract {
    pub(super) bytes: Vec<u8>,
    pub(super) packets: usize,
    /// Packets that could not be had any more.
    pub(super) missing: usize,
    /// Packets that were more than a trail keeps.
    pub(super) left_out: usize,
}

impl Lookup {
    pub(super) fn new(packets: Packets) -> Lookup {
        let (found, finds) = unbounded();
        Lookup { packets, found, finds }
    }

    /// Begins to get the packets, with their bytes taken apart.
    pub(super) fn begin(&self, wanted: Wanted) {
        self.run(move |packets| Found::News(packets.news(&wanted)));
    }

    /// Begins to make a recording of the packets.
    pub(super) fn begin_extract(&self, wanted: Wanted) {
        self.run(move |packets| Found::Extract(packets.extract(&wanted)));
    }

    fn run(&self, work: impl FnOnce(&Packets) -> Found + Send + 'static) {
        let (packets, found) = (self.packets.clone(), self.found.clone());
        // Nobody listens any more when the screen was closed.
        std::thread::spawn(move || drop(found.send(work(&packets))));
    }

    /// What was found since.
    pub(super) fn finds(&self) -> impl Iterator<Item = Found> + '_ {
        self.finds.try_iter()
    }
}

impl Packets {
    /// The packets of the journey, taken apart.
    pub(super) fn news(&self, wanted: &Wanted) -> News {
        let looked = self.fetch(wanted).map_err(|error| format!("{error:#}"));
        let look = |(sighting, captured): (Sighting, Option<Captured>)| -> Looked {
            let dissect = |captured: Captured| {
                let headers = decode::headers(captured.link, &captured.bytes);
                Arc::new(Dissection { captured, headers })
            };
            (sighting, captured.map(dissect))
        };
        News::Packets(wanted.journey.id, looked.map(|all| all.into_iter().map(look).collect()))
    }

    /// A recording of the journey's packets.
    ///
    /// # Errors
    /// When none of them can be had any more.
    pub(super) fn extract(&self, wanted: &Wanted) -> anyhow::Result<Extract> {
        let found = self.fetch(wanted)?;
        let (all, left_out) = (found.len(), wanted.journey.trail.left_out as usize);
        let packets: Vec<Captured> = found.into_iter().filter_map(|(_, captured)| captured).collect();
        if packets.is_empty() {
            bail!("none of the journey's packets can be read any more");
        }
        let bytes = extract(&packets, &wanted.topology);
        Ok(Extract { bytes, packets: packets.len(), missing: all - packets.len(), left_out })
    }
}

/// A directory is one if all in it are files, which nearly always they are.
fn can_be_read_again(path: &SourcePath) -> bool {
    let is_one = |path: &Path| path.metadata().is_ok_and(|it| it.is_file() || it.is_dir());
    match path {
        SourcePath::File(path) => is_one(path),
        SourcePath::Bundled { .. } => true,
        SourcePath::Stdin => false,
    }
}

fn captured(frame: &Frame<'_>) -> Captured {
    let Stored { link, wire_len, bytes } = frame.stored;
    let Frame { time, vantage, direction, .. } = *frame;
    Captured { time, vantage, direction, link, wire_len, bytes: bytes.into() }
}

fn is_one_place(
    there: Option<&Vantage>,
    nodes: &[String],
    wanted: Option<&Vantage>,
    topology: &Topology,
) -> bool {
    let (Some(there), Some(wanted)) = (there, wanted) else { return false };
    let name = |node: NodeId| nodes.get(usize::from(node.0)).map(String::as_str);
    there.interface == wanted.interface && name(there.node) == Some(topology.node_name(wanted.node))
}

/// Whether `frame`, of the same time, is the packet of `sighting`.
fn is_same(sighting: &Sighting, frame: &Frame<'_>, batch: &mut Batch) -> bool {
    batch.clear();
    decode::decode(frame, batch);
    let Some(packet) = batch.packets.first() else { return false };
    let is_body = match packet.body {
        Body::Tcp(segment) => segment.seq == sighting.seq && segment.flags == sighting.flags,
        Body::Echo(echo) => u32::from(echo.seq) == sighting.seq,
        _ => true,
    };
    is_body && packet.ttl == sighting.ttl && packet.ip_id == sighting.ip_id
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::PathBuf;

    use super::*;
    use crate::app::pipeline::{Event, Pipeline};
    use crate::correlate::Limits;
    use crate::model::{Change, Endpoint, Ip, Trail, sample};
    use crate::stages::Templates;

    /// Every packet of a recording's journeys can be had, by reading anew as well as from what is kept.
    #[test]
    fn files_and_what_is_kept_give_the_same_packets() {
        let case: PathBuf = [env!("CARGO_MANIFEST_DIR"), "captures", "pod-to-service-dns"].iter().collect();
        let source = SourceSpec { node: None, path: SourcePath::File(case) };
        let input = Input { sources: vec![source], ..Input::default() };
        let files = Packets::of(&input, false);
        assert!(files.kept().is_none(), "files are read again");
        let kept = Packets { files: Vec::new(), ..Packets::of(&input, true) };
        let mut trails: HashMap<u64, Trail> = HashMap::new();
        let pipeline = Pipeline::open(&input, Limits::SCREEN).expect("a recording").keeping(kept.kept());
        let finished = pipeline.run(&mut |event| {
            match event {
                Event::Change(Change::Upsert(trail)) => _ = trails.insert(trail.id, *trail),
                Event::Change(Change::Withdraw(id)) => _ = trails.remove(&id),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        let finished = finished.expect("read");
        let topology = Arc::new(finished.topology.clone());
        let wanted = |trail: Trail| {
            let journey = Templates::embedded().place(Arc::new(trail), &finished.world());
            Wanted { journey: Arc::new(journey), topology: Arc::clone(&topology) }
        };
        let mut packets = 0;
        for trail in trails.into_values() {
            let wanted = wanted(trail);
            let [of_files, of_kept] = [&files, &kept].map(|packets| packets.fetch(&wanted).expect("read"));
            assert_eq!(of_files, of_kept);
            assert!(of_files.iter().all(|(_, captured)| captured.is_some()), "{of_files:?}");
            let is_in_order = of_files.is_sorted_by_key(|(sighting, _)| sighting.time);
            assert!(is_in_order && kept.extract(&wanted).is_ok_and(|extract| extract.missing == 0));
            packets += of_files.len();
        }
        assert!(packets > 100, "{packets}");
        let end = |port| Endpoint::new(Ip::v4([10, 0, 0, 1]), port);
        let other = wanted(sample::trail(sample::leg(end(1), end(2), Some(end(2)))));
        assert!(files.extract(&other).is_err(), "nothing is written of nothing");
    }
}
