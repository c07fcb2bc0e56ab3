//! Names of addresses on their way into a recording, as they become known.

use std::collections::{BTreeMap, BTreeSet};

use crate::capture::blocks;
use crate::capture::live::ways::OpenToDisk;
use crate::model::Ip;

/// Takes names to the recorder, which goes on until this is dropped. Each file of a ring begins with all of them.
#[derive(Debug)]
pub struct Namer {
    ways: OpenToDisk,
    sent: BTreeSet<Ip>,
}

impl Namer {
    pub(super) fn new(ways: OpenToDisk) -> Namer {
        Namer { ways, sent: BTreeSet::new() }
    }

    /// Writes those of all known names that are new. A name that an address has stays.
    pub fn tell(&mut self, known: &BTreeMap<Ip, String>) {
        if known.len() == self.sent.len() {
            return;
        }
        let new: Vec<(Ip, &str)> = known
            .iter()
            .filter(|(ip, _)| self.sent.insert(**ip))
            .map(|(&ip, name)| (ip, name.as_str()))
            .collect();
        let mut bytes = Vec::new();
        blocks::names(&mut bytes, new.into_iter());
        self.ways.describe(bytes);
    }
}
