//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use bytemuck::Pod;
use dacapo::{KernelFault, Workgroup};
use half::f16;

use super::Params;
use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

/// What a cache can store an f32 as.
pub(crate) trait Stored: Pod {
    fn store<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES]);
    fn from_f32(x: f32) -> Self;
}

impl Stored for f32 {
    #[inline(always)]
    fn store<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES]) {
        s.store(v, to);
    }

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        x
    }
}

impl Stored for f16 {
    #[inline(always)]
    fn store<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES]) {
        s.store_f16(v, to);
    }

    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        f16::from_f32(x)
    }
}

/// Workgroup `n` has KV head `n` to itself, so that no positions, however odd, make two write one slot.
pub(super) fn entry<E: Stored>(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let Params {
        kv_heads, head_dim, ..
    } = group.inline();
    let (head, heads) = (group.id()[0] as usize, kv_heads as usize);
    let at = (head, heads, head_dim as usize);
    let positions = group.read::<u32>(2);
    for (rows, cache) in [(0, 3), (1, 4)] {
        let len = group.len::<E>(cache) / heads;
        // SAFETY: workgroup `n` alone touches KV head `n`.
        let cache = unsafe { group.write::<E>(cache, head * len..(head + 1) * len) };
        append(Isa::detect(), group.read(rows), at, positions, cache);
    }
    Ok(())
}

/// Copies one head of each row to slot `position % capacity` of that head's `cache`, rows in order: of
/// two rows for one slot the later one stays. f16 rounds to nearest, beyond 65504 to infinity.
///
/// `rows` is `[positions, heads, head_dim]`, `cache` `[capacity, head_dim]`.
pub(super) fn append<E: Stored>(
    isa: Isa,
    rows: &[f32],
    (head, heads, head_dim): (usize, usize, usize),
    positions: &[u32],
    cache: &mut [E],
) {
    let capacity = cache.len() / head_dim;
    for (row, &position) in rows.chunks_exact(heads * head_dim).zip(positions) {
        let from = &row[head * head_dim..][..head_dim];
        let slot = position as usize % capacity;
        narrow(isa, from, &mut cache[slot * head_dim..][..head_dim]);
    }
}

/// Copies `from` to `to`, which is as long.
pub(crate) fn narrow<E: Stored>(isa: Isa, from: &[f32], to: &mut [E]) {
    vector::dispatch(isa, Narrow { from, to });
}

struct Narrow<'a, E> {
    from: &'a [f32],
    to: &'a mut [E],
}

impl<E: Stored> Kernel for Narrow<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (from, from_tail) = self.from.as_chunks::<LANES>();
        let (to, to_tail) = self.to.as_chunks_mut::<LANES>();
        for (from, to) in from.iter().zip(to) {
            E::store(s, s.load(from), to);
        }
        for (&from, to) in from_tail.iter().zip(to_tail) {
            *to = E::from_f32(from);
        }
    }
}
