//! What the kernel tells: netlink messages become pcapng records, as they are.
//!
//! A thread of its own, so that a burst of messages takes nothing from the packets. It parses nothing.

mod subscription;
mod writing;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(super) use self::subscription::{CONNTRACK, NETFILTER, ROUTES, Subscription};
pub(super) use self::writing::Writing;
use crate::capture::live::hooks::TraceControl;
use crate::capture::live::ways::Open;
use crate::capture::live::{Clock, Tell};
use crate::model::{MILLIS, Notice, SECONDS, Timestamp};

/// The kernel's messages are at most 32 KiB long.
const LONGEST: usize = 64 << 10;
/// The thread looks after this time whether it is to end, in milliseconds.
const PATIENCE: u16 = 100;
/// Between two statements of counts.
const COUNTING: i64 = SECONDS;
/// Between two questions how full a table is: less than a packet is waited for before it is said to be lost.
const ASKING: i64 = 500 * MILLIS;
/// Between two lists of a table, when messages are lost or another file is begun: a large one has a hundred thousand
/// entries and more.
const LISTING: i64 = 10 * SECONDS;
/// Every netlink socket of the network namespace, with what it lost (net/netlink/af_netlink.c).
const SOCKETS: &str = "/proc/thread-self/net/netlink";

/// Everything the kernel is listened to for; opened, and not yet begun.
pub(super) struct Kernel {
    subscriptions: Vec<Subscription>,
    /// See [`SOCKETS`]; kept open, as files cannot be opened later.
    sockets: Option<File>,
    asking: Option<Asking>,
    clock: Clock,
    tell: Tell,
}

/// When what can be listed without any right is listed again: a file that is begun later has no list yet.
struct Lists {
    /// Files begun, now and when it was listed last.
    files: Arc<AtomicU64>,
    files_then: u64,
    listed_at: Timestamp,
}

impl Lists {
    fn new(files: Arc<AtomicU64>, now: Timestamp) -> Lists {
        Lists { files_then: files.load(Ordering::Relaxed), files, listed_at: now }
    }

    fn are_due(&mut self, now: Timestamp) -> bool {
        let files = self.files.load(Ordering::Relaxed);
        let is_due = files > self.files_then && now.since(self.listed_at) >= LISTING;
        if is_due {
            (self.files_then, self.listed_at) = (files, now);
        }
        is_due
    }
}

/// Questions that need the right CAP_NET_ADMIN again. Who has it answers on a way of its own.
struct Asking {
    control: TraceControl,
    asked_at: Timestamp,
    listed_at: Timestamp,
    /// Messages that were known to be lost when the table was listed last.
    lost_before: u64,
    answers: Arc<AtomicU64>,
}

impl Asking {
    /// Asks how full the table is; and for all of it, where messages were lost since it was listed.
    fn ask(&mut self, now: Timestamp, lost: u64) {
        if now.since(self.asked_at) >= ASKING {
            self.asked_at = now;
            self.control.statistics();
        }
        if lost > self.lost_before && now.since(self.listed_at) >= LISTING {
            (self.listed_at, self.lost_before) = (now, lost);
            self.control.list();
        }
    }
}

impl Kernel {
    pub(super) fn new(clock: Clock, tell: Tell) -> Kernel {
        let sockets = File::open(SOCKETS).ok();
        Kernel { subscriptions: Vec::new(), sockets, asking: None, clock, tell }
    }

    /// Has questions asked through `control`; gives where their answers are to be counted.
    pub(super) fn asking(&mut self, control: TraceControl) -> Arc<AtomicU64> {
        let (answers, never) = (Arc::default(), Timestamp(0));
        let kept = Arc::clone(&answers);
        self.asking =
            Some(Asking { control, asked_at: never, listed_at: never, lost_before: 0, answers: kept });
        answers
    }

    /// Takes a subscription, or says why there is none.
    pub(super) fn add(&mut self, subscription: io::Result<Subscription>, what: &'static str) {
        match subscription {
            Ok(subscription) => self.subscriptions.push(subscription),
            Err(cause) => (self.tell)(Notice::Deaf { what, cause: in_words(&cause) }),
        }
    }

    /// What is listened to, each with where its number in the section is kept.
    pub(super) fn subjects(&mut self) -> impl Iterator<Item = (&'static str, &mut u32)> {
        self.subscriptions.iter_mut().map(|it| (it.name, &mut it.number))
    }

