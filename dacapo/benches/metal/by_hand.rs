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
    Arg, Backend, BufferView, CommandEncoder, Device, DeviceOptions, DeviceSelector, Graph, Grid,
    Kernel, KernelSource, MemoryKind, PlanOptions, Wgsl,
};

/// A kernel that adds words of `N - 1` buffers and a constant to one of the last buffer.
fn wgsl<const N: usize>() -> String {
    let read = |at| format!("@group(0) @binding({at}) var<storage, read> b{at}: array<u32>;\n");
    let last = N - 1;
    format!(
        "var<immediate> p: vec4<u32>;\n{}
        @group(0) @binding({last}) var<storage, read_write> b{last}: array<u32, 16>;
        @compute @workgroup_size(1) fn main() {{ b{last}[0] += {} + p.x; }}",
        (0..last).map(read).collect::<String>(),
        sum::<N>(),
    )
}

fn msl<const N: usize>() -> String {
    let read = |at| format!("device const metal::uint* b{at} [[buffer({at})]], ");
    let last = N - 1;
    format!(
        "#include <metal_stdlib>
        kernel void sum({} device metal::uint* b{last} [[buffer({last})]], constant metal::uint4& p [[buffer({N})]]) {{
            b{last}[0] += {} + p.x;
        }}",
        (0..last).map(read).collect::<String>(),
        sum::<N>(),
    )
}

fn sum<const N: usize>() -> String {
    let words: Vec<String> = (0..N - 1).map(|at| format!("b{at}[0]")).collect();
    words.join(" + ")
}

const DISPATCHES: usize = 1000;
const ROUNDS: usize = 101;
const SLOT: u64 = 64;

/// What the buffers between the first and the last of a dispatch are.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    /// Parts of one buffer, which are tracked.
    Tracked,
    /// Parts of memory that nothing can write, as weights are.
    Weights,
}

/// Views of buffers that are read, and at last one of one that is written.
struct Pattern<const N: usize> {
    views: Vec<[BufferView; N]>,
}

impl<const N: usize> Pattern<N> {
    /// Each dispatch reads what the one before wrote, or what nobody writes.
    fn new(device: &Device, dependent: bool, others: Others) -> Pattern<N> {
        let buffer = |len| device.buffer(len, MemoryKind::DeviceLocal).expect("memory");
        let read = buffer(SLOT * 256);
        let weights = vec![0_u8; SLOT as usize * 256];
        let weights = device.import("weights", weights).expect("memory");
        let written = buffer(SLOT * (DISPATCHES as u64 + 1));
        let slot = |buffer: &dacapo::Buffer, at: usize| {
            let from = at as u64 * SLOT;
            buffer.slice(from..from + SLOT).expect("inside")
        };
        let views = (0..DISPATCHES).map(|at| {
            core::array::from_fn(|index| match index {
                0 if dependent => slot(&written, at),
                _ if index + 1 == N => slot(&written, at + 1),
                1.. if others == Others::Weights => slot(&weights, at * (1 + 7 * index) % 256),
                _ => slot(&read, at * (1 + 7 * index) % 256),
            })
        });
        Pattern {
            views: views.collect(),
        }
    }
}

/// Encodes the dispatches.
fn encode<const N: usize>(
    encoder: &mut CommandEncoder,
    kernel: &Kernel,
    pattern: &Pattern<N>,
) -> Result<(), dacapo::Error> {
    for (at, views) in pattern.views.iter().enumerate() {
        let inline = [at as u32; 4];
        let mut args = [Arg::bytes(&inline); 5];
        for (arg, view) in args.iter_mut().zip(views) {
            *arg = view.into();
        }
        encoder.dispatch(kernel, &args[..=N], Grid::groups([1, 1, 1]))?;
    }
    Ok(())
}

/// Encodes through dacapo; nanoseconds a dispatch.
fn through_dacapo<const N: usize>(device: &Device, kernel: &Kernel, pattern: &Pattern<N>) -> f64 {
    let mut encoder = device.encoder("bench").expect("an encoder");
    let began = Instant::now();
    encode(&mut encoder, kernel, pattern).expect("valid dispatches");
    began.elapsed().as_secs_f64() * 1e9 / DISPATCHES as f64
}

/// What the calls by hand need.
struct ByHand {
    handles: Handles,
    pipeline: Retained<ProtocolObject<dyn MTLComputePipelineState>>,
}

type Places<const N: usize> = Vec<[(Retained<ProtocolObject<dyn MTLBuffer>>, usize); N]>;

impl ByHand {
    fn new<const N: usize>(device: &Device) -> ByHand {
        autoreleasepool(|_| ByHand::compile::<N>(handles(device).expect("a Metal device")))
    }

