//! Mixing dacapo with Vulkan code of your own: adopt a device that you have opened, wrap buffers that you have
//! made, record commands of your own between dispatches, and submit to the same queue.
//!
//! Everything here speaks [`ash`]. What a device of another backend is asked for is refused with
//! [`Error::ForeignDevice`].
#![allow(
    unsafe_code,
    reason = "the caller vouches for handles that Vulkan cannot check"
)]

use core::any::Any;
use core::ffi::CStr;

use ash::vk;

use crate::access::Access;
use crate::backend::vulkan::{VulkanDevice, buffer_of};
use crate::device::Device;
use crate::encoder::CommandEncoder;
use crate::error::{Error, Result};
use crate::memory::{Buffer, BufferView};
use crate::options::DeviceOptions;

pub use ash;

/// A Vulkan device that somebody else has opened, and one of its queues.
#[allow(
    missing_debug_implementations,
    reason = "the entry points have no useful text"
)]
#[derive(Clone)]
pub struct Handles {
    /// The loader.
    pub entry: ash::Entry,
    /// The instance, of version 1.2 or later.
    pub instance: ash::Instance,
    /// The physical device.
    pub physical_device: vk::PhysicalDevice,
    /// The device.
    pub device: ash::Device,
    /// The family of the queue.
    pub queue_family: u32,
    /// The queue that dacapo submits to.
    pub queue: vk::Queue,
    /// The extensions that the device was created with. Of those that dacapo can use
    /// (`VK_KHR_push_descriptor`, `VK_KHR_synchronization2`, `VK_EXT_memory_budget`) it uses what is listed, and
    /// takes their features for enabled.
    pub extensions: Vec<&'static CStr>,
    /// Whether the features `shaderFloat16` and `storageBuffer16BitAccess` are enabled.
    pub f16: bool,
}

/// Opens dacapo on a device that the caller has opened and keeps.
///
/// # Safety
/// The handles belong together and stay alive until everything made from the returned device is gone: buffers,
/// kernels, encoders and submissions. The feature `timelineSemaphore` is enabled, as are those that `handles`
/// names. The queue is of a family with compute, and is used by others only through [`with_queue`].
///
/// # Errors
/// [`Error::System`] when the device lacks what dacapo needs, or refuses an object.
pub unsafe fn adopt(handles: Handles, options: &DeviceOptions) -> Result<Device> {
    let (backend, info) = VulkanDevice::adopt(handles, options)?;
    let free = backend.memory_budget();
    Ok(Device::with_backend(Box::new(backend), info, free, options))
}

/// The handles behind a device, for code that shares it. They live as long as the device and everything made from
/// it.
///
/// # Errors
/// [`Error::ForeignDevice`] for a device of another backend.
pub fn handles(device: &Device) -> Result<Handles> {
    Ok(backend(device)?.handles())
}

/// Calls `use_queue` with the queue, while nothing else submits to it.
///
/// # Errors
/// [`Error::ForeignDevice`] for a device of another backend.
pub fn with_queue<R>(device: &Device, use_queue: impl FnOnce(vk::Queue) -> R) -> Result<R> {
    Ok(backend(device)?.with_queue(use_queue))
}

/// A buffer of dacapo over a `VkBuffer` of the caller's, which dacapo neither fills nor frees. The host reaches it
/// through staging copies.
///
/// # Safety
/// `raw` is a buffer of this device, of at least `len` bytes, bound to memory, with the usages `STORAGE_BUFFER`,
/// `TRANSFER_SRC` and `TRANSFER_DST` (and `INDIRECT_BUFFER` if grids are read from it). It outlives everything made
/// from the returned buffer. The caller's own uses of it and dacapo's are ordered by the caller, or recorded
/// with [`record`].
///
/// # Errors
/// [`Error::EmptyBuffer`] for no bytes, [`Error::ForeignDevice`] for a device of another backend.
pub unsafe fn wrap(device: &Device, raw: vk::Buffer, len: u64, label: &str) -> Result<Buffer> {
    if len == 0 {
        return Err(Error::EmptyBuffer);
    }
    let memory = backend(device)?.wrap(raw);
    Ok(device.foreign_buffer(Box::new(memory), len, label))
}

/// The `VkBuffer` behind a view, and the offset of the view in it; `None` for a view of another backend's memory.
pub fn raw_buffer(view: &BufferView) -> Option<(vk::Buffer, u64)> {
    Some((buffer_of(view)?, view.offset()))
}

/// Records commands of the caller's, as one step among the dispatches of `encoder`: it waits for what conflicts
/// with `uses`, and later dispatches wait for it. Pass `None` for commands that may touch anything.
///
/// `commands` gets the device and the command buffer, outside of any render pass, with nothing bound that it
/// could rely on. It may bind what it likes.
///
/// # Safety
/// The commands are valid on the queue's family, access only the bytes that `uses` says, in the stages compute
/// shader, transfer and indirect command reading, order themselves, and neither end nor reset the command
/// buffer. What they use besides the views lives until the submission has completed.
///
/// # Errors
/// [`Error::ForeignDevice`] for views or encoders of other devices, [`Error::ReadOnly`] for writing to a read-only
/// buffer, [`Error::Capturing`] while a graph is captured, and those of the driver.
pub unsafe fn record(
    encoder: &mut CommandEncoder,
    uses: Option<&[(&BufferView, Access)]>,
    commands: impl FnOnce(&ash::Device, vk::CommandBuffer),
) -> Result<()> {
    backend(&encoder.device())?;
    encoder.record_native(uses, |native| VulkanDevice::record(native, commands))
}

fn backend(device: &Device) -> Result<&VulkanDevice> {
    let backend: &dyn Any = &*device.core.backend;
    backend.downcast_ref().ok_or_else(|| Error::ForeignDevice {
        what: "a call for Vulkan".into(),
        device: format!("{device:?}").into(),
    })
}
