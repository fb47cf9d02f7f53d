//! What kernels that treat every element alike share.
#![allow(
    unsafe_code,
    reason = "their GPU forms are compiled without bounds checks"
)]

use std::ops::Range;

use dacapo::{Dispatched, Grid, Kernel, Wgsl, Work, Workgroup};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::launch::MAX_GROUPS;
use crate::tensor::Tensor;
use crate::work::{changed, elements, operations, read, written};

/// Elements of one workgroup on the CPU: 16 KiB, so that several operands stay in the first cache.
const CHUNK: usize = 4096;

/// Workgroups on a GPU up to which every thread takes one element only: they run at the same time on all but
/// small devices.
const SPREAD: usize = 1024;

/// The GPU form of an operation: `text` declares buffers and says, in the functions of `elementwise.wgsl`, what
/// becomes of an element. All its buffers hold as many elements,
/// or those of one row, which `facing` finds.
pub(crate) fn wgsl(text: &str) -> Wgsl {
    let shared = include_str!("elementwise.wgsl");
    let math = include_str!("vector/math.wgsl");
    // SAFETY: the loop asks for elements below the count only, which all buffers hold (or a row of them), and for each
    // once.
    unsafe { Wgsl::new([math, shared, text].join("\n")).trusted() }
}

/// Workgroups for `elements` in all, of the form of `kernel` that runs.
pub(crate) fn grid(check: Check, kernel: &Kernel, elements: usize) -> Result<Grid<'static>> {
    let groups = match kernel.interface().workgroup()[0] as usize {
        1 => elements.div_ceil(CHUNK),
        // Threads take four elements at a time, or as many as there are for each.
        threads => elements
            .div_ceil(threads)
            .min(SPREAD.max(elements.div_ceil(4 * threads)))
            .min(MAX_GROUPS),
    };
    let groups = check.size("the number of elements", groups)?;
    Ok(Grid::groups([groups, 1, 1]))
}

/// `x` and `y` are contiguous F32, and `y` has the shape of `x` or is a row of it, `[width]`.
pub(crate) fn check_facing(check: Check, x: &Tensor, y: &Tensor) -> Result<()> {
    check.any_shape("x", x, &[DType::F32])?;
    check.any_shape("y", y, &[DType::F32])?;
    if y.shape() == x.shape() || y.shape() == [x.cols()] {
        return Ok(());
    }
    let wanted = format!("{:?} or [{}]", x.shape(), x.cols());
    Err(check.operand("y", y, &[DType::F32], &wanted))
}

/// The work of `each` operations on every element at slot 0, in place, with what faces it at slot 1, if anything does.
pub(crate) fn work_in_place(call: &Dispatched<'_>, each: u64) -> Work {
    let x = call.bytes(0);
    changed(x) + read(call.bytes(1)) + operations([each, elements(x)])
}

/// The work of `each` operations on every pair of elements at slots 0 and 1, for the one at slot 2.
pub(crate) fn work_of_pairs(call: &Dispatched<'_>, each: u64) -> Work {
    let out = call.bytes(2);
    read(call.bytes(0)) + read(call.bytes(1)) + written(out) + operations([each, elements(out)])
}

/// Pieces of `x`, the elements of a tensor from `start` on, each with what faces it in `y`: another tensor of that
/// length, or one row for all of its rows.
pub(crate) fn facing<'a>(
    start: usize,
    mut x: &'a mut [f32],
    y: &'a [f32],
) -> impl Iterator<Item = (&'a mut [f32], &'a [f32])> {
    let mut at = start % y.len().max(1);
    core::iter::from_fn(move || {
        let count = x.len().min(y.len() - at);
        if count == 0 {
            return None;
        }
        let (piece, rest) = core::mem::take(&mut x).split_at_mut(count);
        let facing = &y[at..at + count];
        (x, at) = (rest, 0);
        Some((piece, facing))
    })
}

/// The elements of this workgroup, of the f32 bound at `slot`. Those of different workgroups of one
/// dispatch do not overlap.
pub(crate) fn chunk(group: &Workgroup<'_>, slot: u32) -> Range<usize> {
    let len = group.len::<f32>(slot);
    let first = (group.id()[0] as usize).saturating_mul(CHUNK).min(len);
    first..first.saturating_add(CHUNK).min(len)
}
