//! All recordings as one: frames of every node in the order of their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::capture::context::{Context, Origin};
use crate::capture::discover::{self, Candidate};
use crate::capture::input::Stream;
use crate::capture::live::LiveSource;
use crate::capture::source::{Head, Source};
use crate::capture::vantages::Vantages;
use crate::capture::{CaptureError, Options, SourceSpec};
use crate::model::{Ip, Names, NodeId, Record, SourceSummary, Vantage};

/// What all sources together read ahead, at most; and the bounds for one of them.
const READ_AHEAD: usize = 16 << 20;
const SMALLEST_CHUNK: usize = 16 << 10;
const LARGEST_CHUNK: usize = 256 << 10;

/// How reading stands after [`Reader::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There are more frames.
    More,
    /// Every frame that is there was given; a growing file may give more later.
    Waiting,
    /// Every frame was given.
    End,
}

/// Reads recordings of several nodes as one sequence of frames.
///
/// Call [`open`](Reader::open), then [`preview`](Reader::preview) and
/// [`set_clock_offsets`](Reader::set_clock_offsets) if wanted, then [`read`](Reader::read) until it gives
/// [`Progress::End`]. What comes out does not depend on the order in which the sources were named.
pub struct Reader {
    common: Common,
    /// Sorted by node and file name.
    sources: Vec<Source>,
    /// Indices into `sources`, in the order they were named.
    named: Vec<usize>,
    /// By [`NodeId`].
    ahead_ns: Vec<i64>,
    /// Sources that have a frame, the earliest first; the index breaks ties.
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    waiting: Vec<usize>,
    has_begun: bool,
    /// See [`Reader::latest_sources`].
    latest: Vec<u16>,
}

/// What sources share.
struct Common {
    options: Options,
    nodes: Vec<String>,
    vantages: Vantages,
    names: Names,
    addresses: Vec<(Ip, NodeId)>,
    /// By the index of their source.
    origins: Vec<Origin>,
}

impl Common {
    fn context(&mut self, index: usize) -> Context<'_> {
        let origin = &self.origins[index];
        Context {
            origin,
            options: &self.options,
            node_name: &self.nodes[usize::from(origin.node.0)],
            vantages: &mut self.vantages,
            names: &mut self.names,
            addresses: &mut self.addresses,
        }
    }
}

impl Reader {
    /// Opens every recording and reads up to its first packet.
    ///
    /// # Errors
    /// A source that does not exist, cannot be read, is named twice or is no recording. In a directory, files that
    /// turn out to be no recordings are an error only if there is no other.
    pub fn open(specs: &[SourceSpec], options: &Options) -> Result<Reader, CaptureError> {
        let candidates = discover::candidates(specs, options)?;
        let nodes = nodes(&candidates);
        refuse_unknown_nodes(options, &nodes)?;
        let origins = origins(candidates, &nodes, options);
        Reader::new(nodes, origins, options)
    }

    /// Reads live captures, which have not given a byte yet.
    ///
    /// # Errors
    /// A map of interfaces that names a node which is not there.
    pub fn follow(live: Vec<LiveSource>, options: &Options) -> Result<Reader, CaptureError> {
        let candidates: Vec<Candidate> =
            live.iter().map(|live| discover::live(&live.node, &live.display)).collect();
        let nodes = nodes(&candidates);
        refuse_unknown_nodes(options, &nodes)?;
        let mut origins = Vec::with_capacity(live.len());
        for (place, (candidate, live)) in candidates.into_iter().zip(live).enumerate() {
            origins.push(Origin {
                node: node_id(&nodes, &candidate.node),
                place: place as u16,
                candidate,
                stream: Some(Stream::new(live.bytes)),
                follow: true,
                chunk: LARGEST_CHUNK,
                lost: live.lost,
            });
        }
        origins.sort_by_key(|origin| origin.node);
        Reader::new(nodes, origins, options)
    }

