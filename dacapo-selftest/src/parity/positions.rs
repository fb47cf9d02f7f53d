//! Operations that know positions: rotation, the cache, attention.

use dacapo::Device;
use dacapo_ops::attention::{Attention, AttentionOptions};
use dacapo_ops::dtype::DType;
use dacapo_ops::kv_append::KvAppend;
use dacapo_ops::rope::{Config, Layout, Rope, Scaling, frequencies};
use dacapo_ops::rope_append::{Norms, Operands, RopeAppend};
use dacapo_ops::tensor::Tensor;
use half::f16;

use super::rows::{normed, wide};
use super::{Cases, Judge, f32s, read, run, tensor, u32s, unset};
use crate::bench::Bench;
use crate::check::{Flaw, Verdict};
use crate::random::noise;

pub(super) const CHECKS: &[(&str, Cases)] = &[
    ("rope", rope),
    ("kv_append", kv_append),
    ("rope_append", |bench, judge| {
        rope_append(bench, judge, false)
    }),
    ("rope_append, with norms", |bench, judge| {
        rope_append(bench, judge, true)
    }),
    ("attention, F32 cache", |bench, judge| {
        attention(bench, judge, DType::F32)
    }),
    ("attention, F16 cache", |bench, judge| {
        attention(bench, judge, DType::F16)
    }),
];

const THETA: f64 = 10_000.0;

/// The rotations of heads of which so many elements turn.
fn table(device: &Device, dims: usize) -> Result<Tensor, Flaw> {
    let config = Config {
        dims,
        theta: THETA,
        scaling: Scaling::None,
        factors: &[],
    };
    let table = frequencies(&config).ok_or_else(|| Flaw::failed("no frequencies"))?;
    u32s(device, &[dims / 2, 2], table.as_flattened())
}

/// Turns every head of every row, by the definition.
fn rotated(
    layout: Layout,
    x: &[f64],
    heads: usize,
    head_dim: usize,
    dims: usize,
    positions: &[u32],
) -> Vec<f64> {
    let mut out = x.to_vec();
    for (row, position) in out.chunks_mut(heads * head_dim).zip(positions) {
        for head in row.chunks_mut(head_dim) {
            for i in 0..dims / 2 {
                let (a, b) = match layout {
                    Layout::Pairs => (2 * i, 2 * i + 1),
                    Layout::Halves => (i, i + dims / 2),
                };
                let angle = f64::from(*position) * THETA.powf(-2.0 * i as f64 / dims as f64);
                let (sin, cos) = angle.sin_cos();
                let (x, y) = (head[a], head[b]);
                head[a] = x * cos - y * sin;
                head[b] = x * sin + y * cos;
            }
        }
    }
    out
}

fn rope(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Rope::new(&bench.device)?);
    let positions = [0u32, 1, 17, 2047, 131_071, 1_000_003];
    for (heads, head_dim, dims) in [(3, 64, 64), (2, 128, 128), (2, 80, 32), (1, 6, 2)] {
        for layout in [Layout::Pairs, Layout::Halves] {
            let shape = [positions.len(), heads, head_dim];
            let x = noise(30, shape.iter().product(), 1.0);
            let (tx, places) = (
                f32s(device, &shape, &x)?,
                u32s(device, &[positions.len()], &positions)?,
            );
            let turns = table(device, dims)?;
            run(device, |encoder| {
                op.encode(encoder, &tx, &places, &turns, layout)
            })?;
            let exact = rotated(layout, &wide(&x), heads, head_dim, dims, &positions);
            let case = format!("{heads} heads of {head_dim}, {dims} turn, {layout:?}");
            judge.close(&case, &read(&tx)?, &exact, 0.0, 1e-6)?;
        }
    }
    Ok(())
}

/// A cache before anything is in it.
fn cache(device: &Device, dtype: DType, shape: &[usize], fill: f32) -> Result<Tensor, Flaw> {
    let len = shape.iter().product();
    match dtype {
        DType::F16 => tensor(device, dtype, shape, &vec![f16::from_f32(fill); len]),
        _ => tensor(device, dtype, shape, &vec![fill; len]),
    }
}

fn read_cache(cache: &Tensor) -> Result<Vec<f32>, Flaw> {
    Ok(match cache.dtype() {
        DType::F16 => cache
            .view()
            .read::<f16>()?
            .into_iter()
            .map(f16::to_f32)
            .collect(),
        _ => read(cache)?,
    })
}

/// Where rows go to: a cache `[kv_heads, capacity, head_dim]`, row `r` to the slot of its position.
fn appended(
    x: &[f64],
    kv_heads: usize,
    head_dim: usize,
    capacity: usize,
    positions: &[u32],
    fill: f64,
) -> Vec<f64> {
    let mut cache = vec![fill; kv_heads * capacity * head_dim];
    for (row, position) in x.chunks(kv_heads * head_dim).zip(positions) {
        for (head, values) in row.chunks(head_dim).enumerate() {
            let at = (head * capacity + *position as usize % capacity) * head_dim;
            cache[at..at + head_dim].copy_from_slice(values);
        }
    }
    cache
}

