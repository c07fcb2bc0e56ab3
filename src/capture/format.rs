//! What pcap and pcapng have in common: records, interfaces, and finding the way again after damage.

use crate::capture::link::LinkType;
use crate::capture::pcap::Pcap;
use crate::capture::pcapng::Pcapng;
use crate::capture::tally::Damage;
use crate::model::{Direction, Ip, Role, Timestamp};

/// The largest packet that is believed after damage; libpcap's MAXIMUM_SNAPLEN.
pub(super) const LONGEST_PACKET: usize = 262_144;

/// One packet, by where it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) time: Timestamp,
    /// Where its bytes begin. From a format: counted from the record's start; in a source: from the file's.
    pub(super) offset: u64,
    pub(super) cap_len: u32,
    pub(super) wire_len: u32,
    /// Index into [`Format::interfaces`].
    pub(super) interface: u32,
    /// From packet flags.
    pub(super) direction: Direction,
}

/// An interface as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    /// Its number in the file's section.
    pub(super) number: u32,
    pub(super) name: Option<String>,
    /// Packets are cut to this many bytes; 0 for no limit.
    pub(super) snaplen: u32,
    pub(super) clock: Clock,
    pub(super) told: Told,
}

/// What a recording of hopline's own says of an interface beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Told {
    pub(super) node: Option<String>,
    pub(super) role: Option<Role>,
    /// The interface's own addresses; other programs write them as well.
    pub(super) addresses: Vec<Ip>,
}

/// How an interface's time stamps are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Clock {
    pub(super) unit: Unit,
    /// Added to every stamp.
    pub(super) offset_ns: i64,
}

/// What one tick is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    /// So many nanoseconds.
    Nanos(i64),
    /// One of so many to the nanosecond.
    PerNano(u128),
    /// 2^-n of a second.
    Binary(u32),
}

impl Clock {
    /// 10^-n of a second.
    pub(super) fn decimal(exponent: u32) -> Clock {
        let unit = match exponent {
            0..=9 => Unit::Nanos(10_i64.pow(9 - exponent)),
            // Finer than 10^-38 of a nanosecond all stamps are 0.
            finer => Unit::PerNano(10_u128.checked_pow(finer - 9).unwrap_or(u128::MAX)),
        };
        Clock { unit, offset_ns: 0 }
    }

    #[inline]
    pub(super) fn time(self, ticks: u64) -> Timestamp {
        let nanos = match self.unit {
            Unit::Nanos(each) => i64::try_from(ticks).ok().and_then(|ticks| ticks.checked_mul(each)),
            Unit::PerNano(count) => i64::try_from(u128::from(ticks) / count).ok(),
            Unit::Binary(exponent) => {
                let scaled = u128::from(ticks) * 1_000_000_000;
                i64::try_from(scaled.checked_shr(exponent).unwrap_or(0)).ok()
            }
        };
        Timestamp(nanos.unwrap_or(i64::MAX)).plus(self.offset_ns)
    }
}

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Reads a number at `at`; `None` where `bytes` ends before.
    #[inline]
    pub(super) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        bytes.get(at..)?.first_chunk().map(|&chunk| self.u32(chunk))
    }

    #[inline]
    pub(super) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        bytes.get(at..)?.first_chunk().map(|&chunk| self.u16(chunk))
    }

    #[inline]
    pub(super) fn u64_at(self, bytes: &[u8], at: usize) -> Option<u64> {
        let &chunk = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Order::Little => u64::from_le_bytes(chunk),
            Order::Big => u64::from_be_bytes(chunk),
        })
    }
}

/// What lies at the read position.
#[derive(Debug)]
pub(super) enum Step {
    /// A packet; the next record is `len` bytes on.
    Packet { record: Record, len: usize },
    /// Interfaces, names or counters were described.
    Described { len: usize },
    /// Something else that is whole.
    Skip { len: usize },
    /// A record with good bounds whose content cannot be used.
    Unusable { damage: Damage, len: usize },
    /// More bytes are needed to tell.
    Need,
    /// No record can begin here.
    Nonsense,
}

/// Where records go on after damage.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record begins so many bytes on.
    At(usize),
    /// None does so far: go so many bytes on and look again when there are more.
    NotBefore(usize),
}

/// A recording's format and what was read of its descriptions.
#[derive(Debug)]
pub(super) enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// What the first bytes of a file tell.
pub(super) enum Detected {
    /// The format, and how many bytes its header takes.
    Format(Format, usize),
    Need,
    Other(&'static str),
}

impl Format {
    pub(super) fn detect(bytes: &[u8]) -> Detected {
        let Some(&magic) = bytes.first_chunk::<4>() else { return Detected::Need };
        if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
            return match bytes.get(8..12) {
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => {
                    Detected::Format(Format::Pcapng(Pcapng::new(Order::Big)), 0)
                }
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => {
                    Detected::Format(Format::Pcapng(Pcapng::new(Order::Little)), 0)
                }
                Some(_) => Detected::Other("begins like pcapng, but its byte order mark is damaged"),
                None => Detected::Need,
            };
        }
        Pcap::detect(magic, bytes)
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        match self {
            Format::Pcap(pcap) => pcap.interfaces(),
            Format::Pcapng(pcapng) => pcapng.interfaces(),
        }
    }

    /// Reads what lies at the start of `bytes`.
    #[inline]
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Format::Pcap(pcap) => pcap.step(bytes),
            Format::Pcapng(pcapng) => pcapng.step(bytes),
        }
    }

    /// Looks in `bytes` for a place where records go on; `is_all` if nothing comes after them.
    pub(super) fn find(&self, bytes: &[u8], is_all: bool) -> Found {
        match self {
            Format::Pcap(pcap) => pcap.find(bytes, is_all),
            Format::Pcapng(pcapng) => pcapng.find(bytes, is_all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_every_resolution_become_nanoseconds() {
        assert_eq!(Clock::decimal(6).time(1_500_000), Timestamp(1_500_000_000));
        assert_eq!(Clock::decimal(9).time(7), Timestamp(7));
        assert_eq!(Clock::decimal(0).time(2), Timestamp(2_000_000_000));
        assert_eq!(Clock::decimal(12).time(7_999), Timestamp(7));
        assert_eq!(Clock::decimal(127).time(u64::MAX), Timestamp(0));
        let binary = |exponent| Clock { unit: Unit::Binary(exponent), offset_ns: -5 };
        assert_eq!(binary(10).time(1536), Timestamp(1_500_000_000 - 5));
        assert_eq!(binary(127).time(u64::MAX), Timestamp(-5));
        assert_eq!(Clock::decimal(0).time(u64::MAX), Timestamp(i64::MAX));
    }
}
