//! What decoding leaves of one captured packet: fixed size, no references, cheap to move.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Direction, Ip, KernelEvent, Timestamp, Tuple, VantageId};

/// A link-layer address.
pub type Mac = [u8; 6];

/// The address Calico gives every cali interface.
pub const CALI_MAC: Mac = [0xee; 6];

/// One record from a source with its link header taken off. Borrowed from the source's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub time: Timestamp,
    pub vantage: VantageId,
    /// From SLL, SLL2 or packet flags; `Unknown` for plain Ethernet.
    pub direction: Direction,
    /// Zero where the link type carries none.
    pub src_mac: Mac,
    /// Zero where the link type carries none (SLL and SLL2 give the sender only).
    pub dst_mac: Mac,
    /// The network protocol, after any VLAN tags.
    pub ether_type: u16,
    /// Length on the wire of the network packet, at least `data.len()`.
    pub wire_len: u32,
    /// The network packet, as far as it was captured.
    pub data: &'a [u8],
    /// The record as it is in the source, link header and all.
    pub stored: Stored<'a>,
    /// What `data` is a part of; shared instead of copied by who needs it longer.
    pub block: Option<&'a Block>,
}

/// A record's bytes before anything was taken off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored<'a> {
    /// `pcap-linktype(7)`.
    pub link: u16,
    /// Length on the wire, at least `bytes.len()`.
    pub wire_len: u32,
    pub bytes: &'a [u8],
}

/// Bytes of a source that were read at once.
pub type Block = Arc<Vec<u8>>;

/// A decoded packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub time: Timestamp,
    pub vantage: VantageId,
    pub direction: Direction,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 identification; 0 for IPv6. Routers and NAT leave it as it is.
    pub ip_id: u16,
    pub src_mac: Mac,
    pub dst_mac: Mac,
    /// Length of the network packet on the wire, in bytes.
    pub wire_len: u32,
    /// What it travelled in here. All else but the link addresses is the inner packet's.
    pub inside: Option<Outer>,
    pub tuple: Tuple,
    pub body: Body,
    /// Where the captured transport payload lies in the batch.
    pub payload: Payload,
}

/// The packet around a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    pub encapsulation: Encapsulation,
    /// The node that sent it; zero where that is an IPv6 address.
    pub sender: [u8; 4],
}

/// What nodes put a packet in to carry it between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encapsulation {
    /// An Ethernet frame in a UDP datagram (RFC 7348).
    Vxlan,
    /// An IP packet in another one (RFC 2003, RFC 2473, RFC 4213).
    IpIp,
}

impl Encapsulation {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Encapsulation::Vxlan => "VXLAN",
            Encapsulation::IpIp => "IPIP",
        }
    }
}

/// A place in a [`Batch`]; see [`Batch::keep`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Payload {
    offset: u32,
    len: u16,
    /// 0 for the batch's own bytes, else the number of a block.
    block: u16,
}

/// The transport part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Tcp(TcpSegment),
    Udp(Datagram),
    /// ICMP or ICMPv6 echo request and reply.
    Echo(Echo),
    /// An ICMP or ICMPv6 error; it quotes the packet it is about.
    IcmpError(IcmpError),
    /// An ARP or neighbour discovery message; `tuple` holds sender and target address.
    Neighbour(Neighbour),
    /// Nothing that can be followed: another protocol, a later fragment, a header cut short.
    Other,
}

/// A TCP segment (RFC 9293).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpSegment {
    pub seq: u32,
    pub ack: u32,
    /// The flag byte as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub flags: u8,
    /// Payload bytes on the wire, which may be more than were captured.
    pub len: u32,
    /// TSval of the timestamp option (RFC 7323), 0 where absent.
    pub tsval: u32,
}

impl TcpSegment {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const ACK: u8 = 16;

    pub const fn is(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub const fn is_syn(self) -> bool {
        self.flags & (Self::SYN | Self::ACK) == Self::SYN
    }

    pub const fn is_syn_ack(self) -> bool {
        self.flags & (Self::SYN | Self::ACK) == Self::SYN | Self::ACK
    }

    /// Sequence space this segment takes: its payload, and one each for SYN and FIN.
    pub const fn span(self) -> u32 {
        self.len + (self.is(Self::SYN) as u32) + (self.is(Self::FIN) as u32)
    }
}

/// A UDP datagram, by what a node does not rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Payload bytes on the wire.
    pub len: u16,
    /// Digest of the first payload bytes and the length.
    pub digest: u64,
}

