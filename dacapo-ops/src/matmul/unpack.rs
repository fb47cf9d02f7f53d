//! A group of a row of quantised weights as integers, scales and offsets, for the panels of integer tiles.

use crate::quant::blocks::{Block, Q4_0, Q4_1, Q4K, Q6K, Q8_0, Scales, nibbles};

/// 256 weights of a row.
pub(super) struct Unpacked {
    pub(super) values: [u8; 256],
    /// For each [`Unpack::SPAN`] values.
    pub(super) scales: [f32; 16],
    /// For each 32 values, where [`Unpack::OFFSETS`] says that there are any.
    pub(super) offsets: [f32; 8],
}

impl Unpacked {
    pub(super) const ZERO: Self = Self {
        values: [0; 256],
        scales: [0.0; 16],
        offsets: [0.0; 8],
    };
}

/// What a panel needs to know of a type.
pub(super) trait Unpack: Block {
    /// Subtracted from every value.
    const MINUS: i32 = 0;
    /// Whether each 32 values have an offset.
    const OFFSETS: bool = false;
    /// Values that share a scale.
    const SPAN: usize = 32;

    /// `half` turns f16 into f32.
    fn unpack(blocks: &[Self], half: impl Fn([u8; 2]) -> f32, out: &mut Unpacked);
}

impl Unpack for Q8_0 {
    const MINUS: i32 = 128;

    #[inline(always)]
    fn unpack(blocks: &[Self], half: impl Fn([u8; 2]) -> f32, out: &mut Unpacked) {
        for (i, block) in blocks.iter().enumerate() {
            out.scales[i] = half(block.d);
            for (v, q) in out.values[32 * i..][..32].iter_mut().zip(block.qs) {
                *v = q as u8 ^ 128;
            }
        }
    }
}

impl Unpack for Q4_0 {
    const MINUS: i32 = 8;

    #[inline(always)]
    fn unpack(blocks: &[Self], half: impl Fn([u8; 2]) -> f32, out: &mut Unpacked) {
        for (i, block) in blocks.iter().enumerate() {
            out.scales[i] = half(block.d);
            out.values[32 * i..][..32].copy_from_slice(&nibbles(&block.qs));
        }
    }
}

impl Unpack for Q4_1 {
    const OFFSETS: bool = true;

    #[inline(always)]
    fn unpack(blocks: &[Self], half: impl Fn([u8; 2]) -> f32, out: &mut Unpacked) {
        for (i, block) in blocks.iter().enumerate() {
            out.scales[i] = half(block.d);
            out.offsets[i] = half(block.m);
            out.values[32 * i..][..32].copy_from_slice(&nibbles(&block.qs));
        }
    }
}

impl Unpack for Q4K {
    const OFFSETS: bool = true;

    #[inline(always)]
    fn unpack(blocks: &[Self], half: impl Fn([u8; 2]) -> f32, out: &mut Unpacked) {
        let block = &blocks[0];
        let (d, dmin) = (half(block.d), half(block.dmin));
        let packed = Scales::unpack(&block.scales);
        for i in 0..8 {
            out.scales[i] = d * f32::from(packed.scale[i]);
            out.offsets[i] = -dmin * f32::from(packed.offset[i]);
        }
        for (qs, values) in block
            .qs
            .as_chunks::<32>()
            .0
            .iter()
            .zip(out.values.as_chunks_mut::<64>().0)
        {
            for i in 0..32 {
                values[i] = qs[i] & 15;
                values[i + 32] = qs[i] >> 4;
            }
        }
    }
}

impl Unpack for Q6K {
    const MINUS: i32 = 32;
    const SPAN: usize = 16;

    #[inline(always)]
    fn unpack(blocks: &[Self], half: impl Fn([u8; 2]) -> f32, out: &mut Unpacked) {
        let block = &blocks[0];
        let d = half(block.d);
        for (scale, s) in out.scales.iter_mut().zip(block.scales) {
            *scale = d * f32::from(s);
        }
        out.values = block.values();
    }
}
