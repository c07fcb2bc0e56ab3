//! What a TLS connection's hellos say in clear text: names, versions, application protocols (RFC 8446 §4.1,
//! RFC 6066 §3, RFC 7301).

use super::clean;
use crate::model::TlsVersion;

/// Application protocols kept of one hello.
const MAX_ALPN: usize = 8;
const RECORD_HEADER: usize = 5;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// What a client hello says in clear text, cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The server name it asks for.
    pub sni: Option<Box<str>>,
    /// The application protocols it offers, the one it likes best first: `h2`, `http/1.1`.
    pub alpn: Vec<Box<str>>,
}

/// What a server hello says in clear text, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// `None` where the capture cut the hello before it was sure.
    pub version: Option<TlsVersion>,
    /// The application protocol it agrees to; TLS 1.3 encrypts that.
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

/// The length of the record that `bytes` begin with, its header included; `None` where the header is cut.
pub fn record_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<RECORD_HEADER>()?;
    Some(RECORD_HEADER + usize::from(u16::from_be_bytes([header[3], header[4]])))
}

/// Reads a client hello at the start of `bytes`. What the capture cut off is absent; `None` where this is no
/// client hello.
pub fn client_hello(bytes: &[u8]) -> Option<ClientHello> {
    const CLIENT_HELLO: u8 = 1;
    let mut message = handshake(bytes, CLIENT_HELLO)?;
    let mut hello = ClientHello::default();
    // The hello's own length is not needed: the walk ends with the bytes.
    let _ = skip_to_client_extensions(&mut message).and_then(|()| {
        each_extension(&mut message, |kind, mut body| match kind {
            // The list's length and the name's type, of which there is one, come first.
            SERVER_NAME => hello.sni = body.take(3).and_then(|_| body.u16()).and_then(|len| body.text(len)),
            ALPN => hello.alpn = body.alpn(),
            _ => {}
        })
    });
    Some(hello)
}

/// Reads a server hello at the start of `bytes`; `None` where this is none.
pub fn server_hello(bytes: &[u8]) -> Option<ServerHello> {
    const SERVER_HELLO: u8 = 2;
    let mut message = handshake(bytes, SERVER_HELLO)?;
    let mut hello = ServerHello { version: None, alpn: None };
    let mut old_version = None;
    let is_whole = skip_to_server_extensions(&mut message, &mut old_version).and_then(|()| {
        // Old servers send no extensions.
        if message.0.is_empty() {
            return Some(());
        }
        each_extension(&mut message, |kind, mut body| match kind {
            // TLS 1.3 says its version here, and 1.2 in the old place (RFC 8446 §4.2.1).
            SUPPORTED_VERSIONS => hello.version = body.u16().map(TlsVersion),
            ALPN => hello.alpn = body.alpn().pop(),
            _ => {}
        })
    });
    if is_whole.is_some() {
        hello.version = hello.version.or(old_version);
    }
    Some(hello)
}

/// The handshake message of `kind` that the first record begins with, behind its kind and up to its own end.
fn handshake(bytes: &[u8], kind: u8) -> Option<Walker<'_>> {
    let len = record_len(bytes).filter(|_| looks_like_hello(bytes))?;
    let mut record = Walker(&bytes[RECORD_HEADER..bytes.len().min(len)]);
    if record.u8()? != kind {
        return None;
    }
    let Some(&[a, b, c]) = record.take(3).and_then(|len| len.first_chunk::<3>()) else {
        return Some(Walker(&[]));
    };
    Some(record.up_to(u32::from_be_bytes([0, a, b, c]) as usize))
}

/// Steps over version, random, session id, cipher suites and compression methods.
fn skip_to_client_extensions(message: &mut Walker<'_>) -> Option<()> {
    message.take(2 + 32)?;
    let session_id = message.u8()?;
    message.take(session_id.into())?;
    let cipher_suites = message.u16()?;
    message.take(cipher_suites.into())?;
    let compression = message.u8()?;
    message.take(compression.into()).map(|_| ())
}

