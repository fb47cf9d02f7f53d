//! On a GPU.
#![allow(unsafe_code, reason = "kernels without checks")]

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Buffer, BufferOptions, Bytes, CommandEncoder, Device, Grid, Kernel, KernelSource, MemoryKind,
    Wgsl,
};

use super::Params;
use crate::dtype::DType;
use crate::error::Result;
use crate::rows;
use crate::tensor::Tensor;

/// Kernels for the shapes met so far, and the memory through which workgroups pass each other sums.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    kernels: Arc<Mutex<HashMap<Variant, Kernel>>>,
    workgroup: u32,
    scratch: Buffer,
    /// The next region of scratch to be used.
    next: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Variant {
    dtype: DType,
    head_dim: u32,
    /// (row, head) pairs of one workgroup.
    pairs: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct SplitParams {
    heads: u32,
    kv_heads: u32,
    capacity: u32,
    splits: u32,
    scale: f32,
    softcap: f32,
}

/// Positions that are worth a workgroup of their own.
const LEAST: u32 = 256;
/// Most pairs of one workgroup, and most elements of their queries: both cost registers or shared memory.
const MAX_PAIRS: u32 = 8;
const MAX_ELEMENTS: u32 = 1024;
/// Workgroups that keep a GPU busy.
const ENOUGH: u32 = 256;
const MAX_SPLITS: u32 = 64;
/// Regions of scratch taken in turn, so that attentions of different sessions need not wait for each other.
const REGIONS: usize = 4;
/// Elements of one region.
const REGION: u32 = 1 << 18;
/// Counters at the beginning of a region, one for each block of pairs.
const COUNTERS: u32 = ENOUGH;

impl Gpu {
    pub(super) fn new(device: &Device) -> Result<Gpu> {
        let options = BufferOptions {
            len: REGIONS as u64 * REGION_BYTES,
            kind: MemoryKind::DeviceLocal,
            label: "attention scratch",
        };
        Ok(Gpu {
            kernels: Arc::default(),
            workgroup: rows::workgroup(device, 256),
            scratch: device.buffer_with(&options)?,
            next: Arc::default(),
        })
    }

    pub(super) fn encode(
        &self,
        encoder: &mut CommandEncoder,
        [q, k, v, positions, out]: [&Tensor; 5],
        params: Params,
    ) -> Result<()> {
        let Params {
            heads,
            kv_heads,
            head_dim,
            capacity,
            scale,
            softcap,
        } = params;
        let (tokens, ratio) = (positions.elements() as u32, heads / kv_heads);
        let pairs = pairs(tokens, ratio, head_dim);
        let blocks = tokens.saturating_mul(ratio).div_ceil(pairs);
        let splits = splits(blocks.saturating_mul(kv_heads), pairs, head_dim, capacity);
        let variant = Variant {
            dtype: k.dtype(),
            head_dim,
            pairs,
        };
        let kernel = self.kernel(encoder, variant)?;
        let region = self.next.fetch_add(1, Ordering::Relaxed) % REGIONS;
        let first = region as u64 * REGION_BYTES;
        let scratch = self.scratch.slice(first..first + REGION_BYTES)?;
        let params = SplitParams {
            heads,
            kv_heads,
            capacity,
            splits,
            scale,
            softcap,
        };
        let args = (
            q.view(),
            k.view(),
            v.view(),
            positions.view(),
            out.view(),
            &scratch,
            Bytes(&params),
        );
        Ok(encoder.dispatch(&kernel, args, Grid::groups([blocks, splits, kv_heads]))?)
    }

    fn kernel(&self, encoder: &CommandEncoder, variant: Variant) -> Result<Kernel> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(&variant) {
            return Ok(kernel.clone());
        }
        let kernel = encoder.device().kernel(&self.source(variant))?;
        kernels.insert(variant, kernel.clone());
        Ok(kernel)
    }

    fn source(&self, variant: Variant) -> KernelSource {
        let Variant {
            dtype,
            head_dim,
            pairs,
        } = variant;
        let mut text = String::new();
        for (name, value) in [
            ("HEAD_DIM", head_dim),
            ("PAIRS", pairs),
            ("WORKGROUP", self.workgroup),
            ("LEAST", LEAST),
            ("COUNTERS", COUNTERS),
        ] {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "const {name}: u32 = {value}u;");
        }
        let elements = include_str!("elements.wgsl");
        let loads = match dtype {
            DType::F16 if head_dim.is_multiple_of(8) => [include_str!("cache_half8.wgsl"), ""],
            DType::F16 => [include_str!("cache_half1.wgsl"), elements],
            _ if head_dim.is_multiple_of(4) => [include_str!("cache_single4.wgsl"), ""],
            _ => [include_str!("cache_single1.wgsl"), elements],
        };
        text.extend(loads);
        text.push_str(include_str!("split.wgsl"));
        text.push_str(include_str!("../../rows/exp.wgsl"));
        let name = format!("attention_{dtype}_{head_dim}_{pairs}").to_lowercase();
        // SAFETY: rows, heads and slots stay below what the host has checked the bindings for, records in scratch
        // below what `splits` allows, and workgroup memory is written before it is read.
        let wgsl = unsafe { Wgsl::new(text).trusted() };
        KernelSource::new(name).op("attention").wgsl(wgsl)
    }
}

const REGION_BYTES: u64 = REGION as u64 * size_of::<u32>() as u64;

/// Pairs of one workgroup: all query heads of a KV head if they are few, else evenly.
fn pairs(tokens: u32, ratio: u32, head_dim: u32) -> u32 {
    let most = MAX_PAIRS.min(MAX_ELEMENTS / head_dim).max(1);
    let all = tokens.saturating_mul(ratio);
    if tokens == 1 || all <= most {
        all.div_ceil(all.div_ceil(most))
    } else {
        most
    }
}

/// Workgroups that share the positions of each of `groups` blocks, at most.
fn splits(groups: u32, pairs: u32, head_dim: u32, capacity: u32) -> u32 {
    if groups > COUNTERS {
        return 1;
    }
    let room = (REGION - COUNTERS) / (groups * pairs * (head_dim + 2));
    capacity
        .div_ceil(LEAST)
        .min(ENOUGH / groups)
        .min(room)
        .clamp(1, MAX_SPLITS)
}
