//! HTTP/2 in clear text: frames (RFC 9113 §4) and header blocks (RFC 7541).
//!
//! [`frame`] reads a frame's header. [`Fields`] is the state of one way's header compression: a header block is
//! understood only with those before it, so whoever reads a connection keeps one for each way.

mod fields;
mod hpack;

pub use fields::{Fields, Head};

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of a frame's header, in bytes.
pub const HEADER_LEN: usize = 9;
/// The longest payload that is allowed unless a setting allows more, in bytes (RFC 9113 §4.2).
pub const DEFAULT_MAX_PAYLOAD: u32 = 1 << 14;

/// The kinds of frames that say something of an exchange (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    Headers,
    ResetStream,
    Settings,
    PushPromise,
    GoAway,
    Continuation,
    /// Priority, ping, window update and what extensions define.
    Other,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Length of the payload behind the header, in bytes.
    pub len: u32,
    pub kind: Kind,
    flags: u8,
    /// 0 is the connection itself; the client's requests are odd.
    pub stream: u32,
}

impl Frame {
    /// Nothing more comes on the stream this way.
    pub const fn ends_stream(self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & 0x1 != 0
    }

    /// The header block ends with this frame.
    pub const fn ends_headers(self) -> bool {
        self.flags & 0x4 != 0
    }

    /// The payload begins with a byte that says how many bytes at its end are padding.
    pub const fn is_padded(self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers | Kind::PushPromise) && self.flags & 0x8 != 0
    }

    /// What lies between the payload's begin (its padding's length apart) and its content: a priority, or the
    /// number of the promised stream.
    const fn prefix(self) -> usize {
        match self.kind {
            Kind::Headers if self.flags & 0x20 != 0 => 5,
            Kind::PushPromise => 4,
            _ => 0,
        }
    }

    /// The part of a header block that is in the whole `payload`; `None` where it does not fit together.
    pub fn fragment(self, payload: &[u8]) -> Option<&[u8]> {
        let (padding, content) = match payload.split_first() {
            Some((&padding, rest)) if self.is_padded() => (usize::from(padding), rest),
            _ => (0, payload),
        };
        content.get(self.prefix()..content.len().checked_sub(padding)?)
    }
}

/// Reads a frame's header.
pub fn frame(header: &[u8; HEADER_LEN]) -> Frame {
    let [len @ .., kind, flags, _, _, _, _] = *header;
    let [.., high, b, c, d] = *header;
    let kind = match kind {
        0 => Kind::Data,
        1 => Kind::Headers,
        3 => Kind::ResetStream,
        4 => Kind::Settings,
        5 => Kind::PushPromise,
        7 => Kind::GoAway,
        9 => Kind::Continuation,
        _ => Kind::Other,
    };
    let len = len.iter().fold(0, |len, &byte| len << 8 | u32::from(byte));
    // The first bit of the stream's number is reserved.
    Frame { len, kind, flags, stream: u32::from_be_bytes([high & 0x7f, b, c, d]) }
}

/// Whether `bytes` can be the first of what a server sends: its settings (RFC 9113 §3.4).
pub fn looks_like_server_preface(bytes: &[u8]) -> bool {
    const ACK: u8 = 1;
    bytes.first_chunk().map(frame).is_some_and(|frame| {
        let is_settings = frame.kind == Kind::Settings && frame.stream == 0 && frame.flags & ACK == 0;
        is_settings && frame.len.is_multiple_of(6) && frame.len < 256
    })
}

/// Whether `bytes` are frames from their first byte to their last (of which the last may be cut), and a header
/// block is among them: enough to find the place in a connection that was caught in the middle.
pub fn looks_like_frames(mut bytes: &[u8]) -> bool {
    let mut has_headers = false;
    while let Some(header) = bytes.first_chunk() {
        let frame = frame(header);
        if !is_plausible(header, frame) {
            return false;
        }
        let payload = &bytes[HEADER_LEN..];
        let Some(rest) = payload.get(frame.len as usize..) else {
            return has_headers && frame.kind == Kind::Data;
        };
        has_headers |= frame.kind == Kind::Headers
            && frame
                .fragment(&payload[..frame.len as usize])
                .and_then(|block| block.first())
                .is_some_and(|&first| first & 0x80 != 0 && first != 0x80);
        bytes = rest;
    }
    has_headers && bytes.is_empty()
}

/// Holds a frame against the rules for its kind (RFC 9113 §6).
fn is_plausible(header: &[u8; HEADER_LEN], frame: Frame) -> bool {
    let [.., kind, flags, first_of_stream, _, _, _] = *header;
    let (is_of_stream, known_flags, is_len_right) = match kind {
        0 => (true, 0x09, true),
        1 => (true, 0x2d, frame.len > 0),
        2 => (true, 0, frame.len == 5),
        3 => (true, 0, frame.len == 4),
        4 => (false, 0x01, frame.len.is_multiple_of(6)),
        6 => (false, 0x01, frame.len == 8),
        7 => (false, 0, frame.len >= 8),
        8 => (frame.stream != 0, 0, frame.len == 4),
        9 => (true, 0x04, true),
        _ => return false,
    };
    let is_stream_right = is_of_stream == (frame.stream != 0) && first_of_stream & 0x80 == 0;
    is_stream_right && flags & !known_flags == 0 && is_len_right && frame.len <= DEFAULT_MAX_PAYLOAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn a_block_is_taken_out_of_padding_and_priority() {
        for (kind, flags, payload, block) in [
            (1, 0x04, &b"block"[..], Some(&b"block"[..])),
            (1, 0x2c, b"\x02\0\0\0\0\x10block\0\0", Some(b"block")),
            (1, 0x0c, b"\x02block\0\0", Some(b"block")),
            (1, 0x0c, b"\x09block\0\0", None),
            (1, 0x24, b"\0\0", None),
            (5, 0x04, b"\0\0\0\x02block", Some(b"block")),
            (9, 0x0c, b"\x02block", Some(b"\x02block")),
        ] {
            let bytes = bytes_of(kind, flags, 1, payload);
            let frame = frame(bytes.first_chunk().expect("header"));
            assert_eq!(frame.fragment(payload), block, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn only_frames_look_like_frames() {
        let request = bytes_of(1, 0x05, 3, &[0x83, 0x86, 0xbf]);
        let update = bytes_of(8, 0, 0, &[0, 0, 1, 0]);
        let data = bytes_of(0, 0x01, 3, b"body");
        let whole = [&update[..], &request, &data].concat();
        assert!(looks_like_frames(&whole));
        assert!(looks_like_frames(&whole[..whole.len() - 2]), "the last frame may be cut");
        assert!(!looks_like_frames(&whole[1..]));
        assert!(!looks_like_frames(&data), "without a header block nothing is sure");
        for other in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x00\x00\x00\x2a\x00\x03\x00\x09\x00\x00\x00\x01",
            &[0; 40],
        ] {
            assert!(!looks_like_frames(other), "{}", other.escape_ascii());
        }
        assert!(looks_like_server_preface(&bytes_of(4, 0, 0, &[0, 3, 0, 0, 0, 100])));
        assert!(!looks_like_server_preface(&bytes_of(4, 1, 0, b"")));
    }
}
