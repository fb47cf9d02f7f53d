//! Products on a GPU: weights in planes, kernels made for their type and shape.
#![allow(
    unsafe_code,
    reason = "vouches for kernels that stay inside their buffers"
)]

mod chain;
mod cooperative;
mod fused;
mod matvec;
mod pack;
mod recorded;
mod shader;
#[cfg(test)]
mod tests;
mod tuned;
mod variant;
mod work;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Arg, Buffer, BufferOptions, CommandEncoder, CooperativeMatrix, Device, GpuFeatures, Grid,
    Kernel, KernelSource, MemoryKind, Wgsl,
};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::Result;
use crate::launch::{MAX_GROUPS, are_wide, busy_threads};
use crate::linear::{Epilogue, Operands};
use crate::quant::WeightMatrix;
use crate::tensor::Tensor;
use crate::tuning::{Key, Tuning};
pub(super) use chain::Attending;
use chain::Chain;
use cooperative::Cooperative;
pub use cooperative::Tiling;
use pack::Layout;
use tuned::ShapeLimits;
pub use variant::Shape;
use variant::{Job, MATRICES, Put, Variant, Way};

/// Bytes of the first plane that are packed at a time.
const PIECE: u64 = 16 << 20;

/// Most tokens that are multiplied one by one.
const FEW: u32 = 8;

/// Tokens for which kernels are compiled ahead, besides one and few: those of a usual part of a prompt.
const MANY: u32 = 512;

/// Rows and tokens of a tile of the kernel for many tokens without matrix units.
const TILE: u32 = 64;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    /// Rows of each matrix.
    rows: [u32; MATRICES],
    cols: u32,
    tokens: u32,
    /// Where a part of a matrix has its whole output bound: elements between rows of it, and the first that is the part's.
    stride: u32,
    first: u32,
    units: u32,
    /// Of the norm, if there is one.
    eps: f32,
}

/// The kernels that have been asked for so far.
pub(super) struct GpuLinear {
    device: Device,
    gpu: GpuFeatures,
    kernels: Mutex<HashMap<Variant, Kernel>>,
    /// Kernels that are being compiled before anybody has asked for them, and who does it.
    ahead: Mutex<(HashSet<Variant>, Vec<JoinHandle<()>>)>,
    /// Overrides the choice of shapes for few tokens, to measure them.
    shape: Mutex<Option<Shape>>,
    tuning: Tuning,
    /// Overrides the choice of tiles for many tokens, to measure them.
    tiling: Mutex<Option<Tiling>>,
    /// Memory through which workgroups pass each other what they found, once any has been asked to look for something.
    found: Mutex<Option<Buffer>>,
    chains: Mutex<HashMap<Chain, Kernel>>,
    /// Memory through which workgroups of chains meet, once there are any.
    control: Mutex<Option<Buffer>>,
    /// The region of it that is used next.
    next_region: AtomicU64,
}

impl GpuLinear {
    pub(super) fn new(device: &Device, gpu: GpuFeatures, tuning: &Tuning) -> Arc<GpuLinear> {
        Arc::new(GpuLinear {
            device: device.clone(),
            gpu,
            kernels: Mutex::default(),
            ahead: Mutex::default(),
            shape: Mutex::default(),
            tuning: tuning.clone(),
            tiling: Mutex::default(),
            found: Mutex::default(),
            chains: Mutex::default(),
            control: Mutex::default(),
            next_region: AtomicU64::default(),
        })
    }

    pub(super) fn force_shape(&self, shape: Option<Shape>) {
        *self.shape.lock() = shape;
    }

    pub(super) fn force_tiling(&self, tiling: Option<Tiling>) {
        *self.tiling.lock() = tiling;
    }

