use half::f16;

use super::KvAppend;
use crate::dtype::DType;
use crate::reference::{Bench, noise, on_devices};

/// Appends to caches of sevens and compares with a plain loop over the definition.
fn check(
    bench: &Bench,
    dtype: DType,
    heads: usize,
    head_dim: usize,
    capacity: usize,
    positions: &[u32],
) {
    let op = KvAppend::new(&bench.device).unwrap();
    let tokens = positions.len();
    let values = [1, 2].map(|seed| noise(seed, tokens * heads * head_dim));
    let rows = [0, 1].map(|i| bench.f32(&[tokens, heads, head_dim], &values[i]));
    let caches = [0, 1].map(|_| bench.zeros(dtype, &[heads, capacity, head_dim]));
    let at = bench.u32(&[tokens], positions);
    bench
        .run(|encoder| op.encode(encoder, &rows[0], &rows[1], &at, &caches[0], &caches[1]))
        .unwrap();
    for (values, cache) in values.iter().zip(&caches) {
        let mut expected = vec![0.0; heads * capacity * head_dim];
        for (row, &position) in values.chunks(heads * head_dim).zip(positions) {
            for (i, &x) in row.iter().enumerate() {
                let slot = position as usize % capacity;
                expected[(i / head_dim * capacity + slot) * head_dim + i % head_dim] = x;
            }
        }
        if dtype == DType::F32 {
            assert_eq!(bench.read::<f32>(cache), expected);
        } else {
            let expected: Vec<f16> = expected.iter().map(|&x| f16::from_f32(x)).collect();
            assert_eq!(bench.read::<f16>(cache), expected);
        }
    }
}

#[test]
fn rows_go_to_their_slots() {
    on_devices(|bench| {
        for dtype in [DType::F16, DType::F32] {
            for (heads, head_dim) in [(1, 64), (3, 17), (3, 64), (2, 250)] {
                check(bench, dtype, heads, head_dim, 10, &[0]);
                check(bench, dtype, heads, head_dim, 10, &[3, 4, 5]);
                check(bench, dtype, heads, head_dim, 10, &[8, 9, 10, 11]);
                check(bench, dtype, heads, head_dim, 1, &[u32::MAX]);
                // Two rows for one slot: the later one stays.
                check(bench, dtype, heads, head_dim, 10, &[12, 2]);
            }
        }
    });
}

#[test]
fn refusals() {
    on_devices(|bench| {
        let op = KvAppend::new(&bench.device).unwrap();
        let f32 = |shape: &[usize]| bench.zeros(DType::F32, shape);
        let (k, v, at) = (
            f32(&[4, 2, 8]),
            f32(&[4, 2, 8]),
            bench.zeros(DType::U32, &[4]),
        );
        let (a, b) = (f32(&[2, 4, 8]), f32(&[2, 4, 8]));
        let small = f32(&[2, 3, 8]);
        let half = bench.zeros(DType::F16, &[2, 4, 8]);
        bench.run(|e| op.encode(e, &k, &v, &at, &a, &b)).unwrap();
        bench.refuses(
            |e| op.encode(e, &k, &small, &at, &a, &b),
            "v is F32 [2, 3, 8]",
        );
        bench.refuses(
            |e| op.encode(e, &k, &v, &k, &a, &b),
            "positions is F32 [4, 2, 8]; it must be U32 [4]",
        );
        bench.refuses(
            |e| op.encode(e, &k, &v, &at, &at, &b),
            "k_cache is U32 [4]; it must be F16 or F32",
        );
        bench.refuses(
            |e| op.encode(e, &k, &v, &at, &k, &b),
            "k_cache is F32 [4, 2, 8]; it must be F32 [2, 2, 8]",
        );
        bench.refuses(
            |e| op.encode(e, &k, &v, &at, &half, &b),
            "v_cache is F32 [2, 4, 8]; it must be F16",
        );
        bench.refuses(
            |e| op.encode(e, &k, &v, &at, &small, &small),
            "capacity of 3",
        );
        bench.refuses(|e| op.encode(e, &k, &v, &at, &a, &a), "overlap");
    });
}
