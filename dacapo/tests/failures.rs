//! Kernels that panic and fault: errors of their submission, not of the process.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

mod common;

use common::{Gate, buffer, device, one, step_kernel};
use dacapo::{
    Access, Bytes, CpuEntry, Device, Error, Fault, Grid, Kernel, KernelFault, KernelSource,
    SubmissionFailure, WhenBusy,
};
use std::sync::Arc;

/// A panic payload whose destructor panics with another of its kind, without end.
struct Hydra;

impl Drop for Hydra {
    fn drop(&mut self) {
        std::panic::panic_any(Hydra);
    }
}

const ENTRIES: [(&str, CpuEntry); 6] = [
    ("panics with text", |_| panic!("plain text")),
    ("panics with a string", |group| {
        panic!("group {}", group.id()[1])
    }),
    ("panics with a number", |_| std::panic::panic_any(7u64)),
    ("panics with a hydra", |_| std::panic::panic_any(Hydra)),
    ("faults", |_| {
        Err(KernelFault::new("token 9 is outside 0..4"))
    }),
    ("reads what it declared written", |group| {
        group.read::<u32>(0);
        Ok(())
    }),
];

const TEXTS: [&str; 6] = [
    "plain text",
    "group 0",
    "a value that is not text",
    "a value that is not text",
    "token 9 is outside 0..4",
    "slot 0 is declared write; read() takes slots declared read",
];

fn kernel(device: &Device, name: &'static str, entry: CpuEntry) -> Kernel {
    let source = KernelSource::new(name)
        .binding::<u32>(0, Access::Write)
        .cpu(entry);
    device.kernel(&source).unwrap()
}

fn failure(error: Error) -> Arc<SubmissionFailure> {
    match error {
        Error::Submission(failure) => failure,
        other => panic!("{other}"),
    }
}

#[test]
fn a_failed_submission_says_where_and_why_and_those_behind_it_run() {
    for threads in [1, 4] {
        let device = device(threads);
        let step = step_kernel(&device);
        for ((name, entry), text) in ENTRIES.into_iter().zip(TEXTS) {
            let (spoilt, sound) = (buffer(&device, 8), buffer(&device, 8));
            let bad = kernel(&device, name, entry);
            let mut encoder = device.encoder("decode 5").unwrap();
            encoder
                .dispatch(&step, (&sound, Bytes(&1u32)), one())
                .unwrap();
            {
                let mut layer = encoder.scope("layer 3");
                let mut inner = layer.scope("attention");
                inner
                    .dispatch(&bad, (&spoilt,), Grid::groups([64, 1, 1]))
                    .unwrap();
            }
            let first = encoder.commit().unwrap();
            let mut encoder = device.encoder("behind").unwrap();
            encoder
                .dispatch(&step, (&sound, Bytes(&2u32)), one())
                .unwrap();
            let second = encoder.commit().unwrap();

            second.wait().unwrap();
            assert!(first.is_complete());
            for _ in 0..2 {
                let error = first.wait().unwrap_err();
                let message = error.to_string();
                for part in [name, text, "decode 5", "layer 3/attention"] {
                    assert!(message.contains(part), "{message:?} does not name {part:?}");
                }
                let failure = failure(error);
                assert_eq!(failure.number, first.number());
                assert_eq!(matches!(failure.fault, Fault::Kernel(_)), name == "faults");
            }
            assert!(first.gpu_time().is_some());
            assert!(first.wait_timeout(std::time::Duration::ZERO).is_err());
            assert_eq!(
                failure(spoilt.read::<u32>().unwrap_err()).number,
                first.number(),
                "what it should have written"
            );
            assert!(spoilt.map_read(WhenBusy::Refuse).is_err());
            let copy = buffer(&device, 8);
            assert_eq!(
                copy.read::<u32>().unwrap(),
                [0; 8],
                "another buffer is sound"
            );

            // Part of it does not make the rest right; all of it does.
            spoilt.slice(..4).unwrap().write(&[1u32]).unwrap();
            spoilt.read::<u32>().unwrap_err();
            spoilt.write(&[5u32; 8]).unwrap();
            assert_eq!(spoilt.read::<u32>().unwrap(), [5; 8]);
        }
    }
}

