//! Writes what is captured into files, on a thread of its own.
//!
//! Runs of whole blocks go straight to the file, so that it is readable however the program ends. Where a run does
//! not fit any more, the file is cut back to its last whole block, and writing goes on when there is room again.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::capture::CaptureError;
use crate::capture::live::feed::{Kind, Outlet, Run};
use crate::capture::live::{Clock, Tell};
use crate::model::{Notice, Timestamp};

/// Where a recording goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub path: PathBuf,
    /// When a new file is begun; one file for all if `None`.
    pub rotate: Option<Rotate>,
    /// How many files are kept when they are rotated; all if `None`.
    pub keep: Option<usize>,
}

/// How large or how long a file may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    Bytes(u64),
    /// Nanoseconds.
    After(i64),
}

/// A recording that is being written.
pub(super) struct Recorder {
    recording: Recording,
    current: Current,
    /// The section's header and every interface so far: each file begins with them.
    descriptions: Vec<Arc<Vec<u8>>>,
    /// Files that are kept, the oldest first.
    files: VecDeque<PathBuf>,
    count: u64,
    /// Bytes of the files before the current one.
    earlier: u64,
    /// Packets that were not written since the file could not be.
    missed: Option<u64>,
    written: Arc<Written>,
    /// Counts the files that are begun.
    begun: Arc<AtomicU64>,
    clock: Clock,
    tell: Tell,
}

/// How far a recording is, for others to look at.
#[derive(Debug, Default)]
pub(super) struct Written {
    bytes: AtomicU64,
    is_stuck: AtomicBool,
}

impl Written {
    /// Bytes in all of its files so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether nothing can be written at present.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed)
    }
}

struct Current {
    path: PathBuf,
    file: File,
    /// Whole blocks, in bytes.
    size: u64,
    /// How many descriptions it has.
    described: usize,
    begun: Timestamp,
}

