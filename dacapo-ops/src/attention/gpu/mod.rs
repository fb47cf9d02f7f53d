//! On a GPU: one kernel for a few rows, whose positions it gives to many workgroups, and two for many rows, which share
//! what they read: one for any device, one on matrix units.
#![allow(unsafe_code, reason = "kernels without checks")]

mod matrices;
mod step;
mod tiling;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Buffer, BufferOptions, BufferView, Bytes, CommandEncoder, Device, Dispatched, GpuFeatures,
    Grid, Kernel, KernelSource, Limits, MemoryKind, Wgsl, Work,
};

use self::matrices::Matrices;
pub(crate) use self::step::{Room, Step, StepParams, StepPart, StepSlots};
use self::tiling::Tiling;
use super::{Params, work};
use crate::dtype::DType;
use crate::error::Result;
use crate::launch::{are_wide, busy_threads};
use crate::rows;
use crate::tensor::Tensor;
use crate::tuning::Tuning;

/// Kernels for the shapes met so far, and the memory through which workgroups pass each other sums.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    kernels: Arc<Mutex<HashMap<Variant, Kernel>>>,
    /// Threads of the split form.
    workgroup: u32,
    features: GpuFeatures,
    /// Threads that keep the device busy.
    enough: u32,
    limits: Limits,
    tuning: Tuning,
    scratch: Buffer,
    /// The next region of scratch to be used.
    next: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Variant {
    Attention(Attention),
    Step(Step),
}

/// Of queries that have turned, over a cache that has their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Attention {
    dtype: DType,
    head_dim: u32,
    /// Keys and values are loaded 16 bytes at once.
    wide: bool,
    form: Form,
}

/// Three kernels for the same parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// Each thread scores one position for this many (row, head) pairs.
    Split { pairs: u32 },
    /// Keys and values lie in workgroup memory, for many pairs.
    Tiled(Tiling),
    /// So they do, as f16, for matrix units.
    Matrices(Matrices),
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct SplitParams {
    pub(crate) heads: u32,
    pub(crate) kv_heads: u32,
    pub(crate) capacity: u32,
    pub(crate) splits: u32,
    pub(crate) scale: f32,
    pub(crate) softcap: f32,
}

/// Positions that are worth a workgroup of their own.
const LEAST: u32 = 256;
/// Most pairs of one workgroup, and most elements of their queries: both cost registers or shared memory.
const MAX_PAIRS: u32 = 8;
const MAX_ELEMENTS: u32 = 1024;
const MAX_SPLITS: u32 = 64;
/// Regions of scratch taken in turn, so that attentions of different sessions need not wait for each other.
const REGIONS: usize = 4;
/// Elements of one region.
const REGION: u32 = 1 << 20;
/// Counters at the beginning of a region, one for each block of pairs that several workgroups share.
const COUNTERS: u32 = 256;

