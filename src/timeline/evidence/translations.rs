//! How nodes rewrote the addresses of each leg, what shows it, and what their connection tracking says.

use super::Sheet;
use super::hooks::numbered;
use crate::model::{Journey, Tracked, Translation, TranslationEvidence, TranslationKind};
use crate::timeline::Tone;
use crate::timeline::units::duration;
use crate::timeline::waterfall::origin;
use crate::timeline::words::Word;

impl Sheet<'_> {
    pub(super) fn translations(&mut self, journey: &Journey) {
        if journey.trail.legs.iter().all(|leg| leg.translations.is_empty()) {
            return;
        }
        self.section(Word::Translations);
        for leg in &journey.trail.legs {
            for translation in &leg.translations {
                self.translation(translation);
            }
            if let Some(seen) = leg.client_seen_by_server.filter(|&seen| seen != leg.client) {
                self.fact(&[
                    (Tone::Dim, self.word(Word::SeenByServer)),
                    (Tone::Strong, &self.context.long(seen)),
                ]);
            }
        }
    }

    fn translation(&mut self, translation: &Translation) {
        let context = self.context;
        let kind = self.word(match translation.kind() {
            TranslationKind::Dnat => Word::Dnat,
            TranslationKind::Snat => Word::Snat,
            TranslationKind::Both => Word::BothNat,
        });
        self.fact(&[
            (Tone::Strong, kind),
            (Tone::Dim, context.node(translation.node)),
            (Tone::Plain, &translation.from.to_string()),
            (Tone::Dim, context.manner.served()),
            (Tone::Plain, &translation.to.to_string()),
        ]);
        for &evidence in &translation.evidence {
            self.shown_by(evidence, translation.is_contradicted);
        }
        if let Some(rule) = &translation.rule {
            let comment = rule.comment.as_deref().unwrap_or_default();
            self.fact(&[(Tone::Dim, " "), (Tone::Plain, &numbered(rule)), (Tone::Dim, comment)]);
        }
    }

    fn shown_by(&mut self, evidence: TranslationEvidence, is_contradicted: bool) {
        let dot = self.context.manner.dot();
        match evidence {
            TranslationEvidence::PacketMatch { packets, rivals } => {
                let agree = format!("{} {packets}", self.word(Word::PacketsAgree));
                let (tone, rivals) = match rivals {
                    _ if is_contradicted => (Tone::Bad, self.word(Word::Contradicted).to_owned()),
                    0 => (Tone::Dim, self.word(Word::NoRivals).to_owned()),
                    count => (Tone::Bad, format!("{} {count}", self.word(Word::Rivals))),
                };
                self.fact(&[
                    (Tone::Dim, " "),
                    (Tone::Dim, self.word(Word::ByPacketMatch)),
                    (Tone::Dim, dot),
                    (Tone::Dim, &agree),
                    (Tone::Dim, dot),
                    (tone, &rivals),
                ]);
            }
            TranslationEvidence::HookTrace => {
                self.fact(&[(Tone::Dim, " "), (Tone::Dim, self.word(Word::ByHookTrace))]);
            }
            TranslationEvidence::Conntrack => {
                self.fact(&[(Tone::Dim, " "), (Tone::Dim, self.word(Word::ByConntrack))]);
            }
        }
    }

    /// What each node's connection tracking says of each leg.
    pub(super) fn tracked(&mut self, journey: &Journey) {
        if journey.trail.legs.iter().all(|leg| leg.tracked.is_empty()) {
            return;
        }
        self.section(Word::Conntrack);
        for tracked in journey.trail.legs.iter().flat_map(|leg| &leg.tracked) {
            self.entry(tracked, journey);
        }
    }

    fn entry(&mut self, tracked: &Tracked, journey: &Journey) {
        let state = tracked.tcp_state.map_or_else(String::new, |state| state.to_string());
        let (tone, replied) = if tracked.status.has_seen_reply() {
            (Tone::Dim, self.word(Word::SeenReply))
        } else {
            (Tone::Bad, self.word(Word::Unreplied))
        };
        let assured = if tracked.status.is_assured() { self.word(Word::Assured) } else { "" };
        let mark = if tracked.mark == 0 { String::new() } else { format!("mark {:#x}", tracked.mark) };
        let zone = if tracked.zone == 0 { String::new() } else { format!("zone {}", tracked.zone) };
        let destroyed = tracked.destroyed.map_or_else(String::new, |time| {
            let since = self.context.clocks.align(tracked.node, time).since(origin(journey));
            format!("{} {}", self.word(Word::EntryDestroyed), duration(since, self.context.manner))
        });
        let cut_short = if tracked.was_cut_short() { Tone::Bad } else { Tone::Dim };
        let mut parts = vec![
            (Tone::Strong, self.context.node(tracked.node)),
            (Tone::Plain, &state),
            (tone, replied),
            (Tone::Dim, assured),
            (Tone::Dim, &mark),
            (Tone::Dim, &zone),
            (cut_short, &destroyed),
        ];
        parts.retain(|(_, text)| !text.is_empty());
        self.fact(&parts);
    }
}
