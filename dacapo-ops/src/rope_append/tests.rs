//! Against the definitions in f64, and against the operations that this one stands for.

use half::f16;

use super::*;
use crate::kv_append::KvAppend;
use crate::reference::{Bench, assert_close, noise, on_devices};
use crate::rms_norm::RmsNorm;
use crate::rms_norm::tests::exactly as normed;
use crate::rope::tests::{exactly as turned, radians};
use crate::rope::{Config, Rope, Scaling, frequencies};

const THETA: f64 = 1e4;
const EPS: f32 = 1e-6;

#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    /// Elements of a head that turn.
    dims: usize,
    capacity: usize,
    positions: &'a [u32],
    layout: Layout,
    cache: DType,
    normed: bool,
    /// What activations are multiplied with.
    size: f32,
}

/// The values of a case and its tensors.
struct Setup {
    /// Of q, k and v.
    values: [Vec<f32>; 3],
    weights: [Vec<f32>; 2],
    rows: [Tensor; 3],
    norms: [Tensor; 2],
    positions: Tensor,
    frequencies: Tensor,
    caches: [Tensor; 2],
}

impl Setup {
    fn new(bench: &Bench, case: &Case<'_>) -> Setup {
        let (tokens, head_dim) = (case.positions.len(), case.head_dim);
        let heads = [case.heads, case.kv_heads, case.kv_heads];
        let values = [1, 2, 3].map(|seed| {
            let values = noise(seed, tokens * heads[seed as usize - 1] * head_dim);
            values.iter().map(|x| x * case.size).collect::<Vec<_>>()
        });
        let weights = [4, 5].map(|seed| noise(seed, head_dim));
        let table = frequencies(&Config {
            dims: case.dims,
            theta: THETA,
            scaling: Scaling::None,
            factors: &[],
        });
        let table = table.unwrap();
        Setup {
            rows: [0, 1, 2].map(|i| bench.f32(&[tokens, heads[i], head_dim], &values[i])),
            norms: [0, 1].map(|i| bench.f32(&[head_dim], &weights[i])),
            positions: bench.u32(&[tokens], case.positions),
            frequencies: bench.u32(&[table.len(), 2], table.as_flattened()),
            caches: [(); 2]
                .map(|()| bench.zeros(case.cache, &[case.kv_heads, case.capacity, head_dim])),
            values,
            weights,
        }
    }

