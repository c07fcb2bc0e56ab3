//! The report as one JSON document, `hopline/report/1`: one line a journey, so that it streams.
//!
//! Keys stand in the contract's order. Times are integer nanoseconds on the reference node's clock; what is not
//! known is `null`. Labels are English, whatever the language of the screen.

mod expected;

use std::borrow::Cow;
use std::fmt::Display;

use serde::ser::{Serialize, SerializeMap, Serializer};

use self::expected::ExpectedRow;
use crate::model::{
    Direction, Endpoint, Exchange, Hook, Hop, InterfaceSummary, Journey, Leg, NodeId, Outcome, PlaceKind,
    Protocol, Rival, Role, Rule, SourceSummary, StagePlace, State, TcpState, Timestamp, Tracked,
    TrackingTable, Trail, Translation, TranslationEvidence, TranslationKind, Verdict, Visit, Way,
};
use crate::report::Totals;
use crate::timeline::{Context, Manner, fill_label};

/// What the document is, for programs that read it.
pub const SCHEMA: &str = "hopline/report/1";

/// The document's beginning, up to its first journey.
pub fn head(out: &mut Vec<u8>, sources: &[SourceSummary], context: &Context<'_>) {
    out.extend_from_slice(b"{\"schema\":");
    value(out, &SCHEMA);
    out.extend_from_slice(b",\n\"sources\":[");
    for (index, summary) in sources.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        value(out, &SourceRow::new(summary, context));
    }
    out.extend_from_slice(b"\n],\n\"journeys\":[\n");
}

/// One journey under the number the report gives it.
pub fn journey(out: &mut Vec<u8>, id: u64, journey: &Journey, context: &Context<'_>) {
    let context = Context { manner: Manner::default(), ..*context };
    value(out, &JourneyRow::new(id, journey, &context));
}

/// The document's end.
pub fn tail(out: &mut Vec<u8>, totals: &Totals) {
    out.extend_from_slice(b"\n],\n\"lookups\":");
    value(out, &totals.lookups);
    out.extend_from_slice(b",\"unclassified\":");
    value(out, &totals.unclassified);
    out.extend_from_slice(b"}\n");
}

fn value<T: Serialize>(out: &mut Vec<u8>, row: &T) {
    // Writing into memory cannot fail, and none of the rows has a key that is not a string.
    let written = serde_json::to_writer(out, row);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// A value written as its text.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(serde::Serialize)]
struct SourceRow<'a> {
    node: Option<&'a str>,
    file: &'a str,
    interfaces: Vec<InterfaceRow<'a>>,
    packets: u64,
    not_understood: u64,
    damaged: u64,
    dropped: Option<u64>,
    /// Records of kernel messages, and how many were lost; only where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_lost: Option<u64>,
    /// How full the node's connection tracking table is; only where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    conntrack_table: Option<TableRow>,
    clock_offset_ns: Option<i64>,
    clock_error_ns: Option<i64>,
}

#[derive(serde::Serialize)]
struct TableRow {
    entries: u32,
    max_entries: u32,
    /// Packets of new connections, and entries that gave way for new ones.
    dropped: u64,
    evicted: u64,
}

impl TableRow {
    fn new(table: &TrackingTable) -> Option<TableRow> {
        let &TrackingTable { entries, most, dropped, evicted, .. } = table;
        (most > 0).then_some(TableRow { entries, max_entries: most, dropped, evicted })
    }
}

#[derive(serde::Serialize)]
struct InterfaceRow<'a> {
    name: &'a str,
    role: Role,
    packets: u64,
    bytes: u64,
    dropped: Option<u64>,
    /// Only of one that came or went while it was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    born_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_ns: Option<i64>,
}

