//! Whole screens: news and keys in, cells out.

mod lists;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Rect;
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;

use crate::model::{
    Captured, Header, InterfaceSummary, Journey, MILLIS, Notice, RecordingState, SECONDS, StreamState,
    VantageId,
};
use crate::timeline::dissection::Dissection;
use crate::timeline::listing::Order;
use crate::timeline::{Language, Manner, sample};
use crate::tui::columns::Column;
use crate::tui::theme::Theme;
use crate::tui::{Effect, Look, Looked, News, Screen, Settings, Speed, draw, picture, render};

const WIDE: (u16, u16) = (160, 50);
const NARROW: (u16, u16) = (80, 24);

fn settings(manner: Manner, speed: Speed) -> Settings {
    Settings { manner, speed, order: Order::Start, look: Look::default() }
}

fn screen(manner: Manner, speed: Speed) -> Screen {
    screen_of(sample::all(), manner, speed)
}

fn screen_of(journeys: Vec<Journey>, manner: Manner, speed: Speed) -> Screen {
    let mut screen = Screen::new(settings(manner, speed));
    screen.take(News::World(Arc::new(sample::topology()), Arc::new(sample::clocks())));
    screen.take(News::Sources(sample::sources()));
    for journey in journeys {
        screen.take(News::Journey(Arc::new(journey)));
    }
    screen.take(News::Read(sample::START, sample::START.plus(6 * SECONDS)));
    screen.take(News::End);
    screen
}

fn press(screen: &mut Screen, keys: &str) -> Option<Effect> {
    let mut effect = None;
    for key in keys.chars() {
        let code = match key {
            '⏎' => KeyCode::Enter,
            '⎋' => KeyCode::Esc,
            '⇥' => KeyCode::Tab,
            '↓' => KeyCode::Down,
            '←' => KeyCode::Left,
            '→' => KeyCode::Right,
            other => KeyCode::Char(other),
        };
        effect = screen.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    effect
}

/// The screen after `keys`, one line a row.
fn shown(screen: &mut Screen, size: (u16, u16), keys: &str) -> String {
    screen.refresh(Duration::ZERO, size.0, size.1);
    for key in keys.chars() {
        press(screen, key.encode_utf8(&mut [0; 4]));
        screen.refresh(Duration::ZERO, size.0, size.1);
    }
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a test terminal");
    terminal.draw(|frame| draw(screen, frame)).expect("a test terminal takes all");
    text(terminal.backend().buffer())
}

fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        let mut line = String::new();
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += symbol.width().max(1) as u16;
        }
        assert_eq!(x, buffer.area.width, "a wide character is cut at the right edge");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Name, size, manner and keys of each screen that is kept as a snapshot.
