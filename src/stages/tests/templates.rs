//! The templates themselves, and what is said of broken ones.

use std::fs;

use crate::model::Way;
use crate::stages::{TemplateError, Templates};

#[test]
fn every_embedded_template_is_named_like_its_path() {
    let templates = Templates::embedded();
    let names: Vec<&str> = templates.iter().map(|template| &*template.name).collect();
    assert_eq!(
        names,
        [
            "pod-to-service",
            "pod-to-pod",
            "ingress-to-pod",
            "external-to-pod",
            "external-to-service",
            "host-to-pod",
            "pod-to-external",
            "nodeport-to-pod",
            "dns-lookup",
        ]
    );
    for name in names {
        assert_eq!(templates.get(name).map(|template| &*template.name), Some(name));
    }
}

#[test]
fn the_stages_are_those_of_the_paths() {
    let templates = Templates::embedded();
    let numbers = |name: &str, way: Way| -> String {
        let template = templates.get(name).expect(name);
        template.stages_of(way).map(|label| label.stage.to_string()).collect()
    };
    assert_eq!(numbers("pod-to-service", Way::Request), "①②③④⑤⑥⑦⑧⑨");
    assert_eq!(numbers("pod-to-service", Way::Reply), "(1)(2)(3)(4)(5)(6)");
    assert_eq!(numbers("pod-to-pod", Way::Request), "①②③④⑤⑥⑦⑧⑨⑩⑪");
    assert_eq!(numbers("pod-to-pod", Way::Reply), "(1)(2)(3)(4)");
    assert_eq!(numbers("ingress-to-pod", Way::Request), "①②③④⑤⑥⑦⑧⑨⑩⑫⑬⑭⑮");
    assert_eq!(numbers("ingress-to-pod", Way::Reply), "(1)(2)(3)(4)");
    assert_eq!(numbers("external-to-pod", Way::Request), "①②③④⑤⑥⑦⑧⑨");
    assert_eq!(numbers("external-to-pod", Way::Reply), "(1)(2)(3)(4)(5)");
    assert_eq!(numbers("external-to-service", Way::Request), "①②③④⑤");
    assert_eq!(numbers("external-to-service", Way::Reply), "(1)(2)(3)(4)(5)");
}

#[test]
fn labels_are_short_in_both_languages() {
    for template in Templates::embedded().iter() {
        for stage in &template.stages {
            for text in [&stage.label.en, &stage.label.zh] {
                assert!(text.chars().count() <= 40, "{}: {text}", template.name);
            }
        }
    }
}

const GOOD: &str = r#"name = "pod-to-external"
title = { en = "out", zh = "出" }

[request]
"①" = { en = "one", zh = "一" }
"②" = { en = "two {server}", zh = "二" }

[reply]
"(1)" = { en = "back", zh = "回" }

[[route]]
name = "all"
request = ["① W-in A", "② U-out A"]
reply = ["(1) W-out A"]
"#;

fn load(text: &str) -> Result<Templates, TemplateError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("mine.toml"), text).expect("a file in it");
    Templates::load(dir.path())
}

#[test]
fn a_template_of_ones_own_replaces_the_embedded_one() {
    let templates = load(GOOD).expect("a good template");
    let own = templates.get("pod-to-external").expect("its name");
    assert_eq!(own.title.en, "out");
    assert_eq!(templates.iter().count(), 9, "the others stay");
}

#[test]
fn a_broken_template_is_named_with_line_fault_and_remedy() {
    let cases: [(&str, &str, usize, &str, &str); 18] = [
        ("② U-out A", "② U-sideways A", 13, "`U-sideways` is no place", "use one of: W-in, W-out"),
        ("② U-out A", "② U-out Q", 13, "`Q` is no node", "use one of: A, B, V, T"),
        ("② U-out A", "② U-out", 13, "the node is not named", "use one of: A"),
        ("② U-out A", "② outside A", 13, "on no node", "take the node out"),
        ("② U-out A", "③ U-out A", 13, "stage ③ has no label", "to [request]"),
        ("② U-out A", "(1) U-out A", 13, "`(1)` is no stage", "① to ⑳"),
        ("② U-out A", "②", 13, "a stage and a place", "\"⑦ U-out A\""),
        ("② U-out A", "② U-out A B", 13, "`B` is too much", "\"⑦ U-out A\""),
        ("② U-out A", "② U-out A\", \"② U-in A", 13, "visited on this node before", "another node"),
        ("② U-out A", "② U-out A\", \"· W-in A", 13, "capture point before", "another node"),
        ("\"(1)\" =", "\"①\" =", 9, "`①` is no stage", "(1) to (20)"),
        ("{server}", "{host}", 6, "a placeholder that is not known: `{host}`", "use {client}"),
        ("en = \"one\"", "en = \" \"", 5, "empty label", "a few words"),
        ("zh = \"一\"", "zz = \"一\"", 5, "unknown field `zz`", "compare with a template"),
        ("name = \"all\"", "name = \"all\"\nwhen = [\"sunny\"]", 13, "`sunny` is no fact", "same-node"),
        (
            "name = \"all\"",
            "name = \"all\"\nwhen = [\"same-node\"]",
            12,
            "is the last and has a condition",
            "without `when`",
        ),
        (
            "name = \"pod-to-external\"",
            "name = \"pod-to-moon\"",
            1,
            "named `pod-to-moon`",
            "pod-to-service, ",
        ),
        ("title = {", "title = ", 2, "", "compare with a template"),
    ];
    for (from, to, line, what, hint) in cases {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from} is not in the template");
        let error = load(&text).expect_err(to);
        assert!(error.file.ends_with("mine.toml"), "{error}");
        assert_eq!(error.line, line, "{error}");
        assert!(error.what.contains(what), "{error}");
        assert!(error.hint.contains(hint), "{error}");
    }
}

#[test]
fn a_route_that_hides_another_and_a_stage_without_visit_are_faults() {
    let twice = format!("{GOOD}\n[[route]]\nname = \"more\"\nrequest = [\"① W-in A\"]\nreply = []\n");
    let error = load(&twice).expect_err("the first route has no condition");
    assert!(error.what.contains("hides the routes after it"), "{error}");
    let unused = GOOD.replace("\"② U-out A\"", "\"① W-in B\"");
    let error = load(&unused).expect_err("② is nowhere");
    assert!(error.what.contains("no route visits it"), "{error}");
}

#[test]
fn a_directory_without_templates_or_without_itself_is_an_error() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert!(Templates::load(dir.path()).expect_err("empty").what.contains("no template"));
    let gone = dir.path().join("gone");
    assert!(Templates::load(&gone).expect_err("gone").what.contains("cannot be read"));
}
