//! Three nodes, their pods and interfaces, and the way of a packet between two pods.

use hopline::model::{CALI_MAC, MICROS, Mac};

use crate::random::Random;

pub(crate) const NODES: [&str; 3] = ["kappa1", "kappa2", "kappa3"];
pub(crate) const PODS: u8 = 20;
/// How far each node's clock is ahead of the true time.
const AHEAD_NS: [i64; 3] = [0, 1_300 * MICROS, -800 * MICROS];
/// The furthest that a clock is behind.
pub(crate) const BEHIND_NS: i64 = 800 * MICROS;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) node: u8,
    pub(crate) number: u8,
}

impl Pod {
    pub(crate) const fn ip(self) -> [u8; 4] {
        [10, 244, self.node + 1, self.number + 2]
    }

    const fn mac(self) -> Mac {
        [2, 0x42, 10, 244, self.node + 1, self.number + 2]
    }
}

/// Where packets come from and go to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    Pod(Pod),
    /// A process on a node itself.
    Node(u8),
    /// Beyond the nodes' network.
    Outside,
}

impl Site {
    pub(crate) const fn node(self) -> Option<u8> {
        match self {
            Site::Pod(pod) => Some(pod.node),
            Site::Node(node) => Some(node),
            Site::Outside => None,
        }
    }
}

/// One end of a conversation.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) site: Site,
    pub(crate) ip: [u8; 4],
}

impl End {
    pub(crate) const fn of(pod: Pod) -> End {
        End { site: Site::Pod(pod), ip: pod.ip() }
    }

    /// A process on a node, at the node's own address.
    pub(crate) const fn on(node: u8) -> End {
        End { site: Site::Node(node), ip: [192, 168, 50, 11 + node] }
    }
}

/// A node's interface.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) node: u8,
    pub(crate) port: Port,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Uplink,
    /// Leads to the pod with this number.
    Pod(u8),
    Loopback,
}

impl Place {
    /// How many a node has.
    pub(crate) const COUNT: u32 = PODS as u32 + 2;

    /// Every interface of a node, in the order of [`Place::index`].
    pub(crate) fn all_of(node: u8) -> impl Iterator<Item = Place> {
        let ports = std::iter::once(Port::Uplink).chain((0..PODS).map(Port::Pod)).chain([Port::Loopback]);
        ports.map(move |port| Place { node, port })
    }

    /// The interface's number among its node's.
    pub(crate) fn index(self) -> u32 {
        match self.port {
            Port::Uplink => 0,
            Port::Pod(pod) => u32::from(pod) + 1,
            Port::Loopback => Place::COUNT - 1,
        }
    }

    pub(crate) fn name(self) -> String {
        match self.port {
            Port::Uplink => "bond1".to_owned(),
            Port::Loopback => "lo".to_owned(),
            Port::Pod(pod) => {
                format!("cali{:011x}", 0x1_0000 + u64::from(self.node) * 0x100 + u64::from(pod))
            }
        }
    }
}

/// A packet at one interface on its way.
#[derive(Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) place: Place,
    pub(crate) src_mac: Mac,
    pub(crate) dst_mac: Mac,
    pub(crate) ttl: u8,
    /// When it comes by, on the node's own clock.
    pub(crate) stamp: i64,
}

/// How long a packet takes to the sender's uplink, over the switch, and to the receiver's pod, in nanoseconds.
/// Alike for all packets of an exchange, so that none overtakes another.
#[derive(Clone, Copy)]
pub(crate) struct Delays([i64; 3]);

impl Delays {
    pub(crate) fn drawn(random: &mut Random) -> Delays {
        Delays(
            [(15, 40), (40, 90), (10, 30)].map(|(low, high)| random.between(low * 1000, high * 1000) as i64),
        )
    }
}

/// The hops of a packet that `from` sends to `to` at `time`, the sender's interface first: two between pods on one node,
/// four across the switch, one between two processes of a node. Gives the true time of the last one, too.
pub(crate) fn way(from: Site, to: Site, time: i64, delays: Delays) -> (Vec<Hop>, i64) {
    const UPLINK: u8 = 0xbb;
    const SWITCH: u8 = 0x5c;
    let port = |kind: u8, node: u8| [2, kind, 0, 0, 0, node];
    let place = |node, port| Place { node, port };
    // From outside it has crossed a router.
    let first_ttl = if from == Site::Outside { 63 } else { 64 };
    let Delays([out, over, into]) = delays;
    let mut now = time;
    let mut hops = Vec::with_capacity(4);
    let mut pass = |place: Place, src_mac, dst_mac, delay: i64| {
        now += delay;
        let stamp = now + AHEAD_NS[usize::from(place.node)];
        let ttl = first_ttl - hops.len() as u8;
        hops.push(Hop { place, src_mac, dst_mac, ttl, stamp });
    };
    if let Site::Pod(pod) = from {
        pass(place(pod.node, Port::Pod(pod.number)), pod.mac(), CALI_MAC, 0);
    }
    match (from.node(), to.node()) {
        (Some(one), Some(other)) if one == other => {
            if let (Site::Node(_), Site::Node(_)) = (from, to) {
                pass(place(one, Port::Loopback), [0; 6], [0; 6], into);
            }
        }
        (one, other) => {
            if let Some(node) = one {
                pass(place(node, Port::Uplink), port(UPLINK, node), port(SWITCH, node), out);
            }
            if let Some(node) = other {
                pass(place(node, Port::Uplink), port(SWITCH, node), port(UPLINK, node), over);
            }
        }
    }
    if let Site::Pod(pod) = to {
        pass(place(pod.node, Port::Pod(pod.number)), CALI_MAC, pod.mac(), into);
    }
    (hops, now)
}