#[test]
fn screens() {
    let (en, zh, ascii) = (Manner::default(), Manner::new(Language::Zh), Manner::ascii());
    let cases = [
        ("list", NARROW, en, ""),
        ("waterfall", NARROW, en, "⏎"),
        ("ladder", NARROW, en, "⇥"),
        ("map", NARROW, en, "⇥⇥"),
        ("comparison", NARROW, en, "a↓↓↓↓↓↓c"),
        ("packets", NARROW, en, "p"),
        ("evidence", NARROW, en, "e"),
        ("statistics", NARROW, en, "s"),
        ("statistics_last", NARROW, en, "sG"),
        ("statistics_chosen", NARROW, en, "s↓↓↓↓↓↓↓↓↓↓↓↓↓↓⏎"),
        ("zh_statistics", NARROW, zh, "s"),
        ("ascii_wide_statistics", WIDE, ascii, "s↓↓↓"),
        ("wide_statistics_longest", WIDE, en, "so"),
        ("help", NARROW, en, "?"),
        ("lost", NARROW, en, "↓↓↓↓⏎"),
        ("search", NARROW, en, "/stok"),
        ("filter_wrong", NARROW, en, "fstatus >"),
        ("zh_filter_wrong", NARROW, zh, "fstatus > x⏎"),
        ("filter_marked", NARROW, en, "fstatus > x and "),
        ("filter_completion", NARROW, en, "fpath == ⇥⇥"),
        ("wide_filter_completion", WIDE, en, "foutcome != lost and delay("),
        ("ascii_filter_completion", NARROW, ascii, "fserver "),
        ("wide", WIDE, en, ""),
        ("wide_ladder", WIDE, en, "⇥"),
        ("wide_map", WIDE, en, "⇥⇥"),
        ("wide_map_lost", WIDE, en, "↓↓↓↓⇥⇥"),
        ("zh_map", NARROW, zh, "⇥⇥"),
        ("ascii_map", NARROW, ascii, "⇥⇥"),
        ("wide_comparison", WIDE, en, "d"),
        ("zh_comparison", WIDE, zh, "d"),
        ("wide_packets", WIDE, en, "p"),
        ("wide_evidence", WIDE, en, "e"),
        ("wide_statistics", WIDE, en, "s"),
        ("wide_help", WIDE, en, "?"),
        ("wide_lost", WIDE, en, "↓↓↓↓"),
        ("zh_list", NARROW, zh, ""),
        ("zh_waterfall", NARROW, zh, "⏎"),
        ("zh_wide", WIDE, zh, "↓↓↓↓"),
        ("zh_wide_ladder", WIDE, zh, "⇥"),
        ("zh_help", NARROW, zh, "?"),
        ("groups", NARROW, en, "O⏎"),
        ("wide_groups", WIDE, en, "ooOO↓⏎"),
        ("wide_errors_held", WIDE, en, "oooF"),
        ("zh_groups", NARROW, zh, "O⏎"),
        ("ascii_groups", NARROW, ascii, "oO⏎"),
        ("ascii_list", NARROW, ascii, ""),
        ("ascii_waterfall", NARROW, ascii, "⏎"),
        ("ascii_wide", WIDE, ascii, "↓↓↓↓"),
        ("ascii_help", NARROW, ascii, "?"),
    ];
    for (name, size, manner, keys) in cases {
        let shown = shown(&mut screen(manner, Speed::Max), size, keys);
        if manner.is_ascii() {
            assert!(shown.is_ascii(), "{name}: {shown}");
        }
        insta::assert_snapshot!(name, shown);
    }
}

