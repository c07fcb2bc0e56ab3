//! One node's routes, rules, interfaces and settings, as they were told, with the times from when to when each held:
//! a packet that is lost is asked for long after it came.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use ipnet::IpNet;
use smallvec::SmallVec;

use crate::model::{
    Ip, LinkInfo, NextHop, Route, RouteChange, RouteEvent, RouteKind, RouteList, RouteRule, RouteSettings,
    SettingsOf, Timestamp,
};

/// Routes, rules and interfaces that there are at once; of more nothing is said.
const MOST: usize = 1 << 16;
/// Those that were and are no more: then all of them are forgotten, and nothing is said of the time before.
const MOST_PAST: usize = 1 << 14;
/// Bounds are looked at after so many messages.
const REVIEW: usize = 4096;
/// The table of the node's own addresses (`RT_TABLE_LOCAL`).
const LOCAL: u32 = 255;

/// What held for some time.
#[derive(Clone, Debug)]
pub(super) struct Held<T> {
    pub(super) value: T,
    since: Timestamp,
    until: Timestamp,
}

const ALWAYS: Timestamp = Timestamp(i64::MAX);

impl<T> Held<T> {
    const fn new(value: T, since: Timestamp) -> Held<T> {
        Held { value, since, until: ALWAYS }
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.since <= at && at < self.until
    }

    fn is_past(&self) -> bool {
        self.until < ALWAYS
    }
}

/// Those that held at a time.
fn at<T>(all: &[Held<T>], at: Timestamp) -> impl Iterator<Item = &T> {
    all.iter().filter(move |held| held.holds(at)).map(|held| &held.value)
}

/// How far a kind of thing is listed.
#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    began: Option<Timestamp>,
    is_whole: bool,
}

/// See the module. Times are on the node's own clock.
#[derive(Debug)]
pub(super) struct Tables {
    lists: [Listing; RouteList::ALL.len()],
    /// Nothing is known of the time before.
    known_since: Timestamp,
    routes: HashMap<(u32, IpNet), SmallVec<[Held<Route>; 1]>>,
    /// How long prefixes are, by table and family.
    lengths: HashMap<(u32, bool), BTreeSet<u8>>,
    rules: Vec<Held<RouteRule>>,
    links: HashMap<u32, SmallVec<[Held<LinkInfo>; 1]>>,
    settings: HashMap<SettingsOf, SmallVec<[Held<RouteSettings>; 1]>>,
    /// Since bounds were looked at.
    changes: usize,
}

impl Default for Tables {
    fn default() -> Tables {
        Tables {
            lists: <[Listing; 4]>::default(),
            known_since: Timestamp(i64::MIN),
            routes: HashMap::new(),
            lengths: HashMap::new(),
            rules: Vec::new(),
            links: HashMap::new(),
            settings: HashMap::new(),
            changes: 0,
        }
    }
}

impl Tables {
    /// Whether everything is known as it was at a time.
    pub(super) fn is_known(&self, at: Timestamp) -> bool {
        at >= self.known_since && self.lists.iter().all(|list| list.is_whole)
    }

    /// The routes of a table to exactly `destination`, in the order they were told.
    pub(super) fn routes(
        &self,
        table: u32,
        destination: IpNet,
        at: Timestamp,
    ) -> impl Iterator<Item = &Route> {
        let all = self.routes.get(&(table, destination)).map_or(&[][..], SmallVec::as_slice);
        self::at(all, at)
    }

    /// Lengths of the prefixes that a table has or had, the longest first.
    pub(super) fn lengths(&self, table: u32, is_v4: bool) -> impl Iterator<Item = u8> {
        self.lengths.get(&(table, is_v4)).into_iter().flat_map(|lengths| lengths.iter().rev().copied())
    }

    /// The rules of a family, in their order.
    pub(super) fn rules(&self, is_v4: bool, at: Timestamp) -> Vec<&RouteRule> {
        let mut rules: Vec<&RouteRule> = self::at(&self.rules, at).filter(|it| it.is_v4 == is_v4).collect();
        rules.sort_by_key(|rule| rule.priority);
        rules
    }

    pub(super) fn link(&self, index: u32, at: Timestamp) -> Option<&LinkInfo> {
        self::at(self.links.get(&index)?, at).last()
    }

    /// The interface of a name, unless packets that are seen there may be another's: what passes a port is the
    /// bridge's or bond's, and beside a VLAN on it that cannot be told.
    pub(super) fn whole_link(&self, name: &str, at: Timestamp) -> Option<&LinkInfo> {
        let mut all = self.links.values().filter_map(|held| self::at(held, at).last());
        let link = all.clone().find(|link| &*link.name == name)?;
        (!link.has_master && !all.any(|other| other.lies_on == Some(link.index))).then_some(link)
    }

