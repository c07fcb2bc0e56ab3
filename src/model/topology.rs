//! What is known of the cluster: nodes, capture points, which address lives where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{Endpoint, Ip, Names, NodeId, Proxy, Role, Sentence, TrackingTable, Vantage, VantageId};

/// Nodes, capture points and the places of addresses, as learned so far.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// Names of the nodes, by [`NodeId`], in the order of their names; the first is the reference clock.
    pub nodes: Vec<String>,
    /// Capture points, by [`VantageId`].
    pub vantages: Vec<Vantage>,
    /// Pod addresses and the cali interface each was seen behind.
    pub pods: BTreeMap<Ip, VantageId>,
    /// Addresses that belong to a node itself (its uplink, a VIP).
    pub node_addresses: BTreeMap<Ip, NodeId>,
    /// Service addresses: dialled, and translated to an endpoint.
    pub services: BTreeMap<Ip, String>,
    /// Where pods' addresses lie, as far as the user says so.
    pub pod_ranges: Vec<IpNet>,
    /// Where Services' addresses lie, as far as the user says so.
    pub service_ranges: Vec<IpNet>,
    /// Proxies, as far as the user says so.
    pub proxies: Vec<ProxyAddress>,
    /// Nodes whose connection tracking is heard.
    pub tracking: BTreeSet<NodeId>,
    /// Their tables, as far as it is told how full they are.
    pub tables: BTreeMap<NodeId, TrackingTable>,
    /// Names, where something gave one: a DNS answer, a recording's name block, a file, the node itself.
    pub names: Names,
}

/// Where a proxy listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyAddress {
    pub kind: Proxy,
    pub ip: Ip,
    /// Any port where there is none.
    pub port: Option<u16>,
}

impl Topology {
    /// The proxy that the user says listens at `endpoint`.
    pub fn proxy_at(&self, endpoint: Endpoint) -> Option<Proxy> {
        let listens = |proxy: &&ProxyAddress| {
            proxy.ip == endpoint.ip && proxy.port.is_none_or(|port| port == endpoint.port)
        };
        self.proxies.iter().find(listens).map(|proxy| proxy.kind).or_else(|| self.proxy_by_listener(endpoint))
    }

    /// The proxy whose process is known to listen at `endpoint`.
    pub fn proxy_by_listener(&self, endpoint: Endpoint) -> Option<Proxy> {
        let process = self.names.listeners.get(&endpoint)?;
        [Proxy::Haproxy, Proxy::Traefik].into_iter().find(|kind| process.starts_with(kind.name()))
    }

    pub fn vantage(&self, id: VantageId) -> &Vantage {
        &self.vantages[id.0 as usize]
    }

    pub fn node_name(&self, id: NodeId) -> &str {
        self.nodes.get(id.0 as usize).map_or("?", String::as_str)
    }

    /// The node that has the pod `ip`, where its cali interface was seen.
    pub fn node_of_pod(&self, ip: Ip) -> Option<NodeId> {
        self.pods.get(&ip).map(|&vantage| self.vantage(vantage).node)
    }

    /// Whether the user's ranges make `ip` a pod's.
    pub fn is_in_pod_ranges(&self, ip: Ip) -> bool {
        self.pod_ranges.iter().any(|range| range.contains(&IpAddr::from(ip)))
    }

    /// Whether the user's ranges make `ip` a Service's.
    pub fn is_in_service_ranges(&self, ip: Ip) -> bool {
        self.service_ranges.iter().any(|range| range.contains(&IpAddr::from(ip)))
    }

    /// What there was no room for in the nodes' connection tracking, in words.
    pub fn findings(&self) -> impl Iterator<Item = Sentence> {
        self.tables.iter().filter_map(|(&node, table)| table.finding(self.node_name(node)))
    }

    /// Whether `node` has a capture point of `role`.
    pub fn captures(&self, node: NodeId, role: Role) -> bool {
        self.vantages.iter().any(|vantage| vantage.node == node && vantage.role == role)
    }
}