/// The same for journeys through proxies.
#[test]
fn screens_of_proxies() {
    let (en, zh, ascii) = (Manner::default(), Manner::new(Language::Zh), Manner::ascii());
    let cases = [
        ("proxies_list", NARROW, en, ""),
        ("proxies_waterfall", NARROW, en, "⏎"),
        ("proxies_ladder", NARROW, en, "⇥"),
        ("proxies_map", NARROW, en, "⇥⇥"),
        ("proxies_wide_map", WIDE, en, "⇥⇥"),
        ("proxies_evidence", NARROW, en, "e"),
        ("proxies_wide", WIDE, en, ""),
        ("proxies_wide_ladder", WIDE, en, "⇥"),
        ("proxies_wide_ladder_retried", WIDE, en, "↓⇥"),
        ("proxies_wide_evidence", WIDE, en, "↓e"),
        ("proxies_wide_packets", WIDE, en, "p"),
        ("proxies_wide_no_route", WIDE, en, "↓↓"),
        ("proxies_wide_lost", WIDE, en, "↓↓↓⇥"),
        ("proxies_wide_statistics", WIDE, en, "s"),
        ("proxies_zh_wide", WIDE, zh, ""),
        ("proxies_zh_wide_ladder", WIDE, zh, "⇥"),
        ("proxies_ascii_wide_ladder", WIDE, ascii, "⇥"),
    ];
    for (name, size, manner, keys) in cases {
        let mut screen = screen_of(sample::proxies::all(), manner, Speed::Max);
        let shown = shown(&mut screen, size, keys);
        if manner.is_ascii() {
            assert!(shown.is_ascii(), "{name}: {shown}");
        }
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn a_replay_shows_what_had_happened() {
    let mut screen = screen(Manner::default(), Speed::Times(1.0));
    let size = NARROW;
    assert!(shown(&mut screen, size, "").contains("1/1"), "the first journey begins with the recording");
    screen.refresh(Duration::from_millis(1_500), size.0, size.1);
    let list = shown(&mut screen, size, " ");
    assert!(list.contains("6/6") && list.contains("✗ 2"), "{list}");
    let lost = list.lines().find(|line| line.contains("12:03:20.200")).expect("the lost journey has begun");
    assert!(!lost.contains('✗'), "it is not known yet that it is lost: {lost}");
    screen.refresh(Duration::from_secs(1), size.0, size.1);
    press(&mut screen, "]]]]]]]]]]");
    let end = shown(&mut screen, size, "");
    assert!(end.contains("7/7") && end.contains("✗ 3"), "{end}");
    press(&mut screen, "←←←←←←←");
    assert!(shown(&mut screen, size, "").contains("1/1"));
}

#[test]
fn keys_do_what_the_table_says() {
    let mut screen = screen(Manner::default(), Speed::Max);
    assert!(shown(&mut screen, NARROW, "/nxdomain").contains("no match"));
    let found = shown(&mut screen, NARROW, "⎋/STOK");
    assert!(found.contains("▸ 12:03:19.900"), "{found}");
    let filtered = shown(&mut screen, NARROW, "⏎foutcome == lost⏎");
    assert!(filtered.contains("1/1") && filtered.contains("filter: outcome == lost"), "{filtered}");
    let wrong = shown(&mut screen, NARROW, "fz z⏎");
    assert!(wrong.contains('✗'), "a wrong filter says so: {wrong}");
    assert_eq!(press(&mut screen, "⎋q"), Some(Effect::Quit));
    assert_eq!(press(&mut screen, "P"), Some(Effect::Picture));
    assert_eq!(press(&mut screen, "w"), None);
    assert!(shown(&mut screen, NARROW, "").contains("only a live capture"), "a recording is there already");
    assert!(shown(&mut screen, NARROW, "L").contains("旅程"));
    let mut screen = self::screen(Manner::default(), Speed::Max);
    assert!(shown(&mut screen, NARROW, "").contains("stock-7d9c"));
    let by_address = shown(&mut screen, NARROW, "n");
    assert!(!by_address.contains("stock-7d9c") && by_address.contains("10.244.2.33"), "{by_address}");
    assert!(shown(&mut screen, NARROW, "n").contains("stock-7d9c"));
    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    press(&mut screen, "/");
    assert_eq!(screen.handle(&interrupt), Some(Effect::Quit), "also while text is typed");
}

/// A capture under way that lost packets and another node.
fn live(manner: Manner) -> Screen {
    let mut screen =
        Screen::new(Settings { manner, speed: Speed::Max, look: Look::default(), order: Order::Newest });
    screen.take(News::Live("kappa1".to_owned()));
    screen.take(News::World(Arc::new(sample::topology()), Arc::new(sample::clocks())));
    for second in 0..4 {
        let mut sources = sample::sources();
        for (place, source) in sources.iter_mut().enumerate() {
            let interface = InterfaceSummary::new(VantageId(place as u16));
            source.interfaces = vec![InterfaceSummary { packets: 9_100 * second, ..interface }];
            source.ended = Some(sample::START.plus(second as i64 * SECONDS));
        }
        sources[0].dropped = Some(4);
        screen.take(News::Sources(sources));
    }
    for journey in sample::all() {
        screen.take(News::Journey(Arc::new(journey)));
    }
    screen.take(News::Read(sample::START, sample::START.plus(6 * SECONDS)));
    let state = StreamState::Ended { why: "exit status: 255: no route".to_owned(), again_s: Some(8) };
    for (second, notice) in [
        (1, Notice::Came("cali6f1d".to_owned())),
        (2, Notice::Node { node: "kappa2".to_owned(), state: StreamState::Flowing }),
        (3, Notice::Node { node: "kappa2".to_owned(), state }),
    ] {
        screen.take(News::Notice(sample::START.plus(second * SECONDS), notice));
    }
    screen
}

#[test]
fn a_capture_under_way_tells_how_it_stands() {
    let recording = |bytes| RecordingState { path: "kappa1.pcapng".to_owned(), bytes, ..Default::default() };
    let cases = [
        ("live", NARROW, Manner::default(), ""),
        ("live_wide", WIDE, Manner::default(), ""),
        ("live_notices", NARROW, Manner::default(), "!"),
        ("live_interfaces", WIDE, Manner::default(), "i"),
        ("live_zh", NARROW, Manner::new(Language::Zh), "!"),
        ("live_ascii", NARROW, Manner::ascii(), "i"),
    ];
    for (name, size, manner, keys) in cases {
        let mut screen = live(manner);
        screen.take(News::Recording(Some(recording(1_234_567))));
        insta::assert_snapshot!(name, shown(&mut screen, size, keys));
    }
    let mut screen = live(Manner::default());
    let mut top = |after: u64| {
        screen.refresh(Duration::from_secs(after), 160, 50);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 160, 50));
        render(&screen, buffer.area, &mut buffer);
        text(&buffer).lines().next().unwrap_or_default().to_owned()
    };
    assert!(top(10).contains("kappa2 again in 8 s"));
    assert!(top(15).contains("kappa2 again in 3 s"), "it is counted down");
}

