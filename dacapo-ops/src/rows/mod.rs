//! What the GPU forms share that give each row of logits to one workgroup.
#![allow(unsafe_code, reason = "kernels without checks")]

use dacapo::{Device, Grid, Kernel, KernelSource, Wgsl};

use crate::error::Result;
use crate::launch::are_wide;
use crate::lazy::LazyKernel;
use crate::tensor::Tensor;

/// Subgroups that the workgroup of any device may have.
const MAX_SUBGROUPS: u32 = 32;

/// The most threads of a workgroup, up to `most`, that kernels here can have on `device`, which is a GPU.
pub(crate) fn workgroup(device: &Device, most: u32) -> u32 {
    let subgroup = device.gpu().map_or(1, |gpu| gpu.subgroup_size);
    let threads = device.limits().max_group_threads.min(most);
    let threads = threads.min(MAX_SUBGROUPS * subgroup);
    1 << threads.max(1).ilog2()
}

/// One workgroup for each of `rows`, as far as `device` goes: kernels take those beyond in turn.
pub(crate) fn grid(device: &Device, rows: u32) -> Grid<'static> {
    Grid::groups([rows.min(device.limits().max_groups[0]), 1, 1])
}

/// A kernel over logits bound at slot 0: the form for aligned rows of whole quads of elements, and that for the rest,
/// compiled when they are first used. Those that select take a second each on some drivers, and few programs need them.
#[derive(Clone, Debug)]
pub(crate) struct ByWidth {
    quads: LazyKernel,
    singles: LazyKernel,
}

impl ByWidth {
    /// `source` is given `text`, which declares `p.width` and goes with the snippets here.
    pub(crate) fn new(device: &Device, source: KernelSource, text: &str) -> ByWidth {
        // Workgroup memory grows with the threads: 16.7 KB for 1024.
        let most = match device.limits().max_shared_bytes {
            ..0x8000 => 512,
            _ => 1024,
        };
        let form = |load: &str| {
            let order = include_str!("ordered.wgsl");
            let wgsl = Wgsl::new([text, include_str!("keys.wgsl"), order, load].concat())
                .constant("WORKGROUP", workgroup(device, most));
            // SAFETY: the kernels here take lengths from their bindings, or from sizes that the host has checked
            // against them, and write workgroup memory before they read it.
            source.clone().wgsl(unsafe { wgsl.trusted() })
        };
        ByWidth {
            quads: LazyKernel::new(device, form(include_str!("quads.wgsl"))),
            singles: LazyKernel::new(device, form(include_str!("singles.wgsl"))),
        }
    }

    /// This, with the usual form compiled already.
    pub(crate) fn compiled(self) -> Result<ByWidth> {
        self.quads.get()?;
        Ok(self)
    }

    /// The form for these rows of `width`.
    pub(crate) fn get(&self, logits: &Tensor, width: u32) -> Result<&Kernel> {
        let form = match width.is_multiple_of(4) && are_wide(&[logits.view()]) {
            true => &self.quads,
            false => &self.singles,
        };
        form.get()
    }
}
