//! Messages of nf_tables and of connection tracking with any attributes, and any bytes as those and as routes: each gives
//! at most one event, what is in them for people has no control characters, and correlation takes them in any order.

#![no_main]

use hopline::correlate::{Correlator, Limits, Survey};
use hopline::decode::decode_messages;
use hopline::model::{Batch, HookEvent, KernelBody, Messages, NodeId, Timestamp};
use libfuzzer_sys::fuzz_target;

/// A chain, a rule, a traced packet; an entry, its end, the table's statistics, its list and the end of that.
const KINDS: [u16; 9] = [0x0a03, 0x0a06, 0x0a11, 0x0100, 0x0102, 0x0104, 0x0105, 0x0101, 3];

fuzz_target!(|input: (Vec<(u8, u16, u8, &[u8])>, &[u8])| {
    let (parts, raw) = input;
    let datagram: Vec<u8> = parts.iter().flat_map(message).collect();
    let mut told = Vec::new();
    // NETLINK_NETFILTER, and NETLINK_ROUTE.
    for (family, data, most) in
        [(12, &datagram[..], parts.len()), (12, raw, raw.len() / 16), (0, raw, raw.len() / 16)]
    {
        let mut batch = Batch::default();
        let messages = Messages { time: Timestamp(1_000_000_000), node: NodeId(0), family, data };
        decode_messages(&messages, &mut batch);
        assert!(batch.events().len() <= most);
        told.extend(batch.events().iter().map(|(_, event)| event.clone()));
    }
    // A core takes longer to make than most messages to read.
    if told.is_empty() {
        return;
    }
    let mut core = Correlator::new(Survey::new(vec!["kappa1".to_owned()]), Limits::REPORT);
    for event in &told {
        check(&event.body);
        core.handle_event(event);
    }
    core.finish();
    while core.poll_change().is_some() {}
});

/// A message of a kind that is read, whole as far as its headers say.
fn message(&(kind, flags, family, attributes): &(u8, u16, u8, &[u8])) -> Vec<u8> {
    let len = 20 + attributes.len();
    let mut bytes = (len as u32).to_ne_bytes().to_vec();
    bytes.extend(KINDS[usize::from(kind) % KINDS.len()].to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, kind / KINDS.len() as u8]);
    bytes.extend_from_slice(attributes);
    bytes.resize(len.next_multiple_of(4), 0);
    bytes
}

fn check(body: &KernelBody) {
    let KernelBody::Hook(event) = body else { return };
    let texts: Vec<&str> = match &**event {
        HookEvent::Chain(chain) => vec![&chain.name.table, &chain.name.chain],
        HookEvent::Rule(rule) => {
            vec![&rule.chain.chain, &rule.text, rule.comment.as_deref().unwrap_or_default()]
        }
        HookEvent::Step(step) => vec![&step.chain.table, &step.chain.chain],
    };
    let is_hostile =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(texts.iter().all(|text| !text.contains(is_hostile)), "{texts:?}");
}
