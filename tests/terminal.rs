//! The program in a real terminal: a pseudo-terminal, the keys a user would press, and the screen that results.

mod pty;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use pty::{PATIENCE, Session, pause};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/pod-to-service-dns");
#[test]
fn a_recording_is_shown_and_keys_move_in_it() {
    let mut session = Session::hopline(&["replay", RECORDING], 50, 160);
    session.wait("the recording", |screen| screen.contains("pod→service") && screen.contains("100 %"));
    assert!(session.is_alternate());
    session.press("\t");
    session.wait("the ladder", |screen| screen.contains("╭─ ladder"));
    session.press("\t");
    session.wait("the map", |screen| screen.contains("╭─ map") && screen.contains("╭─ kappa1"));
    session.press("d");
    session.wait("the median beside it", |screen| screen.contains("╭─ comparison"));
    session.press("p");
    session.wait("the packets", |screen| screen.contains("╭─ packets"));
    session.press("e");
    session.wait("the evidence", |screen| screen.contains("╭─ evidence"));
    session.press("s");
    session.wait("the statistics", |screen| screen.contains("╭─ statistics") && screen.contains("p99"));
    session.press("L");
    session.wait("Chinese", |screen| screen.contains("统计"));
    session.press("Lq");
    assert_eq!(session.end(), 0);
}

/// Presses and releases the left button at a cell, both from 1 (xterm's mode 1006).
fn click(column: u16, row: u16) -> String {
    format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m")
}

#[test]
fn the_mouse_chooses_and_can_be_left_to_the_terminal() {
    let mut session = Session::hopline(&["replay", RECORDING], 50, 160);
    session.wait("the recording", |screen| screen.contains(" 1/9 ") && screen.contains("100 %"));
    assert_eq!(session.mouse(), vt100::MouseProtocolMode::PressRelease);
    session.press(&click(20, 8));
    session.wait("the fifth row", |screen| screen.contains(" 5/9 "));
    session.press("\x1b[<64;20;8M");
    session.wait("the wheel over the list", |screen| screen.contains(" 2/9 "));
    let title = session.contents().lines().position(|line| line.contains("╭─ timeline")).expect("a timeline");
    // A row is chosen by the first click, and unfolded by the second.
    session.press(&click(20, title as u16 + 6));
    session.press(&click(20, title as u16 + 6));
    session.wait("a row's packets", |screen| screen.contains("└ "));
    session.press(&click(20, title as u16 + 1));
    session.wait("the ladder", |screen| screen.contains("╭─ ladder"));
    let foot = session.contents();
    let help = foot.lines().last().and_then(|line| line.find("? help")).expect("the keys");
    let column = foot.lines().last().map_or(0, |line| line[..help].chars().count());
    session.press(&click(column as u16 + 1, 50));
    session.wait("what was clicked in the foot line", |screen| screen.contains("╭─ keys"));
    session.press("?M");
    session.wait("the mouse is the terminal's", |screen| screen.contains("the mouse selects text"));
    for _ in 0..PATIENCE {
        if session.mouse() == vt100::MouseProtocolMode::None {
            break;
        }
        pause();
    }
    assert_eq!(session.mouse(), vt100::MouseProtocolMode::None);
    session.press("Mq");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_journey_is_copied_and_written_to_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Session::command(&["replay", RECORDING]);
    command.cwd(directory.path());
    let mut session = Session::start(command, 24, 80);
    session.wait("the recording", |screen| screen.contains("100 %") && screen.contains(" 1/9 "));
    session.press("Y");
    session.wait("where it is", |screen| screen.contains("hopline-1.svg hopline-1.txt"));
    let text = std::fs::read_to_string(directory.path().join("hopline-1.txt")).expect("a text");
    assert!(text.contains("dns-lookup") && text.contains('①') && text.contains("✓ complete"), "{text}");
    let svg = std::fs::read_to_string(directory.path().join("hopline-1.svg")).expect("a picture");
    let picture = roxmltree::Document::parse(&svg).expect("XML");
    assert!(picture.descendants().any(|node| node.text() == Some("①")));
    session.press("\ty");
    session.wait("that it is copied", |screen| screen.contains("OSC 52"));
    let written = session.written.lock().expect("no reader panics").clone();
    let start = b"\x1b]52;c;";
    let at = written.windows(start.len()).position(|window| window == start).expect("OSC 52") + start.len();
    let encoded: Vec<u8> =
        written[at..].iter().copied().take_while(|byte| !byte.is_ascii_control()).collect();
    let ladder = String::from_utf8(base64(&encoded)).expect("text");
    assert!(ladder.contains("─►") && ladder.contains("✓ complete"), "the view that is shown: {ladder}");
    session.press("Yq");
    assert_eq!(session.end(), 0);
    assert!(directory.path().join("hopline-2.txt").exists(), "no file is written over");
}

