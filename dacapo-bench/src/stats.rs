//! What repeated measurements say.

use serde::{Deserialize, Serialize};

/// A median with the interval that holds the true one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub median: f64,
    /// See [`interval`].
    pub interval: [f64; 2],
    pub samples: usize,
}

impl Figure {
    /// Of at least one sample.
    pub fn new(mut samples: Vec<f64>) -> Option<Figure> {
        samples.sort_by(f64::total_cmp);
        Some(Figure {
            median: median(&samples)?,
            interval: interval(&samples)?,
            samples: samples.len(),
        })
    }
}

/// What the interval means, for whoever reads a report.
pub const INTERVAL: &str = "the interval holds the true median with at least 95 % confidence (order statistics, no \
distribution assumed); of fewer than six samples it is their range";

/// The median of sorted samples.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        0 => Some((sorted.get(sorted.len() / 2 - 1)? + upper) / 2.0),
        _ => Some(upper),
    }
}

/// The narrowest two samples, as far from the one end as from the other, between which the true median lies with a
/// probability of 95 %: each sample lies below it with a probability of one half.
fn interval(sorted: &[f64]) -> Option<[f64; 2]> {
    let count = sorted.len();
    let mut outside = 0.0;
    let mut skipped = 0;
    // The probability that exactly `skipped` samples lie below, through logarithms: 2^-count alone would vanish.
    let mut log = -(count as f64) * std::f64::consts::LN_2;
    while skipped < count / 2 {
        outside += 2.0 * log.exp();
        if outside > 0.05 {
            break;
        }
        log += ((count - skipped) as f64 / (skipped + 1) as f64).ln();
        skipped += 1;
    }
    let first = skipped.saturating_sub(1);
    Some([*sorted.get(first)?, *sorted.get(count - 1 - first)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u32) -> Figure {
        Figure::new((1..=count).rev().map(f64::from).collect()).expect("samples")
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(of(5).median, 3.0);
        assert_eq!(of(4).median, 2.5);
        assert_eq!(Figure::new(Vec::new()), None);
    }

    #[test]
    fn few_samples_give_their_range() {
        for count in 1..=8 {
            assert_eq!(of(count).interval, [1.0, f64::from(count)]);
        }
    }

    #[test]
    fn intervals_are_those_of_the_published_table() {
        // Ranks for 95 % from tables of the sign test.
        assert_eq!(of(9).interval, [2.0, 8.0]);
        assert_eq!(of(20).interval, [6.0, 15.0]);
        assert_eq!(of(50).interval, [18.0, 33.0]);
        assert_eq!(of(100).interval, [40.0, 61.0]);
        let many = of(5000).interval;
        assert!(many[0] > 2400.0 && many[1] < 2600.0, "{many:?}");
    }
}
