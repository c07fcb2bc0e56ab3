//! This node's interfaces: one libpcap handle on `any`, whose packets become pcapng blocks.
//!
//! The thread only moves bytes. It parses nothing but the link header's interface index and direction.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture, Linktype, Precision};

use crate::capture::CaptureError;
use crate::capture::blocks::{self, Counts, Description, Stored};
use crate::capture::link::{self, LinkType};
use crate::capture::live::choice::Choice;
use crate::capture::live::feed::{Inlet, Kind, Run};
use crate::capture::live::links::{Event, Links};
use crate::capture::live::{Clock, Notice, Settings, Tell};
use crate::model::{MILLIS, Role, SECONDS, Timestamp};

/// The kernel hands packets over after this time at the latest, in milliseconds.
const BLOCK_TIMEOUT: i32 = 10;
/// The thread looks after this time whether it is to end.
const PATIENCE: u16 = 100;
/// Packets taken at once.
const DISPATCH: usize = 4096;
/// Bytes of a run that is handed on even while more packets come.
const FULL: usize = 256 << 10;
/// How long after its stamp a packet is here at the latest, unless it was dropped.
const UNDERWAY: i64 = 100 * MILLIS;
/// Between two statements of counts: while packets come and deadlines run, and while nothing happens.
const BUSY: i64 = 200 * MILLIS;
const QUIET: i64 = 2 * SECONDS;
/// How long after the last packet it is busy.
const AFTERMATH: i64 = 5 * SECONDS;
/// How long an interface may have a name that is not wanted before the kernel leaves its packets out: some are
/// created under another name.
const NAMING: i64 = 2 * SECONDS;
/// Runs kept to be filled anew.
const SPARE: usize = 16;

/// What becomes of an interface's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// Under this number in the section.
    Wanted(u32),
    Unwanted,
}

/// A capture of this node that was opened and not yet begun.
pub(super) struct Local {
    handle: Capture<Active>,
    links: Links,
    choice: Choice,
    writing: Writing,
    ports: HashMap<u32, Port>,
    /// When the filter is to be made anew.
    refilter_at: Option<Timestamp>,
    program: String,
    clock: Clock,
    tell: Tell,
    counted_at: Timestamp,
    packet_at: Timestamp,
}

/// The section that is being written.
struct Writing {
    node: String,
    snaplen: u32,
    filling: Vec<u8>,
    packets: u64,
    /// The number of each interface by its name, so that one that comes again keeps it.
    numbers: HashMap<String, u32>,
    spare: Vec<Arc<Vec<u8>>>,
    inlets: Vec<Inlet>,
}

impl Local {
    /// Opens everything that needs rights.
    ///
    /// # Errors
    /// When the rights are missing, libpcap is too old, or the user's filter is none.
    pub(super) fn open(settings: &Settings, clock: Clock, tell: Tell) -> Result<Local, CaptureError> {
        let links = Links::open().map_err(CaptureError::Links)?;
        let choice = Choice {
            globs: settings.globs.clone(),
            options: settings.options.clone(),
            filter: settings.filter.clone(),
        };
        let mut local = Local {
            handle: open_any(settings)?,
            links,
            choice,
            writing: Writing::new(settings.node.clone(), settings.snaplen),
            ports: HashMap::new(),
            refilter_at: None,
            program: String::new(),
            clock,
            tell,
            counted_at: Timestamp(0),
            packet_at: Timestamp(0),
        };
        local.check_filter()?;
        local.refilter();
        Ok(local)
    }

    /// Names of the interfaces that are there and wanted.
    pub(super) fn wanted(&self) -> Vec<(String, Role)> {
        let role = |(_, link)| Some((link, self.choice.role(link, &self.links)?));
        self.links.all().filter_map(role).map(|(link, role)| (link.name.clone(), role)).collect()
    }

    /// The user's globs, for a sentence.
    pub(super) fn globs(&self) -> String {
        self.choice.shown()
    }

