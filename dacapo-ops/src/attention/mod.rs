//! Causal attention with grouped queries over a ring of keys and values.

mod cpu;
mod fusion;
#[cfg(test)]
mod fusion_tests;
mod gpu;
#[cfg(test)]
mod matrices_tests;
#[cfg(test)]
mod tests;
mod tile;
pub(crate) mod work;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, BufferView, Bytes, CommandEncoder, CpuEntry, Device, Grid, Kernel, KernelSource, Match,
    SharedMemory, Unfit,
};
use half::f16;

use self::gpu::Gpu;
pub(crate) use self::gpu::{Room, Step, StepParams, StepPart, StepSlots};
use crate::check::Check;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::rope_append::{self, Operands};
use crate::tensor::Tensor;
use crate::tuning::Tuning;

/// `softmax(scale * q k^T) v` over the positions that each row may see.
///
/// All is computed in f32, except that 16 rows and more meet a cache of F16 in f16 on a device with cooperative matrices of 16x16, if heads are a
/// multiple of 16 elements and no more than 128: queries times the scale and weights are rounded to it, an error of up to 2^-11 in each, and
/// summed in f32. Scaled queries beyond 65504 count as that.
#[derive(Clone, Debug)]
pub struct Attention {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Cpu { half: Kernel, single: Kernel },
    Gpu(Gpu),
}

/// How scores are made of dot products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionOptions {
    /// Multiplies the dot products, as a rule 1 / sqrt(head_dim).
    pub scale: f32,
    /// Limits the scaled scores to `cap * tanh(score / cap)`, as Gemma 2 does.
    pub softcap: Option<f32>,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    capacity: u32,
    scale: f32,
    /// 0 for none.
    softcap: f32,
}

/// Widest head; bounds the scratch of a workgroup.
pub const MAX_HEAD_DIM: usize = 1024;

/// Scratch of a full workgroup at the widest head.
const MAX_SHARED: usize =
    size_of::<f32>() * (cpu::PAIRS * (2 * MAX_HEAD_DIM + cpu::TILE) + MAX_HEAD_DIM * cpu::TILE);

impl Attention {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the device cannot run it.
    pub fn new(device: &Device) -> Result<Attention> {
        Attention::tuned(device, &Tuning::default())
    }

    /// As [`Attention::new`]; how a GPU cuts the attention of one token is asked of `tuning`.
    ///
    /// # Errors
    /// As [`Attention::new`].
    pub fn tuned(device: &Device, tuning: &Tuning) -> Result<Attention> {
        fn source<E>(name: &'static str, entry: CpuEntry) -> KernelSource {
            KernelSource::new(name)
                .op("attention")
                .binding::<f32>(0, Access::Read)
                .binding::<E>(1, Access::Read)
                .binding::<E>(2, Access::Read)
                .binding::<u32>(3, Access::Read)
                .binding::<f32>(4, Access::Write)
                .overwrites(4)
                .inline::<Params>()
                .shared_memory(SharedMemory::Dynamic {
                    max: MAX_SHARED as u32,
                })
                .work(work::work)
                .cpu(entry)
        }
        let form = if let Some(features) = device.gpu() {
            Form::Gpu(Gpu::new(device, features, tuning)?)
        } else {
            Form::Cpu {
                half: device.kernel(&source::<f16>("attention_f16", cpu::entry::<f16>))?,
                single: device.kernel(&source::<f32>("attention_f32", cpu::entry::<f32>))?,
            }
        };
        Ok(Attention { form })
    }

    /// Encodes rotation and append of one token's heads, and its attention over the cache that has them then, in one
    /// dispatch: what [`RopeAppend::encode`](crate::rope_append::RopeAppend::encode) and [`Attention::encode`] do one
    /// after the other. q stays as it is.
    ///
    /// # Errors
    /// Those of both, and [`Error::Unfused`] on processors, for several tokens, for more than 8
    /// queries to a key, and for heads whose elements a subgroup cannot share, such as those of 80.
    pub fn encode_step(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        options: AttentionOptions,
        out: &Tensor,
    ) -> Result<()> {
        self.encode_step_in(encoder, operands, options, out, None)
    }

    /// As [`Attention::encode_step`], in a region of scratch that has been chosen.
    fn encode_step_in(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        options: AttentionOptions,
        out: &Tensor,
        scratch: Option<BufferView>,
    ) -> Result<()> {
        let turning = rope_append::params(operands)?;
        let &Operands {
            q,
            k_cache,
            v_cache,
            positions,
            ..
        } = operands;
        let params = params([q, k_cache, v_cache, positions, out], options)?;
        match &self.form {
            Form::Gpu(gpu) => gpu.encode_step(encoder, operands, out, params, turning, scratch),
            Form::Cpu { .. } => unfused("processors take it apart"),
        }
    }

