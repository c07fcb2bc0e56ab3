//! What the document says.

use super::*;
use crate::model::{Confidence, EvidenceKind, Ip, Join, NodeId as Node, Proxy, Tuple};
use crate::report::{Format, Part};
use crate::timeline::sample;

fn document(manner: Manner) -> String {
    sample::with_context(manner, |context| {
        let mut out = Format::Json.head(&Part::default(), &sample::sources(), context);
        let mut whole = Part::default();
        for (id, journey) in (1..).zip(&sample::all()) {
            let mut part = Part::default();
            Format::Json.journey(&mut part, id, journey, context);
            out.extend_from_slice(&Format::Json.join(&mut whole, &part));
            out.extend_from_slice(&part.bytes);
        }
        out.extend_from_slice(&Format::Json.tail(&whole, context));
        String::from_utf8(out).expect("text")
    })
}

#[test]
fn a_whole_document() {
    insta::assert_snapshot!(document(Manner::default()));
}

#[test]
fn journeys_through_proxies() {
    let written = sample::with_context(Manner::default(), |context| {
        let mut out = Vec::new();
        for (id, journey) in (1..).zip(&sample::proxies::all()) {
            super::journey(&mut out, id, journey, context);
            out.push(b'\n');
        }
        String::from_utf8(out).expect("text")
    });
    insta::assert_snapshot!(written);
}

#[test]
fn it_is_json_and_the_same_in_every_language() {
    let document_in_english = document(Manner::default());
    assert_eq!(document(Manner::new(crate::timeline::Language::Zh)), document_in_english);
    assert_eq!(document(Manner::ascii()), document_in_english);
    let value: serde_json::Value = serde_json::from_str(&document_in_english).expect("JSON");
    assert_eq!(value["journeys"].as_array().map(Vec::len), Some(sample::all().len()));
}

#[test]
fn what_only_some_protocols_tell_is_written_where_it_is_known() {
    use crate::model::{Application, Tls, TlsVersion};
    let written =
        |exchange: &Exchange| serde_json::to_string(&super::ExchangeRow::new(exchange)).expect("JSON");
    let call = Exchange { grpc_status: Some(14), ..Exchange::new(Application::Http) };
    assert!(written(&call).ends_with(r#""reply_bytes":0,"grpc_status":14}"#), "{}", written(&call));
    let tls = Tls { version: Some(TlsVersion(0x0304)), alpn: vec!["h2".into()], agreed_alpn: None };
    let hello = Exchange { tls: Some(Box::new(tls)), ..Exchange::new(Application::Tls) };
    let expected = r#""reply_bytes":0,"tls":{"version":"TLS 1.3","alpn":["h2"],"agreed_alpn":null}}"#;
    assert!(written(&hello).ends_with(expected), "{}", written(&hello));
    assert!(written(&Exchange::new(Application::Tcp)).ends_with(r#""reply_bytes":0}"#));
}

#[test]
fn a_handoff_names_its_legs_its_evidence_and_how_sure_it_is() {
    let evidence = |kind| crate::model::Evidence { kind, detail: "x-request-id 7f3a".into() };
    let join = Join {
        node: Some(Node(1)),
        proxy: Proxy::Traefik,
        evidence: [EvidenceKind::TraceId, EvidenceKind::Timing].map(evidence).into_iter().collect(),
        confidence: Confidence::of(0.87),
        rivals: 2,
        others: vec![Rival {
            client: Endpoint::new(Ip::v4([10, 0, 0, 2]), 4000),
            confidence: Confidence::of(0.12),
        }],
        request_delay_ns: Some(640_000),
        reply_delay_ns: None,
        is_given_up: true,
    };
    let hop = Hop { join, ..crate::model::sample::hop(0, Proxy::Traefik) };
    let mut out = Vec::new();
    sample::with_context(Manner::default(), |context| {
        value(&mut out, &HandoffRow::new(2, &hop, context));
    });
    assert_eq!(
        String::from_utf8(out).expect("text"),
        r#"{"from_leg":1,"to_leg":2,"node":"kappa2","proxy":"traefik","evidence":["trace-id","timing"],"confidence":0.87,"request_delay_ns":640000,"reply_delay_ns":null,"rivals":2,"others":[{"client":"10.0.0.2:4000","confidence":0.12}],"given_up":true}"#
    );
}

#[test]
fn a_translation_shows_the_part_that_changed() {
    let end = |last, port| Endpoint::new(Ip::v4([10, 0, 0, last]), port);
    let tuple = |src, dst| Tuple { protocol: Protocol::Tcp, src, dst };
    let from = tuple(end(1, 1000), end(2, 80));
    for (to, expected) in [
        (tuple(from.src, end(3, 8080)), r#""kind":"dnat","from":"10.0.0.2:80","to":"10.0.0.3:8080""#),
        (tuple(end(9, 2000), from.dst), r#""kind":"snat","from":"10.0.0.1:1000","to":"10.0.0.9:2000""#),
        (
            tuple(end(9, 2000), end(3, 8080)),
            r#""kind":"both","from":"10.0.0.1:1000 > 10.0.0.2:80","to":"10.0.0.9:2000 > 10.0.0.3:8080""#,
        ),
    ] {
        let evidence =
            [TranslationEvidence::PacketMatch { packets: 2, rivals: 0 }, TranslationEvidence::Conntrack];
        let evidence = evidence.into_iter().collect();
        let done = Translation { node: Node(0), from, to, evidence, is_contradicted: false, rule: None };
        let mut out = Vec::new();
        sample::with_context(Manner::default(), |context| {
            value(&mut out, &TranslationRow::new(&done, context));
        });
        let written = String::from_utf8(out).expect("text");
        assert!(written.contains(expected), "{written}");
        assert!(written.ends_with(r#""evidence":["packet-match","conntrack"],"rule":null}"#), "{written}");
    }
}
