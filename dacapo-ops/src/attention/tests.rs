use dacapo::CooperativeMatrix;
use half::f16;

use super::cpu::{Shape, attend};
use super::tile::Element;
use super::{Attention, AttentionOptions};
use crate::dtype::DType;
use crate::reference::{Bench, assert_close, noise, on_devices};
use crate::simd::Isa;

/// A batch and its cache: positions 0..=last were appended, each at its slot.
pub(super) struct Case<E> {
    shape: Shape,
    positions: Vec<u32>,
    pub(super) q: Vec<f32>,
    pub(super) k: Vec<E>,
    v: Vec<E>,
}

impl<E: Element> Case<E> {
    pub(super) fn new(
        shape: Shape,
        positions: &[u32],
        amplitude: f32,
        narrow: impl Fn(f32) -> E,
    ) -> Self {
        let cache = shape.kv_heads * shape.capacity * shape.head_dim;
        let scaled = |seed, length| noise(seed, length).into_iter().map(|x| x * amplitude);
        Self {
            shape,
            positions: positions.to_vec(),
            q: scaled(1, positions.len() * shape.heads * shape.head_dim).collect(),
            k: scaled(2, cache).map(&narrow).collect(),
            v: noise(3, cache).into_iter().map(narrow).collect(),
        }
    }

    fn run(&self, isa: Isa) -> Vec<f32> {
        let Shape {
            kv_heads,
            head_dim,
            capacity,
            ..
        } = self.shape;
        let mut out = vec![f32::NAN; self.q.len()];
        let mut scratch = vec![f32::NAN; self.shape.scratch(self.positions.len())];
        for kv_head in 0..kv_heads {
            let head = kv_head * capacity * head_dim..(kv_head + 1) * capacity * head_dim;
            let cache = (&self.k[head.clone()], &self.v[head]);
            for block in 0..self.shape.blocks(self.positions.len()) {
                let at = (kv_head, block);
                let emit = |pair: usize, values: &[f32]| {
                    out[self.shape.offset(at, pair)..][..head_dim].copy_from_slice(values);
                };
                attend(
                    isa,
                    self.shape,
                    at,
                    &self.q,
                    cache,
                    &self.positions,
                    &mut scratch,
                    emit,
                );
            }
        }
        out
    }

    /// The definition in f64, one pair at a time over positions; what sees nothing is 0.
    pub(super) fn exactly(&self) -> Vec<f64> {
        self.with_slack()
            .into_iter()
            .map(|(exact, _)| exact)
            .collect()
    }

    /// The definition, and how far from it what multiplies queries and weights rounded to f16 may be: three times the
    /// deviation that independent roundings of a row's products give its score, and as much as a weight is rounded.
    pub(super) fn with_slack(&self) -> Vec<(f64, f64)> {
        let Shape {
            heads,
            kv_heads,
            head_dim,
            capacity,
            scale,
            softcap,
        } = self.shape;
        let newest = *self.positions.iter().max().unwrap() as usize;
        let mut out = Vec::new();
        for (row, &position) in self.positions.iter().enumerate() {
            for head in 0..heads {
                let q = &self.q[(row * heads + head) * head_dim..][..head_dim];
                let at = |p: usize| (head * kv_heads / heads * capacity + p % capacity) * head_dim;
                let seen = (newest + 1).saturating_sub(capacity)..=position as usize;
                let mut rounding = 0.0f64;
                let scores: Vec<f64> =
                    seen.clone()
                        .map(|p| {
                            let k = &self.k[at(p)..][..head_dim];
                            let terms = q.iter().zip(k).map(|(&q, k)| {
                                f64::from(q) * f64::from(k.to_f32()) * f64::from(scale)
                            });
                            let squares: f64 = terms.clone().map(|x| x * x).sum();
                            rounding = rounding.max(3.0 * squares.sqrt() * 2f64.powi(-11));
                            let score: f64 = terms.sum();
                            let cap = f64::from(softcap);
                            if cap == 0.0 {
                                score
                            } else {
                                cap * (score / cap).tanh()
                            }
                        })
                        .collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                let total: f64 = weights.iter().sum();
                let relative = (rounding + 2f64.powi(-11)).exp_m1();
                // The smallest weights have fewer bits.
                let smallest = scores.len() as f64 * 2f64.powi(-25) / total;
                for d in 0..head_dim {
                    let value = |p: usize| f64::from(self.v[at(p) + d].to_f32());
                    let (mut sum, mut size, mut largest) = (0.0, 0.0, 0.0f64);
                    for (p, w) in seen.clone().zip(&weights) {
                        sum += w * value(p);
                        size += w * value(p).abs();
                        largest = largest.max(value(p).abs());
                    }
                    let found = (sum / total, relative * size / total + smallest * largest);
                    out.push(if scores.is_empty() { (0.0, 0.0) } else { found });
                }
            }
        }
        out
    }

