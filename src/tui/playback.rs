//! Where in a recording the screen is: position, speed, pause. It is told what time it is.

use std::time::Duration;

use crate::model::Timestamp;

/// How fast the recording plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Everything at once: the position is the end.
    Max,
    /// Times the recorded speed.
    Times(f64),
}

/// The steps of `+` and `-`; after the last comes [`Speed::Max`].
const STEPS: [f64; 8] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0, 1000.0];

/// A position that moves with time through the recording.
#[derive(Clone, Debug)]
pub struct Playback {
    speed: Speed,
    is_paused: bool,
    /// First and last time of what was read so far; `None` while nothing was.
    range: Option<(Timestamp, Timestamp)>,
    position: Timestamp,
    /// When it was last moved on.
    last: Option<Duration>,
}

impl Playback {
    pub fn new(speed: Speed) -> Playback {
        Playback { speed, is_paused: false, range: None, position: Timestamp(i64::MIN), last: None }
    }

    pub fn speed(&self) -> Speed {
        self.speed
    }

    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub fn position(&self) -> Timestamp {
        self.position
    }

    pub fn range(&self) -> Option<(Timestamp, Timestamp)> {
        self.range
    }

    /// Whether everything that was read is shown.
    pub fn is_at_end(&self) -> bool {
        self.range.is_none_or(|(_, end)| self.position >= end)
    }

    /// How far through the recording, 0 to 1.
    pub fn progress(&self) -> f64 {
        match self.range {
            Some((start, end)) if end > start => {
                self.position.since(start).clamp(0, end.since(start)) as f64 / end.since(start) as f64
            }
            _ => 1.0,
        }
    }

    /// Takes in that the recording reaches from `start` to `end` at least.
    pub fn extend(&mut self, start: Timestamp, end: Timestamp) {
        let (first, last) = self.range.unwrap_or((start, start));
        let is_before_start = self.range.is_none() || self.position <= first;
        let range = (first.min(start), last.max(end));
        self.range = Some(range);
        if is_before_start && self.speed != Speed::Max {
            self.position = range.0;
        }
        self.keep_inside();
    }

    /// Moves on to `now`, a time that runs with the wall's clock.
    pub fn advance(&mut self, now: Duration) {
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.last = Some(now);
        if self.is_paused || self.range.is_none() {
            return;
        }
        if let Speed::Times(times) = self.speed {
            self.position = self.position.plus((passed.as_nanos() as f64 * times) as i64);
        }
        self.keep_inside();
    }

    pub fn toggle_pause(&mut self) {
        self.is_paused = !self.is_paused;
    }

    /// Stops at `moment`.
    pub fn freeze_at(&mut self, moment: Timestamp) {
        self.is_paused = true;
        self.seek_to(moment);
    }

    /// At full speed, shows everything from now on.
    pub fn go_on(&mut self) {
        if self.speed == Speed::Max {
            self.is_paused = false;
        }
    }

    /// How far behind the end of what was read the position is, in nanoseconds.
    pub fn behind(&self) -> i64 {
        self.range.map_or(0, |(_, end)| end.since(self.position).max(0))
    }

    pub fn faster(&mut self) {
        if let Speed::Times(times) = self.speed {
            self.speed = STEPS.into_iter().find(|&step| step > times).map_or(Speed::Max, Speed::Times);
        }
    }

    pub fn slower(&mut self) {
        let below = |times: f64| STEPS.into_iter().rfind(|&step| step < times);
        self.speed = match self.speed {
            Speed::Max => Speed::Times(STEPS[STEPS.len() - 1]),
            Speed::Times(times) => Speed::Times(below(times).unwrap_or(times)),
        };
    }

    /// Moves by `nanos`, which may be negative. At full speed there is no place but the end, so it pauses.
    pub fn seek_by(&mut self, nanos: i64) {
        self.seek_to(self.position.plus(nanos));
    }

    /// Moves by a tenth of the recording, `tenths` times.
    pub fn seek_tenths(&mut self, tenths: i64) {
        if let Some((start, end)) = self.range {
            self.seek_by(end.since(start) / 10 * tenths);
        }
    }

    pub fn seek_to(&mut self, position: Timestamp) {
        if self.speed == Speed::Max {
            self.is_paused = true;
        }
        self.position = position;
        let Some((start, end)) = self.range else { return };
        self.position = position.clamp(start, end);
    }

    fn keep_inside(&mut self) {
        let Some((start, end)) = self.range else { return };
        self.position = match self.speed {
            Speed::Max if !self.is_paused => end,
            _ => self.position.clamp(start, end),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SECONDS;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECONDS)
    }

    #[test]
    fn the_position_runs_at_its_speed_and_stops_at_the_end() {
        let mut playback = Playback::new(Speed::Times(10.0));
        playback.extend(at(100), at(160));
        playback.advance(Duration::from_secs(7));
        assert_eq!(playback.position(), at(100), "time before the first look does not count");
        playback.advance(Duration::from_secs(9));
        assert_eq!(playback.position(), at(120));
        playback.toggle_pause();
        playback.advance(Duration::from_secs(10));
        assert_eq!(playback.position(), at(120));
        playback.toggle_pause();
        playback.advance(Duration::from_secs(100));
        assert!(playback.is_at_end());
        assert_eq!(playback.position(), at(160));
    }

    #[test]
    fn full_speed_is_always_at_the_end_until_someone_seeks() {
        let mut playback = Playback::new(Speed::Max);
        playback.extend(at(0), at(10));
        assert_eq!(playback.position(), at(10));
        playback.extend(at(0), at(20));
        assert_eq!(playback.position(), at(20));
        playback.seek_by(-5 * SECONDS);
        playback.advance(Duration::from_secs(1));
        assert_eq!((playback.position(), playback.is_paused()), (at(15), true));
        playback.extend(at(0), at(30));
        assert_eq!(playback.position(), at(15), "what is read later does not move a paused position");
        playback.seek_tenths(-9);
        assert_eq!(playback.position(), at(0));
    }

    #[test]
    fn speeds_go_in_steps() {
        let mut playback = Playback::new(Speed::Times(1.0));
        playback.faster();
        assert_eq!(playback.speed(), Speed::Times(2.0));
        for _ in 0..9 {
            playback.faster();
        }
        assert_eq!(playback.speed(), Speed::Max);
        playback.slower();
        assert_eq!(playback.speed(), Speed::Times(1000.0));
        for _ in 0..20 {
            playback.slower();
        }
        assert_eq!(playback.speed(), Speed::Times(0.1));
    }
}