    /// Packs a matrix, and compiles the kernels that its first use will need.
    pub(super) fn weights(&self, label: &str, matrix: &WeightMatrix<'_>) -> Result<Tensor> {
        let (dtype, rows, cols) = (matrix.dtype(), matrix.rows(), matrix.cols());
        let layout = Layout::new(dtype, rows, cols);
        let buffer = self.device.buffer_with(&BufferOptions {
            len: layout.len(),
            kind: MemoryKind::DeviceLocal,
            label,
        })?;
        let piece = (PIECE / layout.first(0..1).end.max(1)).max(2) / 2 * 2;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let all = rows as u64;
        for start in (0..all).step_by(piece as usize) {
            let range = start..all.min(start + piece);
            let planes = [layout.first(range.clone()), layout.second(range.clone())];
            for (plane, bytes) in planes.iter().zip([&mut first, &mut second]) {
                bytes.resize((plane.end - plane.start) as usize, 0);
            }
            let rows = range.start as usize..range.end as usize;
            layout.pack(matrix, rows, &mut first, &mut second)?;
            for (plane, bytes) in planes.into_iter().zip([&first, &second]) {
                if !bytes.is_empty() {
                    buffer.slice(plane)?.write(bytes)?;
                }
            }
        }
        let packed = Tensor::packed((*buffer).clone(), dtype, &[rows, cols])?;
        self.prepare(&packed);
        Ok(packed)
    }

    /// Starts to compile what one token and many tokens times this matrix need. What goes wrong is said again to whoever
    /// asks for the kernel.
    fn prepare(&self, w: &Tensor) {
        let (rows, cols) = (w.rows() as u32, w.cols() as u32);
        for tokens in [1, FEW + 1, MANY] {
            let variant = self.variant(w.dtype(), rows, cols, tokens, Put::Plain);
            let (known, threads) = &mut *self.ahead.lock();
            if known.insert(variant) {
                let device = self.device.clone();
                threads.push(std::thread::spawn(move || {
                    drop(device.kernel(&source(variant)));
                }));
            }
        }
    }

