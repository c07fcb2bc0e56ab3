//! The bytes of one source: a file or a stream, unpacked if need be, as a window that moves forward.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a preview may read of a stream and keep for the reading proper.
const LARGEST_HEAD: usize = 32 << 20;
const PACKED_BUFFER: usize = 128 << 10;

/// A window into a source's unpacked bytes.
pub(super) struct Input {
    bytes: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Offset in the source of the buffer's first byte.
    base: u64,
    /// How much of the buffer is filled.
    filled: usize,
    /// The least that is read at a time.
    chunk: usize,
    is_packed: bool,
    is_at_end: bool,
}

impl Default for Input {
    /// An input without a byte.
    fn default() -> Input {
        Input {
            bytes: Box::new(io::empty()),
            buffer: Vec::new(),
            base: 0,
            filled: 0,
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
            buffer: Vec::new(),
            base: 0,
            filled: 0,
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

    /// What the window holds from `offset` on.
    #[inline]
    pub(super) fn from(&self, offset: u64) -> &[u8] {
        self.buffer.get((offset - self.base) as usize..self.filled).unwrap_or_default()
    }

    /// Bytes that the window holds.
    #[inline]
    pub(super) fn slice(&self, offset: u64, len: usize) -> &[u8] {
        let start = (offset - self.base) as usize;
        self.buffer.get(start..start + len).unwrap_or_default()
    }

    /// Reads on; what lies before offset `keep` may be forgotten.
    pub(super) fn fill(&mut self, keep: u64) -> Fill {
        if self.buffer.len() - self.filled < self.chunk {
            self.make_room(keep);
        }
        loop {
            match self.bytes.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.is_at_end = true;
                    return Fill::End;
                }
                Ok(count) => {
                    self.filled += count;
                    return Fill::More;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fill::Waiting,
                Err(error) => return Fill::Failed(error),
            }
        }
    }

    /// Moves what is kept to the front of the buffer, or of a larger one if half of it is taken.
    fn make_room(&mut self, keep: u64) {
        let kept = (keep - self.base) as usize..self.filled;
        self.base = keep;
        self.filled = kept.len();
        if self.filled + self.chunk <= self.buffer.len() {
            self.buffer.copy_within(kept, 0);
        } else {
            let mut larger = vec![0; 2 * self.chunk.max(self.filled)];
            larger[..kept.len()].copy_from_slice(&self.buffer[kept]);
            self.buffer = larger;
        }
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