    fn check(&self, absolute: f64) {
        let exact = self.exactly();
        for isa in Isa::available() {
            assert_close(&self.run(isa), &exact, 0.0, absolute);
        }
    }
}

pub(super) fn shape(heads: usize, kv_heads: usize, head_dim: usize, capacity: usize) -> Shape {
    let scale = 1.0 / (head_dim as f32).sqrt();
    Shape {
        heads,
        kv_heads,
        head_dim,
        capacity,
        scale,
        softcap: 0.0,
    }
}

#[test]
fn decode_over_every_kind_of_width_and_group() {
    for head_dim in [16, 17, 32, 33, 64, 80, 96, 100, 128, 255, 256] {
        for (heads, kv_heads) in [(1, 1), (3, 1), (9, 3), (8, 2), (14, 2)] {
            for position in [0, 1, 62, 63, 64, 130] {
                let case = Case::new(
                    shape(heads, kv_heads, head_dim, 131),
                    &[position],
                    2.0,
                    f16::from_f32,
                );
                case.check(2e-6);
            }
        }
    }
}

#[test]
fn prefill_in_chunks_of_odd_sizes() {
    for (rows, from) in [(2, 0), (5, 3), (11, 0), (33, 60), (64, 64), (100, 27)] {
        let positions: Vec<u32> = (from..from + rows).collect();
        for head_dim in [16, 31, 64, 128] {
            Case::new(shape(9, 3, head_dim, 128), &positions, 2.0, f16::from_f32).check(2e-6);
            Case::new(shape(4, 4, head_dim, 128), &positions, 2.0, |x| x).check(2e-6);
        }
    }
}

#[test]
fn the_ring_wraps() {
    for position in [99, 100, 101, 150, 163, 164, 199, 200, 131_071] {
        Case::new(shape(3, 1, 64, 100), &[position], 2.0, f16::from_f32).check(2e-6);
        let positions: Vec<u32> = (position - 20..=position).collect();
        Case::new(shape(6, 2, 32, 100), &positions, 2.0, |x| x).check(2e-6);
    }
}

#[test]
fn a_long_context_keeps_its_accuracy() {
    Case::new(shape(3, 1, 64, 8192), &[8191], 1.0, f16::from_f32).check(1e-6);
    let positions: Vec<u32> = (8180..8192).collect();
    Case::new(shape(3, 1, 64, 8192), &positions, 1.0, |x| x).check(1e-6);
}

#[test]
fn softcap_and_scale() {
    let positions: Vec<u32> = (0..40).collect();
    for positions in [&positions[..], &[39]] {
        let shape = Shape {
            softcap: 5.0,
            scale: 0.3,
            ..shape(4, 2, 48, 64)
        };
        Case::new(shape, positions, 3.0, f16::from_f32).check(3e-6);
    }
}

