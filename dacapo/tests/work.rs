//! What nodes have to do, as kernels' sources say.

mod common;

use dacapo::{
    Access, Buffer, Bytes, CommandEncoder, Device, DeviceOptions, Dispatched, Error, Graph, Grid,
    KernelSource, MemoryKind, Wgsl, Work, Workgroup,
};

/// All that a call tells, so that a test can look at it.
fn told(call: &Dispatched<'_>) -> Work {
    let [x, y, z] = call.threads().map(u64::from);
    Work {
        read: call.bytes(2) + 1000 * call.bytes(5) + 1_000_000 * call.bytes(4),
        written: x + 1000 * y + 1_000_000 * z,
        operations: u64::from(call.inline::<u32>().unwrap_or_default())
            + 1000 * call.extent().unwrap_or_default(),
    }
}

fn source(name: &'static str) -> KernelSource {
    KernelSource::new(name)
        .binding::<u8>(2, Access::Read)
        .binding::<u8>(5, Access::ReadWrite)
        .inline::<u32>()
        .workgroup([8, 2, 1])
        .cpu(|_: &mut Workgroup<'_>| Ok(()))
}

fn buffers(device: &Device) -> [Buffer; 2] {
    [256, 768].map(|len| device.buffer(len, MemoryKind::HostVisible).unwrap())
}

fn captured(
    device: &Device,
    encode: impl FnOnce(&mut CommandEncoder) -> Result<(), Error>,
) -> Graph {
    Graph::capture(device, encode).unwrap()
}

#[test]
fn a_function_is_told_how_its_kernel_was_called() {
    let device = Device::open(&DeviceOptions::cpu()).unwrap();
    let kernel = device.kernel(&source("told").work(told)).unwrap();
    assert!(kernel.source().has_work());
    let [x, y] = buffers(&device);
    let graph = captured(&device, |encoder| {
        let part = x.slice(16..116)?;
        let args = (&part, &y, Bytes(&7u32));
        encoder.dispatch(&kernel, args, Grid::groups([3, 5, 1]))?;
        encoder.dispatch(&kernel, args, Grid::threads([3, 5, 1]))?;
        encoder.dispatch(&kernel, args, Grid::indirect(&x.slice(128..140)?))
    });
    let works: Vec<Work> = graph.nodes().iter().map(|node| node.work(None)).collect();
    let expected = |written| Work {
        read: 100 + 768_000,
        written,
        operations: 7,
    };
    // Whole workgroups, threads as they were given, and what only the device knows.
    assert_eq!(works, [1_010_024, 1_005_003, 0].map(expected));
    let with_extent = graph.nodes()[0].work(Some(9));
    assert_eq!(with_extent.operations, 9007);
}

#[test]
fn without_a_function_all_that_is_bound_counts() {
    let device = Device::open(&DeviceOptions::cpu()).unwrap();
    let kernel = device.kernel(&source("silent")).unwrap();
    assert!(!kernel.source().has_work());
    let [x, y] = buffers(&device);
    let graph = captured(&device, |encoder| {
        encoder.dispatch(&kernel, (&x, &y, Bytes(&7u32)), Grid::groups([1, 1, 1]))
    });
    let expected = Work {
        read: 1024,
        written: 768,
        operations: 0,
    };
    assert_eq!(graph.nodes()[0].work(None), expected);
}

/// What kernels in WGSL bind is known from their code alone.
#[test]
fn without_a_function_code_says_what_is_bound() {
    const TEXT: &str = "
        @group(0) @binding(0) var<storage, read> x: array<u32>;
        @group(0) @binding(3) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(1) fn main() { y[0] += x[0]; }";
    let test = |device: Device| {
        let source = KernelSource::new("code").wgsl(Wgsl::new(TEXT));
        let kernel = device.kernel(&source).unwrap();
        let [x, y] = buffers(&device);
        let graph = captured(&device, |encoder| {
            encoder.dispatch(&kernel, (&x, &y), Grid::groups([1, 1, 1]))
        });
        let work = graph.nodes()[0].work(None);
        assert_eq!((work.read, work.written), (1024, 768));
    };
    common::on_vulkan(test);
    common::on_metal(test);
}

#[test]
fn copies_read_and_write_and_fills_write() {
    common::on_devices(2, |device: Device| {
        let [x, y] = buffers(&device);
        let graph = captured(&device, |encoder| {
            encoder.copy(&x, &y.slice(..256)?)?;
            encoder.fill(&y.slice(4..104)?, 1)
        });
        let works: Vec<[u64; 3]> = (graph.nodes().iter())
            .inspect(|node| assert!(node.kernel().source().has_work()))
            .map(|node| node.work(None))
            .map(|work| [work.read, work.written, work.operations])
            .collect();
        assert_eq!(works, [[256, 256, 0], [0, 100, 0]]);
    });
}
