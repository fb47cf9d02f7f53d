//! By what factor two sets of times differ.
//!
//! The estimate is that of Hodges and Lehmann (Estimates of location based on rank tests, 1963) on logarithms: the median
//! of the ratios of all pairs. Its interval holds those factors that the test of Mann, Whitney and Wilcoxon does not
//! reject: it is right at least 95 times in 100 whatever the distribution of times is, as long as the two differ by a
//! factor only and times are independent. No random numbers are involved.

use serde::Serialize;

/// A factor and where it may lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The median of the ratios of all pairs, the second to the first.
    pub ratio: f64,
    /// With `high`: an interval that holds the true factor with 95 % confidence.
    pub low: f64,
    /// See `low`.
    pub high: f64,
}

/// More samples than these are thinned out evenly: that many pairs are enough.
const MOST: usize = 400;

/// Up to so many samples on both sides, critical values are exact.
const EXACT: usize = 40;

/// The share of a 95 % interval that is left out on each side.
const TAIL: f64 = 0.025;

/// How often a standard normal number lies further up than this: [`TAIL`].
const NORMAL: f64 = 1.959_963_985;

impl Ratio {
    /// By what factor `b` differs from `a`; `None` where there are too few for any interval (fewer than four each, or so).
    pub(super) fn of(a: &[u64], b: &[u64]) -> Option<Ratio> {
        let (a, b) = (logarithms(a), logarithms(b));
        let left_out = left_out(a.len(), b.len())?;
        let pairs = b.iter().flat_map(|b| a.iter().map(move |a| b - a));
        let mut pairs: Vec<f64> = pairs.collect();
        pairs.sort_unstable_by(f64::total_cmp);
        let count = pairs.len();
        let middle = f64::midpoint(pairs[(count - 1) / 2], pairs[count / 2]);
        Some(Ratio {
            ratio: middle.exp(),
            low: pairs[left_out].exp(),
            high: pairs[count - 1 - left_out].exp(),
        })
    }
}

fn logarithms(times: &[u64]) -> Vec<f64> {
    let kept = times.len().min(MOST);
    let kept = (0..kept).map(|at| times[at * times.len() / kept]);
    kept.map(|time| (time.max(1) as f64).ln()).collect()
}

/// How many of the smallest of `m * n` sorted differences lie outside of the interval, and of the largest: the critical
/// value of the Mann-Whitney test. `None` if even the whole range is no interval of 95 %.
fn left_out(m: usize, n: usize) -> Option<usize> {
    if m.min(n) == 0 {
        return None;
    }
    match m.max(n) <= EXACT {
        true => exact(m, n),
        false => {
            let (m, n) = (m as f64, n as f64);
            let spread = (m * n * (m + n + 1.0) / 12.0).sqrt();
            let value = m * n / 2.0 - NORMAL * spread;
            (value >= 0.0).then_some(value as usize)
        }
    }
}

