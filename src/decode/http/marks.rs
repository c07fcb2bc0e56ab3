//! What a request's head says about where it came from: client addresses, names of the request, proxies.

use std::net::{IpAddr, SocketAddr};

use crate::decode::clean;
use crate::model::{Endpoint, Ip, Marks, Proxy, RequestId};

/// Ids kept of one head.
const MAX_IDS: usize = 4;
/// The longest id, in bytes: none of the usual ones is half as long.
const MAX_ID: usize = 128;
/// Forwarded addresses kept of one head, the last ones: those that the nearest proxies wrote.
const MAX_FORWARDED: usize = 4;

/// Which part of an id's value stays the same when a proxy adds its own span.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Whole,
    /// The part of this index between these bytes.
    Part(u8, usize),
    /// The value of this key in a `;` list.
    Key(&'static [u8]),
}

/// Headers that name a request, by name.
const IDS: [(&str, Kept); 19] = [
    // W3C Trace Context §3.2: version-traceid-parentid-flags.
    ("traceparent", Kept::Part(b'-', 1)),
    ("x-request-id", Kept::Whole),
    ("x-correlation-id", Kept::Whole),
    ("x-unique-id", Kept::Whole),
    ("request-id", Kept::Whole),
    ("correlation-id", Kept::Whole),
    ("x-trace-id", Kept::Whole),
    ("x-transaction-id", Kept::Whole),
    // The load balancer's own id is added as `Self=…`.
    ("x-amzn-trace-id", Kept::Key(b"Root=")),
    ("x-amz-cf-id", Kept::Whole),
    ("x-b3-traceid", Kept::Whole),
    // traceid-spanid-sampled-parentid.
    ("b3", Kept::Part(b'-', 0)),
    // traceid:spanid:parentid:flags.
    ("uber-trace-id", Kept::Part(b':', 0)),
    // traceid/spanid;o=flags.
    ("x-cloud-trace-context", Kept::Part(b'/', 0)),
    ("x-datadog-trace-id", Kept::Whole),
    // traceid-spanid-sampled.
    ("sentry-trace", Kept::Part(b'-', 0)),
    ("x-azure-ref", Kept::Whole),
    ("x-arr-log-id", Kept::Whole),
    ("cf-ray", Kept::Whole),
];

/// Marks while a head's fields are gone through.
#[derive(Debug, Default)]
pub(in crate::decode) struct Marking {
    /// Allocated where there is something to say.
    marks: Option<Box<Marks>>,
    /// The last client that was forwarded, where its port was too.
    forwarded: Option<Endpoint>,
    has_forwarded_server: bool,
    has_forwarded_port: bool,
}

impl Marking {
    /// Takes what a header field says.
    pub(in crate::decode) fn note(&mut self, name: &str, value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("x-forwarded-for") {
            value.split(|&byte| byte == b',').for_each(|node| self.forward(node));
        } else if is("forwarded") {
            forwarded_nodes(value).for_each(|node| self.forward(node));
        } else if is("x-real-ip") {
            if let Some((ip, _)) = address(value) {
                self.marks().real_ip = Some(ip);
            }
        } else if is("x-forwarded-server") {
            self.has_forwarded_server = true;
        } else if is("x-forwarded-port") {
            self.has_forwarded_port = true;
        } else if is("via") {
            self.note_agent(via(value));
        } else if starts_with(name, "x-traefik-") {
            self.note_agent(Proxy::Traefik);
        } else if starts_with(name, "x-haproxy-") {
            self.note_agent(Proxy::Haproxy);
        } else if let Some((known, kept)) = IDS.iter().find(|(known, _)| is(known)) {
            self.note_id(known, part(value, *kept));
        }
    }

    pub(in crate::decode) fn finish(mut self) -> Option<Box<Marks>> {
        // Other proxies write one or the other of these; Traefik writes all three, if there was none before.
        let real_ip = self.marks.as_ref().is_some_and(|marks| marks.real_ip.is_some());
        if real_ip && self.has_forwarded_server && self.has_forwarded_port {
            self.note_agent(Proxy::Traefik);
        }
        if self.forwarded.is_some() {
            self.marks().named = self.forwarded;
        }
        self.marks
    }

    fn marks(&mut self) -> &mut Marks {
        self.marks.get_or_insert_default()
    }

