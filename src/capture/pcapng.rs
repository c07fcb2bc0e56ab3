//! The pcapng format: draft-ietf-opsawg-pcapng. Unknown blocks and options are passed over.

use hashbrown::HashMap;

use crate::capture::blocks::{CAME, GONE};
use crate::capture::fields::Fields;
use crate::capture::format::{Clock, Found, Interface, LONGEST_PACKET, Order, Record, Step, Told, Unit};
use crate::capture::link::LinkType;
use crate::capture::names;
use crate::capture::naming::printable;
use crate::capture::tally::Damage;
use crate::model::{Direction, Ip, Losses, Names, Role, SECONDS, Timestamp};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// Obsolete, but old files have it.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
/// `opt_comment`, which every block may have.
const COMMENT: u16 = 1;
const ISB_END_TIME: u16 = 3;
/// The device had no room.
const ISB_IF_DROP: u16 = 5;
/// The system had no room.
const ISB_OS_DROP: u16 = 7;
/// The end of a capture is believed up to this long after its last packet.
const LONGEST_SILENCE: i64 = 24 * 3600 * SECONDS;
const ENHANCED_PACKET: u32 = 6;

/// Type, two lengths.
const FRAME: usize = 12;
/// Larger blocks do not occur.
const LARGEST_BLOCK: usize = 16 << 20;
/// A block of this size may be where reading goes on after damage.
const LARGEST_CREDIBLE: usize = LONGEST_PACKET + 4096;
/// Described interfaces that are kept, of one section and of all together.
const MOST_INTERFACES: usize = 16_384;
/// Addresses of one interface that are kept.
const MOST_ADDRESSES: usize = 256;

/// The state of a pcapng file at the read position.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    /// This section's interfaces by number; `None` for a description that could not be kept.
    section: Vec<Option<Described>>,
    /// Every different interface of the file.
    interfaces: Vec<Interface>,
    known: HashMap<Interface, u32>,
    /// What the statistics say of each of them.
    told: Vec<Statistics>,
    /// Names of addresses that were not fetched yet.
    names: Box<Names>,
    /// From the packets' own options, which count where statistics say nothing.
    lost_between_packets: Option<u64>,
    /// The latest packet's time, for simple packet blocks, which have none.
    latest: Timestamp,
    /// When capturing ended, where the statistics say so.
    ended: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Described {
    index: u32,
    clock: Clock,
    snaplen: u32,
    /// It carries kernel messages.
    is_netlink: bool,
}

/// What statistics blocks say of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    /// In sections that are over.
    earlier: Losses,
    /// In this one: the latest counts hold.
    lost: Option<Losses>,
    is_counted: bool,
    /// It carries kernel messages.
    is_netlink: bool,
    pub(super) born: Option<Timestamp>,
    pub(super) gone: Option<Timestamp>,
}

impl Statistics {
    /// Packets that the capture lost on this interface, where that is said.
    pub(super) fn lost(&self) -> Option<Losses> {
        self.is_counted.then(|| self.earlier.plus(self.lost.unwrap_or_default()))
    }
}

impl Pcapng {
    pub(super) fn new(order: Order) -> Pcapng {
        Pcapng {
            order,
            section: Vec::new(),
            interfaces: Vec::new(),
            known: HashMap::new(),
            told: Vec::new(),
            names: Box::default(),
            lost_between_packets: None,
            latest: Timestamp(0),
            ended: None,
        }
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Names read since the last call.
    pub(super) fn take_names(&mut self) -> Names {
        std::mem::take(&mut *self.names)
    }

    /// When capturing ended, where the file says so.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.ended
    }

    /// Packets that the capture lost, where the file says so.
    pub(super) fn lost(&self) -> Option<Losses> {
        let between = self.lost_between_packets.map(|kernel| Losses { kernel, ..Losses::default() });
        self.told_lost(false).or(between)
    }

    /// Kernel messages that were lost, where the file says so.
    pub(super) fn messages_lost(&self) -> Option<u64> {
        self.told_lost(true).map(Losses::total)
    }

    /// The sum of what the statistics say, of packets or of kernel messages.
    fn told_lost(&self, is_netlink: bool) -> Option<Losses> {
        let alike = self.told.iter().filter(|told| told.is_netlink == is_netlink);
        alike.filter_map(Statistics::lost).reduce(Losses::plus)
    }

