//! Link headers: IEEE 802.3 with 802.1Q tags, LINUX_SLL, LINUX_SLL2, NULL and LOOP.

use super::{Next, Sheet, half, word};
use crate::model::Mac;

const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

pub(super) fn read(link: u16, sheet: &mut Sheet<'_>) -> Option<Next> {
    match link {
        1 => ethernet(sheet),
        113 => sll(sheet),
        276 => sll2(sheet),
        0 | 108 => family(sheet),
        12 | 14 | 101 | 228 | 229 => match sheet.rest().first()? >> 4 {
            4 => Some(Next::EtherType(0x0800)),
            6 => Some(Next::EtherType(0x86dd)),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn ethernet(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 14] = sheet.peek()?;
    let ether_type = half(bytes, 12);
    let [dst, src] = [0, 6].map(|at| mac(&bytes[at..at + 6]));
    sheet.add("Ethernet", 14, vec![format!("{src} > {dst}"), type_text(ether_type)]);
    tags(ether_type, sheet)
}

/// IEEE 802.1Q tags.
fn tags(mut ether_type: u16, sheet: &mut Sheet<'_>) -> Option<Next> {
    // Each round reads on, so that the bytes end it.
    while TAGS.contains(&ether_type) {
        let bytes: &[u8; 4] = sheet.peek()?;
        let tag = half(bytes, 0);
        ether_type = half(bytes, 2);
        let fields =
            vec![format!("id {}", tag & 0xfff), format!("priority {}", tag >> 13), type_text(ether_type)];
        sheet.add("VLAN", 4, fields);
        if sheet.headers.len() >= super::MOST_HEADERS {
            return None;
        }
    }
    Some(Next::EtherType(ether_type))
}

fn sll(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 16] = sheet.peek()?;
    let protocol = half(bytes, 14);
    let fields = vec![
        packet_type(half(bytes, 0)).to_owned(),
        format!("ARPHRD {}", half(bytes, 2)),
        format!("from {}", address(half(bytes, 4).into(), &bytes[6..14])),
        type_text(protocol),
    ];
    sheet.add("SLL", 16, fields);
    tags(protocol, sheet)
}

fn sll2(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 20] = sheet.peek()?;
    let protocol = half(bytes, 0);
    let fields = vec![
        packet_type(bytes[10].into()).to_owned(),
        format!("interface {}", word(bytes, 4)),
        format!("ARPHRD {}", half(bytes, 8)),
        format!("from {}", address(bytes[11].into(), &bytes[12..20])),
        type_text(protocol),
    ];
    sheet.add("SLL2", 20, fields);
    tags(protocol, sheet)
}

fn family(sheet: &mut Sheet<'_>) -> Option<Next> {
    let family = u32::from_le_bytes(*sheet.peek::<4>()?);
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    sheet.add("Loopback", 4, vec![format!("family {family}")]);
    match family {
        2 => Some(Next::EtherType(0x0800)),
        10 | 24 | 28 | 30 => Some(Next::EtherType(0x86dd)),
        _ => None,
    }
}

/// `packet(7)`.
const fn packet_type(number: u16) -> &'static str {
    match number {
        0 => "to this host",
        1 => "broadcast",
        2 => "multicast",
        3 => "to another host",
        4 => "sent by this host",
        _ => "packet type unknown",
    }
}

fn address(len: u32, bytes: &[u8]) -> String {
    let len = usize::try_from(len).unwrap_or_default().min(bytes.len());
    if len == 0 { "-".to_owned() } else { mac(&bytes[..len]) }
}

fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> =
        bytes.iter().take(size_of::<Mac>() + 2).map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

fn type_text(ether_type: u16) -> String {
    let name = match ether_type {
        0x0800 => "IPv4",
        0x86dd => "IPv6",
        0x0806 => "ARP",
        0x8100 | 0x88a8 | 0x9100 => "VLAN",
        _ => return format!("type {ether_type:#06x}"),
    };
    format!("type {name}")
}
