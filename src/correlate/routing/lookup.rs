//! Where a node's tables send a packet, as the kernel decides it (`ip_route_input_slow`, `fib_rules_lookup`).
//!
//! A rule may look at what is not known of a packet here, such as a mark. Then both ways are gone, and where they
//! differ nothing is said.

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::table::Tables;
use crate::model::{
    Barrier, Ip, LinkInfo, Onward, Route, RouteKind, RouteRule, RuleAction, SettingsOf, Timestamp,
};

/// The interface of what processes of the node send.
const LOOPBACK: &str = "lo";

/// A packet that comes to be routed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) source: Ip,
    /// Behind DNAT.
    pub(super) destination: Ip,
    /// The interface it came in by; `None` where another one may have been it, as a tunnel's.
    pub(super) incoming: Option<&'a str>,
    /// A process of the node may wait for it, so that its socket has its route already (early demultiplexing).
    pub(super) is_answer: bool,
}

/// What the tables have for a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// `None` where there is no route at all.
    kind: Option<RouteKind>,
    route: Option<IpNet>,
    /// Interfaces by their indexes.
    over: SmallVec<[u32; 2]>,
}

/// It cannot be told: it depends on what is not known here.
#[derive(Clone, Copy, Debug)]
struct Unknown;

/// Whether a rule is for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Unknown,
}

impl Tables {
    /// Where the packet goes on; `None` where that cannot be told.
    pub(super) fn onward(&self, packet: Packet<'_>, at: Timestamp) -> Option<Onward> {
        if !self.is_known(at) {
            return None;
        }
        let found = self.find(packet, at).ok()?;
        let is_local = found.kind == Some(RouteKind::Local);
        let link = packet.incoming.and_then(|name| self.whole_link(name, at));
        if packet.destination.is_v4()
            && !is_local
            && let Some(link) = link
            && self.settings(SettingsOf::Interface(link.index), at)?.forwarding == Some(false)
        {
            return Some(Onward::Barred(Barrier::NotForwarding));
        }
        let onward = match found.kind {
            Some(RouteKind::Unicast) => Onward::Over(self.names(&found.over, at)?),
            Some(RouteKind::Local) => Onward::Local,
            Some(kind @ (RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit)) => {
                return Some(Onward::Barred(Barrier::Route(kind, found.route)));
            }
            None => return Some(Onward::Barred(Barrier::NoRoute)),
            Some(RouteKind::Throw | RouteKind::Other) => return None,
        };
        let barrier = match link.filter(|_| packet.source.is_v4() && !(is_local && packet.is_answer)) {
            Some(link) => self.reverse_path(packet, link, &onward, at).ok()?,
            None => None,
        };
        Some(barrier.map_or(onward, Onward::Barred))
    }

    /// The check of sources (`__fib_validate_source`).
    fn reverse_path(
        &self,
        packet: Packet<'_>,
        link: &LinkInfo,
        onward: &Onward,
        at: Timestamp,
    ) -> Result<Option<Barrier>, Unknown> {
        let mode = |of| self.settings(of, at).and_then(|settings| settings.rp_filter).ok_or(Unknown);
        let mode = mode(SettingsOf::All)?.max(mode(SettingsOf::Interface(link.index))?);
        if mode == 0 {
            return Ok(None);
        }
        let back = Packet {
            source: packet.destination,
            destination: packet.source,
            incoming: match onward {
                Onward::Over(names) => names.first().map(|name| &**name),
                Onward::Local | Onward::Barred(_) => Some(LOOPBACK),
            },
            is_answer: packet.is_answer,
        };
        let back = self.find(back, at)?;
        let is_strict = mode == 1;
        let over = match back.kind {
            Some(RouteKind::Unicast) if back.over.contains(&link.index) => return Ok(None),
            // On an interface without an address, as a pod's is, the loose check is as strict.
            Some(RouteKind::Unicast) if !is_strict && self.has_address(link.index, at) => return Ok(None),
            Some(RouteKind::Unicast) => self.names(&back.over, at).ok_or(Unknown)?,
            None | Some(RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit) => {
                SmallVec::new()
            }
            Some(RouteKind::Local | RouteKind::Throw | RouteKind::Other) => return Err(Unknown),
        };
        Ok(Some(Barrier::ReversePath { is_strict, over }))
    }

