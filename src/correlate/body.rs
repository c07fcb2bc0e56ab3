//! A body's digest while its bytes come in.

use crate::decode::extend_digest;
use crate::model::Digest;

/// Bytes that go into the digest: enough to tell bodies apart, and there at once.
const MAX_DIGESTED: u32 = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Body {
    digest: Digest,
    /// How much of it was told.
    told: u32,
    /// A byte is missing: the digest stays as it is.
    is_broken: bool,
}

impl Body {
    /// Takes `len` bytes more, of which `bytes`, or the first of them, were captured.
    pub(super) fn add(&mut self, bytes: &[u8], len: u32) {
        let room = MAX_DIGESTED.saturating_sub(self.digest.len);
        if room == 0 || self.is_broken {
            return;
        }
        extend_digest(&mut self.digest, &bytes[..bytes.len().min(len.min(room) as usize)]);
        self.is_broken = (bytes.len() as u32) < len;
    }

    /// The bytes that come next were not seen.
    pub(super) fn break_off(&mut self) {
        self.is_broken = true;
    }

    /// The digest, where it covers more than when it was last asked for.
    pub(super) fn news(&mut self) -> Option<Digest> {
        let is_new = self.told < self.digest.len;
        self.told = self.digest.len;
        is_new.then_some(self.digest)
    }
}
