//! The program as its users start it: arguments, exit codes, what is on stdout and stderr.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const UNUSABLE: Option<i32> = Some(2);

fn hopline(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the program runs")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopline"));
    command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    // Not this user's configuration.
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_CONFIG_DIRS", "/nonexistent");
    command
}

fn capture(case: &str, file: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "captures", case, file].iter().collect();
    path.display().to_string()
}

fn nodes(case: &str) -> [String; 3] {
    ["kappa1.pcapng", "kappa2.pcapng", "kappa3.pcapng"].map(|file| capture(case, file))
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = hopline(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One line on stderr, nothing on stdout, exit code 2; gives the line.
fn refused(arguments: &[&str]) -> String {
    let output = hopline(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), UNUSABLE, "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(said.starts_with("hopline: "), "{said}");
    said
}

#[test]
fn a_report_has_the_keys_of_its_contract_in_their_order() {
    let [a, b, c] = nodes("pod-to-service-dns");
    let output = hopline(&["report", &a, &b, &c, "--format", "json"]);
    let written = text(&output.stdout);
    let keys = |from: &str| {
        let mut at = written.find(from).expect("the object");
        for key in match from {
            "{\"schema\"" => &["schema", "sources", "journeys", "lookups", "unclassified"][..],
            "{\"node\"" => &[
                "node",
                "file",
                "interfaces",
                "packets",
                "not_understood",
                "damaged",
                "dropped",
                "clock_offset_ns",
                "clock_error_ns",
            ],
            _ => &[
                "id",
                "path",
                "route",
                "started_ns",
                "ended_ns",
                "client",
                "target",
                "server",
                "names",
                "exchange",
                "legs",
                "handoffs",
                "request",
                "reply",
                "retransmissions",
                "verdict",
            ],
        } {
            let next = written[at..].find(&format!("\"{key}\":"));
            at += next.unwrap_or_else(|| panic!("{key} is not where it should be"));
        }
    };
    keys("{\"schema\"");
    keys("{\"node\"");
    keys("{\"id\"");
    let document: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(document["schema"], "hopline/report/1");
    assert_eq!(document["journeys"].as_array().map(Vec::len), Some(9));
    assert_eq!(document["lookups"], 6);
    for (index, journey) in document["journeys"].as_array().expect("journeys").iter().enumerate() {
        assert_eq!(journey["id"], index + 1);
        for visit in journey["request"].as_array().expect("visits") {
            let has = |key: &str| visit.get(key).is_some();
            let (seen, bounded) = (visit["state"] == "seen", visit["state"] == "bounded");
            assert_eq!(
                (has("time_ns"), has("after_ns"), has("before_ns")),
                (seen, bounded, bounded),
                "{visit}"
            );
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_and_another_order_only_other_sources() {
    let [a, b, c] = nodes("mixed-paths-clocks");
    for format in ["text", "json"] {
        let first = hopline(&["report", &a, &b, &c, "--format", format]).stdout;
        for _ in 0..5 {
            assert_eq!(hopline(&["report", &a, &b, &c, "--format", format]).stdout, first);
        }
    }
    let mut straight = json(&["report", &a, &b, &c, "--format", "json"]);
    let mut turned = json(&["report", &c, &a, &b, "--format", "json"]);
    let files = |document: &serde_json::Value| {
        let sources = document["sources"].as_array().cloned().unwrap_or_default();
        sources
            .iter()
            .map(|source| source["file"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&straight), [a.clone(), b.clone(), c.clone()]);
    assert_eq!(files(&turned), [c, a, b]);
    straight["sources"].as_array_mut().expect("sources").sort_by_key(|source| source["node"].to_string());
    turned["sources"].as_array_mut().expect("sources").sort_by_key(|source| source["node"].to_string());
    assert_eq!(straight, turned);
}

#[test]
fn a_proxy_is_named_as_the_user_says() {
    let files = nodes("ingress-keep-alive");
    let proxies = |more: &[&str]| -> Vec<(String, String)> {
        let mut arguments = vec!["report", &files[0], &files[1], &files[2], "--format", "json"];
        arguments.extend(more);
        let report = json(&arguments);
        let handoffs = report["journeys"][0]["handoffs"].as_array().expect("handoffs").clone();
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        handoffs.iter().map(|handoff| (word(&handoff["node"]), word(&handoff["proxy"]))).collect()
    };
    let pair = |node: &str, proxy: &str| (node.to_owned(), proxy.to_owned());
    assert_eq!(proxies(&[]), [pair("kappa1", "haproxy"), pair("kappa2", "traefik")]);
    let given = ["--proxy", "other=192.168.50.100:80", "--proxy", "haproxy=192.168.50.12"];
    assert_eq!(proxies(&given), [pair("kappa1", "unknown"), pair("kappa2", "haproxy")]);
}

#[test]
fn without_joins_each_connection_has_its_own_exchanges() {
    let [a, b, c] = nodes("ingress-keep-alive");
    let legs = |more: &[&str]| -> Vec<usize> {
        let document = json(&[&["report", &a, &b, &c, "--format", "json"], more].concat());
        let journeys = document["journeys"].as_array().expect("journeys").iter();
        journeys.map(|journey| journey["legs"].as_array().map_or(0, Vec::len)).collect()
    };
    let (joined, apart) = (legs(&[]), legs(&["--no-joins"]));
    assert!(joined.contains(&3), "{joined:?}");
    assert!(apart.iter().all(|&legs| legs == 1), "{apart:?}");
    assert_eq!(apart.len(), joined.iter().sum::<usize>(), "nothing is lost");
}

#[test]
fn a_packet_in_a_tunnel_is_the_one_inside() {
    for (case, encapsulation, device) in
        [("mixed-paths-vxlan", "VXLAN", "vxlan.calico"), ("mixed-paths-ipip", "IPIP", "tunl0")]
    {
        let where_ = "path == pod-to-service and proto == http and route == other-node";
        let [a, b, c] = nodes(case);
        let output = hopline(&["report", "--where", where_, &a, &b, &c]);
        let drawn = text(&output.stdout);
        for (part, place) in [
            (format!("leaves the node ({encapsulation})"), "bond1"),
            ("through the tunnel".to_owned(), device),
        ] {
            assert!(drawn.lines().any(|line| line.contains(&part) && line.contains(place)), "{drawn}");
        }
    }
    let [a, b, c] = nodes("fault-vxlan-host");
    let drawn = text(&hopline(&["report", "--where", "outcome == lost", &a, &b, &c]).stdout);
    assert!(drawn.contains("lost inside kappa1, behind vxlan.calico"), "{drawn}");
}

#[test]
fn one_journey_and_those_that_fit() {
    let [a, b, c] = nodes("pod-to-service-dns");
    let all = json(&["report", &a, &b, &c, "--format", "json"]);
    let one = json(&["report", &a, &b, &c, "--format", "json", "--journey", "4"]);
    assert_eq!(one["journeys"], serde_json::json!([all["journeys"][3]]));
    let fitting = json(&["report", &a, &b, &c, "--format", "json", "--where", "path == dns-lookup"]);
    assert_eq!(fitting["journeys"].as_array().map(Vec::len), Some(6));
    assert_eq!((&fitting["lookups"], &fitting["sources"]), (&all["lookups"], &all["sources"]));
    let none = json(&["report", &a, &b, &c, "--format", "json", "--where", "status == 599"]);
    assert_eq!(none["journeys"], serde_json::json!([]));
    let whole = text(&hopline(&["report", &a, &b, &c, "--journey", "4"]).stdout);
    assert!(whole.contains("#4 ") && !whole.contains("#5 "), "{whole}");
    assert!(refused(&["report", &a, "--journey", "4000"]).contains("--journey 4000: there are "));
}

/// What is written of a journey is a recording of its own, which tells of the same journey.
#[test]
fn the_packets_of_one_journey_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journey.pcapng").display().to_string();
    let node = capture("pod-to-service-dns", "kappa1.pcapng");
    let whole = json(&["report", &node, "--format", "json"]);
    let journeys = whole["journeys"].as_array().expect("journeys");
    let journey = journeys.iter().find(|it| it["exchange"]["protocol"] == "http").expect("a request");
    let id = journey["id"].to_string();
    let output = hopline(&["report", &node, "--journey", &id, "--write", &path]);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("packets written to"), "{said}");
    assert!(!said.contains(';'), "all of them: {said}");
    let part = json(&["report", &path, "--format", "json"]);
    assert_eq!(part["sources"][0]["node"], "kappa1");
    let again = part["journeys"].as_array().expect("journeys");
    let same = again.iter().find(|it| it["exchange"] == journey["exchange"]).expect("the same request");
    for key in ["path", "route", "client", "target", "server", "request", "reply", "started_ns", "ended_ns"] {
        assert_eq!(same[key], journey[key], "{key}");
    }
    let others = again.iter().filter(|it| it["exchange"]["protocol"] == "http").count();
    assert_eq!(others, 1, "packets of this journey only");
    // Of a stream they are kept while it passes.
    let stream = directory.path().join("stream.pcapng").display().to_string();
    let mut piped = command(&["report", "kappa1=-", "--journey", &id, "--write", &stream]);
    let piped = piped.stdin(fs::File::open(&node).expect("a recording")).output().expect("the program runs");
    assert!(piped.status.success(), "{}", text(&piped.stderr));
    assert_eq!(fs::read(&stream).expect("a recording"), fs::read(&path).expect("a recording"));
    let refusal = refused(&["report", &node, "--write", &path]);
    assert!(refusal.contains("--journey"), "{refusal}");
}

#[test]
fn every_format_tells_the_same_journeys() {
    let files = nodes("mixed-paths");
    let report = |more: &[&str]| {
        let output = hopline(&[&["report", &files[0], &files[1], &files[2]], more].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{more:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    for (more, filtered) in
        [(&[][..], false), (&["--where", "path == pod-to-pod"], true), (&["--journey", "3"], true)]
    {
        let with = |format: &'static str| report(&[&["--format", format], more].concat());
        let expected: serde_json::Value = serde_json::from_str(&with("json")).expect("JSON");
        let journeys = expected["journeys"].as_array().expect("journeys");
        assert!(!journeys.is_empty() && (journeys.len() < 20) == filtered, "{}", journeys.len());

        let csv = with("csv");
        let records: Vec<&str> = csv.split_terminator("\r\n").collect();
        assert_eq!(records.len(), journeys.len() + 1);
        for (record, journey) in records[1..].iter().zip(journeys) {
            let fields: Vec<&str> = record.split(',').collect();
            assert_eq!(fields[0], journey["id"].to_string());
            assert_eq!(fields[2], journey["started_ns"].to_string());
            assert_eq!(Some(fields[5]), journey["path"].as_str());
        }

        let options =
            || roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        let html = with("html");
        let page = roxmltree::Document::parse_with_options(&html, options()).expect("markup");
        let folded = page.descendants().filter(|node| node.tag_name().name() == "details");
        let ids: Vec<String> = folded.filter_map(|node| node.attribute("id").map(str::to_owned)).collect();
        assert!(
            ids.iter().eq(journeys
                .iter()
                .map(|journey| format!("j{}", journey["id"]))
                .collect::<Vec<_>>()
                .iter())
        );

        let svg = with("svg");
        let picture = roxmltree::Document::parse_with_options(&svg, options()).expect("XML");
        let numbers = picture.descendants().filter(|node| {
            node.attribute("class") == Some("head") && node.text().is_some_and(|text| text.starts_with('#'))
        });
        let numbers: Vec<&str> = numbers.filter_map(|node| node.text()).collect();
        assert!(
            numbers.iter().eq(journeys
                .iter()
                .map(|journey| format!("#{}", journey["id"]))
                .collect::<Vec<_>>()
                .iter())
        );
        for format in ["csv", "html", "svg"] {
            assert_eq!(with(format), with(format), "the same input gives the same bytes");
        }
    }
}

#[test]
fn wrong_arguments_and_files_are_said_in_one_line() {
    let a = capture("pod-to-service-dns", "kappa1.pcapng");
    let no_capture = capture("pod-to-service-dns", "README.md");
    for (arguments, said) in [
        (&[][..], "try `hopline demo`"),
        (&["report"], "--help"),
        (&["report", "/nowhere/x.pcap"], "/nowhere/x.pcap: no such file"),
        (&["report", &no_capture], "pcapng"),
        (&["report", &a, &a], "twice"),
        (&["report", &a, "--clock", "kappa9=1s"], "there are kappa1"),
        (&["report", &a, "--clock", "kappa1=1s"], "first node"),
        (&["report", &a, "--ifmap", "kappa9:1=lo"], "kappa9"),
        (&["report", &a, "--paths", "/nowhere"], "/nowhere"),
        (&["paths", "pod-to-moon"], "there are pod-to-service"),
        (&["check", "/nowhere"], "/nowhere"),
    ] {
        let line = refused(arguments);
        assert!(line.contains(said), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn a_configuration_is_found_told_and_checked() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("hopline/config.toml");
    fs::create_dir(path.parent().expect("a directory")).expect("a directory");
    let run = |arguments: &[&str], text: &str| {
        fs::write(&path, text).expect("written");
        command(arguments).env("XDG_CONFIG_HOME", home.path()).output().expect("the program runs")
    };
    let [a, ..] = nodes("pod-to-service-dns");
    assert!(text(&run(&["report", &a], "lang = \"zh\"\n").stdout).contains("来源"));
    assert!(text(&run(&["report", &a, "--lang", "en"], "lang = \"zh\"\n").stdout).contains("sources"));
    assert!(text(&run(&["doctor"], "").stdout).contains(&format!("{} is read", path.display())));
    for (wrong, said) in [
        ("speed = 3\n", "config.toml: line 1: unknown field `speed`"),
        ("\n[keys]\nfly = \"F\"\n", "config.toml: line 3: `fly` is no action; there are up, down"),
        ("columns = [\"time\",\n\"colour\"]\n", "config.toml: line 2: `colour` is no column"),
        ("[colours]\nbad = \"reddish\"\n", "config.toml: line 2: `reddish` is no colour"),
    ] {
        for arguments in [&["report", &a][..], &["demo"], &["paths"]] {
            let output = run(arguments, wrong);
            assert_eq!(output.status.code(), UNUSABLE, "{arguments:?}");
            assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
            assert_eq!(text(&output.stderr).lines().count(), 1);
        }
        let doctor = run(&["doctor"], wrong);
        assert!(doctor.status.success() && text(&doctor.stdout).contains(said), "{}", text(&doctor.stdout));
        assert!(run(&["report", &a, "--config", "/dev/null"], wrong).status.success());
    }
    assert!(refused(&["report", &a, "--config", "/nowhere.toml"]).contains("/nowhere.toml: no such file"));
}

#[test]
fn a_wrong_expression_is_marked() {
    let said = refused(&["report", "x.pcap", "--where", "host ~ shop and status >= many"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[1], "host ~ shop and status >= many");
    assert_eq!(lines[2].find('^'), lines[1].find("many"), "{said}");
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let [a, b, c] = nodes("mixed-paths");
    let mut child = command(&["report", &a, &b, &c, "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_recording_that_is_cut_short_shows_what_could_be_read() {
    let whole = fs::read(capture("pod-to-service-dns", "kappa1.pcapng")).expect("a recording");
    let directory = tempfile::tempdir().expect("a directory");
    let mut most = 0;
    for part in 1..12 {
        let path = directory.path().join("kappa1.pcapng");
        fs::write(&path, &whole[..=whole.len() * part / 12]).expect("written");
        let output = hopline(&["report", path.to_str().expect("a name"), "--format", "json"]);
        if output.status.code() == UNUSABLE {
            assert_eq!((most, text(&output.stderr).lines().count()), (0, 1), "{}", text(&output.stderr));
            continue;
        }
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let packets = document["sources"][0]["packets"].as_u64().expect("a count");
        let damaged = document["sources"][0]["damaged"].as_u64().expect("a count");
        assert_eq!(damaged > 0, text(&output.stderr).contains("kappa1.pcapng: "), "{}", text(&output.stderr));
        assert!(packets >= most, "{packets} after {most}");
        most = packets;
    }
    assert!(most > 50, "{most}");
}

#[test]
fn packed_files_and_streams_read_like_plain_ones() {
    let plain = capture("pod-to-service-dns", "kappa1.pcapng");
    let bytes = fs::read(&plain).expect("a recording");
    let directory = tempfile::tempdir().expect("a directory");
    let journeys = |arguments: &[&str]| json(arguments)["journeys"].clone();
    let expected = journeys(&["report", &plain, "--format", "json"]);
    assert!(expected.as_array().is_some_and(|journeys| !journeys.is_empty()));

    let gzip = directory.path().join("kappa1.pcapng.gz");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&bytes).expect("packed");
    fs::write(&gzip, packer.finish().expect("packed")).expect("written");
    let zstd_file = directory.path().join("kappa1.pcapng.zst");
    fs::write(&zstd_file, zstd::encode_all(bytes.as_slice(), 1).expect("packed")).expect("written");
    for packed in [&gzip, &zstd_file] {
        assert_eq!(journeys(&["report", packed.to_str().expect("a name"), "--format", "json"]), expected);
    }

    let mut child = command(&["report", "kappa1=-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(&bytes).expect("written");
    let mut streamed = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut streamed).expect("text");
    assert!(child.wait().expect("it ends").success());
    let streamed: serde_json::Value = serde_json::from_str(&streamed).expect("JSON");
    assert_eq!(streamed["journeys"], expected);
}

#[test]
fn a_directory_is_all_of_its_recordings() {
    let [a, b, c] = nodes("pod-to-service-dns");
    let named = json(&["report", &a, &b, &c, "--format", "json"]);
    let directory = Path::new(&a).parent().expect("a directory").display().to_string();
    assert_eq!(json(&["report", &directory, "--format", "json"])["journeys"], named["journeys"]);
}

#[test]
fn the_demo_needs_no_file() {
    let output = command(&["demo", "--lang", "zh"]).current_dir("/").output().expect("the program runs");
    let shown = text(&output.stdout);
    assert!(output.status.success() && shown.contains("demo/mixed-paths/kappa1.pcapng"), "{shown}");
    let ascii = hopline(&["demo", "--ascii"]).stdout;
    assert!(ascii.is_ascii() && !ascii.is_empty());
}

/// In Chinese nothing of the program's own stays English, whatever became of a journey.
#[test]
fn every_verdict_is_told_in_chinese() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut told = 0;
    for case in fs::read_dir(captures).expect("captures").filter_map(Result::ok) {
        if !case.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let directory = case.path().display().to_string();
        let output = hopline(&["report", &directory, "--lang", "zh", "--where", "outcome != complete"]);
        for line in
            text(&output.stdout).lines().filter(|line| line.starts_with([' ']) && line.contains(" · "))
        {
            let Some((mark, sentence)) = line.trim_start().split_once(" · ") else { continue };
            if !mark.starts_with(['✗', '…']) {
                continue;
            }
            told += 1;
            assert!(
                sentence.contains(|c: char| ('\u{4e00}'..='\u{9fff}').contains(&c) || c == '：'),
                "{line}"
            );
            for english in [" the ", " and ", "answer", "never", "lost", " itself", " nothing", " packet"] {
                assert!(!sentence.contains(english), "{directory}: {line}");
            }
        }
    }
    assert!(told > 30, "{told}");
}

#[test]
fn paths_are_listed_in_both_languages_and_drawn() {
    let english = text(&hopline(&["paths"]).stdout);
    assert!(english.contains("pod-to-service") && english.contains("⑨"), "{english}");
    assert_ne!(text(&hopline(&["paths", "--lang", "zh"]).stdout), english);
    let drawn = text(&hopline(&["paths", "pod-to-service"]).stdout);
    assert!(drawn.contains("→ ① ②A ③A ④A") || drawn.contains("④A ⑤A ⑦A ⑧B ⑥B ⑨B"), "{drawn}");
}

#[test]
fn checking_says_what_differs_and_blessing_writes_only_what_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let case = directory.path().join("case");
    fs::create_dir(&case).expect("a directory");
    for file in nodes("pod-to-service-other-node") {
        fs::copy(&file, case.join(Path::new(&file).file_name().expect("a name"))).expect("a copy");
    }
    let root = directory.path().display().to_string();
    assert!(refused(&["check", &root]).contains("--bless"));

    assert!(hopline(&["check", "--bless", &root]).status.success());
    let file = case.join("expect.toml");
    let blessed = fs::read_to_string(&file).expect("expectations");
    assert!(hopline(&["check", &root]).status.success());

    fs::write(&file, blessed.replace("pod-to-service", "pod-to-moon")).expect("written");
    let again = hopline(&["check", "--bless", &root]);
    assert!(text(&again.stdout).contains("stays as it is"));
    let junit = directory.path().join("junit.xml");
    let failed = hopline(&["check", &root, "--junit", junit.to_str().expect("a name")]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        text(&failed.stdout).contains("path is pod-to-service, expected pod-to-moon"),
        "{}",
        text(&failed.stdout)
    );
    assert!(fs::read_to_string(junit).expect("XML").contains("<failure"));

    fs::write(&file, "colour = 1\n").expect("written");
    let wrong = hopline(&["check", &root]);
    assert_eq!(wrong.status.code(), UNUSABLE);
    assert!(text(&wrong.stdout).contains("line 1: unknown field"), "{}", text(&wrong.stdout));
}

/// The README's table of keys is the program's.
#[test]
fn the_readme_lists_the_keys() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README");
    assert!(
        readme.contains(&hopline::tui::keys::markdown()),
        "put this into README.md:\n{}",
        hopline::tui::keys::markdown()
    );
}

/// The README names the columns of the CSV report.
#[test]
fn the_readme_lists_the_columns() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README");
    let flat = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&format!("`{}`", hopline::report::csv::COLUMNS.join(" "))));
}

#[cfg(not(feature = "kubernetes"))]
#[test]
fn without_the_kubernetes_api_one_line_says_how_to_get_it() {
    let [a, ..] = nodes("pod-to-service-other-node");
    for option in ["--kubernetes", "--kubernetes=kappa"] {
        let said = refused(&["report", &a, option]);
        assert!(said.contains("--features kubernetes") && said.contains("--names FILE"), "{said}");
    }
}

/// A journey over several nodes is written with their names, and read as theirs.
#[test]
fn a_file_of_several_nodes_is_read_as_each_of_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journey.pcapng").display().to_string();
    let [a, b, c] = nodes("ingress-other-node-pod-elsewhere");
    let whole = json(&["report", &a, &b, &c, "--format", "json"]);
    assert!(hopline(&["report", &a, &b, &c, "--journey", "1", "--write", &path]).status.success());
    let part = json(&["report", &path, "--format", "json"]);
    let told = |report: &serde_json::Value| -> Vec<serde_json::Value> {
        report["sources"].as_array().expect("sources").iter().map(|source| source["node"].clone()).collect()
    };
    assert_eq!(told(&part), ["kappa1", "kappa2", "kappa3"]);
    // Of fewer packets the clocks' offsets are less sure, and with them the times.
    let stages = |journey: &serde_json::Value| -> Vec<serde_json::Value> {
        let visits = ["request", "reply"].map(|way| journey[way].as_array().expect("visits").clone());
        let said = ["stage", "node", "interface", "state", "direction"];
        visits.concat().iter().map(|visit| said.map(|key| visit[key].clone()).into_iter().collect()).collect()
    };
    let (one, same) = (&whole["journeys"][0], &part["journeys"][0]);
    for key in ["path", "route", "exchange", "client", "target", "server"] {
        assert_eq!(same[key], one[key], "{key}");
    }
    assert_eq!(stages(same), stages(one));
    assert_eq!(part["journeys"].as_array().map(Vec::len), Some(1));
    // As one node where that is wanted; a stream can be read only once, and says so.
    let forced = json(&["report", &format!("all={path}"), "--format", "json"]);
    assert_eq!(told(&forced), ["all"]);
    let mut piped = command(&["report", "-", "--format", "json"]);
    let piped = piped.stdin(fs::File::open(&path).expect("a recording")).output().expect("the program runs");
    let piped: serde_json::Value = serde_json::from_slice(&piped.stdout).expect("JSON");
    assert_eq!(told(&piped), ["kappa1"]);
    let seen = |report: &serde_json::Value, key: &str| report["sources"][0][key].as_u64().expect("a count");
    assert_eq!(seen(&piped, "packets"), seen(&part, "packets"));
    assert!(seen(&piped, "not_understood") > 0);
}

#[test]
fn names_of_a_file_are_shown_and_a_wrong_file_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let [a, b, c] = nodes("pod-to-service-other-node");
    let journeys = |names: &str| json(&["report", &a, &b, &c, "--format", "json", "--names", names]);
    let plain = json(&["report", &a, &b, &c, "--format", "json"]);
    let target = plain["journeys"][0]["target"].as_str().expect("a target").to_owned();
    let (ip, port) = target.rsplit_once(':').expect("a port");
    let object = serde_json::json!({ "kind": "List", "items": [{ "kind": "Service",
        "metadata": { "name": "of-a-file", "namespace": "shop" },
        "spec": { "clusterIP": ip, "ports": [{ "name": "web", "port": port.parse::<u16>().expect("a number") }] } }] });
    let kubectl = file("all.json", &object.to_string());
    assert_eq!(journeys(&kubectl)["journeys"][0]["names"][ip], "shop/of-a-file");
    let drawn = text(&hopline(&["report", &a, &b, &c, "--names", &kubectl]).stdout);
    assert!(drawn.contains("shop/of-a-file:web"), "{drawn}");
    let hosts = file("hosts", &format!("{ip} by-hosts # of mine\n"));
    assert_eq!(journeys(&hosts)["journeys"][0]["names"][ip], "by-hosts");
    let wrong = file("wrong", "no address here\n");
    let said = refused(&["report", &a, "--names", &wrong]);
    assert!(said.contains("line 1") && said.contains("kubectl get"), "{said}");
    assert!(refused(&["report", &a, "--names", "/nonexistent"]).contains("/nonexistent"));
}
