//! The ways that captured bytes take: to the reader, and to a recording while there is one.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::capture::blocks::{self, Counts};
use crate::capture::live::feed::{Inlet, Kind, Run};
use crate::model::Timestamp;

/// Where a capture's threads put runs of one section. Clones are the same ways.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways(Arc<Mutex<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    to_reader: Option<Inlet>,
    to_disk: Option<ToDisk>,
    /// Every description so far: a recording that begins later begins with them.
    descriptions: Vec<Run>,
    /// As last stated.
    counts: Counts,
    /// How many files were begun.
    files: Arc<AtomicU64>,
    /// Nothing comes any more.
    is_over: bool,
}

/// Keeps ways open for whoever writes to them. That to the reader ends with the last of its clones, that to a
/// recording when there is no [`OpenToDisk`] left either.
#[derive(Clone, Debug, Default)]
pub(super) struct Open(Arc<ClosingReader>);

/// Keeps the way to recordings open.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenToDisk(Arc<ClosingDisk>);

#[derive(Debug, Default)]
struct ClosingReader(OpenToDisk);

#[derive(Debug, Default)]
struct ClosingDisk(Ways);

impl Drop for ClosingReader {
    fn drop(&mut self) {
        self.0.0.0.ends().to_reader = None;
    }
}

impl Drop for ClosingDisk {
    fn drop(&mut self) {
        let mut ends = self.0.ends();
        (ends.to_disk, ends.is_over) = (None, true);
    }
}

impl Open {
    pub(super) fn new(ways: Ways) -> Open {
        Open(Arc::new(ClosingReader(OpenToDisk(Arc::new(ClosingDisk(ways))))))
    }

    pub(super) fn to_disk(&self) -> OpenToDisk {
        self.0.0.clone()
    }
}

impl Deref for Open {
    type Target = Ways;

    fn deref(&self) -> &Ways {
        &self.0.0.0.0
    }
}

impl OpenToDisk {
    /// Sends what every recording is to have, from now on and later.
    pub(super) fn describe(&self, bytes: Vec<u8>) {
        let run = description(Arc::new(bytes));
        let mut ends = self.0.0.ends();
        if let Some(to_disk) = &ends.to_disk {
            to_disk.inlet.force(run.clone());
        }
        ends.descriptions.push(run);
    }
}

const fn description(bytes: Arc<Vec<u8>>) -> Run {
    Run { bytes, packets: 0, kind: Kind::Description }
}

/// The way to a recording, and the counts as it began.
#[derive(Debug)]
struct ToDisk {
    inlet: Inlet,
    before: Counts,
}

impl Ends {
    fn inlets(&self) -> impl Iterator<Item = &Inlet> {
        self.to_reader.iter().chain(self.to_disk.iter().map(|to_disk| &to_disk.inlet))
    }
}

impl Ways {
    /// Ways of which the first leads to a reader.
    pub(super) fn new(to_reader: Inlet) -> Ways {
        Ways(Arc::new(Mutex::new(Ends { to_reader: Some(to_reader), ..Ends::default() })))
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a run of packets, or counts them where there is no room.
    pub(super) fn offer(&self, run: &Run) {
        self.ends().inlets().for_each(|inlet| inlet.offer(run));
    }

    /// Sends what later runs refer to.
    pub(super) fn describe(&self, bytes: Vec<u8>) {
        let run = description(Arc::new(bytes));
        let mut ends = self.ends();
        for inlet in ends.inlets() {
            inlet.force(run.clone());
        }
        ends.descriptions.push(run);
    }

    /// Sends a description to the reader alone.
    pub(super) fn tell_reader(&self, bytes: Vec<u8>) {
        if let Some(inlet) = &self.ends().to_reader {
            inlet.force(description(Arc::new(bytes)));
        }
    }

    /// States the counts of the section's first interface up to `end`: to the reader those of the whole capture, to
    /// a recording its own, with what it could not take.
    pub(super) fn count(&self, end: Timestamp, counts: Counts) {
        let run = |counts| {
            let mut bytes = Vec::new();
            blocks::statistics(&mut bytes, 0, end, counts);
            Run { bytes: Arc::new(bytes), packets: 0, kind: Kind::Packets }
        };
        let mut ends = self.ends();
        ends.counts = counts;
        if let Some(inlet) = &ends.to_reader {
            inlet.offer(&run(counts));
        }
        if let Some(ToDisk { inlet, before }) = &ends.to_disk {
            let lost = inlet.lost();
            inlet.offer(&run(counts.since(*before).and_dropped(lost.count() + lost.unused())));
        }
    }

    /// How many files were begun so far; a recording counts those that follow its first.
    pub(super) fn files(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.ends().files)
    }

    /// Goes over to another recording, or to none.
    pub(super) fn record(&self, recording: Option<Inlet>) {
        let mut ends = self.ends();
        if ends.is_over {
            return;
        }
        ends.to_disk = recording.map(|inlet| ToDisk { inlet, before: ends.counts });
        if let Some(to_disk) = &ends.to_disk {
            ends.files.fetch_add(1, Ordering::Relaxed);
            for description in &ends.descriptions {
                to_disk.inlet.force(description.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::live::feed::{Outlet, feed};

    fn packets(byte: u8) -> Run {
        Run { bytes: Arc::new(vec![byte; 4]), packets: 1, kind: Kind::Packets }
    }

    fn taken(outlet: &mut Outlet) -> Vec<u8> {
        std::iter::from_fn(|| outlet.wait()).flat_map(|run| run.bytes.to_vec()).collect()
    }

    #[test]
    fn a_recording_that_begins_later_has_every_description_and_its_own_counts() {
        let (inlet, mut reader) = feed(1 << 20);
        let ways = Ways::new(inlet);
        ways.describe(vec![1; 4]);
        ways.offer(&packets(2));
        let counts = Counts { received: 9, dropped_by_interface: 1, dropped_by_system: 5 };
        ways.count(Timestamp(7), counts);
        // It has no room for the second run of packets.
        let (inlet, mut disk) = feed(10);
        ways.record(Some(inlet));
        ways.offer(&packets(3));
        ways.offer(&packets(4));
        ways.offer(&packets(5));
        let (inlet, mut second) = feed(1 << 20);
        let more = Counts { received: 12, dropped_by_system: 6, ..counts };
        ways.record(Some(inlet));
        ways.count(Timestamp(8), more);
        // As long as anybody may write they are open.
        let open = Open::new(ways.clone());
        drop(open.clone());
        open.offer(&packets(6));
        let to_disk = open.to_disk();
        drop(open);
        ways.offer(&packets(7));
        to_disk.describe(vec![8; 4]);
        drop(to_disk);
        ways.offer(&packets(9));
        let (inlet, mut late) = feed(1 << 20);
        ways.record(Some(inlet));
        assert!(taken(&mut late).is_empty(), "nothing comes any more");
        assert_eq!(taken(&mut disk), [[1; 4], [3; 4]].concat());
        let mut expected = vec![1; 4];
        blocks::statistics(
            &mut expected,
            0,
            Timestamp(8),
            Counts { received: 3, dropped_by_interface: 0, dropped_by_system: 1 },
        );
        expected.extend([[6; 4], [7; 4], [8; 4]].concat());
        assert_eq!(taken(&mut second), expected);
        let all = taken(&mut reader);
        assert!(all.starts_with(&[[1; 4], [2; 4]].concat()) && all.ends_with(&[6; 4]));
    }
}
