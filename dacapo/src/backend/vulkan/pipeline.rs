#![allow(unsafe_code, reason = "creates and destroys Vulkan pipelines")]

use std::sync::Arc;

use ash::vk;

use crate::backend::vulkan::gpu::{Gpu, with_c_str};
use crate::backend::vulkan::memory::VulkanMemory;
use crate::backend::{self, Compiled, Refused};
use crate::error::{Error, Result};
use crate::kernel::{Interface, KernelSource, Transfer, Wgsl};
use crate::memory::MemoryKind;
use crate::shader::{self, Shader, Target};

/// What a dispatch of a kernel records.
pub(super) enum VulkanPipeline {
    Compute(ComputePipeline),
    Copy,
    Fill(FillTable),
}

/// A compiled kernel.
pub(super) struct ComputePipeline {
    gpu: Arc<Gpu>,
    pub(super) raw: vk::Pipeline,
    /// The slot of the buffer with the inline constants, where they are no push constants.
    pub(super) inline_slot: Option<u32>,
}

/// Each byte four times in a row: fills take whole words, and what is left at their ends is copied from here.
pub(super) struct FillTable(VulkanMemory);

impl FillTable {
    pub(super) fn buffer(&self) -> vk::Buffer {
        self.0.buffer
    }

    /// Where the table has `value`, for up to four bytes.
    pub(super) fn offset(value: u8) -> u64 {
        4 * u64::from(value)
    }

    fn new(gpu: &Arc<Gpu>) -> Result<FillTable, Refused> {
        let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|value| [value; 4]).collect();
        let memory = VulkanMemory::new(gpu, bytes.len() as u64, MemoryKind::DeviceLocal)?;
        gpu.upload(memory.buffer, 0, &bytes)?;
        Ok(FillTable(memory))
    }
}

impl backend::Pipeline for VulkanPipeline {}

impl Drop for ComputePipeline {
    fn drop(&mut self) {
        // SAFETY: encoders hold the kernels that they dispatch until their submissions have completed.
        unsafe { self.gpu.device.destroy_pipeline(self.raw, None) };
    }
}

/// Compiles the WGSL form of `source`.
pub(super) fn compile(gpu: &Arc<Gpu>, device: &str, source: &KernelSource) -> Result<Compiled> {
    let refused = |refused: Refused| refused.into_error(device);
    match (source.transfer(), source.wgsl_form()) {
        (Some(Transfer::Copy), _) => Ok(Compiled {
            pipeline: Box::new(VulkanPipeline::Copy),
            interface: source.interface().clone().of_transfer(),
        }),
        (Some(Transfer::Fill), _) => Ok(Compiled {
            pipeline: Box::new(VulkanPipeline::Fill(FillTable::new(gpu).map_err(refused)?)),
            interface: source.interface().clone().of_transfer(),
        }),
        (None, Some(wgsl)) => compile_wgsl(gpu, device, source, wgsl),
        (None, None) => Err(Error::UnsupportedKernel {
            kernel: source.name().into(),
            offered: source.offered().into(),
            device: device.into(),
            takes: "WGSL",
        }),
    }
}

fn compile_wgsl(
    gpu: &Arc<Gpu>,
    device: &str,
    source: &KernelSource,
    wgsl: &Wgsl,
) -> Result<Compiled> {
    let features = &gpu.features;
    let target = Target {
        spirv_version: (1, 5),
        subgroup_size: features.gpu.subgroup_size,
        f16: features.gpu.f16,
        cooperative_matrix: features.gpu.cooperative_matrix,
        subgroups: features.subgroups,
        max_immediate_bytes: features.max_push_constants,
        join_access_chains: gpu.debug.validates(),
    };
    let invalid = |reason: Box<str>| Error::InvalidKernel {
        kernel: source.name().into(),
        reason,
    };
    let shader = shader::compile(source.name(), wgsl, &target).map_err(invalid)?;
    let interface = source
        .interface()
        .agreed(&shader.interface)
        .map_err(invalid)?;
    interface.check(source.name(), &features.limits)?;
    let raw = create(gpu, source.name(), &wgsl.entry, &shader, &interface)
        .map_err(|refused| refused.into_error(device))?;
    let pipeline = ComputePipeline {
        gpu: gpu.clone(),
        raw,
        inline_slot: shader.inline_slot,
    };
    gpu.validated()
        .map_err(|refused| invalid(refused.into_reason()))?;
    Ok(Compiled {
        pipeline: Box::new(VulkanPipeline::Compute(pipeline)),
        interface,
    })
}

fn create(
    gpu: &Gpu,
    name: &str,
    entry: &str,
    shader: &Shader,
    interface: &Interface,
) -> Result<vk::Pipeline, Refused> {
    gpu.alive()?;
    let info = vk::ShaderModuleCreateInfo::default().code(&shader.spirv);
    // SAFETY: the device is alive, and the code comes from the shader compiler.
    let module = unsafe { gpu.device.create_shader_module(&info, None) };
    let module = module.map_err(|error| gpu.refused("creating a shader module", error))?;
    let size = gpu.features.gpu.subgroup_size;
    let mut required = vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo::default()
        .required_subgroup_size(size);
    let raw = with_c_str(entry, |entry| {
        let mut stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(entry);
        if shader.uses_subgroups {
            if gpu.features.subgroup_size_varies {
                stage = stage.push_next(&mut required);
            }
            if gpu.features.full_subgroups && interface.workgroup()[0].is_multiple_of(size) {
                stage = stage.flags(vk::PipelineShaderStageCreateFlags::REQUIRE_FULL_SUBGROUPS);
            }
        }
        let info = vk::ComputePipelineCreateInfo::default()
            .stage(stage)
            .layout(gpu.layout);
        // SAFETY: the module is alive and has the entry point, and the layout has all its bindings.
        let created = unsafe {
            gpu.device
                .create_compute_pipelines(gpu.pipeline_cache, &[info], None)
        };
        created.map_err(|(_, error)| gpu.refused("creating a pipeline", error))
    });
    // SAFETY: pipelines do not need the module any more.
    unsafe { gpu.device.destroy_shader_module(module, None) };
    let raw = raw?.first().copied().unwrap_or_default();
    gpu.name(raw, name);
    Ok(raw)
}
