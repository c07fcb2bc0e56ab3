//! Text from the wire, made safe to print: the only way such text gets into a model or onto a terminal.

use unicode_width::UnicodeWidthChar;

/// The most characters that [`clean`] keeps, its `…` included.
pub const MAX_CHARS: usize = 256;

/// `text` in printable form, at most [`MAX_CHARS`] characters; what is longer ends in `…`.
///
/// Control characters (ESC among them) become their pictures (`␛`), and whatever else is not seen on a screen or
/// turns its neighbours around becomes `�`: invalid UTF-8, the C1 controls, line separators, and every character
/// without a width of its own, such as zero-width spaces and bidirectional marks (Unicode Standard Annex 9).
pub fn clean(text: impl AsRef<[u8]>) -> Box<str> {
    let text = text.as_ref();
    // Nearly all text is short and plain.
    if text.len() <= MAX_CHARS
        && text.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && let Ok(text) = std::str::from_utf8(text)
    {
        return text.into();
    }
    let mut chars = text.utf8_chunks().flat_map(|chunk| {
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().map(printable).chain(invalid)
    });
    let mut cleaned: String = chars.by_ref().take(MAX_CHARS).collect();
    if chars.next().is_some() {
        cleaned.pop();
        cleaned.push('…');
    }
    cleaned.into_boxed_str()
}

fn printable(c: char) -> char {
    const PICTURES: u32 = 0x2400;
    match c {
        '\0'..='\x1f' => char::from_u32(PICTURES + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '␡',
        ' '..='~' => c,
        // A soft hyphen is drawn or not, as the terminal likes; line separators may break the line.
        '\u{ad}' | '\u{2028}' | '\u{2029}' => char::REPLACEMENT_CHARACTER,
        _ if c.width().unwrap_or(0) == 0 => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_can_be_seen_is_left_alone() {
        for text in ["", "/shop?a=b%20c", "例え.example", "naïve", "🚀"] {
            assert_eq!(&*clean(text), text);
        }
    }

    #[test]
    fn what_acts_on_the_terminal_is_shown_instead() {
        assert_eq!(&*clean("a\x1b[31mb\r\n\0\x7f"), "a␛[31mb␍␊␀␡");
        assert_eq!(&*clean(b"a\xff\xfeb\xc3"), "a��b�");
        for hidden in [
            '\u{9b}',
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{61c}',
            '\u{feff}',
            '\u{180e}',
            '\u{e0041}',
            '\u{fe0f}',
            '\u{3164}',
            '\u{0301}',
        ] {
            assert_eq!(&*clean(hidden.to_string()), "\u{fffd}", "U+{:04X}", u32::from(hidden));
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clean("ä".repeat(MAX_CHARS)).chars().count(), MAX_CHARS);
        let cut = clean("ä".repeat(MAX_CHARS + 1));
        assert_eq!(cut.chars().count(), MAX_CHARS);
        assert!(cut.ends_with("ä…"));
    }

    proptest! {
        #[test]
        fn cleaning_cleaned_text_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let once = clean(&bytes);
            prop_assert_eq!(clean(&*once), once.clone());
            prop_assert!(once.chars().count() <= MAX_CHARS);
            prop_assert!(once.chars().all(|c| c.width().is_some_and(|width| width > 0)));
        }
    }
}
