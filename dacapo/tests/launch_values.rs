//! Values that a launch brings with it, and values that it brings back.

mod common;

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{
    Access, BufferPool, Bytes, Device, Error, Executable, Graph, KernelFault, KernelSource, Launch,
    MemoryKind, ParameterBlock, PlanOptions, PoolOptions, Update, WhenBusy,
};

/// Adds 1, three times over, to a copy of `x`: gives `27 x + 13` in `y`.
fn chain(device: &Device, x: &dacapo::BufferView, y: &dacapo::Buffer) -> Executable {
    let step = step_kernel(device);
    let graph = Graph::capture(device, |encoder| {
        encoder.copy(x, y)?;
        (0..3).try_for_each(|_| encoder.dispatch(&step, (y, Bytes(&1u32)), one()))
    });
    graph
        .unwrap()
        .plan(&PlanOptions::default())
        .unwrap()
        .instantiate()
        .unwrap()
}

#[test]
fn launches_in_flight_each_see_their_update_and_keep_their_bytes() {
    on_devices(2, |device| {
        let (x, y, held) = (buffer(&device, 16), buffer(&device, 16), buffer(&device, 1));
        let executable = chain(&device, &x, &y);
        let gate = Gate::new();
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &held, 1).unwrap();
        encoder.commit().unwrap();
        let (early, late) = (x.slice(..8).unwrap(), x.slice(8..).unwrap());
        let mut launches = Vec::new();
        let mut expected = [0u32; 16];
        let all = y.slice(..).unwrap();
        for round in 0..40u32 {
            let two = [round, round + 1];
            let rest = [100 * round; 14];
            let first = [Update::new(&early, &two)];
            let both = [Update::new(&late, &rest), first[0]];
            // Now this, now that, so that recordings are used again for other things.
            let updates: &[Update<'_>] = match round % 3 {
                0 => &first,
                1 => &both,
                _ => &[],
            };
            if round % 3 < 2 {
                expected[..2].copy_from_slice(&two);
            }
            if round % 3 == 1 {
                expected[2..].copy_from_slice(&rest);
            }
            let fetch = match round % 4 {
                0 => None,
                1 => Some(y.slice(4..12).unwrap()),
                _ => Some(all.clone()),
            };
            let launch = executable.launch_with(&Launch {
                label: "round",
                updates,
                fetch: fetch.as_ref(),
                ..Launch::default()
            });
            launches.push((launch.unwrap(), expected, round % 4));
        }
        gate.open();
        for (launch, x, fetched) in launches {
            let y = x.map(|x| 27 * x + 13);
            let found = launch.fetched::<u32>().unwrap();
            match fetched {
                0 => assert!(found.is_empty()),
                1 => assert_eq!(found, y[1..3]),
                _ => assert_eq!(found, y),
            }
        }
    });
}

#[test]
fn what_is_fetched_can_be_taken_as_any_elements_that_fit() {
    on_devices(1, |device| {
        let (x, y) = (buffer(&device, 3), buffer(&device, 3));
        x.write(&[0u32, 1, 2]).unwrap();
        let executable = chain(&device, &x, &y);
        let whole = executable
            .launch_with(&Launch {
                fetch: Some(&y),
                ..Launch::default()
            })
            .unwrap();
        assert_eq!(whole.fetched::<u32>().unwrap(), [13, 40, 67]);
        assert_eq!(whole.fetched::<u8>().unwrap()[4..8], 40u32.to_ne_bytes());
        assert_eq!(whole.fetched::<[u32; 3]>().unwrap(), [[13, 40, 67]]);
        assert!(matches!(
            whole.fetched::<u64>(),
            Err(Error::Element {
                len: 12,
                size: 8,
                ..
            })
        ));
        assert!(matches!(
            whole.fetched::<[u32; 0]>(),
            Err(Error::Element { .. })
        ));
        let mut values = [0u32; 3];
        whole.fetched_into(&mut values).unwrap();
        assert_eq!(values, [13, 40, 67]);
        let short = whole.fetched_into(&mut values[..2]);
        assert!(matches!(
            short,
            Err(Error::LengthMismatch {
                given: 8,
                len: 12,
                ..
            })
        ));

        // Single bytes, which begin and end anywhere.
        let bytes = x.slice(1..2).unwrap();
        let odd = executable
            .launch_with(&Launch {
                label: "odd",
                updates: &[
                    Update::new(&bytes, &[1u8]),
                    Update::new(&x.slice(11..).unwrap(), &[1u8]),
                ],
                fetch: Some(&x.slice(1..12).unwrap()),
                ..Launch::default()
            })
            .unwrap();
        let mut expected = [0u32, 1, 2].map(u32::to_ne_bytes).concat();
        (expected[1], expected[11]) = (1, 1);
        assert_eq!(odd.fetched::<u8>().unwrap(), expected[1..]);

        let plain = device.encoder("plain").unwrap().commit().unwrap();
        assert!(plain.fetched::<u8>().unwrap().is_empty());
    });
}

