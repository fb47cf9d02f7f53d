//! The most likely tokens that reach an amount, found without sorting.

/// Which tokens are kept, in the order of falling weight and rising index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cutoff {
    /// Least weight kept, as bits: the order of positive floats is that of their bits.
    pub(super) bits: u32,
    /// Last index kept among those of exactly that weight.
    pub(super) last: usize,
}

impl Cutoff {
    /// Keeps every weight above 0.
    pub(super) const ALL: Self = Self {
        bits: 1,
        last: usize::MAX,
    };

    /// Whether the token at `index` is kept; never a NaN.
    pub(super) fn keeps(self, index: usize, weight: f32) -> bool {
        // Sign, infinity and NaN all lie above 1.0.
        let bits = weight.to_bits();
        bits <= ONE && (bits > self.bits || (bits == self.bits && index <= self.last))
    }
}

const ONE: u32 = 1.0_f32.to_bits();
/// Bits that one pass settles: three passes cover all that 1.0 needs.
const FIELD: u32 = 10;

/// Of what `within` keeps, the shortest beginning in the order of [`Cutoff`] whose measures add up to at
/// least `amount`, or everything if nothing does. `weights` lie in 0..=1, or are NaN.
pub(super) fn select(
    weights: &[f32],
    within: Cutoff,
    measure: impl Fn(f32) -> f64,
    amount: f64,
) -> Cutoff {
    let kept = || {
        weights
            .iter()
            .enumerate()
            .filter(|&(i, &w)| within.keeps(i, w))
            .map(|(i, &w)| (i, w))
    };
    let mut bits = 0;
    let mut above = 0.0;
    for level in (0..3).rev() {
        let shift = level * FIELD;
        let mut sums = [0.0_f64; 1 << FIELD];
        for (_, w) in kept() {
            let w_bits = w.to_bits();
            if w_bits >> (shift + FIELD) == bits {
                sums[(w_bits >> shift) as usize % sums.len()] += measure(w);
            }
        }
        let mut chosen = (0, above);
        for (field, &sum) in sums.iter().enumerate().rev().filter(|&(_, &sum)| sum > 0.0) {
            chosen = (field as u32, above);
            above += sum;
            if above >= amount {
                break;
            }
        }
        bits = bits << FIELD | chosen.0;
        above = chosen.1;
    }
    let mut last = 0;
    for (i, w) in kept().filter(|&(_, w)| w.to_bits() == bits) {
        last = i;
        above += measure(w);
        if above >= amount {
            break;
        }
    }
    Cutoff { bits, last }
}
