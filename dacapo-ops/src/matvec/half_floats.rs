//! Dot products of weights of 16 bits with f32 activations: f16 with the processor's conversion, bf16.

use std::marker::PhantomData;

use bytemuck::Pod;
use half::{bf16, f16};

use crate::simd::Isa;
use crate::vector::{Kernel, LANES, Simd, dispatch};

/// Registers of partial sums, so that additions need not wait for each other.
const SUMS: usize = 4;

/// Rows of `H`.
pub(super) fn rows<H: Half>(isa: Isa, row_bytes: usize, bytes: &[u8], x: &[f32], y: &mut [f32]) {
    dispatch(
        isa,
        Rows {
            row_bytes,
            bytes,
            x,
            y,
            of: PhantomData::<H>,
        },
    );
}

/// A float of 16 bits.
pub(super) trait Half: Pod {
    fn widen<S: Simd>(s: S, halves: &[Self; LANES]) -> S::F;
}

impl Half for f16 {
    #[inline(always)]
    fn widen<S: Simd>(s: S, halves: &[Self; LANES]) -> S::F {
        s.load_f16(halves)
    }
}

impl Half for bf16 {
    #[inline(always)]
    fn widen<S: Simd>(s: S, halves: &[Self; LANES]) -> S::F {
        let mut lanes = [0.0; LANES];
        for (lane, half) in lanes.iter_mut().zip(halves) {
            *lane = f32::from_bits(u32::from(half.to_bits()) << 16);
        }
        s.load(&lanes)
    }
}

struct Rows<'a, H> {
    row_bytes: usize,
    bytes: &'a [u8],
    x: &'a [f32],
    y: &'a mut [f32],
    of: PhantomData<H>,
}

impl<H: Half> Kernel for Rows<'_, H> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (row, y) in self.bytes.chunks_exact(self.row_bytes).zip(self.y) {
            *y = dot::<H, S>(s, row, self.x);
        }
    }
}

#[inline(always)]
fn dot<H: Half, S: Simd>(s: S, row: &[u8], x: &[f32]) -> f32 {
    let (w, w_rest) = row.as_chunks::<{ 2 * LANES }>();
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (w_blocks, w_last) = w.as_chunks::<SUMS>();
    let (x_blocks, x_last) = x.as_chunks::<SUMS>();
    let mut sums = [s.splat(0.0); SUMS];
    for (w, x) in w_blocks.iter().zip(x_blocks) {
        for i in 0..SUMS {
            sums[i] = s.mul_add(widen::<H, S>(s, &w[i]), s.load(&x[i]), sums[i]);
        }
    }
    for (i, (w, x)) in w_last.iter().zip(x_last).enumerate() {
        sums[i] = s.mul_add(widen::<H, S>(s, w), s.load(x), sums[i]);
    }
    if !x_rest.is_empty() {
        let mut last = [0; 2 * LANES];
        last[..w_rest.len()].copy_from_slice(w_rest);
        let x = s.load_part(x_rest, 0.0);
        sums[SUMS - 1] = s.mul_add(widen::<H, S>(s, &last), x, sums[SUMS - 1]);
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// Weights may lie at odd addresses.
#[inline(always)]
fn widen<H: Half, S: Simd>(s: S, bytes: &[u8; 2 * LANES]) -> S::F {
    H::widen(s, &bytemuck::pod_read_unaligned(bytes))
}