/// RFC 4648 §4.
fn base64(text: &[u8]) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.iter().filter(|&&byte| byte != b'=').map(|&byte| value(byte)).collect();
    let bytes = digits.chunks(4).flat_map(|chunk| {
        let bits =
            chunk.iter().fold(0_u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - chunk.len()));
        bits.to_be_bytes()[1..chunk.len()].to_vec()
    });
    bytes.collect()
}

#[test]
fn the_terminal_says_whether_it_is_dark_or_light() {
    let tick = |arguments: &[&str], answer: &str| {
        let mut session = Session::hopline(&[&["replay", RECORDING], arguments].concat(), 24, 80);
        session.press(answer);
        session.wait("the recording", |screen| screen.contains("100 %") && screen.contains(" 1/9 "));
        let colour = session.colour("✓");
        session.press("q");
        assert_eq!(session.end(), 0);
        colour
    };
    let (light, dark) =
        ("\x1b]11;rgb:ffff/ffff/eeee\x1b\\\x1b[?62c", "\x1b]11;rgb:0000/1111/0000\x07\x1b[?62c");
    let indexed = |number| Some(vt100::Color::Idx(number));
    assert_eq!(tick(&[], light), indexed(28));
    assert_eq!(tick(&[], dark), indexed(2));
    assert_eq!(tick(&[], "\x1b[?62c"), indexed(2), "it does not say");
    assert_eq!(tick(&[], ""), indexed(2), "it never answers");
    assert_eq!(tick(&["--theme", "light"], ""), indexed(28));
    assert_eq!(tick(&["--theme", "dark"], ""), indexed(2));
    assert_eq!(tick(&["--theme", "colour-blind"], light), indexed(24));
}

#[test]
fn an_answer_that_comes_late_is_no_typing() {
    let mut session = Session::hopline(&["replay", RECORDING], 24, 80);
    session.wait("the recording", |screen| screen.contains("100 %") && screen.contains(" 1/9 "));
    session.press("\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62c");
    session.press("j");
    session.wait("one row further", |screen| screen.contains(" 2/9 "));
    assert!(session.contents().contains("╭─ journeys"), "no key of the answer did anything");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_configuration_changes_keys_colours_and_language() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.toml");
    let text = "lang = \"zh\"\ntheme = \"light\"\nmouse = false\n[keys]\nquit = \"Q\"\ndown = [\"q\"]\n[colours]\ngood = \"201\"\n";
    std::fs::write(&path, text).expect("written");
    let file = path.to_str().expect("a name");
    let mut session = Session::hopline(&["replay", RECORDING, "--config", file], 24, 80);
    session.wait("Chinese", |screen| screen.contains("旅程") && screen.contains(" 1/9 "));
    session.wait("the new key in the foot line", |screen| screen.contains("Q 退出"));
    assert_eq!(session.colour("✓"), Some(vt100::Color::Idx(201)));
    assert_eq!(session.mouse(), vt100::MouseProtocolMode::None);
    session.press("q");
    session.wait("a row further", |screen| screen.contains(" 2/9 "));
    session.press("Q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_row_unfolds_and_a_packet_is_looked_into() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hopline"));
    command.args(["replay", RECORDING]);
    command.cwd(directory.path());
    command.env("LC_ALL", "C.UTF-8");
    let mut session = Session::start(command, 50, 160);
    session.wait("the recording", |screen| screen.contains("pod→service") && screen.contains("100 %"));
    // The second journey; its row ④.
    session.press("j\r");
    session.wait("the journey", |screen| screen.contains("GET /items"));
    session.press("jjj\r");
    session.wait("its packets", |screen| screen.contains("└ PSH ACK"));
    session.press("GkGg");
    session.press("jjjj");
    session.wait("the handshake", |screen| screen.contains("└ SYN"));
    session.press("\r");
    session.wait("the packet's bytes", |screen| screen.contains("IPv4  ") && screen.contains("MSS 1460"));
    session.press("\u{1b}");
    session.wait("the timeline again", |screen| screen.contains("╭─ timeline"));
    session.press("W");
    session.wait("where the packets are", |screen| screen.contains("packets written to hopline-1.pcapng"));
    session.press("q");
    assert_eq!(session.end(), 0);
    let written = std::fs::read(directory.path().join("hopline-1.pcapng")).expect("a recording");
    assert!(written.starts_with(&0x0a0d_0d0a_u32.to_ne_bytes()));
}