    /// Whether a subject is listened to.
    pub(super) fn hears(&self, subject: &str) -> bool {
        self.subscriptions.iter().any(|it| it.name == subject)
    }

    /// Whether there is nothing to listen to.
    pub(super) fn is_deaf(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Listens until `stop` is set, and puts what it hears on `ways`.
    pub(super) fn run(mut self, ways: &Open, stop: &AtomicBool) {
        let mut writing = Writing::new(ways);
        let mut buffer = vec![0; LONGEST];
        let mut counted_at = Timestamp(0);
        let mut lists = Lists::new(ways.files(), (self.clock)());
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            self.wait();
            for subscription in &mut self.subscriptions {
                if let Err(cause) = subscription.take(&mut buffer, self.clock, &mut writing) {
                    let what = format!("listening to {} stopped: {cause}", subscription.name);
                    (self.tell)(Notice::Failed(what));
                    return;
                }
            }
            let now = (self.clock)();
            if is_last || now.since(counted_at) >= COUNTING {
                counted_at = now;
                self.count(now, &mut writing);
            }
            if lists.are_due(now) {
                self.subscriptions.iter_mut().for_each(Subscription::list_again);
            }
            let of_conntrack = self.subscriptions.iter().filter(|it| it.name == CONNTRACK);
            let lost = of_conntrack.map(|it| it.overruns).sum();
            if let Some(asking) = self.asking.as_mut().filter(|_| !is_last) {
                asking.ask(now, lost);
            }
            writing.flush();
            if is_last {
                return;
            }
        }
    }

    fn wait(&self) {
        if self.subscriptions.iter().any(Subscription::is_due) {
            return;
        }
        let sockets = self.subscriptions.iter().map(Subscription::awaited);
        let mut wanted: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::new(socket, PollFlags::POLLIN)).collect();
        // Interrupted by a signal: the loop looks anew.
        let _ = poll(&mut wanted, PollTimeout::from(PATIENCE));
    }

    /// States how many messages came, and how many were lost.
    fn count(&mut self, now: Timestamp, writing: &mut Writing<'_>) {
        let mut table = String::new();
        if let Some(file) = &mut self.sockets {
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut table));
        }
        let answers = self.asking.as_ref().map_or(0, |asking| asking.answers.load(Ordering::Relaxed));
        for subscription in &self.subscriptions {
            let answers = if subscription.name == CONNTRACK { answers } else { 0 };
            let counted = subscription.inode().and_then(|inode| drops(&table, inode));
            let lost = counted.unwrap_or(0).max(subscription.overruns);
            writing.count(subscription.number, now, subscription.received + answers, lost);
        }
    }
}

/// What the socket with this inode lost: the second column from the right.
fn drops(table: &str, inode: u64) -> Option<u64> {
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().rev();
        let is_it = columns.next()?.parse() == Ok(inode);
        let drops = columns.next()?.parse().ok()?;
        is_it.then_some(drops)
    })
}

fn in_words(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "it needs the right CAP_NET_ADMIN".to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_has_lists_of_its_own_after_a_while() {
        let files = Arc::new(AtomicU64::new(1));
        let mut lists = Lists::new(Arc::clone(&files), Timestamp(0));
        assert!(!lists.are_due(Timestamp(LISTING)), "the first file has them");
        files.fetch_add(1, Ordering::Relaxed);
        assert!(lists.are_due(Timestamp(LISTING)));
        files.fetch_add(1, Ordering::Relaxed);
        assert!(!lists.are_due(Timestamp(LISTING + 1)), "it was listed just now");
        assert!(lists.are_due(Timestamp(2 * LISTING)));
        assert!(!lists.are_due(Timestamp(9 * LISTING)));
    }

    #[test]
    fn a_socket_is_found_in_the_kernels_table() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
            00000000a1 12  4242       00000007 0        0        0     2        31       777   \n\
            00000000a2 0   0          00000000 0        0        0     2        5        77    \n";
        assert_eq!(drops(table, 777), Some(31));
        assert_eq!(drops(table, 77), Some(5));
        assert_eq!(drops(table, 7), None);
        assert_eq!(drops("", 7), None);
    }
}
