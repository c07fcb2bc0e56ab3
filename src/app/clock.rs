//! The only place that reads a clock or sleeps. Everything else lives in packet time.
#![expect(clippy::disallowed_methods, reason = "this is the place they are kept for")]

use std::time::{Duration, Instant, SystemTime};

use crate::model::Timestamp;

/// Wall time since it was started, for drawing and for the speed of a replay.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The time of day, for captures: it says up to when there was silence, and names files.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Processor time that the calling thread has taken so far (clock_gettime(2)).
pub fn thread_time() -> Duration {
    let taken = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    taken.try_into().unwrap_or_default()
}

/// Lets `duration` go by.
pub fn wait(duration: Duration) {
    std::thread::sleep(duration);
}
