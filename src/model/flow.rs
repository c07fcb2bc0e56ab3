//! Which connections the kernel is asked to trace.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use crate::model::{Protocol, Tuple};

/// One end of the connections that are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowEnd {
    /// Any address where there is none.
    pub net: Option<IpNet>,
    /// Any port where there is none.
    pub port: Option<u16>,
}

/// Connections by their ends, as conntrack knows them: client, dialled address and the endpoint behind it.
/// `Display` and `FromStr` are
/// each other's inverse: `6,10.244.1.21/32:*,10.43.7.7/32:80,*:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPattern {
    pub protocol: Protocol,
    pub client: FlowEnd,
    pub target: FlowEnd,
    pub server: FlowEnd,
}

impl FlowEnd {
    /// Whether it leaves everything open.
    pub const fn is_any(&self) -> bool {
        self.net.is_none() && self.port.is_none()
    }

    /// Whether it says something of its address, and of which family: `true` for IPv4.
    pub fn is_v4(&self) -> Option<bool> {
        self.net.map(|net| matches!(net, IpNet::V4(_)))
    }
}

impl FlowPattern {
    /// Every connection of a protocol.
    pub fn any(protocol: Protocol) -> FlowPattern {
        let open = FlowEnd::default();
        FlowPattern { protocol, client: open, target: open, server: open }
    }

    /// Just the connection of this 5-tuple, client to server.
    pub fn exactly(tuple: Tuple) -> FlowPattern {
        let end = |endpoint: crate::model::Endpoint| FlowEnd {
            net: Some(IpNet::from(std::net::IpAddr::from(endpoint.ip))),
            port: (endpoint.port > 0).then_some(endpoint.port),
        };
        FlowPattern { client: end(tuple.src), target: end(tuple.dst), ..FlowPattern::any(tuple.protocol) }
    }

    pub const fn ends(&self) -> [FlowEnd; 3] {
        [self.client, self.target, self.server]
    }

    /// Whether it says which connections at all.
    pub fn is_narrow(&self) -> bool {
        !self.ends().iter().all(FlowEnd::is_any)
    }

    /// Whether its addresses are of one family.
    pub fn is_consistent(&self) -> bool {
        let mut families = self.ends().into_iter().filter_map(|end| end.is_v4());
        let first = families.next();
        families.all(|family| Some(family) == first)
    }
}

impl fmt::Display for FlowEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.net {
            Some(net) => write!(f, "{net}:")?,
            None => f.write_str("*:")?,
        }
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("*"),
        }
    }
}

impl FromStr for FlowEnd {
    type Err = ();

    fn from_str(text: &str) -> Result<FlowEnd, ()> {
        let (net, port) = text.rsplit_once(':').ok_or(())?;
        let any = |text: &str| text == "*";
        Ok(FlowEnd {
            net: if any(net) { None } else { Some(net.parse().map_err(drop)?) },
            port: if any(port) { None } else { Some(port.parse().map_err(drop)?) },
        })
    }
}

impl fmt::Display for FlowPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.protocol.number(), self.client, self.target, self.server)
    }
}

impl FromStr for FlowPattern {
    type Err = ();

    fn from_str(text: &str) -> Result<FlowPattern, ()> {
        let mut parts = text.split(',');
        let mut next = || parts.next().ok_or(());
        let protocol = Protocol::from_number(next()?.parse().map_err(drop)?);
        let pattern = FlowPattern {
            protocol,
            client: next()?.parse()?,
            target: next()?.parse()?,
            server: next()?.parse()?,
        };
        if parts.next().is_some() || !pattern.is_consistent() || !pattern.is_narrow() {
            return Err(());
        }
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Ip};

    #[test]
    fn what_was_written_is_read_again() {
        let tuple = Tuple {
            protocol: Protocol::Tcp,
            src: Endpoint::new(Ip::v4([10, 244, 1, 21]), 40_001),
            dst: Endpoint::new(Ip::v4([10, 43, 7, 7]), 80),
        };
        let exact = FlowPattern::exactly(tuple);
        assert_eq!(exact.to_string(), "6,10.244.1.21/32:40001,10.43.7.7/32:80,*:*");
        let six: FlowPattern = "17,*:*,*:*,fd00::/64:53".parse().expect("a pattern");
        for pattern in [exact, six] {
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }

    #[test]
    fn what_says_nothing_or_cannot_be_is_refused() {
        for text in [
            "",
            "6",
            "6,*:*,*:*,*:*",
            "6,10.0.0.1/32:1,fd00::1/128:2,*:*",
            "6,*:1,*:2,*:3,*:4",
            "x,*:1,*:*,*:*",
        ] {
            assert_eq!(text.parse::<FlowPattern>(), Err(()), "{text}");
        }
    }
}
