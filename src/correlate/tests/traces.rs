//! What traced packets add to a trail, and what they must not be taken for.

use super::*;
use crate::model::{
    Action, ChainInfo, ChainName, Hook, HookEvent, KernelBody, KernelEvent, RuleInfo, StepKind, TraceStep,
    Traced, TracedPacket, TranslationEvidence,
};

fn chain(table: &str, chain: &str) -> ChainName {
    ChainName { family: 2, table: table.into(), chain: chain.into() }
}

fn jump(to: &str) -> Action {
    Action::Jump(to.into())
}

impl Cluster {
    fn hook(&mut self, event: HookEvent) {
        let event = KernelEvent {
            time: Timestamp(self.time),
            node: NodeId(0),
            body: KernelBody::Hook(Box::new(event)),
        };
        self.core.handle_event(&event);
    }

    /// The kernel describes kappa1's chains, with two rules each of which the second drops or translates.
    fn describe(&mut self) {
        for (table, name, base, text) in [
            ("nat", "PREROUTING", Some((Hook::Prerouting, -100)), "jump KUBE-SEP-A"),
            ("nat", "KUBE-SEP-A", None, "tcp dnat to 10.244.2.33:8080"),
            ("filter", "FORWARD", Some((Hook::Forward, 0)), "drop"),
            ("nat", "POSTROUTING", Some((Hook::Postrouting, 100)), "return"),
        ] {
            let name = chain(table, name);
            self.hook(HookEvent::Chain(ChainInfo { name: name.clone(), base }));
            for (handle, text) in [(1, "accept"), (2, text)] {
                let comment = Some("shop/stock:http".into());
                let rule = RuleInfo { chain: name.clone(), handle, text: text.into(), comment };
                self.hook(HookEvent::Rule(rule));
            }
        }
    }

    fn step(&mut self, id: u32, name: ChainName, action: Action, packet: Option<TracedPacket>) {
        self.pass(MICROS);
        let step = TraceStep { id, chain: name, kind: StepKind::Rule(2), action, packet };
        self.hook(HookEvent::Step(step));
    }

    /// A SYN's way: into PREROUTING, translated, and accepted or dropped in FORWARD.
    fn trace(&mut self, id: u32, port: u16, isn: u32, last: Action) {
        let outer = tuple(endpoint(CLIENT, port), endpoint(SERVICE, 80));
        let inner = tuple(endpoint(CLIENT, port), endpoint(SERVER, 8080));
        let packet = |tuple| TracedPacket {
            tuple,
            ttl: 64,
            ip_id: port,
            seq: isn,
            flags: TcpSegment::SYN,
            len: 0,
            connection: None,
        };
        self.step(id, chain("nat", "PREROUTING"), jump("KUBE-SEP-A"), Some(packet(outer)));
        self.step(id, chain("nat", "KUBE-SEP-A"), Action::Accept, None);
        self.step(id, chain("filter", "FORWARD"), last, Some(packet(inner)));
    }

    /// A SYN as kappa1's cali saw it.
    fn asks(&mut self, port: u16, isn: u32) {
        let outer = tuple(endpoint(CLIENT, port), endpoint(SERVICE, 80));
        self.see(CALI_A, Direction::In, outer, segment(isn, 0, TcpSegment::SYN, b""), b"");
    }
}

fn hooks(traced: &Traced) -> Vec<Hook> {
    traced.passes.iter().map(|pass| pass.hook).collect()
}

#[test]
fn a_dropped_packet_has_its_rule_and_the_endpoint_it_was_meant_for() {
    for is_described_first in [true, false] {
        let mut cluster = Cluster::new(0);
        cluster.asks(45_700, 100);
        if is_described_first {
            cluster.describe();
        }
        cluster.trace(7, 45_700, 100, Action::Drop);
        if !is_described_first {
            cluster.describe();
        }
        let trail = cluster.finish().remove(0);
        let [traced] = &trail.traced[..] else { panic!("{:?}", trail.traced) };
        assert_eq!(hooks(traced), [Hook::Prerouting, Hook::Forward]);
        let rule = traced.dropping_rule().expect("it was dropped");
        assert_eq!((&*rule.chain.chain, rule.number, &*rule.text), ("FORWARD", Some(2), "drop"));
        let leg = &trail.legs[0];
        assert_eq!(leg.server, Some(endpoint(SERVER, 8080)), "no packet ever showed it");
        let [done] = &leg.translations[..] else { panic!("{:?}", leg.translations) };
        assert_eq!(done.evidence[..], [TranslationEvidence::HookTrace]);
        let rule = done.rule.as_ref().expect("a rule");
        assert_eq!((&*rule.chain.chain, rule.service().as_deref()), ("KUBE-SEP-A", Some("shop/stock:http")));
    }
}

#[test]
fn a_later_packet_with_the_same_id_is_another() {
    let mut cluster = Cluster::new(0);
    cluster.describe();
    for (port, isn) in [(45_700, 100), (45_701, 900)] {
        cluster.asks(port, isn);
        cluster.trace(7, port, isn, Action::Drop);
    }
    // The first is sent again.
    cluster.asks(45_700, 100);
    cluster.trace(7, 45_700, 100, Action::Accept);
    let trails = cluster.finish();
    let counts: Vec<usize> = trails.iter().map(|trail| trail.traced.len()).collect();
    assert_eq!(counts, [2, 1]);
    assert!(trails.iter().flat_map(|trail| &trail.traced).all(|traced| traced.passes.len() == 2));
    assert!(trails[0].traced[0].dropped().is_some() && trails[0].traced[1].dropped().is_none());
}

#[test]
fn steps_of_nothing_known_are_left_out() {
    let mut cluster = Cluster::new(0);
    cluster.asks(45_700, 100);
    // Its first message was lost, a chain is none that a hook could be told of, and another connection's packet.
    cluster.step(1, chain("filter", "FORWARD"), Action::Drop, None);
    cluster.trace(2, 45_999, 5, Action::Drop);
    let trail = cluster.finish().remove(0);
    assert!(trail.traced.is_empty() && trail.legs[0].translations.is_empty());
    // Names alone tell the hooks of iptables' own chains.
    let mut cluster = Cluster::new(0);
    cluster.asks(45_700, 100);
    cluster.trace(3, 45_700, 100, Action::Drop);
    let trail = cluster.finish().remove(0);
    assert_eq!(hooks(&trail.traced[0]), [Hook::Prerouting, Hook::Forward]);
    let rule = trail.traced[0].dropping_rule().expect("a rule");
    assert_eq!((rule.number, rule.handle, &*rule.text), (None, Some(2), ""));
}

#[test]
fn what_is_kept_of_traced_packets_is_bounded() {
    let mut cluster = Cluster::new(0);
    cluster.describe();
    for round in 0..20_000_u32 {
        cluster.trace(round, 40_000 + (round % 20_000) as u16, round, Action::Drop);
    }
    assert_eq!(cluster.core.traces.len(), (8192, 2 * 8192));
    cluster.pass(100 * SECONDS);
    cluster.asks(1, 1);
    cluster.trace(1, 1, 1, Action::Drop);
    assert_eq!(cluster.core.traces.len(), (1, 2), "old ones are forgotten");
}
