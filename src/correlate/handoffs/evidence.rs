//! What speaks for and against a join, and how much.
//!
//! Weights are natural logarithms of how much likelier a clue is between an exchange and its continuation than
//! between two that only ran at the same time; they add up. Each says why it is what it is. How many rivals show
//! the same clue is not weighed here: [`super::matching`] decides about rivals together.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::passage::{Delays, Host, Seen};
use crate::model::{
    Application, Digest, Endpoint, Evidence, EvidenceKind, Ip, Marks, Proxy, RequestId, Topology,
};

/// Before any clue: of exchanges that lie within each other most still have nothing to do with each other.
const PRIOR: f64 = -1.0;
/// Ids are made so that no two requests share one.
const SAME_ID: f64 = 10.0;
/// A proxy may set an id of its own in place of the client's; most keep it.
const OTHER_ID: f64 = -4.0;
/// Address and port of the client, told by the proxy itself (PROXY protocol).
const SAME_ANNOUNCED: f64 = 10.0;
const OTHER_ANNOUNCED: f64 = -8.0;
/// The proxy appended the address it was asked from: one client among many.
const SAME_FORWARDED: f64 = 2.0;
/// It appended another one; it would have to invent it.
const OTHER_FORWARDED: f64 = -12.0;
/// A header of the proxy's names the client's port as well: no other connection has it at that time.
const SAME_PORT: f64 = 10.0;
const OTHER_PORT: f64 = -8.0;
/// Method, path and host agree; on a busy cluster some other request has the same.
const SAME_LINE: f64 = 3.0;
/// The rarer it is the more that says, up to this.
const RARE_LINE: f64 = 7.0;
/// The host was rewritten, or one path is the other with a prefix taken off or put before it.
const SIMILAR_LINE: f64 = 1.0;
/// Proxies seldom rewrite a path altogether.
const OTHER_PATH: f64 = -5.0;
/// And never the method.
const OTHER_METHOD: f64 = -8.0;
/// The name of the TLS hello is the host that was asked for.
const SAME_NAME: f64 = 2.0;
/// A connection may be used for another host that the certificate holds (RFC 9113 §9.1.1).
const OTHER_NAME: f64 = -2.0;
/// The whole head came through unread; heads of equal requests are equal too.
const SAME_HEAD: f64 = 4.0;
/// Payload that came through as it was; a TLS hello holds 32 random bytes.
const SAME_BYTES: f64 = 6.0;
/// Bodies agree; short ones agree by chance.
const SAME_BODY: f64 = 3.0;
/// Proxies do not change request bodies.
const OTHER_BODY: f64 = -6.0;
/// They compress answers, and put error pages in their place.
const OTHER_ANSWER: f64 = -3.0;
const SAME_STATUS: f64 = 0.5;
const OTHER_STATUS: f64 = -4.0;
/// A proxy that says its server failed (502 to 504) has seen one fail; nodes seldom ask in vain otherwise.
const FAILED_AS_TOLD: f64 = 4.0;
const FAILED_TRY: f64 = 0.5;
/// The client got a good answer; a try that failed did not give it.
const FAILED_BUT_SERVED: f64 = -6.0;
/// Fewer bytes went out than came in, beyond what heads may differ by.
const SHRUNK: f64 = -6.0;
/// A connection whose bytes came through unread before goes on to the same connection.
pub(super) const SAME_CONNECTION: f64 = 6.0;
/// Bytes that two bodies must share at least before that tells something.
const TELLING: u32 = 16;
/// What an answer's head may shrink by on its way through a proxy.
const HEAD_SLACK: u64 = 2048;

pub(super) type Clues = ArrayVec<(EvidenceKind, f64), 16>;

/// Statuses by which a proxy says that its server failed: bad gateway, unavailable, timeout (RFC 9110 §15.6).
pub(super) const fn tells_of_failure(status: Option<u16>) -> bool {
    matches!(status, Some(502..=504))
}

/// Whether an exchange that a proxy opened came to nothing.
pub(super) fn has_failed(outbound: Seen<'_>) -> bool {
    outbound.exchange.status.is_none() && outbound.exchange.reply_bytes == 0
        || tells_of_failure(outbound.exchange.status)
}

