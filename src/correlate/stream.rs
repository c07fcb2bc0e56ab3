//! One way of a TCP connection: which bytes were read, and where requests and answers begin and end.
//!
//! Bytes come from whichever capture point shows them first; later sightings of the same bytes are skipped. Bodies
//! of known length are stepped over, so their bytes need not have been captured.

use smallvec::SmallVec;

use crate::decode::{clean, http, tls};
use crate::model::Way;

/// Bytes of one head that may be kept while it is incomplete; servers refuse longer ones.
const MAX_HEAD: usize = 16 * 1024;
/// Segments kept while an earlier one is missing.
const MAX_PENDING: usize = 8;
/// Segments of a connection caught in the middle that are looked at for the begin of a head.
const MAX_SEARCHED: u8 = 64;

/// Whether sequence number `a` comes before `b` (RFC 9293 §3.4).
pub(super) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// The later of two sequence numbers.
pub(super) fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

/// What a connection carries, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Carries {
    #[default]
    Unknown,
    Http,
    Tls,
    Other,
}

/// What reading found. Sequence numbers are those of the way it was found on.
#[derive(Debug)]
pub(super) enum Event {
    RequestStart(u32),
    RequestHead {
        method: Box<str>,
        target: Box<str>,
        host: Option<Box<str>>,
    },
    RequestEnd(u32),
    ReplyStart(u32),
    ReplyHead {
        status: u16,
    },
    /// An interim answer (1xx) ended here: the real one follows.
    Interim,
    ReplyEnd(u32),
    /// First payload byte of a way that is not HTTP.
    OpaqueStart(u32),
    TlsHello {
        server_name: Option<Box<str>>,
    },
}

pub(super) type Events = SmallVec<[Event; 4]>;

#[derive(Debug, Default)]
enum Reading {
    /// Before the first byte of a head.
    #[default]
    Boundary,
    /// Inside a head that is not whole yet.
    Head(Vec<u8>),
    Body {
        left: u64,
    },
    Chunked(http::Chunks),
    UntilClose,
    Opaque,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The sequence number of the SYN, where it was seen.
    pub isn: Option<u32>,
    /// The next sequence number that was not read yet.
    pub next: Option<u32>,
    /// The highest number the other side has acknowledged.
    pub acked: Option<u32>,
    /// The sequence number of the FIN.
    pub fin: Option<u32>,
    reading: Reading,
    pending: Vec<(u32, u32, Vec<u8>)>,
    searched: u8,
}

/// What reading needs to know of the rest of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub way: Way,
    pub is_mid_stream: bool,
    /// The answer read now is to a request whose answers have no body (HEAD).
    pub is_bodiless: bool,
}

impl Stream {
    pub(super) fn open(&mut self, isn: u32) {
        self.isn = Some(isn);
        if self.next.is_none() {
            self.next = Some(isn.wrapping_add(1));
        }
    }

    pub(super) fn note_ack(&mut self, ack: u32) {
        self.acked = Some(self.acked.map_or(ack, |old| later(old, ack)));
    }

    /// Where the other side has acknowledged bytes that no capture point showed: the first of them.
    pub(super) fn unseen(&self) -> Option<u32> {
        let (next, acked) = (self.next?, self.acked?);
        // A FIN takes a number too; where it was not seen, one number more may be it.
        let end = match self.fin {
            Some(fin) if before(fin, acked) => fin,
            Some(_) => acked,
            None => acked.wrapping_sub(1),
        };
        before(next, end).then_some(next)
    }

    pub(super) fn has_acked(&self, seq: u32) -> bool {
        self.acked.is_some_and(|acked| !before(acked, seq))
    }

    /// Takes over a second reading of the same bytes, where it got further.
    pub(super) fn absorb(&mut self, other: Stream) {
        self.isn = self.isn.or(other.isn);
        self.fin = self.fin.or(other.fin);
        if let Some(acked) = other.acked {
            self.note_ack(acked);
        }
        let is_further = match (self.next, other.next) {
            (Some(mine), Some(theirs)) => before(mine, theirs),
            (mine, _) => mine.is_none(),
        };
        if is_further {
            self.next = other.next;
            self.reading = other.reading;
            self.pending = other.pending;
            self.searched = other.searched;
        }
    }

    /// Reads a segment: `len` bytes from `seq`, of which `bytes` were captured.
    pub(super) fn feed(
        &mut self,
        carries: &mut Carries,
        context: Context,
        seq: u32,
        len: u32,
        bytes: &[u8],
        events: &mut Events,
    ) {
        let next = *self.next.get_or_insert(seq);
        if !before(next, seq.wrapping_add(len)) {
            return;
        }
        if before(next, seq) && !self.cross_gap(seq.wrapping_sub(next)) {
            self.stash(seq, len, bytes);
            // The missing bytes may still come, unless the other side has them already.
            if self.pending.len() < MAX_PENDING && !self.has_acked(seq) {
                return;
            }
            self.give_up_gap(*carries, context, events);
        } else {
            let skip = self.position().wrapping_sub(seq).min(len);
            let bytes = bytes.get(skip as usize..).unwrap_or_default();
            self.read(carries, context, len - skip, bytes, events);
        }
        while let Some((seq, len, bytes)) = self.take_ready() {
            let skip = self.position().wrapping_sub(seq);
            let bytes = bytes.get(skip as usize..).unwrap_or_default();
            self.read(carries, context, len - skip, bytes, events);
        }
    }

