//! What the kernel tells: netlink messages become pcapng records, as they are.
//!
//! A thread of its own, so that a burst of messages takes nothing from the packets. It parses nothing.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::stat::fstat;

use crate::capture::blocks::{self, Counts, Stored};
use crate::capture::link;
use crate::capture::live::feed::{Kind, Run};
use crate::capture::live::hooks::TraceControl;
use crate::capture::live::ways::Open;
use crate::capture::live::{Clock, Tell};
use crate::model::{Direction, MILLIS, Notice, SECONDS, Timestamp};

/// `linux/netlink.h`.
const NETFILTER: u16 = 12;
const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
/// Types of messages: an error, the end of a list, and what lists conntrack's table.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const CONNTRACK_GET: u16 = 0x0101;
/// NFNLGRP_CONNTRACK_NEW, _UPDATE and _DESTROY (`linux/netfilter/nfnetlink.h`), as bits.
const CONNTRACK_GROUPS: u32 = 0b111;
/// Room for what comes while the thread does not run.
const RECEIVE_BUFFER: usize = 8 << 20;
/// The kernel's messages are at most 32 KiB long.
const LONGEST: usize = 64 << 10;
/// Bytes of a run that is handed on even while more messages come.
const FULL: usize = 256 << 10;
/// Messages taken from one subscription before the next has its turn.
const TURN: usize = 4096;
/// The thread looks after this time whether it is to end, in milliseconds.
const PATIENCE: u16 = 100;
/// Between two statements of counts.
const COUNTING: i64 = SECONDS;
/// Between two questions how full a table is: less than a packet is waited for before it is said to be lost.
const ASKING: i64 = 500 * MILLIS;
/// Between two lists of a table, when messages are lost: a large one has a hundred thousand entries and more.
const LISTING: i64 = 10 * SECONDS;
/// Every netlink socket of the network namespace, with what it lost (net/netlink/af_netlink.c).
const SOCKETS: &str = "/proc/thread-self/net/netlink";

/// The name of connection tracking's interface in recordings.
pub(super) const CONNTRACK: &str = "conntrack";

/// A subject that the kernel speaks of.
pub(super) struct Subscription {
    /// The interface's name in recordings.
    pub(super) name: &'static str,
    socket: OwnedFd,
    /// A list of what there is already, which is read first.
    listing: Option<OwnedFd>,
    /// Its number in the section.
    number: u32,
    received: u64,
    /// How often it is known to have fallen behind.
    overruns: u64,
}

/// Everything the kernel is listened to for; opened, and not yet begun.
pub(super) struct Kernel {
    subscriptions: Vec<Subscription>,
    /// See [`SOCKETS`]; kept open, as files cannot be opened later.
    sockets: Option<File>,
    asking: Option<Asking>,
    clock: Clock,
    tell: Tell,
}

/// Questions that need the right CAP_NET_ADMIN again. Who has it answers on a way of its own.
struct Asking {
    control: TraceControl,
    asked_at: Timestamp,
    listed_at: Timestamp,
    /// Messages that were known to be lost when the table was listed last.
    lost_before: u64,
    answers: Arc<AtomicU64>,
}

impl Asking {
    /// Asks how full the table is; and for all of it, where messages were lost since it was listed.
    fn ask(&mut self, now: Timestamp, lost: u64) {
        if now.since(self.asked_at) >= ASKING {
            self.asked_at = now;
            self.control.statistics();
        }
        if lost > self.lost_before && now.since(self.listed_at) >= LISTING {
            (self.listed_at, self.lost_before) = (now, lost);
            self.control.list();
        }
    }
}

impl Subscription {
    /// Events of the connection tracking table, and its list as it is now.
    ///
    /// # Errors
    /// Without CAP_NET_ADMIN, or where the kernel has no connection tracking.
    pub(super) fn conntrack() -> io::Result<Subscription> {
        // Events first, so that what changes while the list is read is told after it.
        let socket = listen(CONNTRACK_GROUPS)?;
        let listing = listen(0)?;
        send(listing.as_raw_fd(), &list_request(CONNTRACK_GET), MsgFlags::empty())?;
        let mut answer = [0; 20];
        let len = recv(listing.as_raw_fd(), &mut answer, MsgFlags::MSG_PEEK)?;
        if let Some(error) = answer.get(..len).and_then(refusal) {
            return Err(error.into());
        }
        Ok(Subscription {
            name: CONNTRACK,
            socket,
            listing: Some(listing),
            number: 0,
            received: 0,
            overruns: 0,
        })
    }
}

