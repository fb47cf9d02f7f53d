//! On the GPU: a subgroup takes a head of q, or one of k and one of v.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::{GpuFeatures, Grid, Wgsl};

use super::CHECK;
use crate::error::Result;
use crate::kv_append::Cache;
use crate::launch::MAX_GROUPS;
use crate::rms_norm::factor;
use crate::rope::ANGLES;

/// Threads of a workgroup, as `heads.wgsl` has them: as many as the largest subgroup of any device.
const THREADS: usize = 128;

pub(super) fn wgsl(cache: Cache, normed: bool) -> Wgsl {
    let norms = if normed {
        include_str!("normed.wgsl")
    } else {
        include_str!("plain.wgsl")
    };
    let stores = cache.wgsl();
    let text = [
        &stores,
        ANGLES,
        &factor(),
        norms,
        include_str!("heads.wgsl"),
    ]
    .join("\n");
    // SAFETY: heads of tokens that have a position, and slots below the capacity, of shapes that the host checks; pairs
    // below the number of frequencies, for which heads are wide enough.
    unsafe { Wgsl::new(text).trusted() }
}

/// A subgroup for each of `heads` heads of every token.
pub(super) fn grid(gpu: GpuFeatures, tokens: usize, heads: usize) -> Result<Grid<'static>> {
    let all = CHECK.size("heads of all tokens", tokens.saturating_mul(heads))? as usize;
    let groups = all.div_ceil(THREADS / gpu.subgroup_size as usize);
    Ok(Grid::groups([groups.min(MAX_GROUPS) as u32, 1, 1]))
}
