//! What nf_tables tells of packets that are traced: the hooks and rules they pass.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Tuple;

/// A place in the node's network stack where rules look at packets (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    const ALL: [(Hook, &'static str); 5] = [
        (Hook::Prerouting, "PREROUTING"),
        (Hook::Input, "INPUT"),
        (Hook::Forward, "FORWARD"),
        (Hook::Output, "OUTPUT"),
        (Hook::Postrouting, "POSTROUTING"),
    ];

    pub fn from_number(number: u32) -> Option<Hook> {
        Hook::ALL.get(number as usize).map(|&(hook, _)| hook)
    }

    /// As iptables names its chain there.
    pub fn name(self) -> &'static str {
        Hook::ALL[self as usize].1
    }

    /// The hook whose chain iptables calls so.
    pub fn from_name(name: &str) -> Option<Hook> {
        Hook::ALL.iter().find(|(_, known)| *known == name).map(|&(hook, _)| hook)
    }
}

/// A chain, by its family, its table and its own name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChainName {
    /// `NFPROTO_…`: 1 inet, 2 IPv4, 10 IPv6.
    pub family: u8,
    pub table: Box<str>,
    pub chain: Box<str>,
}

impl ChainName {
    /// Whether it is of the table that hopline itself traces with.
    pub fn is_own(&self) -> bool {
        self.family == 1 && self.table.starts_with("hopline-")
    }
}

impl fmt::Display for ChainName {
    /// `ip nat KUBE-SERVICES`, as nft(8) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            1 => "inet",
            2 => "ip",
            5 => "netdev",
            7 => "bridge",
            10 => "ip6",
            _ => "?",
        };
        write!(f, "{family} {} {}", self.table, self.chain)
    }
}

/// What a rule, or a chain that was gone through, does with a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    Accept,
    Drop,
    /// It looks further.
    Continue,
    Return,
    Jump(Box<str>),
    Goto(Box<str>),
    /// Taken by something else: a queue to a process, a helper of the kernel.
    Taken,
}

/// What a trace message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A rule that matched, by its handle.
    Rule(u64),
    /// The end of a chain, or a rule that sent it back.
    Return,
    /// A base chain's policy.
    Policy,
}

/// One trace message (`NFT_MSG_TRACE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    /// Of the packet; it may come again with a later one.
    pub id: u32,
    pub chain: ChainName,
    pub kind: StepKind,
    pub action: Action,
    /// The packet, with the first message of each base chain.
    pub packet: Option<TracedPacket>,
}

/// A packet as a hook saw it: what it is recognised by elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedPacket {
    pub tuple: Tuple,
    pub ttl: u8,
    /// IPv4 identification; 0 for IPv6.
    pub ip_id: u16,
    /// TCP sequence number, or an echo's; 0 for other protocols.
    pub seq: u32,
    /// TCP flags; 0 for other protocols.
    pub flags: u8,
    /// Transport payload bytes.
    pub len: u32,
    /// conntrack's own number of the connection, where the kernel tells it (since 6.17).
    pub connection: Option<u32>,
}

/// A chain as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainInfo {
    pub name: ChainName,
    /// Where it begins by itself, and at which priority; others are jumped to.
    pub base: Option<(Hook, i32)>,
}

/// A rule as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    pub chain: ChainName,
    pub handle: u64,
    /// As `nft list ruleset` words it, without counters.
    pub text: Box<str>,
    /// What was written with it for people.
    pub comment: Option<Box<str>>,
}

/// What nf_tables tells: of a packet, of a chain, of a rule. A chain comes before its rules, and these in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookEvent {
    Step(TraceStep),
    Chain(ChainInfo),
    Rule(RuleInfo),
}
