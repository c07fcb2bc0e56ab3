//! What is read of a connection's bytes, however they are cut into segments.

use super::*;
use crate::model::{Digest, Marks};

/// One connection, of which both sides' bytes are played in order.
pub(super) struct Talk {
    pub(super) cluster: Cluster,
    pub(super) up: u32,
    pub(super) down: u32,
}

const PORT: u16 = 45_700;

impl Talk {
    /// A connection whose handshake was seen.
    pub(super) fn open() -> Talk {
        let mut cluster = Cluster::new(0);
        converse(&mut cluster, PORT, 100, 0);
        Talk { cluster, up: 101, down: 9001 }
    }

    /// The client sends `bytes` in one segment.
    pub(super) fn ask(&mut self, bytes: &[u8]) {
        self.cluster.request(PORT, segment(self.up, self.down, TcpSegment::ACK, bytes), bytes);
        self.up = self.up.wrapping_add(bytes.len() as u32);
    }

    /// The server sends `bytes` in one segment.
    pub(super) fn answer(&mut self, bytes: &[u8]) {
        self.cluster.reply(PORT, segment(self.down, self.up, TcpSegment::ACK, bytes), bytes);
        self.down = self.down.wrapping_add(bytes.len() as u32);
    }

    /// Both sides close, and the trails are handed on.
    pub(super) fn finish(mut self) -> Vec<Trail> {
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

pub(super) fn marks(trail: &Trail) -> &Marks {
    trail.marks.as_deref().expect("marks")
}

pub(super) fn digest(bytes: &[u8]) -> Digest {
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

/// The connection's first bytes are a PROXY protocol header, then `request`, in segments of `size` bytes.
fn announced(header: &[u8], request: &[u8], size: usize) -> Vec<Trail> {
    exchange_in_pieces(&[header, request].concat(), OK, size)
}

#[test]
fn a_proxy_header_announces_the_client_of_every_exchange() {
    let client = Some(endpoint([203, 0, 113, 9], 54_321));
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\xd4\x31\0\x50";
    for header in [&b"PROXY TCP4 203.0.113.9 10.0.0.1 54321 80\r\n"[..], v2] {
        for size in [1, 3, header.len(), 4096] {
            let trails = announced(header, GET, size);
            assert_eq!(trails.len(), 1, "{size}");
            assert_eq!(marks(&trails[0]).announced, client, "{size}");
            assert_eq!(marks(&trails[0]).request_head, digest(GET), "{size}");
            assert_eq!(trails[0].exchange.path.as_deref(), Some("/r/17"));
            assert_eq!(trails[0].exchange.request_bytes, GET.len() as u64);
            let heads = trails[0].sightings.iter().filter(|s| s.part == Part::Head && s.way == Way::Request);
            assert_eq!(heads.count(), 4, "{size}");
        }
        let mut talk = Talk::open();
        talk.ask(&[header, GET].concat());
        talk.answer(OK);
        talk.ask(GET);
        talk.answer(OK);
        let trails = talk.finish();
        assert_eq!(trails.len(), 2);
        assert!(trails.iter().all(|trail| marks(trail).announced == client));
        let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
        let trails = announced(header, hello, 9);
        assert_eq!((marks(&trails[0]).announced, marks(&trails[0]).request_body), (client, digest(hello)));
    }
}

#[test]
fn a_proxy_header_that_speaks_for_nobody_announces_nobody() {
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let trails = announced(header, GET, 5);
        assert_eq!(marks(&trails[0]).announced, None);
        assert_eq!(trails[0].exchange.path.as_deref(), Some("/r/17"));
    }
}

#[test]
fn what_only_begins_like_a_proxy_header_is_read_from_its_first_byte() {
    let post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    for request in [&post[..], b"PROXY-ISH bytes of another protocol", b"\r\n\r\n\0\r\nQUIT\n\x91\0\0\0"] {
        for size in [1, 2, 4096] {
            let trails = exchange_in_pieces(request, OK, size);
            assert_eq!(trails.len(), 1);
            assert_eq!(trails[0].exchange.request_bytes, request.len() as u64, "{size}");
            assert_eq!(marks(&trails[0]).announced, None);
        }
    }
}

/// Method or path, and status of each trail.
pub(super) fn read_of(trails: &[Trail]) -> Vec<(&str, Option<u16>)> {
    trails
        .iter()
        .map(|trail| (trail.exchange.path.as_deref().unwrap_or_default(), trail.exchange.status))
        .collect()
}

pub(super) fn heads(trail: &Trail, way: Way) -> usize {
    trail.sightings.iter().filter(|s| s.part == Part::Head && s.way == way).count()
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let requests = [1, 2, 3].map(|at| format!("GET /{at} HTTP/1.1\r\nHost: a\r\n\r\n")).concat();
    let replies = "HTTP/1.1 201 -\r\nContent-Length: 1\r\n\r\naHTTP/1.1 202 -\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2\r\nbb\r\n0\r\n\r\nHTTP/1.1 204 -\r\n\r\n";
    for size in [1, 5, 17, 4096] {
        let trails = exchange_in_pieces(requests.as_bytes(), replies.as_bytes(), size);
        assert_eq!(read_of(&trails), [("/1", Some(201)), ("/2", Some(202)), ("/3", Some(204))], "{size}");
        for trail in &trails {
            assert_eq!((heads(trail, Way::Request), heads(trail, Way::Reply)), (4, 4), "{size} {trail:#?}");
            assert!(trail.answer_is_whole);
        }
        assert_eq!(trails.iter().map(|trail| trail.exchange.reply_bytes).sum::<u64>(), replies.len() as u64);
    }
}

#[test]
fn interim_answers_are_not_the_answer() {
    let mut talk = Talk::open();
    talk.ask(b"POST /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    talk.answer(b"HTTP/1.1 100 Continue\r\n\r\n");
    talk.ask(b"body");
    talk.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    let at = talk.down;
    talk.answer(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
    talk.ask(GET);
    talk.answer(OK);
    let trails = talk.finish();
    assert_eq!(read_of(&trails), [("/up", Some(201)), ("/r/17", Some(200))]);
    assert_eq!(trails[0].reply_seq, Some(at));
    assert_eq!(marks(&trails[0]).request_body, digest(b"body"));
    assert_eq!(marks(&trails[0]).reply_body, digest(b"ok"));
    assert_eq!((heads(&trails[0], Way::Request), heads(&trails[0], Way::Reply)), (4, 4));
    let interim = trails[0].sightings.iter().filter(|s| s.way == Way::Reply && s.part == Part::Body).count();
    assert_eq!(interim, 8, "both interim answers at four points");
}

#[test]
fn an_upgraded_connection_stays_one_exchange() {
    let upgrade = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut talk = Talk::open();
    talk.ask(upgrade);
    talk.answer(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi",
    );
    // Masked bytes may look like anything.
    for bytes in
        [&b"\x81\x82abcd\0\0"[..], GET, b"\x16\x03\x01 no hello", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        talk.ask(bytes);
        talk.answer(bytes);
        talk.answer(OK);
    }
    let (up, down) = (u64::from(talk.up - 101), u64::from(talk.down - 9001));
    let trails = talk.finish();
    assert_eq!(read_of(&trails), [("/chat", Some(101))]);
    assert_eq!((trails[0].exchange.request_bytes, trails[0].exchange.reply_bytes), (up, down));
    assert_eq!(trails[0].phase, Phase::Answered);
    assert!(trails[0].answer_is_whole);
    assert_eq!(trails[0].exchange.application, Application::Http);
    assert!(marks(&trails[0]).request_body.len > 0 && marks(&trails[0]).reply_body.len > 4);
}

#[test]
fn a_refused_upgrade_leaves_http_as_it_was() {
    let mut talk = Talk::open();
    talk.ask(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    talk.answer(b"HTTP/1.1 426 -\r\nContent-Length: 0\r\n\r\n");
    talk.ask(GET);
    talk.answer(OK);
    assert_eq!(read_of(&talk.finish()), [("/chat", Some(426)), ("/r/17", Some(200))]);
}

#[test]
fn connect_opens_a_tunnel_only_where_it_is_granted() {
    let connect = b"CONNECT db.shop:5432 HTTP/1.1\r\nHost: db.shop:5432\r\n\r\n";
    let mut talk = Talk::open();
    talk.ask(connect);
    talk.answer(b"HTTP/1.1 200 OK\r\n\r\n");
    talk.ask(b"\0\0\0\x08\x04\xd2\x16\x2f");
    talk.answer(b"S");
    let trails = talk.finish();
    assert_eq!(read_of(&trails), [("db.shop:5432", Some(200))]);
    assert_eq!(trails[0].exchange.request_bytes, connect.len() as u64 + 8);
    let mut talk = Talk::open();
    talk.ask(connect);
    talk.answer(b"HTTP/1.1 403 -\r\nContent-Length: 2\r\n\r\nno");
    talk.ask(GET);
    talk.answer(OK);
    assert_eq!(read_of(&talk.finish()), [("db.shop:5432", Some(403)), ("/r/17", Some(200))]);
}

#[test]
fn segments_that_come_again_and_out_of_order_are_read_once_and_in_order() {
    let request = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef".as_slice();
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".as_slice();
    let pieces: Vec<(usize, &[u8])> = request.chunks(13).enumerate().collect();
    for turn in 0..pieces.len() {
        let mut order = pieces.clone();
        order.rotate_left(turn);
        let mut talk = Talk::open();
        for &(at, piece) in order.iter().chain(&pieces[..2]) {
            let seq = 101 + 13 * at as u32;
            talk.cluster.request(PORT, segment(seq, 9001, TcpSegment::ACK, piece), piece);
        }
        talk.up = 101 + request.len() as u32;
        for (at, piece) in reply.chunks(9).enumerate().collect::<Vec<_>>().into_iter().rev() {
            talk.cluster.reply(PORT, segment(9001 + 9 * at as u32, talk.up, TcpSegment::ACK, piece), piece);
        }
        talk.down = 9001 + reply.len() as u32;
        let trails = talk.finish();
        assert_eq!(read_of(&trails), [("/up", Some(200))], "turn {turn}");
        assert_eq!(marks(&trails[0]).request_body, digest(b"abcdef"), "turn {turn}");
        assert_eq!(marks(&trails[0]).reply_body, digest(b"0123456789"), "turn {turn}");
        assert!(heads(&trails[0], Way::Request) >= 4 && heads(&trails[0], Way::Reply) == 4);
        assert!(trails[0].retransmissions > 0);
    }
}

#[test]
fn a_connection_caught_in_a_body_is_read_from_the_next_head() {
    for size in [3, 20, 4096] {
        let mut talk = Talk { cluster: Cluster::new(0), up: 5_000, down: 7_000 };
        for piece in [&b"the rest of a body"[..], GET].concat().chunks(size) {
            talk.ask(piece);
        }
        [&b"and of an answer\r\n"[..], OK].concat().chunks(size).for_each(|piece| talk.answer(piece));
        for piece in GET.chunks(size) {
            talk.ask(piece);
        }
        OK.chunks(size).for_each(|piece| talk.answer(piece));
        let trails = talk.finish();
        let last = trails.last().expect("trails");
        assert_eq!(
            (last.exchange.path.as_deref(), last.exchange.status),
            (Some("/r/17"), Some(200)),
            "{size}"
        );
        assert!(trails.iter().all(|trail| trail.is_mid_stream));
        let methods = trails.iter().filter_map(|trail| trail.exchange.method.as_deref());
        assert!(methods.into_iter().all(|method| method == "GET"), "no rest of a method is shown as one");
    }
}

/// A TLS 1.3 hello with a key share as large as hybrid ones are, so that it takes two segments.
fn client_hello() -> Vec<u8> {
    let extension =
        |kind: u16, body: &[u8]| [&kind.to_be_bytes(), &(body.len() as u16).to_be_bytes(), body].concat();
    let extensions = [
        extension(51, &[7; 1300]),
        extension(0, b"\x00\x0b\x00\x00\x08mix.shop"),
        extension(16, b"\x00\x0c\x02h2\x08http/1.1"),
    ]
    .concat();
    let mut body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0]].concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    record(1, &body)
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[0x16, 3, 1][..], &(body.len() as u16 + 4).to_be_bytes(), &[kind], &len[1..], body].concat()
}

#[test]
fn hellos_are_read_over_several_segments() {
    let hello = client_hello();
    let answer = record(2, &[&[3, 3][..], &[9; 32], &[0, 0x13, 1, 0], &[0, 6, 0, 43, 0, 2, 3, 4]].concat());
    let answer = [&answer[..], b"\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x05hello"].concat();
    for size in [1, 600, 1448, 4096] {
        let trails = exchange_in_pieces(&hello, &answer, size);
        assert_eq!(trails.len(), 1);
        let exchange = &trails[0].exchange;
        assert_eq!((exchange.application, exchange.host.as_deref()), (Application::Tls, Some("mix.shop")));
        let tls = exchange.tls.as_deref().expect("tls");
        assert_eq!(tls.version.map(|version| version.to_string()).as_deref(), Some("TLS 1.3"), "{size}");
        assert_eq!(*tls.alpn, ["h2".into(), "http/1.1".into()]);
        assert_eq!(tls.agreed_alpn, None);
        assert_eq!(marks(&trails[0]).request_body, digest(&hello[..1024]), "{size}");
        assert_eq!(marks(&trails[0]).reply_body, digest(&answer), "{size}");
    }
}

#[test]
fn what_only_begins_like_a_hello_is_not_called_tls() {
    for request in [&b"\x16\x03\x01"[..], b"\x16\x03\x01\0\x04\x0e\0\0\0", b"\x16\x03\x99 something else"] {
        for size in [1, 4096] {
            let trails = exchange_in_pieces(request, b"\x15\x03\x03\0\x02\x02\x28", size);
            assert_eq!(trails[0].exchange.tls, None);
            assert_eq!(trails[0].exchange.application, Application::Tcp, "{}", request.escape_ascii());
        }
    }
}

#[test]
fn an_answer_that_ends_before_its_announced_end_is_not_whole() {
    for (reply, is_whole) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"[..], false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", true),
        (OK, true),
    ] {
        let mut talk = Talk::open();
        talk.ask(GET);
        talk.answer(reply);
        let trails = talk.finish();
        assert_eq!(trails[0].answer_is_whole, is_whole, "{}", String::from_utf8_lossy(reply));
    }
}

#[test]
fn a_proxy_is_known_by_its_request_before_that_is_over() {
    let is_known = |fields: &str| {
        let mut talk = Talk::open();
        talk.ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
        let Correlator { handoffs, places, .. } = &talk.cluster.core;
        handoffs.may_proxy(Ip::v4(CLIENT), places.topology())
    };
    assert!(is_known("X-Forwarded-For: 203.0.113.9\r\n"));
    assert!(!is_known("X-Request-Id: 7f3a\r\n"));
}
