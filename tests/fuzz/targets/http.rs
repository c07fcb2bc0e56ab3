//! Heads end within the bytes, and a chunked body is walked alike in one part and in two.

#![no_main]

use hopline::decode::http::{Chunks, Head, cut_head, head};
use hopline::decode::tls;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    for head in [head(bytes), cut_head(bytes)] {
        match head {
            Head::Request(request) => assert!(request.head_len <= bytes.len()),
            Head::Response(response) => assert!(response.head_len <= bytes.len()),
            Head::Partial | Head::NotHttp => {}
        }
    }
    let _ = (tls::client_hello(bytes), tls::server_hello(bytes), tls::record_len(bytes));

    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let (mut whole, mut parts) = (Chunks::default(), Chunks::default());
    let walked = whole.feed(bytes);
    let mut walked_in_parts = parts.feed(first);
    if walked_in_parts == first.len() {
        walked_in_parts += parts.feed(second);
    }
    assert_eq!((whole, walked), (parts, walked_in_parts));
});
