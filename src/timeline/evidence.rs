//! What a journey's rows rest on: translations, the lookup, ICMP errors, clocks, and the intervals of what no
//! capture point shows.

mod hooks;
mod routes;
mod translations;

use crate::model::{
    ClockFit, EvidenceKind, Grade, Hop, IcmpNotice, IcmpReason, Journey, NodeId, Resolution, Rival, State,
    Visit,
};
use crate::timeline::headline::exchange_summary;
use crate::timeline::points::with_points;
use crate::timeline::proxies::{join_symbol, percent};
use crate::timeline::units::{Unit, duration};
use crate::timeline::waterfall::origin;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Tone, proxy_name};

/// Other legs of an unsure join that are named: so many in a line, in so many lines.
const OTHERS_IN_A_LINE: usize = 4;
const OTHER_LINES: usize = 2;

/// The evidence in sections, each a head line and its facts, at most `width` cells wide.
pub fn lines(journey: &Journey, context: &Context<'_>, width: usize) -> Vec<Line> {
    let mut sheet = Sheet { context: &context.of(journey), lines: Vec::new() };
    sheet.handoffs(journey);
    sheet.translations(journey);
    sheet.tracked(journey);
    sheet.hooks(journey);
    sheet.routes(journey);
    sheet.resolution(journey);
    sheet.notices(journey);
    sheet.bounds(journey);
    sheet.clocks(journey);
    sheet.remarks(journey);
    if sheet.lines.is_empty() {
        sheet.fact(&[(Tone::Dim, context.manner.word(Word::NothingMore))]);
    }
    for line in &mut sheet.lines {
        line.truncate(width, context.manner.ellipsis());
    }
    sheet.lines
}

struct Sheet<'a> {
    context: &'a Context<'a>,
    lines: Vec<Line>,
}

