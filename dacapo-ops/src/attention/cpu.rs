//! One workgroup's share of attention on the CPU.
//!
//! The query heads that share a KV head, of all rows of the batch, form a list of (row, head) pairs; a
//! workgroup takes [`PAIRS`] of them and streams the KV head once, [`TILE`] positions at a time, with an
//! online softmax (Milakov and Gimelshein 2018; Dao et al. 2022) in f32. The order of every sum is a
//! function of shapes and positions only.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use super::Params;
use super::tile::{self, Element};
use crate::simd::Isa;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry<E: Element>(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let shape = Shape::from(group.inline::<Params>());
    let [block, kv_head, _] = group.id().map(|n| n as usize);
    let head_len = shape.capacity * shape.head_dim;
    let head = kv_head * head_len..(kv_head + 1) * head_len;
    let (q, positions) = (group.read::<f32>(0), group.read::<u32>(3));
    let cache = (&group.read::<E>(1)[head.clone()], &group.read::<E>(2)[head]);
    let at = (kv_head, block);
    let pairs = shape.pairs(positions.len(), block);
    let mut outs: [&mut [f32]; PAIRS] = std::array::from_fn(|pair| {
        let offset = shape.offset(at, pair);
        let range = if pair < pairs {
            offset..offset + shape.head_dim
        } else {
            0..0
        };
        // SAFETY: a pair belongs to one workgroup, and has these elements to itself.
        unsafe { group.write::<f32>(4, range) }
    });
    let emit = |pair: usize, values: &[f32]| outs[pair].copy_from_slice(values);
    attend(
        Isa::detect(),
        shape,
        at,
        q,
        cache,
        positions,
        group.shared(),
        emit,
    );
    Ok(())
}

/// (row, head) pairs of one workgroup.
pub(super) const PAIRS: usize = 32;

/// Cache positions that are scored together.
pub(super) const TILE: usize = 64;

/// From this many pairs on, a tile's keys are transposed first: it saves the sums across lanes.
const TRANSPOSE_FROM: usize = 8;

/// What does not depend on the workgroup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) capacity: usize,
    pub(super) scale: f32,
    /// 0 for none.
    pub(super) softcap: f32,
}

impl From<Params> for Shape {
    fn from(params: Params) -> Self {
        let [heads, kv_heads, head_dim, capacity] = [
            params.heads,
            params.kv_heads,
            params.head_dim,
            params.capacity,
        ]
        .map(|n| n as usize);
        let Params { scale, softcap, .. } = params;
        Self {
            heads,
            kv_heads,
            head_dim,
            capacity,
            scale,
            softcap,
        }
    }
}

impl Shape {
    /// Query heads that share a KV head.
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Workgroups for each KV head.
    pub(super) fn blocks(&self, rows: usize) -> usize {
        (rows * self.group()).div_ceil(PAIRS)
    }

    /// Pairs of one block.
    pub(super) fn pairs(&self, rows: usize, block: usize) -> usize {
        PAIRS.min((rows * self.group()).saturating_sub(block * PAIRS))
    }

    /// The row of a pair of a block.
    fn row(&self, block: usize, pair: usize) -> usize {
        (block * PAIRS + pair) / self.group()
    }

    /// Where a pair's elements begin in a tensor like q.
    pub(super) fn offset(&self, (kv_head, block): (usize, usize), pair: usize) -> usize {
        let group = self.group();
        let head = kv_head * group + (block * PAIRS + pair) % group;
        (self.row(block, pair) * self.heads + head) * self.head_dim
    }

    /// f32 elements of scratch that one workgroup needs.
    pub(super) fn scratch(&self, rows: usize) -> usize {
        let pairs = PAIRS.min(rows * self.group());
        let keys = if pairs >= TRANSPOSE_FROM {
            self.head_dim * TILE
        } else {
            0
        };
        pairs * (2 * self.head_dim + TILE) + keys
    }
}

/// Attention of the pairs of block `block` of KV head `kv_head`.
///
/// `q` is `[rows, heads, head_dim]`, `k` and `v` are the KV head's `[capacity, head_dim]`, `positions` has
/// one entry a row, `scratch` at least [`Shape::scratch`] elements. Gives each result to
/// `emit(pair, head_dim values)`.
#[allow(
    clippy::too_many_arguments,
    reason = "an attention is this many tensors"
)]
pub(super) fn attend<E: Element>(
    isa: Isa,
    shape: Shape,
    (kv_head, block): (usize, usize),
    q: &[f32],
    (k, v): (&[E], &[E]),
    positions: &[u32],
    scratch: &mut [f32],
    emit: impl FnMut(usize, &[f32]),
) {
    vector::dispatch(
        isa,
        Attend {
            shape,
            kv_head,
            block,
            q,
            k,
            v,
            positions,
            scratch,
            emit,
        },
    );
}

