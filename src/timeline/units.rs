//! Durations and times of day as text: one unit a column, so that numbers compare by eye.

use crate::model::{MICROS, MILLIS, SECONDS, Timestamp};
use crate::timeline::Manner;

/// The unit and the decimals of a column of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    nanos: i64,
    decimals: usize,
}

impl Unit {
    /// The unit in which `largest` (nanoseconds) and smaller durations read best.
    pub fn for_largest(largest: i64) -> Unit {
        let (nanos, decimals) = match largest.abs() {
            0..1_000 => (1, 0),
            1_000..10_000 => (MICROS, 2),
            10_000..100_000 => (MICROS, 1),
            100_000..10_000_000 => (MICROS, 0),
            10_000_000..10_000_000_000 => (MILLIS, 2),
            _ => (SECONDS, 3),
        };
        Unit { nanos, decimals }
    }

    /// The same with enough decimals for a table whose rows differ by orders of magnitude.
    pub fn for_spread(largest: i64) -> Unit {
        let unit = Unit::for_largest(largest);
        let decimals = if unit.nanos >= MILLIS { 3 } else { unit.decimals };
        Unit { decimals, ..unit }
    }

    /// Whether both count the same thing, whatever their decimals.
    pub fn is_as_large_as(self, other: Unit) -> bool {
        self.nanos == other.nanos
    }

    pub fn name(self, manner: Manner) -> &'static str {
        match self.nanos {
            1 => "ns",
            MICROS => manner.micros(),
            MILLIS => "ms",
            _ => "s",
        }
    }

    /// The bare number, rounded half away from zero.
    pub fn write(self, out: &mut String, duration_ns: i64) {
        let scale = 10_u64.pow(self.decimals as u32);
        let rounded = self.rounded(duration_ns.unsigned_abs(), scale);
        if duration_ns < 0 && rounded > 0 {
            out.push('-');
        }
        write_digits(out, rounded / scale, 1);
        if self.decimals > 0 {
            out.push('.');
            write_digits(out, rounded % scale, self.decimals);
        }
    }

    /// How many parts of the unit, `scale` to a whole, `nanos` are.
    fn rounded(self, nanos: u64, scale: u64) -> u64 {
        let unit = self.nanos as u64;
        if let Some(parts) = nanos.checked_mul(scale).and_then(|parts| parts.checked_add(unit / 2)) {
            return parts / unit;
        }
        let parts = (u128::from(nanos) * u128::from(scale) + u128::from(unit / 2)) / u128::from(unit);
        u64::try_from(parts).unwrap_or(u64::MAX)
    }

    /// A number of an axis with steps of `step_ns`: only as many decimals as the steps need.
    pub fn axis_number(self, duration_ns: i64, step_ns: i64) -> String {
        let decimals =
            usize::from(step_ns < self.nanos) + usize::from(step_ns.saturating_mul(10) < self.nanos);
        Unit { decimals, ..self }.number(duration_ns)
    }

    pub fn number(self, duration_ns: i64) -> String {
        let mut out = String::with_capacity(8);
        self.write(&mut out, duration_ns);
        out
    }
}

/// A single duration with three significant digits and its unit: `1.84 ms`.
pub fn duration(duration_ns: i64, manner: Manner) -> String {
    let nanos = match duration_ns.saturating_abs() {
        0..1_000 => 1,
        1_000..1_000_000 => MICROS,
        1_000_000..1_000_000_000 => MILLIS,
        _ => SECONDS,
    };
    let decimals = match (nanos, duration_ns.saturating_abs() / nanos) {
        (1, _) | (_, 100..) => 0,
        (_, 10..) => 1,
        _ => 2,
    };
    let unit = Unit { nanos, decimals };
    let mut out = String::with_capacity(12);
    unit.write(&mut out, duration_ns);
    out.push(' ');
    out.push_str(unit.name(manner));
    out
}

/// How many a second, with three significant digits; nothing where no time passed.
pub fn rate(count: usize, nanos: i64) -> String {
    if nanos <= 0 {
        return String::new();
    }
    let rate = count as f64 * SECONDS as f64 / nanos as f64;
    let decimals = match rate {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{rate:.decimals$}")
}

const DAY: i64 = 86_400 * SECONDS;

/// Time of day in UTC with milliseconds: `12:03:22.104`.
pub fn time_of_day(time: Timestamp) -> String {
    let mut out = String::with_capacity(12);
    write_time_of_day(&mut out, time);
    out
}

/// Appends the time of day in UTC with milliseconds.
pub fn write_time_of_day(out: &mut String, time: Timestamp) {
    let millis = time.0.rem_euclid(DAY) / MILLIS;
    let (seconds, rest) = (millis / 1000, millis % 1000);
    for (number, digits, after) in
        [(seconds / 3600, 2, ":"), (seconds / 60 % 60, 2, ":"), (seconds % 60, 2, "."), (rest, 3, "")]
    {
        write_digits(out, number as u64, digits);
        out.push_str(after);
    }
}

/// Appends `number` with at least so many digits. Numbers are a good part of a report, and the standard library's
/// formatting takes several times as long.
fn write_digits(out: &mut String, number: u64, least: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    let mut rest = number;
    while rest > 0 && start > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let start = start.min(digits.len() - least);
    out.extend(digits[start..].iter().copied().map(char::from));
}

/// A byte count with a decimal unit: `14.2 kB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_one_unit() {
        let unit = Unit::for_largest(1_840_000);
        assert_eq!(unit.name(Manner::default()), "µs");
        assert_eq!([unit.number(530_400), unit.number(1_840_000), unit.number(-49)], ["530", "1840", "0"]);
        let unit = Unit::for_largest(3_004_000_000);
        assert_eq!([unit.number(3_004_000_000), unit.number(51_000)], ["3004.00", "0.05"]);
        assert_eq!(Unit::for_largest(9_004).number(9_004), "9.00");
        assert_eq!(unit.number(-i64::MAX), "-9223372036854.78");
        assert_eq!(Unit::for_largest(0).number(0), "0");
    }

    #[test]
    fn a_single_duration_has_three_digits() {
        let shown = |nanos| duration(nanos, Manner::default());
        assert_eq!(shown(412), "412 ns");
        assert_eq!(shown(74_000), "74.0 µs");
        assert_eq!(shown(1_842_000), "1.84 ms");
        assert_eq!(shown(999_999), "1000 µs");
        assert_eq!(shown(-3_000_000_000), "-3.00 s");
    }

    #[test]
    fn a_rate_is_a_second() {
        let rates = [(3, 6 * SECONDS), (1204, 60 * SECONDS), (9_000, MILLIS), (5, 0)];
        assert_eq!(rates.map(|(count, nanos)| rate(count, nanos)), ["0.50", "20.1", "9000000", ""]);
    }

    #[test]
    fn times_of_day_are_utc() {
        assert_eq!(time_of_day(Timestamp(1_766_404_999_104_999_999)), "12:03:19.104");
        assert_eq!(time_of_day(Timestamp(-1)), "23:59:59.999");
    }
}
