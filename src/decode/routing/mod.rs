//! Routes, rules, interfaces and their settings, as rtnetlink tells them (`linux/rtnetlink.h`, `linux/fib_rules.h`,
//! `linux/if_link.h`, `linux/netconf.h`).
//!
//! A request that lists a kind of thing has the number of its own type for its sequence number, so that the end of the
//! list tells what it is the end of.

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::netlink::{DONE, FIRST_OF_FAMILY, MULTI, Raw};
use super::{Layer, Reason, Stop, clean};
use crate::decode::attributes::Attributes;
use crate::model::{
    Ip, LinkInfo, NextHop, Route, RouteChange, RouteEvent, RouteKind, RouteList, RouteRule, RouteSettings,
    RuleAction, SettingsOf,
};

/// A flag of `linux/netlink.h`.
const REPLACE: u16 = 0x100;
/// `RTM_…`.
const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const NEW_RULE: u16 = 32;
const DEL_RULE: u16 = 33;
const NEW_SETTINGS: u16 = 80;
const DEL_SETTINGS: u16 = 81;
/// Address families.
const INET: u8 = 2;
const INET6: u8 = 10;

/// The type of the request that lists a kind of thing.
const fn request(list: RouteList) -> u16 {
    match list {
        RouteList::Links => 18,
        RouteList::Routes => 26,
        RouteList::Rules => 34,
        RouteList::Settings => 82,
    }
}

/// Reads one message; `None` where it says nothing of what is followed.
pub(super) fn read(raw: &Raw<'_>) -> Result<Option<RouteEvent>, Stop> {
    let asked = |number: u32| RouteList::ALL.into_iter().find(|&list| u32::from(request(list)) == number);
    if let Some(list) = asked(u32::from(raw.kind)) {
        return Ok(Some(RouteEvent::ListBegan(list)));
    }
    let family = raw.body.first().copied();
    let is_routed = matches!(family, Some(INET | INET6));
    let event = match raw.kind {
        DONE => return Ok(asked(raw.sequence).map(RouteEvent::ListEnded)),
        // A list that is refused with an error never ends.
        ..FIRST_OF_FAMILY | DEL_SETTINGS => return Ok(None),
        // A bridge tells of its ports as well; the devices are told of by themselves.
        NEW_LINK | DEL_LINK if family.is_some_and(|family| family != 0) => return Ok(None),
        NEW_ROUTE | DEL_ROUTE | NEW_RULE | DEL_RULE if family.is_some() && !is_routed => return Ok(None),
        NEW_SETTINGS if family.is_some_and(|family| family != INET) => return Ok(None),
        NEW_LINK | DEL_LINK => link(raw),
        NEW_ROUTE | DEL_ROUTE if is_cached(raw) => return Ok(None),
        NEW_ROUTE | DEL_ROUTE => route(raw),
        NEW_RULE | DEL_RULE => rule(raw),
        NEW_SETTINGS => settings(raw),
        other => return Err(Stop::new(Layer::Netlink, Reason::NetlinkType(other))),
    };
    event.map(Some).ok_or(Stop::new(Layer::Netlink, Reason::Malformed))
}

fn link(raw: &Raw<'_>) -> Option<RouteEvent> {
    /// `IFF_UP`.
    const UP: u32 = 1;
    const NAME: u16 = 3;
    const LOWER: u16 = 5;
    const MASTER: u16 = 10;
    const INFO: u16 = 18;
    const INFO_KIND: u16 = 1;
    // Kinds that hand up a part of what comes in by the device under them, undone.
    const UPPER: [&[u8]; 5] = [b"vlan", b"macvlan", b"macvtap", b"ipvlan", b"ipvtap"];
    let ([_, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, _, _, _, _], attributes) =
        raw.body.split_first_chunk::<16>()?;
    let index = u32::from_ne_bytes([*i0, *i1, *i2, *i3]);
    if raw.kind == DEL_LINK {
        return Some(RouteEvent::LinkGone(index));
    }
    let attributes = Attributes(attributes);
    let kind = attributes.nested(INFO).and_then(|info| info.text(INFO_KIND));
    Some(RouteEvent::Link(LinkInfo {
        index,
        name: clean(attributes.text(NAME)?),
        is_up: u32::from_ne_bytes([*f0, *f1, *f2, *f3]) & UP != 0,
        has_master: attributes.own_number(MASTER).is_some_and(|master| master != 0),
        lies_on: kind.filter(|kind| UPPER.contains(kind)).and_then(|_| attributes.own_number(LOWER)),
    }))
}