impl Sheet<'_> {
    fn word(&self, word: Word) -> &'static str {
        self.context.manner.word(word)
    }

    fn section(&mut self, word: Word) {
        if !self.lines.is_empty() {
            self.lines.push(Line::new());
        }
        let mut line = Line::new();
        line.space(1).push(Tone::Head, self.word(word));
        self.lines.push(line);
    }

    fn fact(&mut self, parts: &[(Tone, &str)]) {
        let mut line = Line::new();
        line.space(2);
        for (tone, text) in parts {
            line.space(1).push(*tone, text);
        }
        self.lines.push(line);
    }

    /// Each leg with what was exchanged on it, and under those that a proxy opened what joins them to the one before.
    fn handoffs(&mut self, journey: &Journey) {
        let trail = &*journey.trail;
        if trail.hops.is_empty() {
            return;
        }
        self.section(Word::Handoffs);
        for (index, leg) in trail.legs.iter().enumerate() {
            let hop = trail.hop_to(index);
            if let Some(hop) = hop {
                self.handoff(hop);
            }
            let number = format!("{} {}", self.word(Word::Leg), index + 1);
            let server = leg.server.or(leg.target).map_or_else(|| "?".into(), |end| self.context.short(end));
            let exchange =
                exchange_summary(hop.map_or(&trail.exchange, |hop| &hop.exchange), self.context.manner);
            let ends = format!("{} {} {server}", self.context.short(leg.client), self.context.manner.dials());
            let mut parts =
                vec![(Tone::Strong, number.as_str()), (Tone::Plain, ends.as_str()), (Tone::Dim, &exchange)];
            match hop.filter(|hop| hop.join.is_given_up) {
                Some(_) if trail.was_tried(index as u8) => parts.push((Tone::Bad, self.word(Word::GivenUp))),
                Some(_) => parts.push((Tone::Dim, self.word(Word::NotUsed))),
                None => {}
            }
            self.fact(&parts);
        }
    }

    /// What else the request may have gone on over, where it is not sure.
    fn other_legs(&mut self, hop: &Hop) {
        let between = format!(" {} ", self.context.manner.dot());
        let is_sure = hop.join.confidence.grade() == Grade::Sure;
        for others in hop.join.others.chunks(OTHERS_IN_A_LINE).take(OTHER_LINES).filter(|_| !is_sure) {
            let named = |other: &Rival| {
                format!(
                    "{} {:.0} %",
                    self.context.short(other.client),
                    other.confidence.probability() * 100.0
                )
            };
            let line = others.iter().map(named).collect::<Vec<_>>().join(&between);
            self.fact(&[(Tone::Dim, "   "), (Tone::Bad, self.word(Word::OrOver)), (Tone::Plain, &line)]);
        }
    }

    fn handoff(&mut self, hop: &Hop) {
        let context = self.context;
        let manner = context.manner;
        let symbol = String::from(join_symbol(hop.join.confidence.grade(), manner)).repeat(2);
        let (grade, tone) = match hop.join.confidence.grade() {
            Grade::Sure => (Word::SureJoin, Tone::Good),
            Grade::Likely => (Word::LikelyJoin, Tone::Plain),
            Grade::Ambiguous => (Word::AmbiguousJoin, Tone::Bad),
        };
        let sure = format!("{} {}", manner.word(grade), percent(hop));
        let rivals = match hop.join.rivals {
            0 => manner.word(Word::NoRivalExchange).to_owned(),
            count => format!("{} {count}", manner.word(Word::RivalExchanges)),
        };
        let rivals_tone = if hop.join.rivals > 0 && tone == Tone::Bad { Tone::Bad } else { Tone::Dim };
        let dot = manner.dot();
        self.fact(&[
            (Tone::Own, &symbol),
            (Tone::Own, proxy_name(hop.join.proxy, manner)),
            (Tone::Dim, hop.join.node.map_or("?", |node| context.node(node))),
            (Tone::Dim, dot),
            (tone, &sure),
            (Tone::Dim, dot),
            (rivals_tone, &rivals),
        ]);
        for evidence in &hop.join.evidence {
            self.fact(&[
                (Tone::Dim, "   "),
                (Tone::Plain, manner.word(evidence_word(evidence.kind))),
                (Tone::Dim, &manner.text(&*evidence.detail)),
            ]);
        }
        self.other_legs(hop);
        let kept = |nanos: Option<i64>| nanos.map_or_else(|| "?".to_owned(), |nanos| duration(nanos, manner));
        if hop.join.request_delay_ns.is_some() || hop.join.reply_delay_ns.is_some() {
            let times = format!(
                "{} {} {dot} {} {}",
                manner.word(Word::KeptRequest),
                kept(hop.join.request_delay_ns),
                manner.word(Word::KeptReply),
                kept(hop.join.reply_delay_ns)
            );
            self.fact(&[(Tone::Dim, "   "), (Tone::Own, &times)]);
        }
    }

    fn resolution(&mut self, journey: &Journey) {
        let Some(resolution) = &journey.trail.resolution else { return };
        let Resolution { name, query, answer, tries, first_try, .. } = &**resolution;
        self.section(Word::Resolution);
        let took = duration(answer.time.since(query.time), self.context.manner);
        let mut parts = vec![(Tone::Strong, &**name), (Tone::Plain, took.as_str())];
        let waited = format!(
            "{tries} {} {} {}",
            self.word(Word::Tries),
            self.context.manner.dot(),
            duration(answer.time.since(*first_try), self.context.manner)
        );
        if *tries > 1 {
            parts.push((Tone::Bad, &waited));
        }
        self.fact(&parts);
    }

    fn notices(&mut self, journey: &Journey) {
        if journey.trail.notices.is_empty() {
            return;
        }
        self.section(Word::Notices);
        for &IcmpNotice { reason, reporter, mtu } in &journey.trail.notices {
            let name = self.context.name(reporter).unwrap_or("");
            let mtu = if mtu > 0 { format!("MTU {mtu}") } else { String::new() };
            let from = reporter.to_string();
            let parts = [
                (Tone::Bad, reason_name(reason)),
                (Tone::Dim, self.word(Word::ReportedBy)),
                (Tone::Plain, from.as_str()),
                (Tone::Plain, name),
                (Tone::Plain, &mtu),
            ];
            self.fact(&parts);
        }
    }

    /// `⑤ kappa1: after ④ kappa1 530 µs, before ⑦ kappa1 604 µs`.
    fn bounds(&mut self, journey: &Journey) {
        let journey = &*with_points(journey, self.context);
        let origin = origin(journey);
        let unit = Unit::for_largest(journey.ended.since(origin));
        let visits: Vec<&Visit> = journey.visits().collect();
        let is_bounded = |visit: &&Visit| matches!(visit.state, State::Bounded { .. });
        if !visits.iter().any(is_bounded) {
            return;
        }
        self.section(Word::Bounds);
        for (index, visit) in visits.iter().enumerate() {
            let State::Bounded { after, before } = visit.state else { continue };
            let is_seen = |visit: &&&Visit| matches!(visit.state, State::Seen { .. });
            let is_at = |visit: &&&Visit, at| matches!(visit.state, State::Seen { time } if time == at);
            let previous = visits[..index].iter().rfind(|visit| is_at(visit, after));
            let previous = previous.or_else(|| visits[..index].iter().rfind(is_seen));
            let next = visits[index..].iter().find(|visit| is_at(visit, before));
            let next = next.or_else(|| visits[index..].iter().find(is_seen));
            let at = |visit: Option<&&Visit>, time: crate::model::Timestamp| {
                let place =
                    visit.map_or_else(String::new, |visit| self.context.stage_at(visit.stage, visit.node));
                format!("{place} {} {}", unit.number(time.since(origin)), unit.name(self.context.manner))
            };
            let mut parts = vec![
                (Tone::Plain, self.context.stage_at(visit.stage, visit.node)),
                (Tone::Dim, self.word(Word::IsBounded).to_owned()),
            ];
            if after != State::OPEN_START {
                parts.push((Tone::Dim, format!("{} {}", self.word(Word::After), at(previous, after))));
            }
            if before != State::OPEN_END {
                parts.push((Tone::Dim, format!("{} {}", self.word(Word::Before), at(next, before))));
            }
            let parts: Vec<(Tone, &str)> = parts.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
            self.fact(&parts);
        }
    }

    fn clocks(&mut self, journey: &Journey) {
        let mut nodes: Vec<NodeId> = journey.visits().filter_map(|visit| visit.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.retain(|node| node.0 != 0);
        if nodes.is_empty() {
            return;
        }
        self.section(Word::ClockOffsets);
        for node in nodes {
            let text = clock_text(node, self.context);
            self.fact(&[(Tone::Plain, self.context.node(node)), (Tone::Dim, &text)]);
        }
    }

    fn remarks(&mut self, journey: &Journey) {
        let trail = &journey.trail;
        let mut remarks: Vec<String> = Vec::new();
        if trail.retransmissions > 0 {
            remarks.push(format!(
                "{} {}{}",
                self.word(Word::Retransmissions),
                trail.retransmissions,
                self.context.manner.times()
            ));
        }
        if trail.is_mid_stream {
            remarks.push(self.word(Word::MidStream).to_owned());
        }
        if trail.left_out > 0 {
            remarks.push(format!("{} {}", trail.left_out, self.word(Word::LeftOut)));
        }
        if remarks.is_empty() {
            return;
        }
        self.section(Word::Packets);
        for remark in &remarks {
            self.fact(&[(Tone::Plain, remark)]);
        }
    }
}