impl<'a> InterfaceRow<'a> {
    fn new(summary: &InterfaceSummary, context: &Context<'a>) -> InterfaceRow<'a> {
        let vantage = context.topology.vantage(summary.vantage);
        let aligned = |time: Timestamp| context.clocks.align(vantage.node, time).0;
        InterfaceRow {
            name: &vantage.interface,
            role: vantage.role,
            packets: summary.packets,
            bytes: summary.bytes,
            dropped: summary.dropped,
            born_ns: summary.born.map(aligned),
            gone_ns: summary.gone.map(aligned),
        }
    }
}

impl<'a> SourceRow<'a> {
    fn new(summary: &'a SourceSummary, context: &Context<'a>) -> SourceRow<'a> {
        let topology = context.topology;
        let fit = summary.node.map(|node| context.clocks.fit(node));
        SourceRow {
            node: summary.node.map(|node| topology.node_name(node)),
            file: &summary.file,
            interfaces: summary.interfaces.iter().map(|it| InterfaceRow::new(it, context)).collect(),
            packets: summary.packets,
            not_understood: summary.not_understood,
            damaged: summary.damaged,
            dropped: summary.dropped,
            messages: (summary.messages > 0).then_some(summary.messages),
            messages_lost: summary.messages_lost,
            conntrack_table: summary.node.and_then(|node| TableRow::new(topology.tables.get(&node)?)),
            clock_offset_ns: fit.map(|fit| fit.offset_ns),
            clock_error_ns: fit.and_then(|fit| fit.error_ns),
        }
    }
}

#[derive(serde::Serialize)]
struct JourneyRow<'a> {
    id: u64,
    path: &'a str,
    route: &'a str,
    started_ns: i64,
    ended_ns: i64,
    client: Option<Shown<Endpoint>>,
    target: Option<Shown<Endpoint>>,
    server: Option<Shown<Endpoint>>,
    names: Names<'a>,
    exchange: ExchangeRow<'a>,
    legs: Vec<LegRow<'a>>,
    handoffs: Vec<HandoffRow<'a>>,
    request: Vec<VisitRow<'a>>,
    reply: Vec<VisitRow<'a>>,
    retransmissions: u32,
    verdict: VerdictRow<'a>,
}

impl<'a> JourneyRow<'a> {
    fn new(id: u64, journey: &'a Journey, context: &Context<'a>) -> JourneyRow<'a> {
        let trail = &*journey.trail;
        let client = trail.legs.first().map(|leg| leg.client);
        let target = trail.legs.first().and_then(|leg| leg.target);
        let server = trail.server();
        let visits = |visits: &'a [Visit]| {
            visits.iter().map(|visit| VisitRow::new(visit, journey, context)).collect::<Vec<_>>()
        };
        JourneyRow {
            id,
            path: &journey.path,
            route: &journey.route,
            started_ns: journey.started.0,
            ended_ns: journey.ended.0,
            client: client.map(Shown),
            target: target.map(Shown),
            server: server.map(Shown),
            names: Names { ends: [client, target, server], context: *context },
            exchange: ExchangeRow::new(&trail.exchange),
            legs: LegRow::all(trail, context),
            handoffs: trail.hops.iter().zip(2..).map(|(hop, to)| HandoffRow::new(to, hop, context)).collect(),
            request: visits(&journey.request),
            reply: visits(&journey.reply),
            retransmissions: trail.retransmissions,
            verdict: VerdictRow::new(&journey.verdict, context),
        }
    }
}

/// What is known of the names of a journey's addresses.
struct Names<'a> {
    ends: [Option<Endpoint>; 3],
    context: Context<'a>,
}

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, end) in self.ends.iter().enumerate() {
            let Some(ip) = end.map(|end| end.ip) else { continue };
            let is_written = self.ends[..index].iter().flatten().any(|before| before.ip == ip);
            if let Some(name) = self.context.name(ip).filter(|_| !is_written) {
                map.serialize_entry(&Shown(ip), name)?;
            }
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct ExchangeRow<'a> {
    protocol: &'static str,
    method: Option<&'a str>,
    path: Option<&'a str>,
    host: Option<&'a str>,
    status: Option<u16>,
    request_bytes: u64,
    reply_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsRow<'a>>,
}

