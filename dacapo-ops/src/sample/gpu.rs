//! On a GPU.

use bytemuck::{Pod, Zeroable};
use dacapo::{Access, Bytes, CommandEncoder, Device, Dispatched, KernelSource, Work};

use super::{SampleParams, work_of_draw};
use crate::argmax::Argmax;
use crate::check::Check;
use crate::error::Result;
use crate::rows::{self, ByWidth};
use crate::tensor::Tensor;

/// Draws, and the greedy choice, which needs no draw.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    draw: ByWidth,
    greedy: Argmax,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Inline {
    vocabulary: u32,
    top_k: u32,
    /// As a share of 2^64; all bits for everything.
    top_p: [u32; 2],
    min_p: f32,
    /// 1 / temperature in two parts.
    sharpness: [f32; 2],
    seed: [u32; 2],
}

fn work(call: &Dispatched<'_>) -> Work {
    let inline = call.inline::<Inline>();
    work_of_draw(call, inline.map_or(0, |inline| inline.top_k))
}

impl Gpu {
    pub(super) fn new(device: &Device) -> Result<Gpu> {
        let source = KernelSource::new("sample")
            .binding::<f32>(0, Access::Read)
            .binding::<u32>(1, Access::Read)
            .binding::<u32>(2, Access::Write)
            .overwrites(2)
            .inline::<Inline>()
            .work(work);
        let text = concat!(
            include_str!("sample.wgsl"),
            include_str!("../rows/select.wgsl"),
            include_str!("../rows/u64.wgsl"),
            include_str!("../rows/exp.wgsl"),
        );
        Ok(Gpu {
            draw: ByWidth::new(device, source, text),
            greedy: Argmax::new(device)?,
        })
    }

    pub(super) fn encode(
        &self,
        encoder: &mut CommandEncoder,
        logits: &Tensor,
        params: &SampleParams,
        positions: &Tensor,
        ids: &Tensor,
    ) -> Result<()> {
        if params.temperature == 0.0 {
            return self.greedy.encode(encoder, logits, ids);
        }
        let check = Check("sample");
        let rows = check.size("the number of rows", logits.rows())?;
        let inline = Inline {
            vocabulary: check.size("the vocabulary", logits.cols())?,
            top_k: params.top_k,
            top_p: halves(share(params.top_p)),
            // Without the sign of a negative zero.
            min_p: params.min_p.abs(),
            sharpness: sharpness(params.temperature),
            seed: halves(params.seed),
        };
        let grid = rows::grid(&encoder.device(), rows);
        let kernel = self.draw.get(logits, inline.vocabulary)?;
        let args = (logits.view(), positions.view(), ids.view(), Bytes(&inline));
        Ok(encoder.dispatch(kernel, args, grid)?)
    }
}

/// A probability in units of 2^-64, exact above 2^-40; all bits for 1.
fn share(p: f32) -> u64 {
    if p >= 1.0 {
        u64::MAX
    } else {
        (f64::from(p) * 2f64.powi(64)).ceil() as u64
    }
}

/// The reciprocal as the sum of two numbers, as large as one can be where the temperature is below its inverse.
fn sharpness(temperature: f32) -> [f32; 2] {
    let exactly = f64::from(temperature).recip();
    let first = exactly.min(f32::MAX.into()) as f32;
    let rest = exactly - f64::from(first);
    [first, if first < f32::MAX { rest as f32 } else { 0.0 }]
}

fn halves(bits: u64) -> [u32; 2] {
    [bits as u32, (bits >> 32) as u32]
}
