//! Integer dot products with AVX2, for blocks of 32 weights.
//!
//! `vpmaddwd` multiplies weights as 16-bit integers with activations as such, whose two parts are joined once for all
//! rows. The scales of eight blocks are converted and multiplied together.
#![allow(
    unsafe_code,
    reason = "unaligned loads, and calls that need the processor to have these instructions"
)]

use std::arch::x86_64::*;

use crate::dtype::DType;
use crate::quant::Q15Group;
use crate::quant::blocks::{Block, Q4_0, Q4_1, Q8_0, half_to_f32_f16c};
use crate::simd::{Isa, Level};

/// Groups of activations that are joined at a time: 4 KiB of integers.
const GROUPS: usize = 8;

/// Blocks that face a group.
const BLOCKS: usize = Q15Group::LEN / 32;

/// Whether [`rows`] is there for `dtype`.
pub(super) fn has(dtype: DType) -> bool {
    matches!(dtype, DType::Q8_0 | DType::Q4_0 | DType::Q4_1)
}

/// `dtype` is one that it [`has`].
pub(super) fn rows(
    isa: Isa,
    dtype: DType,
    row_bytes: usize,
    bytes: &[u8],
    x: &[Q15Group],
    y: &mut [f32],
) {
    assert_eq!(isa.level(), Level::Avx2, "the caller chose this kernel");
    // SAFETY: an `Isa` of this level is proof that the processor has these features.
    unsafe {
        match dtype {
            DType::Q8_0 => each::<Q8_0>(row_bytes, bytes, x, y),
            DType::Q4_0 => each::<Q4_0>(row_bytes, bytes, x, y),
            DType::Q4_1 => each::<Q4_1>(row_bytes, bytes, x, y),
            _ => {}
        }
    }
}

/// A group of activations, its parts joined.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Words {
    integers: [[[i16; 16]; 2]; BLOCKS],
    scales: [f32; BLOCKS],
    /// The sums of the activations themselves.
    sums: [f32; BLOCKS],
}

impl Words {
    const ZERO: Self = Self {
        integers: [[[0; 16]; 2]; BLOCKS],
        scales: [0.0; BLOCKS],
        sums: [0.0; BLOCKS],
    };

    #[inline]
    #[target_feature(enable = "avx2")]
    fn of(group: &Q15Group) -> Self {
        let mut words = Self::ZERO;
        let integers: &mut [i16; Q15Group::LEN] = bytemuck::cast_mut(&mut words.integers);
        for (i, integer) in integers.iter_mut().enumerate() {
            *integer = group.integer(i);
        }
        words.scales = group.scales;
        for (block, sum) in words.sums.iter_mut().enumerate() {
            *sum = group.scales[block] * group.sum(block) as f32;
        }
        words
    }
}

/// 32 weights of a row.
trait Weights: Block {
    /// # Safety
    /// The processor must have the features of [`Level::Avx2`].
    unsafe fn integers(&self) -> [__m256i; 2];

    /// The bits of the scale, which all blocks begin with.
    #[inline(always)]
    fn scale(&self) -> i16 {
        let bytes = bytemuck::bytes_of(self);
        i16::from_le_bytes([bytes[0], bytes[1]])
    }

    /// What the sums of activations are multiplied with, from the scales of eight blocks.
    ///
    /// # Safety
    /// As [`Weights::integers`].
    unsafe fn offsets(blocks: &[Self; BLOCKS], scales: __m256) -> Option<__m256>;

    /// As [`Weights::offsets`], of this block alone.
    fn offset(&self, scale: f32, half: impl Fn([u8; 2]) -> f32) -> f32;
}

