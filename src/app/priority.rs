//! Who goes first: what the node is for, and capturing, before analysing.
//!
//! Nice counts among the threads of one control group only, and the node's own work is seldom in ours. So analysing
//! also looks how much of the machine is idle, and where nothing is, takes a fiftieth of it.

use std::fs::File;
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::process::nice;

use crate::app::clock::{self, Stopwatch};

/// Between two looks at the machine.
const PACE: Duration = Duration::from_millis(200);
/// Of the whole machine: with less idle it is busy, with more it has something to spare.
const SCARCE: f64 = 0.05;
const PLENTY: f64 = 0.15;
/// Of the whole machine: what is taken where it has nothing to spare.
const LEAST: f64 = 0.02;
/// Of one processor: what is added at each look while there is something to spare.
const MORE: f64 = 0.1;
/// Processor time that may be taken at once, in seconds: what is short does not make a node slow.
const AT_ONCE: f64 = 0.5;
/// What waits for the next piece of work is not let wait for longer.
const LONGEST: Duration = Duration::from_millis(500);

/// The thread stands back by `by` steps of nice(2) from where it is, and so does every thread it starts. Nobody needs a
/// right for that; on Linux it is each thread's own.
pub(super) fn stand_back(by: i32) {
    if by > 0 {
        // Where a system does not want it, everything works as before.
        let _ = nice(by);
    }
}

/// How a thread stands back behind everything else on the machine.
pub(super) struct Modesty {
    nice: i32,
    machine: Option<Machine>,
    looked: Stopwatch,
    rested: Stopwatch,
    /// Processor time that the thread had taken after its last rest.
    taken: Duration,
    allowance: Allowance,
}

impl Modesty {
    /// Takes whatever it gets.
    pub(super) fn none() -> Modesty {
        Modesty {
            nice: 0,
            machine: None,
            looked: Stopwatch::start(),
            rested: Stopwatch::start(),
            taken: Duration::ZERO,
            allowance: Allowance::of(std::thread::available_parallelism().map_or(1, NonZero::get)),
        }
    }

    /// By so many steps of nice(2); with 0 not at all. It opens what it looks at, which may not be possible later.
    pub(super) fn by(nice: i32) -> Modesty {
        let machine = if nice > 0 { Machine::open() } else { None };
        Modesty { nice, machine, ..Modesty::none() }
    }

    /// Begins: the thread that calls, and those that it starts, stand back.
    pub(super) fn begin(&mut self) {
        stand_back(self.nice);
        self.taken = clock::thread_time();
        self.rested = Stopwatch::start();
    }

    /// After a piece of work, gives way where nothing is idle.
    pub(super) fn rest(&mut self) {
        let Some(machine) = &mut self.machine else { return };
        if self.looked.elapsed() >= PACE {
            self.looked = Stopwatch::start();
            if let Some(idle) = machine.idle() {
                self.allowance.adapt(idle);
            }
        }
        let now = clock::thread_time();
        let pause = self.allowance.pause(now.saturating_sub(self.taken), self.rested.elapsed());
        self.taken = now;
        self.rested = Stopwatch::start();
        if !pause.is_zero() {
            clock::wait(pause);
        }
    }
}

/// What a thread may take of a processor (a token bucket).
struct Allowance {
    /// Of one processor, in the long run; at least so much.
    share: f64,
    least: f64,
    /// What may be taken at once, in seconds.
    credit: f64,
}

impl Allowance {
    /// On a machine with so many processors.
    fn of(processors: usize) -> Allowance {
        Allowance { share: 1.0, least: (LEAST * processors as f64).min(1.0), credit: AT_ONCE }
    }

    /// `idle` of the machine was: quickly less, slowly more.
    fn adapt(&mut self, idle: f64) {
        self.share = match idle {
            idle if idle < SCARCE => (self.share / 2.0).max(self.least),
            idle if idle > PLENTY => (self.share + MORE).min(1.0),
            _ => self.share,
        };
    }

