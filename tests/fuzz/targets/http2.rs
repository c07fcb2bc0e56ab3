//! Frames' headers, and header blocks one after the other: what is read of them is clean and bounded.

#![no_main]

use hopline::decode::MAX_CHARS;
use hopline::decode::http2::{Fields, frame, looks_like_frames, looks_like_server_preface};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, Vec<&[u8]>)| {
    let (is_partial, blocks) = input;
    let mut fields = Fields::new(is_partial);
    for block in blocks {
        let _ = (looks_like_frames(block), looks_like_server_preface(block));
        if let Some(frame) = block.first_chunk().map(frame) {
            let fragment = frame.fragment(&block[9..]).unwrap_or_default();
            assert!(fragment.len() <= block.len() - 9);
        }
        let head = fields.head(block);
        for text in [head.method, head.path, head.host].into_iter().flatten() {
            assert!(text.chars().count() <= MAX_CHARS && !text.chars().any(char::is_control));
        }
    }
});