impl Gpu {
    pub(super) fn new(device: &Device, features: GpuFeatures, tuning: &Tuning) -> Result<Gpu> {
        let options = BufferOptions {
            len: REGIONS as u64 * REGION_BYTES,
            kind: MemoryKind::DeviceLocal,
            label: "attention scratch",
        };
        let scratch = device.buffer_with(&options)?;
        for start in (0..options.len).step_by(REGION_BYTES as usize) {
            let counters = scratch.slice(start..start + u64::from(COUNTERS) * 4)?;
            counters.write(&[0u32; COUNTERS as usize])?;
        }
        Ok(Gpu {
            kernels: Arc::default(),
            workgroup: rows::workgroup(device, 256),
            features,
            enough: busy_threads(device),
            limits: *device.limits(),
            tuning: tuning.clone(),
            scratch,
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
            ..
        } = params;
        let (tokens, ratio) = (positions.elements() as u32, heads / kv_heads);
        let wide = is_wide(k, v, head_dim);
        let form = self.form(tokens, ratio, head_dim, wide && k.dtype() == DType::F16);
        let blocks = tokens.saturating_mul(ratio).div_ceil(form.pairs());
        let groups = blocks.saturating_mul(kv_heads);
        let splits = self.splits(form, groups, head_dim, capacity);
        let variant = Attention {
            dtype: k.dtype(),
            head_dim,
            wide,
            form,
        };
        let kernel = self.kernel(encoder, Variant::Attention(variant))?;
        let scratch = self.region()?;
        let params = SplitParams::new(params, splits);
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

    /// That for so many rows. Matrix units take a cache of `halves` that lie where 16 bytes can be loaded at once.
    fn form(&self, tokens: u32, ratio: u32, head_dim: u32, halves: bool) -> Form {
        let matrices = || Matrices::new(tokens, ratio, head_dim, &self.features, &self.limits);
        let tiling = || Tiling::new(tokens, ratio, head_dim, &self.limits);
        let pairs = pairs(tokens, ratio, head_dim);
        halves
            .then(matrices)
            .flatten()
            .map(Form::Matrices)
            .or_else(|| tiling().map(Form::Tiled))
            .unwrap_or(Form::Split { pairs })
    }

    /// The next region of scratch.
    fn region(&self) -> Result<BufferView> {
        let region = self.next.fetch_add(1, Ordering::Relaxed) % REGIONS;
        let first = region as u64 * REGION_BYTES;
        Ok(self.scratch.slice(first..first + REGION_BYTES)?)
    }

    fn kernel(&self, encoder: &CommandEncoder, variant: Variant) -> Result<Kernel> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(&variant) {
            return Ok(kernel.clone());
        }
        let source = match variant {
            Variant::Attention(variant) => self.source(variant),
            Variant::Step(step) => step.source(),
        };
        let kernel = encoder.device().kernel(&source)?;
        kernels.insert(variant, kernel.clone());
        Ok(kernel)
    }

    /// Workgroups that share the positions of each of `groups` blocks, at most.
    fn splits(&self, form: Form, groups: u32, head_dim: u32, capacity: u32) -> u32 {
        let threads = match form {
            Form::Split { .. } => self.workgroup,
            Form::Tiled(tiling) => tiling.threads(),
            Form::Matrices(matrices) => matrices.threads(),
        };
        self.splits_of(LEAST, threads, groups, form.pairs(), head_dim, capacity)
    }

    fn splits_of(
        &self,
        least: u32,
        threads: u32,
        groups: u32,
        pairs: u32,
        head_dim: u32,
        capacity: u32,
    ) -> u32 {
        if groups > COUNTERS {
            return 1;
        }
        let room = (REGION - COUNTERS) / (groups * pairs * (head_dim + 2));
        capacity
            .div_ceil(least)
            .min(self.enough / (groups * threads))
            .min(room)
            .clamp(1, MAX_SPLITS)
    }

    fn source(&self, variant: Attention) -> KernelSource {
        let Attention {
            dtype,
            head_dim,
            wide,
            form,
        } = variant;
        let shared = [
            ("HEAD_DIM", head_dim),
            ("LEAST", LEAST),
            ("PAIRS", form.pairs()),
        ];
        let (name, own, kernel) = match form {
            Form::Split { .. } => (
                "split",
                vec![("WORKGROUP", self.workgroup)],
                include_str!("split.wgsl").to_owned(),
            ),
            Form::Tiled(tiling) => (
                "tiled",
                tiling.constants().to_vec(),
                include_str!("tiled.wgsl").to_owned(),
            ),
            Form::Matrices(matrices) => {
                ("matrices", matrices.constants().to_vec(), matrices.text())
            }
        };
        let on_matrices = matches!(form, Form::Matrices(_));
        let elements = include_str!("elements.wgsl");
        let loads = match (dtype, wide) {
            _ if on_matrices => ["", ""],
            (DType::F16, true) => [include_str!("cache_half8.wgsl"), ""],
            (DType::F16, false) => [include_str!("cache_half1.wgsl"), elements],
            (_, true) => [include_str!("cache_single4.wgsl"), ""],
            (_, false) => [include_str!("cache_single1.wgsl"), elements],
        };
        let constants: Vec<_> = shared.into_iter().chain(own).collect();
        let (enable, caches) = match on_matrices {
            true => (Matrices::ENABLE, Matrices::CACHES.to_owned()),
            false => ("", caches([1, 2], dtype, wide, "read")),
        };
        let text = [
            enable,
            &common(&constants),
            &caches,
            &loads.concat(),
            include_str!("operands.wgsl"),
            include_str!("scratch.wgsl"),
            &kernel,
        ]
        .concat();
        let pairs = form.pairs();
        let name = format!("attention_{name}_{dtype}_{head_dim}_{pairs}").to_lowercase();
        // SAFETY: rows, heads and slots stay below what the host has checked the bindings for, records in scratch
        // below what `splits` allows, and workgroup memory is written before it is read.
        let wgsl = unsafe { Wgsl::new(text).trusted() };
        KernelSource::new(name)
            .op("attention")
            .overwrites(4)
            .work(split_work)
            .wgsl(wgsl)
    }
}

/// What kernels have in common, and constants.
fn common(constants: &[(&str, u32)]) -> String {
    let mut text = String::new();
    for (name, value) in constants.iter().chain(&[("COUNTERS", COUNTERS)]) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    text.push_str(include_str!("common.wgsl"));
    text.push_str(include_str!("../../rows/exp.wgsl"));
    text
}

/// The caches, in words or, where 16 bytes are loaded at once, in vectors.
fn caches([k, v]: [u32; 2], dtype: DType, wide: bool, access: &str) -> String {
    let element = match dtype {
        DType::F16 => "u32",
        _ => "f32",
    };
    let element = match wide {
        true => format!("vec4<{element}>"),
        false => element.to_owned(),
    };
    bound(k, access, "k_cache", &element) + &bound(v, access, "v_cache", &element)
}

fn bound(slot: u32, access: &str, name: &str, element: &str) -> String {
    format!("@group(0) @binding({slot}) var<storage, {access}> {name}: array<{element}>;\n")
}

impl SplitParams {
    fn new(params: Params, splits: u32) -> SplitParams {
        SplitParams {
            heads: params.heads,
            kv_heads: params.kv_heads,
            capacity: params.capacity,
            splits,
            scale: params.scale,
            softcap: params.softcap,
        }
    }
}

fn split_work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<SplitParams>() else {
        return Work::default();
    };
    work::of_attention(
        call,
        work::OPERANDS,
        params.heads,
        params.capacity,
        params.softcap,
    )
}

const REGION_BYTES: u64 = REGION as u64 * size_of::<u32>() as u64;

/// Whether heads are a whole number of 16 bytes, and lie where these can be loaded at once.
fn is_wide(k: &Tensor, v: &Tensor, head_dim: u32) -> bool {
    head_dim.is_multiple_of(chunk(k.dtype())) && are_wide(&[k.view(), v.view()])
}

/// Elements in 16 bytes.
fn chunk(dtype: DType) -> u32 {
    match dtype {
        DType::F16 => 8,
        _ => 4,
    }
}

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

impl Form {
    /// (row, head) pairs of one workgroup.
    fn pairs(self) -> u32 {
        match self {
            Form::Split { pairs } => pairs,
            Form::Tiled(tiling) => tiling.pairs,
            Form::Matrices(matrices) => matrices.pairs(),
        }
    }
}
