//! A datagram from the kernel is a row of messages, each with a header of its own (`netlink(7)`).

use super::{Layer, Reason, Stop, conntrack, nftables, routing};
use crate::model::{Batch, KernelBody, KernelEvent, Messages, TableEvent};

/// `linux/netlink.h`.
const ROUTE: u16 = 0;
const NETFILTER: u16 = 12;
const HEADER: usize = 16;
/// Types below this are netlink's own: nothing, an error, the end of a list.
pub(super) const FIRST_OF_FAMILY: u16 = 16;
/// The end of a list.
pub(super) const DONE: u16 = 3;
/// The flag of what is part of a list.
pub(super) const MULTI: u16 = 0x2;
/// The subsystem in a netfilter message's type (`linux/netfilter/nfnetlink.h`).
const CONNTRACK: u8 = 1;
const NFTABLES: u8 = 10;
/// `struct nfgenmsg`, in front of the attributes.
const GENERIC_HEADER: usize = 4;

/// Any message.
pub(super) struct Raw<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    /// Of the request that it answers.
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

/// A netfilter message.
pub(super) struct Message<'a> {
    /// Within its subsystem.
    pub(super) kind: u8,
    pub(super) flags: u16,
    /// `res_id`: of a CPU's statistics its number.
    pub(super) resource: u16,
    pub(super) attributes: &'a [u8],
}

/// Decodes a record of messages; what they tell goes into `batch`, behind the packets that are there.
///
/// Returns why, if one of them is not followed.
pub fn decode_messages(messages: &Messages<'_>, batch: &mut Batch) -> Option<Stop> {
    if !matches!(messages.family, ROUTE | NETFILTER) {
        return Some(Stop::new(Layer::Netlink, Reason::Family(messages.family)));
    }
    let mut rest = messages.data;
    let mut stopped = None;
    while !rest.is_empty() {
        let Some((raw, after)) = split(rest) else {
            return Some(Stop::new(Layer::Netlink, Reason::Cut));
        };
        rest = after;
        let told = match (messages.family, raw.kind) {
            (ROUTE, _) => {
                routing::read(&raw).map(|event| event.map(|event| KernelBody::Route(Box::new(event))))
            }
            // Of connection tracking's; others of this family are not recorded.
            (_, DONE) => Ok(Some(KernelBody::Table(TableEvent::Listed))),
            (_, ..FIRST_OF_FAMILY) => Ok(None),
            _ => netfilter(&raw).map(Some),
        };
        match told {
            Ok(Some(body)) => {
                batch.tell(KernelEvent { time: messages.time, node: messages.node, body });
            }
            Ok(None) => {}
            Err(stop) => stopped = Some(stop),
        }
    }
    stopped
}

fn netfilter(raw: &Raw<'_>) -> Result<KernelBody, Stop> {
    let [subsystem, kind_there] = raw.kind.to_be_bytes();
    let cut = Stop::new(Layer::Netlink, Reason::Cut);
    let (&[family, _, r0, r1], attributes) = raw.body.split_first_chunk::<GENERIC_HEADER>().ok_or(cut)?;
    let resource = u16::from_be_bytes([r0, r1]);
    let message = Message { kind: kind_there, flags: raw.flags, resource, attributes };
    match subsystem {
        CONNTRACK => conntrack::read(&message),
        NFTABLES => nftables::read(kind_there, family, attributes)
            .map(|event| KernelBody::Hook(Box::new(event)))
            .ok_or(Stop::new(Layer::Netlink, Reason::NetlinkType(raw.kind))),
        _ => Err(Stop::new(Layer::Netlink, Reason::NetlinkType(raw.kind))),
    }
}

/// The first message, and what comes after it.
fn split(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let [l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, ..] = *bytes.first_chunk::<HEADER>()?;
    let len = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
    let body = bytes.get(HEADER..len)?;
    let after = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    let (kind, flags) = (u16::from_ne_bytes([t0, t1]), u16::from_ne_bytes([f0, f1]));
    Some((Raw { kind, flags, sequence: u32::from_ne_bytes([s0, s1, s2, s3]), body }, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NodeId, Timestamp};

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn stop(family: u16, data: &[u8]) -> Option<Stop> {
        let mut batch = Batch::default();
        let messages = Messages { time: Timestamp(0), node: NodeId(0), family, data };
        let stop = decode_messages(&messages, &mut batch);
        assert!(batch.events().is_empty() && batch.packets.is_empty());
        stop
    }

    #[test]
    fn what_is_not_followed_is_said() {
        let cut = Some(Stop::new(Layer::Netlink, Reason::Cut));
        assert_eq!(stop(12, &[]), None);
        assert_eq!(stop(1, &[]), Some(Stop::new(Layer::Netlink, Reason::Family(1))));
        assert_eq!(stop(12, &[0; 15]), cut);
        assert_eq!(stop(12, &[0; 16]), cut, "a length of nothing");
        assert_eq!(stop(12, &message(1, &[0; 5])), None, "nothing, as netlink says it");
        assert_eq!(stop(12, &message(0x0100, &[0; 3])), cut);
        let foreign = message(0x0900, &[0; 4]);
        assert_eq!(stop(12, &foreign), Some(Stop::new(Layer::Netlink, Reason::NetlinkType(0x900))));
        assert_eq!(stop(12, &[foreign.as_slice(), &[1]].concat()), cut);
    }
}