/// `2.00 ms ahead of kappa1 ± 18.0 µs`, or `reference`.
pub fn clock_text(node: NodeId, context: &Context<'_>) -> String {
    let manner = context.manner;
    if node.0 == 0 {
        return manner.word(Word::Reference).to_owned();
    }
    let ClockFit { offset_ns, error_ns, .. } = context.clocks.fit(node);
    let error = match error_ns {
        Some(error) => format!("{} {}", manner.plus_minus(), duration(error, manner)),
        None => manner.word(Word::ErrorUnknown).to_owned(),
    };
    let reference = context.node(NodeId(0));
    let side = manner.word(if offset_ns < 0 { Word::Behind } else { Word::Ahead });
    format!("{} {side} {reference} {error}", duration(offset_ns.saturating_abs(), manner))
}

const fn evidence_word(kind: EvidenceKind) -> Word {
    match kind {
        EvidenceKind::ProxyHeader => Word::ByProxyHeader,
        EvidenceKind::TraceId => Word::ByTraceId,
        EvidenceKind::ForwardedFor => Word::ByForwardedFor,
        EvidenceKind::Payload => Word::ByPayload,
        EvidenceKind::ResponsePayload => Word::ByResponsePayload,
        EvidenceKind::RequestLine => Word::ByRequestLine,
        EvidenceKind::SocketOwner => Word::BySocketOwner,
        EvidenceKind::Timing => Word::ByTiming,
    }
}

const fn reason_name(reason: IcmpReason) -> &'static str {
    match reason {
        IcmpReason::NetUnreachable => "net unreachable",
        IcmpReason::HostUnreachable => "host unreachable",
        IcmpReason::ProtocolUnreachable => "protocol unreachable",
        IcmpReason::PortUnreachable => "port unreachable",
        IcmpReason::Prohibited => "administratively prohibited",
        IcmpReason::PacketTooBig => "packet too big",
        IcmpReason::TimeExceeded => "time exceeded",
        IcmpReason::Redirect => "redirect",
        IcmpReason::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Manner, sample};

    #[test]
    fn the_evidence_of_each_kind() {
        sample::with_context(Manner::default(), |context| {
            let told: Vec<String> = sample::all()
                .iter()
                .take(6)
                .map(|journey| {
                    lines(journey, context, 140)
                        .iter()
                        .map(|line| line.text().trim_end().to_owned() + "\n")
                        .collect()
                })
                .collect();
            insta::assert_snapshot!("evidence", told.join("----\n"));
        });
    }

    #[test]
    fn each_join_with_what_speaks_for_it() {
        let told = |manner: Manner| {
            sample::with_context(manner, |context| {
                let retried = sample::proxies::retried(1, sample::START);
                let text = |line: &Line| line.text().trim_end().to_owned() + "\n";
                lines(&retried, context, 140).iter().map(text).collect::<String>()
            })
        };
        insta::assert_snapshot!("evidence_proxies", told(Manner::default()));
        insta::assert_snapshot!("evidence_proxies_zh", told(Manner::new(crate::timeline::Language::Zh)));
        assert!(told(Manner::ascii()).is_ascii());
    }
}
