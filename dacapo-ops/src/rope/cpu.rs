//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use super::{Layout, Params};
use crate::simd::Isa;
use crate::vector::{self, Kernel, LANES, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let Params {
        heads,
        head_dim,
        layout,
    } = group.inline();
    let (token, head_dim) = (group.id()[0] as usize, head_dim as usize);
    let width = heads as usize * head_dim;
    let position = group.read::<u32>(1)[token];
    let frequencies = group.read::<[u32; 2]>(2);
    // SAFETY: workgroup `n` alone touches row `n`.
    let row = unsafe { group.write::<f32>(0, token * width..(token + 1) * width) };
    rotate(
        Isa::detect(),
        Layout::of_number(layout),
        row,
        head_dim,
        position,
        frequencies,
        group.shared(),
    );
    Ok(())
}

/// Rotates every head of one row in place.
///
/// `row` holds whole heads of `head_dim` elements, of which the first `2 * frequencies.len()` (at most
/// `head_dim`) are rotated; `scratch` has at least `2 * frequencies.len()` elements.
pub(super) fn rotate(
    isa: Isa,
    layout: Layout,
    row: &mut [f32],
    head_dim: usize,
    position: u32,
    frequencies: &[[u32; 2]],
    scratch: &mut [f32],
) {
    vector::dispatch(
        isa,
        Rotate {
            layout,
            row,
            head_dim,
            position,
            frequencies,
            scratch,
        },
    );
}

struct Rotate<'a> {
    layout: Layout,
    row: &'a mut [f32],
    head_dim: usize,
    position: u32,
    frequencies: &'a [[u32; 2]],
    scratch: &'a mut [f32],
}

impl Kernel for Rotate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let half = self.frequencies.len();
        let (sin, rest) = self.scratch.split_at_mut(half);
        let cos = &mut rest[..half];
        angles(s, self.position, self.frequencies, sin, cos);
        turn_heads(s, self.layout, self.row, self.head_dim, sin, cos);
    }
}

/// Sine and cosine of the angle that each pair turns by at `position`; one of each for every frequency.
#[inline(always)]
pub(crate) fn angles<S: Simd>(
    s: S,
    position: u32,
    frequencies: &[[u32; 2]],
    sin: &mut [f32],
    cos: &mut [f32],
) {
    for (turns, &[low, high]) in sin.iter_mut().zip(frequencies) {
        let frequency = u64::from(high) << 32 | u64::from(low);
        let product = frequency.wrapping_mul(u64::from(position));
        *turns = (product >> 32) as i32 as f32 * 2.0_f32.powi(-32);
    }
    cos.copy_from_slice(sin);
    vector::map_in_place!(s, sin, |turns| vector::sin_cos_turns(s, turns).0);
    vector::map_in_place!(s, cos, |turns| vector::sin_cos_turns(s, turns).1);
}

/// Turns the pairs of each of the heads of `row`, which are `head_dim` wide.
#[inline(always)]
pub(crate) fn turn_heads<S: Simd>(
    s: S,
    layout: Layout,
    row: &mut [f32],
    head_dim: usize,
    sin: &[f32],
    cos: &[f32],
) {
    for head in row.chunks_exact_mut(head_dim) {
        let head = &mut head[..2 * sin.len()];
        match layout {
            Layout::Halves => rotate_halves(s, head, sin, cos),
            Layout::Pairs => {
                for ((pair, &sin), &cos) in head.as_chunks_mut::<2>().0.iter_mut().zip(sin).zip(cos)
                {
                    let [x, y] = *pair;
                    *pair = [x * cos - y * sin, x * sin + y * cos];
                }
            }
        }
    }
}

/// Element i with element i + half.
#[inline(always)]
fn rotate_halves<S: Simd>(s: S, head: &mut [f32], sin: &[f32], cos: &[f32]) {
    let (xs, ys) = head.split_at_mut(sin.len());
    let (xs, x_tail) = xs.as_chunks_mut::<LANES>();
    let (ys, y_tail) = ys.as_chunks_mut::<LANES>();
    let (sin, sin_tail) = sin.as_chunks::<LANES>();
    let (cos, cos_tail) = cos.as_chunks::<LANES>();
    for ((x, y), (sin, cos)) in xs.iter_mut().zip(ys).zip(sin.iter().zip(cos)) {
        let (a, b) = turn(s, [s.load(x), s.load(y), s.load(sin), s.load(cos)]);
        s.store(a, x);
        s.store(b, y);
    }
    if !x_tail.is_empty() {
        let (x, y) = (s.load_part(x_tail, 0.0), s.load_part(y_tail, 0.0));
        let (sin, cos) = (s.load_part(sin_tail, 0.0), s.load_part(cos_tail, 0.0));
        let (a, b) = turn(s, [x, y, sin, cos]);
        s.store_part(a, x_tail);
        s.store_part(b, y_tail);
    }
}

#[inline(always)]
fn turn<S: Simd>(s: S, [x, y, sin, cos]: [S::F; 4]) -> (S::F, S::F) {
    let minus_sin = s.sub(s.splat(0.0), sin);
    (
        s.mul_add(y, minus_sin, s.mul(x, cos)),
        s.mul_add(x, sin, s.mul(y, cos)),
    )
}
