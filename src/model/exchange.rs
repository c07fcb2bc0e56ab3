//! What was asked and answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Ip, Timestamp};

/// The protocol of an exchange, as far as it was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Application {
    Http,
    Dns,
    Tls,
    Tcp,
    Udp,
    Icmp,
}

impl Application {
    pub const fn name(self) -> &'static str {
        match self {
            Application::Http => "http",
            Application::Dns => "dns",
            Application::Tls => "tls",
            Application::Tcp => "tcp",
            Application::Udp => "udp",
            Application::Icmp => "icmp",
        }
    }
}

/// A request and its answer. Texts were cleaned of control characters when they were read from the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    pub application: Application,
    pub method: Option<Box<str>>,
    /// The HTTP request target; for DNS the name asked for.
    pub path: Option<Box<str>>,
    pub host: Option<Box<str>>,
    pub status: Option<u16>,
    /// Where a redirection (3xx) sends the client, as the answer has it.
    pub location: Option<Box<str>>,
    /// Transport payload bytes of the request, as far as seen.
    pub request_bytes: u64,
    pub reply_bytes: u64,
    pub dns: Option<Box<Lookup>>,
    pub tls: Option<Box<Tls>>,
    /// How a gRPC call ended, by its trailers: 0 OK, 5 NOT_FOUND, 14 UNAVAILABLE.
    pub grpc_status: Option<u16>,
}

impl Exchange {
    pub const fn new(application: Application) -> Exchange {
        Exchange {
            application,
            method: None,
            path: None,
            host: None,
            status: None,
            location: None,
            request_bytes: 0,
            reply_bytes: 0,
            dns: None,
            tls: None,
            grpc_status: None,
        }
    }
}

/// What a TLS connection's hellos say in clear text (RFC 8446 §4.1). The name asked for is [`Exchange::host`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// The version agreed on, once the server's hello was seen.
    pub version: Option<TlsVersion>,
    /// Application protocols that the client offers, the one it likes best first (RFC 7301).
    pub alpn: Vec<Box<str>>,
    /// The one agreed on, where the server says it in clear text: up to TLS 1.2.
    pub agreed_alpn: Option<Box<str>>,
}

/// A protocol version as it is on the wire: 0x0304 is TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TlsVersion(pub u16);

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => f.write_str("SSL 3.0"),
            known @ 0x0301..=0x0304 => write!(f, "TLS 1.{}", known - 0x0301),
            other => write!(f, "TLS {other:#06x}"),
        }
    }
}

/// What a DNS lookup asked and got (RFC 1035).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    pub name: Box<str>,
    /// Query type by its mnemonic: `A`, `AAAA`, `SRV`, `TYPE65`.
    pub kind: Box<str>,
    /// Response code: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN; `None` while there is no answer.
    pub rcode: Option<u8>,
    pub truncated: bool,
    /// Addresses of the answer, with CNAME chains followed.
    pub addresses: Vec<Ip>,
    /// CNAME and SRV targets, in the order of the answer.
    pub targets: Vec<Box<str>>,
}

/// The lookup that preceded a connection: what ① ② ③ show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    pub name: Box<str>,
    /// Id of the lookup's own trail.
    pub trail: u64,
    /// The sightings of the query and of its answer at the client's own capture point.
    pub query: super::Sighting,
    pub answer: super::Sighting,
    /// Queries the resolver sent before one was answered with an address (search domains), this one included.
    pub tries: u32,
    /// When the first of those tries was sent.
    pub first_try: Timestamp,
}
