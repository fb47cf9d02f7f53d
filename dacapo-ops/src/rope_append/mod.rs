//! Rotary position embedding of queries and keys, which go into the cache with their values, in one dispatch: what
//! [`RmsNorm::encode_heads`](crate::rms_norm::RmsNorm::encode_heads), [`Rope`](crate::rope::Rope) and
//! [`KvAppend`](crate::kv_append::KvAppend) do one after the other.

mod cpu;
mod fusion;
#[cfg(test)]
mod fusion_tests;
mod gpu;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use fusion::{Recorded, cache};
pub(crate) use gpu::turn;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Arg, CommandEncoder, CpuEntry, Device, GpuFeatures, Grid, KernelSource, SharedMemory,
};
use half::f16;
use smallvec::SmallVec;

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::kv_append::{self, Cache};
use crate::lazy::LazyKernel;
use crate::rope::{Layout, check_frequencies};
use crate::tensor::Tensor;

/// Rotates q in place, and k on its way into a cache, where v goes too.
#[derive(Clone, Debug)]
pub struct RopeAppend {
    plain: Forms,
    normed: Forms,
    gpu: Option<GpuFeatures>,
}

/// What is rotated, by what, and where it goes. All tensors are contiguous, and those written overlap no other.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// F32 `[tokens, heads, head_dim]`, rotated in place.
    pub q: &'a Tensor,
    /// F32 `[tokens, kv_heads, head_dim]`; it stays as it is.
    pub k: &'a Tensor,
    /// As `k`.
    pub v: &'a Tensor,
    /// U32 `[tokens]`.
    pub positions: &'a Tensor,
    /// As for [`Rope::encode`](crate::rope::Rope::encode).
    pub frequencies: &'a Tensor,
    /// Which elements of a head turn together.
    pub layout: Layout,
    /// Norms of each head of q and k before they turn, if any.
    pub norms: Option<Norms<'a>>,
    /// As for [`KvAppend::encode`](crate::kv_append::KvAppend::encode).
    pub k_cache: &'a Tensor,
    /// As `k_cache`.
    pub v_cache: &'a Tensor,
}

/// Root-mean-square norms of heads, as in Qwen 3.
#[derive(Clone, Copy, Debug)]
pub struct Norms<'a> {
    /// F32 `[head_dim]`.
    pub q: &'a Tensor,
    /// F32 `[head_dim]`.
    pub k: &'a Tensor,
    /// Not negative.
    pub eps: f32,
}

/// The kernels for each way of writing a cache.
#[derive(Clone, Debug)]
struct Forms {
    single: LazyKernel,
    half: LazyKernel,
    /// For GPUs: heads of an odd width.
    half_odd: LazyKernel,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    capacity: u32,
    /// [`Layout::number`].
    pub(crate) layout: u32,
    pub(crate) eps: f32,
}

/// Most bytes of sines, cosines and a head on the CPU: heads of 16384 elements.
const MAX_SHARED: u32 = 128 << 10;

const CHECK: Check = Check("rope_append");

