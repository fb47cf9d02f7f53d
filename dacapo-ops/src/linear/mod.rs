//! Linear layers: `out = x W^T + bias`, by the kernel that suits the number of rows.

#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod cooperative_tests;
mod fused;
#[cfg(test)]
mod fused_tests;
mod fusion;
#[cfg(test)]
mod fusion_tests;
mod gpu;
mod operands;
mod processor;
#[cfg(test)]
mod processor_tests;
mod recorded;
pub(crate) mod slots;
#[cfg(test)]
mod tests;
pub(crate) mod work;

use std::sync::Arc;
use std::time::Duration;

use dacapo::{
    BufferOptions, BufferView, CommandEncoder, Device, KernelFault, MemoryKind, Workgroup,
};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::matmul::MatMul;
use crate::matvec::MatVec;
use crate::quant::{Q15Group, WeightMatrix};
use crate::simd::Isa;
use crate::tensor::Tensor;
use crate::tuning::Tuning;
use gpu::GpuLinear;
pub use gpu::{Shape, Tiling};
pub use operands::{Activation, Epilogue, Input, Norm, Product};

/// Rows of activations from which on unpacking weights into tiles is worth it.
const MANY: u32 = 4;

const CHECK: Check = Check("linear");

/// `out = x W^T + bias` for weights of any type.
///
/// Activations that meet quantised weights become integers of 15 bits in blocks of 32 with an f32 scale ([`Q15Group`]),
/// where that is the faster way: an error of up to 1/32512 of the largest activation of its block in each. All else is
/// multiplied in f32. GPUs multiply everything in f32, except that many rows of activations on a device with cooperative
/// matrices are multiplied in f16 and added up in f32: an error of up to 2^-11 in each factor, and activations beyond
/// 65504 count as that.
///
/// A GPU takes weights that [`Linear::weights`] laid out for it.
///
/// Few tokens can be multiplied together with what comes before and after in one dispatch: [`Linear::encode_together`],
/// [`Linear::encode_gated`] and [`Linear::encode_argmax`].
#[derive(Clone, Debug)]
pub struct Linear {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Cpu { matvec: MatVec, matmul: MatMul },
    Gpu(Arc<GpuLinear>),
}

/// Checked operands of one product.
pub(crate) struct Operands<'a> {
    pub(crate) w: &'a Tensor,
    pub(crate) x: &'a Tensor,
    pub(crate) epilogue: Epilogue<'a>,
    pub(crate) out: &'a Tensor,
    /// Rows of `w`.
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    /// Rows of `x`.
    pub(crate) tokens: u32,
}

impl Linear {
    /// Compiles the operation for `device`, with the best instructions of the processor.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the device cannot run it.
    pub fn new(device: &Device) -> Result<Linear> {
        Linear::with(device, Isa::detect())
    }

    /// As [`Linear::new`] with a chosen level.
    ///
    /// # Errors
    /// As [`Linear::new`].
    pub fn with(device: &Device, isa: Isa) -> Result<Linear> {
        Linear::compiled(device, isa, &Tuning::default())
    }

    /// As [`Linear::new`]; how a GPU cuts products of few tokens is asked of `tuning`.
    ///
    /// # Errors
    /// As [`Linear::new`].
    pub fn tuned(device: &Device, tuning: &Tuning) -> Result<Linear> {
        Linear::compiled(device, Isa::detect(), tuning)
    }

    fn compiled(device: &Device, isa: Isa, tuning: &Tuning) -> Result<Linear> {
        let form = match device.gpu() {
            Some(gpu) => Form::Gpu(GpuLinear::new(device, gpu, tuning)),
            None => Form::Cpu {
                matvec: MatVec::new(device, isa)?,
                matmul: MatMul::new(device, isa)?,
            },
        };
        Ok(Linear { form })
    }

