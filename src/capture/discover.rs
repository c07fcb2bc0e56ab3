//! Which files are to be read, and which node each is from.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::capture::format::{Detected, Format, Step};
use crate::capture::input::{Fill, Input, Stream};
use crate::capture::naming::{FileName, looks_like_capture, printable};
use crate::capture::{CaptureError, Options, SourcePath, SourceSpec};

/// Each open recording takes a file descriptor, of which a process has 1,024 by default.
const MOST_SOURCES: usize = 900;
const SNIFF: usize = 4096;
/// Nodes that one file is read for: it is read once for each.
const MOST_NODES: usize = 64;

/// A recording to be opened.
pub(super) struct Candidate {
    pub(super) node: String,
    pub(super) path: SourcePath,
    /// As the user named it.
    pub(super) display: String,
    /// From the file's name.
    pub(super) interface: Option<String>,
    pub(super) stem: String,
    /// What cannot be read twice, and was opened to look at its beginning.
    pub(super) stream: Option<Stream>,
    /// Named by the user, rather than found in a directory.
    pub(super) is_named: bool,
    /// The nodes that the recording says it is from, unless the user says another: there is a candidate for each of
    /// them. Of a stream, which is read only once, the first.
    pub(super) nodes: Vec<String>,
}

impl Candidate {
    /// Whether an interface that says it is `told` node's is this candidate's. One that says nothing is the first's.
    pub(super) fn has(&self, told: Option<&str>) -> bool {
        match (self.nodes.first(), told) {
            (None, _) => true,
            (Some(_), Some(told)) => told == self.node,
            (Some(first), None) => *first == self.node,
        }
    }

    /// One for each of its nodes.
    fn split(self) -> Vec<Candidate> {
        if self.nodes.len() < 2 {
            return vec![self];
        }
        let of = |node: &String| Candidate {
            node: node.clone(),
            path: self.path.clone(),
            display: self.display.clone(),
            interface: None,
            stem: self.stem.clone(),
            stream: None,
            is_named: self.is_named,
            nodes: self.nodes.clone(),
        };
        self.nodes.iter().map(of).collect()
    }
}

/// The recordings that `specs` name, in that order; a directory's are sorted by name.
pub(super) fn candidates(specs: &[SourceSpec], options: &Options) -> Result<Vec<Candidate>, CaptureError> {
    if specs.iter().filter(|spec| matches!(spec.path, SourcePath::Stdin)).count() > 1 {
        return Err(CaptureError::Twice { path: "-".to_owned() });
    }
    let mut found = Vec::new();
    for spec in specs {
        match &spec.path {
            SourcePath::Stdin => found.push(stdin(spec)),
            SourcePath::Bundled { name, .. } => found.push(bundled(spec, name, options)),
            SourcePath::File(path) => {
                let metadata = metadata(path)?;
                if metadata.is_dir() {
                    found.extend(in_directory(spec, path, options)?);
                } else {
                    found.push(file(spec, path, &metadata, true, options)?);
                }
            }
        }
    }
    if found.is_empty() {
        return Err(CaptureError::NoSource);
    }
    if found.len() > MOST_SOURCES {
        return Err(CaptureError::TooMany { count: found.len(), most: MOST_SOURCES });
    }
    refuse_repeats(&found)?;
    Ok(found.into_iter().flat_map(Candidate::split).collect())
}

fn stdin(spec: &SourceSpec) -> Candidate {
    let stream = Stream::new(io::stdin());
    let nodes = match spec.node {
        Some(_) => Vec::new(),
        // One that is still being made may have no packet for long.
        None => Input::new(stream.reader(), SNIFF).map_or(Vec::new(), |input| told_nodes(input, 1)),
    };
    let named = spec.node.as_deref().map(printable);
    Candidate {
        node: named.or_else(|| nodes.first().cloned()).unwrap_or_else(|| "stdin".to_owned()),
        path: SourcePath::Stdin,
        display: "-".to_owned(),
        interface: None,
        stem: "-".to_owned(),
        stream: Some(stream),
        is_named: true,
        nodes,
    }
}

/// A capture that is under way.
pub(super) fn live(node: &str, display: &str) -> Candidate {
    Candidate {
        node: printable(node),
        path: SourcePath::Stdin,
        display: printable(display),
        interface: None,
        stem: display.to_owned(),
        stream: None,
        is_named: true,
        nodes: Vec::new(),
    }
}

