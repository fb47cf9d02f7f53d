//! What only the Metal backend has, and what it costs in calls of Metal.
#![cfg(any(target_vendor = "apple", dacapo_metal_double))]
#![allow(
    unsafe_code,
    reason = "objects are shared with the test's own Metal code"
)]

mod common;

use common::metal;
use dacapo::metal::objc2::runtime::ProtocolObject;
use dacapo::metal::objc2_metal::{
    MTLBlitCommandEncoder, MTLCommandBuffer, MTLCommandEncoder, MTLFence,
};
use dacapo::metal::{self as native};
use dacapo::{
    Access, Bytes, Device, DeviceOptions, Error, Graph, Grid, Hazards, KernelSource, MemoryKind,
    PlanOptions, Wgsl,
};

const AXPY: &str = "
struct P { a: f32, n: u32 }
var<immediate> p: P;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < p.n { y[id.x] = p.a * x[id.x] + y[id.x]; }
}";

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Params {
    a: f32,
    n: u32,
}

/// `y += a x`, of as many elements as the shorter has.
fn axpy(device: &Device) -> dacapo::Kernel {
    let source = KernelSource::new("axpy").wgsl(Wgsl::new(AXPY));
    device.kernel(&source).unwrap()
}

#[test]
fn passes_of_the_callers_run_between_dispatches() {
    let Some(device) = metal(|_| ()) else { return };
    let kernel = axpy(&device);
    let [x, y] = [(); 2].map(|()| device.buffer(4096, MemoryKind::DeviceLocal).unwrap());
    x.write(&[1.0f32; 1024]).unwrap();
    let grid = Grid::threads([1024, 1, 1]);
    let params = Params { a: 2.0, n: 1024 };
    let mut encoder = device.encoder("mixed").unwrap();
    encoder
        .dispatch(&kernel, (&x, &y, Bytes(&params)), grid)
        .unwrap();
    let half = y.slice(2048..).unwrap();
    let (buffer, offset) = native::raw_buffer(&half).unwrap();
    let fill = |commands: &ProtocolObject<dyn MTLCommandBuffer>,
                fence: &ProtocolObject<dyn MTLFence>| {
        let pass = commands.blitCommandEncoder().unwrap();
        pass.waitForFence(fence);
        let range = (offset as usize..offset as usize + 2048).into();
        pass.fillBuffer_range_value(&buffer, range, 0);
        pass.updateFence(fence);
        pass.endEncoding();
    };
    // SAFETY: the pass fills what is named, between the ends of the fence.
    unsafe { native::record(&mut encoder, Some(&[(&half, Access::Write)]), fill) }.unwrap();
    encoder
        .dispatch(&kernel, (&x, &y, Bytes(&params)), grid)
        .unwrap();
    assert_eq!(encoder.barriers().len(), 2);
    encoder.commit().unwrap().wait().unwrap();
    let found = y.read::<f32>().unwrap();
    assert_eq!(found[..512], [4.0; 512]);
    assert_eq!(found[512..], [2.0; 512]);
}

#[test]
fn a_device_is_adopted_and_a_buffer_wrapped() {
    let Some(own) = metal(|_| ()) else { return };
    let handles = native::handles(&own).unwrap();
    let adopted = native::adopt(handles.device, handles.queue, &DeviceOptions::default()).unwrap();
    let buffer = own.buffer(4096, MemoryKind::DeviceLocal).unwrap();
    let (raw, offset) = native::raw_buffer(&buffer).unwrap();
    assert_eq!(offset, 0);
    // SAFETY: the buffer is shared, and nobody else uses it meanwhile.
    let wrapped = unsafe { native::wrap(&adopted, raw, 4096, "wrapped") }.unwrap();
    wrapped.write(&[1.0f32; 1024]).unwrap();
    assert_eq!(buffer.read::<f32>().unwrap(), [1.0; 1024]);
    let y = adopted.buffer(4096, MemoryKind::DeviceLocal).unwrap();
    let mut encoder = adopted.encoder("adopted").unwrap();
    let params = Params { a: 3.0, n: 1024 };
    encoder
        .dispatch(
            &axpy(&adopted),
            (&wrapped, &y, Bytes(&params)),
            Grid::threads([1024, 1, 1]),
        )
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
    assert_eq!(y.read::<f32>().unwrap(), [3.0; 1024]);
    let cpu = common::device(1);
    assert!(matches!(
        native::handles(&cpu),
        Err(Error::ForeignDevice { .. })
    ));
}

