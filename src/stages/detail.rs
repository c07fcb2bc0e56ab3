//! The verdict in one plain sentence.

use crate::model::say::say;
use crate::model::{
    Application, Direction, IcmpReason, Lookup, NodeId, Part, Phase, Place, PlaceKind, Role, Sentence,
    Sighting, Trail, Way,
};
use crate::stages::followed::Pair;
use crate::stages::template::Spot;
use crate::stages::walk::{Case, Origin, Placed, Walk};
use crate::stages::{routing, tracked};

/// Where a redirection leads.
pub(super) fn redirected(location: &str) -> Sentence {
    say!(", to {location}", "，指向 {location}"; location)
}

/// An answer that came.
pub(super) fn answered(trail: &Trail, pair: &Pair) -> Sentence {
    let exchange = &trail.exchange;
    if let Some(lookup) = exchange.dns.as_deref().filter(|lookup| lookup.rcode.is_some()) {
        let kind = &lookup.kind;
        return match lookup.addresses.as_slice() {
            [] => say!("{kind} answered without an address", "{kind} 的应答没有地址"; kind),
            [ip] => say!("{kind} answered with {ip}", "{kind} 的应答为 {ip}"; kind, ip),
            all => {
                say!("{kind} answered with {n} addresses", "{kind} 的应答有 {n} 个地址"; kind, n = all.len())
            }
        };
    }
    match (exchange.application, exchange.status, pair.reply.part) {
        (_, Some(status), _) => {
            let method = exchange.method.as_deref().map_or_else(request, alike);
            let whereto = exchange.location.as_deref().map(redirected).unwrap_or_default();
            say!("{method} answered with {status}{whereto}", "{method} 得到应答 {status}{whereto}"; method, status, whereto)
        }
        (_, _, Some(Part::Handshake)) => say!("the connection was accepted", "连接已被接受"),
        (Application::Icmp, ..) => say!("the echo was answered", "回显已得到应答"),
        _ => say!("answered", "已应答"),
    }
}

/// A request that has no better name.
pub(super) fn request() -> Sentence {
    say!("request", "请求")
}

