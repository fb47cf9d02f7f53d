//! The device `reference`: how it is listed and opened, and what it takes.
#![allow(unsafe_code, reason = "a native kernel writes its part of a buffer")]

mod common;

use std::num::NonZeroUsize;

use common::{buffer, one};
use dacapo::{
    Access, Backend, Bytes, Device, DeviceKind, DeviceOptions, DeviceSelector, Error, GpuWithout,
    Grid, KernelFault, KernelSource, ReferenceOptions, Wgsl, Workgroup, reference,
};

fn options() -> DeviceOptions {
    DeviceOptions {
        device: DeviceSelector::Backend(Backend::Reference),
        ..DeviceOptions::default()
    }
}

fn open() -> Device {
    Device::open(&options()).unwrap()
}

#[test]
fn it_is_listed_last_and_opened_when_named_only() {
    let listed = Device::enumerate().devices;
    let last = listed.last().unwrap();
    assert_eq!(
        (last.backend, last.kind, last.index),
        (Backend::Reference, DeviceKind::Reference, listed.len() - 1)
    );
    assert_eq!(
        listed.iter().filter(|info| info.kind == last.kind).count(),
        1
    );
    let best = Device::open(&DeviceOptions::default()).unwrap();
    assert_ne!(best.info().backend, Backend::Reference);
    let selectors = [
        "reference".parse().unwrap(),
        DeviceSelector::Kind(DeviceKind::Reference),
        DeviceSelector::Index(last.index),
        DeviceSelector::Name("interpreter".into()),
    ];
    for device in selectors {
        let named = Device::open(&DeviceOptions {
            device: device.clone(),
            ..DeviceOptions::default()
        });
        assert_eq!(
            named.unwrap().info().backend,
            Backend::Reference,
            "{device:?}"
        );
    }
}

#[test]
fn options_decide_threads_and_features() {
    let device = Device::open(&DeviceOptions {
        threads: NonZeroUsize::new(3),
        gpu_without: GpuWithout {
            f16: true,
            ..GpuWithout::default()
        },
        reference: ReferenceOptions {
            subgroup_size: 8,
            ..ReferenceOptions::default()
        },
        ..options()
    })
    .unwrap();
    let gpu = device.gpu().unwrap();
    assert_eq!(device.info().compute_units, 3);
    assert_eq!(
        (gpu.subgroup_size, gpu.f16, gpu.cooperative_matrix),
        (8, false, false),
        "cooperative matrices are of f16"
    );
    let all = open().gpu().unwrap();
    assert_eq!(
        (all.subgroup_size, all.f16, all.cooperative_matrix),
        (32, true, true)
    );
    assert_eq!(open().limits().max_slot, Some(31));
}

#[test]
fn options_that_are_not_allowed_say_what_is() {
    let refused = |reference| {
        let opened = Device::open(&DeviceOptions {
            reference,
            ..options()
        });
        opened.unwrap_err().to_string()
    };
    let default = ReferenceOptions::default;
    let size = refused(ReferenceOptions {
        subgroup_size: 48,
        ..default()
    });
    assert!(
        size.contains("48") && size.contains("power of two"),
        "{size}"
    );
    let steps = refused(ReferenceOptions {
        steps: 0,
        ..default()
    });
    assert!(steps.contains("reference.steps"), "{steps}");
    let reports = refused(ReferenceOptions {
        max_reports: 0,
        ..default()
    });
    assert!(reports.contains("reference.max_reports"), "{reports}");
}

#[test]
fn reports_are_those_of_the_reference_device() {
    let device = open();
    let reports = reference::reports(&device).unwrap();
    assert!(reports.is_empty());
    assert!(reference::reports(&common::device(1)).is_none());
}

fn native(_: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    Ok(())
}

#[test]
fn native_kernels_are_refused() {
    let source = KernelSource::new("native").cpu(native);
    match open().kernel(&source) {
        Err(Error::UnsupportedKernel { kernel, takes, .. }) => {
            assert_eq!((&*kernel, takes), ("native", "WGSL"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn kernels_that_contradict_themselves_or_the_device_are_refused() {
    let device = open();
    let refused = |source: KernelSource| match device.kernel(&source) {
        Err(Error::InvalidKernel { reason, .. }) => reason.into_string(),
        other => panic!("{other:?}"),
    };
    let wgsl = |text: &'static str| KernelSource::new("kernel").wgsl(Wgsl::new(text));
    let reason = refused(wgsl(
        "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }",
    ));
    assert!(reason.contains("u32"), "{reason}");
    let reason = refused(wgsl("@compute @workgroup_size(1) fn other() {}"));
    assert!(reason.contains("\"other\""), "{reason}");
    let reason = refused(wgsl("@compute @workgroup_size(2048) fn main() {}"));
    assert!(reason.contains("1024"), "{reason}");
    let writes = "
        @group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(1) fn main() { data[0] = 1u; }";
    let reason = refused(wgsl(writes).binding::<u32>(0, Access::Read));
    assert!(reason.contains("declared"), "{reason}");
    let inline = "
        var<immediate> much: array<vec4<u32>, 17>;
        @group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(1) fn main() { data[0] = much[3].x; }";
    let reason = refused(wgsl(inline));
    assert!(reason.contains("272 inline bytes"), "{reason}");
}

/// Bytes of which the first lies so far behind a multiple of 4.
struct Shifted(Vec<u8>, usize);

impl AsRef<[u8]> for Shifted {
    fn as_ref(&self) -> &[u8] {
        let first = self.0.as_ptr().align_offset(4) + self.1;
        &self.0[first..first + 64]
    }
}

#[test]
fn memory_is_imported_wherever_it_lies() {
    let device = open();
    for shift in 0..4 {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let owner = Shifted(bytes, shift);
        let expected = owner.as_ref().to_vec();
        let used = device.memory_budget().used;
        let buffer = device.import("weights", owner).unwrap();
        // What cannot stay where it lies is copied to memory of the device.
        let copied = device.memory_budget().used > used;
        assert_eq!(copied, shift != 0, "{shift}");
        assert_eq!(buffer.read::<u8>().unwrap(), expected, "{shift}");
        let refused = buffer.write(&expected[..]);
        assert!(
            matches!(refused, Err(Error::ReadOnly { .. })),
            "{refused:?}"
        );
    }
}

const DOUBLE: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < arrayLength(&data) { data[id.x] *= 2u; }
    }";