/// `version` and `agreed_alpn` are null where the server's hello was not seen or does not say.
#[derive(serde::Serialize)]
struct TlsRow<'a> {
    version: Option<String>,
    alpn: &'a [Box<str>],
    agreed_alpn: Option<&'a str>,
}

impl<'a> ExchangeRow<'a> {
    fn new(exchange: &'a Exchange) -> ExchangeRow<'a> {
        ExchangeRow {
            protocol: exchange.application.name(),
            method: exchange.method.as_deref(),
            path: exchange.path.as_deref(),
            host: exchange.host.as_deref(),
            status: exchange.status,
            request_bytes: exchange.request_bytes,
            reply_bytes: exchange.reply_bytes,
            grpc_status: exchange.grpc_status,
            location: exchange.location.as_deref(),
            tls: exchange.tls.as_deref().map(|tls| TlsRow {
                version: tls.version.map(|version| version.to_string()),
                alpn: &tls.alpn,
                agreed_alpn: tls.agreed_alpn.as_deref(),
            }),
        }
    }
}

#[derive(serde::Serialize)]
struct LegRow<'a> {
    /// The leg's number in its journey, from 1; handoffs name legs by it.
    id: u32,
    protocol: &'static str,
    client: Shown<Endpoint>,
    target: Option<Shown<Endpoint>>,
    server: Option<Shown<Endpoint>>,
    client_seen_by_server: Option<Shown<Endpoint>>,
    /// TCP sequence number of the request's first byte: which request of its connection this is.
    request_seq: Option<u32>,
    translations: Vec<TranslationRow<'a>>,
    /// What the nodes' connection tracking says of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tracked: Vec<TrackedRow<'a>>,
}

/// A node's entry in its connection tracking table.
#[derive(serde::Serialize)]
struct TrackedRow<'a> {
    node: &'a str,
    tcp_state: Option<Shown<TcpState>>,
    replied: bool,
    assured: bool,
    mark: u32,
    zone: u16,
    destroyed_ns: Option<i64>,
}

impl<'a> TrackedRow<'a> {
    fn new(tracked: &Tracked, context: &Context<'a>) -> TrackedRow<'a> {
        let &Tracked { node, status, tcp_state, mark, zone, destroyed } = tracked;
        TrackedRow {
            node: context.node(node),
            tcp_state: tcp_state.map(Shown),
            replied: status.has_seen_reply(),
            assured: status.is_assured(),
            mark,
            zone,
            destroyed_ns: destroyed.map(|time| context.clocks.align(node, time).0),
        }
    }
}

impl<'a> LegRow<'a> {
    fn all(trail: &'a Trail, context: &Context<'a>) -> Vec<LegRow<'a>> {
        let seqs = std::iter::once(trail.request_seq).chain(trail.hops.iter().map(|hop| hop.request_seq));
        let legs = trail.legs.iter().zip(seqs).zip(1..);
        legs.map(|((leg, seq), id)| LegRow::new(id, leg, seq, context)).collect()
    }

    fn new(id: u32, leg: &'a Leg, request_seq: Option<u32>, context: &Context<'a>) -> LegRow<'a> {
        LegRow {
            id,
            protocol: protocol_name(leg.protocol),
            client: Shown(leg.client),
            target: leg.target.map(Shown),
            server: leg.server.map(Shown),
            client_seen_by_server: leg.client_seen_by_server.map(Shown),
            request_seq,
            translations: leg.translations.iter().map(|done| TranslationRow::new(done, context)).collect(),
            tracked: leg.tracked.iter().map(|tracked| TrackedRow::new(tracked, context)).collect(),
        }
    }
}

