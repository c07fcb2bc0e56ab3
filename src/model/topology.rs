//! What is known of the cluster: nodes, capture points, which address lives where.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{Ip, NodeId, Role, Vantage, VantageId};

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
    /// Names for addresses, where something gave one (a DNS answer, a recording's name block).
    pub names: BTreeMap<Ip, String>,
}

impl Topology {
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

    /// Whether `node` has a capture point of `role`.
    pub fn captures(&self, node: NodeId, role: Role) -> bool {
        self.vantages.iter().any(|vantage| vantage.node == node && vantage.role == role)
    }
}
