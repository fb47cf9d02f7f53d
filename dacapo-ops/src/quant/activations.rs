//! Activations as signed bytes, the other side of integer dot products.

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, check_length};
use crate::simd::{Isa, Kernel};

/// 256 consecutive activations of one row, in eight blocks of 32 signed bytes with an f32 scale each.
///
/// A row of `cols` activations takes [`Q8Group::count`] groups; what lies past its end is zero. The error of an
/// element is at most half its block's scale, which is 1/254 of the largest magnitude in the block.
///
/// A block that holds an infinity or a NaN gets a NaN scale, so that every product with it is NaN. A block whose largest
/// magnitude is below 3.8e-37 becomes zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Q8Group {
    /// The bytes; element `i` stands for `scales[i / 32] * values[i]`.
    pub values: [i8; 256],
    /// One scale for each 32 values.
    pub scales: [f32; 8],
    /// Sums of each 16 values, for weights that have an offset.
    pub half_sums: [i16; 16],
}

impl Q8Group {
    /// Activations in a group.
    pub const LEN: usize = 256;

    /// Groups of a row of `cols` activations.
    #[must_use]
    pub const fn count(cols: usize) -> usize {
        cols.div_ceil(Self::LEN)
    }

    /// The sum of the 32 values of `block`.
    #[inline(always)]
    pub(crate) fn sum(&self, block: usize) -> i32 {
        i32::from(self.half_sums[2 * block]) + i32::from(self.half_sums[2 * block + 1])
    }
}

/// Quantises one row: `out` must hold [`Q8Group::count`] groups of `x`.
///
/// Every level gives the same bytes.
///
/// # Errors
/// [`Error::Length`] if `out` has another length.
pub fn quantize_row(isa: Isa, x: &[f32], out: &mut [Q8Group]) -> Result<(), Error> {
    check_length("quantised row (groups)", out.len(), Q8Group::count(x.len()))?;
    isa.run(QuantizeRow { x, out });
    Ok(())
}

struct QuantizeRow<'a> {
    x: &'a [f32],
    out: &'a mut [Q8Group],
}

impl Kernel for QuantizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        row(self.x, self.out);
    }
}

#[inline(always)]
fn row(x: &[f32], out: &mut [Q8Group]) {
    for (x, group) in x.chunks(Q8Group::LEN).zip(out) {
        *group = Q8Group::zeroed();
        let (blocks, rest) = x.as_chunks::<32>();
        for (i, x) in blocks.iter().enumerate() {
            block(x, group, i);
        }
        if !rest.is_empty() {
            let mut last = [0.0; 32];
            last[..rest.len()].copy_from_slice(rest);
            block(&last, group, blocks.len());
        }
    }
}

#[inline(always)]
fn block(x: &[f32; 32], group: &mut Q8Group, index: usize) {
    // As integers, magnitudes order like the numbers they are, with infinity and then NaN at the top.
    let largest = x
        .iter()
        .fold(0, |m, v| m.max((v.to_bits() & 0x7fff_ffff) as i32));
    let largest = f32::from_bits(largest as u32);
    if !largest.is_finite() {
        group.scales[index] = f32::NAN;
        return;
    }
    let inverse = 127.0 / largest;
    if !inverse.is_finite() {
        return;
    }
    group.scales[index] = largest / 127.0;
    let values = &mut group.values[32 * index..][..32];
    for (q, v) in values.iter_mut().zip(x) {
        *q = round(v * inverse) as i8;
    }
    for (sum, values) in group.half_sums[2 * index..][..2]
        .iter_mut()
        .zip(values.chunks_exact(16))
    {
        *sum = values.iter().map(|&q| i16::from(q)).sum();
    }
}

/// To the nearest integer, ties to even, for magnitudes up to 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
/// Unlike `f32::round_ties_even` this needs no SSE4.1.
#[inline(always)]
fn round(v: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    ((v + SHIFT).to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}
