//! What one way of a connection says: where its messages begin and end, and what their heads tell.
//!
//! It gets every byte once and in order. Bodies of known length are stepped over, so their bytes need not have been
//! captured.

use smallvec::SmallVec;

use super::body::Body;
use super::found::{Asked, Carries, Context, Event, Fact};
use super::http2::{Frames, Share};
use super::ongoing::Token;
use crate::decode::proxy::{Preamble, preamble};
use crate::decode::{clean, extend_digest, http, http2, tls};
use crate::model::Way;

/// Bytes of one head that may be kept while it is incomplete; servers refuse longer ones.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// Segments of a connection caught in the middle that are looked at for the begin of a head.
const MAX_SEARCHED: u8 = 64;

/// Bytes that are read next: `len` of them from sequence number `at`, of which the first ones were captured.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    at: u32,
    len: u32,
    bytes: &'a [u8],
}

#[derive(Debug, Default)]
enum Reading {
    /// Before the connection's first byte.
    #[default]
    Start,
    /// Inside a PROXY protocol header, or what can still become one.
    Preamble(Vec<u8>),
    /// Before the first byte of a head.
    Boundary,
    /// Inside a head that is not whole yet.
    Head(Vec<u8>),
    Body {
        left: u64,
    },
    Chunked(http::Chunks),
    /// HTTP/2, to the connection's end.
    Frames(Box<Frames>),
    /// Inside the record of a TLS hello.
    Hello(Vec<u8>),
    /// Bytes without an end of their own, understood or not.
    UntilClose,
}

/// A head as far as it was read.
enum HeadEnd {
    /// Its end is not there yet.
    Partial,
    /// It is `len` bytes long; where its message ends cannot be told without `framing`.
    Whole { len: usize, framing: Option<http::Framing> },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reader {
    reading: Reading,
    /// Of the present message.
    body: Body,
    searched: u8,
    /// An HTTP/1 head was read to its end.
    has_head: bool,
}

impl Reader {
    /// Whether a message has begun whose announced end is not reached.
    pub(super) fn is_in_message(&self) -> bool {
        match &self.reading {
            Reading::Body { left } => *left > 0,
            Reading::Chunked(_) | Reading::Head(_) => true,
            _ => false,
        }
    }

    /// The streams of HTTP/2 that the bytes from `start` to `end` are of.
    pub(super) fn shares(&self, start: u32, end: u32) -> SmallVec<[Share; 2]> {
        match &self.reading {
            Reading::Frames(frames) => frames.shares(start, end),
            _ => SmallVec::new(),
        }
    }

    /// Reads `len` bytes from sequence number `at`, of which `bytes` were captured.
    pub(super) fn read(&mut self, context: &mut Context<'_>, at: u32, len: u32, bytes: &[u8]) {
        let mut done = 0_u32;
        while done < len {
            let rest = bytes.get(done as usize..).unwrap_or_default();
            let piece = Piece { at: at.wrapping_add(done), len: len - done, bytes: rest };
            let step = self.step(context, piece);
            debug_assert!(step > 0, "reading must go on");
            done += step.max(1);
        }
        self.tell_body(context);
        if matches!(self.reading, Reading::Boundary) {
            self.searched = self.searched.saturating_add(1);
        }
    }

    /// Steps over bytes that were not captured, where it does not matter what they were.
    pub(super) fn cross_gap(&mut self, gap: u32) -> bool {
        let can_cross = match &mut self.reading {
            Reading::Hello(_) => {
                self.reading = Reading::UntilClose;
                true
            }
            Reading::UntilClose => true,
            Reading::Frames(frames) => frames.cross_gap(gap),
            Reading::Body { left } if *left > u64::from(gap) => {
                *left -= u64::from(gap);
                true
            }
            Reading::Chunked(chunks) if chunks.skippable() >= u64::from(gap) => chunks.skip(u64::from(gap)),
            _ => false,
        };
        if can_cross {
            self.body.break_off();
        }
        can_cross
    }

