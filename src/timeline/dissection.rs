//! One packet: when and where it was captured, its headers, and its bytes in hexadecimal.
//!
//! ```text
//!  IPv4      10.244.1.17 > 10.43.7.7  ttl 63  protocol TCP
//!  TCP       45700 > 80  PSH ACK  seq 1000  ack 77
//!
//!  0000  ee ee ee ee ee ee 02 02  02 02 02 02 08 00 45 00  ..............E.
//! ```

use crate::model::{Captured, Header, Sighting};
use crate::timeline::line::text_width;
use crate::timeline::words::Word;
use crate::timeline::{Context, Line, Tone, units};

/// A captured packet and its headers, from the link's on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dissection {
    pub captured: Captured,
    pub headers: Vec<Header>,
}

/// Bytes that are drawn; no look at a packet goes further.
const MOST_BYTES: usize = 16 << 10;
const NAME: usize = 10;
/// Tones of one header after the other.
const TONES: [Tone; 5] = [Tone::Dim, Tone::Request, Tone::Own, Tone::Reply, Tone::Accent];

/// `12:03:19.530  kappa1 cali6f1d2a9c0e1 in`: where the packet of `sighting` was captured.
pub fn place_line(sighting: &Sighting, context: &Context<'_>) -> Line {
    let node = context.node_of(sighting.vantage);
    let time = node.map_or(sighting.time, |node| context.clocks.align(node, sighting.time));
    let mut line = Line::new();
    line.space(1).push(Tone::Strong, &units::time_of_day(time)).space(2);
    line.push(Tone::Dim, node.map_or("?", |node| context.node(node))).space(1);
    line.push(Tone::Plain, context.interface(sighting.vantage)).space(1);
    line.push(Tone::Dim, context.manner.direction(sighting.direction));
    line
}

impl Dissection {
    /// Headers and bytes, at most `width` cells wide.
    pub fn lines(&self, context: &Context<'_>, width: usize) -> Vec<Line> {
        let manner = context.manner;
        let mut lines = vec![self.size_line(context)];
        for (index, header) in self.headers.iter().enumerate() {
            header_lines(header, TONES[index % TONES.len()], width, &mut lines);
        }
        lines.push(Line::new());
        self.hex_lines(width, &mut lines);
        let bytes = &self.captured.bytes;
        if bytes.len() > MOST_BYTES {
            let mut line = Line::new();
            let more = format!("{} {}", bytes.len() - MOST_BYTES, manner.word(Word::MoreBytes));
            lines.push({
                line.space(1).push(Tone::Dim, &more);
                line
            });
        }
        for line in &mut lines {
            line.truncate(width, manner.ellipsis());
        }
        lines
    }

    fn size_line(&self, context: &Context<'_>) -> Line {
        let manner = context.manner;
        let (captured, wire) = (self.captured.bytes.len(), self.captured.wire_len);
        let mut line = Line::new();
        line.space(1).push(Tone::Dim, manner.word(Word::BytesCaptured)).space(1);
        line.push(Tone::Plain, &format!("{captured}")).space(1);
        if captured < wire as usize {
            line.push(Tone::Dim, manner.word(Word::BytesOf)).space(1).push(Tone::Plain, &wire.to_string());
        }
        line
    }

    /// So many bytes a line as fit: 32, 16, 8 or 4.
    fn hex_lines(&self, width: usize, lines: &mut Vec<Line>) {
        let bytes = &self.captured.bytes[..self.captured.bytes.len().min(MOST_BYTES)];
        let digits = if bytes.len() > 0xffff { 5 } else { 4 };
        let wide = |count: usize| 1 + digits + 2 + count * 3 + count / 8 + 1 + count;
        let count = [32, 16, 8, 4].into_iter().find(|&count| wide(count) <= width).unwrap_or(4);
        let tone_of = |at: usize| {
            let of = self.headers.iter().position(|header| header.bytes.contains(&at));
            of.map_or(Tone::Plain, |index| TONES[index % TONES.len()])
        };
        for (row, chunk) in bytes.chunks(count).enumerate() {
            let start = row * count;
            let mut line = Line::new();
            line.space(1).push(Tone::Faint, &format!("{start:0digits$x}")).space(1);
            for (offset, byte) in chunk.iter().enumerate() {
                line.space(1 + usize::from(offset % 8 == 0 && offset > 0));
                line.push(tone_of(start + offset), &format!("{byte:02x}"));
            }
            line.pad_to(wide(count) - count);
            for (offset, &byte) in chunk.iter().enumerate() {
                let shown = if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' };
                line.repeat(tone_of(start + offset), shown, 1);
            }
            lines.push(line);
        }
    }
}

/// The name, and the fields behind it; broken between fields. What is text of lines stays in lines.
fn header_lines(header: &Header, tone: Tone, width: usize, lines: &mut Vec<Line>) {
    let is_text = header.name == "HTTP";
    let mut line = Line::new();
    line.space(1).column(tone, header.name, NAME, "");
    for (index, field) in header.fields.iter().enumerate() {
        let is_full = line.width() + 2 + text_width(field) > width && line.width() > NAME + 1;
        if index > 0 && (is_text || is_full) {
            lines.push(std::mem::take(&mut line));
            line.pad_to(NAME + 1);
        }
        line.push(Tone::Plain, field).space(2);
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Direction, Timestamp, VantageId};
    use crate::timeline::{Language, Manner, sample};

    fn dissection() -> Dissection {
        let bytes: Vec<u8> = (0..90).map(|at: u8| if at < 40 { at } else { b'0' + at % 64 }).collect();
        let header = |name, bytes, fields: &[&str]| Header {
            name,
            bytes,
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
        };
        Dissection {
            captured: Captured {
                time: Timestamp(0),
                vantage: VantageId(1),
                direction: Direction::In,
                link: 1,
                wire_len: 1500,
                bytes: bytes.into(),
            },
            headers: vec![
                header("Ethernet", 0..14, &["02:02:02:02:02:02 > ee:ee:ee:ee:ee:ee", "type IPv4"]),
                header(
                    "IPv4",
                    14..34,
                    &["10.244.1.17 > 10.43.7.7", "ttl 63", "id 4711", "protocol TCP", "DF"],
                ),
                header("HTTP", 34..60, &["GET /r/17 HTTP/1.1", "Host: shop"]),
            ],
        }
    }

    #[test]
    fn headers_and_bytes_are_drawn() {
        let mut out = String::new();
        for (manner, width) in
            [(Manner::default(), 158), (Manner::new(Language::Zh), 78), (Manner::ascii(), 40)]
        {
            sample::with_context(manner, |context| {
                for line in dissection().lines(context, width) {
                    assert!(line.width() <= width, "{}", line.text());
                    out += line.text().trim_end();
                    out.push('\n');
                }
            });
        }
        insta::assert_snapshot!("dissection", out);
    }

    #[test]
    fn a_huge_packet_is_drawn_in_part_and_says_so() {
        sample::with_context(Manner::default(), |context| {
            let mut huge = dissection();
            huge.captured.bytes = vec![7; MOST_BYTES + 5].into();
            let lines = huge.lines(context, 78);
            assert!(lines.last().is_some_and(|line| line.text().contains("5 more bytes")));
        });
    }
}
