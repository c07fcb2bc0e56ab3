//! Entries of the connection tracking table, as ctnetlink tells them (`linux/netfilter/nfnetlink_conntrack.h`).

use std::net::IpAddr;

use netlink_bindings::conntrack::{
    ConntrackAttrs, IterableProtoinfoAttrs, IterableTupleAttrs, ProtoinfoAttrs, ProtoinfoTcpAttrs,
    TupleAttrs, TupleIpAttrs, TupleProtoAttrs,
};

use super::attributes::Attributes;
use super::netlink::{MULTI, Message};
use super::{Layer, Reason, Stop};
use crate::model::{
    Conntrack, ConntrackChange, ConntrackStatus, Endpoint, KernelBody, Protocol, TableCounts, TableEvent,
    TcpState, Tuple,
};

/// `enum cntl_msg_types`.
const NEW: u8 = 0;
const GET: u8 = 1;
const DELETE: u8 = 2;
const STATISTICS_OF_CPU: u8 = 4;
const STATISTICS: u8 = 5;
/// `enum ctattr_stats_cpu` and `ctattr_stats_global`.
const DROPPED: u16 = 10;
const EVICTED: u16 = 11;
const ENTRIES: u16 = 1;
const MOST_ENTRIES: u16 = 2;
/// A flag of `linux/netlink.h`.
const CREATE: u16 = 0x400;

/// Reads an entry, or what is told of the table as a whole.
pub(super) fn read(message: &Message<'_>) -> Result<KernelBody, Stop> {
    let attributes = Attributes(message.attributes);
    let number = |kind| attributes.number(kind).ok_or(Stop::new(Layer::Conntrack, Reason::Malformed));
    Ok(KernelBody::Table(match message.kind {
        // What asks for the list stands before it.
        GET => TableEvent::Listing,
        STATISTICS => TableEvent::Size { entries: number(ENTRIES)?, most: number(MOST_ENTRIES).unwrap_or(0) },
        STATISTICS_OF_CPU => {
            let counts = TableCounts { dropped: number(DROPPED)?, evicted: number(EVICTED)? };
            TableEvent::Counts { cpu: message.resource, counts }
        }
        _ => return entry(message).map(KernelBody::Conntrack),
    }))
}

fn entry(message: &Message<'_>) -> Result<Conntrack, Stop> {
    let change = match (message.kind, message.flags) {
        (DELETE, _) => ConntrackChange::Destroyed,
        (NEW, flags) if flags & MULTI != 0 => ConntrackChange::Listed,
        (NEW, flags) if flags & CREATE != 0 => ConntrackChange::New,
        (NEW, _) => ConntrackChange::Updated,
        (other, _) => return Err(Stop::new(Layer::Conntrack, Reason::Message(other))),
    };
    let (mut original, mut reply) = (None, None);
    let (mut id, mut zone, mut mark) = (0, 0, 0);
    let mut status = ConntrackStatus::default();
    let mut state = None;
    // What is added to the kernel after this was written is passed over, and so is what is cut.
    for attribute in ConntrackAttrs::new(message.attributes).flatten() {
        match attribute {
            ConntrackAttrs::TupleOrig(told) => original = tuple(told),
            ConntrackAttrs::TupleReply(told) => reply = tuple(told),
            ConntrackAttrs::Id(told) => id = told,
            ConntrackAttrs::Zone(told) => zone = told,
            ConntrackAttrs::Mark(told) => mark = told,
            ConntrackAttrs::Status(bits) => status = ConntrackStatus(bits),
            ConntrackAttrs::Protoinfo(told) => state = tcp_state(told),
            _ => {}
        }
    }
    let missing = Stop::new(Layer::Conntrack, Reason::Malformed);
    let (original, reply) = original.zip(reply).ok_or(missing)?;
    Ok(Conntrack { change, id, original, reply, zone, mark, status, tcp_state: state })
}

