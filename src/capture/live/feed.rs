//! The way from a capturing thread to the reader: runs of whole pcapng blocks, bounded by their bytes.
//!
//! The capturing side never waits. What does not fit is left out and counted, so that a slow screen costs what it
//! shows and not what the kernel holds. What has waited for too long is left out too: a screen that cannot keep up
//! shows less, and not what was long ago.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};

use crate::capture::live::Clock;
use crate::model::Timestamp;

/// A run of whole blocks, shared by those who take it.
#[derive(Clone, Debug)]
pub(in crate::capture) struct Run {
    pub(in crate::capture) bytes: Arc<Vec<u8>>,
    /// Packets in it.
    pub(in crate::capture) packets: u64,
    pub(in crate::capture) kind: Kind,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::capture) enum Kind {
    Packets,
    /// What comes after it refers to it.
    Description,
    /// What comes after it is a stream of its own; for the reader, an error of the kind `ConnectionReset`.
    Restart,
}

/// Where a capturing thread puts runs.
#[derive(Debug)]
pub(in crate::capture) struct Inlet {
    sender: Sender<Queued>,
    shared: Arc<Shared>,
    most: usize,
    freshness: Option<Freshness>,
}

/// A run on its way.
#[derive(Debug)]
struct Queued {
    run: Run,
    since: Timestamp,
}

/// When packets are not worth the time any more that they take.
#[derive(Clone, Copy, Debug)]
pub(in crate::capture) struct Freshness {
    pub(in crate::capture) clock: Clock,
    /// They have waited for longer than this, in nanoseconds, ...
    pub(in crate::capture) longest: i64,
    /// ... and more bytes than this wait behind them.
    pub(in crate::capture) backlog: usize,
}

/// Counts the packets that did not fit; it does not keep the way open.
#[derive(Clone, Debug)]
pub(in crate::capture) struct Lost(Arc<Shared>);

impl Lost {
    pub(in crate::capture) fn count(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Packets that came through and could not be put where they belong.
    pub(in crate::capture) fn unused(&self) -> u64 {
        self.0.unused.load(Ordering::Relaxed)
    }
}

/// Where the reader takes bytes from; it never waits either: see [`io::ErrorKind::WouldBlock`].
#[derive(Debug)]
pub(in crate::capture) struct Outlet {
    receiver: Receiver<Queued>,
    shared: Arc<Shared>,
    freshness: Option<Freshness>,
    current: Option<Run>,
    position: usize,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes on their way.
    bytes: AtomicUsize,
    /// Packets that did not fit.
    lost: AtomicU64,
    unused: AtomicU64,
}

/// A way that holds up to `most` bytes of packets.
pub(in crate::capture) fn feed(most: usize) -> (Inlet, Outlet) {
    ends(unbounded(), most, None)
}

/// The same, where packets that waited for too long are not given any more.
pub(in crate::capture) fn fresh_feed(most: usize, freshness: Freshness) -> (Inlet, Outlet) {
    ends(unbounded(), most, Some(freshness))
}

/// A way that holds up to `runs` runs, and lets who brings more wait.
pub(in crate::capture) fn waiting_feed(runs: usize) -> (Inlet, Outlet) {
    ends(bounded(runs), usize::MAX, None)
}

fn ends(
    (sender, receiver): (Sender<Queued>, Receiver<Queued>),
    most: usize,
    freshness: Option<Freshness>,
) -> (Inlet, Outlet) {
    let shared = Arc::new(Shared::default());
    let outlet = Outlet { receiver, shared: Arc::clone(&shared), freshness, current: None, position: 0 };
    (Inlet { sender, shared, most, freshness }, outlet)
}

impl Inlet {
    /// Sends a run of packets on, or counts them where there is no room.
    pub(in crate::capture) fn offer(&self, run: &Run) {
        if self.shared.bytes.load(Ordering::Relaxed) + run.bytes.len() > self.most {
            self.shared.lost.fetch_add(run.packets, Ordering::Relaxed);
        } else {
            self.force(run.clone());
        }
    }

    /// Sends a run that nothing after it can do without: it always has room, or waits for it. Gives whether anybody
    /// still takes runs.
    pub(in crate::capture) fn force(&self, run: Run) -> bool {
        self.shared.bytes.fetch_add(run.bytes.len(), Ordering::Relaxed);
        let since = self.freshness.map_or(Timestamp(0), |freshness| (freshness.clock)());
        self.sender.send(Queued { run, since }).is_ok()
    }

