//! DNS messages (RFC 1035): what was asked, and the addresses and names of the answer.

mod guard;

use std::borrow::Cow;

use dns_parser::{Packet, RData};

use self::guard::Guarded;
use super::clean;
use crate::model::Ip;

/// A DNS message, its names cleaned and in lower case, without the final dot.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    pub id: u16,
    pub is_response: bool,
    /// Response code: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN; of no meaning in a query.
    pub rcode: u8,
    /// The TC bit: the answer did not fit, the client will ask again over TCP.
    pub truncated: bool,
    /// The first question; nearly all messages have just this one.
    pub question: Option<Question>,
    /// Addresses of the answer's A and AAAA records, in order.
    pub addresses: Vec<Ip>,
    /// Targets of the answer's CNAME and SRV records, in order.
    pub targets: Vec<Box<str>>,
    /// The capture or the datagram ended before the last record that the header announces.
    pub is_cut: bool,
}

impl Message {
    /// `namespace/service` of a response about a Service, whose DNS name is `service.namespace.svc.…`.
    pub fn service_name(&self) -> Option<String> {
        let question = self.question.as_ref().filter(|_| self.is_response)?;
        let mut labels = question.name.split('.');
        let (service, namespace) = (labels.next()?, labels.next()?);
        (labels.next() == Some("svc")).then(|| format!("{namespace}/{service}"))
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub name: Box<str>,
    /// Query type by its mnemonic: `A`, `AAAA`, `SRV`; `TYPE65` (RFC 3597) where it has none here.
    pub kind: Cow<'static, str>,
}

/// Reads the message that a datagram carries. `None` where the bytes are no DNS query or answer, or one beyond the
/// bounds within which names are read.
pub fn message(bytes: &[u8]) -> Option<Message> {
    let guarded = Guarded::new(bytes)?;
    let packet = Packet::parse(guarded.bytes()).ok()?;
    let mut message = Message {
        id: packet.header.id,
        is_response: !packet.header.query,
        rcode: packet.header.response_code.into(),
        truncated: packet.header.truncated,
        question: packet.questions.first().map(|question| Question {
            name: name(&question.qname),
            kind: mnemonic(guarded.question_type()),
        }),
        is_cut: guarded.is_cut(),
        ..Message::default()
    };
    for answer in &packet.answers {
        match &answer.data {
            RData::A(address) => message.addresses.push(Ip::v4(address.0.octets())),
            RData::AAAA(address) => message.addresses.push(Ip::v6(address.0.octets())),
            RData::CNAME(target) => message.targets.push(name(&target.0)),
            RData::SRV(service) => message.targets.push(name(&service.target)),
            _ => {}
        }
    }
    Some(message)
}

/// Reads the message at the start of a TCP stream, behind its two bytes of length (RFC 1035 §4.2.2).
pub fn tcp_message(bytes: &[u8]) -> Option<Message> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    message(&rest[..length.min(rest.len())])
}

fn name(name: &dns_parser::Name<'_>) -> Box<str> {
    let mut text = name.to_string();
    text.make_ascii_lowercase();
    clean(text)
}

/// Names of the types that clients ask for (IANA DNS parameters).
fn mnemonic(kind: u16) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        43 => "DS",
        48 => "DNSKEY",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        _ => return Cow::Owned(format!("TYPE{kind}")),
    })
}

#[cfg(test)]
mod tests;
