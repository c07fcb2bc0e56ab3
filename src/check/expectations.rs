//! What `expect.toml` holds, and the same facts taken from a journey.

use serde::{Deserialize, Serialize};

use super::way;
use crate::model::{Endpoint, Hop, Journey, Leg, Translation, TranslationKind, Way};
use crate::report::Totals;
use crate::timeline::Context;

/// Stands for what is not there or not known.
const NONE: &str = "-";
/// A case with more journeys than this is blessed with one journey of each kind.
const BLESS_EACH: usize = 12;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// What the recording is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journeys: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookups: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclassified: Option<u64>,
    #[serde(default, skip_serializing_if = "InputPart::is_empty")]
    pub input: InputPart,
    #[serde(default)]
    pub journey: Vec<Facts>,
}

/// How the recordings are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputPart {
    /// Names of files in the directory, as `[NODE=]FILE`.
    pub files: Vec<String>,
    pub ifmap: Vec<String>,
    pub clock: Vec<String>,
    /// Exchanges are left as they are on each connection.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_joins: bool,
}

impl InputPart {
    fn is_empty(&self) -> bool {
        *self == InputPart::default()
    }
}

/// Which journey is meant, and what is expected of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// A journey expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub find: Option<String>,
    /// Which of those that fit, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<usize>,
    /// How many fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Whether the facts hold for each that fits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Way of what did not arrive: `request` or `reply`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_seen_by_server: Option<String>,
    /// Of the exchange: `http`, `dns`, `tls`, `tcp`, `udp`, `icmp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Where a redirection leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The name that was looked up before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_up: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retransmissions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translations: Option<Vec<String>>,
    /// Each leg's two ends, the client's leg first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legs: Option<Vec<String>>,
    /// How proxies came from leg to leg, and how sure that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoffs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
}

/// Why an `expect.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ExpectationsError {
    pub line: usize,
    pub what: String,
}

