//! IPv4 (RFC 791), IPv6 with its extensions (RFC 8200), ARP (RFC 826).

use super::{Next, Sheet, half, word};
use crate::model::Ip;

pub(super) fn after_link(ether_type: u16, sheet: &mut Sheet<'_>) -> Option<Next> {
    match ether_type {
        0x0800 => v4(sheet),
        0x86dd => v6(sheet),
        0x0806 => arp(sheet),
        _ => None,
    }
}

fn v4(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 20] = sheet.peek()?;
    if bytes[0] >> 4 != 4 {
        return None;
    }
    let len = usize::from(bytes[0] & 15) * 4;
    let (total, fragment) = (half(bytes, 2), half(bytes, 6));
    let [src, dst] = [12, 16].map(|at| Ip::v4([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
    let mut fields = vec![
        format!("{src} > {dst}"),
        format!("ttl {}", bytes[8]),
        format!("id {}", half(bytes, 4)),
        protocol_text(bytes[9]),
        format!("length {total}"),
        format!("DSCP {}", bytes[1] >> 2),
    ];
    for (bit, name) in [(0x4000, "DF"), (0x2000, "MF")] {
        if fragment & bit != 0 {
            fields.push(name.to_owned());
        }
    }
    let offset = usize::from(fragment & 0x1fff) * 8;
    if offset > 0 {
        fields.push(format!("fragment at {offset}"));
    }
    fields.push(format!("checksum {:#06x}", half(bytes, 10)));
    if len > 20 {
        fields.push(format!("options {} bytes", len - 20));
    }
    // An offloading sender leaves the length at 0.
    if usize::from(total) >= len {
        sheet.end_after(total.into());
    }
    sheet.add("IPv4", len.max(20), fields);
    (offset == 0).then_some(Next::Protocol(bytes[9]))
}

fn v6(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 40] = sheet.peek()?;
    if bytes[0] >> 4 != 6 {
        return None;
    }
    let first = word(bytes, 0);
    let length = half(bytes, 4);
    let ip = |at: usize| bytes[at..].first_chunk().map_or(Ip::v6([0; 16]), |octets| Ip::v6(*octets));
    let fields = vec![
        format!("{} > {}", ip(8), ip(24)),
        format!("hop limit {}", bytes[7]),
        protocol_text(bytes[6]),
        format!("payload {length}"),
        format!("DSCP {}", first >> 22 & 0x3f),
        format!("flow label {:#07x}", first & 0xf_ffff),
    ];
    if length > 0 {
        sheet.end_after(40 + usize::from(length));
    }
    sheet.add("IPv6", 40, fields);
    extensions(bytes[6], sheet)
}

/// Extension headers, up to the transport's.
fn extensions(mut protocol: u8, sheet: &mut Sheet<'_>) -> Option<Next> {
    while sheet.headers.len() < super::MOST_HEADERS {
        let name = match protocol {
            0 => "hop-by-hop",
            43 => "routing",
            44 => "fragment",
            60 => "destination options",
            _ => return Some(Next::Protocol(protocol)),
        };
        let bytes: &[u8; 8] = sheet.peek()?;
        let is_fragment = protocol == 44;
        protocol = bytes[0];
        if is_fragment {
            let offset = half(bytes, 2) & 0xfff8;
            let more = if bytes[3] & 1 != 0 { "more follow" } else { "last" };
            let fields = vec![
                protocol_text(protocol),
                format!("at {offset}"),
                more.to_owned(),
                format!("id {}", word(bytes, 4)),
            ];
            sheet.add(name, 8, fields);
            if offset > 0 {
                return None;
            }
        } else {
            sheet.add(name, (usize::from(bytes[1]) + 1) * 8, vec![protocol_text(protocol)]);
        }
    }
    None
}

fn arp(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 28] = sheet.peek()?;
    let ip = |at: usize| Ip::v4([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let said = match half(bytes, 6) {
        1 => format!("who has {}? tell {}", ip(24), ip(14)),
        2 => format!("{} is at {}", ip(14), mac(&bytes[8..14])),
        other => format!("operation {other}"),
    };
    sheet.add("ARP", 28, vec![said, format!("sender {}", mac(&bytes[8..14]))]);
    None
}

fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

fn protocol_text(protocol: u8) -> String {
    let name = match protocol {
        1 => "ICMP",
        4 => "IPv4",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        47 => "GRE",
        58 => "ICMPv6",
        132 => "SCTP",
        other => return format!("protocol {other}"),
    };
    format!("protocol {name}")
}
