use std::sync::Arc;

use crate::backend::jobs::Jobs;
use crate::backend::vulkan::encoder::VulkanEncoder;
use crate::backend::vulkan::gpu::{Foreign, Gpu};
use crate::backend::vulkan::instance::Candidate;
use crate::backend::vulkan::memory::VulkanMemory;
use crate::backend::vulkan::pipeline;
use crate::backend::vulkan::queue::{self, Job};
use crate::backend::{self, Compiled, Refused};
use crate::encoder::Recording;
use crate::error::{Error, Result};
use crate::info::{GpuFeatures, Limits};
use crate::kernel::KernelSource;
use crate::memory::{HostBytes, MemoryKind};
use crate::options::DeviceOptions;
use crate::range::ByteRange;

/// A GPU, and the thread that notices when it has run something.
pub(crate) struct VulkanDevice {
    gpu: Arc<Gpu>,
    jobs: Arc<Jobs<Job>>,
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
        std::thread::Builder::new()
            .name("dacapo-vulkan".to_owned())
            .spawn(move || queue::watch(&watched, &finished))
            .map_err(|error| system("starting a thread", error.to_string()))?;
        Ok(VulkanDevice { gpu, jobs })
    }

    /// Bytes that this process may allocate on the device.
    pub(crate) fn memory_budget(&self) -> u64 {
        self.gpu.memory_budget()
    }

    fn memory<'m>(&self, memory: &'m dyn backend::Memory) -> &'m VulkanMemory {
        let memory: &dyn core::any::Any = memory;
        match memory.downcast_ref() {
            Some(memory) => memory,
            None => unreachable!("the memory was allocated by this device"),
        }
    }
}

impl Drop for VulkanDevice {
    fn drop(&mut self) {
        self.jobs.close();
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

    fn import(&self, bytes: HostBytes) -> Result<Box<dyn backend::Memory>, HostBytes> {
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

    fn submit(&self, recording: Box<Recording>) {
        queue::submit(&self.gpu, &self.jobs, recording);
    }

    fn must_prevent_races(&self) -> bool {
        false
    }
}