/// All clues between an exchange into a host and one out of it, but how long the proxy held it.
/// `rarity` is the logarithm of how rare the outbound request's line is.
pub(super) fn clues(
    inbound: Seen<'_>,
    outbound: Seen<'_>,
    host: Host,
    topology: &Topology,
    rarity: f64,
) -> Clues {
    let mut clues = Clues::new();
    let mut add = |kind, weight: f64| {
        if weight != 0.0 {
            let _ = clues.try_push((kind, weight));
        }
    };
    let none = Marks::default();
    let (before, after) = (inbound.marks.unwrap_or(&none), outbound.marks.unwrap_or(&none));
    add(EvidenceKind::Timing, PRIOR);
    add(EvidenceKind::ProxyHeader, announced(inbound, after));
    add(EvidenceKind::ForwardedFor, forwarded(inbound, before, after, host, topology));
    add(EvidenceKind::ForwardedFor, named(inbound, before, after));
    add(EvidenceKind::TraceId, ids(before, after));
    add(EvidenceKind::RequestLine, request_line(inbound, outbound, rarity));
    let (head, body) = request_bytes(inbound, outbound, before, after);
    add(EvidenceKind::Payload, head);
    add(EvidenceKind::Payload, body);
    add(EvidenceKind::ResponsePayload, answer(inbound, outbound, before, after));
    clues
}

/// The clues that agree, for the eye, the strongest first.
pub(super) fn explain(
    clues: &Clues,
    delays: Delays,
    before: Option<&Marks>,
    after: Option<&Marks>,
) -> SmallVec<[Evidence; 2]> {
    let mut agreeing: SmallVec<[(EvidenceKind, f64); 8]> = SmallVec::new();
    for &(kind, weight) in clues.iter().filter(|(kind, _)| *kind != EvidenceKind::Timing) {
        match agreeing.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += weight,
            None => agreeing.push((kind, weight)),
        }
    }
    agreeing.retain(|(_, weight)| *weight > 0.0);
    agreeing.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut evidence: SmallVec<[Evidence; 2]> = agreeing
        .into_iter()
        .map(|(kind, _)| Evidence { kind, detail: detail(kind, before, after) })
        .collect();
    if delays.request.is_some() {
        evidence.push(Evidence { kind: EvidenceKind::Timing, detail: Box::default() });
    }
    evidence
}

fn detail(kind: EvidenceKind, before: Option<&Marks>, after: Option<&Marks>) -> Box<str> {
    let Some(after) = after else { return Box::default() };
    match kind {
        EvidenceKind::ProxyHeader => after.announced.map_or_else(Box::default, |it| it.to_string().into()),
        EvidenceKind::ForwardedFor => match (named_here(before, after), after.forwarded_for.last()) {
            (Some(client), _) => client.to_string().into(),
            (None, Some(ip)) => ip.to_string().into(),
            (None, None) => Box::default(),
        },
        EvidenceKind::TraceId => before
            .and_then(|before| shared_id(before, after))
            .map_or_else(Box::default, |id| format!("{} {}", id.header, id.value).into()),
        _ => Box::default(),
    }
}

fn announced(inbound: Seen<'_>, after: &Marks) -> f64 {
    match after.announced {
        Some(client) if client == inbound.client() => SAME_ANNOUNCED,
        Some(_) => OTHER_ANNOUNCED,
        None => 0.0,
    }
}

fn forwarded(inbound: Seen<'_>, before: &Marks, after: &Marks, host: Host, topology: &Topology) -> f64 {
    let client = inbound.client().ip;
    // Proxies on one host that are not seen talking to each other append the host's own address.
    let is_own = |ip: &Ip| *ip != client && (ip.is_node_local() || Host::of(*ip, topology) == host);
    let appended = after.forwarded_for.iter().rev().find(|ip| !is_own(ip)).copied().or(after.real_ip);
    match appended {
        Some(ip) if ip == client => SAME_FORWARDED,
        Some(_) if after.forwarded_for == before.forwarded_for && !before.forwarded_for.is_empty() => 0.0,
        Some(_) if after.real_ip == Some(client) => SAME_FORWARDED,
        Some(_) => OTHER_FORWARDED,
        None => 0.0,
    }
}

fn named(inbound: Seen<'_>, before: &Marks, after: &Marks) -> f64 {
    match named_here(Some(before), after) {
        Some(client) if client == inbound.client() => SAME_PORT,
        Some(client) if client.ip == inbound.client().ip => OTHER_PORT,
        _ => 0.0,
    }
}

/// The client with its port that the proxy in between named, rather than one before it.
fn named_here(before: Option<&Marks>, after: &Marks) -> Option<Endpoint> {
    after.named.filter(|_| after.named != before.and_then(|before| before.named))
}

fn shared_id<'a>(before: &Marks, after: &'a Marks) -> Option<&'a RequestId> {
    after.ids.iter().find(|id| before.ids.contains(id))
}

