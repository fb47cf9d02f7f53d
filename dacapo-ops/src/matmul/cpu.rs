//! The workgroups of a matrix product, and of quantising its activations.
#![allow(unsafe_code, reason = "workgroups write their tile of the output")]

use std::ops::Range;

use bytemuck::{AnyBitPattern, Pod, Zeroable};
use dacapo::{Dispatched, KernelFault, Work, Workgroup};

use super::{QUANTIZE_ROWS, TILE_ROWS, TILE_TOKENS, exact, quantized};
use crate::add::cpu::add;
use crate::error::Error;
use crate::linear::slots::{INPUT, MATRICES, Put, SLOTS};
use crate::linear::work::{End, Products};
use crate::linear::{fault, isa, weights};
use crate::quant::{Q15Group, WeightMatrix, quantize_row};
use crate::simd::Isa;
use crate::work::{read, written};

/// What a dispatch tells its workgroups.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Params {
    /// Rows of the matrix.
    pub(super) rows: u32,
    pub(super) cols: u32,
    /// Rows of the activations.
    pub(super) tokens: u32,
    /// Number of the weights' [`crate::dtype::DType`].
    pub(super) dtype: u32,
    /// Number of the [`crate::simd::Level`].
    pub(super) level: u32,
    /// Number of the [`Put`].
    pub(super) put: u32,
    /// Whether activations are quantised.
    pub(super) quantized: u32,
}

/// Of a product.
pub(super) fn work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    let products = Products {
        rows: [params.rows, 0, 0],
        cols: params.cols,
        tokens: params.tokens.into(),
        end: End::Each([Put::of_number(params.put).unwrap_or(Put::Plain); MATRICES]),
    };
    products.work(call)
}

pub(super) fn work_of_quantizing(call: &Dispatched<'_>) -> Work {
    read(call.bytes(0)) + written(call.bytes(1))
}

/// Workgroup `i` quantises rows `i * QUANTIZE_ROWS ..`. Slots: activations, their integers.
pub(super) fn quantize(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let params: Params = group.inline();
    let isa = isa(params.level)?;
    let first = group.id()[0] * QUANTIZE_ROWS;
    let (cols, per_row) = (params.cols as usize, Q15Group::count(params.cols as usize));
    for row in first..params.tokens.min(first + QUANTIZE_ROWS) {
        let row = row as usize;
        let x = &group.read::<f32>(0)[row * cols..][..cols];
        // SAFETY: workgroup `i` alone writes rows `i * QUANTIZE_ROWS ..`, and holds one at a time.
        let out = unsafe { group.write::<Q15Group>(1, row * per_row..(row + 1) * per_row) };
        quantize_row(isa, x, out).map_err(fault)?;
    }
    Ok(())
}

/// A tile over f32 activations.
pub(super) fn float(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    tile::<f32>(group, |cols| cols, exact)
}

/// A tile over quantised activations.
pub(super) fn integer(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    tile::<Q15Group>(group, Q15Group::count, quantized)
}

/// `product` of one tile.
type Product<T> =
    fn(Isa, &WeightMatrix<'_>, Range<usize>, &[T], usize, &mut [f32]) -> Result<(), Error>;

/// Workgroup `[i, j]` computes rows `i * TILE_ROWS ..` for tokens `j * TILE_TOKENS ..`; a row of activations takes
/// `per_row(cols)` elements.
#[inline]
fn tile<T: AnyBitPattern>(
    group: &mut Workgroup<'_>,
    per_row: impl Fn(usize) -> usize,
    product: Product<T>,
) -> Result<(), KernelFault> {
    let params: Params = group.inline();
    let isa = isa(params.level)?;
    let w = weights(
        group,
        SLOTS[0].first,
        params.dtype,
        [params.rows, params.cols],
    )?;
    let [i, j, _] = group.id().map(|id| id as usize);
    let rows = i * TILE_ROWS..((i + 1) * TILE_ROWS).min(w.rows());
    let tokens = j * TILE_TOKENS..((j + 1) * TILE_TOKENS).min(params.tokens as usize);
    let per_row = per_row(w.cols());
    let x = &group.read::<T>(INPUT)[tokens.start * per_row..tokens.end * per_row];
    let put = Put::of_number(params.put);
    let bias = (put == Some(Put::Bias)).then(|| &group.read::<f32>(SLOTS[0].bias)[rows.clone()]);
    let count = tokens.len() * rows.len();
    let y = &mut group.shared::<f32>()[..count];
    product(isa, &w, rows.clone(), x, tokens.len(), y).map_err(fault)?;
    for (t, token) in tokens.enumerate() {
        let at = token * w.rows();
        // SAFETY: workgroup `[i, j]` alone writes its rows of its tokens, and holds one token's at a time.
        let out = unsafe { group.write::<f32>(SLOTS[0].out, at + rows.start..at + rows.end) };
        let sums = &group.shared::<f32>()[t * rows.len()..][..rows.len()];
        if put == Some(Put::Add) {
            add(isa, out, sums);
            continue;
        }
        out.copy_from_slice(sums);
        if let Some(bias) = bias {
            add(isa, out, bias);
        }
    }
    Ok(())
}