/// A proxy's step from one leg to the next.
#[derive(serde::Serialize)]
struct HandoffRow<'a> {
    from_leg: u32,
    to_leg: u32,
    node: Option<&'a str>,
    proxy: &'static str,
    evidence: Vec<&'static str>,
    confidence: f64,
    request_delay_ns: Option<i64>,
    reply_delay_ns: Option<i64>,
    /// Other exchanges that could have been joined instead.
    rivals: u32,
    /// What else may continue the request, where the join is not sure.
    others: Vec<OtherRow>,
    /// The proxy sent the request again on a later leg.
    given_up: bool,
}

/// Another leg that a request may have gone on over.
#[derive(serde::Serialize)]
struct OtherRow {
    client: String,
    confidence: f64,
}

impl OtherRow {
    fn new(rival: &Rival) -> OtherRow {
        OtherRow { client: rival.client.to_string(), confidence: rival.confidence.probability() }
    }
}

impl<'a> HandoffRow<'a> {
    fn new(to_leg: u32, hop: &Hop, context: &Context<'a>) -> HandoffRow<'a> {
        HandoffRow {
            from_leg: u32::from(hop.from_leg) + 1,
            to_leg,
            node: hop.join.node.map(|node| context.node(node)),
            proxy: hop.join.proxy.name(),
            evidence: hop.join.evidence.iter().map(|evidence| evidence.kind.name()).collect(),
            confidence: hop.join.confidence.probability(),
            request_delay_ns: hop.join.request_delay_ns,
            reply_delay_ns: hop.join.reply_delay_ns,
            rivals: hop.join.rivals,
            others: hop.join.others.iter().map(OtherRow::new).collect(),
            given_up: hop.join.is_given_up,
        }
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp | Protocol::Icmp6 => "icmp",
        Protocol::Other(_) => "other",
    }
}

#[derive(serde::Serialize)]
struct TranslationRow<'a> {
    node: &'a str,
    kind: &'static str,
    from: Shown<Rewritten>,
    to: Shown<Rewritten>,
    evidence: Vec<&'static str>,
    rule: Option<RuleRow<'a>>,
    /// Packets alone show it, and the node's connection tracking says otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    contradicted: bool,
}

/// A rule of the node's, as far as it is known.
#[derive(serde::Serialize)]
struct RuleRow<'a> {
    family: &'static str,
    table: &'a str,
    chain: &'a str,
    number: Option<u32>,
    handle: Option<u64>,
    text: &'a str,
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
}

impl<'a> RuleRow<'a> {
    fn new(rule: &'a Rule) -> RuleRow<'a> {
        RuleRow {
            family: rule.chain.family(),
            table: &rule.chain.table,
            chain: &rule.chain.chain,
            number: rule.number,
            handle: rule.handle,
            text: &rule.text,
            comment: rule.comment.as_deref(),
            service: rule.service(),
            policy: rule.policy(),
        }
    }
}

/// The part of a 5-tuple that a translation changed.
enum Rewritten {
    End(Endpoint),
    Both(crate::model::Tuple),
}

impl Display for Rewritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rewritten::End(endpoint) => endpoint.fmt(f),
            Rewritten::Both(tuple) => tuple.fmt(f),
        }
    }
}

impl<'a> TranslationRow<'a> {
    fn new(done: &'a Translation, context: &Context<'a>) -> TranslationRow<'a> {
        let (kind, from, to) = match done.kind() {
            TranslationKind::Dnat => ("dnat", Rewritten::End(done.from.dst), Rewritten::End(done.to.dst)),
            TranslationKind::Snat => ("snat", Rewritten::End(done.from.src), Rewritten::End(done.to.src)),
            TranslationKind::Both => ("both", Rewritten::Both(done.from), Rewritten::Both(done.to)),
        };
        let word = |evidence: &TranslationEvidence| match evidence {
            TranslationEvidence::PacketMatch { .. } => "packet-match",
            TranslationEvidence::Conntrack => "conntrack",
            TranslationEvidence::HookTrace => "hook-trace",
        };
        TranslationRow {
            node: context.node(done.node),
            kind,
            from: Shown(from),
            to: Shown(to),
            evidence: done.evidence.iter().map(word).collect(),
            rule: done.rule.as_deref().map(RuleRow::new),
            contradicted: done.is_contradicted,
        }
    }
}

