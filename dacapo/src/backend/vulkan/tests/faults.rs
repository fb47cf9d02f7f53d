//! What goes wrong in the driver arrives as a value, at whoever it concerns.

use std::time::{Duration, Instant};

use ash::vk;

use super::{buffer, device, double, gpu, one};
use crate::{
    Access, Bytes, Device, Error, Fault, GpuWithout, Grid, KernelSource, MemoryKind, Result, Wgsl,
};

fn message(result: Result<impl Sized>) -> String {
    result.err().expect("an error").to_string()
}

fn is_lost<T>(result: Result<T>) -> bool {
    match result {
        Err(Error::DeviceLost { .. }) => true,
        Err(Error::Submission(failure)) => matches!(failure.fault, Fault::DeviceLost(_)),
        _ => false,
    }
}

/// With mapped memory and without.
fn on_devices(test: impl Fn(Device)) {
    for mapped_device_memory in [false, true] {
        let without = GpuWithout {
            mapped_device_memory,
            ..GpuWithout::default()
        };
        device(|options| options.gpu_without = without)
            .into_iter()
            .for_each(&test);
    }
}

#[test]
fn a_device_lost_while_submitting_is_lost_for_all_and_can_be_reopened() {
    lost(|device| gpu(device).injected.lock().submitting = Some(vk::Result::ERROR_DEVICE_LOST));
}

#[test]
fn a_device_lost_while_running_is_lost_for_all_and_can_be_reopened() {
    lost(|device| gpu(device).injected.lock().waiting = Some(vk::Result::ERROR_DEVICE_LOST));
}

fn lost(lose: impl Fn(&Device)) {
    on_devices(|device| {
        let kernel = double(&device);
        let (x, y) = (buffer(&device, 64), buffer(&device, 64));
        let commit = || {
            let mut encoder = device.encoder("decode").unwrap();
            encoder
                .dispatch(&kernel, (&x, &y, Bytes(&1u32)), one())
                .unwrap();
            encoder.commit().unwrap()
        };
        let before = commit();
        before.wait().unwrap();
        let open = device.encoder("open").unwrap();
        lose(&device);
        let submissions = [commit(), commit(), commit()];
        let began = Instant::now();
        for submission in &submissions {
            assert!(is_lost(submission.wait()));
            assert!(is_lost(submission.wait()), "every wait says so");
            let text = message(submission.wait());
            assert!(
                text.contains("ERROR_DEVICE_LOST") && text.contains("decode"),
                "{text}"
            );
        }
        before.wait().unwrap();
        assert!(is_lost(commit().wait()), "later ones too");
        assert!(is_lost(y.read::<u32>()), "what they should have written");
        assert!(is_lost(x.read::<u32>()), "what they only read");
        assert!(is_lost(x.write(&[1u32; 64])));
        assert!(is_lost(device.buffer(64, MemoryKind::DeviceLocal)));
        let other =
            KernelSource::new("other").wgsl(Wgsl::new("@compute @workgroup_size(1) fn main() {}"));
        assert!(is_lost(device.kernel(&other)));
        drop(open);
        device.wait_idle().unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "nothing hangs");

        let again = device.reopen().unwrap();
        let buffer = buffer(&again, 4);
        buffer.write(&[7u32; 4]).unwrap();
        assert_eq!(buffer.read::<u32>().unwrap(), [7; 4]);
    });
}

#[test]
fn memory_that_runs_out_while_submitting_fails_one_submission() {
    on_devices(|device| {
        let (kernel, x, y) = (double(&device), buffer(&device, 4), buffer(&device, 4));
        let commit = || {
            let mut encoder = device.encoder("decode").unwrap();
            let args = (&x, &y, Bytes(&3u32));
            encoder.dispatch(&kernel, args, one()).unwrap();
            encoder.commit().unwrap()
        };
        let out = Some(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY);
        gpu(&device).injected.lock().submitting = out;
        match commit().wait() {
            Err(Error::Submission(failure)) => {
                assert!(matches!(failure.fault, Fault::OutOfMemory(_)), "{failure}");
                assert!(failure.to_string().contains("ERROR_OUT_OF_DEVICE_MEMORY"));
            }
            other => panic!("{other:?}"),
        }
        y.read::<u32>().unwrap_err();
        commit().wait().unwrap();
        assert_eq!(y.read::<u32>().unwrap(), [3; 4]);
    });
}

#[test]
fn allocations_past_the_budget_and_past_the_heap() {
    let limited = device(|options| options.memory_limit = Some(1 << 20));
    if let Some(device) = limited {
        let text = message(device.buffer((1 << 20) + 1, MemoryKind::DeviceLocal));
        assert!(
            text.contains("1048577") && text.contains("of 1048576"),
            "{text}"
        );
    }
    let boundless = device(|options| options.memory_limit = Some(u64::MAX));
    if let Some(device) = boundless {
        for kind in [
            MemoryKind::DeviceLocal,
            MemoryKind::HostVisible,
            MemoryKind::HostCached,
        ] {
            for asked in [u64::MAX, 1 << 60, 1 << 44] {
                let refused = device.buffer(asked, kind);
                assert!(
                    matches!(refused, Err(Error::OutOfMemory { .. })),
                    "{refused:?}"
                );
            }
        }
        assert_eq!(device.memory_budget().used, 0, "what failed is given back");
        device.buffer(64, MemoryKind::DeviceLocal).unwrap();
    }
}

