//! Counts of calls, which the double keeps. They are of the whole process: one test at a time counts.

use core::ffi::CStr;
use std::time::{Duration, Instant};

use dacapo::{
    Bytes, CommandEncoder, Graph, Grid, Hazards, Launch, MemoryKind, PlanOptions, Update,
};

use crate::common::metal;
use crate::double::{alone, count, live};
use crate::{Params, axpy};

/// How often each was called while `work` ran.
fn counted<const N: usize>(names: [&CStr; N], work: impl FnOnce()) -> [u64; N] {
    let before = names.map(count);
    work();
    let after = names.map(count);
    core::array::from_fn(|at| after[at] - before[at])
}

const PASS: [&CStr; 4] = [
    c"command_buffers",
    c"compute_encoders",
    c"dispatches",
    c"barriers",
];

/// Ten dispatches that depend on each other in pairs.
fn encode(encoder: &mut CommandEncoder) -> dacapo::Result<()> {
    let device = encoder.device();
    let kernel = axpy(&device);
    let x = device.buffer(256, MemoryKind::DeviceLocal)?;
    for _ in 0..5 {
        let y = device.buffer(256, MemoryKind::DeviceLocal)?;
        let params = Params { a: 1.0, n: 64 };
        for _ in 0..2 {
            let grid = Grid::threads([64, 1, 1]);
            encoder.dispatch(&kernel, (&x, &y, Bytes(&params)), grid)?;
        }
    }
    Ok(())
}

#[test]
fn a_forward_pass_is_one_command_buffer_and_one_encoder() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    let graph = Graph::capture(&device, encode).unwrap();
    let live = counted(PASS, || {
        let mut encoder = device.encoder("live").unwrap();
        encode(&mut encoder).unwrap();
        assert_eq!(encoder.barriers().len(), 5);
        encoder.commit().unwrap().wait().unwrap();
    });
    assert_eq!(live, [1, 1, 10, 5]);
    let plan = graph.plan(&PlanOptions::default()).unwrap();
    assert_eq!(plan.waves().len(), 2);
    let replayed = counted(PASS, || plan.replay("plan").unwrap().wait().unwrap());
    assert_eq!(replayed[3], 1, "barriers equal to waves minus one");
    let executable = plan.instantiate().unwrap();
    let launched = counted(PASS, || {
        executable.launch("launch").unwrap().wait().unwrap()
    });
    assert_eq!(launched, [1, 1, 10, 1]);
}

#[test]
fn updates_and_fetches_are_dispatches_of_the_same_pass() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    let [x, y] = [(); 2].map(|()| device.buffer(256, MemoryKind::DeviceLocal).unwrap());
    let kernel = axpy(&device);
    let graph = Graph::capture(&device, |encoder| {
        let params = Params { a: 1.0, n: 64 };
        encoder.dispatch(&kernel, (&x, &y, Bytes(&params)), Grid::threads([64, 1, 1]))
    });
    let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
    let executable = plan.instantiate().unwrap();
    let launch = || {
        let submission = executable.launch_with(&Launch {
            updates: &[Update::new(&x, &[2.0f32; 64])],
            fetch: Some(&y),
            ..Launch::default()
        });
        let mut found = [0.0f32; 64];
        submission.unwrap().fetched_into(&mut found).unwrap();
        found
    };
    assert_eq!(launch(), [2.0; 64]);
    let names = [
        c"command_buffers",
        c"compute_encoders",
        c"blit_encoders",
        c"barriers",
        c"buffers",
    ];
    let counts = counted(names, || assert_eq!(launch(), [4.0; 64]));
    assert_eq!(counts, [1, 1, 0, 2, 0]);
}

/// A hundred allocations come and go, and a set that holds them all.
#[test]
fn a_submission_commits_residency_at_most_once() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    let set = device.residency_set();
    let submit = || {
        let mut encoder = device.encoder("empty").unwrap();
        encoder
            .fill(&device.buffer(64, MemoryKind::DeviceLocal).unwrap(), 0)
            .unwrap();
        encoder.commit().unwrap().wait().unwrap();
    };
    let residency = [c"residency_commits"];
    let mut buffers = Vec::new();
    let coming = counted(residency, || {
        for _ in 0..100 {
            let buffer = device.buffer(4096, MemoryKind::DeviceLocal).unwrap();
            set.add(&buffer).unwrap();
            buffers.push(buffer);
        }
        submit();
    });
    let going = counted(residency, || {
        buffers.clear();
        submit();
    });
    let nothing = counted(residency, submit);
    assert_eq!([coming, going, nothing], [[1], [1], [0]]);
}

#[test]
fn serial_encoders_need_no_barriers() {
    let _alone = alone();
    let Some(device) = metal(|options| options.hazards = Hazards::Serial) else {
        return;
    };
    let counts = counted(PASS, || {
        let mut encoder = device.encoder("serial").unwrap();
        encode(&mut encoder).unwrap();
        encoder.commit().unwrap().wait().unwrap();
    });
    assert_eq!(counts, [1, 1, 10, 0]);
}

/// A thousand encoders that are never committed, and everything else that was made, are given back.
#[test]
fn dropped_encoders_and_devices_leave_nothing() {
    let _alone = alone();
    let classes = [
        c"MTLCommandBuffer",
        c"MTLComputeCommandEncoder",
        c"MTLBuffer",
        c"MTLComputePipelineState",
    ];
    let before = classes.map(live);
    {
        let Some(device) = metal(|_| ()) else { return };
        for _ in 0..1000 {
            let mut encoder = device.encoder("dropped").unwrap();
            encode(&mut encoder).unwrap();
        }
        assert!(live(c"MTLCommandBuffer") <= before[0] + 1);
        let mut encoder = device.encoder("run").unwrap();
        encode(&mut encoder).unwrap();
        encoder.commit().unwrap().wait().unwrap();
    }
    // What was in flight before may be gone meanwhile, and Metal lets go of a command buffer a little after it has said
    // that it is completed.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = classes.map(live);
        let mut pairs = left.iter().zip(before);
        if pairs.all(|(left, before)| *left <= before) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{left:?} are left, {before:?} were there"
        );
        std::thread::yield_now();
    }
}
