//! What Metal refuses, and command buffers that fail.

use std::time::{Duration, Instant};

use dacapo::{
    Bytes, Device, Error, Fault, Grid, KernelSource, MemoryKind, Result, Submission, Wgsl,
};

use crate::common::{buffer, metal};
use crate::double::{alone, fail_next, fail_next_command_buffer};
use crate::{Params, axpy};

/// `MTLCommandBufferError`.
const TIMEOUT: u64 = 2;
const ACCESS_REVOKED: u64 = 4;
const OUT_OF_MEMORY: u64 = 8;
const DEVICE_REMOVED: u64 = 11;

fn commit(device: &Device, x: &dacapo::Buffer, y: &dacapo::Buffer) -> Submission {
    let mut encoder = device.encoder("decode").unwrap();
    let params = Params { a: 1.0, n: 16 };
    let grid = Grid::threads([16, 1, 1]);
    encoder
        .dispatch(&axpy(device), (x, y, Bytes(&params)), grid)
        .unwrap();
    encoder.commit().unwrap()
}

fn is_lost<T>(result: Result<T>) -> bool {
    match result {
        Err(Error::DeviceLost { .. }) => true,
        Err(Error::Submission(failure)) => matches!(failure.fault, Fault::DeviceLost(_)),
        _ => false,
    }
}

fn message<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_device_that_is_removed_is_lost_for_all_and_can_be_reopened() {
    let _alone = alone();
    for (code, words) in [
        (DEVICE_REMOVED, c"the device was unplugged"),
        (ACCESS_REVOKED, c"access was revoked"),
    ] {
        let Some(device) = metal(|_| ()) else { return };
        let [x, y] = [(); 2].map(|()| buffer(&device, 16));
        let before = commit(&device, &x, &y);
        before.wait().unwrap();
        let open = device.encoder("open").unwrap();
        fail_next_command_buffer(code, words);
        let began = Instant::now();
        let failed = commit(&device, &x, &y);
        let text = message(failed.wait());
        let words = words.to_str().unwrap();
        assert!(text.contains(words) && text.contains("decode"), "{text}");
        assert!(is_lost(failed.wait()), "every wait says so");
        before.wait().unwrap();
        assert!(is_lost(commit(&device, &x, &y).wait()), "later ones too");
        assert!(is_lost(y.read::<u32>()), "what they should have written");
        assert!(is_lost(x.write(&[1u32; 16])));
        assert!(is_lost(device.buffer(64, MemoryKind::DeviceLocal)));
        let other =
            KernelSource::new("other").wgsl(Wgsl::new("@compute @workgroup_size(1) fn main() {}"));
        assert!(is_lost(device.kernel(&other)));
        drop(open);
        device.wait_idle().unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "nothing hangs");

        let again = device.reopen().unwrap();
        let y = buffer(&again, 4);
        y.write(&[7u32; 4]).unwrap();
        assert_eq!(y.read::<u32>().unwrap(), [7; 4]);
    }
}

#[test]
fn a_command_buffer_that_fails_fails_one_submission() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    let [x, y] = [(); 2].map(|()| buffer(&device, 16));
    for (code, words, is_memory) in [
        (OUT_OF_MEMORY, c"no memory for it", true),
        (TIMEOUT, c"it took too long", false),
    ] {
        y.write(&[0u32; 16]).unwrap();
        fail_next_command_buffer(code, words);
        match commit(&device, &x, &y).wait() {
            Err(Error::Submission(failure)) => {
                assert!(
                    failure.to_string().contains(words.to_str().unwrap()),
                    "{failure}"
                );
                assert!(
                    failure.to_string().contains("MTLCommandBufferErrorDomain"),
                    "{failure}"
                );
                assert_eq!(
                    matches!(failure.fault, Fault::OutOfMemory(_)),
                    is_memory,
                    "{failure}"
                );
            }
            other => panic!("{other:?}"),
        }
        y.read::<u32>().unwrap_err();
        x.write(&[2.0f32; 16]).unwrap();
        y.write(&[0u32; 16]).unwrap();
        commit(&device, &x, &y).wait().unwrap();
        assert_eq!(y.read::<f32>().unwrap(), [2.0; 16]);
    }
}

#[test]
fn what_metal_refuses_is_an_error_of_the_call() {
    let _alone = alone();
    let Some(device) = metal(|_| ()) else { return };
    fail_next(c"buffer", 1);
    let refused = device.buffer(4096, MemoryKind::DeviceLocal);
    assert!(
        matches!(refused, Err(Error::OutOfMemory { asked: 4096, .. })),
        "{refused:?}"
    );
    device.buffer(4096, MemoryKind::DeviceLocal).unwrap();

    let [x, y] = [(); 2].map(|()| buffer(&device, 16));
    axpy(&device);
    fail_next(c"command_buffer", 1);
    let text = message(commit(&device, &x, &y).wait());
    assert!(
        text.contains("decode") && text.contains("command buffer"),
        "{text}"
    );
    y.write(&[0u32; 16]).unwrap();
    commit(&device, &x, &y).wait().unwrap();

    fail_next(c"library", 1);
    let text = "@compute @workgroup_size(3) fn main() {}";
    let source = KernelSource::new("refused").wgsl(Wgsl::new(text));
    match device.kernel(&source) {
        Err(Error::InvalidKernel { kernel, .. }) => assert_eq!(&*kernel, "refused"),
        other => panic!("{other:?}"),
    }
    // What a compiler says of a text is remembered with it.
    device.kernel(&source).unwrap_err();
    let other = KernelSource::new("taken").wgsl(Wgsl::new(text));
    device.kernel(&other).unwrap();
}

/// As on systems that do not have it, or with none left.
#[test]
fn without_a_residency_set_or_counters_devices_work() {
    let _alone = alone();
    fail_next(c"residency", 1);
    let Some(device) = metal(|_| ()) else { return };
    let set = device.residency_set();
    let [x, y] = [(); 2].map(|()| buffer(&device, 16));
    set.add(&x).unwrap();
    commit(&device, &x, &y).wait().unwrap();
    assert_eq!(device.resident_bytes(), 64);
    fail_next(c"queue", 1);
    assert!(metal_refuses());
}

fn metal_refuses() -> bool {
    let options = dacapo::DeviceOptions {
        device: dacapo::DeviceSelector::Backend(dacapo::Backend::Metal),
        ..dacapo::DeviceOptions::default()
    };
    matches!(Device::open(&options), Err(Error::System { .. }))
}
