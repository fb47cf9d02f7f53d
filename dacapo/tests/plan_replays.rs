//! Plans that run once, in parts.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{Access, Bytes, Error, Graph, KernelFault, KernelSource, PlanOptions, Split};

const SHORT: Split = Split { first: 1, rest: 2 };

#[test]
fn parts_run_in_order_and_as_one_submission() {
    on_devices(2, |device| {
        let step = step_kernel(&device);
        let target = buffer(&device, 4);
        target.write(&[0u32; 4]).unwrap();
        let values: Vec<u32> = (0..300).collect();
        let graph = Graph::capture(&device, |encoder| {
            (values.iter())
                .try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(value)), one()))
        });
        let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
        let mut expected = 0u32;
        let mut run = |split| {
            let submission = plan.replay_with("parts", split).unwrap();
            expected = values
                .iter()
                .fold(expected, |x, value| x.wrapping_mul(3).wrapping_add(*value));
            assert_eq!(target.read::<u32>().unwrap(), [expected; 4]);
            submission.wait().unwrap();
            let times = submission.gpu_times().unwrap();
            assert_eq!(submission.gpu_time(), Some(times.end - times.start));
        };
        for (first, rest) in [(1, 1), (1, 7), (50, 100), (1000, 1), (0, 0)] {
            run(Split { first, rest });
        }
        run(Split::REPLAYED);
    });
}

#[test]
fn two_threads_replay_and_neither_gets_between_the_parts_of_the_other() {
    let device = device(2);
    let step = step_kernel(&device);
    let target = buffer(&device, 1);
    let plans = [3u32, 5].map(|value| {
        let graph = Graph::capture(&device, |encoder| {
            (0..40).try_for_each(|_| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
        });
        graph.unwrap().plan(&PlanOptions::default()).unwrap()
    });
    for _ in 0..20 {
        target.write(&[0u32]).unwrap();
        std::thread::scope(|scope| {
            for plan in &plans {
                scope.spawn(|| {
                    plan.replay_with("one of two", SHORT)
                        .unwrap()
                        .wait()
                        .unwrap()
                });
            }
        });
        let of = |x: u32, value: u32| (0..40).fold(x, |x, _| x.wrapping_mul(3).wrapping_add(value));
        let found = target.read::<u32>().unwrap()[0];
        assert!([of(of(0, 3), 5), of(of(0, 5), 3)].contains(&found));
    }
}

#[test]
fn a_failure_is_reported_once_and_later_parts_do_not_run() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    for threads in [1, 3] {
        let device = device(threads);
        // Fails where its constant is 0, and counts how often it is called.
        let source = KernelSource::new("counted")
            .binding::<u32>(0, Access::ReadWrite)
            .inline::<u32>()
            .cpu(|group| {
                CALLS.fetch_add(1, Ordering::SeqCst);
                match group.inline::<u32>() {
                    0 => Err(KernelFault::new("zero")),
                    _ => Ok(()),
                }
            });
        let counted = device.kernel(&source).unwrap();
        let target = buffer(&device, 1);
        let last = buffer(&device, 1);
        for bad in [0u32, 1, 7, 19] {
            let graph = Graph::capture(&device, |encoder| {
                for at in 0..20u32 {
                    let mut scope = encoder.scope("layer");
                    let value = u32::from(![bad, bad + 5].contains(&at));
                    scope.dispatch(&counted, (&target, Bytes(&value)), one())?;
                }
                encoder.copy(&target, &last)
            });
            let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
            CALLS.store(0, Ordering::SeqCst);
            let submission = plan.replay_with("step 4", SHORT).unwrap();
            for _ in 0..2 {
                let Err(Error::Submission(failure)) = submission.wait() else {
                    panic!("it must fail");
                };
                assert_eq!((&*failure.label, &*failure.scope), ("step 4", "layer"));
                assert_eq!(failure.fault.to_string(), "zero");
            }
            assert_eq!(CALLS.load(Ordering::SeqCst), bad as usize + 1);
            assert!(submission.gpu_times().is_some());
            // Also what parts that were left out should have written.
            last.read::<u32>().unwrap_err();
            target.read::<u32>().unwrap_err();
            device
                .encoder("behind")
                .unwrap()
                .commit()
                .unwrap()
                .wait()
                .unwrap();
            last.write(&[0u32]).unwrap();
        }
    }
}

#[test]
fn a_handle_is_complete_when_the_last_part_is() {
    let device = device(2);
    let step = step_kernel(&device);
    let (x, held) = (buffer(&device, 1), buffer(&device, 1));
    let gate = Gate::new();
    let graph = Graph::capture(&device, |encoder| {
        encoder.dispatch(&step, (&x, Bytes(&1u32)), one())?;
        gate.hold(encoder, &held, 4)?;
        encoder.barrier();
        encoder.dispatch(&step, (&x, Bytes(&2u32)), one())
    });
    let submission = graph
        .unwrap()
        .plan(&PlanOptions::default())
        .unwrap()
        .replay_with("held", SHORT)
        .unwrap();
    gate.wait_entered();
    assert!(!submission.is_complete());
    assert_eq!(submission.gpu_times(), None);
    gate.open();
    submission.wait().unwrap();
    assert!(submission.gpu_times().is_some());
    assert_eq!(x.read::<u32>().unwrap(), [5]);
}