    fn compile<const N: usize>(handles: Handles) -> ByHand {
        let text = NSString::from_str(&msl::<N>());
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

    fn places<const N: usize>(pattern: &Pattern<N>) -> Places<N> {
        let place = |view: &BufferView| {
            let (buffer, offset) = raw_buffer(view).expect("a Metal buffer");
            (buffer, offset as usize)
        };
        let views = pattern.views.iter();
        views.map(|views| views.each_ref().map(place)).collect()
    }

    /// Encodes with the calls that dacapo makes too: what is bound already is not bound again, and of a buffer that is
    /// bound already only the offset is set. Nanoseconds a dispatch.
    fn encode<const N: usize>(&self, places: &Places<N>, dependent: bool) -> f64 {
        autoreleasepool(|_| self.record(places, dependent).1)
    }

    /// Encodes and commits; nanoseconds a dispatch.
    fn launch<const N: usize>(&self, places: &Places<N>) -> f64 {
        autoreleasepool(|_| {
            let began = Instant::now();
            let (commands, _) = self.record(places, false);
            commands.commit();
            let took = began.elapsed().as_secs_f64();
            commands.waitUntilCompleted();
            took * 1e9 / DISPATCHES as f64
        })
    }

    fn record<const N: usize>(
        &self,
        places: &Places<N>,
        dependent: bool,
    ) -> (Retained<ProtocolObject<dyn MTLCommandBuffer>>, f64) {
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
        let nothing = core::ptr::null::<ProtocolObject<dyn MTLBuffer>>();
        let mut bound = [(nothing, 0); N];
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
            unsafe { pass.setBytes_length_atIndex(NonNull::from(&inline).cast(), 16, N) };
            pass.dispatchThreadgroups_threadsPerThreadgroup(one, one);
        }
        let took = began.elapsed().as_secs_f64();
        pass.endEncoding();
        (commands, took * 1e9 / DISPATCHES as f64)
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
    println!(
        "{}: {DISPATCHES} dispatches with 16 inline bytes",
        device.info().name
    );
    println!("medians of {ROUNDS} interleaved rounds, ns a dispatch");
    println!(
        "{:38} {:>8} {:>8} {:>10}",
        "", "dacapo", "by hand", "own share"
    );
    encodings::<2>(&device, Others::Tracked);
    encodings::<4>(&device, Others::Weights);
    encodings::<4>(&device, Others::Tracked);
    launches::<2>();
    launches::<4>();
}

fn kernel<const N: usize>(device: &Device) -> Kernel {
    // SAFETY: the kernel touches the first words of what it binds.
    let wgsl = unsafe { Wgsl::new(wgsl::<N>()).trusted() };
    device
        .kernel(&KernelSource::new("sum").wgsl(wgsl))
        .expect("a kernel")
}

fn encodings<const N: usize>(device: &Device, others: Others) {
    let kernel = kernel::<N>(device);
    let by_hand = ByHand::new::<N>(device);
    for (name, dependent) in [("independent", false), ("dependent", true)] {
        let pattern = Pattern::<N>::new(device, dependent, others);
        let places = ByHand::places(&pattern);
        let rounds = (0..ROUNDS).map(|_| {
            let hand = by_hand.encode(&places, dependent);
            let own = through_dacapo(device, &kernel, &pattern);
            (own, hand)
        });
        let others = match others {
            Others::Tracked => String::new(),
            Others::Weights => format!(", {} of them weights", N - 2),
        };
        print(&format!("{N} bound{others}, {name}"), rounds.unzip());
    }
}

/// A row of what it took through dacapo, and by hand.
fn print(name: &str, (own, hand): (Vec<f64>, Vec<f64>)) {
    let shares = own.iter().zip(&hand).map(|(own, hand)| own - hand);
    let share = median(shares.collect());
    let (own, hand) = (median(own), median(hand));
    println!("{name:38} {own:>8.0} {hand:>8.0} {share:>10.0}");
}

/// What a launch of the same dispatches costs the host, as a list and as an indirect command buffer. By hand they are encoded
/// anew and committed.
fn launches<const N: usize>() {
    for (name, indirect) in [("as a list", false), ("indirectly", true)] {
        let mut options = DeviceOptions {
            device: DeviceSelector::Backend(Backend::Metal),
            ..DeviceOptions::default()
        };
        options.metal.indirect = indirect;
        let own = Device::open(&options).expect("a Metal device");
        let kernel = kernel::<N>(&own);
        let pattern = Pattern::<N>::new(&own, false, Others::Tracked);
        let graph = Graph::capture(&own, |encoder| encode(encoder, &kernel, &pattern));
        let plan = graph.expect("a graph").plan(&PlanOptions::default());
        let executable = plan.expect("a plan").instantiate().expect("an executable");
        let by_hand = ByHand::new::<N>(&own);
        let places = ByHand::places(&pattern);
        let rounds = (0..ROUNDS).map(|_| {
            let hand = by_hand.launch(&places);
            let began = Instant::now();
            let submission = executable.launch("bench").expect("a launch");
            let took = began.elapsed().as_secs_f64();
            submission.wait().expect("it runs");
            (took * 1e9 / DISPATCHES as f64, hand)
        });
        print(&format!("{N} bound, launched {name}"), rounds.unzip());
    }
}