    fn position(&self) -> u32 {
        self.next.unwrap_or_default()
    }

    /// Steps over bytes that were not captured, where it does not matter what they were.
    fn cross_gap(&mut self, gap: u32) -> bool {
        let can_cross = match &mut self.reading {
            Reading::Opaque | Reading::UntilClose => true,
            Reading::Body { left } if *left > u64::from(gap) => {
                *left -= u64::from(gap);
                true
            }
            Reading::Chunked(chunks) if chunks.skippable() >= u64::from(gap) => chunks.skip(u64::from(gap)),
            _ => false,
        };
        if can_cross {
            self.next = Some(self.position().wrapping_add(gap));
        }
        can_cross
    }

    fn stash(&mut self, seq: u32, len: u32, bytes: &[u8]) {
        let is_known = self.pending.iter().any(|(old, old_len, _)| *old == seq && *old_len >= len);
        if !is_known && self.pending.len() < MAX_PENDING {
            self.pending.push((seq, len, bytes[..bytes.len().min(MAX_HEAD)].to_vec()));
        }
    }

    /// The capture lost a segment: reading goes on behind it. In between messages, the lost one began another.
    fn give_up_gap(&mut self, carries: Carries, context: Context, events: &mut Events) {
        let from = self.position();
        if matches!(self.reading, Reading::Boundary) && carries == Carries::Http && !context.is_mid_stream {
            events.push(match context.way {
                Way::Request => Event::RequestStart(from),
                Way::Reply => Event::ReplyStart(from),
            });
        }
        let first = self.pending.iter().map(|(seq, ..)| *seq).min_by_key(|seq| seq.wrapping_sub(from));
        self.next = first.or(self.next);
        self.reading = Reading::Boundary;
        self.searched = 0;
    }

    /// A stashed segment that reaches beyond the position and begins no later than it.
    fn take_ready(&mut self) -> Option<(u32, u32, Vec<u8>)> {
        let next = self.position();
        self.pending.retain(|(seq, len, _)| before(next, seq.wrapping_add(*len)));
        let index = self.pending.iter().position(|(seq, ..)| !before(next, *seq))?;
        Some(self.pending.swap_remove(index))
    }

    fn read(&mut self, carries: &mut Carries, context: Context, len: u32, bytes: &[u8], events: &mut Events) {
        let start = self.position();
        let mut done = 0_u32;
        while done < len {
            let rest = bytes.get(done as usize..).unwrap_or_default();
            self.next = Some(start.wrapping_add(done));
            let step = self.step(carries, context, len - done, rest, events);
            debug_assert!(step > 0, "reading must go on");
            done += step.max(1);
        }
        self.next = Some(start.wrapping_add(len));
        if let Reading::Boundary = self.reading
            && done == len
        {
            self.searched = self.searched.saturating_add(1);
        }
    }

