//! Types with blocks of 32: four blocks at a time, two in a register.

use std::arch::x86_64::*;

use super::{Dot, Parts, ROWS, lanes, load, prefetch};
use crate::quant::Q15Group;
use crate::quant::blocks::{Block, Q4_0, Q4_1, Q8_0};

/// Four consecutive blocks of a row.
#[derive(Clone, Copy)]
struct Four {
    /// The unsigned values of blocks 0 and 1, and of blocks 2 and 3.
    values: [__m512i; 2],
    /// Four scales as f16, then four offsets if the type has them.
    heads: __m128i,
}

trait Quad: Block {
    /// What the format subtracts from every value; otherwise each block has an offset of its own.
    const MINUS: Option<f32>;

    /// Splits up to four blocks, or exactly four if they are `WHOLE`; those that are missing are zero.
    ///
    /// # Safety
    /// The processor must have the features of [`crate::simd::Level::Avx512`].
    unsafe fn split<const WHOLE: bool>(blocks: &[Self]) -> Four;
}

impl Quad for Q4_1 {
    const MINUS: Option<f32> = None;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    unsafe fn split<const WHOLE: bool>(blocks: &[Self]) -> Four {
        let bytes = bytemuck::cast_slice(blocks);
        let (first, last) = (load_at::<WHOLE>(bytes, 0), load_at::<WHOLE>(bytes, 16));
        // A block is five dwords: d and m, then four of nibbles.
        let low = lanes([1, 2, 3, 4, 1, 2, 3, 4, 6, 7, 8, 9, 6, 7, 8, 9]);
        let high = lanes([7, 8, 9, 10, 7, 8, 9, 10, 12, 13, 14, 15, 12, 13, 14, 15]);
        Four {
            values: [
                nibbles(_mm512_permutexvar_epi32(low, first)),
                nibbles(_mm512_permutexvar_epi32(high, last)),
            ],
            heads: _mm512_castsi512_si128(_mm512_permutexvar_epi16(
                words([0, 10, 20, 30, 1, 11, 21, 31]),
                first,
            )),
        }
    }
}

impl Quad for Q4_0 {
    const MINUS: Option<f32> = Some(8.0);

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    unsafe fn split<const WHOLE: bool>(blocks: &[Self]) -> Four {
        let bytes = bytemuck::cast_slice(blocks);
        let (first, last) = (load_at::<WHOLE>(bytes, 0), load_at::<WHOLE>(bytes, 8));
        // A block is nine 16-bit words: d, then eight of nibbles; each block's eight appear twice.
        const LOW: [u16; 32] = twice(1, 10);
        const HIGH: [u16; 32] = twice(15, 24);
        Four {
            values: [
                nibbles(_mm512_permutexvar_epi16(
                    load(bytemuck::cast_ref(&LOW)),
                    first,
                )),
                nibbles(_mm512_permutexvar_epi16(
                    load(bytemuck::cast_ref(&HIGH)),
                    last,
                )),
            ],
            heads: _mm512_castsi512_si128(_mm512_permutexvar_epi16(
                words([0, 9, 18, 27, 0, 0, 0, 0]),
                first,
            )),
        }
    }
}

impl Quad for Q8_0 {
    const MINUS: Option<f32> = Some(128.0);

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    unsafe fn split<const WHOLE: bool>(blocks: &[Self]) -> Four {
        let bytes = bytemuck::cast_slice(blocks);
        // A block is 17 words: d, then 16 of values. The loads begin at words 0, 32 and 36.
        let parts = [
            load_at::<WHOLE>(bytes, 0),
            load_at::<WHOLE>(bytes, 64),
            load_at::<WHOLE>(bytes, 72),
        ];
        const LOW: [u16; 32] = two_runs(1, 18);
        const HIGH: [u16; 32] = two_runs(3, 48);
        let unsigned = _mm512_set1_epi8(-128);
        let low = load(bytemuck::cast_ref(&LOW));
        let high = load(bytemuck::cast_ref(&HIGH));
        let low = _mm512_permutex2var_epi16(parts[0], low, parts[1]);
        let high = _mm512_permutex2var_epi16(parts[1], high, parts[2]);
        Four {
            values: [
                _mm512_xor_si512(low, unsigned),
                _mm512_xor_si512(high, unsigned),
            ],
            heads: _mm512_castsi512_si128(_mm512_permutex2var_epi16(
                parts[0],
                words([0, 17, 34, 51, 0, 0, 0, 0]),
                parts[1],
            )),
        }
    }
}

macro_rules! dot {
    ($($block:ty),*) => {$(
        impl Dot for $block {
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
            unsafe fn dot(rows: [&[Self]; ROWS], x: &[Q15Group]) -> [f32; ROWS] {
                dot(rows, x)
            }
        }
    )*};
}
dot!(Q4_0, Q4_1, Q8_0);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn dot<B: Quad>(rows: [&[B]; ROWS], x: &[Q15Group]) -> [f32; ROWS] {
    let mut sums = Sums {
        products: [_mm512_setzero_ps(); ROWS],
        offsets: _mm512_setzero_ps(),
    };
    // Written out: `array::map` is not compiled for these features, and neither would its closure's caller be.
    let fours = [
        rows[0].as_chunks::<4>(),
        rows[1].as_chunks::<4>(),
        rows[2].as_chunks::<4>(),
        rows[3].as_chunks::<4>(),
    ];
    let whole = fours[0].0.len();
    for i in 0..whole {
        let blocks: [&[B]; ROWS] = [
            &fours[0].0[i],
            &fours[1].0[i],
            &fours[2].0[i],
            &fours[3].0[i],
        ];
        prefetch(rows[0], 4, i);
        sums.add::<B, true>(blocks, &x[i / 2], i % 2);
    }
    if !fours[0].1.is_empty() {
        let rest = [fours[0].1, fours[1].1, fours[2].1, fours[3].1];
        sums.add::<B, false>(rest, &x[whole / 2], whole % 2);
    }
    sums.finish()
}