fn tuple(attributes: IterableTupleAttrs<'_>) -> Option<Tuple> {
    let (mut src, mut dst, mut protocol) = (None, None, None);
    let (mut src_port, mut dst_port) = (0, 0);
    for attribute in attributes.flatten() {
        match attribute {
            TupleAttrs::TupleIp(told) => {
                for address in told.flatten() {
                    match address {
                        TupleIpAttrs::IpV4Src(ip) => src = Some(IpAddr::V4(ip)),
                        TupleIpAttrs::IpV4Dst(ip) => dst = Some(IpAddr::V4(ip)),
                        TupleIpAttrs::IpV6Src(ip) => src = Some(IpAddr::V6(ip)),
                        TupleIpAttrs::IpV6Dst(ip) => dst = Some(IpAddr::V6(ip)),
                    }
                }
            }
            TupleAttrs::TupleProto(told) => {
                for part in told.flatten() {
                    match part {
                        TupleProtoAttrs::ProtoNum(number) => protocol = Some(Protocol::from_number(number)),
                        TupleProtoAttrs::ProtoSrcPort(port) => src_port = port,
                        TupleProtoAttrs::ProtoDstPort(port) => dst_port = port,
                        TupleProtoAttrs::ProtoIcmpId(id) | TupleProtoAttrs::ProtoIcmpv6Id(id) => {
                            (src_port, dst_port) = (id, id);
                        }
                        _ => {}
                    }
                }
            }
            TupleAttrs::TupleZone(_) => {}
        }
    }
    let end = |ip: Option<IpAddr>, port| Some(Endpoint::new(ip?.into(), port));
    Some(Tuple { protocol: protocol?, src: end(src, src_port)?, dst: end(dst, dst_port)? })
}