#[test]
fn a_recording_is_begun_and_ended_with_a_key() {
    let mut screen = live(Manner::default());
    screen.refresh(Duration::ZERO, NARROW.0, NARROW.1);
    assert_eq!(press(&mut screen, "w"), Some(Effect::ProposeRecording));
    screen.ask_where_to_record("kappa1.pcapng");
    assert!(shown(&mut screen, NARROW, "").contains("record to: kappa1.pcapng"));
    assert_eq!(press(&mut screen, "x⏎"), Some(Effect::Record("kappa1.pcapngx".to_owned())));
    screen.refuse_recording("kappa1.pcapngx", "File exists (os error 17)".to_owned());
    assert!(shown(&mut screen, NARROW, "").contains("record to: kappa1.pcapngx  ✗ File exists"));
    assert_eq!(press(&mut screen, "⎋"), None);
    let state = RecordingState { path: "x.pcapng".to_owned(), bytes: 5_000, ..Default::default() };
    screen.take(News::Recording(Some(state.clone())));
    assert!(shown(&mut screen, NARROW, "").contains("⏺ 5.0 kB"));
    assert_eq!(press(&mut screen, "w"), Some(Effect::StopRecording));
    screen.tell_end_of_recording(&state);
    assert!(shown(&mut screen, NARROW, "").contains("recording ended: x.pcapng (5.0 kB)"));
    let stuck = RecordingState { is_stuck: true, lost: 3, ..state };
    screen.take(News::Recording(Some(stuck)));
    assert!(shown(&mut screen, NARROW, "").contains("⏺ cannot be written"));
}

#[test]
fn two_journeys_are_put_side_by_side() {
    let mut screen = screen(Manner::default(), Speed::Max);
    assert!(shown(&mut screen, WIDE, "c").contains("no journey is marked yet; what marks one is a"));
    let marked = shown(&mut screen, WIDE, "a");
    assert!(marked.contains("▸◆12:03:19.000"), "{marked}");
    assert!(shown(&mut screen, WIDE, "c").contains("this is the marked journey"));
    assert!(shown(&mut screen, WIDE, "↓↓↓↓").contains("goes another path"));
    let beside = shown(&mut screen, WIDE, "↓↓");
    assert!(beside.contains("marked µs") && beside.contains("equally long"), "{beside}");
    assert!(shown(&mut screen, WIDE, "d").contains("median of 1 "));
    assert!(shown(&mut screen, WIDE, "d").contains("╭─ timeline"), "the same key goes back");
    assert!(
        shown(&mut screen, WIDE, "kkkkkd").contains("no other journey of this path"),
        "there is one such only"
    );
}