    fn forward(&mut self, node: &[u8]) {
        let Some((ip, port)) = address(node) else { return };
        let marks = self.marks();
        if marks.forwarded_for.len() >= MAX_FORWARDED {
            marks.forwarded_for.remove(0);
        }
        marks.forwarded_for.push(ip);
        self.forwarded = port.map(|port| Endpoint::new(ip, port));
    }

    /// A proxy further on adds its own mark behind, so the last one counts.
    fn note_agent(&mut self, agent: Proxy) {
        if agent != Proxy::Unknown {
            self.marks().agent = agent;
        }
    }

    fn note_id(&mut self, header: &str, value: &[u8]) {
        let value = value.trim_ascii();
        if value.is_empty() || value.len() > MAX_ID {
            return;
        }
        let marks = self.marks();
        marks.named = marks.named.or_else(|| named_by_haproxy(value));
        if marks.ids.len() < MAX_IDS {
            marks.ids.push(RequestId { header: header.into(), value: clean(value) });
        }
    }
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// The part of an id that stays the same on the way.
fn part(value: &[u8], kept: Kept) -> &[u8] {
    let nth = |separator: u8, index: usize| value.split(move |&byte| byte == separator).nth(index);
    match kept {
        Kept::Whole => value,
        Kept::Part(separator, index) => nth(separator, index).unwrap_or_default(),
        Kept::Key(key) => value
            .split(|&byte| byte == b';')
            .find_map(|field| field.trim_ascii().strip_prefix(key))
            .unwrap_or_default(),
    }
}

/// The `for` of each element of a Forwarded field (RFC 7239 §4).
fn forwarded_nodes(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A node's name has no comma or semicolon, quoted or not (RFC 7239 §6).
    value.split(|&byte| matches!(byte, b',' | b';')).filter_map(|pair| {
        let (key, node) = pair.trim_ascii().split_at_checked(4)?;
        key.eq_ignore_ascii_case(b"for=").then_some(node)
    })
}

/// An address, perhaps quoted or in brackets, and its port if there is one; obfuscated names and `unknown` are none.
fn address(node: &[u8]) -> Option<(Ip, Option<u16>)> {
    let node = std::str::from_utf8(node).ok()?.trim().trim_matches('"');
    let bare = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(node);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some((ip.into(), None));
    }
    bare.parse::<SocketAddr>().ok().map(|socket| (socket.ip().into(), Some(socket.port())))
}

/// The client of an id in the form that HAProxy's manual gives (`unique-id-format`):
/// `%{+X}o\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid`, of which only IPv4 addresses are in hexadecimal.
fn named_by_haproxy(id: &[u8]) -> Option<Endpoint> {
    let mut parts = std::str::from_utf8(id).ok()?.split('_');
    let client = hexadecimal_end(parts.next()?)?;
    // The address that was asked stands behind it: then it is no other id that looks like that.
    hexadecimal_end(parts.next()?)?;
    parts.next().map(|_| client)
}

fn hexadecimal_end(text: &str) -> Option<Endpoint> {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (ip, port) =
        text.split_once(':').filter(|(ip, port)| ip.len() == 8 && is_number(ip) && is_number(port))?;
    let ip = u32::from_str_radix(ip, 16).ok()?;
    Some(Endpoint::new(Ip::v4(ip.to_be_bytes()), u16::from_str_radix(port, 16).ok()?))
}

