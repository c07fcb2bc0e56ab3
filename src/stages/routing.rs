//! What a node's routes add to a verdict, in words. They are known, not seen: so it is said of the routes, not of the
//! packet, and only where nothing that was seen of the packet speaks against it.

use crate::model::say::say;
use crate::model::{
    Barrier, Expected, IcmpReason, NodeId, Onward, Place, PlaceKind, RouteKind, Sentence, Topology, Way,
};
use crate::stages::walk::Case;

/// What the routes of the node a packet was lost in say of it.
pub(super) fn of_loss<'a>(case: &Case<'a>, place: Option<Place>, way: Option<Way>) -> Option<&'a Expected> {
    let place = place.filter(|place| matches!(place.kind, PlaceKind::Host | PlaceKind::Dns))?;
    let expected = of_node(case, place.node?, way?)?;
    explains(case, expected).then_some(expected)
}

/// What the routes say of a packet that was lost between nodes: the last node that it left by another interface than
/// they lead over, or back where it came from.
pub(super) fn of_detour<'a>(case: &Case<'a>, place: Option<Place>, way: Option<Way>) -> Option<&'a Expected> {
    place.filter(|place| place.kind == PlaceKind::Fabric)?;
    case.trail.expected.iter().rfind(|expected| Some(expected.way) == way && expected.left.is_some())
}

/// Why the routes of a node bar a request that nothing answered.
pub(super) fn of_silence<'a>(case: &Case<'a>, node: NodeId) -> Option<&'a Expected> {
    let is_silent = case.pair.reply.part.is_none() && !case.pair.request_acked;
    of_node(case, node, Way::Request).filter(|expected| is_silent && expected.barrier().is_some())
}

fn of_node<'a>(case: &Case<'a>, node: NodeId, way: Way) -> Option<&'a Expected> {
    case.trail.expected.iter().find(|expected| (expected.node, expected.way) == (node, way))
}

/// Whether it fits the ICMP error that came back, or silence.
fn explains(case: &Case<'_>, expected: &Expected) -> bool {
    let is_asked_for = case.pair.neighbour.is_some_and(|(node, _)| node == expected.node);
    let reason = case.notice().map(|notice| notice.reason);
    match (reason, &expected.onward) {
        (None | Some(IcmpReason::TimeExceeded), Onward::Over(_)) if expected.left.is_some() => true,
        (None, Onward::Over(_)) => !is_asked_for,
        (None, Onward::Barred(_))
        | (Some(IcmpReason::NetUnreachable), Onward::Barred(Barrier::NoRoute))
        | (
            Some(IcmpReason::NetUnreachable | IcmpReason::HostUnreachable),
            Onward::Barred(Barrier::Route(RouteKind::Unreachable, _)),
        )
        | (Some(IcmpReason::Prohibited), Onward::Barred(Barrier::Route(RouteKind::Prohibit, _))) => true,
        _ => false,
    }
}

/// `kappa1 has no route to 10.9.9.9`.
pub fn told(expected: &Expected, topology: &Topology) -> Sentence {
    let Expected { vantage, source, destination, .. } = *expected;
    let node = topology.node_name(expected.node);
    let interface = &topology.vantage(vantage).interface;
    match &expected.onward {
        Onward::Local => say!(
            "{node}'s routes give {destination} to the node itself",
            "{node} 的路由把 {destination} 交给节点自身";
            node, destination
        ),
        Onward::Over(names) => {
            let over = names.join(", ");
            let left = expected.left.map(|left| topology.vantage(left).interface.as_str());
            let is_expected = |left: &str| names.iter().any(|name| **name == *left);
            match left {
                Some(left) if is_expected(left) => say!(
                    "it left {node} again on {left}: {node}'s route to {destination} is over {over}",
                    "它又从 {left} 离开 {node}：{node} 到 {destination} 的路由经由 {over}";
                    node, left, destination, over
                ),
                Some(left) => say!(
                    "it left {node} on {left}, though {node}'s route to {destination} is over {over}",
                    "它从 {left} 离开 {node}，而 {node} 到 {destination} 的路由经由 {over}";
                    node, left, destination, over
                ),
                None => say!(
                    "{node}'s route to {destination} is over {over}",
                    "{node} 到 {destination} 的路由经由 {over}";
                    node, destination, over
                ),
            }
        }
        Onward::Barred(Barrier::NoRoute) => {
            say!("{node} has no route to {destination}", "{node} 没有到 {destination} 的路由"; node, destination)
        }
        Onward::Barred(Barrier::Route(kind, Some(route))) => {
            let (kind, route) = (word(*kind), route.to_string());
            say!(
                "{node}'s route to {destination} is `{kind} {route}`",
                "{node} 到 {destination} 的路由是 `{kind} {route}`";
                node, destination, kind, route
            )
        }
        Onward::Barred(Barrier::Route(kind, None)) => {
            let kind = word(*kind);
            say!(
                "a routing rule of {node} makes {destination} `{kind}`",
                "{node} 的一条路由规则使 {destination} 为 `{kind}`";
                node, destination, kind
            )
        }
        Onward::Barred(Barrier::NotForwarding) => say!(
            "{node} does not forward what comes in on {interface} (forwarding is off)",
            "{node} 不转发从 {interface} 进来的数据包（转发已关闭）";
            node, interface
        ),
        Onward::Barred(Barrier::ReversePath { is_strict, over }) => {
            let mode = if *is_strict { say!("strict", "严格") } else { say!("loose", "宽松") };
            let back = if over.is_empty() {
                say!("there is no route back to {source}", "没有返回 {source} 的路由"; source)
            } else {
                let over = over.join(", ");
                say!("the route back to {source} is over {over}", "返回 {source} 的路由经由 {over}"; source, over)
            };
            say!(
                "{node}'s rp_filter ({mode}) drops what comes in on {interface} from {source}: {back}",
                "{node} 的 rp_filter（{mode}）丢弃从 {interface} 进来、源为 {source} 的数据包：{back}";
                node, mode, interface, source, back
            )
        }
    }
}

/// As ip-route(8) calls it.
const fn word(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Blackhole => "blackhole",
        RouteKind::Prohibit => "prohibit",
        _ => "unreachable",
    }
}
