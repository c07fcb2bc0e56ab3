//! The node's interfaces as the kernel tells them: `rtnetlink(7)`, listed at the start and followed from then on.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};

use crate::capture::naming::printable;
use crate::model::{Ip, Mac};

/// `RTMGRP_LINK` of `linux/rtnetlink.h`: interfaces that come, change and go.
const LINK_GROUP: u32 = 1;
/// Room for the changes of many pods born and killed at once.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The kernel's messages are at most 32 KiB long.
const LONGEST_MESSAGE: usize = 64 << 10;
/// How long the kernel may take over a part of its list, in milliseconds.
const PATIENCE: u16 = 2000;

/// What a device is made of, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Loopback,
    Bond,
    Vlan,
    Veth,
    Tunnel,
    /// A physical device, or one that is none of the above.
    #[default]
    Other,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The bond or bridge it is a part of.
    pub(super) master: Option<u32>,
    /// The device it lies upon; of a veth its peer, whose number may be another namespace's.
    pub(super) lower: Option<u32>,
    pub(super) mac: Option<Mac>,
    pub(super) is_up: bool,
    /// Only of interfaces that were there at the start.
    pub(super) addresses: Vec<IpNet>,
}

impl Link {
    /// Whether it has an address that other machines can reach.
    pub(super) fn may_be_uplink(&self) -> bool {
        let is_device = !matches!(self.kind, Kind::Loopback | Kind::Tunnel);
        let is_reachable = |net: &IpNet| !Ip::from(net.addr()).is_node_local();
        is_device && self.is_up && self.addresses.iter().any(is_reachable)
    }
}

/// What became of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Came {
        index: u32,
    },
    Renamed {
        index: u32,
        before: String,
    },
    /// Now part of a bond, or no longer; up or down; with another address.
    Changed {
        index: u32,
    },
    Gone {
        index: u32,
        name: String,
    },
}

/// All interfaces of the network namespace, by the kernel's index.
pub(super) struct Links {
    socket: OwnedFd,
    by_index: BTreeMap<u32, Link>,
    buffer: Vec<u8>,
    /// Messages were lost: what is known has to be listed anew.
    is_stale: bool,
}

impl AsFd for Links {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Links {
    /// Lists the interfaces and begins to follow them. Needs no rights.
    pub(super) fn open() -> io::Result<Links> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        // Less room is no reason to stop: what is lost is listed anew.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, LINK_GROUP))?;
        let buffer = vec![0; LONGEST_MESSAGE];
        let mut links = Links { socket, by_index: BTreeMap::new(), buffer, is_stale: false };
        links.list(&mut Vec::new())?;
        links.add_addresses();
        Ok(links)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Link)> {
        self.by_index.iter().map(|(&index, link)| (index, link))
    }

    pub(super) fn get(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    /// Takes in what the kernel has told since the last call.
    pub(super) fn update(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while self.receive(&mut events).is_ok() {}
        if self.is_stale {
            self.is_stale = false;
            // Where even this fails, the next change tells more.
            let _ = self.relist(&mut events);
        }
        events
    }

    /// Asks for one interface that no message has told of.
    pub(super) fn look_up(&mut self, index: u32) -> Option<&Link> {
        let name = if_indextoname(index).ok()?;
        let link = Link { name: printable(&name.to_string_lossy()), ..Link::default() };
        self.by_index.insert(index, link);
        self.by_index.get(&index)
    }

    /// Lists all interfaces; those that are not there any more are gone.
    fn relist(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let before = std::mem::take(&mut self.by_index);
        let mut told = Vec::new();
        self.list(&mut told)?;
        for (index, link) in before {
            match self.by_index.get_mut(&index) {
                None => events.push(Event::Gone { index, name: link.name }),
                Some(now) => {
                    now.addresses = link.addresses;
                    if now.name != link.name {
                        events.push(Event::Renamed { index, before: link.name });
                    }
                    told.retain(|event| *event != Event::Came { index });
                }
            }
        }
        events.extend(told);
        Ok(())
    }

    fn list(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetLink(LinkMessage::default()));
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        loop {
            let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if poll(&mut wanted, PollTimeout::from(PATIENCE))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.receive(events)? {
                return Ok(());
            }
        }
    }

    /// Reads one datagram of messages; gives whether a list ended with it.
    fn receive(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::ENOBUFS) => {
                self.is_stale = true;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.get(..length).unwrap_or_default();
        let mut is_end = false;
        while let Some(size) = message_len(rest) {
            let (message, after) = rest.split_at(size);
            rest = after.get(size.next_multiple_of(4) - size..).unwrap_or_default();
            // A message that the library cannot read is of something newer than it.
            let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else { continue };
            match message.payload {
                NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => is_end = true,
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(told)) => {
                    self.enter(&told, events);
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(told)) => {
                    self.leave(&told, events);
                }
                _ => {}
            }
        }
        self.buffer = buffer;
        Ok(is_end)
    }

    fn enter(&mut self, told: &LinkMessage, events: &mut Vec<Event>) {
        let index = told.header.index;
        let Some(mut link) = read(told) else { return };
        match self.by_index.get(&index) {
            None => events.push(Event::Came { index }),
            Some(known) => {
                link.addresses.clone_from(&known.addresses);
                if known.name != link.name {
                    events.push(Event::Renamed { index, before: known.name.clone() });
                } else if *known != link {
                    events.push(Event::Changed { index });
                }
            }
        }
        self.by_index.insert(index, link);
    }

    fn leave(&mut self, told: &LinkMessage, events: &mut Vec<Event>) {
        let index = told.header.index;
        // A bridge tells its ports' ends as well; the device itself is still there.
        if told.header.interface_family != netlink_packet_route::AddressFamily::Unspec {
            return;
        }
        if let Some(link) = self.by_index.remove(&index) {
            events.push(Event::Gone { index, name: link.name });
        }
    }

    fn add_addresses(&mut self) {
        let mut addresses: HashMap<u32, Vec<IpNet>> = HashMap::new();
        for interface in pnet::datalink::interfaces() {
            let nets = interface.ips.iter().filter_map(|net| IpNet::new(net.ip(), net.prefix()).ok());
            addresses.entry(interface.index).or_default().extend(nets);
        }
        for (index, nets) in addresses {
            if let Some(link) = self.by_index.get_mut(&index) {
                link.addresses = nets;
            }
        }
    }
}

/// The length of the message that `bytes` begins with, if it is whole.
fn message_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    (16..=bytes.len()).contains(&len).then_some(len)
}

fn read(told: &LinkMessage) -> Option<Link> {
    let mut link = Link { is_up: told.header.flags.contains(LinkFlags::Up), ..Link::default() };
    if told.header.link_layer_type == LinkLayerType::Loopback {
        link.kind = Kind::Loopback;
    }
    for attribute in &told.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = printable(name),
            LinkAttribute::Controller(master) => link.master = Some(*master),
            LinkAttribute::Link(lower) => link.lower = Some(*lower),
            LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().ok(),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = known(kind);
                    }
                }
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn known(kind: &InfoKind) -> Kind {
    match kind {
        InfoKind::Bond => Kind::Bond,
        InfoKind::Vlan => Kind::Vlan,
        InfoKind::Veth => Kind::Veth,
        InfoKind::Vxlan | InfoKind::IpIp | InfoKind::SitTun | InfoKind::Ip6Tnl => Kind::Tunnel,
        _ => Kind::Other,
    }
}
