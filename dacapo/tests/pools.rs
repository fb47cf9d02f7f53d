//! Pool memory is never issued twice, and residency changes are flushed once.

mod common;

use std::collections::HashSet;

use common::{Gate, buffer, device, on_devices};
use dacapo::{
    BufferPool, BufferView, Device, DeviceOptions, Error, Graph, MemoryKind, PoolOptions,
};

fn pool(device: &Device, slab_bytes: u64) -> BufferPool {
    let options = PoolOptions {
        slab_bytes,
        ..PoolOptions::default()
    };
    BufferPool::new(device, options)
}

/// Panics if two of the views share a byte.
fn assert_apart(views: &[BufferView]) {
    for (at, a) in views.iter().enumerate() {
        for b in &views[..at] {
            let same = a.allocation() == b.allocation();
            assert!(!same || !a.range().overlaps(&b.range()), "{a:?} and {b:?}");
        }
    }
}

fn place(view: &BufferView) -> (u32, u64) {
    (view.allocation().index(), view.offset())
}

#[test]
fn a_reset_in_flight_reissues_nothing_until_the_work_is_done() {
    let device = device(2);
    let (pool, gate) = (pool(&device, 4096), Gate::new());
    let first: Vec<_> = (0..8).map(|_| pool.allocate(500).unwrap()).collect();
    let old: HashSet<_> = first.iter().map(place).collect();
    let held = buffer(&device, 1);
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &held, 1).unwrap();
    // One block of the generation is enough to hold all of it.
    encoder.fill(&first[3], 7).unwrap();
    let submission = encoder.commit().unwrap();
    drop(first);
    pool.reset();
    let second: Vec<_> = (0..8).map(|_| pool.allocate(500).unwrap()).collect();
    assert_apart(&second);
    assert!(second.iter().all(|view| !old.contains(&place(view))));
    gate.open();
    submission.wait().unwrap();
    let third: Vec<_> = (0..8).map(|_| pool.allocate(500).unwrap()).collect();
    assert_eq!(third.iter().map(place).collect::<HashSet<_>>(), old);
}

#[test]
fn an_encoder_a_view_and_a_graph_hold_a_generation_too() {
    on_devices(1, |device| {
        let pool = pool(&device, 4096);
        let view = pool.allocate(256).unwrap();
        let part = view.slice(8..16).unwrap();
        let first = place(&view);
        drop(view);
        pool.reset();
        assert_ne!(
            place(&pool.allocate(256).unwrap()),
            first,
            "a slice is left"
        );
        let mut encoder = device.encoder("").unwrap();
        encoder.fill(&part, 1).unwrap();
        drop(part);
        assert_ne!(
            place(&pool.allocate(256).unwrap()),
            first,
            "an encoder is left"
        );
        drop(encoder);
        let view = pool.allocate(256).unwrap();
        assert_eq!(place(&view), first);
        let graph = Graph::capture(&device, |encoder| encoder.fill(&view, 1)).unwrap();
        drop(view);
        pool.reset();
        let others: Vec<_> = (0..40).map(|_| pool.allocate(256).unwrap()).collect();
        assert!(
            others.iter().all(|view| place(view) != first),
            "a graph is left"
        );
        drop(graph);
        let others: Vec<_> = (0..3).map(|_| pool.allocate(256).unwrap()).collect();
        assert!(
            others.iter().any(|view| place(view) == first),
            "nothing is left"
        );
    });
}

#[test]
fn release_then_reset_issues_each_block_once() {
    on_devices(1, |device| {
        let pool = pool(&device, 1 << 16);
        for round in 0..20 {
            let mut live = Vec::new();
            for at in 0..60u64 {
                live.push(pool.allocate(100 + 97 * (at * 31 % 17)).unwrap());
                if at % 3 == round % 3 {
                    let at = (at as usize * 7) % live.len();
                    pool.release(live.swap_remove(at)).unwrap();
                }
                assert_apart(&live);
            }
            for view in live.drain(..).step_by(2) {
                pool.release(view).unwrap();
            }
            pool.reset();
        }
        let owned = pool.owned_bytes();
        assert!(owned <= 3 << 16, "{owned} bytes for 60 blocks at a time");
    });
}

#[test]
fn what_is_not_out_cannot_be_released() {
    on_devices(1, |device| {
        let (pool, other) = (pool(&device, 4096), pool(&device, 4096));
        let refused = |view: BufferView| matches!(pool.release(view), Err(Error::NotInPool { .. }));
        let first = pool.allocate(300).unwrap();
        assert!(refused(other.allocate(300).unwrap()), "another pool's");
        assert!(
            refused(buffer(&device, 100).slice(..).unwrap()),
            "no pool's"
        );
        assert!(refused(first.slice(8..).unwrap()), "the middle of a block");
        pool.release(first.clone()).unwrap();
        assert!(refused(first.clone()), "released before");
        let second = loop {
            // Fresh memory comes first; the released block once the slab is used up.
            let view = pool.allocate(300).unwrap();
            if place(&view) == place(&first) {
                break view;
            }
        };
        assert!(
            refused(first),
            "a view from before the block was issued again"
        );
        pool.release(second.clone()).unwrap();
        pool.reset();
        assert!(refused(second), "another generation's");
    });
}

