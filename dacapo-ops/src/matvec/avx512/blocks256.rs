//! Types with blocks of 256, each of which faces one whole group of activations.

use std::arch::x86_64::*;

use super::{Dot, Parts, ROWS, lanes, load, prefetch};
use crate::quant::Q15Group;
use crate::quant::blocks::{Q4K, Q6K, Scales, half_to_f32_f16c};

impl Dot for Q4K {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    unsafe fn dot(rows: [&[Self]; ROWS], x: &[Q15Group]) -> [f32; ROWS] {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        let shift = lanes([0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4]);
        let fifteen = _mm512_set1_epi8(15);
        for (i, x) in x.iter().enumerate() {
            prefetch(rows[0], 1, i);
            let values = load_all(x);
            let x_scales = load_scales(x);
            let x_sums = _mm256_mul_ps(_mm256_cvtepi32_ps(whole_sums(x)), x_scales);
            for (row, blocks) in rows.iter().enumerate() {
                let block = &blocks[i];
                let packed = Scales::unpack(&block.scales);
                let scales = _mm256_mul_ps(eight(packed.scale), x_scales);
                let scales = _mm256_mul_ps(scales, _mm256_set1_ps(half_to_f32_f16c(block.d)));
                let scales = _mm512_castps256_ps512(scales);
                for (pair, qs) in block.qs.as_chunks::<32>().0.iter().enumerate() {
                    let both = _mm512_broadcast_i64x4(load256(qs));
                    let q = _mm512_and_si512(_mm512_srlv_epi32(both, shift), fifteen);
                    let at = 2 * pair as u32;
                    let spread = lanes(spread(at, 8));
                    let scale = _mm512_permutexvar_ps(spread, scales);
                    sums[row] = _mm512_fmadd_ps(values[pair].dot(q), scale, sums[row]);
                }
                let minimum = _mm256_set1_ps(half_to_f32_f16c(block.dmin));
                let offset = _mm256_mul_ps(eight(packed.offset), minimum);
                let offset = _mm512_zextps256_ps512(_mm256_mul_ps(offset, x_sums));
                sums[row] = _mm512_sub_ps(sums[row], offset);
            }
        }
        let mut out = [0.0; ROWS];
        for (row, out) in out.iter_mut().enumerate() {
            *out = _mm512_reduce_add_ps(sums[row]);
        }
        out
    }
}

impl Dot for Q6K {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
    unsafe fn dot(rows: [&[Self]; ROWS], x: &[Q15Group]) -> [f32; ROWS] {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        let fifteen = _mm512_set1_epi8(15);
        let high = _mm512_set1_epi8(0x30);
        // Two bits of each byte of `qh`, moved to bits 4 and 5.
        let (left, right) = (
            lanes([4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2]),
            lanes([0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2]),
        );
        let pairs = lanes([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]);
        for (i, x) in x.iter().enumerate() {
            prefetch(rows[0], 1, i);
            let values = load_all(x);
            let minus_sums = _mm512_mullo_epi32(load_half_sums(x), _mm512_set1_epi32(-32));
            let minus_sums = _mm512_cvtepi32_ps(minus_sums);
            let x_scales = _mm512_permutexvar_ps(pairs, _mm512_castps256_ps512(load_scales(x)));
            for (row, blocks) in rows.iter().enumerate() {
                let block = &blocks[i];
                let scales = load128(bytemuck::cast_ref(&block.scales));
                let scales = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales));
                let scales = _mm512_mul_ps(scales, x_scales);
                let scales = _mm512_mul_ps(scales, _mm512_set1_ps(half_to_f32_f16c(block.d)));
                sums[row] = _mm512_fmadd_ps(scales, minus_sums, sums[row]);
                let (ql, qh) = (block.ql.as_chunks::<64>().0, block.qh.as_chunks::<32>().0);
                for half in 0..2 {
                    let low = load(&ql[half]);
                    let two = _mm512_broadcast_i64x4(load256(&qh[half]));
                    let first = _mm512_and_si512(low, fifteen);
                    let second = _mm512_and_si512(_mm512_srli_epi32::<4>(low), fifteen);
                    let bits = [
                        _mm512_and_si512(_mm512_sllv_epi32(two, left), high),
                        _mm512_and_si512(_mm512_srlv_epi32(two, right), high),
                    ];
                    let q = [
                        _mm512_or_si512(first, bits[0]),
                        _mm512_or_si512(second, bits[1]),
                    ];
                    for (quarter, q) in q.into_iter().enumerate() {
                        let at = 2 * half + quarter;
                        let spread = lanes(spread(4 * at as u32, 4));
                        let scale = _mm512_permutexvar_ps(spread, scales);
                        sums[row] = _mm512_fmadd_ps(values[at].dot(q), scale, sums[row]);
                    }
                }
            }
        }
        let mut out = [0.0; ROWS];
        for (row, out) in out.iter_mut().enumerate() {
            *out = _mm512_reduce_add_ps(sums[row]);
        }
        out
    }
}

/// Indices that repeat each lane from `at` on `times` times.
#[inline(always)]
const fn spread(at: u32, times: usize) -> [u32; 16] {
    let mut of = [0; 16];
    let mut i = 0;
    while i < 16 {
        of[i] = at + (i / times) as u32;
        i += 1;
    }
    of
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_all(x: &Q15Group) -> [Parts; 4] {
    [
        Parts::load(x, 0),
        Parts::load(x, 1),
        Parts::load(x, 2),
        Parts::load(x, 3),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_half_sums(x: &Q15Group) -> __m512i {
    load(bytemuck::cast_ref(&x.half_sums))
}

/// Sums of each 32 activations.
#[inline]
#[target_feature(enable = "avx512f")]
fn whole_sums(x: &Q15Group) -> __m256i {
    let halves = load_half_sums(x);
    _mm512_cvtepi64_epi32(_mm512_add_epi32(halves, _mm512_srli_epi64::<32>(halves)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_scales(x: &Q15Group) -> __m256 {
    _mm256_castsi256_ps(load256(bytemuck::cast_ref(&x.scales)))
}

/// Eight unsigned bytes as f32.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx2")]
fn eight(bytes: [u8; 8]) -> __m256 {
    let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(bytes));
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes are readable; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are readable; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
