//! What the dispatches of GPU kernels share.

use dacapo::{BufferView, Device, DeviceKind};

/// Most workgroups along an axis that every GPU takes; where there is more to do they go on with what is left.
pub(crate) const MAX_GROUPS: usize = 65_535;

/// Whether kernels can load 16 bytes of these views at once. Metal, and some of Vulkan's devices, bind at every fourth
/// byte, but what is bound must suit its type.
pub(crate) fn are_wide(views: &[&BufferView]) -> bool {
    views.iter().all(|view| view.offset().is_multiple_of(16))
}

/// Threads that keep the device's memory and arithmetic busy, roughly: dispatches with fewer are cut finer. That of GPUs with
/// memory of their own is from an H200. That of GPUs inside processors, such as Apple's of 8 to 40 cores with about a
/// thousand threads each, is not measured.
pub(crate) fn busy_threads(device: &Device) -> u32 {
    match device.info().kind {
        DeviceKind::IntegratedGpu => 1 << 15,
        _ => 1 << 16,
    }
}
