//! Mixing dacapo with Metal code of your own: take its device, wrap buffers that you have made, encode passes of your
//! own between dispatches, and have Metal write a capture.
//!
//! Everything here speaks [`objc2_metal`], and the crates of Objective-C below it. What a device of another backend is asked for is refused with
//! [`Error::ForeignDevice`].
#![allow(
    unsafe_code,
    reason = "the caller vouches for objects that Metal does not check"
)]

use core::any::Any;
use std::path::Path;

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSString, NSURL};
use objc2_metal::{
    MTLBuffer, MTLCaptureDescriptor, MTLCaptureDestination, MTLCaptureManager, MTLCommandBuffer,
    MTLCommandQueue, MTLDevice, MTLFence,
};

use crate::access::Access;
use crate::backend::metal::{MetalDevice, buffer_of, text};
use crate::device::Device;
use crate::encoder::CommandEncoder;
use crate::error::{Error, Result};
use crate::memory::{Buffer, BufferView};
use crate::options::DeviceOptions;

pub use objc2;
pub use objc2_foundation;
pub use objc2_metal;

/// The Metal objects behind a device.
#[derive(Clone, Debug)]
pub struct Handles {
    /// The device.
    pub device: Retained<ProtocolObject<dyn MTLDevice>>,
    /// The queue that dacapo commits to. Others may commit to it too.
    pub queue: Retained<ProtocolObject<dyn MTLCommandQueue>>,
    /// What orders passes on the queue: dacapo's buffers are not tracked by Metal. A pass that touches one waits for
    /// the fence at its beginning and updates it at its end.
    pub fence: Retained<ProtocolObject<dyn MTLFence>>,
}

/// Opens dacapo on a device and a queue that the caller has made and uses too.
///
/// # Errors
/// [`Error::System`] when the device lacks what dacapo needs, or refuses an object.
pub fn adopt(
    device: Retained<ProtocolObject<dyn MTLDevice>>,
    queue: Retained<ProtocolObject<dyn MTLCommandQueue>>,
    options: &DeviceOptions,
) -> Result<Device> {
    let (backend, info) = MetalDevice::adopt(device, queue, options)?;
    let free = backend.memory_budget();
    Ok(Device::with_backend(Box::new(backend), info, free, options))
}

/// The objects behind a device, for code that shares it.
///
/// # Errors
/// [`Error::ForeignDevice`] for a device of another backend.
pub fn handles(device: &Device) -> Result<Handles> {
    Ok(backend(device)?.handles())
}

/// A buffer of dacapo over a buffer of the caller's, of storage mode shared.
///
/// # Safety
/// The buffer is of this device, has at least `len` bytes, and its storage is shared with the host. The caller's own
/// uses of it and dacapo's are ordered by the caller, or recorded with [`record`].
///
/// # Errors
/// [`Error::EmptyBuffer`] for no bytes, [`Error::ForeignDevice`] for a device of another backend.
pub unsafe fn wrap(
    device: &Device,
    buffer: Retained<ProtocolObject<dyn MTLBuffer>>,
    len: u64,
    label: &str,
) -> Result<Buffer> {
    if len == 0 {
        return Err(Error::EmptyBuffer);
    }
    let memory = backend(device)?.wrap(buffer);
    Ok(device.foreign_buffer(Box::new(memory), len, label))
}

/// The buffer behind a view, and the offset of the view in it; `None` for a view of another backend's memory.
pub fn raw_buffer(view: &BufferView) -> Option<(Retained<ProtocolObject<dyn MTLBuffer>>, u64)> {
    let (buffer, base) = buffer_of(&*view.allocation.memory)?;
    Some((buffer, base as u64 + view.offset()))
}

/// Encodes passes of the caller's, as one step among the dispatches of `encoder`: it waits for what conflicts with
/// `uses`, and later dispatches wait for it. Pass `None` for passes that may touch anything.
///
/// `commands` gets the command buffer, with no pass open, and the fence of [`Handles::fence`].
///
/// # Safety
/// The passes access only the bytes that `uses` says, wait for the fence before they do and update it behind, and have
/// ended when `commands` returns; the command buffer is not committed. What they use besides the views lives until the
/// submission has completed: the command buffer may keep nothing alive.
///
/// # Errors
/// [`Error::ForeignDevice`] for views or encoders of other devices, [`Error::ReadOnly`] for writing to a read-only
/// buffer, [`Error::Capturing`] while a graph is captured.
pub unsafe fn record(
    encoder: &mut CommandEncoder,
    uses: Option<&[(&BufferView, Access)]>,
    commands: impl FnOnce(&ProtocolObject<dyn MTLCommandBuffer>, &ProtocolObject<dyn MTLFence>),
) -> Result<()> {
    backend(&encoder.device())?;
    encoder.record_native(uses, |native| MetalDevice::record(native, commands))
}

/// Has Metal write what is submitted to the device while `work` runs to a file that Xcode opens (`.gputrace`). Metal
/// allows it where the environment says `METAL_CAPTURE_ENABLED=1` or the program's `Info.plist` does.
///
/// # Errors
/// [`Error::ForeignDevice`] for a device of another backend, [`Error::Driver`] when Metal does not capture, for example
/// because the file is there already.
pub fn capture<R>(device: &Device, file: &Path, work: impl FnOnce() -> R) -> Result<R> {
    let handles = handles(device)?;
    let refused = |reason: String| Error::Driver {
        device: device.info().name.as_str().into(),
        reason: format!("no capture to {}: {reason}", file.display()).into(),
    };
    let manager = autoreleasepool(|_| {
        // SAFETY: the manager is there for the whole process.
        let manager = unsafe { MTLCaptureManager::sharedCaptureManager() };
        if !manager.supportsDestination(MTLCaptureDestination::GPUTraceDocument) {
            return Err(refused(
                "Metal does not allow it; set METAL_CAPTURE_ENABLED=1".to_owned(),
            ));
        }
        let path = NSString::from_str(&file.to_string_lossy());
        let descriptor = MTLCaptureDescriptor::new();
        // SAFETY: a queue is one of the objects that can be captured.
        unsafe { descriptor.setCaptureObject(Some(handles.queue.as_ref())) };
        descriptor.setDestination(MTLCaptureDestination::GPUTraceDocument);
        descriptor.setOutputURL(Some(&NSURL::fileURLWithPath(&path)));
        manager
            .startCaptureWithDescriptor_error(&descriptor)
            .map_err(|error| refused(text(&error)))?;
        Ok(manager)
    })?;
    let done = StopCapture(manager);
    let result = work();
    device.wait_idle()?;
    drop(done);
    Ok(result)
}

/// Stops the capture, also when the work panics.
struct StopCapture(Retained<MTLCaptureManager>);

impl Drop for StopCapture {
    fn drop(&mut self) {
        autoreleasepool(|_| self.0.stopCapture());
    }
}

fn backend(device: &Device) -> Result<&MetalDevice> {
    let backend: &dyn Any = &*device.core.backend;
    backend.downcast_ref().ok_or_else(|| Error::ForeignDevice {
        what: "a call for Metal".into(),
        device: format!("{device:?}").into(),
    })
}
