//! HTTP/2 connections, with frames cut into segments in any way.

use super::exchanges::{Talk, digest, heads, marks, read_of};
use super::*;

const PREFACE: &[u8] = crate::decode::http2::PREFACE;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const WHOLE: u8 = END_STREAM | END_HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field, which the table keeps.
fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0x40, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

fn request(stream: u32, flags: u8, path: &str) -> Vec<u8> {
    let block = [&[0x83, 0x86][..], &field(":path", path), &field(":authority", "mix.shop")].concat();
    frame(HEADERS, flags, stream, &block)
}

fn begin() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])].concat()
}

fn settings() -> Vec<u8> {
    [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat()
}

#[test]
fn concurrent_streams_are_exchanges_of_their_own() {
    let requests = [
        begin(),
        request(1, END_HEADERS, "/one"),
        request(3, WHOLE, "/three"),
        frame(DATA, END_STREAM, 1, b"body of one"),
        frame(WINDOW, 0, 0, &[0, 0, 1, 0]),
        request(5, WHOLE, "/five"),
    ]
    .concat();
    let replies = [
        settings(),
        frame(HEADERS, END_HEADERS, 3, &[0x88]),
        frame(HEADERS, WHOLE, 1, &field(":status", "503")),
        // Padded.
        frame(DATA, 0x8, 3, b"\x03three\0\0\0"),
        frame(HEADERS, WHOLE, 5, &[0x8d]),
        frame(DATA, END_STREAM, 3, b"!"),
    ]
    .concat();
    for size in [1, 2, 9, 10, 33, 4096] {
        let mut talk = Talk::open();
        requests.chunks(size).for_each(|piece| talk.ask(piece));
        replies.chunks(size).for_each(|piece| talk.answer(piece));
        let trails = talk.finish();
        assert_eq!(
            read_of(&trails),
            [("/one", Some(503)), ("/three", Some(200)), ("/five", Some(404))],
            "{size}"
        );
        for trail in &trails {
            assert_eq!(heads(trail, Way::Request), 4, "{size} {trail:#?}");
            assert_eq!(heads(trail, Way::Reply), 4, "{size} {trail:#?}");
            assert!(trail.answer_is_whole && trail.phase == Phase::Answered, "{size}");
            assert_eq!(trail.exchange.host.as_deref(), Some("mix.shop"));
            assert_eq!(trail.exchange.method.as_deref(), Some("POST"));
        }
        assert_eq!(marks(&trails[0]).request_body, digest(b"body of one"), "{size}");
        assert_eq!(marks(&trails[1]).reply_body, digest(b"three!"), "{size}");
        assert_eq!(trails[1].exchange.reply_bytes, (9 + 1 + 9 + 9 + 9 + 1));
        assert_eq!(trails.iter().filter(|trail| trail.is_first_of_leg).count(), 1);
    }
}

#[test]
fn a_call_s_status_is_in_its_trailers() {
    let mut talk = Talk::open();
    talk.ask(&[begin(), request(1, END_HEADERS, "/shop.Orders/Place")].concat());
    talk.ask(&frame(DATA, END_STREAM, 1, b"\0\0\0\0\x02hi"));
    talk.answer(&settings());
    talk.answer(&frame(HEADERS, END_HEADERS, 1, &[0x88]));
    talk.answer(&frame(DATA, 0, 1, b"\0\0\0\0\x00"));
    talk.answer(&frame(HEADERS, WHOLE, 1, &field("grpc-status", "5")));
    talk.ask(b"");
    // Trailers that come when the exchange is closed long since begin nothing.
    talk.cluster.pass(5 * SECONDS);
    talk.ask(&request(3, WHOLE, "/shop.Orders/Get"));
    talk.answer(&frame(HEADERS, WHOLE, 1, &field("grpc-status", "7")));
    talk.answer(&frame(HEADERS, WHOLE, 3, &[&[0x88][..], &field("grpc-status", "0")].concat()));
    let trails = talk.finish();
    assert_eq!(read_of(&trails), [("/shop.Orders/Place", Some(200)), ("/shop.Orders/Get", Some(200))]);
    let statuses: Vec<_> = trails.iter().map(|trail| trail.exchange.grpc_status).collect();
    assert_eq!(statuses, [Some(5), Some(0)]);
    assert!(trails.iter().all(|trail| trail.answer_is_whole));
}

#[test]
fn a_head_goes_on_in_continuations_and_may_be_interim() {
    let block = [&[0x82, 0x86][..], &field(":path", "/long"), &field("x-request-id", "7f3a")].concat();
    let mut talk = Talk::open();
    talk.ask(&begin());
    talk.ask(&frame(HEADERS, END_STREAM, 1, &block[..7]));
    talk.ask(&frame(CONTINUATION, 0, 1, &block[7..20]));
    talk.ask(&frame(CONTINUATION, END_HEADERS, 1, &block[20..]));
    talk.answer(&frame(HEADERS, END_HEADERS, 1, &field(":status", "103")));
    let at = talk.down;
    talk.answer(&frame(HEADERS, WHOLE, 1, &[0x89]));
    let trails = talk.finish();
    assert_eq!(read_of(&trails), [("/long", Some(204))]);
    assert_eq!(trails[0].reply_seq, Some(at));
    assert_eq!(&*marks(&trails[0]).ids[0].value, "7f3a");
}

#[test]
fn an_upgrade_makes_the_request_the_first_stream() {
    let upgrade =
        b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                    HTTP2-Settings: AAMAAABk\r\n\r\n";
    for size in [11, 4096] {
        let mut talk = Talk::open();
        upgrade.chunks(size).for_each(|piece| talk.ask(piece));
        let answer = [
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_vec(),
            settings(),
            frame(HEADERS, END_HEADERS, 1, &[0x88]),
            frame(DATA, END_STREAM, 1, b"hello"),
        ]
        .concat();
        answer.chunks(size).for_each(|piece| talk.answer(piece));
        [begin(), request(3, WHOLE, "/second")].concat().chunks(size).for_each(|piece| talk.ask(piece));
        talk.answer(&frame(HEADERS, WHOLE, 3, &[0x8d]));
        let trails = talk.finish();
        assert_eq!(read_of(&trails), [("/first", Some(200)), ("/second", Some(404))], "{size}");
        assert_eq!(trails[0].exchange.request_bytes, upgrade.len() as u64);
        assert_eq!(marks(&trails[0]).reply_body, digest(b"hello"));
        assert!(trails.iter().all(|trail| trail.answer_is_whole));
    }
}

#[test]
fn a_connection_caught_in_the_middle_shows_only_what_is_known() {
    let mut talk = Talk { cluster: Cluster::new(0), up: 5_000, down: 7_000 };
    talk.ask(b"the end of a frame that began before");
    // Path and host are in the table, from blocks that were not seen.
    talk.ask(&frame(HEADERS, WHOLE, 7, &[0x83, 0x86, 0xbf, 0xc0]));
    talk.answer(&frame(HEADERS, WHOLE, 7, &[0x88]));
    talk.ask(&request(9, WHOLE, "/nine"));
    talk.answer(&frame(HEADERS, WHOLE, 9, &[0xbe]));
    // The path and the host that were added last, and an older one.
    talk.ask(&frame(HEADERS, WHOLE, 11, &[0x82, 0x86, 0xbf, 0xbe, 0xc5]));
    talk.answer(&frame(HEADERS, WHOLE, 11, &[0x8d]));
    let trails = talk.finish();
    let read: Vec<_> = trails
        .iter()
        .filter(|trail| trail.exchange.application == Application::Http)
        .map(|trail| {
            let it = &trail.exchange;
            (it.method.as_deref(), it.path.as_deref(), it.host.as_deref(), it.status)
        })
        .collect();
    assert_eq!(
        read,
        [
            (Some("POST"), None, None, Some(200)),
            (Some("POST"), Some("/nine"), Some("mix.shop"), None),
            (Some("GET"), Some("/nine"), Some("mix.shop"), Some(404)),
        ]
    );
    assert!(trails.iter().all(|trail| trail.is_mid_stream));
}

#[test]
fn a_lost_segment_costs_no_more_than_what_was_in_it() {
    let mut talk = Talk::open();
    talk.ask(&[begin(), request(1, WHOLE, "/one")].concat());
    talk.answer(&[settings(), frame(HEADERS, WHOLE, 1, &[0x88])].concat());
    // The capture lost a request; the server acknowledged and answered it.
    talk.up += request(3, WHOLE, "/three").len() as u32;
    talk.answer(&frame(HEADERS, WHOLE, 3, &[0x88]));
    talk.ask(&frame(HEADERS, WHOLE, 5, &[0x82, 0x86, 0xbf, 0xbe]));
    talk.answer(&frame(HEADERS, WHOLE, 5, &[0x8d]));
    talk.ask(&request(7, WHOLE, "/seven"));
    talk.answer(&frame(HEADERS, WHOLE, 7, &[0x88]));
    let trails = talk.finish();
    assert_eq!(
        read_of(&trails),
        [("/one", Some(200)), ("", Some(200)), ("", Some(404)), ("/seven", Some(200))],
        "the fifth names what the third added, and shows nothing wrong"
    );
}

#[test]
fn streams_that_are_given_up_are_closed() {
    let mut talk = Talk::open();
    talk.ask(&[begin(), request(1, WHOLE, "/one"), request(3, WHOLE, "/three")].concat());
    talk.ask(&request(5, WHOLE, "/five"));
    talk.answer(&settings());
    talk.answer(&frame(RESET, 0, 1, &[0, 0, 0, 7]));
    talk.answer(&frame(GO_AWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]));
    talk.cluster.pass(3 * SECONDS);
    talk.answer(&frame(HEADERS, WHOLE, 3, &[0x88]));
    let trails = talk.finish();
    assert_eq!(read_of(&trails), [("/one", None), ("/three", Some(200)), ("/five", None)]);
    assert_eq!(trails.iter().map(|trail| trail.answer_is_whole).collect::<Vec<_>>(), [false, true, false]);
    assert!(trails.iter().all(|trail| trail.phase == Phase::Answered));
    let resets = |trail: &Trail| trail.sightings.iter().filter(|it| it.part == Part::Reset).count();
    assert_eq!(
        trails.iter().map(resets).collect::<Vec<_>>(),
        [4, 0, 0],
        "at four points, the first one's only"
    );
}