    /// Whether the interface has an IPv4 address.
    pub(super) fn has_address(&self, index: u32, at: Timestamp) -> bool {
        let of_node = self.routes.iter().filter(|((table, _), _)| *table == LOCAL);
        let mut own =
            of_node.flat_map(|(_, held)| self::at(held, at)).filter(|it| it.kind == RouteKind::Local);
        own.any(|it| {
            matches!(it.destination, IpNet::V4(_)) && it.hops.iter().any(|hop| hop.interface == index)
        })
    }

    pub(super) fn settings(&self, of: SettingsOf, at: Timestamp) -> Option<&RouteSettings> {
        self::at(self.settings.get(&of)?, at).last()
    }

    /// Takes what was told at `time`.
    pub(super) fn take(&mut self, time: Timestamp, event: &RouteEvent) {
        match event {
            RouteEvent::ListBegan(list) => self.begin(*list, time),
            RouteEvent::ListEnded(list) => self.lists[*list as usize].is_whole = true,
            RouteEvent::Link(link) => self.take_link(time, link),
            RouteEvent::LinkGone(index) => self.lose_link(time, *index),
            RouteEvent::Route(change, route) => self.take_route(time, *change, route),
            RouteEvent::Rule { is_gone, rule } => self.take_rule(time, *is_gone, rule),
            RouteEvent::Settings(told) => self.take_settings(time, told),
        }
        self.changes += 1;
        if self.changes >= REVIEW {
            self.changes = 0;
            self.keep_bounds(time);
        }
    }

    /// A list begins anew: what was missed since the last one is not known.
    fn begin(&mut self, list: RouteList, time: Timestamp) {
        self.lists[list as usize] = Listing { began: Some(time), is_whole: false };
        self.known_since = self.known_since.max(time);
        match list {
            RouteList::Links => self.links.clear(),
            RouteList::Routes => {
                self.routes.clear();
                self.lengths.clear();
            }
            RouteList::Rules => self.rules.clear(),
            RouteList::Settings => self.settings.clear(),
        }
    }

    fn keep_bounds(&mut self, time: Timestamp) {
        fn both<T>(all: &[Held<T>]) -> (usize, usize) {
            let past = all.iter().filter(|it| it.is_past()).count();
            (all.len() - past, past)
        }
        let routes = self.routes.values().map(|held| both(held));
        let links = self.links.values().map(|held| both(held));
        let settings = self.settings.values().map(|held| both(held));
        let counts = routes.chain(links).chain(settings).chain([both(&self.rules)]);
        let (present, past) = counts.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        if present > MOST {
            // Too much to be kept: nothing is known until all is listed again.
            *self = Tables { known_since: time, ..Tables::default() };
        } else if past > MOST_PAST {
            self.forget_past(time);
        }
    }

