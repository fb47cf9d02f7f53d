//! Dot products of dequantised weights with f32 activations.

use half::{bf16, f16};

use super::half_floats;
use crate::dtype::DType;
use crate::quant::blocks::{Block, Q4_0, Q4_1, Q4K, Q6K, Q8_0, half_to_f32};
use crate::simd::{Isa, Kernel, Level, mul_add};

/// Partial sums: four registers of 512 bits, so that additions need not wait for each other.
const LANES: usize = 64;

pub(super) fn rows(
    isa: Isa,
    dtype: DType,
    row_bytes: usize,
    bytes: &[u8],
    x: &[f32],
    y: &mut [f32],
) {
    if isa.level() >= Level::Avx2 {
        match dtype {
            DType::F16 => return half_floats::rows::<f16>(isa, row_bytes, bytes, x, y),
            DType::BF16 => return half_floats::rows::<bf16>(isa, row_bytes, bytes, x, y),
            _ => {}
        }
    }
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
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.dtype {
            DType::F32 => self.elements::<4, FMA>(f32::from_le_bytes),
            DType::F16 => self.elements::<2, FMA>(half_to_f32),
            DType::BF16 => self.elements::<2, FMA>(|b| bf16::from_le_bytes(b).to_f32()),
            DType::Q8_0 => self.blocks::<Q8_0, 32, FMA>(),
            DType::Q4_0 => self.blocks::<Q4_0, 32, FMA>(),
            DType::Q4_1 => self.blocks::<Q4_1, 32, FMA>(),
            DType::Q4K => self.blocks::<Q4K, 256, FMA>(),
            DType::Q6K => self.blocks::<Q6K, 256, FMA>(),
            DType::U32 => {}
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn elements<const N: usize, const FMA: bool>(self, from: impl Fn([u8; N]) -> f32) {
        for (row, y) in self.bytes.chunks_exact(self.row_bytes).zip(self.y) {
            let (w, w_rest) = row.as_chunks::<N>().0.as_chunks::<LANES>();
            let (x, x_rest) = self.x.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for (w, x) in w.iter().zip(x) {
                for lane in 0..LANES {
                    sums[lane] = mul_add::<FMA>(from(w[lane]), x[lane], sums[lane]);
                }
            }
            for (lane, (&w, &x)) in w_rest.iter().zip(x_rest).enumerate() {
                sums[lane] = mul_add::<FMA>(from(w), x, sums[lane]);
            }
            *y = sum(sums);
        }
    }

    #[inline(always)]
    fn blocks<B: Block, const LEN: usize, const FMA: bool>(self) {
        for (row, y) in self.bytes.chunks_exact(self.row_bytes).zip(self.y) {
            let blocks: &[B] = bytemuck::cast_slice(row);
            let mut sums = [0.0; 32];
            for (block, x) in blocks.iter().zip(self.x.as_chunks::<LEN>().0) {
                let mut w = [0.0; LEN];
                block.dequantize(&mut w);
                for (w, x) in w.as_chunks::<32>().0.iter().zip(x.as_chunks::<32>().0) {
                    for lane in 0..32 {
                        sums[lane] = mul_add::<FMA>(w[lane], x[lane], sums[lane]);
                    }
                }
            }
            *y = sum(sums);
        }
    }
}

/// Adds halves onto each other until one sum is left.
#[inline(always)]
fn sum<const N: usize>(mut sums: [f32; N]) -> f32 {
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}
