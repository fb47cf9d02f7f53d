//! Keys and values of new tokens into a layer's ring cache.

mod cpu;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};
use dacapo::{Access, Bytes, CommandEncoder, CpuEntry, Device, Grid, Kernel, KernelSource};

use crate::check::Check;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

/// Copies rows of k and v to the slots `position % capacity` of a cache.
#[derive(Clone, Debug)]
pub struct KvAppend {
    half: Kernel,
    single: Kernel,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    kv_heads: u32,
    head_dim: u32,
}

impl KvAppend {
    /// Compiles the operation for `device`.
    ///
    /// # Errors
    /// [`Error::Runtime`](crate::Error::Runtime) where the device cannot run it.
    pub fn new(device: &Device) -> Result<KvAppend> {
        fn source<E>(name: &'static str, entry: CpuEntry) -> KernelSource {
            // Slots that no row goes to keep what they hold: read-write.
            KernelSource::new(name)
                .op("kv_append")
                .binding::<f32>(0, Access::Read)
                .binding::<f32>(1, Access::Read)
                .binding::<u32>(2, Access::Read)
                .binding::<E>(3, Access::ReadWrite)
                .binding::<E>(4, Access::ReadWrite)
                .inline::<Params>()
                .cpu(entry)
        }
        Ok(KvAppend {
            half: device.kernel(&source::<half::f16>(
                "kv_append_f16",
                cpu::entry::<half::f16>,
            ))?,
            single: device.kernel(&source::<f32>("kv_append_f32", cpu::entry::<f32>))?,
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
        let params = Params {
            kv_heads: check.size("the number of heads", kv_heads)?,
            head_dim: check.size("the head's width", head_dim)?,
        };
        let kernel = if dtype == DType::F16 {
            &self.half
        } else {
            &self.single
        };
        let args = (
            k.view(),
            v.view(),
            positions.view(),
            k_cache.view(),
            v_cache.view(),
            Bytes(&params),
        );
        Ok(encoder.dispatch(kernel, args, Grid::groups([params.kv_heads, 1, 1]))?)
    }
}
