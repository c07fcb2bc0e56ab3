//! The latest records of captures that cannot be read again: as many as fit into a number of bytes.

use std::collections::VecDeque;

use crate::capture::link::{self, LinkType};
use crate::model::{Captured, Direction, Frame, Stored, Timestamp, VantageId};

/// Records are let go a chunk at a time.
const CHUNK: usize = 1 << 20;

/// Bounded; the oldest records go first.
#[derive(Debug)]
pub struct Kept {
    chunks: VecDeque<Chunk>,
    /// How many there may be.
    most: usize,
}

#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// The earliest and the latest time in it.
    times: Option<(Timestamp, Timestamp)>,
}

/// A record in a chunk.
#[derive(Clone, Copy, Debug)]
struct Place {
    time: Timestamp,
    vantage: VantageId,
    direction: Direction,
    link: u16,
    wire_len: u32,
    offset: u32,
    len: u32,
}

impl Kept {
    /// Keeps about `most` bytes, and at least one chunk of 1 MiB.
    pub fn new(most: usize) -> Kept {
        Kept { chunks: VecDeque::new(), most: (most / CHUNK).max(1) }
    }

    /// Keeps a frame's record.
    pub fn put(&mut self, frame: &Frame<'_>) {
        let stored = frame.stored;
        if !self.chunks.back().is_some_and(|chunk| chunk.has_room(stored.bytes.len())) {
            self.begin_chunk();
        }
        let Some(chunk) = self.chunks.back_mut() else { return };
        let (Ok(offset), Ok(len)) = (u32::try_from(chunk.bytes.len()), u32::try_from(stored.bytes.len()))
        else {
            return;
        };
        chunk.bytes.extend_from_slice(stored.bytes);
        let (first, last) = chunk.times.unwrap_or((frame.time, frame.time));
        chunk.times = Some((first.min(frame.time), last.max(frame.time)));
        chunk.places.push(Place {
            time: frame.time,
            vantage: frame.vantage,
            direction: frame.direction,
            link: stored.link,
            wire_len: stored.wire_len,
            offset,
            len,
        });
    }

    /// The records of a capture point at a time.
    pub fn find(&self, vantage: VantageId, time: Timestamp) -> impl Iterator<Item = Captured> + '_ {
        let is_it = move |place: &&Place| place.time == time && place.vantage == vantage;
        let may_have =
            move |chunk: &&Chunk| chunk.times.is_some_and(|(first, last)| (first..=last).contains(&time));
        self.chunks
            .iter()
            .filter(may_have)
            .flat_map(move |chunk| chunk.places.iter().filter(is_it).filter_map(|place| chunk.record(*place)))
    }

    /// The oldest chunk is filled anew where there are enough of them.
    fn begin_chunk(&mut self) {
        let old = if self.chunks.len() >= self.most { self.chunks.pop_front() } else { None };
        let mut chunk = old.unwrap_or_else(|| Chunk {
            bytes: Vec::with_capacity(CHUNK),
            places: Vec::new(),
            times: None,
        });
        chunk.bytes.clear();
        chunk.places.clear();
        chunk.times = None;
        self.chunks.push_back(chunk);
    }
}

impl Chunk {
    /// A record that is larger than a chunk gets one of its own.
    fn has_room(&self, len: usize) -> bool {
        self.bytes.len() + len + (self.places.len() + 1) * size_of::<Place>() <= CHUNK
    }

    fn record(&self, place: Place) -> Option<Captured> {
        let Place { time, vantage, direction, link, wire_len, offset, len } = place;
        let bytes = self.bytes.get(offset as usize..)?.get(..len as usize)?.into();
        Some(Captured { time, vantage, direction, link, wire_len, bytes })
    }
}

/// A record as the frame it was.
pub fn frame(captured: &Captured) -> Frame<'_> {
    let header = link::header(LinkType::from_number(captured.link), &captured.bytes);
    let data = captured.bytes.get(header.len..).unwrap_or_default();
    Frame {
        time: captured.time,
        vantage: captured.vantage,
        direction: captured.direction,
        src_mac: header.src_mac,
        dst_mac: header.dst_mac,
        ether_type: header.ether_type,
        wire_len: captured.wire_len.saturating_sub(header.len as u32).max(data.len() as u32),
        data,
        stored: Stored { link: captured.link, wire_len: captured.wire_len, bytes: &captured.bytes },
        block: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(kept: &mut Kept, time: i64, bytes: &[u8]) {
        kept.put(&Frame {
            time: Timestamp(time),
            vantage: VantageId(3),
            direction: Direction::In,
            src_mac: [0; 6],
            dst_mac: [0; 6],
            ether_type: 0,
            wire_len: 0,
            data: &[],
            stored: Stored { link: 1, wire_len: 2000, bytes },
            block: None,
        });
    }

    #[test]
    fn the_oldest_go_and_the_newest_are_found() {
        let mut kept = Kept::new(2 << 20);
        for time in 0..3000 {
            put(&mut kept, time, &[time as u8; 1000]);
        }
        let of = |time| kept.find(VantageId(3), Timestamp(time)).map(|it| it.bytes[0]).collect::<Vec<_>>();
        assert_eq!((of(0), of(2999)), (vec![], vec![2999_i64 as u8]));
        assert!(kept.find(VantageId(4), Timestamp(2999)).next().is_none());
        let held: usize = kept.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        assert!(kept.chunks.len() <= 2 && held <= 2 << 20, "{held}");
    }

    #[test]
    fn several_of_one_time_are_all_given() {
        let mut kept = Kept::new(1);
        put(&mut kept, 7, b"one");
        put(&mut kept, 7, b"two");
        let found: Vec<_> = kept.find(VantageId(3), Timestamp(7)).map(|it| it.bytes).collect();
        assert_eq!(found, [b"one"[..].into(), b"two"[..].into()]);
    }
}
