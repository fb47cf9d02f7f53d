//! The same dispatches through dacapo and by hand.

use core::ptr::NonNull;
use std::time::Instant;

use dacapo::metal::objc2::rc::{Retained, autoreleasepool};
use dacapo::metal::objc2::runtime::ProtocolObject;
use dacapo::metal::objc2_foundation::NSString;
use dacapo::metal::objc2_metal::{
    MTLBarrierScope, MTLBuffer, MTLCommandBuffer, MTLCommandEncoder, MTLCommandQueue,
    MTLComputeCommandEncoder, MTLComputePipelineState, MTLDevice, MTLDispatchType, MTLLibrary,
    MTLSize,
};
use dacapo::metal::{Handles, handles, raw_buffer};
use dacapo::{
    Backend, BufferView, Bytes, Device, DeviceOptions, DeviceSelector, Graph, Grid, Kernel,
    KernelSource, MemoryKind, PlanOptions, Wgsl,
};

const WGSL: &str = "
var<immediate> p: vec4<u32>;
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read> c: array<u32>;
@group(0) @binding(3) var<storage, read_write> d: array<u32, 16>;
@compute @workgroup_size(1) fn main() { d[0] += a[0] + b[0] + c[0] + p.x; }";

const MSL: &str = "
#include <metal_stdlib>
kernel void sum(device const metal::uint* a [[buffer(0)]], device const metal::uint* b [[buffer(1)]],
                device const metal::uint* c [[buffer(2)]], device metal::uint* d [[buffer(3)]],
                constant metal::uint4& p [[buffer(4)]]) {
    d[0] += a[0] + b[0] + c[0] + p.x;
}";

const DISPATCHES: usize = 1000;
const ROUNDS: usize = 101;
const SLOT: u64 = 64;

/// Views of a few buffers: three that are read, and one that is written.
struct Pattern {
    views: Vec<[BufferView; 4]>,
}

impl Pattern {
    /// Each dispatch reads what the one before wrote, or what nobody writes.
    fn new(device: &Device, dependent: bool) -> Pattern {
        let buffer = |len| device.buffer(len, MemoryKind::DeviceLocal).expect("memory");
        let read = buffer(SLOT * 256);
        let written = buffer(SLOT * (DISPATCHES as u64 + 1));
        let slot = |buffer: &dacapo::Buffer, at: usize| {
            let from = at as u64 * SLOT;
            buffer.slice(from..from + SLOT).expect("inside")
        };
        let views = (0..DISPATCHES).map(|at| {
            let first = match dependent {
                true => slot(&written, at),
                false => slot(&read, at % 256),
            };
            [
                first,
                slot(&read, at * 7 % 256),
                slot(&read, at * 31 % 256),
                slot(&written, at + 1),
            ]
        });
        Pattern {
            views: views.collect(),
        }
    }
}

/// Encodes through dacapo; nanoseconds a dispatch.
fn through_dacapo(device: &Device, kernel: &Kernel, pattern: &Pattern) -> f64 {
    let mut encoder = device.encoder("bench").expect("an encoder");
    let began = Instant::now();
    for (at, [a, b, c, d]) in pattern.views.iter().enumerate() {
        let inline = [at as u32; 4];
        let encoded = encoder.dispatch(
            kernel,
            (a, b, c, d, Bytes(&inline)),
            Grid::groups([1, 1, 1]),
        );
        encoded.expect("a valid dispatch");
    }
    began.elapsed().as_secs_f64() * 1e9 / DISPATCHES as f64
}

/// What the calls by hand need.
struct ByHand {
    handles: Handles,
    pipeline: Retained<ProtocolObject<dyn MTLComputePipelineState>>,
}

type Places = Vec<[(Retained<ProtocolObject<dyn MTLBuffer>>, usize); 4]>;

impl ByHand {
    fn new(device: &Device) -> ByHand {
        autoreleasepool(|_| ByHand::compile(handles(device).expect("a Metal device")))
    }

    fn compile(handles: Handles) -> ByHand {
        let text = NSString::from_str(MSL);
        let library = handles
            .device
            .newLibraryWithSource_options_error(&text, None);
        let function = library
            .expect("the text compiles")
            .newFunctionWithName(&NSString::from_str("sum"))
            .expect("the function is there");
        let pipeline = handles
            .device
            .newComputePipelineStateWithFunction_error(&function);
        ByHand {
            pipeline: pipeline.expect("a pipeline"),
            handles,
        }
    }

    fn places(pattern: &Pattern) -> Places {
        let place = |view: &BufferView| {
            let (buffer, offset) = raw_buffer(view).expect("a Metal buffer");
            (buffer, offset as usize)
        };
        let views = pattern.views.iter();
        views.map(|views| views.each_ref().map(place)).collect()
    }

