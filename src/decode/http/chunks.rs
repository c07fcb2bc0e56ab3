//! A chunked body, walked to its end (RFC 9112 §7.1).

/// Where in a chunked body one is. Bytes are fed as they come; those inside a chunk may be skipped instead,
/// so that a body whose segments were not all captured can still be followed.
///
/// ```
/// # use hopline::decode::http::Chunks;
/// let mut chunks = Chunks::default();
/// assert_eq!(chunks.feed(b"400\r\nThe first bytes"), 20);
/// assert!(chunks.skip(1024 - 15));
/// assert_eq!(chunks.feed(b"\r\n0\r\n\r\nGET /next"), 7);
/// assert!(chunks.is_finished());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size's digits.
    Size {
        size: u64,
        digits: u8,
    },
    /// In the chunk's extension, up to the line's end.
    Extension {
        size: u64,
    },
    /// In a chunk's data, with this many bytes to come, its line end included.
    Data {
        left: u64,
    },
    /// In the trailer, or the empty line that ends the body.
    Trailer {
        line_len: u32,
    },
    Finished,
    /// This is no chunked body, or its place was lost.
    Broken,
}

impl Default for State {
    fn default() -> State {
        State::Size { size: 0, digits: 0 }
    }
}

/// The most digits of a chunk size: what an unsigned 60-bit number needs.
const MAX_DIGITS: u8 = 15;
const LINE_END: u64 = 2;

impl Chunks {
    /// Walks over `bytes` and returns how many of them belong to this body: all, unless it finishes or breaks here.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        self.feed_to(bytes, &mut |_| {})
    }

    /// As [`Chunks::feed`]; the body's own bytes, without the framing, go to `sink` in their order.
    pub fn feed_to(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_finished() && !self.is_broken() {
            if let State::Data { left } = self.state {
                let step = left.min((bytes.len() - at) as u64);
                let data = step.min(left.saturating_sub(LINE_END));
                sink(&bytes[at..at + data as usize]);
                self.advance(step);
                at += step as usize;
            } else {
                self.state = self.state.after(bytes[at]);
                at += 1;
            }
        }
        at
    }

    /// Steps over `count` bytes that were not seen. Says whether the place is still known; where the bytes reach
    /// beyond the chunk it is not, and the body counts as broken.
    pub fn skip(&mut self, count: u64) -> bool {
        match self.state {
            State::Data { left } if count <= left => self.advance(count),
            _ if count == 0 => {}
            _ => self.state = State::Broken,
        }
        !self.is_broken()
    }

    /// How many bytes can be skipped from here: the rest of a chunk with its line end.
    pub const fn skippable(&self) -> u64 {
        match self.state {
            State::Data { left } => left,
            _ => 0,
        }
    }

    /// The whole body was walked.
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    pub const fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// Moves on within a chunk's data.
    fn advance(&mut self, count: u64) {
        if let State::Data { left } = self.state {
            self.state = if count < left { State::Data { left: left - count } } else { State::default() };
        }
    }
}

impl State {
    fn after(self, byte: u8) -> State {
        match self {
            State::Size { size, digits } => Self::in_size(size, digits, byte),
            State::Extension { size } if byte == b'\n' => Self::after_size_line(size),
            State::Trailer { line_len: 0 } if byte == b'\n' => State::Finished,
            State::Trailer { .. } if byte == b'\n' => State::Trailer { line_len: 0 },
            State::Trailer { line_len } if byte != b'\r' => {
                State::Trailer { line_len: line_len.saturating_add(1) }
            }
            State::Extension { .. }
            | State::Trailer { .. }
            | State::Data { .. }
            | State::Finished
            | State::Broken => self,
        }
    }

    fn in_size(size: u64, digits: u8, byte: u8) -> State {
        match (byte, char::from(byte).to_digit(16)) {
            (_, Some(digit)) if digits < MAX_DIGITS => {
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (b'\n', _) if digits > 0 => Self::after_size_line(size),
            (b';' | b'\r' | b' ' | b'\t', _) if digits > 0 => State::Extension { size },
            _ => State::Broken,
        }
    }

    const fn after_size_line(size: u64) -> State {
        match size {
            0 => State::Trailer { line_len: 0 },
            _ => State::Data { left: size + LINE_END },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"5\r\nhello\r\nA;name=\"v\"\r\n0123456789\r\n0\r\nChecksum: 1\r\n\r\n";

    #[test]
    fn a_body_fed_in_any_two_parts_ends_where_it_ends() {
        for cut in 0..=BODY.len() {
            let mut chunks = Chunks::default();
            assert_eq!(chunks.feed(&BODY[..cut]), cut);
            assert_eq!(chunks.is_finished(), cut == BODY.len());
            let rest = [&BODY[cut..], b"HTTP/1.1 200"].concat();
            assert_eq!(chunks.feed(&rest), BODY.len() - cut, "cut at {cut}");
            assert!(chunks.is_finished());
        }
    }

    #[test]
    fn the_body_comes_out_without_its_framing() {
        for cut in 0..=BODY.len() {
            let (mut chunks, mut body) = (Chunks::default(), Vec::new());
            chunks.feed_to(&BODY[..cut], &mut |data| body.extend_from_slice(data));
            chunks.feed_to(&BODY[cut..], &mut |data| body.extend_from_slice(data));
            assert_eq!(body, b"hello0123456789", "cut at {cut}");
        }
    }

    #[test]
    fn chunk_bytes_need_not_be_seen() {
        let mut chunks = Chunks::default();
        chunks.feed(b"10\r\nab");
        assert_eq!(chunks.skippable(), 16);
        assert!(chunks.skip(16));
        assert_eq!(chunks.feed(b"0\r\n\r\n"), 5);
        assert!(chunks.is_finished());
    }

    #[test]
    fn unseen_bytes_beyond_the_chunk_lose_the_place() {
        let mut chunks = Chunks::default();
        chunks.feed(b"10\r\nab");
        assert!(!chunks.skip(17));
        assert!(chunks.is_broken());
        assert_eq!(chunks.feed(b"0\r\n\r\n"), 0);
    }

    #[test]
    fn what_is_not_chunked_is_broken() {
        for bytes in [&b"<html>"[..], b"\r\n", b"-1\r\n", b"1000000000000000\r\n", b";x\r\n"] {
            let mut chunks = Chunks::default();
            chunks.feed(bytes);
            assert!(chunks.is_broken(), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_walked_alike_in_any_parts(
            bytes in prop::collection::vec(prop::sample::select(&b"0123aF;\r\n x"[..]), 0..80),
            cut in 0usize..80,
        ) {
            let (mut whole, mut parts) = (Chunks::default(), Chunks::default());
            let cut = cut.min(bytes.len());
            let consumed = whole.feed(&bytes);
            let mut in_parts = parts.feed(&bytes[..cut]);
            if in_parts == cut {
                in_parts += parts.feed(&bytes[cut..]);
            }
            prop_assert_eq!(whole, parts);
            prop_assert_eq!(consumed, in_parts);
        }
    }
}
