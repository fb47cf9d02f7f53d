//! A steady loop of submissions allocates nothing, on any thread.

#![allow(unsafe_code, reason = "a global allocator that counts")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{buffer, device, step_kernel};
use dacapo::{
    Access, Buffer, BufferPool, Bytes, Device, Graph, Grid, Kernel, KernelSource, Launch,
    PlanOptions, PoolOptions, Result, SharedMemory, Split, Update,
};

struct Counting;

/// Held by the test that counts.
static ALONE: Mutex<()> = Mutex::new(());

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on; the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Pass {
    device: Device,
    step: Kernel,
    shared: Kernel,
    buffers: Vec<Buffer>,
    grid: Buffer,
}

impl Pass {
    /// Some 300 dispatches in nested scopes, with and without conflicts.
    fn encode(&self, encoder: &mut dacapo::CommandEncoder) -> Result<()> {
        for layer in 0..50u32 {
            let at = layer as usize % (self.buffers.len() - 1);
            let (x, y) = (&self.buffers[at], &self.buffers[at + 1]);
            let mut outer = encoder.scope("layer");
            for part in 0..2u32 {
                let mut inner = outer.scope("a part of it");
                inner.dispatch(&self.step, (x, Bytes(&part)), Grid::groups([4, 1, 1]))?;
                inner.copy(&x.slice(..32)?, &y.slice(32..)?)?;
                let grid = Grid::indirect(&self.grid).with_shared_memory(1 << 14);
                inner.dispatch(&self.shared, (y,), grid)?;
            }
            if layer % 9 == 0 {
                outer.barrier();
            }
        }
        Ok(())
    }
}

#[test]
fn encoding_running_waiting_and_replaying_allocate_nothing() {
    let _alone = ALONE.lock().unwrap();
    for threads in [1, 3] {
        let device = device(threads);
        let source = KernelSource::new("shared")
            .binding::<u32>(0, Access::ReadWrite)
            .shared_memory(SharedMemory::Dynamic { max: 1 << 14 })
            .cpu(|group| {
                group.shared::<u32>()[0] = 1;
                Ok(())
            });
        let pass = Pass {
            step: step_kernel(&device),
            shared: device.kernel(&source).unwrap(),
            buffers: (0..9).map(|_| buffer(&device, 16)).collect(),
            grid: buffer(&device, 3),
            device: device.clone(),
        };
        pass.grid.write(&[64u32, 1, 1]).unwrap();
        let graph = Graph::capture(&device, |encoder| pass.encode(encoder)).unwrap();
        let pool = BufferPool::new(&device, PoolOptions::default());
        let block = pool.allocate(1000).unwrap();
        let mut result = [0u32; 16];
        let round = || {
            let mut encoder = pass.device.encoder("live").unwrap();
            pass.encode(&mut encoder).unwrap();
            encoder.fill(&block, 1).unwrap();
            encoder.commit().unwrap().wait().unwrap();
            graph.replay("replay").unwrap().wait().unwrap();
            pass.buffers[3].read_into(&mut result).unwrap();
        };
        assert_steady(&format!("{threads} threads"), round);
    }
}

#[test]
fn launching_updating_and_fetching_allocate_nothing() {
    let _alone = ALONE.lock().unwrap();
    // Not on the interpreter, which makes each wave ready anew.
    let launching = |device: Device| {
        let [x, y] = [(); 2].map(|()| buffer(&device, 64));
        let step = step_kernel(&device);
        let graph = Graph::capture(&device, |encoder| {
            for value in 0..40u32 {
                let mut scope = encoder.scope("step");
                scope.dispatch(&step, (&x, Bytes(&value)), Grid::groups([1, 1, 1]))?;
                scope.copy(&x, &y)?;
            }
            Ok::<(), dacapo::Error>(())
        });
        let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
        let split = Split { first: 8, rest: 8 };
        let executable = plan.instantiate_with(split).unwrap();
        let part = x.slice(..16).unwrap();
        let mut result = [0u32; 64];
        let round = || {
            let values = [7u32; 4];
            let launch = Launch {
                label: "step",
                updates: &[Update::new(&part, &values)],
                fetch: Some(&y),
                ..Launch::default()
            };
            let plain = executable.launch("plain").unwrap();
            let [first, second] = [(); 2].map(|()| executable.launch_with(&launch).unwrap());
            second.fetched_into(&mut result).unwrap();
            first.wait().unwrap();
            plain.wait().unwrap();
        };
        assert_steady(&device.info().name, round);
    };
    launching(device(2));
    common::on_vulkan(launching);
    common::on_metal(launching);
}

/// Some of the first rounds may allocate what later ones use again, and threads may still be starting: rounds that
/// allocated each time would do so in every window.
fn assert_steady(what: &str, mut round: impl FnMut()) {
    let mut window = || {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..200).for_each(|_| round());
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    let mut counts = vec![window()];
    assert!(counts[0] > 0, "the counter counts");
    // On a busy machine more submissions can be in flight in one window than in any before.
    while counts.len() < 12 && counts.last() != Some(&0) {
        counts.push(window());
    }
    assert!(
        counts.contains(&0),
        "{what}: {counts:?} allocations in 200 rounds each"
    );
}