/// Reads the version and steps over random, session id, cipher suite and compression method.
fn skip_to_server_extensions(message: &mut Walker<'_>, version: &mut Option<TlsVersion>) -> Option<()> {
    *version = Some(TlsVersion(message.u16()?));
    message.take(32)?;
    let session_id = message.u8()?;
    message.take(usize::from(session_id) + 3).map(|_| ())
}

/// Goes through a hello's extensions; `None` where they are cut off, or do not fit together.
fn each_extension<'a>(message: &mut Walker<'a>, mut each: impl FnMut(u16, Walker<'a>)) -> Option<()> {
    let len = message.u16()?;
    let is_whole = message.0.len() >= usize::from(len);
    let mut extensions = message.up_to(len.into());
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let len = extensions.u16()?;
        each(kind, Walker(extensions.take(len.into())?));
    }
    is_whole.then_some(())
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

    /// A list of application protocols behind its length.
    fn alpn(&mut self) -> Vec<Box<str>> {
        let mut names = Vec::new();
        let _ = self.take(2);
        while let Some(name) = self.u8().and_then(|len| self.text(len.into())) {
            if names.len() < MAX_ALPN {
                names.push(name);
            }
        }
        names
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
        let whole = ClientHello { sni: Some("mix.shop".into()), alpn: vec!["h2".into(), "http/1.1".into()] };
        assert_eq!(client_hello(&bytes), Some(whole.clone()));
        for cut in 0..bytes.len() {
            let Some(hello) = client_hello(&bytes[..cut]) else {
                assert!(cut < 6, "cut at {cut}");
                continue;
            };
            assert!(hello.sni.is_none() || hello.sni == whole.sni, "cut at {cut}");
            assert!(hello.alpn.is_empty() || hello.alpn == whole.alpn, "cut at {cut}");
        }
        let before_alpn = bytes.len() - b"\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1".len();
        assert_eq!(client_hello(&bytes[..before_alpn]), Some(ClientHello { alpn: vec![], ..whole }));
    }

    fn answer(version: u16, extensions: Option<&[Vec<u8>]>) -> Vec<u8> {
        let mut body = [&version.to_be_bytes()[..], &[7; 32], &[2, 8, 9], &[0x13, 1, 0]].concat();
        if let Some(extensions) = extensions {
            let extensions = extensions.concat();
            body.extend((extensions.len() as u16).to_be_bytes());
            body.extend(extensions);
        }
        let len = (body.len() as u32).to_be_bytes();
        let record = (body.len() as u16 + 4).to_be_bytes();
        [&[0x16, 3, 3][..], &record, &[2], &len[1..], &body].concat()
    }

    #[test]
    fn a_server_hello_tells_what_was_agreed_on() {
        let read = |bytes: &[u8]| {
            let hello = server_hello(bytes)?;
            Some((hello.version?.to_string(), hello.alpn.as_deref().map(str::to_owned)))
        };
        let new = answer(0x0303, Some(&[extension(51, b"key"), extension(43, b"\x03\x04")]));
        assert_eq!(read(&new), Some(("TLS 1.3".to_owned(), None)));
        let old = answer(0x0303, Some(&[extension(16, b"\x00\x03\x02h2")]));
        assert_eq!(read(&old), Some(("TLS 1.2".to_owned(), Some("h2".to_owned()))));
        assert_eq!(read(&answer(0x0301, None)), Some(("TLS 1.0".to_owned(), None)));
        let mut followed = [&old[..], b"\x0b\0\0\0"].concat();
        followed[4] += 4;
        assert_eq!(read(&followed), read(&old), "another message in the same record");
        for cut in 0..new.len() {
            let is_whole_without_extensions = cut == new.len() - 2 - 7 - 6;
            assert!(read(&new[..cut]).is_none() || is_whole_without_extensions, "cut at {cut}");
        }
        assert_eq!(read(&shop()), None);
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
            let _ = client_hello(&[&[0x16, 3, 1, 0, 200, 1][..], &bytes].concat());
            let _ = server_hello(&[&[0x16, 3, 1, 0, 200, 2][..], &bytes].concat());
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