/// The packets of `journey`, the first of them with bytes.
fn packets(journey: &Journey) -> News {
    let bytes: Vec<u8> = (0..94).map(|at: u8| at.wrapping_mul(7)).collect();
    let header = |name, bytes, fields: &[&str]| Header {
        name,
        bytes,
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
    };
    let first = journey.trail.sightings[0];
    let captured = Captured {
        time: first.time,
        vantage: first.vantage,
        direction: first.direction,
        link: 1,
        wire_len: 1514,
        bytes: bytes.into(),
    };
    let headers = vec![
        header("Ethernet", 0..14, &["02:00:00:00:00:01 > ee:ee:ee:ee:ee:ee", "type IPv4"]),
        header("IPv4", 14..34, &["10.244.1.17 > 10.43.7.7", "ttl 64", "protocol TCP"]),
        header("TCP", 34..66, &["45700 > 80", "PSH ACK", "seq 1000", "ack 500000", "TSval 1 TSecr 2"]),
        header("HTTP", 66..94, &["GET /r/17 HTTP/1.1", "Host: stock.shop"]),
    ];
    let mut looked: Vec<Looked> = journey.trail.sightings.iter().map(|sighting| (*sighting, None)).collect();
    looked[0].1 = Some(Arc::new(Dissection { captured, headers }));
    News::Packets(journey.id, Ok(looked))
}

#[test]
fn rows_unfold_and_packets_are_looked_into() {
    for (name, size, manner) in [
        ("unfolded", NARROW, Manner::default()),
        ("wide_unfolded", WIDE, Manner::default()),
        ("zh_unfolded", NARROW, Manner::new(Language::Zh)),
        ("ascii_unfolded", NARROW, Manner::ascii()),
    ] {
        let mut screen = screen(manner, Speed::Max);
        // ② unfolds into the query, ④ into the request.
        insta::assert_snapshot!(name, shown(&mut screen, size, "⏎↓⏎↓↓↓⏎"));
        assert_eq!(press(&mut screen, "↓⏎"), Some(Effect::Fetch));
        let waits = shown(&mut screen, size, "");
        assert!(manner != Manner::default() || waits.contains("reading the packet"), "{waits}");
        screen.take(packets(&sample::other_node(1, sample::START)));
        insta::assert_snapshot!(format!("{name}_packet"), shown(&mut screen, size, ""));
        let back = shown(&mut screen, size, "⎋");
        assert!(!back.contains("HTTP/1.1"), "{back}");
        assert_eq!(press(&mut screen, "⏎"), None, "what is known is not asked for again");
        assert!(shown(&mut screen, size, "").contains("GET /r/17 HTTP/1.1"));
        // The packet at ⑦ is no longer kept.
        shown(&mut screen, size, "⎋↓↓⏎↓");
        assert_eq!(press(&mut screen, "⏎"), None);
        let gone = shown(&mut screen, size, "");
        assert!(manner != Manner::default() || gone.contains("no longer kept"), "{gone}");
    }
}

#[test]
fn a_packet_is_left_when_another_journey_is_chosen() {
    let mut screen = screen(Manner::default(), Speed::Max);
    shown(&mut screen, WIDE, "⏎↓⏎↓⏎");
    screen.take(packets(&sample::lost(5, sample::START)));
    let waits = shown(&mut screen, WIDE, "");
    assert!(
        waits.contains("╭─ packet") && waits.contains("reading the packet"),
        "only what was asked for: {waits}"
    );
    // By the mouse: the list's second row.
    let (kind, row) = (MouseEventKind::Down(MouseButton::Left), 4);
    screen.handle(&Event::Mouse(MouseEvent { kind, column: 20, row, modifiers: KeyModifiers::NONE }));
    let other = shown(&mut screen, WIDE, "");
    assert!(other.contains(" 2/7 ") && other.contains("╭─ timeline"), "{other}");
}

#[test]
fn the_chosen_row_stays_in_view() {
    let mut screen = screen_of(sample::proxies::all(), Manner::default(), Speed::Max);
    let last = shown(&mut screen, NARROW, "⏎G⏎");
    assert!(last.contains("(4)·") && last.contains("no packet of its own"), "{last}");
    assert!(shown(&mut screen, NARROW, "g").contains("①·"));
    assert!(shown(&mut screen, NARROW, "↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓↓").contains("(1)"));
    let folded = shown(&mut screen, NARROW, "Gk⏎");
    assert!(!folded.contains("no packet of its own"), "the same key folds it again: {folded}");
    let other = shown(&mut screen, NARROW, "⎋↓⏎");
    assert!(!other.contains("└"), "another journey is folded: {other}");
    assert_eq!(press(&mut screen, "W"), Some(Effect::Extract));
    screen.tell_extract("x.pcapng", 7, 2, 0);
    let told = shown(&mut screen, NARROW, "");
    assert!(told.contains("7 packets written to x.pcapng; 2 could not be had"), "{told}");
}