#[test]
fn extreme_scores() {
    // One key beats the rest by hundreds: all weight on it, whichever tile it is in.
    for positions in [vec![149], (100..150).collect()] {
        let mut case = Case::new(shape(2, 1, 32, 150), &positions, 100.0, |x| x);
        case.check(2e-3);
        case.q.fill(0.0);
        case.check(2e-6);
        case.q.fill(1e-40);
        case.check(2e-6);
        case.q.fill(1e30);
        case.k.fill(-1e8);
        for isa in Isa::available() {
            // Every score is -infinity: nothing to weigh, which gives zeros.
            assert!(case.run(isa).iter().all(|&x| x == 0.0));
        }
    }
}

impl<E: Element + bytemuck::Pod> Case<E> {
    /// What the operation gives on a device.
    pub(super) fn on(&self, bench: &Bench, op: &Attention, dtype: DType) -> Vec<f32> {
        let shape = self.shape;
        let rows = self.positions.len();
        let q = bench.f32(&[rows, shape.heads, shape.head_dim], &self.q);
        let cache = [shape.kv_heads, shape.capacity, shape.head_dim];
        let (k, v) = (bench.zeros(dtype, &cache), bench.zeros(dtype, &cache));
        k.view().write(&self.k).unwrap();
        v.view().write(&self.v).unwrap();
        let at = bench.u32(&[rows], &self.positions);
        let out = bench.f32(q.shape(), &vec![f32::NAN; self.q.len()]);
        let options = AttentionOptions {
            scale: shape.scale,
            softcap: (shape.softcap != 0.0).then_some(shape.softcap),
        };
        bench
            .run(|e| op.encode(e, &q, &k, &v, &at, options, &out))
            .unwrap();
        bench.read(&out)
    }

    /// Whether a device with matrix units may multiply in f16.
    fn is_for_matrices(&self, bench: &Bench, dtype: DType) -> bool {
        let gpu = bench.device.gpu();
        let rows = self.positions.len();
        dtype == DType::F16
            && rows >= 16
            && rows * self.shape.heads / self.shape.kv_heads >= 64
            && self.shape.head_dim.is_multiple_of(16)
            && self.shape.head_dim <= 128
            && gpu.is_some_and(|gpu| gpu.cooperative_matrix == Some(CooperativeMatrix::Size16))
    }

    /// That what was found is as near to the definition as factors of f16 allow, besides `absolute`.
    pub(super) fn check_in_halves(&self, found: &[f32], absolute: f64) {
        for (i, (&found, (exact, slack))) in found.iter().zip(self.with_slack()).enumerate() {
            let bound = slack + absolute;
            assert!(
                (f64::from(found) - exact).abs() <= bound,
                "element {i}: {found}, not {exact} within {bound}"
            );
        }
    }

    fn check_on(&self, bench: &Bench, op: &Attention, dtype: DType, absolute: f64) {
        let found = self.on(bench, op, dtype);
        if self.is_for_matrices(bench, dtype) {
            return self.check_in_halves(&found, absolute);
        }
        assert_close(&found, &self.exactly(), 0.0, absolute);
        if bench.device.gpu().is_none() {
            // The same bytes at any number of threads: those of a plain loop over workgroups.
            assert_eq!(found, self.run(Isa::detect()));
        }
    }
}

fn check_halves(bench: &Bench, op: &Attention, shape: Shape, positions: &[u32], absolute: f64) {
    let case = Case::new(shape, positions, 2.0, f16::from_f32);
    case.check_on(bench, op, DType::F16, absolute);
}

fn check_singles(bench: &Bench, op: &Attention, shape: Shape, positions: &[u32], absolute: f64) {
    let case = Case::new(shape, positions, 2.0, |x| x);
    case.check_on(bench, op, DType::F32, absolute);
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        for positions in [vec![0], vec![70], (0..23).collect(), (90..130).collect()] {
            for (heads, kv_heads, head_dim) in [(9, 3, 64), (2, 2, 17)] {
                let shape = Shape {
                    scale: 0.2,
                    softcap: 20.0,
                    ..shape(heads, kv_heads, head_dim, 100)
                };
                check_halves(bench, &op, shape, &positions, 3e-6);
            }
        }
    });
}

