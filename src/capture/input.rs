//! The bytes of one source: a file or a stream, unpacked if need be, as a window that moves forward.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Block;

/// What a preview may read of a stream and keep for the reading proper.
const LARGEST_HEAD: usize = 32 << 20;
const PACKED_BUFFER: usize = 128 << 10;

/// A window into a source's unpacked bytes.
///
/// It moves forward by blocks that are filled once. Packets on their way share the blocks, so that no payload is
/// copied; a block that nobody holds any more is filled anew.
pub(super) struct Input {
    bytes: Box<dyn Read + Send>,
    /// In the source's order; the last is the one being read. Each begins with the record that the one before it
    /// has only a part of.
    window: VecDeque<Stretch>,
    /// Blocks that left the window; some may still be shared.
    spare: Vec<Block>,
    /// The usual length of a block.
    chunk: usize,
    is_packed: bool,
    is_at_end: bool,
}

/// A block and what it holds.
struct Stretch {
    /// Offset in the source of the block's first byte.
    base: u64,
    /// How much of the block is filled.
    filled: usize,
    block: Block,
}

impl Stretch {
    #[inline]
    fn from(&self, offset: u64) -> &[u8] {
        self.block.get((offset - self.base) as usize..self.filled).unwrap_or_default()
    }
}

impl Default for Input {
    /// An input without a byte.
    fn default() -> Input {
        Input {
            bytes: Box::new(io::empty()),
            window: VecDeque::new(),
            spare: Vec::new(),
            chunk: 0,
            is_packed: false,
            is_at_end: true,
        }
    }
}

/// What came of reading on.
pub(super) enum Fill {
    More,
    /// Nothing now: the file may still grow.
    Waiting,
    End,
    /// What comes after is a stream of its own.
    Restart,
    Failed(io::Error),
}

impl Input {
    /// Opens a regular file; with `follow` its end is not final.
    pub(super) fn open_file(path: &Path, follow: bool, chunk: usize) -> io::Result<Input> {
        let file = File::open(path)?;
        if follow { Input::new(Growing(file), chunk) } else { Input::new(file, chunk) }
    }

    /// Looks at the first bytes and unpacks what follows accordingly.
    pub(super) fn new(mut bytes: impl Read + Send + 'static, chunk: usize) -> io::Result<Input> {
        let magic = first_bytes(&mut bytes)?;
        let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
        let is_zstd = magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let whole = io::Cursor::new(magic).chain(bytes);
        let bytes: Box<dyn Read + Send> = if is_gzip {
            let packed = BufReader::with_capacity(PACKED_BUFFER, whole);
            Box::new(flate2::bufread::MultiGzDecoder::new(packed))
        } else if is_zstd {
            let packed = BufReader::with_capacity(PACKED_BUFFER, whole);
            Box::new(zstd::stream::read::Decoder::with_buffer(packed)?)
        } else {
            Box::new(whole)
        };
        Ok(Input {
            bytes,
            window: VecDeque::new(),
            spare: Vec::new(),
            chunk,
            is_packed: is_gzip || is_zstd,
            is_at_end: false,
        })
    }

    pub(super) const fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// Whether the window holds the source's last byte.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// What is there from `offset` on, which lies in or just behind the latest block.
    #[inline]
    pub(super) fn from(&self, offset: u64) -> &[u8] {
        self.window.back().map_or(&[], |latest| latest.from(offset))
    }

    /// Bytes of a record that the window holds, and the block they lie in.
    #[inline]
    pub(super) fn slice(&self, offset: u64, len: usize) -> Option<(&[u8], &Block)> {
        let place = self.window.partition_point(|stretch| stretch.base <= offset);
        let stretch = self.window.get(place.checked_sub(1)?)?;
        Some((stretch.from(offset).get(..len)?, &stretch.block))
    }

    /// Reads on, so that [`from`](Input::from) gives more at offset `from`; what lies before `keep` may be
    /// forgotten.
    pub(super) fn fill(&mut self, from: u64, keep: u64) -> Fill {
        self.forget(keep);
        let carried = self.from(from).len();
        // A record longer than a block takes a few rounds, each with twice the room.
        let mut block = self.spare_block(self.chunk.max(2 * carried));
        let Some(buffer) = Arc::get_mut(&mut block) else { return Fill::Failed(io::ErrorKind::Other.into()) };
        buffer[..carried].copy_from_slice(self.from(from));
        loop {
            match self.bytes.read(&mut buffer[carried..]) {
                Ok(0) => {
                    self.is_at_end = true;
                    self.spare.push(block);
                    return Fill::End;
                }
                Ok(count) => {
                    self.enter(from, carried + count, block);
                    return Fill::More;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.spare.push(block);
                    return match error.kind() {
                        io::ErrorKind::WouldBlock => Fill::Waiting,
                        io::ErrorKind::ConnectionReset => Fill::Restart,
                        _ => Fill::Failed(error),
                    };
                }
            }
        }
    }

