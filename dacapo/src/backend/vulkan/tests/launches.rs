//! Launches in which something goes wrong, and launches whose barriers are spoilt.

use ash::vk;

use super::canaries::{looks_across_submissions, on_watched};
use super::{buffer, device, double, gpu, one};
use crate::backend::vulkan::gpu::Spoilt;
use crate::{
    Buffer, Bytes, Device, Error, Executable, Fault, Graph, Launch, Plan, PlanOptions, Result,
    Split, Update,
};

const APART: Split = Split { first: 1, rest: 1 };
const TOGETHER: Split = Split {
    first: 100,
    rest: 100,
};

struct Chain {
    buffers: [Buffer; 3],
    plan: Plan,
}

/// `b = 2 a + 1`, then `c = 2 b + 1`.
fn chain(device: &Device) -> Chain {
    let kernel = double(device);
    let buffers = [(); 3].map(|()| buffer(device, 64));
    let [a, b, c] = &buffers;
    let graph = Graph::capture(device, |encoder| {
        encoder.dispatch(&kernel, (a, b, Bytes(&1u32)), one())?;
        encoder.dispatch(&kernel, (b, c, Bytes(&1u32)), one())
    });
    Chain {
        plan: graph.unwrap().plan(&PlanOptions::default()).unwrap(),
        buffers,
    }
}

/// Does something while barriers are spoilt.
fn spoiling<R>(device: &Device, how: Spoilt, work: impl FnOnce() -> R) -> R {
    gpu(device).injected.lock().barrier = Some(how);
    let done = work();
    gpu(device).injected.lock().barrier = None;
    done
}

#[track_caller]
fn assert_noticed(outcome: Result<()>, kind: &str) {
    let message = outcome.expect_err("the layer must notice").to_string();
    assert!(message.contains(kind), "{message}");
}

fn run(executable: &Executable, label: &str) -> Result<()> {
    executable.launch(label)?.wait()
}

#[test]
fn a_barrier_left_out_of_a_part_is_noticed() {
    on_watched(|device| {
        let Chain { plan, .. } = chain(device);
        // Within one command buffer the layer notices while it is recorded.
        let spoilt = spoiling(device, Spoilt::Wave, || plan.instantiate_with(TOGETHER));
        assert_noticed(spoilt.map(drop), "READ_AFTER_WRITE");
        run(&plan.instantiate_with(TOGETHER).unwrap(), "sound").unwrap();
    });
}

#[test]
fn a_barrier_left_out_between_parts_is_noticed() {
    let test = "a_barrier_left_out_between_parts_is_noticed";
    if !looks_across_submissions(module_path!(), test) {
        return;
    }
    on_watched(|device| {
        let Chain { plan, .. } = chain(device);
        let executable = spoiling(device, Spoilt::Wave, || {
            plan.instantiate_with(APART).unwrap()
        });
        assert_noticed(run(&executable, "canary"), "READ_AFTER_WRITE");
        run(&plan.instantiate_with(APART).unwrap(), "sound").unwrap();
    });
}

#[test]
fn a_barrier_left_out_between_launches_is_noticed() {
    let test = "a_barrier_left_out_between_launches_is_noticed";
    if !looks_across_submissions(module_path!(), test) {
        return;
    }
    on_watched(|device| {
        let Chain { plan, .. } = chain(device);
        // Of launches of several parts the layer (1.3.239) compares none with the launch before.
        let executable = plan.instantiate_with(TOGETHER).unwrap();
        let launches = spoiling(device, Spoilt::Submission, || {
            [(); 2].map(|()| executable.launch("canary").unwrap())
        });
        launches[0].wait().unwrap();
        assert_noticed(launches[1].wait(), "WRITE_AFTER");
    });
}

