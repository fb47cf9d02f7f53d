//! The devices that tests run on.

use std::num::NonZeroUsize;

use dacapo::{Backend, Device, DeviceOptions, DeviceSelector, GpuDebug, GpuWithout, MetalOptions};
use dacapo_selftest::kit::gpu;

/// The processor, with this many threads.
pub(crate) fn device(threads: usize) -> Device {
    Device::open(&DeviceOptions {
        threads: NonZeroUsize::new(threads),
        ..DeviceOptions::cpu()
    })
    .unwrap()
}

/// The reference interpreter, on which a submission fails during which anything was reported.
pub(crate) fn reference(threads: usize) -> Device {
    Device::open(&DeviceOptions {
        device: DeviceSelector::Backend(Backend::Reference),
        threads: NonZeroUsize::new(threads),
        ..DeviceOptions::default()
    })
    .unwrap()
}

/// Runs a test on the processor, on the reference interpreter, and as [`on_vulkan`] and [`on_metal`] do.
pub(crate) fn on_devices(threads: usize, test: impl Fn(Device)) {
    test(device(threads));
    test(reference(threads));
    on_vulkan(&test);
    on_metal(&test);
}

/// Runs a test on the Vulkan device if there is one, as it is, and with host and device memory apart.
pub(crate) fn on_vulkan(test: impl Fn(Device)) {
    let apart = GpuWithout {
        mapped_device_memory: true,
        ..GpuWithout::default()
    };
    for without in [GpuWithout::default(), apart] {
        vulkan(|options| options.gpu_without = without)
            .into_iter()
            .for_each(&test);
    }
}

/// Runs a test on the Metal device if there is one, as it is, and by the ways that older systems take: indirect command
/// buffers, command buffers that keep what they use, no residency set.
pub(crate) fn on_metal(test: impl Fn(Device)) {
    let metal = [MetalOptions::default(), {
        MetalOptions {
            indirect: true,
            retained: true,
        }
    }];
    for metal in metal {
        let other = |options: &mut DeviceOptions| {
            options.metal = metal;
            options.gpu_without.residency_sets = metal.retained;
        };
        self::metal(other).into_iter().for_each(&test);
    }
}

/// The Metal device if there is one, with what `change` asks for.
pub(crate) fn metal(change: impl Fn(&mut DeviceOptions)) -> Option<Device> {
    let mut options = options();
    options.device = DeviceSelector::Backend(Backend::Metal);
    change(&mut options);
    gpu(Backend::Metal, &options)
}

/// The Vulkan device if there is one, under the validation layer unless the environment says otherwise, and with
/// what `change` asks for.
pub(crate) fn vulkan(change: impl Fn(&mut DeviceOptions)) -> Option<Device> {
    let mut options = options();
    // A GPU may be chosen by the environment, among several.
    if matches!(
        options.device,
        DeviceSelector::Best | DeviceSelector::Backend(_)
    ) {
        options.device = DeviceSelector::Backend(Backend::Vulkan);
    }
    change(&mut options);
    gpu(Backend::Vulkan, &options)
}

fn options() -> DeviceOptions {
    let options = DeviceOptions {
        gpu_debug: GpuDebug::Synchronization,
        ..DeviceOptions::default()
    };
    options.with_env().unwrap()
}
