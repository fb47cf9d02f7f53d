use crate::memory::BufferView;

/// How many workgroups a dispatch runs, and what they share.
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    pub(crate) extent: Extent<'a>,
    pub(crate) shared_bytes: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent<'a> {
    Groups([u32; 3]),
    Threads([u32; 3]),
    Indirect(&'a BufferView),
}

/// The threads of this many workgroups.
pub(crate) fn threads_of(groups: [u32; 3], workgroup: [u32; 3]) -> [u32; 3] {
    core::array::from_fn(|axis| groups[axis].saturating_mul(workgroup[axis]))
}

/// The workgroups that hold this many threads.
pub(crate) fn groups_of(threads: [u32; 3], workgroup: [u32; 3]) -> [u32; 3] {
    core::array::from_fn(|axis| threads[axis].div_ceil(workgroup[axis]))
}

impl<'a> Grid<'a> {
    /// This many workgroups along x, y and z.
    pub fn groups(groups: [u32; 3]) -> Grid<'static> {
        Grid {
            extent: Extent::Groups(groups),
            shared_bytes: 0,
        }
    }

    /// This many threads along x, y and z, rounded up to whole workgroups: kernels must guard against the
    /// rest.
    pub fn threads(threads: [u32; 3]) -> Grid<'static> {
        Grid {
            extent: Extent::Threads(threads),
            shared_bytes: 0,
        }
    }

    /// As many workgroups as the first three `u32` of `view` say when the dispatch starts. Zero runs none.
    pub fn indirect(view: &'a BufferView) -> Grid<'a> {
        Grid {
            extent: Extent::Indirect(view),
            shared_bytes: 0,
        }
    }

    /// Asks for `bytes` of dynamic shared memory for each workgroup. The kernel must declare it.
    pub fn with_shared_memory(self, bytes: u32) -> Grid<'a> {
        Grid {
            shared_bytes: bytes,
            ..self
        }
    }
}