impl RopeAppend {
    /// Prepares the operation for `device`; its kernels are compiled when they are first used.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<RopeAppend> {
        Ok(RopeAppend {
            plain: Forms::new(
                device,
                ["rope_append_f32", "rope_append_f16", "rope_append_f16_odd"],
                [cpu::entry::<f32, false>, cpu::entry::<f16, false>],
                false,
            ),
            normed: Forms::new(
                device,
                [
                    "norm_rope_append_f32",
                    "norm_rope_append_f16",
                    "norm_rope_append_f16_odd",
                ],
                [cpu::entry::<f32, true>, cpu::entry::<f16, true>],
                true,
            ),
            gpu: device.gpu(),
        })
    }

    /// Encodes the rotation of q in place, and that of k into the cache: the row at position p goes to slot
    /// `p % capacity`, and of rows for one slot the last stays.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand), also for more tokens than the capacity,
    /// [`Error::Parameter`](crate::Error::Parameter) for an epsilon out of range, and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(&self, encoder: &mut CommandEncoder, operands: &Operands<'_>) -> Result<()> {
        let &Operands {
            q,
            k,
            v,
            positions,
            frequencies,
            norms,
            k_cache,
            v_cache,
            ..
        } = operands;
        let params = params(operands)?;
        let (tokens, heads) = (positions.elements(), q.shape()[1]);
        let tensors = [q, k, v, k_cache, v_cache, positions, frequencies].into_iter();
        let tensors = tensors.chain(norms.into_iter().flat_map(|norms| [norms.q, norms.k]));
        let args = tensors.map(|tensor| Arg::view(tensor.view()));
        let args: SmallVec<[Arg<'_>; 10]> = args.chain([Arg::bytes(&params)]).collect();
        let grid = match self.gpu {
            Some(gpu) => gpu::grid(gpu, tokens, heads.saturating_add(k.shape()[1]))?,
            None => {
                let floats = (2 * frequencies.rows()).saturating_add(k.cols());
                let shared = CHECK.size("the head's width", floats.saturating_mul(4))?;
                let groups = CHECK.size("the number of tokens", tokens)?;
                Grid::groups([groups, 1, 1]).with_shared_memory(shared)
            }
        };
        let forms = match norms {
            None => &self.plain,
            Some(_) => &self.normed,
        };
        let kernel = match Cache::of(self.gpu.is_some(), k_cache) {
            Cache::Single => &forms.single,
            Cache::Half => &forms.half,
            Cache::HalfOdd => &forms.half_odd,
        };
        Ok(encoder.dispatch(kernel.get()?, &args[..], grid)?)
    }
}

/// Checks the operands.
pub(crate) fn params(operands: &Operands<'_>) -> Result<Params> {
    let &Operands {
        q,
        k,
        v,
        positions,
        frequencies,
        layout,
        norms,
        k_cache,
        v_cache,
    } = operands;
    let append = kv_append::params(CHECK, k, v, positions, k_cache, v_cache)?;
    let (tokens, head_dim) = (positions.elements(), k.cols());
    let [_, heads, _] = CHECK.dims("q", q, &[DType::F32])?;
    CHECK.tensor("q", q, &[DType::F32], &[tokens, heads, head_dim])?;
    check_frequencies(CHECK, frequencies, head_dim)?;
    if let Some(Norms { q, k, eps }) = norms {
        CHECK.tensor("the norm of q", q, &[DType::F32], &[head_dim])?;
        CHECK.tensor("the norm of k", k, &[DType::F32], &[head_dim])?;
        CHECK.parameter("eps", eps, 0.0..=f32::MAX, "0 or above, and finite")?;
    }
    Ok(Params {
        heads: CHECK.size("the number of heads", heads)?,
        kv_heads: append.kv_heads,
        head_dim: append.head_dim,
        capacity: append.capacity,
        layout: layout.number(),
        eps: norms.map_or(0.0, |norms| norms.eps),
    })
}

impl Forms {
    fn new(
        device: &Device,
        [single, half, half_odd]: [&'static str; 3],
        [single_entry, half_entry]: [CpuEntry; 2],
        normed: bool,
    ) -> Forms {
        let form = |name, entry, cache| {
            let source = match cache {
                Cache::Single => caches::<f32>(KernelSource::new(name)),
                Cache::Half | Cache::HalfOdd => caches::<f16>(KernelSource::new(name)),
            };
            let source = source
                .op("rope_append")
                .binding::<f32>(0, Access::ReadWrite)
                .binding::<f32>(1, Access::Read)
                .binding::<f32>(2, Access::Read)
                .binding::<u32>(5, Access::Read)
                .binding::<u32>(6, Access::Read)
                .inline::<Params>()
                .shared_memory(SharedMemory::Dynamic { max: MAX_SHARED })
                .work(work::work)
                .cpu(entry)
                .wgsl(gpu::wgsl(cache, normed));
            let norms = |source: KernelSource, slot| source.binding::<f32>(slot, Access::Read);
            let source = match normed {
                true => [7, 8].into_iter().fold(source, norms),
                false => source,
            };
            LazyKernel::new(device, source)
        };
        Forms {
            single: form(single, single_entry, Cache::Single),
            half: form(half, half_entry, Cache::Half),
            half_odd: form(half_odd, half_entry, Cache::HalfOdd),
        }
    }
}

/// Slots that no row goes to keep what they hold: read-write.
fn caches<E>(source: KernelSource) -> KernelSource {
    source
        .binding::<E>(3, Access::ReadWrite)
        .binding::<E>(4, Access::ReadWrite)
}