#[test]
fn a_parameter_block_is_a_buffer_with_a_type() {
    on_devices(1, |device| {
        let block = ParameterBlock::new(&device, "step", &[1u32, 2]).unwrap();
        assert_eq!((block.len(), block.label()), (8, "step"));
        let y = buffer(&device, 2);
        let executable = chain(&device, &block, &y);
        executable.launch("as it is").unwrap();
        assert_eq!(y.read::<u32>().unwrap(), [40, 67]);
        let values = [3, 4];
        let launch = executable.launch_with(&Launch {
            updates: &[block.update(&values)],
            ..Launch::default()
        });
        launch.unwrap();
        assert_eq!(y.read::<u32>().unwrap(), [94, 121]);
        let empty = ParameterBlock::new(&device, "", &[0u32; 0]);
        assert!(matches!(empty, Err(Error::EmptyBuffer)));
    });
}

#[test]
fn as_many_bytes_as_are_allowed_and_none() {
    on_devices(1, |device| {
        let most = Launch::MAX_BYTES as usize;
        let [x, y] = [(); 2].map(|()| {
            device
                .buffer(most as u64 + 1, MemoryKind::DeviceLocal)
                .unwrap()
        });
        let graph = Graph::capture(&device, |encoder| encoder.copy(&x, &y)).unwrap();
        let executable = graph
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate()
            .unwrap();
        let bytes: Vec<u8> = (0..=most).map(|at| (at % 251) as u8).collect();
        let (head, last) = (
            x.slice(..most as u64).unwrap(),
            x.slice(most as u64..).unwrap(),
        );
        let (empty, from) = (x.slice(5..5).unwrap(), y.slice(1..).unwrap());
        let updates = [
            Update::new(&head, &bytes[..most]),
            Update::new::<u8>(&empty, &[]),
        ];
        let launch = Launch {
            label: "most",
            updates: &updates,
            fetch: Some(&from),
            ..Launch::default()
        };
        let launched = executable.launch_with(&launch).unwrap();
        let fetched = launched.fetched::<u8>().unwrap();
        assert_eq!(fetched[..most - 1], bytes[1..most]);
        assert_eq!(fetched[most - 1], 0);

        let nothing = Launch {
            updates: &updates[1..],
            fetch: Some(&empty),
            ..launch
        };
        let launched = executable.launch_with(&nothing).unwrap();
        assert!(launched.fetched::<u8>().unwrap().is_empty());

        let both = [updates[0], Update::new(&last, &bytes[..1])];
        for (launch, what) in [
            (
                Launch {
                    updates: &both,
                    fetch: None,
                    ..launch
                },
                "updates of a launch of 65537",
            ),
            (
                Launch {
                    fetch: Some(&y),
                    ..launch
                },
                "a fetch of 65537",
            ),
        ] {
            let error = executable.launch_with(&launch).unwrap_err();
            assert!(matches!(
                error,
                Error::TooLong {
                    given: 65537,
                    limit: 65536,
                    ..
                }
            ));
            assert!(error.to_string().contains(what), "{error}");
        }
    });
}

#[test]
fn values_that_cannot_be_are_refused_and_nothing_runs() {
    on_devices(1, |device| {
        let (x, y) = (buffer(&device, 4), buffer(&device, 4));
        let executable = chain(&device, &x, &y);
        let foreign = buffer(&common::device(1), 4);
        let weights = device.import("weights", vec![0u8; 16]).unwrap();
        let submissions = device.counters().submissions;
        let update = |target, values: &[u32]| {
            let updates = [Update::new(target, values)];
            let launch = Launch {
                updates: &updates,
                ..Launch::default()
            };
            executable.launch_with(&launch).unwrap_err()
        };
        assert!(matches!(
            update(&foreign, &[0; 4]),
            Error::ForeignDevice { .. }
        ));
        assert!(matches!(update(&weights, &[0; 4]), Error::ReadOnly { .. }));
        assert!(matches!(
            update(&x, &[0; 3]),
            Error::LengthMismatch {
                given: 12,
                len: 16,
                ..
            }
        ));
        let fetch = executable.launch_with(&Launch {
            fetch: Some(&foreign),
            ..Launch::default()
        });
        assert!(matches!(fetch, Err(Error::ForeignDevice { .. })));
        let (low, high) = (x.slice(..8).unwrap(), x.slice(4..).unwrap());
        let updates = [
            Update::new(&low, &[0u32; 2]),
            Update::new(&high, &[0u32; 3]),
        ];
        let error = executable.launch_with(&Launch {
            updates: &updates,
            ..Launch::default()
        });
        let error = error.unwrap_err();
        assert!(matches!(error, Error::UpdatesOverlap { overlap, .. } if overlap.len() == 4));
        assert!(error.to_string().contains("4..8"), "{error}");
        assert_eq!(device.counters().submissions, submissions);
        let weights = executable.launch_with(&Launch {
            fetch: Some(&weights),
            ..Launch::default()
        });
        assert_eq!(weights.unwrap().fetched::<u8>().unwrap(), [0; 16]);
    });
}

