//! Keys and values of new tokens into a layer's ring cache.

pub(crate) mod cpu;
mod gpu;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Access, Bytes, CommandEncoder, CpuEntry, Device, Dispatched, Grid, Kernel, KernelSource, Work,
};

use half::f16;

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::lazy::LazyKernel;
use crate::tensor::Tensor;
use crate::work::{elements, product, read, written};
pub(crate) use gpu::Cache;

/// Copies rows of k and v to the slots `position % capacity` of a cache.
#[derive(Clone, Debug)]
pub struct KvAppend {
    half: Kernel,
    /// For GPUs: heads of an odd width.
    half_odd: LazyKernel,
    single: Kernel,
    on_gpu: bool,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    pub(crate) kv_heads: u32,
    pub(crate) head_dim: u32,
    pub(crate) capacity: u32,
}

fn work(call: &Dispatched<'_>) -> Work {
    let capacity = call.inline::<Params>().map_or(1, |params| params.capacity);
    let (rows, positions) = (read(call.bytes(0)) + read(call.bytes(1)), call.bytes(2));
    let cached = work_of_cache(elements(positions), capacity, call.bytes(3));
    rows + read(positions) + cached
}

/// Of writing so many rows of keys and of values into caches of `bytes` bytes each.
pub(crate) fn work_of_cache(rows: u64, capacity: u32, bytes: u64) -> Work {
    let row = bytes / u64::from(capacity).max(1);
    written(product([2, rows, row]))
}

impl KvAppend {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<KvAppend> {
        fn source<E>(name: &'static str, entry: CpuEntry, cache: Cache) -> KernelSource {
            // Slots that no row goes to keep what they hold: read-write.
            KernelSource::new(name)
                .op("kv_append")
                .binding::<f32>(0, Access::Read)
                .binding::<f32>(1, Access::Read)
                .binding::<u32>(2, Access::Read)
                .binding::<E>(3, Access::ReadWrite)
                .binding::<E>(4, Access::ReadWrite)
                .inline::<Params>()
                .work(work)
                .cpu(entry)
                .wgsl(gpu::wgsl(cache))
        }
        let half = |name, cache| source::<f16>(name, cpu::entry::<f16>, cache);
        let single = source::<f32>("kv_append_f32", cpu::entry::<f32>, Cache::Single);
        Ok(KvAppend {
            half: device.kernel(&half("kv_append_f16", Cache::Half))?,
            half_odd: LazyKernel::new(device, half("kv_append_f16_odd", Cache::HalfOdd)),
            single: device.kernel(&single)?,
            on_gpu: device.gpu().is_some(),
        })
    }

    /// Encodes the copy of `k` and `v`, F32 `[tokens, kv_heads, head_dim]`, into the caches, F16 or F32
    /// `[kv_heads, capacity, head_dim]`: the row at position p goes to slot `p % capacity`.
    ///
    /// `positions` is U32 `[tokens]`. Of rows for one slot the last stays. F16 rounds to nearest, beyond 65504 to
    /// infinity. All are contiguous, and no two overlap.
    ///
    /// # Errors
    /// [`Error::Operand`](crate::Error::Operand), also for more tokens than the capacity, and those of
    /// [`CommandEncoder::dispatch`].
    pub fn encode(
        &self,
        encoder: &mut CommandEncoder,
        k: &Tensor,
        v: &Tensor,
        positions: &Tensor,
        k_cache: &Tensor,
        v_cache: &Tensor,
    ) -> Result<()> {
        let check = Check("kv_append");
        let params = params(check, k, v, positions, k_cache, v_cache)?;
        let kernel = match Cache::of(self.on_gpu, k_cache) {
            Cache::Half => &self.half,
            Cache::HalfOdd => self.half_odd.get()?,
            Cache::Single => &self.single,
        };
        let grid = if self.on_gpu {
            gpu::grid(k.shape()[0])
        } else {
            Grid::groups([params.kv_heads, 1, 1])
        };
        let args = (
            k.view(),
            v.view(),
            positions.view(),
            k_cache.view(),
            v_cache.view(),
            Bytes(&params),
        );
        Ok(encoder.dispatch(kernel, args, grid)?)
    }
}

/// Checks the operands of an append.
pub(crate) fn params(
    check: Check,
    k: &Tensor,
    v: &Tensor,
    positions: &Tensor,
    k_cache: &Tensor,
    v_cache: &Tensor,
) -> Result<Params> {
    let [tokens, kv_heads, head_dim] = check.dims("k", k, &[DType::F32])?;
    check.tensor("v", v, &[DType::F32], k.shape())?;
    check.tensor("positions", positions, &[DType::U32], &[tokens])?;
    let [_, capacity, _] = check.dims("k_cache", k_cache, &[DType::F16, DType::F32])?;
    let dtype = k_cache.dtype();
    check.tensor(
        "k_cache",
        k_cache,
        &[dtype],
        &[kv_heads, capacity, head_dim],
    )?;
    check.tensor("v_cache", v_cache, &[dtype], k_cache.shape())?;
    if tokens > capacity {
        let wanted = format!("[at most the cache's capacity of {capacity}, ..]");
        return Err(check.operand("k", k, &[DType::F32], &wanted));
    }
    Ok(Params {
        kv_heads: check.size("the number of heads", kv_heads)?,
        head_dim: check.size("the head's width", head_dim)?,
        capacity: check.size("the capacity", capacity)?,
    })
}
