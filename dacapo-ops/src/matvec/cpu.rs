//! The workgroups of matrix-vector products.
#![allow(unsafe_code, reason = "workgroups write their rows of the output")]

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use dacapo::{Dispatched, KernelFault, Work, Workgroup};

use super::product::fetch;
use super::variant::activation;
use super::{exact, quantized};
use crate::add::cpu::add;
use crate::gelu_mul::cpu::gelu_mul;
use crate::linear::slots::{INPUT, MATRICES, NORM, Put, SLOTS};
use crate::linear::work::{End, Products};
use crate::linear::{Activation, fault, isa, weights};
use crate::quant::{Q15Group, WeightMatrix, quantize_row};
use crate::rms_norm::cpu::rms_norm;
use crate::silu_mul::cpu::silu_mul;
use crate::simd::Isa;
use crate::work::elements;

/// What a dispatch tells its workgroups.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Params {
    /// Rows of each matrix.
    pub(crate) rows: [u32; MATRICES],
    pub(crate) cols: u32,
    /// Number of the weights' [`crate::dtype::DType`].
    pub(crate) dtype: u32,
    /// Rows that a workgroup computes: of all matrices, one after the other, or of gate and up each.
    pub(crate) per_group: u32,
    /// Number of the [`crate::simd::Level`].
    pub(crate) level: u32,
    /// Whether activations are quantised.
    pub(crate) quantized: u32,
    /// Whether they are normed before.
    pub(crate) normed: u32,
    pub(crate) eps: f32,
    /// Number of each matrix's [`Put`].
    pub(crate) puts: [u32; MATRICES],
    pub(crate) activation: u32,
}

/// Words of a group of quantised activations.
const GROUP: usize = size_of::<Q15Group>() / size_of::<f32>();

impl Params {
    /// Words of the normed activations, and of the quantised ones.
    fn lengths(&self) -> [usize; 2] {
        let cols = self.cols as usize;
        let normed = if self.normed != 0 { cols } else { 0 };
        let quantized = match self.quantized {
            0 => 0,
            _ => Q15Group::count(cols) * GROUP,
        };
        [normed, quantized]
    }

    /// Shared memory of a workgroup: activations, and the sums of its rows, of two matrices at most.
    pub(super) fn shared_bytes(&self) -> u32 {
        let [normed, quantized] = self.lengths();
        let words = normed + quantized + 2 * self.per_group as usize;
        u32::try_from(words * size_of::<f32>()).unwrap_or(u32::MAX)
    }
}

/// Of all kernels here.
pub(super) fn work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    // A gated unit alone has two matrices and one way to write.
    let gated = params.rows[1] != 0 && params.puts[1] == Put::number(None);
    let end = match activation(params.activation) {
        Some(activation) if gated => End::Gated(activation),
        _ => End::Each(
            params
                .puts
                .map(|put| Put::of_number(put).unwrap_or(Put::Plain)),
        ),
    };
    let products = Products {
        rows: params.rows,
        cols: params.cols,
        tokens: elements(call.bytes(INPUT)) / u64::from(params.cols).max(1),
        end,
    };
    products.work(call)
}

/// Workgroup `[i, t]` computes rows `i * per_group ..` of all matrices for token `t`.
pub(super) fn each(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let params: Params = group.inline();
    let level = isa(params.level)?;
    let x = activations(group, level, &params)?;
    let [block, token, _] = group.id().map(|id| id as usize);
    let per_group = params.per_group as usize;
    let own = block * per_group..(block + 1) * per_group;
    let mut first = 0;
    for (at, slots) in SLOTS.iter().enumerate() {
        let Some(put) = Put::of_number(params.puts[at]) else {
            break;
        };
        let all = params.rows[at] as usize;
        let rows = own.start.max(first)..own.end.min(first + all);
        if !rows.is_empty() {
            let rows = rows.start - first..rows.end - first;
            let w = weights(
                group,
                slots.first,
                params.dtype,
                [params.rows[at], params.cols],
            )?;
            let y = token * all + rows.start..token * all + rows.end;
            // SAFETY: workgroup `[i, t]` alone writes these rows of token `t`.
            let out = unsafe { group.write::<f32>(slots.out, y) };
            let (input, sums) = split(group.shared(), &params, x);
            match put {
                Put::Plain => input.product(level, &w, rows, out)?,
                Put::Bias => {
                    input.product(level, &w, rows.clone(), out)?;
                    add(level, out, &group.read::<f32>(slots.bias)[rows]);
                }
                Put::Add => {
                    let sums = &mut sums[..rows.len()];
                    input.product(level, &w, rows, sums)?;
                    add(level, out, sums);
                }
            }
        }
        first += all;
    }
    Ok(())
}