    /// The capture lost bytes from `at` on: reading goes on behind them. In between messages, the lost ones began
    /// another.
    pub(super) fn give_up_gap(&mut self, context: &mut Context<'_>, at: u32) {
        if matches!(self.reading, Reading::Start | Reading::Boundary)
            && *context.carries == Carries::Http
            && !context.is_mid_stream
        {
            let start = context.start(at);
            context.tell(Token::Whole, start);
        }
        match &mut self.reading {
            Reading::Frames(frames) => frames.lose(),
            reading => *reading = Reading::Boundary,
        }
        self.searched = 0;
    }

    /// Reads on; returns how many of the piece's bytes it took, at least one.
    fn step(&mut self, context: &mut Context<'_>, piece: Piece<'_>) -> u32 {
        match std::mem::replace(&mut self.reading, Reading::Boundary) {
            Reading::Start if context.way == Way::Request => self.read_preamble(context, &[], piece),
            Reading::Preamble(kept) => self.read_preamble(context, &kept, piece),
            Reading::Start | Reading::Boundary => self.begin(context, piece),
            Reading::Head(head) => self.go_on_with_head(context, head, piece),
            Reading::Body { left } => {
                let step = u64::from(piece.len).min(left) as u32;
                self.body.add(piece.bytes, step);
                if u64::from(step) == left {
                    self.end_message(context, piece.at.wrapping_add(step));
                } else {
                    self.reading = Reading::Body { left: left - u64::from(step) };
                }
                step
            }
            Reading::Chunked(chunks) => self.read_chunks(context, chunks, piece),
            Reading::Frames(mut frames) => {
                frames.read(context, piece.at, piece.len, piece.bytes);
                self.reading = Reading::Frames(frames);
                piece.len
            }
            Reading::Hello(kept) => {
                self.body.add(piece.bytes, piece.len);
                self.read_hello(context, kept, piece);
                piece.len
            }
            Reading::UntilClose => {
                self.body.add(piece.bytes, piece.len);
                self.reading = Reading::UntilClose;
                piece.len
            }
        }
    }

    /// Takes a PROXY protocol header off, of which `kept` was there before; without one the message begins.
    fn read_preamble(&mut self, context: &mut Context<'_>, kept: &[u8], piece: Piece<'_>) -> u32 {
        let joined;
        let bytes = if kept.is_empty() {
            piece.bytes
        } else {
            joined = [kept, piece.bytes].concat();
            &joined
        };
        let before = kept.len() as u32;
        match preamble(bytes) {
            Preamble::Partial if piece.bytes.len() as u32 == piece.len => {
                self.reading = Reading::Preamble(bytes.to_vec());
                piece.len
            }
            Preamble::Header { len, client } => {
                context.tell(Token::Whole, Event::Announced(client));
                (len as u32).saturating_sub(before).clamp(1, piece.len)
            }
            Preamble::Partial | Preamble::Absent => {
                let whole = Piece { at: piece.at.wrapping_sub(before), len: piece.len + before, bytes };
                self.begin(context, whole).saturating_sub(before).clamp(1, piece.len)
            }
        }
    }

    /// At a boundary: decides what begins here.
    fn begin(&mut self, context: &mut Context<'_>, piece: Piece<'_>) -> u32 {
        if let Some(mut frames) = self.http2(context, piece.bytes) {
            *context.carries = Carries::Http2;
            frames.read(context, piece.at, piece.len, piece.bytes);
            self.reading = Reading::Frames(Box::new(frames));
            return piece.len;
        }
        let is_lost = context.is_mid_stream && *context.carries == Carries::Unknown;
        let looks_like_head = match context.way {
            Way::Request if is_lost => http::begins_with_known_method(piece.bytes),
            Way::Request => http::looks_like_request(piece.bytes),
            Way::Reply => http::looks_like_response(piece.bytes),
        };
        match *context.carries {
            Carries::Unknown | Carries::Http if looks_like_head => {
                *context.carries = Carries::Http;
                let start = context.start(piece.at);
                context.tell(Token::Whole, start);
                self.go_on_with_head(context, Vec::new(), piece)
            }
            // Empty lines before a head are ignored (RFC 9112 §2.2).
            Carries::Http if matches!(piece.bytes, [b'\r' | b'\n', ..]) => 1,
            Carries::Http => piece.len,
            Carries::Unknown if is_lost && self.searched < MAX_SEARCHED => piece.len,
            Carries::Unknown | Carries::Http2 | Carries::Tls | Carries::Tunnel | Carries::Other => {
                self.begin_opaque(context, piece);
                piece.len
            }
        }
    }

