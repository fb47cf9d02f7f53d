//! Integer dot products in plain Rust, for every level without a hand-written kernel.

use crate::dtype::DType;
use crate::quant::Q8Group;
use crate::quant::blocks::{Block, Q4_0, Q4_1, Q4K, Q6K, Q8_0, Scales, half_to_f32, nibbles};
use crate::simd::{Isa, Kernel};

pub(super) fn rows(
    isa: Isa,
    dtype: DType,
    row_bytes: usize,
    bytes: &[u8],
    x: &[Q8Group],
    y: &mut [f32],
) {
    isa.run(Rows {
        dtype,
        row_bytes,
        bytes,
        x,
        y,
    });
}

struct Rows<'a> {
    dtype: DType,
    row_bytes: usize,
    bytes: &'a [u8],
    x: &'a [Q8Group],
    y: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.dtype {
            DType::Q8_0 => self.dot::<Q8_0>(),
            DType::Q4_0 => self.dot::<Q4_0>(),
            DType::Q4_1 => self.dot::<Q4_1>(),
            DType::Q4K => self.dot::<Q4K>(),
            DType::Q6K => self.dot::<Q6K>(),
            DType::F32 | DType::F16 | DType::BF16 | DType::U32 => {}
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn dot<B: Dot>(self) {
        for (row, y) in self.bytes.chunks_exact(self.row_bytes).zip(self.y) {
            let blocks: &[B] = bytemuck::cast_slice(row);
            let mut sum = 0.0;
            for (blocks, x) in blocks.chunks(Q8Group::LEN / B::LEN).zip(self.x) {
                for (i, block) in blocks.iter().enumerate() {
                    sum += block.dot(x, i);
                }
            }
            *y = sum;
        }
    }
}

/// The product of a block with the activations that face it.
trait Dot: Block {
    /// `index` counts blocks from the start of the group.
    fn dot(&self, x: &Q8Group, index: usize) -> f32;
}

impl Dot for Q8_0 {
    #[inline(always)]
    fn dot(&self, x: &Q8Group, index: usize) -> f32 {
        let sum: i32 = self
            .qs
            .iter()
            .zip(&x.values[32 * index..][..32])
            .map(|(&q, &x)| i32::from(q) * i32::from(x))
            .sum();
        half_to_f32(self.d) * x.scales[index] * sum as f32
    }
}

impl Dot for Q4_0 {
    #[inline(always)]
    fn dot(&self, x: &Q8Group, index: usize) -> f32 {
        let sum = products(&nibbles(&self.qs), &x.values[32 * index..]) - 8 * x.sum(index);
        half_to_f32(self.d) * x.scales[index] * sum as f32
    }
}

impl Dot for Q4_1 {
    #[inline(always)]
    fn dot(&self, x: &Q8Group, index: usize) -> f32 {
        let sum = products(&nibbles(&self.qs), &x.values[32 * index..]) as f32;
        let offset = half_to_f32(self.m) * x.sum(index) as f32;
        x.scales[index] * (half_to_f32(self.d) * sum + offset)
    }
}

impl Dot for Q4K {
    #[inline(always)]
    fn dot(&self, x: &Q8Group, _: usize) -> f32 {
        let scales = Scales::unpack(&self.scales);
        let (mut sum, mut offsets) = (0.0, 0.0);
        for (pair, qs) in self.qs.as_chunks::<32>().0.iter().enumerate() {
            for (half, shift) in [0, 4].into_iter().enumerate() {
                let sub = 2 * pair + half;
                let q = qs.map(|q| (q >> shift) & 15);
                let product = products(&q, &x.values[32 * sub..]);
                // At most 63 * 15 * 127 * 32 and 63 * 127 * 32: no overflow.
                sum += x.scales[sub] * (i32::from(scales.scale[sub]) * product) as f32;
                offsets += x.scales[sub] * (i32::from(scales.offset[sub]) * x.sum(sub)) as f32;
            }
        }
        half_to_f32(self.d) * sum - half_to_f32(self.dmin) * offsets
    }
}

impl Dot for Q6K {
    #[inline(always)]
    fn dot(&self, x: &Q8Group, _: usize) -> f32 {
        let values = self.values();
        let mut sum = 0.0;
        for (sub, q) in values.as_chunks::<16>().0.iter().enumerate() {
            let product = products(q, &x.values[16 * sub..]) - 32 * i32::from(x.half_sums[sub]);
            sum += x.scales[sub / 2] * (i32::from(self.scales[sub]) * product) as f32;
        }
        half_to_f32(self.d) * sum
    }
}

#[inline(always)]
fn products<const N: usize>(q: &[u8; N], x: &[i8]) -> i32 {
    q.iter()
        .zip(&x[..N])
        .map(|(&q, &x)| i32::from(q) * i32::from(x))
        .sum()
}