struct Sums {
    /// Of each row.
    products: [__m512; ROWS],
    /// Of all rows: lanes `4 * row ..` belong to `row`.
    offsets: __m512,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    fn add<B: Quad, const WHOLE: bool>(&mut self, rows: [&[B]; ROWS], x: &Q15Group, half: usize) {
        // SAFETY: this function is compiled for these features.
        let rows = unsafe {
            [
                B::split::<WHOLE>(rows[0]),
                B::split::<WHOLE>(rows[1]),
                B::split::<WHOLE>(rows[2]),
                B::split::<WHOLE>(rows[3]),
            ]
        };
        let x_scales = load128(bytemuck::cast_ref(
            &bytemuck::cast_ref::<_, [[f32; 4]; 2]>(&x.scales)[half],
        ));
        let x_scales = _mm_castsi128_ps(x_scales);
        let half_sums: &[[[i32; 4]; 2]; 2] = bytemuck::cast_ref(&x.half_sums);
        let x_sums = _mm_cvtepi32_ps(_mm_hadd_epi32(
            load128(bytemuck::cast_ref(&half_sums[half][0])),
            load128(bytemuck::cast_ref(&half_sums[half][1])),
        ));

        let heads = _mm512_cvtph_ps(_mm256_set_m128i(
            _mm_unpacklo_epi64(rows[2].heads, rows[3].heads),
            _mm_unpacklo_epi64(rows[0].heads, rows[1].heads),
        ));
        let scales = _mm512_mul_ps(heads, _mm512_broadcast_f32x4(x_scales));
        let (offsets, x_sums) = match B::MINUS {
            Some(minus) => (scales, _mm_mul_ps(x_sums, _mm_set1_ps(-minus))),
            None => {
                let offsets = _mm512_cvtph_ps(_mm256_set_m128i(
                    _mm_unpackhi_epi64(rows[2].heads, rows[3].heads),
                    _mm_unpackhi_epi64(rows[0].heads, rows[1].heads),
                ));
                (offsets, _mm_mul_ps(x_sums, x_scales))
            }
        };
        self.offsets = _mm512_fmadd_ps(offsets, _mm512_broadcast_f32x4(x_sums), self.offsets);

        let parts = [Parts::load(x, 2 * half), Parts::load(x, 2 * half + 1)];
        for (row, four) in rows.iter().enumerate() {
            for (pair, parts) in parts.iter().enumerate() {
                let scale = _mm512_permutexvar_ps(eight_each((4 * row + 2 * pair) as u32), scales);
                let products = parts.dot(four.values[pair]);
                self.products[row] = _mm512_fmadd_ps(products, scale, self.products[row]);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    fn finish(self) -> [f32; ROWS] {
        let mut sums = [0.0; ROWS];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = _mm512_reduce_add_ps(self.products[row])
                + _mm512_mask_reduce_add_ps(15 << (4 * row), self.offsets);
        }
        sums
    }
}

/// Lane `at` in the lower half, lane `at + 1` in the upper half.
#[inline]
#[target_feature(enable = "avx512f")]
fn eight_each(at: u32) -> __m512i {
    let mut of = [at; 16];
    let mut i = 8;
    while i < 16 {
        of[i] = at + 1;
        i += 1;
    }
    lanes(of)
}

/// Low nibbles in the even 128-bit lanes, high nibbles in the odd ones, which hold the same bytes.
#[inline]
#[target_feature(enable = "avx512f")]
fn nibbles(bytes: __m512i) -> __m512i {
    let shift = lanes([0, 0, 0, 0, 4, 4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4]);
    _mm512_and_si512(_mm512_srlv_epi32(bytes, shift), _mm512_set1_epi8(15))
}

/// 16 words from `first` on, then 16 from `second` on.
const fn two_runs(first: u16, second: u16) -> [u16; 32] {
    let mut of = [0; 32];
    let mut i = 0;
    while i < 32 {
        of[i] = if i < 16 {
            first + i as u16
        } else {
            second + i as u16 - 16
        };
        i += 1;
    }
    of
}

/// Eight words from `first` on, twice, then eight from `second` on, twice.
const fn twice(first: u16, second: u16) -> [u16; 32] {
    let mut of = [0; 32];
    let mut i = 0;
    while i < 32 {
        let start = if i < 16 { first } else { second };
        of[i] = start + (i % 8) as u16;
        i += 1;
    }
    of
}

/// Eight 16-bit indices; what the others choose does not matter.
#[inline]
#[target_feature(enable = "avx512f")]
fn words(of: [u16; 8]) -> __m512i {
    _mm512_castsi128_si512(load128(bytemuck::cast_ref(&of)))
}

/// 64 bytes from `at` on, or what there is of them and then zeros if not `WHOLE`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_at<const WHOLE: bool>(bytes: &[u8], at: usize) -> __m512i {
    let start = bytes.as_ptr().wrapping_add(at);
    if WHOLE {
        assert!(at + 64 <= bytes.len());
        // SAFETY: `at + 64` is within the slice; the load needs no alignment.
        return unsafe { _mm512_loadu_si512(start.cast()) };
    }
    let there = bytes.len().saturating_sub(at).min(64) as u32;
    let mask = u64::MAX.checked_shr(64 - there).unwrap_or(0);
    // SAFETY: bytes whose bit is off are not read, and the others are within the slice.
    unsafe { _mm512_maskz_loadu_epi8(mask, start.cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are readable; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
