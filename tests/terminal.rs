//! The program in a real terminal: a pseudo-terminal, the keys a user would press, and the screen that results.

mod pty;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use pty::{PATIENCE, Session, pause};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/pod-to-service-dns");

fn hopline(arguments: &[&str], rows: u16, columns: u16) -> Session {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hopline"));
    command.args(arguments);
    command.env("LC_ALL", "C.UTF-8");
    command.env("TERM", "xterm-256color");
    Session::start(command, rows, columns)
}

#[test]
fn a_recording_is_shown_and_keys_move_in_it() {
    let mut session = hopline(&["replay", RECORDING], 50, 160);
    session.wait("the recording", |screen| screen.contains("pod→service") && screen.contains("100 %"));
    assert!(session.is_alternate());
    session.press("\t");
    session.wait("the ladder", |screen| screen.contains("╭─ ladder"));
    session.press("p");
    session.wait("the packets", |screen| screen.contains("╭─ packets"));
    session.press("e");
    session.wait("the evidence", |screen| screen.contains("╭─ evidence"));
    session.press("s");
    session.wait("the statistics", |screen| screen.contains("╭─ statistics") && screen.contains("p99"));
    session.press("l");
    session.wait("Chinese", |screen| screen.contains("统计"));
    session.press("lq");
    assert_eq!(session.end(), 0);
}

#[test]
fn it_follows_the_size_of_the_window() {
    let mut session = hopline(&["replay", RECORDING], 24, 80);
    session.wait("the list alone", |screen| screen.contains("journeys") && !screen.contains("╭─ timeline"));
    session.resize(45, 140);
    session.wait("list and timeline", |screen| screen.contains("╭─ timeline"));
    session.press("\u{3}");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_filter_and_a_search_are_typed() {
    let mut session = hopline(&["replay", RECORDING, "--ascii"], 24, 80);
    session.wait("the recording", |screen| screen.contains("+- journeys") && !screen.contains("reading"));
    session.press("fpath == dns-lookup\r");
    session.wait("the filter", |screen| screen.contains("filter: path == dns-lookup"));
    session.press("f == x\r");
    session.wait("what is wrong", |screen| screen.contains("filter: path == dns-lookup == x  x "));
    session.press("\u{1b}");
    session.wait("the keys again", |screen| screen.contains("q quit"));
    assert!(session.contents().is_ascii(), "{}", session.contents());
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn told_to_end_it_gives_the_terminal_back() {
    let session = hopline(&["replay", RECORDING], 24, 80);
    session.wait("the list", |screen| screen.contains("journeys"));
    session.signal("TERM");
    assert_eq!(session.end(), 0);
}

/// A window that is closed must not leave a program behind that waits for keys for ever.
#[test]
fn when_the_terminal_goes_away_it_ends() {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hopline"));
    command.args(["replay", RECORDING]);
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
    // Long enough to be in its loop; all it draws fits into the terminal's buffer.
    (0..40).for_each(|_| pause());
    drop(pair);
    for _ in 0..PATIENCE {
        if child.try_wait().expect("its status").is_some() {
            return;
        }
        pause();
    }
    let _ = child.kill();
    panic!("the program goes on without a terminal");
}

#[test]
fn without_a_usable_file_the_terminal_is_never_taken() {
    let session = hopline(&["replay", "/nonexistent.pcap"], 24, 80);
    session.wait("the reason", |screen| screen.contains("/nonexistent.pcap"));
    assert_eq!(session.end(), 2);
}

#[test]
fn a_picture_needs_no_terminal() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("screen.svg");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hopline"));
    command.args(["replay", RECORDING, "--size", "140x40", "--keys", "j\t", "--picture"]).arg(&path);
    let ended = command.env("LC_ALL", "C.UTF-8").output().expect("the program runs");
    assert!(ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
    let picture = std::fs::read_to_string(&path).expect("a picture");
    assert!(picture.starts_with("<svg ") && picture.contains(">ladder<"), "{picture}");
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_told() {
    let mut command = CommandBuilder::new(std::env::current_exe().expect("this test"));
    command.args(["--ignored", "--exact", "panics_on_the_screen", "--nocapture"]);
    let session = Session::start(command, 24, 120);
    session.wait("the panic's message", |screen| screen.contains("something went wrong"));
    assert_ne!(session.end(), 0);
}

/// Not a test of its own: what [`a_panic_gives_the_terminal_back_and_is_told`] runs in a terminal.
#[test]
#[ignore = "run by another test in a terminal of its own"]
fn panics_on_the_screen() {
    let _guard = hopline::app::terminal::Guard::take().expect("the other test gave a terminal");
    // Not the thread that draws: that one must not go on.
    let panicking = std::thread::spawn(|| panic!("something went wrong"));
    let _ = panicking.join();
    for _ in 0..PATIENCE {
        pause();
    }
}
