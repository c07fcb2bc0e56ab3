//! This node's interfaces: one libpcap handle on `any`, and handles of their own for those that it does not serve.
//! Their packets become pcapng blocks.
//!
//! The thread only moves bytes. It parses nothing but the link header's interface index and direction.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::CaptureError;
use crate::capture::blocks::{self, Counts, Stored};
use crate::capture::link::{self, LinkType};
use crate::capture::live::choice::Choice;
use crate::capture::live::handle::{Handle, Opening, Own, fits_ethernet};
use crate::capture::live::links::{Event, Kind, Link, Links};
use crate::capture::live::section::Section;
use crate::capture::live::ways::Open;
use crate::capture::live::{Clock, Missing, Settings, Tell};
use crate::model::{Apart, Ip, MILLIS, Names, Notice, Role, SECONDS, Timestamp};

/// The thread looks after this time whether it is to end.
const PATIENCE: u16 = 100;
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

/// What becomes of an interface's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// Those on `any` are kept, under this number in the section.
    Any(u32),
    /// Those on the interface's own handle are.
    Own,
    /// It has no handle any more, as it is down or about to go.
    Closed,
    Unwanted,
}

/// A capture of this node that was opened and not yet begun.
pub(super) struct Local {
    /// `None` where every interface has a handle of its own.
    any: Option<Handle>,
    /// By the kernel's index.
    own: BTreeMap<u32, Own>,
    opening: Opening,
    links: Links,
    choice: Choice,
    section: Section,
    ports: HashMap<u32, Port>,
    /// When the filter is to be made anew.
    refilter_at: Option<Timestamp>,
    clock: Clock,
    tell: Tell,
    /// Of handles that were closed.
    closed: Counts,
    counted_at: Timestamp,
    packet_at: Timestamp,
}

impl Local {
    /// Opens everything that needs rights.
    ///
    /// # Errors
    /// When the rights are missing, or the user's filter is none.
    pub(super) fn open(settings: &Settings, clock: Clock, tell: Tell) -> Result<Local, CaptureError> {
        let links = Links::open().map_err(CaptureError::Links)?;
        let opening = Opening { snaplen: settings.snaplen, buffer: settings.buffer };
        let any = Handle::any(opening)?;
        let apart = why_apart(any.as_ref(), settings.filter.as_deref())?;
        let choice = Choice {
            globs: settings.globs.clone(),
            apart: settings.apart.clone(),
            is_all_apart: apart.is_some(),
            options: settings.options.clone(),
            filter: settings.filter.clone(),
        };
        let mut local = Local {
            any: any.filter(|_| apart.is_none()),
            own: BTreeMap::new(),
            opening,
            links,
            choice,
            section: Section::new(settings.node.clone(), settings.snaplen),
            ports: HashMap::new(),
            refilter_at: None,
            clock,
            tell,
            closed: Counts::default(),
            counted_at: Timestamp(0),
            packet_at: Timestamp(0),
        };
        local.open_apart();
        let apart = apart.or_else(|| local.with_vlans());
        if let Some(apart) = apart {
            (local.tell)(Notice::Apart(apart));
        }
        local.refilter();
        Ok(local)
    }

    /// Names of the interfaces that are there and wanted.
    pub(super) fn wanted(&self) -> Vec<(String, Role)> {
        let role = |(_, link)| Some((link, self.choice.role(link, &self.links)?));
        self.links.all().filter_map(role).map(|(link, role)| (link.name.clone(), role)).collect()
    }

