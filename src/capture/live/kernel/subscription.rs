//! A subject that the kernel speaks of over netlink: a list of what there is, and what changes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::stat::fstat;

use super::writing::Writing;
use crate::capture::live::Clock;

/// Netlink families (`linux/netlink.h`).
const ROUTE: u16 = 0;
pub(in crate::capture::live) const NETFILTER: u16 = 12;
const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
/// Types of messages: an error, and the end of a list.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Netlink's header.
const HEADER: usize = 16;
/// NFNLGRP_CONNTRACK_NEW, _UPDATE and _DESTROY (`linux/netfilter/nfnetlink.h`), as bits.
const CONNTRACK_GROUPS: u32 = 0b111;
/// RTNLGRP_LINK, _IPV4_ROUTE, _IPV4_RULE, _IPV6_ROUTE, _IPV6_RULE and _IPV4_NETCONF (`linux/rtnetlink.h`), as bits.
const ROUTE_GROUPS: u32 = 1 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 18 | 1 << 23;
/// Room for what comes while the thread does not run.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Messages taken from one subscription before the next has its turn.
const TURN: usize = 4096;

/// The names of the interfaces in recordings.
pub(in crate::capture::live) const CONNTRACK: &str = "conntrack";
pub(in crate::capture::live) const ROUTES: &str = "routes";

/// See the module.
pub(in crate::capture::live) struct Subscription {
    /// The interface's name in recordings.
    pub(super) name: &'static str,
    family: u16,
    /// Tells of changes.
    socket: OwnedFd,
    /// Tells what there is already, before the changes are read.
    listing: OwnedFd,
    /// Each asks for a list, one after the other.
    requests: Vec<Vec<u8>>,
    /// How many of the lists are whole.
    listed: usize,
    /// The next one is asked for.
    is_asked: bool,
    /// Its number in the section.
    pub(super) number: u32,
    pub(super) received: u64,
    /// How often it is known to have fallen behind.
    pub(super) overruns: u64,
}

impl Subscription {
    /// Events first, so that what changes while lists are read is told after them.
    fn open(
        name: &'static str,
        family: (u16, SockProtocol),
        groups: u32,
        requests: Vec<Vec<u8>>,
    ) -> io::Result<Subscription> {
        let (family, protocol) = family;
        let (socket, listing) = (listen(protocol, groups)?, listen(protocol, 0)?);
        Ok(Subscription {
            name,
            family,
            socket,
            listing,
            requests,
            listed: 0,
            is_asked: false,
            number: 0,
            received: 0,
            overruns: 0,
        })
    }

    /// Events of the connection tracking table, and its list as it is now.
    ///
    /// # Errors
    /// Without CAP_NET_ADMIN, or where the kernel has no connection tracking.
    pub(in crate::capture::live) fn conntrack() -> io::Result<Subscription> {
        /// IPCTNL_MSG_CT_GET, and a header that leaves the address family open.
        const GET: u16 = 0x0101;
        let family = (NETFILTER, SockProtocol::NetlinkNetFilter);
        let requests = vec![list_request(GET, &[0; 4])];
        let mut opened = Subscription::open(CONNTRACK, family, CONNTRACK_GROUPS, requests)?;
        // It is asked for while there are rights.
        opened.ask()?;
        let mut answer = [0; 20];
        let len = recv(opened.listing.as_raw_fd(), &mut answer, MsgFlags::MSG_PEEK)?;
        if let Some(error) = answer.get(..len).and_then(refusal) {
            return Err(error.into());
        }
        Ok(opened)
    }

    /// Interfaces, their settings, rules and routes, and every change of them. Needs no rights.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub(in crate::capture::live) fn routes() -> io::Result<Subscription> {
        /// `RTM_GETLINK`, `RTM_GETNETCONF`, `RTM_GETRULE`, `RTM_GETROUTE`.
        const REQUESTS: [u16; 4] = [18, 82, 34, 26];
        let request = |kind| {
            let body: &[u8] = match kind {
                // `struct ifinfomsg`, and IFLA_EXT_MASK to leave statistics out.
                18 => &[&[0; 16][..], &8_u16.to_ne_bytes(), &29_u16.to_ne_bytes(), &8_u32.to_ne_bytes()]
                    .concat(),
                // `struct netconfmsg`: AF_INET.
                82 => &[2, 0, 0, 0],
                // `struct fib_rule_hdr` and `struct rtmsg`: of every address family.
                _ => &[0; 12],
            };
            list_request(kind, body)
        };
        let family = (ROUTE, SockProtocol::NetlinkRoute);
        Subscription::open(ROUTES, family, ROUTE_GROUPS, REQUESTS.map(request).to_vec())
    }

    /// What there is to read from next.
    pub(super) fn awaited(&self) -> BorrowedFd<'_> {
        if self.is_listing() { self.listing.as_fd() } else { self.socket.as_fd() }
    }

    /// The number that the kernel's own table of sockets has for it.
    pub(super) fn inode(&self) -> Option<u64> {
        fstat(&self.socket).ok().map(|told| told.st_ino)
    }

    /// Whether there is something to ask for before anything can be waited for.
    pub(super) fn is_due(&self) -> bool {
        self.is_listing() && !self.is_asked
    }

    fn is_listing(&self) -> bool {
        self.listed < self.requests.len()
    }

    /// Lists everything anew, where it can: rights may be gone.
    pub(super) fn list_again(&mut self) {
        if self.family == ROUTE && !self.is_listing() {
            (self.listed, self.is_asked) = (0, false);
        }
    }

    /// Asks for the next list.
    fn ask(&mut self) -> io::Result<()> {
        if let Some(request) = self.requests.get(self.listed) {
            send(self.listing.as_raw_fd(), request, MsgFlags::empty())?;
            self.is_asked = true;
        }
        Ok(())
    }

    /// Reads what is there, as far as its turn goes: lists first, then events.
    pub(super) fn take(
        &mut self,
        buffer: &mut [u8],
        clock: Clock,
        writing: &mut Writing<'_>,
    ) -> io::Result<()> {
        for _ in 0..TURN {
            if self.is_due() {
                // As the kernel's monitor does: where a list begins is told by who asked for it.
                writing.message(self.number, clock(), self.family, &self.requests[self.listed]);
                self.received += 1;
                self.ask()?;
            }
            let len = match recv(self.awaited().as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(len) => len,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
                Err(Errno::ENOBUFS) => {
                    self.overruns += 1;
                    self.list_again();
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let message = buffer.get(..len).unwrap_or_default();
            self.received += 1;
            writing.message(self.number, clock(), self.family, message);
            if self.is_listing() && matches!(kind(message), None | Some(ERROR | DONE)) {
                self.listed += 1;
                self.is_asked = false;
            }
        }
        Ok(())
    }
}

/// A netlink socket that hears `groups`.
fn listen(protocol: SockProtocol, groups: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    // Beyond the system's limit with CAP_NET_ADMIN; less room is no reason to stop.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
    }
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// Asks for all there is of a kind. Answers have its sequence number, which is the kind: so each list tells what it is.
fn list_request(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    bytes.extend_from_slice(&u32::from(kind).to_ne_bytes());
    bytes.extend_from_slice(&0_u32.to_ne_bytes());
    bytes.extend_from_slice(body);
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

#[cfg(test)]
mod tests {
    use super::*;

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
