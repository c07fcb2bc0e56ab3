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

/// A node's interface.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) node: u8,
    /// The pod behind it; `None` for the uplink.
    pub(crate) pod: Option<u8>,
}

impl Place {
    /// Every interface of a node, in the order of [`Place::index`].
    pub(crate) fn all_of(node: u8) -> impl Iterator<Item = Place> {
        let pods = (0..PODS).map(move |pod| Place { node, pod: Some(pod) });
        std::iter::once(Place { node, pod: None }).chain(pods)
    }

    /// The interface's number among its node's.
    pub(crate) fn index(self) -> u32 {
        self.pod.map_or(0, |pod| u32::from(pod) + 1)
    }

    pub(crate) fn name(self) -> String {
        match self.pod {
            None => "bond1".to_owned(),
            Some(pod) => format!("cali{:011x}", 0x1_0000 + u64::from(self.node) * 0x100 + u64::from(pod)),
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

/// The hops of a packet that `from` sends to `to` at `time`, the sender's interface first: two on one node, four
/// across the switch. Gives the true time of the last one, too.
pub(crate) fn way(from: Pod, to: Pod, time: i64, delays: Delays) -> (Vec<Hop>, i64) {
    const UPLINK: u8 = 0xbb;
    const SWITCH: u8 = 0x5c;
    let port = |kind: u8, node: u8| [2, kind, 0, 0, 0, node];
    let cali = |pod: Pod| Place { node: pod.node, pod: Some(pod.number) };
    let uplink = |node| Place { node, pod: None };
    let Delays([out, over, into]) = delays;
    let mut now = time;
    let mut hops = Vec::with_capacity(4);
    let mut pass = |place: Place, src_mac, dst_mac, delay: i64| {
        now += delay;
        let stamp = now + AHEAD_NS[usize::from(place.node)];
        let ttl = 64 - hops.len() as u8;
        hops.push(Hop { place, src_mac, dst_mac, ttl, stamp });
    };
    pass(cali(from), from.mac(), CALI_MAC, 0);
    if from.node != to.node {
        pass(uplink(from.node), port(UPLINK, from.node), port(SWITCH, from.node), out);
        pass(uplink(to.node), port(SWITCH, to.node), port(UPLINK, to.node), over);
    }
    pass(cali(to), CALI_MAC, to.mac(), into);
    (hops, now)
}
