//! The host and the device never touch the same bytes at the same time.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{Bytes, Error, MemoryKind, WhenBusy};

#[test]
fn views_of_views_stay_inside() {
    on_devices(1, |device| {
        let buffer = device.buffer(100, MemoryKind::Unified).unwrap();
        let view = buffer.slice(10..60).unwrap().slice(5..=14).unwrap();
        assert_eq!((view.offset(), view.len()), (15, 10));
        assert_eq!(view.slice(10..10).unwrap().len(), 0);
        assert_eq!(view.slice(..).unwrap().range(), view.range());
        let refused = [
            view.slice(0..11),
            view.slice(11..11),
            view.slice(11..),
            #[allow(clippy::reversed_empty_ranges, reason = "what is tested")]
            view.slice(4..3),
            view.slice(u64::MAX - 5..u64::MAX),
            view.slice(u64::MAX - 20..),
            view.slice(0..=u64::MAX),
            view.slice((
                std::ops::Bound::Excluded(u64::MAX),
                std::ops::Bound::Unbounded,
            )),
        ];
        for result in refused {
            match result {
                Err(error @ Error::OutOfRange { len: 10, .. }) => {
                    assert!(error.to_string().contains("10 bytes"), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        // Lengths and elements that do not fit.
        assert!(matches!(
            view.write(&[0u8; 9]),
            Err(Error::LengthMismatch {
                given: 9,
                len: 10,
                ..
            })
        ));
        assert!(matches!(view.read::<u32>(), Err(Error::Element { .. })));
        let guard = view.map_read(WhenBusy::Refuse).unwrap();
        assert!(
            matches!(guard.as_slice::<u16>(), Err(Error::Element { .. })),
            "offset 15"
        );
        assert_eq!(guard.as_slice::<u8>().unwrap(), [0; 10]);
    });
}

#[test]
fn guards_exclude_each_other_by_bytes() {
    on_devices(1, |device| {
        let buffer = device.buffer(64, MemoryKind::DeviceLocal).unwrap();
        let (left, right) = (buffer.slice(..32).unwrap(), buffer.slice(32..).unwrap());
        let across = buffer.slice(31..33).unwrap();
        let mut writing = left.map_write(WhenBusy::Wait).unwrap();
        let mut beside = right.map_write(WhenBusy::Wait).unwrap();
        writing.fill(1);
        beside.fill(2);
        for busy in [WhenBusy::Wait, WhenBusy::Refuse] {
            assert!(matches!(across.map_read(busy), Err(Error::Mapped { .. })));
            assert!(matches!(across.map_write(busy), Err(Error::Mapped { .. })));
        }
        drop((writing, beside));
        let readers = [
            across.map_read(WhenBusy::Wait).unwrap(),
            buffer.map_read(WhenBusy::Wait).unwrap(),
        ];
        assert_eq!(readers[0][..], [1, 2]);
        let error = left.map_write(WhenBusy::Wait).unwrap_err().to_string();
        assert!(error.contains("mapped for reading"), "{error}");
        drop(readers);
        left.map_write(WhenBusy::Refuse).unwrap();
    });
}

#[test]
fn the_host_waits_for_a_submission_or_is_refused() {
    let device = device(2);
    let (gate, target, source) = (Gate::new(), buffer(&device, 4), buffer(&device, 4));
    source.write(&[5u32; 4]).unwrap();
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &target, 7).unwrap();
    let copy = buffer(&device, 4);
    encoder.copy(&source, &copy).unwrap();
    let submission = encoder.commit().unwrap();

    let number = submission.number();
    for refused in [
        target.map_read(WhenBusy::Refuse).map(drop),
        target.map_write(WhenBusy::Refuse).map(drop),
        source.map_write(WhenBusy::Refuse).map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Busy { submission, .. }) if submission == number));
    }
    // What the device only reads, the host may read beside it.
    assert_eq!(
        source
            .map_read(WhenBusy::Refuse)
            .unwrap()
            .as_slice::<u32>()
            .unwrap(),
        [5; 4]
    );
    assert_eq!(source.read::<u32>().unwrap(), [5; 4]);
    assert!(!submission.is_complete());

    let opened = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (opened, gate) = (opened.clone(), &gate);
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            opened.store(true, Ordering::SeqCst);
            gate.open();
        });
        assert_eq!(target.read::<u32>().unwrap(), [7; 4]);
    });
    assert!(opened.load(Ordering::SeqCst) && submission.is_complete());
    source.map_write(WhenBusy::Refuse).unwrap();
}

#[test]
fn a_commit_of_mapped_memory_is_refused_and_all_goes_on() {
    on_devices(2, |device| {
        let step = step_kernel(&device);
        let (mapped, other) = (buffer(&device, 4), buffer(&device, 4));
        let encode = || {
            let mut encoder = device.encoder("either").unwrap();
            encoder
                .dispatch(&step, (&other, Bytes(&1u32)), one())
                .unwrap();
            encoder
                .dispatch(&step, (&mapped, Bytes(&2u32)), one())
                .unwrap();
            encoder
        };
        let before = device.counters();
        let used = device.memory_budget().used;
        for round in 0..50 {
            let reading = round % 2 == 0;
            let guards = match reading {
                true => (
                    Some(
                        mapped
                            .slice(4..8)
                            .unwrap()
                            .map_read(WhenBusy::Wait)
                            .unwrap(),
                    ),
                    None,
                ),
                false => (None, Some(mapped.map_write(WhenBusy::Wait).unwrap())),
            };
            let error = encode().commit().unwrap_err();
            assert!(matches!(error, Error::Mapped { .. }), "{error}");
            drop(guards);
        }
        device.wait_idle().unwrap();
        let counted = device.counters() - before;
        assert_eq!(
            (counted.submissions, counted.dispatches),
            (0, 0),
            "nothing was submitted"
        );
        assert_eq!(other.read::<u32>().unwrap(), [0; 4], "nothing was run");
        encode().commit().unwrap().wait().unwrap();
        assert_eq!(mapped.read::<u32>().unwrap(), [2; 4]);
        assert_eq!(other.read::<u32>().unwrap(), [1; 4]);
        assert_eq!(device.memory_budget().used, used);

        // A submission that only reads runs beside a host that only reads.
        let guard = mapped.map_read(WhenBusy::Wait).unwrap();
        let mut encoder = device.encoder("reads").unwrap();
        encoder.copy(&mapped, &other).unwrap();
        encoder.commit().unwrap().wait().unwrap();
        drop(guard);
        assert_eq!(other.read::<u32>().unwrap(), [2; 4]);
    });
}
