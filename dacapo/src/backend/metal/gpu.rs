//! An opened device.
#![allow(unsafe_code, reason = "calls Metal")]

use std::sync::OnceLock;

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSString;
use objc2_metal::{
    MTLCommandBuffer, MTLCommandEncoder, MTLCommandQueue, MTLComputeCommandEncoder, MTLDevice,
    MTLFence, MTLResource, MTLResourceOptions,
};

use crate::backend::Refused;
use crate::backend::metal::cache::PipelineCache;
use crate::backend::metal::clock::Clock;
use crate::backend::metal::features::Features;
use crate::backend::metal::object::{Buffer, Commands, Shared};
use crate::backend::metal::residency::Residency;
use crate::backend::metal::samples::Samples;
use crate::backend::metal::transfer::Transfers;
use crate::disk_cache::DiskCache;
use crate::options::{DeviceOptions, GpuDebug, MetalOptions};

/// Command buffers that may be open or in flight at a time. Metal lets nobody have one more until another has run,
/// and whoever holds many encoders open commits none of them meanwhile.
const MAX_COMMAND_BUFFERS: usize = 2048;

pub(super) struct Gpu {
    pub(super) device: Retained<ProtocolObject<dyn MTLDevice>>,
    pub(super) queue: Retained<ProtocolObject<dyn MTLCommandQueue>>,
    /// What orders passes.
    pub(super) fence: Retained<ProtocolObject<dyn MTLFence>>,
    pub(super) features: Features,
    pub(super) residency: Residency,
    pub(super) clock: Clock,
    pub(super) cache: PipelineCache,
    pub(super) samples: Samples,
    pub(super) options: MetalOptions,
    /// Whether scopes reach Metal's tools.
    pub(super) labels: bool,
    transfers: OnceLock<Result<Transfers, Refused>>,
    /// Why the device is gone, if it is.
    lost: OnceLock<Box<str>>,
}

impl Gpu {
    pub(super) fn open(
        device: Retained<ProtocolObject<dyn MTLDevice>>,
        queue: Option<Retained<ProtocolObject<dyn MTLCommandQueue>>>,
        features: Features,
        options: &DeviceOptions,
    ) -> Result<Gpu, String> {
        let queue = queue.map_or_else(|| own_queue(&device), Ok)?;
        let fence = device.newFence().ok_or("Metal makes no fence")?;
        update(&queue, &fence).ok_or("Metal makes no command buffer")?;
        let residency = match features.residency_sets {
            true => Residency::new(&device, &queue),
            false => Residency::none(),
        };
        let disk = DiskCache::open(options.kernel_cache.folder().as_deref());
        Ok(Gpu {
            residency,
            cache: PipelineCache::open(&device, disk),
            clock: Clock::new(&device),
            samples: Samples::new(&device, features.counters),
            options: options.metal,
            labels: options.gpu_debug != GpuDebug::Off,
            transfers: OnceLock::new(),
            lost: OnceLock::new(),
            device,
            queue,
            fence,
            features,
        })
    }

    /// Fails if the device is gone.
    pub(super) fn alive(&self) -> Result<(), Refused> {
        match self.lost.get() {
            Some(reason) => Err(Refused::Lost(reason.clone())),
            None => Ok(()),
        }
    }

    /// Remembers that the device is gone, if that is what was answered.
    pub(super) fn note(&self, refused: Refused) -> Refused {
        if let Refused::Lost(reason) = &refused {
            self.lost.get_or_init(|| reason.clone());
        }
        refused
    }

    /// A zeroed buffer of this many bytes, which host and device see.
    pub(super) fn buffer(&self, len: u64, label: &str) -> Result<Buffer, Refused> {
        self.alive()?;
        let most = self.features.max_buffer;
        if len > most {
            let reason = format!("a buffer of {len} bytes; the device's largest has {most}");
            return Err(Refused::OutOfMemory(reason.into()));
        }
        autoreleasepool(|_| {
            let buffer = self
                .device
                .newBufferWithLength_options(len as usize, RESOURCES)
                .ok_or_else(|| Refused::OutOfMemory("Metal makes no buffer of this size".into()))?;
            // SAFETY: buffers are not changed, and their contents are guarded by those who hold them.
            Ok(labelled(unsafe { Shared::new(buffer) }, label))
        })
    }

    /// An empty command buffer.
    pub(super) fn commands(&self) -> Result<Commands, Refused> {
        self.alive()?;
        let commands = match self.options.retained {
            true => self.queue.commandBuffer(),
            false => self.queue.commandBufferWithUnretainedReferences(),
        };
        let commands =
            commands.ok_or_else(|| Refused::Other("Metal makes no command buffer".into()))?;
        // SAFETY: an encoder alone changes it.
        Ok(unsafe { Shared::new(commands) })
    }

    /// Copies and fills, compiled when they are first needed.
    pub(super) fn transfers(&self) -> Result<&Transfers, Refused> {
        let transfers = self.transfers.get_or_init(|| Transfers::new(self));
        transfers.as_ref().map_err(Refused::clone)
    }
}

fn own_queue(
    device: &ProtocolObject<dyn MTLDevice>,
) -> Result<Retained<ProtocolObject<dyn MTLCommandQueue>>, String> {
    let queue = device
        .newCommandQueueWithMaxCommandBufferCount(MAX_COMMAND_BUFFERS)
        .ok_or("Metal makes no command queue")?;
    queue.setLabel(Some(&NSString::from_str("dacapo")));
    Ok(queue)
}

/// Has the queue update the fence, so that no pass ever waits for one that nobody has updated.
fn update(
    queue: &ProtocolObject<dyn MTLCommandQueue>,
    fence: &ProtocolObject<dyn MTLFence>,
) -> Option<()> {
    let commands = queue.commandBuffer()?;
    let pass = commands.computeCommandEncoder()?;
    pass.updateFence(fence);
    pass.endEncoding();
    commands.commit();
    Some(())
}

/// Every buffer is shared with the host. Metal does not watch who uses it: this crate does.
pub(super) const RESOURCES: MTLResourceOptions = MTLResourceOptions(
    MTLResourceOptions::StorageModeShared.0 | MTLResourceOptions::HazardTrackingModeUntracked.0,
);

pub(super) fn labelled(buffer: Buffer, label: &str) -> Buffer {
    if !label.is_empty() {
        buffer.setLabel(Some(&NSString::from_str(label)));
    }
    buffer
}
