//! Whether a journey fits an expression.

use crate::model::{
    Application, Clocks, Endpoint, Exchange, Ip, Journey, Protocol, Stage, State, Topology, Trail,
};
use crate::timeline::delay;

use super::{Expr, Field, Op, Value};

impl Expr {
    /// Whether `journey` fits; `topology` gives names to its addresses and nodes.
    pub fn matches(&self, journey: &Journey, topology: &Topology) -> bool {
        let subject = Subject { journey, trail: &journey.trail, topology };
        subject.fits(self)
    }
}

/// Clocks tell only how sure a delay is, not how long.
static NO_CLOCKS: Clocks = Clocks { fits: Vec::new() };

struct Subject<'a> {
    journey: &'a Journey,
    trail: &'a Trail,
    topology: &'a Topology,
}

impl Subject<'_> {
    fn fits(&self, expr: &Expr) -> bool {
        match expr {
            Expr::And(parts) => parts.iter().all(|part| self.fits(part)),
            Expr::Or(parts) => parts.iter().any(|part| self.fits(part)),
            Expr::Not(part) => !self.fits(part),
            Expr::Compare { field, op: Op::Unequal, value } => !self.holds(*field, Op::Equal, value),
            Expr::Compare { field, op, value } => self.holds(*field, *op, value),
            Expr::Word(word) => self.has_word(word),
        }
    }

    fn holds(&self, field: Field, op: Op, value: &Value) -> bool {
        let text = |known: Option<&str>| known.is_some_and(|known| text_fits(known, op, value));
        match field {
            Field::Client => {
                self.trail.legs.first().is_some_and(|leg| self.address_fits(leg.client, op, value))
            }
            Field::Target => self.target().is_some_and(|target| self.address_fits(target, op, value)),
            Field::Server => self.servers().any(|server| self.address_fits(server, op, value)),
            Field::Pod => self.pods().any(|pod| self.address_fits(pod, op, value)),
            Field::Service => self.services().any(|service| self.address_fits(service, op, value)),
            Field::Addr => self.endpoints().any(|endpoint| self.address_fits(endpoint, op, value)),
            Field::Port => self.endpoints().any(|endpoint| number_fits(endpoint.port.into(), op, value)),
            Field::Proto => {
                self.trail.legs.iter().any(|leg| text(Some(transport(leg.protocol))))
                    || self.exchanges().any(|exchange| text(Some(exchange.application.name())))
            }
            Field::Path => text(Some(&self.journey.path)),
            Field::Route => text(Some(&self.journey.route)),
            Field::Node => self.nodes().any(|node| text(Some(node))),
            Field::Outcome => *value == Value::Outcome(self.journey.verdict.outcome),
            Field::Where => self.journey.verdict.place.is_some_and(|place| {
                text(Some(place.kind.name())) || text(place.node.map(|node| self.topology.node_name(node)))
            }),
            Field::Method => self.exchanges().any(|exchange| text(exchange.method.as_deref())),
            Field::Status => {
                let mut statuses = self.exchanges().filter_map(|exchange| exchange.status);
                statuses.any(|status| number_fits(status.into(), op, value))
            }
            Field::Host => self.exchanges().any(|exchange| text(exchange.host.as_deref())),
            Field::Url => self
                .exchanges()
                .any(|exchange| exchange.application != Application::Dns && text(exchange.path.as_deref())),
            Field::Dns => self.looked_up().any(|name| text(Some(name))),
            Field::Name => self.names().any(|name| text(Some(name))),
            Field::Proxy => self.trail.hops.iter().any(|hop| text(Some(hop.join.proxy.name()))),
            Field::Delay(None) => nanos_fit(self.journey.ended.since(self.journey.started), op, value),
            Field::Delay(Some(stage)) => self.delays(stage).any(|nanos| nanos_fit(nanos, op, value)),
        }
    }

    /// What the outermost client dialled.
    fn target(&self) -> Option<Endpoint> {
        self.trail.legs.first().and_then(|leg| leg.target)
    }

    /// Who served it in the end, and the servers that proxies tried before.
    fn servers(&self) -> impl Iterator<Item = Endpoint> {
        let tried = self.trail.hops.iter().zip(self.trail.legs.iter().skip(1));
        let tried = tried.filter(|(hop, _)| hop.join.is_given_up).filter_map(|(_, leg)| leg.server);
        self.trail.server().into_iter().chain(tried)
    }

    /// What was asked and answered on the client's leg, and on those that proxies opened.
    fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        std::iter::once(&self.trail.exchange).chain(self.trail.hops.iter().map(|hop| &hop.exchange))
    }

    /// Client, target and server of every leg.
    fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        self.trail
            .legs
            .iter()
            .flat_map(|leg| [Some(leg.client), leg.target, leg.server].into_iter().flatten())
    }

    /// Pods that asked or served, on any leg.
    fn pods(&self) -> impl Iterator<Item = Endpoint> {
        let is_pod = |endpoint: &Endpoint| {
            self.topology.pods.contains_key(&endpoint.ip) || self.topology.is_in_pod_ranges(endpoint.ip)
        };
        self.endpoints().filter(is_pod)
    }

    /// Services that were dialled, on any leg.
    fn services(&self) -> impl Iterator<Item = Endpoint> {
        let is_service = |endpoint: &Endpoint| {
            self.topology.services.contains_key(&endpoint.ip)
                || self.topology.is_in_service_ranges(endpoint.ip)
        };
        self.trail.legs.iter().filter_map(|leg| leg.target).filter(is_service)
    }

    fn address_fits(&self, endpoint: Endpoint, op: Op, value: &Value) -> bool {
        match value {
            Value::Ip(ip) => endpoint.ip == *ip,
            Value::Endpoint(wanted) => endpoint == *wanted,
            Value::Net(net) => net.contains(&std::net::IpAddr::from(endpoint.ip)),
            _ => {
                self.names_of(endpoint.ip).any(|name| text_fits(name, op, value))
                    || text_fits(&endpoint.to_string(), op, value)
            }
        }
    }

    fn names_of(&self, ip: Ip) -> impl Iterator<Item = &str> {
        let services = self.topology.services.get(&ip).filter(|name| !name.is_empty());
        let name = self.topology.names.at(ip, self.journey.started);
        name.into_iter().chain(services.map(String::as_str))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.endpoints().flat_map(|endpoint| self.names_of(endpoint.ip))
    }

    fn looked_up(&self) -> impl Iterator<Item = &str> {
        let own = self.trail.exchange.dns.as_ref().map(|lookup| &*lookup.name);
        let before = self.trail.resolution.as_ref().map(|resolution| &*resolution.name);
        own.into_iter().chain(before)
    }

    fn nodes(&self) -> impl Iterator<Item = &str> {
        let visited = self.journey.visits().filter(|visit| visit.state != State::Skipped);
        visited.filter_map(|visit| visit.node).map(|node| self.topology.node_name(node))
    }

    /// What each visit of `stage` took, as the timeline shows it.
    fn delays(&self, stage: Stage) -> impl Iterator<Item = i64> {
        let timed = delay::delays(self.journey, &NO_CLOCKS);
        timed.filter(move |(visit, _)| visit.stage == stage).filter_map(|(_, took)| Some(took?.nanos))
    }

    fn has_word(&self, word: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(word);
        let texts = self.exchanges().flat_map(|it| [it.host.as_deref(), it.path.as_deref()]);
        texts.flatten().any(has)
            || has(&self.journey.path)
            || self.names().any(has)
            || self.looked_up().any(has)
            || self.nodes().any(has)
            || self.endpoints().any(|endpoint| has(&endpoint.to_string()))
    }
}

