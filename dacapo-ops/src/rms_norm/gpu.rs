//! On the GPU: a row to a workgroup, or to a subgroup where rows are short.
//!
//! Squares are summed in f32, as a tree over threads that each have a few. Where they overflow or underflow, the row
//! is scaled by a power of two first.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::{BufferView, GpuFeatures, Wgsl};

use crate::check::Check;
use crate::error::Result;
use crate::launch::{MAX_GROUPS, are_wide};
use crate::tensor::Tensor;

use super::Params;

/// `Norm`, what a row's elements are multiplied with, and how to come to it.
pub(crate) fn factor() -> String {
    let root = include_str!("../vector/inverse_root.wgsl");
    [root, include_str!("factor.wgsl")].join("\n")
}

/// Threads of a workgroup, as `row.wgsl` has them.
const THREADS: usize = 256;

/// Elements that a thread loads at once, where rows and offsets allow it.
const WIDE: usize = 4;

/// Loads of each thread up to which a subgroup takes a row by itself.
const SHORT: usize = 2;

pub(super) fn wgsl(form: &str, wide: bool) -> Wgsl {
    let part = if wide {
        include_str!("wide.wgsl")
    } else {
        include_str!("single.wgsl")
    };
    let text = [part, form, &factor(), include_str!("row.wgsl")].join("\n");
    // SAFETY: rows below the number that the written buffer holds are read and written, of the width of all
    // other buffers. Only sums that a subgroup has written are read, past a barrier.
    unsafe { Wgsl::new(text).trusted() }
}

/// Whether rows of `cols` in these views can be loaded four elements at a time.
pub(super) fn wide(cols: usize, views: &[&BufferView]) -> bool {
    cols.is_multiple_of(WIDE) && are_wide(views)
}

/// The inline constants and the number of workgroups.
pub(super) fn launch(
    check: Check,
    gpu: GpuFeatures,
    x: &Tensor,
    eps: f32,
    wide: bool,
) -> Result<(Params, u32)> {
    let loads = if wide { x.cols() / WIDE } else { x.cols() };
    let subgroup = gpu.subgroup_size as usize;
    let rows_per_group = if loads <= SHORT * subgroup {
        THREADS / subgroup
    } else {
        1
    };
    let groups = x.rows().div_ceil(rows_per_group).min(MAX_GROUPS);
    let params = Params {
        rows_per_group: rows_per_group as u32,
        width: check.size("the width of a row", x.cols())?,
        eps,
    };
    Ok((params, check.size("the number of rows", groups)?))
}