#[test]
fn time_is_frozen_and_bookmarks_are_gone_to() {
    let mut session = Session::hopline(&["replay", RECORDING], 50, 160);
    session.wait("the recording", |screen| screen.contains(" 1/9 ") && screen.contains("100 %"));
    session.press("jjm");
    session.wait("that it is set", |screen| screen.contains("bookmark set"));
    session.press("\u{1b}[D");
    session.wait("the time before", |screen| screen.contains("‖ frozen -1.00 s"));
    session.press("b");
    session.wait("the bookmarks", |screen| screen.contains("╭─ bookmarks") && screen.contains("AAAA"));
    session.press("\r");
    session.wait("its journey", |screen| screen.contains(" 3/9 ") && screen.contains("‖ frozen"));
    session.press(" ");
    session.wait("the end again", |screen| screen.contains("■ end"));
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn it_follows_the_size_of_the_window() {
    let mut session = Session::hopline(&["replay", RECORDING], 24, 80);
    session.wait("the list alone", |screen| screen.contains("journeys") && !screen.contains("╭─ timeline"));
    session.resize(45, 140);
    session.wait("list and timeline", |screen| screen.contains("╭─ timeline"));
    session.press("\u{3}");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_filter_and_a_search_are_typed() {
    let mut session = Session::hopline(&["replay", RECORDING, "--ascii"], 24, 80);
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
fn a_filter_is_completed_recalled_and_marked_where_it_is_wrong() {
    let mut session = Session::hopline(&["replay", RECORDING, "--speed", "max", "--ascii"], 24, 80);
    session.wait("the recording", |screen| screen.contains("+- journeys") && screen.contains("end max"));
    session.press("fpat\t == dns");
    session
        .wait("what was seen", |screen| screen.contains("| dns-lookup") && screen.contains("path  == dns"));
    session.press("\t\r");
    session.wait("the filter", |screen| screen.contains("filter: path  == dns-lookup"));
    session.press("f\u{15}status > x or");
    session.wait("the wrong place", |screen| screen.contains("x 10: a status is a number"));
    session.press("\r");
    session.wait("that the last one is in force", |screen| screen.contains("filter: path  == dns-lookup"));
    session.press("\u{1b}[A");
    session.wait("the one before", |screen| {
        screen.lines().last().is_some_and(|line| line.contains("filter: path  == dns-lookup"))
    });
    session.press("\u{3}");
    assert_eq!(session.end(), 0);
}

#[test]
fn the_list_is_ordered_grouped_and_held_still() {
    let mut session = Session::hopline(&["replay", RECORDING, "--speed", "max"], 24, 80);
    session.wait("the recording", |screen| screen.contains("oldest first") && screen.contains("end max"));
    let first = |screen: &str| screen.lines().nth(3).unwrap_or("").to_owned();
    let oldest = first(&session.contents());
    session.press("o");
    session.wait("the newest first", |screen| screen.contains("newest first") && first(screen) != oldest);
    session.press("oo");
    session.wait("errors first", |screen| screen.contains("errors first"));
    session.press("O");
    session.wait("groups", |screen| screen.contains("by path") && screen.contains("p99"));
    let is_closed = |screen: &str| !screen.contains(" - dns-lookup") && !screen.contains(" - pod→service");
    assert!(is_closed(&session.contents()));
    session.press("\r");
    session.wait("an open group", |screen| !is_closed(screen));
    session.press("\u{1b}[D");
    session.wait("a closed group", is_closed);
    session.press("F");
    session.wait("that it is held", |screen| screen.contains("held still"));
    session.press("FOO");
    session.wait("single journeys", |screen| !screen.contains("p99") && !screen.contains("held still"));
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_row_of_the_statistics_is_drawn_and_listed() {
    let mut session = Session::hopline(&["replay", RECORDING, "--speed", "max"], 24, 80);
    session.wait("the recording", |screen| screen.contains("end max"));
    session.press("s");
    session.wait("the charts", |screen| screen.contains("▴") && screen.contains("█ p50"));
    let chosen = |screen: &str| {
        let row = screen.lines().find(|line| line.contains("▸"))?;
        row.split_whitespace().nth(3).map(str::to_owned)
    };
    // Down to a stage: past paths and chains.
    for _ in 0..60 {
        let is_stage =
            chosen(&session.contents()).is_some_and(|cell| cell.chars().any(|c| "①②③④⑤⑥⑦⑧⑨".contains(c)));
        if is_stage {
            break;
        }
        session.press("j");
        pause();
    }
    session.press("\r");
    session
        .wait("its journeys", |screen| screen.contains("longest at") && screen.contains("filter: path == "));
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn told_to_end_it_gives_the_terminal_back() {
    let session = Session::hopline(&["replay", RECORDING], 24, 80);
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
    let session = Session::hopline(&["replay", "/nonexistent.pcap"], 24, 80);
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
