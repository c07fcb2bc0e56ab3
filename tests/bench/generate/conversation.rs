//! A client pod, the Service it dials and the pod that serves; their packets as they look at each hop.

use std::ops::Range;
use std::rc::Rc;

use etherparse::{IpHeaders, Ipv4Header, PacketBuilder, TcpHeader, TcpOptionElement, ip_number};

use crate::cluster::{End, Hop, Port, Site};

/// Who talks to whom. The client's node turns the Service's address into the server's, and back.
pub(crate) struct Conversation {
    pub(crate) client: End,
    pub(crate) client_port: u16,
    pub(crate) service: ([u8; 4], u16),
    pub(crate) server: End,
    pub(crate) server_port: u16,
}

impl Conversation {
    pub(crate) fn is_on_one_node(&self) -> bool {
        self.client.site.node() == self.server.site.node()
    }
}

/// Part of a stream's or a datagram's bytes, shared by all sightings of it.
#[derive(Clone)]
pub(crate) struct Bytes {
    pub(crate) all: Rc<[u8]>,
    pub(crate) range: Range<usize>,
}

impl Bytes {
    pub(crate) fn whole(bytes: Vec<u8>) -> Bytes {
        Bytes { range: 0..bytes.len(), all: bytes.into() }
    }

    pub(crate) fn none() -> Bytes {
        Bytes::whole(Vec::new())
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.all[self.range.clone()]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Tcp {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) tsval: u32,
    pub(crate) tsecr: u32,
}

/// A packet of a conversation.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) conversation: Rc<Conversation>,
    pub(crate) is_from_client: bool,
    pub(crate) ip_id: u16,
    /// `None` for a datagram.
    pub(crate) tcp: Option<Tcp>,
    pub(crate) payload: Bytes,
}

impl Sent {
    /// Writes the packet to `buffer` as it is at `hop`, with its Ethernet header. At the client's own interface it
    /// carries the Service's address, everywhere else the server's.
    pub(crate) fn write(&self, hop: &Hop, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
        let Conversation { client, client_port, service, server, server_port } = *self.conversation;
        let is_at_client = match client.site {
            Site::Pod(pod) => hop.place.node == pod.node && hop.place.port == Port::Pod(pod.number),
            Site::Node(_) | Site::Outside => false,
        };
        let far = if is_at_client { service } else { (server.ip, server_port) };
        let near = (client.ip, client_port);
        let (src, dst) = if self.is_from_client { (near, far) } else { (far, near) };
        let mut ip = Ipv4Header::new(0, hop.ttl, ip_number::TCP, src.0, dst.0)?;
        ip.identification = self.ip_id;
        ip.dont_fragment = true;
        let packet = PacketBuilder::ethernet2(hop.src_mac, hop.dst_mac)
            .ip(IpHeaders::Ipv4(ip, etherparse::Ipv4Extensions::default()));
        buffer.clear();
        let payload = self.payload.as_slice();
        match self.tcp {
            Some(tcp) => packet.tcp_header(header(src.1, dst.1, tcp)?).write(buffer, payload)?,
            None => packet.udp(src.1, dst.1).write(buffer, payload)?,
        }
        Ok(())
    }
}

fn header(src: u16, dst: u16, tcp: Tcp) -> anyhow::Result<TcpHeader> {
    use hopline::model::TcpSegment as Flag;
    const PSH: u8 = 8;
    let mut header = TcpHeader::new(src, dst, tcp.seq, 64240);
    header.acknowledgment_number = tcp.ack;
    header.fin = tcp.flags & Flag::FIN != 0;
    header.syn = tcp.flags & Flag::SYN != 0;
    header.rst = tcp.flags & Flag::RST != 0;
    header.psh = tcp.flags & PSH != 0;
    header.ack = tcp.flags & Flag::ACK != 0;
    let timestamps = TcpOptionElement::Timestamp(tcp.tsval, tcp.tsecr);
    if header.syn {
        header.set_options(&[
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            timestamps,
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(7),
        ])?;
    } else {
        header.set_options(&[TcpOptionElement::Noop, TcpOptionElement::Noop, timestamps])?;
    }
    Ok(header)
}
