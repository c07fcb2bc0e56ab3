//! The values that were seen: what the completion of a filter offers.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Field;
use crate::model::{Endpoint, Exchange, Journey, PlaceKind, Stage, State, Timestamp, Topology, Way};

/// Distinct values of a field that are kept.
const VALUES: usize = 500;
/// Journeys that are looked at, the newest.
const JOURNEYS: usize = 10_000;

/// Values by their field, each with how many journeys have it.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    values: HashMap<Field, HashMap<String, usize>>,
    stages: HashMap<Stage, usize>,
    /// Ranges that addresses of a node's or a rack's usual size lie in.
    ranges: HashMap<IpNet, usize>,
    /// Where a text is written before it is known whether it is new.
    buffer: String,
}

impl Vocabulary {
    /// What the newest of `journeys`, which come from the oldest on, and the topology know.
    pub fn new<'a>(
        journeys: impl DoubleEndedIterator<Item = &'a Arc<Journey>>,
        topology: &Topology,
    ) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for node in &topology.nodes {
            vocabulary.count(Field::Node, node, 0);
            vocabulary.count(Field::Where, node, 0);
        }
        for kind in
            [PlaceKind::Host, PlaceKind::Fabric, PlaceKind::Proxy, PlaceKind::Workload, PlaceKind::Dns]
        {
            vocabulary.count(Field::Where, kind.name(), 0);
        }
        for journey in journeys.rev().take(JOURNEYS) {
            vocabulary.add(journey, topology);
        }
        vocabulary
    }

    /// The values of `field`, the most frequent first.
    pub(super) fn of(&self, field: Field) -> Vec<(&str, usize)> {
        let values = self.values.get(&field).into_iter().flatten();
        let mut values: Vec<_> = values.map(|(value, &count)| (value.as_str(), count)).collect();
        values.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        values
    }

    /// The numbers of the stages of a way, each with how many journeys passed it.
    pub(super) fn stages(&self, way: Way) -> Vec<(Stage, usize)> {
        let of_way = self.stages.iter().filter(|(stage, _)| stage.way == way);
        let mut stages: Vec<_> = of_way.map(|(&stage, &count)| (stage, count)).collect();
        stages.sort_unstable();
        stages
    }

    /// Ranges of addresses, the most frequent first.
    pub(super) fn ranges(&self) -> Vec<(IpNet, usize)> {
        let mut ranges: Vec<_> = self.ranges.iter().map(|(&net, &count)| (net, count)).collect();
        ranges.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        ranges
    }

    fn add(&mut self, journey: &Journey, topology: &Topology) {
        self.count(Field::Path, &journey.path, 1);
        self.count(Field::Route, &journey.route, 1);
        for visit in journey.visits().filter(|visit| visit.state != State::Skipped) {
            *self.stages.entry(visit.stage).or_default() += 1;
        }
        let (trail, at) = (&journey.trail, journey.started);
        for leg in &trail.legs {
            self.endpoint(&[Field::Client, Field::Addr], leg.client, topology, at);
            if let Some(target) = leg.target {
                self.endpoint(&[Field::Target, Field::Addr], target, topology, at);
            }
            if let Some(server) = leg.server {
                self.endpoint(&[Field::Server, Field::Addr], server, topology, at);
            }
            // Clients' ports tell nothing.
            for port in [leg.target, leg.server].into_iter().flatten().map(|end| end.port) {
                self.write(Field::Port, port);
            }
        }
        self.exchange(&trail.exchange);
        for hop in &trail.hops {
            self.count(Field::Proxy, hop.join.proxy.name(), 1);
            self.exchange(&hop.exchange);
        }
        if let Some(resolution) = &trail.resolution {
            self.count(Field::Dns, &resolution.name, 1);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let texts = [
            (Field::Method, &exchange.method),
            (Field::Host, &exchange.host),
            (Field::Url, if exchange.dns.is_none() { &exchange.path } else { &None }),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                self.count(field, text, 1);
            }
        }
        if let Some(status) = exchange.status {
            self.write(Field::Status, status);
        }
        if let Some(lookup) = &exchange.dns {
            self.count(Field::Dns, &lookup.name, 1);
        }
    }

    /// An end by its name, or else its address; and its range.
    fn endpoint(&mut self, fields: &[Field], endpoint: Endpoint, topology: &Topology, at: Timestamp) {
        let ip = endpoint.ip;
        let name = topology.names.at(ip, at).or_else(|| topology.services.get(&ip).map(String::as_str));
        let name = name.filter(|name| !name.is_empty());
        let is_pod = topology.pods.contains_key(&ip);
        let is_service = topology.services.contains_key(&ip);
        let kinds = [(Field::Pod, is_pod), (Field::Service, is_service)];
        let kinds = kinds.into_iter().filter(|&(_, is)| is).map(|(field, _)| field);
        for field in fields.iter().copied().chain(kinds) {
            match name {
                Some(name) => self.count(field, name, 1),
                None => self.write(field, ip),
            }
        }
        if let Some(name) = name {
            self.count(Field::Name, name, 1);
        }
        let length = if IpAddr::from(ip).is_ipv4() { 24 } else { 64 };
        if let Ok(net) = IpNet::new(ip.into(), length)
            && (self.ranges.len() < VALUES || self.ranges.contains_key(&net.trunc()))
        {
            *self.ranges.entry(net.trunc()).or_default() += 1;
        }
    }

    fn write(&mut self, field: Field, value: impl std::fmt::Display) {
        let mut text = std::mem::take(&mut self.buffer);
        text.clear();
        let _ = write!(text, "{value}");
        self.count(field, &text, 1);
        self.buffer = text;
    }

    fn count(&mut self, field: Field, value: &str, more: usize) {
        let values = self.values.entry(field).or_default();
        if let Some(count) = values.get_mut(value) {
            *count += more;
        } else if values.len() < VALUES && !value.is_empty() {
            values.insert(value.to_owned(), more);
        }
    }
}
