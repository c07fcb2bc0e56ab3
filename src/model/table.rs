//! A node's connection tracking table as a whole: how full it is, and what that has cost.

use crate::model::say::say;
use crate::model::{SECONDS, Sentence, Timestamp};

/// Times of shortage that are remembered of a node; more are joined with the last one.
const MOST_SHORTAGES: usize = 256;
/// Shortages this close to each other are one, in nanoseconds: there is a statement every half second.
const CLOSE: i64 = 2 * SECONDS;

/// What is told of the table rather than of one entry (`linux/netfilter/nfnetlink_conntrack.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableEvent {
    /// All entries are told anew from here on.
    Listing,
    /// They were.
    Listed,
    /// How many entries it has and how many it may have (`ctattr_stats_global`).
    Size { entries: u32, most: u32 },
    /// What a CPU has counted since the namespace is there (`ctattr_stats_cpu`).
    Counts { cpu: u16, counts: TableCounts },
}

/// What became of packets for which there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Packets of new connections that were dropped, as no entry could be made (`drop`).
    pub dropped: u32,
    /// Entries that had to go for new ones (`early_drop`).
    pub evicted: u32,
}

/// What is known of a node's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackingTable {
    /// Entries when that was told last.
    pub entries: u32,
    /// How many there may be; 0 while it is not known.
    pub most: u32,
    /// Packets dropped since it is listened to.
    pub dropped: u64,
    /// Entries evicted since then.
    pub evicted: u64,
    /// When that happened, in order.
    pub shortages: Vec<Shortage>,
}

/// A time in which packets were dropped or entries evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// On the node's clock: the statement before the first one that tells of it.
    pub from: Timestamp,
    /// The last one that does.
    pub until: Timestamp,
    pub dropped: u64,
    pub evicted: u64,
    /// The most entries that were stated then.
    pub entries: u32,
}

impl TrackingTable {
    /// Takes what was counted more than the last time, between two statements.
    pub fn note(&mut self, from: Timestamp, until: Timestamp, more: TableCounts) {
        let (dropped, evicted) = (u64::from(more.dropped), u64::from(more.evicted));
        self.dropped += dropped;
        self.evicted += evicted;
        let is_full = self.shortages.len() >= MOST_SHORTAGES;
        match self.shortages.last_mut() {
            Some(last) if is_full || from.since(last.until) <= CLOSE => {
                last.until = last.until.max(until);
                last.dropped += dropped;
                last.evicted += evicted;
                last.entries = last.entries.max(self.entries);
            }
            _ => self.shortages.push(Shortage { from, until, dropped, evicted, entries: self.entries }),
        }
    }

    /// Takes its size as it was stated at `time`.
    pub fn resize(&mut self, time: Timestamp, entries: u32, most: u32) {
        (self.entries, self.most) = (entries, most);
        if let Some(last) = self.shortages.last_mut().filter(|last| time.since(last.until) <= CLOSE) {
            last.entries = last.entries.max(entries);
        }
    }

    /// What there was no room for on `node`, if that was ever so.
    pub fn finding(&self, node: &str) -> Option<Sentence> {
        let &TrackingTable { most, dropped, evicted, .. } = self;
        let Some(worst) = self.shortages.iter().max_by_key(|it| it.entries).filter(|it| self.was_full(it))
        else {
            return (dropped + evicted > 0).then(|| {
                say!(
                    "{node}'s conntrack drops packets of new connections: {dropped} so far",
                    "{node} 的连接跟踪在丢弃新连接的数据包：至今 {dropped} 个";
                    node, dropped
                )
            });
        };
        Some(say!(
            "{node}'s conntrack table is full ({entries} of {most} entries); so far packets of new connections dropped: {dropped}, entries evicted: {evicted}; see net.netfilter.nf_conntrack_max",
            "{node} 的连接跟踪表已满（{entries}/{most} 个条目）；至今丢弃新连接的数据包 {dropped} 个，淘汰条目 {evicted} 个；参见 net.netfilter.nf_conntrack_max";
            node, entries = worst.entries, most, dropped, evicted
        ))
    }

    /// The shortage that `time`, on the node's clock, lies in.
    pub fn shortage_at(&self, time: Timestamp) -> Option<&Shortage> {
        let after = self.shortages.partition_point(|it| it.until < time);
        self.shortages.get(after).filter(|it| it.from <= time)
    }

    /// Whether there was no room in `shortage`: else packets were dropped for another reason, as when two of a new
    /// connection come at once. Entries end between two statements, so a little less than all is full.
    pub fn was_full(&self, shortage: &Shortage) -> bool {
        self.most > 0 && shortage.entries.saturating_add(self.most / 50) >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECONDS)
    }

    #[test]
    fn shortages_that_follow_each_other_are_one() {
        let mut table = TrackingTable::default();
        table.resize(at(9), 900, 1000);
        table.note(at(9), at(10), TableCounts { dropped: 3, evicted: 0 });
        table.resize(at(10), 1000, 1000);
        table.note(at(10), at(11), TableCounts { dropped: 2, evicted: 1 });
        table.resize(at(20), 100, 1000);
        table.note(at(20), at(21), TableCounts { dropped: 1, evicted: 0 });
        assert_eq!((table.dropped, table.evicted, table.shortages.len()), (6, 1, 2));
        let first = *table.shortage_at(at(10)).expect("a shortage");
        assert_eq!((first.from, first.until, first.dropped, first.entries), (at(9), at(11), 5, 1000));
        assert!(table.was_full(&first));
        let second = *table.shortage_at(at(21)).expect("a shortage");
        assert!(!table.was_full(&second), "{second:?}");
        let finding = table.finding("kappa1").expect("a finding").en;
        assert!(finding.starts_with("kappa1's conntrack table is full (1000 of 1000 entries)"), "{finding}");
        assert_eq!(TrackingTable::default().finding("kappa1"), None);
        for time in [8, 12, 22] {
            assert_eq!(table.shortage_at(at(time)), None);
        }
    }

    #[test]
    fn shortages_are_bounded() {
        let mut table = TrackingTable::default();
        for number in 0..1_000 {
            table.note(at(10 * number), at(10 * number + 1), TableCounts { dropped: 1, evicted: 0 });
        }
        assert_eq!((table.shortages.len(), table.dropped), (MOST_SHORTAGES, 1_000));
        assert!(table.shortage_at(at(9_000)).is_some());
    }
}
