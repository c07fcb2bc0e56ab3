//! Recordings built byte by byte, for tests.

use crate::capture::format::Order;

/// Link types by their numbers in files.
pub(super) const ETHERNET: u16 = 1;
pub(super) const RAW: u16 = 101;
pub(super) const SLL: u16 = 113;
pub(super) const NETLINK: u16 = 253;
pub(super) const SLL2: u16 = 276;

/// The network packet number `mark`: an IPv4 header and, as its last byte, the mark.
pub(super) fn ip(mark: u8) -> Vec<u8> {
    [&[0x45, 0, 0, 24, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..], &[0, 0, 0, mark]].concat()
}

/// Packet `mark` behind an Ethernet header.
pub(super) fn ethernet(mark: u8) -> Vec<u8> {
    [&[2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 8, 0][..], &ip(mark)].concat()
}

/// Packet `mark` behind a LINUX_SLL2 header.
pub(super) fn sll2(mark: u8, index: u8, arphrd: u16, packet_type: u8) -> Vec<u8> {
    let [high, low] = arphrd.to_be_bytes();
    let header = [8, 0, 0, 0, 0, 0, 0, index, high, low, packet_type, 6, 3, 3, 3, 3, 3, 3, 0, 0];
    [&header[..], &ip(mark)].concat()
}

/// A pcap file that grows by packets.
pub(super) struct PcapFile {
    order: Order,
    pub(super) bytes: Vec<u8>,
    extra: usize,
}

impl PcapFile {
    pub(super) fn new(order: Order, magic: u32, link: u16) -> PcapFile {
        let extra = if magic == 0xa1b2_cd34 { 8 } else { 0 };
        let mut file = PcapFile { order, bytes: Vec::new(), extra };
        file.word(magic);
        file.half(2);
        file.half(4);
        for word in [0, 0, 65_535, u32::from(link)] {
            file.word(word);
        }
        file
    }

    /// Nanosecond stamps, little endian.
    pub(super) fn nano(link: u16) -> PcapFile {
        PcapFile::new(Order::Little, 0xa1b2_3c4d, link)
    }

    pub(super) fn packet(&mut self, seconds: u32, fraction: u32, data: &[u8]) -> &mut PcapFile {
        for word in [seconds, fraction, data.len() as u32, data.len() as u32] {
            self.word(word);
        }
        self.bytes.resize(self.bytes.len() + self.extra, 0);
        self.bytes.extend(data);
        self
    }

    fn word(&mut self, word: u32) {
        self.bytes.extend(number(self.order, u64::from(word), 4));
    }

    fn half(&mut self, half: u16) {
        self.bytes.extend(number(self.order, u64::from(half), 2));
    }
}

/// A pcapng file that grows by blocks.
pub(super) struct PcapngFile {
    order: Order,
    pub(super) bytes: Vec<u8>,
}

impl PcapngFile {
    pub(super) fn new(order: Order) -> PcapngFile {
        let mut file = PcapngFile { order, bytes: Vec::new() };
        file.section(order);
        file
    }

    pub(super) fn section(&mut self, order: Order) -> &mut PcapngFile {
        self.order = order;
        let body =
            [self.number(0x1a2b_3c4d, 4), self.number(1, 2), self.number(0, 2), vec![0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    pub(super) fn interface(&mut self, link: u16, options: &[(u16, &[u8])]) -> &mut PcapngFile {
        let body =
            [self.number(u64::from(link), 2), self.number(0, 2), self.number(64, 4), self.options(options)]
                .concat();
        self.block(1, &body)
    }

    pub(super) fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        data: &[u8],
        options: &[(u16, &[u8])],
    ) -> &mut PcapngFile {
        let body =
            [self.number(u64::from(interface), 4), self.timed(ticks, data), self.options(options)].concat();
        self.block(6, &body)
    }

    /// The obsolete packet block, with its count of lost packets.
    pub(super) fn obsolete(&mut self, interface: u16, lost: u16, ticks: u64, data: &[u8]) -> &mut PcapngFile {
        let head = [self.number(u64::from(interface), 2), self.number(u64::from(lost), 2)].concat();
        let flags = self.number(2, 4);
        let body = [head, self.timed(ticks, data), self.options(&[(2, &flags)])].concat();
        self.block(2, &body)
    }

    pub(super) fn simple(&mut self, wire_len: u32, data: &[u8]) -> &mut PcapngFile {
        let body = [self.number(u64::from(wire_len), 4), data.to_vec()].concat();
        self.block(3, &body)
    }

    /// Names by address bytes.
    pub(super) fn names(&mut self, names: &[(&[u8], &str)]) -> &mut PcapngFile {
        let records: Vec<(u16, Vec<u8>)> = names
            .iter()
            .map(|(address, name)| {
                (if address.len() == 4 { 1 } else { 2 }, [address, name.as_bytes(), &[0]].concat())
            })
            .collect();
        let records: Vec<(u16, &[u8])> = records.iter().map(|(code, value)| (*code, &value[..])).collect();
        let body = self.options(&records);
        self.block(4, &body)
    }

    pub(super) fn statistics(&mut self, interface: u32, options: &[(u16, u64)]) -> &mut PcapngFile {
        let values: Vec<(u16, Vec<u8>)> =
            options.iter().map(|&(code, value)| (code, self.number(value, 8))).collect();
        let options: Vec<(u16, &[u8])> = values.iter().map(|(code, value)| (*code, &value[..])).collect();
        let body = [self.number(u64::from(interface), 4), vec![0; 8], self.options(&options)].concat();
        self.block(5, &body)
    }

    pub(super) fn block(&mut self, kind: u32, body: &[u8]) -> &mut PcapngFile {
        let len = (body.len().next_multiple_of(4) + 12) as u64;
        self.bytes.extend(number(self.order, u64::from(kind), 4));
        self.bytes.extend(number(self.order, len, 4));
        self.bytes.extend(padded(body));
        self.bytes.extend(number(self.order, len, 4));
        self
    }

    pub(super) fn number(&self, value: u64, len: usize) -> Vec<u8> {
        number(self.order, value, len)
    }

    /// High and low half of the stamp, captured and original length, the bytes.
    fn timed(&self, ticks: u64, data: &[u8]) -> Vec<u8> {
        let words = [ticks >> 32, ticks & 0xffff_ffff, data.len() as u64, data.len() as u64];
        words.iter().flat_map(|&word| self.number(word, 4)).chain(padded(data)).collect()
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, value) in options {
            bytes.extend(self.number(u64::from(*code), 2));
            bytes.extend(self.number(value.len() as u64, 2));
            bytes.extend(padded(value));
        }
        if !options.is_empty() {
            bytes.extend([0; 4]);
        }
        bytes
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

fn number(order: Order, value: u64, len: usize) -> Vec<u8> {
    match order {
        Order::Little => value.to_le_bytes()[..len].to_vec(),
        Order::Big => value.to_be_bytes()[8 - len..].to_vec(),
    }
}
