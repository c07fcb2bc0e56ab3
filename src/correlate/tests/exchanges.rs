//! What is read of a connection's bytes, however they are cut into segments.

use super::*;
use crate::model::{Digest, Marks};

/// One connection, of which both sides' bytes are played in order.
struct Talk {
    cluster: Cluster,
    up: u32,
    down: u32,
}

const PORT: u16 = 45_700;

impl Talk {
    /// A connection whose handshake was seen.
    fn open() -> Talk {
        let mut cluster = Cluster::new(0);
        converse(&mut cluster, PORT, 100, 0);
        Talk { cluster, up: 101, down: 9001 }
    }

    /// The client sends `bytes` in one segment.
    fn ask(&mut self, bytes: &[u8]) {
        self.cluster.request(PORT, segment(self.up, self.down, TcpSegment::ACK, bytes), bytes);
        self.up = self.up.wrapping_add(bytes.len() as u32);
    }

    /// The server sends `bytes` in one segment.
    fn answer(&mut self, bytes: &[u8]) {
        self.cluster.reply(PORT, segment(self.down, self.up, TcpSegment::ACK, bytes), bytes);
        self.down = self.down.wrapping_add(bytes.len() as u32);
    }

    /// Both sides close, and the trails are handed on.
    fn finish(mut self) -> Vec<Trail> {
        self.cluster.request(PORT, segment(self.up, self.down, 17, b""), b"");
        self.cluster.reply(PORT, segment(self.down, self.up + 1, 17, b""), b"");
        self.cluster.request(PORT, segment(self.up + 1, self.down + 1, TcpSegment::ACK, b""), b"");
        self.cluster.finish()
    }
}

/// The trails of one request and one answer, each in segments of `size` bytes.
fn exchange_in_pieces(request: &[u8], reply: &[u8], size: usize) -> Vec<Trail> {
    let mut talk = Talk::open();
    request.chunks(size).for_each(|piece| talk.ask(piece));
    reply.chunks(size).for_each(|piece| talk.answer(piece));
    talk.finish()
}

fn marks(trail: &Trail) -> &Marks {
    trail.marks.as_deref().expect("marks")
}

fn digest(bytes: &[u8]) -> Digest {
    let mut digest = Digest::default();
    crate::decode::extend_digest(&mut digest, bytes);
    digest
}

#[test]
fn marks_are_the_same_however_the_bytes_are_cut() {
    let head = b"POST /buy HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7f3a\r\nX-Forwarded-For: 203.0.113.9\r\n\
                 Content-Length: 11\r\n\r\n";
    let request = [&head[..], b"hello world"].concat();
    let reply =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n";
    for size in [1, 2, 7, 40, 4096] {
        let trails = exchange_in_pieces(&request, reply, size);
        assert_eq!(trails.len(), 1, "{size}");
        let trail = &trails[0];
        let marks = marks(trail);
        assert_eq!(marks.request_head, digest(head), "{size}");
        assert_eq!(marks.request_body, digest(b"hello world"), "{size}");
        assert_eq!(marks.reply_body, digest(b"abcdefg"), "{size}");
        assert_eq!(&*marks.ids[0].value, "7f3a");
        assert_eq!(marks.forwarded_for.as_slice(), ["203.0.113.9".parse().expect("ip")]);
        assert_eq!(trail.exchange.status, Some(200));
        assert!(trail.answer_is_whole, "{size}");
    }
}

#[test]
fn a_long_body_is_digested_as_far_as_the_digest_reaches() {
    let body: Vec<u8> = (0..5_000_u32).map(|at| (at % 251) as u8).collect();
    let reply = [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &body].concat();
    for size in [100, 1460, 6000] {
        let trails = exchange_in_pieces(GET, &reply, size);
        assert_eq!(marks(&trails[0]).reply_body, digest(&body[..1024]), "{size}");
        assert_eq!(marks(&trails[0]).request_body, Digest::default());
    }
}

#[test]
fn a_digest_ends_where_the_capture_did() {
    let mut talk = Talk::open();
    let head = b"POST /buy HTTP/1.1\r\nHost: a\r\nContent-Length: 600\r\n\r\n";
    talk.ask(head);
    let body = [b'x'; 300];
    for _ in 0..2 {
        talk.cluster.request(PORT, segment(talk.up, 9001, TcpSegment::ACK, &body), &body[..100]);
        talk.up += 300;
    }
    talk.answer(OK);
    let trails = talk.finish();
    assert_eq!(trails.len(), 1);
    assert_eq!(marks(&trails[0]).request_body, digest(&body[..100]));
    assert_eq!(marks(&trails[0]).reply_body, digest(b"hello"));
}

#[test]
fn bytes_that_are_not_understood_have_digests_of_both_ways() {
    let (hello, banner) = (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00more", b"\x16\x03\x03 whatever");
    for size in [6, 4096] {
        let trails = exchange_in_pieces(hello, banner, size);
        assert_eq!(trails.len(), 1);
        assert_eq!(marks(&trails[0]).request_body, digest(hello), "{size}");
        assert_eq!(marks(&trails[0]).reply_body, digest(banner), "{size}");
    }
}

#[test]
fn each_of_two_answers_in_one_segment_is_read_by_its_own_request() {
    let mut talk = Talk::open();
    talk.ask(b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nX-Request-Id: 2\r\n\r\n");
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 404 -\r\nContent-Length: 2\r\n\r\nno");
    let trails = talk.finish();
    let read: Vec<_> =
        trails.iter().map(|trail| (trail.exchange.path.as_deref(), trail.exchange.status)).collect();
    assert_eq!(read, [(Some("/a"), Some(200)), (Some("/b"), Some(404))]);
    assert_eq!(marks(&trails[0]).reply_body, Digest::default());
    assert_eq!(marks(&trails[1]).reply_body, digest(b"no"));
    assert_eq!((marks(&trails[0]).ids.len(), marks(&trails[1]).ids.len()), (0, 1));
}
