//! What is known of addresses beyond what packets say: from a file, a recording, or the node itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{Endpoint, Ip, Timestamp};

/// More addresses than a cluster has; what is beyond is left out.
const MOST: usize = 65_536;

/// Names, and what has them. The first that is told of an address stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// `shop/web-7d9f` for a pod, `shop/mix` for a Service, `kappa1` for a node.
    pub addresses: BTreeMap<Ip, String>,
    /// Pods that have an address from a time on, where that is known: addresses pass from one pod to another.
    pub tenants: BTreeMap<(Ip, Timestamp), String>,
    /// Of those, Services'.
    pub services: BTreeSet<Ip>,
    /// Of those, nodes'.
    pub nodes: BTreeSet<Ip>,
    /// What a Service calls its port.
    pub ports: BTreeMap<Endpoint, String>,
    /// The process that listens at a node's address.
    pub listeners: BTreeMap<Endpoint, String>,
}

impl Names {
    /// Who had `ip` at a time.
    pub fn at(&self, ip: Ip, time: Timestamp) -> Option<&str> {
        let tenant =
            self.tenants.range((ip, Timestamp::EARLIEST)..=(ip, time)).next_back().map(|(_, name)| name);
        tenant.or_else(|| self.addresses.get(&ip)).map(String::as_str)
    }

    /// Whether it is told of `ip` who has it from when on.
    fn has_tenants(&self, ip: Ip) -> bool {
        self.tenants.range((ip, Timestamp::EARLIEST)..=(ip, Timestamp::LATEST)).next().is_some()
    }

    /// A name without a time: of one whose tenants are known it would say less.
    pub fn name(&mut self, ip: Ip, name: &str) {
        if !name.is_empty() && self.addresses.len() < MOST && !self.has_tenants(ip) {
            self.addresses.entry(ip).or_insert_with(|| name.to_owned());
        }
    }

    /// A pod has `ip` from `since` on. That is more than its name alone.
    pub fn tenant(&mut self, ip: Ip, since: Timestamp, name: &str) {
        if !name.is_empty() && self.tenants.len() < MOST {
            self.tenants.entry((ip, since)).or_insert_with(|| name.to_owned());
            if self.addresses.get(&ip).is_some_and(|known| known == name) {
                self.addresses.remove(&ip);
            }
        }
    }

    pub fn service(&mut self, ip: Ip, name: &str) {
        self.name(ip, name);
        if self.services.len() < MOST {
            self.services.insert(ip);
        }
    }

    pub fn node(&mut self, ip: Ip, name: &str) {
        self.name(ip, name);
        if self.nodes.len() < MOST {
            self.nodes.insert(ip);
        }
    }

    pub fn port(&mut self, endpoint: Endpoint, name: &str) {
        keep(&mut self.ports, endpoint, name);
    }

    pub fn listener(&mut self, endpoint: Endpoint, process: &str) {
        keep(&mut self.listeners, endpoint, process);
    }

    /// Takes over what `other` knows more.
    pub fn extend(&mut self, other: &Names) {
        for (&ip, name) in &other.addresses {
            self.name(ip, name);
        }
        for (&(ip, since), name) in &other.tenants {
            self.tenant(ip, since, name);
        }
        for (set, more) in [(&mut self.services, &other.services), (&mut self.nodes, &other.nodes)] {
            set.extend(more.iter().take(MOST.saturating_sub(set.len())));
        }
        for (map, more) in [(&mut self.ports, &other.ports), (&mut self.listeners, &other.listeners)] {
            for (&endpoint, name) in more {
                keep(map, endpoint, name);
            }
        }
    }

    /// What is known here and not in `other`.
    #[must_use]
    pub fn beyond(&self, other: &Names) -> Names {
        let new = |map: &BTreeMap<Endpoint, String>, known: &BTreeMap<Endpoint, String>| {
            map.iter()
                .filter(|(at, _)| !known.contains_key(at))
                .map(|(at, name)| (*at, name.clone()))
                .collect()
        };
        let is_known = |ip: &Ip| other.addresses.contains_key(ip) || other.has_tenants(*ip);
        let addresses = self.addresses.iter().filter(|(ip, _)| !is_known(ip));
        let tenants = self.tenants.iter().filter(|(at, _)| !other.tenants.contains_key(at));
        Names {
            tenants: tenants.map(|(at, name)| (*at, name.clone())).collect(),
            addresses: addresses.map(|(ip, name)| (*ip, name.clone())).collect(),
            services: self.services.difference(&other.services).copied().collect(),
            nodes: self.nodes.difference(&other.nodes).copied().collect(),
            ports: new(&self.ports, &other.ports),
            listeners: new(&self.listeners, &other.listeners),
        }
    }

    /// How many addresses have names.
    pub fn count(&self) -> usize {
        let tenants: BTreeSet<Ip> = self.tenants.keys().map(|&(ip, _)| ip).collect();
        tenants.iter().filter(|ip| !self.addresses.contains_key(ip)).count() + self.addresses.len()
    }

    /// How much is known; it only grows.
    pub fn len(&self) -> usize {
        self.addresses.len()
            + self.tenants.len()
            + self.services.len()
            + self.nodes.len()
            + self.ports.len()
            + self.listeners.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn keep(map: &mut BTreeMap<Endpoint, String>, endpoint: Endpoint, name: &str) {
    if !name.is_empty() && map.len() < MOST {
        map.entry(endpoint).or_insert_with(|| name.to_owned());
    }
}
