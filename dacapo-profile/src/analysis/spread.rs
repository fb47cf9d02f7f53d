use serde::Serialize;

/// How a number is spread over its occurrences. Everything is 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Occurrences.
    pub count: u64,
    /// Their sum.
    pub total: u64,
    /// The smallest.
    pub min: u64,
    /// The one in the middle, or the mean of the two there, rounded down.
    pub median: u64,
    /// The smallest that at least 95 % are not above.
    pub p95: u64,
    /// The largest.
    pub max: u64,
}

impl Spread {
    /// The spread of `values`, in any order.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Spread {
        let mut sorted: Vec<u64> = values.into_iter().collect();
        sorted.sort_unstable();
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Spread::default();
        };
        let count = sorted.len();
        Spread {
            count: count as u64,
            total: sorted.iter().fold(0, |sum, it| sum.saturating_add(*it)),
            min,
            median: u64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]),
            p95: sorted[(count * 95).div_ceil(100) - 1],
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_what_one_counts_by_hand() {
        assert_eq!(Spread::of([]), Spread::default());
        let one = Spread::of([7]);
        assert_eq!(
            (one.count, one.min, one.median, one.p95, one.max),
            (1, 7, 7, 7, 7)
        );
        let even = Spread::of([9, 1, 4, 2]);
        assert_eq!((even.total, even.median, even.p95), (16, 3, 9));
        let hundred = Spread::of((1..=100).rev());
        assert_eq!((hundred.median, hundred.p95, hundred.max), (50, 95, 100));
        let more = Spread::of(1..=101);
        assert_eq!((more.median, more.p95), (51, 96));
        assert_eq!(Spread::of([u64::MAX, u64::MAX]).median, u64::MAX);
    }
}