/// Workgroup `[i, t]` computes rows `i * per_group ..` of gate and up for token `t`.
pub(super) fn gated(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let params: Params = group.inline();
    let level = isa(params.level)?;
    let x = activations(group, level, &params)?;
    let [block, token, _] = group.id().map(|id| id as usize);
    let (all, per_group) = (params.rows[0] as usize, params.per_group as usize);
    let rows = block * per_group..((block + 1) * per_group).min(all);
    let [gate, up] = [0, 1].map(|at| {
        let shape = [params.rows[0], params.cols];
        weights(group, SLOTS[at].first, params.dtype, shape)
    });
    let (gate, up) = (gate?, up?);
    let y = token * all + rows.start..token * all + rows.end;
    // SAFETY: workgroup `[i, t]` alone writes these rows of token `t`.
    let out = unsafe { group.write::<f32>(SLOTS[0].out, y) };
    let (input, sums) = split(group.shared(), &params, x);
    let (gates, ups) = sums[..2 * rows.len()].split_at_mut(rows.len());
    fetch(&up, rows.clone());
    input.product(level, &gate, rows.clone(), gates)?;
    input.product(level, &up, rows, ups)?;
    match activation(params.activation) {
        Some(Activation::Silu) => silu_mul(level, gates, ups, out),
        Some(Activation::Gelu(form)) => gelu_mul(level, form, gates, ups, out),
        None => {
            let number = params.activation;
            return Err(KernelFault::new(format!(
                "there is no activation number {number}"
            )));
        }
    }
    Ok(())
}

/// The activations of this workgroup's token; where they are normed or quantised, shared memory begins with what became
/// of them.
fn activations<'a>(
    group: &mut Workgroup<'a>,
    isa: Isa,
    params: &Params,
) -> Result<&'a [f32], KernelFault> {
    let (token, cols) = (group.id()[1] as usize, params.cols as usize);
    let x = &group.read::<f32>(INPUT)[token * cols..][..cols];
    let norm = (params.normed != 0).then(|| group.read::<f32>(NORM));
    let [normed, quantized] = params.lengths();
    let (normed, rest) = group.shared::<f32>().split_at_mut(normed);
    let row = match norm {
        None => x,
        Some(weight) => {
            rms_norm(isa, x, weight, params.eps, normed);
            normed
        }
    };
    if params.quantized != 0 {
        let groups = bytemuck::cast_slice_mut(&mut rest[..quantized]);
        quantize_row(isa, row, groups).map_err(fault)?;
    }
    Ok(x)
}

/// What [`activations`] has left in shared memory, and the rest of it.
fn split<'s>(
    shared: &'s mut [f32],
    params: &Params,
    x: &'s [f32],
) -> (Activations<'s>, &'s mut [f32]) {
    let [normed, quantized] = params.lengths();
    let (normed, rest) = shared.split_at_mut(normed);
    let (groups, sums) = rest.split_at_mut(quantized);
    let input = match (params.quantized, params.normed) {
        (0, 0) => Activations::Floats(x),
        (0, _) => Activations::Floats(normed),
        _ => Activations::Integers(bytemuck::cast_slice(groups)),
    };
    (input, sums)
}

/// A row of activations as it is multiplied.
#[derive(Clone, Copy)]
enum Activations<'s> {
    Floats(&'s [f32]),
    Integers(&'s [Q15Group]),
}

impl Activations<'_> {
    fn product(
        self,
        isa: Isa,
        w: &WeightMatrix<'_>,
        rows: Range<usize>,
        y: &mut [f32],
    ) -> Result<(), KernelFault> {
        match self {
            Activations::Floats(x) => exact(isa, w, rows, x, y),
            Activations::Integers(x) => quantized(isa, w, rows, x, y),
        }
        .map_err(fault)
    }
}
