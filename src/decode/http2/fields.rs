//! What a header block says of its request or answer (RFC 9113 §8.3).

use super::hpack::Table;
use crate::decode::http::Marking;
use crate::decode::{clean, extend_digest};
use crate::model::Marks;

/// The state of one way's header compression.
#[derive(Debug)]
pub struct Fields(Table);

/// A request's or an answer's head, or the trailers behind it; texts are cleaned. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub method: Option<Box<str>>,
    pub path: Option<Box<str>>,
    pub host: Option<Box<str>>,
    pub status: Option<u16>,
    /// Of a redirection (3xx): where the client is to go on.
    pub location: Option<Box<str>>,
    /// How a gRPC call ended; it is in the trailers, or in the head of an answer that has nothing else.
    pub grpc_status: Option<u16>,
    pub marks: Option<Box<Marks>>,
}

impl Fields {
    /// The state at a connection's begin; with `is_partial` that of a connection caught in the middle.
    pub fn new(is_partial: bool) -> Fields {
        Fields(Table::new(is_partial))
    }

    /// A block was missed: what it changed is unknown.
    pub fn forget(&mut self) {
        self.0.forget();
    }

    /// Reads a whole header block. One that is malformed is read up to there.
    pub fn head(&mut self, block: &[u8]) -> Head {
        let mut head = Head::default();
        let mut marking = Marking::default();
        // Where a field comes twice against the rules, the first one counts, as in front of a cut.
        let read = self.0.read(block, &mut |name, value| match name {
            b":method" => set(&mut head.method, || Some(clean(value))),
            b":path" => set(&mut head.path, || Some(clean(value))),
            b":authority" | b"host" => set(&mut head.host, || Some(clean(value))),
            b":status" => {
                set(&mut head.status, || number(value).filter(|status| (100..1000).contains(status)));
            }
            b"location" => set(&mut head.location, || Some(clean(value))),
            b"grpc-status" => set(&mut head.grpc_status, || number(value)),
            _ => {
                if let Ok(name) = std::str::from_utf8(name) {
                    marking.note(name, value);
                }
            }
        });
        head.location = head.location.filter(|_| head.status.is_some_and(|status| status / 100 == 3));
        head.marks = marking.finish();
        if read.is_ok() && head.method.is_some() {
            extend_digest(&mut head.marks.get_or_insert_default().request_head, block);
        }
        head
    }
}

fn set<T>(known: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if known.is_none() {
        *known = value();
    }
}

fn number(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A literal field that adds nothing to the table.
    fn field(name: &str, value: &str) -> Vec<u8> {
        [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
    }

    #[test]
    fn a_head_is_read_and_cleaned() {
        let block = [
            field(":method", "POST"),
            field(":path", "/shop.Orders/Place\u{1b}"),
            field(":authority", "mix.shop"),
            field("host", "other.shop"),
            field("x-request-id", "7f3a"),
        ]
        .concat();
        let head = Fields::new(false).head(&block);
        assert_eq!(head.method.as_deref(), Some("POST"));
        assert_eq!(head.path.as_deref(), Some("/shop.Orders/Place␛"));
        assert_eq!(head.host.as_deref(), Some("mix.shop"));
        let marks = head.marks.expect("marks");
        assert_eq!((&*marks.ids[0].value, marks.request_head.len), ("7f3a", block.len() as u32));
        let trailers = Fields::new(false).head(&field("grpc-status", "14"));
        assert_eq!(trailers, Head { grpc_status: Some(14), ..Head::default() });
        let moved = |status| {
            Fields::new(false).head(&[field(":status", status), field("location", "/x\u{1b}")].concat())
        };
        assert_eq!(moved("308").location.as_deref(), Some("/x␛"));
        assert_eq!(moved("201").location, None);
        for status in ["", "20", "2000", "-1", "abc"] {
            assert_eq!(Fields::new(false).head(&field(":status", status)).status, None);
        }
    }
}