    /// The step of one token that the node at `place` was encoded with, as part of a kernel that has this room.
    pub(crate) fn part(
        &self,
        found: &Match<'_>,
        place: usize,
        room: Room,
    ) -> Result<StepPart, Unfit> {
        match &self.form {
            Form::Gpu(gpu) => gpu.part(found, place, room),
            Form::Cpu { .. } => Err(Unfit::new("processors take it apart")),
        }
    }

    /// Encodes attention of `q`, F32 `[tokens, heads, head_dim]`, over the caches, F16 or F32
    /// `[kv_heads, capacity, head_dim]`, into `out`, of q's shape.
    ///
    /// `positions`, U32 `[tokens]`, are those of the rows of q; their keys and values are in the caches already
    /// (see [`KvAppend`](crate::kv_append::KvAppend)), position p in slot `p % capacity`. A row at position p
    /// sees the positions up to p of which the cache still holds the keys: those above the greatest of
    /// `positions` minus the capacity. Query head h uses KV head `h * kv_heads / heads`. A row whose scores are
    /// all negative infinity gives zeros. All are contiguous; `out` overlaps none.
    ///
    /// # Errors
    /// [`Error::Operand`], also for heads that are no multiple of the KV heads or wider
    /// than [`MAX_HEAD_DIM`]; [`Error::Parameter`] for a scale or softcap that is not
    /// finite, or a softcap not above 0; those of [`CommandEncoder::dispatch`].
    #[allow(
        clippy::too_many_arguments,
        reason = "an attention is this many tensors"
    )]
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        q: &Tensor,
        k_cache: &Tensor,
        v_cache: &Tensor,
        positions: &Tensor,
        options: AttentionOptions,
        out: &Tensor,
    ) -> Result<()> {
        let params = params([q, k_cache, v_cache, positions, out], options)?;
        let (half, single) = match &self.form {
            Form::Cpu { half, single } => (half, single),
            Form::Gpu(gpu) => {
                return gpu.encode(encoder, [q, k_cache, v_cache, positions, out], params);
            }
        };
        let (shape, tokens) = (cpu::Shape::from(params), positions.elements());
        let blocks = CHECK.size("the number of tokens", shape.blocks(tokens))?;
        let shared = size_of::<f32>() * shape.scratch(tokens);
        let grid = Grid::groups([blocks, params.kv_heads, 1]).with_shared_memory(shared as u32);
        let kernel = if k_cache.dtype() == DType::F16 {
            half
        } else {
            single
        };
        let args = (
            q.view(),
            k_cache.view(),
            v_cache.view(),
            positions.view(),
            out.view(),
            Bytes(&params),
        );
        Ok(encoder.dispatch(kernel, args, grid)?)
    }
}

const CHECK: Check = Check("attention");

fn unfused<T>(reason: impl Into<Box<str>>) -> Result<T> {
    Err(Error::Unfused {
        op: "attention",
        reason: reason.into(),
    })
}

/// Checks the operands of an attention.
fn params(
    [q, k_cache, v_cache, positions, out]: [&Tensor; 5],
    options: AttentionOptions,
) -> Result<Params> {
    const CACHE: [DType; 2] = [DType::F16, DType::F32];
    let [tokens, heads, head_dim] = CHECK.dims("q", q, &[DType::F32])?;
    let [kv_heads, capacity, _] = CHECK.dims("k_cache", k_cache, &CACHE)?;
    if !heads.is_multiple_of(kv_heads) || head_dim > MAX_HEAD_DIM {
        let wanted = format!("[.., a multiple of {kv_heads}, at most {MAX_HEAD_DIM}]");
        return Err(CHECK.operand("q", q, &[DType::F32], &wanted));
    }
    CHECK.tensor("k_cache", k_cache, &CACHE, &[kv_heads, capacity, head_dim])?;
    CHECK.tensor("v_cache", v_cache, &[k_cache.dtype()], k_cache.shape())?;
    CHECK.tensor("positions", positions, &[DType::U32], &[tokens])?;
    CHECK.tensor("out", out, &[DType::F32], q.shape())?;
    CHECK.parameter("scale", options.scale, f32::MIN..=f32::MAX, "finite")?;
    if let Some(cap) = options.softcap {
        CHECK.parameter(
            "softcap",
            cap,
            f32::MIN_POSITIVE..=f32::MAX,
            "above 0 and finite",
        )?;
    }
    Ok(Params {
        heads: CHECK.size("the number of heads", heads)?,
        kv_heads: CHECK.size("the number of KV heads", kv_heads)?,
        head_dim: head_dim as u32,
        capacity: CHECK.size("the capacity", capacity)?,
        scale: options.scale,
        softcap: options.softcap.unwrap_or(0.0),
    })
}
