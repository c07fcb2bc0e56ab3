//! nfnetlink messages as bytes (`linux/netlink.h`, `linux/netfilter/nfnetlink.h`): numbers in the machine's byte
//! order in headers, in network order in nf_tables' attributes.

use netlink_packet_core::{NLA_F_NESTED, NLA_HEADER_SIZE, NlaBuffer, NlasIterator};

/// Netlink's header and nfnetlink's behind it, in bytes.
pub(super) const HEADER: usize = 20;
const NETLINK_HEADER: usize = 16;
const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const NFNL_SUBSYS_NFTABLES: u16 = 10;

/// `nlmsg_flags`.
pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACK: u16 = 0x4;
pub(super) const DUMP: u16 = 0x300;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;

/// `nlmsg_type` of what is not nf_tables' own.
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;

/// The message type of one of nf_tables' messages (`enum nf_tables_msg_types`).
pub(super) const fn nftables(message: u16) -> u16 {
    NFNL_SUBSYS_NFTABLES << 8 | message
}

/// The same of connection tracking's (`enum cntl_msg_types`).
pub(super) const fn conntrack(message: u16) -> u16 {
    NFNL_SUBSYS_CTNETLINK << 8 | message
}

/// Whether a message from its netlink header on is one of connection tracking's, or the end of its list: no other
/// list's end is handed on.
pub(super) fn is_of_conntrack(whole: &[u8]) -> bool {
    let kind = whole.get(4..6).and_then(<[u8]>::first_chunk).map(|&kind| u16::from_ne_bytes(kind));
    kind.is_some_and(|kind| kind == NLMSG_DONE || kind >> 8 == NFNL_SUBSYS_CTNETLINK)
}

/// A message that is being written: a family, then attributes.
#[derive(Debug)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// `resource` is nf_tables' number in batch messages, else 0.
    pub(super) fn new(kind: u16, flags: u16, family: u8, resource: u16) -> Message {
        let mut bytes = vec![0; NETLINK_HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend([family, 0]);
        bytes.extend(resource.to_be_bytes());
        Message(bytes)
    }

    /// The batch's begin or end.
    pub(super) fn batch(kind: u16) -> Message {
        Message::new(kind, REQUEST, 0, NFNL_SUBSYS_NFTABLES)
    }

    #[must_use]
    pub(super) fn with(mut self, attribute: &[u8]) -> Message {
        self.0.extend_from_slice(attribute);
        self
    }

    /// The whole message, with its length.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let len = (self.0.len() as u32).to_ne_bytes();
        self.0[..4].copy_from_slice(&len);
        self.0
    }
}

/// An attribute: its length, its number, its value, and what is missing to four bytes.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = NLA_HEADER_SIZE + value.len();
    let mut bytes = Vec::with_capacity(len.next_multiple_of(4));
    bytes.extend((len as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(len.next_multiple_of(4), 0);
    bytes
}

/// An attribute made of others.
pub(super) fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, &parts.concat())
}

/// A text with its closing NUL.
pub(super) fn text(kind: u16, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), &[0]].concat())
}

pub(super) fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

pub(super) fn long(kind: u16, value: u64) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) kind: u16,
    /// From its netlink header on.
    pub(super) whole: &'a [u8],
}

impl<'a> Received<'a> {
    /// The family it is about.
    pub(super) fn family(&self) -> u8 {
        self.whole.get(NETLINK_HEADER).copied().unwrap_or_default()
    }

    /// What nfnetlink's header has beside the family (`res_id`).
    pub(super) fn resource(&self) -> u16 {
        let bytes = self.whole.get(NETLINK_HEADER + 2..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |&bytes| u16::from_be_bytes(bytes))
    }

    /// A number of four bytes.
    pub(super) fn number(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(*self.attribute(kind)?.first_chunk()?))
    }

    /// The first attribute of this number.
    pub(super) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        let attributes = NlasIterator::new(self.whole.get(HEADER..)?);
        let found = attributes.map_while(Result::ok).find(|it: &NlaBuffer<&[u8]>| it.kind() == kind)?;
        let inner = found.into_inner();
        inner.get(NLA_HEADER_SIZE..usize::from(u16::from_ne_bytes(*inner.first_chunk()?)))
    }

    /// What an error says: 0 for a message that was done.
    pub(super) fn error(&self) -> Option<i32> {
        let code = self.whole.get(NETLINK_HEADER..)?.first_chunk()?;
        (self.kind == NLMSG_ERROR).then(|| i32::from_ne_bytes(*code))
    }
}

/// The messages of a datagram, up to the first that is none.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let whole = bytes.get(..len).filter(|whole| whole.len() >= NETLINK_HEADER)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Received { kind: u16::from_ne_bytes([whole[4], whole[5]]), whole })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let first =
            Message::new(nftables(17), REQUEST, 1, 0).with(&text(1, "nat")).with(&long(3, 57)).finish();
        let second = Message::new(NLMSG_DONE, 0, 0, 0).finish();
        let datagram = [first, second].concat();
        let read: Vec<Received<'_>> = messages(&datagram).collect();
        assert_eq!(read.iter().map(|it| (it.kind, it.family())).collect::<Vec<_>>(), [(0xa11, 1), (3, 0)]);
        assert_eq!(read[0].attribute(1), Some(&b"nat\0"[..]));
        assert_eq!(read[0].attribute(3), Some(&57_u64.to_be_bytes()[..]));
        assert_eq!(read[0].attribute(2), None);
        assert_eq!(read[0].error(), None);
    }

    #[test]
    fn what_is_cut_ends_the_datagram() {
        let whole = Message::new(1, 0, 0, 0).with(&text(1, "x")).finish();
        for len in 0..whole.len() {
            assert_eq!(messages(&whole[..len]).count(), 0);
        }
        assert_eq!(messages(&[3, 0, 0, 0, 1, 2, 3]).count(), 0);
    }
}
