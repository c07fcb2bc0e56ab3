//! A DNS message's names are clean and bounded, whatever the bytes are.

#![no_main]

use hopline::decode::dns::{message, tcp_message};
use hopline::decode::{MAX_CHARS, clean};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for message in [message(bytes), tcp_message(bytes)].into_iter().flatten() {
        let names = message.question.iter().map(|question| &question.name).chain(&message.targets);
        for name in names {
            assert_eq!(&clean(&**name), name);
            assert!(name.chars().count() <= MAX_CHARS);
        }
    }
});
