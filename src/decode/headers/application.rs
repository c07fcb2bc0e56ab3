//! What a payload begins with: a line of HTTP/1 and its headers, an HTTP/2 frame, a TLS record, a DNS message.

use super::{Next, Ports, Sheet};
use crate::decode::{clean, dns, http2};

/// Lines of an HTTP head that are told.
const MOST_LINES: usize = 16;

pub(super) fn read(ports: Ports, sheet: &mut Sheet<'_>) -> Option<Next> {
    let rest = sheet.rest();
    if rest.is_empty() {
        return None;
    }
    let (name, len, fields) = if ports.is_datagram { datagram(ports, rest) } else { stream(rest) }
        .unwrap_or_else(|| ("data", rest.len(), vec![format!("{} bytes", rest.len())]));
    sheet.add(name, len, fields);
    if name != "data" && !sheet.rest().is_empty() {
        let len = sheet.rest().len();
        sheet.add("data", len, vec![format!("{len} bytes")]);
    }
    None
}

type Found = (&'static str, usize, Vec<String>);

fn datagram(ports: Ports, bytes: &[u8]) -> Option<Found> {
    if ports.src != 53 && ports.dst != 53 {
        return None;
    }
    let message = dns::message(bytes)?;
    let mut fields = vec![format!("id {:#06x}", message.id)];
    if let Some(question) = &message.question {
        fields.push(format!("{} {}", question.kind, question.name));
    }
    if message.is_response {
        fields.push(format!("answer, code {}", message.rcode));
        fields.extend(message.addresses.iter().take(MOST_LINES).map(ToString::to_string));
        fields.extend(message.targets.iter().take(MOST_LINES).map(ToString::to_string));
    } else {
        fields.push("query".to_owned());
    }
    Some(("DNS", bytes.len(), fields))
}

fn stream(bytes: &[u8]) -> Option<Found> {
    if bytes.starts_with(http2::PREFACE) {
        return Some(("HTTP/2", http2::PREFACE.len(), vec!["connection preface".to_owned()]));
    }
    http1(bytes).or_else(|| tls(bytes))
}

/// A request or status line, and what stands below it up to the empty line.
fn http1(bytes: &[u8]) -> Option<Found> {
    let first = bytes.split(|&byte| byte == b'\n').next()?;
    let text = std::str::from_utf8(first).ok()?.trim_end();
    let is_status = text.starts_with("HTTP/1.");
    let is_request = text.rsplit(' ').next().is_some_and(|version| version.starts_with("HTTP/1."))
        && text
            .split(' ')
            .next()
            .is_some_and(|method| method.chars().all(|it| it.is_ascii_uppercase() || it == '-'));
    if !is_status && !is_request {
        return None;
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let lines = bytes[..end].split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let fields =
        lines.filter(|line| !line.is_empty()).take(MOST_LINES).map(|line| clean(line).into()).collect();
    Some(("HTTP", end, fields))
}

/// RFC 8446 §5.1.
fn tls(bytes: &[u8]) -> Option<Found> {
    let &[kind, 3, minor @ 0..=4, high, low] = bytes.first_chunk()? else { return None };
    let name = match kind {
        20 => "change cipher spec",
        21 => "alert",
        22 => "handshake",
        23 => "application data",
        _ => return None,
    };
    let len = u16::from_be_bytes([high, low]);
    let fields = vec![name.to_owned(), format!("record version 3.{minor}"), format!("length {len}")];
    Some(("TLS", 5 + usize::from(len), fields))
}
