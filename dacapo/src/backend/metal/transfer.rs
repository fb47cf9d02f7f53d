//! Copies and fills, as dispatches: they run in the same pass as kernels, at any alignment.
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use objc2_metal::MTLSize;

use crate::backend::Refused;
use crate::backend::metal::code::{self, Code};
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::pipeline::ComputePipeline;

/// Threads of a workgroup, and workgroups at most: a thread goes on where the last one is.
const THREADS: u32 = 256;
const MAX_GROUPS: u64 = 4096;

/// Widths of elements in bytes, widest first.
const WIDTHS: [u64; 3] = [16, 4, 1];

/// Buffers are bound at multiples of this many bytes.
const UNIT: usize = 16;

pub(super) struct Transfers {
    copies: [Arc<ComputePipeline>; 3],
    fills: [Arc<ComputePipeline>; 3],
}

/// What the kernels take.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Transfer {
    count: u64,
    value: u32,
    threads: u32,
    from: u32,
    to: u32,
}

/// A pipeline, its inline bytes and its workgroups.
pub(super) type Step<'t> = (&'t Arc<ComputePipeline>, Transfer, [u32; 3]);

impl Transfers {
    pub(super) fn new(gpu: &Gpu) -> Result<Transfers, Refused> {
        let pipeline = |entry, inline_index| pipeline(gpu, entry, inline_index);
        Ok(Transfers {
            copies: [
                pipeline("copy_16", 2)?,
                pipeline("copy_4", 2)?,
                pipeline("copy_1", 2)?,
            ],
            fills: [
                pipeline("fill_16", 1)?,
                pipeline("fill_4", 1)?,
                pipeline("fill_1", 1)?,
            ],
        })
    }

    /// A copy of `len` bytes between these offsets, with both buffers bound at their [`whole`] ones.
    pub(super) fn copy(&self, from: usize, to: usize, len: u64) -> Step<'_> {
        step(&self.copies, [from, to], len, 0)
    }

    /// A fill of `len` bytes at this offset, with the buffer bound at its [`whole`] one.
    pub(super) fn fill(&self, at: usize, len: u64, value: u8) -> Step<'_> {
        step(&self.fills, [0, at], len, value)
    }
}

/// The offset where a buffer is bound of which these kernels use the bytes from `offset` on.
pub(super) fn whole(offset: usize) -> usize {
    offset - offset % UNIT
}

/// With the widest elements that divide everything.
fn step(
    pipelines: &[Arc<ComputePipeline>; 3],
    offsets: [usize; 2],
    len: u64,
    value: u8,
) -> Step<'_> {
    let within = offsets.map(|offset| (offset - whole(offset)) as u64);
    let ends = within[0] | within[1] | len;
    let width = WIDTHS.iter().position(|width| ends.is_multiple_of(*width));
    let width = width.unwrap_or(WIDTHS.len() - 1);
    let count = len / WIDTHS[width];
    let groups = count.div_ceil(THREADS.into()).min(MAX_GROUPS) as u32;
    let value = match WIDTHS[width] {
        1 => value.into(),
        _ => u32::from_ne_bytes([value; 4]),
    };
    let [from, to] = within.map(|within| (within / WIDTHS[width]) as u32);
    let transfer = Transfer {
        count,
        value,
        threads: groups * THREADS,
        from,
        to,
    };
    (&pipelines[width], transfer, [groups, 1, 1])
}

fn pipeline(gpu: &Gpu, entry: &str, inline_index: usize) -> Result<Arc<ComputePipeline>, Refused> {
    let code = Code {
        label: entry,
        text: include_str!("transfer.metal"),
        entry,
        constants: &[],
        threads: THREADS as usize,
    };
    Ok(Arc::new(ComputePipeline {
        raw: code::build(gpu, &code).map_err(Refused::Other)?,
        threads: MTLSize {
            width: THREADS as usize,
            height: 1,
            depth: 1,
        },
        inline_index: Some(inline_index),
        inline_bytes: size_of::<Transfer>(),
        sizes: None,
        threadgroup: Box::default(),
    }))
}