impl Kernel {
    pub(super) fn new(clock: Clock, tell: Tell) -> Kernel {
        let sockets = File::open(SOCKETS).ok();
        Kernel { subscriptions: Vec::new(), sockets, asking: None, clock, tell }
    }

    /// Has questions asked through `control`; gives where their answers are to be counted.
    pub(super) fn asking(&mut self, control: TraceControl) -> Arc<AtomicU64> {
        let (answers, never) = (Arc::default(), Timestamp(0));
        let kept = Arc::clone(&answers);
        self.asking =
            Some(Asking { control, asked_at: never, listed_at: never, lost_before: 0, answers: kept });
        answers
    }

    /// Takes a subscription, or says why there is none.
    pub(super) fn add(&mut self, subscription: io::Result<Subscription>, what: &'static str) {
        match subscription {
            Ok(subscription) => self.subscriptions.push(subscription),
            Err(cause) => (self.tell)(Notice::Deaf { what, cause: in_words(&cause) }),
        }
    }

    /// What is listened to, each with where its number in the section is kept.
    pub(super) fn subjects(&mut self) -> impl Iterator<Item = (&'static str, &mut u32)> {
        self.subscriptions.iter_mut().map(|it| (it.name, &mut it.number))
    }

    /// Whether there is nothing to listen to.
    pub(super) fn is_deaf(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Listens until `stop` is set, and puts what it hears on `ways`.
    pub(super) fn run(mut self, ways: &Open, stop: &AtomicBool) {
        let mut writing = Writing::new(ways);
        let mut buffer = vec![0; LONGEST];
        let mut counted_at = Timestamp(0);
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            self.wait();
            for subscription in &mut self.subscriptions {
                if let Err(cause) = subscription.take(&mut buffer, self.clock, &mut writing) {
                    let what = format!("listening to {} stopped: {cause}", subscription.name);
                    (self.tell)(Notice::Failed(what));
                    return;
                }
            }
            let now = (self.clock)();
            if is_last || now.since(counted_at) >= COUNTING {
                counted_at = now;
                self.count(now, &mut writing);
            }
            let lost = self.subscriptions.iter().map(|it| it.overruns).sum();
            if let Some(asking) = self.asking.as_mut().filter(|_| !is_last) {
                asking.ask(now, lost);
            }
            writing.flush();
            if is_last {
                return;
            }
        }
    }

    fn wait(&self) {
        let sockets = self.subscriptions.iter().map(|it| it.listing.as_ref().unwrap_or(&it.socket));
        let mut wanted: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        // Interrupted by a signal: the loop looks anew.
        let _ = poll(&mut wanted, PollTimeout::from(PATIENCE));
    }

    /// States how many messages came, and how many were lost.
    fn count(&mut self, now: Timestamp, writing: &mut Writing<'_>) {
        let mut table = String::new();
        if let Some(file) = &mut self.sockets {
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut table));
        }
        let answers = self.asking.as_ref().map_or(0, |asking| asking.answers.load(Ordering::Relaxed));
        for subscription in &self.subscriptions {
            let counted = fstat(&subscription.socket).ok().and_then(|told| drops(&table, told.st_ino));
            let lost = counted.unwrap_or(0).max(subscription.overruns);
            writing.count(subscription.number, now, subscription.received + answers, lost);
        }
    }
}

impl Subscription {
    /// Reads what is there, as far as its turn goes: the list first, then the events.
    fn take(&mut self, buffer: &mut [u8], clock: Clock, writing: &mut Writing<'_>) -> io::Result<()> {
        for _ in 0..TURN {
            let socket = self.listing.as_ref().unwrap_or(&self.socket);
            let len = match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(len) => len,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
                Err(Errno::ENOBUFS) => {
                    self.overruns += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let message = buffer.get(..len).unwrap_or_default();
            self.received += 1;
            writing.message(self.number, clock(), message);
            if self.listing.is_some() && matches!(kind(message), None | Some(ERROR | DONE)) {
                self.listing = None;
            }
        }
        Ok(())
    }
}

/// Runs of whole blocks on their way.
pub(super) struct Writing<'a> {
    ways: &'a Open,
    filling: Vec<u8>,
    messages: u64,
}

