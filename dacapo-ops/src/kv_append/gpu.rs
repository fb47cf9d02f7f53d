//! On the GPU: a token to a workgroup, keys and values apart.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::{Grid, Wgsl};

use crate::dtype::DType;
use crate::launch::MAX_GROUPS;
use crate::tensor::Tensor;

/// How a cache's elements are written.
#[derive(Clone, Copy)]
pub(crate) enum Cache {
    Single,
    /// Heads of an even width: two elements at once.
    Half,
    /// Heads of any width.
    HalfOdd,
}

impl Cache {
    /// For the cache `[.., head_dim]`; on the processor heads may have any width.
    pub(crate) fn of(on_gpu: bool, cache: &Tensor) -> Cache {
        match cache.dtype() {
            DType::F16 if on_gpu && !cache.cols().is_multiple_of(2) => Cache::HalfOdd,
            DType::F16 => Cache::Half,
            _ => Cache::Single,
        }
    }

    /// The caches at slots 3 and 4, `store_keys` and `store_values`, which write them, and `same_slot`.
    pub(crate) fn wgsl(self) -> String {
        let stores = match self {
            Cache::Single => include_str!("f32.wgsl"),
            Cache::Half => include_str!("f16.wgsl"),
            Cache::HalfOdd => include_str!("f16_odd.wgsl"),
        };
        [
            include_str!("half.wgsl"),
            include_str!("slots.wgsl"),
            stores,
        ]
        .join("\n")
    }
}

pub(super) fn wgsl(cache: Cache) -> Wgsl {
    let text = [&cache.wgsl(), include_str!("rows.wgsl")].join("\n");
    // SAFETY: rows of tokens that have a position, and slots below the capacity, of shapes that the host checks. Only
    // what subgroups have written of workgroup memory is read, past a barrier.
    unsafe { Wgsl::new(text).trusted() }
}

pub(super) fn grid(tokens: usize) -> Grid<'static> {
    Grid::groups([tokens.min(MAX_GROUPS) as u32, 2, 1])
}