fn ids(before: &Marks, after: &Marks) -> f64 {
    if shared_id(before, after).is_some() {
        return SAME_ID;
    }
    let is_replaced = after.ids.iter().any(|id| before.ids.iter().any(|old| old.header == id.header));
    if is_replaced { OTHER_ID } else { 0.0 }
}

fn request_line(inbound: Seen<'_>, outbound: Seen<'_>, rarity: f64) -> f64 {
    let (before, after) = (inbound.exchange, outbound.exchange);
    if before.application == Application::Tls && after.application == Application::Http {
        return match (&before.host, &after.host) {
            (Some(name), Some(host)) if is_host(name, host) => SAME_NAME,
            (Some(_), Some(_)) => OTHER_NAME,
            _ => 0.0,
        };
    }
    let (Some(method), Some(asked)) = (&before.method, &after.method) else { return 0.0 };
    if method != asked {
        return OTHER_METHOD;
    }
    match (&before.path, &after.path) {
        (Some(one), Some(other)) if one == other => {
            if before.host == after.host {
                rarity.clamp(SAME_LINE, RARE_LINE)
            } else {
                SIMILAR_LINE
            }
        }
        (Some(one), Some(other)) if one.ends_with(&**other) || other.ends_with(&**one) => SIMILAR_LINE,
        (Some(_), Some(_)) => OTHER_PATH,
        _ => 0.0,
    }
}

/// Whether a `Host` header, perhaps with a port, names `name`.
fn is_host(name: &str, host: &str) -> bool {
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    bare.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(name)
}

fn request_bytes(inbound: Seen<'_>, outbound: Seen<'_>, before: &Marks, after: &Marks) -> (f64, f64) {
    let head = match compare(before.request_head, after.request_head) {
        Some(true) => SAME_HEAD,
        _ => 0.0,
    };
    if inbound.is_http() != outbound.is_http() {
        return (head, 0.0);
    }
    let body = match compare(before.request_body, after.request_body) {
        Some(true) if !inbound.is_http() => SAME_BYTES,
        Some(true) => SAME_BODY,
        Some(false) => OTHER_BODY,
        None => 0.0,
    };
    (head, body)
}

fn answer(inbound: Seen<'_>, outbound: Seen<'_>, before: &Marks, after: &Marks) -> f64 {
    let (client_side, server_side) = (inbound.exchange, outbound.exchange);
    if has_failed(outbound) {
        return 0.0;
    }
    let status = match (client_side.status, server_side.status) {
        (Some(one), Some(other)) if one == other => SAME_STATUS,
        (Some(_), Some(_)) => OTHER_STATUS,
        _ => 0.0,
    };
    let bytes = match compare(before.reply_body, after.reply_body) {
        Some(true) => SAME_BODY,
        Some(false) if client_side.application == server_side.application => OTHER_ANSWER,
        _ if client_side.reply_bytes + HEAD_SLACK < server_side.reply_bytes => SHRUNK,
        _ => 0.0,
    };
    status + bytes
}

/// An exchange that came to nothing says little of which request it was for, but for that request's own answer.
pub(super) fn failure(inbound: Seen<'_>, outbound: Seen<'_>) -> f64 {
    if !has_failed(outbound) {
        return 0.0;
    }
    match inbound.exchange.status {
        Some(status) if status < 500 => FAILED_BUT_SERVED,
        status if tells_of_failure(status) => FAILED_AS_TOLD,
        Some(_) => FAILED_TRY,
        None => 0.0,
    }
}

/// Whether two digests cover the same bytes; `None` where they cannot be compared.
fn compare(one: Digest, other: Digest) -> Option<bool> {
    (one.len == other.len && one.len >= TELLING).then_some(one.hash == other.hash)
}

/// Whether the bytes of `outbound` came through unread, so that its connection is the other one's continuation.
pub(super) fn is_passed_through(inbound: Seen<'_>, outbound: Seen<'_>) -> bool {
    let (Some(before), Some(after)) = (inbound.marks, outbound.marks) else { return false };
    compare(before.request_head, after.request_head) == Some(true)
        || !inbound.is_http()
            && !outbound.is_http()
            && compare(before.request_body, after.request_body) == Some(true)
}

/// Whether an exchange carries what only a proxy puts there.
pub(in crate::correlate) fn is_forwarded(marks: Option<&Marks>) -> bool {
    marks.is_some_and(|marks| {
        marks.announced.is_some() || !marks.forwarded_for.is_empty() || marks.agent != Proxy::Unknown
    })
}
