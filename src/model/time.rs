//! Packet time. It comes from the record's own stamp; nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch, on the clock of the node that captured the packet
/// (until [`crate::model::Clocks::align`] puts it on the reference node's clock).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// No later than any.
    pub const EARLIEST: Timestamp = Timestamp(i64::MIN);
    /// No earlier than any.
    pub const LATEST: Timestamp = Timestamp(i64::MAX);

    /// Nanoseconds from `earlier` to `self`; negative when `self` is the earlier one.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This stamp moved by `nanos`, which may be negative.
    #[must_use]
    pub fn plus(self, nanos: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos))
    }

    /// Year, month, day, hour, minute and second in UTC, in the proleptic Gregorian calendar.
    pub fn civil(self) -> [i64; 6] {
        let seconds = self.0.div_euclid(SECONDS);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Years begin in March here, so that a leap day is a year's last.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        [year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60]
    }

    /// The time of a year, month, day, hour, minute and second in UTC: [`civil`](Timestamp::civil) the other way.
    pub fn of_civil([year, month, day, hour, minute, second]: [i64; 6]) -> Timestamp {
        let year = year - i64::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
        Timestamp((((days * 24 + hour) * 60 + minute) * 60 + second).saturating_mul(SECONDS))
    }

    /// Date and time of day in UTC, as files are named by it: `20261122203000`.
    pub fn compact(self) -> String {
        let [year, month, day, hour, minute, second] = self.civil();
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }
}

/// One microsecond, in nanoseconds.
pub const MICROS: i64 = 1_000;
/// One millisecond, in nanoseconds.
pub const MILLIS: i64 = 1_000_000;
/// One second, in nanoseconds.
pub const SECONDS: i64 = 1_000_000_000;
