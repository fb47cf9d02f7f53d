//! The device `reference`: how it is listed and opened, and what it takes.
#![allow(unsafe_code, reason = "hands out the bytes of words")]

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;

use dacapo::{
    Access, Backend, Buffer, BufferOptions, CooperativeMatrix, Device, DeviceKind, DeviceOptions,
    DeviceSelector, EncoderOptions, Error, Fault, GpuWithout, Grid, Hazards, KernelFault,
    KernelSource, MemoryKind, ReferenceOptions, Submission, Wgsl, WhenBusy, Workgroup, reference,
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
        (8, false, None),
        "cooperative matrices are of f16"
    );
    let all = open().gpu().unwrap();
    assert_eq!(
        (all.subgroup_size, all.f16, all.cooperative_matrix),
        (32, true, Some(CooperativeMatrix::Size16))
    );
    let small = open_with(ReferenceOptions {
        cooperative_matrix: CooperativeMatrix::Size8,
        ..ReferenceOptions::default()
    });
    let small = small.gpu().unwrap().cooperative_matrix;
    assert_eq!(small, Some(CooperativeMatrix::Size8));
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

#[test]
fn an_owner_is_kept_as_long_as_its_memory() {
    let device = open();
    let owner = Arc::new(vec![7u32; 4]);
    let watched = Arc::downgrade(&owner);
    struct Owner(Arc<Vec<u32>>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            // SAFETY: any bytes are bytes.
            unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), 16) }
        }
    }
    let buffer = device.import("weights", Owner(owner)).unwrap();
    let slice = buffer.slice(4..8).unwrap();
    drop(buffer);
    assert_eq!(slice.read::<u32>().unwrap(), [7]);
    drop(slice);
    assert!(watched.upgrade().is_none());
}

/// Nobody sees the host's memory behind the interpreter's back: what is written is known, byte by byte.
#[test]
fn the_host_writes_and_reads_any_bytes() {
    let device = open();
    let buffer = device.buffer(21, MemoryKind::Unified).unwrap();
    assert_eq!(buffer.read::<u8>().unwrap(), [0; 21]);
    buffer.slice(3..9).unwrap().write(b"abcdef").unwrap();
    {
        let mut guard = buffer
            .slice(19..)
            .unwrap()
            .map_write(WhenBusy::Wait)
            .unwrap();
        guard.copy_from_slice(b"yz");
        guard.finish().unwrap();
    }
    let read = buffer.read::<u8>().unwrap();
    assert_eq!(&read[..], b"\0\0\0abcdef\0\0\0\0\0\0\0\0\0\0yz");
}

const DOUBLE: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < arrayLength(&data) { data[id.x] *= 2u; }
    }";

#[test]
fn kernels_run() {
    let device = open();
    let source = KernelSource::new("double").wgsl(Wgsl::new(DOUBLE));
    let kernel = device.kernel(&source).unwrap();
    let buffer = device.buffer(400, MemoryKind::DeviceLocal).unwrap();
    let numbers: Vec<u32> = (0..100).collect();
    buffer.write(&numbers[..]).unwrap();
    let mut encoder = device.encoder("twice").unwrap();
    for _ in 0..2 {
        let grid = Grid::threads([100, 1, 1]);
        encoder.dispatch(&kernel, (&buffer,), grid).unwrap();
    }
    assert_eq!(encoder.barriers().len(), 1);
    encoder.commit().unwrap().wait().unwrap();
    let expected: Vec<u32> = numbers.iter().map(|n| n * 4).collect();
    assert_eq!(buffer.read::<u32>().unwrap(), expected);
}

fn open_with(reference: ReferenceOptions) -> Device {
    Device::open(&DeviceOptions {
        reference,
        ..options()
    })
    .unwrap()
}

/// Commits what runs `double` so often on the buffer, with no barrier of anybody's.
fn racing(device: &Device, buffer: &Buffer, label: &str) -> Submission {
    let source = KernelSource::new("double").wgsl(Wgsl::new(DOUBLE));
    let kernel = device.kernel(&source).unwrap();
    let options = EncoderOptions {
        label,
        hazards: Some(Hazards::Manual),
        ..EncoderOptions::default()
    };
    let mut encoder = device.encoder_with(options).unwrap();
    let grid = Grid::threads([100, 1, 1]);
    encoder.dispatch(&kernel, (buffer,), grid).unwrap();
    let mut outer = encoder.scope("outer");
    let mut inner = outer.scope("inner");
    inner.dispatch(&kernel, (buffer,), grid).unwrap();
    drop(inner);
    drop(outer);
    encoder.commit().unwrap()
}

fn zeros(device: &Device) -> Buffer {
    let options = BufferOptions {
        len: 400,
        kind: MemoryKind::DeviceLocal,
        label: "numbers",
    };
    let buffer = device.buffer_with(&options).unwrap();
    buffer.write(&[0u32; 100]).unwrap();
    buffer
}

