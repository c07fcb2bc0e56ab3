//! One recording: its records in time order, each made a frame when its turn comes.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use hashbrown::HashMap;

use crate::capture::CaptureError;
use crate::capture::context::{Context, Origin};
use crate::capture::discover::Candidate;
use crate::capture::format::{Detected, Format, Found, Record, Step};
use crate::capture::input::{Fill, Input};
use crate::capture::link::{self, LinkType};
use crate::capture::pcapng::Pcapng;
use crate::capture::tally::{Damage, Tally};
use crate::model::{
    Direction, Frame, InterfaceSummary, Losses, Messages, Record as Given, SourceSummary, Stored, Timestamp,
    VantageId,
};

/// Interfaces that are captured together are written in turns, so stamps step back. Where a file does it over
/// more records than are held back, more are held back from then on, to a limit.
const REORDER: Reorder = Reorder { records: 512, bytes: 2 << 20 };
const WIDEST: Reorder = Reorder { records: 1 << 14, bytes: 32 << 20 };
/// Records are read in runs of this many.
const RUN: usize = 256;
/// Why an interface's packets are not followed where only one node's can be.
const ANOTHER_NODE: &str = "another node's, which a stream does not show; write it to a file first";

/// How much is held back, to put late records in their place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reorder {
    records: usize,
    /// Of the file, so that memory is bounded whatever the records' size.
    bytes: u64,
}

impl Reorder {
    fn wider(self) -> Reorder {
        Reorder { records: (self.records * 2).min(WIDEST.records), bytes: (self.bytes * 2).min(WIDEST.bytes) }
    }
}

/// What a source has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A frame of this time.
    At(Timestamp),
    Waiting,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// At the end of a file that may grow.
    Waiting,
    /// The stream ended, and another one begins when all records of this one are given.
    Restart,
    /// No more bytes.
    End,
}

/// A recording that is being read.
pub(super) struct Source {
    input: Input,
    /// Unknown while a growing file is too short to tell.
    format: Option<Format>,
    /// Where the next record begins.
    position: u64,
    /// Where bytes began to make no sense, while no record was found after them.
    lost_at: Option<u64>,
    state: State,
    reorder: Reorder,
    /// The latest time given.
    given: Timestamp,
    /// Records read and not yet given, by time.
    held: VecDeque<Record>,
    /// Read on when no more records than this are held.
    refill_at: usize,
    /// By the format's interface index.
    interfaces: Vec<InterfaceUse>,
    /// By the kernel's interface index, for LINUX_SLL2.
    devices: Devices,
    /// What came of each capture point, by its number.
    seen: Vec<Option<InterfaceSummary>>,
    /// By streams that are over.
    lost_before: Option<Losses>,
    tally: Tally,
}

type Devices = HashMap<u32, VantageId, foldhash::fast::FixedState>;

struct InterfaceUse {
    link: LinkType,
    /// `None` where each packet names its device.
    vantage: Option<VantageId>,
    /// Why its records cannot be followed.
    refusal: Option<String>,
    /// It is another node's, for which the file is read once more.
    is_foreign: bool,
}

impl Source {
    /// Opens a recording and reads up to its first packet.
    pub(super) fn open(context: &mut Context<'_>) -> Result<Source, CaptureError> {
        let origin = context.origin;
        let mut source = Source::new(origin.open().map_err(|cause| origin.error(cause))?);
        source.detect(context)?;
        source.read_on(1, context);
        Ok(source)
    }

    /// A source that gives nothing but the reason why.
    pub(super) fn broken(reason: &CaptureError) -> Source {
        let mut source = Source::new(Input::default());
        source.state = State::End;
        source.tally.damage(Damage::Failed(reason.to_string()), 0, 0);
        source
    }

    fn new(input: Input) -> Source {
        Source {
            input,
            format: None,
            position: 0,
            lost_at: None,
            state: State::Reading,
            held: VecDeque::new(),
            reorder: REORDER,
            given: Timestamp(i64::MIN),
            refill_at: REORDER.records,
            interfaces: Vec::new(),
            devices: Devices::default(),
            seen: Vec::new(),
            lost_before: None,
            tally: Tally::default(),
        }
    }

    /// What comes next.
    #[inline]
    pub(super) fn head(&mut self, context: &mut Context<'_>) -> Head {
        if self.state == State::Restart && self.held.is_empty() {
            self.restart(context);
        }
        if self.held.len() <= self.refill_at && self.state == State::Reading {
            self.read_on(self.reorder.records + RUN, context);
            self.refill_at = self.reorder.records.min(self.held.len() * 2 / 3);
        }
        match (self.held.front(), self.state) {
            (Some(record), _) => Head::At(record.time),
            (None, State::Waiting | State::Restart) => Head::Waiting,
            (None, _) => Head::End,
        }
    }

