//! Keeps closed trails until the end of a report in bounded memory.
//!
//! A trail's place in the report is known only at the end, when the clocks are. So trails are written into runs as
//! they close, each behind what its place depends on; a full run goes to a file without a name. At the end each run
//! is sorted by itself, without unpacking the trails, and the runs are merged as they are read.
//!
//! Memory is two runs and the read-ahead, however many trails there are, and a bit for each of them.

mod sightings;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::model::{Endpoint, Timestamp, Trail, VantageId};

/// Bytes of a run in memory.
const RUN_BYTES: usize = 4 << 20;
/// Read-ahead of all runs together while merging, and the bounds for one of them.
const READ_AHEAD: usize = 4 << 20;
const LEAST_AHEAD: usize = 4 << 10;
const MOST_AHEAD: usize = 128 << 10;
const KEY_BYTES: usize = 34;
/// Key and length of the trail that follows.
const HEAD_BYTES: usize = KEY_BYTES + 4;

/// Gives a time at a capture point on the reference clock; of two times at one point the earlier stays so.
pub(super) type Align<'a> = dyn Fn(VantageId, Timestamp) -> Timestamp + 'a;

/// Where a trail stands in the report: by start, then by client, then by first sight. Compares as its bytes do.
type Key = [u8; KEY_BYTES];

fn key(started: Timestamp, client: Endpoint, id: u64) -> Key {
    let mut key = [0; KEY_BYTES];
    // Flipping the sign bit makes negative times come first.
    key[..8].copy_from_slice(&(started.0 ^ i64::MIN).to_be_bytes());
    key[8..24].copy_from_slice(&client.ip.0.to_be_bytes());
    key[24..26].copy_from_slice(&client.port.to_be_bytes());
    key[26..].copy_from_slice(&id.to_be_bytes());
    key
}

/// What a trail's place depends on; it is packed before the trail.
#[derive(Serialize, Deserialize)]
struct Place {
    id: u64,
    revision: u32,
    client: Endpoint,
    seen: Seen,
}

/// The first time that counts for a trail's start, at each capture point.
type Seen = SmallVec<[(VantageId, Timestamp); 8]>;

impl Place {
    fn of(trail: &Trail) -> Place {
        let mut seen = Seen::new();
        for (vantage, time) in trail.beginnings() {
            match seen.iter_mut().find(|(known, _)| *known == vantage) {
                Some((_, first)) => *first = time.min(*first),
                None => seen.push((vantage, time)),
            }
        }
        let client = trail.legs.first().map(|leg| leg.client).unwrap_or_default();
        Place { id: trail.id, revision: trail.revision, client, seen }
    }
}

/// Trails that were put away.
pub(super) struct Spool {
    run: Vec<u8>,
    run_bytes: usize,
    spilled: Option<Spilled>,
    stale: Stale,
}

struct Spilled {
    file: File,
    /// Where each run begins and ends.
    runs: Vec<(u64, u64)>,
}

/// Which records a later revision or a withdrawal made stale.
#[derive(Default)]
struct Stale {
    /// A bit for each id that was put away; ids are dense.
    is_put: Vec<u64>,
    /// The newest revision of an id that was put away more than once; `None` when it was withdrawn.
    newest: HashMap<u64, Option<u32>>,
}

impl Stale {
    /// Returns whether `id` was put away before, and remembers that it is now.
    fn put(&mut self, id: u64) -> bool {
        let (word, bit) = ((id / 64) as usize, 1 << (id % 64));
        if word >= self.is_put.len() {
            self.is_put.resize(word + 1, 0);
        }
        let was_put = self.is_put[word] & bit != 0;
        self.is_put[word] |= bit;
        was_put
    }

    fn is_stale(&self, place: &Place) -> bool {
        self.newest.get(&place.id).is_some_and(|&newest| newest != Some(place.revision))
    }
}

impl Default for Spool {
    fn default() -> Spool {
        Spool::with_run_bytes(RUN_BYTES)
    }
}

impl Spool {
    fn with_run_bytes(run_bytes: usize) -> Spool {
        Spool { run: Vec::new(), run_bytes, spilled: None, stale: Stale::default() }
    }

