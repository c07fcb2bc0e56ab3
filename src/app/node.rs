//! `hopline node COMMAND`: the process behind `--node`. It runs the command as whoever started hopline, again and
//! again, and parses nothing; the process that parses has no rights and starts nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::app::clock::{self, Stopwatch};
use crate::capture::live::Message;

/// Between two tries: the first pause, and what it grows to.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A stream that lasted so long was no failed try.
const STEADY: Duration = Duration::from_secs(20);
/// Bytes handed on at once.
const MOST: usize = 64 << 10;
/// What is kept of the command's last words.
const LONGEST_WORDS: usize = 200;

/// The process group that the command runs in at present.
type Group = Arc<Mutex<Option<Pid>>>;

/// Runs `command` until nobody reads any more.
///
/// # Errors
/// When standard output fails in another way than by being closed.
pub(super) fn run(command: &str) -> anyhow::Result<()> {
    let group = Group::default();
    end_with_stdin(&group)?;
    let mut out = io::stdout().lock();
    let mut pause = FIRST_PAUSE;
    loop {
        let watch = Stopwatch::start();
        Message::Begun.write(&mut out)?;
        let why = one_stream(command, &group, &mut out)?;
        if watch.elapsed() >= STEADY {
            pause = FIRST_PAUSE;
        }
        Message::Ended { why, again_s: pause.as_secs() as u32 }.write(&mut out)?;
        clock::wait(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Standard input ends when the process that reads is gone, however it went.
fn end_with_stdin(group: &Group) -> io::Result<()> {
    let group = Arc::clone(group);
    let wait = move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        end(&group);
        std::process::exit(0);
    };
    thread::Builder::new().name("end".to_owned()).spawn(wait).map(drop)
}

fn end(group: &Group) {
    if let Some(group) = group.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = killpg(group, Signal::SIGTERM);
    }
}

/// Hands on what the command writes, and says how it ended: nothing where it ended well.
fn one_stream(command: &str, group: &Group, out: &mut dyn Write) -> anyhow::Result<String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match shell.process_group(0).spawn() {
        Ok(child) => child,
        Err(error) => return Ok(format!("sh cannot be started ({error})")),
    };
    *group.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pid::from_raw(child.id() as i32));
    let words = child.stderr.take().map(|stderr| thread::spawn(move || last_words(stderr)));
    let handed_on = hand_on(&mut child, out);
    if handed_on.is_err() {
        end(group);
    }
    let status = child.wait().context("the command is lost")?;
    *group.lock().unwrap_or_else(PoisonError::into_inner) = None;
    handed_on?;
    let words = words.and_then(|words| words.join().ok()).unwrap_or_default();
    Ok(ending(status, &words))
}

fn hand_on(child: &mut Child, out: &mut dyn Write) -> io::Result<()> {
    let Some(mut stdout) = child.stdout.take() else { return Ok(()) };
    let mut buffer = vec![0; MOST];
    loop {
        match stdout.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => Message::Bytes(buffer[..count].to_vec()).write(out)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What came so far is kept.
            Err(_) => return Ok(()),
        }
    }
}

/// The last line of what the command says.
fn last_words(stderr: ChildStderr) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            last = line.trim().chars().take(LONGEST_WORDS).collect();
        }
    }
    last
}

fn ending(status: ExitStatus, words: &str) -> String {
    match (status.success(), words) {
        (true, _) => String::new(),
        (false, "") => status.to_string(),
        (false, words) => format!("{status}: {words}"),
    }
}
