//! What goes over the wire: HTTP and DNS messages, and bytes of no meaning.

use crate::random::Random;

/// Makes messages; their bodies are cut out of one piece of text.
pub(crate) struct Messages {
    filler: Vec<u8>,
}

impl Messages {
    pub(crate) fn new(random: &mut Random) -> Messages {
        Messages { filler: (0..256 * 1024).map(|_| b'a' + random.between(0, 26) as u8).collect() }
    }

    pub(crate) fn bytes(&self, low: u64, high: u64, random: &mut Random) -> &[u8] {
        let len = random.log_between(low, high) as usize;
        let start = random.between(0, (self.filler.len() - len) as u64) as usize;
        &self.filler[start..start + len]
    }

    pub(crate) fn request(&self, service: u64, random: &mut Random) -> Vec<u8> {
        let body = if random.chance(150) { self.bytes(200, 4000, random) } else { &[] };
        let cookie = String::from_utf8_lossy(self.bytes(10, 150, random));
        let (method, length) = match body.len() {
            0 => ("GET", String::new()),
            len => ("POST", format!("Content-Length: {len}\r\n")),
        };
        let head = format!(
            "{method} /items/{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: shop/1.0\r\nAccept: */*\r\n{length}Cookie: id={cookie}\r\n\r\n",
            random.between(0, 100_000),
            service_name(service),
        );
        [head.as_bytes(), body].concat()
    }

    pub(crate) fn answer(&self, random: &mut Random) -> Vec<u8> {
        let status = match random.between(0, 100) {
            0 => "503 Service Unavailable",
            1 | 2 => "404 Not Found",
            _ => "200 OK",
        };
        let body = self.bytes(400, 100_000, random);
        let (framing, body) = if random.chance(100) {
            ("Transfer-Encoding: chunked".to_owned(), chunked(body))
        } else {
            (format!("Content-Length: {}", body.len()), body.to_vec())
        };
        let head =
            format!("HTTP/1.1 {status}\r\nServer: shop\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n");
        [head.into_bytes(), body].concat()
    }
}

/// A request from outside, and its answer.
pub(crate) struct Ask {
    pub(crate) number: u64,
    pub(crate) is_upgrade: bool,
}

impl Ask {
    fn head(&self) -> String {
        let upgrade = if self.is_upgrade {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        } else {
            ""
        };
        format!(
            "GET /orders/{} HTTP/1.1\r\nHost: shop.example.test\r\nUser-Agent: shop/1.0\r\nAccept: */*\r\n{upgrade}",
            self.number
        )
    }

    pub(crate) fn by_client(&self) -> Vec<u8> {
        format!("{}\r\n", self.head()).into_bytes()
    }

    /// With what HAProxy's `option forwardfor` adds.
    pub(crate) fn by_haproxy(&self, client: [u8; 4]) -> Vec<u8> {
        format!("{}x-forwarded-for: {}\r\n\r\n", self.head(), dotted(client)).into_bytes()
    }

    /// With what Traefik sets, where it trusts HAProxy.
    pub(crate) fn by_traefik(&self, client: [u8; 4], haproxy: [u8; 4]) -> Vec<u8> {
        let (client, haproxy) = (dotted(client), dotted(haproxy));
        format!(
            "{}X-Forwarded-For: {client}, {haproxy}\r\nX-Forwarded-Host: shop.example.test\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Server: traefik\r\nX-Real-Ip: {haproxy}\r\nAccept-Encoding: gzip\r\n\r\n",
            self.head()
        )
        .into_bytes()
    }

    /// The same bytes for the same number.
    pub(crate) fn answer(&self, messages: &Messages, random: &mut Random) -> Vec<u8> {
        if self.is_upgrade {
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            return head.as_bytes().to_vec();
        }
        let body = if self.number == 0 { &messages.filler[..600] } else { messages.bytes(200, 4000, random) };
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: shop\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

fn dotted([a, b, c, d]: [u8; 4]) -> String {
    format!("{a}.{b}.{c}.{d}")
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks =
        body.chunks(4096).map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    chunks.chain([b"0\r\n\r\n".to_vec()]).collect::<Vec<_>>().concat()
}

pub(crate) fn service_name(service: u64) -> String {
    format!("service-{service}.shop.svc")
}

/// A query, or an answer with the address in it, if there is one.
pub(crate) fn dns(id: u16, name: &str, kind: u16, answer: Option<&[u8]>) -> Vec<u8> {
    let flags: u16 = if answer.is_some() { 0x8180 } else { 0x0100 };
    let address = answer.filter(|address| !address.is_empty());
    let header = [id, flags, 1, u16::from(address.is_some()), 0, 0];
    let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend([kind, 1].iter().flat_map(|word| word.to_be_bytes()));
    if let Some(address) = address {
        let record = [0xc00c, kind, 1, 0, 5, address.len() as u16];
        bytes.extend(record.iter().flat_map(|word| word.to_be_bytes()));
        bytes.extend(address);
    }
    bytes
}