    /// Takes a block into the window; of one that little was read into, only that.
    fn enter(&mut self, base: u64, filled: usize, mut block: Block) {
        if filled < block.len() / 2 {
            let short = Arc::new(block[..filled].to_vec());
            self.spare.push(std::mem::replace(&mut block, short));
        }
        self.window.push_back(Stretch { base, filled, block });
    }

    /// Lets go of the blocks that hold nothing from `keep` on.
    fn forget(&mut self, keep: u64) {
        while self.window.get(1).is_some_and(|next| next.base <= keep) {
            self.spare.extend(self.window.pop_front().map(|stretch| stretch.block));
        }
    }

    /// A block of `len` bytes that nobody else holds.
    fn spare_block(&mut self, len: usize) -> Block {
        self.spare.retain(|block| block.len() == len);
        let unshared = self.spare.iter_mut().position(|block| Arc::get_mut(block).is_some());
        unshared.map_or_else(|| Arc::new(vec![0; len]), |index| self.spare.swap_remove(index))
    }
}

/// The bytes that tell how a file is packed; fewer if it is shorter.
fn first_bytes(bytes: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = vec![0; 4];
    let mut count = 0;
    while count < magic.len() {
        match bytes.read(&mut magic[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A growing file that is still empty: it will not be a packed one.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // A stream that ended this early said nothing.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => count = 0,
            Err(error) => return Err(error),
        }
    }
    magic.truncate(count);
    Ok(magic)
}

/// A file whose end is not final.
struct Growing(File);

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

/// A stream that can be read from its start again until the reading proper begins.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Shared>>);

struct Shared {
    bytes: Box<dyn Read + Send>,
    /// What was read so far, while it may be asked for again.
    head: Vec<u8>,
    is_kept: bool,
}

impl Stream {
    pub(super) fn new(bytes: impl Read + Send + 'static) -> Stream {
        Stream(Arc::new(Mutex::new(Shared { bytes: Box::new(bytes), head: Vec::new(), is_kept: true })))
    }

    /// A reader from the stream's start.
    pub(super) fn reader(&self) -> impl Read + Send + 'static {
        StreamReader { stream: self.clone(), position: 0 }
    }

    /// From now on the stream is read only once.
    pub(super) fn stop_keeping(&self) {
        self.lock().is_kept = false;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct StreamReader {
    stream: Stream,
    position: usize,
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.stream.lock();
        let Shared { bytes, head, is_kept } = &mut *shared;
        if let Some(kept) = head.get(self.position..).filter(|kept| !kept.is_empty()) {
            let count = kept.len().min(buffer.len());
            buffer[..count].copy_from_slice(&kept[..count]);
            self.position += count;
            return Ok(count);
        }
        if !*is_kept {
            *head = Vec::new();
            return bytes.read(buffer);
        }
        let room = (LARGEST_HEAD - head.len().min(LARGEST_HEAD)).min(buffer.len());
        let count = bytes.read(&mut buffer[..room])?;
        head.extend_from_slice(&buffer[..count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, never as many as are asked for.
    struct Slow(io::Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1 + self.0.position() as usize % 5);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn records_across_blocks_are_whole_and_shared_blocks_stay_as_they_are() {
        let bytes: Vec<u8> = (0..4000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let inputs: [Box<dyn Read + Send>; 2] =
            [Box::new(io::Cursor::new(bytes.clone())), Box::new(Slow(io::Cursor::new(bytes.clone())))];
        for reader in inputs {
            let mut input = Input::new(reader, 64).expect("an input");
            let mut shared: Vec<(u64, Block, usize)> = Vec::new();
            let (mut position, mut len) = (0, 1);
            while position + (len as u64) <= 4000 {
                let keep = position.saturating_sub(100);
                while input.from(position).len() < len {
                    assert!(matches!(input.fill(position, keep), Fill::More));
                }
                for offset in [position, keep] {
                    let (slice, block) = input.slice(offset, 1).expect("bytes of the window");
                    assert_eq!(slice[0], bytes[offset as usize]);
                    let place = slice.as_ptr() as usize - block.as_ptr() as usize;
                    shared.push((offset, Arc::clone(block), place));
                }
                let (slice, _) = input.slice(position, len).expect("a whole record");
                assert_eq!(slice, &bytes[position as usize..][..len]);
                if shared.len() > 20 {
                    for (offset, block, place) in shared.drain(..) {
                        assert_eq!(block[place], bytes[offset as usize]);
                    }
                }
                position += len as u64;
                len = len * 3 % 211;
            }
            assert!(input.window.len() < 64 && input.spare.len() < 64, "blocks are used again");
        }
    }
}
