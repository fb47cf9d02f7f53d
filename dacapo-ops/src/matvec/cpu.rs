//! The workgroups of a matrix-vector product.
#![allow(unsafe_code, reason = "workgroups write their rows of the output")]

use bytemuck::{Pod, Zeroable};
use dacapo::{KernelFault, Workgroup};

use super::{exact, quantized};
use crate::linear::{fault, weights};
use crate::quant::{Q15Group, quantize_row};

/// What a dispatch tells its workgroups.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Params {
    /// Rows of the matrix.
    pub(super) rows: u32,
    pub(super) cols: u32,
    /// Number of the weights' [`crate::dtype::DType`].
    pub(super) dtype: u32,
    /// Rows that a workgroup computes.
    pub(super) per_group: u32,
    /// Number of the [`crate::simd::Level`].
    pub(super) level: u32,
    /// Whether activations are quantised, into shared memory.
    pub(super) quantized: u32,
}

/// Workgroup `[i, t]` computes rows `i * per_group ..` for token `t`. Slots: weights, activations, bias if any,
/// output.
pub(super) fn entry<const BIAS: bool>(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let params: Params = group.inline();
    let (isa, w) = weights(group, params.level, params.dtype, params.rows, params.cols)?;
    let [block, token, _] = group.id().map(|id| id as usize);
    let first = block * params.per_group as usize;
    let rows = first..(first + params.per_group as usize).min(w.rows());
    let x = &group.read::<f32>(1)[token * w.cols()..][..w.cols()];
    let at = token * w.rows();
    // SAFETY: workgroup `[i, t]` alone writes rows `i * per_group ..` of token `t`.
    let out = unsafe { group.write::<f32>(2 + u32::from(BIAS), at + rows.start..at + rows.end) };
    if params.quantized != 0 {
        let groups = &mut group.shared::<Q15Group>()[..Q15Group::count(w.cols())];
        quantize_row(isa, x, groups).map_err(fault)?;
        quantized(isa, &w, rows.clone(), groups, out).map_err(fault)?;
    } else {
        exact(isa, &w, rows.clone(), x, out).map_err(fault)?;
    }
    if BIAS {
        for (y, b) in out.iter_mut().zip(&group.read::<f32>(2)[rows]) {
            *y += b;
        }
    }
    Ok(())
}