#[test]
fn every_device_takes_any_width_and_group() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        let widths = [
            1, 2, 3, 7, 8, 12, 33, 64, 80, 96, 100, 127, 128, 256, 1000, 1023, 1024,
        ];
        let groups = [(1, 1), (9, 3), (4, 1), (8, 1), (18, 2)];
        for (i, head_dim) in widths.into_iter().enumerate() {
            for (heads, kv_heads) in [groups[i % 5], groups[(i + 2) % 5]] {
                let shape = shape(heads, kv_heads, head_dim, 131);
                check_halves(bench, &op, shape, &[130], 4e-6);
                check_singles(bench, &op, shape, &[[0, 1, 62][i % 3]], 4e-6);
            }
        }
    });
}

#[test]
fn every_device_takes_any_number_of_rows() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        for (tokens, from) in [
            (2, 0),
            (5, 3),
            (11, 0),
            (33, 60),
            (64, 64),
            (100, 27),
            (130, 0),
        ] {
            let positions: Vec<u32> = (from..from + tokens).collect();
            let few = bench.is_interpreted();
            let widths = if few {
                &[31, 64][..]
            } else {
                &[16, 31, 64, 80, 128]
            };
            for &head_dim in widths {
                check_halves(bench, &op, shape(9, 3, head_dim, 140), &positions, 4e-6);
                check_singles(bench, &op, shape(4, 4, head_dim, 140), &positions, 4e-6);
            }
            check_halves(bench, &op, shape(8, 1, 300, 140), &positions, 4e-6);
        }
    });
}

#[test]
fn every_device_takes_many_rows_of_any_width_and_group() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        let positions: Vec<u32> = (29..62).collect();
        let widths = [
            1, 5, 8, 24, 63, 65, 66, 72, 127, 129, 136, 200, 250, 255, 256, 257,
        ];
        let groups = [(4, 2), (3, 1), (5, 1), (2, 2)];
        for (i, head_dim) in widths.into_iter().enumerate() {
            let (heads, kv_heads) = groups[i % 4];
            let shape = shape(heads, kv_heads, head_dim, 70);
            check_halves(bench, &op, shape, &positions, 4e-6);
            check_singles(bench, &op, shape, &positions, 4e-6);
        }
    });
}

#[test]
fn every_device_takes_rows_around_the_sizes_of_tiles() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        // Blocks of 16 or 32 pairs, and tiles of 16 or 32 positions, at each end.
        for tokens in [15, 16, 17, 31, 32, 33] {
            for (i, from) in [0, 1, 31, 32, 33].into_iter().enumerate() {
                let positions: Vec<u32> = (from..from + tokens).collect();
                let (heads, head_dim) = [(1, 64), (2, 128), (3, 256)][i % 3];
                let shape = shape(heads, 1, head_dim, 66);
                check_halves(bench, &op, shape, &positions, 4e-6);
            }
        }
    });
}

#[test]
fn every_device_shares_many_rows_between_workgroups() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        // Two to four parts of odd sizes; the last rings have turned, in the middle of a tile.
        for (from, capacity) in [
            (224, 1000),
            (240, 1000),
            (500, 1000),
            (1990, 1000),
            (700, 733),
        ] {
            let positions: Vec<u32> = (from..from + 33).collect();
            check_halves(bench, &op, shape(6, 2, 64, capacity), &positions, 4e-6);
            let capped = Shape {
                softcap: 5.0,
                scale: 0.3,
                ..shape(1, 1, 130, capacity)
            };
            check_singles(bench, &op, capped, &positions, 4e-6);
        }
    });
}