    /// The count of packets that did not fit.
    pub(in crate::capture) fn lost(&self) -> Lost {
        Lost(Arc::clone(&self.shared))
    }
}

impl Outlet {
    /// The next run, as soon as there is one; `None` when there will be no more.
    pub(in crate::capture) fn wait(&mut self) -> Option<Run> {
        let Queued { run, .. } = self.receiver.recv().ok()?;
        self.shared.bytes.fetch_sub(run.bytes.len(), Ordering::Relaxed);
        Some(run)
    }

    /// Whether what came `since` then is left out, for what is newer.
    fn is_stale(&self, since: Timestamp) -> bool {
        self.freshness.is_some_and(|Freshness { clock, longest, backlog }| {
            self.shared.bytes.load(Ordering::Relaxed) > backlog && clock().since(since) > longest
        })
    }

    /// Counts packets that came through in vain.
    pub(in crate::capture) fn waste(&self, packets: u64) {
        self.shared.unused.fetch_add(packets, Ordering::Relaxed);
    }
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(run) = &self.current {
                let rest = run.bytes.get(self.position..).unwrap_or_default();
                if !rest.is_empty() {
                    let count = rest.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&rest[..count]);
                    self.position += count;
                    return Ok(count);
                }
            }
            match self.receiver.try_recv() {
                Ok(Queued { run, .. }) if run.kind == Kind::Restart => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Ok(Queued { run, since }) => {
                    self.shared.bytes.fetch_sub(run.bytes.len(), Ordering::Relaxed);
                    if run.kind == Kind::Packets && self.is_stale(since) {
                        self.shared.lost.fetch_add(run.packets, Ordering::Relaxed);
                    } else {
                        (self.current, self.position) = (Some(run), 0);
                    }
                }
                Err(TryRecvError::Empty) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryRecvError::Disconnected) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(byte: u8, len: usize) -> Run {
        Run { bytes: Arc::new(vec![byte; len]), packets: 3, kind: Kind::Packets }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_rest_comes_whole() {
        let (inlet, mut outlet) = feed(100);
        inlet.offer(&run(1, 60));
        inlet.offer(&run(2, 60));
        inlet.force(run(3, 60));
        assert_eq!(inlet.lost().count(), 3);
        let mut read = Vec::new();
        assert_eq!(
            outlet.read_to_end(&mut read).map_err(|error| error.kind()),
            Err(io::ErrorKind::WouldBlock)
        );
        assert_eq!(read, [[1; 60], [3; 60]].concat());
        inlet.offer(&run(4, 60));
        inlet.force(Run { kind: Kind::Restart, ..run(0, 0) });
        inlet.offer(&run(5, 10));
        read.clear();
        let error = outlet.read_to_end(&mut read).map_err(|error| error.kind());
        assert_eq!((error, read.len()), (Err(io::ErrorKind::ConnectionReset), 60));
        drop(inlet);
        read.clear();
        assert_eq!((outlet.read_to_end(&mut read).ok(), read.as_slice()), (Some(10), &[5; 10][..]));
    }

    #[test]
    fn what_waited_too_long_is_counted_and_what_is_new_is_given() {
        thread_local!(static NOW: std::cell::Cell<i64> = const { std::cell::Cell::new(0) });
        let freshness = Freshness { clock: || Timestamp(NOW.get()), longest: 100, backlog: 15 };
        let (inlet, mut outlet) = fresh_feed(1000, freshness);
        inlet.offer(&run(1, 10));
        inlet.force(Run { kind: Kind::Description, ..run(2, 10) });
        NOW.set(50);
        inlet.offer(&run(3, 10));
        NOW.set(150);
        let mut read = Vec::new();
        let _ = outlet.read_to_end(&mut read);
        assert_eq!(read, [[2; 10], [3; 10]].concat(), "what others refer to is always given");
        assert_eq!(inlet.lost().count(), 3);
        // A little is soon done with, however old.
        inlet.offer(&run(4, 10));
        inlet.offer(&run(5, 10));
        NOW.set(1000);
        read.clear();
        let _ = outlet.read_to_end(&mut read);
        assert_eq!((read, inlet.lost().count()), ([[4; 10], [5; 10]].concat(), 3));
    }
}
