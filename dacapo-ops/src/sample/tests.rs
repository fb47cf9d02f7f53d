use super::cpu::{sample, scratch};
use super::{Sample, SampleParams};
use crate::dtype::DType;
use crate::reference::{Bench, noise, on_devices};
use crate::simd::Isa;

const PLAIN: SampleParams = SampleParams {
    temperature: 1.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    seed: 42,
};

fn draw(isa: Isa, logits: &[f32], params: &SampleParams, position: u32) -> Option<u32> {
    let mut room = vec![f32::NAN; scratch(params, logits.len())];
    sample(isa, logits, params, position, &mut room)
}

/// The filters by sorting everything, in f64.
fn distribution(logits: &[f32], params: &SampleParams) -> Vec<f64> {
    let temperature = f64::from(params.temperature);
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |&x: &f32| ((f64::from(x) - f64::from(max)) / temperature).exp();
    let mut order: Vec<(usize, f64)> = logits.iter().map(weight).enumerate().collect();
    order.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
    if params.top_k > 0 {
        order.truncate(params.top_k as usize);
    }
    let total: f64 = order.iter().map(|o| o.1).sum();
    if params.top_p < 1.0 {
        let mut mass = 0.0;
        let mut kept = 0;
        while kept < order.len() && (kept == 0 || mass < f64::from(params.top_p) * total) {
            mass += order[kept].1;
            kept += 1;
        }
        order.truncate(kept);
    }
    order.retain(|o| o.1 >= f64::from(params.min_p));
    let total: f64 = order.iter().map(|o| o.1).sum();
    let mut out = vec![0.0; logits.len()];
    for (i, w) in order {
        out[i] = w / total;
    }
    out
}

/// 100,000 draws against the exact distribution by Pearson's chi-square, rare tokens pooled.
fn check_frequencies(logits: &[f32], params: &SampleParams) {
    const DRAWS: u32 = 100_000;
    let exact = distribution(logits, params);
    let mut counts = vec![0_u32; logits.len()];
    for position in 0..DRAWS {
        counts[draw(Isa::detect(), logits, params, position).unwrap() as usize] += 1;
    }
    let (mut square, mut cells) = (0.0, 0);
    let (mut rare, mut rare_count) = (0.0, 0.0);
    for (&p, &count) in exact.iter().zip(&counts) {
        let expected = p * f64::from(DRAWS);
        if p == 0.0 {
            assert_eq!(count, 0, "{params:?}");
        } else if expected < 10.0 {
            rare += expected;
            rare_count += f64::from(count);
        } else {
            square += (f64::from(count) - expected).powi(2) / expected;
            cells += 1;
        }
    }
    if rare >= 10.0 {
        square += (rare_count - rare).powi(2) / rare;
        cells += 1;
    }
    // Wilson and Hilferty: chi-square is above this with a probability of 0.001.
    let freedom = f64::from((cells - 1).max(1));
    let bound =
        freedom * (1.0 - 2.0 / (9.0 * freedom) + 3.09 * (2.0 / (9.0 * freedom)).sqrt()).powi(3);
    assert!(
        square < bound,
        "{params:?}: {square} of {bound} at {freedom} degrees"
    );
}

#[test]
fn frequencies_are_those_of_the_filtered_distribution() {
    let logits: Vec<f32> = noise(11, 200).iter().map(|x| x * 4.0).collect();
    let variants = [
        PLAIN,
        SampleParams {
            temperature: 0.5,
            ..PLAIN
        },
        SampleParams {
            temperature: 2.0,
            ..PLAIN
        },
        SampleParams { top_k: 10, ..PLAIN },
        SampleParams {
            top_p: 0.6,
            ..PLAIN
        },
        SampleParams {
            min_p: 0.2,
            ..PLAIN
        },
        SampleParams {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.05,
            seed: 7,
        },
        SampleParams {
            temperature: 1.3,
            top_k: 0,
            top_p: 0.8,
            min_p: 0.1,
            seed: 1 << 40,
        },
    ];
    for params in variants {
        check_frequencies(&logits, &params);
    }
}

#[test]
fn both_ways_keep_the_same_tokens() {
    // 1500 tokens: a top_k above 1024 weighs all, one below gathers.
    let coarse: Vec<f32> = noise(12, 1500)
        .iter()
        .map(|x| (x * 8.0).round() / 2.0)
        .collect();
    for isa in Isa::available() {
        for top_k in [0, 1, 500, 1024, 1025, 1499, 1500, 9000] {
            for (top_p, min_p) in [(1.0, 0.0), (0.7, 0.0), (1.0, 0.3), (0.9, 0.05), (0.0, 0.0)] {
                let params = SampleParams {
                    top_k,
                    top_p,
                    min_p,
                    ..PLAIN
                };
                let exact = distribution(&coarse, &params);
                for position in 0..200 {
                    let id = draw(isa, &coarse, &params, position).unwrap() as usize;
                    assert!(exact[id] > 0.0, "{isa:?} {params:?} drew {id}");
                }
            }
        }
    }
}