    /// Puts a weight matrix on `device`, the one that this was compiled for, as its products read it: on a GPU packed,
    /// on the processor as it is. A GPU's kernels for it start to be compiled.
    ///
    /// # Errors
    /// Those of [`Device::buffer`] and [`Device::kernel`].
    pub fn weights(
        &self,
        device: &Device,
        label: &str,
        matrix: &WeightMatrix<'_>,
    ) -> Result<Tensor> {
        match &self.form {
            Form::Gpu(gpu) => gpu.weights(label, matrix),
            Form::Cpu { .. } => {
                let bytes = matrix.row_range(0..matrix.rows())?;
                let buffer = device.buffer_with(&BufferOptions {
                    len: bytes.len() as u64,
                    kind: MemoryKind::DeviceLocal,
                    label,
                })?;
                buffer.write(bytes)?;
                let shape = [matrix.rows(), matrix.cols()];
                Ok(Tensor::new((*buffer).clone(), matrix.dtype(), &shape)?)
            }
        }
    }

    /// Multiplies few rows of activations in this way from now on, wherever it fits; `None` chooses again. For
    /// measurements: only GPUs have a choice.
    #[doc(hidden)]
    pub fn force_shape(&self, shape: Option<Shape>) {
        if let Form::Gpu(gpu) = &self.form {
            gpu.force_shape(shape);
        }
    }

    /// Multiplies many rows of activations on matrix units in this way from now on; `None` chooses again. For measurements.
    #[doc(hidden)]
    pub fn force_tiling(&self, tiling: Option<Tiling>) {
        if let Form::Gpu(gpu) = &self.form {
            gpu.force_tiling(tiling);
        }
    }

    /// Bytes of scratch that products with up to `max_tokens` rows of up to `max_cols` activations need, at least 1.
    #[must_use]
    pub fn scratch_bytes(max_tokens: usize, max_cols: usize) -> u64 {
        scratch_bytes(max_tokens, max_cols).max(1)
    }

    /// Encodes `out[t, i] = sum_j x[t, j] * w[i, j]` with what `epilogue` says.
    ///
    /// `w` is `[rows, cols]` of any type of [`DType::WEIGHTS`], `x` `[tokens, cols]` F32, `out` `[tokens, rows]` F32,
    /// all contiguous; `out` and `scratch` overlap no other. `scratch` holds at least
    /// [`Linear::scratch_bytes`]`(tokens, cols)` bytes, and starts at a multiple of 4; its contents mean nothing afterwards.
    ///
    /// # Errors
    /// [`Error::Operand`] for a tensor that does not fit, [`Error::Length`] for too little scratch, and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        w: &Tensor,
        x: &Tensor,
        epilogue: Epilogue<'_>,
        scratch: &BufferView,
        out: &Tensor,
    ) -> Result<()> {
        self.encode_each(encoder, &[Product { w, epilogue, out }], x, scratch)
    }

    /// Encodes several products of the same `x`, such as queries, keys and values, which may run at the same time:
    /// activations are quantised once for all of them. Shapes as in [`Linear::encode`].
    ///
    /// # Errors
    /// As [`Linear::encode`].
    pub fn encode_each(
        &self,
        encoder: &mut CommandEncoder,
        products: &[Product<'_>],
        x: &Tensor,
        scratch: &BufferView,
    ) -> Result<()> {
        let mut quantized = None;
        for product in products {
            let operands = self.operands(product, x)?;
            let (matvec, matmul) = match &self.form {
                Form::Gpu(gpu) => {
                    gpu.encode(encoder, &operands)?;
                    continue;
                }
                Form::Cpu { matvec, matmul } => (matvec, matmul),
            };
            if operands.tokens < MANY {
                matvec.encode(encoder, &operands)?;
            } else if !matmul.takes_integers(&operands) {
                matmul.encode_float(encoder, &operands)?;
            } else {
                let input = match quantized.take() {
                    Some(input) => input,
                    None => quantize(matmul, encoder, &operands, scratch)?,
                };
                matmul.encode_integer(encoder, &operands, &input)?;
                quantized = Some(input);
            }
        }
        Ok(())
    }

    /// What a submission takes at least in which workgroups waited in vain for each other: after quicker ones
    /// [`Linear::check_met`] finds nothing.
    pub const LONGEST_UNCHECKED: Duration = Duration::from_millis(10);

    /// Whether workgroups that wait for each other ([`Linear::chain_rules`]) have met in all that has run since the last
    /// time. Waits for what is running.
    ///
    /// # Errors
    /// [`Error::Apart`] if they have not, and the runtime's own.
    pub fn check_met(&self) -> Result<()> {
        match &self.form {
            Form::Gpu(gpu) => gpu.check_met(),
            Form::Cpu { .. } => Ok(()),
        }
    }

    /// Whether its device is a GPU.
    fn on_gpu(&self) -> bool {
        matches!(self.form, Form::Gpu(_))
    }

    fn operands<'a>(&self, product: &Product<'a>, x: &'a Tensor) -> Result<Operands<'a>> {
        operands(CHECK, product, self.shape_of("w", product.w)?, x)
    }

    /// The shape of weights that its device takes.
    fn shape_of(&self, name: &'static str, w: &Tensor) -> Result<[usize; 2]> {
        match &self.form {
            Form::Gpu(_) => CHECK.packed(name, w),
            Form::Cpu { .. } => CHECK.dims(name, w, &DType::WEIGHTS),
        }
    }
}

