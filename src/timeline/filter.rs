//! Journey expressions: what `--where` and the screen's filter understand.
//!
//! ```text
//! expression = all { "or" all }            all  = part { "and" part }
//! part       = "not" part | "(" expression ")" | FIELD OP VALUE | WORD
//! ```
//! `a != b` is the same as `not a == b`: it also holds where the field is not known.
//! Text is compared without regard to case; a bare word is looked for in names, addresses, paths and hosts.

mod complete;
mod eval;
mod flows;
mod parse;
mod vocabulary;

use std::fmt;

use ipnet::IpNet;

pub use complete::{Candidate, Completion, complete};
pub use vocabulary::Vocabulary;

use crate::model::{Endpoint, Ip, Outcome, SECONDS, Stage};

/// A checked journey expression. `Display` writes it so that it parses to itself again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Two or more, all of which must hold.
    And(Vec<Expr>),
    /// Two or more, one of which must hold.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare {
        field: Field,
        op: Op,
        value: Value,
    },
    /// A bare word, in lower case.
    Word(Box<str>),
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Client,
    Target,
    Server,
    /// A client or server that is a pod, on any leg.
    Pod,
    /// A Service's address that was dialled, on any leg.
    Service,
    /// Any of client, target and server, on any leg.
    Addr,
    Port,
    /// The transport or the application protocol.
    Proto,
    Path,
    Route,
    Node,
    Outcome,
    /// Kind of place or node that the verdict blames.
    Where,
    Method,
    Status,
    Host,
    Url,
    /// A name that was looked up.
    Dns,
    /// A name known for one of the addresses.
    Name,
    /// Kind of a proxy on the way.
    Proxy,
    /// From start to end, or at one stage.
    Delay(Option<Stage>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    /// The address lies in a range.
    In,
    /// Contains the text.
    Contains,
}

/// The right side of a comparison, of the type its field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// In lower case.
    Text(Box<str>),
    Number(u64),
    /// A duration in nanoseconds.
    Nanos(i64),
    Ip(Ip),
    Endpoint(Endpoint),
    Net(IpNet),
    Outcome(Outcome),
}

/// Where an expression is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at column {}", self.column + 1)]
pub struct ExprError {
    /// Characters before the wrong place.
    pub column: usize,
    pub what: String,
    /// More text might make it right.
    pub is_unfinished: bool,
}

/// Names of the fields as they are written, `delay` apart.
const FIELDS: [(&str, Field); 20] = [
    ("client", Field::Client),
    ("target", Field::Target),
    ("server", Field::Server),
    ("pod", Field::Pod),
    ("service", Field::Service),
    ("addr", Field::Addr),
    ("port", Field::Port),
    ("proto", Field::Proto),
    ("path", Field::Path),
    ("route", Field::Route),
    ("node", Field::Node),
    ("outcome", Field::Outcome),
    ("where", Field::Where),
    ("method", Field::Method),
    ("status", Field::Status),
    ("host", Field::Host),
    ("url", Field::Url),
    ("dns", Field::Dns),
    ("name", Field::Name),
    ("proxy", Field::Proxy),
];

/// Operators as they are written; a longer one stands before its own beginning.
const OPERATORS: [(&str, Op); 8] = [
    ("==", Op::Equal),
    ("!=", Op::Unequal),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("<", Op::Less),
    (">", Op::Greater),
    ("~", Op::Contains),
    ("in", Op::In),
];

/// Units of durations, in nanoseconds, the longest first.
const UNITS: [(&str, i64); 6] =
    [("m", 60 * SECONDS), ("s", SECONDS), ("ms", 1_000_000), ("us", 1_000), ("µs", 1_000), ("ns", 1)];

/// Transports and applications.
const PROTOCOLS: [&str; 7] = ["tcp", "udp", "icmp", "icmp6", "http", "dns", "tls"];

/// Words of the grammar, which a bare word must quote.
const KEYWORDS: [&str; 5] = ["and", "or", "not", "in", "delay"];

const OUTCOMES: [Outcome; 5] =
    [Outcome::Complete, Outcome::Open, Outcome::Lost, Outcome::Refused, Outcome::Failed];

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    /// Where it is wrong, with the column of the first thing that does not fit.
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        parse::parse(text)
    }
}

/// The names of all fields.
pub fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|(name, _)| *name).chain(["delay"])
}

/// Reads a duration with its unit, such as `2ms`, `1.5s` or `300us`, into nanoseconds.
pub fn duration(text: &str) -> Option<i64> {
    parse::duration(text)
}

impl ExprError {
    /// The expression on one line and a caret under the wrong place on the next.
    pub fn marked(&self, text: &str) -> String {
        let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before: String = shown.chars().take(self.column).collect();
        let width = unicode_width::UnicodeWidthStr::width(before.as_str());
        format!("{shown}\n{:width$}^ {}", "", self.what)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::And(parts) => joined(f, parts, " and ", |part| matches!(part, Expr::And(_) | Expr::Or(_))),
            Expr::Or(parts) => joined(f, parts, " or ", |part| matches!(part, Expr::Or(_))),
            Expr::Not(part) if matches!(**part, Expr::And(_) | Expr::Or(_)) => write!(f, "not ({part})"),
            Expr::Not(part) => write!(f, "not {part}"),
            Expr::Compare { field, op, value } => write!(f, "{field} {op} {value}"),
            Expr::Word(word) => {
                let is_reserved =
                    KEYWORDS.contains(&&**word) || FIELDS.iter().any(|(name, _)| *name == &**word);
                if is_reserved { quoted(f, word) } else { text(f, word) }
            }
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    word: &str,
    needs_parentheses: fn(&Expr) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if needs_parentheses(part) { write!(f, "({part})")? } else { write!(f, "{part}")? }
    }
    Ok(())
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Delay(None) => f.write_str("delay"),
            Field::Delay(Some(Stage { way: crate::model::Way::Reply, number })) => {
                write!(f, "delay(\"({number})\")")
            }
            Field::Delay(Some(stage)) => write!(f, "delay({stage})"),
            field => {
                f.write_str(FIELDS.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name))
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OPERATORS.iter().find(|(_, known)| known == self).map_or("", |(sign, _)| sign))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(value) => text(f, value),
            Value::Number(value) => value.fmt(f),
            Value::Nanos(nanos) => {
                let (unit, size) =
                    UNITS.iter().find(|(_, size)| nanos % size == 0).copied().unwrap_or(("ns", 1));
                write!(f, "{}{unit}", nanos / size)
            }
            Value::Ip(value) => value.fmt(f),
            Value::Endpoint(value) => value.fmt(f),
            Value::Net(value) => value.fmt(f),
            Value::Outcome(value) => f.write_str(value.name()),
        }
    }
}

/// Whether `c` can stand in a word without quotes.
fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"()\"=!<>~".contains(c)
}

fn text(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    if !value.is_empty() && value.chars().all(is_plain) { f.write_str(value) } else { quoted(f, value) }
}

fn quoted(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    write!(f, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