#[test]
fn barriers_around_updates_and_fetches_are_needed() {
    let test = "barriers_around_updates_and_fetches_are_needed";
    if !looks_across_submissions(module_path!(), test) {
        return;
    }
    on_watched(|device| {
        let Chain {
            plan,
            buffers: [a, _, c],
        } = chain(device);
        let executable = plan.instantiate_with(APART).unwrap();
        let values = [7u32; 64];
        let updates = [Update::new(&a, &values)];
        let updated = Launch {
            label: "canary",
            updates: &updates,
            ..Launch::default()
        };
        let fetching = Launch {
            updates: &[],
            fetch: Some(&c),
            ..updated
        };
        for launch in [updated, fetching] {
            let launched = spoiling(device, Spoilt::Visibility, || {
                executable.launch_with(&launch).unwrap()
            });
            assert_noticed(launched.wait(), "READ_AFTER_WRITE");
        }
        // Recordings whose barriers are spoilt are used again: the rest is for a device of its own.
        let Chain {
            plan,
            buffers: [a, _, c],
        } = &chain(&device.reopen().unwrap());
        let executable = plan.instantiate_with(APART).unwrap();
        let launch = executable.launch_with(&Launch {
            label: "sound",
            updates: &[Update::new(a, &values)],
            fetch: Some(c),
            ..Launch::default()
        });
        assert_eq!(launch.unwrap().fetched::<u32>().unwrap(), [31; 64]);
    });
}

#[test]
fn a_device_lost_in_a_launch_is_lost_for_the_executable() {
    for while_submitting in [true, false] {
        let Some(device) = device(|_| ()) else {
            return;
        };
        let Chain {
            mut plan,
            buffers: [a, ..],
        } = chain(&device);
        let mut executable = plan.instantiate_with(APART).unwrap();
        run(&executable, "sound").unwrap();
        let lost = Some(vk::Result::ERROR_DEVICE_LOST);
        match while_submitting {
            true => gpu(&device).injected.lock().submitting = lost,
            false => gpu(&device).injected.lock().waiting = lost,
        }
        let is_lost = |result: Result<()>, label: &str| match result.unwrap_err() {
            Error::Submission(failure) => {
                assert_eq!(&*failure.label, label);
                matches!(failure.fault, Fault::DeviceLost(_))
            }
            Error::DeviceLost { reason, .. } => reason.contains("ERROR_DEVICE_LOST"),
            other => panic!("{other}"),
        };
        for label in ["first", "second"] {
            let launch = executable.launch_with(&Launch {
                label,
                updates: &[Update::new(&a, &[1u32; 64])],
                fetch: Some(&a),
                ..Launch::default()
            });
            let launch = launch.unwrap();
            assert!(is_lost(launch.wait(), label));
            assert!(is_lost(launch.fetched::<u32>().map(drop), label));
        }
        assert!(is_lost(
            plan.replay_with("once", APART).unwrap().wait(),
            "once"
        ));
        assert!(is_lost(plan.instantiate().map(drop), ""));
        executable.set_inline(0, &9u32.to_ne_bytes()).unwrap();
        // The patch cannot be recorded any more.
        assert!(is_lost(executable.launch("patched").map(drop), ""));
        drop(executable);
        let again = device.reopen().unwrap();
        plan = chain(&again).plan;
        run(&plan.instantiate().unwrap(), "afresh").unwrap();
    }
}

#[test]
fn memory_that_runs_out_fails_one_launch() {
    let Some(device) = device(|_| ()) else {
        return;
    };
    let Chain {
        plan,
        buffers: [a, _, c],
    } = chain(&device);
    a.write(&[1u32; 64]).unwrap();
    let executable = plan.instantiate_with(APART).unwrap();
    let run_out = || {
        gpu(&device).injected.lock().submitting = Some(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY);
    };
    run_out();
    let failed = executable.launch("decode").unwrap();
    let Err(Error::Submission(failure)) = failed.wait() else {
        panic!("it must fail");
    };
    assert!(matches!(failure.fault, Fault::OutOfMemory(_)), "{failure}");
    assert_eq!(&*failure.label, "decode");
    c.read::<u32>().unwrap_err();
    run(&executable, "decode").unwrap();
    assert_eq!(c.read::<u32>().unwrap(), [7; 64]);

    // A plan in parts: the first fails, and the second is left out.
    c.write(&[0u32; 64]).unwrap();
    run_out();
    let parts = plan.replay_with("prefill", APART).unwrap();
    for _ in 0..2 {
        let Err(Error::Submission(failure)) = parts.wait() else {
            panic!("it must fail");
        };
        assert!(matches!(failure.fault, Fault::OutOfMemory(_)), "{failure}");
        assert_eq!(&*failure.label, "prefill");
    }
    c.read::<u32>().unwrap_err();
    plan.replay_with("prefill", APART).unwrap().wait().unwrap();
    assert_eq!(c.read::<u32>().unwrap(), [7; 64]);
}