/// A name that is the same in each language.
pub(super) fn alike(name: &str) -> Sentence {
    say!("{name}", "{name}"; name)
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
    fn packet(&self, placed: &Placed<'_>) -> Sentence {
        let followed = match placed.way {
            Way::Request => &self.case.pair.request,
            Way::Reply => &self.case.pair.reply,
        };
        let application = self.case.trail.exchange.application;
        let name = match (followed.part, placed.way) {
            (Some(Part::Handshake), Way::Request) => alike("SYN"),
            (Some(Part::Handshake), Way::Reply) => alike("SYN-ACK"),
            (Some(Part::Reset), _) => alike("RST"),
            (Some(Part::IcmpError), _) => say!("ICMP error", "ICMP 错误"),
            (_, Way::Request) => match application {
                Application::Dns => say!("query", "查询"),
                Application::Icmp => say!("echo request", "回显请求"),
                Application::Udp => say!("datagram", "数据报"),
                Application::Http => self.case.trail.exchange.method.as_deref().map_or_else(request, alike),
                Application::Tls | Application::Tcp => request(),
            },
            (_, Way::Reply) => say!("answer", "应答"),
        };
        let Some(point) = placed.point else { return name };
        let is_copy = |it: &&Sighting| {
            Some(it.part) == followed.part && it.way == placed.way && it.vantage == point.vantage
        };
        // A capture without directions has both ways of a hairpin on one interface: count the point's own.
        let same_way = |it: &&Sighting| it.direction == point.direction || it.direction == Direction::Unknown;
        let count = self.case.trail.sightings.iter().filter(is_copy).filter(same_way).count();
        if count > 1 { say!("{name} ×{count}", "{name} ×{count}"; name, count) } else { name }
    }

    /// The packet came to a hook of the node, and no further.
    pub(super) fn stopped(&self, seen: usize, node: NodeId) -> Sentence {
        let packet = self.packet(&self.walk.placed[seen]);
        let node = self.case.world.topology.node_name(node);
        say!("{packet} stopped inside {node}", "{packet} 停在 {node} 内部"; packet, node)
    }

    fn node(&self, placed: &Placed<'_>) -> Sentence {
        match placed.node {
            Some(node) => alike(self.case.world.topology.node_name(node)),
            None => say!("a node", "某个节点"),
        }
    }

    /// ` on bond1`, where the interface is known.
    fn interface(&self, placed: &Placed<'_>) -> Sentence {
        let name = placed.vantage.map(|vantage| self.case.world.topology.vantage(vantage).interface.as_str());
        let name = name.filter(|name| !name.is_empty());
        name.map(|name| say!(" on {name}", "（{name}）"; name)).unwrap_or_default()
    }

    /// `left kappa1 on bond1`: what the packet did at a step where it was seen.
    fn did(&self, placed: &Placed<'_>) -> Sentence {
        let (node, interface) = (self.node(placed), self.interface(placed));
        match placed.step.spot {
            Spot::Point(Role::Workload, Direction::In) => {
                say!(
                    "came out of a pod of {node}{interface}",
                    "从 {node} 的容器发出{interface}";
                    node, interface
                )
            }
            Spot::Point(Role::Workload, _) => {
                say!("went to a pod of {node}{interface}", "送往 {node} 的容器{interface}"; node, interface)
            }
            Spot::Point(_, Direction::Out) => {
                say!("left {node}{interface}", "离开 {node}{interface}"; node, interface)
            }
            _ => say!("entered {node}{interface}", "进入 {node}{interface}"; node, interface),
        }
    }

    /// `never entered kappa2`: what it did not do.
    fn did_not(&self, placed: &Placed<'_>) -> Sentence {
        let (node, interface) = (self.node(placed), self.interface(placed));
        match placed.step.spot {
            Spot::Point(Role::Workload, Direction::Out) => match placed.vantage {
                Some(_) => say!("never went to the pod{interface}", "始终没有送往容器{interface}"; interface),
                None => say!("reached no cali interface", "没有到达任何 cali 网卡"),
            },
            Spot::Point(Role::Workload, _) => {
                say!("never came out of a pod of {node}", "始终没有从 {node} 的容器发出"; node)
            }
            Spot::Point(_, Direction::Out) => {
                say!("never left {node}{interface}", "始终没有离开 {node}{interface}"; node, interface)
            }
            Spot::Exit => say!("never left {node} by any interface", "始终没有从任何网卡离开 {node}"; node),
            _ => say!("never entered {node}", "始终没有进入 {node}"; node),
        }
    }

    pub(super) fn lost(&self, seen: Option<usize>, missing: usize, place: Option<Place>) -> Sentence {
        let gap = &self.walk.placed[missing];
        let Some(seen) = seen.map(|seen| &self.walk.placed[seen]) else {
            return say!("the packet {did_not}", "数据包{did_not}"; did_not = self.did_not(gap));
        };
        let (packet, did) = (self.packet(seen), self.did(seen));
        let mut sentence = if seen.way == gap.way {
            let did_not = self.did_not(gap);
            let behind = self.behind_tunnel(gap).unwrap_or_default();
            say!(
                "{packet} {did} and {did_not}: lost {place}{behind}",
                "{packet} {did}，{did_not}：丢失于{place}{behind}";
                packet, did, did_not, place = self.whereabouts(place), behind
            )
        } else if matches!(place, Some(Place { kind: PlaceKind::Host, .. })) {
            say!(
                "{packet} {did} and nothing came out of it again",
                "{packet} {did}，此后再没有从中出来";
                packet, did
            )
        } else {
            say!(
                "{packet} {did} and nothing came back: lost beyond what is captured",
                "{packet} {did}，没有任何返回：丢失在抓包范围之外";
                packet, did
            )
        };
        let neighbour = self.neighbour(gap);
        let expected = routing::of_loss(self.case, place, Some(gap.way));
        // Why it went no further says where it was dropped as well.
        let is_barred = expected.is_some_and(|expected| expected.barrier().is_some());
        let tracked = tracked::of_loss(self.case, gap, place.map(|place| place.kind)).filter(|_| !is_barred);
        // What the node waits for says more than what it has let pass.
        sentence.extend(neighbour.or(tracked));
        sentence.extend(self.size(seen, gap));
        sentence.extend(self.doubt(gap));
        sentence
    }

    fn whereabouts(&self, place: Option<Place>) -> Sentence {
        match place {
            Some(Place { kind: PlaceKind::Host, node: Some(node) }) => {
                let node = self.case.world.topology.node_name(node);
                say!("inside {node}", " {node} 内部"; node)
            }
            Some(Place { kind: PlaceKind::Fabric, .. }) => say!("between the nodes", "节点之间"),
            _ => say!("on a way that is not captured", "没有抓包的路上"),
        }
    }

    /// `, behind vxlan.calico`: the tunnel's device of the gap's node has the packet, the uplink does not.
    fn behind_tunnel(&self, gap: &Placed<'_>) -> Option<Sentence> {
        let is_exit = gap.step.spot == Spot::Point(Role::Uplink, Direction::Out);
        let followed = if gap.way == Way::Request { &self.case.pair.request } else { &self.case.pair.reply };
        let mut entries = followed.at(Role::Tunnel, Direction::Out).filter(|_| is_exit);
        let entry = entries.find(|point| Some(point.node) == gap.node)?;
        let device = &self.case.world.topology.vantage(entry.vantage).interface;
        Some(say!(", behind {device}", "，在 {device} 之后"; device))
    }

    /// The node asked for the pod's link address and got none.
    fn neighbour(&self, gap: &Placed<'_>) -> Option<Sentence> {
        let (node, vantage) = self.case.pair.neighbour?;
        let is_there = gap.node == Some(node) && gap.step.spot == Spot::Point(Role::Workload, Direction::Out);
        let interface = &self.case.world.topology.vantage(vantage).interface;
        is_there.then(|| {
            say!(
                "; ARP for {server} on {interface} stays unanswered",
                "；{interface} 上对 {server} 的 ARP 一直没有应答";
                server = self.server(), interface
            )
        })
    }

    fn server(&self) -> Sentence {
        let leg = self.case.trail.legs.last();
        let server = leg.and_then(|leg| leg.server.or(leg.target));
        server.map_or_else(|| say!("the pod", "容器"), |server| say!("{ip}", "{ip}"; ip = server.ip))
    }

    /// Large segments stop where small ones pass: the path's MTU.
    fn size(&self, seen: &Placed<'_>, gap: &Placed<'_>) -> Option<Sentence> {
        let trail = self.case.trail;
        let lost = trail.sightings.get(seen.point?.sighting as usize)?.len;
        let passed = trail.sightings.iter().filter(|it| self.is_beyond(it, seen.way, gap));
        let passed = passed.map(|it| it.len).max()?;
        if lost <= passed || lost < SMALL {
            return None;
        }
        let notice = trail.notices.iter().find(|it| it.reason == IcmpReason::PacketTooBig);
        let mut sentence = sizes(lost, passed);
        sentence.extend(notice.map(|it| {
            say!(
                " (an ICMP error says that {mtu} bytes fit)",
                "（ICMP 错误指出 {mtu} 字节可以通过）";
                mtu = it.mtu
            )
        }));
        Some(sentence)
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

    fn doubt(&self, gap: &Placed<'_>) -> Option<Sentence> {
        let is_lossy = gap.node.is_some_and(|node| self.case.world.lossy_nodes.contains(&node));
        is_lossy.then(|| {
            say!(
                "; unsure, as the capture itself lost packets on {node}",
                "；不确定：{node} 上的抓包自身丢过包";
                node = self.node(gap)
            )
        })
    }

    pub(super) fn stalled(&self, way: Way, seen: usize, missing: usize) -> Sentence {
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
        let name = if way == Way::Request { request() } else { say!("answer", "应答") };
        let mut sentence = say!(
            "the {name} began, then {did} and the rest {did_not}",
            "{name}已开始，{did}，其余部分{did_not}";
            name, did = self.did(seen), did_not = self.did_not(gap)
        );
        let (sent, passed) = (longest(seen), longest(gap));
        if sent > passed && sent >= SMALL {
            sentence += sizes(sent, passed);
        }
        sentence.extend(self.doubt(gap));
        sentence
    }

    pub(super) fn open(&self) -> Sentence {
        let last = self.walk.placed.iter().rev().find(|placed| placed.point.is_some());
        let rest = match self.case.trail.phase {
            Phase::Evicted => say!(
                "it was followed no further, as more were open than are kept",
                "同时打开的旅程超过保留上限，未再跟踪"
            ),
            _ => say!("more may come", "可能还有后续"),
        };
        match last {
            Some(placed) => say!(
                "{packet} {did}; {rest}",
                "{packet} {did}；{rest}";
                packet = self.packet(placed), did = self.did(placed), rest
            ),
            None => rest,
        }
    }

    pub(super) fn unknowable(&self) -> Sentence {
        match self.walk.last_request().map(|last| &self.walk.placed[last]) {
            Some(placed) => {
                say!(
                    "{packet} {did}; the rest of its way is not captured",
                    "{packet} {did}；其余路程没有抓包";
                    packet = self.packet(placed), did = self.did(placed)
                )
            }
            None => say!("the way of the request is not captured", "请求经过的路没有抓包"),
        }
    }

    pub(super) fn unanswered(&self, end: Option<usize>) -> Sentence {
        let Some(last) = self.walk.last_request().map(|last| &self.walk.placed[last]) else {
            return say!("the request was never answered", "请求始终没有得到应答");
        };
        let (packet, did) = (self.packet(last), self.did(last));
        let spot = end.map(|end| self.walk.placed[end].step.spot);
        let tracked = tracked::of_silence(self.case.trail, self.case.world).unwrap_or_default();
        let acked = if self.case.pair.request_acked {
            say!(", was acknowledged", "，已被确认")
        } else {
            Sentence::default()
        };
        match spot {
            Some(Spot::Proxy) => say!(
                "{packet} {did}{acked} and got no answer; the proxy's own connections are not followed{tracked}",
                "{packet} {did}{acked}，没有得到应答；代理自身的连接没有被跟踪{tracked}";
                packet, did, acked, tracked
            ),
            _ => {
                say!(
                    "{packet} {did}{acked} and {server} never answered{tracked}",
                    "{packet} {did}{acked}，{server} 始终没有应答{tracked}";
                    packet, did, acked, server = self.server(), tracked
                )
            }
        }
    }

    pub(super) fn reset_to_syn(&self) -> Sentence {
        match self.walk.origin {
            Origin::Node(node) => {
                let node = self.case.world.topology.node_name(node);
                say!(
                    "{node} itself refused the connection with a RST; the SYN went no further",
                    "{node} 自身以 RST 拒绝了连接；SYN 没有再往前走";
                    node
                )
            }
            Origin::Server => {
                say!(
                    "{server} refused the connection with a RST{seen}",
                    "{server} 以 RST 拒绝了连接{seen}";
                    server = self.server(), seen = self.reply_from()
                )
            }
        }
    }

    /// ` from cali90aa of kappa2`: where the reply was seen first.
    fn reply_from(&self) -> Sentence {
        let first = self.walk.reply().iter().find(|placed| placed.point.is_some());
        first
            .map(|placed| {
                say!(
                    ", seen{interface} of {node}",
                    "，见于 {node}{interface}";
                    interface = self.interface(placed), node = self.node(placed)
                )
            })
            .unwrap_or_default()
    }

    fn reason(&self) -> Sentence {
        let reason = self.case.notice().map(|notice| notice.reason);
        match reason {
            Some(IcmpReason::NetUnreachable) => say!("network unreachable", "网络不可达"),
            Some(IcmpReason::HostUnreachable) => say!("host unreachable", "主机不可达"),
            Some(IcmpReason::ProtocolUnreachable) => say!("protocol unreachable", "协议不可达"),
            Some(IcmpReason::PortUnreachable) => say!("port unreachable", "端口不可达"),
            Some(IcmpReason::Prohibited) => say!("prohibited", "被禁止"),
            Some(IcmpReason::TimeExceeded) => say!("time exceeded", "生存时间超限"),
            Some(IcmpReason::PacketTooBig | IcmpReason::Redirect | IcmpReason::Other) | None => {
                say!("an error", "错误")
            }
        }
    }

    fn reporter(&self) -> Sentence {
        let notice = self.case.notice();
        notice.map_or_else(
            || say!("an unknown address", "未知地址"),
            |notice| say!("{ip}", "{ip}"; ip = notice.reporter),
        )
    }

    pub(super) fn refused_by_icmp(&self) -> Sentence {
        let (reason, reporter) = (self.reason(), self.reporter());
        match self.walk.origin {
            Origin::Node(node) => {
                let place = Place { kind: PlaceKind::Host, node: Some(node) };
                let rule = match routing::of_loss(self.case, Some(place), Some(Way::Request)) {
                    Some(_) => Sentence::default(),
                    None => say!(
                        " (a REJECT rule, as for a Service without endpoints)",
                        "（REJECT 规则，如没有后端的 Service）"
                    ),
                };
                let node = self.case.world.topology.node_name(node);
                say!(
                    "{node} itself refused it: ICMP {reason} from {reporter}; the packet went no further{rule}",
                    "{node} 自身拒绝了它：来自 {reporter} 的 ICMP {reason}；数据包没有再往前走{rule}";
                    node, reason, reporter, rule
                )
            }
            Origin::Server => {
                say!(
                    "refused: ICMP {reason} from {reporter}{seen}",
                    "被拒绝：来自 {reporter} 的 ICMP {reason}{seen}";
                    reason, reporter, seen = self.reply_from()
                )
            }
        }
    }

    pub(super) fn unreachable(&self, is_loop: bool) -> Sentence {
        let (reason, reporter) = (self.reason(), self.reporter());
        let mut sentence =
            say!("ICMP {reason} from {reporter}", "来自 {reporter} 的 ICMP {reason}"; reason, reporter);
        if let Some(last) = self.walk.last_request().map(|last| &self.walk.placed[last]) {
            sentence = say!(
                "{packet} {did}, then {sentence}",
                "{packet} {did}，然后是{sentence}";
                packet = self.packet(last), did = self.did(last), sentence
            );
        }
        sentence.extend(self.case.pair.neighbour.map(|(node, vantage)| {
            let topology = self.case.world.topology;
            let (node, interface) = (topology.node_name(node), &topology.vantage(vantage).interface);
            say!(
                ": ARP for {server} on {interface} of {node} stays unanswered",
                "：{node} 的 {interface} 上对 {server} 的 ARP 一直没有应答";
                server = self.server(), interface, node
            )
        }));
        if is_loop {
            sentence += say!(": it went in a circle", "：它在绕圈");
        }
        sentence
    }

    pub(super) fn reset(&self) -> Sentence {
        match self.walk.origin {
            Origin::Node(node) => {
                let node = self.case.world.topology.node_name(node);
                say!(
                    "{node} itself reset the connection before an answer",
                    "{node} 自身在应答之前重置了连接";
                    node
                )
            }
            Origin::Server => {
                say!(
                    "{server} reset the connection before an answer{seen}",
                    "{server} 在应答之前重置了连接{seen}";
                    server = self.server(), seen = self.reply_from()
                )
            }
        }
    }

    pub(super) fn reset_in_answer(&self) -> Sentence {
        say!(
            "{server} reset the connection in the middle of its answer",
            "{server} 在应答中途重置了连接";
            server = self.server()
        )
    }
}

fn sizes(lost: u32, passed: u32) -> Sentence {
    match passed {
        0 => {
            say!(
                "; segments of {lost} bytes are lost where small packets pass",
                "；{lost} 字节的段丢失，而小包可以通过";
                lost
            )
        }
        _ => say!(
            "; segments of {lost} bytes are lost where those of up to {passed} pass",
            "；{lost} 字节的段丢失，而 {passed} 字节以内的可以通过";
            lost, passed
        ),
    }
}

/// A name that did not resolve (RFC 1035 §4.1.1).
pub(super) fn bad_name(lookup: &Lookup, rcode: u8) -> Sentence {
    let (name, kind) = (&lookup.name, &lookup.kind);
    let reason = match rcode {
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        other => {
            return say!(
                "{name} {kind}: response code {other}",
                "{name} {kind}：响应码 {other}";
                name, kind, other
            );
        }
    };
    say!("{name} {kind}: {reason}", "{name} {kind}：{reason}"; name, kind, reason)
}
