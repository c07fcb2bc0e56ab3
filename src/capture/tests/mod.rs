//! The room through its door: files in, frames out.

mod damage;
mod formats;
mod live;
mod merging;
mod naming;
mod streams;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::capture::{CaptureError, Options, Progress, Reader, SourcePath, SourceSpec};
use crate::model::{Direction, Record};

/// What tests look at of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    time: i64,
    node: String,
    interface: String,
    direction: Direction,
    ether_type: u16,
    /// The packet's last byte: which one it is.
    mark: u8,
    len: usize,
    wire_len: u32,
}

/// Files of a directory that goes with the test.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a directory for the test"))
    }

    fn with(name: &str, bytes: &[u8]) -> Files {
        let files = Files::new();
        files.add(name, bytes);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }

    /// Specs as the user gives them: `file` or `NODE=file`.
    fn specs(&self, names: &[&str]) -> Vec<SourceSpec> {
        let spec = |name: &&str| match name.split_once('=') {
            Some((node, name)) => {
                SourceSpec { node: Some(node.to_owned()), path: SourcePath::File(self.path(name)) }
            }
            None => SourceSpec { node: None, path: SourcePath::File(self.path(name)) },
        };
        names.iter().map(spec).collect()
    }

    fn open(&self, names: &[&str]) -> Result<Reader, CaptureError> {
        Reader::open(&self.specs(names), &Options::default())
    }

    /// Reads everything with default options.
    fn read(&self, names: &[&str]) -> (Vec<Seen>, Reader) {
        let mut reader = self.open(names).expect("readable files");
        (rest(&mut reader), reader)
    }
}

/// Everything the reader still gives.
fn rest(reader: &mut Reader) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let (seen, progress) = some(reader, 7);
        all.extend(seen);
        if progress != Progress::More {
            return all;
        }
    }
}

/// Up to `limit` frames.
fn some(reader: &mut Reader, limit: usize) -> (Vec<Seen>, Progress) {
    let mut raw = Vec::new();
    let progress = reader.read(limit, &mut |record| raw.push(Raw::of(record))).expect("packets");
    (raw.into_iter().map(|raw| raw.resolve(reader)).collect(), progress)
}

/// The first frames of each source.
fn preview(reader: &mut Reader, per_source: usize) -> Vec<Seen> {
    let mut raw = Vec::new();
    reader.preview(per_source, &mut |record| raw.push(Raw::of(record))).expect("a preview");
    raw.into_iter().map(|raw| raw.resolve(reader)).collect()
}

/// A frame before its vantage is looked up.
struct Raw {
    vantage: usize,
    seen: Seen,
}

impl Raw {
    fn of(record: &Record<'_>) -> Raw {
        let Record::Frame(frame) = record else { panic!("{record:?}") };
        assert!(frame.wire_len as usize >= frame.data.len());
        let seen = Seen {
            time: frame.time.0,
            node: String::new(),
            interface: String::new(),
            direction: frame.direction,
            ether_type: frame.ether_type,
            mark: frame.data.last().copied().unwrap_or_default(),
            len: frame.data.len(),
            wire_len: frame.wire_len,
        };
        Raw { vantage: usize::from(frame.vantage.0), seen }
    }

    fn resolve(self, reader: &Reader) -> Seen {
        let vantage = &reader.vantages()[self.vantage];
        let node = reader.nodes()[usize::from(vantage.node.0)].clone();
        Seen { node, interface: vantage.interface.clone(), ..self.seen }
    }
}

fn marks(seen: &[Seen]) -> Vec<u8> {
    seen.iter().map(|seen| seen.mark).collect()
}
