//! Root-mean-square normalisation (Zhang and Sennrich 2019): `x / sqrt(mean(x^2) + eps) * weight`.
//!
//! A row is a token's whole activation or, as in Qwen 3, one head of q or k; the arithmetic is the same. Each form, with
//! slots of its own, is a kind of operation.

pub(crate) mod cpu;
mod fusion;
#[cfg(test)]
mod fusion_tests;
mod gpu;
#[cfg(test)]
pub(crate) mod tests;
mod work;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Arg, BufferView, CommandEncoder, CpuEntry, Device, GpuFeatures, Grid, Kernel,
    KernelSource, WorkFn,
};
use smallvec::SmallVec;

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::lazy::LazyKernel;
use crate::tensor::Tensor;
pub(crate) use gpu::factor;
pub(crate) use work::operations_of_norm;

/// `out = x / sqrt(mean(x^2) + eps) * weight`, row by row.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    plain: Form,
    unweighted: Form,
    in_place: Form,
    residual: Form,
    gpu: Option<GpuFeatures>,
}

/// One of the norms.
#[derive(Clone, Debug)]
struct Form {
    kernel: Kernel,
    /// For GPUs: rows whose elements cannot be loaded four at a time.
    single: LazyKernel,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    pub(crate) rows_per_group: u32,
    /// Elements of a row.
    pub(crate) width: u32,
    pub(crate) eps: f32,
}

/// Elements that one workgroup takes on on the CPU, in whole rows.
const CHUNK: usize = 4096;

const CHECK: Check = Check("rms_norm");

impl RmsNorm {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<RmsNorm> {
        let read = Access::Read;
        let change = Access::ReadWrite;
        let write = Access::Write;
        Ok(RmsNorm {
            plain: Form::new(
                device,
                ["rms_norm", "rms_norm_single"],
                "rms_norm",
                &[read, read, write],
                cpu::entry,
                include_str!("plain.wgsl"),
                work::plain,
            )?,
            unweighted: Form::new(
                device,
                ["rms_norm_unweighted", "rms_norm_unweighted_single"],
                "rms_norm_unweighted",
                &[read, write],
                cpu::entry_unweighted,
                include_str!("unweighted.wgsl"),
                work::unweighted,
            )?,
            in_place: Form::new(
                device,
                ["rms_norm_in_place", "rms_norm_in_place_single"],
                "rms_norm_in_place",
                &[change, read],
                cpu::entry_in_place,
                include_str!("in_place.wgsl"),
                work::in_place,
            )?,
            residual: Form::new(
                device,
                ["rms_norm_residual", "rms_norm_residual_single"],
                "rms_norm_residual",
                &[change, read, read, write],
                cpu::entry_residual,
                include_str!("residual.wgsl"),
                work::residual,
            )?,
            gpu: device.gpu(),
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
        check(x, weight, eps)?;
        CHECK.tensor("out", out, &[DType::F32], x.shape())?;
        let views = [x.view(), weight.view(), out.view()];
        self.dispatch(encoder, &self.plain, x, eps, &views)
    }

    /// As [`RmsNorm::encode`] without a weight: `out = x / sqrt(mean(x^2) + eps)`.
    ///
    /// # Errors
    /// As [`RmsNorm::encode`].
    pub fn encode_unweighted(
        &self,
        encoder: &mut CommandEncoder,
        x: &Tensor,
        eps: f32,
        out: &Tensor,
    ) -> Result<()> {
        check_input(x, eps)?;
        CHECK.tensor("out", out, &[DType::F32], x.shape())?;
        let views = [x.view(), out.view()];
        self.dispatch(encoder, &self.unweighted, x, eps, &views)
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
        check(x, weight, eps)?;
        self.dispatch(encoder, &self.in_place, x, eps, &[x.view(), weight.view()])
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
        check(x, weight, eps)?;
        CHECK.tensor("h", h, &[DType::F32], x.shape())?;
        CHECK.tensor("out", out, &[DType::F32], x.shape())?;
        let views = [h.view(), x.view(), weight.view(), out.view()];
        self.dispatch(encoder, &self.residual, x, eps, &views)
    }

    fn dispatch(
        &self,
        encoder: &mut CommandEncoder,
        form: &Form,
        x: &Tensor,
        eps: f32,
        views: &[&BufferView],
    ) -> Result<()> {
        let (kernel, (params, groups)) = match self.gpu {
            None => (&form.kernel, launch(x, eps)?),
            Some(gpu) if gpu::wide(x.cols(), views) => {
                (&form.kernel, gpu::launch(CHECK, gpu, x, eps, true)?)
            }
            Some(gpu) => (form.single.get()?, gpu::launch(CHECK, gpu, x, eps, false)?),
        };
        let mut args: SmallVec<[Arg<'_>; 5]> = views.iter().map(|view| Arg::view(view)).collect();
        args.push(Arg::bytes(&params));
        Ok(encoder.dispatch(kernel, &args[..], Grid::groups([groups, 1, 1]))?)
    }
}

impl Form {
    fn new(
        device: &Device,
        [name, single]: [&'static str; 2],
        op: &'static str,
        accesses: &[Access],
        cpu: CpuEntry,
        wgsl: &str,
        work: WorkFn,
    ) -> Result<Form> {
        let source = |name, wide| {
            let bind = |source: KernelSource, (slot, &access)| {
                let source = source.binding::<f32>(slot, access);
                match access {
                    Access::Write => source.overwrites(slot),
                    _ => source,
                }
            };
            let slots = (0..).zip(accesses);
            slots
                .fold(KernelSource::new(name), bind)
                .op(op)
                .inline::<Params>()
                .work(work)
                .cpu(cpu)
                .wgsl(gpu::wgsl(wgsl, wide))
        };
        Ok(Form {
            kernel: device.kernel(&source(name, true))?,
            single: LazyKernel::new(device, source(single, false)),
        })
    }
}

fn check(x: &Tensor, weight: &Tensor, eps: f32) -> Result<()> {
    check_input(x, eps)?;
    CHECK.tensor("weight", weight, &[DType::F32], &[x.cols()])
}

fn check_input(x: &Tensor, eps: f32) -> Result<()> {
    CHECK.any_shape("x", x, &[DType::F32])?;
    CHECK.parameter("eps", eps, 0.0..=f32::MAX, "0 or above, and finite")
}

/// The inline constants and the number of workgroups on the CPU.
fn launch(x: &Tensor, eps: f32) -> Result<(Params, u32)> {
    let rows_per_group = (CHUNK / x.cols()).max(1);
    let groups = CHECK.size("the number of rows", x.rows().div_ceil(rows_per_group))?;
    let params = Params {
        rows_per_group: rows_per_group as u32,
        width: CHECK.size("the width of a row", x.cols())?,
        eps,
    };
    Ok((params, groups))
}
