//! Executables: launches in flight, what they keep, who may touch it meanwhile, and what they count.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

mod common;

use std::sync::Barrier;

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{
    Access, Buffer, BufferPool, Bytes, Device, Error, Fault, Graph, Grid, Hazards, KernelFault,
    KernelSource, MemoryKind, PlanOptions, PoolOptions, Split, Submission, WhenBusy,
};

/// Every wave is a part.
const SHORT: Split = Split { first: 1, rest: 1 };

/// `x = 3 x + value` for each value, one after the other.
fn steps(device: &Device, target: &Buffer, values: &[u32]) -> Graph {
    let step = step_kernel(device);
    Graph::capture(device, |encoder| {
        values
            .iter()
            .try_for_each(|value| encoder.dispatch(&step, (target, Bytes(value)), one()))
    })
    .unwrap()
}

fn after(start: u32, values: &[u32]) -> u32 {
    let step = |x: u32, value: &u32| x.wrapping_mul(3).wrapping_add(*value);
    values.iter().fold(start, step)
}

/// Holds the queue up until the gate is opened.
fn hold(device: &Device, gate: &Gate) -> Submission {
    let held = buffer(device, 1);
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &held, 1).unwrap();
    encoder.commit().unwrap()
}

#[test]
fn launches_in_flight_run_in_order_between_other_submissions() {
    on_devices(2, |device| {
        let (target, gate) = (buffer(&device, 4), Gate::new());
        let values = [1, 2, 3, 4, 5, 6, 7];
        let executable = steps(&device, &target, &values)
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate_with(SHORT)
            .unwrap();
        let held = hold(&device, &gate);
        let step = step_kernel(&device);
        let mut submissions = Vec::new();
        let mut expected = 0;
        for round in 0..20u32 {
            submissions.push(executable.launch("round").unwrap());
            let mut encoder = device.encoder("between").unwrap();
            encoder
                .dispatch(&step, (&target, Bytes(&round)), one())
                .unwrap();
            submissions.push(encoder.commit().unwrap());
            expected = after(after(expected, &values), &[round]);
        }
        assert!(submissions.iter().all(|launch| !launch.is_complete()));
        gate.open();
        assert_eq!(target.read::<u32>().unwrap(), [expected; 4]);
        held.wait().unwrap();
        for submission in &submissions {
            submission.wait().unwrap();
            assert!(submission.gpu_time().is_some());
        }
        let numbers: Vec<u64> = submissions.iter().map(Submission::number).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    });
}

#[test]
fn launches_keep_what_they_use_when_the_executable_is_gone() {
    on_devices(2, |device| {
        let gate = Gate::new();
        let used = device.memory_budget().used;
        let (target, result) = (buffer(&device, 64), buffer(&device, 64));
        let graph = Graph::capture(&device, |encoder| {
            encoder.fill(&target, 9)?;
            encoder.copy(&target, &result)
        })
        .unwrap();
        let executable = graph
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate_with(SHORT)
            .unwrap();
        drop((graph, target));
        let held = hold(&device, &gate);
        let launches = [(); 3].map(|()| executable.launch("last").unwrap());
        drop(executable);
        assert!(device.memory_budget().used >= used + 512);
        gate.open();
        assert_eq!(result.read::<u8>().unwrap(), [9; 256]);
        device.wait_idle().unwrap();
        launches.iter().for_each(|launch| launch.wait().unwrap());
        drop((held, launches, result));
        let unused = device.memory_budget().used;
        assert!(unused <= used + 256, "{unused} bytes are left of {used}");
    });
}

#[test]
fn a_generation_of_a_pool_is_kept_by_executables_and_by_launches() {
    // A pool grows behind everything on a GPU's queue, which would wait for the gate.
    let device = device(1);
    let options = PoolOptions {
        slab_bytes: 4096,
        ..PoolOptions::default()
    };
    let (pool, gate) = (BufferPool::new(&device, options), Gate::new());
    let block = pool.allocate(256).unwrap();
    let place = (block.allocation(), block.offset());
    let graph = Graph::capture(&device, |encoder| encoder.fill(&block, 1)).unwrap();
    let executable = graph
        .plan(&PlanOptions::default())
        .unwrap()
        .instantiate()
        .unwrap();
    drop((block, graph));
    pool.reset();
    let is_issued = || {
        let views = [(); 20].map(|()| pool.allocate(256).unwrap());
        let mut places = views.iter().map(|view| (view.allocation(), view.offset()));
        places.any(|other| other == place)
    };
    assert!(!is_issued(), "an executable is left");
    let held = hold(&device, &gate);
    let launch = executable.launch("in flight").unwrap();
    drop(executable);
    assert!(!is_issued(), "a launch is left");
    gate.open();
    launch.wait().unwrap();
    held.wait().unwrap();
    assert!(is_issued(), "nothing is left");
}

