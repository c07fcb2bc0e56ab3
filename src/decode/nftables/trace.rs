//! Trace messages (`enum nft_trace_attributes`).

use crate::decode::attributes::Attributes;
use crate::decode::nftables::name;
use crate::decode::{clean, decode};
use crate::model::{
    Action, Batch, Body, Direction, Frame, StepKind, Timestamp, TraceStep, TracedPacket, VantageId,
};

const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const TYPE: u16 = 4;
const VERDICT: u16 = 5;
const ID: u16 = 6;
const NETWORK_HEADER: u16 = 8;
const TRANSPORT_HEADER: u16 = 9;
const NFPROTO: u16 = 15;
const POLICY: u16 = 16;
/// Of the connection that conntrack sees the packet in (since 6.17).
const CT_ID: u16 = 18;

/// `enum nft_trace_types`.
const TYPE_POLICY: u32 = 1;
const TYPE_RULE: u32 = 3;

pub(super) fn read(family: u8, attributes: Attributes<'_>) -> Option<TraceStep> {
    let kind = match (attributes.number(TYPE)?, attributes.long(RULE_HANDLE)) {
        (TYPE_POLICY, _) => StepKind::Policy,
        (TYPE_RULE, Some(handle)) => StepKind::Rule(handle),
        _ => StepKind::Return,
    };
    let action = match kind {
        StepKind::Policy => code(attributes.number(POLICY)? as i32, None),
        _ => attributes.nested(VERDICT).map_or(Action::Continue, verdict),
    };
    Some(TraceStep {
        id: attributes.number(ID)?,
        chain: name(family, attributes, TABLE, CHAIN)?,
        kind,
        action,
        packet: packet(attributes),
    })
}

/// A verdict (`enum nft_verdict_attributes`), of trace messages and of rules.
pub(super) fn verdict(attributes: Attributes<'_>) -> Action {
    const CODE: u16 = 1;
    const TO_CHAIN: u16 = 2;
    code(attributes.number(CODE).unwrap_or(u32::MAX) as i32, attributes.text(TO_CHAIN))
}

/// `enum nft_verdicts`, and below that netfilter's own (`NF_DROP` and so on). The high half of a drop is an error
/// for the sender.
fn code(code: i32, chain: Option<&[u8]>) -> Action {
    let chain = || clean(chain.unwrap_or_default());
    match code {
        -1 | -2 => Action::Continue,
        -3 => Action::Jump(chain()),
        -4 => Action::Goto(chain()),
        -5 => Action::Return,
        1 => Action::Accept,
        other if other.trailing_zeros() >= 8 => Action::Drop,
        _ => Action::Taken,
    }
}

/// The packet by its headers, as far as the kernel gives them.
fn packet(attributes: Attributes<'_>) -> Option<TracedPacket> {
    let headers =
        [attributes.get(NETWORK_HEADER)?, attributes.get(TRANSPORT_HEADER).unwrap_or_default()].concat();
    let is_v4 = attributes.number(NFPROTO).is_some_and(|protocol| protocol == 2);
    let frame = Frame {
        time: Timestamp(0),
        vantage: VantageId(0),
        direction: Direction::Unknown,
        src_mac: [0; 6],
        dst_mac: [0; 6],
        ether_type: if is_v4 { 0x0800 } else { 0x86dd },
        wire_len: wire_len(&headers, is_v4)?,
        data: &headers,
        block: None,
        stored: crate::model::Stored::default(),
    };
    let mut batch = Batch::default();
    if decode(&frame, &mut batch).is_some() {
        return None;
    }
    let packet = batch.packets.first()?;
    let mut tuple = packet.tuple;
    if let Body::Echo(echo) = packet.body {
        // What tells it from others, as a port does.
        (tuple.src.port, tuple.dst.port) = (echo.id, echo.id);
    }
    let (seq, flags, len) = match packet.body {
        Body::Tcp(segment) => (segment.seq, segment.flags, segment.len),
        Body::Udp(datagram) => (0, 0, u32::from(datagram.len)),
        Body::Echo(echo) => (u32::from(echo.seq), 0, 0),
        Body::IcmpError(_) | Body::Neighbour(_) | Body::Other => return None,
    };
    Some(TracedPacket {
        tuple,
        ttl: packet.ttl,
        ip_id: packet.ip_id,
        seq,
        flags,
        len,
        connection: attributes.number(CT_ID).filter(|&id| id != 0),
    })
}

/// The packet's length by its own header; the headers alone are shorter.
fn wire_len(headers: &[u8], is_v4: bool) -> Option<u32> {
    let total = |at: usize| Some(u32::from(u16::from_be_bytes(*headers.get(at..)?.first_chunk()?)));
    let len = if is_v4 { total(2)? } else { total(4)? + 40 };
    Some(len.max(headers.len() as u32))
}
