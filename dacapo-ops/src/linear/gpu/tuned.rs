//! Shapes of products with few tokens as they were tuned.

use super::variant::Shape;
use crate::tuning::{Key, Tuning};

/// [`ShapeLimits::most`] of products by themselves.
pub(super) const MOST_IN_REGISTERS: u32 = 16;

const POWERS: [u32; 5] = [1, 2, 4, 8, 16];

/// What bounds the shapes of a product.
pub(super) struct ShapeLimits {
    /// Matrices that a subgroup goes along at the same time.
    pub(super) abreast: u32,
    /// Units of a row.
    pub(super) units: u32,
    pub(super) lanes: u32,
    pub(super) most_subgroups: u32,
    /// Most sums, and most unrolled units, that a lane keeps in registers.
    pub(super) most: u32,
}

/// The shape that was set for the product of `key`; what was not set is as in `usual`, or as near as the rest allows.
pub(super) fn shape(tuning: &Tuning, key: Key, usual: Shape, limits: &ShapeLimits) -> Shape {
    let dimension = "subgroups";
    let key_of = Key { dimension, ..key };
    let subgroups = tuning.choose(key_of, usual.subgroups, &POWERS, |subgroups| {
        subgroups <= limits.most_subgroups
    });
    let usual = Shape { subgroups, ..usual };
    with_subgroups(tuning, key, usual, limits)
}

/// The same with so many subgroups as usual.
pub(super) fn with_subgroups(
    tuning: &Tuning,
    key: Key,
    usual: Shape,
    limits: &ShapeLimits,
) -> Shape {
    let choose = |dimension, default, candidates: &[u32], fits: &dyn Fn(u32) -> bool| {
        let key = Key { dimension, ..key };
        tuning.choose(key, default, candidates, fits)
    };
    let subgroups = usual.subgroups;
    let sums = limits.abreast * usual.tokens;
    let turns = limits.turns();
    let rows = choose("rows", usual.rows, &POWERS[..4], &|rows| {
        rows * sums <= limits.most
    });
    let split = choose("split", usual.split.min(subgroups), &POWERS, &|split| {
        subgroups.is_multiple_of(split) && split <= turns
    });
    let room = (limits.most / (rows * sums)).max(1);
    let unroll = choose("unroll", usual.unroll.min(room), &POWERS[..4], &|unroll| {
        unroll <= room && unroll * split <= turns
    });
    Shape {
        rows,
        subgroups,
        unroll,
        split,
        tokens: usual.tokens,
    }
}

impl ShapeLimits {
    /// Turns of a lane along a row, if it takes one unit in each.
    fn turns(&self) -> u32 {
        self.units.div_ceil(self.lanes).max(1)
    }
}

impl Shape {
    /// This with no more turns at the same time than rows have.
    pub(super) fn within(self, limits: &ShapeLimits) -> Shape {
        let turns = limits.turns();
        let mut split = self.split.min(self.subgroups);
        while split > 1 && (split > turns || !self.subgroups.is_multiple_of(split)) {
            split /= 2;
        }
        let mut unroll = self.unroll;
        while unroll > 1 && unroll * split > turns {
            unroll /= 2;
        }
        Shape {
            split,
            unroll,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::testing::Random;
    use crate::tuning::Settings;

    const KEY: Key = Key {
        op: "matvec",
        dtype: DType::BF16,
        rows: 3072,
        cols: 2048,
        tokens: 1,
        dimension: "",
    };
    const USUAL: Shape = Shape {
        rows: 2,
        subgroups: 8,
        unroll: 2,
        split: 4,
        tokens: 1,
    };
    const LIMITS: ShapeLimits = ShapeLimits {
        abreast: 1,
        units: 256,
        lanes: 32,
        most_subgroups: 16,
        most: MOST_IN_REGISTERS,
    };

    fn set(tuning: &Tuning, values: [u32; 4]) {
        let names = ["rows", "subgroups", "unroll", "split"];
        let named = names.map(|dimension| Key { dimension, ..KEY }.to_string());
        tuning.apply(named.into_iter().zip(values).collect::<Settings>());
    }

    #[test]
    fn shapes_are_the_usual_ones_until_they_are_set() {
        let tuning = Tuning::default();
        assert_eq!(shape(&tuning, KEY, USUAL, &LIMITS), USUAL);
        set(&tuning, [4, 2, 4, 1]);
        let wanted = Shape {
            rows: 4,
            subgroups: 2,
            unroll: 4,
            split: 1,
            tokens: 1,
        };
        assert_eq!(shape(&tuning, KEY, USUAL, &LIMITS), wanted);
    }

    #[test]
    fn whatever_is_set_a_shape_stays_within_its_limits() {
        let (tuning, mut random) = (Tuning::default(), Random::new(3));
        let mut taken = 0;
        for _ in 0..2000 {
            let values = [0; 4].map(|_| random.below(18) as u32);
            let limits = ShapeLimits {
                abreast: 1 + random.below(2) as u32,
                most_subgroups: [4, 8, 16, 32][random.below(4)],
                units: 1 + random.below(600) as u32,
                most: [5, 10, MOST_IN_REGISTERS][random.below(3)],
                ..LIMITS
            };
            let usual = Shape {
                rows: 1,
                subgroups: 8.min(limits.most_subgroups),
                unroll: 1,
                split: 1,
                // What is limited further has one token.
                tokens: match limits.most {
                    MOST_IN_REGISTERS => 1 << random.below(4),
                    _ => 1,
                },
            };
            set(&tuning, values);
            let found = shape(&tuning, KEY, usual, &limits);
            let registers = found.rows * found.unroll * found.tokens * limits.abreast;
            assert!(registers <= limits.most, "{found:?}");
            assert!(found.subgroups <= limits.most_subgroups, "{found:?}");
            assert!(found.subgroups.is_multiple_of(found.split), "{found:?}");
            let turns = limits.units.div_ceil(limits.lanes);
            assert!(found.split * found.unroll <= turns, "{found:?}");
            taken += u32::from(found.rows == values[0]) + u32::from(found.split == values[3]);
        }
        assert!(taken > 200, "{taken} settings were taken");
    }
}
