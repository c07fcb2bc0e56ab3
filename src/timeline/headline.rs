//! A journey in one line: what the list and the head of a text report show.

use std::fmt::Write as _;

use crate::model::{
    Application, Endpoint, Exchange, Grade, Hop, Journey, Lookup, Outcome, Part, Phase, State, Trail, Way,
};
use crate::timeline::proxies::percent;
use crate::timeline::units::{bytes, duration};
use crate::timeline::{Context, Line, Manner, Tone, ends};

/// `pod→service` for `pod-to-service`; in ASCII the template's name.
pub fn path_name(path: &str, manner: Manner) -> String {
    if manner.is_ascii() { path.to_owned() } else { path.replacen("-to-", "→", 1) }
}

/// How much of the ends is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Client and server by name, and no port of the client's.
    Ends,
    /// The target as well.
    Names,
    /// And the address of each.
    Addresses,
}

/// `client → target ⇒ server`, by name where one is known.
pub fn ends_line(journey: &Journey, context: &Context<'_>, detail: Detail) -> Line {
    let (ends, context) = (ends(&journey.trail), &context.of(journey));
    let text = |endpoint| match detail {
        Detail::Addresses => context.long(endpoint).into(),
        Detail::Ends | Detail::Names => context.short(endpoint),
    };
    let client = ends.client.map(|client| match detail {
        Detail::Ends => Endpoint::new(client.ip, 0),
        Detail::Names | Detail::Addresses => client,
    });
    let mut line = Line::new();
    line.push(Tone::Strong, &client.map_or("?".into(), text));
    if let Some(target) = ends.target.filter(|_| detail != Detail::Ends || ends.server.is_none()) {
        line.push(Tone::Dim, " ").push(Tone::Dim, context.manner.dials()).push(Tone::Dim, " ");
        line.push(Tone::Plain, &text(target));
    }
    if let Some(server) = ends.server {
        line.push(Tone::Dim, " ").push(Tone::Dim, context.manner.served()).push(Tone::Dim, " ");
        // Behind a join that is not sure the server is not sure either; before its name, so that it is not cut.
        if let Some(hop) = least_sure(&journey.trail) {
            let tone = if hop.join.confidence.grade() == Grade::Ambiguous { Tone::Bad } else { Tone::Dim };
            line.push(tone, &percent(hop)).push(Tone::Dim, " ");
        }
        line.push(Tone::Strong, &text(server));
    }
    line
}

/// The join of the way to the server that is least sure, where one is not sure.
fn least_sure(trail: &Trail) -> Option<&Hop> {
    let chain = trail.chain();
    let hops = chain.iter().filter_map(|&leg| trail.hop_to(usize::from(leg)));
    hops.min_by_key(|hop| hop.join.confidence).filter(|hop| hop.join.confidence.grade() != Grade::Sure)
}

/// What was asked and answered: `GET /r/17  200`, `A stock.shop  NXDOMAIN`, `SYN ×3`.
pub fn exchange_text(trail: &Trail, manner: Manner) -> String {
    let is_handshake = trail.exchange.application == Application::Tcp && is_only_handshake(trail);
    if is_handshake && trail.retransmissions > 0 {
        return format!("SYN {}{}", manner.times(), trail.retransmissions + 1);
    }
    if is_handshake { "SYN".to_owned() } else { exchange_summary(&trail.exchange, manner) }
}

/// What was asked and answered on one leg.
pub fn exchange_summary(exchange: &Exchange, manner: Manner) -> String {
    let mut out = String::with_capacity(32);
    match exchange.application {
        Application::Http => {
            let _ = write!(
                out,
                "{} {}",
                exchange.method.as_deref().unwrap_or("?"),
                exchange.path.as_deref().unwrap_or("")
            );
            if let Some(status) = exchange.status {
                let _ = write!(out, "  {status}");
            }
            if let Some(status) = exchange.grpc_status {
                let _ = write!(out, "  grpc {status}");
            }
        }
        Application::Dns => match exchange.dns.as_deref() {
            Some(lookup) => write_lookup(&mut out, lookup, manner),
            None => out.push_str("dns"),
        },
        Application::Tls => {
            out.push_str("tls");
            if let Some(host) = exchange.host.as_deref() {
                let _ = write!(out, " {host}");
            }
            if let Some(version) = exchange.tls.as_ref().and_then(|tls| tls.version) {
                let _ = write!(out, "  {version}");
            }
        }
        Application::Icmp => out.push_str("echo"),
        Application::Tcp if exchange.request_bytes == 0 && exchange.reply_bytes == 0 => out.push_str("SYN"),
        other => {
            let _ = write!(
                out,
                "{}  {} / {}",
                other.name(),
                bytes(exchange.request_bytes),
                bytes(exchange.reply_bytes)
            );
        }
    }
    manner.text(out).into_owned()
}

