//! Text and lines as XML and HTML. Whatever the text holds, it stays text.

use crate::timeline::line::shown;
use crate::timeline::{Line, Tone};

/// Colours of the tones, for light and for dark, as a style sheet: a class a tone.
pub const TONES: &str = include_str!("../../assets/report/tones.css");

/// Appends `text` as the content of an element or of a quoted attribute (XML 1.0 §2.2, §2.4; HTML §13.1.4); what a
/// line leaves out or replaces is left out or replaced here too.
pub fn escape(out: &mut String, text: &str) {
    for (character, _) in text.chars().filter_map(shown) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // The two code points beside controls and surrogates that XML has no place for.
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            other => out.push(other),
        }
    }
}

/// Appends the runs of `line`, each in its tone's class.
pub fn spans(out: &mut String, line: &Line) {
    for (text, tone) in line.runs() {
        if tone == Tone::Plain {
            escape(out, text);
            continue;
        }
        out.push_str("<span class=\"");
        out.push_str(tone.name());
        out.push_str("\">");
        escape(out, text);
        out.push_str("</span>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut out = String::new();
        escape(&mut out, "a<b>&\"c'\u{1b}[2J\u{202e}\u{ffff}\0");
        assert_eq!(out, "a&lt;b&gt;&amp;&quot;c&#39;?[2J??");
    }

    #[test]
    fn runs_keep_their_tone() {
        let mut line = Line::new();
        line.push(Tone::Bad, "<x").push(Tone::Plain, " > y");
        let mut out = String::new();
        spans(&mut out, &line);
        assert_eq!(out, "<span class=\"bad\">&lt;x</span> &gt; y");
    }

    #[test]
    fn every_tone_has_a_colour() {
        for tone in Tone::ALL {
            assert!(TONES.contains(&format!(".{}", tone.name())), "{tone:?}");
        }
    }
}
