//! The same Vulkan calls without a runtime: nothing is checked, nothing is kept alive, barriers stand where the
//! program knows that they must.

use std::time::{Duration, Instant};

use dacapo::vulkan::ash::{khr, vk};
use dacapo::vulkan::{self, Handles};
use dacapo::{Buffer, Device, MemoryKind};

use crate::work::{Contender, KERNEL, Order, PART, PARTS, Params, Result, check};

pub struct ByHand {
    how: Descriptors,
    device: Device,
    handles: Handles,
    push: khr::push_descriptor::Device,
    barriers: khr::synchronization2::Device,
    buffer: Buffer,
    raw: vk::Buffer,
    layout: vk::PipelineLayout,
    template: Option<vk::DescriptorUpdateTemplate>,
    pipeline: vk::Pipeline,
    pool: vk::CommandPool,
    commands: vk::CommandBuffer,
    fence: vk::Fence,
}

/// How arguments reach a dispatch.
#[derive(Clone, Copy, PartialEq)]
pub enum Descriptors {
    /// Pushed, from a layout with as many bindings as the kernel has.
    Push,
    /// Pushed, from a layout with 17 bindings that all kernels could share.
    PushShared,
    /// Pushed through an update template.
    Template,
}

impl ByHand {
    pub fn new(device: &Device, how: Descriptors) -> Result<ByHand> {
        let handles = vulkan::handles(device)?;
        let buffer = device.buffer(u64::from(PARTS) * PART, MemoryKind::DeviceLocal)?;
        let raw = vulkan::raw_buffer(&buffer).ok_or("no Vulkan buffer")?.0;
        let push = khr::push_descriptor::Device::new(&handles.instance, &handles.device);
        let barriers = khr::synchronization2::Device::new(&handles.instance, &handles.device);
        let spirv = spirv()?;
        let vk = &handles.device;
        let slots = if how == Descriptors::PushShared {
            17
        } else {
            2
        };
        let bindings: Vec<_> = (0..slots)
            .map(|slot| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(slot)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let set = vk::DescriptorSetLayoutCreateInfo::default()
            .flags(vk::DescriptorSetLayoutCreateFlags::PUSH_DESCRIPTOR_KHR)
            .bindings(&bindings);
        let constants = [vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(16)];
        // SAFETY: the device is alive as long as `handles` is used, and all infos live during their calls.
        unsafe {
            let sets = [vk.create_descriptor_set_layout(&set, None)?];
            let layout = vk::PipelineLayoutCreateInfo::default()
                .set_layouts(&sets)
                .push_constant_ranges(&constants);
            let layout = vk.create_pipeline_layout(&layout, None)?;
            let entries = [vk::DescriptorUpdateTemplateEntry {
                dst_binding: 0,
                dst_array_element: 0,
                descriptor_count: 2,
                descriptor_type: vk::DescriptorType::STORAGE_BUFFER,
                offset: 0,
                stride: size_of::<vk::DescriptorBufferInfo>(),
            }];
            let template = vk::DescriptorUpdateTemplateCreateInfo::default()
                .descriptor_update_entries(&entries)
                .template_type(vk::DescriptorUpdateTemplateType::PUSH_DESCRIPTORS_KHR)
                .pipeline_bind_point(vk::PipelineBindPoint::COMPUTE)
                .pipeline_layout(layout)
                .set(0);
            let template = match how {
                Descriptors::Template => {
                    Some(vk.create_descriptor_update_template(&template, None)?)
                }
                _ => None,
            };
            let module = vk::ShaderModuleCreateInfo::default().code(&spirv);
            let module = vk.create_shader_module(&module, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let info = [vk::ComputePipelineCreateInfo::default()
                .stage(stage)
                .layout(layout)];
            let pipelines = vk.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = pipelines.map_err(|(_, error)| error)?[0];
            let pool =
                vk::CommandPoolCreateInfo::default().queue_family_index(handles.queue_family);
            let pool = vk.create_command_pool(&pool, None)?;
            let commands = vk::CommandBufferAllocateInfo::default()
                .command_pool(pool)
                .command_buffer_count(1);
            let commands = vk.allocate_command_buffers(&commands)?[0];
            let fence = vk.create_fence(&vk::FenceCreateInfo::default(), None)?;
            Ok(ByHand {
                how,
                device: device.clone(),
                push,
                barriers,
                buffer,
                raw,
                layout,
                template,
                pipeline,
                pool,
                commands,
                fence,
                handles,
            })
        }
    }

    fn record(&self, order: Order, dispatches: u32) -> Result<()> {
        let vk = &self.handles.device;
        let begin = vk::CommandBufferBeginInfo::default()
            .flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        let compute = vk::PipelineStageFlags2::COMPUTE_SHADER;
        let barrier = [vk::MemoryBarrier2::default()
            .src_stage_mask(compute)
            .src_access_mask(vk::AccessFlags2::SHADER_WRITE)
            .dst_stage_mask(compute)
            .dst_access_mask(vk::AccessFlags2::SHADER_READ | vk::AccessFlags2::SHADER_WRITE)];
        let barrier = vk::DependencyInfo::default().memory_barriers(&barrier);
        // SAFETY: the command buffer is idle, everything it uses is alive, and ranges lie in the buffer.
        unsafe {
            vk.begin_command_buffer(self.commands, &begin)?;
            vk.cmd_bind_pipeline(self.commands, vk::PipelineBindPoint::COMPUTE, self.pipeline);
            for number in 0..dispatches {
                if order == Order::Dependent && number > 0 {
                    self.barriers.cmd_pipeline_barrier2(self.commands, &barrier);
                }
                let (from, to) = order.parts(number);
                let infos = [from, to].map(|part| vk::DescriptorBufferInfo {
                    buffer: self.raw,
                    offset: u64::from(part) * PART,
                    range: 128,
                });
                match self.template {
                    Some(template) => self.push.cmd_push_descriptor_set_with_template(
                        self.commands,
                        template,
                        self.layout,
                        0,
                        infos.as_ptr().cast(),
                    ),
                    None => {
                        let write = [vk::WriteDescriptorSet::default()
                            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                            .buffer_info(&infos)];
                        let point = vk::PipelineBindPoint::COMPUTE;
                        self.push.cmd_push_descriptor_set(
                            self.commands,
                            point,
                            self.layout,
                            0,
                            &write,
                        );
                    }
                }
                let params = Params::new(number);
                let stage = vk::ShaderStageFlags::COMPUTE;
                let bytes = bytemuck::bytes_of(&params);
                vk.cmd_push_constants(self.commands, self.layout, stage, 0, bytes);
                vk.cmd_dispatch(self.commands, 1, 1, 1);
            }
            Ok(vk.end_command_buffer(self.commands)?)
        }
    }
}

impl Contender for ByHand {
    fn name(&self) -> &'static str {
        match self.how {
            Descriptors::Push => "by hand",
            Descriptors::PushShared => "by hand, 17 bindings",
            Descriptors::Template => "by hand, template",
        }
    }

    fn round(&mut self, order: Order, dispatches: u32) -> Result<Duration> {
        self.buffer
            .write(&vec![0u32; (u64::from(PARTS) * PART / 4) as usize])?;
        let started = Instant::now();
        self.record(order, dispatches)?;
        let time = started.elapsed();
        let vk = &self.handles.device;
        let commands = [self.commands];
        let submit = [vk::SubmitInfo::default().command_buffers(&commands)];
        vulkan::with_queue(&self.device, |queue| {
            // SAFETY: the queue is locked, and the commands are recorded.
            unsafe { vk.queue_submit(queue, &submit, self.fence) }
        })??;
        // SAFETY: the fence belongs to the submission.
        unsafe {
            vk.wait_for_fences(&[self.fence], true, u64::MAX)?;
            vk.reset_fences(&[self.fence])?;
            vk.reset_command_pool(self.pool, vk::CommandPoolResetFlags::empty())?;
        }
        let (_, last) = order.parts(dispatches - 1);
        let at = u64::from(last) * PART;
        let found = self.buffer.slice(at..at + 4)?.read::<u32>()?[0];
        check(self.name(), order, dispatches, found)?;
        Ok(time)
    }
}

fn spirv() -> Result<Vec<u32>> {
    use naga::back::spv;
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let module = naga::front::wgsl::parse_str(KERNEL)?;
    let info =
        Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES).validate(&module)?;
    Ok(spv::write_vec(
        &module,
        &info,
        &spv::Options::default(),
        None,
    )?)
}
