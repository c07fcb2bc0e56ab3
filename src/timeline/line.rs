//! A line of text with tones: what panels and reports paint. It knows widths, not terminals.
//!
//! Widths are those of unicode-width outside East-Asian context (UAX #11): Chinese takes two cells, while the
//! ambiguous characters the screen draws with (circled digits, box lines, arrows) take one. Terminals that are
//! set to show ambiguous characters wide need the ASCII manner, which has none of them.

use smallvec::SmallVec;
use unicode_width::UnicodeWidthChar;

/// Bytes that a line of a usual width takes.
const USUAL_BYTES: usize = 192;
/// Most of a line's padding is put in at once.
const SPACES: &str = "                                                                ";

/// What a run of text means; a theme turns it into colour, plain text ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    /// Column heads and frames.
    Head,
    /// The text that matters most in its line.
    Strong,
    /// Bounded, secondary.
    Dim,
    /// Outside of what was captured.
    Faint,
    Request,
    Reply,
    /// A pod's or a proxy's own time.
    Own,
    /// Waiting, chosen, active.
    Accent,
    Good,
    /// Missing, lost, refused.
    Bad,
    /// Matches the search.
    Found,
}

impl Tone {
    pub const ALL: [Tone; 12] = [
        Tone::Plain,
        Tone::Head,
        Tone::Strong,
        Tone::Dim,
        Tone::Faint,
        Tone::Request,
        Tone::Reply,
        Tone::Own,
        Tone::Accent,
        Tone::Good,
        Tone::Bad,
        Tone::Found,
    ];

    /// As style sheets and themes call it.
    pub const fn name(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Head => "head",
            Tone::Strong => "strong",
            Tone::Dim => "dim",
            Tone::Faint => "faint",
            Tone::Request => "request",
            Tone::Reply => "reply",
            Tone::Own => "own",
            Tone::Accent => "accent",
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Found => "found",
        }
    }
}

/// A line, built from left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// End of each run in `text`, and its tone.
    runs: SmallVec<[(u32, Tone); 8]>,
    width: usize,
}

impl Line {
    /// An empty line with room for what a terminal's line usually holds, so that it seldom grows.
    pub fn new() -> Line {
        Line { text: String::with_capacity(USUAL_BYTES), ..Line::default() }
    }