/// Next hops that are not used (`RTNH_F_DEAD`).
const DEAD: u32 = 1;
const GATEWAY: u16 = 5;
/// An IPv4 route's gateway of the other family: its family, then its address.
const VIA: u16 = 18;

/// Whether it is what was looked up once, not a route (`RTM_F_CLONED`).
fn is_cached(raw: &Raw<'_>) -> bool {
    const CLONED: u32 = 0x200;
    let flags = raw.body.get(8..).and_then(<[u8]>::first_chunk);
    flags.is_some_and(|&flags| u32::from_ne_bytes(flags) & CLONED != 0)
}

fn route(raw: &Raw<'_>) -> Option<RouteEvent> {
    const DESTINATION: u16 = 1;
    const INTERFACE: u16 = 4;
    const METRIC: u16 = 6;
    const PREFERRED_SOURCE: u16 = 7;
    const MULTIPATH: u16 = 9;
    const TABLE: u16 = 15;
    const NEXT_HOP_OBJECT: u16 = 30;
    let ([family, len, source_len, tos, table, _, _, kind, f0, f1, f2, f3], attributes) =
        raw.body.split_first_chunk::<12>()?;
    let flags = u32::from_ne_bytes([*f0, *f1, *f2, *f3]);
    let attributes = Attributes(attributes);
    let hops = match attributes.get(MULTIPATH) {
        Some(several) => next_hops(several),
        None => attributes
            .own_number(INTERFACE)
            .map(|interface| NextHop { interface, gateway: gateway(attributes), is_dead: flags & DEAD != 0 })
            .into_iter()
            .collect(),
    };
    let change = match (raw.kind, raw.flags) {
        (DEL_ROUTE, _) => RouteChange::Gone,
        (_, flags) if flags & MULTI != 0 => RouteChange::Listed,
        (_, flags) if flags & REPLACE != 0 => RouteChange::Replaced,
        _ => RouteChange::Added,
    };
    let route = Route {
        table: attributes.own_number(TABLE).unwrap_or(u32::from(*table)),
        kind: route_kind(*kind),
        destination: net(*family, attributes.get(DESTINATION), *len)?,
        is_conditional: *tos != 0 || *source_len != 0,
        is_indirect: attributes.get(NEXT_HOP_OBJECT).is_some(),
        metric: attributes.own_number(METRIC).unwrap_or(0),
        preferred_source: attributes.get(PREFERRED_SOURCE).and_then(address),
        hops,
    };
    Some(RouteEvent::Route(change, route))
}