struct Attend<'a, E, F> {
    shape: Shape,
    kv_head: usize,
    block: usize,
    q: &'a [f32],
    k: &'a [E],
    v: &'a [E],
    positions: &'a [u32],
    scratch: &'a mut [f32],
    emit: F,
}

impl<E: Element, F: FnMut(usize, &[f32])> Kernel for Attend<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Shape {
            head_dim, capacity, ..
        } = self.shape;
        let (shape, at) = (self.shape, (self.kv_head, self.block));
        let pairs = shape.pairs(self.positions.len(), self.block);

        let (q, rest) = self.scratch.split_at_mut(pairs * head_dim);
        let (sums, rest) = rest.split_at_mut(pairs * head_dim);
        let (weights, keys) = rest.split_at_mut(pairs * TILE);
        for (pair, scaled) in q.chunks_exact_mut(head_dim).enumerate() {
            scaled.copy_from_slice(&self.q[shape.offset(at, pair)..][..head_dim]);
            vector::map_in_place!(s, scaled, |x| s.mul(x, s.splat(self.shape.scale)));
        }
        sums.fill(0.0);
        let mut softmax = [Online::EMPTY; PAIRS];

        // The whole batch is in the cache already: what lies `capacity` behind its last row is gone.
        let newest = self.positions.iter().copied().max().unwrap_or(0) as usize;
        let oldest = (newest + 1).saturating_sub(capacity);
        let ends: [usize; PAIRS] = std::array::from_fn(|pair| {
            if pair < pairs {
                self.positions[shape.row(self.block, pair)] as usize + 1
            } else {
                0
            }
        });
        let end = ends.into_iter().max().unwrap_or(0);

        let mut start = oldest;
        while start < end {
            let slot = start % capacity;
            let length = TILE.min(capacity - slot).min(end - start);
            let k = &self.k[slot * head_dim..][..length * head_dim];
            let v = &self.v[slot * head_dim..][..length * head_dim];
            if pairs >= TRANSPOSE_FROM {
                tile::transpose(s, k, head_dim, keys);
            }
            for base in (0..pairs).step_by(tile::BLOCK) {
                let block = base..pairs.min(base + tile::BLOCK);
                let visible = |pair: usize| ends[pair].saturating_sub(start).min(length);
                let longest = block.clone().map(visible).max().unwrap_or(0);
                if longest == 0 {
                    continue;
                }
                let q = &q[block.start * head_dim..block.end * head_dim];
                let weights = &mut weights[block.start * TILE..block.end * TILE];
                let sums = &mut sums[block.start * head_dim..block.end * head_dim];
                if pairs >= TRANSPOSE_FROM {
                    tile::scores_transposed(s, q, keys, head_dim, weights);
                } else {
                    tile::scores(s, q, &k[..longest * head_dim], head_dim, weights);
                }
                let rows = weights
                    .chunks_exact_mut(TILE)
                    .zip(sums.chunks_exact_mut(head_dim));
                for (pair, (weights, sums)) in block.clone().zip(rows) {
                    let (seen, unseen) = weights.split_at_mut(visible(pair));
                    unseen.fill(0.0);
                    softmax[pair].add(s, seen, self.shape.softcap, sums);
                }
                tile::accumulate(s, weights, &v[..longest * head_dim], head_dim, sums);
            }
            start += length;
        }

        for (pair, sums) in sums.chunks_exact_mut(head_dim).enumerate() {
            let weight = softmax[pair].weight;
            if weight != 0.0 {
                vector::map_in_place!(s, sums, |x| s.div(x, s.splat(weight)));
            }
            (self.emit)(pair, sums);
        }
    }
}

/// The softmax of one pair as far as it got.
#[derive(Clone, Copy)]
struct Online {
    /// Greatest score.
    max: f32,
    /// Sum of `e^(score - max)`.
    weight: f32,
}

impl Online {
    const EMPTY: Self = Self {
        max: f32::NEG_INFINITY,
        weight: 0.0,
    };

    /// Turns `scores` into weights relative to the greatest score so far, to which it also brings `sums`.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, scores: &mut [f32], softcap: f32, sums: &mut [f32]) {
        if softcap != 0.0 {
            let cap = s.splat(softcap);
            vector::map_in_place!(s, scores, |x| s.mul(cap, vector::tanh(s, s.div(x, cap))));
        }
        let max = self.max.max(vector::max_of(s, scores));
        if max > self.max {
            let shrink = vector::exp_one(s, self.max - max);
            self.weight *= shrink;
            vector::map_in_place!(s, sums, |x| s.mul(x, s.splat(shrink)));
            self.max = max;
        }
        // Nothing but negative infinity so far: subtract 0 instead, and all weights are 0.
        let base = s.splat(if max == f32::NEG_INFINITY { 0.0 } else { max });
        vector::map_in_place!(s, scores, |x| vector::exp(s, s.sub(x, base)));
        self.weight += vector::sum_of(s, scores);
    }
}