fn transport(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
        Protocol::Icmp6 => "icmp6",
        Protocol::Other(_) => "other",
    }
}

fn text_fits(known: &str, op: Op, value: &Value) -> bool {
    let Value::Text(wanted) = value else { return false };
    match op {
        Op::Contains => known.to_lowercase().contains(&**wanted),
        _ => known.to_lowercase() == **wanted,
    }
}

fn number_fits(known: u64, op: Op, value: &Value) -> bool {
    matches!(value, Value::Number(wanted) if ordered(&known, op, wanted))
}

fn nanos_fit(known: i64, op: Op, value: &Value) -> bool {
    matches!(value, Value::Nanos(wanted) if ordered(&known, op, wanted))
}

fn ordered<T: Ord>(known: &T, op: Op, wanted: &T) -> bool {
    match op {
        Op::Less => known < wanted,
        Op::AtMost => known <= wanted,
        Op::Greater => known > wanted,
        Op::AtLeast => known >= wanted,
        _ => known == wanted,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Label, NodeId, Outcome, Place, PlaceKind, Timestamp, Verdict, Visit, Way, sample};

    fn endpoint(text: &str) -> Endpoint {
        let socket: std::net::SocketAddr = text.parse().expect(text);
        Endpoint::new(socket.ip().into(), socket.port())
    }

    fn visit(way: Way, number: u8, node: u16, state: State) -> Visit {
        let label = Arc::new(Label { en: String::new(), zh: String::new() });
        let stage = Stage { way, number };
        Visit {
            hook: None,
            stage,
            node: Some(NodeId(node)),
            vantage: None,
            direction: None,
            state,
            label,
            sighting: None,
            proxy: None,
        }
    }

    /// A request to a Service that took 2 ms and ended with 503.
    fn journey() -> (Journey, Topology) {
        let leg = sample::leg(
            endpoint("10.244.1.17:45700"),
            endpoint("10.43.7.7:80"),
            Some(endpoint("10.244.2.33:8080")),
        );
        let exchange = Exchange {
            method: Some("GET".into()),
            path: Some("/r/17".into()),
            host: Some("stock.shop".into()),
            status: Some(503),
            ..Exchange::new(Application::Http)
        };
        let trail = Trail { id: 7, exchange, ..sample::trail(leg) };
        let seen = |micros: i64| State::Seen { time: Timestamp(micros * 1000) };
        let journey = Journey {
            id: 7,
            path: "pod-to-service".into(),
            route: "other-node".into(),
            started: Timestamp(0),
            ended: Timestamp(2_000_000),
            request: vec![
                visit(Way::Request, 4, 0, seen(0)),
                visit(Way::Request, 5, 0, State::Bounded { after: Timestamp(0), before: Timestamp(74_000) }),
                visit(Way::Request, 7, 0, seen(74)),
                visit(Way::Request, 8, 1, seen(125)),
            ],
            reply: vec![visit(Way::Reply, 1, 1, seen(2000))],
            verdict: Verdict {
                place: Some(Place { kind: PlaceKind::Workload, node: Some(NodeId(1)) }),
                ..Verdict::new(Outcome::Failed, crate::model::Sentence::default())
            },
            trail: Arc::new(trail),
        };
        let mut topology = Topology { nodes: vec!["kappa1".into(), "kappa2".into()], ..Topology::default() };
        topology.names.name("10.43.7.7".parse().expect("ip"), "shop/stock");
        (journey, topology)
    }

    #[test]
    fn every_field_is_compared() {
        let (journey, topology) = journey();
        for (text, fits) in [
            ("client == 10.244.1.17", true),
            ("client == 10.244.1.17:45701", false),
            ("target == 10.43.7.7:80 and target == shop/stock and target ~ STOCK", true),
            ("server in 10.244.2.0/24", true),
            ("server in fd00::/8", false),
            ("addr in 10.43.0.0/16 and not addr == 10.43.0.1", true),
            ("port == 8080", true),
            ("port > 50000", false),
            ("proto == tcp and proto == http and proto != udp", true),
            ("path == pod-to-service and outcome != complete", true),
            ("route == same-node", false),
            ("node == kappa2 and node ~ kappa", true),
            ("where == workload and where == kappa2", true),
            ("where == fabric", false),
            ("method == get", true),
            ("status >= 500 and host ~ stock", true),
            ("status < 500", false),
            ("url == /r/17", true),
            ("dns ~ stock", false),
            ("dns != stock", true),
            ("name == shop/stock", true),
            ("delay >= 2ms and delay < 2001us", true),
            ("delay(⑤) == 74us", true),
            ("delay(8) == 51us and delay(7) == 74us", true),
            ("delay(\"(1)\") > 1.8ms", true),
            ("delay(9) > 0ns", false),
            ("10.244.2.33", true),
            ("STOCK and kappa1 and /r/", true),
            ("nowhere or other-node", false),
        ] {
            let expr = Expr::parse(text).expect(text);
            assert_eq!(expr.matches(&journey, &topology), fits, "{text}");
        }
    }

    #[test]
    fn legs_behind_proxies_are_compared_too() {
        let topology = crate::timeline::sample::topology();
        let journey = crate::timeline::sample::proxies::retried(1, crate::timeline::sample::START);
        for (text, fits) in [
            ("target == 192.0.2.100:80 and client == 172.31.9.77", true),
            ("server == stock-7d9c", true),
            ("server == price-5f6b", true),
            ("server == 192.0.2.12", false),
            ("addr == 192.0.2.12:80 and port == 8080", true),
            ("node == kappa2 and node == kappa1", true),
            ("status == 200 and status < 500", true),
            ("proto == tcp", true),
            ("192.0.2.12", true),
            ("delay(5) == 620us", true),
            ("proxy == haproxy and proxy == traefik", true),
            ("proxy ~ nginx", false),
            ("pod == stock-7d9c:8080 or pod in 10.244.2.0/24", true),
            ("pod == 172.31.9.77", false),
            ("service == 192.0.2.100", false),
        ] {
            let expr = Expr::parse(text).expect(text);
            assert_eq!(expr.matches(&journey, &topology), fits, "{text}");
        }
    }

    #[test]
    fn a_service_is_what_was_dialled() {
        let topology = crate::timeline::sample::topology();
        let journey = crate::timeline::sample::other_node(1, crate::timeline::sample::START);
        for (text, fits) in [
            ("service == shop/stock and service == 10.43.7.7:80 and service ~ stock", true),
            ("service == stock-7d9c", false),
            ("pod == cart and pod == stock-7d9c", true),
            ("pod == shop/stock", false),
        ] {
            let expr = Expr::parse(text).expect(text);
            assert_eq!(expr.matches(&journey, &topology), fits, "{text}");
        }
    }
}
