use core::any::Any;
use core::time::Duration;
use std::sync::Arc;
use std::thread::JoinHandle;

use ash::vk;

use crate::backend::jobs::Jobs;
use crate::backend::vulkan::encoder::VulkanEncoder;
use crate::backend::vulkan::gpu::{Foreign, Gpu};
use crate::backend::vulkan::instance::{self, Candidate};
use crate::backend::vulkan::memory::VulkanMemory;
use crate::backend::vulkan::pipeline;
use crate::backend::vulkan::queue::{self, Job};
use crate::backend::{self, Compiled, Refused};
use crate::encoder::Recording;
use crate::error::{Error, Result};
use crate::info::{DeviceInfo, GpuFeatures, Limits};
use crate::kernel::KernelSource;
use crate::memory::{HostBytes, MemoryKind};
use crate::options::DeviceOptions;
use crate::range::ByteRange;
use crate::vulkan::Handles;

/// A GPU, and the thread that notices when it has run something.
pub(crate) struct VulkanDevice {
    gpu: Arc<Gpu>,
    jobs: Arc<Jobs<Job>>,
    watcher: Option<JoinHandle<()>>,
}

impl VulkanDevice {
    /// Opens the device of `candidate`.
    pub(crate) fn open(candidate: &Candidate, options: &DeviceOptions) -> Result<VulkanDevice> {
        VulkanDevice::with(candidate, options, None)
    }

    fn with(
        candidate: &Candidate,
        options: &DeviceOptions,
        foreign: Option<Foreign>,
    ) -> Result<VulkanDevice> {
        let system = |what, reason: String| Error::System {
            device: candidate.info.name.as_str().into(),
            what,
            reason: reason.into(),
        };
        let Candidate {
            instance,
            physical,
            features,
            ..
        } = candidate;
        let gpu = Gpu::open(instance, *physical, features, options, foreign)
            .map_err(|error| system("opening a Vulkan device", error.to_string()))?;
        let gpu = Arc::new(gpu);
        let jobs = Arc::new(Jobs::new());
        let (watched, finished) = (gpu.clone(), jobs.clone());
        let watcher = std::thread::Builder::new()
            .name("dacapo-vulkan".to_owned())
            .spawn(move || queue::watch(&watched, &finished))
            .map_err(|error| system("starting a thread", error.to_string()))?;
        Ok(VulkanDevice {
            gpu,
            jobs,
            watcher: Some(watcher),
        })
    }

    /// Takes over a device that somebody else has opened.
    pub(crate) fn adopt(
        handles: Handles,
        options: &DeviceOptions,
    ) -> Result<(VulkanDevice, DeviceInfo)> {
        let (candidate, foreign) = instance::adopted(handles).map_err(|reason| Error::System {
            device: "an adopted Vulkan device".into(),
            what: "looking at it",
            reason: reason.into(),
        })?;
        let device = VulkanDevice::with(&candidate, options, Some(foreign))?;
        Ok((device, candidate.info))
    }

    /// What others need to share the device.
    pub(crate) fn handles(&self) -> Handles {
        let gpu = &self.gpu;
        Handles {
            entry: gpu.instance.entry.clone(),
            instance: gpu.instance.raw.clone(),
            physical_device: gpu.physical,
            device: gpu.device.clone(),
            queue_family: gpu.features.family,
            queue: *gpu.queue.lock(),
            extensions: gpu.features.extensions(),
            f16: gpu.features.gpu.f16,
        }
    }

    pub(crate) fn with_queue<R>(&self, use_queue: impl FnOnce(vk::Queue) -> R) -> R {
        use_queue(*self.gpu.queue.lock())
    }

    /// Memory that somebody else has allocated.
    pub(crate) fn wrap(&self, buffer: vk::Buffer) -> impl backend::Memory {
        VulkanMemory::foreign(&self.gpu, buffer)
    }

    /// Records commands of somebody else's into an encoder of this backend.
    pub(crate) fn record(
        encoder: &mut dyn backend::Encoder,
        commands: impl FnOnce(&ash::Device, vk::CommandBuffer),
    ) {
        let encoder: &mut dyn Any = encoder;
        match encoder.downcast_mut::<VulkanEncoder>() {
            Some(encoder) => encoder.native(commands),
            None => unreachable!("the encoder was made by this device"),
        }
    }

    /// Bytes that this process may allocate on the device.
    pub(crate) fn memory_budget(&self) -> u64 {
        self.gpu.memory_budget()
    }

    #[cfg(test)]
    pub(super) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    fn memory<'m>(&self, memory: &'m dyn backend::Memory) -> &'m VulkanMemory {
        let memory: &dyn Any = memory;
        match memory.downcast_ref() {
            Some(memory) => memory,
            None => unreachable!("the memory was allocated by this device"),
        }
    }
}

impl Drop for VulkanDevice {
    fn drop(&mut self) {
        self.jobs.close();
        // A thread that is inside the driver while the process ends may crash it. The last handle can be that
        // of a submission, whose end drops it on the watcher itself.
        if let Some(watcher) = self.watcher.take()
            && watcher.thread().id() != std::thread::current().id()
            && watcher.join().is_err()
        {
            tracing::error!("the thread that watches a Vulkan queue has panicked");
        }
    }
}

impl backend::Device for VulkanDevice {
    fn limits(&self) -> &Limits {
        &self.gpu.features.limits
    }

    fn gpu(&self) -> Option<GpuFeatures> {
        Some(self.gpu.features.gpu)
    }

    fn allocate(
        &self,
        size: u64,
        kind: MemoryKind,
        label: &str,
    ) -> Result<Box<dyn backend::Memory>, Refused> {
        let memory = VulkanMemory::new(&self.gpu, size, kind)?;
        self.gpu.name(memory.buffer, label);
        self.gpu.clear(memory.buffer)?;
        self.gpu.validated()?;
        Ok(Box::new(memory))
    }

    fn import(&self, bytes: HostBytes, _: &str) -> Result<Box<dyn backend::Memory>, HostBytes> {
        Err(bytes)
    }

    fn write(
        &self,
        memory: &dyn backend::Memory,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        self.gpu.upload(self.memory(memory).buffer, offset, bytes)?;
        self.gpu.validated()
    }

    fn read(
        &self,
        memory: &dyn backend::Memory,
        range: ByteRange,
        bytes: &mut [u8],
    ) -> Result<(), Refused> {
        self.gpu
            .download(self.memory(memory).buffer, range.start, bytes)?;
        self.gpu.validated()
    }

    fn pipeline(&self, source: &KernelSource) -> Result<Compiled> {
        pipeline::compile(&self.gpu, &self.gpu.features.name, source)
    }

    fn encoder(&self) -> Box<dyn backend::Encoder> {
        Box::new(VulkanEncoder::new(&self.gpu))
    }

    fn part(&self, first: bool) -> Box<dyn backend::Encoder> {
        Box::new(VulkanEncoder::part(&self.gpu, first))
    }

    fn submit(&self, recording: Box<Recording>) {
        queue::submit(&self.gpu, &self.jobs, recording);
    }

    fn clock_error(&self) -> Option<Duration> {
        self.gpu.clock.error()
    }

    fn must_prevent_races(&self) -> bool {
        false
    }
}
