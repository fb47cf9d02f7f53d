#![allow(unsafe_code, reason = "asks Metal for its devices")]

use core::any::Any;
use core::time::Duration;
use std::sync::Arc;

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSProcessInfo;
use objc2_metal::{
    MTLBuffer, MTLCommandBuffer, MTLCommandQueue, MTLCreateSystemDefaultDevice, MTLDevice, MTLFence,
};

use crate::backend::metal::encoder::{ListEncoder, MetalEncoder};
use crate::backend::metal::features::{self, Features};
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::memory::MetalMemory;
use crate::backend::metal::object::Shared;
use crate::backend::metal::pipeline;
use crate::backend::metal::queue::Queue;
use crate::backend::{self, Compiled, Refused};
use crate::encoder::Recording;
use crate::error::{Error, Result};
use crate::info::{Backend, DeviceInfo, DeviceKind, GpuFeatures, Limits};
use crate::kernel::KernelSource;
use crate::memory::{HostBytes, MemoryKind};
use crate::metal::Handles;
use crate::options::DeviceOptions;
use crate::profile::Timed;
use crate::range::ByteRange;

#[cfg(target_vendor = "apple")]
#[link(name = "CoreGraphics", kind = "framework")]
unsafe extern "C" {}

#[cfg(not(target_vendor = "apple"))]
#[link(name = "metal_double")]
unsafe extern "C" {}

/// A device that can be opened.
pub(crate) struct Candidate {
    /// What it is; the caller gives it its index.
    pub(crate) info: DeviceInfo,
    device: Retained<ProtocolObject<dyn MTLDevice>>,
    features: Features,
}

/// The devices that can be opened, or why there are none.
pub(crate) fn enumerate() -> Result<Vec<Candidate>, String> {
    autoreleasepool(|_| {
        let devices = all_devices();
        let mut unfit = Vec::new();
        let mut candidates = Vec::new();
        for device in devices {
            match features::query(&device) {
                Ok(features) => candidates.push(Candidate {
                    info: info(&features),
                    device,
                    features,
                }),
                Err(reason) => unfit.push(reason),
            }
        }
        match (candidates.is_empty(), unfit.is_empty()) {
            (false, _) => Ok(candidates),
            (true, true) => Err("Metal knows no device".to_owned()),
            (true, false) => Err(unfit.join("; ")),
        }
    })
}

/// Every GPU of a Mac, the system's choice first.
#[cfg(any(target_os = "macos", not(target_vendor = "apple")))]
fn all_devices() -> Vec<Retained<ProtocolObject<dyn MTLDevice>>> {
    let first = MTLCreateSystemDefaultDevice();
    let mut devices: Vec<_> = first.into_iter().collect();
    for device in objc2_metal::MTLCopyAllDevices().to_vec() {
        if devices
            .iter()
            .all(|known| known.registryID() != device.registryID())
        {
            devices.push(device);
        }
    }
    devices
}

/// Other systems have one GPU, and only new ones a list.
#[cfg(not(any(target_os = "macos", not(target_vendor = "apple"))))]
fn all_devices() -> Vec<Retained<ProtocolObject<dyn MTLDevice>>> {
    MTLCreateSystemDefaultDevice().into_iter().collect()
}

fn info(features: &Features) -> DeviceInfo {
    let kind = match (cfg!(dacapo_metal_double), features.unified) {
        (true, _) => DeviceKind::SoftwareGpu,
        (false, true) => DeviceKind::IntegratedGpu,
        (false, false) => DeviceKind::DiscreteGpu,
    };
    let (major, minor) = features.language;
    let system = NSProcessInfo::processInfo().operatingSystemVersionString();
    let mut known = vec![features.family];
    let extras = [
        (features.gpu.f16, "f16"),
        (
            features.gpu.cooperative_matrix.is_some(),
            "simdgroup matrices",
        ),
        (features.residency_sets, "residency sets"),
        (features.counters, "counters at passes"),
    ];
    known.extend(extras.iter().filter(|(has, _)| *has).map(|(_, name)| name));
    DeviceInfo {
        index: 0,
        name: features.name.clone(),
        backend: Backend::Metal,
        driver: format!("{system}, Metal Shading Language {major}.{minor}"),
        kind,
        memory: features.memory,
        // Metal does not tell how many cores a GPU has.
        compute_units: 0,
        features: known,
    }
}

/// A GPU, its queue, and the thread that notices when it has run something.
pub(crate) struct MetalDevice {
    gpu: Arc<Gpu>,
    queue: Queue,
}

impl MetalDevice {
    /// Opens the device of `candidate`.
    pub(crate) fn open(candidate: Candidate, options: &DeviceOptions) -> Result<MetalDevice> {
        MetalDevice::with(candidate, options, None)
    }

    /// Takes over a device and a queue that somebody else has made.
    pub(crate) fn adopt(
        device: Retained<ProtocolObject<dyn MTLDevice>>,
        queue: Retained<ProtocolObject<dyn MTLCommandQueue>>,
        options: &DeviceOptions,
    ) -> Result<(MetalDevice, DeviceInfo)> {
        let looked = autoreleasepool(|_| features::query(&device).map(|it| (info(&it), it)));
        let (info, features) = looked.map_err(|reason| Error::System {
            device: "an adopted Metal device".into(),
            what: "looking at it",
            reason: reason.into(),
        })?;
        let candidate = Candidate {
            info: info.clone(),
            device,
            features,
        };
        Ok((MetalDevice::with(candidate, options, Some(queue))?, info))
    }

