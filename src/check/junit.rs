//! Results as JUnit XML, which CI systems read.

use std::fmt::Write as _;

/// One directory's result.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// What differs, a sentence each; nothing where all holds.
    pub differences: Vec<String>,
}

/// The whole document.
pub fn junit(cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| !case.differences.is_empty()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ =
        writeln!(out, "<testsuite name=\"hopline check\" tests=\"{}\" failures=\"{failures}\">", cases.len());
    for case in cases {
        let name = escaped(&case.name);
        if case.differences.is_empty() {
            let _ = writeln!(out, "  <testcase classname=\"hopline.check\" name=\"{name}\"/>");
        } else {
            let message = escaped(&case.differences[0]);
            let text = escaped(&case.differences.join("\n"));
            let _ = writeln!(out, "  <testcase classname=\"hopline.check\" name=\"{name}\">");
            let _ = writeln!(out, "    <failure message=\"{message}\">{text}</failure>\n  </testcase>");
        }
    }
    out.push_str("</testsuite>\n");
    out
}

/// `text` for an attribute or an element; characters that XML 1.0 does not have become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sentences_cannot_break_the_document() {
        let cases = [
            Case { name: "a<b".to_owned(), differences: vec![] },
            Case { name: "c".to_owned(), differences: vec!["\"x\" & \u{1b}".to_owned(), "y > z".to_owned()] },
        ];
        let xml = junit(&cases);
        assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
        assert!(xml.contains("name=\"a&lt;b\"/>"), "{xml}");
        assert!(xml.contains("message=\"&quot;x&quot; &amp; \u{fffd}\""), "{xml}");
        assert!(xml.contains("y &gt; z</failure>"), "{xml}");
    }
}
