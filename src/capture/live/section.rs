//! The section that is being written: packets, descriptions and counts as pcapng blocks, handed on in runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::capture::blocks::{self, Counts, Description, Stored};
use crate::capture::link::LinkType;
use crate::capture::live::feed::{Kind, Run};
use crate::capture::live::links::Link;
use crate::capture::live::ways::Open;
use crate::model::{Names, Role, Timestamp};

/// Bytes of a run that is handed on even while more packets come.
const FULL: usize = 256 << 10;
/// Runs kept to be filled anew.
const SPARE: usize = 16;

pub(super) struct Section {
    node: String,
    snaplen: u32,
    filling: Vec<u8>,
    packets: u64,
    /// The number of each interface by its name and link type, so that one that comes again keeps it.
    numbers: HashMap<(String, u16), u32>,
    spare: Vec<Arc<Vec<u8>>>,
    ways: Open,
}

impl Section {
    pub(super) fn new(node: String, snaplen: u32) -> Section {
        Section {
            node,
            snaplen,
            filling: Vec::new(),
            packets: 0,
            numbers: HashMap::new(),
            spare: Vec::new(),
            ways: Open::default(),
        }
    }

    /// A header and the first interface, which stands for the whole capture: its counts are those of all handles.
    pub(super) fn begin(&mut self, ways: Open) {
        self.ways = ways;
        let mut bytes = Vec::new();
        blocks::section_header(&mut bytes);
        let description = format!("node={}", self.node);
        blocks::interface(&mut bytes, &self.described("any", &description, LinkType::SLL2));
        self.numbers.insert((String::new(), LinkType::SLL2), 0);
        self.ways.describe(bytes);
    }

    fn described<'a>(&self, name: &'a str, about: &'a str, link: u16) -> Description<'a> {
        Description { link, snaplen: self.snaplen, name, about, mac: None, addresses: &[] }
    }

    /// The number of an interface whose packets begin with headers of type `link_type`; it is described where it is
    /// new.
    pub(super) fn describe(&mut self, link: &Link, role: Role, link_type: u16) -> u32 {
        let key = (link.name.clone(), link_type);
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(key, number);
        let description = format!("node={} role={}", self.node, role.name());
        // A pod's end tells its addresses by its packets.
        let addresses: &[ipnet::IpNet] = if role == Role::Workload { &[] } else { &link.addresses };
        let mut bytes = Vec::new();
        let told = self.described(&link.name, &description, link_type);
        blocks::interface(&mut bytes, &Description { mac: link.mac, addresses, ..told });
        self.flush();
        self.ways.describe(bytes);
        number
    }

    /// The number of a subject of the kernel's, which is described here.
    pub(super) fn describe_kernel(&mut self, subject: &str) -> u32 {
        let number = self.numbers.len() as u32;
        self.numbers.insert((subject.to_owned(), LinkType::NETLINK), number);
        let about = format!("node={}", self.node);
        let told = Description { snaplen: 0, ..self.described(subject, &about, LinkType::NETLINK) };
        let mut bytes = Vec::new();
        blocks::interface(&mut bytes, &told);
        self.ways.describe(bytes);
        number
    }

    /// Writes names down where there are any.
    pub(super) fn tell_names(&self, names: &Names) {
        if !names.is_empty() {
            let mut bytes = Vec::new();
            blocks::names(&mut bytes, names);
            self.ways.describe(bytes);
        }
    }

    #[inline]
    pub(super) fn packet(&mut self, packet: &Stored<'_>) {
        blocks::packet(&mut self.filling, packet);
        self.packets += 1;
        if self.filling.len() >= FULL {
            self.flush();
        }
    }

    /// Notes that an interface came or went.
    pub(super) fn turn(&mut self, interface: u32, at: Timestamp, what: &str) {
        blocks::turn(&mut self.filling, interface, at, what);
    }

    pub(super) fn count(&mut self, end: Timestamp, counts: Counts) {
        self.flush();
        self.ways.count(end, counts);
    }

    /// Hands on what was written.
    pub(super) fn flush(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        let unshared = self.spare.iter_mut().position(|spare| Arc::get_mut(spare).is_some());
        let mut bytes = unshared.map_or_else(|| Arc::new(Vec::new()), |index| self.spare.swap_remove(index));
        if let Some(empty) = Arc::get_mut(&mut bytes) {
            empty.clear();
            std::mem::swap(empty, &mut self.filling);
        }
        let run = Run { bytes, packets: std::mem::take(&mut self.packets), kind: Kind::Packets };
        self.ways.offer(&run);
        if self.spare.len() < SPARE {
            self.spare.push(run.bytes);
        }
    }
}
