//! What an address, a node or a capture point is called.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::model::{
    Clocks, Endpoint, Ip, Journey, NodeId, Outcome, PlaceKind, Proxy, Stage, Timestamp, Topology, Trail,
    VantageId, Visit,
};
use crate::timeline::words::Word;
use crate::timeline::{Language, Manner};

/// What every view needs beside the journey itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub topology: &'a Topology,
    pub clocks: &'a Clocks,
    pub manner: Manner,
    /// As of when addresses have their names: pods pass them on.
    pub at: Timestamp,
}

impl<'a> Context<'a> {
    /// With the names of now.
    pub const fn new(topology: &'a Topology, clocks: &'a Clocks, manner: Manner) -> Context<'a> {
        Context { topology, clocks, manner, at: Timestamp::LATEST }
    }

    /// With the names that addresses had when `journey` began.
    #[must_use]
    pub const fn of(&self, journey: &Journey) -> Context<'a> {
        Context { at: journey.started, ..*self }
    }

    /// The name of an address, where one is known.
    pub fn name(&self, ip: Ip) -> Option<&'a str> {
        let topology = self.topology;
        if self.manner.hides_names() {
            return None;
        }
        let dialled = || topology.services.get(&ip).map(String::as_str);
        topology.names.at(ip, self.at).or_else(dialled).filter(|name| !name.is_empty())
    }

    /// What a Service calls the port, or the process that listens there.
    fn port(&self, endpoint: Endpoint) -> Option<Cow<'a, str>> {
        let names = &self.topology.names;
        let name = names.ports.get(&endpoint).or_else(|| names.listeners.get(&endpoint));
        name.filter(|_| !self.manner.hides_names()).map(|name| self.manner.text(name))
    }

    /// An endpoint by name, else by address and port.
    pub fn short(&self, endpoint: Endpoint) -> Cow<'a, str> {
        let name = self.name(endpoint.ip).map(|name| self.manner.text(name));
        match (name, self.port(endpoint)) {
            (Some(name), Some(port)) => format!("{name}:{port}").into(),
            (Some(name), None) => name,
            (None, Some(port)) => format!("{port} {endpoint}").into(),
            (None, None) => endpoint.to_string().into(),
        }
    }

    /// An endpoint by name and address.
    pub fn long(&self, endpoint: Endpoint) -> String {
        let mut out = String::with_capacity(48);
        let name = self.name(endpoint.ip).map(|name| self.manner.text(name));
        let port = self.port(endpoint);
        let joint = if name.is_some() && port.is_some() { ":" } else { "" };
        for part in [name.as_deref().unwrap_or_default(), joint, port.as_deref().unwrap_or_default()] {
            out.push_str(part);
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let _ = write!(out, "{endpoint}");
        out
    }

    pub fn node(&self, node: NodeId) -> &'a str {
        self.topology.node_name(node)
    }

    /// The interface's name, or `?` while only its index is known.
    pub fn interface(&self, vantage: VantageId) -> &'a str {
        match self.topology.vantages.get(vantage.0 as usize) {
            Some(vantage) if !vantage.interface.is_empty() => &vantage.interface,
            _ => "?",
        }
    }

    pub fn node_of(&self, vantage: VantageId) -> Option<NodeId> {
        self.topology.vantages.get(vantage.0 as usize).map(|vantage| vantage.node)
    }

    /// `⑤ kappa1`, or `⑤` where the node is not known.
    pub fn stage_at(&self, stage: Stage, node: Option<NodeId>) -> String {
        let number = self.manner.stage(stage);
        node.map_or(number.clone(), |node| format!("{number} {}", self.node(node)))
    }
}

/// The ends of a journey: who asked, what was dialled, who served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub client: Option<Endpoint>,
    /// `None` where it is not known, or the server itself was dialled.
    pub target: Option<Endpoint>,
    pub server: Option<Endpoint>,
}

/// The ends over all legs: the first leg's client and target, the last leg's server.
pub fn ends(trail: &Trail) -> Ends {
    let server = trail.server();
    let target = trail.legs.first().and_then(|leg| leg.target).filter(|&target| Some(target) != server);
    Ends { client: trail.legs.first().map(|leg| leg.client), target, server }
}

/// A proxy by its kind.
pub fn proxy_name(kind: Proxy, manner: Manner) -> &'static str {
    match kind {
        Proxy::Haproxy => "HAProxy",
        Proxy::Traefik => "Traefik",
        Proxy::Unknown => manner.word(Word::TheProxy),
    }
}

/// A visit's label in the reader's language, its placeholders filled with the journey's own names, and what the
/// packet travelled in.
pub fn fill_label<'a>(visit: &'a Visit, journey: &Journey, context: &Context<'_>) -> Cow<'a, str> {
    let label = fill_placeholders(visit, journey, context);
    let seen = visit.sighting.and_then(|index| journey.trail.sightings.get(index as usize));
    match seen.and_then(|sighting| journey.trail.inside(sighting)) {
        Some(inside) => format!("{label} ({})", inside.name()).into(),
        None => label,
    }
}

fn fill_placeholders<'a>(visit: &'a Visit, journey: &Journey, context: &Context<'_>) -> Cow<'a, str> {
    let template = match context.manner.language() {
        Language::En => visit.label.en.as_str(),
        Language::Zh => visit.label.zh.as_str(),
    };
    if !template.contains('{') {
        return template.into();
    }
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let (before, open) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = open.find('}') else {
            rest = open;
            break;
        };
        out.push_str(&placeholder(&open[1..end], visit, journey, context).unwrap_or(open[..=end].into()));
        rest = &open[end + 1..];
    }
    out.push_str(rest);
    out.into()
}

fn placeholder<'a>(
    key: &str,
    visit: &Visit,
    journey: &'a Journey,
    context: &Context<'a>,
) -> Option<Cow<'a, str>> {
    let (trail, context) = (&journey.trail, context.of(journey));
    let ends = ends(trail);
    let endpoint = |end: Option<Endpoint>| end.map_or("?".into(), |end| context.short(end));
    match key {
        "client" => Some(endpoint(ends.client)),
        "target" => Some(endpoint(ends.target.or(ends.server))),
        // A proxy that handed nothing on is itself the last endpoint that is known.
        "server" if visit.proxy.is_some_and(|proxy| proxy.hop.is_none()) => {
            let verdict = &journey.verdict;
            let by_itself = verdict.outcome == Outcome::Failed
                && verdict.place.is_some_and(|place| place.kind == PlaceKind::Proxy);
            Some(if by_itself { context.manner.word(Word::NoServer).into() } else { "?".into() })
        }
        // One that hands on chooses what it hands on to.
        "server" => {
            let hop = visit.proxy.and_then(|proxy| proxy.hop);
            let next = hop.and_then(|hop| trail.legs.get(usize::from(hop) + 1)?.server);
            Some(endpoint(next.or(ends.server)))
        }
        "proxy" => {
            let kind = visit.proxy.map(|proxy| proxy.kind).unwrap_or_default();
            Some(proxy_name(kind, context.manner).into())
        }
        "name" => Some(context.manner.text(looked_up_name(trail)?)),
        _ => None,
    }
}

/// The name this exchange is about: the one looked up, else the HTTP host, else the DNS question.
fn looked_up_name(trail: &Trail) -> Option<&str> {
    let resolution = trail.resolution.as_deref().map(|resolution| &*resolution.name);
    let question = trail.exchange.dns.as_deref().map(|lookup| &*lookup.name);
    resolution.or(trail.exchange.host.as_deref()).or(question)
}
