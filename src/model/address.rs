//! Addresses and the 5-tuple.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IPv4 or IPv6 address in one machine word pair; IPv4 is kept as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ip(pub u128);

const MAPPED_PREFIX: u128 = 0xffff_0000_0000;

impl Ip {
    pub const fn v4(octets: [u8; 4]) -> Ip {
        Ip(MAPPED_PREFIX | u32::from_be_bytes(octets) as u128)
    }

    pub const fn v6(octets: [u8; 16]) -> Ip {
        Ip(u128::from_be_bytes(octets))
    }

    pub const fn is_v4(self) -> bool {
        self.0 >> 32 == MAPPED_PREFIX >> 32
    }

    /// The low half and the high half, for hashing.
    pub const fn words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    /// Whether the address means something only on one node: loopback and link-local.
    #[inline]
    pub const fn is_node_local(self) -> bool {
        if self.is_v4() {
            let v4 = self.0 as u32;
            v4 >> 24 == 127 || v4 >> 16 == 0xa9fe
        } else {
            self.0 == 1 || self.0 >> 118 == 0xfe80 >> 6
        }
    }

    /// Multicast, broadcast or unspecified: never one end of a followed exchange.
    #[inline]
    pub const fn is_group(self) -> bool {
        if self.is_v4() {
            let v4 = self.0 as u32;
            v4 >> 28 == 0xe || v4 == u32::MAX || v4 == 0
        } else {
            self.0 >> 120 == 0xff || self.0 == 0
        }
    }
}

impl From<Ip> for IpAddr {
    fn from(ip: Ip) -> IpAddr {
        if ip.is_v4() { IpAddr::V4(Ipv4Addr::from(ip.0 as u32)) } else { IpAddr::V6(Ipv6Addr::from(ip.0)) }
    }
}

impl From<IpAddr> for Ip {
    fn from(addr: IpAddr) -> Ip {
        match addr {
            IpAddr::V4(v4) => Ip::v4(v4.octets()),
            IpAddr::V6(v6) => Ip::v6(v6.octets()),
        }
    }
}

impl FromStr for Ip {
    type Err = std::net::AddrParseError;
    fn from_str(text: &str) -> Result<Ip, Self::Err> {
        text.parse::<IpAddr>().map(Ip::from)
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_v4() {
            return IpAddr::from(*self).fmt(f);
        }
        // Addresses are a good part of a report; this takes a third of the standard library's time.
        let mut text = [b'.'; 15];
        let mut len = 0;
        for (index, octet) in (self.0 as u32).to_be_bytes().into_iter().enumerate() {
            len += usize::from(index > 0);
            for (least, digit) in [(100, octet / 100), (10, octet / 10 % 10), (0, octet % 10)] {
                if octet >= least {
                    text[len] = b'0' + digit;
                    len += 1;
                }
            }
        }
        f.pad(std::str::from_utf8(&text[..len]).unwrap_or_default())
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address and a port. Port 0 means the protocol has none (ICMP), and is not shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Endpoint {
    pub ip: Ip,
    pub port: u16,
}

impl Endpoint {
    pub const fn new(ip: Ip, port: u16) -> Endpoint {
        Endpoint { ip, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.ip.is_v4()) {
            (0, _) => write!(f, "{}", self.ip),
            (port, true) => write!(f, "{}:{port}", self.ip),
            (port, false) => write!(f, "[{}]:{port}", self.ip),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Transport protocol, by its number in the IP header (IANA protocol numbers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Icmp6,
    Other(u8),
}

impl Protocol {
    pub const fn number(self) -> u8 {
        match self {
            Protocol::Icmp => 1,
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Icmp6 => 58,
            Protocol::Other(number) => number,
        }
    }

    pub const fn from_number(number: u8) -> Protocol {
        match number {
            1 => Protocol::Icmp,
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            58 => Protocol::Icmp6,
            other => Protocol::Other(other),
        }
    }
}

/// A packet's 5-tuple: protocol, source and destination with ports. For ICMP echo both ports are 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Tuple {
    pub protocol: Protocol,
    pub src: Endpoint,
    pub dst: Endpoint,
}

impl Tuple {
    /// The same conversation, seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Tuple {
        Tuple { protocol: self.protocol, src: self.dst, dst: self.src }
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.src, self.dst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_written_as_the_report_wants_them() {
        let v4 = Endpoint::new(Ip::v4([10, 43, 7, 7]), 80);
        let v6 = Endpoint::new("fd00::7".parse().expect("v6"), 80);
        assert_eq!(v4.to_string(), "10.43.7.7:80");
        assert_eq!(v6.to_string(), "[fd00::7]:80");
        assert_eq!(Endpoint::new(v4.ip, 0).to_string(), "10.43.7.7");
    }

    #[test]
    fn kinds_of_addresses_are_those_of_the_standard_library() {
        for text in [
            "0.0.0.0",
            "0.0.0.1",
            "126.255.255.255",
            "127.0.0.1",
            "128.0.0.0",
            "169.253.255.255",
            "169.254.0.0",
            "169.254.255.255",
            "169.255.0.0",
            "223.255.255.255",
            "224.0.0.0",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "fe7f::",
            "fe80::",
            "febf:ffff::",
            "fec0::",
            "feff::",
            "ff00::",
            "ff02::1",
            "fd00::7",
            "10.43.7.7",
        ] {
            let ip: Ip = text.parse().expect(text);
            let (is_node_local, is_group) = match IpAddr::from(ip) {
                IpAddr::V4(v4) => (
                    v4.is_loopback() || v4.is_link_local(),
                    v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
                ),
                IpAddr::V6(v6) => {
                    (v6.is_loopback() || v6.is_unicast_link_local(), v6.is_multicast() || v6.is_unspecified())
                }
            };
            assert_eq!((ip.is_node_local(), ip.is_group()), (is_node_local, is_group), "{text}");
        }
    }

    #[test]
    fn an_address_survives_the_round_trip() {
        for text in ["0.0.0.0", "255.255.255.255", "1.20.100.9", "::1", "fd00:10:244::3"] {
            assert_eq!(text.parse::<Ip>().expect(text).to_string(), text);
        }
    }
}