#[test]
fn the_host_is_kept_away_from_what_is_updated_and_fetched() {
    let device = device(2);
    let (x, y) = (buffer(&device, 4), buffer(&device, 4));
    let [extra, shown] = [(); 2].map(|()| buffer(&device, 4));
    let executable = chain(&device, &x, &y);
    let launch = Launch {
        label: "guarded",
        updates: &[Update::new(&extra, &[9u32; 4])],
        fetch: Some(&shown),
        ..Launch::default()
    };
    let reading = extra.map_read(WhenBusy::Wait).unwrap();
    assert!(matches!(
        executable.launch_with(&launch),
        Err(Error::Mapped { .. })
    ));
    drop(reading);
    let writing = shown.map_write(WhenBusy::Wait).unwrap();
    assert!(matches!(
        executable.launch_with(&launch),
        Err(Error::Mapped { .. })
    ));
    drop(writing);
    assert_eq!(extra.read::<u32>().unwrap(), [0; 4]);

    let (gate, held) = (Gate::new(), buffer(&device, 1));
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &held, 1).unwrap();
    encoder.commit().unwrap();
    let launched = executable.launch_with(&launch).unwrap();
    assert!(matches!(
        extra.map_read(WhenBusy::Refuse),
        Err(Error::Busy { .. })
    ));
    assert!(matches!(
        shown.map_write(WhenBusy::Refuse),
        Err(Error::Busy { .. })
    ));
    // The launch keeps what it updates and fetches.
    let used = device.memory_budget().used;
    drop((extra, shown));
    assert_eq!(device.memory_budget().used, used);
    gate.open();
    assert_eq!(launched.fetched::<u32>().unwrap(), [0; 4]);
    device.wait_idle().unwrap();
    assert_eq!(device.memory_budget().used, used - 32);
}

/// Buffers that come where others were must not be taken for them by recordings that are used again.
#[test]
fn updates_of_buffers_that_come_and_go() {
    on_devices(1, |device| {
        let (x, y) = (buffer(&device, 4), buffer(&device, 4));
        let executable = chain(&device, &x, &y);
        let pool = BufferPool::new(&device, PoolOptions::default());
        for round in 0..30u32 {
            let own = buffer(&device, 4);
            let block = pool.allocate(16).unwrap();
            let values = [[round; 4], [!round; 4]];
            let updates = [
                Update::new(&own, &values[0]),
                Update::new(&block, &values[1]),
            ];
            let both = [&own, &block];
            let launches = both.map(|fetch| {
                let launch = Launch {
                    label: "round",
                    updates: &updates,
                    fetch: Some(fetch),
                    ..Launch::default()
                };
                executable.launch_with(&launch).unwrap()
            });
            assert_eq!(own.read::<u32>().unwrap(), [round; 4]);
            assert_eq!(launches[0].fetched::<u32>().unwrap(), [round; 4]);
            assert_eq!(launches[1].fetched::<u32>().unwrap(), [!round; 4]);
            pool.reset();
        }
    });
}

#[test]
fn a_failed_launch_fetches_nothing() {
    let device = device(2);
    let (x, y) = (buffer(&device, 1), buffer(&device, 1));
    let source = KernelSource::new("picky")
        .binding::<u32>(0, Access::Read)
        .cpu(|group| match group.read::<u32>(0)[0] {
            0 => Ok(()),
            _ => Err(KernelFault::new("not this")),
        });
    let picky = device.kernel(&source).unwrap();
    let graph = Graph::capture(&device, |encoder| {
        encoder.dispatch(&picky, (&x,), one())?;
        encoder.copy(&x, &y)
    });
    let executable = graph
        .unwrap()
        .plan(&PlanOptions::default())
        .unwrap()
        .instantiate()
        .unwrap();
    for value in [0u32, 1, 0, 1] {
        let launch = executable.launch_with(&Launch {
            label: "step 9",
            updates: &[Update::new(&x, &[value])],
            fetch: Some(&y),
            ..Launch::default()
        });
        let fetched = launch.unwrap().fetched::<u32>();
        match value {
            0 => assert_eq!(fetched.unwrap(), [0]),
            _ => assert!(fetched.unwrap_err().to_string().contains("step 9")),
        }
    }
}
