//! One way of an HTTP/2 connection: frames, and the exchanges that their streams are (RFC 9113).

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::body::Body;
use super::found::{Context, Event, Fact};
use super::ongoing::Token;
use super::reader::MAX_HEAD;
use super::stream::before;
use crate::decode::http2::{self, Fields, Frame, HEADER_LEN, Kind, PREFACE};
use crate::model::Way;

/// Frames of which it is known later on which segments carried them.
const MAX_RECENT: usize = 256;
/// Bodies that are digested at once.
const MAX_BODIES: usize = 128;

/// Where in the frames one is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the client's preface, behind this many of its bytes.
    Preface(usize),
    /// In a frame's header.
    Header,
    /// In a frame's payload, of which `left` bytes are to come.
    Payload { frame: Frame, left: u32, padding: Option<u32> },
    /// Bytes were lost: a segment that begins with a frame is looked for.
    Lost,
}

/// A header block while its frames come in.
#[derive(Debug)]
struct Block {
    first: Frame,
    bytes: Vec<u8>,
    /// A fragment did not fit, or does not fit together: the block cannot be read.
    is_broken: bool,
}

/// A frame of a stream, by sequence numbers.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: u32,
    end: u32,
    stream: u32,
    is_reset: bool,
}

/// That some bytes are of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub stream: u32,
    /// Among them is what ends the stream before its time.
    pub has_reset: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Frames {
    fields: Fields,
    place: Place,
    /// What was seen of the present frame's header, or of its payload where that is read as a whole.
    kept: Vec<u8>,
    block: Option<Block>,
    /// The request with the highest number: clients number them upwards (RFC 9113 §5.1.1).
    newest: u32,
    /// By stream.
    bodies: Vec<(u32, Body)>,
    recent: VecDeque<Range>,
}

impl Frames {
    /// From the preface of a client on, which has sent `newest` requests before it (by upgrade: one).
    pub(super) fn of_client(newest: u32) -> Frames {
        Frames { place: Place::Preface(0), newest, ..Frames::of_server() }
    }

