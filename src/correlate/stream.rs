//! One way of a TCP connection: puts its bytes in order and has each read once.
//!
//! Bytes come from whichever capture point shows them first; later sightings of the same bytes are skipped.

use smallvec::SmallVec;

use super::found::Context;
use super::http2::Share;
use super::reader::{MAX_HEAD, Reader};

/// Segments kept while an earlier one is missing.
const MAX_PENDING: usize = 8;

/// Whether sequence number `a` comes before `b` (RFC 9293 §3.4).
pub(super) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// The later of two sequence numbers.
pub(super) fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The sequence number of the SYN, where it was seen.
    pub isn: Option<u32>,
    /// The next sequence number that was not read yet.
    pub next: Option<u32>,
    /// The highest number the other side has acknowledged.
    pub acked: Option<u32>,
    /// The sequence number of the FIN.
    pub fin: Option<u32>,
    /// One past the last byte whose sighting was noted on an exchange.
    noted: Option<u32>,
    reader: Reader,
    pending: Vec<(u32, u32, Vec<u8>)>,
}

impl Stream {
    /// Whether a message has begun whose announced end is not reached.
    pub(super) fn is_in_message(&self) -> bool {
        self.reader.is_in_message()
    }

    pub(super) fn open(&mut self, isn: u32) {
        self.isn = Some(isn);
        if self.next.is_none() {
            self.next = Some(isn.wrapping_add(1));
        }
    }

    pub(super) fn note_ack(&mut self, ack: u32) {
        self.acked = Some(self.acked.map_or(ack, |old| later(old, ack)));
    }

    /// A sighting of the bytes up to `end` was noted on an exchange.
    pub(super) fn note_up_to(&mut self, end: u32) {
        self.noted = Some(self.noted.map_or(end, |old| later(old, end)));
    }

    /// Whether a sighting of the byte `seq`, or of one behind it, may have been noted.
    pub(super) fn is_noted_beyond(&self, seq: u32) -> bool {
        self.noted.is_some_and(|end| before(seq, end))
    }

    /// Where the other side has acknowledged bytes that no capture point showed: the first of them.
    pub(super) fn unseen(&self) -> Option<u32> {
        let (next, acked) = (self.next?, self.acked?);
        // A FIN takes a number too; where it was not seen, one number more may be it.
        let end = match self.fin {
            Some(fin) if before(fin, acked) => fin,
            Some(_) => acked,
            None => acked.wrapping_sub(1),
        };
        before(next, end).then_some(next)
    }

    pub(super) fn has_acked(&self, seq: u32) -> bool {
        self.acked.is_some_and(|acked| !before(acked, seq))
    }

    /// Takes over a second reading of the same bytes, where it got further.
    pub(super) fn absorb(&mut self, other: Stream) {
        self.isn = self.isn.or(other.isn);
        self.fin = self.fin.or(other.fin);
        if let Some(acked) = other.acked {
            self.note_ack(acked);
        }
        if let Some(end) = other.noted {
            self.note_up_to(end);
        }
        let is_further = match (self.next, other.next) {
            (Some(mine), Some(theirs)) => before(mine, theirs),
            (mine, _) => mine.is_none(),
        };
        if is_further {
            self.next = other.next;
            self.reader = other.reader;
            self.pending = other.pending;
        }
    }

    /// Reads a segment: `len` bytes from `seq`, of which `bytes` were captured.
    pub(super) fn feed(&mut self, context: &mut Context<'_>, seq: u32, len: u32, bytes: &[u8]) {
        let next = *self.next.get_or_insert(seq);
        if !before(next, seq.wrapping_add(len)) {
            return;
        }
        if before(next, seq) && !self.cross_gap(seq.wrapping_sub(next)) {
            self.stash(seq, len, bytes);
            // The missing bytes may still come, unless the other side has them already.
            if self.pending.len() < MAX_PENDING && !self.has_acked(seq) {
                return;
            }
            self.give_up_gap(context);
        } else {
            self.read(context, seq, len, bytes);
        }
        while let Some((seq, len, bytes)) = self.take_ready() {
            self.read(context, seq, len, &bytes);
        }
    }

    /// The streams of HTTP/2 that the bytes from `start` to `end` are of.
    pub(super) fn shares(&self, start: u32, end: u32) -> SmallVec<[Share; 2]> {
        self.reader.shares(start, end)
    }

    fn position(&self) -> u32 {
        self.next.unwrap_or_default()
    }

    /// Steps over bytes that were not captured, where it does not matter what they were.
    fn cross_gap(&mut self, gap: u32) -> bool {
        let can_cross = self.reader.cross_gap(gap);
        if can_cross {
            self.next = Some(self.position().wrapping_add(gap));
        }
        can_cross
    }

    fn stash(&mut self, seq: u32, len: u32, bytes: &[u8]) {
        let is_known = self.pending.iter().any(|(old, old_len, _)| *old == seq && *old_len >= len);
        if !is_known && self.pending.len() < MAX_PENDING {
            self.pending.push((seq, len, bytes[..bytes.len().min(MAX_HEAD)].to_vec()));
        }
    }

    /// The capture lost a segment: reading goes on behind it.
    fn give_up_gap(&mut self, context: &mut Context<'_>) {
        let from = self.position();
        self.reader.give_up_gap(context, from);
        let first = self.pending.iter().map(|(seq, ..)| *seq).min_by_key(|seq| seq.wrapping_sub(from));
        self.next = first.or(self.next);
    }

    /// A stashed segment that reaches beyond the position and begins no later than it.
    fn take_ready(&mut self) -> Option<(u32, u32, Vec<u8>)> {
        let next = self.position();
        self.pending.retain(|(seq, len, _)| before(next, seq.wrapping_add(*len)));
        let index = self.pending.iter().position(|(seq, ..)| !before(next, *seq))?;
        Some(self.pending.swap_remove(index))
    }

    /// Reads what lies beyond the position of a segment that begins no later than it.
    fn read(&mut self, context: &mut Context<'_>, seq: u32, len: u32, bytes: &[u8]) {
        let at = self.position();
        let skip = at.wrapping_sub(seq).min(len);
        let bytes = bytes.get(skip as usize..).unwrap_or_default();
        self.reader.read(context, at, len - skip, bytes);
        self.next = Some(seq.wrapping_add(len));
    }
}