impl Weights for Q8_0 {
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn integers(&self) -> [__m256i; 2] {
        let [low, high]: [__m128i; 2] = bytemuck::cast(self.qs);
        [_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn offsets(_: &[Self; BLOCKS], _: __m256) -> Option<__m256> {
        None
    }

    #[inline(always)]
    fn offset(&self, _: f32, _: impl Fn([u8; 2]) -> f32) -> f32 {
        0.0
    }
}

impl Weights for Q4_0 {
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn integers(&self) -> [__m256i; 2] {
        halves(&self.qs)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn offsets(_: &[Self; BLOCKS], scales: __m256) -> Option<__m256> {
        Some(_mm256_mul_ps(scales, _mm256_set1_ps(-8.0)))
    }

    #[inline(always)]
    fn offset(&self, scale: f32, _: impl Fn([u8; 2]) -> f32) -> f32 {
        -8.0 * scale
    }
}

impl Weights for Q4_1 {
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn integers(&self) -> [__m256i; 2] {
        halves(&self.qs)
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn offsets(blocks: &[Self; BLOCKS], _: __m256) -> Option<__m256> {
        Some(floats(blocks, |block| i16::from_le_bytes(block.m)))
    }

    #[inline(always)]
    fn offset(&self, _: f32, half: impl Fn([u8; 2]) -> f32) -> f32 {
        half(self.m)
    }
}

/// The low nibbles, and the high ones.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(qs: &[u8; 16]) -> [__m256i; 2] {
    let bytes = _mm256_cvtepu8_epi16(bytemuck::cast(*qs));
    [
        _mm256_and_si256(bytes, _mm256_set1_epi16(15)),
        _mm256_srli_epi16::<4>(bytes),
    ]
}

/// The halves that `bits` finds in eight blocks, as f32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn floats<B>(blocks: &[B; BLOCKS], bits: impl Fn(&B) -> i16) -> __m256 {
    let [a, b, c, d, e, f, g, h] = blocks;
    _mm256_cvtph_ps(_mm_setr_epi16(
        bits(a),
        bits(b),
        bits(c),
        bits(d),
        bits(e),
        bits(f),
        bits(g),
        bits(h),
    ))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn each<B: Weights>(row_bytes: usize, bytes: &[u8], x: &[Q15Group], y: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    let per_row = row_bytes / size_of::<B>();
    let mut words = [Words::ZERO; GROUPS];
    for (chunk, x) in x.chunks(GROUPS).enumerate() {
        for (words, x) in words.iter_mut().zip(x) {
            *words = Words::of(x);
        }
        let from = chunk * GROUPS * BLOCKS;
        let to = per_row.min(from + x.len() * BLOCKS);
        for (row, y) in blocks.chunks_exact(per_row).zip(&mut *y) {
            let sum = dot(&row[from..to], &words);
            *y = if chunk == 0 { sum } else { *y + sum };
        }
    }
}

/// Of part of a row, which is no longer than `words`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot<B: Weights>(row: &[B], words: &[Words; GROUPS]) -> f32 {
    let (whole, rest) = row.as_chunks::<BLOCKS>();
    let mut sums = [_mm256_setzero_ps(); 2];
    for (blocks, x) in whole.iter().zip(words) {
        sums = add(blocks, x, sums);
    }
    let mut offsets = 0.0;
    for (i, block) in rest.iter().enumerate() {
        let x = &words[whole.len()];
        let own = half_to_f32_f16c(block.scale().to_le_bytes());
        let offset = block.offset(own, |half| half_to_f32_f16c(half));
        offsets = offset.mul_add(x.sums[i], offsets);
        let scale = _mm256_set1_ps(own * x.scales[i]);
        sums[i % 2] = _mm256_fmadd_ps(products(block, &x.integers[i]), scale, sums[i % 2]);
    }
    let sums = _mm256_add_ps(sums[0], sums[1]);
    let four = _mm_add_ps(
        _mm256_castps256_ps128(sums),
        _mm256_extractf128_ps::<1>(sums),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two))) + offsets
}

/// Adds the products of eight blocks with a group of activations.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add<B: Weights>(blocks: &[B; BLOCKS], x: &Words, mut sums: [__m256; 2]) -> [__m256; 2] {
    let own = floats(blocks, B::scale);
    // SAFETY: this function is compiled for these features.
    if let Some(offsets) = unsafe { B::offsets(blocks, own) } {
        sums[0] = _mm256_fmadd_ps(offsets, bytemuck::cast(x.sums), sums[0]);
    }
    let scales: [f32; BLOCKS] = bytemuck::cast(_mm256_mul_ps(own, bytemuck::cast(x.scales)));
    for (i, block) in blocks.iter().enumerate() {
        let scale = _mm256_set1_ps(scales[i]);
        sums[i % 2] = _mm256_fmadd_ps(products(block, &x.integers[i]), scale, sums[i % 2]);
    }
    sums
}

/// Of a block with its activations, in eight sums.
#[inline]
#[target_feature(enable = "avx2")]
fn products<B: Weights>(block: &B, x: &[[i16; 16]; 2]) -> __m256 {
    // SAFETY: this function is compiled for these features.
    let [w_low, w_high] = unsafe { block.integers() };
    let [x_low, x_high]: [__m256i; 2] = bytemuck::cast(*x);
    let low = _mm256_madd_epi16(w_low, x_low);
    _mm256_cvtepi32_ps(_mm256_add_epi32(low, _mm256_madd_epi16(w_high, x_high)))
}
