//! The blocks of the quantised types, byte for byte as in ggml's `ggml-common.h`.
//!
//! All fields are bytes, so that a block may lie at any address. Multi-byte numbers are little-endian.

use bytemuck::{Pod, Zeroable};
use half::f16;

/// A block that stands for [`Block::LEN`] consecutive elements of a row.
pub(crate) trait Block: Pod {
    /// Elements in one block, a multiple of 32.
    const LEN: usize;

    /// Writes the block's elements to `out`, which holds [`Block::LEN`].
    fn dequantize(&self, out: &mut [f32]);
}

/// f16 to f32 without branches, so that compilers turn loops of it into vector code.
#[inline(always)]
pub(crate) fn half_to_f32(bytes: [u8; 2]) -> f32 {
    let bits = u32::from(f16::from_le_bytes(bytes).to_bits());
    let shifted = (bits & 0x7fff) << 13;
    // 2^112 moves the exponent from bias 15 to bias 127, and makes subnormals normal.
    let finite = (f32::from_bits(shifted) * f32::from_bits(0x7780_0000)).to_bits();
    let magnitude = if shifted >= 0x0f80_0000 {
        shifted | 0x7f80_0000
    } else {
        finite
    };
    f32::from_bits(magnitude | (bits & 0x8000) << 16)
}

/// As [`half_to_f32`], in one instruction, for a number on its own.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "f16c")]
pub(crate) fn half_to_f32_f16c(bytes: [u8; 2]) -> f32 {
    use std::arch::x86_64::{_mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32};
    let bits = i32::from(u16::from_le_bytes(bytes));
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)))
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Q8_0 {
    pub(crate) d: [u8; 2],
    pub(crate) qs: [i8; 32],
}

impl Block for Q8_0 {
    const LEN: usize = 32;

    #[inline(always)]
    fn dequantize(&self, out: &mut [f32]) {
        let d = half_to_f32(self.d);
        for (y, &q) in out.iter_mut().zip(&self.qs) {
            *y = d * f32::from(q);
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Q4_0 {
    pub(crate) d: [u8; 2],
    /// Element `i` is the low nibble of byte `i`, element `16 + i` the high one.
    pub(crate) qs: [u8; 16],
}

impl Block for Q4_0 {
    const LEN: usize = 32;

    #[inline(always)]
    fn dequantize(&self, out: &mut [f32]) {
        let d = half_to_f32(self.d);
        for (y, q) in out.iter_mut().zip(nibbles(&self.qs)) {
            *y = d * f32::from(q as i8 - 8);
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Q4_1 {
    pub(crate) d: [u8; 2],
    pub(crate) m: [u8; 2],
    /// Nibbles as in [`Q4_0`].
    pub(crate) qs: [u8; 16],
}

impl Block for Q4_1 {
    const LEN: usize = 32;

    #[inline(always)]
    fn dequantize(&self, out: &mut [f32]) {
        let (d, m) = (half_to_f32(self.d), half_to_f32(self.m));
        for (y, q) in out.iter_mut().zip(nibbles(&self.qs)) {
            *y = d * f32::from(q) + m;
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Q4K {
    pub(crate) d: [u8; 2],
    pub(crate) dmin: [u8; 2],
    /// Eight scales and eight offsets of 6 bits, see [`Scales`].
    pub(crate) scales: [u8; 12],
    /// Each 32 bytes hold one sub-block in the low nibbles and the next one in the high nibbles.
    pub(crate) qs: [u8; 128],
}

impl Block for Q4K {
    const LEN: usize = 256;

    #[inline(always)]
    fn dequantize(&self, out: &mut [f32]) {
        let (d, dmin) = (half_to_f32(self.d), half_to_f32(self.dmin));
        let scales = Scales::unpack(&self.scales);
        let (pairs, _) = self.qs.as_chunks::<32>();
        for (sub, y) in out.chunks_exact_mut(32).enumerate() {
            let scale = d * f32::from(scales.scale[sub]);
            let offset = dmin * f32::from(scales.offset[sub]);
            let shift = 4 * (sub % 2);
            for (y, &q) in y.iter_mut().zip(&pairs[sub / 2]) {
                *y = scale * f32::from((q >> shift) & 15) - offset;
            }
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Q6K {
    /// Low four bits; each 64 bytes hold 128 elements, the first 64 of them in the low nibbles.
    pub(crate) ql: [u8; 128],
    /// High two bits; each 32 bytes hold 128 elements, 32 of them in each pair of bits.
    pub(crate) qh: [u8; 64],
    /// One scale for each 16 elements.
    pub(crate) scales: [i8; 16],
    pub(crate) d: [u8; 2],
}

impl Q6K {
    /// The elements as 0..=63, from which 32 is to be subtracted.
    #[inline(always)]
    pub(crate) fn values(&self) -> [u8; 256] {
        let mut values = [0; 256];
        for (half, out) in values.chunks_exact_mut(128).enumerate() {
            let ql = &self.ql[half * 64..][..64];
            let qh = &self.qh[half * 32..][..32];
            for (i, &high) in qh.iter().enumerate() {
                out[i] = (ql[i] & 15) | ((high & 3) << 4);
                out[i + 32] = (ql[i + 32] & 15) | (((high >> 2) & 3) << 4);
                out[i + 64] = (ql[i] >> 4) | (((high >> 4) & 3) << 4);
                out[i + 96] = (ql[i + 32] >> 4) | ((high >> 6) << 4);
            }
        }
        values
    }
}

impl Block for Q6K {
    const LEN: usize = 256;

    #[inline(always)]
    fn dequantize(&self, out: &mut [f32]) {
        let d = half_to_f32(self.d);
        let values = self.values();
        for ((y, q), &scale) in out
            .chunks_exact_mut(16)
            .zip(values.chunks_exact(16))
            .zip(&self.scales)
        {
            let scale = d * f32::from(scale);
            for (y, &q) in y.iter_mut().zip(q) {
                *y = scale * f32::from(q as i8 - 32);
            }
        }
    }
}

/// The eight 6-bit scales and offsets of [`Q4K`] and Q5_K.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales {
    pub(crate) scale: [u8; 8],
    pub(crate) offset: [u8; 8],
}

impl Scales {
    /// The first four of each lie in the low six bits of bytes 0..4 and 4..8; the others have their low nibbles in
    /// bytes 8..12 and their upper two bits at the top of bytes 0..8.
    #[inline(always)]
    pub(crate) fn unpack(packed: &[u8; 12]) -> Self {
        let word =
            |i: usize| u32::from_le_bytes([packed[i], packed[i + 1], packed[i + 2], packed[i + 3]]);
        let (a, b, c) = (word(0), word(4), word(8));
        let upper = |w: u32| (w >> 2) & 0x3030_3030;
        let join = |low: u32, high: u32| (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
        Self {
            scale: join(a & 0x3f3f_3f3f, (c & 0x0f0f_0f0f) | upper(a)),
            offset: join(b & 0x3f3f_3f3f, ((c >> 4) & 0x0f0f_0f0f) | upper(b)),
        }
    }
}

/// Low nibbles of all bytes, then high nibbles of all bytes.
#[inline(always)]
pub(crate) fn nibbles(qs: &[u8; 16]) -> [u8; 32] {
    let mut out = [0; 32];
    for (i, &q) in qs.iter().enumerate() {
        out[i] = q & 15;
        out[i + 16] = q >> 4;
    }
    out
}
