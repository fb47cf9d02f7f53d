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
    let stores = cache.wgsl();
    let text = [&stores, include_str!("heads.wgsl"), &turn(normed, [7, 8])].join("\n");
    // SAFETY: heads of tokens that have a position, and slots below the capacity, of shapes that the host checks; pairs
    // below the number of frequencies, for which heads are wide enough.
    unsafe { Wgsl::new(text).trusted() }
}

/// How a subgroup turns a head; the weights of norms are bound at these slots.
pub(crate) fn turn(normed: bool, [q, k]: [u32; 2]) -> String {
    let weights = match normed {
        true => format!(
            "@group(0) @binding({q}) var<storage, read> q_norm: array<f32>;
@group(0) @binding({k}) var<storage, read> k_norm: array<f32>;
{}",
            include_str!("normed.wgsl")
        ),
        false => include_str!("plain.wgsl").to_owned(),
    };
    let turn = include_str!("turn.wgsl");
    [ANGLES, &factor(), &weights, turn].join("\n")
}

/// A subgroup for each of `heads` heads of every token.
pub(super) fn grid(gpu: GpuFeatures, tokens: usize, heads: usize) -> Result<Grid<'static>> {
    let all = CHECK.size("heads of all tokens", tokens.saturating_mul(heads))? as usize;
    let groups = all.div_ceil(THREADS / gpu.subgroup_size as usize);
    Ok(Grid::groups([groups.min(MAX_GROUPS) as u32, 1, 1]))
}
