//! The next token, drawn on the device.
//!
//! In this order: logits divided by `temperature`; the `top_k` greatest kept; of the distribution over
//! those the smallest set of most likely ones with a joint probability of at least `top_p` (Holtzman et
//! al. 2020, nucleus sampling); of those the ones at least `min_p` times as likely as the likeliest
//! (Nguyen et al. 2024). Among equals lower ids go first. One of what is left is drawn in proportion.
//!
//! The draw is a function of the seed and the position alone: [`philox`] with the seed as key and the
//! position as counter.

mod cpu;
mod gpu;
pub mod philox;
mod select;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Bytes, CommandEncoder, Device, Dispatched, Grid, Kernel, KernelSource, SharedMemory,
    Work,
};

use self::gpu::Gpu;
use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::work::{elements, operations, product, read, written};

/// How a token is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleParams {
    /// Divides the logits; 0 takes the greatest logit, the lowest id among equals.
    pub temperature: f32,
    /// How many of the greatest logits are kept; 0 for all.
    pub top_k: u32,
    /// Joint probability of the tokens kept, in 0..=1; 1 keeps all, 0 only the likeliest.
    pub top_p: f32,
    /// Least probability kept, relative to the likeliest token, in 0..=1; 0 keeps all.
    pub min_p: f32,
    /// Key of the generator.
    pub seed: u64,
}

impl SampleParams {
    /// Always the greatest logit.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 0,
    };
}

/// Draws the next token of each row of logits.
#[derive(Clone, Debug)]
pub struct Sample {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Cpu(Kernel),
    Gpu(Gpu),
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Inline {
    vocabulary: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    seed: [u32; 2],
}

/// Most bytes of scratch: vocabularies of 4 million.
const MAX_SHARED: u32 = 16 << 20;

fn work(call: &Dispatched<'_>) -> Work {
    match call.inline::<Inline>() {
        Some(inline) if inline.temperature != 0.0 => work_of_draw(call, inline.top_k),
        _ => work_of_choice(call),
    }
}

/// Each logit is compared.
fn work_of_choice(call: &Dispatched<'_>) -> Work {
    let logits = call.bytes(0);
    read(logits) + written(call.bytes(2)) + operations([elements(logits)])
}

/// Each logit is compared. Of those that `top_k` keeps each is divided by the temperature, becomes a probability (a
/// difference, an exponential, a sum, a quotient) and is added to those before it.
fn work_of_draw(call: &Dispatched<'_>, top_k: u32) -> Work {
    const KEPT: u64 = 6;
    let logits = elements(call.bytes(0));
    let kept = match u64::from(top_k) {
        0 => logits,
        most => logits.min(product([elements(call.bytes(2)), most])),
    };
    work_of_choice(call) + read(call.bytes(1)) + operations([KEPT, kept])
}

impl Sample {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Sample> {
        if device.gpu().is_some() {
            let form = Form::Gpu(Gpu::new(device)?);
            return Ok(Sample { form });
        }
        let source = KernelSource::new("sample")
            .binding::<f32>(0, Access::Read)
            .binding::<u32>(1, Access::Read)
            .binding::<u32>(2, Access::Write)
            .overwrites(2)
            .inline::<Inline>()
            .work(work)
            .shared_memory(SharedMemory::Dynamic { max: MAX_SHARED })
            .cpu(cpu::entry);
        let form = Form::Cpu(device.kernel(&source)?);
        Ok(Sample { form })
    }

    /// Encodes one draw from each row of `logits`, F32 `[vocabulary]` or `[n, vocabulary]`, into `ids`, U32 `[n]`;
    /// `positions`, U32 `[n]`, are the counters of the generator. All are contiguous, and `ids` overlaps none.
    ///
    /// NaN logits are never drawn, and a row of nothing but NaN fails the submission on the CPU, and gives
    /// `u32::MAX` on a GPU. Positive infinities share the probability; where all are negative infinity the first is
    /// taken. Devices draw the same token up to the rounding of probabilities.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a temperature that is negative or not finite, a `top_p`
    /// or `min_p` outside 0..=1; [`Error::Operand`](crate::Error::Operand) and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        logits: &Tensor,
        params: &SampleParams,
        positions: &Tensor,
        ids: &Tensor,
    ) -> Result<()> {
        let check = Check("sample");
        check.any_shape("logits", logits, &[DType::F32])?;
        check.tensor("positions", positions, &[DType::U32], &[logits.rows()])?;
        check.tensor("ids", ids, &[DType::U32], &[logits.rows()])?;
        let SampleParams {
            temperature,
            top_k,
            top_p,
            min_p,
            seed,
        } = *params;
        check.parameter(
            "temperature",
            temperature,
            0.0..=f32::MAX,
            "0 or above, and finite",
        )?;
        check.parameter("top_p", top_p, 0.0..=1.0, "in 0..=1")?;
        check.parameter("min_p", min_p, 0.0..=1.0, "in 0..=1")?;
        let kernel = match &self.form {
            Form::Cpu(kernel) => kernel,
            Form::Gpu(gpu) => return gpu.encode(encoder, logits, params, positions, ids),
        };
        let inline = Inline {
            vocabulary: check.size("the vocabulary", logits.cols())?,
            temperature,
            top_k,
            top_p,
            min_p,
            seed: [seed as u32, (seed >> 32) as u32],
        };
        let scratch = cpu::scratch(params, logits.cols()).saturating_mul(size_of::<f32>());
        let shared = check.size("the vocabulary", scratch)?;
        let rows = check.size("the number of rows", logits.rows())?;
        let grid = Grid::groups([rows, 1, 1]).with_shared_memory(shared);
        let args = (logits.view(), positions.view(), ids.view(), Bytes(&inline));
        Ok(encoder.dispatch(kernel, args, grid)?)
    }
}
