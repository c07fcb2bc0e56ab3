//! The verdict in one plain sentence.

use crate::model::{
    Application, Direction, IcmpReason, Lookup, Part, Place, PlaceKind, Role, Sighting, Trail, Way,
};
use crate::stages::followed::Pair;
use crate::stages::template::Spot;
use crate::stages::tracked;
use crate::stages::walk::{Case, Origin, Placed, Walk};

/// An answer that came.
pub(super) fn answered(trail: &Trail, pair: &Pair) -> String {
    let exchange = &trail.exchange;
    if let Some(lookup) = exchange.dns.as_deref().filter(|lookup| lookup.rcode.is_some()) {
        return match lookup.addresses.len() {
            0 => format!("{} answered without an address", lookup.kind),
            1 => format!("{} answered with {}", lookup.kind, lookup.addresses[0]),
            n => format!("{} answered with {n} addresses", lookup.kind),
        };
    }
    match (exchange.application, exchange.status, pair.reply.part) {
        (_, Some(status), _) => {
            format!("{} answered with {status}", exchange.method.as_deref().unwrap_or("request"))
        }
        (_, _, Some(Part::Handshake)) => "the connection was accepted".to_owned(),
        (Application::Icmp, ..) => "the echo was answered".to_owned(),
        _ => "answered".to_owned(),
    }
}

/// Payloads below this fit any path (RFC 791: 576 bytes, less headers), so their loss is no matter of size.
const SMALL: u32 = 500;

/// Tells what was seen of one trail.
pub(super) struct Teller<'a, 't> {
    case: &'a Case<'a>,
    walk: &'a Walk<'t>,
}

impl<'a, 't> Teller<'a, 't> {
    pub(super) fn new(case: &'a Case<'a>, walk: &'a Walk<'t>) -> Teller<'a, 't> {
        Teller { case, walk }
    }

    /// `SYN ×3`: the packet and how often it was seen at a step.
    fn packet(&self, placed: &Placed<'_>) -> String {
        let followed = match placed.way {
            Way::Request => &self.case.pair.request,
            Way::Reply => &self.case.pair.reply,
        };
        let application = self.case.trail.exchange.application;
        let name = match (followed.part, placed.way) {
            (Some(Part::Handshake), Way::Request) => "SYN",
            (Some(Part::Handshake), Way::Reply) => "SYN-ACK",
            (Some(Part::Reset), _) => "RST",
            (Some(Part::IcmpError), _) => "ICMP error",
            (_, Way::Request) => match application {
                Application::Dns => "query",
                Application::Icmp => "echo request",
                Application::Udp => "datagram",
                Application::Http => self.case.trail.exchange.method.as_deref().unwrap_or("request"),
                Application::Tls | Application::Tcp => "request",
            },
            (_, Way::Reply) => "answer",
        };
        let Some(point) = placed.point else { return name.to_owned() };
        let is_copy = |it: &&Sighting| {
            Some(it.part) == followed.part && it.way == placed.way && it.vantage == point.vantage
        };
        // A capture without directions has both ways of a hairpin on one interface: count the point's own.
        let same_way = |it: &&Sighting| it.direction == point.direction || it.direction == Direction::Unknown;
        let count = self.case.trail.sightings.iter().filter(is_copy).filter(same_way).count();
        if count > 1 { format!("{name} ×{count}") } else { name.to_owned() }
    }

    /// The packet came to a hook of the node, and no further.
    pub(super) fn stopped(&self, seen: usize) -> String {
        let placed = &self.walk.placed[seen];
        format!("{} stopped inside {}", self.packet(placed), self.node(placed))
    }

    fn node(&self, placed: &Placed<'_>) -> &str {
        placed.node.map_or("a node", |node| self.case.world.topology.node_name(node))
    }

    /// ` on bond1`, where the interface is known.
    fn interface(&self, placed: &Placed<'_>) -> String {
        let name = placed.vantage.map(|vantage| self.case.world.topology.vantage(vantage).interface.as_str());
        name.filter(|name| !name.is_empty()).map(|name| format!(" on {name}")).unwrap_or_default()
    }