fn quantize(
    matmul: &MatMul,
    encoder: &mut CommandEncoder,
    operands: &Operands<'_>,
    scratch: &BufferView,
) -> Result<BufferView> {
    let wanted = scratch_bytes(operands.tokens as usize, operands.cols as usize);
    if scratch.len() < wanted {
        return Err(Error::Length {
            what: "the scratch of linear (bytes)",
            found: scratch.len() as usize,
            wanted: wanted as usize,
        });
    }
    let quantized = scratch.slice(..wanted)?;
    matmul.quantize(encoder, operands, &quantized)?;
    Ok(quantized)
}

fn operands<'a>(
    check: Check,
    product: &Product<'a>,
    [rows, cols]: [usize; 2],
    x: &'a Tensor,
) -> Result<Operands<'a>> {
    let &Product { w, epilogue, out } = product;
    let [tokens, width] = check.dims("x", x, &[DType::F32])?;
    if width != cols {
        check.tensor("x", x, &[DType::F32], &[tokens, cols])?;
    }
    check.tensor("out", out, &[DType::F32], &[tokens, rows])?;
    if let Epilogue::Bias(bias) = epilogue {
        check.tensor("bias", bias, &[DType::F32], &[rows])?;
    }
    Ok(Operands {
        w,
        x,
        epilogue,
        out,
        rows: check.size("rows of w", rows)?,
        cols: check.size("columns of w", cols)?,
        tokens: check.size("rows of x", tokens)?,
    })
}

/// Bytes of `tokens` quantised rows.
pub(crate) fn scratch_bytes(tokens: usize, cols: usize) -> u64 {
    let row = (Q15Group::count(cols) as u64).saturating_mul(size_of::<Q15Group>() as u64);
    row.saturating_mul(tokens as u64)
}

/// The weights bound at a slot; inline bytes name their type.
pub(crate) fn weights<'a>(
    group: &Workgroup<'a>,
    slot: u32,
    dtype: u32,
    [rows, cols]: [u32; 2],
) -> Result<WeightMatrix<'a>, KernelFault> {
    let dtype = DType::from_number(dtype)
        .ok_or_else(|| KernelFault::new(format!("there is no element type number {dtype}")))?;
    let bytes = group.read::<u8>(slot);
    WeightMatrix::new(dtype, rows as usize, cols as usize, bytes).map_err(fault)
}

/// The level that inline bytes name.
pub(crate) fn isa(level: u32) -> Result<Isa, KernelFault> {
    Isa::from_number(level)
        .ok_or_else(|| KernelFault::new(format!("the processor has no level number {level}")))
}

/// An error of a compute function as the kernel's.
pub(crate) fn fault(error: Error) -> KernelFault {
    KernelFault::new(error.to_string())
}
