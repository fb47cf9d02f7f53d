//! Integer dot products in plain Rust, but for one step that AVX2 has instructions for.
//!
//! Sums run in eight lanes, each of four neighbouring elements of every 32.

mod multiply;

use std::marker::PhantomData;

use crate::dtype::DType;
use crate::quant::Q15Group;
use crate::quant::blocks::{Block, Q4_0, Q4_1, Q4K, Q6K, Q8_0, Scales, nibbles};
#[cfg(target_arch = "x86_64")]
use crate::simd::Level;
use crate::simd::{Isa, Kernel, mul_add};
use multiply::{LANES, Multiply, Parts, Plain};

pub(super) fn rows(
    isa: Isa,
    dtype: DType,
    row_bytes: usize,
    bytes: &[u8],
    x: &[Q15Group],
    y: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if isa.level() >= Level::Avx2 {
        let with = PhantomData::<multiply::Avx2>;
        return isa.run(Rows {
            dtype,
            row_bytes,
            bytes,
            x,
            y,
            with,
        });
    }
    let with = PhantomData::<Plain>;
    isa.run(Rows {
        dtype,
        row_bytes,
        bytes,
        x,
        y,
        with,
    });
}

struct Rows<'a, M> {
    dtype: DType,
    row_bytes: usize,
    bytes: &'a [u8],
    x: &'a [Q15Group],
    y: &'a mut [f32],
    with: PhantomData<M>,
}

impl<M: Multiply> Kernel for Rows<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.dtype {
            DType::Q8_0 => self.dot::<Q8_0, FMA>(),
            DType::Q4_0 => self.dot::<Q4_0, FMA>(),
            DType::Q4_1 => self.dot::<Q4_1, FMA>(),
            DType::Q4K => self.dot::<Q4K, FMA>(),
            DType::Q6K => self.dot::<Q6K, FMA>(),
            DType::F32 | DType::F16 | DType::BF16 | DType::U32 => {}
        }
    }
}

impl<M: Multiply> Rows<'_, M> {
    #[inline(always)]
    fn dot<B: Dot, const FMA: bool>(self) {
        for (row, y) in self.bytes.chunks_exact(self.row_bytes).zip(self.y) {
            let blocks: &[B] = bytemuck::cast_slice(row);
            let mut sums = Sums::<FMA> {
                products: [0.0; LANES],
                offset: 0.0,
            };
            for (blocks, x) in blocks.chunks(Q15Group::LEN / B::LEN).zip(self.x) {
                for (i, block) in blocks.iter().enumerate() {
                    block.dot::<M, FMA>(x, i, &mut sums);
                }
            }
            *y = sums.products.iter().sum::<f32>() + sums.offset;
        }
    }
}

struct Sums<const FMA: bool> {
    products: [f32; LANES],
    offset: f32,
}

impl<const FMA: bool> Sums<FMA> {
    #[inline(always)]
    fn add(&mut self, scale: f32, products: [i32; LANES]) {
        self.add_halves([scale; 2], products);
    }

    /// Lower and upper lanes have scales of their own.
    #[inline(always)]
    fn add_halves(&mut self, scales: [f32; 2], products: [i32; LANES]) {
        for lane in 0..LANES {
            let scale = scales[lane / (LANES / 2)];
            let sum = &mut self.products[lane];
            *sum = mul_add::<FMA>(scale, products[lane] as f32, *sum);
        }
    }

    #[inline(always)]
    fn add_offset(&mut self, offset: f32, sum: i32) {
        self.offset = mul_add::<FMA>(offset, sum as f32, self.offset);
    }
}

/// The product of a block with the activations that face it.
trait Dot: Block {
    /// `index` counts blocks from the start of the group.
    fn dot<M: Multiply, const FMA: bool>(&self, x: &Q15Group, index: usize, sums: &mut Sums<FMA>);
}

impl Dot for Q8_0 {
    #[inline(always)]
    fn dot<M: Multiply, const FMA: bool>(&self, x: &Q15Group, index: usize, sums: &mut Sums<FMA>) {
        let scale = M::half(self.d) * x.scales[index];
        sums.add(scale, M::signed(&self.qs, Parts::of(x, index)));
    }
}

impl Dot for Q4_0 {
    #[inline(always)]
    fn dot<M: Multiply, const FMA: bool>(&self, x: &Q15Group, index: usize, sums: &mut Sums<FMA>) {
        let scale = M::half(self.d) * x.scales[index];
        sums.add(scale, M::unsigned(&nibbles(&self.qs), Parts::of(x, index)));
        sums.add_offset(scale, -8 * x.sum(index));
    }
}

impl Dot for Q4_1 {
    #[inline(always)]
    fn dot<M: Multiply, const FMA: bool>(&self, x: &Q15Group, index: usize, sums: &mut Sums<FMA>) {
        let scale = M::half(self.d) * x.scales[index];
        sums.add(scale, M::unsigned(&nibbles(&self.qs), Parts::of(x, index)));
        sums.add_offset(M::half(self.m) * x.scales[index], x.sum(index));
    }
}

impl Dot for Q4K {
    #[inline(always)]
    fn dot<M: Multiply, const FMA: bool>(&self, x: &Q15Group, _: usize, sums: &mut Sums<FMA>) {
        let (d, dmin) = (M::half(self.d), M::half(self.dmin));
        let scales = Scales::unpack(&self.scales);
        for (pair, qs) in self.qs.as_chunks::<32>().0.iter().enumerate() {
            for (half, shift) in [0, 4].into_iter().enumerate() {
                let sub = 2 * pair + half;
                let mut q = *qs;
                for q in &mut q {
                    *q = (*q >> shift) & 15;
                }
                let scale = d * f32::from(scales.scale[sub]) * x.scales[sub];
                sums.add(scale, M::unsigned(&q, Parts::of(x, sub)));
                let offset = dmin * f32::from(scales.offset[sub]) * x.scales[sub];
                sums.add_offset(-offset, x.sum(sub));
            }
        }
    }
}

impl Dot for Q6K {
    #[inline(always)]
    fn dot<M: Multiply, const FMA: bool>(&self, x: &Q15Group, _: usize, sums: &mut Sums<FMA>) {
        let d = M::half(self.d);
        let all = self.values();
        for (block, q) in all.as_chunks::<32>().0.iter().enumerate() {
            let scale = d * x.scales[block];
            let scales = [
                scale * f32::from(self.scales[2 * block]),
                scale * f32::from(self.scales[2 * block + 1]),
            ];
            sums.add_halves(scales, M::unsigned(q, Parts::of(x, block)));
            for (scale, &sum) in scales.into_iter().zip(&x.half_sums[2 * block..]) {
                sums.add_offset(scale, -32 * sum);
            }
        }
    }
}