    /// What every node has and is not here, where the user names no interfaces.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let wanted = self.wanted();
        let has = |role| wanted.iter().any(|(_, found)| *found == role);
        let Choice { globs, options, .. } = &self.choice;
        let mut missing = Vec::new();
        if globs.is_empty() && !has(Role::Uplink) {
            let like = self.links.all().find(|(_, link)| link.may_be_uplink());
            let like = like.map(|(_, link)| link.name.clone());
            missing.push(Missing::Uplink { globs: options.uplinks.join(", "), like });
        }
        if globs.is_empty() && !has(Role::Workload) {
            missing.push(Missing::Workloads { globs: options.workloads.join(", ") });
        }
        missing
    }

    /// The user's globs, for a sentence.
    pub(super) fn globs(&self) -> String {
        self.choice.shown()
    }

    /// Whether the right to capture is needed for interfaces that are yet to come.
    pub(super) fn keeps_right(&self) -> bool {
        self.choice.is_all_apart || !self.choice.apart.is_empty()
    }

    /// Captures until `stop` is set; [`Local::begin`] comes first.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            self.wait();
            // Names first: packets of new interfaces are waiting already.
            self.follow_links();
            let taken = self.take();
            self.section.flush();
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
                Ok(()) if is_last => return,
                Ok(()) => {}
            }
        }
    }

    /// Describes what is there before the first packet; from now on all goes on `ways`.
    pub(super) fn begin(&mut self, ways: Open) {
        self.section.begin(ways);
        let indices: Vec<u32> = self.links.all().map(|(index, _)| index).collect();
        for index in indices {
            self.enter(index);
        }
    }

    /// The node's addresses, but for those that mean something on it only.
    pub(super) fn own_addresses(&self) -> Vec<IpAddr> {
        let all = self.links.all().flat_map(|(_, link)| &link.addresses);
        all.map(ipnet::IpNet::addr).filter(|&ip| !Ip::from(ip).is_node_local()).collect()
    }

    /// Writes names down where there are any.
    pub(super) fn tell_names(&self, names: &Names) {
        self.section.tell_names(names);
    }

    /// The number of a subject of the kernel's, which is described here.
    pub(super) fn describe_kernel(&mut self, subject: &str) -> u32 {
        self.section.describe_kernel(subject)
    }

    /// Until there are packets or news of interfaces.
    fn wait(&self) {
        let handles = self.any.iter().chain(self.own.values().map(|own| &own.handle));
        let mut wanted: Vec<PollFd<'_>> =
            handles.map(|handle| PollFd::new(handle.as_fd(), PollFlags::POLLIN)).collect();
        wanted.push(PollFd::new(self.links.as_fd(), PollFlags::POLLIN));
        // Interrupted by a signal: the loop looks anew.
        let _ = poll(&mut wanted, PollTimeout::from(PATIENCE));
    }

    fn follow_links(&mut self) {
        for event in self.links.update() {
            match event {
                Event::Came { index } | Event::Changed { index } => {
                    let was_wanted = self.is_wanted(index);
                    if self.enter(index)
                        && !was_wanted
                        && let Some(link) = self.links.get(index)
                    {
                        (self.tell)(Notice::Came(link.name.clone()));
                        self.turn(index, blocks::CAME);
                    }
                }
                Event::Renamed { index, before } => {
                    let was_wanted = self.is_wanted(index);
                    self.turn(index, blocks::GONE);
                    let is_wanted = self.enter(index);
                    if let Some(link) = self.links.get(index).filter(|_| was_wanted || is_wanted) {
                        (self.tell)(Notice::Renamed { before, now: link.name.clone() });
                        self.turn(index, blocks::CAME);
                    }
                }
                Event::Gone { index, name } => {
                    let was_wanted = self.is_wanted(index);
                    self.turn(index, blocks::GONE);
                    self.close(index);
                    self.ports.remove(&index);
                    if was_wanted {
                        (self.tell)(Notice::Gone(name));
                    }
                }
            }
        }
    }

    /// Notes in the stream that an interface came or went, if its packets are kept.
    fn turn(&mut self, index: u32, what: &str) {
        let number = match self.ports.get(&index) {
            Some(&Port::Any(number)) => Some(number),
            Some(Port::Own) => self.own.get(&index).map(|own| own.number),
            _ => None,
        };
        if let Some(number) = number {
            self.section.turn(number, (self.clock)(), what);
        }
    }

    fn is_wanted(&self, index: u32) -> bool {
        self.ports.get(&index).is_some_and(|port| *port != Port::Unwanted)
    }

    /// Decides what becomes of an interface's packets; gives whether they are kept.
    fn enter(&mut self, index: u32) -> bool {
        let Some(link) = self.links.get(index) else { return false };
        let role = self.choice.role(link, &self.links);
        let before = self.ports.get(&index).copied();
        let port = match role.map(|role| self.port(index, role)) {
            Some(Some(port)) => port,
            Some(None) if matches!(before, Some(Port::Own | Port::Closed)) => Port::Closed,
            Some(None) | None => Port::Unwanted,
        };
        if port != Port::Own {
            self.close(index);
        }
        self.ports.insert(index, port);
        match (before, port) {
            // The kernel may leave its packets out: not any more, from this moment. Or it is to leave them out now.
            (Some(Port::Unwanted | Port::Own | Port::Closed), Port::Any(_))
            | (Some(Port::Any(_)), Port::Own) => self.refilter(),
            (_, Port::Unwanted | Port::Own) if before != Some(port) => {
                self.refilter_at.get_or_insert((self.clock)().plus(NAMING));
            }
            _ => {}
        }
        port != Port::Unwanted
    }

    /// By which handle a wanted interface is captured; `None` where it cannot be, as long as it is not up.
    fn port(&mut self, index: u32, role: Role) -> Option<Port> {
        if self.choice.is_apart(index, &self.links) {
            self.open_own(index);
        }
        let Local { any, own, links, section, .. } = self;
        match (links.get(index), own.get_mut(&index), any) {
            (Some(link), Some(own), _) => {
                own.follow(link);
                own.number = section.describe(link, role, own.link_type);
                Some(Port::Own)
            }
            (Some(link), None, Some(_)) => Some(Port::Any(section.describe(link, role, LinkType::SLL2))),
            _ => None,
        }
    }

    /// Opens the handles of all interfaces that are to have one of their own.
    fn open_apart(&mut self) {
        let is_wanted = |link: &Link| self.choice.role(link, &self.links).is_some();
        let wanted = self.links.all().filter(|(_, link)| is_wanted(link)).map(|(index, _)| index);
        let apart: Vec<u32> = wanted.filter(|&index| self.choice.is_apart(index, &self.links)).collect();
        for index in apart {
            self.open_own(index);
        }
    }

    /// Opens an interface's own handle, if it is up and not captured so already.
    fn open_own(&mut self, index: u32) {
        let Some(link) = self.links.get(index).filter(|link| link.is_up) else { return };
        if self.own.contains_key(&index) {
            return;
        }
        // An uplink has the packets of all pods.
        let is_uplink = self.choice.role(link, &self.links) == Some(Role::Uplink);
        let count = if is_uplink { 1 } else { self.wanted().len() };
        match Own::open(link, self.opening.shared(count), self.choice.own_program(link)) {
            Ok(own) => {
                self.own.insert(index, own);
            }
            Err(error) => {
                let otherwise =
                    if self.any.is_some() { "its VLAN tags are lost" } else { "it is not captured" };
                (self.tell)(Notice::Failed(format!("{}: {error}; {otherwise}", link.name)));
            }
        }
    }

    fn close(&mut self, index: u32) {
        if let Some(mut own) = self.own.remove(&index) {
            self.closed = self.closed.plus(own.handle.counts());
        }
    }

    /// The uplinks that have a handle of their own for their VLANs.
    fn with_vlans(&self) -> Option<Apart> {
        let has_vlans = |index: &&u32| self.choice.has_vlans(**index, &self.links);
        let links = self.own.keys().filter(has_vlans).filter_map(|&index| self.links.get(index));
        let names: Vec<&str> = links.map(|link| link.name.as_str()).collect();
        (!names.is_empty()).then(|| Apart::Vlans(names.join(", ")))
    }

    /// Tells the kernel which packets on `any` to leave out.
    fn refilter(&mut self) {
        self.refilter_at = None;
        let Some(any) = &mut self.any else { return };
        let is_loopback = |link: &Link| link.kind == Kind::Loopback;
        let loopback = self.links.all().find(|(_, link)| is_loopback(link)).map(|(index, _)| index);
        let mut unwanted = self.choice.unwanted(&self.links);
        unwanted.extend(self.own.keys());
        // Too many interfaces make a program that the kernel refuses. Then those stay that were there before:
        // what they let through is left out here.
        let _ = any.filter(self.choice.program(&unwanted, loopback));
    }

    /// # Errors
    /// Where `any` fails, which is the end. An interface whose own handle fails is gone.
    fn take(&mut self) -> Result<(), String> {
        let Local { any, own, links, choice, section, ports, packet_at, .. } = self;
        if let Some(any) = any {
            any.take(|time, wire_len, bytes| {
                let header = link::header(LinkType::Sll2, bytes);
                let Some((index, _)) = header.device else { return };
                let port = *ports.entry(index).or_insert_with(|| late(index, links, choice, section));
                let Port::Any(interface) = port else { return };
                *packet_at = (*packet_at).max(time);
                section.packet(&Stored { interface, time, wire_len, direction: header.direction, bytes });
            })?;
        }
        let mut failed = Vec::new();
        for (&index, own) in own {
            let Own { handle, number: interface, sender, .. } = own;
            let taken = handle.take(|time, wire_len, bytes| {
                *packet_at = (*packet_at).max(time);
                let direction = sender.direction(bytes);
                section.packet(&Stored { interface: *interface, time, wire_len, direction, bytes });
            });
            if taken.is_err() {
                failed.push(index);
            }
        }
        for index in failed {
            self.close(index);
            self.enter(index);
        }
        Ok(())
    }

    /// States the counts, and up to when everything is here.
    fn count(&mut self, now: Timestamp, is_last: bool) {
        let pace = if now.since(self.packet_at) < AFTERMATH { BUSY } else { QUIET };
        if !is_last && now.since(self.counted_at) < pace {
            return;
        }
        self.counted_at = now;
        let handles = self.any.iter_mut().chain(self.own.values_mut().map(|own| &mut own.handle));
        let counts = handles.fold(self.closed, |sum, handle| sum.plus(handle.counts()));
        self.section.count(now.plus(-UNDERWAY), counts);
    }
}

