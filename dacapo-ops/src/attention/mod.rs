//! Causal attention with grouped queries over a ring of keys and values.

mod cpu;
mod gpu;
#[cfg(test)]
mod tests;
mod tile;
mod work;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Bytes, CommandEncoder, CpuEntry, Device, Grid, Kernel, KernelSource, SharedMemory,
};
use half::f16;

use self::gpu::Gpu;
use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

/// `softmax(scale * q k^T) v` over the positions that each row may see.
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
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<Attention> {
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
        let form = if device.gpu().is_some() {
            Form::Gpu(Gpu::new(device)?)
        } else {
            Form::Cpu {
                half: device.kernel(&source::<f16>("attention_f16", cpu::entry::<f16>))?,
                single: device.kernel(&source::<f32>("attention_f32", cpu::entry::<f32>))?,
            }
        };
        Ok(Attention { form })
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
    /// [`Error::Operand`](crate::Error::Operand), also for heads that are no multiple of the KV heads or wider
    /// than [`MAX_HEAD_DIM`]; [`Error::Parameter`](crate::Error::Parameter) for a scale or softcap that is not
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
        const CACHE: [DType; 2] = [DType::F16, DType::F32];
        let check = Check("attention");
        let [tokens, heads, head_dim] = check.dims("q", q, &[DType::F32])?;
        let [kv_heads, capacity, _] = check.dims("k_cache", k_cache, &CACHE)?;
        if !heads.is_multiple_of(kv_heads) || head_dim > MAX_HEAD_DIM {
            let wanted = format!("[.., a multiple of {kv_heads}, at most {MAX_HEAD_DIM}]");
            return Err(check.operand("q", q, &[DType::F32], &wanted));
        }
        check.tensor("k_cache", k_cache, &CACHE, &[kv_heads, capacity, head_dim])?;
        check.tensor("v_cache", v_cache, &[k_cache.dtype()], k_cache.shape())?;
        check.tensor("positions", positions, &[DType::U32], &[tokens])?;
        check.tensor("out", out, &[DType::F32], q.shape())?;
        check.parameter("scale", options.scale, f32::MIN..=f32::MAX, "finite")?;
        if let Some(cap) = options.softcap {
            check.parameter(
                "softcap",
                cap,
                f32::MIN_POSITIVE..=f32::MAX,
                "above 0 and finite",
            )?;
        }
        let params = Params {
            heads: check.size("the number of heads", heads)?,
            kv_heads: check.size("the number of KV heads", kv_heads)?,
            head_dim: head_dim as u32,
            capacity: check.size("the capacity", capacity)?,
            scale: options.scale,
            softcap: options.softcap.unwrap_or(0.0),
        };
        let (half, single) = match &self.form {
            Form::Cpu { half, single } => (half, single),
            Form::Gpu(gpu) => {
                return gpu.encode(encoder, [q, k_cache, v_cache, positions, out], params);
            }
        };
        let shape = cpu::Shape::from(params);
        let blocks = check.size("the number of tokens", shape.blocks(tokens))?;
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
