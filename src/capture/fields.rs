//! The lists of pcapng: options of blocks, and records of a name resolution block.

use crate::capture::format::Order;

/// Options and name records: code, length, value padded to 32 bits. Ends at code 0 or at the first that is cut.
pub(super) struct Fields<'a> {
    order: Order,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(order: Order, bytes: &'a [u8]) -> Fields<'a> {
        Fields { order, rest: bytes }
    }

    /// What comes after the list's end, once all of it was taken.
    pub(super) fn after_end(&self) -> &'a [u8] {
        self.rest.get(4..).unwrap_or_default()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&[c0, c1, l0, l1], values) = self.rest.split_first_chunk()?;
        let (code, len) = (self.order.u16([c0, c1]), usize::from(self.order.u16([l0, l1])));
        if code == 0 {
            return None;
        }
        let value = values.get(..len)?;
        self.rest = values.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}
