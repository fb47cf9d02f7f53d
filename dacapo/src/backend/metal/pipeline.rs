//! From a kernel's source to what a dispatch of it needs.

use std::sync::Arc;

use objc2_metal::{MTLComputePipelineState, MTLSize};

use crate::backend::metal::code::{self, Code};
use crate::backend::metal::features::Features;
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::object::PipelineState;
use crate::backend::{self, Compiled};
use crate::error::{Error, Result};
use crate::kernel::{Interface, KernelSource, Msl, SharedMemory, Transfer, Wgsl};
use crate::shader::msl::{self, BufferSizes, MslTarget, THREADGROUP_UNIT};

/// What a dispatch of a kernel records.
pub(super) enum MetalPipeline {
    Compute(Arc<ComputePipeline>),
    Copy,
    Fill,
}

/// A compiled kernel. Its bindings are the buffers from 0 on, in the order of its interface.
pub(super) struct ComputePipeline {
    pub(super) raw: PipelineState,
    /// Threads of one workgroup.
    pub(super) threads: MTLSize,
    /// The buffer with the inline bytes.
    pub(super) inline_index: Option<usize>,
    /// Bytes that Metal wants there: the interface's, or a little more, for a vector of three takes the room of four.
    pub(super) inline_bytes: usize,
    pub(super) sizes: Option<Sizes>,
    pub(super) threadgroup: Box<[ThreadgroupArgument]>,
}

/// A buffer that tells the kernel how long others are: a `u32` for each, in bytes of what is bound.
pub(super) struct Sizes {
    pub(super) index: usize,
    /// Which bindings these are, as positions in the interface.
    pub(super) bindings: Box<[u32]>,
}

/// An argument in threadgroup memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadgroupArgument {
    pub(super) index: usize,
    /// How long it is; or most that a dispatch may ask for, if it is dynamic. In whole units of 16.
    pub(super) bytes: usize,
    /// Whether it is as long as the dispatch asks for, in whole units.
    pub(super) dynamic: bool,
}

impl From<BufferSizes> for Sizes {
    fn from(sizes: BufferSizes) -> Sizes {
        Sizes {
            index: sizes.index as usize,
            bindings: sizes.bindings.into(),
        }
    }
}

impl ThreadgroupArgument {
    /// Its length in a dispatch that asks for so many bytes of dynamic shared memory.
    pub(super) fn length(&self, shared_bytes: u32) -> usize {
        match self.dynamic {
            true => whole_units(shared_bytes),
            false => self.bytes,
        }
    }
}

/// Rounded up to what Metal takes as a length of threadgroup memory.
fn whole_units(bytes: u32) -> usize {
    (bytes as usize).next_multiple_of(THREADGROUP_UNIT as usize)
}

impl backend::Pipeline for MetalPipeline {}

/// Compiles the form of `source` that Metal runs: that in its own language, unless that needs a newer system and
/// there is one in WGSL.
pub(super) fn compile(gpu: &Arc<Gpu>, device: &str, source: &KernelSource) -> Result<Compiled> {
    gpu.alive().map_err(|refused| refused.into_error(device))?;
    let transfer = |pipeline| Compiled {
        pipeline: Box::new(pipeline),
        interface: source.interface().clone().of_transfer(),
    };
    match source.transfer() {
        Some(Transfer::Copy) => return Ok(transfer(MetalPipeline::Copy)),
        Some(Transfer::Fill) => return Ok(transfer(MetalPipeline::Fill)),
        None => {}
    }
    let newest = gpu.features.language;
    let compiled = match (source.msl_form(), source.wgsl_form()) {
        (Some(msl), None) => compile_msl(gpu, source, msl),
        (Some(msl), Some(_)) if msl.needs <= newest => compile_msl(gpu, source, msl),
        (_, Some(wgsl)) => compile_wgsl(gpu, source, wgsl),
        (None, None) => {
            return Err(Error::UnsupportedKernel {
                kernel: source.name().into(),
                offered: source.offered().into(),
                device: device.into(),
                takes: "WGSL or MSL",
            });
        }
    };
    let (pipeline, interface) = compiled.map_err(|failed| match failed {
        Failed::Kernel(reason) => Error::InvalidKernel {
            kernel: source.name().into(),
            reason,
        },
        Failed::Error(error) => error,
    })?;
    Ok(Compiled {
        pipeline: Box::new(MetalPipeline::Compute(Arc::new(pipeline))),
        interface,
    })
}