#[test]
fn what_is_copied_is_the_chosen_journey_whole() {
    let mut screen = screen(Manner::default(), Speed::Max);
    shown(&mut screen, NARROW, "↓↓↓↓⏎");
    let copied = screen.copied().expect("a journey is chosen");
    insta::assert_snapshot!("copied", copied.text());
    assert!(copied.svg().contains("class=\"bad\""));
    shown(&mut screen, NARROW, "p");
    assert!(screen.copied().expect("a journey is chosen").text().contains("SYN"), "the view that is shown");
    assert_eq!(press(&mut screen, "y"), Some(Effect::Copy));
    assert_eq!(press(&mut screen, "Y"), Some(Effect::Draw));
    let nothing = Screen::new(settings(Manner::default(), Speed::Max));
    assert!(nothing.copied().is_none());
}

#[test]
fn the_list_has_the_columns_that_were_named() {
    let mut named = screen(Manner::default(), Speed::Max);
    named.look.columns = Column::read(["duration", "detail", "route"]).expect("columns");
    insta::assert_snapshot!("columns", shown(&mut named, NARROW, ""));
}

#[test]
fn time_is_frozen_while_more_comes() {
    let mut screen = screen(Manner::default(), Speed::Max);
    screen.is_reading = true;
    let frozen = shown(&mut screen, WIDE, " ");
    assert!(frozen.contains("‖ frozen  ") && !frozen.contains("newer"), "nothing came since: {frozen}");
    for id in 20..24 {
        let start = sample::START.plus(7 * SECONDS + id as i64 * MILLIS);
        screen.take(News::Journey(Arc::new(sample::same_node(id, start))));
    }
    screen.take(News::Read(sample::START, sample::START.plus(8 * SECONDS)));
    let later = shown(&mut screen, WIDE, "");
    assert!(later.contains("‖ frozen -2.00 s  4 newer") && later.contains(" 1/7 "), "{later}");
    let back = shown(&mut screen, WIDE, "←←←←←");
    assert!(back.contains("‖ frozen -7.00 s") && back.contains("/4 "), "{back}");
    assert!(shown(&mut screen, WIDE, " ").contains("/11 "), "all are shown again");
    assert!(shown(&mut screen, WIDE, "←").contains("‖ frozen -1.00 s"), "a step back freezes");
    screen.handle(&Event::Key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE)));
    assert!(!shown(&mut screen, WIDE, "").contains("frozen"), "the end is where everything is shown");
}

#[test]
fn what_is_waited_for_says_for_how_long() {
    let mut screen = screen(Manner::default(), Speed::Max);
    // Frozen while the SYN is under way for the third second.
    let lost = shown(&mut screen, WIDE, "↓↓↓↓ ←←");
    assert!(lost.contains("…2.80 s") && lost.contains("⑥…"), "{lost}");
    let later = shown(&mut screen, WIDE, "→");
    assert!(later.contains("…3.80 s"), "{later}");
    let row = |screen: &str| screen.lines().position(|line| line.contains("⑥…"));
    assert_eq!(row(&lost), row(&later), "nothing moves but the age");
    assert!(shown(&mut screen, WIDE, "⇥⇥").contains("● 3.80 s"), "the map says it too");
}

