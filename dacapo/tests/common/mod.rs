//! What the tests of misuse and lifetime share.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dacapo::{
    Access, Buffer, Bytes, CommandEncoder, Device, DeviceOptions, Grid, Kernel, KernelFault,
    KernelSource, MemoryKind, Result, Workgroup,
};

pub(crate) fn device(threads: usize) -> Device {
    Device::open(&DeviceOptions {
        threads: NonZeroUsize::new(threads),
        ..DeviceOptions::default()
    })
    .unwrap()
}

pub(crate) fn buffer(device: &Device, elements: u64) -> Buffer {
    device
        .buffer(elements * 4, MemoryKind::DeviceLocal)
        .unwrap()
}

const GATES: usize = 256;
static OPEN: [AtomicBool; GATES] = [const { AtomicBool::new(false) }; GATES];
static ENTERED: [AtomicBool; GATES] = [const { AtomicBool::new(false) }; GATES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Holds a submission up until it is opened or dropped.
pub(crate) struct Gate(usize);

impl Gate {
    pub(crate) fn new() -> Gate {
        let gate = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(
            gate < GATES,
            "more gates than the tests of one program need"
        );
        Gate(gate)
    }

    pub(crate) fn open(&self) {
        OPEN[self.0].store(true, Ordering::SeqCst);
    }

    /// Waits until a kernel has reached the gate.
    pub(crate) fn wait_entered(&self) {
        while !ENTERED[self.0].load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }

    /// Encodes a dispatch that waits for the gate, then sets every element to `value`.
    pub(crate) fn hold(
        &self,
        encoder: &mut CommandEncoder,
        target: &Buffer,
        value: u32,
    ) -> Result<()> {
        let kernel = encoder.device().kernel(
            &KernelSource::new("hold")
                .binding::<u32>(0, Access::Write)
                .inline::<[u32; 2]>()
                .cpu(hold),
        )?;
        let params = [self.0 as u32, value];
        encoder.dispatch(&kernel, (target, Bytes(&params)), Grid::groups([1, 1, 1]))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

fn hold(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let [gate, value] = group.inline::<[u32; 2]>();
    ENTERED[gate as usize].store(true, Ordering::SeqCst);
    while !OPEN[gate as usize].load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let len = group.len::<u32>(0);
    // SAFETY: there is one workgroup.
    unsafe { group.write::<u32>(0, 0..len) }.fill(value);
    Ok(())
}

fn add(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let (value, len) = (group.inline::<u32>(), group.len::<u32>(0));
    // SAFETY: there is one workgroup.
    let target = unsafe { group.write::<u32>(0, 0..len) };
    target
        .iter_mut()
        .for_each(|x| *x = x.wrapping_mul(3).wrapping_add(value));
    Ok(())
}

/// `x = 3 x + value`, in place: the order of several shows.
pub(crate) fn step_kernel(device: &Device) -> Kernel {
    let source = KernelSource::new("step")
        .binding::<u32>(0, Access::ReadWrite)
        .inline::<u32>()
        .cpu(add);
    device.kernel(&source).unwrap()
}

/// One workgroup.
pub(crate) fn one() -> Grid<'static> {
    Grid::groups([1, 1, 1])
}
