//! wgpu at its best: bind groups are made before the clock starts, constants are immediates, one pass holds all.

use std::time::{Duration, Instant};

use crate::work::{Contender, KERNEL, Order, PART, PARTS, Params, Result, check};

pub struct ByWgpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    buffer: wgpu::Buffer,
    other: wgpu::Buffer,
    readback: wgpu::Buffer,
    pipeline: wgpu::ComputePipeline,
    independent: Vec<wgpu::BindGroup>,
    dependent: Vec<wgpu::BindGroup>,
}

impl ByWgpu {
    pub fn new(name: &str) -> Result<ByWgpu> {
        pollster::block_on(ByWgpu::open(name))
    }

    async fn open(name: &str) -> Result<ByWgpu> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        descriptor.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(descriptor);
        let adapters = instance.enumerate_adapters(wgpu::Backends::VULKAN).await;
        let adapter = adapters
            .into_iter()
            .find(|adapter| adapter.get_info().name == name)
            .ok_or("wgpu does not find the device")?;
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                required_features: wgpu::Features::IMMEDIATES,
                required_limits: wgpu::Limits {
                    max_immediate_size: 16,
                    ..wgpu::Limits::default()
                },
                ..wgpu::DeviceDescriptor::default()
            })
            .await?;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(KERNEL.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let buffer = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let parts = buffer(u64::from(PARTS) * PART, usage);
        // Within one dispatch wgpu lets no buffer be both read and written, so each side has its own.
        let other = buffer(u64::from(PARTS) * PART, usage);
        let readback = buffer(
            PART,
            wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        );
        let layout = pipeline.get_bind_group_layout(0);
        let group = |read: (&wgpu::Buffer, u32), write: (&wgpu::Buffer, u32)| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &layout,
                entries: &[entry(0, read), entry(1, write)],
            })
        };
        let independent = (1..PARTS)
            .map(|part| group((&other, 0), (&parts, part)))
            .collect();
        let dependent = vec![
            group((&other, 0), (&parts, 1)),
            group((&parts, 1), (&other, 0)),
        ];
        Ok(ByWgpu {
            buffer: parts,
            other,
            readback,
            pipeline,
            independent,
            dependent,
            device,
            queue,
        })
    }
}

fn entry(binding: u32, (buffer, part): (&wgpu::Buffer, u32)) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset: u64::from(part) * PART,
            size: std::num::NonZeroU64::new(128),
        }),
    }
}

impl Contender for ByWgpu {
    fn name(&self) -> &'static str {
        "wgpu"
    }

    fn round(&mut self, order: Order, dispatches: u32) -> Result<Duration> {
        let mut clear = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        clear.clear_buffer(&self.buffer, 0, None);
        clear.clear_buffer(&self.other, 0, None);
        self.queue.submit([clear.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely())?;

        let started = Instant::now();
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            for number in 0..dispatches {
                let groups = match order {
                    Order::Independent => &self.independent,
                    Order::Dependent => &self.dependent,
                };
                let group = &groups[number as usize % groups.len()];
                pass.set_bind_group(0, group, &[]);
                pass.set_immediates(0, bytemuck::bytes_of(&Params::new(number)));
                pass.dispatch_workgroups(1, 1, 1);
            }
        }
        let commands = encoder.finish();
        let time = started.elapsed();

        let (_, last) = order.parts(dispatches - 1);
        // Parts written by an odd number of dispatches lie in the buffer, the others in its partner.
        let source = if order == Order::Dependent && last == 0 {
            &self.other
        } else {
            &self.buffer
        };
        let mut copy = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        copy.copy_buffer_to_buffer(source, u64::from(last) * PART, &self.readback, 0, PART);
        self.queue.submit([commands, copy.finish()]);
        let (sender, mapped) = std::sync::mpsc::channel();
        self.readback
            .map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver is gone only if this function has failed already.
                let _ = sender.send(result);
            });
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        mapped.recv()??;
        let found = bytemuck::pod_read_unaligned(&self.readback.get_mapped_range(..4)?[..]);
        self.readback.unmap();
        check(self.name(), order, dispatches, found)?;
        Ok(time)
    }
}
