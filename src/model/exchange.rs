//! What was asked and answered.

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
    /// Transport payload bytes of the request, as far as seen.
    pub request_bytes: u64,
    pub reply_bytes: u64,
    pub dns: Option<Box<Lookup>>,
}

impl Exchange {
    pub const fn new(application: Application) -> Exchange {
        Exchange {
            application,
            method: None,
            path: None,
            host: None,
            status: None,
            request_bytes: 0,
            reply_bytes: 0,
            dns: None,
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
