//! What is wrong with a template, said so that it can be mended.

use std::ops::Range;

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}; {hint}")]
pub struct TemplateError {
    pub file: String,
    /// Counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    pub what: String,
    /// What to try.
    pub hint: String,
}

/// A fault at a place in a template's text, before the file's name is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) what: String,
    pub(super) hint: String,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault { span, what: what.into(), hint: hint.into() }
    }

    /// With the file's name, and the line in `text` where the fault begins.
    pub(super) fn of_file(self, file: &str, text: &str) -> TemplateError {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        TemplateError { file: file.to_owned(), line, what: self.what, hint: self.hint }
    }
}
