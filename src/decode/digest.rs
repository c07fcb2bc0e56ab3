//! Digests of payload bytes: the same on every machine and in every run, because they decide what is the same
//! packet at two capture points and the same message on two connections, and the same input must give the same
//! output. Not for hash tables.

use crate::model::Digest;

/// How many bytes go into the digest: enough to tell datagrams apart, and within every usual snap length.
const DIGESTED: usize = 64;

/// An odd constant with well mixed bits (2⁶⁴ divided by the golden ratio).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Digest of the first bytes of `payload`, and of the payload's length on the wire.
pub(super) fn digest(payload: &[u8], wire_len: u32) -> u64 {
    let head = &payload[..payload.len().min(DIGESTED)];
    let (words, tail) = head.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let seed = mix(MULTIPLIER, u64::from(wire_len) << 8 | head.len() as u64);
    let digest = words.iter().fold(seed, |digest, word| mix(digest, u64::from_le_bytes(*word)));
    mix(digest, u64::from_le_bytes(last))
}

/// Takes more bytes into a running digest. How they come in pieces makes no difference.
pub fn extend(digest: &mut Digest, bytes: &[u8]) {
    let (head, rest) = bytes.split_at(bytes.len().min((8 - digest.len as usize % 8) % 8));
    let (words, tail) = rest.as_chunks::<8>();
    for &byte in head {
        extend_by_one(digest, byte);
    }
    for word in words {
        digest.hash = mix(digest.hash ^ u64::from_le_bytes(*word), MULTIPLIER);
    }
    digest.len = digest.len.wrapping_add(8 * words.len() as u32);
    for &byte in tail {
        extend_by_one(digest, byte);
    }
}

/// A word that is not whole yet is kept in the hash unmixed.
fn extend_by_one(digest: &mut Digest, byte: u8) {
    digest.hash ^= u64::from(byte) << (8 * (digest.len % 8));
    digest.len = digest.len.wrapping_add(1);
    if digest.len.is_multiple_of(8) {
        digest.hash = mix(digest.hash, MULTIPLIER);
    }
}

/// Folds the product's halves together, so that every bit of both factors reaches every bit of the result.
fn mix(digest: u64, word: u64) -> u64 {
    let product = u128::from(digest ^ word) * u128::from(MULTIPLIER);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(MULTIPLIER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_everywhere() {
        assert_eq!(digest(b"", 0), 0x6e96_07aa_44b0_d1b9);
        assert_eq!(digest(b"the same bytes on every machine", 31), 0x8800_af84_f821_d1db);
    }

    #[test]
    fn any_changed_bit_within_reach_changes_it() {
        let payload = [0x5a; DIGESTED];
        let plain = digest(&payload, 64);
        for bit in 0..DIGESTED * 8 {
            let mut other = payload;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(digest(&other, 64), plain, "bit {bit}");
        }
        assert_ne!(digest(&payload, 65), plain);
        assert_ne!(digest(&payload[..63], 64), plain);
    }

    #[test]
    fn a_running_digest_does_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..=255).collect();
        let digest_of = |pieces: &[&[u8]]| {
            let mut digest = Digest::default();
            for piece in pieces {
                extend(&mut digest, piece);
            }
            digest
        };
        let whole = digest_of(&[&bytes]);
        assert_eq!(whole, Digest { len: 256, hash: 0x56f7_d979_72eb_8f0b });
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(digest_of(&[first, second]), whole, "cut at {cut}");
            assert_eq!(digest_of(&[first, &second[..1], &second[1..]]), whole, "cut at {cut}");
            let mut other = bytes.clone();
            other[cut] ^= 0x10;
            assert_ne!(digest_of(&[&other]), whole, "byte {cut}");
        }
        assert_ne!(digest_of(&[&[0]]).hash, digest_of(&[&[1]]).hash);
    }

    #[test]
    fn bytes_beyond_its_reach_do_not_count() {
        let mut payload = [7; DIGESTED + 10];
        let plain = digest(&payload, 74);
        payload[DIGESTED + 3] = 8;
        assert_eq!(digest(&payload, 74), plain);
    }
}
