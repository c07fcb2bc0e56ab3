//! From text to a checked expression: recursive descent, with a bound on depth.

use ipnet::IpNet;

use super::{Expr, ExprError, FIELDS, Field, OPERATORS, OUTCOMES, Op, PROTOCOLS, UNITS, Value, is_plain};
use crate::model::{Endpoint, Ip, Stage, Way};

/// Parentheses and `not`s inside each other: more than anyone writes, few enough for any stack.
const MAX_DEPTH: usize = 50;
/// Longer than any expression worth typing; keeps what the screen shows and the parser holds small.
const MAX_BYTES: usize = 4096;

pub(super) fn parse(text: &str) -> Result<Expr, ExprError> {
    let mut parser = Parser::new(text);
    if text.len() > MAX_BYTES {
        return Err(parser.error(0, format!("an expression has at most {MAX_BYTES} bytes")));
    }
    let expr = parser.any()?;
    match parser.peek() {
        None => Ok(expr),
        Some(')') => Err(parser.error(parser.at, "nothing is open that `)` could close")),
        Some(_) => Err(parser.error(parser.at, "expected `and`, `or` or the end")),
    }
}

/// What could come where an expression ends that is still being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A field, a word or a parenthesis.
    Part,
    Operator(Field),
    Value(Field, Op),
    /// The stage of `delay(`, of this way.
    Stage(Way),
    /// `and`, `or`, and `)` where one is open.
    Joiner {
        is_open: bool,
    },
}

/// What could come behind `text`.
pub(super) fn wanted(text: &str) -> Vec<Wanted> {
    let mut parser = Parser::new(text);
    if text.len() <= MAX_BYTES {
        // An expression that goes on is wrong as it is.
        let _ = parser.any();
    }
    parser.wanted
}

struct Parser<'a> {
    text: &'a str,
    /// Bytes read so far.
    at: usize,
    depth: usize,
    /// Parentheses that are open.
    open: usize,
    /// What was looked for where the text ends.
    wanted: Vec<Wanted>,
}

