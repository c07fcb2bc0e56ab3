//! Whether the terminal is dark or light: as it says, asked with OSC 11 (xterm's control sequences, "Operating System
//! Commands"), within a bounded time.
//!
//! Behind the question goes another that every terminal answers (DA1, ECMA-48 §8.3.24). Its answer says that no
//! other will come, so a terminal that does not know OSC 11 costs no time, and nothing is left to be read as keys. One
//! that answers later than that is heard out by [`Late`].

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::app::clock::Stopwatch;
use crate::tui::theme::Ground;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(250);
/// Answers are shorter.
const MOST: usize = 256;

/// The ground by `COLORFGBG`, else by asking the terminal; `None` where neither tells. The terminal must not be in
/// use.
pub(super) fn detect() -> Option<Ground> {
    let told = std::env::var("COLORFGBG").ok().and_then(|text| by_colorfgbg(&text));
    told.or_else(|| if can_ask() { ask().ok().flatten() } else { None })
}

/// `15;0`, or `15;default;0`: the number of the background among the sixteen colours.
fn by_colorfgbg(text: &str) -> Option<Ground> {
    match text.rsplit(';').next()?.parse::<u8>().ok()? {
        0..=6 | 8 => Some(Ground::Dark),
        7 | 9..=15 => Some(Ground::Light),
        _ => None,
    }
}

/// The kernel's console draws what it does not know.
fn can_ask() -> bool {
    let name = std::env::var("TERM").unwrap_or_default();
    io::stdout().is_terminal() && !matches!(name.as_str(), "" | "dumb" | "linux")
}

fn ask() -> io::Result<Option<Ground>> {
    // As crossterm does: keys come from standard input, or from the terminal where that is something else.
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return ask_at(stdin.as_fd());
    }
    let tty = File::open("/dev/tty")?;
    ask_at(tty.as_fd())
}

fn ask_at(tty: BorrowedFd<'_>) -> io::Result<Option<Ground>> {
    let was_raw = terminal::is_raw_mode_enabled()?;
    terminal::enable_raw_mode()?;
    let answer = question().and_then(|()| listen(tty));
    if !was_raw {
        terminal::disable_raw_mode()?;
    }
    Ok(by_answer(&answer?))
}

fn question() -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(b"\x1b]11;?\x1b\\\x1b[c")?;
    out.flush()
}

/// What comes, until the answer that every terminal gives is whole.
fn listen(tty: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut input = File::from(tty.try_clone_to_owned()?);
    let watch = Stopwatch::start();
    let mut answer = Vec::new();
    while answer.len() < MOST && !has_fence(&answer) {
        let left = PATIENCE.saturating_sub(watch.elapsed());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        if left.is_zero() || poll(&mut [PollFd::new(tty, PollFlags::POLLIN)], timeout)? == 0 {
            break;
        }
        let mut bytes = [0; 64];
        match input.read(&mut bytes)? {
            0 => break,
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
    Ok(answer)
}

/// Whether `answer` has a whole `CSI ? … c`.
fn has_fence(answer: &[u8]) -> bool {
    let starts = answer.windows(3).enumerate().filter(|(_, window)| window == b"\x1b[?");
    starts
        .map(|(at, _)| &answer[at + 3..])
        .any(|rest| rest.iter().find(|byte| !byte.is_ascii_digit() && **byte != b';') == Some(&b'c'))
}

/// Reads `OSC 11 ; rgb:RRRR/GGGG/BBBB`, each part of one to four hexadecimal digits (XParseColor(3)).
fn by_answer(answer: &[u8]) -> Option<Ground> {
    const START: &[u8] = b"\x1b]11;rgb";
    let at = answer.windows(START.len()).position(|window| window == START)?;
    let rest = answer[at + START.len()..].iter().skip_while(|byte| **byte == b'a').skip(1);
    let text: String = rest
        .take_while(|byte| byte.is_ascii_hexdigit() || **byte == b'/')
        .map(|&byte| byte as char)
        .collect();
    let mut parts = text.split('/').take(3).map(|part| {
        let most = (1_u32 << (4 * part.len().clamp(1, 4))) - 1;
        u32::from_str_radix(part, 16)
            .ok()
            .filter(|_| part.len() <= 4)
            .map(|value| f64::from(value) / f64::from(most))
    });
    let [r, g, b] = [parts.next()??, parts.next()??, parts.next()??];
    // Luma of ITU-R BT.709; half of it is between what people call dark and light.
    Some(if 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.5 { Ground::Dark } else { Ground::Light })
}

/// An answer that comes when keys are read already: `ESC ]` is read as Alt-], and what follows, up to the end of the
/// sequence, is no typing.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Keys that may still belong to it.
    left: usize,
}

impl Late {
    /// Whether `event` is of a late answer.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        let Event::Key(KeyEvent { code, modifiers, .. }) = event else { return false };
        let is_alt = modifiers.contains(KeyModifiers::ALT);
        if is_alt && *code == KeyCode::Char(']') {
            self.left = MOST;
            return true;
        }
        if self.left == 0 {
            return false;
        }
        let is_of_answer =
            matches!(code, KeyCode::Char(c) if c.is_ascii_hexdigit() || ";:/rgba?".contains(*c));
        let is_end = is_alt && *code == KeyCode::Char('\\')
            || modifiers.contains(KeyModifiers::CONTROL) && *code == KeyCode::Char('g');
        self.left = if is_of_answer && !is_end { self.left - 1 } else { 0 };
        is_of_answer || is_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let told = |text: &str| by_answer(text.as_bytes());
        assert_eq!(told("\x1b]11;rgb:ffff/ffff/dddd\x1b\\\x1b[?62;c"), Some(Ground::Light));
        assert_eq!(told("\x1b]11;rgb:1c1c/1c1c/1c1c\x07"), Some(Ground::Dark));
        assert_eq!(told("j\x1b]11;rgba:ff/ff/ff/ff\x07"), Some(Ground::Light));
        assert_eq!(told("\x1b]11;rgb:0/0/f\x07"), Some(Ground::Dark));
        for text in
            ["", "\x1b[?6c", "\x1b]11;rgb:", "\x1b]11;rgb:12345/0/0", "\x1b]11;rgb:zz/0/0", "\x1b]11;#ffffff"]
        {
            assert_eq!(told(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_fence_ends_it() {
        assert!(has_fence(b"\x1b]11;rgb:0/0/0\x07\x1b[?64;1;2c"));
        assert!(has_fence(b"\x1b[?6c"));
        for text in [&b""[..], b"\x1b[?64;1", b"\x1b[c", b"ccc"] {
            assert!(!has_fence(text));
        }
    }

    #[test]
    fn the_variable_names_the_background() {
        assert_eq!(by_colorfgbg("15;0"), Some(Ground::Dark));
        assert_eq!(by_colorfgbg("0;default;15"), Some(Ground::Light));
        assert_eq!(by_colorfgbg("default;default"), None);
        assert_eq!(by_colorfgbg(""), None);
    }

    #[test]
    fn a_late_answer_is_no_typing() {
        let mut late = Late::default();
        let alt = |letter| Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::ALT));
        let key = |letter| Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
        assert!(!late.takes(&key('g')));
        assert!(late.takes(&alt(']')));
        assert!("11;rgb:ffff/ffff/ffff".chars().all(|letter| late.takes(&key(letter))));
        assert!(late.takes(&alt('\\')));
        assert!(!late.takes(&key('g')), "typing goes on");
        assert!(late.takes(&alt(']')) && !late.takes(&key('q')), "what cannot be of it is typing");
        assert!(!late.takes(&key('b')));
    }
}
