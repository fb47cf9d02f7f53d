use super::cpu::rotate;
use super::*;
use crate::reference::{assert_close, noise, on_devices};
use crate::simd::Isa;

/// The definition in f64, from radians a position.
pub(crate) fn exactly(
    layout: Layout,
    row: &[f32],
    head_dim: usize,
    position: u32,
    radians: &[f64],
) -> Vec<f64> {
    let mut out: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    for head in out.chunks_mut(head_dim) {
        let half = radians.len();
        for (i, &radians) in radians.iter().enumerate() {
            let (a, b) = match layout {
                Layout::Pairs => (2 * i, 2 * i + 1),
                Layout::Halves => (i, i + half),
            };
            let (sin, cos) = (f64::from(position) * radians).sin_cos();
            let (x, y) = (head[a], head[b]);
            head[a] = x * cos - y * sin;
            head[b] = x * sin + y * cos;
        }
    }
    out
}

pub(crate) fn radians(dims: usize, theta: f64) -> Vec<f64> {
    (0..dims / 2)
        .map(|i| theta.powf(-2.0 * i as f64 / dims as f64))
        .collect()
}

fn check(layout: Layout, head_dim: usize, config: &Config<'_>, radians: &[f64]) {
    let table = frequencies(config).unwrap();
    let row = noise(5, 3 * head_dim + 1);
    let mut scratch = vec![f32::NAN; 2 * table.len()];
    for isa in Isa::available() {
        for position in [0, 1, 17, 2047, 8191, 131_071, 131_072, 1_000_003] {
            let mut found = row.clone();
            rotate(
                isa,
                layout,
                &mut found[1..],
                head_dim,
                position,
                &table,
                &mut scratch,
            );
            let exact = exactly(layout, &row[1..], head_dim, position, radians);
            assert_close(&found[1..], &exact, 0.0, 5e-7);
            assert_eq!(found[0], row[0]);
        }
    }
}

#[test]
fn both_layouts_whole_and_partial_heads_up_to_a_million() {
    for layout in [Layout::Pairs, Layout::Halves] {
        for theta in [10_000.0, 500_000.0, 1e6] {
            for (head_dim, dims) in [
                (64, 64),
                (128, 128),
                (80, 32),
                (17, 6),
                (256, 256),
                (16, 2),
                (100, 98),
            ] {
                let config = Config {
                    dims,
                    theta,
                    scaling: Scaling::None,
                    factors: &[],
                };
                check(layout, head_dim, &config, &radians(dims, theta));
            }
        }
    }
}

#[test]
fn linear_scaling_and_factors() {
    let factors: Vec<f32> = (0..32).map(|i| 0.5 + i as f32).collect();
    let config = Config {
        dims: 64,
        theta: 10_000.0,
        scaling: Scaling::Linear { factor: 4.0 },
        factors: &factors,
    };
    let radians: Vec<f64> = radians(64, 10_000.0)
        .iter()
        .zip(&factors)
        .map(|(r, &f)| r / f64::from(f) / 4.0)
        .collect();
    check(Layout::Halves, 64, &config, &radians);
}

#[test]
fn llama_3_scaling() {
    let parameters = Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 8192,
    };
    let scaling = Scaling::Llama3(parameters);
    let config = Config {
        dims: 128,
        theta: 500_000.0,
        scaling,
        factors: &[],
    };
    // Written out as the branches of Meta's reference code (llama-models, `apply_scaling`).
    let radians: Vec<f64> = radians(128, 500_000.0)
        .iter()
        .map(|&r| {
            let wavelength = std::f64::consts::TAU / r;
            if wavelength < 8192.0 / 4.0 {
                r
            } else if wavelength > 8192.0 {
                r / 8.0
            } else {
                let smooth = (8192.0 / wavelength - 1.0) / (4.0 - 1.0);
                (1.0 - smooth) * r / 8.0 + smooth * r
            }
        })
        .collect();
    check(Layout::Pairs, 128, &config, &radians);
}

