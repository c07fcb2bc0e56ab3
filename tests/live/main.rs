//! Live captures through the command line, in network namespaces. Needs root and `tests/lab/install`.

mod apart;
mod clocks;
#[cfg(feature = "kubernetes")]
mod cluster;
mod ends;
mod kernel;
mod lab;
mod net;
#[path = "../pty/mod.rs"]
mod pty;
mod routes;
mod screen;
mod trace;
mod variants;
mod views;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use net::{MUTE, Net};

/// How long something that should happen at once may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tests that have a machine's worth of programs and traffic take turns: many wait for what should happen soon.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    // One that failed does not keep the others from theirs.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that captures.
struct Live {
    child: Child,
    said: Receiver<String>,
    stdout: Option<ChildStdout>,
}

impl Live {
    /// Starts it on the node and waits until it captures.
    fn start(net: &Net, arguments: &[&str]) -> Live {
        Live::spawn(net.on_node(env!("CARGO_BIN_EXE_hopline"), arguments))
    }

    /// Starts it on the node.
    fn start_with(net: &Net, arguments: &[&str]) -> Live {
        Live::run(net.on_node(env!("CARGO_BIN_EXE_hopline"), arguments))
    }

    fn spawn(command: Command) -> Live {
        let live = Live::run(command);
        live.wait_for("capturing");
        live
    }

    fn run(mut command: Command) -> Live {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hopline starts");
        let stderr = child.stderr.take().expect("standard error");
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let stdout = child.stdout.take();
        Live { child, said, stdout }
    }

    /// The next line on standard error.
    fn said_next(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("a line")
    }