#[test]
fn bookmarks_are_set_listed_and_gone_to() {
    let mut screen = screen(Manner::default(), Speed::Max);
    assert!(shown(&mut screen, NARROW, "b").contains("no bookmarks yet"));
    assert!(shown(&mut screen, NARROW, "⎋↓m").contains("bookmark set"));
    assert!(shown(&mut screen, NARROW, "").contains("▸■12:03:19.300"), "the list shows it");
    shown(&mut screen, NARROW, "↓↓↓");
    press(&mut screen, "←");
    insta::assert_snapshot!("bookmarks", shown(&mut screen, NARROW, "mb"));
    insta::assert_snapshot!("wide_bookmarks", shown(&mut screen, WIDE, ""));
    let gone_to = shown(&mut screen, NARROW, "⏎");
    assert!(gone_to.contains("‖ frozen") && gone_to.contains("▸■12:03:19.300"), "{gone_to}");
    let filtered = shown(&mut screen, NARROW, "foutcome == lost⏎b⏎");
    assert!(filtered.contains("the filter hides the journey"), "{filtered}");
    let fewer = shown(&mut screen, NARROW, "bm");
    assert!(fewer.contains("▸   1  12:03:24.000") && !fewer.contains("   2  "), "{fewer}");
    assert!(shown(&mut screen, NARROW, "m").contains("no bookmarks yet"));
}

#[test]
fn without_colours_no_cell_has_one() {
    let look = Look { theme: Theme::plain(), ..Look::default() };
    let mut plain = Screen::new(Settings { look, ..settings(Manner::default(), Speed::Max) });
    plain.take(News::Journey(Arc::new(sample::lost(1, sample::START))));
    plain.take(News::Read(sample::START, sample::START.plus(SECONDS)));
    plain.refresh(Duration::ZERO, 160, 50);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 160, 50));
    render(&plain, buffer.area, &mut buffer);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
}

#[test]
fn hostile_names_reach_no_cell() {
    let mut screen = screen(Manner::default(), Speed::Max);
    let mut topology = sample::topology();
    topology.names.name(sample::ip("10.244.1.17"), "x\u{1b}[2Jy\u{202e}z\u{7}");
    screen.take(News::World(Arc::new(topology), Arc::new(sample::clocks())));
    for keys in ["", "⇥", "p", "e", "s"] {
        let shown = shown(&mut screen, WIDE, keys);
        assert!(
            !shown.contains(|c: char| c.is_control() && c != '\n') && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
}

#[test]
fn a_picture_is_the_screen() {
    let mut screen = screen(Manner::default(), Speed::Max);
    screen.refresh(Duration::ZERO, 100, 30);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 100, 30));
    render(&screen, buffer.area, &mut buffer);
    buffer[(0, 0)].set_symbol("&");
    let svg = picture::svg(&screen, &buffer);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">journeys<") && svg.contains("&amp;"));
    assert!(!svg.contains("href"), "nothing is loaded from elsewhere");
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn any_size_and_any_keys(width in 1u16..240, height in 1u16..80, keys in "[jkgGOFpexsacdWmb/nNf \\[\\]l?⏎⎋⇥↓←a-z+-]{0,12}", manner in 0usize..3, clicks in proptest::collection::vec((0u16..250, 0u16..90, 0usize..3), 0..4)) {
        let manner = [Manner::default(), Manner::new(Language::Zh), Manner::ascii()][manner];
        let mut screen = screen(manner, Speed::Times(1000.0));
        for (step, key) in keys.chars().enumerate() {
            press(&mut screen, key.encode_utf8(&mut [0; 4]));
            screen.refresh(Duration::from_millis(step as u64), width, height);
        }
        for (column, row, kind) in clicks {
            let kind = [MouseEventKind::ScrollUp, MouseEventKind::ScrollDown, MouseEventKind::Down(MouseButton::Left)][kind];
            screen.handle(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
            screen.refresh(Duration::from_millis(19), width, height);
        }
        screen.copied();
        screen.refresh(Duration::from_millis(20), width, height);
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        render(&screen, buffer.area, &mut buffer);
        text(&buffer);
    }
}

#[test]
fn a_full_store_is_drawn_in_time() {
    let mut screen = screen(Manner::default(), Speed::Max);
    for id in 100..20_000 {
        let start = sample::START.plus(id as i64 * MILLIS);
        screen.take(News::Journey(Arc::new(sample::same_node(id, start))));
    }
    screen.take(News::Read(sample::START, sample::START.plus(60 * SECONDS)));
    let last = shown(&mut screen, WIDE, "G");
    assert!(last.contains("19907/19907"), "{last}");
}
