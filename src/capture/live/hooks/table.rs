//! Our own nftables table: chains at each hook, before and after NAT, that mark the packets of the chosen
//! connections to be traced and do nothing else.
//!
//! - What conntrack knows is matched by its tuples, original and reply: so both ways and both sides of every
//!   translation are, with one rule (`-199`, right behind conntrack). A server's address is known of a connection's
//!   first packet behind DNAT only: patterns with one have a chain there (`-90`).
//! - What conntrack does not know (dropped before it, or invalid) is matched by the packet's own addresses (`-450`).
//! - The other chains are empty: a packet that is traced is told of in each of them, so its hooks are seen whatever
//!   rules there are, iptables-legacy's included.
//!
//! Every packet of the node passes these chains, and while there is a rule that marks packets, the kernel does more in
//! each chain there is (`nft_trace_init`): about 0.1 µs for each of ours. So there are no more than are needed, and
//! a rule asks first for what other connections do not have.

use ipnet::IpNet;

use super::message::{
    ACK, APPEND, BATCH_BEGIN, BATCH_END, CREATE, Message, REQUEST, attribute, long, nested, nftables, number,
    text,
};
use crate::model::{FlowEnd, FlowPattern};

/// `NFPROTO_INET`: IPv4 and IPv6.
const INET: u8 = 1;
/// Packets that a rule marks in a second, and at once.
const RATE: u64 = 500;
const BURST: u32 = 200;

/// Messages of nf_tables.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
/// `NFT_TABLE_F_OWNER`: only our socket may change it, and the kernel removes it with the socket (since 5.12).
const OWNER: u32 = 2;

/// What a chain's rules look at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Packet,
    Conntrack,
    /// The same, where a pattern names a server.
    Server,
    Nothing,
}

/// Name, hook (`enum nf_inet_hooks`), priority, and what it looks at.
const CHAINS: [(&str, u32, i32, Looks); 9] = [
    ("prerouting-first", 0, -450, Looks::Packet),
    ("prerouting-tracked", 0, -199, Looks::Conntrack),
    ("prerouting-translated", 0, -90, Looks::Server),
    ("input", 1, -10, Looks::Nothing),
    ("forward", 2, -10, Looks::Nothing),
    ("output-first", 3, -450, Looks::Packet),
    ("output-tracked", 3, -199, Looks::Conntrack),
    ("output-translated", 3, -90, Looks::Server),
    ("postrouting", 4, 310, Looks::Nothing),
];

/// The batch that puts the table there for `patterns`, in place of the one before it, if there is one.
pub(super) fn put(name: &str, patterns: &[FlowPattern], is_there: bool) -> Vec<u8> {
    let mut batch = Message::batch(BATCH_BEGIN).finish();
    let flags = REQUEST | CREATE;
    if is_there {
        batch.extend(removal(name, 0));
    }
    batch.extend(
        Message::new(nftables(NEW_TABLE), flags, INET, 0)
            .with(&text(1, name))
            .with(&number(2, OWNER))
            .finish(),
    );
    let is_needed = |looks| looks != Looks::Server || patterns.iter().any(|pattern| !pattern.server.is_any());
    for (chain, hook, priority, _) in CHAINS.into_iter().filter(|&(.., looks)| is_needed(looks)) {
        let place = nested(4, &[number(1, hook), number(2, priority as u32)]);
        let message =
            Message::new(nftables(NEW_CHAIN), flags, INET, 0).with(&text(1, name)).with(&text(3, chain));
        batch.extend(message.with(&place).with(&text(7, "filter")).finish());
    }
    let of_chain = |(chain, _, _, looks)| {
        patterns.iter().flat_map(move |pattern| conditions(pattern, looks)).map(move |rule| (chain, rule))
    };
    let mut rules = CHAINS.into_iter().flat_map(of_chain).peekable();
    while let Some((chain, conditions)) = rules.next() {
        // The last one tells that all are done; each that is not tells of itself.
        let ack = if rules.peek().is_none() { ACK } else { 0 };
        let expressions = nested(4, &[conditions, mark()].concat());
        let message = Message::new(nftables(NEW_RULE), flags | APPEND | ack, INET, 0);
        batch.extend(message.with(&text(1, name)).with(&text(2, chain)).with(&expressions).finish());
    }
    batch.extend(Message::batch(BATCH_END).finish());
    batch
}

/// The batch that takes the table away.
pub(super) fn remove(name: &str) -> Vec<u8> {
    [Message::batch(BATCH_BEGIN).finish(), removal(name, ACK), Message::batch(BATCH_END).finish()].concat()
}

fn removal(name: &str, flags: u16) -> Vec<u8> {
    Message::new(nftables(DELETE_TABLE), REQUEST | flags, INET, 0).with(&text(1, name)).finish()
}

