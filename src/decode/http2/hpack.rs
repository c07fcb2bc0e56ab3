//! Header blocks and the table that they build up (RFC 7541).
//!
//! A decoder in a program that takes part in a connection may give up at what it does not know. This one comes late
//! or misses a block now and then, and goes on: what refers to entries that it never saw is unknown, and so are only
//! those. Entries are numbered from the newest, so the ones added since are found where they should be.

use std::collections::VecDeque;

use httlib_huffman::DecoderSpeed;

/// The table's size that both sides begin with, in the table's own measure (RFC 9113 §6.5.2).
const DEFAULT_SIZE: usize = 4096;
/// The largest table that is kept, whatever the sides agree on: usual ones are a quarter of it.
const MAX_SIZE: usize = 16 * 1024;
/// What an entry counts beyond its texts (RFC 7541 §4.1).
const ENTRY_OVERHEAD: usize = 32;
/// The longest number, in bytes behind its first: what a 32-bit one needs.
const MAX_NUMBER: usize = 5;

/// Name and value of a field of the table; a name that is not known is empty.
type Entry = (Box<[u8]>, Box<[u8]>);
/// The same, lent.
type Field<'a> = (&'a [u8], &'a [u8]);

/// The block does not follow the rules, or was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The table of one way.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// There are older entries that were not seen.
    is_partial: bool,
}

impl Table {
    /// The table at a connection's begin; with `is_partial` that of a connection caught in the middle.
    pub(super) fn new(is_partial: bool) -> Table {
        Table { entries: VecDeque::new(), size: 0, max_size: DEFAULT_SIZE, is_partial }
    }

    /// A block was missed: what it added and what it pushed out is unknown.
    pub(super) fn forget(&mut self) {
        *self = Table { max_size: self.max_size.max(DEFAULT_SIZE), ..Table::new(true) };
    }

    /// Reads a whole block and hands its fields to `sink`; those whose name is not known are left out.
    pub(super) fn read(&mut self, block: &[u8], sink: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Malformed> {
        let read = self.read_fields(&mut Bytes(block), sink);
        if read.is_err() {
            self.forget();
        }
        read
    }

    fn read_fields(
        &mut self,
        bytes: &mut Bytes<'_>,
        sink: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), Malformed> {
        let mut tell = |name: &[u8], value: &[u8]| {
            if !name.is_empty() {
                sink(name, value);
            }
        };
        while let Some(&first) = bytes.0.first() {
            match first {
                0x80.. => {
                    let index = bytes.number(7)?;
                    let (name, value) = self.get(index)?;
                    tell(name, value);
                }
                0x20..0x40 => self.resize(bytes.number(5)?),
                _ => {
                    let is_added = first & 0x40 != 0;
                    let index = bytes.number(if is_added { 6 } else { 4 })?;
                    let name = match index {
                        0 => bytes.text()?,
                        _ => self.get(index)?.0.into(),
                    };
                    let value = bytes.text()?;
                    tell(&name, &value);
                    if is_added {
                        self.add(name, value);
                    }
                }
            }
        }
        Ok(())
    }

    /// The field with this number: the static ones first, then the table's (RFC 7541 §2.3.3).
    fn get(&self, index: usize) -> Result<Field<'_>, Malformed> {
        let index = index.checked_sub(1).ok_or(Malformed)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        match self.entries.get(index - STATIC.len()) {
            Some((name, value)) => Ok((name, value)),
            None if self.is_partial => Ok((b"", b"")),
            None => Err(Malformed),
        }
    }

    fn add(&mut self, name: Box<[u8]>, value: Box<[u8]>) {
        self.size += name.len() + value.len() + ENTRY_OVERHEAD;
        self.entries.push_front((name, value));
        self.evict();
    }

