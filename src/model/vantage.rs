//! Where packets are seen: a node's interface and the way a packet crosses it.

use serde::{Deserialize, Serialize};

/// A node, as an index into [`crate::model::Topology::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

/// A capture point (node and interface), as an index into [`crate::model::Topology::vantages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VantageId(pub u16);

/// What an interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Towards the switch: `bond1`.
    Uplink,
    /// The node's end of a pod's veth pair: `cali…`.
    Workload,
    Loopback,
    Tunnel,
    Other,
}

impl Role {
    /// As files and reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Uplink => "uplink",
            Role::Workload => "workload",
            Role::Loopback => "loopback",
            Role::Tunnel => "tunnel",
            Role::Other => "other",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Role> {
        let all = [Role::Uplink, Role::Workload, Role::Loopback, Role::Tunnel, Role::Other];
        all.into_iter().find(|role| role.name() == name)
    }
}

/// How a packet crosses an interface, seen from the node's network stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the node: received from the wire, or sent by the pod.
    In,
    /// Out of the node: onto the wire, or to the pod.
    Out,
    /// The capture does not say and nothing allows to infer it yet.
    Unknown,
}

/// One capture point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    pub node: NodeId,
    /// The interface's name; empty while only an index is known and no map gives a name.
    pub interface: String,
    pub role: Role,
    /// Whether the role comes from a name or a map, rather than being inferred from packets.
    pub role_is_given: bool,
}