impl Expectations {
    /// Reads the text of an `expect.toml`.
    ///
    /// # Errors
    /// With the line where it is not TOML, or has a key or a value that does not exist.
    pub fn parse(text: &str) -> Result<Expectations, ExpectationsError> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.get(..at).unwrap_or(text).split('\n').count();
            ExpectationsError { line, what: error.message().replace('\n', " ") }
        })
    }

    /// What `journeys` show, as a first version of the file.
    pub fn describe(journeys: &[Journey], totals: &Totals, context: &Context<'_>) -> Expectations {
        let mut kinds = Vec::new();
        let mut ends: Vec<(Option<String>, Option<String>)> = Vec::new();
        let mut told = Vec::new();
        for journey in journeys {
            let facts = Facts::of(journey, context);
            let own = (facts.client.clone(), facts.target.clone());
            let nth = 1 + ends.iter().filter(|before| **before == own).count();
            ends.push(own);
            let kind = (facts.path.clone(), facts.route.clone(), facts.outcome.clone(), facts.place.clone());
            if journeys.len() <= BLESS_EACH || !kinds.contains(&kind) {
                kinds.push(kind);
                told.push(facts.found_by_ends(nth));
            }
        }
        Expectations {
            journeys: Some(totals.journeys),
            lookups: Some(totals.lookups),
            unclassified: Some(totals.unclassified),
            journey: told,
            ..Expectations::default()
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// Never for what [`Expectations::describe`] gives.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

impl Facts {
    /// Every fact of a journey.
    pub fn of(journey: &Journey, context: &Context<'_>) -> Facts {
        let (trail, verdict) = (&*journey.trail, &journey.verdict);
        let exchange = &trail.exchange;
        let first = trail.legs.first();
        let text = |text: Option<&str>| Some(text.unwrap_or(NONE).to_owned());
        let end = |end: Option<Endpoint>| Some(end.map_or_else(|| NONE.to_owned(), |end| end.to_string()));
        let place = verdict.place.map(|place| match place.node {
            Some(node) => format!("{} {}", place.kind.name(), context.node(node)),
            None => place.kind.name().to_owned(),
        });
        let stage = |place: Option<crate::model::StagePlace>| {
            Some(place.map_or_else(|| NONE.to_owned(), |place| way::stage(place.stage, place.node, context)))
        };
        Facts {
            path: Some(journey.path.to_string()),
            route: Some(journey.route.to_string()),
            outcome: Some(verdict.outcome.name().to_owned()),
            place: text(place.as_deref()),
            direction: text(verdict.direction.map(|way| match way {
                Way::Request => "request",
                Way::Reply => "reply",
            })),
            after: stage(verdict.after),
            before: stage(verdict.before),
            client: end(first.map(|leg| leg.client)),
            target: end(first.and_then(|leg| leg.target)),
            server: end(trail.server()),
            client_seen_by_server: end(first.and_then(|leg| leg.client_seen_by_server)),
            protocol: Some(exchange.application.name().to_owned()),
            method: text(exchange.method.as_deref()),
            url: text(exchange.path.as_deref()),
            host: text(exchange.host.as_deref()),
            status: exchange.status,
            location: text(exchange.location.as_deref()),
            looked_up: text(trail.resolution.as_deref().map(|resolution| &*resolution.name)),
            retransmissions: Some(trail.retransmissions),
            translations: Some(
                trail
                    .legs
                    .iter()
                    .flat_map(|leg| &leg.translations)
                    .map(|done| translation(done, context))
                    .collect(),
            ),
            legs: Some(trail.legs.iter().map(leg).collect()),
            handoffs: Some(trail.hops.iter().zip(2..).map(|(hop, to)| handoff(to, hop, context)).collect()),
            request: Some(way::visits(&journey.request, context)),
            reply: Some(way::visits(&journey.reply, context)),
            ..Facts::default()
        }
    }

    /// The facts of the `nth` journey between its ends, with an expression that finds it and without those that
    /// say nothing more.
    fn found_by_ends(mut self, nth: usize) -> Facts {
        if self.client_seen_by_server == self.client {
            self.client_seen_by_server = None;
        }
        for said in [
            &mut self.place,
            &mut self.direction,
            &mut self.after,
            &mut self.before,
            &mut self.client,
            &mut self.target,
            &mut self.client_seen_by_server,
            &mut self.method,
            &mut self.url,
            &mut self.host,
            &mut self.location,
            &mut self.looked_up,
        ] {
            said.take_if(|said| said == NONE);
        }
        let ends = [("client", self.client.take()), ("target", self.target.take())];
        let find: Vec<String> =
            ends.iter().filter_map(|(field, end)| Some(format!("{field} == {}", end.as_ref()?))).collect();
        self.find = (!find.is_empty()).then(|| find.join(" and "));
        self.nth = (nth > 1).then_some(nth);
        self.retransmissions.take_if(|count| *count == 0);
        self.translations.take_if(|translations| translations.is_empty());
        self.legs.take_if(|legs| legs.len() < 2);
        self.handoffs.take_if(|handoffs| handoffs.is_empty());
        self.reply.take_if(|reply| reply.is_empty());
        self
    }
}

/// `172.31.9.77:40000 > 192.168.50.100:80`.
fn leg(leg: &Leg) -> String {
    match leg.server.or(leg.target) {
        Some(server) => format!("{} > {server}", leg.client),
        None => format!("{} > {NONE}", leg.client),
    }
}

/// `1 > 2 haproxy kappa1 sure`; a try that the proxy gave up ends with `given up`.
fn handoff(to_leg: usize, hop: &Hop, context: &Context<'_>) -> String {
    let node = hop.join.node.map_or(NONE, |node| context.node(node));
    let grade = hop.join.confidence.grade().name();
    let end = if hop.join.is_given_up { " given up" } else { "" };
    format!("{} > {to_leg} {} {node} {grade}{end}", hop.from_leg + 1, hop.join.proxy.name())
}

/// `dnat kappa1 10.43.7.7:80 > 10.244.2.11:8080`; where both ends changed, `both kappa1 A > B => C > D`.
fn translation(done: &Translation, context: &Context<'_>) -> String {
    let node = context.node(done.node);
    let (from, to) = (done.from, done.to);
    match done.kind() {
        TranslationKind::Dnat => format!("dnat {node} {} > {}", from.dst, to.dst),
        TranslationKind::Snat => format!("snat {node} {} > {}", from.src, to.src),
        TranslationKind::Both => format!("both {node} {from} => {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Confidence, NodeId, Proxy, sample};
    use crate::timeline::Manner;

    #[test]
    fn a_handoff_is_a_fact_without_its_figures() {
        crate::timeline::sample::with_context(Manner::default(), |context| {
            let mut hop = sample::hop(0, Proxy::Haproxy);
            hop.join.node = Some(NodeId(0));
            assert_eq!(handoff(2, &hop, context), "1 > 2 haproxy kappa1 sure");
            let mut given_up = sample::hop(1, Proxy::Unknown);
            (given_up.join.is_given_up, given_up.join.confidence) = (true, Confidence::of(0.7));
            assert_eq!(handoff(3, &given_up, context), "2 > 3 unknown - likely given up");
        });
    }
}
