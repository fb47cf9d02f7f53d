//! Products of few tokens in one dispatch with what goes before and after them.

use std::sync::atomic::Ordering;

use dacapo::{Arg, Buffer, BufferOptions, BufferView, CommandEncoder, Grid, MemoryKind};
use smallvec::SmallVec;

use super::variant::{Job, MATRICES, Put, Variant, Way};
use super::{FEW, GpuLinear, Layout, Params, grid, is_odd};
use crate::error::Result;
use crate::launch::are_wide;
use crate::linear::fused::unfused;
use crate::linear::{Activation, Norm, Operands, slots};

/// Most workgroups that look for the greatest: twice what a large GPU runs at the same time.
const SEEKERS: u32 = 2048;

/// Regions of memory through which workgroups pass each other what they found, taken in turn, so that searches of
/// different sessions need not wait for each other.
const REGIONS: u64 = 4;

/// Bytes of a region: the counter and what is kept free around it, then for each token and workgroup two words.
const REGION_BYTES: u64 = 4 * (64 + 2 * SEEKERS as u64 * FEW as u64);

impl GpuLinear {
    pub(in crate::linear) fn encode_together(
        &self,
        encoder: &mut CommandEncoder,
        products: &[Operands<'_>],
        norm: Option<Norm<'_>>,
    ) -> Result<()> {
        let mut puts = [None; MATRICES];
        for (put, product) in puts.iter_mut().zip(products) {
            *put = Some(Put::of(product.epilogue));
        }
        self.encode_few(encoder, Job::Each(puts), products, norm, None)
    }

    pub(in crate::linear) fn encode_gated(
        &self,
        encoder: &mut CommandEncoder,
        gate_up: &[Operands<'_>; 2],
        activation: Activation,
        norm: Option<Norm<'_>>,
    ) -> Result<()> {
        self.encode_few(encoder, Job::Gated(activation), gate_up, norm, None)
    }

    pub(in crate::linear) fn encode_argmax(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        norm: Option<Norm<'_>>,
        found: Option<BufferView>,
    ) -> Result<()> {
        let found = found.map_or_else(|| self.found(), Ok)?;
        let operands = std::slice::from_ref(operands);
        self.encode_few(encoder, Job::Argmax, operands, norm, Some(&found))
    }

    /// Encodes matrices of one type and width over the activations of the first; all have been checked.
    fn encode_few(
        &self,
        encoder: &mut CommandEncoder,
        job: Job,
        matrices: &[Operands<'_>],
        norm: Option<Norm<'_>>,
        found: Option<&BufferView>,
    ) -> Result<()> {
        let &Operands {
            w, cols, tokens, ..
        } = &matrices[0];
        if tokens > FEW {
            return unfused(format!("GPUs take at most {FEW} tokens, not {tokens}"));
        }
        let dtype = w.dtype();
        let mut params = Params {
            rows: [0; MATRICES],
            cols,
            tokens,
            stride: 0,
            first: 0,
            units: 0,
            eps: norm.map_or(0.0, |norm| norm.eps),
        };
        let mut planes = SmallVec::<[_; MATRICES]>::new();
        for (matrix, rows) in matrices.iter().zip(&mut params.rows) {
            let layout = Layout::new(dtype, matrix.w.rows(), matrix.w.cols());
            let (all, limit) = (
                u64::from(matrix.rows),
                self.device.limits().max_binding_bytes,
            );
            if layout.rows_within(limit) < all {
                let bytes = layout.len();
                return unfused(format!(
                    "a matrix of {bytes} bytes is multiplied in parts: the device binds {limit} at a time"
                ));
            }
            planes.push(layout.planes(matrix.w.view(), 0..all)?);
            (*rows, params.units) = (matrix.rows, layout.units());
        }
        let all_rows = match job {
            Job::Gated(_) => params.rows[0],
            Job::Each(_) | Job::Argmax => params
                .rows
                .iter()
                .fold(0, |all: u32, rows| all.saturating_add(*rows)),
        };
        let weight = norm.map(|norm| norm.weight.view());
        let wide =
            are_wide(&[matrices[0].x.view()]) && weight.is_none_or(|weight| are_wide(&[weight]));
        let way = Way::MatVec(self.shape(job, dtype, [all_rows, cols], tokens));
        let variant = Variant {
            dtype,
            odd: is_odd(dtype, cols) || !wide,
            norm: norm.is_some(),
            way,
            job,
            part: false,
            turns: self.turns(way, job, dtype, [all_rows, cols], tokens),
        };
        let gated = matches!(job, Job::Gated(_));
        let planes = planes.iter().map(|planes| &planes[..]);
        let mut args = slots::views(matrices, planes, gated, found, norm);
        args.push(Arg::bytes(&params));
        let grid = match (job, way) {
            (Job::Argmax, Way::MatVec(shape)) => {
                let blocks = params.rows[0].div_ceil(shape.height());
                Grid::groups([blocks.min(SEEKERS), 1, 1])
            }
            _ => grid(way, &params),
        };
        let kernel = self.kernel(variant)?;
        Ok(encoder.dispatch(&kernel, &args[..], grid)?)
    }

    /// The next region in which workgroups pass each other what they found.
    fn found(&self) -> Result<BufferView> {
        let mut found = self.found.lock();
        let buffer = match &*found {
            Some(buffer) => buffer,
            None => found.insert(self.regions()?),
        };
        let region = self.next_region.fetch_add(1, Ordering::Relaxed) % REGIONS;
        let start = region * REGION_BYTES;
        Ok(buffer.slice(start..start + REGION_BYTES)?)
    }

    /// All regions, with counters that are 0.
    fn regions(&self) -> Result<Buffer> {
        let buffer = self.device.buffer_with(&BufferOptions {
            len: REGIONS * REGION_BYTES,
            kind: MemoryKind::DeviceLocal,
            label: "what products find",
        })?;
        for start in (0..buffer.len()).step_by(REGION_BYTES as usize) {
            buffer.slice(start..start + 4)?.write(&[0u32])?;
        }
        Ok(buffer)
    }
}