    fn new(nodes: Vec<String>, origins: Vec<Origin>, options: &Options) -> Result<Reader, CaptureError> {
        let mut named: Vec<usize> = (0..origins.len()).collect();
        named.sort_by_key(|&index| origins[index].place);
        let mut reader = Reader {
            ahead_ns: vec![0; nodes.len()],
            sources: Vec::with_capacity(origins.len()),
            common: Common {
                options: options.clone(),
                nodes,
                vantages: Vantages::default(),
                names: Names::default(),
                addresses: Vec::new(),
                origins,
            },
            named,
            queue: BinaryHeap::new(),
            waiting: Vec::new(),
            has_begun: false,
            latest: Vec::new(),
        };
        reader.open_sources()?;
        Ok(reader)
    }

    /// Names of the nodes, by [`NodeId`]: sorted.
    pub fn nodes(&self) -> &[String] {
        &self.common.nodes
    }

    /// Capture points, by [`VantageId`](crate::model::VantageId). The list only grows.
    pub fn vantages(&self) -> &[Vantage] {
        self.common.vantages.all()
    }

    /// Names that the recordings give for addresses (pcapng name resolution blocks), as far as read.
    pub const fn names(&self) -> &Names {
        &self.common.names
    }

    /// Addresses of the nodes' own that the recordings tell of, as far as read. The list only grows.
    pub fn addresses(&self) -> &[(Ip, NodeId)] {
        &self.common.addresses
    }

    /// Gives the first `per_source` records of each source, one source after the other. [`read`](Reader::read) gives
    /// them again, so call this before it. Of a stream, at most the first 32 MiB are looked at.
    ///
    /// # Errors
    /// A file that can no longer be opened.
    pub fn preview(
        &mut self,
        per_source: usize,
        sink: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), CaptureError> {
        for index in 0..self.sources.len() {
            let is_gone = self.has_begun && self.common.origins[index].stream.is_some();
            if is_gone || self.sources[index].is_broken() {
                continue;
            }
            let mut context = self.common.context(index);
            let mut source = Source::open(&mut context)?;
            let mut given = 0;
            while given < per_source && matches!(source.head(&mut context), Head::At(_)) {
                given += usize::from(source.give(&mut context, sink));
            }
            let learned = source.reorder();
            self.sources[index].expect(learned);
        }
        Ok(())
    }

    /// Tells how far each node's clock is ahead of the reference, in nanoseconds, by [`NodeId`]. Frames are merged
    /// accordingly and keep their own stamps.
    pub fn set_clock_offsets(&mut self, ahead_ns: &[i64]) {
        for (offset, &told) in self.ahead_ns.iter_mut().zip(ahead_ns) {
            *offset = told;
        }
        if self.has_begun {
            let queued: Vec<usize> = self.queue.drain().map(|Reverse((_, index))| index).collect();
            for index in queued {
                self.enqueue(index);
            }
        }
    }

