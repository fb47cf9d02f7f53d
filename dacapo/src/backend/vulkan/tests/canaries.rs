//! The net holds: whoever leaves out a barrier, or makes it too weak, is told so by the validation layer.

use super::{buffer, device, double, gpu, one};
use crate::backend::vulkan::gpu::Spoilt;
use crate::{Bytes, Device, GpuDebug, GpuWithout, Result};

/// The device, if the layer watches it.
fn watched(without: GpuWithout) -> Option<Device> {
    let device = device(|options| options.gpu_without = without)?;
    (gpu(&device).debug == GpuDebug::Synchronization).then_some(device)
}

/// With old and new barriers.
pub(super) fn on_watched(test: impl Fn(&Device)) {
    for synchronization2 in [false, true] {
        let without = GpuWithout {
            synchronization2,
            ..GpuWithout::default()
        };
        watched(without).iter().for_each(&test);
    }
}

/// What the second dispatch does to the buffer of the first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Reads,
    /// After the first has read it.
    Writes,
}

/// Two dispatches with a conflict, in one submission or two, with a barrier spoilt.
fn run(device: &Device, then: Then, apart: bool, spoilt: Option<Spoilt>) -> Result<()> {
    let kernel = double(device);
    let buffers = [(); 3].map(|()| buffer(device, 64));
    let [a, b, c] = &buffers;
    let (first, second) = match then {
        Then::Reads => ((a, b), (b, c)),
        Then::Writes => ((a, b), (c, a)),
    };
    gpu(device).injected.lock().barrier = spoilt;
    let mut encoder = device.encoder("canary")?;
    encoder.dispatch(&kernel, (first.0, first.1, Bytes(&1u32)), one())?;
    let mut before = None;
    if apart {
        before = Some(encoder.commit()?);
        encoder = device.encoder("canary, second part")?;
    }
    encoder.dispatch(&kernel, (second.0, second.1, Bytes(&2u32)), one())?;
    assert_eq!(encoder.barriers().len(), usize::from(!apart));
    let last = encoder.commit()?;
    gpu(device).injected.lock().barrier = None;
    before.map_or(Ok(()), |before| before.wait())?;
    last.wait()
}

#[track_caller]
fn assert_noticed(outcome: Result<()>, then: Then) {
    let message = outcome.expect_err("the layer must notice").to_string();
    let kind = match then {
        Then::Reads => "READ_AFTER_WRITE",
        Then::Writes => "WRITE_AFTER_READ",
    };
    assert!(
        message.contains(kind) && message.contains("canary"),
        "{message}"
    );
}

#[test]
fn a_barrier_that_is_left_out_is_noticed() {
    on_watched(|device| {
        for then in [Then::Reads, Then::Writes] {
            run(device, then, false, None).unwrap();
            assert_noticed(run(device, then, false, Some(Spoilt::Wave)), then);
            run(device, then, false, None).unwrap();
        }
    });
}

#[test]
fn a_barrier_with_the_wrong_access_is_noticed() {
    on_watched(|device| {
        let spoilt = Some(Spoilt::Visibility);
        assert_noticed(run(device, Then::Reads, false, spoilt), Then::Reads);
        // Writing after reading needs no visibility.
        run(device, Then::Writes, false, spoilt).unwrap();
    });
}

#[test]
fn a_barrier_of_the_wrong_stage_is_noticed() {
    on_watched(|device| {
        for then in [Then::Reads, Then::Writes] {
            assert_noticed(run(device, then, false, Some(Spoilt::Stage)), then);
        }
    });
}

/// Layers before 1.3.250 or so look across submissions only when this variable asks for it.
const ENABLES: (&str, &str) = (
    "VK_LAYER_ENABLES",
    "VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT",
);

#[test]
fn a_missing_barrier_between_submissions_is_noticed() {
    let test = "a_missing_barrier_between_submissions_is_noticed";
    if !looks_across_submissions(module_path!(), test) {
        return;
    }
    on_watched(|device| {
        for then in [Then::Reads, Then::Writes] {
            run(device, then, true, None).unwrap();
            assert_noticed(run(device, then, true, Some(Spoilt::Submission)), then);
        }
    });
}

/// Whether the layer looks across submissions here; otherwise the test has been run where it does.
pub(super) fn looks_across_submissions(module: &str, test: &str) -> bool {
    let here = std::env::var_os(ENABLES.0).is_some();
    if !here {
        in_another_process(module, test);
    }
    here
}

/// Runs a test with the variable set.
fn in_another_process(module: &str, test: &str) {
    let module = module.split_once("::").unwrap().1;
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env(ENABLES.0, ENABLES.1)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The layer does not see that two dispatches write the same bytes, so the bytes must tell.
#[test]
fn of_many_writes_the_last_one_stays() {
    let Some(device) = device(|_| ()) else {
        return;
    };
    let kernel = double(&device);
    let (x, y) = (buffer(&device, 1 << 16), buffer(&device, 1 << 16));
    for round in 0..10u32 {
        let mut encoder = device.encoder("writes").unwrap();
        for value in 0..50u32 {
            let value = 1000 * round + value;
            encoder
                .dispatch(&kernel, (&x, &y, Bytes(&value)), one())
                .unwrap();
        }
        let causes = encoder.barriers().iter().map(ToString::to_string);
        assert_eq!(
            causes
                .filter(|cause| cause.contains("write after write"))
                .count(),
            49
        );
        encoder.commit().unwrap().wait().unwrap();
        assert_eq!(y.read::<u32>().unwrap(), vec![1000 * round + 49; 1 << 16]);
    }
}
