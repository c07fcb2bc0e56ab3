//! What reading finds, and what it needs to know for that.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::ongoing::Token;
use crate::decode::tls;
use crate::model::{Digest, Endpoint, Marks, Way};

/// Answers of one segment whose requests are known.
pub(super) const MAX_ASKED: usize = 8;

/// What a connection carries, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Carries {
    #[default]
    Unknown,
    Http,
    Http2,
    Tls,
    /// HTTP gave way to something else: an upgrade, or CONNECT.
    Tunnel,
    Other,
}

/// What reading found. Sequence numbers are those of the way it was found on.
#[derive(Debug)]
pub(super) enum Event {
    /// A PROXY protocol header stands in front of everything, and announces this client.
    Announced(Option<Endpoint>),
    RequestStart(u32),
    ReplyStart(u32),
    /// First payload byte of a way that is not HTTP.
    OpaqueStart(u32),
    /// More is known of an exchange that has begun.
    Of(Fact),
    /// The stream was ended before its time.
    Reset,
    /// The server takes no stream beyond this one.
    GoAway(u32),
}

/// What a message tells of its exchange.
#[derive(Debug)]
pub(super) enum Fact {
    RequestHead {
        method: Option<Box<str>>,
        target: Option<Box<str>>,
        host: Option<Box<str>>,
        marks: Option<Box<Marks>>,
    },
    ReplyHead {
        status: u16,
        location: Option<Box<str>>,
    },
    /// An interim answer (1xx) ended here: the real one follows.
    Interim,
    /// The message ended before this sequence number.
    End(u32),
    /// More is known of the body, or of the bytes that are not understood.
    Body(Digest),
    /// The answer gives the connection over to another protocol.
    Tunnel,
    /// The answer goes on in HTTP/2, as stream 1.
    Upgraded,
    /// So many more bytes are of this stream.
    Carried(u32),
    GrpcStatus(u16),
    ClientHello(tls::ClientHello),
    ServerHello(tls::ServerHello),
}

/// With the exchange of the leg that each is about.
pub(super) type Events = SmallVec<[(Token, Event); 4]>;

/// What an answer's meaning depends on of its request (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Content,
    /// HEAD: the answer has no body.
    Head,
    /// CONNECT: the answer opens a tunnel.
    Connect,
}

impl Asked {
    pub(super) fn by(method: Option<&str>) -> Asked {
        match method {
            Some("HEAD") => Asked::Head,
            Some("CONNECT") => Asked::Connect,
            _ => Asked::Content,
        }
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Asked::Content => "",
            Asked::Head => "HEAD",
            Asked::Connect => "CONNECT",
        }
    }
}

/// What reading needs to know of the rest of the connection, and where it says what it found.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub way: Way,
    pub is_mid_stream: bool,
    /// What the answers that are not over were asked by, the oldest first.
    pub asked: ArrayVec<Asked, MAX_ASKED>,
    pub carries: &'a mut Carries,
    pub events: &'a mut Events,
}

impl Context<'_> {
    pub(super) fn tell(&mut self, token: Token, event: Event) {
        self.events.push((token, event));
    }

    /// Tells a fact of the exchange that `token` names.
    pub(super) fn learn(&mut self, token: Token, fact: Fact) {
        self.tell(token, Event::Of(fact));
    }

    /// The event of a message that begins at `at`.
    pub(super) fn start(&self, at: u32) -> Event {
        match self.way {
            Way::Request => Event::RequestStart(at),
            Way::Reply => Event::ReplyStart(at),
        }
    }
}
