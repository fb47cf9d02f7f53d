//! Activations as integers of 15 bits, the other side of integer dot products.

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, check_length};
use crate::simd::{Isa, Kernel};

/// 256 consecutive activations of one row, in eight blocks of 32 integers with an f32 scale each.
///
/// An integer lies in `-16256..=16256`, and is split into two parts that are valid operands of every instruction that
/// multiplies bytes, signed or not: a weight is unpacked once and multiplied twice. Why not fewer bits: see
/// `docs/rejected-optimizations.md`.
///
/// A row of `cols` activations takes [`Q15Group::count`] groups; what lies past its end is zero. The error of an
/// element is at most half its block's scale, which is 1/32512 of the largest magnitude in the block.
///
/// A block that holds an infinity or a NaN gets a NaN scale, so that every product with it is NaN, also where infinity
/// times the weights would be infinite. A block whose largest magnitude is below 4.8e-35 becomes zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Q15Group {
    /// Upper parts, at least -127: element `i` stands for `scales[i / 32] * (128 * high[i] + low[i])`.
    pub high: [i8; 256],
    /// Lower parts, at most 127.
    pub low: [u8; 256],
    /// One scale for each 32 elements.
    pub scales: [f32; 8],
    /// Sums of each 16 integers, for weights that have an offset.
    pub half_sums: [i32; 16],
}

impl Q15Group {
    /// Activations in a group.
    pub const LEN: usize = 256;

    /// The largest magnitude of an integer.
    const MAX: f32 = 127.0 * 128.0;

    /// Groups of a row of `cols` activations.
    #[must_use]
    pub const fn count(cols: usize) -> usize {
        cols.div_ceil(Self::LEN)
    }

    /// Element `i` as an integer.
    #[inline(always)]
    pub(crate) fn integer(&self, i: usize) -> i16 {
        i16::from(self.high[i]) * 128 + i16::from(self.low[i])
    }

    /// The sum of the 32 integers of `block`.
    #[inline(always)]
    pub(crate) fn sum(&self, block: usize) -> i32 {
        self.half_sums[2 * block] + self.half_sums[2 * block + 1]
    }
}

/// Quantises one row: `out` must hold [`Q15Group::count`] groups of `x`.
///
/// Every level gives the same bytes.
///
/// # Errors
/// [`Error::Length`] if `out` has another length.
pub fn quantize_row(isa: Isa, x: &[f32], out: &mut [Q15Group]) -> Result<(), Error> {
    check_length(
        "quantised row (groups)",
        out.len(),
        Q15Group::count(x.len()),
    )?;
    isa.run(QuantizeRow { x, out });
    Ok(())
}

struct QuantizeRow<'a> {
    x: &'a [f32],
    out: &'a mut [Q15Group],
}

impl Kernel for QuantizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        row(self.x, self.out);
    }
}

#[inline(always)]
fn row(x: &[f32], out: &mut [Q15Group]) {
    for (x, group) in x.chunks(Q15Group::LEN).zip(out) {
        *group = Q15Group::zeroed();
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
fn block(x: &[f32; 32], group: &mut Q15Group, index: usize) {
    // As integers, magnitudes order like the numbers they are, with infinity and then NaN at the top.
    let largest = x
        .iter()
        .fold(0, |m, v| m.max((v.to_bits() & 0x7fff_ffff) as i32));
    let largest = f32::from_bits(largest as u32);
    if !largest.is_finite() {
        group.scales[index] = f32::NAN;
        return;
    }
    let inverse = Q15Group::MAX / largest;
    if !inverse.is_finite() {
        return;
    }
    group.scales[index] = largest / Q15Group::MAX;
    let mut integers = [0; 32];
    for (q, v) in integers.iter_mut().zip(x) {
        *q = round(v * inverse);
    }
    for (i, q) in integers.into_iter().enumerate() {
        group.high[32 * index + i] = (q >> 7) as i8;
        group.low[32 * index + i] = (q & 127) as u8;
    }
    for (half, integers) in integers.as_chunks::<16>().0.iter().enumerate() {
        group.half_sums[2 * index + half] = integers.iter().sum();
    }
}

/// To the nearest integer, ties to even, for magnitudes up to 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
/// Unlike `f32::round_ties_even` this needs no SSE4.1.
#[inline(always)]
fn round(v: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    ((v + SHIFT).to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}