    /// Gives up to `limit` records, in the order of their time less the offset of their node's clock. Records of
    /// the same time come in the order of node, file and place in the file.
    ///
    /// # Errors
    /// At the end: not one packet could be read, because of damage.
    pub fn read(
        &mut self,
        limit: usize,
        sink: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Progress, CaptureError> {
        self.begin_or_wake();
        self.latest.clear();
        let mut left = limit;
        while left > 0 {
            let Some(Reverse((_, index))) = self.queue.pop() else { return self.at_rest() };
            left -= self.read_run(index, left, sink);
        }
        Ok(Progress::More)
    }

    /// Where each record of the latest [`read`](Reader::read) came from, in the order they were given: indices into
    /// [`summaries`](Reader::summaries).
    pub fn latest_sources(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.latest.iter().map(|&place| usize::from(place))
    }

    /// What came of each source so far, in the order the user named them.
    pub fn summaries(&self) -> Vec<SourceSummary> {
        self.named.iter().map(|&index| self.sources[index].summary(&self.common.origins[index])).collect()
    }

    /// Gives frames of one source, as long as no other has an earlier one.
    fn read_run(&mut self, index: usize, limit: usize, sink: &mut dyn FnMut(&Record<'_>)) -> usize {
        let bound = self.queue.peek().map(|&Reverse(next)| next);
        let ahead = self.ahead_ns[usize::from(self.common.origins[index].node.0)];
        let place = self.common.origins[index].place;
        let (source, mut context) = (&mut self.sources[index], self.common.context(index));
        let mut given = 0;
        let mut next = source.head(&mut context);
        while let Head::At(time) = next {
            let key = (time.0.saturating_sub(ahead), index);
            if given == limit || bound.is_some_and(|bound| key > bound) {
                self.queue.push(Reverse(key));
                break;
            }
            given += usize::from(source.give(&mut context, sink));
            next = source.head(&mut context);
        }
        if next == Head::Waiting {
            self.waiting.push(index);
        }
        self.latest.extend(std::iter::repeat_n(place, given));
        given
    }

    fn open_sources(&mut self) -> Result<(), CaptureError> {
        let mut first_error = None;
        for index in 0..self.common.origins.len() {
            match Source::open(&mut self.common.context(index)) {
                Ok(source) => self.sources.push(source),
                Err(error) if self.common.origins[index].candidate.is_named => return Err(error),
                Err(error) => {
                    self.sources.push(Source::broken(&error));
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if self.sources.iter().all(Source::is_broken) => Err(error),
            _ => Ok(()),
        }
    }

    fn begin_or_wake(&mut self) {
        let indices = if self.has_begun {
            std::mem::take(&mut self.waiting)
        } else {
            self.has_begun = true;
            self.common
                .origins
                .iter()
                .filter_map(|origin| origin.stream.as_ref())
                .for_each(Stream::stop_keeping);
            (0..self.sources.len()).collect()
        };
        for index in indices {
            self.sources[index].wake();
            self.enqueue(index);
        }
    }

    fn enqueue(&mut self, index: usize) {
        let ahead = self.ahead_ns[usize::from(self.common.origins[index].node.0)];
        let (source, mut context) = (&mut self.sources[index], self.common.context(index));
        match source.head(&mut context) {
            Head::At(time) => self.queue.push(Reverse((time.0.saturating_sub(ahead), index))),
            Head::Waiting => self.waiting.push(index),
            Head::End => {}
        }
    }

    fn at_rest(&self) -> Result<Progress, CaptureError> {
        if !self.waiting.is_empty() {
            return Ok(Progress::Waiting);
        }
        let summaries = self.summaries();
        if summaries.iter().any(|summary| summary.packets + summary.messages > 0) {
            return Ok(Progress::End);
        }
        match summaries.into_iter().find(|summary| summary.damaged > 0) {
            Some(SourceSummary { file, damage, .. }) => {
                Err(CaptureError::NothingRead { path: file, damage: damage.join("; ") })
            }
            None => Ok(Progress::End),
        }
    }
}

/// One node of `--ifmap` that no source has is a slip of the pen, and would silently name nothing.
fn refuse_unknown_nodes(options: &Options, nodes: &[String]) -> Result<(), CaptureError> {
    let mut told = options.ifmap.iter().filter_map(|entry| entry.node.as_ref());
    match told.find(|node| !nodes.contains(node)) {
        Some(node) => Err(CaptureError::UnknownNode { node: node.clone(), nodes: nodes.join(", ") }),
        None => Ok(()),
    }
}

/// The nodes of all sources, sorted.
fn nodes(candidates: &[Candidate]) -> Vec<String> {
    let mut nodes: Vec<String> = candidates.iter().map(|candidate| candidate.node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

fn node_id(nodes: &[String], name: &String) -> NodeId {
    NodeId(nodes.binary_search(name).unwrap_or_default() as u16)
}

/// Sorts the sources so that nothing but their place in the summaries depends on how they were named.
fn origins(candidates: Vec<Candidate>, nodes: &[String], options: &Options) -> Vec<Origin> {
    let chunk = (READ_AHEAD / candidates.len()).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
    let mut origins = Vec::with_capacity(candidates.len());
    for (place, mut candidate) in candidates.into_iter().enumerate() {
        let stream = candidate.stream.take();
        origins.push(Origin {
            node: node_id(nodes, &candidate.node),
            place: place as u16,
            candidate,
            stream,
            follow: options.follow,
            chunk,
            lost: None,
        });
    }
    origins.sort_by(|one, other| {
        (one.node, &one.candidate.display).cmp(&(other.node, &other.candidate.display))
    });
    origins
}
