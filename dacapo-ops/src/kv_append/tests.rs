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
                // Positions around 2^32, in a ring whose capacity does not divide it.
                check(
                    bench,
                    dtype,
                    heads,
                    head_dim,
                    10,
                    &[u32::MAX - 1, u32::MAX, 0, 1],
                );
            }
            // More tokens than a workgroup has threads; every slot of the first three hundred is written again.
            let positions: Vec<u32> = (0..300).chain((0..300).rev()).collect();
            check(bench, dtype, 2, 6, 700, &positions);
            check(bench, dtype, 1, 5, 700, &positions);
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

#[test]
fn f16_rounds_to_nearest_at_every_edge() {
    on_devices(|bench| {
        let op = KvAppend::new(&bench.device).unwrap();
        // Halfway between f16s, and a little to either side; subnormal, overflowing and special ones too.
        let mut values: Vec<f32> = (0..0x7c00u16)
            .step_by(7)
            .flat_map(|bits| {
                let (low, high) = (f16::from_bits(bits), f16::from_bits(bits + 1));
                let high = if high.is_finite() {
                    high.to_f32()
                } else {
                    65536.0
                };
                let middle = (low.to_f32() + high) / 2.0;
                [middle.next_down(), middle, -middle.next_up(), low.to_f32()]
            })
            .collect();
        values.extend([0.0, -0.0, f32::MAX, -1e30, f32::INFINITY, f32::NEG_INFINITY]);
        values.extend([
            65519.9,
            65520.0,
            2f32.powi(-25),
            1e-38,
            3e-8,
            f32::MIN_POSITIVE,
        ]);
        let length = values.len() / 2 * 2;
        values.truncate(length);
        let k = bench.f32(&[1, 1, length], &values);
        let v = bench.f32(&[1, 1, length], &values);
        let at = bench.u32(&[1], &[0]);
        let caches = [0, 1].map(|_| bench.zeros(DType::F16, &[1, 1, length]));
        bench
            .run(|encoder| op.encode(encoder, &k, &v, &at, &caches[0], &caches[1]))
            .unwrap();
        for cache in &caches {
            let found = bench.read::<u16>(cache);
            for (found, &value) in found.into_iter().zip(&values) {
                assert_eq!(found, f16::from_f32(value).to_bits(), "{value:e}");
            }
        }
    });
}
