//! HTTP/1 heads and body framing (RFC 9110, RFC 9112).
//!
//! Texts of a head are borrowed from the payload as they came: what is to be shown goes through
//! [`super::clean()`] first.

mod chunks;
mod marks;

pub use chunks::Chunks;
use httparse::{EMPTY_HEADER, Header, Status};

pub(super) use self::marks::Marking;
use crate::model::{Marks, Way};

/// A head larger than this is not waited for, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;

const MAX_HEADERS: usize = 128;
const MAX_METHOD: usize = 20;

/// What a payload begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// It begins like a request or an answer; the head's end is not there yet.
    Partial,
    NotHttp,
    Request(Request<'a>),
    Response(Response<'a>),
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub method: &'a str,
    /// As on the request line: a path with its query, an absolute URI, `host:port` for CONNECT, or `*`.
    pub target: &'a str,
    /// The Host field, else the authority of an absolute target.
    pub host: Option<&'a [u8]>,
    pub content_length: Option<u64>,
    pub is_chunked: bool,
    /// The client will send nothing after this request.
    pub is_close: bool,
    /// The client asks for another protocol on this connection: an upgrade, or CONNECT.
    pub is_upgrade: bool,
    /// What its fields say about where it came from; digests are not filled in.
    pub marks: Option<Box<Marks>>,
    /// Length of the head with its empty line, in bytes; the body begins there.
    pub head_len: usize,
}

/// An answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    pub status: u16,
    /// Of a redirection (3xx): where the client is to go on (RFC 9110 §10.2.2).
    pub location: Option<&'a [u8]>,
    pub content_length: Option<u64>,
    pub is_chunked: bool,
    /// The server will send nothing after this answer.
    pub is_close: bool,
    /// It names HTTP/2 in clear text as the protocol to go on with (RFC 7540 §3.2).
    pub names_http2: bool,
    /// Length of the head with its empty line, in bytes; the body begins there.
    pub head_len: usize,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes, which may be none.
    Length(u64),
    Chunked,
    /// All that comes until the connection closes.
    UntilClose,
}

impl Request<'_> {
    pub const fn framing(&self) -> Framing {
        match (self.is_chunked, self.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Length(0),
        }
    }
}

impl Response<'_> {
    /// `method` is the request's: an answer to HEAD has no body, one to CONNECT opens a tunnel.
    pub fn framing(&self, method: &str) -> Framing {
        if self.is_tunnel(method) {
            return Framing::UntilClose;
        }
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Framing::Length(0);
        }
        match (self.is_chunked, self.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        }
    }

    /// What follows is another protocol's, on both ways (RFC 9110 §7.8, §9.3.6). `method` is the request's.
    pub fn is_tunnel(&self, method: &str) -> bool {
        self.status == 101 || (method == "CONNECT" && self.status / 100 == 2)
    }

    /// An interim answer; the final one to the same request follows (RFC 9110 §15.2).
    pub const fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102..=199)
    }
}

/// Reads the head that `bytes` begin with.
pub fn head(bytes: &[u8]) -> Head<'_> {
    read(bytes, false)
}

/// Reads a head whose rest was not captured, as far as it goes: a request needs its whole request line, an answer
/// its status line. Fields that were cut off are taken as absent, and `head_len` is all of `bytes`.
pub fn cut_head(bytes: &[u8]) -> Head<'_> {
    read(bytes, true)
}

/// Whether `bytes`, perhaps only the first few of a message, can begin a request.
pub fn looks_like_request(bytes: &[u8]) -> bool {
    let is_method_byte = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    let method_len = bytes.iter().take(MAX_METHOD + 1).take_while(|byte| is_method_byte(byte)).count();
    let (method, rest) = bytes.split_at(method_len);
    match rest {
        [] => (1..=MAX_METHOD).contains(&method_len),
        [b' ', target @ ..] => method_len > 0 && looks_like_target(method, target),
        _ => false,
    }
}

/// Whether `bytes` begin with a registered method (RFC 9110 §9, RFC 5789). Other ones are rare enough to be taken
/// for the rest of something where a connection was caught in the middle.
pub fn begins_with_known_method(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];
    METHODS.iter().any(|method| bytes.starts_with(method))
}

/// Which way a message goes that begins with `bytes`, where that is beyond doubt.
pub fn way_of(bytes: &[u8]) -> Option<Way> {
    if begins_with_known_method(bytes) {
        Some(Way::Request)
    } else {
        bytes.starts_with(b"HTTP/1.").then_some(Way::Reply)
    }
}

/// Every form of RFC 9112 §3.2, except for HTTP/2's preface, which imitates a request.
fn looks_like_target(method: &[u8], target: &[u8]) -> bool {
    let begins = |form: &[u8]| target.iter().zip(form).all(|(a, b)| a.eq_ignore_ascii_case(b));
    method != b"PRI" && (method == b"CONNECT" || begins(b"/") || begins(b"*") || begins(b"http"))
}

