//! On the CPU.

use half::f16;

use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

/// What a cache can store an f32 as.
pub(super) trait Stored: Copy {
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

/// Copies one head of each row to slot `position % capacity` of that head's `cache`, rows in order: of
/// two rows for one slot the later one stays. f16 rounds to nearest, beyond 65504 to infinity.
///
/// `rows` is [positions, heads, head_dim], `cache` [capacity, head_dim].
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
        vector::dispatch(
            isa,
            Narrow {
                from,
                to: &mut cache[slot * head_dim..][..head_dim],
            },
        );
    }
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