    /// A reader of HTTP/2 where that begins here, or goes on.
    fn http2(&self, context: &Context<'_>, bytes: &[u8]) -> Option<Frames> {
        const TELLING: usize = 3;
        let is_known = *context.carries == Carries::Http2;
        if !matches!(*context.carries, Carries::Unknown | Carries::Http | Carries::Http2) {
            return None;
        }
        let is_lost = context.is_mid_stream && (is_known || *context.carries == Carries::Unknown);
        let begun = bytes.iter().zip(http2::PREFACE).take_while(|(a, b)| a == b).count();
        match context.way {
            Way::Request if begun >= TELLING && begun == bytes.len().min(http2::PREFACE.len()) => {
                Some(Frames::of_client(u32::from(self.has_head)))
            }
            _ if is_lost && http2::looks_like_frames(bytes) => Some(Frames::in_the_middle()),
            Way::Reply if is_known && !context.is_mid_stream => Some(Frames::of_server()),
            Way::Reply if *context.carries == Carries::Unknown && !context.is_mid_stream => {
                http2::looks_like_server_preface(bytes).then(Frames::of_server)
            }
            _ => is_known.then(Frames::in_the_middle),
        }
    }

    fn begin_opaque(&mut self, context: &mut Context<'_>, piece: Piece<'_>) {
        self.begin_body(Reading::UntilClose);
        self.body.add(piece.bytes, piece.len);
        if *context.carries == Carries::Tunnel {
            return;
        }
        context.tell(Token::Whole, Event::OpaqueStart(piece.at));
        match (context.way, *context.carries) {
            (Way::Request, Carries::Unknown) if tls::looks_like_hello(piece.bytes) => {
                *context.carries = Carries::Tls;
                self.read_hello(context, Vec::new(), piece);
            }
            (Way::Reply, Carries::Tls) => self.read_hello(context, Vec::new(), piece),
            (_, Carries::Unknown) => *context.carries = Carries::Other,
            _ => {}
        }
    }

    /// Reads a hello of which `kept` was there before, once its record is whole; one that the capture cut, as far
    /// as it goes.
    fn read_hello(&mut self, context: &mut Context<'_>, mut kept: Vec<u8>, piece: Piece<'_>) {
        kept.extend_from_slice(&piece.bytes[..piece.bytes.len().min(MAX_HEAD - kept.len())]);
        let is_cut = (piece.bytes.len() as u32) < piece.len || kept.len() >= MAX_HEAD;
        let is_whole = tls::record_len(&kept).is_some_and(|len| kept.len() >= len);
        if tls::looks_like_hello(&kept) && !is_whole && !is_cut {
            self.reading = Reading::Hello(kept);
            return;
        }
        self.reading = Reading::UntilClose;
        match context.way {
            Way::Request => match tls::client_hello(&kept) {
                Some(hello) => context.learn(Token::Whole, Fact::ClientHello(hello)),
                None => *context.carries = Carries::Other,
            },
            Way::Reply => {
                if let Some(hello) = tls::server_hello(&kept) {
                    context.learn(Token::Whole, Fact::ServerHello(hello));
                }
            }
        }
    }

    /// Reads a head of which `kept` was there before. One that the capture cut is read as far as it goes.
    fn go_on_with_head(&mut self, context: &mut Context<'_>, mut kept: Vec<u8>, piece: Piece<'_>) -> u32 {
        let before = kept.len();
        let is_cut = (piece.bytes.len() as u32) < piece.len || before + piece.bytes.len() >= MAX_HEAD;
        // A head in one piece, as nearly all are, is read where it is.
        let head = if kept.is_empty() {
            &piece.bytes[..piece.bytes.len().min(MAX_HEAD)]
        } else {
            kept.extend_from_slice(&piece.bytes[..piece.bytes.len().min(MAX_HEAD - before)]);
            &kept
        };
        match read_head(context, head, is_cut) {
            HeadEnd::Partial => {
                self.reading = Reading::Head(if kept.is_empty() { head.to_vec() } else { kept });
                piece.len
            }
            HeadEnd::Whole { len, framing } => {
                let taken = (len.saturating_sub(before) as u32).clamp(1, piece.len);
                self.has_head |= framing.is_some();
                let reading = match framing {
                    None => Reading::Boundary,
                    Some(http::Framing::Length(left)) => Reading::Body { left },
                    Some(http::Framing::Chunked) => Reading::Chunked(http::Chunks::default()),
                    Some(http::Framing::UntilClose) => Reading::UntilClose,
                };
                let is_over = matches!(reading, Reading::Body { left: 0 });
                self.begin_body(reading);
                if is_over {
                    self.end_message(context, piece.at.wrapping_add(taken));
                }
                taken
            }
        }
    }

