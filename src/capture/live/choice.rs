//! Which interfaces are captured, what they are for, and the kernel filter that keeps the others out.
//!
//! The filter names what is *not* wanted: a pod's interface that is born a moment ago passes it, and its first
//! packet is there when its name is known.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::capture::Options;
use crate::capture::live::links::{Kind, Link, Links};
use crate::capture::options::matches;
use crate::model::Role;

/// What a node says to itself under addresses that are no node's.
const OWN_AFFAIRS: &str = "net 127.0.0.0/8 or host ::1";

/// What the user wants to see.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Globs of interface names; none for uplinks, workloads, tunnels, and `lo` for node addresses.
    pub(super) globs: Vec<String>,
    /// Globs of those that are to have a handle of their own.
    pub(super) apart: Vec<String>,
    /// All are to have one.
    pub(super) is_all_apart: bool,
    pub(super) options: Options,
    /// In the syntax of `pcap-filter(7)`.
    pub(super) filter: Option<String>,
}

impl Choice {
    /// What the interface is for; `None` where it is not wanted.
    pub(super) fn role(&self, link: &Link, links: &Links) -> Option<Role> {
        self.role_among(link, &|index| links.get(index))
    }

    fn role_among<'a>(&self, link: &Link, find: &dyn Fn(u32) -> Option<&'a Link>) -> Option<Role> {
        let role = self.role_by_name(link)?;
        // A packet of a bond is a packet of one of its slaves, and one with a VLAN tag is its lower device's.
        let same = match link.kind {
            Kind::Vlan => link.lower,
            _ => link.master.filter(|&master| find(master).is_some_and(|master| master.kind == Kind::Bond)),
        };
        let is_twice = same.and_then(find).is_some_and(|same| self.role_by_name(same).is_some());
        (!is_twice).then_some(role)
    }

    /// A filter does not see into the tunnels that an uplink carries: then their devices are the pods' way to other
    /// nodes.
    fn role_by_name(&self, link: &Link) -> Option<Role> {
        let role = self.named_role(link)?;
        Some(if role == Role::Tunnel && self.filter.is_some() { Role::Uplink } else { role })
    }

    fn named_role(&self, link: &Link) -> Option<Role> {
        let told = self.options.role(&link.name);
        if self.globs.is_empty() {
            return told;
        }
        if !self.globs.iter().any(|glob| matches(glob, &link.name)) {
            return None;
        }
        Some(told.unwrap_or(match link.kind {
            Kind::Loopback => Role::Loopback,
            Kind::Veth => Role::Workload,
            Kind::Tunnel => Role::Tunnel,
            Kind::Bond | Kind::Vlan | Kind::Other => Role::Uplink,
        }))
    }

    /// The interfaces that are known not to be wanted.
    pub(super) fn unwanted(&self, links: &Links) -> BTreeSet<u32> {
        links.all().filter(|(_, link)| self.role(link, links).is_none()).map(|(index, _)| index).collect()
    }

    /// The kernel's filter, which leaves out the interfaces `unwanted`; `loopback` is the index of `lo`.
    pub(super) fn program(&self, unwanted: &BTreeSet<u32>, loopback: Option<u32>) -> String {
        let mut parts = Vec::new();
        if !unwanted.is_empty() {
            let mut text = String::from("not (");
            for (place, index) in unwanted.iter().enumerate() {
                let joint = if place == 0 { "" } else { " or " };
                let _ = write!(text, "{joint}ifindex {index}");
            }
            parts.push(text + ")");
        }
        if let Some(index) = loopback.filter(|index| !unwanted.contains(index)) {
            parts.push(format!("not (ifindex {index} and ({OWN_AFFAIRS}))"));
        }
        parts.extend(self.filter.as_ref().map(|filter| format!("({filter})")));
        parts.join(" and ")
    }

    /// Whether an interface is to have a handle of its own, if it is wanted: on `any` VLAN tags are lost.
    pub(super) fn is_apart(&self, index: u32, links: &Links) -> bool {
        let is_named = |link: &Link| self.apart.iter().any(|glob| matches(glob, &link.name));
        self.is_all_apart || self.has_vlans(index, links) || links.get(index).is_some_and(is_named)
    }

    /// Whether it is an uplink that VLANs lie upon.
    pub(super) fn has_vlans(&self, index: u32, links: &Links) -> bool {
        let is_uplink = |link: &Link| self.role(link, links) == Some(Role::Uplink);
        links.get(index).is_some_and(is_uplink) && carries_vlans(index, links.all())
    }

    /// The kernel's filter for an interface's own handle.
    pub(super) fn own_program(&self, link: &Link) -> String {
        let own_affairs = (link.kind == Kind::Loopback).then(|| format!("not ({OWN_AFFAIRS})"));
        let filter = self.filter.as_ref().map(|filter| format!("({filter})"));
        // What a filter says of VLANs moves all that stands behind it.
        own_affairs.into_iter().chain(filter).collect::<Vec<_>>().join(" and ")
    }

    /// The globs in words.
    pub(super) fn shown(&self) -> String {
        if self.globs.is_empty() {
            let Options { uplinks, workloads, .. } = &self.options;
            return [uplinks.as_slice(), workloads.as_slice()].concat().join(", ");
        }
        self.globs.join(", ")
    }
}