#[test]
fn the_host_and_launches_exclude_each_other() {
    on_devices(2, |device| {
        let gate = Gate::new();
        let (source, target) = (buffer(&device, 16), buffer(&device, 16));
        let other = buffer(&device, 16);
        let graph = Graph::capture(&device, |encoder| encoder.copy(&source, &target)).unwrap();
        let plan = graph.plan(&PlanOptions::default()).unwrap();
        let executable = plan.instantiate().unwrap();

        let refused = |result: Result<Submission, Error>| match result {
            Err(Error::Mapped { mapped, asked, .. }) => (mapped, asked),
            other => panic!("{other:?}"),
        };
        let reads = "a submission that reads it";
        let writes = "a submission that writes it";
        for launch in [
            &(|| executable.launch("refused")) as &dyn Fn() -> _,
            &(|| plan.replay("refused")),
        ] {
            let writing = source.map_write(WhenBusy::Wait).unwrap();
            assert_eq!(refused(launch()), ("writing", reads));
            drop(writing);
            let reading = target.map_read(WhenBusy::Wait).unwrap();
            assert_eq!(refused(launch()), ("reading", writes));
            drop(reading);
        }
        // Reading beside reading is no conflict, and what was refused has left nothing behind.
        source.write(&[7u32; 16]).unwrap();
        let reading = source.map_read(WhenBusy::Refuse).unwrap();
        executable.launch("granted").unwrap().wait().unwrap();
        drop(reading);
        assert_eq!(target.read::<u32>().unwrap(), [7; 16]);

        let held = hold(&device, &gate);
        let launch = executable.launch("in flight").unwrap();
        let busy = |result: Result<(), Error>| match result {
            Err(Error::Busy { submission, .. }) => submission == launch.number(),
            _ => false,
        };
        assert!(busy(source.map_write(WhenBusy::Refuse).map(drop)));
        assert!(busy(target.map_read(WhenBusy::Refuse).map(drop)));
        if device.gpu().is_none() {
            // Where the host does not see memory, it is copied behind everything on the queue.
            source.map_read(WhenBusy::Refuse).unwrap();
            other.map_write(WhenBusy::Refuse).unwrap();
        }
        gate.open();
        source.write(&[8u32; 16]).unwrap();
        assert_eq!(target.read::<u32>().unwrap(), [7; 16]);
        held.wait().unwrap();
    });
}

#[test]
fn threads_launch_one_executable() {
    const THREADS: usize = 4;
    const LAUNCHES: usize = 25;
    on_devices(2, |device| {
        let counter = buffer(&device, 1);
        counter.write(&[0u32]).unwrap();
        let one_more = KernelSource::new("one more")
            .binding::<u32>(0, Access::ReadWrite)
            .cpu(|group| {
                // SAFETY: there is one workgroup.
                let cell = unsafe { group.write::<u32>(0, 0..1) };
                cell[0] += 1;
                Ok(())
            })
            .wgsl(dacapo::Wgsl::new(
                "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
                 @compute @workgroup_size(1) fn main() { x[0] += 1u; }",
            ));
        let one_more = device.kernel(&one_more).unwrap();
        let graph = Graph::capture(&device, |encoder| {
            (0..10).try_for_each(|_| encoder.dispatch(&one_more, (&counter,), one()))
        });
        let executable = graph
            .unwrap()
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate_with(SHORT)
            .unwrap();
        let start = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..LAUNCHES {
                        executable.launch("shared").unwrap();
                    }
                });
            }
        });
        let expected = (THREADS * LAUNCHES * 10) as u32;
        assert_eq!(counter.read::<u32>().unwrap(), [expected]);
    });
}

#[test]
fn a_launch_counts_as_a_replay_with_its_dispatches_and_barriers() {
    on_devices(2, |device| {
        let [a, b, c] = [(); 3].map(|()| buffer(&device, 16));
        for hazards in [Hazards::Auto, Hazards::Serial] {
            let graph = Graph::capture_with(&device, Some(hazards), |encoder| {
                encoder.fill(&a, 1)?;
                encoder.fill(&b, 2)?;
                encoder.copy(&a, &c)?;
                encoder.barrier();
                encoder.fill(&b.slice(..32)?, 3)
            })
            .unwrap();
            let plan = graph.plan(&PlanOptions::default()).unwrap();
            let executable = plan.instantiate().unwrap();
            let count = |work: &dyn Fn() -> Submission| {
                let before = device.counters();
                work().wait().unwrap();
                let mut counted = device.counters() - before;
                counted.waits = 0;
                counted
            };
            let replayed = count(&|| graph.replay("again").unwrap());
            assert_eq!(count(&|| executable.launch("again").unwrap()), replayed);
            assert_eq!(count(&|| plan.replay("again").unwrap()), replayed);
            assert_eq!((replayed.replays, replayed.dispatches), (1, 4));
            assert_eq!(
                replayed.barriers(),
                if hazards == Hazards::Auto { 2 } else { 3 }
            );
            let before = device.counters();
            plan.replay_with("parts", SHORT).unwrap().wait().unwrap();
            let counted = device.counters() - before;
            assert_eq!(counted.submissions, plan.waves().len() as u64);
            assert_eq!((counted.replays, counted.dispatches), (1, 4));
        }
    });
}

