//! The kernels behind [`CommandEncoder::copy`](crate::CommandEncoder::copy) and
//! [`CommandEncoder::fill`](crate::CommandEncoder::fill).
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use core::ops::Range;
use std::sync::Arc;

use crate::access::Access;
use crate::device::DeviceCore;
use crate::error::Result;
use crate::grid::Grid;
use crate::kernel::{Kernel, KernelFault, KernelSource, Transfer, Workgroup};
use crate::profile::{Dispatched, Work};

/// Bytes that one workgroup copies or fills.
const CHUNK: u64 = 64 << 10;

#[derive(Clone)]
pub(crate) struct Builtins {
    pub(crate) copy: Kernel,
    pub(crate) fill: Kernel,
}

impl Builtins {
    pub(crate) fn new(core: &Arc<DeviceCore>) -> Result<Builtins> {
        let copy = KernelSource::new("copy")
            .binding::<u8>(0, Access::Read)
            .binding::<u8>(1, Access::Write)
            .overwrites(1)
            .work(copied);
        let fill = KernelSource::new("fill")
            .binding::<u8>(0, Access::Write)
            .overwrites(0)
            .inline::<u32>()
            .work(filled);
        Ok(Builtins {
            copy: core.kernel(&copy.cpu(cpu_copy).or_transfer(Transfer::Copy))?,
            fill: core.kernel(&fill.cpu(cpu_fill).or_transfer(Transfer::Fill))?,
        })
    }

    pub(crate) fn grid(&self, len: u64) -> Grid<'static> {
        Grid::groups([u32::try_from(len.div_ceil(CHUNK)).unwrap_or(u32::MAX), 1, 1])
    }
}

fn copied(call: &Dispatched<'_>) -> Work {
    Work {
        read: call.bytes(0),
        written: call.bytes(1),
        operations: 0,
    }
}

fn filled(call: &Dispatched<'_>) -> Work {
    Work {
        written: call.bytes(0),
        ..Work::default()
    }
}

fn chunk(group: &Workgroup<'_>, slot: u32) -> Range<usize> {
    let first = group.id()[0] as usize * CHUNK as usize;
    first..(first + CHUNK as usize).min(group.len::<u8>(slot))
}

fn cpu_copy(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let chunk = chunk(group, 1);
    // SAFETY: workgroup `n` alone writes chunk `n`.
    let target = unsafe { group.write::<u8>(1, chunk.clone()) };
    target.copy_from_slice(&group.read::<u8>(0)[chunk]);
    Ok(())
}

fn cpu_fill(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    // SAFETY: workgroup `n` alone writes chunk `n`.
    let target = unsafe { group.write::<u8>(0, chunk(group, 0)) };
    target.fill(group.inline::<u32>() as u8);
    Ok(())
}
