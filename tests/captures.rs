//! Holds every recording under `captures/` against its `expect.toml`, as `hopline check captures` does.

use std::fs;
use std::path::{Path, PathBuf};

use hopline::app::check_directory;
use hopline::stages::Templates;

fn cases() -> Vec<PathBuf> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let entries = fs::read_dir(captures).expect("captures").filter_map(Result::ok);
    let mut cases: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("expect.toml").is_file()).collect();
    cases.sort();
    cases
}

/// A copy of `case`, with `change` made to its expectations.
fn changed(case: &Path, change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for entry in fs::read_dir(case).expect("a case").filter_map(Result::ok) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    let file = copy.path().join("expect.toml");
    let text = fs::read_to_string(&file).expect("expectations");
    let other = change(&text);
    assert_ne!(text, other, "the change found nothing to change");
    fs::write(file, other).expect("written");
    copy
}

#[test]
fn every_recording_shows_what_is_expected_of_it() {
    let templates = Templates::embedded();
    let mut wrong = Vec::new();
    for case in cases() {
        match check_directory(&case, &templates) {
            Ok(differences) => {
                wrong.extend(differences.iter().map(|said| format!("{}: {said}", case.display())));
            }
            Err(error) => wrong.push(format!("{}: {error:#}", case.display())),
        }
    }
    assert!(!cases().is_empty(), "no case was found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_fact_that_does_not_hold_is_said_in_words() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/pod-to-service-other-node");
    let templates = Templates::embedded();
    for (from, to, said) in [
        ("outcome = \"complete\"", "outcome = \"lost\"", "outcome is complete, expected lost"),
        ("⑦kappa1", "⑦kappa2", "stage ⑦ on kappa1 is seen, expected on kappa2"),
        ("⑤kappa1~", "⑤kappa1✗", "stage ⑤ on kappa1 is bounded, expected missing"),
        (" ⑦kappa1", "", "stage ⑦ on kappa1 is seen, not expected at all"),
        ("lookups = 0", "lookups = 3", "lookups: 0, expected 3"),
        ("status = 200", "status = 503", "status is 200, expected 503"),
    ] {
        let copy = changed(&case, |text| text.replacen(from, to, 1));
        let differences = check_directory(copy.path(), &templates).expect("readable");
        assert!(differences.iter().any(|found| found.contains(said)), "{said}: {differences:?}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/pod-to-service-other-node");
    let copy = changed(&case, |text| text.replacen("outcome =", "outcom =", 1));
    let error = check_directory(copy.path(), &Templates::embedded()).expect_err("a wrong key");
    let said = format!("{error:#}");
    assert!(said.contains("line ") && said.contains("outcom"), "{said}");
}
