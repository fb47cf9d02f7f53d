//! A runtime that turns many small GPU kernels into few submissions.
//!
//! A [`Device`] compiles [`Kernel`]s and allocates [`Buffer`]s. A [`CommandEncoder`] records dispatches of
//! kernels over buffer views, finds out from the kernels' declared accesses which of them must wait for
//! which, and submits them all in one go. A [`Submission`] runs asynchronously and tells when it is done,
//! how long it took and what went wrong. A [`Graph`] is a recorded pass that is played again for every
//! token.
//!
//! ```
//! use dacapo::{Access, Bytes, Device, DeviceOptions, Grid, MemoryKind};
//! use dacapo::{KernelFault, KernelSource, Wgsl, Workgroup};
//!
//! /// The form for GPUs.
//! const AXPY: &str = "
//!     var<immediate> a: f32;
//!     @group(0) @binding(0) var<storage, read> x: array<f32>;
//!     @group(0) @binding(1) var<storage, read_write> y: array<f32>;
//!     @compute @workgroup_size(256)
//!     fn main(@builtin(global_invocation_id) id: vec3<u32>) {
//!         if id.x < arrayLength(&y) { y[id.x] += a * x[id.x]; }
//!     }";
//!
//! /// The form for the processor: one workgroup of `y = a x + y`, 256 elements.
//! fn axpy(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
//!     let (a, x) = (group.inline::<f32>(), group.read::<f32>(0));
//!     let first = group.id()[0] as usize * 256;
//!     let range = first..(first + 256).min(x.len());
//!     // SAFETY: workgroup `n` alone writes elements `256 n..256 n + 256`.
//!     let y = unsafe { group.write::<f32>(1, range.clone()) };
//!     y.iter_mut().zip(&x[range]).for_each(|(y, x)| *y += a * x);
//!     Ok(())
//! }
//!
//! let device = Device::open(&DeviceOptions::default())?;
//! let kernel = device.kernel(
//!     &KernelSource::new("axpy")
//!         .binding::<f32>(0, Access::Read)
//!         .binding::<f32>(1, Access::ReadWrite)
//!         .inline::<f32>()
//!         .workgroup([256, 1, 1])
//!         .cpu(axpy)
//!         .wgsl(Wgsl::new(AXPY)),
//! )?;
//! let x = device.buffer(4000, MemoryKind::DeviceLocal)?;
//! let y = device.buffer(4000, MemoryKind::DeviceLocal)?;
//! x.write(&[1.0f32; 1000])?;
//!
//! let mut encoder = device.encoder("axpy twice")?;
//! encoder.dispatch(&kernel, (&x, &y, Bytes(&2.0f32)), Grid::threads([1000, 1, 1]))?;
//! encoder.dispatch(&kernel, (&x, &y, Bytes(&0.5f32)), Grid::threads([1000, 1, 1]))?;
//! assert_eq!(encoder.barriers().len(), 1); // both add to y
//! encoder.commit()?.wait()?;
//! assert_eq!(y.read::<f32>()?, [2.5; 1000]);
//! # Ok::<(), dacapo::Error>(())
//! ```
//!
//! What this crate does not know: tensors with a meaning, models, files. Those are in `dacapo-ops` and
//! `dacapo-llm`.

mod access;
mod arg;
mod backend;
mod counters;
mod device;
mod disk_cache;
mod encoder;
mod error;
#[doc(hidden)]
pub mod files;
mod graph;
mod grid;
pub mod hazard;
mod info;
mod kernel;
mod memory;
#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
pub mod metal;
mod options;
mod panics;
mod pool;
mod profile;
mod range;
pub mod reference;
mod residency;
mod shader;
mod submission;
mod sync;
mod timeline;
pub mod vulkan;

pub use access::Access;
pub use arg::{Arg, Args, Bytes};
pub use counters::Counters;
pub use device::Device;
pub use encoder::{
    Barrier, BarrierCause, CommandEncoder, DispatchError, DispatchProblem, EncoderOptions, Scope,
};
pub use error::{Error, Fault, Result, SubmissionFailure};
pub use graph::{
    BufferKey, Contents, Costs, CriticalNode, Executable, Explanation, FileBuffer, FileGrid,
    FileKernel, FileNode, FileOptions, FileSource, FileView, Fired, Fused, FusedPart, FusionReport,
    FusionRule, Graph, GraphFile, GraphFileError, Launch, Link, LoadedGraph, Match, MissReason,
    NearMiss, Node, NodeArg, NodeGrid, ParameterBlock, Patch, PatchError, PatchProblem, Place,
    Plan, PlanOptions, PlanReport, PlannedBarrier, Port, Renamed, Reorder, ScopeId, Shape, Split,
    TopologyChange, Unfit, Update,
};
pub use grid::Grid;
pub use info::{
    AbsentBackend, Backend, CooperativeMatrix, DeviceInfo, DeviceKind, Devices, GpuFeatures,
    Limits, MemoryBudget,
};
pub use kernel::{
    Binding, CpuEntry, Interface, Kernel, KernelFault, KernelSource, Msl, MslConstant, MslValue,
    SharedMemory, Wgsl, Workgroup,
};
pub use memory::{Buffer, BufferOptions, BufferView, MemoryKind, ReadGuard, WhenBusy, WriteGuard};
pub use options::{
    DeviceOptions, DeviceSelector, GpuDebug, GpuWithout, Hazards, KernelCache, MetalOptions,
    ReferenceOptions,
};
pub use pool::{BufferPool, PoolOptions};
pub use profile::{
    DispatchTrace, Dispatched, HostSpan, ProfileLevel, Recorder, SubmissionTrace, Timed, Trace,
    Work, WorkFn,
};
pub use range::ByteRange;
pub use residency::ResidencySet;
pub use submission::{GpuTimes, Submission, SubmissionFuture};

/// Any bytes as a file of the kernel cache, and as a kernel in one.
#[cfg(fuzzing)]
pub fn fuzz_kernel_cache(bytes: &[u8]) {
    disk_cache::fuzz_file(bytes);
    shader::fuzz_stored(bytes);
}

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles the example in the page on Vulkan.
#[cfg(doctest)]
#[doc = include_str!("../../docs/vulkan.md")]
struct VulkanPage;

/// Compiles the example in the page on profiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/profiling.md")]
struct ProfilingPage;
