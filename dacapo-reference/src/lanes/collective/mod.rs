//! Operations of subgroups: `size` invocations in a row, of which those take part that are active.
//!
//! Sizes are powers of two up to [`MAX_SIZE`]; the last subgroup of a workgroup may be short.

mod gather;
mod reduction;

#[cfg(test)]
mod tests;

use core::ops::Range;

pub(crate) use gather::{Gather, ballot, gather};
pub(crate) use reduction::{Reduction, Scan, reduce};

use crate::mask::Mask;

/// Most invocations of a subgroup.
const MAX_SIZE: usize = 128;

/// The lanes of each subgroup.
fn subgroups(lanes: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let size = size.clamp(1, MAX_SIZE);
    (0..lanes)
        .step_by(size)
        .map(move |first| first..lanes.min(first + size))
}

/// The active lanes of a subgroup.
fn members(subgroup: Range<usize>, active: &Mask) -> impl Iterator<Item = usize> + Clone {
    subgroup.filter(|lane| active.contains(*lane))
}
