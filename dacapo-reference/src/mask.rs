//! Which invocations of a workgroup take part.

/// Most invocations of a workgroup.
pub(crate) const MAX_LANES: usize = 1024;

const WORDS: usize = MAX_LANES / 64;

/// A set of invocations, by their index in the workgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask([u64; WORDS]);

impl Mask {
    /// The first `count` invocations.
    pub(crate) fn first(count: usize) -> Mask {
        let mut mask = Mask::default();
        for (at, word) in mask.0.iter_mut().enumerate() {
            *word = match count.saturating_sub(at * 64) {
                0 => 0,
                n if n >= 64 => u64::MAX,
                n => (1 << n) - 1,
            };
        }
        mask
    }

    /// Those for which `test` holds.
    pub(crate) fn of(count: usize, test: impl Fn(usize) -> bool) -> Mask {
        let mut mask = Mask::default();
        for lane in 0..count {
            mask.0[lane / 64] |= u64::from(test(lane)) << (lane % 64);
        }
        mask
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn contains(&self, lane: usize) -> bool {
        self.0[lane / 64] >> (lane % 64) & 1 == 1
    }

    pub(crate) fn insert(&mut self, lane: usize) {
        self.0[lane / 64] |= 1 << (lane % 64);
    }

    /// The smallest member.
    pub(crate) fn lowest(&self) -> Option<usize> {
        self.lanes().next()
    }

    /// The greatest member.
    pub(crate) fn highest(&self) -> Option<usize> {
        let at = self.0.iter().rposition(|word| *word != 0)?;
        Some(at * 64 + 63 - self.0[at].leading_zeros() as usize)
    }

    /// Members in ascending order.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            core::iter::from_fn(move || {
                let lane = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * 64 + lane)
            })
        })
    }

    fn zip(self, other: Mask, join: impl Fn(u64, u64) -> u64) -> Mask {
        Mask(core::array::from_fn(|at| join(self.0[at], other.0[at])))
    }

    /// Members of this that are not in `other`.
    pub(crate) fn without(self, other: Mask) -> Mask {
        self.zip(other, |a, b| a & !b)
    }
}

impl core::ops::BitAnd for Mask {
    type Output = Mask;

    fn bitand(self, other: Mask) -> Mask {
        self.zip(other, |a, b| a & b)
    }
}

impl core::ops::BitOr for Mask {
    type Output = Mask;

    fn bitor(self, other: Mask) -> Mask {
        self.zip(other, |a, b| a | b)
    }
}

impl core::ops::BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Mask) {
        *self = *self | other;
    }
}
