//! Whatever is dropped gives everything back, and what is in use stays.
#![allow(
    unsafe_code,
    reason = "kernels write their part of a buffer, and unretained encoders"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{
    Access, Backend, Bytes, CpuEntry, Device, DeviceOptions, DeviceSelector, DispatchProblem,
    EncoderOptions, Error, KernelFault, KernelSource, MemoryKind, WhenBusy, Workgroup,
};

#[test]
fn a_thousand_dropped_encoders_leave_nothing() {
    on_devices(2, |device| {
        let (step, kept) = (step_kernel(&device), buffer(&device, 4));
        let (counters, used) = (device.counters(), device.memory_budget().used);
        for _ in 0..1000 {
            let gone = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
            let mut encoder = device.encoder("dropped").unwrap();
            let mut scope = encoder.scope("never run");
            scope.dispatch(&step, (&gone, Bytes(&1u32)), one()).unwrap();
            scope.dispatch(&step, (&kept, Bytes(&1u32)), one()).unwrap();
            scope.barrier();
            drop(scope);
            drop(gone);
            assert!(device.memory_budget().used > used, "the encoder keeps it");
            drop(encoder);
            assert_eq!(device.memory_budget().used, used);
        }
        assert_eq!(device.counters(), counters);
        kept.map_write(WhenBusy::Refuse).unwrap();
        assert_eq!(kept.read::<u32>().unwrap(), [0; 4], "nothing ran");
        assert_eq!(
            device.encoder("first").unwrap().commit().unwrap().number(),
            1
        );
    });
}

#[test]
fn a_submission_keeps_its_buffers_until_it_completes() {
    on_devices(2, |device| {
        let used = device.memory_budget().used;
        let (gate, target) = (Gate::new(), buffer(&device, 256));
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &target, 1).unwrap();
        let submission = encoder.commit().unwrap();
        let view = target.slice(8..).unwrap();
        drop(target);
        drop(view);
        assert_eq!(device.memory_budget().used, used + 1024);
        gate.open();
        submission.wait().unwrap();
        assert_eq!(device.memory_budget().used, used);
    });
}

#[test]
fn an_unretained_encoder_runs_and_keeps_nothing() {
    on_devices(2, |device| {
        let (gate, step) = (Gate::new(), step_kernel(&device));
        let (held, target) = (buffer(&device, 1), buffer(&device, 4));
        let options = EncoderOptions {
            label: "unretained",
            hazards: None,
            ..EncoderOptions::default()
        };
        // SAFETY: `held` and `target` outlive the wait below and are not mapped before it.
        let mut encoder = unsafe { device.encoder_unretained(options) }.unwrap();
        gate.hold(&mut encoder, &held, 1).unwrap();
        encoder
            .dispatch(&step, (&target, Bytes(&4u32)), one())
            .unwrap();
        encoder
            .dispatch(&step, (&target, Bytes(&4u32)), one())
            .unwrap();
        assert_eq!(
            encoder.barriers().len(),
            1,
            "hazards are tracked all the same"
        );
        let submission = encoder.commit().unwrap();
        gate.open();
        submission.wait().unwrap();
        assert_eq!(target.read::<u32>().unwrap(), [16; 4]);
    });
}

