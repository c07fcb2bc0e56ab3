//! Whole screens: news and keys in, cells out.

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

use crate::model::{Journey, MILLIS, SECONDS};
use crate::timeline::{Language, Manner, sample};
use crate::tui::theme::Theme;
use crate::tui::{Effect, Look, News, Screen, Settings, Speed, draw, picture, render};

const WIDE: (u16, u16) = (160, 50);
const NARROW: (u16, u16) = (80, 24);

fn screen(manner: Manner, speed: Speed) -> Screen {
    screen_of(sample::all(), manner, speed)
}

fn screen_of(journeys: Vec<Journey>, manner: Manner, speed: Speed) -> Screen {
    let mut screen = Screen::new(Settings { manner, speed, look: Look::default() });
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
        ("packets", NARROW, en, "p"),
        ("evidence", NARROW, en, "e"),
        ("statistics", NARROW, en, "s"),
        ("help", NARROW, en, "?"),
        ("lost", NARROW, en, "↓↓↓↓⏎"),
        ("search", NARROW, en, "/stok"),
        ("filter_wrong", NARROW, en, "fstatus >"),
        ("wide", WIDE, en, ""),
        ("wide_ladder", WIDE, en, "⇥"),
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
    assert_eq!(press(&mut screen, "w"), Some(Effect::Picture));
    assert!(shown(&mut screen, NARROW, "L").contains("旅程"));
    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    press(&mut screen, "/");
    assert_eq!(screen.handle(&interrupt), Some(Effect::Quit), "also while text is typed");
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
    let nothing =
        Screen::new(Settings { manner: Manner::default(), speed: Speed::Max, look: Look::default() });
    assert!(nothing.copied().is_none());
}

#[test]
fn without_colours_no_cell_has_one() {
    let mut plain = Screen::new(Settings {
        manner: Manner::default(),
        speed: Speed::Max,
        look: Look { theme: Theme::plain(), ..Look::default() },
    });
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
    fn any_size_and_any_keys(width in 1u16..240, height in 1u16..80, keys in "[jkgGpexs/nNf \\[\\]l?⏎⎋⇥↓←a-z+-]{0,12}", manner in 0usize..3, clicks in proptest::collection::vec((0u16..250, 0u16..90, 0usize..3), 0..4)) {
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
