//! Numbers that look random and are the same for the same seed: SplitMix64 (Steele, Lea, Flood 2014).

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to, not including, `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    /// True `per_mille` times of a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.between(0, 1000) < per_mille
    }

    /// Small values are as frequent as large ones on a logarithmic scale.
    pub(crate) fn log_between(&mut self, low: u64, high: u64) -> u64 {
        let exponent = self.between(0, 1 << 20) as f64 / (1 << 20) as f64;
        (low as f64 * (high as f64 / low as f64).powf(exponent)) as u64
    }
}