    /// `left kappa1 on bond1`: what the packet did at a step where it was seen.
    fn did(&self, placed: &Placed<'_>) -> String {
        let (node, interface) = (self.node(placed), self.interface(placed));
        match placed.step.spot {
            Spot::Point(Role::Workload, Direction::In) => format!("came out of a pod of {node}{interface}"),
            Spot::Point(Role::Workload, _) => format!("went to a pod of {node}{interface}"),
            Spot::Point(_, Direction::Out) => format!("left {node}{interface}"),
            _ => format!("entered {node}{interface}"),
        }
    }

    /// `never entered kappa2`: what it did not do.
    fn did_not(&self, placed: &Placed<'_>) -> String {
        let node = self.node(placed);
        match placed.step.spot {
            Spot::Point(Role::Workload, Direction::Out) => match placed.vantage {
                Some(_) => format!("never went to the pod{}", self.interface(placed)),
                None => "reached no cali interface".to_owned(),
            },
            Spot::Point(Role::Workload, _) => format!("never came out of a pod of {node}"),
            Spot::Point(_, Direction::Out) => format!("never left {node}{}", self.interface(placed)),
            Spot::Exit => format!("never left {node} by any interface"),
            _ => format!("never entered {node}"),
        }
    }

    pub(super) fn lost(&self, seen: Option<usize>, missing: usize, place: Option<Place>) -> String {
        let gap = &self.walk.placed[missing];
        let Some(seen) = seen.map(|seen| &self.walk.placed[seen]) else {
            return format!("the packet {}", self.did_not(gap));
        };
        let (packet, did) = (self.packet(seen), self.did(seen));
        let mut sentence = if seen.way == gap.way {
            let did_not = self.did_not(gap);
            let behind = self.behind_tunnel(gap).unwrap_or_default();
            format!("{packet} {did} and {did_not}: lost {}{behind}", self.whereabouts(place))
        } else if matches!(place, Some(Place { kind: PlaceKind::Host, .. })) {
            format!("{packet} {did} and nothing came out of it again")
        } else {
            format!("{packet} {did} and nothing came back: lost beyond what is captured")
        };
        let neighbour = self.neighbour(gap);
        let tracked = tracked::of_loss(self.case, gap, place.map(|place| place.kind));
        // What the node waits for says more than what it has let pass.
        sentence.extend(neighbour.or(tracked));
        sentence.extend(self.size(seen, gap));
        sentence.extend(self.doubt(gap));
        sentence
    }

    fn whereabouts(&self, place: Option<Place>) -> String {
        match place {
            Some(Place { kind: PlaceKind::Host, node: Some(node) }) => {
                format!("inside {}", self.case.world.topology.node_name(node))
            }
            Some(Place { kind: PlaceKind::Fabric, .. }) => "between the nodes".to_owned(),
            _ => "on a way that is not captured".to_owned(),
        }
    }

    /// `, behind vxlan.calico`: the tunnel's device of the gap's node has the packet, the uplink does not.
    fn behind_tunnel(&self, gap: &Placed<'_>) -> Option<String> {
        let is_exit = gap.step.spot == Spot::Point(Role::Uplink, Direction::Out);
        let followed = if gap.way == Way::Request { &self.case.pair.request } else { &self.case.pair.reply };
        let mut entries = followed.at(Role::Tunnel, Direction::Out).filter(|_| is_exit);
        let entry = entries.find(|point| Some(point.node) == gap.node)?;
        Some(format!(", behind {}", self.case.world.topology.vantage(entry.vantage).interface))
    }

    /// The node asked for the pod's link address and got none.
    fn neighbour(&self, gap: &Placed<'_>) -> Option<String> {
        let (node, vantage) = self.case.pair.neighbour?;
        let is_there = gap.node == Some(node) && gap.step.spot == Spot::Point(Role::Workload, Direction::Out);
        let interface = &self.case.world.topology.vantage(vantage).interface;
        is_there.then(|| format!("; ARP for {} on {interface} stays unanswered", self.server()))
    }