/// A word or a quoted text, and where it began.
struct Token {
    start: usize,
    text: String,
    is_quoted: bool,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        !self.is_quoted && self.text.eq_ignore_ascii_case(word)
    }
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0, depth: 0, open: 0, wanted: Vec::new() }
    }

    /// Remembers what is looked for here, if the text ends here.
    fn want(&mut self, wanted: Wanted) {
        if self.peek().is_none() {
            self.wanted.push(wanted);
        }
    }

    fn any(&mut self) -> Result<Expr, ExprError> {
        self.chain("or", Self::all, Expr::Or)
    }

    fn all(&mut self) -> Result<Expr, ExprError> {
        self.chain("and", Self::part, Expr::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Expr, ExprError>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, ExprError> {
        let first = part(self)?;
        let mut parts = vec![first];
        self.want(Wanted::Joiner { is_open: self.open > 0 });
        while self.keyword(word) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { join(parts) })
    }

    fn part(&mut self) -> Result<Expr, ExprError> {
        let start = self.skip_space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(start, "too many parentheses inside each other"));
        }
        let part = if self.keyword("not") {
            self.part().map(|part| Expr::Not(Box::new(part)))
        } else if self.sign("(") {
            self.parenthesised(start)
        } else {
            self.comparison()
        };
        self.depth -= 1;
        part
    }

    fn parenthesised(&mut self, start: usize) -> Result<Expr, ExprError> {
        self.open += 1;
        let inner = self.any()?;
        if self.sign(")") {
            self.open -= 1;
            return Ok(inner);
        }
        match self.peek() {
            None => Err(self.error(start, "this `(` is never closed")),
            Some(_) => Err(self.error(self.at, "expected `and`, `or` or `)`")),
        }
    }

    /// `FIELD OP VALUE` or a bare word.
    fn comparison(&mut self) -> Result<Expr, ExprError> {
        self.want(Wanted::Part);
        let token = self.token("a field, a word or `(`")?;
        if ["and", "or", "in"].iter().any(|word| token.is(word)) {
            return Err(self.error(token.start, format!("expected something before `{}`", token.text)));
        }
        let field = self.field(&token)?;
        let op_start = self.skip_space();
        if let Some(field) = field {
            self.want(Wanted::Operator(field));
        }
        let Some(op) = self.operator() else {
            return match field {
                Some(Field::Delay(_)) => {
                    Err(self.error(op_start, "expected an operator, as in `delay > 2ms`"))
                }
                _ => Ok(Expr::Word(token.text.to_lowercase().into())),
            };
        };
        let Some(field) = field else {
            let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            let what = format!("no field `{}`; there are {} delay", token.text, known.join(" "));
            return Err(self.error(token.start, what));
        };
        self.want(Wanted::Value(field, op));
        let value = self.token(&format!("a value after `{op}`"))?;
        let value = self.value(field, op, op_start, &value)?;
        Ok(Expr::Compare { field, op, value })
    }

    fn field(&mut self, token: &Token) -> Result<Option<Field>, ExprError> {
        if token.is("delay") {
            let stage = if self.sign("(") { Some(self.stage()?) } else { None };
            return Ok(Some(Field::Delay(stage)));
        }
        Ok(FIELDS.iter().find(|(name, _)| token.is(name)).map(|&(_, field)| field))
    }

    /// The rest of `delay(⑤)`, `delay(5)` or `delay("(3)")`, after its first parenthesis; quotes may be left out.
    fn stage(&mut self) -> Result<Stage, ExprError> {
        self.want(Wanted::Stage(Way::Request));
        let has_inner = self.sign("(");
        if has_inner {
            self.want(Wanted::Stage(Way::Reply));
        }
        let token = self.token("a stage: `⑤`, `5` or `\"(3)\"`")?;
        let stage = stage_of(&token.text, has_inner)
            .ok_or_else(|| self.error(token.start, "a stage is `⑤` or `5`, of the reply `\"(3)\"`"))?;
        if (has_inner && !self.sign(")")) || !self.sign(")") {
            return Err(self.error(self.at, "expected `)`"));
        }
        Ok(stage)
    }

    fn operator(&mut self) -> Option<Op> {
        let found = OPERATORS
            .iter()
            .find(|(sign, op)| if *op == Op::In { self.keyword(sign) } else { self.sign(sign) });
        found.map(|&(_, op)| op)
    }

    /// Reads the value as its field wants it.
    fn value(&self, field: Field, op: Op, op_start: usize, token: &Token) -> Result<Value, ExprError> {
        let (allowed, example) = operators(field);
        if !allowed.contains(&op) {
            return Err(self.error(op_start, format!("`{field}` is compared with {example}")));
        }
        let wrong = |what: &str| self.error(token.start, what);
        let text = token.text.as_str();
        match field {
            Field::Client | Field::Target | Field::Server | Field::Pod | Field::Service | Field::Addr => {
                address(op, text).map_err(|what| wrong(&what))
            }
            Field::Port => match text.parse::<u16>() {
                Ok(port) => Ok(Value::Number(port.into())),
                Err(_) => Err(wrong("a port is a number up to 65535")),
            },
            Field::Status => match text.parse::<u16>() {
                Ok(status) => Ok(Value::Number(status.into())),
                Err(_) => Err(wrong("a status is a number such as 503")),
            },
            Field::Delay(_) => duration(text)
                .map(Value::Nanos)
                .ok_or_else(|| wrong("a delay is a number with a unit: 2ms, 300us, 1s")),
            Field::Outcome => OUTCOMES
                .iter()
                .find(|outcome| outcome.name().eq_ignore_ascii_case(text))
                .map(|&outcome| Value::Outcome(outcome))
                .ok_or_else(|| wrong("an outcome is complete, open, lost, refused or failed")),
            Field::Proto if op != Op::Contains && !PROTOCOLS.contains(&text.to_lowercase().as_str()) => {
                Err(wrong("a protocol is tcp, udp, icmp, icmp6, http, dns or tls"))
            }
            _ => Ok(Value::Text(text.to_lowercase().into())),
        }
    }

    /// Takes `word` if it stands here as a whole word.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip_space();
        let here: usize = self.rest().chars().take_while(|&c| is_plain(c)).map(char::len_utf8).sum();
        let found = self.rest()[..here].eq_ignore_ascii_case(word);
        if found {
            self.at += here;
        }
        found
    }

    /// Takes `sign` if it stands here.
    fn sign(&mut self, sign: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// Takes the word or the quoted text that stands here.
    fn token(&mut self, wanted: &str) -> Result<Token, ExprError> {
        let start = self.skip_space();
        if self.sign("\"") {
            return self.quoted(start);
        }
        let len: usize = self.rest().chars().take_while(|&c| is_plain(c)).map(char::len_utf8).sum();
        if len == 0 {
            return Err(self.error(start, format!("expected {wanted}")));
        }
        self.at += len;
        Ok(Token { start, text: self.text[start..self.at].to_owned(), is_quoted: false })
    }

    fn quoted(&mut self, start: usize) -> Result<Token, ExprError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(Token { start, text, is_quoted: true });
                }
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.error(start, "this quote is never closed"))
    }

    fn skip_space(&mut self) -> usize {
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.at
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, what: impl Into<String>) -> ExprError {
        ExprError {
            column: self.text[..at].chars().count(),
            what: what.into(),
            is_unfinished: self.at == self.text.len(),
        }
    }
}

