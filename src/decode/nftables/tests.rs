//! Messages as a kernel 6.18 sent them: rules of iptables-nft 1.8.9, and a connection to a Service that was traced.

use proptest::prelude::*;

use super::*;
use crate::model::{Action, RuleInfo, StepKind, TraceStep};

/// Lines of a family and a message's attributes.
fn messages(text: &str) -> impl Iterator<Item = (u8, Vec<u8>)> {
    text.lines().map(|line| {
        let (family, hex) = line.split_once(' ').expect("two words");
        let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
        let bytes = hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1]));
        (family.parse().expect("a family"), bytes.collect())
    })
}

fn rules() -> Vec<RuleInfo> {
    let read = |(family, bytes): (u8, Vec<u8>)| match read(NEW_RULE, family, &bytes) {
        Some(HookEvent::Rule(rule)) => rule,
        other => panic!("{other:?} is no rule"),
    };
    messages(include_str!("rules.hex")).map(read).collect()
}

fn steps() -> Vec<TraceStep> {
    let read = |(family, bytes): (u8, Vec<u8>)| match read(TRACE, family, &bytes) {
        Some(HookEvent::Step(step)) => step,
        other => panic!("{other:?} is no step"),
    };
    messages(include_str!("trace.hex")).map(read).collect()
}

#[test]
fn rules_are_worded_as_nft_words_them() {
    let worded: Vec<String> = rules()
        .iter()
        .map(|rule| {
            let comment = rule.comment.as_deref().unwrap_or("-");
            format!("{} {}: {} ({comment})", rule.chain, rule.handle, rule.text)
        })
        .collect();
    insta::assert_snapshot!(worded.join("\n"));
}

#[test]
fn trace_messages_tell_the_packet_the_rule_and_what_became_of_it() {
    let steps: Vec<String> = steps()
        .iter()
        .map(|step| {
            let kind = match step.kind {
                StepKind::Rule(handle) => format!("rule {handle}"),
                StepKind::Return => "end".to_owned(),
                StepKind::Policy => "policy".to_owned(),
            };
            let packet = step.packet.map_or(String::new(), |it| {
                format!(" {} id {} seq {} flags {} len {}", it.tuple, it.ip_id, it.seq, it.flags, it.len)
            });
            format!("{} {kind} {:?}{packet}", step.chain, step.action)
        })
        .collect();
    insta::assert_snapshot!(steps.join("\n"));
}

#[test]
fn verdicts_are_those_of_the_kernel() {
    let verdict = |code: i32| {
        let attribute = [&8_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), &code.to_be_bytes()].concat();
        trace::verdict(Attributes(&attribute))
    };
    // A drop may carry an errno for the sender: NF_DROP_ERR.
    for (code, action) in [
        (0, Action::Drop),
        (-(1 << 16), Action::Drop),
        (1, Action::Accept),
        (3, Action::Taken),
        (-1, Action::Continue),
        (-5, Action::Return),
        (-3, Action::Jump("".into())),
    ] {
        assert_eq!(verdict(code), action, "{code}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_hostile(
        kind in prop::sample::select(vec![NEW_CHAIN, NEW_RULE, TRACE]),
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let all: Vec<(u8, Vec<u8>)> =
            messages(include_str!("rules.hex")).chain(messages(include_str!("trace.hex"))).collect();
        let (family, mut bytes) = which.get(&all).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Some(HookEvent::Rule(rule)) = read(kind, family, &bytes) {
            prop_assert!(rule.text.chars().count() <= crate::decode::MAX_CHARS + 1);
            prop_assert!(!rule.text.chars().any(char::is_control));
        }
    }
}