    fn with(
        candidate: Candidate,
        options: &DeviceOptions,
        queue: Option<Retained<ProtocolObject<dyn MTLCommandQueue>>>,
    ) -> Result<MetalDevice> {
        let Candidate {
            info,
            device,
            features,
        } = candidate;
        let system = |what, reason: String| Error::System {
            device: info.name.as_str().into(),
            what,
            reason: reason.into(),
        };
        autoreleasepool(|_| {
            let gpu = Gpu::open(device, queue, features.with(options), options)
                .map_err(|reason| system("opening a Metal device", reason))?;
            let gpu = Arc::new(gpu);
            let queue =
                Queue::new(&gpu).map_err(|error| system("starting a thread", error.to_string()))?;
            Ok(MetalDevice { gpu, queue })
        })
    }

    /// What others need to share the device.
    pub(crate) fn handles(&self) -> Handles {
        Handles {
            device: self.gpu.device.clone(),
            queue: self.gpu.queue.clone(),
            fence: self.gpu.fence.clone(),
        }
    }

    /// Memory that somebody else has allocated.
    pub(crate) fn wrap(
        &self,
        buffer: Retained<ProtocolObject<dyn MTLBuffer>>,
    ) -> impl backend::Memory + use<> {
        // SAFETY: as of all buffers; whoever wraps it vouches for it.
        MetalMemory::foreign(&self.gpu, unsafe { Shared::new(buffer) })
    }

    /// Encodes passes of somebody else's into an encoder of this backend.
    pub(crate) fn record(
        encoder: &mut dyn backend::Encoder,
        commands: impl FnOnce(&ProtocolObject<dyn MTLCommandBuffer>, &ProtocolObject<dyn MTLFence>),
    ) {
        let encoder: &mut dyn Any = encoder;
        match encoder.downcast_mut::<MetalEncoder>() {
            Some(encoder) => encoder.native(commands),
            None => unreachable!("the encoder was made by this device"),
        }
    }

    /// Bytes that this process may allocate on the device.
    pub(crate) fn memory_budget(&self) -> u64 {
        let used = self.gpu.device.currentAllocatedSize() as u64;
        match self.gpu.features.memory {
            // Nobody knows.
            0 => crate::backend::cpu::system_memory().free,
            memory => memory.saturating_sub(used),
        }
    }

    fn memory<'m>(&self, memory: &'m dyn backend::Memory) -> &'m MetalMemory {
        let memory: &dyn Any = memory;
        match memory.downcast_ref() {
            Some(memory) => memory,
            None => unreachable!("the memory was allocated by this device"),
        }
    }
}

impl backend::Device for MetalDevice {
    fn limits(&self) -> &Limits {
        &self.gpu.features.limits
    }

    fn gpu(&self) -> Option<GpuFeatures> {
        Some(self.gpu.features.gpu)
    }

    fn allocate(
        &self,
        size: u64,
        _: MemoryKind,
        label: &str,
    ) -> Result<Box<dyn backend::Memory>, Refused> {
        Ok(Box::new(MetalMemory::new(&self.gpu, size, label)?))
    }

    fn import(&self, bytes: HostBytes, label: &str) -> Result<Box<dyn backend::Memory>, HostBytes> {
        Ok(Box::new(MetalMemory::import(&self.gpu, bytes, label)?))
    }

    fn write(
        &self,
        memory: &dyn backend::Memory,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        self.gpu.alive()?;
        let start = self.memory(memory).start();
        // SAFETY: the range was checked to lie inside the allocation, which nothing uses meanwhile.
        unsafe {
            let target = start.as_ptr().add(offset as usize);
            target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(())
    }

    fn read(
        &self,
        memory: &dyn backend::Memory,
        range: ByteRange,
        bytes: &mut [u8],
    ) -> Result<(), Refused> {
        self.gpu.alive()?;
        let start = self.memory(memory).start();
        // SAFETY: as above; nothing writes it meanwhile.
        unsafe {
            let source = start.as_ptr().add(range.start as usize);
            source.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len());
        }
        Ok(())
    }

    fn pipeline(&self, source: &KernelSource) -> Result<Compiled> {
        autoreleasepool(|_| pipeline::compile(&self.gpu, &self.gpu.features.name, source))
    }

    fn encoder(&self) -> Box<dyn backend::Encoder> {
        Box::new(MetalEncoder::new(&self.gpu))
    }

    fn part(&self, first: bool) -> Box<dyn backend::Encoder> {
        Box::new(ListEncoder::new(&self.gpu, first))
    }

    fn submit(&self, recording: Box<Recording>) {
        autoreleasepool(|_| self.queue.submit(recording));
    }

    fn clock_error(&self) -> Option<Duration> {
        self.gpu.clock.error()
    }

    fn timed(&self) -> Timed {
        Timed::OnePassEach
    }

    fn must_prevent_races(&self) -> bool {
        false
    }
}