/// The largest `u` for which the statistic is at most `u` with a probability of at most [`TAIL`].
fn exact(m: usize, n: usize) -> Option<usize> {
    // ways[i][u]: orders of i values and so many others in which u pairs are the wrong way round.
    let values = m * n / 2 + 1;
    let mut ways = vec![vec![0.0; values]; m + 1];
    for row in &mut ways {
        row[0] = 1.0;
    }
    for j in 1..=n {
        for i in 1..=m {
            // The largest is one of the i, and all j others come before it, or it is one of the others.
            for u in j..values {
                ways[i][u] += ways[i - 1][u - j];
            }
        }
    }
    let all: f64 = (1..=m).map(|i| (n + i) as f64 / i as f64).product();
    let mut below = 0.0;
    let fits = ways[m].iter().take_while(|ways| {
        below += *ways / all;
        below <= TAIL
    });
    fits.count().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_on_one_side_has_no_ratio() {
        let many = [5; 1000];
        for (a, b) in [
            (&many[..], &[][..]),
            (&[], &many),
            (&[], &[]),
            (&[1], &many),
        ] {
            assert_eq!(Ratio::of(a, b), None);
        }
    }

    /// Published tables of the test (two-sided, 5 %), and counts of all orders in exact integers for what they leave out.
    #[test]
    fn critical_values_are_those_of_the_tables() {
        let table = [
            ((4, 4), 0),
            ((5, 5), 2),
            ((8, 10), 17),
            ((10, 8), 17),
            ((10, 10), 23),
            ((20, 20), 127),
            ((2, 8), 0),
            ((3, 40), 18),
            ((40, 40), 596),
        ];
        for ((m, n), value) in table {
            assert_eq!(left_out(m, n), Some(value), "{m} and {n}");
        }
        for (m, n) in [(3, 3), (0, 5), (5, 0), (1, 1), (1, 1000)] {
            assert_eq!(left_out(m, n), None, "{m} and {n}");
        }
    }

    #[test]
    fn the_normal_distribution_takes_over_smoothly() {
        for (m, n) in [(40, 40), (30, 40), (20, 39)] {
            let exact = exact(m, n).expect("enough") as f64;
            let (m, n) = (m as f64, n as f64);
            let normal = m * n / 2.0 - NORMAL * (m * n * (m + n + 1.0) / 12.0).sqrt();
            assert!((exact - normal).abs() < 2.0, "{exact} and {normal}");
        }
    }

    #[test]
    fn a_small_case_by_hand() {
        // Pairs: 2, 4, 8, 16 over 1, 2, 4, 8; of 16 ratios the middle is 2, and no value is left out.
        let ratio = Ratio::of(&[1, 2, 4, 8], &[2, 4, 8, 16]).expect("enough");
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-12;
        assert!(near(ratio.ratio, 2.0) && near(ratio.low, 0.25) && near(ratio.high, 16.0));
        assert_eq!(Ratio::of(&[1, 2, 3], &[1, 2, 3]), None);
        assert_eq!(Ratio::of(&[], &[1]), None);
    }

    /// Pseudo-random numbers that are the same everywhere (Steele, Lea and Flood: splitmix64).
    struct Random(u64);

    impl Random {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }

        /// Times like those of a machine: most near 100 us, some far above, never below.
        fn times(&mut self, count: usize, factor: f64) -> Vec<u64> {
            let times = (0..count).map(|_| {
                let slow = if self.uniform() < 0.1 {
                    50_000.0
                } else {
                    2_000.0
                };
                let time = 100_000.0 - slow * self.uniform().max(1e-9).ln();
                (time * factor) as u64
            });
            times.collect()
        }
    }

    /// The share of `trials` whose interval holds `factor`, and of those whose interval does not hold 1.
    fn coverage(sizes: (usize, usize), factor: f64, trials: usize) -> (f64, f64) {
        let mut random = Random(1);
        let (mut held, mut told) = (0, 0);
        for _ in 0..trials {
            let (a, b) = (random.times(sizes.0, 1.0), random.times(sizes.1, factor));
            let found = Ratio::of(&a, &b).expect("enough");
            held += usize::from(found.low <= factor && factor <= found.high);
            told += usize::from(found.low > 1.0 || found.high < 1.0);
        }
        (held as f64 / trials as f64, told as f64 / trials as f64)
    }

    #[test]
    fn intervals_hold_the_factor_as_often_as_they_say() {
        // Of 2000 trials, 95 % have a standard deviation of 0.5 %.
        for sizes in [(8, 8), (20, 20), (12, 30), (30, 50)] {
            for factor in [1.0, 1.1, 0.5] {
                let (held, told) = coverage(sizes, factor, 2000);
                assert!((0.935..0.98).contains(&held), "{sizes:?} {factor}: {held}");
                if factor == 1.0 {
                    assert!(told < 0.065, "{sizes:?}: {told}");
                } else if sizes.0 >= 20 {
                    assert!(told > 0.9, "{sizes:?} {factor}: {told}");
                }
            }
        }
    }

    #[test]
    fn many_samples_are_thinned() {
        let mut random = Random(7);
        let (a, b) = (random.times(5000, 1.0), random.times(3000, 1.05));
        let found = Ratio::of(&a, &b).expect("enough");
        assert!(
            found.low < 1.05 && 1.05 < found.high && found.low > 1.04,
            "{found:?}"
        );
    }
}