impl<'a> Writing<'a> {
    pub(super) const fn new(ways: &'a Open) -> Writing<'a> {
        Writing { ways, filling: Vec::new(), messages: 0 }
    }

    /// Adds messages of the kernel's that were received at `time`.
    pub(super) fn message(&mut self, interface: u32, time: Timestamp, message: &[u8]) {
        let mut bytes = link::netlink_header(NETFILTER).to_vec();
        bytes.extend_from_slice(message);
        blocks::packet(
            &mut self.filling,
            &Stored {
                interface,
                time,
                wire_len: bytes.len() as u32,
                direction: Direction::Unknown,
                bytes: &bytes,
            },
        );
        self.messages += 1;
        if self.filling.len() >= FULL {
            self.flush();
        }
    }

    /// States how many of a subject's messages came up to `now`, and how many were lost.
    pub(super) fn count(&mut self, interface: u32, now: Timestamp, received: u64, lost: u64) {
        let counts = Counts { received, dropped_by_interface: 0, dropped_by_system: lost };
        blocks::statistics(&mut self.filling, interface, now, counts);
    }

    pub(super) fn flush(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        let bytes = Arc::new(std::mem::take(&mut self.filling));
        let run = Run { bytes, packets: std::mem::take(&mut self.messages), kind: Kind::Packets };
        self.ways.offer(&run);
    }
}

/// A netfilter netlink socket that hears `groups`.
fn listen(groups: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
    // Beyond the system's limit with CAP_NET_ADMIN; less room is no reason to stop.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
    }
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// Asks for all there is of a kind, of every address family.
fn list_request(kind: u16) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&20_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    bytes
}

/// The type of the last message in a datagram: what ends a list comes alone, or at the end.
fn kind(datagram: &[u8]) -> Option<u16> {
    let mut rest = datagram;
    let mut last = None;
    while let Some(&[l0, l1, l2, l3, t0, t1, ..]) = rest.first_chunk::<16>() {
        last = Some(u16::from_ne_bytes([t0, t1]));
        let len = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        rest = rest.get(len.max(16).next_multiple_of(4)..).unwrap_or_default();
    }
    last
}

/// The error that an answer consists of.
fn refusal(answer: &[u8]) -> Option<Errno> {
    let code = answer.get(16..20).and_then(<[u8]>::first_chunk).map(|&code| i32::from_ne_bytes(code))?;
    let is_error = answer.get(4..6) == Some(&ERROR.to_ne_bytes());
    (is_error && code != 0).then(|| Errno::from_raw(-code))
}

/// What the socket with this inode lost: the second column from the right.
fn drops(table: &str, inode: u64) -> Option<u64> {
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().rev();
        let is_it = columns.next()?.parse() == Ok(inode);
        let drops = columns.next()?.parse().ok()?;
        is_it.then_some(drops)
    })
}

fn in_words(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "it needs the right CAP_NET_ADMIN".to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_in_the_kernels_table() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
            00000000a1 12  4242       00000007 0        0        0     2        31       777   \n\
            00000000a2 0   0          00000000 0        0        0     2        5        77    \n";
        assert_eq!(drops(table, 777), Some(31));
        assert_eq!(drops(table, 77), Some(5));
        assert_eq!(drops(table, 7), None);
        assert_eq!(drops("", 7), None);
    }

    #[test]
    fn the_end_of_a_list_is_known_behind_its_last_entries() {
        let message = |kind: u16, len: u32| {
            let mut bytes = [len.to_ne_bytes().as_slice(), &kind.to_ne_bytes(), &[0; 10]].concat();
            bytes.resize((len as usize).max(16).next_multiple_of(4), 0);
            bytes
        };
        assert_eq!(kind(&[message(0x100, 30), message(DONE, 20)].concat()), Some(DONE));
        assert_eq!(kind(&message(0x100, 16)), Some(0x100));
        assert_eq!(kind(&message(0x100, 0)), Some(0x100), "a length of nothing ends");
        assert_eq!(kind(&[1, 2]), None);
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let mut answer = [0; 20];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        assert_eq!(refusal(&answer), None);
        answer[16..].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(refusal(&answer), Some(Errno::EPERM));
        assert_eq!(refusal(&answer[..19]), None);
    }
}