/// An ICMP echo message. NAT may change `id`; `seq` and payload stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    pub is_request: bool,
    pub id: u16,
    pub seq: u16,
    pub digest: u64,
    pub len: u16,
}

/// Why an ICMP or ICMPv6 error was sent (RFC 792, RFC 4443, RFC 1812).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpReason {
    NetUnreachable,
    HostUnreachable,
    ProtocolUnreachable,
    PortUnreachable,
    /// Codes 9, 10, 13 of ICMP and 1 of ICMPv6: a filter refused it.
    Prohibited,
    /// Fragmentation needed and DF set, or ICMPv6 packet too big.
    PacketTooBig,
    TimeExceeded,
    Redirect,
    Other,
}

/// An ICMP error and the packet it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    pub reason: IcmpReason,
    /// The quoted packet's 5-tuple, in the direction it travelled; of an echo, both ports are its identifier.
    pub quoted: Tuple,
    /// The quoted TCP sequence number, else the quoted IP id or echo sequence; 0 where it was cut.
    pub quoted_seq: u32,
    pub quoted_ip_id: u16,
    /// Next-hop MTU of `PacketTooBig`, else 0.
    pub mtu: u32,
}

/// An ARP (RFC 826) or neighbour discovery (RFC 4861) message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub is_request: bool,
    /// The address asked for, or the one that answers.
    pub target: Ip,
}

/// Packets on their way from decoding to correlation, with the payload bytes that go with them.
/// Reused, so that no packet costs an allocation.
#[derive(Debug, Default)]
pub struct Batch {
    pub packets: Vec<Packet>,
    /// What the kernel told, each with the number of packets that came before it.
    events: Vec<(usize, KernelEvent)>,
    /// Payloads of frames that come without a block.
    bytes: Vec<u8>,
    /// What the other payloads lie in.
    blocks: Vec<Block>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.packets.clear();
        self.events.clear();
        self.bytes.clear();
        self.blocks.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.events.is_empty()
    }

    /// Adds what the kernel told after the packets that are here.
    pub fn tell(&mut self, event: KernelEvent) {
        self.events.push((self.packets.len(), event));
    }

    /// What the kernel told, in order, each with the number of packets that came before it.
    pub fn events(&self) -> &[(usize, KernelEvent)] {
        &self.events
    }

    /// Keeps `payload`, a part of `frame`, up to `most` bytes of it.
    pub fn keep(&mut self, frame: &Frame<'_>, payload: &[u8], most: u16) -> Payload {
        let len = u16::try_from(payload.len()).map_or(most, |len| len.min(most));
        if len == 0 {
            return Payload::default();
        }
        if let Some((block, offset)) = self.share(frame, payload) {
            return Payload { offset, len, block };
        }
        let Ok(offset) = u32::try_from(self.bytes.len()) else { return Payload::default() };
        self.bytes.extend_from_slice(&payload[..usize::from(len)]);
        Payload { offset, len, block: 0 }
    }

    /// The number of the block that `payload` lies in, and where in it.
    fn share(&mut self, frame: &Frame<'_>, payload: &[u8]) -> Option<(u16, u32)> {
        let block = frame.block?;
        let offset = (payload.as_ptr() as usize).wrapping_sub(block.as_ptr() as usize);
        if offset.checked_add(payload.len()).is_none_or(|end| end > block.len()) {
            return None;
        }
        // Most packets are of the block that the one before them is of.
        let known = self.blocks.iter().rposition(|known| Arc::ptr_eq(known, block));
        let index = known.unwrap_or_else(|| {
            self.blocks.push(Arc::clone(block));
            self.blocks.len() - 1
        });
        Some((u16::try_from(index + 1).ok()?, u32::try_from(offset).ok()?))
    }

    /// The captured payload of `packet`, which must be of this batch.
    #[inline]
    pub fn payload(&self, packet: &Packet) -> &[u8] {
        let Payload { offset, len, block } = packet.payload;
        let bytes = match block {
            0 => &self.bytes,
            number => match self.blocks.get(usize::from(number) - 1) {
                Some(block) => &**block,
                None => return &[],
            },
        };
        bytes.get(offset as usize..offset as usize + usize::from(len)).unwrap_or_default()
    }
}
