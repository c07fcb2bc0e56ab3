//! Netlink attributes by their number. nf_tables writes numbers in network order, rtnetlink in that of the machine.

use netlink_packet_core::{NLA_HEADER_SIZE, NlaBuffer, NlasIterator};

/// A row of attributes. What is cut or malformed ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Attributes<'a> {
    /// Every attribute, by its number without flags.
    pub(super) fn all(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let all = NlasIterator::new(self.0).map_while(Result::ok);
        all.filter_map(|attribute: NlaBuffer<&'a [u8]>| {
            let (kind, len) = (attribute.kind(), usize::from(attribute.length()));
            Some((kind, attribute.into_inner().get(NLA_HEADER_SIZE..len)?))
        })
    }

    pub(super) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.all().find(|&(known, _)| known == kind).map(|(_, value)| value)
    }

    pub(super) fn nested(self, kind: u16) -> Option<Attributes<'a>> {
        self.get(kind).map(Attributes)
    }

    pub(super) fn number(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(*self.get(kind)?.first_chunk()?))
    }

    /// A number in the machine's own order.
    pub(super) fn own_number(self, kind: u16) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.get(kind)?.first_chunk()?))
    }

    pub(super) fn long(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(*self.get(kind)?.first_chunk()?))
    }

    /// Bytes up to the closing NUL.
    pub(super) fn text(self, kind: u16) -> Option<&'a [u8]> {
        let value = self.get(kind)?;
        Some(value.split(|&byte| byte == 0).next().unwrap_or_default())
    }
}
