//! Names from the Kubernetes API, of a server on loopback that speaks as much of it as they need.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use hopline::model::{SECONDS, Timestamp};
use serde_json::{Value, json};

use crate::net::Net;
use crate::{Live, asked, directory, live, pause, report, turn};

/// How often something is tried that should come soon.
const TRIES: usize = 60;
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// The server, and a kubeconfig for it whose user has the token from a plugin.
struct Api {
    child: Child,
    said: BufReader<ChildStdout>,
    kept: tempfile::TempDir,
}

impl Api {
    /// Starts it by a command that is python3, wherever that runs.
    fn start(mut python: Command) -> Api {
        python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/api_server.py"));
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut said = BufReader::new(child.stdout.take().expect("standard output"));
        let mut port = String::new();
        said.read_line(&mut port).expect("a port");
        let kept = tempfile::tempdir().expect("a directory");
        let api = Api { child, said, kept };
        let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": { "token": "of-a-plugin" } });
        let plugin = json!({ "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": "echo", "args": [credential.to_string()] });
        let kubeconfig = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{ "name": "lab", "cluster": { "server": format!("http://127.0.0.1:{}", port.trim()) } }],
            "users": [{ "name": "me", "user": { "exec": plugin } }, { "name": "nobody", "user": {} }],
            "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "me" } },
                         { "name": "powerless", "context": { "cluster": "lab", "user": "nobody" } }] });
        fs::write(api.kubeconfig(), kubeconfig.to_string()).expect("a file");
        api
    }

    fn kubeconfig(&self) -> PathBuf {
        self.kept.path().join("kubeconfig")
    }

    fn told(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("standard input");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("a line");
        let mut answer = String::new();
        self.said.read_line(&mut answer).expect("an answer");
        assert_eq!(answer.trim(), "done");
    }

    fn add_pod(&mut self, name: &str, ip: &str, start: &str) {
        let pod = json!({ "metadata": { "name": name, "namespace": "shop", "uid": name },
            "status": { "phase": "Running", "podIP": ip, "startTime": start } });
        self.told(&format!("pods {pod}"));
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks from a pod, each time for another path, until the journey that is told of it says the pod's name.
fn ask_until_named(
    net: &Net,
    told: &mut impl Iterator<Item = Value>,
    last: u8,
    name: &str,
) -> (String, Value) {
    for number in 0..TRIES {
        let path = format!("/{}/{number}", name.replace('/', "-"));
        net.ask_all(last, &[&path]);
        let journey = told.find(|journey| journey["exchange"]["path"] == path).expect("a journey");
        if journey["names"][format!("10.244.1.{last}")] == name {
            return (path, journey);
        }
    }
    panic!("10.244.1.{last} is not called {name}");
}

fn nanos(journey: &Value, key: &str) -> i64 {
    journey[key].as_i64().expect("a time")
}

/// A second after `nanos`, as Kubernetes writes it.
fn next_second(nanos: i64) -> String {
    let [year, month, day, hour, minute, second] = Timestamp(nanos + SECONDS).civil();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Waits until no process has `word` on its command line.
fn wait_for_the_last_of(word: &str) {
    for _ in 0..TRIES {
        if !Command::new("pgrep").args(["-f", word]).status().expect("pgrep of procps").success() {
            return;
        }
        pause();
    }
    panic!("something that was started with {word} is left running");
}

#[test]
fn pods_have_their_names_live_whenever_they_are_born_and_so_has_the_recording() {
    let mut net = Net::new();
    net.add_pod(21);
    let mut api = Api::start(net.on_node("python3", &[]));
    api.add_pod("first", "10.244.1.21", LONG_AGO);
    let (kept, file) = directory();
    let (only, kubeconfig) = (kept.path().join("only.pcapng"), api.kubeconfig().display().to_string());
    let cluster = ["--kubernetes", "--kubeconfig", &kubeconfig, "--write"];
    let record = [&["record", "--name", "kappa1"], &cluster[..], &[only.to_str().expect("a name")]].concat();
    let recorder = Live::start(&net, &record);
    let words = [&cluster[..], &[file.to_str().expect("a name")]].concat();
    let mut run = Live::start(&net, &live(&words));
    let mut told = run.reader();
    let (first_path, first) = ask_until_named(&net, &mut told, 21, "shop/first");

    net.add_pod(22);
    api.add_pod("born-later", "10.244.1.22", LONG_AGO);
    ask_until_named(&net, &mut told, 22, "shop/born-later");

    api.told("down");
    run.wait_for("cannot be watched");
    net.add_pod(23);
    api.add_pod("born-meanwhile", "10.244.1.23", LONG_AGO);
    api.told("up");
    ask_until_named(&net, &mut told, 23, "shop/born-meanwhile");

    // The address passes on. What the first pod asked stays the first one's.
    api.add_pod("heir", "10.244.1.21", &next_second(nanos(&first, "ended_ns")));
    let (last_path, _) = ask_until_named(&net, &mut told, 21, "shop/heir");
    drop(told);
    run.signal("TERM");
    recorder.end();
    for file in [&file, &only] {
        let journeys = report(&[file]);
        for (path, ip, name) in
            [(&first_path, "10.244.1.21", "shop/first"), (&last_path, "10.244.1.21", "shop/heir")]
        {
            assert_eq!(asked(&journeys, path)["names"][ip], name, "{}", file.display());
        }
    }
    wait_for_the_last_of(&kubeconfig);
}

fn listed(api: &Api, cluster: &str) -> Output {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/pod-to-service-other-node");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopline"));
    command.arg("report").arg(case).args(["--format", "csv", cluster, "--kubeconfig"]).arg(api.kubeconfig());
    command.output().expect("hopline runs")
}

#[test]
fn a_report_lists_names_once_and_says_what_it_may_not_or_cannot() {
    let _turn = turn();
    let mut api = Api::start(Command::new("python3"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let service = json!({ "metadata": { "name": "stock", "namespace": "of-the-api" },
        "spec": { "clusterIP": "10.43.10.13", "ports": [{ "name": "http", "port": 80 }] } });
    api.told(&format!("services {service}"));
    let told = listed(&api, "--kubernetes");
    assert!(text(&told.stdout).contains(",of-the-api/stock,"), "{}", text(&told.stderr));
    assert_eq!(text(&told.stderr), "");

    api.told("forbid pods");
    let told = listed(&api, "--kubernetes=lab");
    assert!(text(&told.stdout).contains(",of-the-api/stock,"));
    let said = text(&told.stderr);
    assert!(said.contains("pods cannot be listed (pods is forbidden to you; grant list and watch"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    api.told("down");
    for (cluster, why) in [
        ("--kubernetes", "check that it can be reached from here"),
        ("--kubernetes=powerless", "check that it can be reached from here"),
        ("--kubernetes=nowhere", "failed to load current context: nowhere"),
    ] {
        let told = listed(&api, cluster);
        let said = text(&told.stderr);
        assert_eq!((told.status.code(), told.stdout.len(), said.lines().count()), (Some(2), 0, 1), "{said}");
        assert!(said.starts_with("hopline: --kubernetes: ") && said.contains(why), "{said}");
    }
    api.told("up");
    // Each kind has a reason of its own.
    let told = listed(&api, "--kubernetes=powerless");
    assert_eq!(
        (told.status.code(), text(&told.stderr).lines().count()),
        (Some(2), 1),
        "{}",
        text(&told.stderr)
    );
}