    /// Waits until a line with `part` is on standard error.
    fn wait_for(&self, part: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("`{part}` is not said"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until lines with each of `parts` came, in any order; a part that is given twice has to come twice.
    fn wait_for_all(&self, parts: &[&str]) {
        let mut left = parts.to_vec();
        while !left.is_empty() {
            let line = self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{left:?} is not said"));
            if let Some(at) = left.iter().position(|part| line.contains(part)) {
                left.remove(at);
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill").success());
    }

    /// Tells it to end, and gives what it wrote.
    fn end(mut self) -> String {
        self.signal("TERM");
        let mut text = String::new();
        self.stdout.take().expect("standard output").read_to_string(&mut text).expect("text");
        assert!(self.child.wait().expect("an end").success());
        text
    }

    /// The next journey, as soon as it is written.
    fn reader(&mut self) -> impl Iterator<Item = Value> + use<> {
        let lines = BufReader::new(self.stdout.take().expect("standard output")).lines();
        lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).expect("a JSON object a line"))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn journeys(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

fn report(files: &[&Path]) -> Vec<Value> {
    let report = document(files);
    assert_eq!(report["sources"][0]["node"], "kappa1", "the recording tells its node");
    report["journeys"].as_array().expect("journeys").clone()
}

fn sources(files: &[&Path]) -> Vec<Value> {
    document(files)["sources"].as_array().expect("sources").clone()
}

fn document(files: &[&Path]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopline"));
    let output = command.args(["report", "--format", "json"]).args(files).output().expect("hopline runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Journeys in one order and without their numbers, which say only in which order they were written.
fn comparable(journeys: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = journeys
        .iter()
        .map(|journey| {
            let mut journey = journey.clone();
            journey["id"] = Value::Null;
            journey.to_string()
        })
        .collect();
    all.sort();
    all
}

fn asked(journeys: &[Value], path: &str) -> Value {
    let found: Vec<&Value> = journeys.iter().filter(|journey| journey["exchange"]["path"] == path).collect();
    let all = || journeys.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(found.len(), 1, "{path} is not one journey of {}:\n{}", journeys.len(), all());
    found[0].clone()
}

/// Packets in a pcapng file by the name of their interface.
fn packets(file: &Path) -> BTreeMap<String, u64> {
    let bytes = fs::read(file).expect("a recording");
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    let (mut at, mut names, mut counts) = (0, Vec::new(), BTreeMap::new());
    while at < bytes.len() {
        match word(at) {
            1 => {
                // The name is the first option.
                let len = word(at + 16) >> 16;
                names.push(String::from_utf8_lossy(&bytes[at + 20..at + 20 + len]).into_owned());
            }
            6 => *counts.entry(names[word(at + 8)].clone()).or_default() += 1,
            _ => {}
        }
        at += word(at + 4);
    }
    counts
}

#[expect(clippy::disallowed_methods, reason = "the program under test has its own time")]
fn pause() {
    thread::sleep(Duration::from_secs(1));
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("recording.pcapng");
    (directory, file)
}

fn live<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["live", "--headless", "--format", "json", "--name", "kappa1"], more].concat()
}

#[test]
fn a_recording_of_a_live_run_gives_the_journeys_that_the_run_told() {
    let mut net = Net::new();
    net.add_pod(21);
    let (_kept, file) = directory();
    let run = Live::start(&net, &live(&["--write", file.to_str().expect("a name")]));
    net.ask_all(21, &["/a", "/b", "/c"]);
    // A pod that was not there when it all began.
    net.add_pod(22);
    run.wait_for("cali22 is new");
    net.ask_all(22, &["/d", "/e"]);
    let crossed = net.packets_of(22);
    let told = journeys(&run.end());
    for path in ["/a", "/b", "/c", "/d", "/e"] {
        let journey = asked(&told, path);
        assert_eq!(journey["verdict"]["outcome"], "complete", "{journey}");
        assert_eq!(journey["path"], "pod-to-external");
    }
    let visit = &asked(&told, "/d")["request"][0];
    assert_eq!((&visit["interface"], &visit["state"]), (&Value::from("cali22"), &Value::from("seen")));
    // Neighbour discovery may go on after the count was taken.
    let recorded = packets(&file)["cali22"];
    assert!(recorded >= crossed, "of the {crossed} packets of the new pod {recorded} were captured");
    assert_eq!(comparable(&report(&[&file])), comparable(&told));
}

#[test]
fn a_pod_that_dies_leaves_a_closed_journey_and_the_others_go_on() {
    let mut net = Net::new();
    net.add_pod(21);
    net.add_pod(22);
    let mut run = Live::start(&net, &live(&[]));
    let told = run.reader();
    let mut mute = net.ask(21, MUTE, &["/never"]);
    // Longer than the way of a request takes.
    pause();
    net.kill_pod(21);
    run.wait_for("cali21 is gone");
    let _ = mute.kill();
    let _ = mute.wait();
    net.ask_all(22, &["/after"]);
    run.signal("INT");
    let told: Vec<Value> = told.collect();
    let dead = asked(&told, "/never");
    assert_ne!(dead["verdict"]["outcome"], "complete", "{dead}");
    assert_eq!(dead["request"][0]["interface"], "cali21");
    assert_eq!(asked(&told, "/after")["verdict"]["outcome"], "complete");
}

#[test]
fn another_node_is_followed_and_its_stream_begins_anew() {
    let mut net = Net::new();
    let mut other = net.another();
    net.add_pod(21);
    other.add_pod(31);
    let enter = format!("ip netns exec {} {}", other.node(), env!("CARGO_BIN_EXE_hopline"));
    // Each stream ends by itself; the next one begins after a pause.
    let node = format!("kappa2={enter} record --name any --duration 5s --write -");
    let run = Live::start(&net, &live(&["--node", &node]));
    run.wait_for("kappa2: the command was started");
    run.wait_for("kappa2: the stream ended; again in 1 s");
    run.wait_for("kappa2: the first bytes came");
    net.ask_all(21, &["/here"]);
    other.ask_all(31, &["/there"]);
    run.wait_for("kappa2: the stream ended");
    let id = run.child.id();
    let told = journeys(&run.end());
    for (path, interface, node) in [("/here", "cali21", "kappa1"), ("/there", "cali31", "kappa2")] {
        let visit = &asked(&told, path)["request"][0];
        assert_eq!((&visit["interface"], &visit["node"]), (&Value::from(interface), &Value::from(node)));
    }
    let left = Command::new("pgrep").args(["-P", &id.to_string()]).output().expect("pgrep of procps");
    assert!(left.stdout.is_empty(), "nothing is left running");
}

#[test]
fn a_recording_on_standard_output_ends_with_its_reader() {
    let net = Net::new();
    let mut run = Live::start(&net, &["record", "--name", "kappa1", "--write", "-"]);
    let mut magic = [0; 4];
    let mut stdout = run.stdout.take().expect("standard output");
    stdout.read_exact(&mut magic).expect("a section header");
    assert_eq!(magic, [0x0a, 0x0d, 0x0d, 0x0a]);
    drop(stdout);
    assert!(run.child.wait().expect("an end").success());
}

#[test]
fn journeys_come_while_the_capture_goes_on() {
    let mut net = Net::new();
    net.add_pod(21);
    let options = ["--filter", "tcp port 8080", "-i", "cali*", "--nice", "3"];
    let mut run = Live::start(&net, &live(&options));
    let (sender, told) = channel();
    let reader = run.reader();
    thread::spawn(move || reader.for_each(|journey| drop(sender.send(journey))));
    net.ask_all(21, &["/now"]);
    let journey = told.recv_timeout(PATIENCE).expect("a journey before the end");
    assert_eq!(journey["exchange"]["path"], "/now");
    assert!(run.child.try_wait().expect("a state").is_none(), "it goes on");
    let nice = nice_values(run.child.id());
    assert_eq!(nice["hopline"], nice["capture"] + 3, "{nice:?}");
}

/// How far each thread of a program stands back, by its name; see proc_pid_stat(5).
fn nice_values(pid: u32) -> BTreeMap<String, i64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let value = |stat: String| {
        let (name, rest) = stat.split_once(" (")?.1.rsplit_once(") ")?;
        Some((name.to_owned(), rest.split(' ').nth(16)?.parse().ok()?))
    };
    stats.filter_map(value).collect()
}

#[test]
fn a_killed_run_leaves_a_readable_recording() {
    let mut net = Net::new();
    net.add_pod(21);
    let (_kept, file) = directory();
    let run = Live::start(&net, &["record", "--name", "kappa1", "--write", file.to_str().expect("a name")]);
    net.ask_all(21, &["/kept"]);
    // Blocks are written as they come.
    pause();
    run.signal("KILL");
    let journeys = report(&[&file]);
    assert_eq!(asked(&journeys, "/kept")["verdict"]["outcome"], "complete");
}

#[test]
fn a_rotated_recording_keeps_its_last_files_and_each_can_be_read_alone() {
    let mut net = Net::new();
    net.add_pod(21);
    let (kept, file) = directory();
    let file = file.to_str().expect("a name");
    let arguments = ["record", "--name", "kappa1", "--write", file, "--rotate", "4kB", "--keep", "3"];
    let run = Live::start(&net, &arguments);
    for _ in 0..6 {
        net.ask_all(21, &["/x", "/y"]);
    }
    net.ask_all(21, &["/last"]);
    run.end();
    let mut files: Vec<PathBuf> =
        fs::read_dir(kept.path()).expect("files").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).expect("a file").len() < 12_000));
    for file in &files {
        packets(file);
    }
    let all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    asked(&report(&all), "/last");
    // A stream tells its node by itself, too.
    let bytes = fs::read(&files[2]).expect("a file");
    let mut reading = Command::new(env!("CARGO_BIN_EXE_hopline"));
    reading.args(["report", "--format", "json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reading = reading.spawn().expect("hopline starts");
    reading.stdin.take().expect("its input").write_all(&bytes).expect("it reads");
    let read = reading.wait_with_output().expect("a report");
    let read: Value = serde_json::from_slice(&read.stdout).expect("JSON");
    assert_eq!(read["sources"][0]["node"], "kappa1");
}

/// Both what only moves bytes and what follows them.
#[test]
fn a_name_is_in_every_file_that_is_begun_after_it_was_seen() {
    for words in [&["record"][..], &["live", "--headless"]] {
        let mut net = Net::new();
        net.add_pod(21);
        let (kept, file) = directory();
        let file = file.to_str().expect("a name");
        let more = ["--name", "kappa1", "--write", file, "--rotate", "8kB", "--keep", "2"];
        let run = Live::start(&net, &[words, &more].concat());
        net.look_up(21, "stock.shop.svc.cluster.local");
        pause();
        for _ in 0..6 {
            net.ask_all(21, &["/x", "/y"]);
        }
        net.ask_all(21, &["/last"]);
        run.end();
        let files: Vec<PathBuf> =
            fs::read_dir(kept.path()).expect("files").map(|entry| entry.expect("a file").path()).collect();
        let last: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        assert_eq!(last.len(), 2, "{files:?}");
        let journeys = report(&last);
        assert!(journeys.iter().all(|journey| journey["path"] != "dns-lookup"), "that is in an earlier file");
        assert_eq!(asked(&journeys, "/last")["names"]["192.168.50.1"], "shop/stock", "{words:?}");
    }
}

#[test]
fn a_full_disk_is_told_once_and_capturing_goes_on() {
    let mut net = Net::new();
    net.add_pod(21);
    let disk = Disk::new();
    let file = disk.0.path().join("small.pcapng");
    let run = Live::start(&net, &live(&["--write", file.to_str().expect("a name")]));
    for number in 0..40 {
        let path = format!("/{number}");
        net.ask_all(21, &[&path, &path, &path]);
    }
    run.wait_for("cannot be written");
    net.ask_all(21, &["/after"]);
    let told = journeys(&run.end());
    assert_eq!(asked(&told, "/after")["verdict"]["outcome"], "complete");
    assert!(packets(&file)["cali21"] > 0, "whole blocks only");
    report(&[&file]);
}

#[test]
fn without_rights_one_line_says_what_is_missing() {
    for arguments in [&["live", "--headless"][..], &["record", "--write", "x.pcapng"], &["live"], &[]] {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw", env!("CARGO_BIN_EXE_hopline")]);
        let output = command.args(arguments).output().expect("setpriv of util-linux");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("setcap cap_net_raw") && said.contains("hopline demo"), "{said}");
    }
}

#[test]
fn what_every_node_has_and_is_not_here_is_said_in_a_line_each() {
    let net = Net::new();
    let run = Live::start_with(&net, &live(&[]));
    assert_eq!(run.said_next(), "hopline: capturing lo, bond1 on kappa1");
    let no_pods = "no pod's interface matches cali*; those that come will be followed";
    assert!(run.said_next().contains(no_pods));
    run.end();
    let run = Live::start_with(&net, &live(&["--uplink", "ens*"]));
    run.wait_for("no uplink matches ens*; name it, as in --uplink bond1");
    run.wait_for(no_pods);
    run.end();
    for (words, told) in [
        (
            &["doctor", "--uplink", "ens*"][..],
            "uplink         no   no uplink matches ens*; name it, as in --uplink bond1",
        ),
        (&["doctor"], "pods           no   no pod's interface matches cali*"),
        (&["doctor"], "interfaces     yes  lo (loopback), bond1 (uplink)"),
        (&["doctor", "--filter", "vlan 7"], "handles        yes  --filter looks at Ethernet headers"),
        (&["doctor", "--filter", "port port"], "capture        no   --filter port port: "),
    ] {
        let output = net.on_node(env!("CARGO_BIN_EXE_hopline"), words).output().expect("hopline runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.lines().any(|line| line.starts_with(told)), "{told} is not in\n{said}");
    }
}

/// Holds that a process is nobody's, has no capabilities but those in `bits`, and gets no others.
fn assert_has_only(process: u32, bits: u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a status");
    let permitted = format!("CapPrm:\t{bits:016x}");
    for part in ["Uid:\t65534\t65534\t65534", &permitted, "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(part), "{part} is not in\n{status}");
    }
}

#[test]
fn all_rights_are_given_up() {
    let mut net = Net::new();
    net.add_pod(21);
    let run = Live::start(&net, &live(&[]));
    // Interfaces come before the rights go; a journey comes after.
    net.add_pod(22);
    run.wait_for("cali22 is new");
    assert_has_only(run.child.id(), 0);
}

/// A file system of 128 KiB.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Disk {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=128k", "none"]).arg(directory.path());
        assert!(mount.status().expect("mount").success(), "these tests need root");
        Disk(directory)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