/// The operators that a field is compared with, and how an error names them.
pub(super) const fn operators(field: Field) -> (&'static [Op], &'static str) {
    match field {
        Field::Client | Field::Target | Field::Server | Field::Pod | Field::Service | Field::Addr => (
            &[Op::Equal, Op::Unequal, Op::Contains, Op::In],
            "`==`, `!=`, `~` (contains) or `in` (a range such as 10.244.0.0/16)",
        ),
        Field::Port | Field::Status | Field::Delay(_) => (
            &[Op::Equal, Op::Unequal, Op::Less, Op::AtMost, Op::Greater, Op::AtLeast],
            "`==`, `!=`, `<`, `<=`, `>` or `>=`",
        ),
        Field::Outcome => (&[Op::Equal, Op::Unequal], "`==` or `!=`"),
        _ => (&[Op::Equal, Op::Unequal, Op::Contains], "`==`, `!=` or `~` (contains)"),
    }
}

/// Reads `⑤` or `5`, or a reply's `(3)`; `in_parentheses` where they were read already.
fn stage_of(text: &str, in_parentheses: bool) -> Option<Stage> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let way = if in_parentheses || inner.is_some() { Way::Reply } else { Way::Request };
    let text = inner.unwrap_or(text);
    let mut chars = text.chars();
    let number = match (chars.next(), chars.next()) {
        (Some(circled @ '①'..='⑳'), None) if way == Way::Request => {
            (circled as u32 - '①' as u32 + 1) as u8
        }
        _ => text.parse().ok().filter(|number| *number > 0)?,
    };
    Some(Stage { way, number })
}

/// Reads an address, an address with a port, a range or a name.
fn address(op: Op, text: &str) -> Result<Value, String> {
    if op == Op::Contains {
        return Ok(Value::Text(text.to_lowercase().into()));
    }
    if let Ok(ip) = text.parse::<Ip>() {
        return Ok(if op == Op::In { Value::Net(std::net::IpAddr::from(ip).into()) } else { Value::Ip(ip) });
    }
    match (text.parse::<IpNet>(), op) {
        (Ok(net), Op::In) => return Ok(Value::Net(net.trunc())),
        (Ok(_), _) => return Err(format!("`{text}` is a range: compare with `in`")),
        (Err(_), Op::In) => return Err("`in` wants a range such as 10.244.2.0/24".to_owned()),
        (Err(_), _) => {}
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        // Port 0 is how an address without a port is kept.
        return if socket.port() == 0 {
            Err("a port is a number from 1 to 65535".to_owned())
        } else {
            Ok(Value::Endpoint(Endpoint::new(socket.ip().into(), socket.port())))
        };
    }
    Ok(Value::Text(text.to_lowercase().into()))
}

/// Reads `2ms`, `1.5s`, `300us` into nanoseconds; digits below a nanosecond are refused.
pub(super) fn duration(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let nanos = whole.parse::<i64>().ok()?.checked_mul(*size)?;
    let scale = 10_i64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = part.parse::<i64>().ok()?.checked_mul(*size)?;
    (part % scale == 0).then(|| nanos.checked_add(part / scale))?
}

#[cfg(test)]
mod tests;