fn kv_append(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, KvAppend::new(&bench.device)?);
    for dtype in [DType::F32, DType::F16] {
        for (kv_heads, head_dim, capacity, first, tokens) in
            [(2, 64, 16, 3, 5), (1, 128, 8, 6, 4), (3, 32, 5, 0, 1)]
        {
            let positions: Vec<u32> = (first..first + tokens as u32).collect();
            let shape = [tokens, kv_heads, head_dim];
            let (k, v) = (
                noise(31, shape.iter().product(), 3.0),
                noise(32, shape.iter().product(), 3.0),
            );
            let (tk, tv) = (f32s(device, &shape, &k)?, f32s(device, &shape, &v)?);
            let room = [kv_heads, capacity, head_dim];
            let (kc, vc) = (
                cache(device, dtype, &room, 7.0)?,
                cache(device, dtype, &room, 7.0)?,
            );
            let places = u32s(device, &[tokens], &positions)?;
            run(device, |encoder| {
                op.encode(encoder, &tk, &tv, &places, &kc, &vc)
            })?;
            for (what, values, cache) in [("keys", &k, &kc), ("values", &v, &vc)] {
                let exact = appended(&wide(values), kv_heads, head_dim, capacity, &positions, 7.0);
                let relative = if dtype == DType::F16 {
                    2f64.powi(-11)
                } else {
                    0.0
                };
                let case =
                    format!("{what}, {dtype}, {tokens} tokens of {kv_heads} heads of {head_dim}");
                judge.close(&case, &read_cache(cache)?, &exact, relative, 1e-7)?;
            }
        }
    }
    Ok(())
}

fn rope_append(bench: &Bench, judge: &mut Judge, with_norms: bool) -> Verdict {
    const EPS: f32 = 1e-6;
    let (device, op) = (&bench.device, RopeAppend::new(&bench.device)?);
    for dtype in [DType::F32, DType::F16] {
        for (heads, kv_heads, head_dim, tokens) in [(4, 2, 64, 1), (6, 3, 128, 4), (2, 2, 32, 9)] {
            let capacity = 16;
            let positions: Vec<u32> = (20..20 + tokens as u32).collect();
            let (q_shape, kv_shape) = ([tokens, heads, head_dim], [tokens, kv_heads, head_dim]);
            let q = noise(33, q_shape.iter().product(), 2.0);
            let [k, v] = [34, 35].map(|seed| noise(seed, kv_shape.iter().product(), 2.0));
            let (tq, tk, tv) = (
                f32s(device, &q_shape, &q)?,
                f32s(device, &kv_shape, &k)?,
                f32s(device, &kv_shape, &v)?,
            );
            let [wq, wk] = [36, 37].map(|seed| noise(seed, head_dim, 1.5));
            let (tq_norm, tk_norm) = (
                f32s(device, &[head_dim], &wq)?,
                f32s(device, &[head_dim], &wk)?,
            );
            let room = [kv_heads, capacity, head_dim];
            let (kc, vc) = (
                cache(device, dtype, &room, 7.0)?,
                cache(device, dtype, &room, 7.0)?,
            );
            let (places, turns) = (
                u32s(device, &[tokens], &positions)?,
                table(device, head_dim)?,
            );
            let layout = Layout::Halves;
            let norms = Norms {
                q: &tq_norm,
                k: &tk_norm,
                eps: EPS,
            };
            let operands = Operands {
                q: &tq,
                k: &tk,
                v: &tv,
                positions: &places,
                frequencies: &turns,
                layout,
                norms: with_norms.then_some(norms),
                k_cache: &kc,
                v_cache: &vc,
            };
            run(device, |encoder| op.encode(encoder, &operands))?;
            let before = |x: &[f32], weight: &[f32]| match with_norms {
                true => normed(&wide(x), head_dim, Some(weight), EPS),
                false => wide(x),
            };
            let case = format!(
                "{dtype} cache, {tokens} tokens of {heads} and {kv_heads} heads of {head_dim}"
            );
            let exact = rotated(
                layout,
                &before(&q, &wq),
                heads,
                head_dim,
                head_dim,
                &positions,
            );
            judge.close(&format!("queries, {case}"), &read(&tq)?, &exact, 5e-6, 5e-6)?;
            let turned = rotated(
                layout,
                &before(&k, &wk),
                kv_heads,
                head_dim,
                head_dim,
                &positions,
            );
            let relative = if dtype == DType::F16 {
                2f64.powi(-11) * 1.02
            } else {
                5e-6
            };
            for (what, rows, cache) in [("keys", turned, &kc), ("values", wide(&v), &vc)] {
                let exact = appended(&rows, kv_heads, head_dim, capacity, &positions, 7.0);
                judge.close(
                    &format!("{what}, {case}"),
                    &read_cache(cache)?,
                    &exact,
                    relative,
                    5e-6,
                )?;
            }
        }
    }
    Ok(())
}

