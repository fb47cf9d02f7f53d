//! The devices that tests run on.

use std::io::Write;
use std::num::NonZeroUsize;

use dacapo::{Backend, Device, DeviceOptions, DeviceSelector, GpuDebug, GpuWithout};

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

/// Runs a test on the processor, on the reference interpreter, on the Vulkan device if there is one, and there also
/// with host and device memory apart.
pub(crate) fn on_devices(threads: usize, test: impl Fn(Device)) {
    test(device(threads));
    test(reference(threads));
    on_vulkan(&test);
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

/// What `DACAPO_TEST_VULKAN` says: `require` that there is a device, or leave it `off`; otherwise tests use it if
/// it is there.
fn wish() -> String {
    std::env::var("DACAPO_TEST_VULKAN").unwrap_or_default()
}

/// The Vulkan device if there is one, under the validation layer unless the environment says otherwise, and with
/// what `change` asks for.
pub(crate) fn vulkan(change: impl Fn(&mut DeviceOptions)) -> Option<Device> {
    if wish() == "off" {
        return None;
    }
    let mut options = DeviceOptions {
        gpu_debug: GpuDebug::Synchronization,
        ..DeviceOptions::default()
    };
    options = options.with_env().unwrap();
    // A GPU may be chosen by the environment, among several.
    if matches!(
        options.device,
        DeviceSelector::Best | DeviceSelector::Backend(_)
    ) {
        options.device = DeviceSelector::Backend(Backend::Vulkan);
    }
    change(&mut options);
    match Device::open(&options) {
        Ok(device) => Some(device),
        Err(error) if wish() == "require" => panic!("a Vulkan device is required: {error}"),
        Err(error) => {
            say(&format!("SKIPPED on Vulkan: {error}"));
            None
        }
    }
}

/// Says something even if the test passes: `eprintln` would only be shown if it failed.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