fn bundled(spec: &SourceSpec, name: &str, options: &Options) -> Candidate {
    let file = FileName::of(Path::new(name), options);
    Candidate {
        node: spec.node.as_deref().map_or(file.node, printable),
        path: spec.path.clone(),
        display: printable(name),
        interface: file.interface,
        stem: file.stem,
        stream: None,
        is_named: true,
        nodes: Vec::new(),
    }
}

fn file(
    spec: &SourceSpec,
    path: &Path,
    metadata: &Metadata,
    is_named: bool,
    options: &Options,
) -> Result<Candidate, CaptureError> {
    let name = FileName::of(path, options);
    let stream = if metadata.is_file() {
        None
    } else {
        Some(Stream::new(File::open(path).map_err(|cause| unreadable(path, cause))?))
    };
    let told = match (&spec.node, &stream) {
        (Some(node), _) => vec![printable(node)],
        (None, Some(stream)) => {
            Input::new(stream.reader(), SNIFF).map_or(Vec::new(), |input| told_nodes(input, 1))
        }
        (None, None) => {
            Input::open_file(path, false, SNIFF).map_or(Vec::new(), |input| told_nodes(input, MOST_NODES))
        }
    };
    Ok(Candidate {
        node: told.first().cloned().unwrap_or(name.node),
        nodes: if spec.node.is_some() { Vec::new() } else { told },
        path: SourcePath::File(path.to_owned()),
        display: display(path),
        interface: name.interface,
        stem: name.stem,
        stream,
        is_named,
    })
}

fn in_directory(
    spec: &SourceSpec,
    directory: &Path,
    options: &Options,
) -> Result<Vec<Candidate>, CaptureError> {
    let entries: io::Result<Vec<PathBuf>> =
        fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths = entries.map_err(|cause| unreadable(directory, cause))?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_file() && (looks_like_capture(&path) || begins_like_capture(&path)) {
            found.push(file(spec, &path, &metadata, false, options)?);
        }
    }
    if found.is_empty() {
        return Err(CaptureError::EmptyDirectory { path: display(directory) });
    }
    Ok(found)
}

fn begins_like_capture(path: &Path) -> bool {
    let Ok(mut input) = Input::open_file(path, false, SNIFF) else { return false };
    loop {
        match Format::detect(input.from(0)) {
            Detected::Format(..) => return true,
            Detected::Other(_) => return false,
            Detected::Need if !matches!(input.fill(0, 0), Fill::More) => return false,
            Detected::Need => {}
        }
    }
}

/// The nodes that a recording says it is from before its first packet, `most` at most.
fn told_nodes(mut input: Input, most: usize) -> Vec<String> {
    let mut nodes = Vec::new();
    let (mut format, mut position) = loop {
        match Format::detect(input.from(0)) {
            Detected::Format(format, header) => break (format, header as u64),
            Detected::Need if matches!(input.fill(0, 0), Fill::More) => {}
            Detected::Need | Detected::Other(_) => return nodes,
        }
    };
    while nodes.len() < most {
        match format.step(input.from(position)) {
            Step::Described { len } | Step::Skip { len } => position += len as u64,
            Step::Need if matches!(input.fill(position, position), Fill::More) => continue,
            _ => break,
        }
        let told = format.interfaces().last().and_then(|interface| interface.told.node.as_ref());
        nodes.extend(told.filter(|node| !nodes.contains(node)).cloned());
    }
    nodes
}

fn refuse_repeats(found: &[Candidate]) -> Result<(), CaptureError> {
    let mut seen = BTreeSet::new();
    for candidate in found {
        let identity = match &candidate.path {
            SourcePath::Bundled { .. } => continue,
            SourcePath::Stdin => None,
            SourcePath::File(path) => {
                let metadata = metadata(path)?;
                Some((metadata.dev(), metadata.ino()))
            }
        };
        if !seen.insert(identity) {
            return Err(CaptureError::Twice { path: candidate.display.clone() });
        }
    }
    Ok(())
}

fn metadata(path: &Path) -> Result<Metadata, CaptureError> {
    fs::metadata(path).map_err(|cause| unreadable(path, cause))
}

/// The error for a file that cannot be opened.
pub(super) fn unreadable(path: &Path, cause: io::Error) -> CaptureError {
    let path = display(path);
    match cause.kind() {
        io::ErrorKind::NotFound => CaptureError::Missing { path },
        _ => CaptureError::Unreadable { path, cause },
    }
}

fn display(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