    /// Puts a closed trail away; a later revision replaces an earlier one.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn put(&mut self, mut trail: Trail) -> io::Result<()> {
        if self.stale.put(trail.id) {
            self.stale.newest.insert(trail.id, Some(trail.revision));
        }
        let start = self.run.len();
        let mut run = std::mem::take(&mut self.run);
        run.extend_from_slice(&[0; HEAD_BYTES]);
        run = postcard::to_extend(&Place::of(&trail), run).map_err(io::Error::other)?;
        sightings::pack(&std::mem::take(&mut trail.sightings), &mut run);
        self.run = postcard::to_extend(&trail, run).map_err(io::Error::other)?;
        let len = (self.run.len() - start - HEAD_BYTES) as u32;
        self.run[start + KEY_BYTES..start + HEAD_BYTES].copy_from_slice(&len.to_be_bytes());
        if self.run.len() >= self.run_bytes { self.spill() } else { Ok(()) }
    }

    /// The trail turned out to be part of another one.
    pub(super) fn withdraw(&mut self, id: u64) {
        if self.stale.put(id) {
            self.stale.newest.insert(id, None);
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled { file: tempfile::tempfile()?, runs: Vec::new() }),
        };
        let begin = spilled.runs.last().map_or(0, |&(_, end)| end);
        spilled.file.write_all_at(&self.run, begin)?;
        spilled.runs.push((begin, begin + self.run.len() as u64));
        self.run.clear();
        Ok(())
    }

    /// Sorts everything by `align`, which gives a capture point's time on the reference clock, now that the clocks
    /// are known.
    ///
    /// # Errors
    /// When the temporary file cannot be read or written.
    pub(super) fn sorted(mut self, align: &Align<'_>) -> io::Result<Sorted> {
        if self.spilled.is_some() {
            // The last run too, so that sorting never holds more than one run and its copy.
            self.spill()?;
        }
        let mut run = std::mem::take(&mut self.run);
        let mut sorted = Vec::with_capacity(run.len());
        let Some(Spilled { file, runs: places }) = self.spilled.take() else {
            let count = sort(&run, &self.stale, align, &mut sorted)?;
            return Sorted::new(vec![Box::new(Cursor::new(sorted))], count);
        };
        let file = Arc::new(file);
        let ahead = (READ_AHEAD / places.len().max(1)).clamp(LEAST_AHEAD, MOST_AHEAD);
        let mut runs: Vec<Box<dyn BufRead>> = Vec::new();
        let mut count = 0;
        for (begin, end) in places {
            run.resize((end - begin) as usize, 0);
            file.read_exact_at(&mut run, begin)?;
            count += sort(&run, &self.stale, align, &mut sorted)?;
            file.write_all_at(&sorted, begin)?;
            let region = Region { file: Arc::clone(&file), at: begin, end };
            runs.push(Box::new(BufReader::with_capacity(ahead, region)));
        }
        Sorted::new(runs, count)
    }
}

/// Makes `sorted` the records of a run in order, without the stale ones, filled up to the same length with a record
/// of no length; returns how many there are.
fn sort(run: &[u8], stale: &Stale, align: &Align<'_>, sorted: &mut Vec<u8>) -> io::Result<u64> {
    let mut order: Vec<(Key, &[u8])> = Vec::new();
    let mut rest = run;
    while let Some((head, after)) = rest.split_at_checked(HEAD_BYTES) {
        let (record, after) = after.split_at(record_len(head));
        rest = after;
        let (place, trail): (Place, _) = postcard::take_from_bytes(record).map_err(io::Error::other)?;
        if !stale.is_stale(&place) {
            let started = place.seen.iter().map(|&(vantage, time)| align(vantage, time)).min();
            order.push((key(started.unwrap_or_default(), place.client, place.id), trail));
        }
    }
    order.sort_unstable_by_key(|&(key, _)| key);
    sorted.clear();
    let count = order.len() as u64;
    for (key, record) in order {
        sorted.extend_from_slice(&key);
        sorted.extend_from_slice(&(record.len() as u32).to_be_bytes());
        sorted.extend_from_slice(record);
    }
    sorted.resize(run.len(), 0);
    Ok(count)
}

fn record_len(head: &[u8]) -> usize {
    let mut len = [0; 4];
    len.copy_from_slice(&head[KEY_BYTES..HEAD_BYTES]);
    u32::from_be_bytes(len) as usize
}