impl Recorder {
    /// Creates the first file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn open(recording: &Recording, clock: Clock, tell: Tell) -> Result<Recorder, CaptureError> {
        let path = recording.file_name(1, clock());
        let file = if recording.is_stdout() {
            io::stdout().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::create(&path)
        };
        let file =
            file.map_err(|cause| CaptureError::NotWritten { path: path.display().to_string(), cause })?;
        Ok(Recorder::new(recording, path, file, clock, tell))
    }

    /// Writes to a file that is there already, and empty.
    pub(super) fn new(
        recording: &Recording,
        path: PathBuf,
        file: File,
        clock: Clock,
        tell: Tell,
    ) -> Recorder {
        let begun = clock();
        Recorder {
            recording: recording.clone(),
            files: VecDeque::from([path.clone()]),
            current: Current { path, file, size: 0, described: 0, begun },
            descriptions: Vec::new(),
            count: 1,
            earlier: 0,
            missed: None,
            written: Arc::default(),
            begun: Arc::default(),
            clock,
            tell,
        }
    }

    /// What the user calls it: with a ring, not the name of any of its files.
    pub(super) fn path(&self) -> PathBuf {
        self.recording.path.clone()
    }

    /// How far it is.
    pub(super) fn written(&self) -> Arc<Written> {
        Arc::clone(&self.written)
    }

    /// The file that is being written, for its owner to be changed.
    pub(super) fn file(&self) -> Option<&File> {
        (!self.recording.is_stdout()).then_some(&self.current.file)
    }

    /// Writes until there is no more to come, and counts the files that follow the first in `begun`. Where nobody reads any more, it
    /// sets `stop`.
    pub(super) fn run(mut self, mut outlet: Outlet, begun: Arc<AtomicU64>, stop: &AtomicBool) {
        self.begun = begun;
        while let Some(run) = outlet.wait() {
            let packets = run.packets;
            let taken = self.take(run);
            if self.missed.is_some() {
                outlet.waste(packets);
            }
            self.written.is_stuck.store(self.missed.is_some(), Ordering::Relaxed);
            if !taken {
                stop.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Gives whether anybody reads what is written.
    fn take(&mut self, run: Run) -> bool {
        self.rotate(run.bytes.len() as u64);
        let packets = run.packets;
        let written = if run.kind == Kind::Description {
            self.descriptions.push(run.bytes);
            self.current.describe(&self.descriptions)
        } else {
            self.current.describe(&self.descriptions).and_then(|()| self.current.append(&run.bytes))
        };
        self.written.bytes.store(self.earlier + self.current.size, Ordering::Relaxed);
        let path = || self.current.path.display().to_string();
        match (written, self.missed) {
            (Ok(()), None) => {}
            (Ok(()), Some(missed)) => {
                self.missed = None;
                (self.tell)(Notice::WritesAgain { path: path(), missed });
            }
            (Err(cause), _) if cause.kind() == io::ErrorKind::BrokenPipe => return false,
            (Err(_), Some(missed)) => self.missed = Some(missed + packets),
            (Err(cause), None) => {
                self.missed = Some(packets);
                (self.tell)(Notice::CannotWrite { path: path(), cause: cause.to_string() });
            }
        }
        true
    }

    /// Begins a new file where `more` bytes are too many for this one, or its time is over.
    fn rotate(&mut self, more: u64) {
        let now = (self.clock)();
        let current = &self.current;
        let is_due = match self.recording.rotate {
            None => false,
            Some(Rotate::Bytes(most)) => current.size > 0 && current.size + more > most,
            Some(Rotate::After(nanos)) => now.since(current.begun) >= nanos,
        };
        if !is_due {
            return;
        }
        let path = self.recording.file_name(self.count + 1, now);
        // Where there is no new one, the old file goes on, and the next run tries anew.
        let Ok(file) = File::create(&path) else { return };
        self.count += 1;
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.earlier += self.current.size;
        self.current = Current { path: path.clone(), file, size: 0, described: 0, begun: now };
        self.files.push_back(path);
        while self.recording.keep.is_some_and(|keep| self.files.len() > keep.max(1)) {
            if let Some(oldest) = self.files.pop_front() {
                // It may have been taken away by somebody else.
                let _ = fs::remove_file(oldest);
            }
        }
    }
}

impl Current {
    /// Writes the descriptions that the file does not have yet.
    fn describe(&mut self, all: &[Arc<Vec<u8>>]) -> io::Result<()> {
        while let Some(next) = all.get(self.described) {
            self.append(next)?;
            self.described += 1;
        }
        Ok(())
    }

    /// Writes whole blocks, or nothing.
    fn append(&mut self, blocks: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(blocks);
        if written.is_ok() {
            self.size += blocks.len() as u64;
        } else {
            // A pipe cannot be cut, and needs not be: nothing is written to it any more.
            let _ = self.file.set_len(self.size);
            let _ = self.file.seek(SeekFrom::Start(self.size));
        }
        written
    }
}

impl Recording {
    /// Whether it goes to standard output, as `-`.
    pub fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The directory that new files are created in, where there will be any.
    pub fn directory(&self) -> Option<&Path> {
        self.rotate?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Some(parent.unwrap_or(Path::new(".")))
    }

    /// The name of the file `number`, from 1, that is begun at `time`: as dumpcap names those of a ring,
    /// `x_00001_20261122203000.pcapng` (UTC).
    fn file_name(&self, number: u64, time: Timestamp) -> PathBuf {
        if self.rotate.is_none() {
            return self.path.clone();
        }
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let mut name = format!("{stem}_{number:05}_{}", time.compact());
        if let Some(extension) = self.path.extension() {
            name.push('.');
            name.push_str(&extension.to_string_lossy());
        }
        self.path.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SECONDS;

    #[test]
    fn dates_are_civil_ones() {
        for (seconds, expected) in [
            (0, "19700101000000"),
            (951_827_696, "20000229123456"),
            (1_795_379_400, "20261122203000"),
            (4_107_542_399, "21000228235959"),
            (4_107_542_400, "21000301000000"),
        ] {
            assert_eq!(Timestamp(seconds * SECONDS).compact(), expected);
        }
    }

    #[test]
    fn files_of_a_ring_are_named_as_dumpcap_does() {
        let recording = |rotate| Recording { path: PathBuf::from("d/k.1.pcapng"), rotate, keep: None };
        let ring = recording(Some(Rotate::Bytes(1)));
        assert_eq!(ring.file_name(12, Timestamp(0)), Path::new("d/k.1_00012_19700101000000.pcapng"));
        assert_eq!(ring.directory(), Some(Path::new("d")));
        assert_eq!(recording(None).file_name(1, Timestamp(0)), Path::new("d/k.1.pcapng"));
    }

    #[test]
    fn a_run_that_does_not_fit_leaves_whole_blocks_and_is_told_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.pcapng");
        let (told, notices) = crossbeam_channel::unbounded();
        let tell: Tell = Arc::new(move |notice| {
            let _ = told.send(notice);
        });
        let recording = Recording { path: path.clone(), rotate: None, keep: None };
        let mut recorder = Recorder::open(&recording, || Timestamp(0), tell).expect("a file");
        let run = |byte, kind| Run { bytes: Arc::new(vec![byte; 8]), packets: 2, kind };
        recorder.take(run(1, Kind::Description));
        let good = recorder.current.file.try_clone().expect("a file");
        // Nothing can be written to a file that was opened for reading.
        recorder.current.file = File::open(&path).expect("a file");
        recorder.take(run(2, Kind::Packets));
        recorder.take(run(3, Kind::Description));
        recorder.current.file = good;
        recorder.take(run(4, Kind::Packets));
        assert_eq!(fs::read(&path).expect("a file"), [[1; 8], [3; 8], [4; 8]].concat());
        let told: Vec<Notice> = notices.try_iter().collect();
        assert!(matches!(
            told.as_slice(),
            [Notice::CannotWrite { .. }, Notice::WritesAgain { missed: 4, .. }]
        ));
    }
}