    fn names(&self, over: &[u32], at: Timestamp) -> Option<SmallVec<[Box<str>; 1]>> {
        over.iter().map(|&index| Some(self.link(index, at)?.name.clone())).collect()
    }

    /// Goes through the rules.
    fn find(&self, packet: Packet<'_>, at: Timestamp) -> Result<Found, Unknown> {
        let mut possible: Option<Found> = None;
        let agrees = |possible: &Option<Found>, found: &Found| possible.as_ref().is_none_or(|it| it == found);
        let rules = self.rules(packet.destination.is_v4(), at);
        if rules.is_empty() {
            return Err(Unknown);
        }
        for rule in rules {
            let fit = fit(rule, packet);
            if fit == Fit::No {
                continue;
            }
            let found = match rule.action {
                RuleAction::Table(table) => self.in_table(table, packet.destination, rule.suppressed, at)?,
                RuleAction::Stop(kind) => {
                    Some(Found { kind: Some(kind), route: None, over: SmallVec::new() })
                }
                RuleAction::Nothing => None,
                RuleAction::Other => return Err(Unknown),
            };
            let Some(found) = found else { continue };
            if !agrees(&possible, &found) {
                return Err(Unknown);
            }
            if fit == Fit::Yes {
                return Ok(found);
            }
            possible = Some(found);
        }
        let none = Found { kind: None, route: None, over: SmallVec::new() };
        if agrees(&possible, &none) { Ok(none) } else { Err(Unknown) }
    }

    /// The longest prefix of a table, if it has one.
    fn in_table(
        &self,
        table: u32,
        destination: Ip,
        suppressed: Option<u8>,
        at: Timestamp,
    ) -> Result<Option<Found>, Unknown> {
        let address = IpAddr::from(destination);
        for len in self.lengths(table, destination.is_v4()) {
            let net = IpNet::new(address, len).map_err(|_| Unknown)?.trunc();
            let is_used = |route: &&Route| {
                route.kind != RouteKind::Unicast
                    || route.is_indirect
                    || route.hops.iter().any(|hop| !hop.is_dead)
            };
            let routes: SmallVec<[&Route; 2]> = self.routes(table, net, at).filter(is_used).collect();
            if routes.iter().any(|route| route.is_conditional) {
                return Err(Unknown);
            }
            let Some(best) = routes.iter().map(|route| route.metric).min() else { continue };
            let mut best = routes.into_iter().filter(|route| route.metric == best);
            let Some(first) = best.next() else { continue };
            if first.is_indirect || best.any(|other| other.kind != first.kind || !destination.is_v4()) {
                return Err(Unknown);
            }
            let is_suppressed = suppressed.is_some_and(|most| len <= most)
                && matches!(first.kind, RouteKind::Unicast | RouteKind::Local);
            if is_suppressed || first.kind == RouteKind::Throw {
                return Ok(None);
            }
            let mut over: SmallVec<[u32; 2]> =
                first.hops.iter().filter(|hop| !hop.is_dead).map(|hop| hop.interface).collect();
            over.sort_unstable();
            over.dedup();
            return Ok(Some(Found { kind: Some(first.kind), route: Some(net), over }));
        }
        Ok(None)
    }
}

fn fit(rule: &RouteRule, packet: Packet<'_>) -> Fit {
    let covers = |net: Option<IpNet>, ip: Ip| net.is_none_or(|net| net.contains(&IpAddr::from(ip)));
    let is_from = match (&rule.incoming, packet.incoming) {
        (None, _) => Fit::Yes,
        (Some(wanted), Some(incoming)) if **wanted == *incoming => Fit::Yes,
        (Some(_), Some(_)) => Fit::No,
        (Some(_), None) => Fit::Unknown,
    };
    let is_for_it = covers(rule.from, packet.source) && covers(rule.to, packet.destination);
    let plain = match is_from {
        _ if !is_for_it => Fit::No,
        Fit::Yes if rule.is_conditional => Fit::Unknown,
        other => other,
    };
    match plain {
        Fit::Yes if rule.is_inverted => Fit::No,
        Fit::No if rule.is_inverted => Fit::Yes,
        other => other,
    }
}