#[test]
fn every_device_follows_the_ring_and_long_contexts() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        // Around the sizes of tiles and parts, and past the capacity, so that parts lie across its end.
        let all = [
            255, 256, 257, 511, 513, 1000, 2999, 3000, 3001, 4444, 131_071,
        ];
        let few = [257, 3000, 4444];
        let positions = if bench.is_interpreted() {
            &few[..]
        } else {
            &all
        };
        for &position in positions {
            let capacity = shape(3, 1, 64, 3000);
            check_halves(bench, &op, capacity, &[position], 4e-6);
            let positions: Vec<u32> = (position - 20..=position).collect();
            check_singles(bench, &op, shape(6, 2, 32, 3000), &positions, 4e-6);
            check_halves(bench, &op, shape(9, 3, 64, 3000), &positions, 4e-6);
        }
        let positions: Vec<u32> = (180..250).collect();
        check_halves(bench, &op, shape(9, 3, 64, 100), &positions, 4e-6);
        // Rows in any order; some at positions that the ring has lost.
        let few = vec![250, 3, 249, 151, 150, 149, 200];
        let many: Vec<u32> = (0..40).map(|row| row * 97 % 251).chain([250]).collect();
        for mixed in [few, many] {
            let case = Case::new(shape(2, 1, 64, 100), &mixed, 2.0, f16::from_f32);
            case.check_on(bench, &op, DType::F16, 4e-6);
        }
    });
}

#[test]
fn every_device_takes_extreme_scores() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        for positions in [
            vec![149],
            vec![599],
            (100..150).collect(),
            (550..600).collect(),
        ] {
            for head_dim in [32, 33] {
                let mut case = Case::new(shape(2, 1, head_dim, 600), &positions, 100.0, |x| x);
                case.check_on(bench, &op, DType::F32, 2e-3);
                case.q.fill(0.0);
                case.check_on(bench, &op, DType::F32, 4e-6);
                case.q.fill(1e30);
                case.k.fill(-1e8);
                let found = case.on(bench, &op, DType::F32);
                assert!(found.iter().all(|&x| x == 0.0));
            }
        }
    });
}

#[test]
fn refusals() {
    on_devices(|bench| {
        let op = Attention::new(&bench.device).unwrap();
        let options = AttentionOptions {
            scale: 1.0,
            softcap: None,
        };
        let f32 = |shape: &[usize]| bench.zeros(DType::F32, shape);
        let (q, out, at) = (
            f32(&[2, 6, 8]),
            f32(&[2, 6, 8]),
            bench.zeros(DType::U32, &[2]),
        );
        let (k, v) = (f32(&[3, 10, 8]), f32(&[3, 10, 8]));
        let half = bench.zeros(DType::F16, &[3, 10, 8]);
        bench
            .run(|e| op.encode(e, &q, &k, &v, &at, options, &out))
            .unwrap();
        let odd = f32(&[4, 10, 8]);
        bench.refuses(
            |e| op.encode(e, &q, &odd, &odd, &at, options, &out),
            "q is F32 [2, 6, 8]; it must be F32 [.., a multiple of 4, at most 1024]",
        );
        let wide = f32(&[3, 10, 16]);
        bench.refuses(
            |e| op.encode(e, &q, &wide, &v, &at, options, &out),
            "k_cache is F32 [3, 10, 16]",
        );
        bench.refuses(
            |e| op.encode(e, &q, &k, &half, &at, options, &out),
            "v_cache is F16 [3, 10, 8]",
        );
        bench.refuses(
            |e| op.encode(e, &q, &k, &v, &q, options, &out),
            "positions is F32 [2, 6, 8]",
        );
        bench.refuses(
            |e| op.encode(e, &q, &k, &v, &at, options, &k),
            "out is F32 [3, 10, 8]",
        );
        bench.refuses(|e| op.encode(e, &q, &k, &v, &at, options, &q), "overlap");
        let scale = AttentionOptions {
            scale: f32::NAN,
            ..options
        };
        bench.refuses(
            |e| op.encode(e, &q, &k, &v, &at, scale, &out),
            "scale is NaN",
        );
        let softcap = AttentionOptions {
            softcap: Some(0.0),
            ..options
        };
        bench.refuses(
            |e| op.encode(e, &q, &k, &v, &at, softcap, &out),
            "softcap is 0",
        );
    });
}