    fn resize(&mut self, size: usize) {
        self.max_size = size.min(MAX_SIZE);
        // An emptied table has no entries that were not seen; one larger than what is kept has.
        self.is_partial = size > MAX_SIZE || self.is_partial && size > 0;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.max_size
            && let Some((name, value)) = self.entries.pop_back()
        {
            self.size -= name.len() + value.len() + ENTRY_OVERHEAD;
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number that begins in the low `bits` of the next byte (RFC 7541 §5.1).
    fn number(&mut self, bits: u32) -> Result<usize, Malformed> {
        let mask = (1_u64 << bits) - 1;
        let first = u64::from(self.take(1)?[0]) & mask;
        if first < mask {
            return Ok(first as usize);
        }
        let mut number = first;
        for place in 0..MAX_NUMBER {
            let byte = self.take(1)?[0];
            number += u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return u32::try_from(number).map(|number| number as usize).map_err(|_| Malformed);
            }
        }
        Err(Malformed)
    }

    /// A text, plain or in Huffman code (RFC 7541 §5.2).
    fn text(&mut self) -> Result<Box<[u8]>, Malformed> {
        let is_coded = self.0.first().is_some_and(|&first| first & 0x80 != 0);
        let len = self.number(7)?;
        let bytes = self.take(len)?;
        if !is_coded {
            return Ok(bytes.into());
        }
        let mut text = Vec::with_capacity(len * 8 / 5);
        httlib_huffman::decode(bytes, &mut text, DecoderSpeed::FiveBits).map_err(|_| Malformed)?;
        Ok(text.into())
    }
}

/// The static table (RFC 7541, appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(table: &mut Table, block: &[u8]) -> Result<Vec<String>, Malformed> {
        let mut fields = Vec::new();
        table.read(block, &mut |name, value| {
            fields.push(format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
        })?;
        Ok(fields)
    }

    /// The requests of RFC 7541, appendix C.4: Huffman code, each block using the ones before it.
    const BLOCKS: [&[u8]; 3] = [
        b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
        b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
        b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
    ];

    #[test]
    fn blocks_are_read_with_what_those_before_them_said() {
        let mut table = Table::new(false);
        let plain = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        assert_eq!(read(&mut table, BLOCKS[0]).expect("first"), plain);
        let second = [&plain[..], &["cache-control: no-cache"]].concat();
        assert_eq!(read(&mut table, BLOCKS[1]).expect("second"), second);
        let third = [
            ":method: GET",
            ":scheme: https",
            ":path: /index.html",
            ":authority: www.example.com",
            "custom-key: custom-value",
        ];
        assert_eq!(read(&mut table, BLOCKS[2]).expect("third"), third);
        assert_eq!((table.entries.len(), table.size), (3, 164));
    }

    #[test]
    fn what_was_never_seen_is_left_out_and_nothing_else_is() {
        let mut table = Table::new(true);
        let known = [":method: GET", ":scheme: http", ":path: /", "cache-control: no-cache"];
        assert_eq!(read(&mut table, BLOCKS[1]).expect("second"), known, "the host is in the block before");
        let third = read(&mut table, BLOCKS[2]).expect("third");
        assert_eq!(
            third,
            [":method: GET", ":scheme: https", ":path: /index.html", "custom-key: custom-value"]
        );
        let since = ["cache-control: no-cache", "custom-key: custom-value"];
        assert_eq!(read(&mut table, b"\xbf\xbe\xc0").expect("both"), since);
        // A name that is not known with a value that is: the entry counts, and is not shown.
        assert_eq!(read(&mut table, b"\x7f\x05\x01x\xbe\xbf").expect("unknown name"), third[3..]);
    }

    #[test]
    fn entries_give_way_when_the_table_shrinks() {
        let mut table = Table::new(false);
        for block in BLOCKS {
            read(&mut table, block).expect("block");
        }
        assert_eq!(read(&mut table, b"\x3f\x30\xbe").expect("shrunk"), ["custom-key: custom-value"]);
        assert_eq!(table.entries.len(), 1);
        assert_eq!(read(&mut table, b"\xbf"), Err(Malformed), "no longer there");
        let mut late = Table::new(true);
        read(&mut late, b"\x20\x3f\xe1\x1f").expect("emptied");
        assert_eq!(read(&mut late, b"\xbe"), Err(Malformed), "an emptied table is known");
        read(&mut late, b"\x3f\xe1\xff\xff\x03").expect("a huge table");
        assert!(late.max_size <= MAX_SIZE && late.is_partial);
    }

    #[test]
    fn what_is_cut_or_too_large_is_malformed() {
        for block in [
            &b"\x80"[..],
            b"\xff",
            b"\x3f",
            b"\x40",
            b"\x40\x05abc",
            b"\x82\x41\x8c\xf1",
            b"\xff\xff\xff\xff\xff\xff\x0f",
        ] {
            assert_eq!(read(&mut Table::new(false), block), Err(Malformed), "{}", block.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn random_blocks_never_panic_and_stay_bounded(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
            is_partial: bool,
        ) {
            let mut table = Table::new(is_partial);
            for block in blocks {
                let _ = read(&mut table, &block);
                let size: usize =
                    table.entries.iter().map(|(name, value)| name.len() + value.len() + ENTRY_OVERHEAD).sum();
                prop_assert_eq!(size, table.size);
                prop_assert!(size <= table.max_size && table.max_size <= MAX_SIZE);
            }
        }
    }
}