/// Several hops in a row (`struct rtnexthop`), each with attributes of its own.
fn next_hops(mut bytes: &[u8]) -> SmallVec<[NextHop; 1]> {
    const HEADER: usize = 8;
    let mut hops = SmallVec::new();
    while let Some(&[l0, l1, flags, _, i0, i1, i2, i3]) = bytes.first_chunk::<HEADER>() {
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(attributes) = bytes.get(HEADER..len) else { break };
        let interface = u32::from_ne_bytes([i0, i1, i2, i3]);
        let is_dead = u32::from(flags) & DEAD != 0;
        hops.push(NextHop { interface, gateway: gateway(Attributes(attributes)), is_dead });
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

fn gateway(attributes: Attributes<'_>) -> Option<Ip> {
    let of_other_family = || attributes.get(VIA).and_then(|via| address(via.get(2..)?));
    attributes.get(GATEWAY).and_then(address).or_else(of_other_family)
}

const fn route_kind(number: u8) -> RouteKind {
    match number {
        1 => RouteKind::Unicast,
        2 => RouteKind::Local,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::Throw,
        _ => RouteKind::Other,
    }
}

fn rule(raw: &Raw<'_>) -> Option<RouteEvent> {
    /// `FIB_RULE_INVERT`.
    const INVERT: u32 = 2;
    const TO: u16 = 1;
    const FROM: u16 = 2;
    const INCOMING: u16 = 3;
    const PRIORITY: u16 = 6;
    const SUPPRESSED: u16 = 14;
    const TABLE: u16 = 15;
    // Those above, where a rule goes on, realms, padding, and who made the rule.
    const KNOWN: [u16; 10] = [TO, FROM, INCOMING, 4, PRIORITY, 11, SUPPRESSED, TABLE, 18, 21];
    let ([family, to_len, from_len, tos, table, _, _, action, f0, f1, f2, f3], attributes) =
        raw.body.split_first_chunk::<12>()?;
    let attributes = Attributes(attributes);
    let prefix = |kind: u16, len: u8| match attributes.get(kind) {
        Some(bytes) => net(*family, Some(bytes), len).map(Some),
        None => Some(None),
    };
    let table = attributes.own_number(TABLE).unwrap_or(u32::from(*table));
    let rule = RouteRule {
        is_v4: *family == INET,
        priority: attributes.own_number(PRIORITY).unwrap_or(0),
        action: match action {
            1 => RuleAction::Table(table),
            3 => RuleAction::Nothing,
            6..=8 => RuleAction::Stop(route_kind(*action)),
            _ => RuleAction::Other,
        },
        from: prefix(FROM, *from_len)?,
        to: prefix(TO, *to_len)?,
        incoming: attributes.text(INCOMING).map(clean),
        is_inverted: u32::from_ne_bytes([*f0, *f1, *f2, *f3]) & INVERT != 0,
        // It is told of always, as -1 where there is none.
        suppressed: attributes.own_number(SUPPRESSED).and_then(|len| u8::try_from(len).ok()),
        is_conditional: *tos != 0 || attributes.all().any(|(kind, _)| !KNOWN.contains(&kind)),
    };
    let is_gone = raw.kind == DEL_RULE;
    Some(RouteEvent::Rule { is_gone, rule })
}

fn settings(raw: &Raw<'_>) -> Option<RouteEvent> {
    const INTERFACE: u16 = 1;
    const FORWARDING: u16 = 2;
    const RP_FILTER: u16 = 3;
    // The address family in one byte, and padding.
    let (_, attributes) = raw.body.split_first_chunk::<4>()?;
    let attributes = Attributes(attributes);
    let of = match attributes.own_number(INTERFACE)? as i32 {
        -1 => SettingsOf::All,
        -2 => SettingsOf::Default,
        index => SettingsOf::Interface(index as u32),
    };
    Some(RouteEvent::Settings(RouteSettings {
        of,
        forwarding: attributes.own_number(FORWARDING).map(|number| number != 0),
        rp_filter: attributes.own_number(RP_FILTER).and_then(|number| u8::try_from(number).ok()),
    }))
}

/// An address of as many bytes as it has.
fn address(bytes: &[u8]) -> Option<Ip> {
    match bytes.len() {
        4 => Some(Ip::v4(*bytes.first_chunk()?)),
        16 => Some(Ip::v6(*bytes.first_chunk()?)),
        _ => None,
    }
}

/// The addresses whose first `len` bits are those of `bytes`; all of a family where there are none.
fn net(family: u8, bytes: Option<&[u8]>, len: u8) -> Option<IpNet> {
    let address = match bytes {
        Some(bytes) if bytes.len() == if family == INET { 4 } else { 16 } => {
            if family == INET {
                IpAddr::from(*bytes.first_chunk::<4>()?)
            } else {
                IpAddr::from(*bytes.first_chunk::<16>()?)
            }
        }
        Some(_) => return None,
        None if family == INET => IpAddr::from([0; 4]),
        None => IpAddr::from([0; 16]),
    };
    IpNet::new(address, len).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests;