/// Why there is no pipeline.
enum Failed {
    /// What is wrong with the kernel.
    Kernel(Box<str>),
    Error(Error),
}

impl From<Box<str>> for Failed {
    fn from(reason: Box<str>) -> Failed {
        Failed::Kernel(reason)
    }
}

impl From<String> for Failed {
    fn from(reason: String) -> Failed {
        Failed::Kernel(reason.into())
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Error(error)
    }
}

type Built = Result<(ComputePipeline, Interface), Failed>;

fn compile_wgsl(gpu: &Gpu, source: &KernelSource, wgsl: &Wgsl) -> Built {
    let features = &gpu.features;
    let target = MslTarget {
        language: features.language,
        subgroup_size: features.gpu.subgroup_size,
        f16: features.gpu.f16,
        cooperative_matrix: features.gpu.cooperative_matrix,
        subgroups: features.subgroups,
    };
    let (name, declared) = (source.name(), source.interface());
    let shader = msl::compile_with(gpu.cache.disk(), name, wgsl, declared, &target)?;
    let interface = declared.agreed(&shader.interface)?;
    interface.check(name, &features.limits)?;
    let raw = code::build(
        gpu,
        &Code {
            label: name,
            text: &shader.text,
            entry: &shader.entry,
            constants: &[],
            threads: threads(&interface),
        },
    )?;
    check_threads(&raw, &interface)?;
    if shader.uses_subgroups {
        check_subgroups(&raw, features)?;
    }
    let lengths = shader.threadgroup.iter().zip(0..);
    let threadgroup: Box<[_]> = lengths.map(|(bytes, index)| fixed(index, *bytes)).collect();
    check_threadgroup_memory(&raw, &threadgroup, features)?;
    let pipeline = ComputePipeline {
        raw,
        threads: size(&interface),
        inline_index: shader.inline.map(|inline| inline.index as usize),
        inline_bytes: shader.inline.map_or(0, |inline| inline.bytes as usize),
        sizes: shader.sizes.map(Sizes::from),
        threadgroup,
    };
    Ok((pipeline, interface))
}

fn compile_msl(gpu: &Gpu, source: &KernelSource, msl: &Msl) -> Built {
    let features = &gpu.features;
    let (needs, newest) = (msl.needs, features.language);
    if needs > newest {
        return Err(Failed::from(format!(
            "it needs version {}.{} of the Metal Shading Language; the system has {}.{}",
            needs.0, needs.1, newest.0, newest.1
        )));
    }
    let interface = source.interface().clone();
    interface.check(source.name(), &features.limits)?;
    let threadgroup = declared_arguments(msl, &interface)?;
    let raw = code::build(
        gpu,
        &Code {
            label: source.name(),
            text: &msl.text,
            entry: &msl.entry,
            constants: &msl.constants,
            threads: threads(&interface),
        },
    )?;
    check_threads(&raw, &interface)?;
    let used = check_threadgroup_memory(&raw, &threadgroup, features)?;
    let declared = interface.shared_memory().max_bytes();
    if msl.dynamic.is_none() && used > whole_units(declared) {
        return Err(format!(
            "{declared} bytes of shared memory are declared; the code takes {used}"
        )
        .into());
    }
    let pipeline = ComputePipeline {
        raw,
        threads: size(&interface),
        inline_index: (interface.inline_bytes() > 0).then(|| interface.bindings().len()),
        inline_bytes: interface.inline_bytes() as usize,
        sizes: None,
        threadgroup,
    };
    Ok((pipeline, interface))
}

