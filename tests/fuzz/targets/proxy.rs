//! A PROXY protocol header ends within the bytes, and is read alike however much follows it.

#![no_main]

use hopline::decode::proxy::{Preamble, preamble};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match preamble(bytes) {
        Preamble::Header { len, client } => {
            assert!(len <= bytes.len());
            assert_eq!(preamble(&bytes[..len]), Preamble::Header { len, client });
            assert_eq!(preamble(&bytes[..len - 1]), Preamble::Partial);
        }
        Preamble::Partial | Preamble::Absent => {}
    }
});