    /// Width in cells.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.runs.clear();
        self.width = 0;
    }

    /// The runs from left to right.
    pub fn runs(&self) -> impl Iterator<Item = (&str, Tone)> {
        let mut start = 0;
        self.runs.iter().map(move |&(end, tone)| {
            let run = &self.text[start..end as usize];
            start = end as usize;
            (run, tone)
        })
    }

    /// Appends `text`; what a terminal could take for a command or could not place is left out.
    pub fn push(&mut self, tone: Tone, text: &str) -> &mut Line {
        if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            self.text.push_str(text);
            self.width += text.len();
        } else {
            for (shown, wide) in text.chars().filter_map(shown) {
                self.text.push(shown);
                self.width += wide;
            }
        }
        self.close_run(tone);
        self
    }

    /// Appends one character `count` times.
    pub fn repeat(&mut self, tone: Tone, symbol: char, count: usize) -> &mut Line {
        if symbol == ' ' {
            let mut left = count;
            while left > 0 {
                let some = left.min(SPACES.len());
                self.text.push_str(&SPACES[..some]);
                left -= some;
            }
            self.width += count;
        } else {
            self.text.extend(std::iter::repeat_n(symbol, count));
            self.width += char_width(symbol) * count;
        }
        self.close_run(tone);
        self
    }

    /// `count` spaces.
    pub fn space(&mut self, count: usize) -> &mut Line {
        self.repeat(Tone::Plain, ' ', count)
    }

    /// Spaces up to the column `column`; nothing where the line is already that wide.
    pub fn pad_to(&mut self, column: usize) -> &mut Line {
        let missing = column.saturating_sub(self.width);
        self.repeat(Tone::Plain, ' ', missing)
    }

    /// `text` in exactly `width` cells: cut with `ellipsis` or padded on the right.
    pub fn column(&mut self, tone: Tone, text: &str, width: usize, ellipsis: &str) -> &mut Line {
        let end = self.width + width;
        self.fitted(tone, text, width, ellipsis);
        self.pad_to(end)
    }

    /// `text` in exactly `width` cells, aligned to the right.
    pub fn number(&mut self, tone: Tone, text: &str, width: usize) -> &mut Line {
        self.pad_to(self.width + width.saturating_sub(text_width(text)));
        self.push(tone, text)
    }

    /// `text`, cut with `ellipsis` where it is wider than `width`; never in the middle of a wide character.
    pub fn fitted(&mut self, tone: Tone, text: &str, width: usize, ellipsis: &str) -> &mut Line {
        if text.len() <= width || text_width(text) <= width {
            return self.push(tone, text);
        }
        let room = width.saturating_sub(text_width(ellipsis));
        let mut used = 0;
        for (shown, wide) in text.chars().filter_map(shown) {
            if used + wide > room {
                break;
            }
            used += wide;
            self.text.push(shown);
        }
        self.width += used;
        self.close_run(tone);
        if text_width(ellipsis) <= width { self.push(tone, ellipsis) } else { self }
    }

    /// Appends another line's runs.
    pub fn append(&mut self, other: &Line) -> &mut Line {
        for (text, tone) in other.runs() {
            self.text.push_str(text);
            self.close_run(tone);
        }
        self.width += other.width;
        self
    }

    /// The same line cut to at most `width` cells.
    pub fn truncate(&mut self, width: usize, ellipsis: &str) {
        if self.width <= width {
            return;
        }
        let whole = std::mem::take(self);
        let room = width.saturating_sub(text_width(ellipsis));
        for (text, tone) in whole.runs() {
            let left = room - self.width;
            if text_width(text) > left {
                self.fitted(tone, text, left, "");
                break;
            }
            self.push(tone, text);
        }
        if width >= text_width(ellipsis) {
            self.push(Tone::Dim, ellipsis);
        }
    }

    /// The line in lines of at most `width` cells, broken at spaces and between Chinese characters, and anywhere
    /// where there is neither; all but the first are indented.
    #[must_use]
    pub fn wrapped(&self, width: usize, indent: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut line = Line::new();
        let mut start = 0;
        for (text, tone) in self.runs() {
            for piece in unbroken(text) {
                let is_fit = line.width + text_width(piece.trim_end()) <= width;
                if !is_fit && line.width > start {
                    lines.push(std::mem::take(&mut line));
                    start = indent.min(width);
                    line.space(start);
                }
                let mut rest = piece;
                while line.width + text_width(rest.trim_end()) > width {
                    let end = fitting(rest, width - line.width);
                    if end == 0 {
                        break;
                    }
                    line.push(tone, &rest[..end]);
                    rest = &rest[end..];
                    lines.push(std::mem::take(&mut line));
                    start = indent.min(width);
                    line.space(start);
                }
                let room = width.saturating_sub(line.width);
                line.fitted(tone, rest, room, "");
            }
        }
        lines.push(line);
        lines
    }

    fn close_run(&mut self, tone: Tone) {
        let end = self.text.len() as u32;
        match self.runs.last_mut() {
            Some(last) if last.1 == tone => last.0 = end,
            Some(last) if last.0 == end => {}
            None if end == 0 => {}
            _ => self.runs.push((end, tone)),
        }
    }
}

/// Pieces that a line may be broken between: words with the spaces behind them, and Chinese characters, each with what
/// may not begin a line (Unicode Standard Annex 14, roughly).
fn unbroken(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut before = rest.chars().next()?;
        let mut end = before.len_utf8();
        for next in rest.chars().skip(1) {
            let is_break = match (before, next) {
                (_, ' ' | '，' | '。' | '：' | '；' | '、' | '）') | ('（', _) => false,
                (' ', _) => true,
                _ => char_width(before) == 2 || char_width(next) == 2,
            };
            if is_break {
                break;
            }
            end += next.len_utf8();
            before = next;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// How many bytes of `text` fit into `width` cells.
fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    let fits = |character: &char| {
        used += shown(*character).map_or(0, |(_, wide)| wide);
        used <= width
    };
    text.chars().take_while(fits).map(char::len_utf8).sum()
}

/// Cells that `text` takes once it is on a line.
pub fn text_width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().filter_map(shown).map(|(_, wide)| wide).sum()
}

pub(super) fn char_width(character: char) -> usize {
    match character {
        // What the screen draws with: arrows, circled digits, box lines and blocks.
        ' '..='~' | '←'..='⇿' | '①'..='⑳' | '─'..='▟' => 1,
        other => other.width().unwrap_or(0),
    }
}