#[test]
fn senseless_configurations_have_no_table() {
    let good = Config {
        dims: 64,
        theta: 1e4,
        scaling: Scaling::None,
        factors: &[],
    };
    assert!(frequencies(&good).is_some());
    let llama3 = |low_freq_factor, high_freq_factor| {
        let original_context = 8192;
        Scaling::Llama3(Llama3 {
            factor: 8.0,
            low_freq_factor,
            high_freq_factor,
            original_context,
        })
    };
    for bad in [
        Config { dims: 0, ..good },
        Config { dims: 63, ..good },
        Config { theta: 0.0, ..good },
        Config {
            theta: f64::NAN,
            ..good
        },
        Config {
            scaling: Scaling::Linear { factor: 0.0 },
            ..good
        },
        Config {
            scaling: llama3(4.0, 4.0),
            ..good
        },
        Config {
            scaling: llama3(f64::INFINITY, 4.0),
            ..good
        },
        Config {
            factors: &[1.0; 31],
            ..good
        },
        Config {
            factors: &[0.0; 32],
            ..good
        },
    ] {
        assert!(frequencies(&bad).is_none(), "{bad:?}");
    }
}

#[test]
fn through_the_runtime() {
    on_devices(|bench| {
        let rope = Rope::new(&bench.device).unwrap();
        let config = Config {
            dims: 48,
            theta: 1e4,
            scaling: Scaling::None,
            factors: &[],
        };
        let table = frequencies(&config).unwrap();
        let table = bench.u32(&[24, 2], table.as_flattened());
        for layout in [Layout::Pairs, Layout::Halves] {
            for heads in [1, 3] {
                let values = noise(6, 5 * heads * 64);
                let x = bench.f32(&[5, heads, 64], &values);
                let positions = [0, 9, 4095, 7, 130_000];
                let at = bench.u32(&[5], &positions);
                bench
                    .run(|encoder| rope.encode(encoder, &x, &at, &table, layout))
                    .unwrap();
                let exact: Vec<f64> = values
                    .chunks(heads * 64)
                    .zip(positions)
                    .flat_map(|(row, p)| exactly(layout, row, 64, p, &radians(48, 1e4)))
                    .collect();
                assert_close(&bench.read(&x), &exact, 0.0, 5e-7);
            }
        }
        // Many tokens, when a thread takes several heads; heads and widths that are no powers of two.
        let positions: Vec<u32> = (0..40).map(|i| i * 99_991 + 3).collect();
        for (heads, head_dim) in [(7, 50), (32, 48), (1, 100)] {
            for layout in [Layout::Pairs, Layout::Halves] {
                let values = noise(8, 40 * heads * head_dim);
                let x = bench.f32(&[40, heads, head_dim], &values);
                let at = bench.u32(&[40], &positions);
                bench
                    .run(|encoder| rope.encode(encoder, &x, &at, &table, layout))
                    .unwrap();
                let exact: Vec<f64> = values
                    .chunks(heads * head_dim)
                    .zip(&positions)
                    .flat_map(|(row, &p)| exactly(layout, row, head_dim, p, &radians(48, 1e4)))
                    .collect();
                assert_close(&bench.read(&x), &exact, 0.0, 5e-7);
            }
        }
        let (x, at) = (
            bench.zeros(DType::F32, &[5, 2, 64]),
            bench.zeros(DType::U32, &[5]),
        );
        let flat = bench.zeros(DType::F32, &[5, 128]);
        let narrow = bench.zeros(DType::F32, &[5, 2, 46]);
        let short = bench.zeros(DType::U32, &[4]);
        let refuses = |x: &Tensor, at: &Tensor, table: &Tensor, message| {
            bench.refuses(
                |encoder| rope.encode(encoder, x, at, table, Layout::Pairs),
                message,
            );
        };
        refuses(
            &flat,
            &at,
            &table,
            "x is F32 [5, 128]; it must be F32 of 3 dimensions",
        );
        refuses(
            &x,
            &short,
            &table,
            "positions is U32 [4]; it must be U32 [5]",
        );
        refuses(
            &narrow,
            &at,
            &table,
            "frequencies is U32 [24, 2]; it must be U32 [at most 23, 2]",
        );
        refuses(&x, &at, &at, "frequencies is U32 [5]");
    });
}
