//! A TLS client hello's server name and application protocol (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301).

use super::clean;

/// What a client hello says in clear text, cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hello {
    /// The server name it asks for.
    pub sni: Option<Box<str>>,
    /// The application protocol it likes best: `h2`, `http/1.1`.
    pub alpn: Option<Box<str>>,
}

/// Whether `bytes`, perhaps only the first few, begin with a TLS handshake record.
pub fn looks_like_hello(bytes: &[u8]) -> bool {
    match *bytes {
        [0x16] | [0x16, 3] => true,
        [0x16, 3, version, ..] => version <= 4,
        _ => false,
    }
}

/// Reads a client hello at the start of `bytes`. What the capture cut off is absent; `None` where this is no
/// client hello.
pub fn client_hello(bytes: &[u8]) -> Option<Hello> {
    const CLIENT_HELLO: u8 = 1;
    let mut record = Walker(bytes);
    if !looks_like_hello(bytes) || record.take(5).is_none() || record.u8()? != CLIENT_HELLO {
        return None;
    }
    let mut hello = Hello::default();
    // The hello's own length is not needed: the walk ends with the bytes.
    let _ = extensions(&mut record).map(|extensions| read_extensions(extensions, &mut hello));
    Some(hello)
}

/// Steps over length, version, random, session id, cipher suites and compression methods.
fn extensions<'a>(hello: &mut Walker<'a>) -> Option<Walker<'a>> {
    hello.take(3 + 2 + 32)?;
    let session_id = hello.u8()?;
    hello.take(session_id.into())?;
    let cipher_suites = hello.u16()?;
    hello.take(cipher_suites.into())?;
    let compression = hello.u8()?;
    hello.take(compression.into())?;
    let len = hello.u16()?;
    Some(hello.up_to(len.into()))
}

fn read_extensions(mut extensions: Walker<'_>, hello: &mut Hello) -> Option<()> {
    const SERVER_NAME: u16 = 0;
    const ALPN: u16 = 16;
    loop {
        let kind = extensions.u16()?;
        let len = extensions.u16()?;
        let mut body = Walker(extensions.take(len.into())?);
        match kind {
            // The list's length and the name's type, of which there is one, come first.
            SERVER_NAME => hello.sni = body.take(3).and_then(|_| body.u16()).and_then(|len| body.text(len)),
            ALPN => hello.alpn = body.take(2).and_then(|_| body.u8()).and_then(|len| body.text(len.into())),
            _ => {}
        }
    }
}

struct Walker<'a>(&'a [u8]);

impl<'a> Walker<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn up_to(&self, len: usize) -> Walker<'a> {
        Walker(&self.0[..len.min(self.0.len())])
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn text(&mut self, len: u16) -> Option<Box<str>> {
        self.take(len.into()).filter(|text| !text.is_empty()).map(clean)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes(), &(body.len() as u16).to_be_bytes(), body].concat()
    }

    fn built(extensions: &[Vec<u8>]) -> Vec<u8> {
        let extensions = extensions.concat();
        let mut body = [&[3, 3][..], &[7; 32], &[2, 8, 9], &[0, 4, 0x13, 1, 0x13, 2], &[1, 0]].concat();
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let len = (body.len() as u32).to_be_bytes();
        let record = (body.len() as u16 + 4).to_be_bytes();
        [&[0x16, 3, 1][..], &record, &[1], &len[1..], &body].concat()
    }

    fn shop() -> Vec<u8> {
        let sni = extension(0, b"\x00\x0b\x00\x00\x08mix.shop");
        let alpn = extension(16, b"\x00\x0c\x02h2\x08http/1.1");
        built(&[extension(0x0a0a, b""), sni, extension(43, b"\x02\x03\x04"), alpn])
    }

    #[test]
    fn a_hello_is_read_as_far_as_it_was_captured() {
        let bytes = shop();
        let whole = Hello { sni: Some("mix.shop".into()), alpn: Some("h2".into()) };
        assert_eq!(client_hello(&bytes), Some(whole.clone()));
        for cut in 0..bytes.len() {
            let Some(hello) = client_hello(&bytes[..cut]) else {
                assert!(cut < 6, "cut at {cut}");
                continue;
            };
            assert!(hello.sni.is_none() || hello.sni == whole.sni, "cut at {cut}");
            assert!(hello.alpn.is_none() || hello.alpn == whole.alpn, "cut at {cut}");
        }
        let before_alpn = bytes.len() - b"\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1".len();
        assert_eq!(client_hello(&bytes[..before_alpn]), Some(Hello { alpn: None, ..whole }));
    }

    #[test]
    fn what_is_shown_of_it_is_clean() {
        let bytes = built(&[extension(0, b"\x00\x07\x00\x00\x04a\x1b[m")]);
        assert_eq!(client_hello(&bytes).and_then(|hello| hello.sni).as_deref(), Some("a␛[m"));
    }

    #[test]
    fn other_records_are_no_hello() {
        assert_eq!(client_hello(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"), None);
        assert_eq!(client_hello(b"\x17\x03\x03\x00\x04\x01\x00\x00\x00"), None);
        assert_eq!(client_hello(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = client_hello(&bytes);
            let _ = client_hello(&[&[0x16, 3, 1, 0, 0, 1][..], &bytes].concat());
        }

        #[test]
        fn changed_hellos_never_panic(at in 0usize..120, byte: u8) {
            let mut bytes = shop();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = client_hello(&bytes);
        }
    }
}