/// Why `any` cannot serve, if it cannot.
///
/// # Errors
/// When the filter is none.
fn why_apart(any: Option<&Handle>, filter: Option<&str>) -> Result<Option<Apart>, CaptureError> {
    let refused = match (any, filter) {
        (None, None) => return Ok(Some(Apart::OldLibpcap)),
        (_, None) => return Ok(None),
        (None, Some(filter)) if fits_ethernet(filter) => return Ok(Some(Apart::OldLibpcap)),
        (None, Some(_)) => "not understood".to_owned(),
        (Some(any), Some(filter)) => match any.compiles(filter) {
            Ok(()) => return Ok(None),
            Err(_) if fits_ethernet(filter) => return Ok(Some(Apart::Filter)),
            Err(cause) => cause,
        },
    };
    Err(CaptureError::Filter { filter: filter.unwrap_or_default().to_owned(), cause: refused })
}

/// An interface that a packet came from before its name was known. One that has none is gone already.
fn late(index: u32, links: &mut Links, choice: &Choice, section: &mut Section) -> Port {
    if links.get(index).is_none() {
        links.look_up(index);
    }
    let role = links.get(index).and_then(|link| Some((link, choice.role(link, links)?)));
    role.map_or(Port::Unwanted, |(link, role)| Port::Any(section.describe(link, role, LinkType::SLL2)))
}
