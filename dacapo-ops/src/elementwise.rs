//! What kernels that treat every element alike share.

use std::ops::Range;

use dacapo::{Grid, Workgroup};

use crate::check::Check;
use crate::error::Result;

/// Elements of one workgroup: 16 KiB, so that several operands stay in the first cache.
const CHUNK: usize = 4096;

/// Workgroups for `elements` in all.
pub(crate) fn grid(check: Check, elements: usize) -> Result<Grid<'static>> {
    let groups = check.size("the number of elements", elements.div_ceil(CHUNK))?;
    Ok(Grid::groups([groups, 1, 1]))
}

/// The elements of this workgroup, of the f32 bound at `slot`. Those of different workgroups of one
/// dispatch do not overlap.
pub(crate) fn chunk(group: &Workgroup<'_>, slot: u32) -> Range<usize> {
    let len = group.len::<f32>(slot);
    let first = (group.id()[0] as usize).saturating_mul(CHUNK).min(len);
    first..first.saturating_add(CHUNK).min(len)
}
