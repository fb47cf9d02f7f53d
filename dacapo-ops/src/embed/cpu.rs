//! The workgroups of an embedding gather.
#![allow(unsafe_code, reason = "workgroups write their row of the output")]

use bytemuck::{Pod, Zeroable};
use dacapo::{Dispatched, KernelFault, Work, Workgroup};

use super::gather;
use crate::linear::{fault, isa, weights};
use crate::work::{elements, product, read, written};

/// What a dispatch tells its workgroups.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Params {
    /// Rows of the table.
    pub(super) rows: u32,
    pub(super) cols: u32,
    /// Number of the table's [`crate::dtype::DType`].
    pub(super) dtype: u32,
    /// Number of the [`crate::simd::Level`].
    pub(super) level: u32,
}

/// A row of the table for each id, but none twice.
pub(super) fn work(call: &Dispatched<'_>) -> Work {
    let rows = call.inline::<Params>().map_or(1, |params| params.rows);
    let rows = u64::from(rows).max(1);
    let (table, ids) = (call.bytes(0), call.bytes(1));
    let needed = product([elements(ids).min(rows), table / rows]);
    read(needed) + read(ids) + written(call.bytes(2))
}

/// Workgroup `t` writes row `t`. Slots: table, ids, output.
pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let params: Params = group.inline();
    let table = weights(group, 0, params.dtype, [params.rows, params.cols])?;
    let token = group.id()[0] as usize;
    let range = token * table.cols()..(token + 1) * table.cols();
    // SAFETY: workgroup `t` alone writes row `t`.
    let out = unsafe { group.write::<f32>(2, range) };
    let ids = &group.read::<u32>(1)[token..=token];
    gather(isa(params.level)?, &table, ids, out).map_err(fault)
}
