//! The work that everybody encodes.

use std::time::Duration;

use dacapo::{Access, Device, DeviceOptions, DeviceSelector, Kernel, KernelSource, Wgsl};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What the dispatches have to do with each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Each writes a part of its own.
    Independent,
    /// Each reads what the one before wrote, so that a barrier stands between them.
    Dependent,
}

impl Order {
    pub fn name(self) -> &'static str {
        match self {
            Order::Independent => "independent",
            Order::Dependent => "dependent",
        }
    }

    /// The parts that dispatch `number` reads and writes.
    pub fn parts(self, number: u32) -> (u32, u32) {
        match self {
            Order::Independent => (0, 1 + number % (PARTS - 1)),
            Order::Dependent => (number % 2, 1 - number % 2),
        }
    }

    /// What the part written last holds in the end: 1 more than the part read, as often as they follow each other.
    pub fn result(self, dispatches: u32) -> u32 {
        match self {
            Order::Independent => 1,
            Order::Dependent => dispatches,
        }
    }
}

/// Somebody who encodes the work.
pub trait Contender {
    /// As reports call it.
    fn name(&self) -> &'static str;

    /// Clears all parts, encodes, runs and checks; gives the time that encoding took.
    fn round(&mut self, order: Order, dispatches: u32) -> Result<Duration>;
}

/// Parts of the one buffer.
pub const PARTS: u32 = 4096;
/// Bytes of a part: the largest alignment that any device asks for.
pub const PART: u64 = 256;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Params {
    pub add: u32,
    pub number: u32,
    pub unused: [u32; 2],
}

impl Params {
    pub fn new(number: u32) -> Params {
        Params {
            add: 1,
            number,
            unused: [0; 2],
        }
    }
}

pub const KERNEL: &str = "
struct Params { add: u32, number: u32, unused: vec2<u32> }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = x[id.x] + params.add;
}";

/// Opens the device that the user named.
pub fn open(name: &str) -> Result<Device> {
    Ok(Device::open(&DeviceOptions {
        device: name.parse::<DeviceSelector>()?,
        ..DeviceOptions::default()
    })?)
}

/// The kernel, for dacapo.
pub fn kernel(device: &Device) -> Result<Kernel> {
    let source = KernelSource::new("tiny")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Write)
        .inline::<Params>()
        .workgroup([32, 1, 1])
        .cpu(|group| {
            let x = group.read::<u32>(0);
            let add = group.inline::<Params>().add;
            // SAFETY: the one workgroup of a dispatch is the only one that writes.
            let y = unsafe { group.write::<u32>(1, 0..32) };
            for (y, x) in y.iter_mut().zip(x) {
                *y = x + add;
            }
            Ok(())
        })
        .wgsl(Wgsl::new(KERNEL));
    Ok(device.kernel(&source)?)
}

/// Whether the last part written holds what it should.
pub fn check(who: &str, order: Order, dispatches: u32, found: u32) -> Result<()> {
    let expected = order.result(dispatches);
    match found == expected {
        true => Ok(()),
        false => Err(format!("{who}, {}: found {found}, not {expected}", order.name()).into()),
    }
}