#[test]
fn a_later_submission_that_overwrites_the_buffer_ends_its_error() {
    let device = device(2);
    let (target, step) = (buffer(&device, 4), step_kernel(&device));
    let bad = kernel(&device, ENTRIES[4].0, ENTRIES[4].1);
    let mut encoder = device.encoder("bad").unwrap();
    encoder.dispatch(&bad, (&target,), one()).unwrap();
    encoder.commit().unwrap().wait().unwrap_err();

    // A commit that is refused overwrites nothing.
    let other = buffer(&device, 4);
    let guard = other.map_read(WhenBusy::Wait).unwrap();
    let mut encoder = device.encoder("refused").unwrap();
    encoder.fill(&target, 1).unwrap();
    encoder.fill(&other, 1).unwrap();
    assert!(matches!(encoder.commit(), Err(Error::Mapped { .. })));
    drop(guard);
    device.wait_idle().unwrap();
    target.read::<u32>().unwrap_err();

    let mut encoder = device.encoder("good").unwrap();
    encoder
        .dispatch(&step, (&target, Bytes(&1u32)), one())
        .unwrap();
    encoder.commit().unwrap();
    assert_eq!(target.read::<u32>().unwrap(), [1; 4]);
}

#[test]
fn no_number_of_later_failures_hides_an_earlier_one() {
    let device = device(1);
    let targets: Vec<_> = (0..200).map(|_| buffer(&device, 1)).collect();
    let bad = kernel(&device, ENTRIES[4].0, ENTRIES[4].1);
    for target in &targets {
        let mut encoder = device.encoder("bad").unwrap();
        encoder.dispatch(&bad, (target,), one()).unwrap();
        encoder.commit().unwrap();
    }
    for (at, target) in targets.iter().enumerate() {
        let failure = failure(target.read::<u32>().unwrap_err());
        assert_eq!(failure.number, at as u64 + 1);
    }
}

#[test]
fn waves_behind_a_failed_dispatch_do_not_run() {
    let device = device(2);
    let (first, second) = (buffer(&device, 4), buffer(&device, 4));
    let bad = kernel(&device, ENTRIES[0].0, ENTRIES[0].1);
    let mut encoder = device.encoder("half").unwrap();
    encoder.dispatch(&bad, (&first,), one()).unwrap();
    encoder.copy(&first, &second).unwrap();
    let submission = encoder.commit().unwrap();
    submission.wait().unwrap_err();
    second.read::<u32>().unwrap_err();
}

#[test]
fn an_indirect_grid_beyond_the_limit_is_a_fault() {
    let device = device(2);
    let (grid, target) = (buffer(&device, 3), buffer(&device, 4));
    for bad in [[u32::MAX, 2, 1], [u32::MAX; 3]] {
        grid.write(&bad).unwrap();
        let mut encoder = device.encoder("huge").unwrap();
        let never = kernel(&device, ENTRIES[0].0, ENTRIES[0].1);
        encoder
            .dispatch(&never, (&target,), Grid::indirect(&grid))
            .unwrap();
        let failure = failure(encoder.commit().unwrap().wait().unwrap_err());
        match failure.fault {
            Fault::IndirectGrid { groups, limit } => {
                assert_eq!((groups, limit), (bad, u64::from(u32::MAX)));
            }
            ref other => panic!("{other}"),
        }
    }
    grid.write(&[0u32, 5, 5]).unwrap();
    let mut encoder = device.encoder("empty").unwrap();
    let never = kernel(&device, ENTRIES[0].0, ENTRIES[0].1);
    encoder
        .dispatch(&never, (&target,), Grid::indirect(&grid))
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
}

#[test]
fn a_failure_in_the_middle_of_a_queue_leaves_its_neighbours_alone() {
    let device = device(2);
    let (gate, held) = (Gate::new(), buffer(&device, 1));
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &held, 9).unwrap();
    let mut submissions = vec![encoder.commit().unwrap()];
    let targets: Vec<_> = (0..20).map(|_| buffer(&device, 1)).collect();
    for (at, target) in targets.iter().enumerate() {
        let mut encoder = device.encoder("queued").unwrap();
        let (name, entry) = ENTRIES[at % ENTRIES.len()];
        match at % 2 {
            0 => encoder.dispatch(&kernel(&device, name, entry), (target,), one()),
            _ => encoder.fill(target, 3),
        }
        .unwrap();
        submissions.push(encoder.commit().unwrap());
    }
    gate.open();
    for (at, submission) in submissions.iter().enumerate() {
        assert_eq!(submission.wait().is_err(), at % 2 == 1, "submission {at}");
    }
}