    fn read_chunks(&mut self, context: &mut Context<'_>, mut chunks: http::Chunks, piece: Piece<'_>) -> u32 {
        let taken = chunks.feed_to(piece.bytes, &mut |data| self.body.add(data, data.len() as u32));
        let unseen = piece.len - piece.bytes.len() as u32;
        if chunks.is_finished() {
            let taken = (taken as u32).clamp(1, piece.len);
            self.end_message(context, piece.at.wrapping_add(taken));
            return taken;
        }
        if unseen > 0 {
            self.body.break_off();
        }
        // Where the place in the body is lost, what follows cannot be told from it: the next head is looked for.
        let is_followed = !chunks.is_broken() && chunks.skip(unseen.into());
        self.reading = if is_followed { Reading::Chunked(chunks) } else { Reading::Boundary };
        piece.len
    }

    fn begin_body(&mut self, reading: Reading) {
        self.reading = reading;
        self.body = Body::default();
    }

    fn tell_body(&mut self, context: &mut Context<'_>) {
        if let Some(digest) = self.body.news() {
            context.learn(Token::Whole, Fact::Body(digest));
        }
    }

    fn end_message(&mut self, context: &mut Context<'_>, end: u32) {
        self.tell_body(context);
        self.reading = Reading::Boundary;
        context.learn(Token::Whole, Fact::End(end));
        if context.way == Way::Reply {
            context.asked.pop_at(0);
        }
    }
}

/// Tries to read a head and says what is in it.
fn read_head(context: &mut Context<'_>, bytes: &[u8], is_cut: bool) -> HeadEnd {
    let (head, is_whole) = match http::head(bytes) {
        http::Head::Partial if is_cut => (http::cut_head(bytes), false),
        head => (head, true),
    };
    match head {
        http::Head::Partial if !is_cut => HeadEnd::Partial,
        http::Head::Partial | http::Head::NotHttp => HeadEnd::Whole { len: bytes.len(), framing: None },
        http::Head::Request(head) => {
            let framing = is_whole.then(|| head.framing());
            let mut marks = head.marks.unwrap_or_default();
            if is_whole {
                extend_digest(&mut marks.request_head, &bytes[..head.head_len]);
            }
            context.learn(
                Token::Whole,
                Fact::RequestHead {
                    method: Some(clean(head.method)),
                    target: Some(clean(head.target)),
                    host: head.host.map(clean),
                    marks: Some(marks),
                },
            );
            HeadEnd::Whole { len: head.head_len, framing }
        }
        http::Head::Response(head) if head.is_interim() => {
            context.learn(Token::Whole, Fact::Interim);
            HeadEnd::Whole { len: head.head_len, framing: None }
        }
        http::Head::Response(head) if head.status == 101 && head.names_http2 => {
            *context.carries = Carries::Http2;
            context.learn(Token::Whole, Fact::Upgraded);
            HeadEnd::Whole { len: head.head_len, framing: None }
        }
        http::Head::Response(head) => {
            let (status, location) = (head.status, head.location.map(clean));
            context.learn(Token::Whole, Fact::ReplyHead { status, location });
            let asked = context.asked.first().copied().unwrap_or(Asked::Content);
            if head.is_tunnel(asked.method()) {
                *context.carries = Carries::Tunnel;
                context.learn(Token::Whole, Fact::Tunnel);
            }
            HeadEnd::Whole { len: head.head_len, framing: is_whole.then(|| head.framing(asked.method())) }
        }
    }
}