    /// What is said of the interface at `index` of [`interfaces`](Pcapng::interfaces).
    pub(super) fn statistics(&self, index: usize) -> Statistics {
        self.told.get(index).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        let Some(&[t0, t1, t2, t3, l0, l1, l2, l3]) = bytes.first_chunk() else { return Step::Need };
        let kind = self.order.u32([t0, t1, t2, t3]);
        if kind == SECTION_HEADER {
            return self.section_header(bytes);
        }
        let len = self.order.u32([l0, l1, l2, l3]) as usize;
        if !has_good_length(len) {
            return Step::Nonsense;
        }
        if bytes.len() < len {
            return Step::Need;
        }
        if self.order.u32_at(bytes, len - 4) != Some(len as u32) {
            return Step::Nonsense;
        }
        let body = &bytes[8..len - 4];
        let result = match kind {
            ENHANCED_PACKET => self.enhanced_packet(body),
            PACKET => self.packet(body),
            SIMPLE_PACKET => self.simple_packet(body),
            INTERFACE_DESCRIPTION => self.interface_description(body).map(|()| None),
            INTERFACE_STATISTICS => self.interface_statistics(body).map(|()| None),
            NAME_RESOLUTION => self.name_resolution(body).map(|()| None),
            _ => return Step::Skip { len },
        };
        match result {
            Ok(Some(record)) => Step::Packet { record, len },
            Ok(None) => Step::Described { len },
            Err(damage) => Step::Unusable { damage, len },
        }
    }

    /// Looks for a block of a known type whose two lengths agree.
    pub(super) fn find(&self, bytes: &[u8], is_all: bool) -> Found {
        for at in 0..bytes.len().saturating_sub(FRAME - 1) {
            let block = &bytes[at..];
            let (order, kind) = match (self.order.u32_at(block, 0), block.get(8..12)) {
                (Some(SECTION_HEADER), Some([0x1a, 0x2b, 0x3c, 0x4d])) => (Order::Big, SECTION_HEADER),
                (Some(SECTION_HEADER), Some([0x4d, 0x3c, 0x2b, 0x1a])) => (Order::Little, SECTION_HEADER),
                (Some(kind), _) => (self.order, kind),
                (None, _) => break,
            };
            let is_known =
                (INTERFACE_DESCRIPTION..=ENHANCED_PACKET).contains(&kind) || kind == SECTION_HEADER;
            let len = order.u32_at(block, 4).unwrap_or_default() as usize;
            if !is_known || !has_good_length(len) || len > LARGEST_CREDIBLE {
                continue;
            }
            match order.u32_at(block, len - 4) {
                Some(again) if again as usize == len => return Found::At(at),
                None if !is_all => return Found::NotBefore(at),
                _ => {}
            }
        }
        Found::NotBefore(bytes.len().saturating_sub(FRAME - 1))
    }

    fn section_header(&mut self, bytes: &[u8]) -> Step {
        let order = match bytes.get(8..12) {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order::Big,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order::Little,
            Some(_) => return Step::Nonsense,
            None => return Step::Need,
        };
        let len = order.u32_at(bytes, 4).unwrap_or_default() as usize;
        if !has_good_length(len) || len < FRAME + 16 {
            return Step::Nonsense;
        }
        match order.u32_at(bytes, len - 4) {
            None => return Step::Need,
            Some(again) if again as usize != len => return Step::Nonsense,
            Some(_) => {}
        }
        self.order = order;
        for told in &mut self.told {
            if let Some(lost) = told.lost.take() {
                told.earlier = told.earlier.plus(lost);
            }
        }
        self.section.clear();
        Step::Described { len }
    }

    fn interface_description(&mut self, body: &[u8]) -> Result<(), Damage> {
        let number = self.section.len() as u32;
        if self.section.len() >= MOST_INTERFACES {
            return Err(Damage::TooManyInterfaces);
        }
        let (Some(link), Some(snaplen)) = (self.order.u16_at(body, 0), self.order.u32_at(body, 4)) else {
            self.section.push(None);
            return Err(Damage::Contents);
        };
        let mut interface = Interface {
            link: LinkType::from_number(link),
            number,
            name: None,
            snaplen,
            clock: Clock::decimal(6),
            told: Told::default(),
        };
        let mut offset_seconds = 0_i64;
        for (code, value) in Fields::new(self.order, &body[8..]) {
            match (code, value) {
                (2, name) if !name.is_empty() => interface.name = Some(text(name)),
                (3, description) => interface.told.describe(&text(description)),
                (4 | 5, address) => interface.told.add_address(address),
                (9, &[resolution]) => interface.clock = clock(resolution),
                (14, value) => offset_seconds = self.order.u64_at(value, 0).unwrap_or_default() as i64,
                _ => {}
            }
        }
        interface.clock.offset_ns = offset_seconds.saturating_mul(1_000_000_000);
        let described = self.keep(interface);
        self.section.push(described);
        described.map(|_| ()).ok_or(Damage::TooManyInterfaces)
    }