    /// Encodes with the calls that dacapo makes too: what is bound already is not bound again, and of a buffer that is
    /// bound already only the offset is set. Nanoseconds a dispatch.
    fn encode(&self, places: &Places, dependent: bool) -> f64 {
        autoreleasepool(|_| {
            let commands = self.handles.queue.commandBufferWithUnretainedReferences();
            let commands = commands.expect("a command buffer");
            let pass = commands.computeCommandEncoderWithDispatchType(MTLDispatchType::Concurrent);
            let pass = pass.expect("a compute encoder");
            let one = MTLSize {
                width: 1,
                height: 1,
                depth: 1,
            };
            let began = Instant::now();
            pass.setComputePipelineState(&self.pipeline);
            let mut bound: [(*const ProtocolObject<dyn MTLBuffer>, usize); 4] =
                [(core::ptr::null::<ProtocolObject<dyn MTLBuffer>>(), 0); 4];
            for (at, places) in places.iter().enumerate() {
                if dependent && at > 0 {
                    pass.memoryBarrierWithScope(MTLBarrierScope::Buffers);
                }
                for (index, (buffer, offset)) in places.iter().enumerate() {
                    let place = (core::ptr::from_ref(&**buffer), *offset);
                    // SAFETY: index and offset are in range, and the buffers outlive the pass.
                    unsafe {
                        if core::ptr::addr_eq(bound[index].0, place.0) {
                            if bound[index].1 != *offset {
                                pass.setBufferOffset_atIndex(*offset, index);
                            }
                        } else {
                            pass.setBuffer_offset_atIndex(Some(buffer), *offset, index);
                        }
                    }
                    bound[index] = place;
                }
                let inline = [at as u32; 4];
                // SAFETY: Metal copies the 16 bytes.
                unsafe { pass.setBytes_length_atIndex(NonNull::from(&inline).cast(), 16, 4) };
                pass.dispatchThreadgroups_threadsPerThreadgroup(one, one);
            }
            let took = began.elapsed().as_secs_f64();
            pass.endEncoding();
            took * 1e9 / DISPATCHES as f64
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(super) fn compare() {
    let options = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Metal),
        ..DeviceOptions::default()
    };
    let device = Device::open(&options).expect("a Metal device");
    let source = KernelSource::new("sum");
    // SAFETY: the kernel touches the first words of what it binds.
    let wgsl = unsafe { Wgsl::new(WGSL).trusted() };
    let kernel = device.kernel(&source.wgsl(wgsl)).expect("a kernel");
    let by_hand = ByHand::new(&device);
    println!(
        "{}: {DISPATCHES} dispatches of 4 bindings and 16 inline bytes",
        device.info().name
    );
    println!("medians of {ROUNDS} interleaved rounds, ns a dispatch");
    println!(
        "{:12} {:>8} {:>8} {:>10}",
        "", "dacapo", "by hand", "own share"
    );
    for (name, dependent) in [("independent", false), ("dependent", true)] {
        let pattern = Pattern::new(&device, dependent);
        let places = ByHand::places(&pattern);
        let rounds = (0..ROUNDS).map(|_| {
            let hand = by_hand.encode(&places, dependent);
            let own = through_dacapo(&device, &kernel, &pattern);
            (own, hand)
        });
        let (own, hand): (Vec<f64>, Vec<f64>) = rounds.unzip();
        let shares = own.iter().zip(&hand).map(|(own, hand)| own - hand);
        let share = median(shares.collect());
        let (own, hand) = (median(own), median(hand));
        println!("{name:12} {own:>8.0} {hand:>8.0} {share:>10.0}");
    }
    launches(&kernel);
}

/// What a launch of the same dispatches costs the host, as a list and as an indirect command buffer.
fn launches(kernel: &Kernel) {
    println!("{:12} {:>8}", "launch, us", "median");
    for (name, indirect) in [("list", false), ("indirect", true)] {
        let mut options = DeviceOptions {
            device: DeviceSelector::Backend(Backend::Metal),
            ..DeviceOptions::default()
        };
        options.metal.indirect = indirect;
        let own = Device::open(&options).expect("a Metal device");
        let kernel = own.kernel(kernel.source()).expect("a kernel");
        let pattern = Pattern::new(&own, false);
        let graph = Graph::capture(&own, |encoder| {
            for [a, b, c, d] in &pattern.views {
                encoder.dispatch(
                    &kernel,
                    (a, b, c, d, Bytes(&[1u32; 4])),
                    Grid::groups([1, 1, 1]),
                )?;
            }
            Ok::<(), dacapo::Error>(())
        });
        let plan = graph.expect("a graph").plan(&PlanOptions::default());
        let executable = plan.expect("a plan").instantiate().expect("an executable");
        let rounds = (0..ROUNDS).map(|_| {
            let began = Instant::now();
            let submission = executable.launch("bench").expect("a launch");
            let took = began.elapsed().as_secs_f64() * 1e6;
            submission.wait().expect("it runs");
            took
        });
        println!("{name:12} {:>8.1}", median(rounds.collect()));
    }
}
