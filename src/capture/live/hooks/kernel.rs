//! The way to nf_tables and connection tracking: one socket that owns the table and asks, one that hears of traced
//! packets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};

use super::message::{
    ACK, DUMP, Message, NLMSG_DONE, REQUEST, Received, conntrack, messages, nftables, text,
};
use super::table;
use crate::model::FlowPattern;

/// `NFNLGRP_NFTRACE`, as a bit of the groups that a socket joins.
const TRACE_GROUP: u32 = 1 << (9 - 1);
/// Room for messages while they are handed on, in bytes.
const ROOM: usize = 8 << 20;
/// An answer of the kernel comes at once; this is for a machine that is very busy. In milliseconds.
const PATIENCE: u16 = 5_000;
/// Datagrams of a list are smaller (`NLMSG_GOODSIZE`, 32 KiB).
const LONGEST: usize = 64 << 10;

/// Messages of nf_tables.
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;
/// Messages of connection tracking: for an entry, and for statistics.
const GET_ENTRY: u16 = 1;
pub(super) const CPU_STATISTICS: u16 = conntrack(4);
pub(super) const TABLE_STATISTICS: u16 = conntrack(5);
pub(super) const NEW_CHAIN: u16 = nftables(3);
pub(super) const NEW_RULE: u16 = nftables(6);
pub(super) const TRACE: u16 = nftables(17);

/// Both sockets. When the process ends, however it ends, the kernel closes them and removes the table.
pub(super) struct Kernel {
    owner: OwnedFd,
    events: OwnedFd,
    name: String,
    is_there: bool,
    buffer: Vec<u8>,
}

impl Kernel {
    /// Needs `CAP_NET_ADMIN`, as everything else here.
    pub(super) fn open() -> io::Result<Kernel> {
        let owner = open(0)?;
        let events = open(TRACE_GROUP)?;
        let name = format!("hopline-{}", std::process::id());
        Ok(Kernel { owner, events, name, is_there: false, buffer: vec![0; LONGEST] })
    }

    /// Where events are waited for.
    pub(super) fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Traces the connections of `patterns` from now on, and no others.
    pub(super) fn trace(&mut self, patterns: &[FlowPattern]) -> io::Result<()> {
        self.ask(&table::put(&self.name, patterns, self.is_there))?;
        self.is_there = true;
        Ok(())
    }

    /// Removes the table.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_there) {
            self.ask(&table::remove(&self.name))?;
        }
        Ok(())
    }

    /// Gives the waiting events' messages to `take`; returns `true` if some were lost.
    pub(super) fn hear(&mut self, take: &mut dyn FnMut(Received<'_>)) -> io::Result<bool> {
        loop {
            match recv(self.events.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(len) => messages(&self.buffer[..len]).for_each(&mut *take),
                Err(Errno::EAGAIN) => return Ok(false),
                Err(Errno::ENOBUFS) => return Ok(true),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives what the kernel knows of a chain, then its rules in order, to `take`.
    pub(super) fn describe(
        &mut self,
        family: u8,
        table: &str,
        chain: &str,
        take: &mut dyn FnMut(Received<'_>),
    ) -> io::Result<()> {
        let chain_request = Message::new(nftables(GET_CHAIN), REQUEST | ACK, family, 0);
        self.request(&chain_request.with(&text(1, table)).with(&text(3, chain)).finish(), take)?;
        let rules_request = Message::new(nftables(GET_RULE), REQUEST | DUMP, family, 0);
        self.request(&rules_request.with(&text(1, table)).with(&text(2, chain)).finish(), take)
    }

    /// Gives every entry of connection tracking's table to `take`, behind the message that asks for them and before
    /// the one that ends them: so it is known that these are all.
    pub(super) fn list(&mut self, take: &mut dyn FnMut(Received<'_>)) -> io::Result<()> {
        let request = Message::new(conntrack(GET_ENTRY), REQUEST | DUMP, 0, 0).finish();
        messages(&request).for_each(&mut *take);
        self.request(&request, take)
    }

    /// Gives what every CPU has counted in connection tracking to `take`, then how full its table is.
    pub(super) fn statistics(&mut self, take: &mut dyn FnMut(Received<'_>)) -> io::Result<()> {
        self.request(&Message::new(CPU_STATISTICS, REQUEST | DUMP, 0, 0).finish(), take)?;
        self.request(&Message::new(TABLE_STATISTICS, REQUEST | ACK, 0, 0).finish(), take)
    }

    fn ask(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.request(bytes, &mut |_| {})
    }

    /// Sends a request and hears the answer to its end.
    fn request(&mut self, bytes: &[u8], take: &mut dyn FnMut(Received<'_>)) -> io::Result<()> {
        // What an earlier request left unread is none of this one's.
        while recv(self.owner.as_raw_fd(), &mut self.buffer, MsgFlags::empty()).is_ok() {}
        send(self.owner.as_raw_fd(), bytes, MsgFlags::empty())?;
        loop {
            let mut wanted = [PollFd::new(self.owner.as_fd(), PollFlags::POLLIN)];
            if poll(&mut wanted, PollTimeout::from(PATIENCE))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let len = recv(self.owner.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for message in messages(&self.buffer[..len]) {
                match message.error() {
                    Some(0) => return Ok(()),
                    Some(code) => return Err(io::Error::from_raw_os_error(-code)),
                    None if message.kind == NLMSG_DONE => {
                        take(message);
                        return Ok(());
                    }
                    None => take(message),
                }
            }
        }
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
    // A batch is sent as one datagram; a system that grants less room says so when it does not fit.
    let _ = setsockopt(&socket, sockopt::SndBuf, &ROOM);
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &ROOM);
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}