fn is_only_handshake(trail: &Trail) -> bool {
    trail.exchange.request_bytes == 0
        && trail.exchange.reply_bytes == 0
        && trail.sightings.iter().any(|sighting| {
            sighting.part == Part::Handshake || sighting.part == Part::Reset || sighting.part == Part::Head
        })
}

fn write_lookup(out: &mut String, lookup: &Lookup, manner: Manner) {
    let _ = write!(out, "{} {}", lookup.kind, lookup.name);
    match (lookup.rcode, lookup.addresses.split_first()) {
        (None, _) => {}
        (Some(0), Some((first, rest))) => {
            let _ = write!(out, "  {} {first}", manner.dials());
            if !rest.is_empty() {
                let _ = write!(out, " +{}", rest.len());
            }
        }
        (Some(code), _) => {
            let _ = write!(
                out,
                "  {}",
                response_code(code).map_or_else(|| format!("RCODE {code}"), str::to_owned)
            );
        }
    }
}

/// A DNS response code's mnemonic (RFC 1035 §4.1.1, RFC 2136 §2.2).
const fn response_code(code: u8) -> Option<&'static str> {
    match code {
        0 => Some("NOERROR"),
        1 => Some("FORMERR"),
        2 => Some("SERVFAIL"),
        3 => Some("NXDOMAIN"),
        4 => Some("NOTIMP"),
        5 => Some("REFUSED"),
        _ => None,
    }
}

/// The stage marks in order: `①②③④⑤⑦⑧⑥⑨ (1)(2)…`; what follows a missing stage is not shown.
pub fn marks_line(journey: &Journey, manner: Manner) -> Line {
    let mut line = Line::new();
    for (index, visit) in journey.visits().enumerate() {
        if matches!(visit.state, State::Skipped) {
            continue;
        }
        let is_turn = index == journey.request.len() && line.width() > 0;
        let is_apart = manner.is_ascii() && line.width() > 0;
        if is_turn || is_apart {
            line.push(Tone::Plain, " ");
        }
        line.push(state_tone(&visit.state, visit.stage.way), &manner.mark(visit.stage, &visit.state));
        if matches!(visit.state, State::Missing) {
            break;
        }
    }
    line
}

/// The hue of a direction, or the tone of a state that is not plain.
pub const fn state_tone(state: &State, way: Way) -> Tone {
    match (state, way) {
        (State::Seen { .. }, Way::Request) => Tone::Request,
        (State::Seen { .. }, Way::Reply) => Tone::Reply,
        (State::Bounded { .. }, _) => Tone::Dim,
        (State::Outside | State::Skipped, _) => Tone::Faint,
        (State::Waiting, _) => Tone::Accent,
        (State::Missing, _) => Tone::Bad,
    }
}

/// How long it took, as far as it went; empty for a journey that stopped on the way.
pub fn duration_text(journey: &Journey, manner: Manner) -> String {
    match journey.verdict.outcome {
        Outcome::Lost => String::new(),
        _ => duration(journey.ended.since(journey.started), manner),
    }
}

/// Whether the journey is one to look at.
pub const fn is_bad(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Lost | Outcome::Refused | Outcome::Failed)
}

/// `✓`, `…` or `✗ lost kappa2 host`.
pub fn verdict_mark(journey: &Journey, context: &Context<'_>) -> Line {
    let manner = context.manner;
    let mut line = Line::new();
    match journey.verdict.outcome {
        Outcome::Complete => _ = line.push(Tone::Good, manner.tick()),
        Outcome::Open if journey.trail.phase == Phase::Open => _ = line.push(Tone::Accent, manner.ellipsis()),
        Outcome::Open => _ = line.push(Tone::Dim, manner.ellipsis()),
        outcome => {
            line.push(Tone::Bad, manner.cross())
                .push(Tone::Bad, " ")
                .push(Tone::Bad, manner.outcome(outcome));
            if let Some(place) = journey.verdict.place {
                line.push(Tone::Bad, " ");
                if let Some(node) = place.node {
                    line.push(Tone::Bad, context.node(node)).push(Tone::Bad, " ");
                }
                line.push(Tone::Bad, manner.place_kind(place.kind));
            }
        }
    }
    line
}