    /// Keeps an interface; one that an earlier section described alike stays the same.
    fn keep(&mut self, interface: Interface) -> Option<Described> {
        let (clock, snaplen) = (interface.clock, interface.snaplen);
        let is_netlink = interface.link == LinkType::Netlink;
        let described = |index| Described { index, clock, snaplen, is_netlink };
        if let Some(&index) = self.known.get(&interface) {
            return Some(described(index));
        }
        if self.interfaces.len() >= MOST_INTERFACES {
            return None;
        }
        let index = self.interfaces.len() as u32;
        self.interfaces.push(interface.clone());
        self.told.push(Statistics { is_netlink, ..Statistics::default() });
        self.known.insert(interface, index);
        Some(described(index))
    }

    #[inline]
    fn enhanced_packet(&mut self, body: &[u8]) -> Result<Option<Record>, Damage> {
        let number = self.order.u32_at(body, 0).ok_or(Damage::Contents)?;
        self.timed_packet(number, body)
    }

    /// The obsolete form: as the enhanced packet block, but its first word holds interface and loss, 16 bits each.
    fn packet(&mut self, body: &[u8]) -> Result<Option<Record>, Damage> {
        let number = self.order.u16_at(body, 0).ok_or(Damage::Contents)?;
        match self.order.u16_at(body, 2) {
            // All ones: not known.
            None | Some(0 | u16::MAX) => {}
            Some(lost) => self.lose(u64::from(lost)),
        }
        self.timed_packet(u32::from(number), body)
    }

    #[inline]
    fn timed_packet(&mut self, number: u32, body: &[u8]) -> Result<Option<Record>, Damage> {
        let (fixed, rest) = body.split_first_chunk::<20>().ok_or(Damage::Contents)?;
        let (words, _) = fixed.as_chunks::<4>();
        let [_, high, low, cap_len, wire_len] =
            std::array::from_fn(|index| words.get(index).map_or(0, |&word| self.order.u32(word)));
        let described = self.described(number)?;
        if cap_len as usize > rest.len() {
            return Err(Damage::Contents);
        }
        let options = rest.get((cap_len as usize).next_multiple_of(4)..).unwrap_or_default();
        let direction = if options.is_empty() { Direction::Unknown } else { self.packet_options(options) };
        let time = described.clock.time(u64::from(high) << 32 | u64::from(low));
        if !described.is_netlink {
            self.latest = time;
        }
        Ok(Some(Record {
            time,
            offset: 28,
            cap_len,
            wire_len: wire_len.max(cap_len),
            interface: described.index,
            direction,
        }))
    }

    fn simple_packet(&mut self, body: &[u8]) -> Result<Option<Record>, Damage> {
        let wire_len = self.order.u32_at(body, 0).ok_or(Damage::Contents)?;
        let described = self.described(0)?;
        let snaplen = if described.snaplen == 0 { u32::MAX } else { described.snaplen };
        let cap_len = wire_len.min(snaplen);
        if cap_len as usize > body.len() - 4 {
            return Err(Damage::Contents);
        }
        Ok(Some(Record {
            time: self.latest,
            offset: 12,
            cap_len,
            wire_len,
            interface: described.index,
            direction: Direction::Unknown,
        }))
    }

    #[inline]
    fn described(&self, number: u32) -> Result<Described, Damage> {
        match self.section.get(number as usize) {
            Some(Some(described)) => Ok(*described),
            Some(None) => Err(Damage::TooManyInterfaces),
            None => Err(Damage::UnknownInterface),
        }
    }

    /// Direction (`epb_flags`, the same bits as `pack_flags`) and losses (`epb_dropcount`).
    #[inline]
    fn packet_options(&mut self, options: &[u8]) -> Direction {
        let mut direction = Direction::Unknown;
        for (code, value) in Fields::new(self.order, options) {
            match code {
                2 => {
                    direction = match self.order.u32_at(value, 0).unwrap_or_default() & 3 {
                        1 => Direction::In,
                        2 => Direction::Out,
                        _ => Direction::Unknown,
                    };
                }
                4 => self.lose(self.order.u64_at(value, 0).unwrap_or_default()),
                _ => {}
            }
        }
        direction
    }

    fn lose(&mut self, count: u64) {
        let lost = self.lost_between_packets.get_or_insert(0);
        *lost = lost.saturating_add(count);
    }