    /// Reads on from the position; returns how many of the `len` bytes it took, at least one.
    fn step(
        &mut self,
        carries: &mut Carries,
        context: Context,
        len: u32,
        bytes: &[u8],
        events: &mut Events,
    ) -> u32 {
        match std::mem::take(&mut self.reading) {
            Reading::Boundary => self.begin(carries, context, len, bytes, events),
            Reading::Head(mut head) => {
                let before = head.len();
                head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD - before)]);
                let is_cut = (bytes.len() as u32) < len || head.len() >= MAX_HEAD;
                let taken = self.read_head(context, &head, is_cut, events);
                match taken {
                    None => {
                        self.reading = Reading::Head(head);
                        len
                    }
                    Some(taken) => self.finish_head(context, (taken - before.min(taken)) as u32, len, events),
                }
            }
            Reading::Body { left } => {
                let step = u64::from(len).min(left);
                self.skip_body(context, left - step, step as u32, events);
                step as u32
            }
            Reading::Chunked(chunks) => self.read_chunks(context, chunks, len, bytes, events),
            other => {
                self.reading = other;
                len
            }
        }
    }

    /// At a boundary: decides what begins here.
    fn begin(
        &mut self,
        carries: &mut Carries,
        context: Context,
        len: u32,
        bytes: &[u8],
        events: &mut Events,
    ) -> u32 {
        let looks_like_head = match context.way {
            Way::Request => http::looks_like_request(bytes),
            Way::Reply => http::looks_like_response(bytes),
        };
        let is_open = matches!(*carries, Carries::Unknown | Carries::Http);
        if looks_like_head && is_open {
            *carries = Carries::Http;
            let at = self.position();
            events.push(match context.way {
                Way::Request => Event::RequestStart(at),
                Way::Reply => Event::ReplyStart(at),
            });
            let is_cut = (bytes.len() as u32) < len;
            return match self.read_head(context, bytes, is_cut, events) {
                None => {
                    self.reading = Reading::Head(bytes[..bytes.len().min(MAX_HEAD)].to_vec());
                    len
                }
                Some(taken) => self.finish_head(context, taken as u32, len, events),
            };
        }
        if let (b"\r\n", Carries::Http) = (bytes.get(..2).unwrap_or_default(), *carries) {
            return 2;
        }
        let may_search = context.is_mid_stream && self.searched < MAX_SEARCHED;
        if *carries == Carries::Http || *carries == Carries::Unknown && may_search {
            return len;
        }
        self.begin_opaque(carries, context, bytes, events);
        len
    }

    fn begin_opaque(&mut self, carries: &mut Carries, context: Context, bytes: &[u8], events: &mut Events) {
        self.reading = Reading::Opaque;
        events.push(Event::OpaqueStart(self.position()));
        if *carries != Carries::Unknown {
            return;
        }
        *carries = Carries::Other;
        if context.way == Way::Request
            && let Some(hello) = tls::client_hello(bytes)
        {
            *carries = Carries::Tls;
            events.push(Event::TlsHello { server_name: hello.sni });
        }
    }

    /// Tries to read a head; `Some(length)` when it is over. A head that the capture cut is read as far as it
    /// goes; where its message ends cannot be told, so the next head is looked for.
    fn read_head(
        &mut self,
        context: Context,
        bytes: &[u8],
        is_cut: bool,
        events: &mut Events,
    ) -> Option<usize> {
        let head = match http::head(bytes) {
            http::Head::Partial if is_cut => http::cut_head(bytes),
            head => head,
        };
        match head {
            http::Head::Partial if !is_cut => None,
            http::Head::Partial | http::Head::NotHttp => {
                self.reading = Reading::Boundary;
                Some(bytes.len())
            }
            http::Head::Request(head) => {
                events.push(Event::RequestHead {
                    method: clean(head.method),
                    target: clean(head.target),
                    host: head.host.map(clean),
                });
                self.reading = if is_cut { Reading::Boundary } else { reading_of(head.framing()) };
                Some(head.head_len)
            }
            http::Head::Response(head) if head.is_interim() => {
                events.push(Event::Interim);
                self.reading = Reading::Boundary;
                Some(head.head_len)
            }
            http::Head::Response(head) => {
                events.push(Event::ReplyHead { status: head.status });
                let method = if context.is_bodiless { "HEAD" } else { "" };
                self.reading = if is_cut { Reading::Boundary } else { reading_of(head.framing(method)) };
                Some(head.head_len)
            }
        }
    }

    /// A head of which `taken` bytes lay in this segment is over; a message without a body ends with it.
    fn finish_head(&mut self, context: Context, taken: u32, len: u32, events: &mut Events) -> u32 {
        let taken = taken.clamp(1, len);
        let has_event = events
            .last()
            .is_some_and(|event| matches!(event, Event::RequestHead { .. } | Event::ReplyHead { .. }));
        match self.reading {
            Reading::Body { left: 0 } if has_event => self.end_message(context, taken, events),
            Reading::Body { left: 0 } => self.reading = Reading::Boundary,
            _ => {}
        }
        taken
    }

    fn skip_body(&mut self, context: Context, left: u64, step: u32, events: &mut Events) {
        if left == 0 {
            self.end_message(context, step, events);
        } else {
            self.reading = Reading::Body { left };
        }
    }

    fn read_chunks(
        &mut self,
        context: Context,
        mut chunks: http::Chunks,
        len: u32,
        bytes: &[u8],
        events: &mut Events,
    ) -> u32 {
        let taken = chunks.feed(bytes);
        let unseen = u64::from(len) - bytes.len() as u64;
        if chunks.is_finished() {
            let taken = (taken as u32).clamp(1, len);
            self.end_message(context, taken, events);
            return taken;
        }
        // Where the place in the body is lost, what follows cannot be told from it: the next head is looked for.
        let is_followed = !chunks.is_broken() && chunks.skip(unseen);
        self.reading = if is_followed { Reading::Chunked(chunks) } else { Reading::Boundary };
        len
    }

    /// The message ends `step` bytes behind the position.
    fn end_message(&mut self, context: Context, step: u32, events: &mut Events) {
        let end = self.position().wrapping_add(step);
        self.reading = Reading::Boundary;
        events.push(match context.way {
            Way::Request => Event::RequestEnd(end),
            Way::Reply => Event::ReplyEnd(end),
        });
    }
}

fn reading_of(framing: http::Framing) -> Reading {
    match framing {
        http::Framing::Length(left) => Reading::Body { left },
        http::Framing::Chunked => Reading::Chunked(http::Chunks::default()),
        http::Framing::UntilClose => Reading::UntilClose,
    }
}