    /// Captures until `stop` is set; [`Local::begin`] comes first.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            self.wait();
            // Names first: packets of new interfaces are waiting already.
            self.follow_links();
            let taken = self.take();
            self.writing.flush();
            let now = (self.clock)();
            if self.refilter_at.is_some_and(|at| at <= now) {
                self.refilter();
            }
            self.count(now, is_last);
            match taken {
                Err(error) => {
                    (self.tell)(Notice::Failed(format!("capturing stopped: {error}")));
                    return;
                }
                Ok(_) if is_last => return,
                Ok(_) => {}
            }
        }
    }

    /// Describes what is there before the first packet; from now on all goes into `inlets`.
    pub(super) fn begin(&mut self, inlets: Vec<Inlet>) {
        self.writing.inlets = inlets;
        self.writing.begin();
        let indices: Vec<u32> = self.links.all().map(|(index, _)| index).collect();
        for index in indices {
            self.enter(index);
        }
    }

    /// The number of a subject of the kernel's, which is described here.
    pub(super) fn describe_kernel(&mut self, subject: &str) -> u32 {
        self.writing.describe_kernel(subject)
    }

    /// Until there are packets or news of interfaces.
    fn wait(&self) {
        let mut wanted = [
            PollFd::new(self.handle.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.links.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted by a signal: the loop looks anew.
        let _ = poll(&mut wanted, PollTimeout::from(PATIENCE));
    }

    fn follow_links(&mut self) {
        for event in self.links.update() {
            match event {
                Event::Came { index } => {
                    if self.enter(index)
                        && let Some(link) = self.links.get(index)
                    {
                        (self.tell)(Notice::Came(link.name.clone()));
                    }
                }
                Event::Renamed { index, before } => {
                    let was_wanted = matches!(self.ports.get(&index), Some(Port::Wanted(_)));
                    let is_wanted = self.enter(index);
                    if let Some(link) = self.links.get(index).filter(|_| was_wanted || is_wanted) {
                        (self.tell)(Notice::Renamed { before, now: link.name.clone() });
                    }
                }
                Event::Changed { index } => {
                    self.enter(index);
                }
                Event::Gone { index, name } => {
                    if self.ports.remove(&index).is_some_and(|port| port != Port::Unwanted) {
                        (self.tell)(Notice::Gone(name));
                    }
                }
            }
        }
    }

    /// Decides what becomes of an interface's packets; gives whether they are wanted.
    fn enter(&mut self, index: u32) -> bool {
        let Some(link) = self.links.get(index) else { return false };
        let role = self.choice.role(link, &self.links);
        let port = match role {
            Some(role) => Port::Wanted(self.writing.describe(link, role)),
            None => Port::Unwanted,
        };
        let before = self.ports.insert(index, port);
        match (before, port) {
            // The kernel may leave its packets out: not any more, from this moment.
            (Some(Port::Unwanted), Port::Wanted(_)) => self.refilter(),
            (_, Port::Unwanted) if before != Some(port) => {
                self.refilter_at.get_or_insert((self.clock)().plus(NAMING));
            }
            _ => {}
        }
        role.is_some()
    }

    /// Tells the kernel which packets to leave out.
    fn refilter(&mut self) {
        self.refilter_at = None;
        let loopback = self.loopback();
        let program = self.choice.program(&self.choice.unwanted(&self.links), loopback);
        // Too many interfaces make a program that the kernel refuses. Then those stay that were there before:
        // what they let through is left out here.
        if program != self.program && self.handle.filter(&program, true).is_ok() {
            self.program = program;
        }
    }

    fn loopback(&self) -> Option<u32> {
        let is_loopback = |link: &super::links::Link| link.kind == super::links::Kind::Loopback;
        self.links.all().find(|(_, link)| is_loopback(link)).map(|(index, _)| index)
    }

    fn check_filter(&self) -> Result<(), CaptureError> {
        let Some(filter) = &self.choice.filter else { return Ok(()) };
        match self.handle.compile(filter, true) {
            Ok(_) => Ok(()),
            Err(cause) => Err(CaptureError::Filter { filter: filter.clone(), cause: plain(&cause) }),
        }
    }

    fn take(&mut self) -> Result<usize, pcap::Error> {
        let Local { handle, links, choice, writing, ports, packet_at, .. } = self;
        handle.dispatch(Some(DISPATCH), |packet| {
            let header = link::header(LinkType::Sll2, packet.data);
            let Some((index, _)) = header.device else { return };
            let port = *ports.entry(index).or_insert_with(|| late(index, links, choice, writing));
            let Port::Wanted(number) = port else { return };
            // With nanosecond precision the microseconds' field holds nanoseconds.
            let stamp = packet.header.ts;
            let time = Timestamp(stamp.tv_sec * SECONDS + stamp.tv_usec);
            *packet_at = (*packet_at).max(time);
            writing.packet(&Stored {
                interface: number,
                time,
                wire_len: packet.header.len,
                direction: header.direction,
                bytes: packet.data,
            });
        })
    }

    /// States the counts, and up to when everything is here.
    fn count(&mut self, now: Timestamp, is_last: bool) {
        let pace = if now.since(self.packet_at) < AFTERMATH { BUSY } else { QUIET };
        if !is_last && now.since(self.counted_at) < pace {
            return;
        }
        self.counted_at = now;
        let Ok(stat) = self.handle.stats() else { return };
        let counts = Counts {
            received: u64::from(stat.received),
            dropped_by_interface: u64::from(stat.if_dropped),
            dropped_by_system: u64::from(stat.dropped),
        };
        self.writing.count(now.plus(-UNDERWAY), counts);
    }
}

/// An interface that a packet came from before its name was known. One that has none is gone already.
fn late(index: u32, links: &mut Links, choice: &Choice, writing: &mut Writing) -> Port {
    if links.get(index).is_none() {
        links.look_up(index);
    }
    let role = links.get(index).and_then(|link| Some((link, choice.role(link, links)?)));
    role.map_or(Port::Unwanted, |(link, role)| Port::Wanted(writing.describe(link, role)))
}

impl Writing {
    fn new(node: String, snaplen: u32) -> Writing {
        Writing {
            node,
            snaplen,
            filling: Vec::new(),
            packets: 0,
            numbers: HashMap::new(),
            spare: Vec::new(),
            inlets: Vec::new(),
        }
    }

    /// A section and its first interface, which stands for the handle: its counts are the handle's.
    fn begin(&mut self) {
        let mut bytes = Vec::new();
        blocks::section_header(&mut bytes);
        let description = format!("node={}", self.node);
        blocks::interface(&mut bytes, &self.described("any", &description));
        self.numbers.insert(String::new(), 0);
        self.send_description(bytes);
    }

    fn described<'a>(&self, name: &'a str, about: &'a str) -> Description<'a> {
        let link = LinkType::SLL2;
        Description { link, snaplen: self.snaplen, name, about, mac: None, addresses: &[] }
    }

    /// The number of an interface, which is described where it is new.
    fn describe(&mut self, link: &super::links::Link, role: Role) -> u32 {
        if let Some(&number) = self.numbers.get(&link.name) {
            return number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(link.name.clone(), number);
        let description = format!("node={} role={}", self.node, role.name());
        // A pod's end tells its addresses by its packets.
        let addresses: &[ipnet::IpNet] = if role == Role::Workload { &[] } else { &link.addresses };
        let mut bytes = Vec::new();
        let told = self.described(&link.name, &description);
        blocks::interface(&mut bytes, &Description { mac: link.mac, addresses, ..told });
        self.flush();
        self.send_description(bytes);
        number
    }

    fn describe_kernel(&mut self, subject: &str) -> u32 {
        let number = self.numbers.len() as u32;
        // No interface has a colon in its name (dev_valid_name in net/core/dev.c).
        self.numbers.insert(format!("netlink:{subject}"), number);
        let about = format!("node={}", self.node);
        let told = Description { link: LinkType::NETLINK, snaplen: 0, ..self.described(subject, &about) };
        let mut bytes = Vec::new();
        blocks::interface(&mut bytes, &told);
        self.send_description(bytes);
        number
    }

    fn send_description(&self, bytes: Vec<u8>) {
        let run = Run { bytes: Arc::new(bytes), packets: 0, kind: Kind::Description };
        for inlet in &self.inlets {
            inlet.force(run.clone());
        }
    }

    #[inline]
    fn packet(&mut self, packet: &Stored<'_>) {
        blocks::packet(&mut self.filling, packet);
        self.packets += 1;
        if self.filling.len() >= FULL {
            self.flush();
        }
    }

    fn count(&mut self, end: Timestamp, counts: Counts) {
        blocks::statistics(&mut self.filling, 0, end, counts);
        self.flush();
    }

    /// Hands on what was written.
    fn flush(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        let unshared = self.spare.iter_mut().position(|spare| Arc::get_mut(spare).is_some());
        let mut bytes = unshared.map_or_else(|| Arc::new(Vec::new()), |index| self.spare.swap_remove(index));
        if let Some(empty) = Arc::get_mut(&mut bytes) {
            empty.clear();
            std::mem::swap(empty, &mut self.filling);
        }
        let run = Run { bytes, packets: std::mem::take(&mut self.packets), kind: Kind::Packets };
        for inlet in &self.inlets {
            inlet.offer(&run);
        }
        if self.spare.len() < SPARE {
            self.spare.push(run.bytes);
        }
    }
}

/// One handle for all interfaces, with the index of each in its packets.
fn open_any(settings: &Settings) -> Result<Capture<Active>, CaptureError> {
    let refused = |cause: pcap::Error| match &cause {
        // PCAP_ERROR_PERM_DENIED has no name in the crate.
        _ if is_right_missing(&cause) => CaptureError::NoRights,
        _ => CaptureError::Handle { cause: plain(&cause) },
    };
    let inactive = Capture::from_device("any").map_err(refused)?;
    let mut handle = inactive
        .snaplen(settings.snaplen as i32)
        .buffer_size(i32::try_from(settings.buffer).unwrap_or(i32::MAX))
        .timeout(BLOCK_TIMEOUT)
        .immediate_mode(false)
        .precision(Precision::Nano)
        .open()
        .and_then(Capture::setnonblock)
        .map_err(refused)?;
    // The link type first: filters are compiled for it.
    handle.set_datalink(Linktype::LINUX_SLL2).map_err(|_| CaptureError::NoSll2)?;
    Ok(handle)
}

fn is_right_missing(error: &pcap::Error) -> bool {
    let text = error.to_string();
    ["permission", "Operation not permitted"].iter().any(|part| text.contains(part))
}

/// libpcap's own words, without what the crate puts around them.
fn plain(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.trim().replace('\n', " "),
        other => other.to_string(),
    }
}