#[test]
fn a_server_that_speaks_first_is_understood() {
    let mut talk = Talk::open();
    talk.answer(&frame(SETTINGS, 0, 0, &[]));
    talk.ask(&[begin(), request(1, WHOLE, "/one")].concat());
    talk.answer(&frame(HEADERS, WHOLE, 1, &[0x88]));
    assert_eq!(read_of(&talk.finish()), [("/one", Some(200))]);
}

#[test]
fn streams_are_bounded() {
    let mut talk = Talk::open();
    talk.ask(&begin());
    for stream in 0..5_000 {
        talk.ask(&request(2 * stream + 1, WHOLE, "/x"));
    }
    assert!(talk.cluster.core.trails.len() <= MAX_STREAMS);
    assert_eq!(talk.finish().len(), 5_000);
}

/// Any bytes behind a preface, on both ways.
#[test]
fn any_frames_are_survived() {
    let mut state = 11_u64;
    let mut random = || {
        state = fingerprint::mix(state, 0x1234_5678_9abc_def1);
        state
    };
    for _ in 0..200 {
        let mut talk = Talk::open();
        talk.ask(PREFACE);
        for _ in 0..40 {
            let word = random();
            let payload: Vec<u8> = (0..word as u8 % 60).map(|_| random() as u8).collect();
            let mut bytes =
                frame((word >> 8) as u8 % 11, (word >> 16) as u8, (word >> 24) as u32 & 7, &payload);
            if word & 0x7000 == 0 {
                bytes.truncate(bytes.len() / 2);
            }
            if word >> 63 == 0 {
                talk.ask(&bytes);
            } else {
                talk.answer(&bytes);
            }
            if word & 0xf0_0000 == 0 {
                talk.up += 10;
            }
        }
        assert_eq!(talk.cluster.core.legs.len(), 1);
        talk.finish();
    }
}
