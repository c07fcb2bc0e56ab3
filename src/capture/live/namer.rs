//! Names of addresses on their way into a recording, as they become known.

use crate::capture::blocks;
use crate::capture::live::ways::OpenToDisk;
use crate::model::Names;

/// Takes names to the recorder, which goes on until this is dropped. Each file of a ring begins with all of them.
#[derive(Debug)]
pub struct Namer {
    ways: OpenToDisk,
    sent: Names,
}

impl Namer {
    /// `sent` are in the recording already.
    pub(super) fn new(ways: OpenToDisk, sent: Names) -> Namer {
        Namer { ways, sent }
    }

    /// Writes those of all known names that are new. A name that an address has stays.
    pub fn tell(&mut self, known: &Names) {
        if known.len() == self.sent.len() {
            return;
        }
        let new = known.beyond(&self.sent);
        if new.is_empty() {
            return;
        }
        self.sent.extend(&new);
        let mut bytes = Vec::new();
        blocks::names(&mut bytes, &new);
        self.ways.describe(bytes);
    }
}