#[test]
fn the_budget_is_kept_before_the_system_fails() {
    let device = Device::open(&DeviceOptions {
        memory_limit: Some(1000),
        ..DeviceOptions::cpu()
    })
    .unwrap();
    let first = device.buffer(600, MemoryKind::DeviceLocal).unwrap();
    match device.buffer(401, MemoryKind::HostCached) {
        Err(
            error @ Error::OverBudget {
                asked: 401,
                used: 600,
                budget: 1000,
                ..
            },
        ) => {
            let message = error.to_string();
            assert!(
                message.contains("401") && message.contains("600 of 1000"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        device.buffer(u64::MAX, MemoryKind::Unified),
        Err(Error::OverBudget { .. })
    ));
    assert!(matches!(
        device.buffer(0, MemoryKind::Unified),
        Err(Error::EmptyBuffer)
    ));
    let second = device.buffer(400, MemoryKind::DeviceLocal).unwrap();
    assert_eq!(device.memory_budget().used, 1000);
    device.import("free of charge", vec![0u8; 5000]).unwrap();
    drop((first, second));
    assert_eq!(device.memory_budget().used, 0);

    let boundless = Device::open(&DeviceOptions {
        memory_limit: Some(u64::MAX),
        ..DeviceOptions::cpu()
    })
    .unwrap();
    for asked in [u64::MAX, 1 << 60] {
        assert!(matches!(
            boundless.buffer(asked, MemoryKind::DeviceLocal),
            Err(Error::OutOfMemory { .. })
        ));
        assert_eq!(
            boundless.memory_budget().used,
            0,
            "what failed is given back"
        );
    }
}

/// Lies about its bytes: fewer each time it is asked.
struct Shrinking(Vec<u8>, AtomicUsize);

impl AsRef<[u8]> for Shrinking {
    fn as_ref(&self) -> &[u8] {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 => &self.0,
            _ => &[],
        }
    }
}

#[test]
fn imported_memory_is_read_where_it_lies_and_never_written() {
    let device = device(2);
    let bytes: Arc<[u8]> = (0..64).collect();
    let imported = device.import("file", bytes.clone()).unwrap();
    assert!(imported.is_read_only());
    let guard = imported.map_read(WhenBusy::Wait).unwrap();
    assert_eq!(guard.as_ptr(), bytes.as_ptr(), "no copy");
    drop(guard);
    assert!(matches!(
        imported.write(&[0u8; 64]),
        Err(Error::ReadOnly { .. })
    ));
    let target = device.buffer(64, MemoryKind::DeviceLocal).unwrap();
    let mut encoder = device.encoder("copy").unwrap();
    let refused = encoder.fill(&imported, 1).unwrap_err().to_string();
    assert!(
        refused.contains("read-only") && refused.contains("file"),
        "{refused}"
    );
    encoder.copy(&imported, &target).unwrap();
    drop(imported);
    assert_eq!(Arc::strong_count(&bytes), 2, "the encoder reads it");
    encoder.commit().unwrap().wait().unwrap();
    assert_eq!(Arc::strong_count(&bytes), 1);
    assert_eq!(target.read::<u8>().unwrap(), bytes[..]);
    assert!(matches!(
        device.import("empty", Vec::new()),
        Err(Error::EmptyBuffer)
    ));

    let lying = device
        .import("lies", Shrinking(vec![3; 64], AtomicUsize::new(0)))
        .unwrap();
    assert_eq!(lying.read::<u8>().unwrap(), [3; 64]);
}

#[test]
fn memory_whose_owner_panics_at_the_end_does_not_stop_the_queue() {
    struct Fragile(Vec<u8>);
    impl AsRef<[u8]> for Fragile {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("an owner of poor quality");
        }
    }
    let device = device(2);
    let (gate, held, target) = (Gate::new(), buffer(&device, 1), buffer(&device, 1));
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &held, 1).unwrap();
    let imported = device.import("fragile", Fragile(vec![9; 4])).unwrap();
    encoder.copy(&imported, &target).unwrap();
    drop(imported);
    let submission = encoder.commit().unwrap();
    gate.open();
    submission.wait().unwrap();
    assert_eq!(target.read::<u8>().unwrap(), [9; 4]);
    device
        .encoder("next")
        .unwrap()
        .commit()
        .unwrap()
        .wait()
        .unwrap();
}

#[test]
fn a_source_is_compiled_once_however_many_ask() {
    let device = device(2);
    let before = device.counters().pipelines_compiled;
    let barrier = std::sync::Barrier::new(16);
    let kernels: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let source = KernelSource::new("raced").binding::<u32>(0, Access::Write);
                    device.kernel(&source.cpu(|_| Ok(()))).unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    // One closure expression is one function, so all asked for the same content.
    assert!(kernels.iter().all(|kernel| *kernel == kernels[0]));
    assert_eq!(device.counters().pipelines_compiled - before, 1);
}

#[test]
fn a_name_with_other_content_is_another_kernel() {
    fn put<const VALUE: u32>(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
        // SAFETY: there is one workgroup.
        let target = unsafe { group.write::<u32>(0, 0..1) };
        target[0] = VALUE;
        Ok(())
    }
    let device = device(2);
    let target = buffer(&device, 1);
    let entries: [(CpuEntry, u32); 3] = [(put::<10>, 10), (put::<20>, 20), (put::<10>, 10)];
    for (entry, expected) in entries {
        let source = KernelSource::new("same name").binding::<u32>(0, Access::Write);
        let kernel = device.kernel(&source.cpu(entry)).unwrap();
        let mut encoder = device.encoder("").unwrap();
        encoder.dispatch(&kernel, (&target,), one()).unwrap();
        encoder.commit().unwrap().wait().unwrap();
        assert_eq!(target.read::<u32>().unwrap(), [expected]);
    }
}

#[test]
fn options_that_cannot_be_met_say_what_could() {
    let open = |device| {
        Device::open(&DeviceOptions {
            device,
            ..DeviceOptions::default()
        })
    };
    let absent = match cfg!(any(target_vendor = "apple", dacapo_metal_double)) {
        true => DeviceSelector::Name("nor this one".into()),
        false => DeviceSelector::Backend(Backend::Metal),
    };
    for selector in [
        absent,
        DeviceSelector::Index(99),
        DeviceSelector::Name("no such device".into()),
    ] {
        let message = open(selector).unwrap_err().to_string();
        assert!(message.contains("0: "), "{message} lists the devices");
    }
    let message = Device::open(&DeviceOptions {
        threads: std::num::NonZeroUsize::new(1025),
        ..DeviceOptions::cpu()
    })
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("1025") && message.contains("1 to 1024"),
        "{message}"
    );
    open(DeviceSelector::Backend(Backend::Cpu)).unwrap();
}

#[test]
fn a_reopened_device_is_another_device() {
    on_devices(1, |device| {
        let again = device.reopen().unwrap();
        let (kernel, foreign) = (step_kernel(&again), buffer(&device, 1));
        let mut encoder = again.encoder("").unwrap();
        match encoder.dispatch(&kernel, (&foreign, Bytes(&1u32)), one()) {
            Err(Error::Dispatch(error)) => {
                assert!(matches!(
                    error.problem,
                    DispatchProblem::ForeignBuffer { slot: 0, .. }
                ));
            }
            other => panic!("{other:?}"),
        }
        drop(device);
        again.encoder("").unwrap().commit().unwrap().wait().unwrap();
    });
}