/// What is put on the screen for a character of untrusted text, and how wide it is: a `?` for control characters
/// and line separators, nothing for what takes no cell of its own (bidirectional controls, joiners, combining
/// marks).
pub(super) fn shown(character: char) -> Option<(char, usize)> {
    match character {
        '\u{2028}' | '\u{2029}' => Some(('?', 1)),
        other if other.is_control() => Some(('?', 1)),
        other => Some((other, char_width(other))).filter(|&(_, wide)| wide > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_is_never_cut_in_two() {
        let mut line = Line::new();
        line.column(Tone::Plain, "订单服务", 6, "…").push(Tone::Plain, "|");
        assert_eq!(line.text(), "订单… |");
        assert_eq!(line.width(), 7);
    }

    #[test]
    fn what_the_screen_draws_with_takes_one_cell() {
        for character in ('←'..='⇿').chain('①'..='⑳').chain('─'..='▟').chain(' '..='~') {
            assert_eq!(character.width(), Some(1), "{character}");
        }
    }

    #[test]
    fn hostile_text_leaves_no_control_character() {
        let mut line = Line::new();
        line.push(Tone::Plain, "a\u{1b}[31mb\u{202e}c\u{200b}d\u{2028}e\u{85}");
        assert_eq!(line.text(), "a?[31mbcd?e?");
        assert_eq!(line.width(), 12);
    }

    #[test]
    fn runs_of_one_tone_join_and_cover_the_text() {
        let mut line = Line::new();
        line.push(Tone::Bad, "a").push(Tone::Bad, "b").push(Tone::Plain, "").number(Tone::Good, "7", 3);
        let runs: Vec<_> = line.runs().collect();
        assert_eq!(runs, [("ab", Tone::Bad), ("  ", Tone::Plain), ("7", Tone::Good)]);
    }

    #[test]
    fn a_line_is_cut_at_a_run_or_within() {
        let mut line = Line::new();
        line.push(Tone::Bad, "abc").push(Tone::Plain, "订单");
        line.truncate(6, "…");
        assert_eq!((line.text(), line.width()), ("abc订…", 6));
    }

    #[test]
    fn a_sentence_is_broken_at_spaces() {
        let mut line = Line::new();
        line.push(Tone::Bad, "x lost ").push(Tone::Plain, "SYN entered the node and went no further");
        let lines = line.wrapped(18, 1);
        let texts: Vec<_> = lines.iter().map(|line| line.text().trim_end()).collect();
        assert_eq!(texts, ["x lost SYN entered", " the node and went", " no further"]);
        assert!(lines.iter().all(|line| line.width() <= 18));
    }

    #[test]
    fn chinese_and_long_words_are_broken_and_nothing_is_left_out() {
        let told = |text: &str| -> Vec<String> {
            let mut line = Line::new();
            line.push(Tone::Plain, text);
            line.wrapped(16, 2).iter().map(|line| line.text().trim_end().to_owned()).collect()
        };
        assert_eq!(
            told("SYN 进入 kappa2（bond1），没有到达容器"),
            ["SYN 进入 kappa2", "  （bond1），没", "  有到达容器"]
        );
        assert_eq!(told("GET /0123456789abcdefghij"), ["GET", "  /0123456789abc", "  defghij"]);
        assert_eq!(told(""), [""]);
    }

    proptest::proptest! {
        #[test]
        fn wrapping_keeps_every_character(text in "[a-c 订单，（）x]{0,60}", width in 3usize..30, indent in 0usize..5) {
            let mut line = Line::new();
            line.push(Tone::Plain, &text);
            let lines = line.wrapped(width, indent.min(width / 2));
            proptest::prop_assert!(lines.iter().all(|line| line.width() <= width));
            let bare = |text: &str| text.replace(' ', "");
            let kept: String = lines.iter().map(|line| bare(line.text())).collect();
            proptest::prop_assert_eq!(kept, bare(&text));
        }

        #[test]
        fn a_column_is_as_wide_as_asked(text in "\\PC*", width in 0usize..40) {
            let mut line = Line::new();
            line.column(Tone::Plain, &text, width, "…");
            assert_eq!(line.width(), width);
            assert_eq!(text_width(line.text()), width);
        }
    }
}
