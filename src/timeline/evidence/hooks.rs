//! The hooks and rules that traced packets passed.

use super::Sheet;
use crate::model::{Action, Journey, Part, Pass, Rule, Sighting, Traced, Way};
use crate::timeline::Tone;
use crate::timeline::words::Word;

impl Sheet<'_> {
    /// The followed packets' ways through each node's hooks, rule by rule.
    pub(super) fn hooks(&mut self, journey: &Journey) {
        let all = &journey.trail.traced;
        let shown: Vec<(&Traced, Shown)> =
            all.iter().filter_map(|it| Some((it, shown(it, journey)?))).collect();
        if shown.is_empty() {
            return;
        }
        self.section(Word::Hooks);
        for (traced, how) in shown {
            self.way(traced, how);
        }
    }

    fn way(&mut self, traced: &Traced, how: Shown) {
        let (tone, way) = match traced.way {
            Way::Request => (Tone::Request, self.word(Word::Asking)),
            Way::Reply => (Tone::Reply, self.word(Word::Answering)),
        };
        let Some(first) = traced.passes.first() else { return };
        self.fact(&[
            (Tone::Strong, self.context.node(traced.node)),
            (tone, way),
            (Tone::Plain, &first.packet.tuple.to_string()),
        ]);
        let mut last = None;
        for pass in traced.passes.iter().filter(|pass| how == Shown::Whole || translates(pass)) {
            let is_first = last.replace(pass.hook) != Some(pass.hook);
            self.pass(pass, is_first);
        }
    }

    fn pass(&mut self, pass: &Pass, is_first: bool) {
        // A hook without rules is passed all the same.
        let hook = format!("  {:<11}", if is_first { pass.hook.name() } else { "" });
        if is_first && pass.steps.is_empty() {
            self.fact(&[(Tone::Plain, hook.trim_end())]);
            return;
        }
        for (index, step) in pass.steps.iter().enumerate() {
            let hook = if index == 0 { hook.clone() } else { " ".repeat(hook.len()) };
            let tone = if step.action == Action::Drop { Tone::Bad } else { Tone::Plain };
            self.fact(&[
                (Tone::Plain, &hook),
                (Tone::Dim, &*step.rule.chain.table),
                (tone, &numbered(&step.rule)),
                (Tone::Dim, &step.rule.text),
                (Tone::Dim, &self.remark(&step.rule)),
            ]);
        }
        if pass.action == Action::Drop && pass.steps.last().is_none_or(|last| last.action != Action::Drop) {
            let space = " ".repeat(hook.len());
            self.fact(&[(Tone::Plain, &space), (Tone::Bad, self.word(Word::PolicyDrop))]);
        }
    }

    fn remark(&self, rule: &Rule) -> String {
        let dot = self.context.manner.dot();
        rule.comment.as_ref().map_or_else(String::new, |comment| {
            self.context.manner.text(format!("{dot} {comment}").as_str()).into_owned()
        })
    }
}

/// `KUBE-SERVICES 21`: the chain and which of its rules.
pub(super) fn numbered(rule: &Rule) -> String {
    match (rule.number, rule.handle) {
        (Some(number), _) => format!("{} {number}", rule.chain.chain),
        (None, Some(handle)) => format!("{} #{handle}", rule.chain.chain),
        (None, None) => rule.chain.chain.to_string(),
    }
}

/// How much is shown of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Whole,
    /// Only the first packet of a connection comes to the chains that translate.
    Translation,
}

fn shown(traced: &Traced, journey: &Journey) -> Option<Shown> {
    let first = traced.passes.first()?;
    let sightings = &journey.trail.sightings;
    let is_it =
        |it: &Sighting| (it.way, Some(it.leg)) == (traced.way, traced.leg) && first.packet.is_seen_as(it);
    let mut followed = journey.visits().filter_map(|visit| sightings.get(visit.sighting? as usize));
    if traced.dropped().is_some() || followed.any(is_it) {
        return Some(Shown::Whole);
    }
    let has_nat = traced.passes.iter().any(|pass| translates(pass) && !pass.steps.is_empty());
    let is_first = sightings.iter().any(|it| it.part == Part::Handshake && is_it(it));
    (has_nat && is_first).then_some(Shown::Translation)
}

/// Whether a chain is there to translate: iptables' table is called so, and of others a rule tells.
fn translates(pass: &Pass) -> bool {
    let tells = |rule: &Rule| {
        rule.text.split(' ').any(|word| ["dnat", "snat", "masquerade", "redirect"].contains(&word))
    };
    &*pass.chain.table == "nat" || pass.steps.iter().any(|step| tells(&step.rule))
}
