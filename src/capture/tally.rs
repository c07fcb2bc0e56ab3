//! What could not be read of a source: counted and put into sentences.

use std::collections::BTreeMap;

/// A kind of damage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Damage {
    /// The file ends inside a record.
    Cut,
    /// Bytes between records that are none.
    Nonsense,
    /// A block whose content contradicts its bounds.
    Contents,
    /// A packet of an interface that no block describes.
    UnknownInterface,
    /// More interfaces than are followed.
    TooManyInterfaces,
    /// Reading failed, or unpacking did.
    Failed(String),
}

#[derive(Debug, Default)]
struct Count {
    times: u64,
    bytes: u64,
    first_at: u64,
}

/// Counts of damage, and of what is whole but cannot be followed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Frames given.
    pub(super) packets: u64,
    /// Records of kernel messages given.
    pub(super) messages: u64,
    damage: BTreeMap<Damage, Count>,
    reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts `bytes` at offset `at` as damaged.
    pub(super) fn damage(&mut self, damage: Damage, at: u64, bytes: u64) {
        let count = self.damage.entry(damage).or_insert(Count { times: 0, bytes: 0, first_at: at });
        count.times += 1;
        count.bytes += bytes;
    }

    /// Counts a record that is whole but not followed.
    pub(super) fn not_followed(&mut self, reason: &str) {
        match self.reasons.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                self.reasons.insert(reason.to_owned(), 1);
            }
        }
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damage.values().map(|count| count.times).sum()
    }

    /// A sentence on each kind of damage.
    pub(super) fn sentences(&self, is_packed: bool) -> Vec<String> {
        let of = if is_packed { " of the unpacked data" } else { "" };
        self.damage.iter().map(|(damage, count)| sentence(damage, count, of)).collect()
    }

    /// Reasons and how often each applied, most frequent first.
    pub(super) fn reasons(&self) -> Vec<(String, u64)> {
        let mut reasons: Vec<_> =
            self.reasons.iter().map(|(reason, &count)| (reason.clone(), count)).collect();
        reasons.sort_by(|(_, one), (_, other)| other.cmp(one));
        reasons
    }
}

fn sentence(damage: &Damage, count: &Count, of: &str) -> String {
    let Count { times, bytes, first_at } = count;
    let first =
        if *times == 1 { format!("at byte {first_at}{of}") } else { format!("first at byte {first_at}{of}") };
    match damage {
        Damage::Cut => format!("cut short: the last record, {first}, is not whole"),
        Damage::Nonsense => {
            format!("{bytes} bytes in {} make no sense: skipped, {first}", counted(*times, "place"))
        }
        Damage::Contents => format!("{}: skipped, {first}", counted(*times, "damaged block")),
        Damage::UnknownInterface => {
            let packets = counted(*times, "packet");
            format!("{packets} of an interface that the file does not describe: skipped, {first}")
        }
        Damage::TooManyInterfaces => {
            format!("{} of too many interfaces: skipped, {first}", counted(*times, "record"))
        }
        Damage::Failed(cause) => format!("reading stopped {first}: {cause}"),
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