/// Bytes that do not begin with a page, in memory that does not end with one.
#[test]
fn imported_memory_may_begin_anywhere() {
    let Some(device) = metal(|_| ()) else { return };
    struct Odd(Vec<f32>);
    impl AsRef<[u8]> for Odd {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0[3..])
        }
    }
    let values: Vec<f32> = (0..5003u16).map(f32::from).collect();
    let x = device.import("odd", Odd(values)).unwrap();
    let y = device.buffer(20_000, MemoryKind::DeviceLocal).unwrap();
    let mut encoder = device.encoder("import").unwrap();
    let params = Params { a: 1.0, n: 5000 };
    let grid = Grid::threads([5000, 1, 1]);
    encoder
        .dispatch(&axpy(&device), (&x, &y, Bytes(&params)), grid)
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
    let found = y.read::<f32>().unwrap();
    assert_eq!((found[0], found[4999]), (3.0, 5002.0));
}

/// More inline bytes than Metal copies by itself.
#[test]
fn long_inline_bytes_come_from_a_buffer() {
    const TEXT: &str = "
struct P { values: array<vec4<u32>, 300> }
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> y: array<vec4<u32>>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < 300 { y[id.x] = p.values[id.x]; }
}";
    let Some(device) = metal(|_| ()) else { return };
    let source = KernelSource::new("long").wgsl(Wgsl::new(TEXT));
    let kernel = device.kernel(&source).unwrap();
    let y = device.buffer(4800, MemoryKind::DeviceLocal).unwrap();
    let values: [u32; 1200] = core::array::from_fn(|at| at as u32);
    let grid = Grid::threads([300, 1, 1]);
    let mut encoder = device.encoder("long").unwrap();
    encoder
        .dispatch(&kernel, (&y, Bytes(&values)), grid)
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
    assert_eq!(y.read::<u32>().unwrap(), values);
    y.write(&[0u32; 1200]).unwrap();
    let graph = Graph::capture(&device, |encoder| {
        encoder.dispatch(&kernel, (&y, Bytes(&values)), grid)
    });
    let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
    let executable = plan.instantiate().unwrap();
    executable.launch("long").unwrap().wait().unwrap();
    assert_eq!(y.read::<u32>().unwrap(), values);
}

#[test]
fn captures_are_written_or_refused_with_metals_reason() {
    let Some(device) = metal(|_| ()) else { return };
    let folder = std::env::temp_dir().join(format!("dacapo-capture-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("step.gputrace");
    let work = || {
        let y = device.buffer(64, MemoryKind::DeviceLocal).unwrap();
        let mut encoder = device.encoder("captured").unwrap();
        encoder.fill(&y, 1).unwrap();
        encoder.commit().unwrap();
    };
    match native::capture(&device, &file, work) {
        Ok(()) => assert!(file.exists()),
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("step.gputrace") && text.contains("METAL_CAPTURE_ENABLED"),
                "{text}"
            );
        }
    }
    let nowhere = folder.join("no/such/folder/step.gputrace");
    assert!(native::capture(&device, &nowhere, work).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[cfg(not(target_vendor = "apple"))]
mod calls {
    //! Counts of calls, which the double keeps. They are of the whole process: one test at a time counts.

    use core::ffi::{CStr, c_char};
    use std::sync::{Mutex, MutexGuard};

    use dacapo::{Launch, Update};

    use super::*;

    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn count(name: &CStr) -> u64 {
        unsafe extern "C" {
            fn metal_double_count(name: *const c_char) -> u64;
        }
        // SAFETY: the name ends with a zero.
        unsafe { metal_double_count(name.as_ptr()) }
    }

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
    fn encode(encoder: &mut dacapo::CommandEncoder) -> dacapo::Result<()> {
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
        unsafe extern "C" {
            fn metal_double_live(class: *const c_char) -> u64;
        }
        // SAFETY: the name ends with a zero.
        let live = |class: &CStr| unsafe { metal_double_live(class.as_ptr()) };
        let _alone = alone();
        let classes = [
            c"FakeMTLCommandBuffer",
            c"FakeMTLComputeCommandEncoder",
            c"FakeMTLBuffer",
            c"FakeMTLComputePipelineState",
        ];
        let before = classes.map(live);
        {
            let Some(device) = metal(|_| ()) else { return };
            for _ in 0..1000 {
                let mut encoder = device.encoder("dropped").unwrap();
                encode(&mut encoder).unwrap();
            }
            assert!(live(c"FakeMTLCommandBuffer") <= before[0] + 1);
            let mut encoder = device.encoder("run").unwrap();
            encode(&mut encoder).unwrap();
            encoder.commit().unwrap().wait().unwrap();
        }
        assert_eq!(classes.map(live), before);
    }
}
