use std::sync::Arc;

use objc2_metal::MTLSize;

use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::object::PipelineState;
use crate::backend::{self, Compiled};
use crate::error::{Error, Result};
use crate::kernel::{KernelSource, Transfer};

/// How a kernel gets onto the device.
pub(super) enum MetalPipeline {
    Compute(Arc<ComputePipeline>),
    Copy,
    Fill,
}

/// A compiled kernel. Its bindings are the buffers from index 0 on, in the order of its interface.
pub(super) struct ComputePipeline {
    pub(super) raw: PipelineState,
    /// Of one workgroup.
    pub(super) threads: MTLSize,
    /// Where the inline bytes go.
    pub(super) inline_index: Option<usize>,
    pub(super) sizes: Option<Sizes>,
    pub(super) threadgroup: Box<[ThreadgroupArgument]>,
}

/// The buffer of sizes that generated kernels take.
pub(super) struct Sizes {
    pub(super) index: usize,
    /// Whose sizes, as positions in the interface.
    pub(super) bindings: Box<[u32]>,
}

/// Memory of a workgroup.
pub(super) struct ThreadgroupArgument {
    pub(super) index: usize,
    /// A multiple of 16; of a dynamic one, what a dispatch may ask for.
    pub(super) bytes: usize,
    pub(super) dynamic: bool,
}

impl backend::Pipeline for MetalPipeline {}

/// Compiles the form of `source` that Metal runs.
pub(super) fn compile(_gpu: &Arc<Gpu>, device: &str, source: &KernelSource) -> Result<Compiled> {
    let pipeline = match source.transfer() {
        Some(Transfer::Copy) => MetalPipeline::Copy,
        Some(Transfer::Fill) => MetalPipeline::Fill,
        None => {
            return Err(Error::UnsupportedKernel {
                kernel: source.name().into(),
                offered: source.offered().into(),
                device: device.into(),
                takes: "WGSL or MSL",
            });
        }
    };
    Ok(Compiled {
        pipeline: Box::new(pipeline),
        interface: source.interface().clone().of_transfer(),
    })
}