    fn operands(&self, case: &Case<'_>) -> Operands<'_> {
        let [q, k, v] = &self.rows;
        let [q_norm, k_norm] = &self.norms;
        Operands {
            q,
            k,
            v,
            positions: &self.positions,
            frequencies: &self.frequencies,
            layout: case.layout,
            norms: case.normed.then_some(Norms {
                q: q_norm,
                k: k_norm,
                eps: EPS,
            }),
            k_cache: &self.caches[0],
            v_cache: &self.caches[1],
        }
    }

    /// What becomes of q or k, `which`, in f64.
    fn exact(&self, case: &Case<'_>, which: usize) -> Vec<f64> {
        let (rows, weight) = (&self.values[which], &self.weights[which]);
        // The reference of the rotation takes f32: it is linear, so parts of a head may be turned apart.
        let normed: Vec<f64> = match case.normed {
            true => normed(rows, weight, EPS),
            false => rows.iter().map(|&x| f64::from(x)).collect(),
        };
        let width = rows.len() / case.positions.len();
        let high: Vec<f32> = normed.iter().map(|&x| x as f32).collect();
        let low: Vec<f32> = normed
            .iter()
            .zip(&high)
            .map(|(&x, &high)| (x - f64::from(high)) as f32)
            .collect();
        let turn = |x: &[f32]| -> Vec<f64> {
            let rows = x.chunks(width).zip(case.positions);
            let radians = radians(case.dims, THETA);
            rows.flat_map(|(row, &p)| turned(case.layout, row, case.head_dim, p, &radians))
                .collect()
        };
        turn(&high)
            .iter()
            .zip(turn(&low))
            .map(|(high, low)| high + low)
            .collect()
    }
}

/// A cache of these rows: each at its slot, the later of two.
fn cached(case: &Case<'_>, rows: &[f64]) -> Vec<f64> {
    let mut cache = vec![0.0; case.kv_heads * case.capacity * case.head_dim];
    let width = case.kv_heads * case.head_dim;
    for (row, &position) in rows.chunks(width).zip(case.positions) {
        let slot = position as usize % case.capacity;
        for (head, row) in row.chunks(case.head_dim).enumerate() {
            cache[(head * case.capacity + slot) * case.head_dim..][..case.head_dim]
                .copy_from_slice(row);
        }
    }
    cache
}

fn elements(bench: &Bench, cache: &Tensor) -> Vec<f32> {
    match cache.dtype() {
        DType::F16 => bench
            .read::<f16>(cache)
            .iter()
            .map(|x| x.to_f32())
            .collect(),
        _ => bench.read(cache),
    }
}

fn check(bench: &Bench, op: &RopeAppend, case: Case<'_>) {
    let setup = Setup::new(bench, &case);
    bench
        .run(|encoder| op.encode(encoder, &setup.operands(&case)))
        .unwrap();
    // Each is a sum of two products of magnitudes up to the size.
    let size = if case.normed {
        4.0
    } else {
        f64::from(case.size)
    };
    let q = setup.exact(&case, 0);
    assert_close(&bench.read(&setup.rows[0]), &q, 0.0, 6e-7 * size);
    assert_eq!(
        bench.read::<f32>(&setup.rows[1]),
        setup.values[1],
        "k stays"
    );
    let v: Vec<f64> = setup.values[2].iter().map(|&x| f64::from(x)).collect();
    let (relative, least) = match case.cache {
        DType::F16 => (2f64.powi(-11), 2f64.powi(-25)),
        _ => (0.0, 0.0),
    };
    let [k_cache, v_cache] = setup.caches.each_ref().map(|cache| elements(bench, cache));
    let k = cached(&case, &setup.exact(&case, 1));
    for (found, exact) in k_cache.iter().zip(&k) {
        let bound = exact.abs() * relative + least + 6e-7 * size;
        let error = (f64::from(*found) - exact).abs();
        assert!(error <= bound, "{case:?}: {found:e}, exactly {exact:e}");
    }
    let v = cached(&case, &v);
    assert_close(&v_cache, &v, relative, least);
    assert_same_as_separate(bench, &case, &setup, &k_cache, &v_cache);
}

/// The operations apart must come to the same, within the rounding of a multiplication or two.
fn assert_same_as_separate(
    bench: &Bench,
    case: &Case<'_>,
    fused: &Setup,
    k_cache: &[f32],
    v_cache: &[f32],
) {
    let setup = Setup::new(bench, case);
    let (norm, rope) = (
        RmsNorm::new(&bench.device).unwrap(),
        Rope::new(&bench.device).unwrap(),
    );
    let append = KvAppend::new(&bench.device).unwrap();
    let [q, k, v] = &setup.rows;
    bench
        .run(|encoder| {
            for (x, weight) in [q, k].into_iter().zip(&setup.norms) {
                if case.normed {
                    norm.encode_heads(encoder, x, weight, EPS)?;
                }
                let (at, table) = (&setup.positions, &setup.frequencies);
                rope.encode(encoder, x, at, table, case.layout)?;
            }
            let [k_cache, v_cache] = &setup.caches;
            append.encode(encoder, k, v, &setup.positions, k_cache, v_cache)
        })
        .unwrap();
    let size = if case.normed {
        4.0
    } else {
        f64::from(case.size)
    };
    let wide = |values: Vec<f32>| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (q, fused_q) = (bench.read(q), bench.read(&fused.rows[0]));
    let step = match case.cache {
        // One place of an f16.
        DType::F16 => 2f64.powi(-10),
        _ => 0.0,
    };
    let keys = elements(bench, &setup.caches[0]);
    assert_eq!(v_cache, elements(bench, &setup.caches[1]));
    if bench.device.gpu().is_none() {
        assert_eq!(
            (&q, &keys[..]),
            (&fused_q, k_cache),
            "on the processor the same bits"
        );
    }
    assert_close(&fused_q, &wide(q), 0.0, 3e-7 * size);
    assert_close(k_cache, &wide(keys), step, 3e-7 * size);
}

const USUAL: Case<'_> = Case {
    heads: 9,
    kv_heads: 3,
    head_dim: 64,
    dims: 64,
    capacity: 40,
    positions: &[4099],
    layout: Layout::Pairs,
    cache: DType::F16,
    normed: false,
    size: 1.0,
};

#[test]
fn every_form_over_odd_shapes() {
    let many: Vec<u32> = (0..37).map(|i| 130_000 + i).collect();
    on_devices(|bench| {
        let op = RopeAppend::new(&bench.device).unwrap();
        for normed in [false, true] {
            for layout in [Layout::Pairs, Layout::Halves] {
                for cache in [DType::F16, DType::F32] {
                    let usual = Case {
                        normed,
                        layout,
                        cache,
                        ..USUAL
                    };
                    check(bench, &op, usual);
                    check(
                        bench,
                        &op,
                        Case {
                            positions: &many,
                            ..usual
                        },
                    );
                    for (heads, kv_heads, head_dim, dims) in [
                        (1, 1, 128, 128),
                        (4, 2, 80, 32),
                        (2, 2, 17, 6),
                        (3, 1, 300, 298),
                        (2, 1, 2, 2),
                    ] {
                        let positions = &[7, 8, 9];
                        let case = Case {
                            heads,
                            kv_heads,
                            head_dim,
                            dims,
                            positions,
                            ..usual
                        };
                        check(bench, &op, case);
                    }
                }
            }
        }
    });
}