    fn interface_statistics(&mut self, body: &[u8]) -> Result<(), Damage> {
        let number = self.order.u32_at(body, 0).ok_or(Damage::Contents)?;
        let options = body.get(12..).ok_or(Damage::Contents)?;
        let mut lost: Option<Losses> = None;
        let (mut ended, mut turn) = (None, None);
        for (code, value) in Fields::new(self.order, options) {
            match (code, self.order.u64_at(value, 0)) {
                (ISB_IF_DROP, Some(count)) => lost.get_or_insert_default().device = count,
                (ISB_OS_DROP, Some(count)) => lost.get_or_insert_default().kernel = count,
                (ISB_END_TIME, _) => ended = self.order.u32_at(value, 0).zip(self.order.u32_at(value, 4)),
                (COMMENT, _) => turn = Some(value),
                _ => {}
            }
        }
        let at = self.order.u32_at(body, 4).zip(self.order.u32_at(body, 8));
        if let Some((high, low)) = ended {
            self.note_end(number, u64::from(high) << 32 | u64::from(low));
        }
        let described = match self.section.get(number as usize) {
            Some(Some(described)) => described,
            Some(None) => return Ok(()),
            None => return Err(Damage::UnknownInterface),
        };
        if let Some(told) = self.told.get_mut(described.index as usize) {
            // The counts are since the start of the capture: the latest holds.
            told.lost = lost.or(told.lost);
            told.is_counted |= lost.is_some();
            let at = at.map(|(high, low)| described.clock.time(u64::from(high) << 32 | u64::from(low)));
            match turn {
                Some(what) if what == CAME.as_bytes() => (told.born, told.gone) = (at, None),
                Some(what) if what == GONE.as_bytes() => told.gone = at,
                _ => {}
            }
        }
        Ok(())
    }

    /// When capturing on an interface ended. The format wants it in the interface's own resolution; dumpcap
    /// writes microseconds whatever that is, which shows in an end that comes before the packets.
    fn note_end(&mut self, number: u32, ticks: u64) {
        // Kernel messages come beside the packets: their end says nothing of these.
        let Some(described) = self.described(number).ok().filter(|described| !described.is_netlink) else {
            return;
        };
        let as_specified = described.clock.time(ticks);
        let as_micros = Clock::decimal(6).time(ticks);
        let is_plausible = |end: &Timestamp| (0..LONGEST_SILENCE).contains(&end.since(self.latest));
        let end = [as_specified, as_micros].into_iter().find(is_plausible);
        self.ended = self.ended.max(end);
    }

    fn name_resolution(&mut self, body: &[u8]) -> Result<(), Damage> {
        let mut records = Fields::new(self.order, body);
        for (code, value) in &mut records {
            let (ip, names) = match (code, value.first_chunk::<4>(), value.first_chunk::<16>()) {
                (1, Some(&v4), _) => (Ip::v4(v4), &value[4..]),
                (2, _, Some(&v6)) => (Ip::v6(v6), &value[16..]),
                (1 | 2, ..) => return Err(Damage::Contents),
                _ => continue,
            };
            // Several names may follow each other; the first is the main one.
            let name = names.split(|&byte| byte == 0).next().unwrap_or_default();
            self.names.name(ip, &text(name));
        }
        for (code, value) in Fields::new(self.order, records.after_end()) {
            if code == COMMENT {
                String::from_utf8_lossy(value)
                    .lines()
                    .for_each(|line| names::read_line(line, &mut self.names));
            }
        }
        Ok(())
    }
}

impl Told {
    /// Reads `node=kappa1 role=uplink`; other programs' descriptions say neither.
    fn describe(&mut self, description: &str) {
        for part in description.split(' ') {
            match part.split_once('=') {
                Some(("node", node)) if !node.is_empty() => self.node = Some(node.to_owned()),
                Some(("role", role)) => self.role = Role::from_name(role),
                _ => {}
            }
        }
    }

    /// `if_IPv4addr` (address and mask) or `if_IPv6addr` (address and prefix length).
    fn add_address(&mut self, value: &[u8]) {
        let ip = match (value.len(), value.first_chunk::<4>(), value.first_chunk::<16>()) {
            (8, Some(&v4), _) => Ip::v4(v4),
            (17, _, Some(&v6)) => Ip::v6(v6),
            _ => return,
        };
        if self.addresses.len() < MOST_ADDRESSES {
            self.addresses.push(ip);
        }
    }
}

const fn has_good_length(len: usize) -> bool {
    len >= FRAME && len <= LARGEST_BLOCK && len.is_multiple_of(4)
}

/// `if_tsresol`: a negative power of 2 if the highest bit is set, else of 10.
fn clock(resolution: u8) -> Clock {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 {
        Clock::decimal(exponent)
    } else {
        Clock { unit: Unit::Binary(exponent), offset_ns: 0 }
    }
}

fn text(bytes: &[u8]) -> String {
    // Some writers count the closing NUL.
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    printable(&String::from_utf8_lossy(&bytes[..end]))
}