/// The verdict as one sentence.
pub fn verdict_line(journey: &Journey, context: &Context<'_>) -> Line {
    let manner = context.manner;
    let verdict = &journey.verdict;
    let mut line = verdict_mark(journey, context);
    if !is_bad(verdict.outcome) {
        line.push(if verdict.outcome == Outcome::Complete { Tone::Good } else { Tone::Dim }, " ");
        line.push(Tone::Plain, manner.outcome(verdict.outcome));
    }
    if verdict.outcome == Outcome::Complete {
        return line;
    }
    let sentence = manner.told(&verdict.detail);
    if !sentence.is_empty() {
        line.push(Tone::Dim, " ")
            .push(Tone::Dim, manner.dot())
            .push(Tone::Dim, " ")
            .push(Tone::Plain, &sentence);
    }
    line
}

/// Everything of a journey that a search looks at, in lower case: names, addresses, paths, hosts.
pub fn search_text(journey: &Journey, context: &Context<'_>) -> String {
    let (ends, context) = (ends(&journey.trail), context.of(journey));
    let mut out = String::with_capacity(160);
    let behind = journey.trail.legs.iter().skip(1).filter_map(|leg| leg.server.or(leg.target));
    for endpoint in [ends.client, ends.target, ends.server].into_iter().flatten().chain(behind) {
        let _ = write!(out, "{endpoint} {} ", context.name(endpoint.ip).unwrap_or(""));
    }
    let exchange = &journey.trail.exchange;
    for text in [&exchange.method, &exchange.path, &exchange.host].into_iter().flatten() {
        let _ = write!(out, "{text} ");
    }
    if let Some(status) = exchange.status {
        let _ = write!(out, "{status} ");
    }
    if let Some(resolution) = &journey.trail.resolution {
        let _ = write!(out, "{} ", resolution.name);
    }
    let _ = write!(out, "{} {} {} ", journey.path, journey.route, journey.verdict.outcome.name());
    out.push_str(&path_name(&journey.path, Manner::default()));
    out.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Language, sample};

    fn told(manner: Manner) -> String {
        sample::with_context(manner, |context| {
            let mut out = String::new();
            for journey in &sample::all() {
                let _ = writeln!(
                    out,
                    "{}|{}|{}|{}|{}|{}",
                    path_name(&journey.path, manner),
                    ends_line(journey, context, Detail::Names).text(),
                    exchange_text(&journey.trail, manner),
                    marks_line(journey, manner).text(),
                    duration_text(journey, manner),
                    verdict_line(journey, context).text()
                );
            }
            out
        })
    }

    #[test]
    fn a_journey_is_told_in_one_line() {
        insta::assert_snapshot!("headlines", told(Manner::default()));
        insta::assert_snapshot!("headlines_zh", told(Manner::new(Language::Zh)));
    }

    #[test]
    fn ascii_headlines_are_ascii_but_for_names() {
        let told = told(Manner::ascii());
        insta::assert_snapshot!("headlines_ascii", told);
        assert!(told.is_ascii());
    }

    #[test]
    fn a_server_behind_an_unsure_join_says_how_sure_it_is() {
        sample::with_context(Manner::default(), |context| {
            let told = |journey: &Journey| ends_line(journey, context, Detail::Ends).text().to_owned();
            let (ingress, lost) =
                (sample::proxies::ingress(1, sample::START), sample::proxies::lost(2, sample::START));
            assert_eq!(told(&ingress), "172.31.9.77 ⇒ 52 % price-5f6b");
            assert_eq!(told(&lost), "172.31.9.77 ⇒ price-5f6b");
        });
    }

    #[test]
    fn the_search_text_has_names_and_addresses() {
        sample::with_context(Manner::default(), |context| {
            let text = search_text(&sample::other_node(1, sample::START), context);
            for needle in
                ["cart", "10.43.7.7:80", "shop/stock", "/r/17", "stock.shop", "complete", "pod→service"]
            {
                assert!(text.contains(needle), "{needle} in {text}");
            }
        });
    }
}