#[test]
fn of_rows_for_one_slot_the_last_stays() {
    let again: Vec<u32> = (0..150).chain((0..150).rev()).collect();
    on_devices(|bench| {
        let op = RopeAppend::new(&bench.device).unwrap();
        for (cache, head_dim, dims) in
            [(DType::F16, 16, 16), (DType::F16, 5, 4), (DType::F32, 6, 2)]
        {
            let usual = Case {
                heads: 2,
                kv_heads: 2,
                cache,
                head_dim,
                dims,
                ..USUAL
            };
            let case = Case {
                capacity: 10,
                ..usual
            };
            check(
                bench,
                &op,
                Case {
                    positions: &[12, 2],
                    ..case
                },
            );
            check(
                bench,
                &op,
                Case {
                    positions: &[8, 9, 10, 11],
                    ..case
                },
            );
            // Around 2^32, in a ring whose capacity does not divide it.
            check(
                bench,
                &op,
                Case {
                    positions: &[u32::MAX - 1, u32::MAX, 0, 1],
                    ..case
                },
            );
            check(
                bench,
                &op,
                Case {
                    capacity: 1,
                    positions: &[u32::MAX],
                    ..usual
                },
            );
            check(
                bench,
                &op,
                Case {
                    capacity: 400,
                    positions: &again,
                    ..usual
                },
            );
        }
    });
}

/// Squares of such heads overflow an f32, or are no normal ones.
#[test]
fn norms_of_extreme_heads() {
    on_devices(|bench| {
        let op = RopeAppend::new(&bench.device).unwrap();
        for size in [1e30, 1e20, 1e-3] {
            let case = Case {
                normed: true,
                size,
                cache: DType::F32,
                positions: &[5, 6],
                ..USUAL
            };
            check(bench, &op, case);
        }
    });
}

#[test]
fn refusals() {
    on_devices(|bench| {
        let op = RopeAppend::new(&bench.device).unwrap();
        let case = Case {
            normed: true,
            positions: &[1, 2],
            ..USUAL
        };
        let setup = Setup::new(bench, &case);
        let good = setup.operands(&case);
        let refuses = |operands: Operands<'_>, message| {
            bench.refuses(|encoder| op.encode(encoder, &operands), message);
        };
        let zeros = |dtype, shape: &[usize]| bench.zeros(dtype, shape);
        let (wide, flat) = (zeros(DType::F32, &[2, 9, 65]), zeros(DType::F32, &[2, 576]));
        refuses(
            Operands { q: &wide, ..good },
            "q is F32 [2, 9, 65]; it must be F32 [2, 9, 64]",
        );
        refuses(
            Operands { q: &flat, ..good },
            "q is F32 [2, 576]; it must be F32 of 3 dimensions",
        );
        refuses(
            Operands { k: &wide, ..good },
            "v is F32 [2, 3, 64]; it must be F32 [2, 9, 65]",
        );
        let short = zeros(DType::U32, &[1]);
        refuses(
            Operands {
                positions: &short,
                ..good
            },
            "positions is U32 [1]; it must be U32 [2]",
        );
        let many = zeros(DType::U32, &[33, 2]);
        refuses(
            Operands {
                frequencies: &many,
                ..good
            },
            "it must be U32 [at most 32, 2]",
        );
        let narrow = zeros(DType::F32, &[63]);
        let norms = |q, k, eps| Operands {
            norms: Some(Norms { q, k, eps }),
            ..good
        };
        let [q_norm, k_norm] = &setup.norms;
        refuses(norms(&narrow, k_norm, EPS), "the norm of q is F32 [63]");
        refuses(norms(q_norm, &narrow, EPS), "the norm of k is F32 [63]");
        refuses(norms(q_norm, k_norm, -1.0), "eps is -1");
        let small = zeros(DType::F16, &[3, 1, 64]);
        let caches = Operands {
            k_cache: &small,
            v_cache: &small,
            ..good
        };
        refuses(caches, "capacity of 1");
        refuses(
            Operands {
                v_cache: good.k_cache,
                ..good
            },
            "overlap",
        );
        bench.run(|encoder| op.encode(encoder, &good)).unwrap();
    });
}