/// A part of a file, read from begin to end without moving the file's own position.
struct Region {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Region {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min((self.end - self.at) as usize);
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// All trails in the report's order, each still as it was put away; [`unpack`] reads one.
pub(super) struct Sorted {
    runs: Vec<Box<dyn BufRead>>,
    /// The next key of each run that has more, and its record's length.
    next: BinaryHeap<Reverse<(Key, usize, usize)>>,
    count: u64,
}

impl Sorted {
    fn new(runs: Vec<Box<dyn BufRead>>, count: u64) -> io::Result<Sorted> {
        let mut sorted = Sorted { runs, next: BinaryHeap::new(), count };
        for run in 0..sorted.runs.len() {
            sorted.look_ahead(run)?;
        }
        Ok(sorted)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn look_ahead(&mut self, run: usize) -> io::Result<()> {
        let reader = &mut self.runs[run];
        let mut head = [0; HEAD_BYTES];
        let mut filled = 0;
        while filled < HEAD_BYTES {
            let some = reader.fill_buf()?;
            if some.is_empty() {
                return Ok(());
            }
            let count = some.len().min(HEAD_BYTES - filled);
            head[filled..filled + count].copy_from_slice(&some[..count]);
            reader.consume(count);
            filled += count;
        }
        let len = record_len(&head);
        if len > 0 {
            let mut key = [0; KEY_BYTES];
            key.copy_from_slice(&head[..KEY_BYTES]);
            self.next.push(Reverse((key, run, len)));
        }
        Ok(())
    }

    /// Appends the next trail's bytes to `out` and returns how many; `None` at the end.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(super) fn next_into(&mut self, out: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let Some(Reverse((_, run, len))) = self.next.pop() else { return Ok(None) };
        let start = out.len();
        out.resize(start + len, 0);
        self.runs[run].read_exact(&mut out[start..])?;
        self.look_ahead(run)?;
        Ok(Some(len))
    }
}

/// Reads a trail as [`Sorted::next_into`] gave it.
///
/// # Errors
/// When the bytes are not those of a trail.
pub(super) fn unpack(record: &[u8]) -> io::Result<Trail> {
    let (sightings, rest) = sightings::unpack(record).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Trail { sightings, ..postcard::from_bytes(rest).map_err(io::Error::other)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ip, Sighting, sample};

    fn trail(id: u64, revision: u32, started: i64) -> Trail {
        let client = Endpoint::new(Ip::v4([10, 0, 0, (id % 7) as u8]), 1);
        let sightings = [started + 1000, started].map(sample::sighting).to_vec();
        Trail { id, revision, sightings, ..sample::trail(sample::leg(client, client, None)) }
    }

    fn drain(spool: Spool) -> Vec<(u64, u32)> {
        let mut sorted = spool.sorted(&|_, time| time).expect("sorted");
        let mut found = Vec::new();
        let mut bytes = Vec::new();
        while let Some(len) = sorted.next_into(&mut bytes).expect("read") {
            let trail = unpack(&bytes[bytes.len() - len..]).expect("a trail");
            found.push((trail.id, trail.revision));
        }
        found
    }

    #[test]
    fn many_runs_give_what_one_gives() {
        let order = |run_bytes| {
            let mut spool = Spool::with_run_bytes(run_bytes);
            for id in 0..1000_u64 {
                spool.put(trail(id, 1, (id as i64 * 7919) % 101 - 50)).expect("put");
            }
            drain(spool)
        };
        let one = order(RUN_BYTES);
        assert_eq!(one.len(), 1000);
        let mut expected: Vec<(i64, u64, u64)> =
            (0..1000).map(|id| ((id as i64 * 7919) % 101 - 50, id % 7, id)).collect();
        expected.sort_unstable();
        assert!(one.iter().map(|&(id, _)| id).eq(expected.iter().map(|&(_, _, id)| id)));
        assert_eq!(order(700), one);
        assert_eq!(order(1), one);
    }

    #[test]
    fn later_revisions_replace_and_withdrawals_remove() {
        for run_bytes in [1, RUN_BYTES] {
            let mut spool = Spool::with_run_bytes(run_bytes);
            for (id, revision) in [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)] {
                spool.put(trail(id, revision, 10 - id as i64)).expect("put");
            }
            spool.withdraw(2);
            spool.withdraw(9);
            assert_eq!(drain(spool), [(3, 1), (1, 3)]);
        }
    }

    #[test]
    fn what_a_proxys_connection_carried_before_puts_nothing_first() {
        let mut spool = Spool::default();
        let mut later = trail(1, 1, 20);
        later.sightings.push(Sighting { leg: 1, ..sample::sighting(5) });
        spool.put(later).expect("put");
        spool.put(trail(2, 1, 10)).expect("put");
        assert_eq!(drain(spool), [(2, 1), (1, 1)]);
    }

    #[test]
    fn nothing_put_gives_nothing() {
        assert_eq!(drain(Spool::default()), []);
    }
}
