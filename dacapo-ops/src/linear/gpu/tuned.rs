//! Shapes of products with few tokens as they were tuned.

use super::variant::Shape;
use crate::tuning::{Key, Tuning};

/// Most sums and unrolled units that a lane keeps in registers.
const MOST_IN_REGISTERS: u32 = 16;

const POWERS: [u32; 5] = [1, 2, 4, 8, 16];

/// What bounds the shapes of a product.
pub(super) struct ShapeLimits {
    /// Matrices that a subgroup goes along at the same time.
    pub(super) abreast: u32,
    /// Units of a row.
    pub(super) units: u32,
    pub(super) lanes: u32,
    pub(super) most_subgroups: u32,
}

/// The shape that was set for the product of `key`; what was not set is as in `usual`, or as near as the rest allows.
pub(super) fn shape(tuning: &Tuning, key: Key, usual: Shape, limits: &ShapeLimits) -> Shape {
    let choose = |dimension, default, candidates: &[u32], fits: &dyn Fn(u32) -> bool| {
        let key = Key { dimension, ..key };
        tuning.choose(key, default, candidates, fits)
    };
    let sums = limits.abreast * usual.tokens;
    let turns = limits.units.div_ceil(limits.lanes).max(1);
    let rows = choose("rows", usual.rows, &POWERS[..4], &|rows| {
        rows * sums <= MOST_IN_REGISTERS
    });
    let subgroups = choose("subgroups", usual.subgroups, &POWERS, &|subgroups| {
        subgroups <= limits.most_subgroups
    });
    let split = choose("split", usual.split.min(subgroups), &POWERS, &|split| {
        subgroups.is_multiple_of(split) && split <= turns
    });
    let room = (MOST_IN_REGISTERS / (rows * sums)).max(1);
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
