//! What nf_tables tells of packets that are traced: the hooks and rules they pass.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Protocol, Sighting, TcpSegment, Timestamp, Tuple, Way};

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

impl ChainName {
    /// The family as nft(8) writes it.
    pub const fn family(&self) -> &'static str {
        match self.family {
            1 => "inet",
            2 => "ip",
            5 => "netdev",
            7 => "bridge",
            10 => "ip6",
            _ => "?",
        }
    }

    /// `ip nat`: the table with its family.
    pub fn shown_table(&self) -> String {
        format!("{} {}", self.family(), self.table)
    }
}

impl fmt::Display for ChainName {
    /// `ip nat KUBE-SERVICES`, as nft(8) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family(), self.table, self.chain)
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
    /// Of an echo, both ports are its identifier.
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

impl TracedPacket {
    /// Whether it is the packet of a sighting, by what a node does not rewrite. Offloads cut segments differently, so
    /// bytes are compared where there are some.
    pub fn is_seen_as(&self, seen: &Sighting) -> bool {
        const KIND: u8 = TcpSegment::SYN | TcpSegment::RST;
        let is_before = |a: u32, b: u32| (a.wrapping_sub(b) as i32) < 0;
        let holds = |start: u32, len: u32, seq: u32| {
            !is_before(seq, start) && is_before(seq, start.wrapping_add(len))
        };
        match self.tuple.protocol {
            Protocol::Tcp => {
                let is_kind = self.flags & KIND == seen.flags & KIND;
                let is_start = self.seq == seen.seq && (self.len == 0) == (seen.len == 0);
                let shares_bytes = self.len > 0
                    && seen.len > 0
                    && (holds(self.seq, self.len, seen.seq) || holds(seen.seq, seen.len, self.seq));
                is_kind && (is_start || shares_bytes)
            }
            Protocol::Udp => self.ip_id == seen.ip_id && self.len == seen.len,
            _ => self.seq == seen.seq,
        }
    }
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

/// A rule, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub chain: ChainName,
    /// nf_tables' own number of it; `None` for a base chain's policy.
    pub handle: Option<u64>,
    /// Which of its chain's rules it is, from 1, as `iptables --line-numbers` counts.
    pub number: Option<u32>,
    /// Empty where the rule was gone before it could be read.
    pub text: Box<str>,
    pub comment: Option<Box<str>>,
}

impl Rule {
    /// The Service and port that kube-proxy's comment names, or in nftables its chain, such as `shop/stock:http`.
    pub fn service(&self) -> Option<Cow<'_, str>> {
        let chain = &*self.chain.chain;
        let is_of_service = ["KUBE-SVC-", "KUBE-SEP-", "KUBE-SERVICES", "KUBE-EXT-", "KUBE-NODEPORTS"];
        if is_of_service.iter().any(|start| chain.starts_with(start)) {
            let name = self.comment.as_deref()?.split(' ').next();
            return name.filter(|name| name.contains('/')).map(Cow::Borrowed);
        }
        // `endpoint-5OJB2KTY-shop/stock/tcp/http__10.244.2.5/8080` (pkg/proxy/nftables/proxier.go).
        let kinds = ["service", "external", "endpoint", "affinity"];
        let mut parts = chain.splitn(3, '-');
        parts.next().filter(|kind| &*self.chain.table == "kube-proxy" && kinds.contains(kind))?;
        let mut words = parts.nth(1)?.split('/');
        let (namespace, service, _, port) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let port = port.split("__").next().filter(|port| !port.is_empty());
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Some(Cow::Owned(format!("{namespace}/{service}{port}")))
    }

    /// The Calico policy that the rule is of: a policy's own chain tells by its comment or its name.
    pub fn policy(&self) -> Option<&str> {
        let named = |comment: &'_ str| -> Option<(usize, usize)> {
            let start = comment.find("Policy ")? + "Policy ".len();
            let len = comment[start..].find(' ').unwrap_or(comment.len() - start);
            Some((start, start + len))
        };
        let comment = self.comment.as_deref().unwrap_or_default();
        if let Some((start, end)) = named(comment) {
            return comment.get(start..end);
        }
        let chain = &*self.chain.chain;
        let own = ["cali-pi-", "cali-po-", "cali-pri-", "cali-pro-"];
        let name = own.iter().find_map(|start| chain.strip_prefix(start))?;
        // Long names are cut to a hash that begins with an underscore.
        Some(name).filter(|name| !name.starts_with('_'))
    }

    /// The pod's interface whose chain it is, and whether it looks at what comes from the pod: Calico's `cali-fw-` and
    /// `cali-tw-`.
    pub fn workload(&self) -> Option<(&str, bool)> {
        let chain = &*self.chain.chain;
        let from = chain.strip_prefix("cali-fw-").map(|interface| (interface, true));
        from.or_else(|| chain.strip_prefix("cali-tw-").map(|interface| (interface, false)))
    }
}

/// A rule that a packet matched, and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStep {
    pub rule: Arc<Rule>,
    pub action: Action,
}

/// A packet's way through one base chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// When it was heard of, on the node's clock: a little after it happened.
    pub time: Timestamp,
    pub hook: Hook,
    pub chain: ChainName,
    /// As it was when it came there.
    pub packet: TracedPacket,
    /// Rules that it matched, in order; of hopline's own table none.
    pub steps: Vec<RuleStep>,
    /// What became of it there.
    pub action: Action,
}

/// A packet's way through one node's hooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    pub node: NodeId,
    /// Index into [`crate::model::Trail::legs`]; `None` for a packet that no leg is known of, which a process of the
    /// node sent while the trail waited for it.
    pub leg: Option<u8>,
    pub way: Way,
    /// In order.
    pub passes: Vec<Pass>,
}

impl Traced {
    /// The pass that dropped it, if one did.
    pub fn dropped(&self) -> Option<&Pass> {
        self.passes.last().filter(|pass| pass.action == Action::Drop)
    }

    pub fn pass(&self, hook: Hook) -> Option<&Pass> {
        self.passes.iter().find(|pass| pass.hook == hook)
    }

    /// The rule that dropped it; of a policy its chain.
    pub fn dropping_rule(&self) -> Option<Arc<Rule>> {
        let pass = self.dropped()?;
        let by_rule = pass.steps.last().filter(|step| step.action == Action::Drop);
        Some(by_rule.map_or_else(
            || {
                let text = "policy drop".into();
                Arc::new(Rule { chain: pass.chain.clone(), handle: None, number: None, text, comment: None })
            },
            |step| Arc::clone(&step.rule),
        ))
    }
}

/// What dropped a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedBy {
    pub node: NodeId,
    pub hook: Hook,
    pub rule: Arc<Rule>,
}

impl DroppedBy {
    /// The last rule that dropped one of `traced`.
    pub fn of<'a>(traced: impl Iterator<Item = &'a Traced>) -> Option<DroppedBy> {
        let last = traced.filter(|traced| traced.dropped().is_some()).last()?;
        Some(DroppedBy { node: last.node, hook: last.dropped()?.hook, rule: last.dropping_rule()? })
    }

    /// Whether it sent an answer back that says no, as iptables' REJECT does.
    pub fn is_reject(&self) -> bool {
        self.rule.text.split(' ').any(|word| word == "reject")
    }
}
