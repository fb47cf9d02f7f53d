use dacapo::metal::objc2::runtime::ProtocolObject;
use dacapo::metal::objc2_metal::{
    MTLBlitCommandEncoder, MTLCommandBuffer, MTLCommandEncoder, MTLFence,
};
use dacapo::metal::{self as native};
use dacapo::{
    Access, Bytes, DeviceOptions, Error, Graph, Grid, KernelSource, MemoryKind, PlanOptions, Wgsl,
};

use crate::common::{self, metal};
use crate::{Params, axpy};

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
