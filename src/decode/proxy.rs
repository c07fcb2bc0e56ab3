//! The PROXY protocol: a header in front of a connection's own bytes that announces whom a proxy speaks for
//! (HAProxy's `proxy-protocol.txt`, versions 1 and 2).

use std::net::IpAddr;

use ppp::{v1, v2};

use crate::model::Endpoint;

/// The longest header that is waited for, in bytes: addresses with room for certificates' names.
pub const MAX_HEADER: usize = 4 * 1024;

const V1_BEGIN: &[u8] = b"PROXY ";
/// With its line end.
const V1_MAX: usize = 107;
const V2_FIXED: usize = 16;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// It can become a header; its end is not there yet.
    Partial,
    /// The connection's own bytes.
    Absent,
    /// A header of `len` bytes. It announces nobody where the proxy speaks for itself, as in a health check.
    Header { len: usize, client: Option<Endpoint> },
}

/// Reads the header that a connection's first bytes are, if any.
pub fn preamble(bytes: &[u8]) -> Preamble {
    let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(a, b)| a == b);
    if bytes.is_empty() {
        Preamble::Absent
    } else if begins(v2::PROTOCOL_PREFIX) {
        read_v2(bytes)
    } else if begins(V1_BEGIN) {
        read_v1(bytes)
    } else {
        Preamble::Absent
    }
}

fn read_v1(bytes: &[u8]) -> Preamble {
    let line_end = bytes.iter().take(V1_MAX).position(|&byte| byte == b'\n');
    let Some(len) = line_end.map(|at| at + 1) else {
        return if bytes.len() < V1_MAX { Preamble::Partial } else { Preamble::Absent };
    };
    let Ok(header) = v1::Header::try_from(&bytes[..len]) else { return Preamble::Absent };
    let client = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ends) => Some(endpoint(ends.source_address, ends.source_port)),
        v1::Addresses::Tcp6(ends) => Some(endpoint(ends.source_address, ends.source_port)),
    };
    Preamble::Header { len, client }
}

fn read_v2(bytes: &[u8]) -> Preamble {
    let Some(&[high, low]) = bytes.get(V2_FIXED - 2..V2_FIXED) else { return Preamble::Partial };
    let len = V2_FIXED + usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_HEADER {
        return Preamble::Absent;
    }
    let Some(whole) = bytes.get(..len) else { return Preamble::Partial };
    let Ok(header) = v2::Header::try_from(whole) else { return Preamble::Absent };
    let client = match header.addresses {
        _ if header.command == v2::Command::Local => None,
        v2::Addresses::IPv4(ends) => Some(endpoint(ends.source_address, ends.source_port)),
        v2::Addresses::IPv6(ends) => Some(endpoint(ends.source_address, ends.source_port)),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    };
    Preamble::Header { len, client }
}

fn endpoint(ip: impl Into<IpAddr>, port: u16) -> Endpoint {
    Endpoint::new(ip.into().into(), port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2_header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u16).to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &len, payload].concat()
    }

    fn client(text: &str, port: u16) -> Endpoint {
        Endpoint::new(text.parse().expect(text), port)
    }

    #[test]
    fn each_form_announces_its_client() {
        let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0xd4, 0x31, 0, 80];
        let v6: Vec<u8> = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[9; 16], &[0, 80, 1, 2]].concat();
        let with_field = [&v4[..], &[0x20, 0, 1, 7]].concat();
        for (bytes, expected) in [
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 54321 80\r\n".to_vec(), Some(client("203.0.113.9", 54321))),
            (b"PROXY TCP6 2001:db8::1 ::2 80 258\r\n".to_vec(), Some(client("2001:db8::1", 80))),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
            (v2_header(1, 0x11, &v4), Some(client("203.0.113.9", 54321))),
            (v2_header(1, 0x11, &with_field), Some(client("203.0.113.9", 54321))),
            (v2_header(1, 0x21, &v6), Some(client("2001:db8::1", 80))),
            (v2_header(0, 0x00, b""), None),
            (v2_header(0, 0x11, &v4), None),
            (v2_header(1, 0x31, &[0; 216]), None),
        ] {
            let text = bytes.escape_ascii().to_string();
            for cut in 1..bytes.len() {
                assert_eq!(preamble(&bytes[..cut]), Preamble::Partial, "{text} cut at {cut}");
            }
            let expected = Preamble::Header { len: bytes.len(), client: expected };
            assert_eq!(preamble(&bytes), expected, "{text}");
            assert_eq!(preamble(&[&bytes[..], b"GET / HTTP/1.1\r\n"].concat()), expected, "{text}");
        }
    }

    #[test]
    fn other_bytes_are_the_connection_s_own() {
        let long = [V1_BEGIN, &[b'x'; 120]].concat();
        for bytes in [
            &b""[..],
            b"POST / HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 54321 99999\r\n",
            b"PROXY SCTP 1 2 3 4\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            &long,
        ] {
            assert_eq!(preamble(bytes), Preamble::Absent, "{}", bytes.escape_ascii());
        }
        assert_eq!(preamble(b"P"), Preamble::Partial);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = preamble(&bytes);
            let _ = preamble(&[V1_BEGIN, &bytes[..], b"\r\n"].concat());
            let _ = preamble(&[v2::PROTOCOL_PREFIX, &bytes[..]].concat());
        }
    }
}
