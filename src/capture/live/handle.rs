//! libpcap's handles: one on `any`, whose packets name their interface, or one on an interface alone, whose packets
//! have their Ethernet header and VLAN tag.

use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Capture, Linktype, Precision};

use crate::capture::CaptureError;
use crate::capture::blocks::Counts;
use crate::capture::link::LinkType;
use crate::capture::live::links::{Kind, Link};
use crate::model::{Direction, Mac, SECONDS, Timestamp};

/// The kernel hands packets over after this time at the latest, in milliseconds.
const BLOCK_TIMEOUT: i32 = 10;
/// Packets taken at once.
const DISPATCH: usize = 4096;
/// The smallest ring of an interface's own handle, in bytes.
const SMALLEST_RING: usize = 1 << 20;

/// An open handle and its filter.
pub(super) struct Handle {
    capture: Capture<Active>,
    program: String,
}

/// How handles are opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) snaplen: u32,
    /// The kernel's ring, in bytes.
    pub(super) buffer: usize,
}

impl Opening {
    /// For one of `count` interfaces that have to share the ring.
    pub(super) fn shared(self, count: usize) -> Opening {
        let share = (self.buffer / count.max(1)).max(SMALLEST_RING).min(self.buffer);
        Opening { buffer: share, ..self }
    }

    fn open(self, device: &str) -> Result<Capture<Active>, CaptureError> {
        let refused = |cause: pcap::Error| match &cause {
            // PCAP_ERROR_PERM_DENIED has no name in the crate.
            _ if is_right_missing(&cause) => CaptureError::NoRights,
            _ => CaptureError::Handle { device: device.to_owned(), cause: plain(&cause) },
        };
        Capture::from_device(device)
            .map_err(refused)?
            .snaplen(self.snaplen as i32)
            .buffer_size(i32::try_from(self.buffer).unwrap_or(i32::MAX))
            .timeout(BLOCK_TIMEOUT)
            .immediate_mode(false)
            .precision(Precision::Nano)
            .open()
            .and_then(Capture::setnonblock)
            .map_err(refused)
    }
}

impl Handle {
    /// On all interfaces, with the index of each in its packets; `None` where libpcap is too old for that.
    pub(super) fn any(opening: Opening) -> Result<Option<Handle>, CaptureError> {
        let mut capture = opening.open("any")?;
        // The link type first: filters are compiled for it.
        let has_indexes = capture.set_datalink(Linktype::LINUX_SLL2).is_ok();
        Ok(has_indexes.then_some(Handle { capture, program: String::new() }))
    }

    pub(super) fn compiles(&self, filter: &str) -> Result<(), String> {
        self.capture.compile(filter, true).map(drop).map_err(|cause| plain(&cause))
    }

    /// Tells the kernel which packets to leave out. Where it refuses, what it was told before stays.
    pub(super) fn filter(&mut self, program: String) -> Result<(), String> {
        if program == self.program {
            return Ok(());
        }
        self.capture.filter(&program, true).map_err(|cause| plain(&cause))?;
        self.program = program;
        Ok(())
    }

    /// Gives the packets that are there to `sink`: time, length on the wire, and what was captured.
    pub(super) fn take(&mut self, mut sink: impl FnMut(Timestamp, u32, &[u8])) -> Result<(), String> {
        let taken = self.capture.dispatch(Some(DISPATCH), |packet| {
            // With nanosecond precision the microseconds' field holds nanoseconds.
            let stamp = packet.header.ts;
            let time = Timestamp(stamp.tv_sec * SECONDS + stamp.tv_usec);
            sink(time, packet.header.len, packet.data);
        });
        taken.map(drop).map_err(|cause| plain(&cause))
    }

    /// The counts since it was opened; none where the interface is gone.
    pub(super) fn counts(&mut self) -> Counts {
        self.capture.stats().map_or_else(
            |_| Counts::default(),
            |stat| Counts {
                received: u64::from(stat.received),
                dropped_by_interface: u64::from(stat.if_dropped),
                dropped_by_system: u64::from(stat.dropped),
            },
        )
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// An interface that is captured by a handle of its own.
pub(super) struct Own {
    pub(super) handle: Handle,
    /// Of its packets' headers, as files number them.
    pub(super) link_type: u16,
    /// In the section.
    pub(super) number: u32,
    pub(super) sender: Sender,
}

/// By what an interface's own packets are told from those that came to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    is_loopback: bool,
    /// Where packets tell who sent them.
    mac: Option<Mac>,
}

impl Own {
    /// # Errors
    /// When the interface is gone or down, its headers are of no known type, the filter does not fit them, or the right
    /// to capture was given up.
    pub(super) fn open(link: &Link, opening: Opening, program: String) -> Result<Own, CaptureError> {
        let capture = opening.open(&link.name)?;
        let refused = |cause| CaptureError::Handle { device: link.name.clone(), cause };
        let link_type = match capture.get_datalink() {
            Linktype::ETHERNET => LinkType::ETHERNET,
            // What the system calls raw IP has another number in files.
            Linktype(12) | Linktype::RAW => LinkType::RAW,
            other => return Err(refused(format!("its link type {} is not followed", other.0))),
        };
        let mut handle = Handle { capture, program: String::new() };
        handle.filter(program).map_err(refused)?;
        let mut own = Own { handle, link_type, number: 0, sender: Sender { is_loopback: false, mac: None } };
        own.follow(link);
        Ok(own)
    }

    /// Takes over what may have changed.
    pub(super) fn follow(&mut self, link: &Link) {
        let mac = link.mac.filter(|_| self.link_type == LinkType::ETHERNET);
        self.sender = Sender { is_loopback: link.kind == Kind::Loopback, mac };
    }
}

impl Sender {
    /// What the kernel does not tell here: what goes out has the interface's own address as its sender's.
    pub(super) fn direction(self, frame: &[u8]) -> Direction {
        match (frame.get(6..12), self.mac) {
            // libpcap leaves out what goes out there, as all of it comes in again.
            _ if self.is_loopback => Direction::In,
            (Some(sender), Some(mac)) if sender == mac => Direction::Out,
            (Some(_), Some(_)) => Direction::In,
            _ => Direction::Unknown,
        }
    }
}

/// Whether `filter` can be had where packets have their Ethernet headers.
pub(super) fn fits_ethernet(filter: &str) -> bool {
    Capture::dead(Linktype::ETHERNET).is_ok_and(|dead| dead.compile(filter, true).is_ok())
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
