//! Where decoding stopped and why, and how often.

use std::fmt;

use hashbrown::HashMap;

/// Decoding got to this layer and no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stop {
    pub layer: Layer,
    pub reason: Reason,
}

impl Stop {
    pub(super) const fn new(layer: Layer, reason: Reason) -> Stop {
        Stop { layer, reason }
    }
}

/// The layer that could not be read, or whose content is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Link,
    Arp,
    Ip,
    Tcp,
    Udp,
    Icmp,
    /// The packet that an ICMP error quotes.
    IcmpQuote,
    NeighbourDiscovery,
    /// Messages of the kernel.
    Netlink,
    /// Those of connection tracking.
    Conntrack,
}

impl Layer {
    const fn name(self) -> &'static str {
        match self {
            Layer::Link => "link",
            Layer::Arp => "ARP",
            Layer::Ip => "IP",
            Layer::Tcp => "TCP",
            Layer::Udp => "UDP",
            Layer::Icmp => "ICMP",
            Layer::IcmpQuote => "packet quoted by ICMP",
            Layer::NeighbourDiscovery => "neighbour discovery",
            Layer::Netlink => "netlink",
            Layer::Conntrack => "conntrack",
        }
    }
}

/// Why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The capture ends inside the header.
    Cut,
    /// A field contradicts the layer's own rules.
    Malformed,
    /// A fragment that is not the first one has no transport header.
    LaterFragment,
    /// This ether type (IEEE 802) is not followed.
    EtherType(u16),
    /// This IP protocol (IANA) is not followed.
    Protocol(u8),
    /// This message type is not followed: an ICMP type, an ARP operation, or one of conntrack's.
    Message(u8),
    /// This netlink family (`linux/netlink.h`) is not followed.
    Family(u16),
    /// This netlink message type is not followed.
    NetlinkType(u16),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = self.layer.name();
        match self.reason {
            Reason::Cut => write!(f, "{layer} header cut short by the capture"),
            Reason::Malformed => write!(f, "{layer} header malformed"),
            Reason::LaterFragment => write!(f, "{layer} fragment without a transport header"),
            Reason::EtherType(number) => write!(f, "ether type {number:#06x} not followed"),
            Reason::Protocol(number) => match protocol_name(number) {
                Some(name) => write!(f, "{layer} protocol {number} ({name}) not followed"),
                None => write!(f, "{layer} protocol {number} not followed"),
            },
            Reason::Family(number) => write!(f, "{layer} family {number} not followed"),
            Reason::NetlinkType(number) => write!(f, "{layer} message type {number:#06x} not followed"),
            Reason::Message(number) => write!(f, "{layer} message type {number} not followed"),
        }
    }
}

/// The protocols that a node's uplink commonly carries beside those that are followed.
const fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        2 => "IGMP",
        4 => "IPv4 in IP",
        41 => "IPv6 in IP",
        47 => "GRE",
        50 => "ESP",
        59 => "no next header",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        _ => return None,
    })
}

/// Counts stops by layer and reason. Bounded: there are no more kinds than header fields have values.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    counts: HashMap<Stop, u64>,
}

impl Stops {
    pub fn add(&mut self, stop: Stop) {
        *self.counts.entry(stop).or_default() += 1;
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// A sentence and a count for each kind, most frequent first.
    pub fn reasons(&self) -> Vec<(String, u64)> {
        let mut counts: Vec<_> = self.counts.iter().map(|(&stop, &count)| (stop, count)).collect();
        counts.sort_unstable_by_key(|&(stop, count)| (std::cmp::Reverse(count), stop));
        counts.into_iter().map(|(stop, count)| (stop.to_string(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_most_frequent_first() {
        let mut stops = Stops::default();
        let rare = Stop::new(Layer::Tcp, Reason::Cut);
        let often = Stop::new(Layer::Link, Reason::EtherType(0x88cc));
        stops.add(rare);
        stops.add(often);
        stops.add(often);
        assert_eq!(stops.total(), 3);
        assert_eq!(
            stops.reasons(),
            [
                ("ether type 0x88cc not followed".to_owned(), 2),
                ("TCP header cut short by the capture".to_owned(), 1)
            ]
        );
    }
}