    /// Everything that is kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let routes: usize = self.routes.values().map(SmallVec::len).sum();
        let links: usize = self.links.values().map(SmallVec::len).sum();
        let settings: usize = self.settings.values().map(SmallVec::len).sum();
        routes + links + settings + self.rules.len()
    }

    fn forget_past(&mut self, time: Timestamp) {
        fn keep_present<K, T, const N: usize>(all: &mut HashMap<K, SmallVec<[Held<T>; N]>>)
        where
            [Held<T>; N]: smallvec::Array<Item = Held<T>>,
        {
            all.retain(|_, held| {
                held.retain(|it| !it.is_past());
                !held.is_empty()
            });
        }
        self.known_since = time;
        keep_present(&mut self.routes);
        keep_present(&mut self.links);
        keep_present(&mut self.settings);
        self.rules.retain(|it| !it.is_past());
    }

    /// From when on something holds that is told at `time`: what is listed did when the list began.
    fn since(&self, list: RouteList, time: Timestamp) -> Timestamp {
        let Listing { began, is_whole } = self.lists[list as usize];
        began.filter(|_| !is_whole).unwrap_or(time)
    }

    fn take_link(&mut self, time: Timestamp, told: &LinkInfo) {
        let since = self.since(RouteList::Links, time);
        let known = self.links.entry(told.index).or_default();
        let last = known.last_mut().filter(|it| !it.is_past());
        let went_down = last.as_ref().is_some_and(|it| it.value.is_up) && !told.is_up;
        if last.as_ref().is_none_or(|it| it.value != *told) {
            if let Some(last) = last {
                last.until = time;
            }
            known.push(Held::new(told.clone(), since));
        }
        if went_down {
            self.lose_hops(time, told.index, false);
        }
    }

    fn lose_link(&mut self, time: Timestamp, index: u32) {
        let known = self.links.get_mut(&index).and_then(|known| known.last_mut());
        if let Some(last) = known.filter(|it| !it.is_past()) {
            last.until = time;
        }
        self.lose_hops(time, index, true);
    }

    /// The kernel takes routes over an interface that is down away without a word (`fib_sync_down_dev`); the node's
    /// own addresses stay until the interface is gone.
    fn lose_hops(&mut self, time: Timestamp, index: u32, is_gone: bool) {
        let is_over = |route: &Route| {
            (is_gone || route.kind != RouteKind::Local)
                && route.hops.iter().any(|hop| hop.interface == index && !hop.is_dead)
        };
        self.change(time, is_over, |route| {
            route.hops.iter_mut().filter(|hop| hop.interface == index).for_each(|hop| hop.is_dead = true);
            !route.hops.iter().all(|hop| hop.is_dead)
        });
    }

    /// Changes the routes that `is_meant` means; `change` says whether something of them stays.
    fn change(
        &mut self,
        time: Timestamp,
        is_meant: impl Fn(&Route) -> bool,
        change: impl Fn(&mut Route) -> bool,
    ) {
        for held in self.routes.values_mut() {
            for at in 0..held.len() {
                if held[at].is_past() || !is_meant(&held[at].value) {
                    continue;
                }
                let mut changed = held[at].value.clone();
                held[at].until = time;
                if change(&mut changed) {
                    held.push(Held::new(changed, time));
                }
            }
        }
    }

    fn take_route(&mut self, time: Timestamp, change: RouteChange, told: &Route) {
        let since = if change == RouteChange::Listed { self.since(RouteList::Routes, time) } else { time };
        let key = (told.table, told.destination);
        if change == RouteChange::Gone {
            if let Some(known) = self.routes.get_mut(&key) {
                lose_route(known, time, told);
            }
            if told.kind == RouteKind::Local && told.table == LOCAL {
                // With an address go the routes that prefer it, before 6.6 without a word (`fib_sync_down_addr`).
                let address = Some(Ip::from(told.destination.addr()));
                self.change(time, |route| route.preferred_source == address, |_| false);
            }
            return;
        }
        let is_v4 = matches!(told.destination, IpNet::V4(_));
        self.lengths.entry((told.table, is_v4)).or_default().insert(told.destination.prefix_len());
        let known = self.routes.entry(key).or_default();
        let mut present = known.iter_mut().filter(|it| !it.is_past());
        if change == RouteChange::Replaced {
            let place = |route: &Route| (route.metric, route.is_conditional);
            if let Some(replaced) = present.find(|it| place(&it.value) == place(told)) {
                replaced.until = time;
            }
        } else if present.any(|it| it.value == *told) {
            return;
        }
        known.push(Held::new(told.clone(), since));
    }

    fn take_rule(&mut self, time: Timestamp, is_gone: bool, told: &RouteRule) {
        let known = self.rules.iter_mut().find(|it| !it.is_past() && it.value == *told);
        match known {
            Some(known) if is_gone => known.until = time,
            // Listed and told of as well. Those of which not all is known may be two.
            Some(_) if !told.is_conditional => {}
            None if is_gone => {}
            _ => {
                let since = self.since(RouteList::Rules, time);
                self.rules.push(Held::new(told.clone(), since));
            }
        }
    }

    fn take_settings(&mut self, time: Timestamp, told: &RouteSettings) {
        let since = self.since(RouteList::Settings, time);
        let known = self.settings.entry(told.of).or_default();
        let last = known.last_mut();
        let before = last.as_ref().map(|it| it.value);
        let now = RouteSettings {
            of: told.of,
            forwarding: told.forwarding.or(before.and_then(|it| it.forwarding)),
            rp_filter: told.rp_filter.or(before.and_then(|it| it.rp_filter)),
        };
        if before == Some(now) {
            return;
        }
        if let Some(last) = last {
            last.until = time;
        }
        known.push(Held::new(now, since));
    }
}

/// A route is gone, or as much of it as the message names of its hops.
fn lose_route(known: &mut SmallVec<[Held<Route>; 1]>, time: Timestamp, told: &Route) {
    let is_whole = |it: &Held<Route>| !it.is_past() && it.value == *told;
    let names = |route: &Route, hop: &NextHop| route.hops.iter().any(|it| it.is_same_way(hop));
    let is_part = |it: &Held<Route>| {
        let route = &it.value;
        !it.is_past()
            && (route.metric, route.kind) == (told.metric, told.kind)
            && told.hops.iter().all(|hop| names(route, hop))
    };
    let Some(at) = known.iter().position(is_whole).or_else(|| known.iter().position(is_part)) else { return };
    known[at].until = time;
    let mut rest = known[at].value.clone();
    rest.hops.retain(|hop| !names(told, hop));
    if !rest.hops.is_empty() {
        known.push(Held::new(rest, time));
    }
}