/// The rules of a pattern in a chain, each as its expressions.
fn conditions(pattern: &FlowPattern, looks: Looks) -> Vec<Vec<Vec<u8>>> {
    let FlowPattern { client, target, server, .. } = *pattern;
    let mut rules = match looks {
        Looks::Nothing => Vec::new(),
        Looks::Server if server.is_any() => Vec::new(),
        Looks::Conntrack | Looks::Server => {
            let ends = [
                (client, Side::OriginalSource),
                (target, Side::OriginalDestination),
                (server, Side::ReplySource),
            ];
            vec![ends.into_iter().flat_map(|(end, side)| tracked(end, side)).collect()]
        }
        Looks::Packet => {
            // A request goes to the target before DNAT and to the server behind it; an answer comes from one of them.
            let others: &[FlowEnd] = match (target.is_any(), server.is_any()) {
                (false, false) => &[target, server],
                (true, false) => &[server],
                _ => &[target],
            };
            let both = |&other: &FlowEnd| [(client, other), (other, client)];
            let pairs = others.iter().flat_map(both);
            pairs.map(|(src, dst)| [carried(src, true), carried(dst, false)].concat()).collect()
        }
    };
    let is_v4 = pattern.ends().iter().find_map(FlowEnd::is_v4);
    for rule in &mut rules {
        // Behind the ends, as most packets have these.
        if let Some(is_v4) = is_v4 {
            // NFPROTO_IPV4, NFPROTO_IPV6.
            rule.extend([meta(META_NFPROTO), compare(&[if is_v4 { 2 } else { 10 }])]);
        }
        rule.extend([meta(META_L4PROTO), compare(&[pattern.protocol.number()])]);
    }
    rules
}

/// A part of conntrack's tuples.
#[derive(Clone, Copy)]
enum Side {
    OriginalSource,
    OriginalDestination,
    ReplySource,
}

/// What conntrack knows of an end.
fn tracked(end: FlowEnd, side: Side) -> Vec<Vec<u8>> {
    /// `enum nft_ct_keys`.
    const PORTS: (u32, u32) = (11, 12);
    const ADDRESSES: [(u32, u32); 2] = [(19, 20), (21, 22)];
    let direction = u8::from(matches!(side, Side::ReplySource));
    let pick =
        |(source, destination)| if matches!(side, Side::OriginalDestination) { destination } else { source };
    let load =
        |key: u32| expression("ct", &[number(1, REGISTER), number(2, key), attribute(3, &[direction])]);
    let mut found = Vec::new();
    if let Some(net) = end.net {
        found.push(load(pick(ADDRESSES[usize::from(matches!(net, IpNet::V6(_)))])));
        found.extend(within(net));
    }
    if let Some(port) = end.port {
        found.extend([load(pick(PORTS)), compare(&port.to_be_bytes())]);
    }
    found
}

/// What a packet's own headers say of an end.
fn carried(end: FlowEnd, is_source: bool) -> Vec<Vec<u8>> {
    const NETWORK_HEADER: u32 = 1;
    const TRANSPORT_HEADER: u32 = 2;
    let load = |base, offset, len| {
        expression("payload", &[number(1, REGISTER), number(2, base), number(3, offset), number(4, len)])
    };
    let pick = |source, destination| if is_source { source } else { destination };
    let mut found = Vec::new();
    if let Some(net) = end.net {
        found.push(match net {
            IpNet::V4(_) => load(NETWORK_HEADER, pick(12, 16), 4),
            IpNet::V6(_) => load(NETWORK_HEADER, pick(8, 24), 16),
        });
        found.extend(within(net));
    }
    if let Some(port) = end.port {
        found.extend([load(TRANSPORT_HEADER, pick(0, 2), 2), compare(&port.to_be_bytes())]);
    }
    found
}

/// The register that conditions go through (`NFT_REG_1`).
const REGISTER: u32 = 1;
/// `enum nft_meta_keys`.
const META_NFTRACE: u32 = 12;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;

/// The register's address lies in `net`.
fn within(net: IpNet) -> Vec<Vec<u8>> {
    let (address, mask) = match net {
        IpNet::V4(net) => (net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (net.network().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    let mut found = Vec::new();
    if net.prefix_len() < net.max_prefix_len() {
        let zero = vec![0; mask.len()];
        let data = |kind, value: &[u8]| nested(kind, &[attribute(1, value)]);
        let parts = [
            number(1, REGISTER),
            number(2, REGISTER),
            number(3, mask.len() as u32),
            data(4, &mask),
            data(5, &zero),
        ];
        found.push(expression("bitwise", &parts));
    }
    found.push(compare(&address));
    found
}

/// `limit rate …`, then `meta nftrace set 1`.
fn mark() -> Vec<Vec<u8>> {
    const A_SECOND: u64 = 1;
    let one = nested(2, &[attribute(1, &[1])]);
    vec![
        expression("limit", &[long(1, RATE), long(2, A_SECOND), number(3, BURST), number(4, 0)]),
        expression("immediate", &[number(1, REGISTER), one]),
        expression("meta", &[number(2, META_NFTRACE), number(3, REGISTER)]),
    ]
}

fn meta(key: u32) -> Vec<u8> {
    expression("meta", &[number(1, REGISTER), number(2, key)])
}

/// The register equals `value`.
fn compare(value: &[u8]) -> Vec<u8> {
    const EQUAL: u32 = 0;
    expression("cmp", &[number(1, REGISTER), number(2, EQUAL), nested(3, &[attribute(1, value)])])
}

fn expression(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[text(1, name), nested(2, parts)])
}