fn carries_vlans<'a>(index: u32, mut all: impl Iterator<Item = (u32, &'a Link)>) -> bool {
    all.any(|(_, link)| link.kind == Kind::Vlan && link.lower == Some(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, kind: Kind) -> Link {
        Link { name: name.to_owned(), kind, ..Link::default() }
    }

    fn choice(globs: &[&str]) -> Choice {
        let globs = globs.iter().map(|&glob| glob.to_owned()).collect();
        let options = Options::default();
        Choice { globs, apart: Vec::new(), is_all_apart: false, options, filter: None }
    }

    #[test]
    fn names_and_kinds_tell_what_is_wanted() {
        let alone = |globs: &[&str], it: &Link| choice(globs).role_among(it, &|_| None);
        assert_eq!(alone(&[], &link("cali12", Kind::Veth)), Some(Role::Workload));
        assert_eq!(alone(&[], &link("bond1", Kind::Veth)), Some(Role::Uplink));
        assert_eq!(alone(&[], &link("lo", Kind::Loopback)), Some(Role::Loopback));
        assert_eq!(alone(&[], &link("eth0", Kind::Other)), None);
        assert_eq!(alone(&["eth*", "veth*"], &link("eth0", Kind::Other)), Some(Role::Uplink));
        assert_eq!(alone(&["eth*", "veth*"], &link("veth7", Kind::Veth)), Some(Role::Workload));
        assert_eq!(alone(&["eth*"], &link("cali12", Kind::Veth)), None);
        let mut choice = choice(&[]);
        let vxlan = link("vxlan.calico", Kind::Tunnel);
        assert_eq!(choice.role_among(&vxlan, &|_| None), Some(Role::Tunnel));
        choice.filter = Some("tcp".to_owned());
        assert_eq!(choice.role_among(&vxlan, &|_| None), Some(Role::Uplink));
    }

    #[test]
    fn a_packet_is_counted_at_the_bond_or_at_its_slave_but_not_twice() {
        let bond = link("bond1", Kind::Bond);
        let slave = Link { master: Some(7), ..link("eth0", Kind::Other) };
        let vlan = Link { lower: Some(7), ..link("bond1.100", Kind::Vlan) };
        let find = |index| (index == 7).then_some(&bond);
        assert_eq!(choice(&["*"]).role_among(&slave, &find), None);
        assert_eq!(choice(&["eth*"]).role_among(&slave, &find), Some(Role::Uplink));
        assert_eq!(choice(&["*"]).role_among(&vlan, &find), None);
        assert_eq!(choice(&["bond1.*"]).role_among(&vlan, &find), Some(Role::Uplink));
    }

    #[test]
    fn an_uplink_with_vlans_is_told_from_one_without() {
        let links = [
            (7, link("bond1", Kind::Bond)),
            (8, Link { lower: Some(7), ..link("bond1.100", Kind::Vlan) }),
            // A veth's peer may have the same number in another namespace.
            (9, Link { lower: Some(8), ..link("cali12", Kind::Veth) }),
        ];
        let carries = |index| carries_vlans(index, links.iter().map(|(index, link)| (*index, link)));
        assert_eq!([7, 8, 9].map(carries), [true, false, false]);
    }

    #[test]
    fn the_filter_names_what_is_not_wanted() {
        let mut choice = choice(&[]);
        assert_eq!(choice.program(&BTreeSet::new(), None), "");
        choice.filter = Some("port 80 or port 53".to_owned());
        assert_eq!(
            choice.program(&BTreeSet::from([3, 9]), Some(1)),
            "not (ifindex 3 or ifindex 9) and not (ifindex 1 and (net 127.0.0.0/8 or host ::1)) \
             and (port 80 or port 53)"
        );
        assert_eq!(choice.program(&BTreeSet::from([1]), Some(1)), "not (ifindex 1) and (port 80 or port 53)");
    }
}
