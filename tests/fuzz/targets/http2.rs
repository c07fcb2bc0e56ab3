//! Frames' headers, and header blocks one after the other: what is read of a block does not depend on whether older
//! ones are said to be missing, where it reads at all.

#![no_main]

use hopline::decode::http2::{Fields, frame, looks_like_frames, looks_like_server_preface};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|blocks: Vec<&[u8]>| {
    let (mut whole, mut partial) = (Fields::new(false), Fields::new(true));
    for block in blocks {
        let _ = (looks_like_frames(block), looks_like_server_preface(block));
        if let Some(frame) = block.first_chunk().map(frame) {
            let fragment = frame.fragment(&block[9..]).unwrap_or_default();
            assert!(fragment.len() <= block.len() - 9);
        }
        let (known, guessed) = (whole.head(block), partial.head(block));
        for (known, guessed) in [(&known.method, &guessed.method), (&known.path, &guessed.path)] {
            assert!(guessed.is_none() || known.is_none() || known == guessed);
        }
    }
});