    /// Begins with the stream that follows. Capture points and counts stay.
    fn restart(&mut self, context: &mut Context<'_>) {
        self.lost_before = self.lost();
        for summary in self.interface_summaries(self.pcapng()) {
            *self.seen_at(summary.vantage) = summary;
        }
        self.format = None;
        self.position = 0;
        self.lost_at = None;
        self.interfaces.clear();
        self.state = State::Reading;
        match context.origin.open() {
            Ok(input) => self.input = input,
            Err(cause) => self.stop(&cause),
        }
    }

    /// How far apart this file's records were found to be out of order so far.
    pub(super) fn reorder(&self) -> Reorder {
        self.reorder
    }

    /// Holds at least as many records back as `learned`, from an earlier look at the file.
    pub(super) fn expect(&mut self, learned: Reorder) {
        self.reorder = Reorder {
            records: self.reorder.records.max(learned.records),
            bytes: self.reorder.bytes.max(learned.bytes),
        };
    }

    /// Looks whether the file has grown.
    pub(super) fn wake(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Reading;
        }
    }

    /// Gives the next record to `sink`; `false` if it was counted instead.
    #[inline]
    pub(super) fn give(&mut self, context: &mut Context<'_>, sink: &mut dyn FnMut(&Given<'_>)) -> bool {
        let Some(record) = self.held.pop_front() else { return false };
        self.given = self.given.max(record.time);
        let Some(interface) = self.interfaces.get(record.interface as usize) else { return false };
        let stored = self.input.slice(record.offset, record.cap_len as usize);
        let (bytes, block) = stored.map_or((&[][..], None), |(bytes, block)| (bytes, Some(block)));
        let header = link::header(interface.link, bytes);
        if interface.link == LinkType::Netlink {
            self.tally.messages += 1;
            let data = bytes.get(header.len..).unwrap_or_default();
            let (time, node) = (record.time, context.origin.node);
            sink(&Given::Messages(Messages { time, node, family: header.ether_type, data }));
            return true;
        }
        let vantage = match header.device {
            _ if interface.vantage.is_some() => interface.vantage,
            Some((index, arphrd)) => self.devices.get(&index).copied().or_else(|| {
                let new = context.device(index, arphrd);
                self.devices.extend(new.map(|vantage| (index, vantage)));
                new
            }),
            None if interface.link == LinkType::Sll2 => {
                self.tally.not_followed("the link header is cut short");
                return false;
            }
            None => interface.vantage,
        };
        let Some(vantage) = vantage else {
            self.tally.damage(Damage::TooManyInterfaces, record.offset, u64::from(record.cap_len));
            return false;
        };
        let data = bytes.get(header.len..).unwrap_or_default();
        let direction = match header.direction {
            Direction::Unknown => record.direction,
            told => told,
        };
        let wire_len = record.wire_len.saturating_sub(header.len as u32).max(data.len() as u32);
        sink(&Given::Frame(Frame {
            time: record.time,
            vantage,
            direction,
            src_mac: header.src_mac,
            dst_mac: header.dst_mac,
            ether_type: header.ether_type,
            wire_len,
            data,
            stored: Stored {
                link: interface.link.number(),
                wire_len: record.wire_len.max(bytes.len() as u32),
                bytes,
            },
            block,
        }));
        self.count(vantage, record.time, wire_len);
        self.tally.packets += 1;
        true
    }

    /// Counts a packet for the interfaces' own figures.
    #[inline]
    fn count(&mut self, vantage: VantageId, time: Timestamp, bytes: u32) {
        let seen = self.seen_at(vantage);
        seen.packets += 1;
        seen.bytes += u64::from(bytes);
        let (first, last) = seen.span.unwrap_or((time, time));
        seen.span = Some((first.min(time), last.max(time)));
    }

    #[inline]
    fn seen_at(&mut self, vantage: VantageId) -> &mut InterfaceSummary {
        let place = usize::from(vantage.0);
        if place >= self.seen.len() {
            self.seen.resize(place + 1, None);
        }
        self.seen[place].get_or_insert_with(|| InterfaceSummary::new(vantage))
    }

    /// What this stream and those before it say that their captures lost.
    fn lost(&self) -> Option<Losses> {
        let told = self.pcapng().and_then(Pcapng::lost);
        self.lost_before.into_iter().chain(told).reduce(Losses::plus)
    }

    fn pcapng(&self) -> Option<&Pcapng> {
        match &self.format {
            Some(Format::Pcapng(pcapng)) => Some(pcapng),
            _ => None,
        }
    }

    /// Whether it could not even be opened.
    pub(super) fn is_broken(&self) -> bool {
        self.format.is_none() && self.state == State::End
    }

    pub(super) fn summary(&self, origin: &Origin) -> SourceSummary {
        let reasons = self.tally.reasons();
        let pcapng = self.pcapng();
        let lost = origin.lost_with(self.lost());
        SourceSummary {
            node: Some(origin.node),
            file: origin.candidate.display.clone(),
            interfaces: self.interface_summaries(pcapng),
            packets: self.tally.packets,
            messages: self.tally.messages,
            messages_lost: pcapng.and_then(Pcapng::messages_lost),
            not_understood: reasons.iter().map(|(_, count)| count).sum(),
            reasons,
            damaged: self.tally.damaged(),
            damage: self.tally.sentences(self.input.is_packed()),
            dropped: lost.map(Losses::total),
            losses: lost.unwrap_or_default(),
            ended: pcapng.and_then(Pcapng::ended),
        }
    }

    fn interface_summaries(&self, pcapng: Option<&Pcapng>) -> Vec<InterfaceSummary> {
        let mut by_vantage: BTreeMap<VantageId, InterfaceSummary> =
            self.seen.iter().flatten().map(|&seen| (seen.vantage, seen)).collect();
        let devices = self.devices.values().map(|&vantage| (vantage, None));
        let described = self.interfaces.iter().enumerate();
        let described = described.filter_map(|(index, used)| Some((used.vantage?, Some(index))));
        for (vantage, index) in devices.chain(described) {
            let summary = by_vantage.entry(vantage).or_insert_with(|| InterfaceSummary::new(vantage));
            if let (Some(index), Some(pcapng)) = (index, pcapng) {
                let told = pcapng.statistics(index);
                let lost = told.lost().map(Losses::total);
                summary.dropped = summary.dropped.into_iter().chain(lost).reduce(u64::saturating_add);
                summary.born = told.born.or(summary.born);
                summary.gone = told.gone;
            }
        }
        by_vantage.into_values().collect()
    }

    fn detect(&mut self, context: &mut Context<'_>) -> Result<(), CaptureError> {
        let origin = context.origin;
        let not_a_capture =
            |found| CaptureError::NotACapture { path: origin.candidate.display.clone(), found };
        loop {
            match Format::detect(self.input.from(0)) {
                Detected::Format(format, header) => {
                    self.format = Some(format);
                    self.position = header as u64;
                    self.describe(context);
                    return Ok(());
                }
                Detected::Other(found) => return Err(not_a_capture(found)),
                Detected::Need => match self.input.fill(0, 0) {
                    Fill::More => {}
                    Fill::Waiting => {
                        self.state = State::Waiting;
                        return Ok(());
                    }
                    Fill::Restart => {
                        self.state = State::Restart;
                        return Ok(());
                    }
                    Fill::End if self.input.from(0).is_empty() => return Err(not_a_capture("is empty")),
                    Fill::End => return Err(not_a_capture("ends within its first header")),
                    Fill::Failed(cause) => return Err(origin.error(cause)),
                },
            }
        }
    }

    /// Reads until `target` records are held, or as far as it goes.
    fn read_on(&mut self, target: usize, context: &mut Context<'_>) {
        if self.format.is_none()
            && let Err(error) = self.detect(context)
        {
            self.tally.damage(Damage::Failed(error.to_string()), 0, 0);
            self.state = State::End;
        }
        let mut oldest = self.held.iter().map(|record| record.offset).min();
        while self.held.len() < target && self.state == State::Reading {
            let keep = oldest.unwrap_or(self.position);
            if self.position - keep > self.reorder.bytes {
                return;
            }
            if self.lost_at.is_some() {
                self.search(keep, Damage::Nonsense);
                continue;
            }
            let Some(format) = &mut self.format else { return };
            match format.step(self.input.from(self.position)) {
                Step::Packet { mut record, len } => {
                    record.offset += self.position;
                    self.position += len as u64;
                    oldest.get_or_insert(record.offset);
                    self.hold(record);
                }
                Step::Described { len } => {
                    self.position += len as u64;
                    self.describe(context);
                }
                Step::Skip { len } => self.position += len as u64,
                Step::Unusable { damage, len } => {
                    self.tally.damage(damage, self.position, len as u64);
                    self.position += len as u64;
                }
                Step::Need => self.fill(keep),
                Step::Nonsense => {
                    self.lost_at = Some(self.position);
                    self.position += 1;
                }
            }
        }
    }

    /// Puts a record in its place by time. Most come in order.
    #[inline]
    fn hold(&mut self, record: Record) {
        match self.interfaces.get(record.interface as usize) {
            Some(interface) if interface.is_foreign => return,
            Some(InterfaceUse { refusal: Some(refusal), .. }) => return self.tally.not_followed(refusal),
            _ => {}
        }
        match self.held.back() {
            Some(latest) if latest.time > record.time => {
                if record.time < self.given {
                    self.reorder = self.reorder.wider();
                }
                let place = self.held.partition_point(|held| held.time <= record.time);
                self.held.insert(place, record);
            }
            _ => self.held.push_back(record),
        }
    }

    /// Reads more bytes. At the end of the file it settles what the last ones are.
    fn fill(&mut self, keep: u64) {
        match self.input.fill(self.position, keep) {
            Fill::More => {}
            Fill::Waiting => self.state = State::Waiting,
            Fill::End if self.input.from(self.position).is_empty() => self.state = State::End,
            Fill::End => {
                // Either the last record is cut, or its length is wrong and good ones follow.
                self.lost_at = Some(self.position);
                self.position += 1;
                self.search(keep, Damage::Cut);
            }
            Fill::Restart => self.cut_off(self.position),
            Fill::Failed(cause) => self.stop(&cause),
        }
    }

    /// The stream ended; what lies from `from` on is no whole record.
    fn cut_off(&mut self, from: u64) {
        let rest = self.input.from(from).len() as u64;
        if rest > 0 {
            self.tally.damage(Damage::Cut, from, rest);
        }
        self.lost_at = None;
        self.state = State::Restart;
    }

    /// Looks for the place where records go on. `otherwise` is what it was if there is none.
    fn search(&mut self, keep: u64, otherwise: Damage) {
        let (Some(lost_at), Some(format)) = (self.lost_at, &self.format) else { return };
        let rest = self.input.from(self.position);
        match format.find(rest, self.input.is_at_end()) {
            Found::At(skip) => {
                self.position += skip as u64;
                self.lost_at = None;
                self.tally.damage(Damage::Nonsense, lost_at, self.position - lost_at);
            }
            Found::NotBefore(_) if self.input.is_at_end() => {
                let end = self.position + rest.len() as u64;
                self.lost_at = None;
                self.position = end;
                self.state = State::End;
                self.tally.damage(otherwise, lost_at, end - lost_at);
            }
            Found::NotBefore(skip) => {
                self.position += skip as u64;
                match self.input.fill(self.position, keep.min(self.position)) {
                    Fill::More | Fill::End => {}
                    Fill::Waiting => self.state = State::Waiting,
                    Fill::Restart => self.cut_off(lost_at),
                    Fill::Failed(cause) => {
                        self.tally.damage(otherwise, lost_at, self.position - lost_at);
                        self.stop(&cause);
                    }
                }
            }
        }
    }

    /// No more can be read or unpacked.
    fn stop(&mut self, cause: &io::Error) {
        let cause = match cause.kind() {
            io::ErrorKind::UnexpectedEof => "the packed data is cut short".to_owned(),
            _ => cause.to_string(),
        };
        self.tally.damage(Damage::Failed(cause), self.position, 0);
        self.state = State::End;
    }

    /// Takes over what the format has newly described.
    fn describe(&mut self, context: &mut Context<'_>) {
        let Some(format) = &mut self.format else { return };
        let candidate = &context.origin.candidate;
        for interface in &format.interfaces()[self.interfaces.len()..] {
            let Candidate { nodes, .. } = candidate;
            let is_foreign = !candidate.has(interface.told.node.as_deref());
            let refusal = match interface.link {
                LinkType::Unsupported(number) => Some(format!("link type {number}, which is not followed")),
                _ if is_foreign && nodes.len() == 1 => Some(ANOTHER_NODE.to_owned()),
                _ => None,
            };
            let vantage = match interface.link {
                LinkType::Netlink | LinkType::Unsupported(_) => None,
                _ if is_foreign => None,
                LinkType::Sll2 if interface.name.as_deref().is_none_or(|name| name == "any") => None,
                _ => context.interface(interface),
            };
            self.interfaces.push(InterfaceUse {
                link: interface.link,
                vantage,
                refusal,
                is_foreign: is_foreign && nodes.len() > 1,
            });
        }
        if let Format::Pcapng(pcapng) = format {
            context.keep_names(&pcapng.take_names());
        }
    }
}
