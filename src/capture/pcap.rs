//! The pcap format: `pcap-savefile(5)`, and the variants that are in use.

use crate::capture::format::{
    Clock, Detected, Format, Found, Interface, LONGEST_PACKET, Order, Record, Step, Told,
};
use crate::capture::link::LinkType;
use crate::model::Direction;

const FILE_HEADER: usize = 24;
/// More than any capture tool writes in one record.
const LARGEST_RECORD: usize = 16 << 20;
/// After damage, a record further than this from the latest good one (in seconds) is not believed.
const CREDIBLE_STEP: u32 = 86_400;

/// A pcap file after its header.
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Bytes before each packet: 16, or 24 in the form with interface, protocol and packet type.
    header: usize,
    /// Units of the sub-second field in a second.
    fraction: u32,
    interface: Interface,
    latest_second: Option<u32>,
}

impl Pcap {
    pub(super) fn detect(magic: [u8; 4], bytes: &[u8]) -> Detected {
        let little = u32::from_le_bytes(magic);
        let (order, number) =
            if known(little).is_some() { (Order::Little, little) } else { (Order::Big, little.swap_bytes()) };
        let Some((fraction, header)) = known(number) else { return Detected::Other(name_of_other(bytes)) };
        if bytes.len() < FILE_HEADER {
            return Detected::Need;
        }
        let snaplen = order.u32_at(bytes, 16).unwrap_or_default();
        // The upper half of the link type tells of a frame check sequence.
        let link = order.u32_at(bytes, 20).unwrap_or_default() as u16;
        let interface = Interface {
            link: LinkType::from_number(link),
            number: 0,
            name: None,
            snaplen,
            clock: Clock::decimal(if fraction == 1_000_000 { 6 } else { 9 }),
            told: Told::default(),
        };
        Detected::Format(
            Format::Pcap(Pcap { order, header, fraction, interface, latest_second: None }),
            FILE_HEADER,
        )
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        std::slice::from_ref(&self.interface)
    }

    #[inline]
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        let Some(fixed) = bytes.first_chunk::<16>() else { return Step::Need };
        let [seconds, fraction, cap_len, wire_len] = self.fields(fixed);
        let limit = LARGEST_RECORD.min((self.interface.snaplen as usize).max(LONGEST_PACKET));
        // A packet of no bytes is a stretch of zeros, which a crash leaves at the end of a file.
        if cap_len as usize > limit || fraction >= self.fraction || wire_len == 0 {
            return Step::Nonsense;
        }
        let len = self.header + cap_len as usize;
        if bytes.len() < len {
            return Step::Need;
        }
        self.latest_second = Some(seconds);
        let ticks = u64::from(seconds) * u64::from(self.fraction) + u64::from(fraction);
        let record = Record {
            time: self.interface.clock.time(ticks),
            offset: self.header as u64,
            cap_len,
            wire_len: wire_len.max(cap_len),
            interface: 0,
            direction: Direction::Unknown,
        };
        Step::Packet { record, len }
    }

    pub(super) fn find(&self, bytes: &[u8], is_all: bool) -> Found {
        for at in 0..bytes.len() {
            match self.is_credible(&bytes[at..], is_all) {
                Some(true) => return Found::At(at),
                Some(false) => {}
                None => return Found::NotBefore(at),
            }
        }
        Found::NotBefore(bytes.len())
    }

    /// Whether a record and another one after it begin here; `None` if too little is there to tell.
    fn is_credible(&self, bytes: &[u8], is_all: bool) -> Option<bool> {
        let undecided = if is_all { Some(false) } else { None };
        let Some(fixed) = bytes.first_chunk::<16>() else { return undecided };
        let fields = self.fields(fixed);
        if !self.are_credible(fields) || fields[2] == 0 {
            return Some(false);
        }
        let next = self.header + fields[2] as usize;
        if is_all && bytes.len() == next {
            return Some(true);
        }
        match bytes.get(next..).and_then(<[u8]>::first_chunk::<16>) {
            Some(fixed) => Some(self.are_credible(self.fields(fixed))),
            None => undecided,
        }
    }

    fn are_credible(&self, [seconds, fraction, cap_len, wire_len]: [u32; 4]) -> bool {
        fraction < self.fraction
            && cap_len as usize <= LONGEST_PACKET
            && cap_len <= wire_len
            && wire_len as usize <= 4 * LONGEST_PACKET
            && self.latest_second.is_none_or(|latest| latest.abs_diff(seconds) <= CREDIBLE_STEP)
    }

    #[inline]
    fn fields(&self, fixed: &[u8; 16]) -> [u32; 4] {
        let (words, _) = fixed.as_chunks::<4>();
        std::array::from_fn(|index| words.get(index).map_or(0, |&word| self.order.u32(word)))
    }
}

/// Units in a second and record header length, for a magic number in its own byte order.
const fn known(magic: u32) -> Option<(u32, usize)> {
    match magic {
        0xa1b2_c3d4 => Some((1_000_000, 16)),
        0xa1b2_3c4d => Some((1_000_000_000, 16)),
        // Kuznetzov's form: interface index, protocol and packet type follow the lengths.
        0xa1b2_cd34 => Some((1_000_000, 24)),
        _ => None,
    }
}

/// What a file that is no recording seems to be.
fn name_of_other(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xfd, b'7', b'z', b'X', ..] => "is packed with xz; unpack it first: xz -d",
        [b'B', b'Z', b'h', ..] => "is packed with bzip2; unpack it first: bzip2 -d",
        [0x04, 0x22, 0x4d, 0x18, ..] => "is packed with lz4; unpack it first: lz4 -d",
        [b'P', b'K', ..] => "is a zip archive; unpack it first",
        [b's', b'n', b'o', b'o', ..] => "is a snoop file; convert it first: editcap -F pcapng",
        [0x1c, 0x00, 0x01, 0xac | 0xab, ..] | [0xac | 0xab, 0x01, 0x00, 0x1c, ..] => {
            "is an IXIA capture; convert it first: editcap -F pcapng"
        }
        _ => "is not a packet recording",
    }
}
