//! What is known of addresses beyond what packets say: from a file, a recording, or the node itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Endpoint, Ip};

/// More addresses than a cluster has; what is beyond is left out.
const MOST: usize = 65_536;

/// Names, and what has them. The first that is told of an address stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `shop/web-7d9f` for a pod, `shop/mix` for a Service, `kappa1` for a node.
    pub addresses: BTreeMap<Ip, String>,
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
    pub fn name(&mut self, ip: Ip, name: &str) {
        if !name.is_empty() && self.addresses.len() < MOST {
            self.addresses.entry(ip).or_insert_with(|| name.to_owned());
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
        let addresses = self.addresses.iter().filter(|(ip, _)| !other.addresses.contains_key(ip));
        Names {
            addresses: addresses.map(|(ip, name)| (*ip, name.clone())).collect(),
            services: self.services.difference(&other.services).copied().collect(),
            nodes: self.nodes.difference(&other.nodes).copied().collect(),
            ports: new(&self.ports, &other.ports),
            listeners: new(&self.listeners, &other.listeners),
        }
    }

    /// How much is known; it only grows.
    pub fn len(&self) -> usize {
        self.addresses.len()
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