#[test]
fn a_draw_depends_on_seed_and_position_alone() {
    let logits = noise(13, 1000);
    let ids = |seed| -> Vec<u32> {
        let params = SampleParams { seed, ..PLAIN };
        (0..50)
            .map(|position| draw(Isa::detect(), &logits, &params, position).unwrap())
            .collect()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    assert_ne!(ids(1), ids(1 << 32 | 1));
}

#[test]
fn a_vocabulary_of_150_thousand() {
    let logits: Vec<f32> = noise(14, 151_936).iter().map(|x| x * 10.0).collect();
    for params in [
        PLAIN,
        SampleParams {
            top_p: 0.3,
            ..PLAIN
        },
        SampleParams {
            top_k: 5000,
            top_p: 0.9,
            ..PLAIN
        },
        SampleParams {
            top_k: 40,
            top_p: 0.95,
            ..PLAIN
        },
    ] {
        let exact = distribution(&logits, &params);
        for position in 0..20 {
            let id = draw(Isa::detect(), &logits, &params, position).unwrap() as usize;
            assert!(exact[id] > 0.0, "{params:?} drew {id}");
        }
    }
}

#[test]
fn temperature_0_is_argmax() {
    let mut logits = noise(15, 3000);
    (logits[1234], logits[2000]) = (3.0, 3.0);
    let params = SampleParams {
        temperature: 0.0,
        ..PLAIN
    };
    assert_eq!(draw(Isa::detect(), &logits, &params, 5), Some(1234));
}

#[test]
fn extreme_logits() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for isa in Isa::available() {
        for top_k in [0, 3] {
            for temperature in [1e-40, 1e-3, 1.0, 1e30] {
                let params = SampleParams {
                    top_k,
                    temperature,
                    top_p: 0.99,
                    ..PLAIN
                };
                for position in 0..50 {
                    let id = |logits: &[f32]| draw(isa, logits, &params, position);
                    assert_eq!(id(&[nan; 20]), None);
                    assert_eq!(id(&[-inf; 20]), Some(0));
                    assert_eq!(id(&[nan, -inf, nan, -inf]), Some(1));
                    assert_eq!(id(&[nan, 1.0, nan, nan]), Some(1));
                    assert_eq!(id(&[-inf, -inf, -1e30, -inf]), Some(2));
                    assert!(matches!(id(&[1.0, inf, 2.0, inf, nan]), Some(1 | 3)));
                    assert!(matches!(id(&[7.0; 5]), Some(0..5)));
                }
            }
        }
    }
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let op = Sample::new(&bench.device).unwrap();
        let rows = noise(16, 3 * 5000);
        let logits = bench.f32(&[3, 5000], &rows);
        let (positions, ids) = (bench.u32(&[3], &[0, 77, 77]), bench.zeros(DType::U32, &[3]));
        let variants = [
            PLAIN,
            SampleParams { top_k: 40, ..PLAIN },
            SampleParams::GREEDY,
        ];
        for params in variants {
            bench
                .run(|e| op.encode(e, &logits, &params, &positions, &ids))
                .unwrap();
            let found = bench.read::<u32>(&ids);
            for (row, position) in [0, 77, 77].into_iter().enumerate() {
                let expected = draw(
                    Isa::detect(),
                    &rows[row * 5000..][..5000],
                    &params,
                    position,
                );
                assert_eq!(Some(found[row]), expected);
            }
        }

        let nan = bench.f32(&[1, 5], &[f32::NAN; 5]);
        let (at, id) = (bench.zeros(DType::U32, &[1]), bench.zeros(DType::U32, &[1]));
        if bench.device.gpu().is_some() {
            for params in variants {
                bench
                    .run(|e| op.encode(e, &nan, &params, &at, &id))
                    .unwrap();
                assert_eq!(bench.read::<u32>(&id), [u32::MAX]);
            }
        } else {
            bench.refuses(
                |e| op.encode(e, &nan, &PLAIN, &at, &id),
                "all 5 logits of row 0 are NaN",
            );
        }
        bench.refuses(
            |e| op.encode(e, &nan, &PLAIN, &ids, &id),
            "positions is U32 [3]",
        );
        bench.refuses(|e| op.encode(e, &nan, &PLAIN, &at, &ids), "ids is U32 [3]");
        bench.refuses(|e| op.encode(e, &at, &PLAIN, &at, &id), "logits is U32 [1]");
        for (params, message) in [
            (
                SampleParams {
                    temperature: -1.0,
                    ..PLAIN
                },
                "temperature is -1; it must be 0 or above",
            ),
            (
                SampleParams {
                    temperature: f32::INFINITY,
                    ..PLAIN
                },
                "temperature is inf",
            ),
            (
                SampleParams {
                    top_p: 1.5,
                    ..PLAIN
                },
                "top_p is 1.5; it must be in 0..=1",
            ),
            (
                SampleParams {
                    min_p: f32::NAN,
                    ..PLAIN
                },
                "min_p is NaN",
            ),
        ] {
            bench.refuses(|e| op.encode(e, &nan, &params, &at, &id), message);
        }
    });
}

