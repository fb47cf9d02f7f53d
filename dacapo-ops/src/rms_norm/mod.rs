//! Root-mean-square normalisation (Zhang and Sennrich 2019): `x / sqrt(mean(x^2) + eps) * weight`.
//!
//! A row is a token's whole activation or, as in Qwen 3, one head of q or k; the arithmetic is the same.

mod cpu;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};
use dacapo::{Access, Bytes, CommandEncoder, Device, Grid, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

/// `out = x / sqrt(mean(x^2) + eps) * weight`, row by row.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    plain: Kernel,
    in_place: Kernel,
    residual: Kernel,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    rows_per_group: u32,
    eps: f32,
}

/// Elements that one workgroup takes on, in whole rows.
const CHUNK: usize = 4096;

const CHECK: Check = Check("rms_norm");

impl RmsNorm {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<RmsNorm> {
        let plain = KernelSource::new("rms_norm")
            .binding::<f32>(0, Access::Read)
            .binding::<f32>(1, Access::Read)
            .binding::<f32>(2, Access::Write)
            .inline::<Params>()
            .cpu(cpu::entry);
        let in_place = KernelSource::new("rms_norm_in_place")
            .op("rms_norm")
            .binding::<f32>(0, Access::ReadWrite)
            .binding::<f32>(1, Access::Read)
            .inline::<Params>()
            .cpu(cpu::entry_in_place);
        let residual = KernelSource::new("rms_norm_residual")
            .op("rms_norm")
            .binding::<f32>(0, Access::ReadWrite)
            .binding::<f32>(1, Access::Read)
            .binding::<f32>(2, Access::Read)
            .binding::<f32>(3, Access::Write)
            .inline::<Params>()
            .cpu(cpu::entry_residual);
        Ok(RmsNorm {
            plain: device.kernel(&plain)?,
            in_place: device.kernel(&in_place)?,
            residual: device.kernel(&residual)?,
        })
    }

    /// Encodes the norm of each row of `x` into `out`.
    ///
    /// `x` and `out` are contiguous F32 of one shape, `[.., width]`, `weight` is F32 `[width]`; `eps` is not
    /// negative. `out` overlaps neither.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand), [`Error::Parameter`](crate::Error::Parameter) and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        x: &Tensor,
        weight: &Tensor,
        eps: f32,
        out: &Tensor,
    ) -> Result<()> {
        let (params, grid) = launch(x, weight, eps)?;
        CHECK.tensor("out", out, &[DType::F32], x.shape())?;
        let args = (x.view(), weight.view(), out.view(), Bytes(&params));
        Ok(encoder.dispatch(&self.plain, args, grid)?)
    }

    /// Encodes the norm of each head in place: `x` is F32 `[tokens, heads, head_dim]` (or of any shape
    /// `[.., width]`), `weight` F32 `[head_dim]`.
    ///
    /// # Errors
    /// As [`RmsNorm::encode`].
    pub fn encode_heads(
        &self,
        encoder: &mut CommandEncoder,
        x: &Tensor,
        weight: &Tensor,
        eps: f32,
    ) -> Result<()> {
        let (params, grid) = launch(x, weight, eps)?;
        let args = (x.view(), weight.view(), Bytes(&params));
        Ok(encoder.dispatch(&self.in_place, args, grid)?)
    }

    /// Encodes `h += x`, and the norm of each row of that `h` into `out`; shapes as in [`RmsNorm::encode`].
    ///
    /// # Errors
    /// As [`RmsNorm::encode`].
    pub fn encode_residual(
        &self,
        encoder: &mut CommandEncoder,
        h: &Tensor,
        x: &Tensor,
        weight: &Tensor,
        eps: f32,
        out: &Tensor,
    ) -> Result<()> {
        let (params, grid) = launch(x, weight, eps)?;
        CHECK.tensor("h", h, &[DType::F32], x.shape())?;
        CHECK.tensor("out", out, &[DType::F32], x.shape())?;
        let args = (
            h.view(),
            x.view(),
            weight.view(),
            out.view(),
            Bytes(&params),
        );
        Ok(encoder.dispatch(&self.residual, args, grid)?)
    }
}

fn launch(x: &Tensor, weight: &Tensor, eps: f32) -> Result<(Params, Grid<'static>)> {
    CHECK.any_shape("x", x, &[DType::F32])?;
    CHECK.tensor("weight", weight, &[DType::F32], &[x.cols()])?;
    CHECK.parameter("eps", eps, 0.0..=f32::MAX, "0 or above, and finite")?;
    let rows_per_group = (CHUNK / x.cols()).max(1);
    let groups = CHECK.size("the number of rows", x.rows().div_ceil(rows_per_group))?;
    let params = Params {
        rows_per_group: rows_per_group as u32,
        eps,
    };
    Ok((params, Grid::groups([groups, 1, 1])))
}
