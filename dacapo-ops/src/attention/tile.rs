//! The inner loops: scores of a tile of keys, and weighted sums of a tile of values.

use half::f16;

use super::cpu::TILE;
use crate::vector::{LANES, Simd};

/// Pairs that are computed together, so that a key or value is loaded and converted once for all.
pub(super) const BLOCK: usize = 4;

/// What a cache stores.
pub(crate) trait Element: bytemuck::Pod {
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F;
    fn to_f32(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F {
        s.load(from)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Element for f16 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F {
        s.load_f16(from)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
}

/// The last elements of a row, filled up with zeros.
#[inline(always)]
fn load_part<S: Simd, E: Element>(s: S, from: &[E]) -> S::F {
    let mut lanes = [0.0; LANES];
    for (lane, &x) in lanes.iter_mut().zip(from) {
        *lane = x.to_f32();
    }
    s.load(&lanes)
}

/// `weights[r][j] = q[r] . k[j]` for up to [`BLOCK`] rows; `weights` has [`TILE`] columns.
#[inline(always)]
pub(super) fn scores<S: Simd, E: Element>(
    s: S,
    q: &[f32],
    k: &[E],
    width: usize,
    weights: &mut [f32],
) {
    match q.len() / width {
        1 => scores_of::<S, E, 1>(s, q, k, width, weights),
        2 => scores_of::<S, E, 2>(s, q, k, width, weights),
        3 => scores_of::<S, E, 3>(s, q, k, width, weights),
        _ => scores_of::<S, E, 4>(s, q, k, width, weights),
    }
}

#[inline(always)]
fn scores_of<S: Simd, E: Element, const R: usize>(
    s: S,
    q: &[f32],
    k: &[E],
    width: usize,
    weights: &mut [f32],
) {
    let mut quads = k.chunks_exact(4 * width);
    let mut j = 0;
    for quad in &mut quads {
        let rows = [0, 1, 2, 3].map(|i| &quad[i * width..][..width]);
        let products = products::<S, E, R, 4>(s, q, rows, width);
        for (r, products) in products.into_iter().enumerate() {
            weights[r * TILE + j..][..4].copy_from_slice(&s.sum4(products));
        }
        j += 4;
    }
    for row in quads.remainder().chunks_exact(width) {
        let products = products::<S, E, R, 1>(s, q, [row], width);
        for (r, [product]) in products.into_iter().enumerate() {
            weights[r * TILE + j] = s.sum(product);
        }
        j += 1;
    }
}

/// Lane-wise products of each row of `q` with each of the keys, summed over vectors.
#[inline(always)]
fn products<S: Simd, E: Element, const R: usize, const P: usize>(
    s: S,
    q: &[f32],
    keys: [&[E]; P],
    width: usize,
) -> [[S::F; P]; R] {
    let mut sums = [[s.splat(0.0); P]; R];
    let keys = keys.map(|key| key.as_chunks::<LANES>());
    let q: [_; R] = std::array::from_fn(|r| q[r * width..][..width].as_chunks::<LANES>());
    for c in 0..width / LANES {
        let mut loaded = [s.splat(0.0); P];
        for (loaded, key) in loaded.iter_mut().zip(&keys) {
            *loaded = E::load(s, &key.0[c]);
        }
        for (sums, q) in sums.iter_mut().zip(&q) {
            let q = s.load(&q.0[c]);
            for (sum, &key) in sums.iter_mut().zip(&loaded) {
                *sum = s.mul_add(q, key, *sum);
            }
        }
    }
    if !width.is_multiple_of(LANES) {
        let mut loaded = [s.splat(0.0); P];
        for (loaded, key) in loaded.iter_mut().zip(&keys) {
            *loaded = load_part(s, key.1);
        }
        for (sums, q) in sums.iter_mut().zip(&q) {
            let q = s.load_part(q.1, 0.0);
            for (sum, &key) in sums.iter_mut().zip(&loaded) {
                *sum = s.mul_add(q, key, *sum);
            }
        }
    }
    sums
}

/// Writes keys, one a row, to the columns of `transposed`, which has [`TILE`] of them.
#[inline(always)]
pub(super) fn transpose<S: Simd, E: Element>(s: S, k: &[E], width: usize, transposed: &mut [f32]) {
    let rows = transposed.as_chunks_mut::<TILE>().0;
    for (j, key) in k.chunks_exact(width).enumerate().take(TILE) {
        let (blocks, tail) = key.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for (block, rows) in blocks.iter().zip(rows.chunks_exact_mut(LANES)) {
            s.store(E::load(s, block), &mut lanes);
            for (row, lane) in rows.iter_mut().zip(lanes) {
                row[j] = lane;
            }
        }
        for (row, &x) in rows[width - tail.len()..].iter_mut().zip(tail) {
            row[j] = x.to_f32();
        }
    }
}

/// [`scores`] of all [`TILE`] columns of transposed keys; columns that hold no key get some number.
#[inline(always)]
pub(super) fn scores_transposed<S: Simd>(
    s: S,
    q: &[f32],
    keys: &[f32],
    width: usize,
    weights: &mut [f32],
) {
    match q.len() / width {
        1 => scores_transposed_of::<S, 1>(s, q, keys, width, weights),
        2 => scores_transposed_of::<S, 2>(s, q, keys, width, weights),
        3 => scores_transposed_of::<S, 3>(s, q, keys, width, weights),
        _ => scores_transposed_of::<S, 4>(s, q, keys, width, weights),
    }
}

#[inline(always)]
fn scores_transposed_of<S: Simd, const R: usize>(
    s: S,
    q: &[f32],
    keys: &[f32],
    width: usize,
    weights: &mut [f32],
) {
    const COLUMNS: usize = TILE / LANES;
    let q: [_; R] = std::array::from_fn(|r| &q[r * width..][..width]);
    let mut sums = [[s.splat(0.0); COLUMNS]; R];
    for (d, keys) in keys.as_chunks::<TILE>().0.iter().enumerate().take(width) {
        let mut loaded = [s.splat(0.0); COLUMNS];
        for (loaded, keys) in loaded.iter_mut().zip(keys.as_chunks::<LANES>().0) {
            *loaded = s.load(keys);
        }
        for (sums, q) in sums.iter_mut().zip(&q) {
            let q = s.splat(q[d]);
            for (sum, &key) in sums.iter_mut().zip(&loaded) {
                *sum = s.mul_add(q, key, *sum);
            }
        }
    }
    for (weights, sums) in weights.as_chunks_mut::<TILE>().0.iter_mut().zip(sums) {
        for (weights, sum) in weights.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
            s.store(sum, weights);
        }
    }
}

/// `sums[r] += sum over j of weights[r][j] * v[j]` for up to [`BLOCK`] rows.
#[inline(always)]
pub(super) fn accumulate<S: Simd, E: Element>(
    s: S,
    weights: &[f32],
    v: &[E],
    width: usize,
    sums: &mut [f32],
) {
    match sums.len() / width {
        1 => accumulate_of::<S, E, 1>(s, weights, v, width, sums),
        2 => accumulate_of::<S, E, 2>(s, weights, v, width, sums),
        3 => accumulate_of::<S, E, 3>(s, weights, v, width, sums),
        _ => accumulate_of::<S, E, 4>(s, weights, v, width, sums),
    }
}

#[inline(always)]
fn accumulate_of<S: Simd, E: Element, const R: usize>(
    s: S,
    weights: &[f32],
    v: &[E],
    width: usize,
    sums: &mut [f32],
) {
    let mut at = 0;
    while width - at >= 4 * LANES {
        accumulate_columns::<S, E, R, 4>(s, weights, v, width, at, sums);
        at += 4 * LANES;
    }
    while width - at >= LANES {
        accumulate_columns::<S, E, R, 1>(s, weights, v, width, at, sums);
        at += LANES;
    }
    if at < width {
        for (weights, sums) in weights.chunks_exact(TILE).zip(sums.chunks_exact_mut(width)) {
            let mut sum = s.load_part(&sums[at..], 0.0);
            for (v, &weight) in v.chunks_exact(width).zip(weights) {
                sum = s.mul_add(s.splat(weight), load_part(s, &v[at..]), sum);
            }
            s.store_part(sum, &mut sums[at..]);
        }
    }
}

/// [`accumulate`] of `C` vectors of columns from `at` on.
#[inline(always)]
fn accumulate_columns<S: Simd, E: Element, const R: usize, const C: usize>(
    s: S,
    weights: &[f32],
    v: &[E],
    width: usize,
    at: usize,
    sums: &mut [f32],
) {
    let mut registers = [[s.splat(0.0); C]; R];
    for (r, registers) in registers.iter_mut().enumerate() {
        let (blocks, _) = sums[r * width + at..][..C * LANES].as_chunks::<LANES>();
        for (register, block) in registers.iter_mut().zip(blocks) {
            *register = s.load(block);
        }
    }
    let weights: [&[f32]; R] = std::array::from_fn(|r| &weights[r * TILE..][..TILE]);
    for (j, v) in v.chunks_exact(width).take(TILE).enumerate() {
        let mut loaded = [s.splat(0.0); C];
        let (v, _) = v[at..][..C * LANES].as_chunks::<LANES>();
        for (loaded, v) in loaded.iter_mut().zip(v) {
            *loaded = E::load(s, v);
        }
        for (registers, weights) in registers.iter_mut().zip(&weights) {
            let weight = s.splat(weights[j]);
            for (register, &v) in registers.iter_mut().zip(&loaded) {
                *register = s.mul_add(weight, v, *register);
            }
        }
    }
    for (r, registers) in registers.into_iter().enumerate() {
        let (blocks, _) = sums[r * width + at..][..C * LANES].as_chunks_mut::<LANES>();
        for (register, block) in registers.into_iter().zip(blocks) {
            s.store(register, block);
        }
    }
}
