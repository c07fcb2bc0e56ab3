//! Holds the rooms to their order: a room may use only those before it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may use, in the order of the line.
const ROOMS: [(&str, &[&str]); 11] = [
    ("model", &[]),
    ("capture", &["model"]),
    ("decode", &["model"]),
    ("correlate", &["model", "decode"]),
    ("stages", &["model"]),
    // Its tests draw journeys that are placed as real ones are.
    ("timeline", &["model", "stages"]),
    ("tui", &["model", "timeline", "stages"]),
    ("report", &["model", "timeline"]),
    ("config", &["model", "capture", "timeline"]),
    ("check", &["model", "timeline", "report"]),
    (
        "app",
        &[
            "model",
            "capture",
            "decode",
            "correlate",
            "stages",
            "timeline",
            "tui",
            "report",
            "config",
            "check",
        ],
    ),
];

#[test]
fn every_room_uses_only_earlier_rooms() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, allowed) in ROOMS {
        for file in rust_files(&src.join(room)) {
            let text = fs::read_to_string(&file).expect("source is readable");
            for used in rooms_named_in(&text) {
                if used != room && !allowed.contains(&used) {
                    wrong.push(format!("{} uses {used}", file.strip_prefix(&src).unwrap_or(&file).display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "sideways imports:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_is_listed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = fs::read_dir(src).expect("src").filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    for room in rooms {
        let name = room.file_name().to_string_lossy().into_owned();
        assert!(ROOMS.iter().any(|(known, _)| *known == name), "{name} has no place in the order");
    }
}

#[test]
fn an_import_is_found_in_each_form() {
    let text = "use crate::model::Ip;\nuse crate::{capture, decode::http as h};\nlet x = crate::tui::draw();\n\
                //! [`crate::stages`]\n// crate::report\npub(crate) fn f() {}\nuse super::config;\n";
    assert_eq!(rooms_named_in(text), ["model", "capture", "decode", "tui"]);
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a room").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The rooms that `text` names after `crate::`, comments apart.
fn rooms_named_in(text: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    for line in code {
        for (at, path) in line.match_indices("crate::") {
            let rest = &line[at + path.len()..];
            match rest.strip_prefix('{') {
                Some(group) => {
                    let group = group.split('}').next().unwrap_or(group);
                    rooms.extend(group.split(',').map(first_word).filter(|word| !word.is_empty()));
                }
                None => rooms.push(first_word(rest)),
            }
        }
    }
    rooms
}

fn first_word(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    &path[..end]
}