/// Draws at positions 0.. from the same logits in one dispatch.
fn draws(bench: &Bench, op: &Sample, logits: &[f32], params: &SampleParams, n: usize) -> Vec<u32> {
    let rows = bench.f32(&[n, logits.len()], &logits.repeat(n));
    let positions: Vec<u32> = (0..n as u32).collect();
    let (at, ids) = (bench.u32(&[n], &positions), bench.zeros(DType::U32, &[n]));
    bench
        .run(|e| op.encode(e, &rows, params, &at, &ids))
        .unwrap();
    bench.read(&ids)
}

#[test]
fn every_device_draws_the_same_from_the_filtered_distribution() {
    // Coarse values have equals, of which the filters take some.
    let coarse: Vec<f32> = noise(12, 1500)
        .iter()
        .map(|x| (x * 8.0).round() / 2.0)
        .collect();
    let fine: Vec<f32> = noise(17, 3001).iter().map(|x| x * 9.0).collect();
    on_devices(|bench| {
        let op = Sample::new(&bench.device).unwrap();
        let (mut draws_made, mut others) = (0, 0);
        for logits in [&coarse, &fine] {
            let few = bench.is_interpreted();
            let limits = if few {
                &[0, 40, 1025][..]
            } else {
                &[0, 1, 40, 1024, 1025, 1499, 9000]
            };
            for &top_k in limits {
                for (temperature, top_p, min_p) in [
                    (1.0, 1.0, 0.0),
                    (0.6, 0.7, 0.0),
                    (1.0, 1.0, 0.3),
                    (1.7, 0.9, 0.05),
                    (1.0, 0.0, 0.0),
                ] {
                    let params = SampleParams {
                        temperature,
                        top_k,
                        top_p,
                        min_p,
                        seed: 0x1234_5678_9abc_def0,
                    };
                    let exact = distribution(logits, &params);
                    let found = draws(bench, &op, logits, &params, 40);
                    for (position, &id) in found.iter().enumerate() {
                        assert!(exact[id as usize] > 0.0, "{params:?} drew {id}");
                        let same = draw(Isa::detect(), logits, &params, position as u32);
                        draws_made += 1;
                        others += u32::from(same != Some(id));
                    }
                }
            }
        }
        assert!(
            others * 500 <= draws_made,
            "{others} of {draws_made} differ"
        );
    });
}

#[test]
fn every_device_draws_from_150_thousand() {
    let logits: Vec<f32> = noise(14, 151_937).iter().map(|x| x * 10.0).collect();
    on_devices(|bench| {
        let op = Sample::new(&bench.device).unwrap();
        for logits in [&logits[..], &logits[..151_936]] {
            for (top_k, top_p) in [(0, 1.0), (0, 0.3), (5000, 0.9), (40, 0.95)] {
                let params = SampleParams {
                    top_k,
                    top_p,
                    ..PLAIN
                };
                let found = draws(bench, &op, logits, &params, 8);
                let exact = distribution(logits, &params);
                let same = (0..8).filter(|&position| {
                    assert!(exact[found[position as usize] as usize] > 0.0, "{params:?}");
                    draw(Isa::detect(), logits, &params, position) == Some(found[position as usize])
                });
                assert!(same.count() >= 7, "{params:?}: {found:?}");
            }
        }
    });
}

#[test]
fn every_device_takes_extreme_logits() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    on_devices(|bench| {
        let op = Sample::new(&bench.device).unwrap();
        for top_k in [0, 3] {
            for temperature in [1e-40, 1e-3, 1.0, 1e30] {
                let params = SampleParams {
                    top_k,
                    temperature,
                    top_p: 0.99,
                    ..PLAIN
                };
                let each = |logits: &[f32], allowed: &[u32]| {
                    let found = draws(bench, &op, logits, &params, 10);
                    let right = found.iter().all(|id| allowed.contains(id));
                    assert!(right, "{logits:?} {params:?}: {found:?}");
                };
                each(&[-inf; 20], &[0]);
                each(&[nan, -inf, nan, -inf], &[1]);
                each(&[nan, 1.0, nan, nan], &[1]);
                each(&[-inf, -inf, -1e30, -inf], &[2]);
                each(&[1.0, inf, 2.0, inf, nan], &[1, 3]);
                each(&[7.0; 5], &[0, 1, 2, 3, 4]);
                each(&[3e38], &[0]);
            }
        }
    });
}
