//! Money is an integer: thousand-millionths of a US dollar. Never a float on the way to the ledger.

use std::fmt;

/// An amount in nano-USD. The largest amount is about 9.2 thousand million dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    pub const ZERO: Self = Self(0);

    /// For people and JSON only; arithmetic stays in nano-USD.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown, not calculated with")]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars with all nine decimals that count: `0.000021`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, nanos) = (self.0.unsigned_abs() / 1_000_000_000, self.0.unsigned_abs() % 1_000_000_000);
        let decimals = format!("{nanos:09}");
        let decimals = decimals.trim_end_matches('0');
        if decimals.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{decimals}") }
    }
}

#[cfg(test)]
mod tests {
    use super::NanoUsd;

    #[test]
    fn amounts_print_exactly() {
        assert_eq!(NanoUsd(21_000).to_string(), "0.000021");
        assert_eq!(NanoUsd(-1_500_000_000).to_string(), "-1.5");
        assert_eq!(NanoUsd(100_000_000_000).to_string(), "100");
        assert_eq!(NanoUsd(i64::MIN).to_string(), "-9223372036.854775808");
    }
}