#[test]
fn an_empty_plan_can_be_run() {
    on_devices(1, |device| {
        let graph = Graph::capture(&device, |_| Ok::<(), Error>(())).unwrap();
        let plan = graph.plan(&PlanOptions::default()).unwrap();
        let executable = plan.instantiate().unwrap();
        executable.launch("nothing").unwrap().wait().unwrap();
        plan.replay("nothing").unwrap().wait().unwrap();
    });
}

/// Fails as long as its buffer holds 0.
fn gatekeeper(device: &Device) -> dacapo::Kernel {
    let source = KernelSource::new("gatekeeper")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Write)
        .cpu(|group| match group.read::<u32>(0)[0] {
            0 => Err(KernelFault::new("nobody is let in")),
            1 => panic!("the gatekeeper is confused"),
            pass => {
                // SAFETY: there is one workgroup.
                let cell = unsafe { group.write::<u32>(1, 0..1) };
                cell[0] = pass;
                Ok(())
            }
        });
    device.kernel(&source).unwrap()
}

#[test]
fn a_failed_launch_says_where_and_the_executable_goes_on() {
    for threads in [1, 3] {
        let device = device(threads);
        let kernel = gatekeeper(&device);
        let [pass, seen, copied] = [(); 3].map(|()| buffer(&device, 1));
        let graph = Graph::capture(&device, |encoder| {
            let mut layer = encoder.scope("layer 3");
            layer
                .scope("door")
                .dispatch(&kernel, (&pass, &seen), one())?;
            layer.copy(&seen, &copied)
        })
        .unwrap();
        let plan = graph.plan(&PlanOptions::default()).unwrap();
        let executable = plan.instantiate_with(SHORT).unwrap();
        let launches: [&dyn Fn(&str) -> Submission; 2] =
            [&|label| executable.launch(label).unwrap(), &|label| {
                plan.replay_with(label, SHORT).unwrap()
            }];
        for launch in launches {
            for (value, text) in [
                (0u32, "nobody is let in"),
                (1, "the gatekeeper is confused"),
            ] {
                copied.write(&[77u32]).unwrap();
                pass.write(&[value]).unwrap();
                let failed = launch("step 5");
                let behind = launch("step 6");
                let error = failed.wait().unwrap_err();
                let message = error.to_string();
                for part in ["step 5", "layer 3/door", "gatekeeper", text] {
                    assert!(message.contains(part), "{message:?} lacks {part:?}");
                }
                let Error::Submission(failure) = error else {
                    panic!("{error}");
                };
                assert_eq!(matches!(failure.fault, Fault::Panic(_)), value == 1);
                assert!(behind.wait().unwrap_err().to_string().contains("step 6"));
                // Nothing behind the failure ran, and what it should have written is not passed off as written.
                copied.read::<u32>().unwrap_err();
                seen.read::<u32>().unwrap_err();

                pass.write(&[5u32]).unwrap();
                launch("step 7").wait().unwrap();
                assert_eq!(copied.read::<u32>().unwrap(), [5]);
            }
        }
    }
}

#[test]
fn indirect_grids_are_read_by_each_launch() {
    on_devices(2, |device| {
        let source = KernelSource::new("mark")
            .binding::<u32>(0, Access::ReadWrite)
            .cpu(|group| {
                let at = group.id()[0] as usize;
                // SAFETY: workgroup `n` alone writes element `n`.
                let cell = unsafe { group.write::<u32>(0, at..at + 1) };
                cell[0] += 1;
                Ok(())
            })
            .wgsl(dacapo::Wgsl::new(
                "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
                 @compute @workgroup_size(1)
                 fn main(@builtin(workgroup_id) id: vec3<u32>) { x[id.x] += 1u; }",
            ));
        let mark = device.kernel(&source).unwrap();
        let (grid, target) = (buffer(&device, 3), buffer(&device, 8));
        target.write(&[0u32; 8]).unwrap();
        let graph = Graph::capture(&device, |encoder| {
            encoder.dispatch(&mark, (&target,), Grid::indirect(&grid))
        });
        let executable = graph
            .unwrap()
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate()
            .unwrap();
        for groups in [3u32, 0, 8, 1] {
            grid.write(&[groups, 1, 1]).unwrap();
            executable.launch("some").unwrap().wait().unwrap();
        }
        assert_eq!(target.read::<u32>().unwrap(), [3, 2, 2, 1, 1, 1, 1, 1]);
    });
}

#[test]
fn imported_memory_is_read_by_launches() {
    on_devices(2, |device| {
        let weights = device.import("weights", vec![5u8; 64]).unwrap();
        let target = device.buffer(64, MemoryKind::HostCached).unwrap();
        let graph = Graph::capture(&device, |encoder| encoder.copy(&weights, &target)).unwrap();
        let executable = graph
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate()
            .unwrap();
        drop((weights, graph));
        executable.launch("copy").unwrap();
        assert_eq!(target.read::<u8>().unwrap(), [5; 64]);
    });
}
