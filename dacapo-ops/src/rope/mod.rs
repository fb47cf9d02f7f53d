//! Rotary position embedding (Su et al. 2021, "RoFormer").
//!
//! # Angles
//! A rotation at position p needs `p * frequency` modulo a full turn. In f32 that product is off by
//! 0.008 rad at position 131072. So frequencies are kept as fixed-point fractions of a turn, in units of
//! 2^-64, made in f64: the integer product with a position wraps at whole turns by itself, its upper 32
//! bits are the angle within 2e-9 rad at any position, and a GPU without f64 computes the same bits.

pub(crate) mod cpu;
mod frequencies;
mod gpu;
#[cfg(test)]
pub(crate) mod tests;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Bytes, CommandEncoder, Device, Dispatched, Grid, Kernel, KernelSource, SharedMemory,
    Work,
};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::work::{bytes, changed, elements, operations, read};

pub use frequencies::{Config, Llama3, Scaling, frequencies};
pub(crate) use gpu::ANGLES;

/// Which two elements of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// 2i and 2i + 1: the paper's, and GGUF's for the llama architecture.
    Pairs,
    /// i and i + dims/2: Hugging Face's `rotate_half`, GPT-NeoX's, Qwen's.
    Halves,
}

impl Layout {
    /// As the kernels receive it.
    pub(crate) fn number(self) -> u32 {
        u32::from(self == Layout::Pairs)
    }

    pub(crate) fn of_number(number: u32) -> Layout {
        match number {
            0 => Layout::Halves,
            _ => Layout::Pairs,
        }
    }
}

/// Rotates heads by their token's position, in place.
#[derive(Clone, Debug)]
pub struct Rope {
    kernel: Kernel,
    on_gpu: bool,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    pub(crate) heads: u32,
    pub(crate) head_dim: u32,
    /// [`Layout::number`].
    pub(crate) layout: u32,
}

/// Most bytes of sines and cosines on the CPU: heads of 16384 elements.
const MAX_SHARED: u32 = 64 << 10;

/// Of each pair of elements: its angle with sine and cosine, four products and two sums.
pub(crate) const OPERATIONS: u64 = 9;

fn work(call: &Dispatched<'_>) -> Work {
    let heads = call.inline::<Params>().map_or(0, |params| params.heads);
    let (positions, frequencies) = (call.bytes(1), call.bytes(2));
    let pairs = elements(frequencies) / 2;
    let heads = u64::from(heads).saturating_mul(elements(positions));
    let turned = changed(bytes([heads, 2, pairs])) + operations([OPERATIONS, heads, pairs]);
    turned + read(positions) + read(frequencies)
}

impl Rope {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Rope> {
        let source = KernelSource::new("rope")
            .binding::<f32>(0, Access::ReadWrite)
            .binding::<u32>(1, Access::Read)
            .binding::<u32>(2, Access::Read)
            .inline::<Params>()
            .shared_memory(SharedMemory::Dynamic { max: MAX_SHARED })
            .work(work)
            .cpu(cpu::entry)
            .wgsl(gpu::wgsl());
        Ok(Rope {
            kernel: device.kernel(&source)?,
            on_gpu: device.gpu().is_some(),
        })
    }

    /// Encodes the rotation of every head of `x`.
    ///
    /// `x` is F32 `[tokens, heads, head_dim]`, `positions` U32 `[tokens]`, `frequencies` U32 `[dims / 2, 2]` from
    /// [`frequencies()`] with `dims` at most `head_dim`; later elements of a head stay. All are contiguous.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand) and those of [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        x: &Tensor,
        positions: &Tensor,
        frequencies: &Tensor,
        layout: Layout,
    ) -> Result<()> {
        let check = Check("rope");
        let [tokens, heads, head_dim] = check.dims("x", x, &[DType::F32])?;
        check.tensor("positions", positions, &[DType::U32], &[tokens])?;
        let half = check_frequencies(check, frequencies, head_dim)?;
        let params = Params {
            heads: check.size("the number of heads", heads)?,
            head_dim: check.size("the head's width", head_dim)?,
            layout: layout.number(),
        };
        let grid = if self.on_gpu {
            gpu::grid(tokens, heads, half)
        } else {
            let shared = check.size("the rotated width", 2 * half * size_of::<f32>())?;
            let groups = check.size("the number of tokens", tokens)?;
            Grid::groups([groups, 1, 1]).with_shared_memory(shared)
        };
        let args = (
            x.view(),
            positions.view(),
            frequencies.view(),
            Bytes(&params),
        );
        Ok(encoder.dispatch(&self.kernel, args, grid)?)
    }
}

/// The number of pairs of a table of frequencies for heads that are `head_dim` wide.
pub(crate) fn check_frequencies(
    check: Check,
    frequencies: &Tensor,
    head_dim: usize,
) -> Result<usize> {
    let [half, words] = check.dims("frequencies", frequencies, &[DType::U32])?;
    if words != 2 || 2 * half > head_dim {
        let wanted = format!("[at most {}, 2]", head_dim / 2);
        return Err(check.operand("frequencies", frequencies, &[DType::U32], &wanted));
    }
    Ok(half)
}