fn tcp_state(attributes: IterableProtoinfoAttrs<'_>) -> Option<TcpState> {
    let of_tcp = attributes.flatten().find_map(|told| match told {
        ProtoinfoAttrs::ProtoinfoTcp(tcp) => Some(tcp),
        _ => None,
    })?;
    of_tcp.flatten().find_map(|told| match told {
        ProtoinfoTcpAttrs::TcpState(state) => Some(TcpState(state)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode_messages;
    use crate::model::{Batch, KernelBody, KernelEvent, Messages, NodeId, Timestamp};

    /// A message of ctnetlink with an IPv4 connection that was translated both ways, as the kernel writes it.
    fn sample(kind: u8, flags: u16) -> Vec<u8> {
        let tuple = |kind: u16, src: [u8; 4], dst: [u8; 4], ports: [u16; 2]| {
            let ip = [attribute(1, &src), attribute(2, &dst)].concat();
            let ports = ports.map(u16::to_be_bytes);
            let proto = [attribute(1, &[6]), attribute(2, &ports[0]), attribute(3, &ports[1])].concat();
            attribute(kind | NESTED, &[attribute(1 | NESTED, &ip), attribute(2 | NESTED, &proto)].concat())
        };
        let tcp = attribute(1 | NESTED, &attribute(1, &[3]));
        let body = [
            vec![2, 0, 0, 0],
            tuple(1, [10, 244, 1, 21], [10, 43, 7, 7], [46928, 80]),
            tuple(2, [10, 244, 2, 5], [10, 1, 2, 1], [8080, 1024]),
            attribute(3, &0x18e_u32.to_be_bytes()),
            attribute(4 | NESTED, &tcp),
            attribute(8, &0x4000_u32.to_be_bytes()),
            attribute(12, &77_u32.to_be_bytes()),
            attribute(18, &5_u16.to_be_bytes()),
            attribute(4000, b"newer than this"),
        ]
        .concat();
        let mut bytes = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&(0x0100 | u16::from(kind)).to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&body);
        bytes
    }

    const NESTED: u16 = 0x8000;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn decoded(data: &[u8]) -> (Vec<KernelEvent>, Option<Stop>) {
        let mut batch = Batch::default();
        let messages = Messages { time: Timestamp(7), node: NodeId(1), family: 12, data };
        let stop = decode_messages(&messages, &mut batch);
        (batch.events().iter().map(|(_, event)| event.clone()).collect(), stop)
    }

    #[test]
    fn an_entry_is_read_whole() {
        let end = |text: &str, port| Endpoint::new(text.parse().expect("an address"), port);
        let tuple = |src, dst| Tuple { protocol: Protocol::Tcp, src, dst };
        let expected = Conntrack {
            change: ConntrackChange::New,
            id: 77,
            original: tuple(end("10.244.1.21", 46928), end("10.43.7.7", 80)),
            reply: tuple(end("10.244.2.5", 8080), end("10.1.2.1", 1024)),
            zone: 5,
            mark: 0x4000,
            status: ConntrackStatus(0x18e),
            tcp_state: Some(TcpState(3)),
        };
        let (events, stop) = decoded(&sample(NEW, CREATE));
        let [KernelEvent { time: Timestamp(7), node: NodeId(1), body: KernelBody::Conntrack(entry) }] =
            events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!((entry, stop), (expected, None));
        assert_eq!(entry.translated(), tuple(end("10.1.2.1", 1024), end("10.244.2.5", 8080)));
        assert!(entry.status.has_seen_reply() && entry.status.is_assured());
    }

    #[test]
    fn kinds_and_flags_tell_what_became_of_it() {
        let of = |kind, flags| match decoded(&sample(kind, flags)).0.first()?.body {
            KernelBody::Conntrack(entry) => Some(entry.change),
            _ => None,
        };
        assert_eq!(of(NEW, 0x600), Some(ConntrackChange::New));
        assert_eq!(of(NEW, 0), Some(ConntrackChange::Updated));
        assert_eq!(of(NEW, MULTI), Some(ConntrackChange::Listed));
        assert_eq!(of(DELETE, 0), Some(ConntrackChange::Destroyed));
        assert_eq!(of(9, 0), None);
    }

    /// A message of ctnetlink's without an entry.
    fn message(kind: u16, resource: u16, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = ((20 + attributes.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&resource.to_be_bytes());
        bytes.extend_from_slice(attributes);
        bytes
    }

    #[test]
    fn the_table_as_a_whole_is_told_of() {
        let number = |kind, value: u32| attribute(kind, &value.to_be_bytes());
        let of = |bytes: &[u8]| decoded(bytes).0.iter().map(|event| event.body.clone()).collect::<Vec<_>>();
        let counts = TableCounts { dropped: 3, evicted: 9 };
        let of_cpu = message(0x0104, 2, &[number(9, 1), number(10, 3), number(11, 9)].concat());
        assert_eq!(of(&of_cpu), [KernelBody::Table(TableEvent::Counts { cpu: 2, counts })]);
        let size = message(0x0105, 0, &[number(1, 40), number(2, 50)].concat());
        assert_eq!(of(&size), [KernelBody::Table(TableEvent::Size { entries: 40, most: 50 })]);
        // Older kernels do not tell how many there may be.
        let size = message(0x0105, 0, &number(1, 40));
        assert_eq!(of(&size), [KernelBody::Table(TableEvent::Size { entries: 40, most: 0 })]);
        let list = [message(0x0101, 0, &[]), sample(NEW, MULTI), message(3, 0, &[])].concat();
        let list = of(&list);
        assert_eq!(
            (&list[0], list.len(), &list[2]),
            (&KernelBody::Table(TableEvent::Listing), 3, &KernelBody::Table(TableEvent::Listed))
        );
        let malformed = Some(Stop::new(Layer::Conntrack, Reason::Malformed));
        for kind in [0x0104, 0x0105] {
            assert_eq!(decoded(&message(kind, 0, &number(12, 1))).1, malformed);
        }
    }

    proptest::proptest! {
        #[test]
        fn damaged_messages_are_survived(at in 16..200_usize, byte: u8, tail: Vec<u8>) {
            let mut bytes = sample(NEW, CREATE);
            let place = at % bytes.len();
            bytes[place] = byte;
            bytes.extend(tail);
            let (events, _) = decoded(&bytes);
            proptest::prop_assert!(events.len() <= bytes.len() / 16);
        }
    }

    #[test]
    fn a_message_that_is_cut_anywhere_is_counted_or_read() {
        let whole = sample(NEW, CREATE);
        for len in 0..whole.len() {
            let mut cut = whole[..len].to_vec();
            assert!(decoded(&cut).0.is_empty(), "its length is more than there is");
            if len >= 16 {
                cut[..4].copy_from_slice(&(len as u32).to_ne_bytes());
                let (events, stop) = decoded(&cut);
                assert!(events.is_empty() == stop.is_some(), "{len}");
            }
        }
    }
}