/// Steps of a generator, fewer than llvmpipe lets a thread loop (65,535).
const STEPS: u32 = 50_000;

const LONG: &str = "
override STEPS: u32;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var x = y[id.x];
    for (var at = 0u; at < STEPS; at++) { x = x * 1664525u + 1013904223u; }
    y[id.x] = x;
}";

#[test]
fn a_kernel_that_runs_past_a_timeout_completes_later() {
    const THREADS: u32 = 4096;
    const ROUNDS: u32 = 8;
    let timeout = Duration::from_micros(100);
    if let Some(device) = device(|_| ()) {
        let wgsl = Wgsl::new(LONG).constant("STEPS", STEPS);
        let kernel = device
            .kernel(&KernelSource::new("long").wgsl(wgsl))
            .unwrap();
        let y = buffer(&device, THREADS.into());
        let mut encoder = device.encoder("long").unwrap();
        for _ in 0..ROUNDS {
            let grid = Grid::threads([THREADS, 1, 1]);
            encoder.dispatch(&kernel, (&y,), grid).unwrap();
        }
        let submission = encoder.commit().unwrap();
        assert!(!submission.wait_timeout(timeout).unwrap());
        assert!(!submission.is_complete());
        assert_eq!(submission.gpu_time(), None);
        assert!(submission.wait_timeout(Duration::from_secs(300)).unwrap());
        assert!(submission.gpu_time().unwrap() > timeout);
        let step = |x: u32| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let expected = (0..ROUNDS * STEPS).fold(0, |x, _| step(x));
        assert_eq!(y.read::<u32>().unwrap(), [expected; THREADS as usize]);
    }
}

#[test]
fn kernels_that_cannot_be_compiled_say_why() {
    let Some(device) = device(|_| ()) else {
        return;
    };
    let limits = *device.limits();
    let kernel = |text: String| KernelSource::new("bad").wgsl(Wgsl::new(text));
    let binding = |slot: u32| {
        format!("@group(0) @binding({slot}) var<storage, read_write> x{slot}: array<u32>;\n")
    };
    let body = |threads: u32, code: &str| {
        format!("@compute @workgroup_size({threads}) fn main() {{ {code} }}")
    };
    let refused = |source: &KernelSource, parts: &[&str]| {
        let text = message(device.kernel(source));
        for part in parts.iter().chain(&["\"bad\""]) {
            assert!(text.contains(part), "{text} does not name {part:?}");
        }
    };
    // The line, and a caret under what is wrong.
    let typo = format!("{}{}", binding(0), body(1, "x0[0] = y;"));
    refused(&kernel(typo), &["bad:2", "x0[0] = y;", "^"]);
    let threads = limits.max_group_threads + 1;
    refused(
        &kernel(body(threads, "")),
        &[&threads.to_string(), &limits.max_group_threads.to_string()],
    );
    let words = limits.max_shared_bytes / 4 + 1;
    let shared = format!("var<workgroup> s: array<u32, {words}>;\n");
    refused(
        &kernel(shared + &body(1, "s[0] = 1;")),
        &[&limits.max_shared_bytes.to_string()],
    );
    let high = limits.max_slot.unwrap() + 1;
    refused(
        &kernel(binding(high) + &body(1, &format!("x{high}[0] = 1;"))),
        &[&format!("slot {high}")],
    );
    let inline = "struct P { a: array<vec4<u32>, 17> }\nvar<immediate> p: P;\n".to_owned();
    let used = inline + &binding(0) + &body(1, "x0[0] = p.a[16].x;");
    refused(&kernel(used), &["272", "256"]);

    // Declarations that say otherwise.
    let writes = binding(0) + &body(1, "x0[0] = 1;");
    refused(
        &kernel(writes.clone()).binding::<u32>(0, Access::Read),
        &["slot 0", "declared read", "write"],
    );
    refused(
        &kernel(writes.clone()).binding::<u32>(1, Access::Write),
        &["slot 0", "not declared"],
    );
    refused(
        &kernel(writes)
            .binding::<u32>(0, Access::Write)
            .inline::<u32>(),
        &["4 inline", "takes 0"],
    );
    let native = KernelSource::new("bad").cpu(|_| Ok(()));
    refused(&native, &["native CPU form", "WGSL"]);
}

/// What nobody destroys is told at the end; `scripts/test` fails on it.
#[test]
fn the_layer_tells_what_is_never_destroyed() {
    if let Some(device) = device(|_| ()) {
        if !gpu(&device).debug.validates() {
            return;
        }
        let instance = gpu(&device).instance.clone();
        let info = vk::FenceCreateInfo::default();
        #[allow(unsafe_code, reason = "leaks a fence")]
        // SAFETY: the device is alive.
        let _ = unsafe { gpu(&device).device.create_fence(&info, None) }.unwrap();
        drop(device);
        let said = instance.messages().unwrap();
        assert!(said.contains("has not been destroyed"), "{said}");
    }
}