#[test]
fn a_report_fails_its_submission_each_time_it_happens() {
    let device = open_with(ReferenceOptions {
        order: reference::Order::Forward,
        ..ReferenceOptions::default()
    });
    let buffer = zeros(&device);
    for turn in 1..=2 {
        let failure = match racing(&device, &buffer, "pass").wait() {
            Err(Error::Submission(failure)) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(&*failure.kernel, "double");
        match &failure.fault {
            Fault::Check { first, count } => {
                assert!(*count > 0 && first.contains("numbers"), "{first}");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(buffer.read::<u32>(), Err(Error::Submission(_))));
        // Its read and its write; the same faults are no further reports.
        let reports = reference::reports(&device).unwrap();
        assert_eq!(reports.len(), 2, "{turn}");
        buffer.write(&[0u32; 100]).unwrap();
    }
}

#[test]
fn reports_name_the_dispatches_and_can_be_collected_only() {
    let device = open_with(ReferenceOptions {
        collect: true,
        order: reference::Order::Forward,
        ..ReferenceOptions::default()
    });
    let buffer = zeros(&device);
    racing(&device, &buffer, "pass").wait().unwrap();
    let reports = reference::reports(&device).unwrap().list();
    assert!(!reports.is_empty());
    for report in &reports {
        assert_eq!(report.kind, reference::Kind::RaceBetweenDispatches);
        let party = |party: &reference::Party| (party.label.to_string(), party.dispatch);
        let other = report.other.as_ref().unwrap();
        assert_eq!(
            (party(&report.party), party(other)),
            (("outer/inner".to_owned(), 1), ("pass".to_owned(), 0))
        );
    }
}

#[test]
fn bytes_that_nobody_wrote_are_reported_and_checks_can_be_off() {
    let outcome = |options| {
        let device = open_with(options);
        let source = KernelSource::new("double").wgsl(Wgsl::new(DOUBLE));
        let kernel = device.kernel(&source).unwrap();
        let buffer = device.buffer(400, MemoryKind::DeviceLocal).unwrap();
        buffer.slice(..396).unwrap().write(&[1u32; 99]).unwrap();
        let mut encoder = device.encoder("pass").unwrap();
        let grid = Grid::threads([100, 1, 1]);
        encoder.dispatch(&kernel, (&buffer,), grid).unwrap();
        encoder.commit().unwrap().wait()
    };
    let unchecked = ReferenceOptions {
        checks: false,
        ..ReferenceOptions::default()
    };
    outcome(unchecked).unwrap();
    match outcome(ReferenceOptions::default()) {
        Err(Error::Submission(failure)) => match &failure.fault {
            Fault::Check { first, .. } => assert!(first.contains("uninitialized"), "{first}"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kernel_that_runs_away_is_stopped() {
    let text = "
        @group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(1) fn main() { loop { data[0] += 1u; if data[0] == 0u { break; } } }";
    let device = open_with(ReferenceOptions {
        steps: 10_000,
        ..ReferenceOptions::default()
    });
    let source = KernelSource::new("runaway").wgsl(Wgsl::new(text));
    let kernel = device.kernel(&source).unwrap();
    let buffer = zeros(&device);
    let mut encoder = device.encoder("pass").unwrap();
    let mut scope = encoder.scope("loop");
    let grid = Grid::groups([1, 1, 1]);
    scope.dispatch(&kernel, (&buffer,), grid).unwrap();
    drop(scope);
    match encoder.commit().unwrap().wait() {
        Err(Error::Submission(failure)) => {
            assert_eq!((&*failure.kernel, &*failure.scope), ("runaway", "loop"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn indirect_grids_are_read_when_the_wave_starts_and_checked() {
    let device = open();
    let source = KernelSource::new("double").wgsl(Wgsl::new(DOUBLE));
    let kernel = device.kernel(&source).unwrap();
    let grid = device.buffer(12, MemoryKind::DeviceLocal).unwrap();
    let run = |groups: [u32; 3]| {
        let buffer = zeros(&device);
        buffer.write(&[1u32; 100]).unwrap();
        grid.write(&groups[..]).unwrap();
        let mut encoder = device.encoder("pass").unwrap();
        encoder
            .dispatch(&kernel, (&buffer,), Grid::indirect(&grid))
            .unwrap();
        encoder.commit().unwrap().wait()?;
        let doubled = buffer.read::<u32>().unwrap();
        Ok(doubled.iter().filter(|n| **n == 2).count())
    };
    assert_eq!(run([1, 1, 1]).unwrap(), 64);
    assert_eq!(run([2, 1, 1]).unwrap(), 100);
    assert_eq!(run([0, 1, 1]).unwrap(), 0);
    let limits = device.limits();
    for (groups, allowed) in [
        ([1 << 14, 1 << 14, 1], limits.max_total_groups),
        ([1, 1 << 16, 1], limits.max_groups[1].into()),
    ] {
        match run(groups) {
            Err(Error::Submission(failure)) => match failure.fault {
                Fault::IndirectGrid {
                    groups: found,
                    limit,
                } => {
                    assert_eq!((found, limit), (groups, allowed));
                }
                ref other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_grid_that_is_written_in_the_same_wave_is_a_race() {
    let device = open();
    let same = DOUBLE.replace("2u", "1u");
    let source = KernelSource::new("same").wgsl(Wgsl::new(same));
    let kernel = device.kernel(&source).unwrap();
    for hazards in [Hazards::Auto, Hazards::Manual] {
        let (buffer, grid) = (
            zeros(&device),
            device.buffer(12, MemoryKind::Unified).unwrap(),
        );
        grid.write(&[1u32; 3]).unwrap();
        let options = EncoderOptions {
            hazards: Some(hazards),
            ..EncoderOptions::default()
        };
        let mut encoder = device.encoder_with(options).unwrap();
        let once = Grid::groups([1, 1, 1]);
        encoder.dispatch(&kernel, (&grid,), once).unwrap();
        let indirect = Grid::indirect(&grid);
        encoder.dispatch(&kernel, (&buffer,), indirect).unwrap();
        match (hazards, encoder.commit().unwrap().wait()) {
            (Hazards::Auto, outcome) => outcome.unwrap(),
            (_, Err(Error::Submission(failure))) => {
                assert!(matches!(failure.fault, Fault::Check { .. }), "{failure}");
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}