    /// From the first frame of a server on.
    pub(super) fn of_server() -> Frames {
        Frames {
            fields: Fields::new(false),
            place: Place::Header,
            kept: Vec::new(),
            block: None,
            newest: 0,
            bodies: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    /// From somewhere in the middle on.
    pub(super) fn in_the_middle() -> Frames {
        Frames { fields: Fields::new(true), place: Place::Lost, ..Frames::of_server() }
    }

    /// The streams that the bytes from `start` to `end` are of.
    pub(super) fn shares(&self, start: u32, end: u32) -> SmallVec<[Share; 2]> {
        let mut shares: SmallVec<[Share; 2]> = SmallVec::new();
        for range in self.recent.iter().filter(|range| before(range.start, end) && before(start, range.end)) {
            match shares.iter_mut().find(|share| share.stream == range.stream) {
                Some(share) => share.has_reset |= range.is_reset,
                None => shares.push(Share { stream: range.stream, has_reset: range.is_reset }),
            }
        }
        shares
    }

    /// Reads `len` bytes from sequence number `at`, of which `bytes` were captured.
    pub(super) fn read(&mut self, context: &mut Context<'_>, at: u32, len: u32, bytes: &[u8]) {
        if matches!(self.place, Place::Lost) {
            if !http2::looks_like_frames(bytes) {
                return;
            }
            self.place = Place::Header;
        }
        let mut done = 0;
        while done < bytes.len() {
            let (at, rest) = (at.wrapping_add(done as u32), &bytes[done..]);
            done += match self.place {
                Place::Lost => return,
                Place::Preface(seen) => self.read_preface(seen, rest),
                Place::Header => self.read_header(context, at, rest),
                Place::Payload { frame, left, padding } => {
                    self.read_payload(context, frame, left, padding, at, rest)
                }
            };
        }
        self.tell_bodies(context);
        let unseen = len.saturating_sub(bytes.len() as u32);
        if unseen > 0 && !self.cross_gap(unseen) {
            self.lose();
        }
    }

    /// Steps over bytes that were not captured, where it does not matter what they were.
    pub(super) fn cross_gap(&mut self, gap: u32) -> bool {
        let Place::Payload { frame, left, .. } = &mut self.place else { return false };
        let does_not_matter = matches!(frame.kind, Kind::Data | Kind::Settings | Kind::Other);
        if !does_not_matter || *left <= gap {
            return false;
        }
        *left -= gap;
        let stream = frame.stream;
        self.body(stream).break_off();
        true
    }

    /// Bytes were lost: what they said of the headers to come is unknown.
    pub(super) fn lose(&mut self) {
        self.place = Place::Lost;
        self.fields.forget();
        self.kept.clear();
        self.block = None;
        self.bodies.iter_mut().for_each(|(_, body)| body.break_off());
    }

    fn read_preface(&mut self, seen: usize, bytes: &[u8]) -> usize {
        let expected = &PREFACE[seen..];
        let taken = bytes.len().min(expected.len());
        if bytes[..taken] != expected[..taken] {
            self.lose();
        } else if taken == expected.len() {
            self.place = Place::Header;
        } else {
            self.place = Place::Preface(seen + taken);
        }
        taken
    }

    /// A frame begins for all purposes where its header's last byte lies, so that it is seen in the same segment
    /// however segments cut the header.
    fn read_header(&mut self, context: &mut Context<'_>, at: u32, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(HEADER_LEN - self.kept.len());
        self.kept.extend_from_slice(&bytes[..taken]);
        let Some(frame) = self.kept.first_chunk().map(http2::frame) else { return taken };
        self.kept.clear();
        let payload = at.wrapping_add(taken as u32);
        let range = Range {
            start: at,
            end: payload.wrapping_add(frame.len),
            stream: frame.stream,
            is_reset: frame.kind == Kind::ResetStream,
        };
        if frame.stream % 2 == 1 {
            self.remember(range);
            if frame.kind == Kind::Headers {
                self.begin_message(context, range);
            }
        }
        self.place = Place::Payload { frame, left: frame.len, padding: None };
        if frame.len == 0 {
            self.end_frame(context, frame, payload);
        }
        taken
    }

    fn remember(&mut self, range: Range) {
        if let Some(last) = self.recent.back_mut()
            && (last.stream, last.end, last.is_reset) == (range.stream, range.start, range.is_reset)
        {
            last.end = range.end;
            return;
        }
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(range);
    }

    /// A header block begins: of a new request, of an answer, or of the trailers behind one.
    fn begin_message(&mut self, context: &mut Context<'_>, range: Range) {
        let token = Token::Stream(range.stream);
        match context.way {
            Way::Request if range.stream > self.newest => {
                self.newest = range.stream;
                context.tell(token, Event::RequestStart(range.start));
            }
            Way::Request => {}
            Way::Reply => context.tell(token, Event::ReplyStart(range.start)),
        }
    }

    fn read_payload(
        &mut self,
        context: &mut Context<'_>,
        frame: Frame,
        left: u32,
        padding: Option<u32>,
        at: u32,
        bytes: &[u8],
    ) -> usize {
        let mut padding = padding;
        let taken;
        if frame.kind == Kind::Data && frame.is_padded() && padding.is_none() {
            padding = Some(u32::from(bytes[0]));
            taken = 1;
        } else {
            taken = bytes.len().min(left as usize);
            let content = left.saturating_sub(padding.unwrap_or(0)).min(taken as u32);
            match frame.kind {
                Kind::Data => self.body(frame.stream).add(bytes, content),
                Kind::Settings | Kind::Other => {}
                _ => {
                    let room = MAX_HEAD.saturating_sub(self.kept.len());
                    self.kept.extend_from_slice(&bytes[..taken.min(room)]);
                }
            }
        }
        let left = left - taken as u32;
        self.place = Place::Payload { frame, left, padding };
        if left == 0 {
            self.end_frame(context, frame, at.wrapping_add(taken as u32));
        }
        taken
    }

    /// A frame ended before sequence number `end`.
    fn end_frame(&mut self, context: &mut Context<'_>, frame: Frame, end: u32) {
        self.place = Place::Header;
        let token = Token::Stream(frame.stream);
        match frame.kind {
            Kind::Headers | Kind::PushPromise => {
                self.block = Some(Block { first: frame, bytes: Vec::new(), is_broken: false });
                self.add_to_block(context, frame, end);
            }
            Kind::Continuation => self.add_to_block(context, frame, end),
            Kind::Data if frame.ends_stream() => self.end_message(context, frame.stream, end),
            Kind::ResetStream => context.tell(token, Event::Reset),
            Kind::GoAway => {
                if let Some(&last) = self.kept.first_chunk() {
                    context.tell(Token::Whole, Event::GoAway(u32::from_be_bytes(last) & 0x7fff_ffff));
                }
            }
            _ => {}
        }
        if matches!(frame.kind, Kind::Data | Kind::Headers | Kind::Continuation) {
            context.learn(token, Fact::Carried(frame.len + HEADER_LEN as u32));
        }
        self.kept.clear();
    }

    fn add_to_block(&mut self, context: &mut Context<'_>, frame: Frame, end: u32) {
        let Some(block) = self.block.as_mut().filter(|block| block.first.stream == frame.stream) else {
            return;
        };
        match frame.fragment(&self.kept) {
            Some(fragment)
                if self.kept.len() == frame.len as usize
                    && block.bytes.len() + fragment.len() <= MAX_HEAD =>
            {
                block.bytes.extend_from_slice(fragment);
            }
            _ => block.is_broken = true,
        }
        if frame.ends_headers()
            && let Some(block) = self.block.take()
        {
            self.end_block(context, &block, end);
        }
    }

    fn end_block(&mut self, context: &mut Context<'_>, block: &Block, end: u32) {
        let stream = block.first.stream;
        let token = Token::Stream(stream);
        if block.is_broken {
            self.fields.forget();
        }
        let head = if block.is_broken { http2::Head::default() } else { self.fields.head(&block.bytes) };
        if block.first.kind == Kind::PushPromise {
            return;
        }
        match (context.way, head.status) {
            (Way::Request, _) if head.method.is_some() || head.path.is_some() => {
                let http2::Head { method, path: target, host, marks, .. } = head;
                context.learn(token, Fact::RequestHead { method, target, host, marks });
            }
            (Way::Reply, Some(100..=199)) => context.learn(token, Fact::Interim),
            (Way::Reply, Some(status)) => {
                context.learn(token, Fact::ReplyHead { status, location: head.location });
            }
            _ => {}
        }
        if let (Way::Reply, Some(status)) = (context.way, head.grpc_status) {
            context.learn(token, Fact::GrpcStatus(status));
        }
        if block.first.ends_stream() {
            self.end_message(context, stream, end);
        }
    }

    fn body(&mut self, stream: u32) -> &mut Body {
        let index = self.bodies.iter().position(|(of, _)| *of == stream).unwrap_or_else(|| {
            if self.bodies.len() >= MAX_BODIES {
                self.bodies.remove(0);
            }
            self.bodies.push((stream, Body::default()));
            self.bodies.len() - 1
        });
        &mut self.bodies[index].1
    }

    fn tell_bodies(&mut self, context: &mut Context<'_>) {
        for (stream, body) in &mut self.bodies {
            if let Some(digest) = body.news() {
                context.learn(Token::Stream(*stream), Fact::Body(digest));
            }
        }
    }

    fn end_message(&mut self, context: &mut Context<'_>, stream: u32, end: u32) {
        self.tell_bodies(context);
        self.bodies.retain(|(of, _)| *of != stream);
        context.learn(Token::Stream(stream), Fact::End(end));
    }
}
