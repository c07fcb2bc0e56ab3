//! Names of addresses on their way into a recording, as they become known.

use std::sync::Arc;

use crate::capture::blocks;
use crate::capture::live::feed::{Inlet, Kind, Run};
use crate::model::Names;

/// Takes names to the recorder, which goes on until this is dropped. Each file of a ring begins with all of them.
#[derive(Debug)]
pub struct Namer {
    inlet: Inlet,
    sent: Names,
    /// How much was known when it was told last.
    looked: usize,
}

impl Namer {
    /// `sent` are in the recording already.
    pub(super) fn new(inlet: Inlet, sent: Names) -> Namer {
        Namer { inlet, sent, looked: 0 }
    }

    /// Writes those of all known names that are new. A name that an address has stays.
    pub fn tell(&mut self, known: &Names) {
        if known.len() == self.looked {
            return;
        }
        self.looked = known.len();
        let new = known.beyond(&self.sent);
        if new.is_empty() {
            return;
        }
        self.sent.extend(&new);
        let mut bytes = Vec::new();
        blocks::names(&mut bytes, &new);
        self.inlet.force(Run { bytes: Arc::new(bytes), packets: 0, kind: Kind::Description });
    }
}