    fn server(&self) -> String {
        let leg = self.case.trail.legs.last();
        let server = leg.and_then(|leg| leg.server.or(leg.target));
        server.map_or_else(|| "the pod".to_owned(), |server| server.ip.to_string())
    }

    /// Large segments stop where small ones pass: the path's MTU.
    fn size(&self, seen: &Placed<'_>, gap: &Placed<'_>) -> Option<String> {
        let trail = self.case.trail;
        let lost = trail.sightings.get(seen.point?.sighting as usize)?.len;
        let passed = trail.sightings.iter().filter(|it| self.is_beyond(it, seen.way, gap));
        let passed = passed.map(|it| it.len).max()?;
        if lost <= passed || lost < SMALL {
            return None;
        }
        let notice = trail.notices.iter().find(|it| it.reason == IcmpReason::PacketTooBig);
        let told = notice.map(|it| format!(" (an ICMP error says that {} bytes fit)", it.mtu));
        Some(sizes(lost, passed) + told.as_deref().unwrap_or_default())
    }

    /// Whether a sighting shows that packets going `way` pass the gap: it is at the capture point that misses
    /// this one; where nothing is captured there, a SYN-ACK shows that the SYN passed.
    fn is_beyond(&self, sighting: &Sighting, way: Way, gap: &Placed<'_>) -> bool {
        if gap.way != way {
            return sighting.part == Part::Handshake && sighting.way == gap.way;
        }
        let vantage = self.case.world.topology.vantage(sighting.vantage);
        let Spot::Point(role, direction) = gap.step.spot else { return false };
        sighting.way == way
            && (Some(vantage.node), vantage.role, sighting.direction) == (gap.node, role, direction)
    }

    fn doubt(&self, gap: &Placed<'_>) -> Option<String> {
        let is_lossy = gap.node.is_some_and(|node| self.case.world.lossy_nodes.contains(&node));
        is_lossy.then(|| format!("; unsure, as the capture itself lost packets on {}", self.node(gap)))
    }

