//! ICMP (RFC 792) and ICMPv6 (RFC 4443, RFC 4861), with the packet that an error quotes.

use super::{Next, Sheet, half, word};
use crate::model::Ip;

pub(super) fn v4(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 8] = sheet.peek()?;
    let (kind, code) = (bytes[0], bytes[1]);
    let name = match (kind, code) {
        (0, _) => "echo reply",
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed",
        (3, 9 | 10 | 13) => "administratively prohibited",
        (3, _) => "unreachable",
        (5, _) => "redirect",
        (8, _) => "echo request",
        (11, _) => "time exceeded",
        (12, _) => "parameter problem",
        _ => "message",
    };
    let mut fields = vec![name.to_owned(), format!("type {kind} code {code}")];
    match (kind, code) {
        (0 | 8, _) => fields.push(echo(bytes)),
        (3, 4) => fields.push(format!("next-hop MTU {}", half(bytes, 6))),
        (5, _) => fields.push(format!("to {}", Ip::v4([bytes[4], bytes[5], bytes[6], bytes[7]]))),
        _ => {}
    }
    fields.push(format!("checksum {:#06x}", half(bytes, 2)));
    sheet.add("ICMP", 8, fields);
    matches!(kind, 3 | 5 | 11 | 12).then_some(Next::EtherType(0x0800))
}

pub(super) fn v6(sheet: &mut Sheet<'_>) -> Option<Next> {
    let bytes: &[u8; 8] = sheet.peek()?;
    let (kind, code) = (bytes[0], bytes[1]);
    let name = match (kind, code) {
        (1, 0) => "no route",
        (1, 1) => "administratively prohibited",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, _) => "unreachable",
        (2, _) => "packet too big",
        (3, _) => "time exceeded",
        (4, _) => "parameter problem",
        (128, _) => "echo request",
        (129, _) => "echo reply",
        (133, _) => "router solicitation",
        (134, _) => "router advertisement",
        (135, _) => "neighbour solicitation",
        (136, _) => "neighbour advertisement",
        _ => "message",
    };
    let mut fields = vec![name.to_owned(), format!("type {kind} code {code}")];
    match kind {
        2 => fields.push(format!("MTU {}", word(bytes, 4))),
        128 | 129 => fields.push(echo(bytes)),
        135 | 136 => {
            if let Some(octets) = sheet.rest().get(8..).and_then(<[u8]>::first_chunk) {
                fields.push(format!("of {}", Ip::v6(*octets)));
            }
        }
        _ => {}
    }
    fields.push(format!("checksum {:#06x}", half(bytes, 2)));
    sheet.add("ICMPv6", 8, fields);
    matches!(kind, 1..=4).then_some(Next::EtherType(0x86dd))
}

fn echo(bytes: &[u8]) -> String {
    format!("id {} seq {}", half(bytes, 4), half(bytes, 6))
}
