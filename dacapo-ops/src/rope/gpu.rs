//! On the GPU: a thread for each pair of elements.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::{Grid, Wgsl};

use crate::launch::MAX_GROUPS;

/// `turn_at`, which turns positions into cosines and sines.
pub(crate) const ANGLES: &str = include_str!("angles.wgsl");

/// Threads of a workgroup, as `rope.wgsl` has them.
const THREADS: usize = 64;

/// Tokens from which on a thread takes several heads, so that fewer angles are computed.
const MANY: usize = 16;

/// Heads of a thread then.
const HEADS: usize = 4;

pub(super) fn wgsl() -> Wgsl {
    // SAFETY: pairs below the number of frequencies, of heads and tokens that there are; the host checks that heads
    // are wide enough for the pairs.
    unsafe { Wgsl::new([ANGLES, include_str!("rope.wgsl")].join("\n")).trusted() }
}

/// At least one thread for each of `half` pairs.
pub(super) fn grid(tokens: usize, heads: usize, half: usize) -> Grid<'static> {
    let at_once = if tokens < MANY {
        heads
    } else {
        heads.div_ceil(HEADS)
    };
    let groups = half.saturating_mul(at_once).div_ceil(THREADS);
    let [x, y] = [groups, tokens].map(|groups| groups.min(MAX_GROUPS) as u32);
    Grid::groups([x, y, 1])
}
