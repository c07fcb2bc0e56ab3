use proptest::prelude::*;

use super::*;

const GET: &[u8] = b"GET /shop?q=1 HTTP/1.1\r\nHost: mix.shop\r\nAccept: */*\r\n\r\n";

fn request(bytes: &[u8]) -> Request<'_> {
    match head(bytes) {
        Head::Request(request) => request,
        other => panic!("{} is {other:?}", bytes.escape_ascii()),
    }
}

fn response(bytes: &[u8]) -> Response<'_> {
    match head(bytes) {
        Head::Response(response) => response,
        other => panic!("{} is {other:?}", bytes.escape_ascii()),
    }
}

#[test]
fn a_request_is_read() {
    let bytes = [GET, b"the next bytes"].concat();
    assert_eq!(
        request(&bytes),
        Request {
            method: "GET",
            target: "/shop?q=1",
            host: Some(b"mix.shop"),
            content_length: None,
            is_chunked: false,
            is_close: false,
            is_upgrade: false,
            marks: None,
            head_len: GET.len(),
        }
    );
    assert_eq!(request(&bytes).framing(), Framing::Length(0));
}

#[test]
fn a_redirection_says_where_to() {
    let answer = |status: &str| {
        format!("HTTP/1.1 {status}\r\nlocation: https://mix.shop/\r\nLocation: /other\r\n\r\n")
    };
    assert_eq!(
        response(answer("308 Permanent Redirect").as_bytes()).location,
        Some(&b"https://mix.shop/"[..])
    );
    assert_eq!(response(answer("201 Created").as_bytes()).location, None, "that is what was made");
}

#[test]
fn a_head_is_partial_at_every_length_until_it_is_whole() {
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for whole in [GET, answer] {
        for cut in 1..whole.len() {
            assert_eq!(head(&whole[..cut]), Head::Partial, "{}", whole[..cut].escape_ascii());
        }
        assert!(matches!(head(whole), Head::Request(_) | Head::Response(_)));
    }
    assert_eq!(head(b""), Head::NotHttp);
}

#[test]
fn what_the_capture_cut_is_read_as_far_as_it_goes() {
    let line = b"GET /shop?q=1 HTTP/1.1\r\n".len();
    for cut in line..GET.len() {
        let Head::Request(request) = cut_head(&GET[..cut]) else { panic!("cut at {cut}") };
        assert_eq!((request.method, request.target, request.head_len), ("GET", "/shop?q=1", cut));
        let host_is_whole = cut >= line + b"Host: mix.shop\r\n".len();
        if host_is_whole {
            assert_eq!(request.host, Some(&b"mix.shop"[..]));
        } else {
            assert!(request.host.is_none(), "a cut host is not a host: {cut}");
        }
    }
    assert_eq!(cut_head(&GET[..8]), Head::Partial);
    assert!(matches!(
        cut_head(b"HTTP/1.1 503 Serv"),
        Head::Response(Response { status: 503, .. }) | Head::Partial
    ));
}

#[test]
fn other_protocols_are_not_http() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO mail.example\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"HTTP/2 200\r\n",
        b"\0\0\0\0",
        b" ",
    ] {
        assert_eq!(head(bytes), Head::NotHttp, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_request_line_without_end_is_given_up() {
    let mut endless = b"GET /".to_vec();
    endless.resize(MAX_HEAD, b'a');
    assert_eq!(head(&endless), Head::NotHttp);
    assert_eq!(head(&endless[..MAX_HEAD - 1]), Head::Partial);
}

#[test]
fn the_body_s_end_follows_from_the_head() {
    let framing = |fields: &str, method: &str| {
        response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).framing(method)
    };
    assert_eq!(framing("Content-Length: 12\r\n", "GET"), Framing::Length(12));
    assert_eq!(framing("Content-Length: 12\r\n", "HEAD"), Framing::Length(0));
    assert_eq!(framing("content-length: 12, 12\r\n", "GET"), Framing::Length(12));
    assert_eq!(framing("Transfer-Encoding: gzip, Chunked\r\n", "GET"), Framing::Chunked);
    assert_eq!(framing("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "GET"), Framing::Chunked);
    assert_eq!(framing("", "GET"), Framing::UntilClose);
    assert_eq!(framing("", "CONNECT"), Framing::UntilClose);
    for status in [100, 103, 204, 304] {
        let bytes = format!("HTTP/1.1 {status} -\r\nContent-Length: 9\r\n\r\n");
        let answer = response(bytes.as_bytes());
        assert_eq!(answer.framing("GET"), Framing::Length(0), "{status}");
        assert_eq!(answer.is_interim(), status < 200);
    }
}

#[test]
fn lengths_that_contradict_each_other_are_not_believed() {
    assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), Head::NotHttp);
    assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), Head::NotHttp);
}

#[test]
fn who_closes_and_who_upgrades_is_read() {
    let with = |version: &str, fields: &str| format!("GET / HTTP/{version}\r\n{fields}\r\n");
    assert!(!request(with("1.1", "").as_bytes()).is_close);
    assert!(request(with("1.1", "Connection: TE, close\r\n").as_bytes()).is_close);
    assert!(request(with("1.0", "").as_bytes()).is_close);
    assert!(!request(with("1.0", "Connection: Keep-Alive\r\n").as_bytes()).is_close);
    assert!(request(with("1.1", "Connection: keep-alive, Upgrade\r\n").as_bytes()).is_upgrade);
    let connect = b"CONNECT db.shop:5432 HTTP/1.1\r\n\r\n";
    assert!(request(connect).is_upgrade);
    assert_eq!(request(connect).host, Some(&b"db.shop:5432"[..]));
    assert_eq!(request(b"GET http://a.shop/x HTTP/1.1\r\n\r\n").host, Some(&b"a.shop"[..]));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (head(&bytes), cut_head(&bytes));
    }

    #[test]
    fn changed_heads_never_panic(at in 0..GET.len(), byte: u8, cut in 0..GET.len()) {
        let mut bytes = GET.to_vec();
        bytes[at] = byte;
        let _ = (head(&bytes), cut_head(&bytes[..cut]));
    }
}
