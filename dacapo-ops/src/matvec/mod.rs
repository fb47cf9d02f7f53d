//! One vector times a weight matrix: `y = W x`, the work of a decode step.
//!
//! Two ways: [`exact`] multiplies f32 activations with weights as f32; [`quantized`] multiplies activations as integers
//! of 15 bits with the integers of quantised weights, several times as fast, with an error of up to 1/32512 of the
//! largest activation in each 32. Both sum in an order that depends on the width and the level alone.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cpu;
mod exact;
#[cfg(test)]
mod fused_tests;
mod half_floats;
mod integer;
mod product;
#[cfg(test)]
mod tests;
mod variant;

pub(crate) use cpu::Params;
pub(crate) use product::fetch_line;
pub use product::{exact, quantized};

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use dacapo::{Arg, CommandEncoder, Device, Grid, Kernel};
use parking_lot::Mutex;

use crate::error::Result;
use crate::linear::slots::{self, MATRICES, Put};
use crate::linear::{Activation, Norm, Operands};
use crate::simd::Isa;
use variant::{Job, Variant};

/// The product of few vectors with weight matrices, each on its own; [`crate::linear::Linear`] chooses when.
#[derive(Clone, Debug)]
pub(crate) struct MatVec {
    /// One matrix, by [`Put`].
    single: [Kernel; 3],
    /// What else was asked for.
    kernels: Arc<Mutex<HashMap<Variant, Kernel>>>,
    isa: Isa,
}

/// Widest input whose integers fit into the shared memory that is asked for.
const MAX_QUANTIZED_COLS: usize = 48 * 1024;

impl MatVec {
    pub(crate) fn new(device: &Device, isa: Isa) -> Result<MatVec> {
        let single = |put| device.kernel(&Variant::single(put).source());
        Ok(MatVec {
            single: [single(Put::Plain)?, single(Put::Bias)?, single(Put::Add)?],
            kernels: Arc::default(),
            isa,
        })
    }

    /// `operands` have been checked.
    pub(crate) fn encode(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
    ) -> Result<()> {
        self.encode_together(encoder, std::slice::from_ref(operands), None)
    }

    /// Up to [`MATRICES`] products of the same activations and type of weights; they have been checked.
    pub(crate) fn encode_together(
        &self,
        encoder: &mut CommandEncoder,
        products: &[Operands<'_>],
        norm: Option<Norm<'_>>,
    ) -> Result<()> {
        let mut puts = [None; MATRICES];
        for (put, product) in puts.iter_mut().zip(products) {
            *put = Some(Put::of(product.epilogue));
        }
        self.encode_job(encoder, Job::Each(puts), products, norm)
    }

    /// The activation of the first product times the second, both of one shape and written to one output; they have been
    /// checked.
    pub(crate) fn encode_gated(
        &self,
        encoder: &mut CommandEncoder,
        gate_up: &[Operands<'_>; 2],
        activation: Activation,
        norm: Option<Norm<'_>>,
    ) -> Result<()> {
        self.encode_job(encoder, Job::Gated(activation), gate_up, norm)
    }

    fn encode_job(
        &self,
        encoder: &mut CommandEncoder,
        job: Job,
        matrices: &[Operands<'_>],
        norm: Option<Norm<'_>>,
    ) -> Result<()> {
        let &Operands {
            w, cols, tokens, ..
        } = &matrices[0];
        let quantized = w.dtype().is_quantized() && w.cols() <= MAX_QUANTIZED_COLS;
        let mut rows = [0; MATRICES];
        for (rows, matrix) in rows.iter_mut().zip(matrices) {
            *rows = matrix.rows;
        }
        let all_rows = rows
            .iter()
            .fold(0, |all: u32, rows| all.saturating_add(*rows));
        let height = match job {
            Job::Each(_) => all_rows,
            Job::Gated(_) => rows[0],
        };
        // Never less than for one matrix alone: each workgroup quantises the vector.
        let heights = rows.iter().take(matrices.len()).chain([&height]);
        let per_group = heights.fold(0, |most, &rows| most.max(rows_per_group(rows, cols)));
        let params = cpu::Params {
            rows,
            cols,
            dtype: w.dtype() as u32,
            per_group,
            level: self.isa.level() as u32,
            quantized: u32::from(quantized),
            normed: u32::from(norm.is_some()),
            eps: norm.map_or(0.0, |norm| norm.eps),
            puts: job.puts().map(Put::number),
            activation: job.activation().map_or(0, variant::number),
        };
        let gated = matches!(job, Job::Gated(_));
        let weights = matrices
            .iter()
            .map(|matrix| slice::from_ref(matrix.w.view()));
        let mut args = slots::views(matrices, weights, gated, None, norm);
        args.push(Arg::bytes(&params));
        let grid = Grid::groups([height.div_ceil(per_group), tokens, 1])
            .with_shared_memory(params.shared_bytes());
        let variant = Variant {
            job,
            norm: norm.is_some(),
        };
        match variant.as_single() {
            Some(put) => encoder.dispatch(&self.single[put as usize], &args[..], grid)?,
            None => encoder.dispatch(&self.kernel(encoder, variant)?, &args[..], grid)?,
        }
        Ok(())
    }

    fn kernel(&self, encoder: &CommandEncoder, variant: Variant) -> Result<Kernel> {
        let mut kernels = self.kernels.lock();
        if let Some(kernel) = kernels.get(&variant) {
            return Ok(kernel.clone());
        }
        let kernel = encoder.device().kernel(&variant.source())?;
        kernels.insert(variant, kernel.clone());
        Ok(kernel)
    }
}

/// Rows that one workgroup computes: enough work that quantising the vector once more is a small part of it, and a
/// number of groups (a multiple of four, or two of a small matrix) that two threads share evenly.
fn rows_per_group(rows: u32, cols: u32) -> u32 {
    const WEIGHTS: u64 = 96 * 1024;
    let groups = (u64::from(rows) * u64::from(cols) + 2 * WEIGHTS) / (4 * WEIGHTS) * 4;
    rows.div_ceil(groups.clamp(2, 128) as u32)
        .next_multiple_of(4)
}