/// Heads, KV heads, the width of a head, the cache's capacity, the first position and the number of tokens.
type Shape = (usize, usize, usize, usize, usize, usize);

fn attention(bench: &Bench, judge: &mut Judge, dtype: DType) -> Verdict {
    let (device, op) = (&bench.device, Attention::new(&bench.device)?);
    let shapes: &[Shape] = match bench.is_slow() {
        true => &[
            (2, 1, 64, 32, 20, 1),
            (4, 2, 32, 16, 0, 7),
            (2, 2, 32, 8, 11, 3),
        ],
        false => &[
            (2, 1, 64, 32, 20, 1),
            (4, 2, 32, 16, 0, 7),
            (2, 2, 32, 8, 11, 3),
            (8, 2, 128, 600, 575, 1),
            (9, 3, 64, 300, 0, 130),
            (4, 4, 80, 64, 60, 2),
            (2, 1, 256, 40, 33, 4),
        ],
    };
    for &(heads, kv_heads, head_dim, capacity, first, tokens) in shapes {
        for softcap in [None, Some(5.0f32)] {
            let positions: Vec<u32> = (first..first + tokens).map(|at| at as u32).collect();
            let q = noise(38, tokens * heads * head_dim, 2.0);
            let halved = |seed| {
                let values = noise(seed, kv_heads * capacity * head_dim, 1.0);
                values.into_iter().map(f16::from_f32).collect::<Vec<f16>>()
            };
            // Both caches hold what halves can hold, so that one reference serves.
            let (k, v) = (halved(39), halved(40));
            let room = [kv_heads, capacity, head_dim];
            let put = |values: &[f16]| match dtype {
                DType::F16 => tensor(device, dtype, &room, values),
                _ => f32s(
                    device,
                    &room,
                    &values.iter().map(|x| x.to_f32()).collect::<Vec<f32>>(),
                ),
            };
            let (kc, vc) = (put(&k)?, put(&v)?);
            let shape = [tokens, heads, head_dim];
            let (tq, out) = (f32s(device, &shape, &q)?, unset(device, &shape)?);
            let places = u32s(device, &[tokens], &positions)?;
            let options = AttentionOptions {
                scale: 1.0 / (head_dim as f32).sqrt(),
                softcap,
            };
            run(device, |encoder| {
                op.encode(encoder, &tq, &kc, &vc, &places, options, &out)
            })?;
            let attends = Attends {
                shape: (heads, kv_heads, head_dim, capacity, first, tokens),
                options,
                k: &k,
                v: &v,
            };
            let case = format!(
                "{tokens} tokens from {first}, {heads} heads on {kv_heads} of {head_dim}, cap {softcap:?}"
            );
            judge.close(
                &case,
                &read(&out)?,
                &attends.exactly(&q),
                0.0,
                tolerance(device, tokens),
            )?;
        }
    }
    Ok(())
}

/// Devices with matrix units round queries and weights of many tokens to f16.
fn tolerance(device: &Device, tokens: usize) -> f64 {
    match device.gpu() {
        Some(gpu) if gpu.cooperative_matrix.is_some() && tokens > 1 => 3e-3,
        _ => 2e-5,
    }
}

struct Attends<'a> {
    shape: Shape,
    options: AttentionOptions,
    k: &'a [f16],
    v: &'a [f16],
}

impl Attends<'_> {
    /// The definition, one head of one row at a time.
    fn exactly(&self, q: &[f32]) -> Vec<f64> {
        let (heads, kv_heads, head_dim, capacity, first, tokens) = self.shape;
        let mut out = Vec::new();
        for row in 0..tokens {
            for head in 0..heads {
                let q = &q[(row * heads + head) * head_dim..][..head_dim];
                let place =
                    |p: usize| (head * kv_heads / heads * capacity + p % capacity) * head_dim;
                let seen = (first + tokens).saturating_sub(capacity)..first + row + 1;
                let score = |p: usize| {
                    let k = &self.k[place(p)..][..head_dim];
                    let dot: f64 = q
                        .iter()
                        .zip(k)
                        .map(|(q, k)| f64::from(*q) * f64::from(*k))
                        .sum();
                    let score = dot * f64::from(self.options.scale);
                    match self.options.softcap.map(f64::from) {
                        Some(cap) => cap * (score / cap).tanh(),
                        None => score,
                    }
                };
                let scores: Vec<f64> = seen.clone().map(score).collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
                let total: f64 = weights.iter().sum();
                for at in 0..head_dim {
                    let terms = seen.clone().zip(&weights);
                    let sum: f64 = terms
                        .map(|(p, w)| w * f64::from(self.v[place(p) + at]))
                        .sum();
                    out.push(sum / total);
                }
            }
        }
        out
    }
}