/// The kind of the last proxy of a Via field whose name gives it away (RFC 9110 §7.6.3).
fn via(value: &[u8]) -> Proxy {
    value.split(|&byte| byte == b',').fold(Proxy::Unknown, |agent, element| {
        let mut words = element.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match words.nth(1) {
            Some(name) if name.eq_ignore_ascii_case(b"haproxy") => Proxy::Haproxy,
            Some(name) if name.eq_ignore_ascii_case(b"traefik") => Proxy::Traefik,
            _ => agent,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::http::{Head, head};

    fn marks(fields: &str) -> Option<Box<Marks>> {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        match head(bytes.as_bytes()) {
            Head::Request(request) => request.marks,
            other => panic!("{other:?}"),
        }
    }

    fn ips(texts: &[&str]) -> Vec<Ip> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        let forwarded = |fields: &str| marks(fields).expect(fields).forwarded_for.to_vec();
        assert_eq!(
            forwarded("X-Forwarded-For: 203.0.113.9, 10.0.0.1:81\r\nx-forwarded-for: [2001:db8::1]:4711\r\n"),
            ips(&["203.0.113.9", "10.0.0.1", "2001:db8::1"])
        );
        assert_eq!(
            forwarded(
                "Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43, For=\"[2001:db8:cafe::17]\"\r\n"
            ),
            ips(&["192.0.2.60", "2001:db8:cafe::17"])
        );
        assert_eq!(forwarded("X-Forwarded-For: 1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5\r\n").len(), 4);
        assert_eq!(
            marks("X-Real-Ip: 203.0.113.9\r\n").expect("marks").real_ip,
            Some(ips(&["203.0.113.9"])[0])
        );
        assert_eq!(marks("Forwarded: for=_hidden, for=unknown;by=10.0.0.1\r\nX-Forwarded-For: me\r\n"), None);
    }

    #[test]
    fn ids_keep_what_no_proxy_changes() {
        let id = |field: &str| {
            let ids = marks(&format!("{field}\r\n")).map(|marks| marks.ids).unwrap_or_default();
            ids.first().map(|id| format!("{} {}", id.header, id.value))
        };
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            id(&format!("Traceparent: 00-{trace}-00f067aa0ba902b7-01")),
            Some(format!("traceparent {trace}"))
        );
        assert_eq!(id(&format!("b3: {trace}-e457b5a2e4d86bd1-1")), Some(format!("b3 {trace}")));
        assert_eq!(id(&format!("uber-trace-id: {trace}:1:0:1")), Some(format!("uber-trace-id {trace}")));
        assert_eq!(
            id("X-Amzn-Trace-Id: Self=1-6;Root=1-5759e988-bd862e3fe;Sampled=1").as_deref(),
            Some("x-amzn-trace-id 1-5759e988-bd862e3fe")
        );
        assert_eq!(id("X-Request-ID:  7f3a\u{202e} ").as_deref(), Some("x-request-id 7f3a\u{fffd}"));
        assert_eq!(id("X-Request-Id: "), None);
        assert_eq!(id(&format!("X-Request-Id: {}", "x".repeat(129))), None);
        let many = IDS.map(|(name, _)| format!("{name}: a-b:c/d\r\n")).concat();
        assert_eq!(marks(&many).expect("marks").ids.len(), MAX_IDS);
    }

    #[test]
    fn a_client_is_named_with_its_port_where_a_proxy_does() {
        let named = |field: &str| {
            let marks = marks(&format!("{field}\r\n"))?;
            marks.named.map(|client| client.to_string())
        };
        assert_eq!(
            named("X-Unique-ID: AC1F094D:AED8_C0A83264:1F94_6742A1B3_0007:1A2B").as_deref(),
            Some("172.31.9.77:44760")
        );
        assert_eq!(
            named("Forwarded: for=10.0.0.1, for=\"[2001:db8::1]:4711\"").as_deref(),
            Some("[2001:db8::1]:4711")
        );
        for other in ["AC1F094D:AED8", "AC1F094D:AED8_stock_1", "+C1F094D:1_C0A83264:1_1", "7f3a_1:2_3"] {
            assert_eq!(named(&format!("X-Request-ID: {other}")), None, "{other}");
        }
        assert_eq!(named("X-Forwarded-For: 10.0.0.1"), None);
        assert_eq!(named("X-Forwarded-For: 10.0.0.1:81, 10.0.0.2"), None, "the last one counts");
    }

    #[test]
    fn a_proxy_is_named_only_by_what_is_its_own() {
        let agent = |fields: &str| marks(fields).map_or(Proxy::Unknown, |marks| marks.agent);
        let own = "X-Forwarded-Port: 80\r\nX-Forwarded-Server: kappa2\r\nX-Real-Ip: 203.0.113.9\r\n";
        assert_eq!(agent(own), Proxy::Traefik);
        assert_eq!(agent("X-Forwarded-Server: kappa2\r\nX-Forwarded-For: 10.0.0.1\r\n"), Proxy::Unknown);
        assert_eq!(agent("Via: 1.1 edge, 1.1 haproxy\r\n"), Proxy::Haproxy);
        assert_eq!(agent("Via: 1.1 haproxy.example\r\n"), Proxy::Unknown);
        assert_eq!(agent("X-Haproxy-Server-State: UP 2/3\r\n"), Proxy::Haproxy);
        assert_eq!(marks("Accept: */*\r\nUser-Agent: traefik\r\n"), None);
    }
}
