use std::sync::Arc;

use dacapo_reference::Program;

use crate::backend::reference::adapter::LIMITS;
use crate::backend::{self, Compiled};
use crate::error::{Error, Result};
use crate::info::GpuFeatures;
use crate::kernel::{KernelSource, Transfer, Wgsl};
use crate::shader::{self, Target};

/// What a dispatch of a kernel does.
pub(super) enum ReferencePipeline {
    Kernel(Arc<Program>),
    Copy,
    Fill,
}

impl backend::Pipeline for ReferencePipeline {}

/// Makes the WGSL form of `source` ready, which with `finite` is watched for NaN and infinities.
pub(super) fn compile(
    features: GpuFeatures,
    finite: bool,
    device: &str,
    source: &KernelSource,
) -> Result<Compiled> {
    let transfer = |pipeline| Compiled {
        pipeline: Box::new(pipeline),
        interface: source.interface().clone().of_transfer(),
    };
    match (source.transfer(), source.wgsl_form()) {
        (Some(Transfer::Copy), _) => Ok(transfer(ReferencePipeline::Copy)),
        (Some(Transfer::Fill), _) => Ok(transfer(ReferencePipeline::Fill)),
        (None, Some(wgsl)) => interpret(features, finite, source, wgsl),
        (None, None) => Err(Error::UnsupportedKernel {
            kernel: source.name().into(),
            offered: source.offered().into(),
            device: device.into(),
            takes: "WGSL",
        }),
    }
}

fn interpret(
    features: GpuFeatures,
    finite: bool,
    source: &KernelSource,
    wgsl: &Wgsl,
) -> Result<Compiled> {
    let target = Target {
        spirv_version: (1, 5),
        subgroup_size: features.subgroup_size,
        f16: features.f16,
        cooperative_matrix: features.cooperative_matrix,
        subgroups: true,
        max_immediate_bytes: LIMITS.max_inline_bytes,
        join_access_chains: false,
    };
    let invalid = |reason: Box<str>| Error::InvalidKernel {
        kernel: source.name().into(),
        reason,
    };
    let interpreted = shader::interpret(source.name(), wgsl, &target, finite).map_err(invalid)?;
    let interface = source
        .interface()
        .agreed(&interpreted.interface)
        .map_err(invalid)?;
    interface.check(source.name(), &LIMITS)?;
    Ok(Compiled {
        pipeline: Box::new(ReferencePipeline::Kernel(Arc::new(interpreted.program))),
        interface,
    })
}
