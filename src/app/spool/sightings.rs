//! Sightings as words of 64 bits: they are most of a trail, and packing them field by field costs more time than it
//! saves bytes.

use crate::model::{Direction, Part, Sighting, Timestamp, VantageId, Way};

/// Bytes of one sighting.
const PACKED_BYTES: usize = 32;

const DIRECTIONS: [Direction; 3] = [Direction::In, Direction::Out, Direction::Unknown];

/// Appends the number of `sightings` and all of them.
pub(super) fn pack(sightings: &[Sighting], out: &mut Vec<u8>) {
    out.extend_from_slice(&(sightings.len() as u32).to_le_bytes());
    out.reserve(sightings.len() * PACKED_BYTES);
    for sighting in sightings {
        out.extend_from_slice(words(sighting).map(u64::to_le_bytes).as_flattened());
    }
}

/// The sightings at the start of `bytes`, and what follows them; `None` if they are not whole.
pub(super) fn unpack(bytes: &[u8]) -> Option<(Vec<Sighting>, &[u8])> {
    let (&count, bytes) = bytes.split_first_chunk()?;
    let (packed, rest) = bytes.split_at_checked(u32::from_le_bytes(count) as usize * PACKED_BYTES)?;
    let (words, _) = packed.as_chunks();
    let (places, _) = words.as_chunks();
    let mut sightings = Vec::with_capacity(places.len());
    for place in places {
        sightings.push(sighting(place.map(u64::from_le_bytes))?);
    }
    Some((sightings, rest))
}

fn words(of: &Sighting) -> [u64; 4] {
    let kind = of.direction as u8 | (of.way as u8) << 2 | u8::from(of.is_repeat) << 3 | (of.part as u8) << 4;
    [
        of.time.0 as u64,
        u64::from(of.seq) << 32 | u64::from(of.ack),
        u64::from(of.len) << 32 | u64::from(of.vantage.0) << 16 | u64::from(of.ip_id),
        u64::from_le_bytes([kind, of.face, of.leg, of.ttl, of.flags, 0, 0, 0]),
    ]
}

fn sighting([time, numbers, sizes, small]: [u64; 4]) -> Option<Sighting> {
    let [kind, face, leg, ttl, flags, ..] = small.to_le_bytes();
    Some(Sighting {
        time: Timestamp(time as i64),
        vantage: VantageId((sizes >> 16) as u16),
        direction: *DIRECTIONS.get(usize::from(kind & 3))?,
        way: if kind & 4 == 0 { Way::Request } else { Way::Reply },
        part: *Part::ALL.get(usize::from(kind >> 4))?,
        face,
        leg,
        ttl,
        flags,
        ip_id: sizes as u16,
        seq: (numbers >> 32) as u32,
        ack: numbers as u32,
        len: (sizes >> 32) as u32,
        is_repeat: kind & 8 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back() {
        let mut sightings = Vec::new();
        for (index, part) in (1..).zip(Part::ALL) {
            for direction in DIRECTIONS {
                sightings.push(Sighting {
                    time: Timestamp(-1_000_000_007 * index),
                    vantage: VantageId(0xfe01),
                    direction,
                    way: if index % 2 == 0 { Way::Reply } else { Way::Request },
                    part,
                    face: 7,
                    leg: 3,
                    ttl: 63,
                    flags: 0x18,
                    ip_id: 0xabcd,
                    seq: u32::MAX,
                    ack: 0x8000_0001,
                    len: 65_160,
                    is_repeat: index % 3 == 0,
                });
            }
        }
        let mut bytes = Vec::new();
        pack(&sightings, &mut bytes);
        bytes.push(9);
        assert_eq!(unpack(&bytes), Some((sightings, [9].as_slice())));
        assert_eq!(unpack(&bytes[..100]), None);
        assert_eq!(unpack(&[1, 0, 0]), None);
    }
}