    pub(super) fn stalled(&self, way: Way, seen: usize, missing: usize) -> String {
        let (seen, gap) = (&self.walk.placed[seen], &self.walk.placed[missing]);
        let longest = |placed: &Placed<'_>| {
            let here = self.case.trail.sightings.iter().filter(|it| {
                it.way == way
                    && placed
                        .point
                        .is_some_and(|point| (point.vantage, point.direction) == (it.vantage, it.direction))
            });
            here.map(|it| it.len).max().unwrap_or(0)
        };
        let name = if way == Way::Request { "request" } else { "answer" };
        let mut sentence =
            format!("the {name} began, then {} and the rest {}", self.did(seen), self.did_not(gap));
        let (sent, passed) = (longest(seen), longest(gap));
        if sent > passed && sent >= SMALL {
            sentence += &sizes(sent, passed);
        }
        sentence.extend(self.doubt(gap));
        sentence
    }

    pub(super) fn open(&self) -> String {
        let last = self.walk.placed.iter().rev().find(|placed| placed.point.is_some());
        match last {
            Some(placed) => format!("{} {}; more may come", self.packet(placed), self.did(placed)),
            None => "more may come".to_owned(),
        }
    }

    pub(super) fn unknowable(&self) -> String {
        match self.walk.last_request().map(|last| &self.walk.placed[last]) {
            Some(placed) => {
                format!("{} {}; the rest of its way is not captured", self.packet(placed), self.did(placed))
            }
            None => "the way of the request is not captured".to_owned(),
        }
    }

    pub(super) fn unanswered(&self, end: Option<usize>) -> String {
        let Some(last) = self.walk.last_request().map(|last| &self.walk.placed[last]) else {
            return "the request was never answered".to_owned();
        };
        let (packet, did) = (self.packet(last), self.did(last));
        let spot = end.map(|end| self.walk.placed[end].step.spot);
        let tracked = tracked::of_silence(self.case.trail, self.case.world).unwrap_or_default();
        let acked = if self.case.pair.request_acked { ", was acknowledged" } else { "" };
        match spot {
            Some(Spot::Proxy) => {
                format!(
                    "{packet} {did}{acked} and got no answer; the proxy's own connections are not followed{tracked}"
                )
            }
            _ => format!("{packet} {did}{acked} and {} never answered{tracked}", self.server()),
        }
    }

    pub(super) fn reset_to_syn(&self) -> String {
        match self.walk.origin {
            Origin::Node(node) => {
                let node = self.case.world.topology.node_name(node);
                format!("{node} itself refused the connection with a RST; the SYN went no further")
            }
            Origin::Server => {
                format!("{} refused the connection with a RST{}", self.server(), self.reply_from())
            }
        }
    }

    /// ` from cali90aa of kappa2`: where the reply was seen first.
    fn reply_from(&self) -> String {
        let first = self.walk.reply().iter().find(|placed| placed.point.is_some());
        first
            .map(|placed| format!(", seen{} of {}", self.interface(placed), self.node(placed)))
            .unwrap_or_default()
    }

    fn reason(&self) -> &'static str {
        let reason = self.case.notice().map(|notice| notice.reason);
        match reason {
            Some(IcmpReason::NetUnreachable) => "network unreachable",
            Some(IcmpReason::HostUnreachable) => "host unreachable",
            Some(IcmpReason::ProtocolUnreachable) => "protocol unreachable",
            Some(IcmpReason::PortUnreachable) => "port unreachable",
            Some(IcmpReason::Prohibited) => "prohibited",
            Some(IcmpReason::TimeExceeded) => "time exceeded",
            Some(IcmpReason::PacketTooBig | IcmpReason::Redirect | IcmpReason::Other) | None => "an error",
        }
    }

    fn reporter(&self) -> String {
        let notice = self.case.notice();
        notice.map_or_else(|| "an unknown address".to_owned(), |notice| notice.reporter.to_string())
    }

    pub(super) fn refused_by_icmp(&self) -> String {
        let (reason, reporter) = (self.reason(), self.reporter());
        match self.walk.origin {
            Origin::Node(node) => {
                let node = self.case.world.topology.node_name(node);
                format!(
                    "{node} itself refused it: ICMP {reason} from {reporter}; the packet went no further \
                     (a REJECT rule, as for a Service without endpoints)"
                )
            }
            Origin::Server => format!("refused: ICMP {reason} from {reporter}{}", self.reply_from()),
        }
    }

    pub(super) fn unreachable(&self, is_loop: bool) -> String {
        let (reason, reporter) = (self.reason(), self.reporter());
        let mut sentence = format!("ICMP {reason} from {reporter}");
        if let Some(last) = self.walk.last_request().map(|last| &self.walk.placed[last]) {
            sentence = format!("{} {}, then {sentence}", self.packet(last), self.did(last));
        }
        sentence.extend(self.case.pair.neighbour.map(|(node, vantage)| {
            let topology = self.case.world.topology;
            let (node, interface) = (topology.node_name(node), &topology.vantage(vantage).interface);
            format!(": ARP for {} on {interface} of {node} stays unanswered", self.server())
        }));
        if is_loop {
            sentence += ": it went in a circle";
        }
        sentence
    }

    pub(super) fn reset(&self) -> String {
        match self.walk.origin {
            Origin::Node(node) => {
                let node = self.case.world.topology.node_name(node);
                format!("{node} itself reset the connection before an answer")
            }
            Origin::Server => {
                format!("{} reset the connection before an answer{}", self.server(), self.reply_from())
            }
        }
    }

    pub(super) fn reset_in_answer(&self) -> String {
        format!("{} reset the connection in the middle of its answer", self.server())
    }
}

fn sizes(lost: u32, passed: u32) -> String {
    match passed {
        0 => format!("; segments of {lost} bytes are lost where small packets pass"),
        _ => format!("; segments of {lost} bytes are lost where those of up to {passed} pass"),
    }
}

/// A name that did not resolve (RFC 1035 §4.1.1).
pub(super) fn bad_name(lookup: &Lookup, rcode: u8) -> String {
    let reason = match rcode {
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        other => return format!("{} {}: response code {other}", lookup.name, lookup.kind),
    };
    format!("{} {}: {reason}", lookup.name, lookup.kind)
}
