//! Reads one frame into a [`crate::model::Packet`], and application heads from payload bytes.
//!
//! [`decode`] never fails: it pushes exactly one packet for each frame, and where it could not follow it to the
//! transport layer it says how far it got as a [`Stop`]. [`decode_messages`] does the same for what the kernel tells. [`headers`]
//! tells a packet header by header, for the eye. The other doors read what a payload begins with:
//! [`http::head`], [`dns::message`], [`tls::client_hello`], [`proxy::preamble`]. Text from the wire that may be
//! shown goes through [`clean()`] once.
//!
//! This room never keeps state between frames; what needs some ([`http::Chunks`], [`http2::Fields`]) is the
//! caller's to keep. Bytes are hostile: nothing here panics on them, recurses over them or allocates by a length
//! they claim.

mod attributes;
mod clean;
mod conntrack;
mod digest;
pub mod dns;
mod headers;
pub mod http;
pub mod http2;
mod icmp;
mod neighbour;
mod netlink;
mod network;
mod nftables;
pub mod proxy;
mod routing;
mod stop;
pub mod tls;
mod transport;
mod tunnel;
mod usual;

pub use clean::{MAX_CHARS, clean};
pub use digest::extend as extend_digest;
pub use headers::headers;
pub use netlink::decode_messages;
pub use network::{MAX_PAYLOAD, NO_PROTOCOL, decode};
pub use stop::{Layer, Reason, Stop, Stops};

use crate::model::{Batch, Record};

/// Decodes whatever a source gave; returns where that stopped.
#[inline]
pub fn decode_record(record: &Record<'_>, batch: &mut Batch) -> Option<Stop> {
    match record {
        Record::Frame(frame) => decode(frame, batch),
        Record::Messages(messages) => decode_messages(messages, batch),
    }
}

#[cfg(test)]
mod tests;