#[test]
fn an_adopted_buffer_never_serves_more_than_it_holds() {
    let device = device(1);
    for len in [
        256, 257, 300, 511, 512, 700, 1000, 1023, 1024, 1500, 5000, 12345,
    ] {
        let pool = pool(&device, 256);
        let adopted = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
        let id = adopted.allocation();
        pool.adopt(adopted.clone()).unwrap();
        assert!(
            matches!(pool.adopt(adopted), Err(Error::NotInPool { .. })),
            "twice"
        );
        let mut served = 0;
        for asked in (1..2 * len).rev() {
            let view = pool.allocate(asked).unwrap();
            if view.allocation() == id {
                assert!(asked <= len && view.range().end <= len, "{asked} of {len}");
                served += 1;
            }
        }
        assert_eq!(served, 1, "it was issued, and once, of {len} bytes");
    }
    let pool = pool(&device, 4096);
    assert!(
        pool.adopt(device.buffer(255, MemoryKind::DeviceLocal).unwrap())
            .is_err()
    );
    assert!(
        pool.adopt(device.import("file", vec![0; 4096]).unwrap())
            .is_err()
    );
    let foreign = device
        .reopen()
        .unwrap()
        .buffer(4096, MemoryKind::DeviceLocal);
    assert!(pool.adopt(foreign.unwrap()).is_err());
}

#[test]
fn a_pool_stays_within_the_budget_and_survives_its_end() {
    let device = Device::open(&DeviceOptions {
        memory_limit: Some(10_000),
        ..DeviceOptions::cpu()
    })
    .unwrap();
    let pool = pool(&device, 4096);
    let mut live: Vec<_> = std::iter::from_fn(|| pool.allocate(1000).ok()).collect();
    assert_eq!((live.len(), pool.owned_bytes()), (8, 8192));
    assert!(matches!(pool.allocate(1000), Err(Error::OverBudget { .. })));
    assert!(matches!(
        pool.allocate(u64::MAX),
        Err(Error::OverBudget { .. })
    ));
    assert!(matches!(pool.allocate(0), Err(Error::EmptyBuffer)));
    pool.release(live.pop().unwrap()).unwrap();
    live.push(pool.allocate(1000).unwrap());
    assert_apart(&live);
    drop(pool);
    assert_eq!(device.memory_budget().used, 8192, "views keep their slabs");
    drop(live);
    assert_eq!(device.memory_budget().used, 0);
}

#[test]
fn residency_changes_are_flushed_once_and_clones_count_once() {
    on_devices(1, |device| {
        let set = device.residency_set();
        let flushes = || device.counters().residency_flushes;
        let commit = || {
            device
                .encoder("")
                .unwrap()
                .commit()
                .unwrap()
                .wait()
                .unwrap()
        };
        let before = flushes();
        commit();
        assert_eq!(flushes(), before, "no change, no flush");

        let buffers: Vec<_> = (0..200).map(|_| buffer(&device, 16)).collect();
        for buffer in &buffers {
            assert!(set.add(buffer).unwrap());
            assert!(!set.add(&buffer.clone()).unwrap(), "a clone");
            assert!(!set.add(&buffer.slice(4..8).unwrap()).unwrap(), "a view");
        }
        assert_eq!(
            (set.len(), device.resident_bytes(), flushes()),
            (200, 0, before),
            "staged"
        );
        let kept = buffers[100..].to_vec();
        drop(buffers);
        assert_eq!(set.len(), 100, "what is freed leaves by itself");
        commit();
        assert_eq!((device.resident_bytes(), flushes()), (100 * 64, before + 1));
        commit();
        assert_eq!(flushes(), before + 1);

        let second = device.residency_set();
        assert!(second.add(&kept[0]).unwrap());
        assert!(set.remove(&kept[0].slice(..1).unwrap()));
        assert!(!set.remove(&kept[0]) && !set.contains(&kept[0]));
        commit();
        assert_eq!(
            device.resident_bytes(),
            100 * 64,
            "the other set still wants it"
        );
        drop(second);
        commit();
        assert_eq!(device.resident_bytes(), 99 * 64);

        let foreign = buffer(&device.reopen().unwrap(), 16);
        assert!(matches!(
            set.add(&foreign),
            Err(Error::ForeignDevice { .. })
        ));
        assert!(!set.contains(&foreign) && !set.remove(&foreign));
    });
}