/// Whether `bytes`, perhaps only the first few of a message, can begin an answer.
pub fn looks_like_response(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().zip(b"HTTP/1.").all(|(a, b)| a == b)
}

fn read(bytes: &[u8], is_cut: bool) -> Head<'_> {
    if looks_like_response(bytes) {
        read_response(bytes, is_cut)
    } else if looks_like_request(bytes) {
        read_request(bytes, is_cut)
    } else {
        Head::NotHttp
    }
}

fn read_request(bytes: &[u8], is_cut: bool) -> Head<'_> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let head_len = match head_len(request.parse(bytes), bytes.len(), is_cut) {
        Ok(head_len) => head_len,
        Err(head) => return head,
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Head::Partial;
    };
    let Some(fields) = Fields::read(request.headers, minor) else { return Head::NotHttp };
    let mut marking = Marking::default();
    for header in request.headers.iter().take_while(|header| !header.name.is_empty()) {
        marking.note(header.name, header.value);
    }
    Head::Request(Request {
        method,
        target,
        host: fields.host.or_else(|| authority(method, target)),
        content_length: fields.content_length,
        is_chunked: fields.is_chunked,
        is_close: fields.is_close,
        is_upgrade: fields.is_upgrade || method == "CONNECT",
        marks: marking.finish(),
        head_len,
    })
}

fn read_response(bytes: &[u8], is_cut: bool) -> Head<'_> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head_len = match head_len(response.parse(bytes), bytes.len(), is_cut) {
        Ok(head_len) => head_len,
        Err(head) => return head,
    };
    let (Some(status), Some(minor)) = (response.code, response.version) else { return Head::Partial };
    let Some(fields) = Fields::read(response.headers, minor) else { return Head::NotHttp };
    Head::Response(Response {
        status,
        location: fields.location.filter(|_| status / 100 == 3),
        content_length: fields.content_length,
        is_chunked: fields.is_chunked,
        is_close: fields.is_close,
        names_http2: tokens(fields.protocols).any(|protocol| is_token(protocol, "h2c")),
        head_len,
    })
}

/// The head's length, or what the bytes are instead.
fn head_len<'a>(parsed: httparse::Result<usize>, available: usize, is_cut: bool) -> Result<usize, Head<'a>> {
    match parsed {
        Ok(Status::Complete(head_len)) => Ok(head_len),
        Ok(Status::Partial) if is_cut => Ok(available),
        Ok(Status::Partial) if available < MAX_HEAD => Err(Head::Partial),
        Ok(Status::Partial) | Err(_) => Err(Head::NotHttp),
    }
}

fn authority<'a>(method: &str, target: &'a str) -> Option<&'a [u8]> {
    if method == "CONNECT" {
        return Some(target.as_bytes());
    }
    let (_, rest) = target.split_once("://")?;
    rest.split(['/', '?', '#']).next().map(str::as_bytes)
}

/// The fields that say where a message ends and whom it is for.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    is_chunked: bool,
    is_close: bool,
    is_upgrade: bool,
    location: Option<&'a [u8]>,
    /// Of the Upgrade field.
    protocols: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `None` where the fields contradict each other about the message's length (RFC 9112 §6.3, rule 5).
    fn read(headers: &[Header<'a>], minor_version: u8) -> Option<Fields<'a>> {
        let mut fields = Fields { is_close: minor_version == 0, ..Fields::default() };
        for header in headers.iter().take_while(|header| !header.name.is_empty()) {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("host") {
                fields.host = fields.host.or(Some(header.value));
            } else if is("content-length") {
                fields.add_content_length(header.value)?;
            } else if is("transfer-encoding") {
                // Only the last coding frames the message.
                fields.is_chunked = tokens(header.value).last().is_some_and(|last| is_token(last, "chunked"));
            } else if is("connection") {
                fields.add_connection(header.value);
            } else if is("location") {
                fields.location = fields.location.or(Some(header.value));
            } else if is("upgrade") {
                fields.protocols = header.value;
            }
        }
        Some(fields)
    }

    fn add_content_length(&mut self, value: &[u8]) -> Option<()> {
        for token in tokens(value) {
            let length = std::str::from_utf8(token).ok()?.parse().ok()?;
            if self.content_length.is_some_and(|known| known != length) {
                return None;
            }
            self.content_length = Some(length);
        }
        Some(())
    }

    fn add_connection(&mut self, value: &[u8]) {
        for token in tokens(value) {
            if is_token(token, "close") {
                self.is_close = true;
            } else if is_token(token, "keep-alive") {
                self.is_close = false;
            } else if is_token(token, "upgrade") {
                self.is_upgrade = true;
            }
        }
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn is_token(token: &[u8], name: &str) -> bool {
    token.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests;
