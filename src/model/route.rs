//! Where a node sends packets: what rtnetlink tells of routes, rules and interfaces (`rtnetlink(7)`, `ip-rule(8)`).

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::model::{Ip, NodeId, VantageId, Way};

/// What rtnetlink tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEvent {
    /// Everything of a kind is asked for: what was known of it is not sure any more.
    ListBegan(RouteList),
    /// All there is of a kind was told.
    ListEnded(RouteList),
    Link(LinkInfo),
    /// The interface with this index is no more.
    LinkGone(u32),
    Route(RouteChange, Route),
    /// A rule is there, or is gone.
    Rule {
        is_gone: bool,
        rule: RouteRule,
    },
    Settings(RouteSettings),
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteList {
    Links,
    Routes,
    Rules,
    Settings,
}

impl RouteList {
    pub const ALL: [RouteList; 4] =
        [RouteList::Links, RouteList::Settings, RouteList::Rules, RouteList::Routes];
}

/// An interface, as far as routing is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    pub index: u32,
    pub name: Box<str>,
    pub is_up: bool,
    /// It is a port of a bridge, a bond or a VRF: packets come in by that one.
    pub has_master: bool,
    /// The device under a VLAN or the like: packets of that one may come in by this one.
    pub lies_on: Option<u32>,
}

/// What became of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// It was there when routes were listed.
    Listed,
    Added,
    /// It takes the place of one to the same destination.
    Replaced,
    Gone,
}

/// What a route does with a packet (`RTN_…` of `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RouteKind {
    /// On by an interface.
    Unicast,
    /// To a process of the node.
    Local,
    /// Dropped without a word.
    Blackhole,
    /// Dropped with an ICMP error.
    Unreachable,
    /// The same, with one that names a filter.
    Prohibit,
    /// Back to the rules, as if there were no route.
    Throw,
    /// Broadcast, anycast, multicast.
    Other,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub table: u32,
    pub kind: RouteKind,
    pub destination: IpNet,
    /// It is for some packets only: of a type of service, or from a source.
    pub is_conditional: bool,
    /// Its next hops are an object of their own (`ip-nexthop(8)`), which is not followed.
    pub is_indirect: bool,
    /// The lowest counts.
    pub metric: u32,
    pub preferred_source: Option<Ip>,
    pub hops: SmallVec<[NextHop; 1]>,
}

/// One of a route's ways on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// By its index.
    pub interface: u32,
    pub gateway: Option<Ip>,
    /// Its interface is down.
    pub is_dead: bool,
}

impl NextHop {
    /// Whether it is the same way, be its interface up or down.
    pub fn is_same_way(&self, other: &NextHop) -> bool {
        (self.interface, self.gateway) == (other.interface, other.gateway)
    }
}

/// A rule of `ip-rule(8)`: which packets look into which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    pub is_v4: bool,
    /// The lowest comes first.
    pub priority: u32,
    pub action: RuleAction,
    pub from: Option<IpNet>,
    pub to: Option<IpNet>,
    /// Only what came in by the interface of this name; `lo` stands for processes of the node.
    pub incoming: Option<Box<str>>,
    /// It means all packets that the rest of it does not fit.
    pub is_inverted: bool,
    /// Routes with a prefix no longer than this do not count.
    pub suppressed: Option<u8>,
    /// It looks at what is not known of a packet here: a mark, ports, a type of service.
    pub is_conditional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    Table(u32),
    /// A packet that it fits goes no further.
    Stop(RouteKind),
    /// It does nothing.
    Nothing,
    /// It goes on at another rule.
    Other,
}

/// What settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SettingsOf {
    /// Every interface.
    All,
    /// Interfaces yet to come.
    Default,
    /// One, by its index.
    Interface(u32),
}

/// Settings of IPv4, as far as a message tells them (`NETCONFA_…` of `linux/netconf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    pub of: SettingsOf,
    pub forwarding: Option<bool>,
    /// 0 for no check of sources, 1 for a strict, 2 for a loose one (RFC 3704).
    pub rp_filter: Option<u8>,
}

/// Where a node's routes send a packet that came in there and was not seen to go on so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub node: NodeId,
    /// Index into [`crate::model::Trail::legs`].
    pub leg: u8,
    pub way: Way,
    /// Where it came in.
    pub vantage: VantageId,
    /// Where it was seen to leave: back where it came from, or by another interface than the routes say.
    pub left: Option<VantageId>,
    pub source: Ip,
    /// Behind the node's DNAT.
    pub destination: Ip,
    pub onward: Onward,
}

/// Where a packet goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Onward {
    /// To a process of the node.
    Local,
    /// By one of these interfaces.
    Over(SmallVec<[Box<str>; 1]>),
    Barred(Barrier),
}

/// Why a packet goes no further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Barrier {
    NoRoute,
    /// A route that leads nowhere; without a destination it is a rule.
    Route(RouteKind, Option<IpNet>),
    /// The interface it came in by forwards nothing.
    NotForwarding,
    /// The check of sources (`rp_filter`).
    ReversePath {
        is_strict: bool,
        /// The interfaces that the route back leads over; none where there is no such route.
        over: SmallVec<[Box<str>; 1]>,
    },
}

impl Barrier {
    /// As reports call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Barrier::NoRoute => "no-route",
            Barrier::Route(RouteKind::Blackhole, _) => "blackhole",
            Barrier::Route(RouteKind::Prohibit, _) => "prohibit",
            Barrier::Route(..) => "unreachable",
            Barrier::NotForwarding => "not-forwarding",
            Barrier::ReversePath { .. } => "rp-filter",
        }
    }
}

impl Expected {
    /// Why it goes no further, if it does not.
    pub const fn barrier(&self) -> Option<&Barrier> {
        match &self.onward {
            Onward::Barred(barrier) => Some(barrier),
            Onward::Local | Onward::Over(_) => None,
        }
    }
}