#[derive(serde::Serialize)]
struct VisitRow<'a> {
    stage: Shown<crate::model::Stage>,
    node: Option<&'a str>,
    interface: Option<&'a str>,
    direction: Option<Direction>,
    state: &'static str,
    #[serde(flatten)]
    when: When,
    /// The hook that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook: Option<&'static str>,
    label: String,
}

/// The times that a visit's state has. An interval may be open on one side.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum When {
    Seen { time_ns: i64 },
    Bounded { after_ns: Option<i64>, before_ns: Option<i64> },
    Never {},
}

impl<'a> VisitRow<'a> {
    fn new(visit: &Visit, journey: &Journey, context: &Context<'a>) -> VisitRow<'a> {
        let known = |time: Timestamp| Some(time.0).filter(|&nanos| nanos != i64::MIN && nanos != i64::MAX);
        let when = match visit.state {
            State::Seen { time } => When::Seen { time_ns: time.0 },
            State::Bounded { after, before } => {
                When::Bounded { after_ns: known(after), before_ns: known(before) }
            }
            _ => When::Never {},
        };
        let vantage = visit.vantage.map(|id| context.topology.vantage(id));
        VisitRow {
            stage: Shown(visit.stage),
            node: visit.node.map(|node| context.node(node)),
            interface: vantage.map(|vantage| vantage.interface.as_str()).filter(|name| !name.is_empty()),
            direction: visit.direction.filter(|&direction| direction != Direction::Unknown),
            state: visit.state.name(),
            when,
            hook: visit.hook.map(Hook::name),
            label: fill_label(visit, journey, context).into_owned(),
        }
    }
}

#[derive(serde::Serialize)]
struct VerdictRow<'a> {
    outcome: Outcome,
    direction: Option<&'static str>,
    after: Option<StagePlaceRow<'a>>,
    before: Option<StagePlaceRow<'a>>,
    #[serde(rename = "where")]
    place: Option<PlaceRow<'a>>,
    detail: &'a str,
    /// What dropped the packet, where it was traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_by: Option<DropRow<'a>>,
    /// What the routes of the node say.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<ExpectedRow<'a>>,
}

#[derive(serde::Serialize)]
struct DropRow<'a> {
    node: &'a str,
    hook: &'static str,
    rule: RuleRow<'a>,
}

#[derive(serde::Serialize)]
struct StagePlaceRow<'a> {
    stage: Shown<crate::model::Stage>,
    node: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct PlaceRow<'a> {
    kind: PlaceKind,
    node: Option<&'a str>,
}

impl<'a> VerdictRow<'a> {
    fn new(verdict: &'a Verdict, context: &Context<'a>) -> VerdictRow<'a> {
        let name = |node: Option<NodeId>| node.map(|node| context.node(node));
        let stage_place =
            |place: StagePlace| StagePlaceRow { stage: Shown(place.stage), node: name(place.node) };
        VerdictRow {
            outcome: verdict.outcome,
            direction: verdict.direction.map(|way| match way {
                Way::Request => "request",
                Way::Reply => "reply",
            }),
            after: verdict.after.map(stage_place),
            before: verdict.before.map(stage_place),
            place: verdict.place.map(|place| PlaceRow { kind: place.kind, node: name(place.node) }),
            detail: &verdict.detail.en,
            dropped_by: verdict.dropped_by.as_ref().map(|by| DropRow {
                node: context.node(by.node),
                hook: by.hook.name(),
                rule: RuleRow::new(&by.rule),
            }),
            expected: verdict.expected.as_ref().map(|expected| ExpectedRow::new(expected, context)),
        }
    }
}

#[cfg(test)]
mod tests;
