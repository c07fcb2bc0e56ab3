//! TCP (RFC 9293) with its options, UDP (RFC 768), VXLAN (RFC 7348) and IP in IP (RFC 2003).

use super::{Next, Ports, Sheet, control, half, word};

/// IANA's port of VXLAN.
const VXLAN: u16 = 4789;

pub(super) fn read(protocol: u8, sheet: &mut Sheet<'_>) -> Option<Next> {
    match protocol {
        1 => control::v4(sheet),
        4 => Some(Next::EtherType(0x0800)),
        6 => tcp(sheet),
        17 => udp(sheet),
        41 => Some(Next::EtherType(0x86dd)),
        58 => control::v6(sheet),
        _ => None,
    }
}

fn tcp(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 20] = sheet.peek()?;
    let (src, dst) = (half(bytes, 0), half(bytes, 2));
    let len = usize::from(bytes[12] >> 4) * 4;
    let mut fields = vec![
        format!("{src} > {dst}"),
        flags(bytes[13]),
        format!("seq {}", word(bytes, 4)),
        format!("ack {}", word(bytes, 8)),
        format!("window {}", half(bytes, 14)),
        format!("checksum {:#06x}", half(bytes, 16)),
    ];
    if bytes[13] & 32 != 0 {
        fields.push(format!("urgent {}", half(bytes, 18)));
    }
    fields.extend(options(sheet.rest().get(20..len.max(20)).unwrap_or_default()));
    sheet.add("TCP", len.max(20), fields);
    Some(Next::Payload(Ports { src, dst, is_datagram: false }))
}

fn flags(byte: u8) -> String {
    const NAMES: [(u8, &str); 8] =
        [(2, "SYN"), (1, "FIN"), (4, "RST"), (8, "PSH"), (16, "ACK"), (32, "URG"), (64, "ECE"), (128, "CWR")];
    let set: Vec<&str> = NAMES.iter().filter(|(bit, _)| byte & bit != 0).map(|&(_, name)| name).collect();
    if set.is_empty() { "no flags".to_owned() } else { set.join(" ") }
}

/// RFC 9293 §3.2, RFC 7323, RFC 2018.
fn options(mut bytes: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    while let Some((&kind, rest)) = bytes.split_first() {
        match kind {
            0 => break,
            1 => {
                bytes = rest;
                continue;
            }
            _ => {}
        }
        let Some(&len) = rest.first() else { break };
        let Some(value) = bytes.get(2..usize::from(len)) else { break };
        told.push(match (kind, value.len()) {
            (2, 2) => format!("MSS {}", half(value, 0)),
            (3, 1) => format!("window scale {}", value[0]),
            (4, 0) => "SACK permitted".to_owned(),
            (5, _) => {
                let blocks: Vec<String> = value
                    .chunks_exact(8)
                    .map(|block| format!("{}-{}", word(block, 0), word(block, 4)))
                    .collect();
                format!("SACK {}", blocks.join(" "))
            }
            (8, 8) => format!("TSval {} TSecr {}", word(value, 0), word(value, 4)),
            (34, _) => "Fast Open".to_owned(),
            (other, len) => format!("option {other} of {len} bytes"),
        });
        bytes = bytes.get(usize::from(len)..).unwrap_or_default();
    }
    told
}

fn udp(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 8] = sheet.peek()?;
    let (src, dst) = (half(bytes, 0), half(bytes, 2));
    let fields = vec![
        format!("{src} > {dst}"),
        format!("length {}", half(bytes, 4)),
        format!("checksum {:#06x}", half(bytes, 6)),
    ];
    sheet.add("UDP", 8, fields);
    if dst == VXLAN {
        return vxlan(sheet);
    }
    Some(Next::Payload(Ports { src, dst, is_datagram: true }))
}

fn vxlan(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 8] = sheet.peek()?;
    let vni = word(bytes, 4) >> 8;
    sheet.add("VXLAN", 8, vec![format!("VNI {vni}")]);
    Some(Next::Ethernet)
}