    /// Encodes a product; `operands` have been checked.
    pub(super) fn encode(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
    ) -> Result<()> {
        let &Operands {
            w,
            out,
            rows,
            cols,
            tokens,
            ..
        } = operands;
        let layout = Layout::new(w.dtype(), w.rows(), w.cols());
        let (put, bias) = match operands.epilogue {
            Epilogue::None => (Put::Plain, None),
            Epilogue::Bias(bias) => (Put::Bias, Some(bias)),
            Epilogue::Accumulate => (Put::Add, None),
        };
        let all = u64::from(rows);
        let length = layout.rows_within(self.device.limits().max_binding_bytes);
        // The rows of several tokens have gaps between what is a part's.
        let part = length < all && tokens > 1;
        let variant = self.variant(w.dtype(), rows, cols, tokens, put);
        let variant = Variant {
            part,
            odd: variant.odd || !are_wide(&[operands.x.view()]),
            ..variant
        };
        let kernel = self.kernel(variant)?;
        for start in (0..all).step_by(length as usize) {
            let range = start..all.min(start + length);
            let bytes = 4 * range.start..4 * range.end;
            let params = Params {
                rows: [(range.end - range.start) as u32, 0, 0],
                cols,
                tokens,
                stride: rows,
                first: range.start as u32,
                units: layout.units(),
                eps: 0.0,
            };
            let out = match part {
                true => out.view().clone(),
                false if length < all => out.view().slice(bytes.clone())?,
                false => out.view().clone(),
            };
            let bias = bias.map(|bias| bias.view().slice(bytes)).transpose()?;
            let planes = layout.planes(w.view(), range)?;
            let mut args = SmallVec::<[Arg<'_>; 6]>::new();
            args.extend(planes.iter().map(Arg::view));
            args.push(Arg::view(operands.x.view()));
            args.push(Arg::view(&out));
            args.extend(bias.as_ref().map(Arg::view));
            args.push(Arg::bytes(&params));
            encoder.dispatch(&kernel, &args[..], grid(variant.way, &params))?;
        }
        Ok(())
    }

    fn variant(&self, dtype: DType, rows: u32, cols: u32, tokens: u32, put: Put) -> Variant {
        let job = Job::Each([Some(put), None, None]);
        let way = match (tokens <= FEW, self.gpu.cooperative_matrix) {
            (true, _) => Way::MatVec(self.shape(job, dtype, [rows, cols], tokens)),
            (false, Some(matrix)) => {
                let tiling = self.tiling(matrix, rows, tokens);
                Way::Cooperative(Cooperative {
                    matrix,
                    tiling,
                    whole: cols.is_multiple_of(tiling.depth),
                    subgroup_size: self.gpu.subgroup_size,
                })
            }
            (false, None) => Way::MatMul,
        };
        Variant {
            dtype,
            odd: is_odd(dtype, cols),
            norm: false,
            way,
            job,
            part: false,
            turns: self.turns(way, job, dtype, [rows, cols], tokens),
        }
    }

    /// See [`Variant::turns`]. On an H100 products of one matrix are faster where they know it, and those of a gated unit
    /// slower (docs/performance.md).
    fn turns(&self, way: Way, job: Job, dtype: DType, sizes: [u32; 2], tokens: u32) -> Option<u32> {
        let Way::MatVec(shape) = way else {
            return None;
        };
        let key = GpuLinear::key(job, dtype, sizes, tokens, "turns known");
        let usual = u32::from(job.abreast() == 1);
        let known = self.tuning.choose(key, usual, &[0, 1], |_| true) == 1;
        let units = Layout::new(dtype, 1, sizes[1] as usize).units();
        shape.turns(units, self.gpu.subgroup_size).filter(|_| known)
    }

    fn key(
        job: Job,
        dtype: DType,
        [rows, cols]: [u32; 2],
        tokens: u32,
        dimension: &'static str,
    ) -> Key {
        Key {
            op: job.op(true),
            dtype,
            rows,
            cols,
            tokens,
            dimension,
        }
    }

    /// How few tokens are multiplied: as somebody forces, or as [`GpuLinear::usual`] has it where nothing was tuned.
    ///
    /// `rows` are those of all matrices, or of one where a subgroup goes along several.
    fn shape(&self, job: Job, dtype: DType, [rows, cols]: [u32; 2], tokens: u32) -> Shape {
        if let Some(forced) = *self.shape.lock() {
            return forced;
        }
        let usual = self.usual(dtype, [rows, cols], tokens, job.abreast());
        let key = GpuLinear::key(job, dtype, [rows, cols], tokens, "");
        let limits = ShapeLimits {
            abreast: job.abreast(),
            units: Layout::new(dtype, 1, cols as usize).units(),
            lanes: self.gpu.subgroup_size,
            most_subgroups: self.most_subgroups(),
            most: tuned::MOST_IN_REGISTERS,
        };
        tuned::shape(&self.tuning, key, usual, &limits)
    }

    fn most_subgroups(&self) -> u32 {
        (self.device.limits().max_group_threads / self.gpu.subgroup_size).max(1)
    }

    /// Rows of a subgroup share the reads of activations, which take more of the first cache than the weights do where a
    /// unit is many elements. Long rows are split among the subgroups of a workgroup, four turns to each, and further
    /// where there would be too few for a whole device. Found by the sweep of the benchmark `products_gpu` on an H200.
    ///
    /// A subgroup goes along rows of `abreast` matrices; `rows` are those of all others.
    fn usual(&self, dtype: DType, [rows, cols]: [u32; 2], tokens: u32, abreast: u32) -> Shape {
        // Of 32 lanes, whatever the device has.
        let enough = busy_threads(&self.device) / 32;
        let units = Layout::new(dtype, 1, cols as usize).units();
        let tokens = tokens.next_power_of_two();
        let lanes = self.gpu.subgroup_size;
        let shared = match pack::unit(dtype) {
            32.. => 4,
            8.. => 2,
            _ => 1,
        };
        let per_subgroup = (shared / (tokens * abreast)).max(1);
        let turns = units.div_ceil(lanes);
        let mut split = 1 << (turns / 4).clamp(1, 8).ilog2();
        while split < 8 && split * 2 <= turns && rows / per_subgroup * split < enough {
            split *= 2;
        }
        let unroll = match turns / split {
            2.. if tokens <= 2 => 2,
            _ => 1,
        };
        let most = self.most_subgroups();
        Shape {
            rows: per_subgroup,
            subgroups: 8.min(most),
            unroll,
            split: split.min(most),
            tokens,
        }
    }

    /// Large tiles, which read factors the fewest times, where there are enough of them for a whole device; otherwise small
    /// and deep ones. Found by the sweep `products_gpu -- prefill` on an H100.
    fn tiling(&self, matrix: CooperativeMatrix, rows: u32, tokens: u32) -> Tiling {
        if let Some(forced) = *self.tiling.lock() {
            return forced;
        }
        let smallest = Tiling::smallest(matrix);
        if matrix == CooperativeMatrix::Size8 {
            return smallest;
        }
        // Of 128 threads, with as many sums to a thread as it has registers for.
        let enough = busy_threads(&self.device) / 256 * 3 / 4;
        let limits = self.device.limits();
        let large = Tiling {
            tokens: 128,
            rows: 128,
            buffers: 1,
            ..smallest
        };
        let deep = Tiling {
            depth: 64,
            ..smallest
        };
        let fits = |tiling: &Tiling| {
            tiling.shared_bytes(matrix) <= limits.max_shared_bytes
                && tiling.down * tiling.across * self.gpu.subgroup_size <= limits.max_group_threads
        };
        let is_enough = rows.div_ceil(large.rows) * tokens.div_ceil(large.tokens) >= enough;
        let wanted = [is_enough.then_some(large), Some(deep)];
        wanted.into_iter().flatten().find(fits).unwrap_or(smallest)
    }

    fn kernel(&self, variant: Variant) -> Result<Kernel> {
        if let Some(kernel) = self.kernels.lock().get(&variant) {
            return Ok(kernel.clone());
        }
        let kernel = self.device.kernel(&source(variant))?;
        self.kernels.lock().insert(variant, kernel.clone());
        Ok(kernel)
    }
}

fn source(variant: Variant) -> KernelSource {
    // SAFETY: rows and tokens are clamped or skipped, columns end with the row, and planes are as long as the layout says.
    let wgsl = unsafe { Wgsl::new(variant.text()).trusted() };
    let source = KernelSource::new(variant.name())
        .op(variant.op())
        .work(work::of(variant.job))
        .wgsl(wgsl);
    variant.overwritten().fold(source, KernelSource::overwrites)
}

/// Whether rows are no whole number of units.
fn is_odd(dtype: DType, cols: u32) -> bool {
    !cols.is_multiple_of(pack::unit(dtype))
}

fn grid(way: Way, params: &Params) -> Grid<'static> {
    match way {
        Way::MatVec(shape) => {
            let blocks = params.rows.map(|rows| rows.div_ceil(shape.height()));
            let groups = blocks.into_iter().fold(0, u32::saturating_add);
            let down = groups.div_ceil(MAX_GROUPS as u32);
            Grid::groups([groups.div_ceil(down), down, 1])
        }
        Way::MatMul => tiles(params, TILE, TILE),
        Way::Cooperative(Cooperative { tiling, .. }) => tiles(params, tiling.rows, tiling.tokens),
    }
}

fn tiles(params: &Params, rows: u32, tokens: u32) -> Grid<'static> {
    let across = params.rows[0].div_ceil(rows);
    Grid::groups([across, params.tokens.div_ceil(tokens), 1])
}

impl Drop for GpuLinear {
    fn drop(&mut self) {
        // A thread that is inside the driver while the process ends may crash it.
        for thread in self.ahead.get_mut().1.drain(..) {
            // A panic has been reported, and nothing depends on the kernel.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for GpuLinear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuLinear({} kernels)", self.kernels.lock().len())
    }
}