/// Arguments in threadgroup memory that Metal has.
const MAX_THREADGROUP_ARGUMENTS: usize = 31;

fn declared_arguments(
    msl: &Msl,
    interface: &Interface,
) -> Result<Box<[ThreadgroupArgument]>, Failed> {
    let mut all: Vec<_> = (msl.threadgroup.iter())
        .map(|(index, bytes)| fixed(*index, *bytes))
        .collect();
    match (interface.shared_memory(), msl.dynamic) {
        (SharedMemory::Dynamic { max }, Some(index)) => all.push(ThreadgroupArgument {
            dynamic: true,
            ..fixed(index, max)
        }),
        (SharedMemory::Dynamic { .. }, None) => {
            return Err(Failed::from(
                "dynamic shared memory is declared; the form in MSL does not say which argument it is".to_owned(),
            ));
        }
        (SharedMemory::None | SharedMemory::Fixed(_), Some(index)) => {
            return Err(Failed::from(format!(
                "argument {index} in threadgroup memory is dynamic; no dynamic shared memory is declared"
            )));
        }
        (SharedMemory::None | SharedMemory::Fixed(_), None) => {}
    }
    let limit = MAX_THREADGROUP_ARGUMENTS;
    for (at, argument) in all.iter().enumerate() {
        let index = argument.index;
        if index >= limit {
            return Err(Failed::from(format!(
                "argument {index} in threadgroup memory; Metal has 0 to {}",
                limit - 1
            )));
        }
        if all[..at].iter().any(|before| before.index == index) {
            return Err(Failed::from(format!(
                "argument {index} in threadgroup memory is both dynamic and of a fixed length"
            )));
        }
    }
    Ok(all.into())
}

fn fixed(index: u32, bytes: u32) -> ThreadgroupArgument {
    ThreadgroupArgument {
        index: index as usize,
        bytes: whole_units(bytes),
        dynamic: false,
    }
}

/// Threads of a workgroup, of which there are no more than the limits allow.
fn threads(interface: &Interface) -> usize {
    interface.workgroup().iter().map(|n| *n as usize).product()
}

fn size(interface: &Interface) -> MTLSize {
    let [width, height, depth] = interface.workgroup().map(|n| n as usize);
    MTLSize {
        width,
        height,
        depth,
    }
}

fn check_threads(raw: &PipelineState, interface: &Interface) -> Result<(), Failed> {
    let (asked, limit) = (threads(interface), raw.maxTotalThreadsPerThreadgroup());
    match asked <= limit {
        true => Ok(()),
        false => Err(format!(
            "workgroup {:?}, {asked} threads; the compiled kernel runs with {limit} at most",
            interface.workgroup()
        )
        .into()),
    }
}

/// Kernels are told how many threads a subgroup has before they are compiled, and count on it.
fn check_subgroups(raw: &PipelineState, features: &Features) -> Result<(), Failed> {
    let (promised, found) = (
        features.gpu.subgroup_size as usize,
        raw.threadExecutionWidth(),
    );
    match promised == found {
        true => Ok(()),
        false => Err(format!(
            "it uses subgroups, of which the device's have {promised} threads; Metal runs the kernel in SIMD-groups of {found}"
        )
        .into()),
    }
}

/// Most bytes of threadgroup memory that a dispatch can take.
fn check_threadgroup_memory(
    raw: &PipelineState,
    arguments: &[ThreadgroupArgument],
    features: &Features,
) -> Result<usize, Failed> {
    let lengths = arguments.iter().map(|argument| argument.bytes);
    let all = lengths.fold(raw.staticThreadgroupMemoryLength(), usize::saturating_add);
    let limit = features.limits.max_shared_bytes;
    match all <= limit as usize {
        true => Ok(all),
        false => Err(format!(
            "{all} bytes of threadgroup memory, each argument in whole units of {THREADGROUP_UNIT}; the device has {limit}"
        )
        .into()),
    }
}
