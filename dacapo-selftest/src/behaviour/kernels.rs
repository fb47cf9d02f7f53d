//! Kernels that several checks use, and work that takes a while.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use core::time::Duration;
use std::time::Instant;

use dacapo::{
    Access, Buffer, Bytes, CommandEncoder, Device, Grid, Kernel, KernelFault, KernelSource, Result,
    Submission, Wgsl, Workgroup,
};

use crate::kit::{buffer, one};

fn cpu_echo<const WORDS: usize>(group: &mut Workgroup<'_>) -> Result<(), KernelFault>
where
    [u32; WORDS]: bytemuck::AnyBitPattern,
{
    let words = group.inline::<[u32; WORDS]>();
    // SAFETY: there is one workgroup.
    unsafe { group.write::<u32>(0, 0..WORDS) }.copy_from_slice(&words);
    Ok(())
}

/// Writes its inline words, however many there are.
pub(crate) fn echo<const WORDS: usize>(device: &Device) -> Result<Kernel>
where
    [u32; WORDS]: bytemuck::AnyBitPattern + bytemuck::NoUninit,
{
    let fields: String = (0..WORDS).map(|at| format!("a{at}: u32, ")).collect();
    let stores: String = (0..WORDS)
        .map(|at| format!("y[{at}] = p.a{at};\n"))
        .collect();
    let text = format!(
        "struct P {{ {fields} }}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() {{\n{stores}}}"
    );
    let source = KernelSource::new("echo")
        .binding::<u32>(0, Access::Write)
        .inline::<[u32; WORDS]>()
        .cpu(cpu_echo::<WORDS>)
        .wgsl(Wgsl::new(text));
    device.kernel(&source)
}

fn cpu_add(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let (first, x) = (group.id()[0] as usize * 4, group.read::<u32>(0));
    let range = first.min(x.len())..(first + 4).min(x.len());
    // SAFETY: workgroup `n` alone writes elements `4 n..4 n + 4`.
    let y = unsafe { group.write::<u32>(1, range.clone()) };
    let value = group.inline::<u32>();
    let pairs = y.iter_mut().zip(&x[range]);
    pairs.for_each(|(y, x)| *y = x.wrapping_add(value));
    Ok(())
}

const ADD: &str = "
var<immediate> value: u32;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&y) && id.x < arrayLength(&x) { y[id.x] = x[id.x] + value; }
}";

/// `y = x + value`, in workgroups of 4 elements.
pub(crate) fn add(device: &Device) -> Result<Kernel> {
    let source = KernelSource::new("add")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Write)
        .inline::<u32>()
        .workgroup([4, 1, 1])
        .cpu(cpu_add)
        .wgsl(Wgsl::new(ADD));
    device.kernel(&source)
}

fn cpu_number(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let ([x, y, z], [gx, gy, _]) = (group.id(), group.groups());
    let at = (x + gx * (y + gy * z)) as usize;
    if at < group.len::<u32>(0) {
        // SAFETY: workgroup `n` alone writes element `n`.
        let own = unsafe { group.write::<u32>(0, at..at + 1) };
        own[0] = at as u32 + 1;
    }
    Ok(())
}

const NUMBER: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = group.x + groups.x * (group.y + groups.y * group.z);
    if at < arrayLength(&y) { y[at] = at + 1u; }
}";

/// Each workgroup writes its number, from 1 on; elements without a workgroup stay.
pub(crate) fn number(device: &Device) -> Result<Kernel> {
    let source = KernelSource::new("number")
        .binding::<u32>(0, Access::ReadWrite)
        .cpu(cpu_number)
        .wgsl(Wgsl::new(NUMBER));
    device.kernel(&source)
}

fn cpu_spin(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let rounds = group.inline::<u32>();
    // SAFETY: there is one workgroup.
    let data = unsafe { group.write::<u32>(0, 0..1) };
    data[0] = (0..rounds).fold(data[0], |x, _| {
        x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
    });
    Ok(())
}

const SPIN: &str = "
var<immediate> rounds: u32;
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1) fn main() {
    var x = data[0];
    for (var i = 0u; i < rounds; i += 1u) { x = x * 1664525u + 1013904223u; }
    data[0] = x;
}";

/// Rounds of one dispatch that takes a while.
const ROUNDS: u32 = 500;

/// Most dispatches of a submission that takes a while.
const MOST: u32 = 1 << 15;

/// Work that keeps a device busy while the host looks.
pub(crate) struct Slow {
    kernel: Kernel,
    data: Buffer,
    dispatches: u32,
}

impl Slow {
    /// Work that takes at least so long.
    pub(crate) fn new(device: &Device, least: Duration) -> Result<Slow> {
        let source = KernelSource::new("spin")
            .binding::<u32>(0, Access::ReadWrite)
            .inline::<u32>()
            .cpu(cpu_spin)
            .wgsl(Wgsl::new(SPIN));
        let mut slow = Slow {
            kernel: device.kernel(&source)?,
            data: buffer(device, 1),
            dispatches: 16,
        };
        loop {
            let began = Instant::now();
            slow.commit(device)?.wait()?;
            if began.elapsed() >= least || slow.dispatches >= MOST {
                return Ok(slow);
            }
            slow.dispatches *= 2;
        }
    }

    /// Encodes the work.
    pub(crate) fn encode(&self, encoder: &mut CommandEncoder) -> Result<()> {
        (0..self.dispatches)
            .try_for_each(|_| encoder.dispatch(&self.kernel, (&self.data, Bytes(&ROUNDS)), one()))
    }

    /// The work as a submission of its own.
    pub(crate) fn commit(&self, device: &Device) -> Result<Submission> {
        let mut encoder = device.encoder("slow")?;
        self.encode(&mut encoder)?;
        encoder.commit()
    }

    /// Makes it take longer, if it can.
    pub(crate) fn slower(&mut self) -> bool {
        self.dispatches *= 2;
        self.dispatches <= 4 * MOST
    }
}

/// As many threads as the elements.
pub(crate) fn threads(elements: u64) -> Grid<'static> {
    Grid::threads([elements as u32, 1, 1])
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