    /// How long to rest when `work` was taken in the time that went by.
    fn pause(&mut self, work: Duration, elapsed: Duration) -> Duration {
        let earned = elapsed.as_secs_f64() * self.share;
        self.credit = (self.credit + earned - work.as_secs_f64()).min(AT_ONCE);
        if self.credit >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(-self.credit / self.share).min(LONGEST)
    }
}

/// The processors' times (`/proc/stat`, proc_stat(5)).
struct Machine {
    file: File,
    before: Times,
}

/// Since the machine was started, in the kernel's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
}

impl Machine {
    /// `None` where the system does not tell.
    fn open() -> Option<Machine> {
        let file = File::open("/proc/stat").ok()?;
        let before = Times::read(&file)?;
        Some(Machine { file, before })
    }

    /// The share of the machine that was idle since it was last asked; `None` where no time went by.
    fn idle(&mut self) -> Option<f64> {
        let now = Times::read(&self.file)?;
        let before = std::mem::replace(&mut self.before, now);
        let all = now.all.checked_sub(before.all).filter(|&all| all > 0)?;
        // The kernel may correct idle times to less.
        Some(now.idle.saturating_sub(before.idle) as f64 / all as f64)
    }
}

impl Times {
    fn read(file: &File) -> Option<Times> {
        let mut bytes = [0; 256];
        let read = file.read_at(&mut bytes, 0).ok()?;
        Times::parse(std::str::from_utf8(&bytes[..read]).ok()?)
    }

    /// The first line: user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen, and guests,
    /// whose time is within user's.
    fn parse(text: &str) -> Option<Times> {
        let mut words = text.lines().next()?.split_ascii_whitespace();
        words.next().filter(|&word| word == "cpu")?;
        let times: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
        let idle = times.get(3)?.checked_add(*times.get(4)?)?;
        let all = times.iter().try_fold(0_u64, |sum, time| sum.checked_add(*time))?;
        Some(Times { idle, all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_falls_quickly_where_nothing_is_idle_and_comes_back_slowly() {
        let mut allowance = Allowance::of(2);
        for _ in 0..5 {
            allowance.adapt(0.01);
        }
        assert!((allowance.share - 2.0 * LEAST).abs() < f64::EPSILON);
        allowance.adapt(0.1);
        assert!((allowance.share - 2.0 * LEAST).abs() < f64::EPSILON, "in between nothing changes");
        for _ in 0..9 {
            allowance.adapt(0.5);
        }
        assert!(allowance.share < 1.0);
        allowance.adapt(0.5);
        assert!((allowance.share - 1.0).abs() < f64::EPSILON);
        let mut large = Allowance::of(64);
        large.adapt(0.0);
        assert!((large.share - 1.0).abs() < f64::EPSILON, "one processor of many is no more than that");
    }

    /// Works for 4 s where nothing is idle, in pieces of 2 ms.
    #[test]
    fn what_is_taken_in_the_long_run_is_the_share_and_what_is_short_is_free() {
        let work = Duration::from_millis(2);
        let mut allowance = Allowance { share: 0.05, ..Allowance::of(2) };
        let (mut rested, mut free) = (Duration::ZERO, 0);
        let mut pause = Duration::ZERO;
        for _ in 0..2_000 {
            pause = allowance.pause(work, work + pause);
            rested += pause;
            free += usize::from(rested.is_zero());
        }
        assert!((250..270).contains(&free), "{free}");
        // Half a second of four is free; each other second takes twenty.
        assert!((64.0..70.0).contains(&rested.as_secs_f64()), "{rested:?}");
        let mut all = Allowance { credit: 0.0, ..Allowance::of(2) };
        assert_eq!(all.pause(work, work), Duration::ZERO);
    }

    #[test]
    fn the_processors_times_are_read() {
        let text = "cpu  100 5 50 800 20 3 2 20 7 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(Times::parse(text), Some(Times { idle: 820, all: 1000 }));
        assert_eq!(Times::parse("cpu 1 2 3\n"), None);
        assert_eq!(Times::parse("intr 1 2 3 4 5 6\n"), None);
        assert_eq!(Times::parse(""), None);
    }
}
