//! What stands between hostile bytes and dns-parser.
//!
//! dns-parser refuses a whole message for one record type, class or bit it does not know, for a byte beyond ASCII
//! and for a missing last record; and printing a name takes time and stack by the square of its pointer chain. So
//! the message is rebuilt here with the question and the answers alone, everything in it within bounds:
//! a name is 255 bytes at most (RFC 1035 §2.3.4), with few compression pointers, each to an earlier place; a record
//! that is not an address or a name becomes NULL; the rest is left out.

use arrayvec::ArrayVec;

/// A longer message is read up to here, in bytes.
const MAX_MESSAGE: usize = 4096;
const MAX_QUESTIONS: u16 = 4;
const MAX_ANSWERS: u16 = 256;
const MAX_POINTERS: u32 = 16;
const MAX_NAME: usize = 254;
const HEADER: usize = 12;

const A: u16 = 1;
const CNAME: u16 = 5;
const NULL: u16 = 10;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const INTERNET: u16 = 1;

/// A message that dns-parser reads whole.
pub(super) struct Guarded {
    bytes: ArrayVec<u8, MAX_MESSAGE>,
    /// The first question's type as asked.
    question_type: u16,
    is_cut: bool,
}

impl Guarded {
    /// `None` where `bytes` are no standard query or answer to one.
    pub(super) fn new(bytes: &[u8]) -> Option<Guarded> {
        const OPCODE: u16 = 0x7800;
        const RESERVED: u8 = 0x40;
        let mut guarded = Guarded {
            bytes: bytes.iter().copied().take(MAX_MESSAGE).collect(),
            question_type: 0,
            is_cut: false,
        };
        let questions = guarded.u16(4)?;
        let answers = guarded.u16(6)?;
        guarded.u16(HEADER - 2)?;
        if guarded.u16(2)? & OPCODE != 0 || questions > MAX_QUESTIONS {
            return None;
        }
        guarded.bytes[3] &= !RESERVED;
        guarded.question_type = 0;
        let (whole_questions, end) = guarded.walk(HEADER, questions, Self::question)?;
        let has_questions = whole_questions == questions;
        let answers_wanted = if has_questions { answers.min(MAX_ANSWERS) } else { 0 };
        let (whole_answers, end) = guarded.walk(end, answers_wanted, Self::record)?;
        guarded.bytes.truncate(end);
        guarded.is_cut = !has_questions || whole_answers < answers;
        for (at, count) in [(4, whole_questions), (6, whole_answers), (8, 0), (10, 0)] {
            guarded.put(at, count);
        }
        Some(guarded)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn question_type(&self) -> u16 {
        self.question_type
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Takes up to `count` entries from `at` on; returns how many were whole and where they end. `None` where one
    /// of them cannot be what it claims to be.
    fn walk(
        &mut self,
        mut at: usize,
        count: u16,
        entry: fn(&mut Guarded, usize) -> Result<usize, Flaw>,
    ) -> Option<(u16, usize)> {
        for whole in 0..count {
            match entry(self, at) {
                Ok(end) => at = end,
                Err(Flaw::Cut) => return Some((whole, at)),
                Err(Flaw::Malformed) => return None,
            }
        }
        Some((count, at))
    }

    fn question(&mut self, at: usize) -> Result<usize, Flaw> {
        let fixed = self.name(at, self.bytes.len())?;
        let kind = self.u16(fixed).ok_or(Flaw::Cut)?;
        self.u16(fixed + 2).ok_or(Flaw::Cut)?;
        if at == HEADER {
            self.question_type = kind;
        }
        self.put(fixed, NULL);
        self.put(fixed + 2, INTERNET);
        Ok(fixed + 4)
    }

    fn record(&mut self, at: usize) -> Result<usize, Flaw> {
        let fixed = self.name(at, self.bytes.len())?;
        let data_len = usize::from(self.u16(fixed + 8).ok_or(Flaw::Cut)?);
        let data = fixed + 10;
        let end = data + data_len;
        if end > self.bytes.len() {
            return Err(Flaw::Cut);
        }
        let is_followed = match self.u16(fixed).ok_or(Flaw::Cut)? {
            A => data_len == 4,
            AAAA => data_len == 16,
            CNAME => self.name(data, end).is_ok(),
            SRV => data_len > 6 && self.name(data + 6, end).is_ok(),
            _ => false,
        };
        if !is_followed {
            self.put(fixed, NULL);
        }
        self.put(fixed + 2, INTERNET);
        Ok(end)
    }

    /// Follows the name at `start`, which must lie within `limit`, to its root label, and returns where it ends in
    /// place. A pointer may only lead to a name that lies wholly before this one, so that what was checked there
    /// stays as it is. Bytes beyond ASCII become `?`.
    fn name(&mut self, start: usize, limit: usize) -> Result<usize, Flaw> {
        const POINTER: u8 = 0xc0;
        let (mut at, mut limit, mut earliest) = (start, limit, start);
        let (mut end, mut length, mut pointers) = (None, 0, 0);
        loop {
            let label = *self.bytes[..limit].get(at).ok_or(Flaw::Cut)?;
            match label & POINTER {
                0 if label == 0 => return Ok(end.unwrap_or(at + 1)),
                0 => {
                    let next = at + 1 + usize::from(label);
                    let text = self.bytes[..limit].get_mut(at + 1..next).ok_or(Flaw::Cut)?;
                    if end.is_none() {
                        text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
                    } else if !text.is_ascii() {
                        return Err(Flaw::Malformed);
                    }
                    length += 1 + usize::from(label);
                    at = next;
                }
                POINTER => {
                    let low = *self.bytes[..limit].get(at + 1).ok_or(Flaw::Cut)?;
                    let target = usize::from(u16::from_be_bytes([label & !POINTER, low]));
                    end.get_or_insert(at + 2);
                    pointers += 1;
                    if target >= earliest || target < HEADER {
                        return Err(Flaw::Malformed);
                    }
                    (at, limit, earliest) = (target, earliest, target);
                }
                _ => return Err(Flaw::Malformed),
            }
            if length > MAX_NAME || pointers > MAX_POINTERS {
                return Err(Flaw::Malformed);
            }
        }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn put(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}

/// Why an entry could not be taken.
enum Flaw {
    /// The bytes end inside it.
    Cut,
    Malformed,
}
