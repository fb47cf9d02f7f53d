//! On the GPU: a token to a workgroup, keys and values apart.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::{Grid, Wgsl};

use crate::launch::MAX_GROUPS;

/// How a cache's elements are written.
#[derive(Clone, Copy)]
pub(super) enum Cache {
    Single,
    /// Heads of an even width: two elements at once.
    Half,
    /// Heads of any width.
    HalfOdd,
}

pub(super) fn wgsl(cache: Cache) -> Wgsl {
    let cache = match cache {
        Cache::Single => include_str!("f32.wgsl"),
        Cache::Half => include_str!("f16.wgsl"),
        Cache::HalfOdd => include_str!("f16_odd.wgsl"),
    };
    let text = [include_str!("half.wgsl"), cache, include_str!("rows.wgsl")].join("\n");
    // SAFETY: rows of tokens that have a position, and slots below the capacity, of shapes that the host checks. Only
    // what subgroups have written of workgroup memory is read, past a barrier.
    unsafe { Wgsl::new(text).trusted() }
}

pub(super) fn grid(tokens: usize) -> Grid<'static> {
    Grid::groups([tokens.min(MAX_GROUPS) as u32, 2, 1])
}
